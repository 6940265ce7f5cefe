"""What stands in the log: prompts, notices, replies (`reply_item.py`). Each holds its source and, once laid out, its lines.

An item that was never near the screen has only an estimate of its height; the log lays it out when it comes into view. Items
know nothing of scrolling; they turn text into Strips of a given width.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise
from tui_chat.ui.markdown.layout import segments, wrap
from tui_chat.ui.selection.plain import selected_plain
from tui_chat.ui.selection.stretch import Place
from tui_chat.ui.widgets.markdown_view import Looks

INDENT: Final = 3  # column where text starts
MARGIN: Final = 2  # columns left free at the right
BLANK: Final = Strip([])


class LogItem(Protocol):
    """One message of the log, or a notice."""

    turn_id: str
    width: int  # the width it was laid out for; 0: not yet

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""

    @property
    def behind(self) -> bool:
        """Whether a part of it still has to be laid out: `update` goes on with it."""

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells, or begin to."""

    def update(self) -> int:
        """Take in what is new, or a part of what is to be laid out; returns the first line that may have changed."""

    def line(self, index: int) -> Strip:
        """The line at `index`, at most `width` cells; needs a layout."""

    @property
    def source(self) -> str:
        """What copying it gives."""

    def selected(self, start: Place, end: Place) -> str:
        """The source of what stands from `start` up to `end` (line of the item, column in cells)."""


def _estimate(text: str, width: int = 90) -> int:
    return text.count("\n") + len(text) // width + 3


def wrapped(text: str, style: Style, width: int, first: Sequence[Segment], rest: Sequence[Segment]) -> list[Strip]:
    """`text` wrapped, with `first` before its first line and `rest` before the others."""
    rows: list[Sequence[Segment]] = []
    for line in text.split("\n"):
        indent = min(len(line) - len(line.lstrip(" ")), width // 2)
        pad = [Segment(" " * indent)] if indent else []
        rows += [[*pad, *segments(row.fragments)] for row in wrap([(line.strip(), style)], width - indent)] or [()]
    return [Strip([*(rest if place else first), *row]) for place, row in enumerate(rows)]


class _TextItem:
    """Plain text, laid out at once."""

    behind = False

    def __init__(self, turn_id: str, text: str) -> None:
        self.turn_id, self.source, self.width = turn_id, text, 0
        self._lines: list[Strip] = []
        self._guess = _estimate(text)

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        return len(self._lines) if self.width else self._guess

    def update(self) -> int:
        """Nothing ever changes."""
        return self.height

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        return self._lines[index]

    def selected(self, start: Place, end: Place) -> str:
        """The text, without the breaks of wrapping."""
        rows = [line.text[INDENT:] for line in self._lines[:-1]]
        return selected_plain(self.source, rows, inside(start), inside(end))


class PromptItem(_TextItem):
    """What the user said: plain text behind the accent bar."""

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        bar = [Segment(" "), Segment("▌", looks["user_bar"]), Segment(" ")]
        text = sanitise(self.source).expandtabs(4).strip("\n")
        self._lines = [*wrapped(text, looks["user_text"], width - INDENT - MARGIN, bar, bar), BLANK]
        self.width = width


class NoticeItem(_TextItem):
    """A quiet line of the program's own: a note, the first screen's hints."""

    def __init__(self, text: str, style: str = "footer") -> None:
        super().__init__("", text)
        self._style = style

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        pad = [Segment(" " * INDENT)]
        self._lines = [*wrapped(sanitise(self.source), looks[self._style], width - INDENT - MARGIN, pad, pad), BLANK]
        self.width = width


def inside(place: Place) -> Place:
    """`place` without the log's indentation."""
    return place[0], max(0, place[1] - INDENT)


def plain(strips: Iterable[Strip]) -> str:
    """The text of some lines, without trailing spaces."""
    return "\n".join(strip.text.rstrip() for strip in strips)
