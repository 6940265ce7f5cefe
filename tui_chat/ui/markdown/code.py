"""Code blocks: a label, highlighted lines, nothing lost.

Highlighting must neither grow with the block nor stop the screen, and must not depend on how the text arrived. So the
lines are highlighted in pieces: a piece ends after `PIECE` lines or `PIECE_TEXT` characters where no comment is open
(after three times as much in any case), and is then read once as a whole, starting in the lexer state in which the
piece before it ended. What a piece looks like while it is open is read line by line, each line once, and only a comment
or string over several lines is read again with every line of it.

What it must not know: fences, indentation, containers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from textual.strip import Strip

from tui_chat.ui.markdown.highlight import Highlighter, State
from tui_chat.ui.markdown.layout import Fragment, LineInfo, Lines, Row, clusters
from tui_chat.ui.markdown.theme import MarkdownTheme

PIECE: Final = 32  # lines
LONGEST_PIECE: Final = 96
PIECE_TEXT: Final = 3_000  # characters
LONGEST_PIECE_TEXT: Final = 9_000
STRETCH: Final = 40  # lines of an open comment that are read together while their piece is open
ALONE: Final = 8  # ... of a language whose lexer keeps no state
LONGEST_LINE: Final = 1_000  # characters; longer lines are shown plain
UNWRAPPED: Final = 2_000  # cells of a row where code is not wrapped
CONTINUED: Final = "↳ "

Drawn = tuple[Strip, LineInfo]
Draw = Callable[[Row], Drawn]
Emit = Callable[[Lines], None]


@dataclass(slots=True)
class CodeBlock:
    """A code block of a reply: `number` counts from 1, `first_line` is the screen line of its label."""

    number: int
    language: str
    first_line: int
    closed: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The code as written, tabs kept, without indentation that belongs to the markdown around it."""
        return "".join(line + "\n" for line in self.lines)


class Fold:
    """Breaks one line of code at `width` cells, losing nothing."""

    __slots__ = ("_fragments", "_used", "_wrapped", "width")

    def __init__(self, width: int) -> None:
        self.width = max(2, width)
        self._fragments: list[Fragment] = []
        self._used = 0
        self._wrapped = False

    def fork(self) -> Self:
        """A copy that goes its own way."""
        other = type(self)(self.width)
        other._fragments = self._fragments.copy()
        other._used = self._used
        other._wrapped = self._wrapped
        return other

    def add(self, fragments: Iterable[Fragment]) -> list[Row]:
        """The rows that `fragments` fill."""
        rows: list[Row] = []
        for text, style in fragments:
            if text.isascii() and self._used + len(text) <= self.width:
                self._fragments.append((text, style))
                self._used += len(text)
                continue
            part: list[str] = []
            for cluster, cells in clusters(text):
                if self._used + cells > self.width:
                    self._fragments.append(("".join(part), style))
                    rows.append(self._row())
                    part = []
                part.append(cluster)
                self._used += cells
            self._fragments.append(("".join(part), style))
        return rows

    def finish(self) -> Row:
        """The last row of the line."""
        return self._row()

    def _row(self) -> Row:
        row = Row([fragment for fragment in self._fragments if fragment[0]], self._used, self._wrapped)
        self._fragments = []
        self._used = 0
        self._wrapped = True
        return row


class _Preview:
    """What an open piece looks like for now: its complete lines, each read once; shared by a leaf and its forks."""

    __slots__ = ("count", "drawn", "state", "stretch", "stretch_from", "stretch_state")

    def __init__(self, state: State) -> None:
        self.count = 0  # lines of code that are drawn
        self.drawn = Lines.empty()
        self.state = state  # after them
        self.stretch: list[str] = []  # the last of them, if a comment or string is open in them
        self.stretch_from = 0  # where in `drawn` the stretch begins
        self.stretch_state = state  # before it


