"""CommonMark's block structure, line by line.

The specification's own algorithm is incremental: there is a stack of open containers (quotes, lists, items) and at
most one open leaf (paragraph, heading, fence ...). Each line first continues the containers it can, then opens new
ones, and what remains goes to the leaf. A line is looked at once, whatever the length of the reply, and a leaf that
was closed is never touched again.

Only one kind of decision comes late, and only by one line: a paragraph's last line may be a table's header, so a line
with a pipe in it is held back until the next one is seen; an underline turns the whole paragraph into a heading, which
the sink can do because it keeps the text of short paragraphs. Link reference definitions are held back likewise.

Lines too long to wait for (a paragraph of 100 kB without a newline) come in pieces: `start` with the first characters,
`more`, `end`. `start` refuses when those characters do not yet decide what the line is. The caller chooses the
pieces by the text alone, so the result never depends on how the text arrived.

What it must not know: widths, styles, the screen. Everything goes to a `Sink`.
"""

from dataclasses import dataclass
from typing import Final, Self

from markdown_it import MarkdownIt

from tui_chat.ui.markdown import scan
from tui_chat.ui.markdown.paragraph import Paragraph
from tui_chat.ui.markdown.scan import Align
from tui_chat.ui.markdown.sink import Sink

DEEPEST: Final = 64  # containers; further markers are shown as text


@dataclass(slots=True)
class _Container:
    kind: str  # quote, list or item
    marker: str = ""  # list: the character that all its items share
    indent: int = 0  # item: columns its content is moved by
    empty: bool = True  # item: nothing in it yet


@dataclass(frozen=True, slots=True)
class _Fence:
    character: str
    length: int
    offset: int


@dataclass(slots=True)
class _Indented:
    blanks: list[str]  # blank lines that belong to it only if more code follows


@dataclass(frozen=True, slots=True)
class _Table:
    columns: int


