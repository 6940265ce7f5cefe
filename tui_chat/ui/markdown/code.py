"""Code blocks: a label, highlighted lines, nothing lost.

Highlighting must neither grow with the block nor stop the screen, and must not depend on how the text arrived. So the
lines are highlighted in pieces: a piece ends after `PIECE` lines where no comment is open (after `LONGEST_PIECE` in any
case), and is then read once as a whole, starting in the lexer state in which the piece before it ended. While a piece
is open, its complete lines are read again once per new line at most, and the unfinished line alone.

Pygments does not tell the state in which it stopped; `_lex` is its own loop with the state kept.
What it must not know: fences, indentation, containers.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Self

from pygments.lexer import Lexer, RegexLexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, String, Text, _TokenType
from pygments.util import ClassNotFound
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.markdown.layout import JOINERS, Fragment, LineInfo, Row, clusters
from tui_chat.ui.markdown.theme import MarkdownTheme

PIECE: Final = 32
LONGEST_PIECE: Final = 96
PREVIEWED: Final = 40  # lines of an open piece that are read as a whole; further ones are read one by one
LONGEST_LINE: Final = 2_000  # characters; longer lines are shown plain
CONTINUED: Final = "↳ "

State = tuple[str, ...]
Drawn = tuple[Strip, LineInfo]
Draw = Callable[[Row], Drawn]
Emit = Callable[[list[Drawn]], None]


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


@lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    if not re.fullmatch(r"[A-Za-z0-9+#_.-]{1,40}", language):
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


def _lex(lexer: RegexLexer, text: str, state: State) -> tuple[list[tuple[_TokenType, str]], State]:
    """`RegexLexer.get_tokens_unprocessed`, which also tells the state it ends in."""
    rules: dict[str, list[tuple[Any, Any, Any]]] = lexer._tokens
    stack = list(state)
    found: list[tuple[_TokenType, str]] = []
    position = 0
    while position < len(text):
        for match_rule, action, new_state in rules[stack[-1]]:
            match = match_rule(text, position)
            if match is None:
                continue
            if action is not None:
                if isinstance(action, _TokenType):
                    found.append((action, match.group()))
                else:
                    found.extend((kind, value) for _, kind, value in action(lexer, match))
            position = match.end()
            _move(stack, new_state)
            break
        else:
            if text[position] == "\n":  # at a line's end an unexpected state is left
                stack = ["root"]
                found.append((Text, "\n"))
            else:
                found.append((Error, text[position]))
            position += 1
    return found, tuple(stack)


def _move(stack: list[str], new_state: object) -> None:
    match new_state:
        case None:
            return
        case tuple():
            for state in new_state:
                if state == "#pop":
                    if len(stack) > 1:
                        stack.pop()
                elif state == "#push":
                    stack.append(stack[-1])
                else:
                    stack.append(state)
        case int():
            if abs(new_state) >= len(stack):
                del stack[1:]
            else:
                del stack[new_state:]
        case _:  # "#push", the only other one
            stack.append(stack[-1])


class Highlighter:
    """Colours for one language; a language that Pygments does not know is plain."""

    __slots__ = ("_cache", "_lexer", "_stateful", "_theme")

    def __init__(self, language: str, theme: MarkdownTheme) -> None:
        self._theme = theme
        self._lexer = _lexer(language.lower()) if language else None
        self._stateful = (
            isinstance(self._lexer, RegexLexer)
            and type(self._lexer).get_tokens_unprocessed is RegexLexer.get_tokens_unprocessed
        )
        self._cache: dict[object, Style] = {}

    def lines(self, lines: list[str], state: State) -> tuple[list[list[Fragment]], State, bool]:
        """Fragments per line, the state after them, and whether a comment or string is still open there."""
        if self._lexer is None:
            plain = self._theme.code_block
            return [[(line, plain)] for line in lines], state, False
        text = "\n".join([*lines, ""])
        if self._stateful:
            tokens, state = _lex(self._lexer, text, state)
        else:
            tokens = [(kind, value) for _, kind, value in self._lexer.get_tokens_unprocessed(text)]
        found: list[list[Fragment]] = [[]]
        for kind, value in tokens:
            style = self._style(kind)
            for index, part in enumerate(value.split("\n")):
                if index:
                    found.append([])
                if part:
                    _append(found[-1], part, style)
        found = (found + [[] for _ in lines])[: len(lines)]
        return found, state, _open_at_end(text, tokens)

    def _style(self, kind: _TokenType) -> Style:
        style = self._cache.get(kind)
        if style is None:
            style = self._cache[kind] = self._theme.token(kind)
        return style


def _append(line: list[Fragment], text: str, style: Style) -> None:
    """Add to a line, one fragment per style; characters that a terminal joins stay in one fragment."""
    if line and (line[-1][1] is style or text[0] in JOINERS or line[-1][0][-1] == JOINERS[0]):
        line[-1] = (line[-1][0] + text, line[-1][1])
    else:
        line.append((text, style))


def _open_at_end(text: str, tokens: list[tuple[_TokenType, str]]) -> bool:
    """Whether a token that one rule reads over several lines has begun but not ended."""
    if not tokens:
        return False
    kind, value = tokens[-1]
    if (kind in Comment or kind in String) and "\n" in value[:-1]:
        return True
    start = text.rfind("/*")
    if start < 0 or text.find("*/", start) >= 0:
        return False
    position = 0
    for kind, value in tokens:
        position += len(value)
        if position > start:
            return not (kind in String or (kind in Comment and value.startswith(("//", "#", "--"))))
    return False


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


@dataclass(slots=True)
class _Preview:
    """What an open piece looks like for now; shared by a leaf and its forks, so that it is made once a line."""

    count: int = 0
    drawn: list[Drawn] = field(default_factory=list)
    state: State = ("root",)


class CodeLeaf:
    """The lines of one code block. `draw` makes a line of the screen of a row, `emit` takes the lines in their order.

    The code begins `offset` source lines after the block.
    """

    __slots__ = (
        "_count",
        "_draw",
        "_emit",
        "_fold",
        "_highlighter",
        "_line",
        "_open",
        "_plain",
        "_preview",
        "_settled",
        "_state",
        "_width",
    )

    def __init__(self, language: str, width: int, *, offset: int, theme: MarkdownTheme, draw: Draw, emit: Emit) -> None:
        self._draw = draw
        self._emit = emit
        self._count = offset  # source lines that finished pieces have shown
        self._width = width
        self._plain = theme.code_block
        self._highlighter = Highlighter(language, theme)
        self._open: list[str] = []
        self._line = ""
        self._fold: Fold | None = None  # of a line too long to be highlighted
        self._state: State = ("root",)
        self._preview = _Preview()
        self._settled: int | None = None  # in a fork: how many of the open lines are complete

    def fork(self, emit: Emit) -> Self:
        """A copy for showing: it never finishes a piece."""
        other = type(self).__new__(type(self))
        other._count = self._count
        other._draw = self._draw
        other._emit = emit
        other._width = self._width
        other._plain = self._plain
        other._highlighter = self._highlighter
        other._open = self._open.copy()
        other._line = self._line
        other._fold = self._fold.fork() if self._fold else None
        other._state = self._state
        other._preview = self._preview
        other._settled = len(self._open)
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
        self._line = ""
        if self._settled is None and len(self._open) >= PIECE:
            if len(self._open) >= LONGEST_PIECE:
                self._end_piece()
            elif len(self._open) % (PIECE // 4) == 0:
                fragments, state, still_open = self._highlighter.lines(self._open, self._state)
                if not still_open:
                    self._show_piece(fragments, state)

    def close(self) -> None:
        """The block has ended; in a fork: show what there is."""
        if self._line:
            self.end_line()
        if self._settled is None:
            self._end_piece()
            return
        self._show_preview(self._settled)

    def _end_piece(self) -> None:
        if not self._open:
            return
        if self._settled is not None:
            self._show_preview(len(self._open))
            self._count += len(self._open)
            self._open = []
            return
        fragments, state, _ = self._highlighter.lines(self._open, self._state)
        self._show_piece(fragments, state)

    def _show_piece(self, fragments: list[list[Fragment]], state: State) -> None:
        self._emit(self._lines(fragments, 0))
        self._count += len(self._open)
        self._open = []
        self._state = state
        self._preview = _Preview(state=state)

    def _show(self, rows: Iterable[Row]) -> None:
        """Rows of the long line."""
        self._emit([self._draw(row._replace(first=self._count, stop=self._count + 1)) for row in rows])

    def _lines(self, lines: Iterable[list[Fragment]], start: int) -> list[Drawn]:
        """The lines of the screen for lines of code, the first of which is number `start` of the open ones."""
        drawn: list[Drawn] = []
        for index, fragments in enumerate(lines, self._count + start):
            fold = Fold(self._width)
            rows = (*fold.add(fragments), fold.finish())
            drawn += (self._draw(row._replace(first=index, stop=index + 1)) for row in rows)
        return drawn

    def _show_preview(self, settled: int) -> None:
        preview = self._preview
        if preview.count != settled:
            if settled <= PREVIEWED:
                fragments, preview.state, _ = self._highlighter.lines(self._open[:settled], self._state)
                preview.drawn = self._lines(fragments, 0)
            else:
                fragments, preview.state, _ = self._highlighter.lines(
                    self._open[preview.count : settled], preview.state
                )
                preview.drawn = preview.drawn + self._lines(fragments, preview.count)
            preview.count = settled
        self._emit(preview.drawn)
        if len(self._open) > settled:
            fragments, _, _ = self._highlighter.lines(self._open[settled:], preview.state)
            self._emit(self._lines(fragments, settled))
