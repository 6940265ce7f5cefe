"""The bar above the composer: a field for what is looked for, and how often it is there.

It posts what is asked for and shows what it is told; the search itself is the log's.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Static

from tui_chat.ui.widgets.direct import RowWidget, terminal_of
from tui_chat.ui.widgets.find_query import LONGEST
from tui_chat.ui.widgets.find_values import Tally
from tui_chat.ui.widgets.line_field import LineField
from tui_chat.ui.widgets.looks import component_style

COUNT: Final = 14  # cells of the count: "10,234/10,234 "
_WIDE: Final = 72  # columns from which the keys are said too
_NARROW: Final = 36  # columns under which it does not say what it is
_KEYS: Final = (("Enter", " next", 1), ("  Shift+Enter", " previous", -1), ("  Esc", " closes", 0))
_KEY_CELLS: Final = sum(cell_len(key) + cell_len(label) for key, label, _ in _KEYS)


class FindField(LineField):
    """What is looked for. The keys of the search work in it, in the order in which they were typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,down", "step(1)", "Next match", id="find.next"),
        Binding("shift+enter,up", "step(-1)", "Previous match", id="find.previous"),
    ]

    def action_step(self, by: int) -> None:
        """Go to another match, behind what was typed."""
        self.post_message(FindBar.Stepped(by))


class FindBar(Horizontal):
    """Call `show` with what the log counts."""

    DEFAULT_CSS = """
    FindBar { height: 1; }
    FindBar > Static { width: 8; height: 1; padding: 0 0 0 3; }
    FindBar > FindField { width: 1fr; }
    """

    @dataclass
    class Stepped(Message):
        """The next match (1) is asked for, or the one before (-1)."""

        by: int

    class Closed(Message):
        """The bar is to be closed, with the mouse."""

    def __init__(self) -> None:
        super().__init__(id="find")
        self.field = FindField(id="find-field", placeholder="text in this conversation", select_on_focus=False)
        self.field.max_length = LONGEST
        self._count = FindCount()

    def compose(self) -> ComposeResult:
        """The field between its name and the count."""
        yield Static("find", markup=False)
        yield self.field
        yield self._count

    def on_resize(self) -> None:
        """Say as much as fits."""
        self.query_one(Static).display = self.size.width >= _NARROW
        self._count.fit(self.size.width)

    def show(self, tally: Tally | None) -> None:
        """Show how many matches there are; None: nothing is looked for."""
        self._count.show(tally)

    @property
    def text(self) -> str:
        """What the count says."""
        return self._count.text


class FindCount(RowWidget):
    """Which of how many; where there is room, the keys too. Painted past the compositor, for it changes while a reply streams."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"find--count", "find--none", "find--key", "find--hint"}
    DEFAULT_CSS = f"FindCount {{ width: {COUNT}; height: 1; }}"

    def __init__(self) -> None:
        super().__init__(id="find-count")
        self._tally: Tally | None = None
        self._styles: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._styles.clear()

    def fit(self, columns: int) -> None:
        """Be as wide as fits a bar of so many columns."""
        self.styles.width = (
            (COUNT if columns >= _NARROW else COUNT // 2) + 2 + (_KEY_CELLS + 2 if columns >= _WIDE else 0)
        )

    def show(self, tally: Tally | None) -> None:
        """Show how many matches there are; None: nothing is looked for."""
        if tally != self._tally:
            self._tally = tally
            if self.is_attached:
                self.paint([0], self.region, terminal_of(self))

    @property
    def text(self) -> str:
        """How many there are, in words."""
        tally = self._tally
        if tally is None:
            return ""
        if not tally.total:
            return "none" if tally.whole else "…"
        total = f"{tally.total:,}" if tally.whole else f"{tally.total:,}…"
        return f"{tally.number:,}/{total}" if tally.number else total

    def render_line(self, y: int) -> Strip:
        """The one line."""
        width, text = self.size.width, self.text
        none = self._tally is not None and self._tally.whole and not self._tally.total
        count = [Segment(text.rjust(min(COUNT, width - 2)), self._style("none" if none else "count"))]
        keys: list[Segment] = []
        if width > COUNT + _KEY_CELLS:
            keys.append(Segment("  "))
            for key, label, by in _KEYS:
                click = Style(meta={"find": by})
                keys += [Segment(key, self._style("key") + click), Segment(label, self._style("hint") + click)]
        strip = Strip([*count, *keys]).adjust_cell_length(width)
        return Strip(self.own(strip), width)

    def _style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = component_style(self, f"find--{name}")
        return self._styles[name]

    def on_click(self, event: events.Click) -> None:
        """What is said can be clicked."""
        by = event.style.meta.get("find")
        if by == 0:
            self.post_message(FindBar.Closed())
        elif by is not None:
            self.post_message(FindBar.Stepped(by))
