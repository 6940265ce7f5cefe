"""A stretch of a reply: neighbouring lines of the screen that share lines of the source, put side by side with them.

Why it exists: where a character on the screen comes from can only be told by walking from a place that is known, and the
beginning of a source line is known. A stretch is as much as has to be walked: an item, a line of code, a whole paragraph at most.
What it must not know: what is done with the places.
"""

import re
from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment

from tui_chat.ui.markdown.layout import clusters
from tui_chat.ui.selection.alignment import Run, after_markers, align

if TYPE_CHECKING:
    from tui_chat.ui.markdown import LiveDocument

Place = tuple[int, int]  # line, column in cells

BREAK: Final = re.compile(r"\r\n?|\n")
_RULE: Final = re.compile(r"[─┼]*┼[─┼]*")
_PIPE: Final = re.compile(r"(?<!\\)\|")
_CONTINUED: Final = "↳"
FAR: Final = 1 << 60


def index_of_cell(text: str, cell: int) -> int:
    """The index of the character that covers `cell`, or the length of `text` beyond its end."""
    return _covering(text, cell)[0] if cell > 0 else 0


def end_of_cell(text: str, cell: int) -> int:
    """The index after the last character that has a cell before `cell`."""
    return _covering(text, cell - 1)[1] if cell > 0 else 0


def _covering(text: str, cell: int) -> tuple[int, int]:
    """Where the character that covers `cell` begins and ends; beyond the end of `text` its length, twice."""
    if text.isascii():
        return min(cell, len(text)), min(cell + 1, len(text))
    index = used = 0
    for cluster, cells in clusters(text):
        used += cells
        if used > cell:
            return index, index + len(cluster)
        index += len(cluster)
    return len(text), len(text)


class _Row(NamedTuple):
    """A line of the screen: where its text begins in the stretch's text, and what stands before it."""

    at: int
    border: str
    text: str


class Stretch:
    """Neighbouring lines of the screen that share lines of the source, aligned with them."""

    def __init__(self, document: "LiveDocument", lines: "SourceLines", row: int) -> None:
        first = stop = row
        while first > 0 and _linked(document, first - 1):
            first -= 1
        while stop + 1 < document.line_count and _linked(document, stop):
            stop += 1
        self.first, self.stop = first, stop + 1
        infos = [document.info(index) for index in range(first, self.stop)]
        self.start = lines.start(min(info.first for info in infos))
        self.separator = all(info.first == info.stop for info in infos)
        self.end = lines.end(max(info.stop for info in infos) - 1) if not self.separator else self.start
        self.rows: list[_Row] = []
        at = 0
        for index, info in enumerate(infos, first):
            text = "".join(_meant(segment) for segment in document.line(index))
            border = end_of_cell(text, info.border)
            shown = text[border:]
            if info.wrapped and shown.lstrip(" ").startswith(_CONTINUED):
                shown = shown.replace(_CONTINUED, " ", 1)
            self.rows.append(_Row(at, text[:border], shown))
            at += len(shown) + 1
        self.text = "\n".join(row.text for row in self.rows)
        self.code = any(info.code for info in infos)
        self.runs: list[Run] = []
        if self.code:
            self.runs = align(self.text, lines.source, self.start, self.end, code=True)
        elif not self.separator:
            self.runs = self._align(document, lines.source)
        self.by_source = self.runs
        if any(below.start < above.start for above, below in pairwise(self.runs)):  # cells of a table, side by side
            self.by_source = sorted(self.runs, key=lambda run: run.start)
        self.bare = not self.separator and not self.runs

    def _align(self, document: "LiveDocument", source: str) -> list[Run]:
        start = after_markers(source, self.start, self.end, self.rows[0].border)
        if len(self.rows) > 1 and (columns := self._columns(document)):
            cells = _cells(source, start, self.end)
            if len(cells) > 1:
                return self._align_table(columns, source, cells)
        return align(self.text, source, start, self.end)

    def _columns(self, document: "LiveDocument") -> list[tuple[int, int]]:
        """The columns of a table, in cells: told by the rule in the stretch or next to it. [] if it is no table."""
        beside = (index for index in (self.first - 1, self.stop) if 0 <= index < document.line_count)
        near = (document.line(index).text[document.info(index).border :] for index in beside)
        rule = next((text for text in (*(row.text for row in self.rows), *near) if _RULE.fullmatch(text)), None)
        if rule is None:
            return []
        crosses = [-1, *(index for index, sign in enumerate(rule) if sign == "┼"), FAR]
        return [(left + 1, right) for left, right in pairwise(crosses)]

    def _align_table(self, columns: list[tuple[int, int]], source: str, cells: list[tuple[int, int]]) -> list[Run]:
        """Cells that wrap stand side by side: each is aligned on its own."""
        runs: list[Run] = []
        for (left, right), (start, end) in zip(columns, cells, strict=False):
            cuts = [(index_of_cell(row.text, left), index_of_cell(row.text, right)) for row in self.rows]
            pieces = [row.text[first:last] for row, (first, last) in zip(self.rows, cuts, strict=True)]
            ends = list(accumulate(len(piece) + 1 for piece in pieces))
            moves = [
                row.at + first - end + len(piece) + 1
                for row, (first, _), piece, end in zip(self.rows, cuts, pieces, ends, strict=True)
            ]
            aligned = align("\n".join(pieces), source, start, end)
            runs += (run.moved(moves[bisect_right(ends, run.first)]) for run in aligned)
        return sorted(runs)

    def span(self, start: Place, end: Place) -> tuple[int, int] | None:
        """The source of the characters from `start` up to `end`, first to last; None if there are none."""
        first, last = 0, len(self.text)
        if start[0] >= self.first:
            row = self.rows[start[0] - self.first]
            first = row.at + index_of_cell(row.text, start[1] - cell_len(row.border))
        if end[0] < self.stop:
            row = self.rows[end[0] - self.first]
            last = row.at + end_of_cell(row.text, end[1] - cell_len(row.border))
        if self.bare:
            return (self.start, self.end) if first < last or not self.text else None
        low = bisect_right(self.runs, first, key=lambda run: run.last)
        high = bisect_left(self.runs, last, key=lambda run: run.first)
        runs = self.runs[low:high]
        if self.runs is self.by_source:
            runs = [*runs[:1], *runs[1:][-1:]]  # those between stand between in the source too
        cuts = [cut for run in runs if (cut := run.cut(first, last))]
        return (min(cut[0] for cut in cuts), max(cut[1] for cut in cuts)) if cuts else None

    @property
    def whole(self) -> tuple[int, int]:
        """The source of all that is shown; needs no separator."""
        return (self.start, self.end) if self.bare else (self.by_source[0].start, self.by_source[-1].end)

    def before(self, place: int) -> int:
        """Where what is shown before `place` ends in the source; the stretch's start if nothing is."""
        index = bisect_left(self.by_source, place, key=lambda run: run.start)
        return min(self.by_source[index - 1].end, place) if index else self.start

    def after(self, place: int) -> int:
        """Where what is shown after `place` begins in the source; the stretch's end if nothing is."""
        index = bisect_right(self.by_source, place, key=lambda run: run.end)
        return max(self.by_source[index].start, place) if index < len(self.by_source) else self.end


