"""Several conversations at once, each in a tab: which there are, which one is in front, what their labels say, how they end.

A tab is one of Textual's modes: a stack of screens of its own, so that a dialog belongs to its conversation and stays with it. The
chat screen at the bottom of a stack goes on with its turn wherever it is, since a worker of its own reads its session; only the one
in front is painted. Labels are looked at again when a status is (`tab_changed`), so nothing ticks here.

A tab that was closed is kept, emptied, and is the next new one: its screen would be garbage in circles, which is never collected
(`garbage.py`).
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui_chat import meter
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import StoreError, TuiChatError
from tui_chat.session import ChatSession, State
from tui_chat.text import sanitise_line
from tui_chat.ui.driver import set_terminal_title
from tui_chat.ui.history_text import recent_entries
from tui_chat.ui.painted_app import PaintedApp
from tui_chat.ui.screens.chat import ChatScreen
from tui_chat.ui.widgets.tab_bar import TabLabel, part_of

if TYPE_CHECKING:
    from tui_chat.runtime import Runtime

_log = logging.getLogger(__name__)
MOST: Final = 20
RECENT: Final = 5  # conversations on the start screen
_NAME: Final = 30  # characters of a title in a toast
_IDLE: Final = TabLabel("")
# What a turn does, in a word and in a mark. Before its first token it waits, for whatever.
_MARKS: Final = {
    "connecting": ("waiting", "·", "dim"),
    "waiting": ("waiting", "·", "dim"),
    "thinking": ("thinking", "»", "dim"),
    "streaming": ("streaming", "»", "dim"),
    "tool": ("tool", "»", "dim"),
    "stopping": ("stopping", "»", "dim"),
    "saving": ("saving", "»", "dim"),
    "quiet": ("quiet", "~", "warm"),
    "retrying": ("retrying", "~", "warm"),
    "approval": ("approval!", "!", "warm"),
    "ready": ("saving", "»", "dim"),  # between two requests of a turn, or at its end
}
# How one has ended while another tab was in front.
_NEWS: Final = {
    Outcome.COMPLETED: ("done", "*", "news"),
    Outcome.FAILED: ("failed", "x", "error"),
    Outcome.CANCELLED: ("stopped", "-", "warm"),
}


@dataclass(slots=True, eq=False)
class Tab:
    """A conversation in the window."""

    mode: str
    chat: ChatScreen
    news: Outcome | None = None  # of a turn that ended behind another tab, until somebody looks
    label: TabLabel = _IDLE


def label_of(session: ChatSession | None, news: Outcome | None = None) -> TabLabel:
    """The title and the state of a conversation; `news` is what nobody has seen of it."""
    title = sanitise_line(session.conversation.title).strip() if session is not None else ""
    state = _NEWS[news] if news is not None else ("", "", "dim")
    if session is not None and session.state is State.RUNNING:
        turn = session.turn
        # While a prompt is being stored the turn is still the one before.
        state = _MARKS["waiting" if turn is None or turn.outcome is not None else meter.state(turn, session.now())]
    elif session is not None and session.state is not State.IDLE:
        state = _MARKS[session.state.value]
    return TabLabel(title or "new chat", *state)


class Tabs(PaintedApp):
    """The app's tabs and the actions on them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+pagedown,f6", "move_tab(1)", "Next tab", id="app.next_tab", priority=True),
        Binding("ctrl+pageup,shift+f6", "move_tab(-1)", "Previous tab", id="app.previous_tab", priority=True),
        *(
            Binding(f"alt+{number}", f"go_to_tab({number})", f"Tab {number}", id=f"app.tab_{number}", priority=True)
            for number in range(1, 10)
        ),
    ]
    DEFAULT_MODE: ClassVar[str] = "tab-1"  # Textual's own cannot be come back to
    runtime: "Runtime"

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.tabs: list[Tab] = []
        self.prompts: list[str] = []  # the composers walk through this very list
        self._closed_tabs: list[Tab] = []  # which may still be saving
        self._switching = False
        self._replacing = asyncio.Lock()
        self._first = 0  # of the labels that are shown
        self._asked_elsewhere = False  # the terminal's title says that another tab waits for an answer
        self.add_mode(self.DEFAULT_MODE, self._first_screen)

    def _first_screen(self) -> Screen[None]:
        self.tabs.append(Tab(self.DEFAULT_MODE, ChatScreen()))
        return self.tabs[0].chat

    @property
    def chat(self) -> ChatScreen:
        """The chat screen in front, also behind a dialog."""
        return next(screen for screen in reversed(self.screen_stack) if isinstance(screen, ChatScreen))

    @property
    def front(self) -> Tab:
        """The tab in front."""
        return next(tab for tab in (*self.tabs, *self._closed_tabs) if tab.mode == self.current_mode)

    def tab_with(self, conversation_id: str) -> Tab | None:
        """The tab in which a conversation is open."""
        for tab in self.tabs:
            session = tab.chat.session
            if session is not None and session.conversation.id == conversation_id:
                return tab
        return None

    @property
    def chats(self) -> list[ChatScreen]:
        """All chat screens with a conversation."""
        return [tab.chat for tab in self.tabs if tab.chat.session is not None]

    def name_of(self, chat: Screen[None]) -> str:
        """A tab in a few words, for what it says from behind another."""
        tab = self._tab_of(chat)
        if tab is None:
            return ""
        return f"{self.tabs.index(tab) + 1} {label_of(tab.chat.session).title[:_NAME]}"

    def _tab_of(self, chat: Screen[None]) -> Tab | None:
        return next((tab for tab in self.tabs if tab.chat is chat), None)

    # Actions -------------------------------------------------------------------------------------------------------

    async def action_new_tab(self) -> None:
        """Another conversation beside this one; both go on."""
        if self.chat.session is None:
            return  # the store is not open yet
        if len(self.tabs) >= MOST:
            self.chat.say(f"{MOST} tabs are open; /close leaves one", "warning", timeout=4)
            return
        session = await self.runtime.new_session()
        tab = next((tab for tab in self._closed_tabs if tab.chat.session is None), None)  # left, saved and emptied
        if tab is None:
            tab = self._make_tab()
        else:
            self._closed_tabs.remove(tab)
        self.tabs.append(tab)
        await self.show_tab(tab)
        tab.chat.composer.set_history(self.prompts)
        tab.chat.attach(session)
        await self.offer_recent(tab.chat)

    def _make_tab(self) -> Tab:
        tab = Tab(f"tab-{len(self.tabs) + len(self._closed_tabs) + 1}", ChatScreen())
        # A new screen gets its styles when it is mounted; Textual would read the whole stylesheet again, twice.
        tab.chat._css_update_count = self._css_update_count  # noqa: SLF001 - there is no public way
        self.add_mode(tab.mode, lambda: tab.chat)
        return tab

    async def action_close_tab(self) -> None:
        """Leave the conversation in front, saved; the last tab stays, with an empty one."""
        tab = self.front
        if tab.chat.session is None:
            return
        if len(self.tabs) == 1:
            await self.replace_session(None)
            return
        while self.screen is not tab.chat:
            self.screen.dismiss(None)
        place = self.tabs.index(tab)
        self.tabs.remove(tab)
        self._closed_tabs.append(tab)
        await self.show_tab(self.tabs[min(place, len(self.tabs) - 1)])
        self.run_worker(self._leave(tab), group="tabs", exit_on_error=False)

    async def _leave(self, tab: Tab) -> None:
        async with self._replacing:  # it cannot be opened elsewhere before it is stored
            await tab.chat.leave()
            tab.chat.start_over()
            tab.news = None

    async def action_go_to_tab(self, number: int) -> None:
        """Bring the tab with that number, from 1, to the front."""
        if 1 <= number <= len(self.tabs):
            await self.show_tab(self.tabs[number - 1])

    async def action_move_tab(self, by: int) -> None:
        """Bring the tab so many places further on to the front, and round the ends."""
        if len(self.tabs) > 1:
            place = self.tabs.index(self.front)
            await self.show_tab(self.tabs[(place + by) % len(self.tabs)])

    async def show_tab(self, tab: Tab) -> None:
        """Bring `tab` to the front, with its dialogs, up to date."""
        tab.news = None
        tab.chat.log_widget.catch_up()
        self._show_labels(tab)  # before its screen is laid out, which the line of tabs makes room for
        for screen in self._screen_stacks.get(tab.mode, [])[-1:]:
            # Whole, in one frame: Textual would paint what has changed behind, and the rest with the next frame.
            screen.refresh()
            screen._dirty_widgets.add(screen)  # noqa: SLF001 - there is no public way
        self._switching = True
        try:
            shown = self.switch_mode(tab.mode)
        finally:
            self._switching = False
        self.show_titles()
        await shown

    def delay_update(self, delay: float = 0.05) -> None:
        """Textual waits so long before it paints another mode, to hide a transition; here there is none."""
        if not self._switching:
            super().delay_update(delay)

    # What is in them -----------------------------------------------------------------------------------------------

    async def action_new_chat(self) -> None:
        """Leave the conversation in front, saved, and start an empty one."""
        await self.replace_session(None)

    async def replace_session(self, conversation_id: str | None, chat: ChatScreen | None = None) -> bool:
        """Leave the conversation on `chat` (by default: in front), saved, for another or (None) an empty one.

        One that is open in another tab is brought to the front there: two tabs on one conversation would write over each other.
        False if it cannot be opened.
        """
        chat = chat or self.chat
        async with self._replacing:  # a double click must not leave what it has just opened
            if chat.session is None:
                return False
            if conversation_id is not None and (tab := self.tab_with(conversation_id)) is not None:
                await self.show_tab(tab)
                return True
            try:  # opened first: what cannot be opened leaves all as it is
                session = await (
                    self.runtime.resume(conversation_id) if conversation_id else self.runtime.new_session()
                )
            except TuiChatError as error:
                self.notify(sanitise_line(error.sentence), severity="error", markup=False)
                return False
            await chat.leave()
            chat.start_over()
            chat.attach(session)
        await self.offer_recent(chat)
        return True

    async def offer_recent(self, chat: ChatScreen) -> None:
        """On an empty screen: the last conversations, to be opened from there."""
        try:
            rows = await self.runtime.store.recent(RECENT)
        except StoreError as error:
            _log.info("the last conversations are not known: %s", error)
            return
        session = chat.session
        if session is not None and not session.conversation.turns and not chat.busy:
            chat.log_widget.add_entries(recent_entries(rows, time.time(), self.size.width))

    def remember_prompt(self, text: str) -> None:
        """Add a prompt to the history that Up walks through."""
        if not self.prompts or self.prompts[-1] != text:
            self.prompts.append(text)

    # Labels --------------------------------------------------------------------------------------------------------

    def tab_changed(self, chat: ChatScreen) -> None:
        """What `chat` does may have changed: called with each look at its status."""
        tab = self._tab_of(chat)
        if tab is None or len(self.tabs) < 2:
            return
        label = label_of(chat.session, tab.news)
        if label != tab.label:
            tab.label = label
            self._show_labels()

    def _show_labels(self, front: Tab | None = None) -> None:
        """The line of tabs, on the screen that is in front, or will be; and in the terminal's title that another one asks."""
        for tab in self.tabs:
            tab.label = label_of(tab.chat.session, tab.news)
        front = front or self.front
        if front in self.tabs:
            place = self.tabs.index(front)
            self._first = part_of(len(self.tabs), place, self.size.width, self._first).first
            front.chat.tab_bar.show([tab.label for tab in self.tabs], place, self._first)
        if self._asks_elsewhere() != self._asked_elsewhere:
            self.show_title()

    def _asks_elsewhere(self) -> bool:
        asking = _MARKS["approval"][0]
        return any(tab.label.word == asking and tab.mode != self.current_mode for tab in self.tabs)

    def show_title(self) -> None:
        """The terminal's title: that of the conversation in front, with a mark where another one waits for an answer."""
        session = self.chat.session
        title = session.conversation.title if session is not None else ""
        self._asked_elsewhere = self._asks_elsewhere()
        mark = "(!) " if self._asked_elsewhere else ""
        set_terminal_title(self, f"{mark}{title} · tui-chat" if title else f"{mark}tui-chat")

    def show_titles(self) -> None:
        """A conversation has another title."""
        self._show_labels()
        self.show_title()

    def turn_ended(self, session: ChatSession, turn: Turn) -> None:
        """What ended behind another tab is marked until somebody looks."""
        for tab in self.tabs:
            if tab.chat.session is session and tab.mode != self.current_mode:
                tab.news = turn.outcome

    # The end -------------------------------------------------------------------------------------------------------

    async def leave_all(self) -> None:
        """Stop and save what runs in all tabs, with what was typed and queued there: all at once, so that none waits for another."""
        chats = [tab.chat for tab in (*self.tabs, *self._closed_tabs)]
        for chat in chats:
            if chat.session is not None:
                chat.session.cancel()
        # A screen whose own task asks for this is left in that task: it would wait for itself.
        own = [chat for chat in chats if chat.task is asyncio.current_task()]
        leaving = [asyncio.create_task(chat.leave()) for chat in chats if chat not in own]
        for chat in own:
            await chat.leave()
        await asyncio.gather(*leaving)
