"""A second connection, which only reads, with a thread of its own: a search never delays a commit.

Why it exists: the store's one thread does one thing after the other, and the first thing is keeping what was said. What a
reader asks for may take long, and is no longer wanted at the next key. So each query that is no longer awaited is
interrupted, and those still queued are never begun. It must not know what is asked.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Protocol, TypeVar

from tui_chat.errors import StoreUnavailableError
from tui_chat.store.database import BUSY_SECONDS
from tui_chat.store.transactions import primary_code, snapshot, translated

Result = TypeVar("Result")
Query = Callable[[sqlite3.Connection], Result]

_CACHE: Final = 8_000  # kB; a search looks at few pages, but at them again and again while somebody types


class RunQuery(Protocol):
    """Where queries run if there is no file for a second connection."""

    def __call__(self, query: Query[Result], /) -> Awaitable[Result]: ...


class _Wanted:
    """Whether somebody still waits for a query."""

    is_wanted = True


class Reader:
    """Reads of the database at `path`; without one (it is in memory) they go `elsewhere`. Raises only StoreError's kinds."""

    def __init__(self, path: Path | None, elsewhere: RunQuery) -> None:
        """Nothing is opened before the first query."""
        self._path = path
        self._elsewhere = elsewhere
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")  # its thread starts when needed
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()  # an interruption must not meet the next query
        self._running: _Wanted | None = None
        self._closing: Future[None] | None = None

    async def run(self, query: Query[Result]) -> Result:
        """The result of `query`, which sees one state of the database. If the await is cancelled it is interrupted."""
        if self._closing is not None:
            raise StoreUnavailableError("the store is closed")
        if self._path is None:
            return await self._elsewhere(query)
        wanted = _Wanted()
        try:
            return await asyncio.wrap_future(self._executor.submit(self._do, query, wanted))
        except asyncio.CancelledError:
            self._interrupt(wanted)
            raise

    async def close(self) -> None:
        """Interrupt what runs and close the connection; calling it again waits for the same."""
        if self._closing is None:
            self._closing = self._executor.submit(self._close)
            self._executor.shutdown(wait=False)
            if (running := self._running) is not None:
                self._interrupt(running)
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def _interrupt(self, wanted: "_Wanted") -> None:
        with self._lock:
            wanted.is_wanted = False
            if self._running is wanted and self._connection is not None:
                self._connection.interrupt()

    # In the reader's thread ----------------------------------------------------------------------------------------

    def _do(self, query: Query[Result], wanted: "_Wanted") -> Result:
        with translated(self._path):
            connection = self._open()
            try:
                with snapshot(connection), self._interruptible(connection, wanted):
                    return query(connection)
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_INTERRUPT:
                    raise
                raise StoreUnavailableError("it was interrupted") from error
            finally:
                if connection.in_transaction:  # the end of the snapshot was interrupted as well
                    self._close()

    @contextmanager
    def _interruptible(self, connection: sqlite3.Connection, wanted: "_Wanted") -> Iterator[None]:
        """While this is open an interruption stops statements that begin later, too.

        SQLite forgets an interruption as soon as no statement is being executed, so one is, all the time.
        """
        with closing(connection.execute("SELECT 1")):  # its row is never fetched
            with self._lock:
                self._running = wanted
                if not wanted.is_wanted:
                    connection.interrupt()
            try:
                yield
            finally:
                with self._lock:
                    self._running = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            assert self._path is not None  # noqa: S101 - for the type checker
            # Read only, so that nothing that is asked for here can ever write.
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                uri, timeout=BUSY_SECONDS, isolation_level=None, uri=True, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
