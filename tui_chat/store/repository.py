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

The tree. Messages point to their parents and a conversation points to the last message of its current path; editing and
regenerating add branches. A turn that begins moves the path to its prompt, its end moves it on to its reply, unless the
path has gone elsewhere meanwhile.

It must not know the engine, the screen, or the session. Whoever calls must not change a turn once it has been handed to
`end_turn`: it is read in the thread.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from tui_chat.conversation import Conversation, ConversationSummary, Turn
from tui_chat.errors import StoreUnavailableError
from tui_chat.events import Event
from tui_chat.store import journal, reading, values, writing
from tui_chat.store.database import Database
from tui_chat.store.owner import Owner, this_process

Result = TypeVar("Result")


class Store:
    """All conversations of one database. Every method but `close` raises only `StoreError` and its kinds.

    `notices` holds sentences for the user about what happened while opening.
    """

    def __init__(self, path: Path | None) -> None:
        """Not for callers: use `open`."""
        self._database = Database(path)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._closing: Future[None] | None = None
        self._owner = Owner(0)

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
            await store._run(store._open)
        except BaseException:  # cancelled, too: the thread must not outlive a store that nobody holds
            store._begin_closing()
            raise
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
        """Finish the queued jobs and close the file; calling it again waits for the same."""
        await asyncio.shield(asyncio.wrap_future(self._begin_closing()))

    async def begin_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the conversation (title only if it has none), the prompt and the running turn; on the disk at return."""
        row, earlier = values.conversation_row(conversation), tuple(conversation.turns)

        def job() -> None:
            with self._database.writing(durable=True) as connection:
                connection.execute(writing.BEGIN_CONVERSATION, row)
                writing.save_missing(connection, turn.prompt.parent_id, earlier, self._owner)
                writing.save_turn_start(connection, turn, self._owner)

        await self._run(job)

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        """Append events of a running turn; those of a turn that was not begun, or is over, are dropped."""
        records = journal.records_of(turn_id, events)

        def job() -> None:
            with self._database.writing(durable=False) as connection:
                journal.append(connection, records)

        if records:
            await self._run(job)

    async def end_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the end of `turn`, and its beginning if that could not be stored; on the disk at return."""
        row, earlier = values.conversation_row(conversation), tuple(conversation.turns)

        def job() -> None:
            with self._database.writing(durable=True) as connection:
                connection.execute(writing.NEW_CONVERSATION, row)
                writing.save_missing(connection, turn.prompt.parent_id, earlier, self._owner)
                writing.save_turn_start(connection, turn, self._owner)
                writing.save_turn_end(connection, turn)

        await self._run(job)

    async def set_in_context(self, turn_id: str, in_context: bool) -> None:
        """Remember whether a turn goes out with later requests; nothing happens if it is not stored."""

        def job() -> None:
            with self._database.writing(durable=True) as connection:
                connection.execute("UPDATE turns SET in_context = ? WHERE id = ?", (in_context, turn_id))

        await self._run(job)

    async def save_conversation(self, conversation: Conversation) -> None:
        """Remember title, model, system prompt, draft and queue as they stand; safe from all but a power cut."""
        row = values.conversation_row(conversation)

        def job() -> None:
            with self._database.writing(durable=False) as connection:
                connection.execute(writing.SAVE_CONVERSATION, row)

        await self._run(job)

    async def load(self, conversation_id: str) -> Conversation | None:
        """The conversation with the turns of its current path, their stamps in seconds since each began, or None.

        A turn that another process is writing is shown as far as its journal goes, without an outcome.
        """
        return await self._read(lambda connection: reading.load(connection, conversation_id))

    async def find(self, prefix: str) -> list[ConversationSummary]:
        """The conversations whose id begins with `prefix`, newest first."""
        return await self._read(lambda connection: reading.summaries_by_prefix(connection, prefix))

    async def recent(self, limit: int = 10) -> list[ConversationSummary]:
        """The conversations with the latest turns, newest first."""
        return await self._read(lambda connection: reading.latest_summaries(connection, limit))

    async def recent_prompts(self, limit: int = 200) -> list[str]:
        """The latest prompts of all conversations, newest first, each text once."""
        return await self._read(lambda connection: reading.latest_prompts(connection, limit))

    # In the store's thread -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._owner = this_process()
        self._database.open()
        try:
            self._end_abandoned()
        except StoreUnavailableError as error:  # locked or full: reading works, and the next start tries again
            self.notices.append(f"replies that were cut off are not restored yet: {error.sentence}")

    def _end_abandoned(self) -> None:
        with self._database.reading() as connection:
            if not reading.abandoned(connection, self._owner, time.time()):
                return  # the usual case must not ask for the write lock
        with self._database.writing(durable=True) as connection:
            for row in reading.abandoned(connection, self._owner, time.time()):
                writing.save_turn_end(connection, reading.interrupted(connection, row))

    # Between the loop and the thread -------------------------------------------------------------------------------

    async def _read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        def job() -> Result:
            with self._database.reading() as connection:
                return query(connection)

        return await self._run(job)

    async def _run(self, job: Callable[[], Result]) -> Result:
        if self._closing is not None:
            raise StoreUnavailableError("the store is closed")
        return await asyncio.shield(asyncio.wrap_future(self._executor.submit(job)))

    def _begin_closing(self) -> Future[None]:
        if self._closing is None:
            self._closing = self._executor.submit(self._database.close)
            self._executor.shutdown(wait=False)  # what is queued is still done
        return self._closing
