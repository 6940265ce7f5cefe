"""A database file of ours as a connection that changes nothing: not the file, and none beside it.

Why it exists: a file to be read from may be in use, crashed, read-only, or damaged. SQLite would recover a log, or make
files of its own beside it. And of a damaged file it gives up at the first bad page; here every readable row is copied into a
scratch database, which is then read like a sound one. A page that cannot be read ends a scan, so the scan goes on behind
it, found by asking for one row number after the other. It must not know what the rows mean.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

MAGIC: Final = b"SQLite format 3\0"
TABLES: Final = ("conversations", "messages", "turns", "requests", "journal")
_INDEXES: Final = (
    ("conversations", "id"),
    ("messages", "conversation_id"),
    ("messages", "id"),
    ("turns", "conversation_id"),
    ("requests", "turn_id"),
    ("journal", "turn_id"),
)
_ONE_BY_ONE: Final = 100_000  # row numbers asked for behind a bad page before the steps grow


class Row(dict[str, Any]):
    """A row by its columns; one that the schema of the file does not have is None."""

    def __missing__(self, name: str) -> Any:
        return "prompt" if name == "title_from" else None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads `path` as it is now.

    Raises:
        sqlite3.Error: it is no database, or its schema is damaged.
        OSError: it cannot be read.

    """
    with contextlib.ExitStack() as stack:
        wal, shared = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
        connection = _connected(path, "mode=ro") if shared.exists() else None  # in use, or left by a crash
        if connection is None and wal.exists() and wal.stat().st_size:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tui-chat-")))
            for part in (path, wal):
                shutil.copyfile(part, folder / part.name)
            connection = _connected(folder / path.name, "mode=rw")
        if connection is None:
            connection = _connect(path, "mode=ro&immutable=1")
        stack.enter_context(contextlib.closing(connection))
        connection.execute("SELECT count(*) FROM sqlite_master")
        yield connection


def _connected(path: Path, how: str) -> sqlite3.Connection | None:
    """A connection that can read, or None."""
    connection = _connect(path, how)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        return None
    return connection


def _connect(path: Path | str, how: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}" if isinstance(path, Path) else path
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")  # or a file that was cut off is refused; nothing is written to it
    connection.row_factory = _row
    connection.text_factory = lambda data: data.decode("utf-8", "replace")  # damage ends neither a row nor a scan
    return connection


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return Row(zip((column[0] for column in cursor.description), values, strict=True))


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether SQLite finds nothing wrong with the file."""
    try:
        return [row["quick_check"] for row in connection.execute("PRAGMA quick_check(1)")] == ["ok"]
    except sqlite3.Error:
        return False


@contextlib.contextmanager
def readable_part(connection: sqlite3.Connection) -> Iterator[tuple[sqlite3.Connection, dict[str, int]]]:
    """A scratch database with every row that can be read, and how many rows of which table may be missing; 0: unknown."""
    with (
        tempfile.TemporaryDirectory(prefix="tui-chat-") as folder,
        contextlib.closing(_connect(Path(folder) / "scratch.db", "mode=rwc")) as scratch,
    ):
        scratch.execute("PRAGMA journal_mode = OFF")
        scratch.execute("PRAGMA synchronous = OFF")
        lost = {table: _copy(connection, scratch, table) for table in TABLES}
        for table, column in _INDEXES:
            scratch.execute(f"CREATE INDEX {table}_{column} ON {table} ({column})")
        yield scratch, {table: count for table, count in lost.items() if count is not None}


def _copy(source: sqlite3.Connection, scratch: sqlite3.Connection, table: str) -> int | None:
    """Copy what can be read of a table; returns how many rows may be missing (0: unknown), None if none are."""
    columns = [row["name"] for row in source.execute(f"PRAGMA table_info({table})")]
    keys = {"conversations": "id", "messages": "id, conversation_id", "turns": "conversation_id", "journal": "turn_id"}
    named = ", ".join(columns) if columns else keys.get(table, "turn_id")
    scratch.execute(f"CREATE TABLE {table} ({named})")
    if not columns:
        return None
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - a name of ours
    scan = _Scan(source, table)
    scratch.execute("BEGIN")
    for row in scan.rows():
        scratch.execute(insert, [row[name] for name in columns])
    scratch.execute("COMMIT")
    return 0 if scan.is_cut else scan.lost or None


class _Scan:
    """All readable rows of a table; `lost` counts the row numbers between them that gave none because of damage.

    `is_cut`: behind the last row there may be more.
    """

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        self.lost = 0
        self.is_cut = False
        self._connection, self._table = connection, table

    def rows(self) -> Iterator[Row]:
        at = -(2**63)
        while True:
            try:
                for row in self._ask("SELECT rowid AS rowid_, * FROM {} WHERE rowid > ? ORDER BY rowid", at):
                    if row["rowid_"] <= at:  # what a half-written page says; believed, the scan would never end
                        raise sqlite3.DatabaseError("the rows are out of order")
                    at = row["rowid_"]
                    yield row
            except sqlite3.Error:
                after = self._next_row(at)
                if after is None:
                    self.is_cut = True
                    return
                self.lost += after - at - 1 if at > 0 else max(0, after - 1)
                row_alone = self._alone(after)
                at = after
                if row_alone is None:
                    self.lost += 1
                else:
                    yield row_alone
            else:
                return

    def _ask(self, query: str, number: int) -> sqlite3.Cursor:
        return self._connection.execute(query.format(self._table), (number,))

    def _alone(self, number: int) -> Row | None:
        try:
            row: Row | None = self._ask("SELECT rowid AS rowid_, * FROM {} WHERE rowid = ?", number).fetchone()
        except sqlite3.Error:
            return None
        return row

    def _next_row(self, at: int) -> int | None:
        """The next row number behind `at` that can be reached; None if there is none."""
        number, step, tried = max(at, 0) + 1, 1, 0
        while number < 2**62:
            try:
                row = self._ask(
                    "SELECT rowid AS rowid_ FROM {} WHERE rowid >= ? ORDER BY rowid LIMIT 1", number
                ).fetchone()
            except sqlite3.Error:
                pass
            else:
                if row is None or row["rowid_"] >= number:
                    return None if row is None else int(row["rowid_"])
            tried += 1
            step = step * 2 if tried > _ONE_BY_ONE else step
            number += step
        return None
