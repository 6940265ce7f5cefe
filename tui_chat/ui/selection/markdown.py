"""What a selection of cells means in the text that was written: markdown of a reply, plain text of a prompt.

Why it exists: copying what the screen shows gives wrap breaks, bars and bullets of ours; people want the source. Only the two
ends of a selection need an answer, so only the stretch of lines around each end is aligned with its source; what lies between is
cut out of the source as it is. The rules for the ends:

- an end that stands in the middle of a line's text gives the text from there on, with the marks whose partners it holds;
- where all the text of a source line is taken the whole line is: `- `, `## `, `> ` and what else stands around the text;
- a selection that begins in what we draw before the text (a bullet, a quote's bar) takes the line's beginning too;
- inside one block of code its lines come without what the containers around it put before them; the closing fence comes along
  where the opening one does;
- from the first character to the last it is the source, exactly.

Lines and columns count from 0, columns in cells; the end is excluded. It knows nothing of the mouse or of Textual's selection.
"""

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tui_chat.text import sanitise
from tui_chat.ui.selection.marks import with_closing, with_opening
from tui_chat.ui.selection.stretch import BREAK, FAR, Place, SourceLines, Stretch, end_of_cell, index_of_cell

if TYPE_CHECKING:
    from tui_chat.ui.markdown import CodeBlock, LiveDocument

_CLOSING_FENCE: Final = re.compile(r"[ \t>]*(?:`{3,}|~{3,})[ \t]*")


def selected_source(document: "LiveDocument", start: Place, end: Place) -> str:
    """The source of what stands from `start` up to `end` on the screen; '' if that is nothing but decoration."""
    return _Selector(document).cut(start, end)


class _End(NamedTuple):
    """One end of a selection: the stretch it is in, and the source it takes of it."""

    stretch: Stretch
    first: int
    last: int


