"""What a query finds in one item of the log: how often, where in its rows, and what has to be opened for it.

Each kind of item has several texts, of which some are hidden: thinking, a tool's input and result. A reply that was never laid out is
read without its looks, and its text kept while the search goes on, so that the next query need not read it again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from textual.strip import Strip

from tui_chat.ui.widgets.find_marks import ROWS, DocumentPart, TextPart, marks_in
from tui_chat.ui.widgets.find_query import Query
from tui_chat.ui.widgets.find_text import passages
from tui_chat.ui.widgets.find_values import Mark, Span
from tui_chat.ui.widgets.log_items import INDENT, LogItem, PromptItem
from tui_chat.ui.widgets.reply_item import ReplyItem, advance
from tui_chat.ui.widgets.tool_item import INNER, ToolItem

_WIDE: Final = 2_000  # cells: hardly a row is wrapped


class ItemMatches(Protocol):
    """The matches of one item, numbered from 0 in their order, hidden ones included."""

    @property
    def count(self) -> int:
        """How many there are, as far as is known."""

    @property
    def shown(self) -> range:
        """The numbers of those that are not hidden."""

    @property
    def whole(self) -> bool:
        """Whether all of the item was searched."""

    def work(self, until: float) -> None:
        """Search on, until that moment at the latest."""

    def changed(self, row: int) -> int:
        """The item has changed from `row` on. Returns the first row whose marks may have."""

    def in_row(self, row: int) -> Sequence[Mark]:
        """What is to be marked in a row of the item, in its cells."""

    def spans(self, number: int) -> list[Span] | None:
        """The cells of the item that show a match; None while it is hidden, or not laid out."""

    def reveal(self, number: int) -> bool:
        """Open what hides a match. Returns whether anything was opened."""


@dataclass(slots=True)
class Texts:
    """What replies that are not laid out would show, by reply; and how long its source was then."""

    known: dict[ReplyItem, tuple[int, str]] = field(default_factory=dict)

    def of(self, item: ReplyItem) -> str | None:
        """The text of a reply, if it is known and still the same."""
        length, text = self.known.get(item, (-1, ""))
        return text if length == item.characters else None


def matches_of(query: Query, item: LogItem, texts: Texts) -> ItemMatches | None:
    """What `query` finds in `item`; None where nothing is ever found: what the program itself says is no part of the conversation."""
    if isinstance(item, ReplyItem):
        return _ReplyMatches(query, item, texts)
    if isinstance(item, ToolItem):
        return _ToolMatches(query, item)
    return _PromptMatches(query, item) if isinstance(item, PromptItem) else None


def seems_in(query: Query, item: LogItem) -> bool:
    """Whether `query` will probably be found in `item`; told without rendering anything."""
    if isinstance(item, ReplyItem):
        return query.seems_in(item.markdown) or query.count(item.thinking.text) > 0
    if isinstance(item, ToolItem):
        return any(query.count(text) for _, text, _ in item.parts)
    return isinstance(item, PromptItem) and query.count(item.said) > 0


class _PromptMatches:
    whole = True

    def __init__(self, query: Query, item: PromptItem) -> None:
        self._item, self._part = item, TextPart(query)
        self._look()

    def _look(self) -> None:
        item = self._item
        if not self._part.knows(item.rows):
            self._part.set_text(item.said, item.rows, INDENT)

    @property
    def count(self) -> int:
        return self._part.count

    @property
    def shown(self) -> range:
        return range(self.count)

    def work(self, until: float) -> None:
        self._look()

    def changed(self, row: int) -> int:
        self._look()
        return row

    def in_row(self, row: int) -> Sequence[Mark]:
        self._look()
        return self._part.marks.in_row(row) if self._part.marks is not None else ()

    def spans(self, number: int) -> list[Span] | None:
        self._look()
        return self._part.spans(number)

    def reveal(self, number: int) -> bool:
        return False


class _ToolMatches:
    """The line that is always shown, and below it the input and the result."""

    whole = True

    def __init__(self, query: Query, item: ToolItem) -> None:
        self._item = item
        self._parts = [TextPart(query) for _ in range(3)]
        self._firsts = [0, 0, 0]  # the row that each begins in
        self._known: object = None
        self._look()

    def _look(self) -> None:
        parts = self._item.parts
        if parts is self._known:
            return
        self._known = parts
        for place, (part, (first, text, rows)) in enumerate(zip(self._parts, parts, strict=True)):
            part.set_text(text, rows, INNER)
            self._firsts[place] = first

    @property
    def count(self) -> int:
        return sum(part.count for part in self._parts)

    @property
    def shown(self) -> range:
        return range(self.count if self._item.shown else self._parts[0].count)

    def work(self, until: float) -> None:
        self._look()

    def changed(self, row: int) -> int:
        self._look()
        return 0

    def in_row(self, row: int) -> Sequence[Mark]:
        self._look()
        before, found = 0, list[Mark]()
        for first, part in zip(self._firsts, self._parts, strict=True):
            if part.marks is not None and row >= first:
                found += (mark._replace(number=mark.number + before) for mark in part.marks.in_row(row - first))
            before += part.count
        return found

    def spans(self, number: int) -> list[Span] | None:
        self._look()
        for first, part in zip(self._firsts, self._parts, strict=True):
            if number < part.count:
                return _moved(part.spans(number), first)
            number -= part.count
        return None

    def reveal(self, number: int) -> bool:
        if number < self._parts[0].count or self._item.shown:
            return False
        self._item.toggle(shown=True)
        return True


class _ReplyMatches:
    """Thinking, text, sources."""

    def __init__(self, query: Query, item: ReplyItem, texts: Texts) -> None:
        self._query, self._item, self._texts = query, item, texts
        self._thinking, self._sources = TextPart(query), TextPart(query)
        self._text: DocumentPart | None = None
        self._reading: _Reading | None = None
        self._unseen: int | None = None  # how often a text is found that is not laid out
        self._look()

    def _look(self) -> None:
        """Take in what thinking and sources there are, and in which rows."""
        item, thinking, sources = self._item, self._item.thinking, self._item.source_rows
        rows = thinking.rows if item.document is not None else None
        if thinking.shown and rows is not None:
            if not self._thinking.knows(rows):
                self._thinking.set_text(thinking.text, rows, INDENT)
                self._thinking.length = thinking.length
        else:
            self._thinking.hide()
            if self._thinking.length < thinking.length:
                self._thinking.append(thinking.after(self._thinking.length))
        if sources is None:
            self._sources.set_text("\n".join(source.line for source in item.cited), None, INDENT)
        elif not self._sources.knows(sources[1]):
            self._sources.set_text(_text_of(sources[1]), sources[1], INDENT)
        document = item.document
        if document is not None and (self._text is None or self._text.document is not document):
            self._text = DocumentPart(self._query, document, item.room, self._text_count)
            self._reading = None

    @property
    def _text_count(self) -> int:
        return self._text.count if self._text is not None else self._unseen or 0

    @property
    def count(self) -> int:
        return self._thinking.count + self._text_count + self._sources.count

    @property
    def shown(self) -> range:
        return range(0 if self._item.thinking.shown else self._thinking.count, self.count)

    @property
    def whole(self) -> bool:
        if self._item.document is None:
            return self._unseen is not None
        return self._text is not None and self._text.document is self._item.document and self._text.whole

    def work(self, until: float) -> None:
        self._look()
        if self._text is not None:
            self._text.work(until)
        elif self._unseen is None:
            self._unseen = self._count_unseen(until)

    def _count_unseen(self, until: float) -> int | None:
        """How often the text is found that was never laid out; None: not known yet."""
        item, text = self._item, self._texts.of(self._item)
        if text is None and self._reading is None and not self._query.may_be_in(item.markdown):
            return 0
        if text is None:
            self._reading = self._reading or _Reading(item.markdown)
            text = self._reading.go_on(until)
            if text is None:
                return None
            self._texts.known[item] = item.characters, text
        self._reading = None
        return self._query.count(text)

    def changed(self, row: int) -> int:
        before = self._text
        self._look()
        if self._text is None:
            self._unseen = self._reading = None
            return row
        offset = len(self._item.thinking.rows)
        if self._text is not before:
            return 0
        return min(row, offset + self._text.changed(max(0, row - offset)))

    def in_row(self, row: int) -> Sequence[Mark]:
        self._look()
        item = self._item
        offset, before = len(item.thinking.rows), self._thinking.count
        if row < offset:
            return self._in_thinking(row)
        if self._text is not None and row < offset + self._text.document.line_count:
            marks = self._text.marks.in_row(row - offset)
            shown = ((mark, item.cells_of(row - offset, mark.start, mark.stop)) for mark in marks)
            return [Mark(*cells, mark.number + before) for mark, cells in shown if cells]
        if self._sources.marks is not None and (sources := item.source_rows) is not None:
            before += self._text_count
            return [mark._replace(number=mark.number + before) for mark in self._sources.marks.in_row(row - sources[0])]
        return ()

    def _in_thinking(self, row: int) -> Sequence[Mark]:
        if self._thinking.marks is not None:
            return self._thinking.marks.in_row(row)
        if not self._item.thinking.runs:
            return ()
        # Of what runs the end is shown: marked, though which of the matches it is cannot be said.
        rows = self._item.thinking.rows
        return [mark._replace(number=-1) for mark in marks_in(self._query, _text_of(rows), rows, INDENT).in_row(row)]

    def spans(self, number: int) -> list[Span] | None:
        self._look()
        if number < self._thinking.count:
            return self._thinking.spans(number)
        number -= self._thinking.count
        if self._text is None:
            return None
        if number < len(self._text.marks):
            return _moved(self._text.marks[number], len(self._item.thinking.rows), INDENT)
        number -= self._text.count
        sources = self._item.source_rows
        return _moved(self._sources.spans(number), sources[0]) if number >= 0 and sources is not None else None

    def reveal(self, number: int) -> bool:
        if number >= self._thinking.count or self._item.thinking.shown:
            return False
        self._item.show_thinking(shown=True)
        return True


class _Reading:
    """A reply that is read for its text only."""

    def __init__(self, markdown: str) -> None:
        from tui_chat.ui.markdown import LiveDocument, MarkdownTheme  # here: the first paint finds nothing

        self._document = LiveDocument(_WIDE, MarkdownTheme())
        self._document.write(markdown)
        self._document.finish()
        self._row = 0
        self._texts: list[str] = []

    def go_on(self, until: float) -> str | None:
        """Its text, a passage on each line, once all of it was read; else None at that moment."""
        document = self._document
        while document.behind:
            advance(document)
            if time.perf_counter() >= until:
                return None
        while self._row < document.line_count:
            stop = min(self._row + ROWS, document.line_count)
            while stop < document.line_count and document.info(stop).wrapped:
                stop += 1
            self._texts += (passage.text for passage in passages(document, self._row, stop, _WIDE))
            self._row = stop
            if time.perf_counter() >= until:
                return None
        return "\n".join(self._texts)


def _text_of(rows: Sequence[Strip]) -> str:
    return "\n".join(row.text[INDENT:] for row in rows)


def _moved(spans: list[Span] | None, rows: int, cells: int = 0) -> list[Span] | None:
    if spans is None or not (rows or cells):
        return spans
    return [Span(span.row + rows, span.start + cells, span.stop + cells) for span in spans]
