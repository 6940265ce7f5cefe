"""The wire beside the log: how it is opened and closed, and what its keys mean among those of a chat screen.

Nothing of it exists until it is opened, and when it is closed no listener is left, no timer and no index; only the pane, emptied and
hidden, which is the next one: as garbage it would be one in circles, which is never collected (`garbage.py`). What the pane shows is
`wire_inspector.py`'s.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType

from tui_chat.ui.screens.log_screen import LogScreen

if TYPE_CHECKING:
    from tui_chat.session import ChatSession
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.screens.wire_inspector import WireInspector
    from tui_chat.ui.widgets.wire_pane import WirePane

WIDE: Final = 120  # columns from which the pane is beside the log


class Inspecting(LogScreen):
    """A log screen with a pane for the wire."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f2", "wire", "Wire", id="chat.wire", priority=True)]

    session: "ChatSession | None"

    def __init__(self) -> None:
        super().__init__()
        self.wire: WireInspector | None = None
        self._pane: WirePane | None = None  # from the first time it was opened on

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        raise NotImplementedError

    # Opening and closing -------------------------------------------------------------------------------------------

    async def action_wire(self) -> None:
        """Open the wire, or close it."""
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.stop()
            if wire.pane.has_focus_within:
                self.set_focus(self.composer, scroll_visible=False)
            wire.pane.display = False
            self._place_wire()
            return
        from tui_chat.ui.screens.wire_inspector import WireInspector  # here: the first paint needs none of it

        wire = self.wire = WireInspector(self, self.chat_app.runtime.wire, self._pane)
        self._place_wire()
        if self._pane is None:
            self._pane = wire.pane
            await self.query_one("#body").mount(wire.pane)
        wire.pane.display = self.wire is not None
        if self.wire is wire:
            wire.start()
            self.set_focus(wire.pane.list, scroll_visible=False)

    def _place_wire(self) -> None:
        self.query_one("#body").set_class(self.wire is not None and self.size.width >= WIDE, "-beside")

    def on_resize(self) -> None:
        """Beside the log, or below it."""
        if self.wire is not None:
            self._place_wire()

    def wire_changed(self) -> None:
        """Another conversation is on the screen."""
        if self.wire is not None:
            self.wire.changed()

    # Keys ----------------------------------------------------------------------------------------------------------

    @property
    def wire_has_focus(self) -> bool:
        """Whether a part of the pane has the focus."""
        return self.wire is not None and self.wire.pane.has_focus_within

    @property
    def wire_selection(self) -> str:
        """What the mouse has selected in the pane."""
        return self.wire.pane.front.selected_text() if self.wire is not None else ""

    @property
    def focus_stays(self) -> bool:
        """Whether what has the focus keeps it after a dialog."""
        return super().focus_stays or self.wire_has_focus

    def close_wire_part(self) -> bool:
        """Close the pane's detail, or its filter's field, if the focus is in the pane; returns whether there was one."""
        return self.wire is not None and self.wire_has_focus and self.wire.pane.close_part()

    def action_page(self, direction: int) -> None:
        """Move what has the focus, the wire or the log, by a page."""
        if self.wire is not None and self.wire_has_focus:
            self.wire.pane.front.call_later(self.wire.pane.front.action_move_page, direction)
        else:
            super().action_page(direction)

    # By name, for the pane is not imported with this module.

    def on_wire_lines_asked(self, message: Any) -> None:
        """A key of the pane."""
        if self.wire is not None:
            self.wire.asked(message.action)

    def on_wire_pane_filtered(self, message: Any) -> None:
        """Another text in the pane's field."""
        if self.wire is not None:
            self.wire.filter_text(message.text)

    def on_wire_lines_key_typed(self, message: Any) -> None:
        """A letter that means nothing in the pane is typed into the composer."""
        self.composer.focus()
        self.composer.post_message(events.Key(message.key, message.character))
