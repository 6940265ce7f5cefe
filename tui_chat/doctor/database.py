"""The database, read without a change: is it sound, is it ours, which schema, how much is indexed, who writes in it.

A database without a write-ahead log is opened as immutable: no lock, no -shm, nothing beside it. If another tui-chat begins to
write meanwhile, what was read may be of two states; then it is read once more, with SQLite's locks.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tui_chat.config import DATABASE, Config
from tui_chat.doctor.report import Report, size_of
from tui_chat.errors import StoreCorruptError, StoreError, StoreTooNewError
from tui_chat.store.migrations import MIGRATIONS, check
from tui_chat.store.owner import Owner, is_gone, this_process
from tui_chat.store.transactions import translated

PATIENCE: Final = 2.0  # seconds that a lock is waited for
WORTH_SAYING: Final = 50_000_000  # bytes; a larger database takes a moment
_SMALLEST: Final = 512  # bytes: SQLite would take a file of one byte for an empty database
_MOST_ERRORS: Final = 5
_STEPS: Final = 100_000  # of SQLite's machine, between two looks at Ctrl+C
_INDEXED: Final = 3  # the schema from which on messages are indexed, and deletions are marks
_DAMAGED: Final = (
    "the next start moves a database that cannot be opened aside and keeps it; "
    "`tui-chat import FILE` reads from it what can be read"
)


def check_database(report: Report, config: Config) -> None:
    """Integrity, schema, index, running turns."""
    path = config.data_dir / DATABASE
    if config.no_home or not path.exists():
        report.ok("database", "none yet")
        return
    size = path.stat().st_size
    if size == 0:
        report.ok("database", "empty")
        return
    if size > WORTH_SAYING:
        report.working(f"reading {size_of(size)}")
    before = _quiet_state(path)
    found = _examined(report, path, immutable=before is not None)
    if before is not None and _quiet_state(path) != before:
        found = _examined(report, path, immutable=False)
    for say in found:
        say()


def _quiet_state(path: Path) -> tuple[int, int] | None:
    """Size and time of a database that has nothing in a write-ahead log, as one has that is written to; None: it has."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return None
    return path.stat().st_size, path.stat().st_mtime_ns


def _examined(report: Report, path: Path, *, immutable: bool) -> list[Callable[[], None]]:
    """What there is to say; nothing is said yet, since it may have to be read again."""
    said: list[Callable[[], None]] = []

    def later(say: Callable[..., None], *values: str) -> None:
        said.append(lambda: say(*values))

    if path.stat().st_size < _SMALLEST:
        later(report.problem, "integrity", "the file is too small to be a database", _DAMAGED)
        return said
    try:
        with translated(path), _reading(path, immutable=immutable) as connection:
            version = check(connection, path)
            is_sound = _check_soundness(report, connection, later)
            _check_schema(report, version, later)
            if version and is_sound:
                _check_content(report, connection, version, later)
    except StoreTooNewError as error:
        later(
            report.problem, "schema", "a newer tui-chat wrote this database, which this one leaves alone", error.advice
        )
    except StoreCorruptError:
        later(report.problem, "integrity", "the database is damaged", _DAMAGED)
    except StoreError as error:
        later(report.problem, "database", str(error), error.advice or "move it away, or use --data-dir")
    return said


@contextmanager
def _reading(path: Path, *, immutable: bool) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(lambda: 0, _STEPS)  # without one Ctrl+C waits for the end of the statement
        yield connection


Later = Callable[..., None]


def _check_soundness(report: Report, connection: sqlite3.Connection, later: Later) -> bool:
    errors = [
        line
        for row in connection.execute(f"PRAGMA integrity_check({_MOST_ERRORS})")
        for line in str(row[0]).splitlines()
        if not line.startswith("***")  # the name of the database, which is always main
    ]
    if errors != ["ok"]:
        first = errors[0] if errors else "no more is known"
        later(report.problem, "integrity", f"the database is damaged ({first}; {len(errors)} found)", _DAMAGED)
        return False
    later(report.ok, "integrity", "sound (integrity_check)")
    loose = sum(1 for _ in connection.execute("PRAGMA foreign_key_check"))
    if loose:
        later(report.problem, "references", f"{loose} rows refer to rows that are gone", "please report it")
    else:
        later(report.ok, "references", "complete (foreign_key_check)")
    return True


def _check_schema(report: Report, version: int, later: Later) -> None:
    if version < len(MIGRATIONS):
        text = f"version {version}; the next start upgrades it to {len(MIGRATIONS)} and keeps a copy"
        later(report.note, "schema", text)
    else:
        later(report.ok, "schema", f"version {version}")


def _check_content(report: Report, connection: sqlite3.Connection, version: int, later: Later) -> None:
    live = " WHERE deletion_id IS NULL" if version >= _INDEXED else ""
    conversations = connection.execute(f"SELECT count(*) FROM conversations{live}").fetchone()[0]  # noqa: S608 - a literal
    turns = connection.execute(f"SELECT count(*) FROM turns{live}").fetchone()[0]  # noqa: S608 - a literal
    later(report.ok, "content", f"{_many(conversations, 'conversation')}, {_many(turns, 'turn')}")
    if version >= _INDEXED:
        _check_index(report, connection, later)
    _check_running(report, connection, later)


def _check_index(report: Report, connection: sqlite3.Connection, later: Later) -> None:
    messages, indexed = connection.execute("SELECT count(*), count(search_key) FROM messages").fetchone()
    if indexed < messages:
        share = f"{100 * indexed // messages} % of {_many(messages, 'message')}"
        later(report.note, "search", f"{share} can be found yet; the rest is indexed while tui-chat is open")
    else:
        later(report.ok, "search", f"all of {_many(messages, 'message')} can be found")
    waiting = connection.execute("SELECT count(*) FROM deletions").fetchone()[0]
    if waiting:
        later(report.note, "deletions", f"{_many(waiting, 'deletion')} can still be undone, or wait to be erased")


def _check_running(report: Report, connection: sqlite3.Connection, later: Later) -> None:
    rows = connection.execute(
        "SELECT owner_pid, owner_started, owner_boot, owner_namespace, started_at FROM turns WHERE outcome IS NULL"
    ).fetchall()
    me, now = this_process(), time.time()
    alive = [row[0] for row in rows if not is_gone(Owner(*row[:4]), me, now - row[4])]
    if alive:
        numbers = ", ".join(str(pid) for pid in sorted(set(alive)))
        later(report.ok, "running", f"{_many(len(alive), 'reply', 'replies')} of process {numbers}")
    if cut := len(rows) - len(alive):
        later(
            report.note,
            "running",
            f"{_many(cut, 'reply', 'replies')} cut off; the next start marks them as interrupted",
        )


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