class SourceLines:
    """Where the lines of a source begin. Asked in ascending order it reads the source once."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._number = self._offset = 0

    def start(self, number: int) -> int:
        """Where line `number` begins."""
        if number < self._number:
            self._number = self._offset = 0
        if number > self._number:
            if "\r" in self.source:
                for match in BREAK.finditer(self.source, self._offset):
                    self._number, self._offset = self._number + 1, match.end()
                    if self._number == number:
                        break
            else:
                while self._number < number and (found := self.source.find("\n", self._offset)) >= 0:
                    self._number, self._offset = self._number + 1, found + 1
            if self._number < number:
                return len(self.source)
        return self._offset

    def end(self, number: int) -> int:
        """Where line `number` ends, its line break excluded."""
        return self.around(self.start(number))[1]

    def around(self, place: int) -> tuple[int, int]:
        """The line that `place` is in."""
        source = self.source
        start = max(source.rfind("\n", 0, place), source.rfind("\r", 0, place) if "\r" in source else -1) + 1
        match = BREAK.search(source, place)
        return start, match.start() if match is not None else len(source)


def _linked(document: "LiveDocument", row: int) -> bool:
    """Whether a line of the screen shares source lines with the one below it."""
    above, below = document.info(row), document.info(row + 1)
    return above.first < above.stop and below.first < below.stop and below.first < above.stop


def _cells(source: str, start: int, end: int) -> list[tuple[int, int]]:
    """The cells of a table's row."""
    pipes = [match.start() for match in _PIPE.finditer(source, start, end)]
    bounds = [start - 1, *pipes, end]
    cells = [(left + 1, right) for left, right in pairwise(bounds)]
    if cells and not source[slice(*cells[0])].strip(" \t>"):
        cells.pop(0)
    return cells


def _meant(segment: Segment) -> str:
    """The text of a segment; spaces if it is a sign of ours, such as what copies a block of code."""
    ours = segment.style is not None and "code_block" in segment.style.meta
    return " " * len(segment.text) if ours else segment.text
