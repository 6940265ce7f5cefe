"""What stands in the log: prompts, notices, seams; replies (`reply_item.py`), tools (`tool_item.py`). Each holds its source and its lines.

An item that was never near the screen has only an estimate of its height; the log lays it out when it comes into view. Items
know nothing of scrolling; they turn text into Strips of a given width.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.markdown.layout import Flow, segments
from tui_chat.ui.widgets.markdown_view import Looks

if TYPE_CHECKING:
    from tui_chat.ui.selection.stretch import Place

INDENT: Final = 3  # column where text starts
MARGIN: Final = 2  # columns left free at the right
BLANK: Final = Strip([])
_PART: Final = 8_000  # characters that are laid out at once


class LogItem(Protocol):
    """A message of the log or a part of one, or a notice."""

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

    def take_shift(self) -> int:
        """By how many lines its text has moved within it since the last call."""

    def line(self, index: int) -> Strip:
        """The line at `index`, at most `width` cells; needs a layout."""

    @property
    def source(self) -> str:
        """What copying it gives."""

    def selected(self, start: "Place", end: "Place") -> str:
        """The source of what stands from `start` up to `end` (line of the item, column in cells)."""


def _estimate(text: str, width: int = 90) -> int:
    return text.count("\n") + len(text) // width + 3


def wrapping(
    text: str, style: Style, width: int, first: Sequence[Segment], rest: Sequence[Segment]
) -> Iterator[tuple[int, list[Strip]]]:
    """`text` wrapped, part by part: how many characters a part took, and its rows.

    `first` stands before the first row and `rest` before the others.
    """
    border = first
    for line in text.split("\n"):
        indent = min(len(line) - len(line.lstrip(" ")), width // 2)
        words = line.strip()
        flow = Flow(width - indent)
        for start in range(0, len(words) or 1, _PART):
            flow.add(words[start : start + _PART], style)
            if start + _PART >= len(words):
                flow.finish()
            rows = [
                [Segment(" " * indent), *segments(row.fragments)] if indent else segments(row.fragments)
                for row in flow.take()
            ]
            strips = []
            for row in rows or ([] if words else [[]]):
                strips.append(Strip([*border, *row]))
                border = rest
            yield min(_PART, len(words)) + 1, strips


def wrapped(text: str, style: Style, width: int, first: Sequence[Segment], rest: Sequence[Segment]) -> list[Strip]:
    """`text` wrapped, with `first` before its first row and `rest` before the others."""
    return [strip for _, strips in wrapping(text, style, width, first, rest) for strip in strips]


def cut(text: str, width: int) -> str:
    """A line of text in at most `width` cells, with a mark where something was left out."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, max(0, width - 1)).rstrip()}…" if width > 0 else ""


def cut_front(text: str, width: int) -> str:
    """The end of a line of text in at most `width` cells, with a mark where something was left out."""
    if cell_len(text) <= width:
        return text
    end = Strip([Segment(text)]).crop(cell_len(text) - width + 1).text.lstrip() if width > 1 else ""
    return f"…{end}" if width > 0 else ""


class _TextItem:
    """Plain text. A long one is laid out in parts, and shown when all of it is there."""

    def __init__(self, turn_id: str, text: str) -> None:
        self.turn_id, self.source, self.width = turn_id, text, 0
        self._lines: list[Strip] = []
        self._parts: Iterator[tuple[int, list[Strip]]] = iter(())
        self._coming: list[Strip] | None = None
        self._guess = _estimate(text)

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        return len(self._lines) or self._guess

    @property
    def behind(self) -> bool:
        """Whether a part of it still has to be laid out."""
        return self._coming is not None

    def update(self) -> int:
        """Lay out the next part; returns the first line that has changed."""
        if self._coming is None:
            return self.height
        room = _PART
        for characters, strips in self._parts:
            self._coming += strips
            room -= characters
            if room <= 0:
                return self.height
        self._lines, self._coming = [*self._coming, BLANK], None
        return 0

    def take_shift(self) -> int:
        """Nothing ever moves within it."""
        return 0

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        return self._lines[index] if index < len(self._lines) else BLANK

    def selected(self, start: "Place", end: "Place") -> str:
        """The text, without the breaks of wrapping."""
        from tui_chat.ui.selection.plain import selected_plain  # here: the first paint selects nothing

        rows = [line.text[INDENT:] for line in self._lines[:-1]]
        return selected_plain(self.source, rows, inside(start), inside(end))

    def _lay_out(self, text: str, style: Style, width: int, border: Sequence[Segment]) -> None:
        self._parts = wrapping(text, style, width - INDENT - MARGIN, border, border)
        self.width, self._coming = width, []
        self.update()


class PromptItem(_TextItem):
    """What the user said: plain text behind the accent bar."""

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        bar = [Segment(" "), Segment("▌", looks["user_bar"]), Segment(" ")]
        self._lay_out(self.said, looks["user_text"], width, bar)

    @property
    def said(self) -> str:
        """The text as it is shown, before it is wrapped."""
        return sanitise(self.source).expandtabs(4).strip("\n")

    @property
    def rows(self) -> Sequence[Strip] | None:
        """Its lines, the same object until they are others; None where it was not laid out."""
        return self._lines or None


class NoticeItem(_TextItem):
    """A quiet line of the program's own: a note, the first screen's hints."""

    def __init__(self, text: str, style: str = "footer") -> None:
        super().__init__("", text)
        self._style = style

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        self._lay_out(sanitise(self.source), looks[self._style], width, [Segment(" " * INDENT)])


class EntryItem:
    """One of several lines that each can be chosen: by a click, or with the message cursor."""

    turn_id = ""
    height = 1
    behind = False

    def __init__(self, action: str, key: str, label: str) -> None:
        self.action, self.key, self.width = action, key, 0
        self.source = sanitise_line(label).rstrip()
        self._line = BLANK

    def layout(self, width: int, looks: Looks) -> None:
        """Make the line for `width` cells."""
        self.width = width
        click = Style(meta={"action": self.action, "turn_id": self.key})
        text = cut(self.source, width - INDENT - MARGIN - 2)
        self._line = Strip([Segment(" " * INDENT), Segment("  "), Segment(text, looks["entry"] + click)])

    def update(self) -> int:
        """Nothing ever changes in it."""
        return 1

    def take_shift(self) -> int:
        """Nothing ever moves within it."""
        return 0

    def line(self, index: int) -> Strip:
        """The line."""
        return self._line

    def selected(self, start: "Place", end: "Place") -> str:
        """The line, whole: it is offered, not said."""
        return self.source


class SeamItem(_TextItem):
    """In place of a prompt, before a turn that goes on with the reply above: nobody has said anything."""

    def __init__(self, turn_id: str, text: str) -> None:
        super().__init__(turn_id, "")
        self._text = f"┄┄ {sanitise_line(text)}"

    def layout(self, width: int, looks: Looks) -> None:
        """Make the line for `width` cells."""
        self.width = width
        self._lines = [
            Strip([Segment(" " * INDENT), Segment(cut(self._text, width - INDENT - MARGIN), looks["seam"])]),
            BLANK,
        ]

    def selected(self, start: "Place", end: "Place") -> str:
        """Nothing: it is drawn, not said."""
        return ""


def inside(place: "Place") -> "Place":
    """`place` without the log's indentation."""
    return place[0], max(0, place[1] - INDENT)


def plain(strips: Iterable[Strip]) -> str:
    """The text of some lines, without trailing spaces."""
    return "\n".join(strip.text.rstrip() for strip in strips)
