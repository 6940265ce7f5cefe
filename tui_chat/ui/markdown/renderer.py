"""Blocks to lines: the sink of the block parser.

Why it exists: it knows what stands around a leaf (quote bars, list markers, indentation, the blank line before it) and
gives every finished row to the reply's lines, once.
What it must not know: how source text becomes blocks, or when it arrives.

Spacing is decided where a block begins, from what came before, so nothing moves later: one blank line between blocks;
inside a list only where the source has one.
"""

import re
from functools import partial
from typing import Final, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.markdown.code import UNWRAPPED, CodeBlock, CodeLeaf
from tui_chat.ui.markdown.inline import InlineRenderer, Runs
from tui_chat.ui.markdown.late import LateLinks
from tui_chat.ui.markdown.layout import Flow, LineInfo, Lines, Row
from tui_chat.ui.markdown.places import Frame, Place, place_for
from tui_chat.ui.markdown.scan import Align
from tui_chat.ui.markdown.segments import Segmenter, completed
from tui_chat.ui.markdown.table import TableLeaf
from tui_chat.ui.markdown.textleaf import End, TextLeaf
from tui_chat.ui.markdown.theme import MarkdownTheme

QUOTE_BAR: Final = "│ "
BULLET: Final = "• "
_TASK: Final = re.compile(r"\[([ xX])\][ \n]+")
_NOTE: Final = re.compile(r"\n\[\^[^\]\s]{1,80}\]:")
_CODE_INDENT: Final = 2


