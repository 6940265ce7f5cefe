"""All of one row of the wire: lines about it, and its content, wrapped where the width ends; JSON in the colours of code.

Nothing is broken at words: what came is shown to the character. A long content is wrapped in slices, and coloured line by line when
it is painted.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from time import perf_counter
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tui_chat.ui.markdown.highlight import Highlighter
from tui_chat.ui.markdown.layout import Fragment, clusters
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.markdown_view import MarkdownView
from tui_chat.ui.widgets.wire_lines import WireLines
from tui_chat.ui.wire_text import Detail

_LEFT: Final = 1  # columns left free
_SLICE: Final = 0.006  # seconds
_LONGEST_COLOURED: Final = 4_000  # characters of a line
_CACHED: Final = 200  # lines
_EVERY: Final = 200  # lines between two looks at the clock


class WireDetail(MarkdownView, WireLines, can_focus=True):
    """Call `show`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"wire--dim"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "Up", id="wire.detail_up"),
        Binding("down,j", "scroll(1)", "Down", id="wire.detail_down"),
        Binding("pageup", "move_page(-1)", "Page up", id="wire.detail_page_up"),
        Binding("pagedown,space", "move_page(1)", "Page down", id="wire.detail_page_down"),
        Binding("home", "to_start", "Start", id="wire.detail_start"),
        Binding("end,G", "to_end", "End", id="wire.detail_end"),
        Binding("left,p", "ask('before')", "The row before", id="wire.detail_previous"),
        Binding("right,n", "ask('after')", "The row behind", id="wire.detail_next"),
        Binding("enter", "ask('close')", "Back to the rows", id="wire.detail_close"),
        Binding("c", "ask('copy_detail')", "Copy what is shown", id="wire.detail_copy"),
        Binding("u", "ask('curl')", "Copy the request for curl", id="wire.detail_curl"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.detail = Detail("", (), "")
        self.following = False
        self._lines: list[str] = []
        self._about = 0  # lines above the content
        self._numbers, self._begins = array("I"), array("I")  # of each row: its line, and its first character there
        self._wrapping: Iterator[None] = iter(())
        self._width = 0
        self._colours: Highlighter | None = None
        self._cache: OrderedDict[int, list[Fragment]] = OrderedDict()
        self._frames = FrameGate(self, self._wrap_more)

    def show(self, detail: Detail) -> None:
        """Show another row from its beginning."""
        self.detail = detail
        blank = [""] if detail.about and detail.content else []
        self._lines = [detail.title, *detail.about, *blank, *(detail.content.split("\n") if detail.content else [])]
        self._about = 1 + len(detail.about) + len(blank)
        self.top, self.selection = 0, None
        self.lay_out_again()

    @property
    def settled(self) -> bool:
        """Whether all is laid out."""
        return not self._frames.due

    # Layout --------------------------------------------------------------------------------------------------------

    def lay_out_again(self) -> None:
        """The width, the looks or the content have changed."""
        width = max(8, self.text_width - _LEFT)
        if self._looks is None:
            self._looks = self.looks()
        begun = self._numbers[self.top] if width != self._width and self.top < len(self._numbers) else None
        self._colours = Highlighter("json", self._looks.markdown) if self.detail.is_json else None
        self._cache.clear()
        self._numbers, self._begins, self._width = array("I"), array("I"), width
        self._wrapping = self._wrap(width)
        self._wrap_more()
        if begun is not None:
            self.show_from(next((row for row, line in enumerate(self._numbers) if line >= begun), 0), stay=True)

    def on_resize(self) -> None:
        """Wrap anew where the width is another."""
        if self.text_width - _LEFT != self._width:
            self.lay_out_again()
        else:
            self._repaint()

    def _repaint(self) -> None:
        self.following = False
        self.changed(0)
        self.following = False

    def _wrap_more(self) -> None:
        until = perf_counter() + _SLICE
        for _ in self._wrapping:
            if perf_counter() >= until:
                self._frames.request(at_once=True)
                break
        self._repaint()

    def _wrap(self, width: int) -> Iterator[None]:
        for number, line in enumerate(self._lines):
            begin, room = 0, width
            hang = self.hang(line)
            while True:
                self._numbers.append(number)
                self._begins.append(begin)
                begin = _end(line, begin, room)
                if begin >= len(line):
                    break
                room = width - hang
            if not number % _EVERY:
                yield

    def hang(self, line: str) -> int:
        """The columns before the rows of a line but its first."""
        return min(len(line) - len(line.lstrip(" ")) + 2, self._width // 2)

    # The lines -----------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._numbers)

    def line(self, index: int) -> Strip | None:
        """A row."""
        if not 0 <= index < len(self._numbers):
            return None
        number, begin = self._numbers[index], self._begins[index]
        is_last = index + 1 >= len(self._numbers) or self._numbers[index + 1] != number
        line = self._lines[number]
        end = len(line) if is_last else self._begins[index + 1]
        left = _LEFT + (self.hang(line) if begin else 0)
        segments, cells, place = [Segment(" " * left)], left, 0
        for text, style in self._fragments(number):
            piece = text[max(0, begin - place) : max(0, end - place)]
            place += len(text)
            if piece:
                segments.append(Segment(piece, style))
                cells += cell_len(piece)
        return Strip(segments, cells)

    def _fragments(self, number: int) -> list[Fragment]:
        found = self._cache.get(number)
        if found is None:
            line = self._lines[number]
            looks = self._looks or self.looks()
            if number < self._about:
                found = [(line, looks["footer" if number else "action"])]
            elif self._colours is None or len(line) > _LONGEST_COLOURED:
                found = [(line, looks.markdown.code_block)]
            else:
                found = self._colours.lines([line], ())[0][0]
            self._cache[number] = found
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return found

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_scroll(self, by: int) -> None:
        """Move by lines."""
        self.show_from(self.top + by, stay=True)

    def action_move_page(self, direction: int) -> None:
        """Move by pages."""
        self.action_scroll(direction * max(1, self.size.height - 1))

    def action_to_end(self) -> None:
        """The last line."""
        self.show_from(self.total, stay=True)


def _end(line: str, begin: int, room: int) -> int:
    """The character behind those that fit into `room` cells; at least one does."""
    part = line[begin : begin + room]
    if part.isascii() or cell_len(part) <= room:
        return begin + len(part)
    used = 0
    for text, cells in clusters(part):
        if used and used + cells > room:
            break
        begin += len(text)
        used += cells
    return begin
