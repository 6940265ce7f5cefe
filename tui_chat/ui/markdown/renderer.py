"""Blocks to lines: the sink of the block parser.

Why it exists: it knows what stands around a leaf (quote bars, list markers, indentation, the blank line before it) and
gives every finished row to the reply's lines, once.
What it must not know: how source text becomes blocks, or when it arrives.

Spacing is decided where a block begins, from what came before, so nothing moves later: one blank line between blocks;
inside a list only where the source has one.
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Self

from markdown_it.common.utils import normalizeReference
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.markdown.code import CodeBlock, CodeLeaf
from tui_chat.ui.markdown.inline import InlineRenderer, Runs
from tui_chat.ui.markdown.layout import Flow, LineInfo, Lines, Row
from tui_chat.ui.markdown.places import Frame, Place, place_for
from tui_chat.ui.markdown.scan import Align
from tui_chat.ui.markdown.segments import Segmenter, completed
from tui_chat.ui.markdown.table import TableLeaf
from tui_chat.ui.markdown.theme import MarkdownTheme

QUOTE_BAR: Final = "│ "
BULLET: Final = "• "
KEPT: Final = 2_000  # characters of a paragraph that are kept, for an underline or a late link definition
_TASK: Final = re.compile(r"\[([ xX])\][ \n]+")
_NOTE: Final = re.compile(r"\n\[\^[^\]\s]{1,80}\]:")
_LABELS: Final = re.compile(r"\[((?:[^\[\]\\]|\\.){1,999})\]", re.DOTALL)
_CODE_INDENT: Final = 2


@dataclass(slots=True)
class _Text:
    """An open paragraph or heading."""

    base: Style
    segmenter: Segmenter
    flow: Flow
    kept: list[str] | None
    kept_length: int = 0
    offset: int = 0  # of the open segment's beginning, in source lines from the paragraph's
    fresh: bool = True
    complete: bool = True  # in a fork: it ends where the text ends, so open markup is closed for showing

    def fork(self) -> "_Text":
        return _Text(
            self.base,
            self.segmenter.fork(),
            self.flow.fork(),
            self.kept.copy() if self.kept is not None else None,
            self.kept_length,
            self.offset,
            self.fresh,
            complete=False,
        )


@dataclass(slots=True)
class _Waiting:
    """A finished text with link labels that no definition has been seen for."""

    place: Place
    base: Style
    text: str
    stop: int


class Renderer:
    """Renders blocks into `lines`."""

    def __init__(self, width: int, theme: MarkdownTheme, inline: InlineRenderer) -> None:
        self.lines = Lines.empty()
        self.code_blocks: list[CodeBlock] = []
        self.source_line = 0
        self._width = width
        self._theme = theme
        self._inline = inline
        self._frames: list[Frame] = []
        self._place: Place | None = None
        self._leaf: _Text | CodeLeaf | TableLeaf | None = None
        self._block: CodeBlock | None = None  # the open code block; none in a fork
        self._code: list[str] = []  # the parts of its unfinished line
        self._code_count = 0
        self._waiting: dict[str, list[_Waiting]] = {}
        self._forked = False

    def fork(self) -> Self:
        """A copy that shows what the open blocks look like now, in lines of its own."""
        other = type(self)(self._width, self._theme, self._inline)
        other.lines = Lines.empty(len(self.lines))
        other.source_line = self.source_line
        other._frames = [replace(frame) for frame in self._frames]
        other._place = replace(self._place) if self._place else None
        other._code_count = self._code_count
        other._forked = True
        leaf = self._leaf
        if isinstance(leaf, _Text):
            other._leaf = leaf.fork()
        elif isinstance(leaf, CodeLeaf):
            other._leaf = leaf.fork(other.lines.extend)
        elif isinstance(leaf, TableLeaf):
            other._leaf = leaf.fork(other._emit, other._read)
        return other

    def show_end(self) -> None:
        """In a fork: the text goes no further; what is open is shown as it will probably look."""
        if isinstance(self._leaf, _Text):
            self._leaf.complete = True

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
            max(2, place.width - _CODE_INDENT),
            offset=0 if info is None else 1,
            theme=self._theme,
            draw=partial(self._draw_code, place),
            emit=self.lines.extend,
        )
        self._leaf = leaf.fork(self.lines.extend) if self._forked else leaf

    def open_table(self, header: list[str], columns: list[Align], *, blank: bool) -> None:
        place = self._begin(blank=blank)
        leaf = TableLeaf(
            header, columns, place.width, base=self._base(), theme=self._theme, read=self._read, emit=self._emit
        )
        self._leaf = leaf.fork(self._emit, self._read) if self._forked else leaf

    def rule(self, *, blank: bool) -> None:
        place = self._begin(blank=blank)
        self._emit(Row([("─" * place.width, self._theme.rule)], place.width, wrapped=False))
        self._place = None

    def add(self, text: str) -> None:
        leaf = self._leaf
        if not isinstance(leaf, _Text):
            return
        if leaf.fresh:
            leaf.fresh = False
            text = self._task(text)
        elif _NOTE.match(text):
            text = "  " + text  # each footnote stands on a line of its own
        if leaf.kept is not None:
            leaf.kept.append(text)
            leaf.kept_length += len(text)
            if leaf.kept_length > KEPT:
                leaf.kept = None
        for segment in leaf.segmenter.add(text):
            self._flow(leaf, segment)
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
        if isinstance(leaf, _Text) and place is not None and leaf.kept is not None:
            text = "".join(leaf.kept)
            if place.start >= 0:
                self.lines.truncate(place.start)
            base = self._theme.text + self._theme.headings[level - 1]
            self._leaf = _Text(base, Segmenter(), Flow(place.width), [], fresh=False)
            self.add(text)
        self.close_leaf()

    def define(self, label: str, href: str) -> None:
        if self._forked or label in self._inline.references:
            return
        self._inline.references[label] = {"href": href, "title": ""}
        for waiting in self._waiting.get(label, ()):
            self._render_again(waiting)  # may move those that still wait
        self._waiting.pop(label, None)

    def close_leaf(self) -> None:
        leaf, place = self._leaf, self._place
        if isinstance(leaf, _Text) and place is not None:
            rest = leaf.segmenter.rest().rstrip(" \n")
            if self._forked and leaf.complete:
                rest = completed(rest)
            if rest:
                self._flow(leaf, rest)
            leaf.flow.finish()
            self._emit_rows(leaf.flow)
            if leaf.kept and not self._forked and place.start >= 0:
                self._wait("".join(leaf.kept), leaf.base, place)
        elif isinstance(leaf, CodeLeaf | TableLeaf):
            leaf.close()
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
        self._leaf = _Text(base, Segmenter(), Flow(place.width), [])

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
        if isinstance(self._leaf, _Text):
            self._leaf.flow = Flow(place.width)
        return text[match.end() :]

    def _flow(self, leaf: _Text, segment: str) -> None:
        leaf.flow.mark(leaf.offset, leaf.offset + segment.rstrip(" \n").count("\n") + 1)
        leaf.offset += segment.count("\n")
        for text, style in self._inline.runs(segment, leaf.base):
            leaf.flow.add(text, style)

    def _read(self, text: str, base: Style) -> Runs:
        segmenter = Segmenter()
        parts = segmenter.add(text)
        parts.append(completed(segmenter.rest()) if self._forked else segmenter.rest())
        return [run for part in parts if part for run in self._inline.runs(part, base)]

    def _emit_rows(self, flow: Flow) -> None:
        for row in flow.take():
            self._emit(row)

    # Late link definitions

    def _wait(self, text: str, base: Style, place: Place) -> None:
        if "[" not in text:
            return
        labels = {normalizeReference(match[1]) for match in _LABELS.finditer(text)}
        waiting = _Waiting(place, base, text, len(self.lines))
        for label in labels:
            if label not in self._inline.references:
                self._waiting.setdefault(label, []).append(waiting)

    def _render_again(self, waiting: _Waiting) -> None:
        """A definition came for a text that is on the screen already."""
        place = waiting.place
        leaf = _Text(waiting.base, Segmenter(), Flow(place.width), None)
        for segment in leaf.segmenter.add(waiting.text):
            self._flow(leaf, segment)
        self._flow(leaf, leaf.segmenter.rest().rstrip(" \n"))
        leaf.flow.finish()
        fresh = Lines.empty()
        for row in leaf.flow.take():
            fresh.append(*place.draw(row, first=not fresh.strips))
        self.lines.replace(place.start, waiting.stop, fresh)
        shift = len(fresh) - (waiting.stop - place.start)
        if shift:
            self._shift(waiting.stop, shift)

    def _shift(self, after: int, by: int) -> None:
        """Lines from `after` on have moved."""
        for block in self.code_blocks:
            if block.first_line >= after:
                block.first_line += by
        places = {id(other): other for group in self._waiting.values() for other in group}
        for other in places.values():
            if other.stop >= after:
                other.stop += by
            if other.place.start >= after:
                other.place.start += by
        if self._place is not None and self._place.start >= after:
            self._place.start += by

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
            if place.separator is not None:
                self.lines.append(place.separator, LineInfo(place.source, place.source, 0, wrapped=False))
            place.start = len(self.lines)
            for frame in self._frames:
                frame.used = True
        self.lines.append(*place.draw(row, first=len(self.lines) == place.start))

    def _draw_code(self, place: Place, row: Row) -> tuple[Strip, LineInfo]:
        gutter = "↳ " if row.wrapped else "  "
        fragments = [(gutter, self._theme.code_label if row.wrapped else self._theme.code_block), *row.fragments]
        row = row._replace(fragments=fragments, cells=row.cells + _CODE_INDENT)
        return place.draw(row, first=False)

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
