"""The two fields of the history: the one that is typed into, and the one that lies over a title while it is renamed.

Each handles its keys itself, in the order they were typed (see `keys.py`): Down behind text means the list of that text.
"""

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tui_chat.text import sanitise_line
from tui_chat.ui.widgets.line_field import LineField


class HistoryField(LineField):
    """What is typed filters; the keys of the list are here, since the focus never leaves the field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "ask('open')", "Open", id="history.open"),
        Binding("up", "ask('previous')", "The one above", id="history.previous"),
        Binding("down", "ask('next')", "The one below", id="history.next"),
        Binding("pageup", "ask('page_up')", "Page up", id="history.page_up"),
        Binding("pagedown", "ask('page_down')", "Page down", id="history.page_down"),
        Binding("ctrl+home", "ask('first')", "The first", id="history.first"),
        Binding("ctrl+end", "ask('last')", "The last", id="history.last"),
        Binding("f2", "ask('rename')", "Rename", id="history.rename"),
        Binding("ctrl+t", "ask('pin')", "Pin, or no longer", id="history.pin"),
        Binding("ctrl+d", "ask('delete')", "Delete", id="history.delete"),
        Binding("ctrl+z", "ask('undo')", "Bring back what was deleted", id="history.undo"),
        Binding("ctrl+y", "ask('duplicate')", "Duplicate", id="history.duplicate"),
    ]

    @dataclass
    class Asked(Message):
        """A key of the list: open, previous, next, page_up, page_down, first, last, rename, pin, delete, undo, duplicate."""

        action: str

    def action_ask(self, action: str) -> None:
        """Say what was asked for, behind what was typed."""
        self.post_message(self.Asked(action))


class TitleField(LineField):
    """A title that is changed where it stands. Enter keeps it, Escape does not, and leaving it by the mouse keeps it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave(True)", "Keep the title", id="history.keep_title"),
        Binding("escape", "leave(False)", "Leave the title as it was", id="history.leave_title"),
    ]
    DEFAULT_CSS = "TitleField { layer: over; position: absolute; display: none; }"

    @dataclass
    class Left(Message):
        """The field is done with; `title` is the new one, or None."""

        title: str | None

    def begin(self, title: str, x: int, y: int, width: int) -> None:
        """Take the place of a title, `width` cells from there on."""
        self.value = title
        self.styles.offset = (x, y)
        self.styles.width = width
        self.display = True
        self.screen.set_focus(self)

    def action_leave(self, keep: bool) -> None:
        """Be gone, with the new title or without."""
        if self.display:
            self.display = False
            self.post_message(self.Left(sanitise_line(self.value).strip() or None if keep else None))

    def on_blur(self) -> None:
        """The mouse went elsewhere."""
        self.action_leave(keep=True)
