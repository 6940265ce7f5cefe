"""A conversation on its way to the disk while and after a turn runs: batches of events, and what could not be stored yet.

Why it exists: the order of a turn's events must survive a write that fails, which the turn itself must not wait for; and what
the disk refused must be offered again as soon as it takes anything. It must not know how a turn runs, nor what is on a screen.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from tui_chat.conversation import Conversation, Turn
from tui_chat.errors import StoreError, StoreUnavailableError
from tui_chat.events import Event

_log = logging.getLogger(__name__)
JOURNAL_EVERY: Final = 0.2  # seconds; with the write itself, kill -9 takes no more than the last 250 ms


class TreeStore(Protocol):
    """What a session needs of a store for the branches of its conversation."""

    async def branch(self, conversation_id: str, turn_id: str) -> tuple[list[Turn], dict[str, tuple[str, ...]]]:
        """The turns from `turn_id` to the newest leaf below it, and their versions; empty if it is gone."""

    async def set_current(self, conversation_id: str, turn_id: str) -> None:
        """Let the current path end with `turn_id`."""

    async def delete_branch(self, conversation_id: str, turn_id: str) -> str:
        """Delete a turn and all that follows it; returns the id of the deletion."""

    async def restore(self, deletion_id: str) -> bool:
        """Undo that deletion; whether there was anything left to bring back."""

    async def fork(self, conversation_id: str, turn_id: str, *, with_reply: bool = True) -> str:
        """Copy the path that leads to `turn_id`, the turn itself only `with_reply`; returns the new conversation's id."""


class TurnStore(Protocol):
    """What a session needs of a store."""

    @property
    def library(self) -> TreeStore:
        """Its branches."""

    async def begin_turn(self, conversation: Conversation, turn: Turn) -> tuple[str, ...]:
        """Commit the prompt and the running turn, which `conversation.turns` lead to; returns its versions, oldest first."""

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        """Append events of the running turn."""

    async def end_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the end of the turn, and its beginning if that is missing; `conversation.turns` lead to it."""

    async def turn(self, turn_id: str) -> Turn | None:
        """That turn as it stands by now, ended if its process is gone; None if it is gone itself."""

    async def set_in_context(self, turn_id: str, in_context: bool) -> None:
        """Remember whether the turn goes out with later requests."""

    async def save_conversation(self, conversation: Conversation) -> None:
        """Remember title, model, system prompt, draft and queue."""

    async def load(self, conversation_id: str) -> Conversation | None:
        """The conversation with the turns of its current path."""


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


class Backlog:
    """Writes what the session must not fail for, and keeps what the store could not take until it takes something again."""

    def __init__(self, store: TurnStore, conversation: Conversation) -> None:
        self._store, self._conversation = store, conversation
        self._ended: dict[str, list[Turn]] = {}  # the path to each turn whose end is not stored, itself included
        self._marks: dict[str, Turn] = {}  # whose context marks are not stored
        self._strayed = False  # the stored path is not the one in memory

    async def end_turn(self, turn: Turn, path: Sequence[Turn]) -> bool:
        """Commit the end of `turn`, the last one of `path`. False: it has to wait."""
        if not await self._end(turn, path):
            self._ended[turn.id] = list(path)
            return False
        self._ended.pop(turn.id, None)
        await self.make_up()
        return True

    async def set_in_context(self, turn: Turn) -> None:
        """Store the context mark of `turn` as it stands."""
        try:
            await self._store.set_in_context(turn.id, turn.in_context)
            self._marks.pop(turn.id, None)
        except StoreError as error:
            _log.warning("the context mark of turn %s is not stored yet: %s", turn.id, error)
            self._marks[turn.id] = turn

    async def set_current(self) -> None:
        """Let the stored path be the one in memory."""
        turns = self._conversation.turns
        self._strayed = bool(turns) and turns[-1].id in self._ended
        if not turns or self._strayed:
            return
        try:
            await self._store.library.set_current(self._conversation.id, turns[-1].id)
        except StoreError as error:
            _log.warning("which branch is shown is not stored yet: %s", error)
            self._strayed = True

    async def make_up(self) -> None:
        """Offer again what the store could not take; it takes nothing twice."""
        stored = False
        for turn_id, path in list(self._ended.items()):
            if not await self._end(path[-1], path):
                return
            del self._ended[turn_id]
            stored = True  # and the stored path leads there now
        if stored or self._strayed:
            await self.set_current()
        for marked in list(self._marks.values()):
            await self.set_in_context(marked)

    async def settle(self, turn: Turn) -> None:
        """Return when `turn` and all that is known below it is stored.

        Raises:
            StoreError: that cannot be done now.

        """
        await self.make_up()
        if any(each is turn for path in self._ended.values() for each in path):
            raise StoreUnavailableError("this part of the conversation is not stored yet", "make room, then try again")

    async def _end(self, turn: Turn, path: Sequence[Turn]) -> bool:
        try:
            await self._store.end_turn(replace(self._conversation, turns=list(path)), turn)
        except StoreError as error:
            _log.warning("the end of turn %s was not stored: %s", turn.id, error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug in the store must not leave the reader waiting for ever
            _log.critical("the end of turn %s was not stored because of a bug", turn.id, exc_info=error)
            return False
        return True
