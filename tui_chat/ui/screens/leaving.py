"""Leaving a conversation: what runs is stopped, and all that was typed is kept.

It happens before another conversation takes the screen, when a tab is closed, and at the end of the program, which may come in the
middle of the other two and then waits for them.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from textual.worker import Worker, WorkerCancelled, WorkerFailed

from tui_chat.errors import TuiChatError
from tui_chat.ui.screens.version_actions import VersionActions

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp


class Leaving(VersionActions):
    """A log screen whose conversation can be left."""

    def __init__(self) -> None:
        super().__init__()
        self.turn_worker: Worker[None] | None = None
        self.outgoing: str | None = None  # what it was to send, until its turn begins
        self._leaving = asyncio.Lock()

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, which keeps aside what cannot be saved."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Stop what runs and keep it, with what was typed and queued; the composer is then free for something else."""
        async with self._leaving:
            await self._leave()

    async def _leave(self) -> None:
        await self.typed_is_handled()
        session = self.session
        if session is None:
            return
        self.queue.paused = True  # a turn that completes now must not send what waits
        await session.close()
        if self.turn_worker is not None:
            unsent = self.outgoing if session.is_idle else None
            if unsent is not None:  # Enter came just before: the worker has not begun, and must not any more
                self.turn_worker.cancel()
            with contextlib.suppress(WorkerFailed, WorkerCancelled):
                await self.turn_worker.wait()  # it may give a prompt back
            if unsent and self.outgoing is not None:
                self.prompt.give_back(unsent)
        self.stop_editing()
        conversation = session.conversation
        before = conversation.draft, conversation.queued, conversation.place
        conversation.draft, conversation.queued = self.composer.text, self.queue.texts
        conversation.place = self.current_place() if conversation.turns else None
        self.composer.replace_text("")
        self.prompt.set_queue(())
        if before != (conversation.draft, conversation.queued, conversation.place):
            try:
                await session.save()
            except TuiChatError as error:  # leaving must not fail
                self.chat_app.keep_aside(error, [text for text in (conversation.draft, *conversation.queued) if text])
