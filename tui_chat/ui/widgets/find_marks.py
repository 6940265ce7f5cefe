"""The matches in the rows of an item: by their number, and by the row that shows them. Pure.

`TextPart` is a plain text of an item, searched as the text it is, whether it is shown or not. `DocumentPart` is a reply's markdown,
searched in the rows it is laid out in, because only there it is known what its markup shows. Both search only what is new.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from textual.strip import Strip

from tui_chat.ui.widgets.find_query import Query
from tui_chat.ui.widgets.find_text import SolidRows, begin_of, passages, solid
from tui_chat.ui.widgets.find_values import Mark, Span

if TYPE_CHECKING:
    from tui_chat.ui.markdown import LiveDocument

ROWS: Final = 100  # that are searched between two looks at the clock


class Marks:
    """Matches in their order, each as the cells that show it."""

    def __init__(self) -> None:
        self._matches: list[list[Span]] = []
        self._rows: dict[int, list[Mark]] = {}

    def __len__(self) -> int:
        return len(self._matches)

    def __getitem__(self, number: int) -> list[Span]:
        return self._matches[number]

    def add(self, spans: list[Span]) -> None:
        """One more match, behind all others."""
        number = len(self._matches)
        self._matches.append(spans)
        for row, start, stop in spans:
            self._rows.setdefault(row, []).append(Mark(start, stop, number))

    def drop_from(self, row: int) -> list[list[Span]]:
        """Forget the matches that end in `row` or below; they are returned, in their order."""
        keep = len(self._matches)
        while keep and max(span.row for span in self._matches[keep - 1]) >= row:
            keep -= 1
        dropped = self._matches[keep:]
        del self._matches[keep:]
        for row_of_it in {span.row for spans in dropped for span in spans}:
            kept = [mark for mark in self._rows[row_of_it] if mark.number < keep]
            if kept:
                self._rows[row_of_it] = kept
            else:
                del self._rows[row_of_it]
        return dropped

    def in_row(self, row: int) -> Sequence[Mark]:
        """What is to be marked in a row."""
        return self._rows.get(row, ())


class TextPart:
    """A plain text: how often it holds the query, and where in the rows that show it, if any do."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._text: str | None = None
        self._tail = ""  # of a growing text: where a match under way may have begun
        self._rows: Sequence[Strip] | None = None
        self.length = 0  # of a growing text, as far as it was searched
        self.count = 0
        self.marks: Marks | None = None  # None: not shown now

    def knows(self, rows: Sequence[Strip] | None) -> bool:
        """Whether these are the rows that it was looked for in."""
        return self._text is not None and rows is self._rows

    def set_text(self, text: str, rows: Sequence[Strip] | None, skipped: int) -> None:
        """What it is, and the rows that show it behind `skipped` cells; None: none do."""
        if text == self._text and rows is self._rows:
            return
        if rows is None:
            self.marks, self.count = None, self._query.count(text)
        else:
            self.marks = marks_in(self._query, text, rows, skipped)
            self.count = len(self.marks)
        self._text, self._rows = text, rows

    def hide(self) -> None:
        """It is not shown any more; how often it was found stays true."""
        self._text, self._rows, self.marks = None, None, None

    def spans(self, number: int) -> list[Span] | None:
        """The cells that show a match; None if nothing shows it."""
        return self.marks[number] if self.marks is not None and number < len(self.marks) else None

    def append(self, text: str) -> None:
        """A text that is not shown as a whole grows."""
        self.length += len(text)
        self._text, self._rows, self.marks = None, None, None
        text = self._tail + text
        found = self._query.spans(text)
        self.count += len(found)
        self._tail = text[max(len(text) - self._query.reach, text.rfind("\n") + 1, found[-1][1] if found else 0) :]


def marks_in(query: Query, text: str, rows: Sequence[Strip], skipped: int) -> Marks:
    """The matches of a text in the rows it was wrapped to."""
    marks = Marks()
    found = query.spans(text)
    if found:
        places = SolidRows(rows, skipped)
        at = before = 0
        for first, stop in found:
            before += solid(text[at:first])
            count = solid(text[first:stop])
            at = first
            if spans := places.spans(before, count):
                marks.add(spans)
    return marks


class DocumentPart:
    """A reply's text in the rows it is laid out in. `expected`: how often the query was found before these rows were made."""

    def __init__(self, query: Query, document: "LiveDocument", width: int, expected: int = 0) -> None:
        self.document = document
        self.marks = Marks()
        self._query, self._width, self._expected = query, width, expected
        self._next = 0  # the rows above were searched

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be searched for now."""
        return self._next >= self.document.line_count

    @property
    def count(self) -> int:
        """How often it is there, as far as is known."""
        return max(len(self.marks), self._expected)

    def changed(self, row: int) -> int:
        """The rows from `row` on are others: look at the first of them. Returns the first row whose marks may have changed."""
        row = min(row, self._next)
        before, dropped = self._look_from(row)
        for number, spans in enumerate(dropped, before):
            if number >= len(self.marks) or self.marks[number] != spans:
                return min(row, spans[0].row)
        after = before + len(dropped)
        return min(row, self.marks[after][0].row) if len(self.marks) > after else row

    def work(self, until: float) -> None:
        """Search on, until that moment at the latest."""
        while not self.whole:
            self._look_from(self._next)
            if time.perf_counter() >= until:
                break

    def _look_from(self, row: int) -> tuple[int, list[list[Span]]]:
        """Search some rows from `row` on. Returns how many matches were kept, and those that were not."""
        document = self.document
        first, is_begin = begin_of(document, row, self._query.reach)
        dropped = self.marks.drop_from(first if is_begin else row)
        kept = len(self.marks)
        last = self.marks[kept - 1][-1] if kept else None
        stop = min(row + ROWS, document.line_count)
        found: list[list[Span]] = []
        for passage in passages(document, first, stop, self._width):
            begin = passage.after(last) if last is not None and not is_begin else 0
            for low, high in self._query.spans(passage.text, begin):
                if spans := passage.spans(low, high):
                    found.append(spans)
        for spans in sorted(found):  # a table's cells stand side by side
            self.marks.add(spans)
        self._next = stop
        if self.whole and not document.behind:
            self._expected = 0
        return kept, dropped
