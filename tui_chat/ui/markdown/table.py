"""Tables: column widths, and rows laid out in them.

Widths are decided once, from the header and the first `DECIDING` rows (all rows if the table is shorter), so every
later row is laid out once and nothing moves. Until then the table is shown provisionally.

A column is at least 3 cells wide and the table never wider than its place: the widest columns shrink and their text
wraps inside the cell. Where not even 3 cells a column fit, or words would be broken in columns of a few cells, each row
is a list of `header: value` lines.
What it must not know: pipes and delimiter rows; it is given cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.markdown.layout import Fragment, LineInfo, Lines, Row, wrap
from tui_chat.ui.markdown.scan import Align
from tui_chat.ui.markdown.theme import MarkdownTheme

DECIDING: Final = 40
DECIDING_TEXT: Final = 8_000  # characters of a table that decide its widths in any case
NARROWEST: Final = 3
_READABLE: Final = 8  # columns that are narrower on average must hold their words whole
_GAP: Final = 3
_HEAD_LINES: Final = 2  # header and delimiter row, in the source
_STEP: Final = 8  # a table that is still deciding grows by this much, not with each character

Cell = Sequence[Fragment]
Read = Callable[[str, Style], Cell]
Draw = Callable[[Row, bool], tuple[Strip, LineInfo]]
Emit = Callable[[Lines], None]


def widths(natural: Sequence[int], words: Sequence[int], available: int) -> list[int]:
    """The columns' widths, at most `available` together: the widest shrink first, words are kept whole if possible.

    `natural` are the widths the columns would like, `words` those of their longest words. At least 3 each.
    """
    wanted = [max(NARROWEST, width) for width in natural]
    if sum(wanted) <= available:
        return wanted
    share = available // len(wanted)  # words up to this are kept whole while there is room
    floors = [min(width, max(NARROWEST, min(word, share))) for width, word in zip(wanted, words, strict=True)]
    if sum(floors) > available:
        floors = [NARROWEST] * len(wanted)
    low, high = NARROWEST, max(wanted)
    while low < high:  # the greatest common limit under which all fit
        middle = (low + high + 1) // 2
        if _sum_limited(wanted, floors, middle) <= available:
            low = middle
        else:
            high = middle - 1
    result = [max(floor, min(width, low)) for width, floor in zip(wanted, floors, strict=True)]
    spare = available - sum(result)
    for index, width in enumerate(wanted):
        if spare > 0 and result[index] < width:
            result[index] += 1
            spare -= 1
    return result


def _sum_limited(wanted: Sequence[int], floors: Sequence[int], limit: int) -> int:
    return sum(max(floor, min(width, limit)) for width, floor in zip(wanted, floors, strict=True))


@dataclass(slots=True)
class _Preview:
    """The rows of a table that is still deciding, drawn at the widths they would have now; shared by its forks."""

    widths: tuple[object, ...] = ()
    count: int = 0  # rows that are drawn
    drawn: Lines = field(default_factory=Lines.empty)
    tall: bool = False  # the last of them


class TableLeaf:
    """One table. `read` turns a cell's source into runs over a style, `draw` makes a line of the screen of a row (and
    whether it is the first), `emit` takes the lines in their order.
    """

    __slots__ = (
        "_aligns",
        "_base",
        "_begun",
        "_decided",
        "_draw",
        "_drawn",
        "_emit",
        "_forked",
        "_head",
        "_length",
        "_narrow",
        "_natural",
        "_preview",
        "_read",
        "_rows",
        "_settled",
        "_shown",
        "_tall",
        "_theme",
        "_width",
        "_words",
    )

    def __init__(
        self,
        header: list[str],
        aligns: list[Align],
        width: int,
        *,
        base: Style,
        theme: MarkdownTheme,
        read: Read,
        draw: Draw,
        emit: Emit,
    ) -> None:
        self._aligns = aligns
        self._width = width
        self._base = base
        self._theme = theme
        self._read = read
        self._draw = draw
        self._emit = emit
        self._head = [read(cell, base + theme.table_head) for cell in header]
        self._natural = [_cells(cell) for cell in self._head]  # the widths that the columns would like
        self._words = [_longest_word(cell) for cell in self._head]  # those of their longest words
        self._length = 0  # characters in the rows below
        self._rows: list[list[Cell]] = []  # the rows that decide the widths
        self._decided: list[int] | None = None  # the widths; [] if not even the narrowest columns fit
        self._narrow = False  # columns stand one cell apart
        self._forked = False
        self._tall = False  # the last row has several lines; rules keep such rows apart from their neighbours
        self._shown = 0
        self._drawn = Lines.empty()  # lines to emit
        self._begun = False  # it has lines
        self._preview = _Preview()
        self._settled = 0  # in a fork: rows that its origin has

    def fork(self, emit: Emit, read: Read, draw: Draw) -> Self:
        """A copy that goes its own way."""
        other = type(self).__new__(type(self))
        other._aligns = self._aligns
        other._width = self._width
        other._base = self._base
        other._theme = self._theme
        other._read = read
        other._draw = draw
        other._emit = emit
        other._head = self._head
        other._natural = self._natural
        other._words = self._words
        other._length = self._length
        other._rows = self._rows.copy()
        other._decided = self._decided
        other._narrow = self._narrow
        other._forked = True
        other._tall = self._tall
        other._shown = self._shown
        other._drawn = Lines.empty()
        other._begun = self._begun
        other._preview = self._preview
        other._settled = len(self._rows)
        return other

    def add(self, row: list[str]) -> None:
        """A row, with as many cells as the header."""
        cells = [self._read(cell, self._base) for cell in row]
        if self._decided is not None:
            self._row(cells, self._decided)
            self._give()
            return
        self._rows.append(cells)
        self._natural = [max(width, _cells(cell)) for width, cell in zip(self._natural, cells, strict=True)]
        self._words = [max(width, _longest_word(cell)) for width, cell in zip(self._words, cells, strict=True)]
        self._length += sum(len(cell) for cell in row)
        if (len(self._rows) == DECIDING or self._length >= DECIDING_TEXT) and not self._forked:
            self._decide()

    def close(self) -> None:
        """The table has ended."""
        if self._decided is None:
            self._decide()
        if not self._begun:  # nothing but a header, and no room for columns
            for head in self._head:
                for row in wrap(head, self._width):
                    self._put(row._replace(first=0, stop=1))
            self._give()

    def _give(self) -> None:
        lines, self._drawn = self._drawn, Lines.empty()
        self._emit(lines)

    def _put(self, row: Row) -> None:
        self._drawn.append(*self._draw(row, not self._begun))
        self._begun = True

    def _decide(self) -> None:
        count = len(self._head)
        available = self._width - _GAP * (count - 1)
        if available < NARROWEST * count:
            self._narrow = True
            available = self._width - (count - 1)
        if available < NARROWEST * count or (
            available < _READABLE * count and sum(max(NARROWEST, word) for word in self._words) > available
        ):
            columns = []
        else:
            natural = self._natural
            if self._forked and sum(grown := [-(-width // _STEP) * _STEP for width in natural]) <= available:
                natural = grown
            columns = widths(natural, self._words, available)
        self._decided = columns
        rows, self._rows = self._rows, []
        if self._forked:
            self._recall(rows[: self._settled], columns)
            rows = rows[self._settled :]
        elif columns:
            self._header(columns)
        for row in rows:
            self._row(row, columns)
        self._give()

    def _recall(self, rows: list[list[Cell]], columns: list[int]) -> None:
        """The header and the complete rows, of which only those are drawn that no fork has drawn at these widths."""
        preview = self._preview
        if preview.widths != (self._narrow, *columns):
            preview.widths = (self._narrow, *columns)
            preview.count = 0
            preview.drawn = Lines.empty()
            preview.tall = False
            self._begun = False
            if columns:
                self._header(columns)
        self._shown, self._tall = preview.count, preview.tall
        for row in rows[preview.count :]:
            self._row(row, columns)
        preview.count, preview.tall = self._shown, self._tall
        preview.drawn.extend(self._drawn)
        self._begun = len(preview.drawn) > 0
        self._emit(preview.drawn)
        self._drawn = Lines.empty()

    def _header(self, columns: list[int]) -> None:
        self._line([wrap(cell, width) for cell, width in zip(self._head, columns, strict=True)], columns, 0)
        self._rule(columns, 1)

    def _row(self, cells: list[Cell], columns: list[int]) -> None:
        if not columns:
            self._stacked(cells)
            return
        first = _HEAD_LINES + self._shown
        wrapped = [wrap(cell, width) for cell, width in zip(cells, columns, strict=True)]
        tall = any(len(rows) > 1 for rows in wrapped)
        if self._shown and (tall or self._tall):
            self._rule(columns, first)
        self._tall = tall
        self._shown += 1
        self._line(wrapped, columns, first)

    def _rule(self, columns: list[int], first: int) -> None:
        cross = "┼" if self._narrow else "─┼─"
        text = cross.join("─" * width for width in columns)
        self._put(Row([(text, self._theme.table_rule)], len(text), False, first, first + 1))

    def _line(self, wrapped: list[list[Row]], columns: list[int], first: int) -> None:
        """One row of the table: as many lines as its highest cell needs."""
        rule = self._theme.table_rule
        between = "│" if self._narrow else " │ "
        for index in range(max(1, *(len(rows) for rows in wrapped))):
            line: list[Fragment] = []
            used = 0
            for column, (rows, width, align) in enumerate(zip(wrapped, columns, self._aligns, strict=True)):
                if column:
                    line.append((between, rule))
                    used += len(between)
                fragments, cells_used = (rows[index].fragments, rows[index].cells) if index < len(rows) else ([], 0)
                spare = width - cells_used
                left = spare if align is Align.RIGHT else spare // 2 if align is Align.CENTER else 0
                if left:
                    line.append((" " * left, self._base))
                line += fragments
                if spare > left and column < len(columns) - 1:
                    line.append((" " * (spare - left), self._base))
                used += width if column < len(columns) - 1 else left + cells_used
            self._put(Row(line, used, index > 0, first, first + 1))

    def _stacked(self, cells: list[Cell]) -> None:
        """`header: value` lines, for places too narrow for columns."""
        first = _HEAD_LINES + self._shown
        if self._shown:
            rule = [("─" * min(self._width, NARROWEST), self._theme.table_rule)]
            self._put(Row(rule, NARROWEST, False, first, first + 1))
        self._shown += 1
        for head, cell in zip(self._head, cells, strict=True):
            if not cell:
                continue
            for row in wrap([*head, (": ", self._base + self._theme.table_head), *cell], self._width):
                self._put(row._replace(first=first, stop=first + 1))


def _cells(cell: Cell) -> int:
    return sum(cell_len(text) for text, _ in cell)


def _longest_word(cell: Cell) -> int:
    text = "".join(text for text, _ in cell)
    return max((cell_len(word) for word in text.split()), default=0)
