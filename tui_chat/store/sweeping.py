"""Erasing to its end: stage after stage, the copies beside the database too.

Why it exists: some of it cannot be done inside a transaction (compacting the file, emptying the log, another file's rows),
and all of it must give way: in the background to any job, at the end of the program to the clock. It must not know which
rows belong to what (`erasing`), nor the event loop.
"""

import fcntl
import json
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tui_chat.store import erasing
from tui_chat.store.database import Database
from tui_chat.store.owner import Owner
from tui_chat.store.transactions import DAMAGED, immediate, primary_code

_log = logging.getLogger(__name__)
SLICE: Final = 0.015  # seconds that a slice may hold the write lock
_BACKUP: Final = re.compile(r"\.v\d+\.backup")


def sweep(database: Database, me: Owner, mine: Collection[str], is_late: Callable[[], bool]) -> bool:
    """One slice of erasing what is final (see `erasing.final`); returns whether there is more that can be done now.

    What cannot be done now (another program reads, `is_late`) is left for another time.
    """
    with database.reading() as connection:
        final = erasing.final(connection, me, time.time(), mine)
        marked = [row for row in final if row["stage"] == "marked" and not erasing.is_running(connection, row)]
    stages = {row["stage"] for row in final}
    ends = time.monotonic() + SLICE

    def stop() -> bool:
        return time.monotonic() > ends or is_late()

    if marked:
        with database.writing(durable=False, patient=False) as connection:
            for row in marked:
                erasing.begin(connection, row["id"])
        return True
    if rows_left := [row["id"] for row in final if row["stage"] in ("blanking", "removing")]:
        with database.writing(durable=False, patient=False) as connection:
            erasing.erase(connection, rows_left[0], stop)
        return True
    if not stages.isdisjoint(("merge", "merging")):
        with database.writing(durable=False, patient=False) as connection:
            erasing.merge(connection, stop)
        return True
    if "sweeping" in stages:
        if not database.compact("conversations", is_late):
            return False
        with database.writing(durable=False, patient=False) as connection:
            erasing.swept(connection)
        return True
    erased = [row for row in final if row["stage"] == "copies"]
    if erased and (database.path is None or _erase_from_copies(database.path, erased, is_late)):
        with database.writing(durable=True, patient=False) as connection:
            erasing.forget(connection, [row["id"] for row in erased])
    return False


def copies(path: Path) -> list[Path]:
    """The copies that migrations have left beside the database."""
    found = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    return sorted(file for file in found if _BACKUP.fullmatch(file.name.removeprefix(path.name)))


def _erase_from_copies(path: Path, deletions: Collection[sqlite3.Row], is_late: Callable[[], bool]) -> bool:
    """Take deleted conversations and turns out of every copy; returns whether all is done."""
    conversations = [row["conversation_id"] for row in deletions if row["turn_id"] is None]
    turns = [turn for row in deletions for turn in json.loads(row["turns"] or "[]")]
    files = copies(path)
    if not files:
        return True
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or what another process takes out would come back
        for file in files:
            try:
                if _erase_from_copy(file, conversations, turns, is_late):
                    os.fsync(directory)
            except sqlite3.DatabaseError as error:
                if primary_code(error) not in DAMAGED:
                    raise
                _log.warning("%s is left as it is: %s", file, error)  # nobody can tell what it holds
    except (OSError, sqlite3.Error) as error:
        _log.info("the copies of %s are left for another time: %s", path, error)
        return False
    finally:
        os.close(directory)
    return True


def _erase_from_copy(
    file: Path, conversations: Collection[str], turns: Collection[str], is_late: Callable[[], bool]
) -> bool:
    """Put a copy without them in the place of one; returns whether there were any. Until the end it stays as it is."""
    partial, clean = file.with_name(file.name + ".partial"), file.with_name(file.name + ".clean")
    try:
        with _opened(file, is_late) as connection:
            if not _holds(connection, conversations, turns):
                return False
            _vacuum_into(connection, partial)
        with _opened(partial, is_late) as connection:
            connection.execute("PRAGMA journal_mode = OFF")  # it is thrown away if anything goes wrong
            connection.execute("PRAGMA secure_delete = ON")
            with immediate(connection):
                _remove(connection, conversations, turns)
            _vacuum_into(connection, clean)
        with clean.open("rb") as written:
            os.fsync(written.fileno())
        clean.replace(file)
    finally:
        partial.unlink(missing_ok=True)
        clean.unlink(missing_ok=True)
    return True


@contextmanager
def _opened(file: Path, is_late: Callable[[], bool]) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.set_progress_handler(is_late, 10_000)
        yield connection


def _vacuum_into(connection: sqlite3.Connection, file: Path) -> None:
    """A copy without anything in its free space."""
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection.execute("VACUUM INTO ?", (str(file),))


def _holds(connection: sqlite3.Connection, conversations: Collection[str], turns: Collection[str]) -> bool:
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (id_,)).fetchone()  # noqa: S608 - two names
        for table, ids in (("conversations", conversations), ("turns", turns))
        for id_ in ids
    )


def _remove(connection: sqlite3.Connection, conversations: Collection[str], turns: Collection[str]) -> None:
    """Rows out of a database of any version. References are not enforced here, so the order does not matter."""
    is_indexed = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'found'").fetchone() is not None
    ids = set(turns)
    for id_ in conversations:
        ids |= {row["id"] for row in connection.execute("SELECT id FROM turns WHERE conversation_id = ?", (id_,))}
    for id_ in ids:
        row = connection.execute("SELECT prompt_id, reply_id FROM turns WHERE id = ?", (id_,)).fetchone()
        if row is None:
            continue
        connection.execute("DELETE FROM turns WHERE id = ?", (id_,))
        connection.execute("DELETE FROM requests WHERE turn_id = ?", (id_,))
        connection.execute("DELETE FROM journal WHERE turn_id = ?", (id_,))
        _remove_message(connection, row["reply_id"], is_indexed=is_indexed)
        if not connection.execute("SELECT 1 FROM turns WHERE prompt_id = ?", (row["prompt_id"],)).fetchone():
            _remove_message(connection, row["prompt_id"], is_indexed=is_indexed)
    for id_ in conversations:
        for message in connection.execute("SELECT id FROM messages WHERE conversation_id = ?", (id_,)).fetchall():
            _remove_message(connection, message["id"], is_indexed=is_indexed)
        connection.execute("DELETE FROM conversations WHERE id = ?", (id_,))
    gone = "current_message_id IS NOT NULL AND current_message_id NOT IN (SELECT id FROM messages)"
    connection.execute(f"UPDATE conversations SET current_message_id = NULL WHERE {gone}")  # noqa: S608 - a constant
    if is_indexed:
        connection.execute("INSERT INTO found (found) VALUES ('optimize')")


def _remove_message(connection: sqlite3.Connection, message_id: str, *, is_indexed: bool) -> None:
    if is_indexed:
        erasing.unindex(connection, message_id)
    connection.execute("DELETE FROM messages WHERE id = ?", (message_id,))
