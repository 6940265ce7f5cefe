"""What is done to conversations as wholes: opened from the history, named, pinned, duplicated, deleted and brought back.

A part of the app, because any of them may be open in a tab: that one is left before it is deleted, and opened again when it comes
back. Methods without `action_` raise `StoreError` and are the history's; the commands say in a toast what went wrong.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui_chat.errors import StoreError, TuiChatError
from tui_chat.listed import Hit
from tui_chat.text import sanitise_line
from tui_chat.ui.painted_app import PaintedApp

if TYPE_CHECKING:
    from tui_chat.runtime import Runtime
    from tui_chat.session import ChatSession
    from tui_chat.store.library import Library
    from tui_chat.ui.screens.chat import ChatScreen
    from tui_chat.ui.screens.history_finding import Opened
    from tui_chat.ui.tabs import Tab

_WHOLE_ENOUGH = 8  # characters of an id with which /resume opens without asking
_TITLE = 40  # characters of a title in a sentence


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deletion that can be undone; `instead` is the empty conversation that took its tab, if it was in one."""

    deletion_id: str
    conversation_id: str
    title: str
    instead: "ChatSession | None"


class LibraryCommands(PaintedApp):
    """The app's actions for all conversations."""

    runtime: "Runtime"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.deleted: list[Deleted] = []

    @property
    def chat(self) -> "ChatScreen":
        """The chat screen in front."""
        raise NotImplementedError

    async def replace_session(self, conversation_id: str | None, chat: "ChatScreen | None" = None) -> bool:
        """Leave the conversation on `chat` (by default: in front), saved, for another or (None) an empty one; False if that fails."""
        raise NotImplementedError

    def tab_with(self, conversation_id: str) -> "Tab | None":
        """The tab in which a conversation is open."""
        raise NotImplementedError

    def show_titles(self) -> None:
        """A conversation has another title."""
        raise NotImplementedError

    @property
    def chats(self) -> "list[ChatScreen]":
        """All chat screens with a conversation."""
        raise NotImplementedError

    @property
    def _library(self) -> "Library":
        return self.runtime.store.library

    # Opening -------------------------------------------------------------------------------------------------------

    async def action_history(self, argument: str = "") -> None:
        """Show all conversations, or open the one with the id `argument` at once."""
        from tui_chat.ui.screens.history import HistoryScreen  # the first paint shows no history

        if isinstance(self.screen, HistoryScreen):
            self.screen.action_close()
            return
        if self.chat.session is None or self.screen is not self.chat:
            return
        if len(argument) >= _WHOLE_ENOUGH and not argument.count(" "):
            try:
                fitting = [each for each in await self._library.find(argument) if each.id.startswith(argument)]
            except StoreError:
                fitting = []  # the history will say it
            if len(fitting) == 1:
                await self.open_conversation(fitting[0].id)
                return
        await self.push_screen(HistoryScreen(argument), self._opened)

    async def action_resume(self, argument: str = "") -> None:
        """The same by another name."""
        await self.action_history(argument)

    def _opened(self, opened: "Opened | None") -> None:
        if opened is not None:
            self.run_worker(
                self.open_conversation(opened.conversation_id, opened.hit, opened.text), exit_on_error=False
            )

    async def open_conversation(
        self, conversation_id: str, hit: Hit | None = None, text: str = "", chat: "ChatScreen | None" = None
    ) -> None:
        """Leave the conversation on `chat` (by default: in front), saved, and open another; or go to the tab that it is in.

        Then show `hit`, where `text` was found.
        """
        if not await self.replace_session(conversation_id, chat):
            return
        if hit is not None:
            await self._go_to(hit, text)

    async def _go_to(self, hit: Hit, text: str) -> None:
        """Show what was found, in whichever version it was said."""
        chat, session = self.chat, self.chat.session
        if session is None:
            return
        if not any(turn.id == hit.turn_id for turn in session.conversation.turns):
            try:
                moved = await session.go_to(hit.turn_id)
            except TuiChatError as error:  # a reply is running, for example
                chat.say(f"that was said in another version; {sanitise_line(error.sentence)}", "warning", timeout=6)
                return
            if not moved:
                chat.say("that version is gone", "warning", timeout=4)
                return
            chat.transcript.follow(session)
            chat.refresh_status()
        chat.show_hit(hit.turn_id, text)

    # For the history -----------------------------------------------------------------------------------------------

    def named(self, title: str) -> str:
        """A title within a sentence."""
        text = sanitise_line(title).strip()
        if len(text) > _TITLE:
            text = text[: _TITLE - 1].rstrip() + "…"
        return f"“{text}”" if text else "a conversation without a title"

    async def rename_conversation(self, conversation_id: str, title: str) -> None:
        """Give a title."""
        await self._library.rename(conversation_id, title)
        if (session := self._open_session(conversation_id)) is not None:
            session.conversation.title, session.conversation.title_from = title, "user"
            self.show_titles()

    def _open_session(self, conversation_id: str) -> "ChatSession | None":
        tab = self.tab_with(conversation_id)
        return tab.chat.session if tab is not None else None

    async def pin_conversation(self, conversation_id: str) -> bool:
        """Keep it at the top, or no longer; returns which."""
        pinned = not any(each.pinned for each in await self._library.find(conversation_id))
        await self._library.pin(conversation_id, pinned)
        if (session := self._open_session(conversation_id)) is not None:
            session.conversation.pinned = pinned
        return pinned

    async def delete_conversation(self, conversation_id: str, title: str) -> None:
        """Delete it, to be undone until the program ends. If it is open in a tab, an empty one takes its place there."""
        tab = self.tab_with(conversation_id)
        if tab is None:
            self.deleted.append(Deleted(await self._library.delete(conversation_id), conversation_id, title, None))
            return
        await self.replace_session(None, tab.chat)  # which stops and saves what runs, and what was typed
        try:
            deletion_id = await self._library.delete(conversation_id)
        except StoreError:
            await self.replace_session(conversation_id, tab.chat)
            raise
        self.deleted.append(Deleted(deletion_id, conversation_id, title, tab.chat.session))

    async def undo_delete(self) -> Deleted | None:
        """Bring back what was deleted last, and open it if it was open; returns what it was, or None if there was nothing."""
        while self.deleted:
            last = self.deleted[-1]
            restored = await self._library.restore(last.deletion_id)
            self.deleted.pop()
            if not restored:
                continue
            for chat in self.chats:
                if chat.session is last.instead and not _touched(chat):
                    await self.replace_session(last.conversation_id, chat)
            return last
        return None

    # Commands ------------------------------------------------------------------------------------------------------

    async def action_title(self, argument: str = "") -> None:
        """Name this conversation; without a name the one it has comes into the composer."""
        chat = self.chat
        session = chat.session
        if session is None:
            return
        conversation, title = session.conversation, " ".join(argument.split())
        if not title:
            chat.prompt.give_back(f"/title {sanitise_line(conversation.title)}")
            return
        conversation.title, conversation.title_from = title, "user"
        self.show_titles()
        # What was not sent yet is not stored yet; its first turn stores the title with it.
        if not conversation.turns or await self._done(self._library.rename(conversation.id, title)):
            chat.say(f"the title is {self.named(title)}")

    async def action_delete(self) -> None:
        """Delete this conversation."""
        session = self.chat.session
        if session is None:
            return
        if not session.conversation.turns:
            self.chat.say("there is nothing to delete yet")
            return
        title = session.conversation.title
        if await self._done(self.delete_conversation(session.conversation.id, title)):
            self.chat.say(f"deleted {self.named(title)}; /undelete brings it back", timeout=6)

    async def action_undelete(self) -> None:
        """Bring back what was deleted last."""

        async def undo() -> None:
            back = await self.undo_delete()
            nothing = "nothing was deleted since the start that could come back"
            self.chat.say(nothing if back is None else f"{self.named(back.title)} is back", timeout=4)

        await self._done(undo())

    async def action_duplicate(self) -> None:
        """Copy this conversation with all its versions, and go on in the copy."""
        chat = self.chat
        session = chat.session
        if session is None or not session.conversation.turns:
            chat.say("there is nothing to duplicate yet")
            return

        async def duplicate() -> None:
            copy = await self._library.duplicate(session.conversation.id)
            if chat.busy:
                chat.say("the copy is in the history; a reply is running here", timeout=4)
            elif await self.replace_session(copy, chat):
                chat.say("this is the copy", timeout=4)

        await self._done(duplicate())

    async def _done(self, doing: Awaitable[None]) -> bool:
        """Whether it went well; if not, what went wrong is said."""
        try:
            await doing
        except TuiChatError as error:
            self.notify(sanitise_line(error.sentence), severity="warning", markup=False)
            return False
        return True


def _touched(chat: "ChatScreen") -> bool:
    """Whether anything was typed, queued or sent in a conversation that was empty."""
    session = chat.session
    turns = session.conversation.turns if session is not None else ()
    return bool(turns or chat.busy or chat.composer.text.strip() or chat.queue)
