"""The store: conversations in SQLite, seen from the event loop.

The promise is DESIGN's: nothing acknowledged is ever lost. How it is kept:

One thread. All of SQLite runs in a thread of one's own, fed by a queue, and a whole transaction is one job. So the loop
never waits for a disk or a lock, jobs happen in the order they were asked for, and cancelling an await ends the wait, not
the job: there is no half transaction and no lock left behind. A caller that was cancelled may simply ask again, since
every write can be done twice.

Three writes a turn. `begin_turn` commits prompt and turn before the request leaves; `journal` appends what came, every
250 ms; `end_turn` replaces the journal by the reply. The first and the last are on the disk when they return
(synchronous=FULL: they survive a power cut); the journal needs only survive the process (NORMAL). Appending costs what is
new, never what is there: a reply of a megabyte is journalled as fast as a short one.

Running turns have an owner. A turn without outcome belongs to a process: number, start, boot and namespace. At opening,
the turns of owners that are certainly gone are folded from their journals by `turns.apply`, the same function that made
them live, and end as failed with `interrupted`. Those of living processes are left alone; loading one shows its journal.

Failure is a value of its own. Whatever SQLite or the file system says comes out as a `StoreError` with a sentence and
advice. A turn that could not be stored (a full disk) is stored with the next one that can, from the conversation the
caller hands in. Damaged files are moved aside and named in `notices`; a newer schema is refused untouched.

The tree. Messages point to their parents and a conversation points to the last turn of its current path; editing and
regenerating add branches. A turn that begins moves the path to its prompt, its end moves it on to its reply, unless the
path has gone elsewhere meanwhile. One that begins or ends in what was deleted brings it back.

Idle. Indexing and erasing are done in slices of some milliseconds while nothing else is queued (`idle`): after opening,
after turns, after an import. What is deleted here is erased when the store closes, for at most two seconds; the rest is
done after the next start.

It must not know the engine, the screen, or the session. Whoever calls must not change a turn once it has been handed to
`end_turn`: it is read in the thread.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self, TypeVar

from tui_chat.conversation import Conversation, Turn
from tui_chat.errors import StoreError, StoreUnavailableError
from tui_chat.events import Event
from tui_chat.listed import ConversationSummary
from tui_chat.store import erasing, index, journal, listing, reading, sweeping, tree, values, writing
from tui_chat.store.database import Database
from tui_chat.store.idle import Idle
from tui_chat.store.library import Library
from tui_chat.store.owner import Owner, this_process
from tui_chat.store.reader import Reader

Result = TypeVar("Result")

_log = logging.getLogger(__name__)
IDLE_AFTER_OPENING: Final = 1.0  # seconds: the first paint comes first
ERASING_AT_CLOSE: Final = 2.0  # seconds, at most


class Store:
    """All conversations of one database. Every method but `close` raises only `StoreError` and its kinds.

    `notices` holds sentences for the user about what happened while opening. `library` is what can be done to
    conversations as wholes.
    """

    def __init__(self, path: Path | None) -> None:
        """Not for callers: use `open`."""
        self._database = Database(path)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._closing: Future[None] | None = None
        self.owner = Owner(0)
        self._queued: deque[None] = deque()  # one for each job that has not begun
        self._seen: set[str] = set()  # conversations that were stored while this was open; used in the thread only
        self._is_closing = False
        self._ending: asyncio.Task[None] | None = None
        self._idle = Idle(self._idle_slice, self._executor.submit)
        self.reader = Reader(path, self.read)
        self.library = Library(self)

    @classmethod
    async def open(cls, path: Path | None) -> Self:
        """Open the database at `path`, making it and its directory if need be; None keeps everything in memory.

        Turns whose process is gone are ended as interrupted.

        Raises:
            StoreTooNewError: a newer version wrote it; it is untouched.
            StoreUnavailableError: locked, read-only, full, or no such place.
            StoreError: it belongs to another program.

        """
        store = cls(path)
        try:
            await store.run(store._open)
        except BaseException:  # cancelled, too: the thread must not outlive a store that nobody holds
            store._begin_closing()
            raise
        store.index_later(IDLE_AFTER_OPENING)
        return store

    @property
    def path(self) -> Path | None:
        """Where the database is; None in memory."""
        return self._database.path

    @property
    def notices(self) -> list[str]:
        """What the user should know about the opening, in sentences."""
        return self._database.notices

    async def close(self) -> None:
        """Finish the queued jobs, erase what was deleted here, and close the file; calling it again waits for the same."""
        if self._ending is None:
            self._is_closing = True
            self._idle.stop()
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def begin_turn(self, conversation: Conversation, turn: Turn) -> tuple[str, ...]:
        """Commit the conversation (title only if it has none), the prompt and the running turn; on the disk at return.

        Returns the ids of all versions of the turn, oldest first: other windows may have gone on from there, too.
        """
        row, earlier = values.conversation_row(conversation), tuple(conversation.turns)

        def job() -> tuple[str, ...]:
            with self._database.writing(durable=True) as connection:
                erasing.make_way(connection, conversation.id, turn.prompt.parent_id)
                connection.execute(writing.BEGIN_CONVERSATION, row)
                writing.save_missing(connection, turn.prompt.parent_id, earlier, self.owner)
                writing.save_turn_start(connection, turn, self.owner)
                erasing.revive(connection, conversation.id, [turn.id])
                versions = tree.versions_at(connection, conversation.id, turn.prompt.parent_id)
            self._seen.add(conversation.id)
            return versions

        return await self.run(job)

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        """Append events of a running turn; those of a turn that was not begun, or is over, are dropped."""
        records = journal.records_of(turn_id, events)

        def job() -> None:
            with self._database.writing(durable=False) as connection:
                journal.append(connection, records)

        if records:
            await self.run(job)

    async def end_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the end of `turn`, and its beginning if that could not be stored; on the disk at return."""
        row, earlier = values.conversation_row(conversation), tuple(conversation.turns)

        def job() -> None:
            with self._database.writing(durable=True) as connection:
                erasing.make_way(connection, conversation.id, turn.prompt.parent_id)
                connection.execute(writing.NEW_CONVERSATION, row)
                writing.save_missing(connection, turn.prompt.parent_id, earlier, self.owner)
                writing.save_turn_start(connection, turn, self.owner)
                writing.save_turn_end(connection, turn)
                erasing.revive(connection, conversation.id, [turn.id])
            self._seen.add(conversation.id)

        await self.run(job)
        self.index_later()

    async def set_in_context(self, turn_id: str, in_context: bool) -> None:
        """Remember whether a turn goes out with later requests; nothing happens if it is not stored."""

        def job() -> None:
            with self._database.writing(durable=True) as connection:
                connection.execute("UPDATE turns SET in_context = ? WHERE id = ?", (in_context, turn_id))

        await self.run(job)

    async def save_conversation(self, conversation: Conversation) -> None:
        """Remember title, model, system prompt, draft, queue and place as they stand; safe from all but a power cut.

        A title that the user gave stays (`Library.rename` changes it), and so does `pinned`. A conversation that was
        stored once and is erased by now does not come back.
        """
        row = values.conversation_row(conversation)

        def job() -> None:
            with self._database.writing(durable=False) as connection:
                if conversation.id in self._seen and not reading.exists(connection, conversation.id):
                    return
                writing.save_conversation(connection, row)
            self._seen.add(conversation.id)

        await self.run(job)

    async def load(self, conversation_id: str) -> Conversation | None:
        """The conversation with the turns of its current path, their stamps in seconds since each began, or None.

        A turn that another process is writing is shown as far as its journal goes, without an outcome.
        """

        def query(connection: sqlite3.Connection) -> Conversation | None:
            loaded = reading.load(connection, conversation_id)
            if loaded is not None:
                self._seen.add(conversation_id)
            return loaded

        return await self.read(query)

    async def turn(self, turn_id: str) -> Turn | None:
        """One turn as it stands by now, deleted or not, or None. It is ended as interrupted if its process is gone."""

        def job() -> Turn | None:
            self._end_abandoned()
            with self._database.reading() as connection:
                return reading.load_turn(connection, turn_id)

        return await self.run(job)

    async def recent(self, limit: int = 10) -> list[ConversationSummary]:
        """The conversations with the latest turns, newest first."""
        return await self.read(lambda connection: listing.newest(connection, limit))

    async def recent_prompts(self, limit: int = 200) -> list[str]:
        """The latest prompts of all conversations, newest first, each text once."""
        return await self.read(lambda connection: reading.latest_prompts(connection, limit))

    # In the store's thread -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.owner = this_process()
        self._database.open()
        try:
            self._end_abandoned()
        except StoreUnavailableError as error:  # locked or full: reading works, and the next start tries again
            self.notices.append(f"replies that were cut off are not restored yet: {error.sentence}")

    def _end_abandoned(self) -> None:
        with self._database.reading() as connection:
            if not reading.abandoned(connection, self.owner, time.time()):
                return  # the usual case must not ask for the write lock
        with self._database.writing(durable=True) as connection:
            for row in reading.abandoned(connection, self.owner, time.time()):
                writing.save_turn_end(connection, reading.interrupted(connection, row))

    def _idle_slice(self) -> bool:
        """A bit of what can wait; returns whether there is more."""
        if self._queued or self.index_slice():
            return True
        return self.erase_slice((), lambda: bool(self._queued) or self._is_closing)

    def index_slice(self) -> bool:
        """A bit of indexing; returns whether there is more."""
        with self._database.writing(durable=False, patient=False) as connection:
            return index.index_some(connection)

    def erase_slice(self, mine: Collection[str], is_late: Callable[[], bool]) -> bool:
        """A bit of erasing what nobody can bring back; returns whether there is more that can be done now."""
        return sweeping.sweep(self._database, self.owner, mine, is_late)

    def _close(self) -> None:
        try:
            ends = time.monotonic() + ERASING_AT_CLOSE
            while self.library.deleted and time.monotonic() < ends:
                if not self.erase_slice(self.library.deleted, lambda: time.monotonic() > ends):
                    break
        except StoreError as error:
            _log.info("what was deleted is erased after the next start: %s", error)
        finally:
            self._database.close()

    # Between the loop and the thread, for `library` too --------------------------------------------------------------

    def index_later(self, delay: float = 0.0) -> None:
        """Index what is new, and erase what is due, when there is nothing else to do."""
        self._idle.start(delay)

    async def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """The answer of `query`, which sees one state of the database."""

        def job() -> Result:
            with self._database.reading() as connection:
                return query(connection)

        return await self.run(job)

    async def write(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Make a change in one transaction; on the disk at return."""

        def job() -> Result:
            with self._database.writing(durable=True) as connection:
                return change(connection)

        return await self.run(job)

    async def run(self, job: Callable[[], Result]) -> Result:
        """Have `job` done in the store's thread, behind those that are queued."""
        if self._is_closing:
            raise StoreUnavailableError("the store is closed")

        def begin() -> Result:
            self._queued.popleft()
            return job()

        self._queued.append(None)
        return await asyncio.shield(asyncio.wrap_future(self._executor.submit(begin)))

    async def _end(self) -> None:
        try:
            await self.reader.close()  # first: only the last connection can put the log away, if it may write
        finally:
            closing = self._begin_closing()
        await asyncio.wrap_future(closing)

    def _begin_closing(self) -> Future[None]:
        if self._closing is None:
            self._is_closing = True
            self._closing = self._executor.submit(self._close)
            self._executor.shutdown(wait=False)  # what is queued is still done
        return self._closing