class Renderer:
    """Renders blocks into `lines`."""

    def __init__(self, width: int, theme: MarkdownTheme, inline: InlineRenderer, *, wrap_code: bool = True) -> None:
        self.lines = Lines.empty()
        self.code_blocks: list[CodeBlock] = []
        self.source_line = 0
        self._width = width
        self._theme = theme
        self._inline = inline
        self._wrap_code = wrap_code
        self._frames: list[Frame] = []
        self._place: Place | None = None
        self._leaf: TextLeaf | CodeLeaf | TableLeaf | None = None
        self._block: CodeBlock | None = None  # the open code block; none in a fork
        self._code: list[str] = []  # the parts of its unfinished line
        self._code_count = 0
        self._late = LateLinks(self.lines, inline)
        self._forked = False
        self._end: End | CodeLeaf | None = None  # in a fork: what plain text may go on with
        self._end_at = 0  # the first line of it that may change

    def fork(self) -> Self:
        """A copy that shows what the open blocks look like now, in lines of its own."""
        other = type(self)(self._width, self._theme, self._inline, wrap_code=self._wrap_code)
        other.lines = Lines.empty(len(self.lines))
        other.source_line = self.source_line
        other._frames = [frame.copy() for frame in self._frames]
        place = other._place = self._place.copy() if self._place else None
        other._code_count = self._code_count
        other._forked = True
        leaf = self._leaf
        if isinstance(leaf, TextLeaf):
            other._leaf = leaf.fork()
        elif isinstance(leaf, CodeLeaf):
            other._leaf = leaf.fork(other.lines.extend)
        elif isinstance(leaf, TableLeaf) and place is not None:
            other._leaf = leaf.fork(partial(other._give, place), other._read, place.draw)
        return other

    def show_end(self) -> None:
        """In a fork: the text goes no further; what is open is shown as it will probably look."""
        if isinstance(self._leaf, TextLeaf):
            self._leaf.complete = True

    def go_on(self, text: str) -> int | None:
        """In a fork that shows the end: show `text` after it, or None if more than the end of one line may change.

        Returns the first line that changes. The caller knows that the text's structure stays as it is.
        """
        end, lines, at = self._end, self.lines, self._end_at
        if isinstance(end, End):
            now = end.go_on(text, lines, at)
            if now is None:
                return None
            self._end_at = now
            return at
        if end is None or not (text.isascii() and text.isprintable()):
            return None
        unfinished = lines.part(at, len(lines))
        lines.truncate(at)
        if end.go_on(text):
            return at
        lines.extend(unfinished)
        return None

    # Containers

    def open_quote(self) -> None:
        bar = Segment(QUOTE_BAR, self._theme.quote_bar)
        self._frames.append(Frame("quote", bar, bar, 2))

    def open_list(self) -> None:
        self._frames.append(Frame("list", None, None, 0))

    def open_item(self, marker: str) -> None:
        text = BULLET if len(marker) == 1 or len(marker) >= self._width // 2 else marker + " "
        first = Segment(text, self._theme.bullet)
        self._frames.append(Frame("item", first, Segment(" " * len(text), self._theme.text), len(text)))

    def close_container(self) -> None:
        frame = self._frames[-1]
        if frame.kind != "list" and not frame.used:
            self._begin(blank=False)
            self._emit(Row([], 0, wrapped=False))
            self._place = None
        self._frames.pop()

    # Leaves

    def open_paragraph(self, *, blank: bool) -> None:
        self._open_text(self._base(), blank=blank)

    def open_heading(self, level: int, *, blank: bool) -> None:
        self._open_text(self._theme.text + self._theme.headings[level - 1], blank=blank)

    def open_code(self, info: str | None, *, blank: bool) -> None:
        language = info.split()[0] if info else ""
        language = language.strip("{}.")
        place = self._begin(blank=blank)
        self._code_count += 1
        self._label(language, place)
        if not self._forked:
            self._block = CodeBlock(self._code_count, language, len(self.lines) - 1)
            self.code_blocks.append(self._block)
        leaf = CodeLeaf(
            language,
            max(2, place.width - _CODE_INDENT) if self._wrap_code else UNWRAPPED,
            offset=0 if info is None else 1,
            theme=self._theme,
            draw=partial(self._draw_code, place),
            emit=self.lines.extend,
        )
        self._leaf = leaf.fork(self.lines.extend) if self._forked else leaf

    def open_table(self, header: list[str], columns: list[Align], *, blank: bool) -> None:
        place = self._begin(blank=blank)
        leaf = TableLeaf(
            header,
            columns,
            place.width,
            base=self._base(),
            theme=self._theme,
            read=self._read,
            draw=place.draw,
            emit=partial(self._give, place),
        )
        self._leaf = leaf.fork(partial(self._give, place), self._read, place.draw) if self._forked else leaf

    def rule(self, *, blank: bool) -> None:
        place = self._begin(blank=blank)
        self._emit(Row([("─" * place.width, self._theme.rule)], place.width, wrapped=False))
        self._place = None

    def add(self, text: str) -> None:
        leaf = self._leaf
        if not isinstance(leaf, TextLeaf):
            return
        if leaf.fresh:
            leaf.fresh = False
            text = self._task(text)
        elif _NOTE.match(text):
            text = "  " + text  # each footnote stands on a line of its own
        leaf.add(text, self._inline)
        self._emit_rows(leaf.flow)

    def add_code(self, text: str, raw: str) -> None:
        if isinstance(self._leaf, CodeLeaf):
            self._leaf.add(text)
            if self._block is not None:
                self._code.append(raw)

    def end_code_line(self) -> None:
        if isinstance(self._leaf, CodeLeaf):
            self._leaf.end_line()
            if self._block is not None:
                self._block.lines.append("".join(self._code))
                self._code.clear()

    def add_row(self, row: list[str]) -> None:
        if isinstance(self._leaf, TableLeaf):
            self._leaf.add(row)

    def underline(self, level: int) -> None:
        leaf, place = self._leaf, self._place
        if isinstance(leaf, TextLeaf) and place is not None and leaf.kept is not None:
            text = "".join(leaf.kept)
            if place.start >= 0:
                self.lines.truncate(place.start)
            base = self._theme.text + self._theme.headings[level - 1]
            self._leaf = TextLeaf.begin(base, place.width, fresh=False)
            self.add(text)
        self.close_leaf()

    def define(self, label: str, href: str) -> None:
        if not self._forked:
            self._late.define(label, href)

    @property
    def behind(self) -> bool:
        """Whether there is something for `render_due` to do."""
        return self._late.behind

    def render_due(self, limit: int | None) -> None:
        """Render the texts again whose link definitions came after them, about `limit` characters (None: all)."""
        moved = self._late.render(limit)
        if moved is None:
            return
        for block in self.code_blocks:
            block.first_line = moved(block.first_line)
        if self._place is not None and self._place.start >= 0:
            self._place.start = moved(self._place.start)

    def close_leaf(self) -> None:
        leaf, place = self._leaf, self._place
        if isinstance(leaf, TextLeaf) and place is not None and self._forked and leaf.complete:
            self._show_open(leaf, place)
        elif isinstance(leaf, TextLeaf) and place is not None:
            leaf.finish(self._inline)
            self._emit_rows(leaf.flow)
            if leaf.kept and not self._forked and place.start >= 0:
                self._late.wait("".join(leaf.kept), leaf.base, place)
        elif isinstance(leaf, CodeLeaf | TableLeaf):
            leaf.close()
            if self._forked and isinstance(leaf, CodeLeaf) and leaf.unfinished:
                self._end, self._end_at = leaf, len(self.lines) - leaf.unfinished
            if self._block is not None:
                self._block.closed = True
                self._block = None
        self._leaf = None
        self._place = None

    # Text

    def _base(self) -> Style:
        if any(frame.kind == "quote" for frame in self._frames):
            return self._theme.text + self._theme.quote_text
        return self._theme.text

    def _open_text(self, base: Style, *, blank: bool) -> None:
        place = self._begin(blank=blank)
        self._leaf = TextLeaf.begin(base, place.width)

    def _task(self, text: str) -> str:
        """Turn a task's brackets at the start of an item into its marker."""
        frame = self._frames[-1] if self._frames else None
        match = _TASK.match(text)
        if match is None or frame is None or frame.kind != "item" or frame.used or self._place is None:
            return text
        done = match[1] != " "
        style = self._theme.task_done if done else self._theme.task_open
        mark = Segment("[x] " if done else "[ ] ", style)
        ordered = frame.first is not None and frame.first.text != BULLET
        first = [frame.first, mark] if ordered and frame.first else [mark]
        cells = sum(len(segment.text) for segment in first)
        place = self._place
        if place.width - (cells - frame.cells) < 2 or not place.first:
            return text
        place.first = [*place.first[:-1], *first]
        place.rest = [*place.rest[:-1], Segment(" " * cells, self._theme.text)]
        place.cells += cells - frame.cells
        place.width -= cells - frame.cells
        frame.first, frame.rest, frame.cells = None, place.rest[-1], cells
        if isinstance(self._leaf, TextLeaf):
            self._leaf.flow = Flow(place.width)
        return text[match.end() :]

    def _show_open(self, leaf: TextLeaf, place: Place) -> None:
        """In a fork: the end of the text so far, its open markup closed."""
        self._end = leaf.show_end(self._inline, place)
        self._emit_rows(leaf.flow)
        at = len(self.lines)
        for row in leaf.flow.open_rows():
            self._emit(row)
        self._end_at = max(at, place.start)

    def _read(self, text: str, base: Style) -> Runs:
        segmenter = Segmenter()
        parts = segmenter.add(text)
        parts.append(completed(segmenter.rest()) if self._forked else segmenter.rest())
        return [run for part in parts if part for run in self._inline.runs(part, base)]

    def _emit_rows(self, flow: Flow) -> None:
        for row in flow.take():
            self._emit(row)

    # Places

    def _begin(self, *, blank: bool) -> Place:
        """Where a leaf that begins now will stand."""
        self._place = place_for(self._frames, self._width, self.source_line, apart=len(self.lines) > 0, blank=blank)
        return self._place

    def _emit(self, row: Row) -> None:
        place = self._place
        if place is None:
            return
        if place.start < 0:
            self._start(place)
        self.lines.append(*place.draw(row, first=len(self.lines) == place.start))

    def _give(self, place: Place, lines: Lines) -> None:
        """Lines that are drawn."""
        if lines.strips:
            if place.start < 0:
                self._start(place)
            self.lines.extend(lines)

    def _start(self, place: Place) -> None:
        if place.separator is not None:
            self.lines.append(place.separator, LineInfo(place.source, place.source, 0, wrapped=False))
        place.start = len(self.lines)
        for frame in self._frames:
            frame.used = True

    def _draw_code(self, place: Place, row: Row) -> tuple[Strip, LineInfo]:
        gutter = "↳ " if row.wrapped else "  "
        fragments = [(gutter, self._theme.code_label if row.wrapped else self._theme.code_block), *row.fragments]
        row = row._replace(fragments=fragments, cells=row.cells + _CODE_INDENT)
        strip, info = place.draw(row, first=False)
        return strip, info._replace(border=info.border + _CODE_INDENT, code=True)

    def _label(self, language: str, place: Place) -> None:
        """The line above a code block: its language, and what copies it."""
        style = self._theme.code_label
        copy = f"copy {self._code_count}"
        room = place.width - len(copy) - 1
        fragments = []
        used = 0
        if language and cell_len(language) <= max(room, 0):
            fragments.append((language, style))
            used = cell_len(language)
        if room >= 0:
            fragments.append((" " * (place.width - len(copy) - used), style))
            fragments.append((copy, style + Style.from_meta({"code_block": self._code_count - 1})))
            used = place.width
        self._emit(Row(fragments, used, wrapped=False))
