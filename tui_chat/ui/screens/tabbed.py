"""A chat screen as one of several: its line of tabs, and what it may do while another one is in front.

Behind another tab a screen goes on as it is (its turn, its queue, its log), but nothing of it is painted, its status is worked out
only when it comes back, and what it says names the conversation. Which tabs there are is the app's (`tabs.py`).
"""

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.clipboard import Tone


class Tabbed(LogScreen):
    """A log screen below a line of tabs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Here and not with the app's: in the history the same key pins.
        Binding("ctrl+t", "app.new_tab", "New tab", id="app.new_tab", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.tab_bar = TabBar(id="tabs")

    def compose(self) -> ComposeResult:
        """The tabs above the rest."""
        yield self.tab_bar
        yield from super().compose()

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its tabs."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        """In front again, or back from a dialog: what waited for that is shown."""
        if self.composer.has_focus:  # the terminal's cursor, where input methods open their windows
            self.app.cursor_position = self.composer.cursor_screen_offset
        self.refresh_status()
        self.ask_what_waits()

    def refresh_status(self) -> None:
        """Show the state and the figures as they are now."""
        raise NotImplementedError

    def ask_what_waits(self) -> None:
        """Show the question that came while another tab was in front."""
        raise NotImplementedError

    @on(TabBar.Chosen)
    async def tab_chosen(self, message: TabBar.Chosen) -> None:
        """A click on a label."""
        message.stop()
        await self.chat_app.action_go_to_tab(message.place + 1)

    def notify(self, message: str, *, title: str = "", **options: Any) -> None:
        """A toast; from behind another tab it says whose it is."""
        super().notify(message, title=title or self._whose(), **options)

    def say(self, text: str, severity: "Tone" = "information", timeout: float = 2.0) -> None:
        """A short toast in place of the one that is there, which from behind another tab is not ours."""
        if self.is_current:
            super().say(text, severity, timeout)
        else:
            self.notify(text, severity=severity, timeout=max(timeout, 5.0), markup=False)

    def _whose(self) -> str:
        return "" if self.is_current else self.chat_app.name_of(self)
