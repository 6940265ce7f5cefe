"""What is laid out, as text that can be searched: rows that belong together are put together again, cells of a table apart.

A row of the screen ends where there was no room, within a word, between two, or between two characters of Chinese. Where that
cannot be told from the rows, the text has a `JOIN`, which a query takes for either. Pure.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from textual.strip import Strip

from tui_chat.ui.markdown.layout import JOINERS
from tui_chat.ui.selection.stretch import index_of_cell
from tui_chat.ui.widgets.find_query import JOIN
from tui_chat.ui.widgets.find_values import Span

if TYPE_CHECKING:
    from tui_chat.ui.markdown import LiveDocument

_RULE: Final = re.compile(r"[─┼]*┼[─┼]*")
_BAR: Final = "│"  # between the cells of a table
_WORDS: Final = re.compile(r"\S+")
_NEAR: Final = 2  # rows of a paragraph that are searched again in any case
_DROPPED: Final = dict.fromkeys(map(ord, JOINERS))


class _Piece(NamedTuple):
    """What a row has of a passage: where that begins in the passage, the row, its first cell there, and the text."""

    at: int
    row: int
    cell: int
    text: str


class Passage:
    """Text that reads on, and the pieces of rows that show it."""

    __slots__ = ("_pieces", "text")

    def __init__(self, pieces: list[_Piece], text: str) -> None:
        self._pieces = pieces
        self.text = text

    def after(self, span: Span) -> int:
        """Where in the text the first character behind a cell of it stands; 0 if that is in no row of it."""
        piece = next((piece for piece in self._pieces if piece.row == span.row), None)
        return 0 if piece is None else piece.at + index_of_cell(piece.text, span.stop - piece.cell)

    def spans(self, first: int, stop: int) -> list[Span]:
        """The cells of the characters from `first` up to `stop`, upper rows first."""
        pieces = self._pieces
        place = bisect_right(pieces, first, key=lambda piece: piece.at) - 1
        found: list[Span] = []
        while place < len(pieces) and pieces[place].at < stop:
            at, row, cell, text = pieces[place]
            low, high = max(0, first - at), min(stop - at, len(text))
            if low < high:
                start = cell + cell_len(text[:low])
                found.append(Span(row, start, start + cell_len(text[low:high])))
            place += 1
        return found


def passages(document: "LiveDocument", first: int, stop: int, width: int) -> Iterator[Passage]:
    """The passages in the rows of a reply of `width` cells from `first` up to `stop`. The label of a block of code is no text."""
    row = first
    while row < stop:
        end = row + 1
        while end < stop and document.info(end).wrapped:
            end += 1
        if end == row + 1:
            strip = document.line(row)
            if not _is_label(strip):
                border = document.info(row).border
                text = strip.text[border:]
                yield Passage([_Piece(0, row, border, text)], text)
        elif columns := _columns(document, row, end):
            for left, right in columns:
                yield _joined(list(_cell_rows(document, range(row, end), left, right)), right - left, code=False)
        else:
            info = document.info(row)
            rows = [(each, info.border, document.line(each).text[info.border :]) for each in range(row, end)]
            yield _joined(rows, width - info.border, code=info.code)
        row = end


def begin_of(document: "LiveDocument", row: int, reach: int) -> tuple[int, bool]:
    """The row from which a search finds all that ends in `row` or below, and whether nothing reads on there from above.

    Of a paragraph as long as a book it goes back only so far that `reach` characters stand between.
    """
    first, seen = row, 0
    is_table = row < document.line_count and _BAR in document.line(row).text[document.info(row).border :]
    while first > 0 and first < document.line_count and document.info(first).wrapped:
        if not is_table and row - first >= _NEAR and seen > reach:
            return first, False
        first -= 1
        seen += len("".join(document.line(first).text.split()))
    return first, True


def _is_label(strip: Strip) -> bool:
    last = next(reversed(strip), None)
    style = last.style if last is not None else None
    return style is not None and style._meta is not None and "code_block" in style.meta  # noqa: SLF001 - decoding meta is slow


def _columns(document: "LiveDocument", first: int, stop: int) -> list[tuple[int, int]]:
    """The columns of a row of a table that has several lines, in cells; [] for any other. Such a row has a rule beside it."""
    for row in (first - 1, stop):
        if 0 <= row < document.line_count:
            border = document.info(row).border
            text = document.line(row).text[border:]
            if _RULE.fullmatch(text):
                crosses = [-1, *(index for index, sign in enumerate(text) if sign == "┼"), len(text)]
                return [(border + left + 1, border + right) for left, right in pairwise(crosses)]
    return []


def _cell_rows(document: "LiveDocument", rows: range, left: int, right: int) -> Iterator[tuple[int, int, str]]:
    for row in rows:
        text = document.line(row).text
        cell = text[index_of_cell(text, left) : index_of_cell(text, right)]
        if bare := cell.strip():
            yield row, left + cell_len(cell[: len(cell) - len(cell.lstrip())]), bare


def _joined(rows: Sequence[tuple[int, int, str]], room: int, *, code: bool) -> Passage:
    """Rows with their first cell and text as one passage; `room` is how many cells there were for each."""
    pieces: list[_Piece] = []
    parts: list[str] = []
    at = 0
    for row, cell, text in rows:
        if pieces and not code:
            join = _join(pieces[-1].text, text, room)
            parts.append(join)
            at += len(join)
        pieces.append(_Piece(at, row, cell, text))
        parts.append(text)
        at += len(text)
    return Passage(pieces, "".join(parts))


def _join(above: str, below: str, room: int) -> str:
    """What stands between two rows of one text."""
    if not above or not below:
        return " "
    if cell_len(above[-1]) != 1 or cell_len(below[0]) != 1:
        return JOIN  # between two wide characters there may have been a space or not
    full = " " not in above and cell_len(above) >= room - 1
    return JOIN if full else " "  # only a word that is longer than a row is cut


class SolidRows:
    """Where the characters of a plain text stand in the rows it was wrapped to, told by counting what is no space.

    Wrapping moves words and drops spaces, no more. `skipped` cells at the left of each row belong to the log.
    """

    def __init__(self, rows: Sequence[Strip], skipped: int) -> None:
        self._rows = [row.text[skipped:] for row in rows]
        self._skipped = skipped
        self._stops: list[int] = []  # of each row, how many solid characters stand in it and above
        count = 0
        for text in self._rows:
            count += solid(text)
            self._stops.append(count)

    def spans(self, before: int, length: int) -> list[Span]:
        """The cells of `length` solid characters behind the first `before` of them."""
        found: list[Span] = []
        row = bisect_right(self._stops, before)
        while length > 0 and row < len(self._rows):
            text, above = self._rows[row], self._stops[row - 1] if row else 0
            count = min(length, self._stops[row] - before)
            first, stop = _place_of(text, before - above, count)
            start = self._skipped + cell_len(text[:first])
            found.append(Span(row, start, start + cell_len(text[first:stop])))
            before, length, row = before + count, length - count, row + 1
        return found


def _place_of(text: str, before: int, count: int) -> tuple[int, int]:
    """Where in `text` the `count` solid characters behind the first `before` begin and end."""
    first = stop = -1
    seen = 0
    for word in _WORDS.finditer(text):
        length = solid(word[0])
        if first < 0 and seen + length > before:
            first = _nth(word, before - seen)
        if seen + length >= before + count:
            return first, _nth(word, before + count - seen - 1) + 1
        seen += length
    return max(first, 0), max(stop, len(text.rstrip()))


def _nth(word: re.Match[str], number: int) -> int:
    """Where the solid character of that number in a word stands in its text."""
    if word[0].isascii():
        return word.start() + number
    for place, sign in enumerate(word[0], word.start()):
        if sign not in JOINERS:
            if not number:
                return place
            number -= 1
    return word.end() - 1


def solid(text: str) -> int:
    """How many characters of `text` are no spaces."""
    words = "".join(text.split())
    return len(words if words.isascii() else words.translate(_DROPPED))
