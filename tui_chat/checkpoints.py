"""What a session needs of a store, and the journal of its running turn.

Events are written in batches, at most every 250 ms and never in the way of the stream. It must not know how a store keeps
them, nor what they mean.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from tui_chat.conversation import Conversation, Turn
from tui_chat.errors import StoreError
from tui_chat.events import Event

_log = logging.getLogger(__name__)
JOURNAL_EVERY: Final = 0.2  # seconds; with the write itself, kill -9 takes no more than the last 250 ms


class TurnStore(Protocol):
    """What a session needs of a store."""

    async def begin_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the prompt and the running turn."""

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        """Append events of the running turn."""

    async def end_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the end of the turn."""

    async def set_in_context(self, turn_id: str, in_context: bool) -> None:
        """Remember whether the turn goes out with later requests."""

    async def save_conversation(self, conversation: Conversation) -> None:
        """Remember title, model, system prompt, draft and queue."""


class Journal:
    """The events of one turn on their way to the store."""

    def __init__(self, store: TurnStore, turn_id: str) -> None:
        self._store, self._turn_id = store, turn_id
        self._waiting: list[Event] = []
        self._failed = False
        self._writing = asyncio.Lock()  # or what was put back after a failure would be stored behind what came later
        self._task: asyncio.Task[None] | None = None

    def add(self, event: Event) -> None:
        """Have `event` written with the next batch."""
        self._waiting.append(event)
        if self._task is None:
            self._task = asyncio.create_task(self._write_later())

    async def flush(self) -> None:
        """Return when all that was added is written, or could not be."""
        await self._write()

    async def close(self) -> None:
        """Stop writing; the end of the turn replaces the journal."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write_later(self) -> None:
        while self._waiting:  # events that came during a write must not wait for the next one to come
            await asyncio.sleep(JOURNAL_EVERY)
            await self._write()
        self._task = None

    async def _write(self) -> None:
        async with self._writing:
            events, self._waiting = self._waiting, []
            try:
                await self._store.journal(self._turn_id, events)
            except StoreError as error:
                if not self._failed:
                    _log.warning("a part of turn %s was not journalled: %s", self._turn_id, error)
                self._failed = True
                self._waiting[:0] = events
