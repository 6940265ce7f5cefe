"""Transactions, and SQLite's errors as ours.

Why it exists: every error that leaves the store is a `StoreError` with a sentence and advice, and every transaction
either happens or does not. It must not know tables or turns.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from json import JSONDecodeError
from pathlib import Path
from typing import Final

from tui_chat.errors import StoreCorruptError, StoreError, StoreUnavailableError

DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_LOCKED: Final = "is locked by another program", "close that program, or try again in a moment"
_FULL: Final = "cannot grow, the disk or the quota is full", "free some space, then try again"
_READ_ONLY: Final = "cannot be written", "check the permissions of the file and its directory"
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check that its directory exists and may be written"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "check the disk and its free space, then try again"),
}

_REFUSED: Final = (UnicodeEncodeError, OverflowError)  # by Python's module, before SQLite sees it: an id from outside


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction: all of it or nothing. It takes the write lock at once, since a reader that turns writer is
    refused without waiting, whatever the busy timeout.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # whatever ends it, no open transaction may stay behind: it would lock out everybody
        _roll_back(connection)
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Several reads that see one state of the database, whatever other processes commit meanwhile.

    Within a transaction that is already so.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        _roll_back(connection)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):  # after a full disk SQLite has already rolled back by itself
            connection.execute("ROLLBACK")


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """Every error of SQLite or the file system as a `StoreError` that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError, JSONDecodeError, RecursionError, *_REFUSED) as error:
        raise _as_ours(error, path) from error


def primary_code(error: BaseException) -> int | None:
    """SQLite's primary result code, or None for an error that is not its own."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _as_ours(error: Exception, path: Path | None) -> StoreError:
    name = f"the database {path}" if path else "the database in memory"
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        return StoreUnavailableError(f"{name} cannot be opened ({what})", "check that its directory may be written")
    code = primary_code(error)
    if code in _UNAVAILABLE:
        what, advice = _UNAVAILABLE[code]
        return StoreUnavailableError(f"{name} {what}", advice)
    if code in DAMAGED or isinstance(error, JSONDecodeError | RecursionError):
        return StoreCorruptError(
            f"{name} is damaged", "move it away to start a new one; `tui-chat import FILE` brings back what can be read"
        )
    return StoreError(f"{name} refused a change ({error})", "please report it")
