"""Colours for code, line by line, in a lexer state that is handed on.

Why it exists: Pygments does not tell the state in which it stopped; `_lex` is its own loop with the state kept, so that
a block can be read in pieces.
What it must not know: where the code stands, and when it arrived.
"""

import re
from functools import lru_cache
from typing import Any, Final

from pygments.lexer import Lexer, RegexLexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, String, Text, _TokenType
from pygments.util import ClassNotFound
from rich.style import Style

from tui_chat.ui.markdown.layout import JOINERS, Fragment
from tui_chat.ui.markdown.theme import MarkdownTheme

State = tuple[str, ...]
_ALIASES: Final = {"patch": "diff"}


@lru_cache(maxsize=32)
def _lexer(language: str) -> Lexer | None:
    if not re.fullmatch(r"[A-Za-z0-9+#_.-]{1,40}", language):
        return None
    try:
        return get_lexer_by_name(_ALIASES.get(language, language), stripnl=False, ensurenl=False)
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

    @property
    def alone(self) -> bool:
        """Whether the lexer starts anew with each piece."""
        return self._lexer is not None and not self._stateful

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
