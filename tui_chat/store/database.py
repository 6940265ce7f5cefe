"""One SQLite connection: opened safely, used by one thread.

Why it exists: most data is lost around opening, not writing. So: the busy timeout comes first; permissions are set before
anything is written; what is there is looked at through a read-only connection, so that a newer or foreign database stays
as it is; a damaged one is moved aside together with its -wal and -shm, never deleted. It must not know turns.
"""

import errno
import fcntl
import os
import shlex
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from tui_chat.errors import StoreUnavailableError
from tui_chat.store.migrations import check, migrate
from tui_chat.store.transactions import DAMAGED, immediate, primary_code, snapshot, translated

BUSY_SECONDS: Final = 5.0  # how long a lock of another program is waited for, in the store's thread

COMPACTED_BYTES: Final = 16 * 2**20  # some tenths of a second
_PATIENCE_MS: Final = 100  # compacting can be done another time

_BESIDE: Final = ("", "-wal", "-shm")
_SMALLEST: Final = 512  # bytes; SQLite takes a file of one byte for an empty database and overwrites it


class Database:
    """The connection; everything but `path` and `notices` is used in the store's thread only."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.notices: list[str] = []
        self._connection: sqlite3.Connection | None = None
        self._is_durable: bool | None = None

    def open(self) -> None:
        """Create or check the file, migrate it, and be ready for transactions; StoreError if that cannot be."""
        with translated(self.path):
            if self.path is None:
                self._connect(":memory:", None)
                return
            try:
                self._open_file(self.path)
            except sqlite3.Error as error:
                if primary_code(error) not in DAMAGED:
                    raise
                self._move_aside(self.path)
                self._open_file(self.path)

    def _open_file(self, path: Path) -> None:
        try:
            _prepare_files(path)
            self._connect(str(path), path)
        except BaseException:  # a connection that is not wholly set up must not be used, nor stay open
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the last one moves the write-ahead log into the database. Harmless when closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def writing(self, *, durable: bool, patient: bool = True) -> Iterator[sqlite3.Connection]:
        """A write transaction, on the disk when it ends if `durable`, else safe from all but a power cut.

        What is not `patient` gives up soon if another program holds the lock: it can be done another time.
        """
        connection = self._open_connection()
        with translated(self.path):
            if durable is not self._is_durable:
                # FULL also brings all earlier transactions to the disk: the log is written in order.
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            if not patient:
                connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
            try:
                with immediate(connection):
                    yield connection
            finally:
                if not patient:
                    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Reads that see one state of the database."""
        connection = self._open_connection()
        with translated(self.path), snapshot(connection):
            yield connection

    def compact(self, table: str, is_late: Callable[[], bool]) -> bool:
        """Write a small file anew and empty the log, so that no trace of removed rows is left; whether it could be done.

        Writing a large file anew would lock it for seconds, so there it is done for `table` only. A trace stays where a
        row that grows moves its neighbours to another page, and only in one table do rows grow in the midst of others.
        """
        connection = self._open_connection()
        if self.path is None:
            return True
        with translated(self.path):
            size = _pragma(connection, "page_count") * _pragma(connection, "page_size")
            connection.set_progress_handler(is_late, 10_000)
            connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
            try:
                if size <= COMPACTED_BYTES:
                    connection.execute("VACUUM")
                else:
                    _write_anew(connection, table)
                is_busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError as error:
                if primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_FULL):
                    return False
                raise
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        return not is_busy

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailableError("the store is not open")
        return self._connection

    def _connect(self, name: str, path: Path | None) -> None:
        connection = self._connection = _connection(name)
        connection.row_factory = sqlite3.Row
        _enter_wal(connection)
        connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone leaves the data in the drive's cache
        connection.execute("PRAGMA secure_delete = ON")  # journals hold text: what is deleted must not stay readable
        migrate(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")  # after migrating, so that a step may rebuild a table

    def _move_aside(self, path: Path) -> None:
        """Rename a damaged database, unless another process has already done so."""
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            if not _is_damaged(path):
                return
            aside = _free_name(path)
            for suffix in _BESIDE:
                part = path.with_name(path.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
        finally:
            os.close(directory)
        self.notices.append(
            f"{path.name} was damaged; it is kept as {aside}, and a new database was started:"
            f" `tui-chat import {shlex.quote(str(aside))}` brings back what can be read"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _write_anew(connection: sqlite3.Connection, table: str) -> None:
    """Empty a table and fill it again: its old pages are overwritten, and no row is a copy of an earlier state."""
    connection.execute("PRAGMA foreign_keys = OFF")  # nothing is gone for those that refer to it
    try:
        with immediate(connection):
            connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")  # noqa: S608 - our own name
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own name
            connection.execute(f"INSERT INTO {table} SELECT * FROM temp.kept")  # noqa: S608 - our own name
            connection.execute("DROP TABLE temp.kept")
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _connection(name: str, *, uri: bool = False) -> sqlite3.Connection:
    """Transactions are explicit; the busy timeout is set before the first statement."""
    return sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, uri=uri)


def _prepare_files(path: Path) -> None:
    """Directory 0700 and file 0600 whatever the umask; SQLite gives -wal and -shm the mode of the file."""
    for directory in reversed(path.absolute().parents):
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    try:
        # Only a file that is new may be opened besides SQLite: closing any other would drop this process's locks on it.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        _inspect(path)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it may only be read") from None
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    else:
        os.fchmod(descriptor, 0o600)
        os.close(descriptor)


def _inspect(path: Path) -> None:
    """Raise what speaks against using the file, without writing to it."""
    if 0 < path.stat().st_size < _SMALLEST and path.is_file():
        damaged = sqlite3.DatabaseError("too small to be a database")
        damaged.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise damaged
    try:
        with closing(_connection(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            check(connection, path)
    except sqlite3.OperationalError as error:
        # A read-only look can be impossible where a real one is not (a log to recover first): opening will tell.
        if primary_code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        _inspect(path)
        with closing(_connection(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]
    except sqlite3.Error as error:
        if primary_code(error) in DAMAGED:
            return True
        raise


def _free_name(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        name = path.with_name(f"{path.name}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not name.exists():
            return name
        number += 1


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite refuses the switch at once when another process is making it, whatever the
    busy timeout, so the waiting is done here.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
