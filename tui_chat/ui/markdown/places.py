"""What stands around a leaf: quote bars, list markers, indentation, the blank line before it.

Why it exists: containers contribute a few cells to each line of what is in them; here those are put together, and kept
within bounds however deep the nesting.
What it must not know: what kind of leaf stands there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual.strip import Strip

from tui_chat.ui.markdown.layout import LineInfo, Row, segments


@dataclass(slots=True)
class Frame:
    """An open container: what stands before its first line and before the others, both `cells` wide."""

    kind: str
    first: Segment | None
    rest: Segment | None
    cells: int
    used: bool = False

    def copy(self) -> "Frame":
        """One that changes on its own."""
        return Frame(self.kind, self.first, self.rest, self.cells, self.used)


@dataclass(slots=True)
class Place:
    """Where a leaf stands. `separator` is the blank line to put before it, or None."""

    first: list[Segment]
    rest: list[Segment]
    cells: int
    width: int
    separator: Strip | None
    source: int
    start: int = -1  # its first line, once it has one

    def copy(self) -> "Place":
        """One that changes on its own."""
        return Place(self.first, self.rest, self.cells, self.width, self.separator, self.source, self.start)

    def draw(self, row: Row, first: bool) -> tuple[Strip, LineInfo]:
        """`row` as a line of the screen."""
        strip = Strip([*(self.first if first else self.rest), *segments(row.fragments)], self.cells + row.cells)
        return strip, LineInfo(self.source + row.first, self.source + row.stop, self.cells, row.wrapped)


def place_for(frames: Sequence[Frame], width: int, source: int, *, apart: bool, blank: bool) -> Place:
    """Where a leaf in these containers stands, at a total `width`.

    `apart`: something was shown before it; `blank`: the source has a blank line before it. One blank line stands
    between blocks; inside a list only where the source has one.
    """
    limit = width - max(4, min(20, width // 2))
    first: list[Segment] = []
    rest: list[Segment] = []
    cells = 0
    shared: Frame | None = None  # the innermost container that has shown something already
    for frame in reversed(frames):
        if shared is None and frame.used:
            shared = frame
        if frame.rest is None or cells + frame.cells > max(limit, frame.cells):
            continue
        cells += frame.cells
        first.append(frame.rest if frame.used or frame.first is None else frame.first)
        rest.append(frame.rest)
    separator = None
    if apart and (blank or shared is None or shared.kind == "quote"):
        separator = _separator(frames, width)
    return Place(first[::-1], rest[::-1], cells, max(2, width - cells), separator, source)


def _separator(frames: Sequence[Frame], width: int) -> Strip:
    """A blank line inside the containers that have shown something: their bars, without spaces at the end."""
    parts = [frame.rest for frame in frames if frame.used and frame.rest is not None]
    while parts and not parts[-1].text.strip():
        parts.pop()
    kept: list[Segment] = []
    cells = 0
    for part in reversed(parts):
        if cells + len(part.text) <= width // 2:
            kept.append(part)
            cells += len(part.text)
    return Strip(kept[::-1], cells)
