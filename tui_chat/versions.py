"""A stored conversation whose path can be moved among its branches: the part of a session that runs no turn.

What is known in memory is shown at once and stored behind it; what is not is read. Nothing is ever overwritten: deleting is
undone by `restore`, and what the disk refused waits in the backlog. It must not know how a turn runs.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from tui_chat.beginnings import title_of
from tui_chat.branches import Branches
from tui_chat.checkpoints import Backlog, TurnStore
from tui_chat.conversation import Conversation, Message, Turn
from tui_chat.engine import context
from tui_chat.errors import StoreError, UsageError


class VersionedConversation:
    """`conversation` and its versions. `met_others`: another window has gone on from a place where this one has."""

    def __init__(self, store: TurnStore, conversation: Conversation) -> None:
        self._store, self.conversation = store, conversation
        self.met_others = False
        self._branches = Branches(conversation)
        self._backlog = Backlog(store, conversation)
        self._moving = asyncio.Lock()  # while the path is moved no turn begins
        self._pending: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs, so that the path may be moved."""
        raise NotImplementedError

    def versions(self, turn: Turn) -> tuple[str, ...]:
        """The ids of all versions of `turn`, oldest first, its own among them."""
        return self._branches.versions(turn)

    def chain(self, turn: Turn) -> list[Turn]:
        """`turn`, which is on the path, and before it what it goes on from, if it does: one reply to the reader."""
        return context.chain(self.conversation.turns, turn)

    def place_of(self, prompt: Message) -> int:
        """Where on the path a turn of `prompt` stands, or would stand. Raises UsageError if it is on another branch."""
        return self._branches.place_of(prompt)

    def has_place(self, turn: Turn) -> bool:
        """Whether a version of `turn` could stand on the path as it is."""
        try:
            self._branches.place(turn)
        except UsageError:
            return False
        return True

    async def switch(self, turn: Turn, by: int) -> bool:
        """Show the version `by` steps after `turn`, with what followed it; False if there is none. Raises as `go_to`."""
        ids = self.versions(turn)
        at = ids.index(turn.id) + by
        return 0 <= at < len(ids) and await self.go_to(ids[at])

    async def go_to(self, turn_id: str) -> bool:
        """Make the path lead over that turn, as it was last seen, else to its newest end; False if it is gone.

        Raises:
            UsageError: a turn is running.
            StoreError: it has to be read, and cannot be.

        """
        async with self._moving:
            self._check_idle()
            return await self._go_to(turn_id)

    async def adopt(self, turn: Turn, *, saved: bool) -> None:
        """Know `turn`, which has ended in another session of this conversation, as a version; if need be, store it."""
        path = [*self.conversation.turns[: self._branches.place(turn)], turn]
        self._branches.keep(path)
        if not saved:
            await self._backlog.end_turn(turn, path)

    async def delete_version(self, turn: Turn) -> str:
        """Delete `turn`, which is on the path, with all that follows it; another version takes its place, if there is one.

        Returns the id by which `restore` undoes it.

        Raises:
            UsageError: a turn is running, or `turn` is not on the path.
            StoreError: it could not be deleted; nothing has changed.

        """
        async with self._moving:
            self._check_idle()
            if not any(each is turn for each in self.conversation.turns):
                raise UsageError("that version is not shown")
            await self._backlog.settle(turn)
            deletion_id = await self._store.library.delete_branch(self.conversation.id, turn.id)
            title = self._title()
            neighbour = self._branches.delete(turn, deletion_id)
            try:
                moved = neighbour is not None and await self._go_to(neighbour)
            except StoreError:
                moved = False  # it is deleted all the same
            if not moved:
                self._later(self._backlog.set_current())
            await self._retitle(title)
            return deletion_id

    async def restore(self, deletion_id: str) -> bool:
        """Undo a deletion and show what comes back; False if there is nothing left of it. Raises as `go_to`."""
        async with self._moving:
            self._check_idle()
            if not await self._store.library.restore(deletion_id):
                return False
            title = self._title()
            self._show(self._branches.restore(deletion_id) or await self._load())
            await self._retitle(title)
            return True

    async def fork(self, turn: Turn, *, with_reply: bool = True) -> str:
        """Copy the path up to `turn`, itself only `with_reply`, into a new conversation; returns its id. Raises StoreError."""
        await self._backlog.settle(turn)
        return await self._store.library.fork(self.conversation.id, turn.id, with_reply=with_reply)

    async def set_in_context(self, turn: Turn, *, in_context: bool) -> None:
        """Take a turn into later requests, or leave it out."""
        turn.in_context = in_context
        await self._backlog.set_in_context(turn)

    async def save(self) -> None:
        """Store title, model, system prompt, draft and queue as they stand."""
        await self._store.save_conversation(self.conversation)

    # Within --------------------------------------------------------------------------------------------------------

    def _check_idle(self) -> None:
        """Raise UsageError while a turn runs."""
        if not self.is_idle:
            raise UsageError("a turn is running", "stop it first, or wait")

    def _check_ended(self, place: int) -> None:
        """Raise UsageError while another window writes what a turn at `place` follows: half a reply would go out as if whole."""
        if any(turn.outcome is None for turn in self.conversation.turns[:place]):
            raise UsageError("another window is still replying here", "wait for its end, then try again")

    async def _go_to(self, turn_id: str) -> bool:
        path = self._branches.path_to(turn_id) or await self._read_path(turn_id)
        if path is not None:
            self._show(path)
        return path is not None

    def _show(self, path: list[Turn]) -> None:
        if self._branches.follow(path):
            self._later(self._backlog.set_current())

    def _title(self) -> str:
        """What the first prompt of the path makes a title of."""
        turns = self.conversation.turns
        return title_of(turns[0].prompt.text) if turns else ""

    async def _retitle(self, before: str) -> None:
        """A title that was made of a prompt which is deleted now goes with it, or its words would stay behind."""
        conversation, title = self.conversation, self._title()
        if conversation.title_from == "prompt" and conversation.title == before != title:
            conversation.title = title
            with contextlib.suppress(StoreError):
                await self.save()

    async def _read_path(self, turn_id: str) -> list[Turn] | None:
        """The path over a turn that this session has not seen."""
        conversation, library = self.conversation, self._store.library
        below, versions = await library.branch(conversation.id, turn_id)
        if not below:
            self._branches.forget(turn_id)
            return None
        self._branches.learn(below, versions)
        with contextlib.suppress(UsageError):
            return [*conversation.turns[: self._branches.place(below[0])], *below]
        await library.set_current(conversation.id, below[-1].id)
        return await self._load()

    async def _load(self) -> list[Turn]:
        """The path that is stored."""
        loaded = await self._store.load(self.conversation.id)
        if loaded is None:
            return self.conversation.turns
        self._branches.learn(loaded.turns, loaded.versions)
        return loaded.turns

    async def _catch_up(self) -> None:
        """Take in the ends of replies that another window was writing when they were read."""
        if all(each.outcome is not None for each in self.conversation.turns):
            return
        async with self._moving:
            for turn in [each for each in self.conversation.turns if each.outcome is None]:
                with contextlib.suppress(StoreError):
                    found = await self._store.turn(turn.id)
                    for name in Turn.__slots__ if found is not None else ():  # the turn stays the one that others hold
                        setattr(turn, name, getattr(found, name))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what nobody waits for; `close` does."""
        task = asyncio.create_task(work)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _settled(self) -> None:
        """Return when nothing is pending."""
        while self._pending:
            await asyncio.wait(self._pending)
