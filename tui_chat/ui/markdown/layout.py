"""Wrapping styled text in cells, and the lines of a reply.

Why it exists: text must wrap as it arrives, without looking again at lines that are full. `Flow` keeps the open line
and the open word; everything before them is final.
What it must not know: markdown.

Widths are cells (rich.cells). A wide character or a cluster of joined characters is never split; a word longer than
the width is broken. Chinese and Japanese may break between any two characters, but not before closing punctuation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from rich.cells import cell_len, split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_PIECES: Final = re.compile(r"\n|[ \t]+|[^ \t\n]+")
_NOT_FIRST: Final = frozenset("、。，．：；！？）」』】〕〉》…ー々%℃")
_NOT_LAST: Final = frozenset("（「『【〔〈《")

JOINERS: Final = "\u200d\ufe0f"  # zero-width joiner and emoji variation: they change the width of their neighbours

Fragment = tuple[str, Style]


class Row(NamedTuple):
    """One wrapped line: its fragments and its width in cells; `wrapped` if it continues the line before it.

    `first` and `stop` are the source lines it shows, counted from the beginning of its block.
    """

    fragments: list[Fragment]
    cells: int
    wrapped: bool
    first: int = 0
    stop: int = 1


def clusters(text: str) -> Iterable[tuple[str, int]]:
    """The characters of `text` as a terminal shows them, with their widths in cells."""
    spans, _ = split_graphemes(text)
    for start, end, cells in spans:
        yield text[start:end], cells


class Flow:
    """Wraps runs of text to `width` cells. Finished lines are taken with `take`."""

    __slots__ = (
        "_first",
        "_line",
        "_now",
        "_rows",
        "_space",
        "_space_cells",
        "_stop",
        "_used",
        "_word",
        "_word_cells",
        "_wrapped",
        "width",
    )

    def __init__(self, width: int) -> None:
        self.width = max(2, width)  # a wide character must fit
        self._rows: list[Row] = []
        self._line: list[Fragment] = []
        self._used = 0
        self._space: list[Fragment] = []
        self._space_cells = 0
        self._word: list[Fragment] = []
        self._word_cells = 0
        self._wrapped = False
        self._first = 0
        self._now = 0
        self._stop = 1

    def fork(self) -> Self:
        """A copy that goes its own way; its cost is one line's."""
        other = type(self).__new__(type(self))
        other.width = self.width
        other._rows = []
        other._line = self._line.copy()
        other._used = self._used
        other._space = self._space.copy()
        other._space_cells = self._space_cells
        other._word = self._word.copy()
        other._word_cells = self._word_cells
        other._wrapped = self._wrapped
        other._first = self._first
        other._now = self._now
        other._stop = self._stop
        return other

    def mark(self, first: int, stop: int) -> None:
        """What is added now comes from these source lines."""
        if not self._line and not self._word:
            self._first = first
        self._now = first
        self._stop = stop

    def take(self) -> list[Row]:
        """The lines finished since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def open_rows(self) -> list[Row]:
        """The lines that `finish` would add now."""
        if not self._line:
            rest, cells = self._word, self._word_cells
        elif not self._word or self._used + self._space_cells + self._word_cells <= self.width:
            rest = [*self._line, *self._space, *self._word] if self._word else self._line
            cells = self._used + (self._space_cells + self._word_cells if self._word else 0)
        else:
            return [
                Row(self._line, self._used, self._wrapped, self._first, self._stop),
                Row(self._word, self._word_cells, True, self._now, self._stop),
            ]
        return [Row(rest, cells, self._wrapped, self._first, self._stop)] if rest else []

    def add(self, text: str, style: Style) -> None:
        """Go on with `text`; a newline in it is a hard break."""
        if not text.isascii():
            # Joined across two styles, characters would be narrower or wider than the sum of their parts.
            text = text.lstrip(JOINERS).rstrip(JOINERS[0])
        for piece in _PIECES.findall(text):
            first = piece[0]
            if first == "\n":
                self._end_word()
                self._end_line(wrapped=False)
            elif first in " \t":
                self._end_word()
                if self._line:
                    self._space.append((piece, style))
                    self._space_cells += len(piece)
            elif piece.isascii():
                self._add_word(piece, len(piece), style)
            else:
                self._add_wide(piece, style)

    def finish(self) -> None:
        """The text has ended."""
        self._end_word()
        if self._line:
            self._end_line(wrapped=False)

    def _add_wide(self, piece: str, style: Style) -> None:
        cells = cell_len(piece)
        if cells == len(piece) and all(character < "\u1100" for character in piece):
            self._add_word(piece, cells, style)
            return
        before = self._word[-1][0][-1] if self._word else ""
        wide_before = bool(before) and cell_len(before) > 1
        for cluster, size in clusters(piece):
            wide = size > 1
            if (wide or wide_before) and cluster not in _NOT_FIRST and before not in _NOT_LAST:
                self._end_word()
            self._add_word(cluster, size, style)
            before, wide_before = cluster[-1], wide

    def _add_word(self, text: str, cells: int, style: Style) -> None:
        self._word.append((text, style))
        self._word_cells += cells
        if self._word_cells > self.width:
            self._break_word()

    def _break_word(self) -> None:
        """The open word is longer than a line: fill lines with it and keep what is left."""
        if self._line:
            self._end_line(wrapped=True)
        for text, style in self._word:
            start = 0
            position = 0
            for cluster, size in clusters(text):
                if self._used + size > self.width and (self._line or position > start):
                    if position > start:
                        self._line.append((text[start:position], style))
                    self._end_line(wrapped=True)
                    start = position
                self._used += size
                position += len(cluster)
            if position > start:
                self._line.append((text[start:], style))
        # The last part goes on as a word of its own, so that what follows without a space stays with it.
        self._word, self._word_cells = self._line, self._used
        self._line, self._used = [], 0

    def _end_word(self) -> None:
        if not self._word:
            return
        if self._line and self._used + self._space_cells + self._word_cells > self.width:
            self._end_line(wrapped=True)
        if self._space:
            self._line += self._space
            self._used += self._space_cells
            self._space = []
            self._space_cells = 0
        self._line += self._word
        self._used += self._word_cells
        self._word = []
        self._word_cells = 0

    def _end_line(self, *, wrapped: bool) -> None:
        self._rows.append(Row(self._line, self._used, self._wrapped, self._first, self._stop))
        self._first = self._now
        self._wrapped = wrapped
        self._line = []
        self._used = 0
        self._space = []
        self._space_cells = 0


def wrap(runs: Iterable[Fragment], width: int) -> list[Row]:
    """`runs` wrapped to `width` cells."""
    flow = Flow(width)
    for text, style in runs:
        flow.add(text, style)
    flow.finish()
    return flow.take()


def segments(fragments: Iterable[Fragment]) -> list[Segment]:
    """Fragments as segments, neighbours of one style joined."""
    joined: list[Segment] = []
    parts: list[str] = []
    current: Style | None = None
    for text, style in fragments:
        if style is current or style == current:
            parts.append(text)
            continue
        if parts:
            joined.append(Segment("".join(parts), current))
        parts = [text]
        current = style
    if parts:
        joined.append(Segment("".join(parts), current))
    return joined


class LineInfo(NamedTuple):
    """Where a line of the screen comes from.

    `first` and `stop` are the source lines (from 0, `stop` excluded) of what it shows; `border` is the width in cells
    of what stands before its text: quote bars, markers, indentation, the gutter of code; `wrapped` says that it
    continues the line above; `code` that it is a line of a code block (its label is not one).
    """

    first: int
    stop: int
    border: int
    wrapped: bool
    code: bool = False


@dataclass(slots=True)
class Lines:
    """The lines of a reply, or, in a fork, those that come after the first `base` of it."""

    base: int
    strips: list[Strip]
    infos: list[LineInfo]
    lowest: int  # the first line that was changed since this was last set

    @classmethod
    def empty(cls, base: int = 0) -> Self:
        """No lines after `base`."""
        return cls(base, [], [], base)

    def __len__(self) -> int:
        return self.base + len(self.strips)

    def append(self, strip: Strip, info: LineInfo) -> None:
        """Add a line."""
        self.strips.append(strip)
        self.infos.append(info)

    def extend(self, other: "Lines") -> None:
        """Add the lines of `other`."""
        self.strips += other.strips
        self.infos += other.infos

    def part(self, start: int, stop: int) -> "Lines":
        """The lines from `start` to `stop`."""
        at = slice(start - self.base, stop - self.base)
        return Lines(start, self.strips[at], self.infos[at], start)

    def truncate(self, length: int) -> None:
        """Forget all lines from `length` on; a fork may so hide lines of its origin."""
        self.base = min(self.base, length)
        del self.strips[length - self.base :]
        del self.infos[length - self.base :]
        self.lowest = min(self.lowest, length)

    def replace(self, start: int, stop: int, other: "Lines") -> None:
        """Put the lines of `other` in place of those from `start` to `stop`."""
        at = slice(start - self.base, stop - self.base)
        self.strips[at] = other.strips
        self.infos[at] = other.infos
        self.lowest = min(self.lowest, start)