class CodeLeaf:
    """The lines of one code block. `draw` makes a line of the screen of a row, `emit` takes the lines in their order.

    The code begins `offset` source lines after the block.
    """

    __slots__ = (
        "_count",
        "_draw",
        "_due",
        "_emit",
        "_fold",
        "_highlighter",
        "_length",
        "_line",
        "_open",
        "_plain",
        "_preview",
        "_settled",
        "_state",
        "_width",
        "unfinished",
    )

    def __init__(self, language: str, width: int, *, offset: int, theme: MarkdownTheme, draw: Draw, emit: Emit) -> None:
        self._draw = draw
        self._emit = emit
        self._count = offset  # source lines that finished pieces have shown
        self._width = width
        self._plain = theme.code_block
        self._highlighter = Highlighter(language, theme)
        self._open: list[str] = []
        self._length = 0  # characters of the open piece
        self._due = (PIECE, PIECE_TEXT)  # lines or characters after which the piece may end
        self._line = ""
        self._fold: Fold | None = None  # of a line too long to be highlighted
        self._state: State = ("root",)
        self._preview = _Preview(self._state)
        self._settled: int | None = None  # in a fork: how many of the open lines are complete
        self.unfinished = 0  # in a closed fork: how many lines it emitted last for a line that `go_on` may change

    def fork(self, emit: Emit) -> Self:
        """A copy for showing: it never finishes a piece."""
        other = type(self).__new__(type(self))
        other._draw = self._draw
        other._emit = emit
        other._count = self._count
        other._width = self._width
        other._plain = self._plain
        other._highlighter = self._highlighter
        other._open = self._open.copy()
        other._length = self._length
        other._due = self._due
        other._line = self._line
        other._fold = self._fold.fork() if self._fold else None
        other._state = self._state
        other._preview = self._preview
        other._settled = len(self._open)
        other.unfinished = 0
        return other

    def add(self, text: str) -> None:
        """Go on with the open line."""
        if self._fold is None:
            self._line += text
            if len(self._line) < LONGEST_LINE:
                return
            self._end_piece()
            self._fold = Fold(self._width)
            text, self._line = self._line, ""
        self._show(self._fold.add([(text, self._plain)]))

    def end_line(self) -> None:
        """The open line has ended."""
        if self._fold is not None:
            self._show([self._fold.finish()])
            self._fold = None
            self._count += 1
            return
        self._open.append(self._line)
        self._length += len(self._line)
        self._line = ""
        if self._settled is None and (len(self._open) >= self._due[0] or self._length >= self._due[1]):
            if len(self._open) >= LONGEST_PIECE or self._length >= LONGEST_PIECE_TEXT:
                self._end_piece()
                return
            fragments, state, still_open = self._highlighter.lines(self._open, self._state)
            if still_open:
                self._due = (len(self._open) + PIECE // 2, self._length + PIECE_TEXT)
            else:
                self._show_piece(fragments, state)

    def close(self) -> None:
        """The block has ended; in a fork: show what there is."""
        if self._line:
            self.end_line()
        if self._settled is None:
            self._end_piece()
            return
        self._show_preview(self._settled)

    def go_on(self, text: str) -> bool:
        """After `close` in a fork: show the unfinished line, which it emitted last, with `text` at its end.

        Whether it can; what was emitted for the line before is then to be forgotten.
        """
        settled = self._settled
        if settled is None or self._fold is not None or len(self._open) != settled + 1:
            return False
        line = self._open[settled] + text
        if len(line) >= LONGEST_LINE:
            return False
        self._open[settled] = line
        self._show_unfinished(settled)
        return True

    def _end_piece(self) -> None:
        if not self._open:
            return
        if self._settled is not None:
            self._show_preview(len(self._open))
            self._count += len(self._open)
            self._open = []
            self._settled = 0
            self._preview = _Preview(self._state)
            return
        fragments, state, _ = self._highlighter.lines(self._open, self._state)
        self._show_piece(fragments, state)

    def _show_piece(self, fragments: list[list[Fragment]], state: State) -> None:
        self._emit(self._lines(fragments, 0))
        self._count += len(self._open)
        self._open = []
        self._length = 0
        self._due = (PIECE, PIECE_TEXT)
        self._state = state
        self._preview = _Preview(state)

    def _show(self, rows: Iterable[Row]) -> None:
        """Rows of the long line."""
        lines = Lines.empty()
        for row in rows:
            lines.append(*self._draw(row._replace(first=self._count, stop=self._count + 1)))
        self._emit(lines)

    def _lines(self, lines: Iterable[list[Fragment]], start: int) -> Lines:
        """The lines of the screen for lines of code, the first of which is number `start` of the open ones."""
        drawn = Lines.empty()
        for index, fragments in enumerate(lines, self._count + start):
            fold = Fold(self._width)
            rows = fold.add(fragments)
            rows.append(fold.finish())
            for row in rows:
                drawn.append(*self._draw(row._replace(first=index, stop=index + 1)))
        return drawn

    def _show_preview(self, settled: int) -> None:
        """Emit what the open lines look like for now, the first `settled` of which are complete."""
        preview = self._preview
        for index in range(preview.count, settled):
            self._read_line(preview, index)
        self._emit(preview.drawn)
        if len(self._open) > settled:
            self._show_unfinished(settled)

    def _read_line(self, preview: _Preview, index: int) -> None:
        """Read one more complete line, together with the lines of the comment that it stands in."""
        if not preview.stretch:
            preview.stretch_state = preview.state
            preview.stretch_from = len(preview.drawn)
        preview.stretch.append(self._open[index])
        preview.count = index + 1
        fragments, preview.state, still_open = self._highlighter.lines(preview.stretch, preview.stretch_state)
        preview.drawn.truncate(preview.stretch_from)
        preview.drawn.extend(self._lines(fragments, preview.count - len(preview.stretch)))
        if self._highlighter.alone:
            still_open = True  # the lexer keeps no state over lines: some lines before give it one
        most = ALONE if self._highlighter.alone else STRETCH
        if not still_open or len(preview.stretch) >= most or sum(map(len, preview.stretch)) >= PIECE_TEXT:
            preview.stretch = []

    def _show_unfinished(self, settled: int) -> None:
        preview = self._preview
        state = preview.stretch_state if preview.stretch else preview.state
        fragments, _, _ = self._highlighter.lines([*preview.stretch, *self._open[settled:]], state)
        lines = self._lines(fragments[len(preview.stretch) :], settled)
        self.unfinished = len(lines)
        self._emit(lines)