class _Selector:
    """One selection of one document."""

    def __init__(self, document: "LiveDocument") -> None:
        self.document = document
        self.source = document.source
        self.lines = SourceLines(self.source)
        self._stretches: list[Stretch] = []

    def cut(self, start: Place, end: Place) -> str:
        start = max(start, (0, 0))
        end = min(end if end[1] > 0 else (end[0] - 1, FAR), (self.document.line_count - 1, FAR))
        top, bottom = self._top(start, end), self._bottom(start, end)
        if top is None or bottom is None:
            return ""
        first, last = top.first, bottom.last
        if self._is_all(top, bottom):
            return self.source
        at_start, line_start, line_end = self._opens_line(top)
        at_end, last_line = self._closes_line(bottom)
        takes_start = at_start and (
            last > line_end or (at_end and last_line == line_start) or self._takes_border(top, start, end)
        )
        if takes_start:
            first = line_start
        takes_end = at_end and first <= last_line
        if takes_end:
            last = self.lines.around(max(last - 1, last_line))[1]
        if not takes_start and not top.stretch.code:
            first = with_opening(self.source, top.stretch.before(first), first, last)
        if not takes_end and not bottom.stretch.code:
            last = with_closing(self.source, first, last, bottom.stretch.after(last))
        if bottom.stretch.code and (block := self._block(bottom)) is not None:
            if top.stretch.code and self._block(top) is block:
                return self._code(block, top, first, last)
            if takes_end and first <= self.lines.start(self.document.info(block.first_line).first):
                last = self._with_fence(bottom.stretch, last)
        return self.source[first:last]

    # The ends ------------------------------------------------------------------------------------------------------

    def _stretch(self, row: int) -> Stretch:
        for stretch in self._stretches:
            if stretch.first <= row < stretch.stop:
                return stretch
        stretch = Stretch(self.document, self.lines, row)
        self._stretches.append(stretch)
        return stretch

    def _top(self, start: Place, end: Place) -> _End | None:
        row = start[0]
        while row <= end[0]:
            stretch = self._stretch(row)
            if not stretch.separator and (span := stretch.span(start, end)) is not None:
                return _End(stretch, *span)
            row = stretch.stop
        return None

    def _bottom(self, start: Place, end: Place) -> _End | None:
        row = end[0]
        while row >= start[0]:
            stretch = self._stretch(row)
            if not stretch.separator and (span := stretch.span(start, end)) is not None:
                return _End(stretch, *span)
            row = stretch.first - 1
        return None

    def _is_all(self, top: _End, bottom: _End) -> bool:
        """Whether nothing is shown before and nothing after the selection."""
        info, count = self.document.info, self.document.line_count
        others = (range(top.stretch.first), range(bottom.stretch.stop, count))
        if any(info(row).first < info(row).stop for rows in others for row in rows):
            return False
        return (top.first, bottom.last) == (top.stretch.whole[0], bottom.stretch.whole[1])

    def _opens_line(self, top: _End) -> tuple[bool, int, int]:
        """Whether nothing is shown before it of the source line it begins in; where that line begins and ends."""
        line_start, line_end = self.lines.around(top.first)
        return top.stretch.bare or top.stretch.before(top.first) <= line_start, line_start, line_end

    def _closes_line(self, bottom: _End) -> tuple[bool, int]:
        """Whether nothing is shown after it of the source line it ends in; where that line begins."""
        line_start, line_end = self.lines.around(max(bottom.first, bottom.last - 1))
        return bottom.stretch.bare or bottom.stretch.after(bottom.last) >= line_end, line_start

    def _takes_border(self, top: _End, start: Place, end: Place) -> bool:
        """Whether the selection holds a sign of what is drawn before the text, such as a bullet."""
        row = top.stretch.rows[max(0, start[0] - top.stretch.first)]
        column = start[1] if start[0] >= top.stretch.first else 0
        stop = end[1] if end[0] == start[0] else FAR
        return bool(row.border[index_of_cell(row.border, column) : end_of_cell(row.border, stop)].strip())

    # Code ----------------------------------------------------------------------------------------------------------

    def _block(self, end: _End) -> "CodeBlock | None":
        """The code block that an end among lines of code is in."""
        blocks = self.document.code_blocks
        place = bisect_right(blocks, end.stretch.stop - 1, key=lambda block: block.first_line)
        return blocks[place - 1] if place else None

    def _code(self, block: "CodeBlock", top: _End, first: int, last: int) -> str:
        """Lines of one block of code without what stands before each in the source."""
        pieces: list[str] = []
        number = self.document.info(top.stretch.first).first
        opening = self.document.info(block.first_line + 1).first  # the line below its label is its first line of code
        lead = ""
        while (start := self.lines.start(number)) <= last:
            stop = self.lines.end(number)
            raw = sanitise(self.source[start:stop])
            code = block.lines[number - opening] if number - opening < len(block.lines) else None
            if code is None:  # the line that is still arriving
                prefix = len(lead) if raw.startswith(lead) else 0
            else:
                prefix = len(raw) - len(code) if raw.endswith(code) else 0
            lead = raw[:prefix]
            halved = code is not None and not raw.endswith(code) and raw.endswith(code.lstrip(" "))
            if code is not None and halved and first <= start and last >= stop:
                pieces.append(code)  # a tab stands half in what is left out
            else:
                pieces.append(self.source[max(first, start + prefix) : min(last, stop)])
            number += 1
            if stop == len(self.source):
                break
        return "\n".join(pieces)

    def _with_fence(self, stretch: Stretch, last: int) -> int:
        """`last`, the end of a line of code, or that of the closing fence if it is the next line."""
        match = BREAK.match(self.source, last)
        if match is None:
            return last
        stop = self.lines.around(match.end())[1]
        if _CLOSING_FENCE.fullmatch(self.source, match.end(), stop) is None:
            return last
        if stretch.stop < self.document.line_count:
            following = self._stretch(stretch.stop)
            if not following.separator and following.start == match.end():
                return last  # it is shown, so it is code
        return stop