class BlockParser:
    """Feeds `sink` with the structure of the lines it is given. Lines come without their newline."""

    __slots__ = ("_blank", "_leaf", "_markdown", "_number", "_sink", "_stack", "_text_only", "_whole")

    def __init__(self, sink: Sink, markdown: MarkdownIt) -> None:
        self._sink = sink
        self._markdown = markdown
        self._stack: list[_Container] = []
        self._leaf: Paragraph | _Fence | _Indented | _Table | None = None
        self._blank = False
        self._number = -1  # of the line being read
        self._whole = True  # lines come whole, not in parts
        self._text_only = False  # the line being read is too long to be anything but text

    def fork(self, sink: Sink) -> Self:
        """A copy that goes its own way into `sink`; its cost depends on the open blocks only."""
        other = type(self)(sink, self._markdown)
        other._stack = [_Container(item.kind, item.marker, item.indent, item.empty) for item in self._stack]
        leaf = self._leaf
        if isinstance(leaf, Paragraph):
            leaf = leaf.fork()
        elif isinstance(leaf, _Indented):
            leaf = _Indented(leaf.blanks.copy())
        other._leaf = leaf
        other._blank = self._blank
        other._number = self._number
        return other

    @property
    def in_fence(self) -> bool:
        """Whether the open leaf is fenced code."""
        return isinstance(self._leaf, _Fence)

    @property
    def in_code(self) -> bool:
        """Whether the open leaf takes its lines verbatim."""
        return isinstance(self._leaf, _Fence | _Indented)

    @property
    def in_open_text(self) -> bool:
        """Whether the open leaf is a paragraph all of whose text has reached the sink."""
        leaf = self._leaf
        return isinstance(leaf, Paragraph) and leaf.settled

    def goes_on(self, other: "BlockParser") -> bool:
        """Whether plain text that follows here, in a line that has words, only makes the open leaf's last line longer.

        `other` is what this was forked from before that line.
        """
        if isinstance(self._leaf, _Fence):
            return self._leaf is other._leaf
        return isinstance(self._leaf, _Indented) or self.in_open_text

    # Lines

    def line(self, raw: str) -> None:
        """Take one complete line."""
        self._number += 1
        self._sink.source_line = self._number
        text = raw.expandtabs(4) if "\t" in raw else raw
        cursor, matched = self._continue(text)
        if matched == len(self._stack) and self._leaf_line(text, cursor, raw):
            return
        self._open(text, cursor, matched, raw)

    def start(self, raw: str, *, text_only: bool = False) -> None:
        """Take the first part of a line whose rest comes with `more`. Only after a fork has shown what it becomes.

        With `text_only` it becomes text (or code, where that is open), whatever it looks like.
        """
        self._whole = False
        self._text_only = text_only
        self.line(raw)
        self._whole = True
        self._text_only = False
        if isinstance(self._leaf, Paragraph):
            self._leaf.settle(self._sink, self._markdown)

    def more(self, text: str) -> None:
        """A further part of the line that `start` began."""
        plain = text.replace("\t", "    ")
        if self.in_code:
            self._sink.add_code(plain, text)
        else:
            self._sink.add(plain)

    def end(self) -> None:
        """The line that `start` began has ended."""
        if self.in_code:
            self._sink.end_code_line()

    def finish(self) -> None:
        """The text has ended: close everything."""
        self._close(0)

    def finish_early(self) -> None:
        """Close everything for showing: what begins like a table's header is shown as one."""
        leaf = self._leaf
        if isinstance(leaf, Paragraph) and (header := leaf.early_header(self._sink)):
            self._leaf = _Table(len(header))
            self._sink.open_table(header, [Align.LEFT] * len(header), blank=leaf.blank)
        self._close(0)

    def _continue(self, text: str) -> tuple[int, int]:
        """Continue open containers: the column after their markers, and how many of them the line belongs to."""
        cursor = 0
        matched = 0
        for container in self._stack:
            if container.kind != "list":
                start = scan.spaces(text, cursor)
                if container.kind == "quote":
                    if start - cursor > 3 or start == len(text) or text[start] != ">":
                        break
                    cursor = start + 1
                    if text[cursor : cursor + 1] == " ":
                        cursor += 1
                elif start == len(text):
                    if container.empty:
                        break
                    cursor = min(start, cursor + container.indent)
                elif start - cursor >= container.indent:
                    cursor += container.indent
                else:
                    break
            matched += 1
        return cursor, matched

    def _leaf_line(self, text: str, cursor: int, raw: str) -> bool:
        """Whether the open leaf takes the line, all containers being continued, without asking for new blocks."""
        leaf = self._leaf
        if isinstance(leaf, _Fence):
            start = scan.spaces(text, cursor)
            marker = text[start:].rstrip(" ")
            if start - cursor <= 3 and len(marker) >= leaf.length and marker == leaf.character * len(marker):
                self._close_leaf()
                return True
            cursor = min(start, cursor + leaf.offset)
            self._code(text, cursor, raw)
            return True
        if isinstance(leaf, _Indented):
            start = scan.spaces(text, cursor)
            if start == len(text):
                leaf.blanks.append(text[cursor + 4 :])
                self._blank = True
                return True
            if start - cursor >= 4:
                for blank in leaf.blanks:
                    self._code(blank, 0, blank)
                leaf.blanks.clear()
                self._blank = False
                self._code(text, cursor + 4, raw)
                return True
        return False

    def _open(self, text: str, cursor: int, matched: int, raw: str) -> None:
        """Open the new blocks of the line and give the rest to a leaf."""
        leaf = self._leaf
        all_matched = matched == len(self._stack)
        paragraph = leaf if isinstance(leaf, Paragraph) else None
        opened = False  # a new container was opened by this line
        while True:
            start = scan.spaces(text, cursor)
            if start == len(text):
                break
            interrupting = paragraph is not None and all_matched and not opened
            if start - cursor >= 4:
                if paragraph is not None and not opened:
                    break
                self._close(matched)
                self._leave_list()
                self._sink.open_code(None, blank=self._begin())
                self._leaf = _Indented([])
                self._code(text, cursor + 4, raw)
                return
            character = text[start]
            if character == ">" and len(self._stack) < DEEPEST:
                self._close(matched)
                self._leave_list()
                self._fill()
                self._stack.append(_Container("quote"))
                self._sink.open_quote()
                cursor = start + 1
                if text[cursor : cursor + 1] == " ":
                    cursor += 1
            elif (
                character in "-+*0123456789"
                and not (character in "-*" and self._stays_rule(text, start, interrupting, paragraph))
                and (item := self._item(text, start, interrupting))
            ):
                marker, width, indent = item
                self._close(matched)
                self._fill()
                kind = marker[-1]
                if not (self._stack and self._stack[-1].kind == "list" and self._stack[-1].marker == kind):
                    self._leave_list()
                    self._stack.append(_Container("list", marker=kind))
                    self._sink.open_list()
                self._stack.append(_Container("item", indent=start - cursor + indent))
                self._sink.open_item(marker)
                cursor = min(len(text), start + indent) if start + width < len(text) else len(text)
            elif not self._text_only and self._leaf_start(
                text[start:], start - cursor, matched, paragraph if interrupting else None
            ):
                return
            else:
                break
            opened = True
            matched = len(self._stack)
        self._text(text, start, raw, matched, opened=opened, all_matched=all_matched)

    def _stays_rule(self, text: str, start: int, interrupting: bool, paragraph: Paragraph | None) -> bool:
        rest = text[start:]
        if scan.RULE.match(rest):
            return True
        # A lone dash under a paragraph underlines it.
        return interrupting and paragraph is not None and scan.SETEXT.match(rest) is not None

    def _item(self, text: str, start: int, interrupting: bool) -> tuple[str, int, int] | None:
        """The list marker at `start`: its text, its width, and the columns up to the item's content."""
        match = scan.ITEM.match(text, start)
        if match is None or len(self._stack) + 1 >= DEEPEST:
            return None
        width = match.end() - start
        content = scan.spaces(text, match.end())
        empty = content == len(text)
        if interrupting and (empty or (match[2] is not None and int(match[2]) != 1)):
            return None
        gap = content - match.end()
        return match[1], width, width + (1 if empty or gap > 4 else gap)

    def _leaf_start(self, rest: str, indent: int, matched: int, paragraph: Paragraph | None) -> bool:
        """Whether `rest` begins (or, under `paragraph`, completes) a block that is neither container nor paragraph."""
        character = rest[0]
        if character == "#" and (match := scan.HEADING.match(rest)):
            self._close(matched)
            self._leave_list()
            self._sink.open_heading(len(match[1]), blank=self._begin())
            self._sink.add(scan.heading_text(rest[match.end() :]))
            self._sink.close_leaf()
            return True
        if character in "`~" and (match := scan.FENCE.match(rest)):
            self._close(matched)
            self._leave_list()
            self._sink.open_code((match[2] or match[4] or "").strip(), blank=self._begin())
            marker = match[1] or match[3]
            self._leaf = _Fence(character, len(marker), indent)
            return True
        if paragraph is not None and character in "|-:" and self._table(rest, paragraph):
            return True
        if paragraph is not None and character in "=-" and scan.SETEXT.match(rest) and self._underline(rest, paragraph):
            return True
        if character in "*-_" and scan.RULE.match(rest):
            self._close(matched)
            self._leave_list()
            self._sink.rule(blank=self._begin())
            return True
        return False

    def _text(self, text: str, start: int, raw: str, matched: int, *, opened: bool, all_matched: bool) -> None:
        """The rest of the line is no block's beginning."""
        if self._text_only and isinstance(self._leaf, _Table):
            self._close_leaf()
        leaf = self._leaf
        empty = start == len(text)
        if not opened and not all_matched and not empty and isinstance(leaf, Paragraph):
            leaf.add(text[start:], self._number, self._sink, self._markdown, lazy=True)
            return
        if not opened and (not all_matched or isinstance(leaf, _Indented)):
            self._close(matched)
            leaf = None
        if empty:
            if not opened:
                self._close_leaf()
                self._blank = True
        elif isinstance(leaf, Paragraph):
            leaf.add(text[start:], self._number, self._sink, self._markdown)
        elif isinstance(leaf, _Table):
            row = scan.cells(text[start:])
            self._sink.add_row((row + [""] * (leaf.columns - len(row)))[: leaf.columns])
        else:
            self._leave_list()
            leaf = self._leaf = Paragraph(self._begin())
            leaf.add(text[start:], self._number, self._sink, self._markdown)

    # Leaves

    def _begin(self) -> bool:
        """A block begins here: whether a blank line came before it."""
        self._fill()
        blank, self._blank = self._blank, False
        return blank

    def _fill(self) -> None:
        if self._stack:
            self._stack[-1].empty = False

    def _leave_list(self) -> None:
        """A list holds nothing but items."""
        if self._stack and self._stack[-1].kind == "list":
            self._stack.pop()
            self._sink.close_container()

    def _close(self, matched: int) -> None:
        """Close the leaf and the containers that the line does not continue."""
        if self._leaf is not None:
            self._close_leaf()
        while len(self._stack) > matched:
            self._stack.pop()
            self._sink.close_container()

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        if isinstance(leaf, Paragraph):
            leaf.settle(self._sink, self._markdown)
            if leaf.begun:
                self._sink.close_leaf()
        elif leaf is not None:
            self._sink.close_leaf()

    def _code(self, text: str, cursor: int, raw: str) -> None:
        text = text[cursor:]
        self._sink.add_code(text, scan.from_column(raw, cursor) if "\t" in raw else text)
        if self._whole:
            self._sink.end_code_line()

    def _underline(self, rest: str, leaf: Paragraph) -> bool:
        leaf.settle(self._sink, self._markdown)
        if not leaf.begun:
            return False  # nothing but definitions: there is no paragraph to underline
        self._sink.underline(1 if rest[0] == "=" else 2)
        self._leaf = None
        return True

    def _table(self, rest: str, leaf: Paragraph) -> bool:
        columns = scan.alignments(rest)
        header = leaf.header(len(columns), self._sink) if columns else None
        if not columns or header is None:
            return False
        self._leaf = _Table(len(columns))
        self._sink.open_table(header, columns, blank=leaf.blank)
        return True
