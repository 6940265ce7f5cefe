"""The wire beside the log, or below it: a line of figures, the rows or all of one of them, a field to filter by, a line of keys.

It is made when it is asked for, and empty when it is closed. It holds the parts together; what they show comes from outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message

from tui_chat.ui.widgets.line_field import LineField
from tui_chat.ui.widgets.status_bar import StatusBar
from tui_chat.ui.widgets.wire_detail import WireDetail
from tui_chat.ui.widgets.wire_lines import WireLines
from tui_chat.ui.widgets.wire_list import WireList
from tui_chat.ui.wire_text import Detail
from tui_chat.ui.wording import Field

_WITH_KEYS = 8  # rows from which there is one for the keys
_KEYS = (
    ("Enter all of it", 9),
    ("Space freeze", 8),
    ("t type", 7),
    ("/ filter", 6),
    ("n gap", 5),
    ("c copy", 4),
    ("u curl", 3),
    ("+ - which gaps", 1),
)
_FIELD_KEYS = (("Enter keeps it", 9), ("Esc shows all", 8))
_DETAIL_KEYS = (("Esc rows", 9), ("Left Right other rows", 8), ("c copy", 7), ("u curl", 6))


class WireField(LineField):
    """A text that events must hold to be shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "leave", "To the rows", id="wire.filter_done"),
    ]

    class Left(Message):
        """What was typed stands."""

    def action_leave(self) -> None:
        """Back to the rows, behind what was typed."""
        self.post_message(self.Left())


class WirePane(Vertical):
    """`list`, `detail` and `field` are its parts. Facts go up from them; the figures come down with `say` and `show_types`."""

    DEFAULT_CSS = """
    WirePane { width: 1fr; height: 1fr; }
    WirePane > WireField { height: 1; padding: 0 1; }
    WirePane > #wire-foot { height: 1; }
    """

    @dataclass
    class Filtered(Message):
        """Another text was typed into the field."""

        text: str

    def __init__(self) -> None:
        super().__init__(id="wire")
        self.head = StatusBar(id="wire-head")
        self.list = WireList(self.open_field, id="wire-list")
        self.detail = WireDetail(id="wire-detail")
        self.field = WireField(id="wire-field", placeholder="text that an event holds")
        self.foot = StatusBar(id="wire-foot")
        self._types: Sequence[Field] = ()

    def compose(self) -> ComposeResult:
        """The parts; of the rows and the detail one is shown."""
        yield self.head
        yield self.list
        yield self.detail
        yield self.field
        yield self.foot

    def on_mount(self) -> None:
        """The rows at first."""
        self.begin_anew()

    def on_resize(self) -> None:
        """A low pane has no room for its keys."""
        self.foot.display = self.size.height >= _WITH_KEYS

    @property
    def front(self) -> WireLines:
        """The rows, or the detail that stands in their place."""
        return self.detail if self.detail.display else self.list

    @property
    def has_focus_within(self) -> bool:
        """Whether one of its parts has the focus."""
        focused = self.screen.focused if self.is_attached else None
        return focused is not None and self in focused.ancestors

    # Values down ---------------------------------------------------------------------------------------------------

    def begin_anew(self) -> None:
        """Empty, as it was made."""
        self.list.display, self.detail.display, self.field.display = True, False, False
        self.detail.show(Detail("", (), ""))
        self.field.value = ""
        self._types = ()
        self.head.show((), "")
        self._show_keys()

    def show_types(self, fields: Sequence[Field]) -> None:
        """The types that occur, in place of the keys; none: the keys."""
        self._types = fields
        self._show_keys()

    def _show_keys(self) -> None:
        if self._types and not (self.detail.display or self.field.display):
            self.foot.show(self._types, "")
            return
        keys = _DETAIL_KEYS if self.detail.display else _FIELD_KEYS if self.field.display else _KEYS
        self.foot.show([Field(text, keep, "dim") for text, keep in keys], "F2 closes")

    def open_detail(self, detail: Detail) -> None:
        """Show all of a row in place of the rows."""
        had_focus = self.has_focus_within
        self.list.display, self.detail.display = False, True
        self.detail.show(detail)
        self._show_keys()
        if had_focus:
            self.screen.set_focus(self.detail, scroll_visible=False)

    def open_field(self) -> None:
        """Type what events must hold."""
        self.field.display = True
        self._show_keys()
        self.screen.set_focus(self.field, scroll_visible=False)
        self.field.select_all()

    def close_part(self) -> bool:
        """Close the detail, or the field and with it the filter; returns whether there was something to close."""
        if self.detail.display:
            had_focus = self.has_focus_within
            self.list.display, self.detail.display = True, False
            self.list.call_after_refresh(self.list.show_changes)  # they went on meanwhile
            self._show_keys()
            if had_focus:
                self.screen.set_focus(self.list, scroll_visible=False)
            return True
        if self.field.display:
            self.field.value = ""
            self._hide_field()
            return True
        return False

    def _hide_field(self) -> None:
        if self.screen.focused is self.field:
            self.screen.set_focus(self.list, scroll_visible=False)
        self.field.display = False
        self._show_keys()

    def on_wire_field_left(self) -> None:
        """The field goes, what was typed stays."""
        self._hide_field()

    def on_input_changed(self, message: WireField.Changed) -> None:
        """Another text."""
        message.stop()
        self.post_message(self.Filtered(message.value))
