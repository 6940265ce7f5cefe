"""markdown-it's inline parser with a shorter way to the rules.

Why it exists: each token of a stream makes an unfinished line be read again, so reading a hundred characters is what a
token costs. markdown-it asks every rule at every character that might be markup; each rule looks for one or two
characters of its own, so here the character chooses the rules. What they do is theirs, and so are the tokens.
What it must not know: styles, widths, blocks.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

Rule = Callable[[StateInline, bool], bool]

# The characters at which each rule can match.
_STARTS: Final = {
    "newline": "\n",
    "escape": "\\",
    "formula": "\\$",
    "backticks": "`",
    "strikethrough": "~",
    "emphasis": "*_",
    "link": "[",
    "image": "!",
    "autolink": "<",
    "entity": "&",
    "linkify": ":",
}
_TEXT: Final = re.compile(r"[^\n\\$`~*_\[\]!<&:]+")
_ADDRESS: Final = re.compile(r"://|//|@|mailto:", re.IGNORECASE)
_FORMULA: Final = re.compile(
    r"\$\$[^$]+\$\$|\$(?![\s$])(?:[^$\\\n]|\\.)*?(?<!\s)\$(?!\d)|\\\((?!\\\)).+?\\\)|\\\[(?!\\\]).+?\\\]", re.DOTALL
)


class _Inline(ParserInline):
    """Its rules by the characters they start at."""

    def choose(self) -> None:
        """Look at which rules are active; they stay as they are from now on."""
        self._rules: dict[str, list[Rule]] = {}
        for name, rule in zip(self.ruler.get_active_rules(), self.ruler.getRules(""), strict=True):
            for character in _STARTS.get(name, ""):
                self._rules.setdefault(character, []).append(rule)

    def tokenize(self, state: StateInline) -> None:
        """Read all of it."""
        source, end = state.src, state.posMax
        deepest = state.md.options["maxNesting"]
        while (position := state.pos) < end:
            text = _TEXT.match(source, position, end)
            if text is not None:
                state.pending += text.group()
                state.pos = text.end()
            elif not self._matches(state, source[position], deepest, silent=False):
                state.pending += source[position]
                state.pos = position + 1
        if state.pending:
            state.pushPending()

    def skipToken(self, state: StateInline) -> None:  # noqa: N802 - markdown-it's name
        """Go past what stands here, without making tokens."""
        position = state.pos
        if (known := state.cache.get(position)) is not None:
            state.pos = known
            return
        deepest = state.md.options["maxNesting"]
        text = _TEXT.match(state.src, position, state.posMax)
        if state.level >= deepest:
            state.pos = state.posMax  # as in markdown-it: too deep, the rest is text
        elif text is not None:
            state.pos = text.end()
        else:
            state.level += 1
            found = self._matches(state, state.src[position], deepest + 1, silent=True)
            state.level -= 1
            if not found:
                state.pos = position + 1
        state.cache[position] = state.pos

    def _matches(self, state: StateInline, character: str, deepest: int, *, silent: bool) -> bool:
        if state.level >= deepest:
            return False
        if character in "[!" and state.src.find("]", state.pos, state.posMax) < 0:
            return False  # without it there is no link; to look for one at each bracket takes its time
        return any(rule(state, silent) for rule in self._rules.get(character, ()))


def _formula(state: StateInline, silent: bool) -> bool:
    """A formula is shown as written: its underscores and backslashes are no markup."""
    match = _FORMULA.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        token = state.push("formula", "", 0)
        token.content = match.group()
    state.pos = match.end()
    return True


@cache
def markdown() -> MarkdownIt:
    """The one parser: GitHub's flavour, HTML as text, no guessing of links in file names such as `main.rs`."""
    parser = MarkdownIt("gfm-like", {"html": False})
    inline = _Inline()
    inline.ruler, inline.ruler2 = parser.inline.ruler, parser.inline.ruler2
    inline.ruler.before("escape", "formula", _formula)
    inline.choose()
    parser.inline = inline
    if parser.linkify is not None:
        parser.linkify.set({"fuzzy_link": False})
    return parser


def inline_tokens(text: str, references: dict[str, dict[str, str]]) -> list[Token]:
    """The tokens of a text that holds no control characters."""
    parser = markdown()
    environment = {"references": references} if references else {}
    if _ADDRESS.search(text) is None:  # nothing that the further steps of markdown-it would change
        return parser.inline.parse(text, parser, environment, [])
    return [child for token in parser.parseInline(text, environment) for child in token.children or ()]
