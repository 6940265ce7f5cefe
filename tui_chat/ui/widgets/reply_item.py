"""A part of a reply in the log: thinking, markdown, and what stands below it. Most replies have one part; tools make more of them.

A long reply is laid out in parts of a few milliseconds, so that neither a resize nor an opening stops the screen: the first time
room is kept free for it, later its old lines are shown until the new ones are complete.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.segment import Segment
from textual.strip import Strip

from tui_chat.ui.widgets.cited_text import CitedText
from tui_chat.ui.widgets.code_lines import CodeView, moved, moved_cells, renumbered
from tui_chat.ui.widgets.find_values import Span
from tui_chat.ui.widgets.log_items import BLANK, INDENT, MARGIN, inside
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.widgets.reply_foot import ReplyFoot, Source
from tui_chat.ui.widgets.reply_thinking import ReplyThinking
from tui_chat.ui.wording import Footer

if TYPE_CHECKING:
    from tui_chat.ui.markdown import CodeBlock, LiveDocument
    from tui_chat.ui.selection.stretch import Place

READING: Final = 0.006  # seconds of a frame; the rest of it is for painting
_PAD: Final = Segment(" " * INDENT)


class Link(NamedTuple):
    """A link of a reply: where it goes, and the text that shows it."""

    href: str
    text: str


class ReplyItem:
    """Thinking in dim lines, text as markdown, and below it sources, notes, and the footer once the reply has ended.

    `earlier` is the part of the same reply above it: code blocks are numbered through them.
    """

    def __init__(
        self, turn_id: str, text: str = "", code_view: CodeView | None = None, earlier: "ReplyItem | None" = None
    ) -> None:
        self.turn_id, self.width = turn_id, 0
        self._earlier = earlier
        self._code_view = code_view or CodeView()
        self.document: LiveDocument | None = None
        self._coming: LiveDocument | None = None  # for another width or theme; shown when it is complete
        self._reserved = 0  # lines kept free while a long reply is laid out for the first time
        self._looks: Looks | None = None
        self._text = CitedText()
        self.characters = 0  # of the text, as it is shown
        self._finished = False
        self.thinking = ReplyThinking(turn_id)
        self._closed = False  # another part follows
        self._foot = ReplyFoot(turn_id)
        self._before_changed = False
        self._shift = 0
        self.room = 1  # cells of its text in the last layout, also when that does not hold any more
        self._after: list[Strip] = []
        self.write(text)

    # Values down ---------------------------------------------------------------------------------------------------

    def write(self, delta: str) -> None:
        """Append to the text."""
        self._show(self._text.write(delta))

    def cite(self, numbers: Iterable[int]) -> None:
        """What was written last cites the sources of these numbers."""
        self._show(self._text.cite(numbers))

    def _show(self, text: str) -> None:
        if text:
            self.characters += len(text)
            for document in self._documents():
                document.write(text)

    def think(self, delta: str) -> None:
        """Append to the thinking, of which the last lines are shown while no text has come."""
        self.thinking.add(delta)

    def thought(self, summary: str) -> None:
        """Thinking is over: one line takes its place, which offers to show it."""
        self.thinking.summary = summary
        self._layout_before()

    @property
    def has_thinking(self) -> bool:
        """Whether there is thinking that can be shown."""
        return self.thinking.length > 0

    @property
    def thinking_shown(self) -> bool:
        """Whether all of it is shown."""
        return self.thinking.shown

    def show_thinking(self, *, shown: bool | None = None) -> None:
        """Show all the thinking, or hide it again (None: the other way round)."""
        self.thinking.show(shown=shown)
        self._layout_before()

    def note(self, text: str) -> None:
        """Say something about the reply on a quiet line below it; what was said before is counted."""
        self._foot.note(text)

    def sources(self, sources: Iterable[Source]) -> None:
        """What it cites, too: listed below the text, by their numbers."""
        known = {source.number: source for source in (*self._foot.sources, *sources)}
        self._foot.sources = tuple(known[number] for number in sorted(known))

    def end(self, footer: Footer | None) -> None:
        """The reply is over; `footer` may be set again later."""
        self._foot.footer = footer
        if not self._finished:
            self._finished = True
            self._show(self._text.finish())
            for document in self._documents():
                document.finish()
        self._layout_after()

    def close(self) -> None:
        """Something of the same reply follows, so this part is over; without any text it takes no lines."""
        self._closed = True
        self.end(None)

    def code(self, number: int) -> str | None:
        """The code block with that number, from 1, verbatim; None if there is none."""
        blocks = self.document.code_blocks if self.document is not None else ()
        return blocks[number - 1].code if 0 < number <= len(blocks) else None

    def code_at(self, index: int) -> str | None:
        """The code block whose label stands in the line at `index`."""
        index -= len(self.thinking.rows)
        blocks = self.document.code_blocks if self.document is not None else ()
        return next((block.code for block in blocks if block.first_line == index), None)

    def code_between(self, first: int, stop: int) -> str | None:
        """The first code block with lines from `first` up to `stop`, else the last one above, else the first of all."""
        document = self.document
        if document is None or not document.code_blocks:
            return None
        first, stop = max(0, first - len(self.thinking.rows)), min(stop - len(self.thinking.rows), document.line_count)
        numbers = [block.first_line for block in document.code_blocks]
        shown = next((index for index in range(first, stop) if index in numbers or document.info(index).code), first)
        return document.code_blocks[max(0, bisect_right(numbers, shown) - 1)].code

    def longest_code(self, first: int, stop: int) -> int:
        """By how many cells the longest line of code from `first` up to `stop` is too long."""
        document, offset = self.document, len(self.thinking.rows)
        if document is None:
            return 0
        lines = range(max(0, first - offset), min(stop - offset, document.line_count))
        cells = [document.line(index).cell_length for index in lines if document.info(index).code]
        return max(0, max(cells, default=0) - self.room)

    @property
    def code_count(self) -> int:
        """How many code blocks it has, as far as it is laid out."""
        return len(self.document.code_blocks) if self.document is not None else 0

    @property
    def links(self) -> list[Link]:
        """Its links in their order, each target once."""
        texts: dict[str, str] = {}
        last = ""
        for strip in (self.line(index) for index in range(self.height)):
            for text, style, _ in strip:
                href = str(style.meta.get("href", "")) if style and style._meta else ""  # noqa: SLF001 - decoding meta is slow
                if href and (href == last or href not in texts):
                    texts[href] = texts.get(href, "") + text
                last = href or (last if not text.strip() else "")
        return [Link(href, text) for href, text in texts.items()]

    def selected(self, start: "Place", end: "Place") -> str:
        """The markdown of what stands there; of thinking or footer alone, their text."""
        document, offset = self.document, len(self.thinking.rows)
        if document is None:
            return ""
        lines = document.line_count
        if start < (offset + lines, 0) and end > (offset, 0):
            first, last = inside((start[0] - offset, start[1])), inside((end[0] - offset, end[1]))
            from tui_chat.ui.selection.markdown import selected_source  # here: the first paint selects nothing

            if source := selected_source(document, max(first, (0, 0)), min(last, (lines, 0))):
                return source
        rows = [self.line(index).text for index in range(start[0], min(end[0] + 1, self.height))]
        if rows and end[0] < self.height:
            rows[-1] = rows[-1][: end[1]]
        if rows:
            rows[0] = rows[0][start[1] :]
        return "\n".join(row.strip() for row in rows).strip()

    # Lines up ------------------------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The text, verbatim but for the marks of its sources."""
        return self._text.text

    @property
    def cited(self) -> tuple[Source, ...]:
        """Its sources."""
        return self._foot.sources

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        return len(self.thinking.rows) + self._body + len(self._after) if self.document is not None else self._estimate

    @property
    def behind(self) -> bool:
        """Whether a part of it still has to be laid out."""
        return any(document.behind for document in self._documents())

    def layout(self, width: int, looks: Looks) -> None:
        """Begin to make the lines for `width` cells: of a long reply the first part."""
        from tui_chat.ui.markdown import LiveDocument  # here: the first paint has no reply and must not wait for it

        guess = self._estimate
        self.width, self._looks, self.room = width, looks, max(1, width - INDENT - MARGIN)
        document = LiveDocument(self.room, looks.markdown, wrap_code=self._code_view.wrapped)
        if shown := self._text.shown:
            document.write(shown)
        if self._finished:
            document.finish()
        advance(document)
        if document.behind and self.document is not None:
            self._coming = document
        else:
            self._reserved = guess if document.behind else 0
            self.document, self._coming = document, None
        self._layout_before()
        self._layout_after()

    def update(self) -> int:
        """Take in what was written since, or a part of it; returns the first line that may have changed."""
        if self.document is None:
            return 0
        before, reserved = len(self.thinking.rows), self._reserved
        if self._coming is None:
            first = advance(self.document)
        else:
            advance(self._coming)
            first = self.document.line_count
            if not self._coming.behind:
                first, self.document, self._coming = 0, self._coming, None
        if not self.document.behind:
            self._reserved = 0
        thinking = self.has_thinking and not self.thinking.summary and not self._finished
        if thinking:
            self._layout_before()
        changed, self._before_changed = self._before_changed, False
        self._layout_after()
        all_moved = changed or thinking or len(self.thinking.rows) != before
        return 0 if all_moved else before + (min(first, self.document.line_count) if not reserved else 0)

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        if index < len(self.thinking.rows):
            return self.thinking.rows[index]
        index -= len(self.thinking.rows)
        document = self.document
        if document is not None and index < document.line_count:
            strip = document.line(index)
            if self._earlier is not None:
                strip = self._numbered(strip, index)
            if not self._code_view.wrapped and (info := document.info(index)).code:
                strip = moved(strip, info.border, self._code_view.left, self.room)
            return Strip([_PAD, *strip])
        return BLANK if index < self._body else self._after[index - self._body]

    def _numbered(self, strip: Strip, index: int) -> Strip:
        """A line of the text; the label of a code block gets its number in the whole reply."""
        blocks = self.document.code_blocks if self.document is not None else ()
        place = bisect_left(blocks, index, key=_first_line)
        if place == len(blocks) or blocks[place].first_line != index:
            return strip
        number, part = place + 1, self._earlier
        while part is not None:
            number, part = number + part.code_count, part._earlier  # noqa: SLF001 - of its own class
        return renumbered(strip, f"copy {place + 1}", f"copy {number}")

    @property
    def _estimate(self) -> int:
        return self.characters // 60 + 4

    @property
    def _body(self) -> int:
        """The lines of the text, with those that are kept free for it."""
        return max(self.document.line_count, self._reserved) if self.document is not None else 0

    # For the search ------------------------------------------------------------------------------------------------

    @property
    def markdown(self) -> str:
        """The text with the marks of its sources, as it is laid out."""
        return self._text.shown

    @property
    def source_rows(self) -> tuple[int, Sequence[Strip]] | None:
        """The first row that lists a source, and all that do; None where it is not laid out."""
        if self.document is None or self._looks is None:
            return None
        lines = self._foot.lines(self.room, self._looks)
        first = len(self.thinking.rows) + self._body + len(self._after) - len(lines) - 1
        return first, self._foot.source_rows

    def cells_of(self, row: int, start: int, stop: int) -> tuple[int, int] | None:
        """Where cells of a row of the text are seen in the log; None where cut code does not show them."""
        if not self._code_view.wrapped and self.document is not None and (info := self.document.info(row)).code:
            seen = moved_cells(start, stop, info.border, self._code_view.left, self.room)
            return None if seen is None else (seen[0] + INDENT, seen[1] + INDENT)
        return start + INDENT, stop + INDENT

    def left_for(self, span: Span) -> int | None:
        """How far cut code has to be moved for these cells of a line of the log to be seen; None: not at all."""
        row = span.row - len(self.thinking.rows)
        if self._code_view.wrapped or self.document is None or not 0 <= row < self.document.line_count:
            return None
        info, left = self.document.info(row), self._code_view.left
        if not info.code:
            return None
        start, stop = span.start - INDENT - info.border, span.stop - INDENT - info.border
        room = self.room - info.border
        # The first and the last cell may carry a mark of what is cut.
        if start - left >= (1 if left else 0) and stop - left < room:
            return None
        return max(0, min(start - 1, stop - room // 2)) if stop >= room else 0

    def _documents(self) -> list["LiveDocument"]:
        return [document for document in (self.document, self._coming) if document is not None]

    def _layout_before(self) -> None:
        looks = self._looks
        if looks is None:
            return
        self._before_changed = True
        height = len(self.thinking.rows)
        self.thinking.lay_out(self.room, looks)
        self._shift += len(self.thinking.rows) - height

    def take_shift(self) -> int:
        """By how many lines its text has moved within it since the last call: what is above it grew or shrank."""
        shift, self._shift = self._shift, 0
        return shift

    def _layout_after(self) -> None:
        looks, document = self._looks, self.document
        if looks is None or document is None:
            return
        lines = self._foot.lines(self.room, looks)
        gap = [BLANK] if document.line_count or not (lines or self._closed) else []
        self._after = [*gap, *lines, BLANK] if lines else gap


def _first_line(block: "CodeBlock") -> int:
    return block.first_line


def advance(document: "LiveDocument") -> int:
    """Let `document` read on for as long as a frame may take; returns the first line that may have changed."""
    from tui_chat.ui.markdown import SLICE  # as in `layout`

    until = time.perf_counter() + READING
    first = document.update(SLICE)
    while document.behind and time.perf_counter() < until:
        first = min(first, document.update(SLICE))
    return first
