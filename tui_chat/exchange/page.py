"""A conversation as one HTML page that stands alone: light and dark, printable, nothing fetched, nothing that runs.

Why it is safe: a reply is not to be trusted. Its markdown is rendered with raw HTML off, so every `<` of it is text; links
go to http, https and mailto only; pictures, which would tell their server who reads and when, become links; names of
languages and classes are never taken from outside; and the text has passed the sanitiser, so no control character and no
bidirectional override is left. Should all that fail, the page's own policy forbids scripts, pictures, frames and forms: it
allows one style sheet, by its hash. It must not know files.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

from tui_chat.conversation import Conversation, Turn
from tui_chat.exchange.page_style import COLOURED, STYLE
from tui_chat.exchange.parts import (
    Called,
    Noted,
    Part,
    Said,
    conversation_facts,
    facts,
    heading,
    parts_of,
    speaker,
)
from tui_chat.meter import Figures
from tui_chat.text import sanitise

SCHEMES: Final = ("http", "https", "mailto")
_BOXES: Final = {"[ ] ": "☐", "[x] ": "☑"}
LONGEST_CODE: Final = 60_000  # characters of one block that are coloured; longer ones are shown plain
LONGEST_MARKDOWN: Final = 400_000  # characters of one text that are rendered; longer ones are shown as they are


def page(conversation: Conversation, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    """The current path of `conversation` in pieces, a turn each."""
    markdown = _markdown()
    title = escape(heading(conversation))
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield (
        '<!DOCTYPE html>\n<html lang="und">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="tui-chat">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header>\n<h1 dir="auto">{title}</h1>\n'
        f"{_spans('facts', conversation_facts(conversation, conversation.turns))}"
    )
    if conversation.system:
        yield _folded("System prompt", f'<p class="verbatim" dir="auto">{_text(conversation.system)}</p>')
    yield "</header>\n<main>\n"
    for number, turn in enumerate(conversation.turns, 1):
        said = "".join(_part(part, markdown) for part in parts_of(turn))
        yield (
            f'<section class="turn" id="turn-{number}">\n{_prompt(turn)}'
            f'<article class="reply">\n<p class="who">{escape(speaker(turn))}</p>\n{said}</article>\n'
            f"{_spans('ends', facts(turn, figures(turn), conversation.versions))}</section>\n"
        )
    yield "</main>\n</body>\n</html>\n"


def _prompt(turn: Turn) -> str:
    if turn.prompt.continues:
        return '<p class="seam">asked to go on</p>\n'
    text = _text(turn.prompt.text.strip("\r\n"))
    return f'<article class="you">\n<p class="who">You</p>\n<p class="verbatim" dir="auto">{text}</p>\n</article>\n'


def _text(text: str) -> str:
    return escape(sanitise(text))


def _spans(name: str, found: Sequence[str]) -> str:
    return f'<p class="{name}">{"".join(f"<span>{escape(each)}</span>" for each in found)}</p>\n'


def _folded(summary: str, content: str) -> str:
    return f"<details>\n<summary>{summary}</summary>\n<div>{content}</div>\n</details>\n"


def _part(part: Part, markdown: MarkdownIt) -> str:
    match part:
        case Said("text"):
            return f'<div class="said" dir="auto">\n{_rendered(part.text, markdown)}</div>\n{_listed(part.sources)}'
        case Said():
            return _folded("Thinking", f'<div class="said" dir="auto">{_rendered(part.text, markdown)}</div>')
        case Called():
            end = f" ({escape(part.end)})" if part.end else ""
            given = f'<p class="label">Input</p>{_code(part.input, "json")}' if part.input else ""
            result = f'<p class="label">Result</p>{_code(part.result, "")}' if part.result else ""
            return _folded(f"Tool <code>{escape(part.name)}</code>{end}", given + result)
        case Noted():
            return f'<p class="note">{escape(part.text)}</p>\n'


def _listed(sources: Sequence[tuple[str, str]]) -> str:
    if not sources:
        return ""
    items = (
        f'<li><a href="{escape(url)}" rel="noopener noreferrer">{escape(title)}</a></li>'
        if may_link(url)
        else f"<li>{escape(f'{title} {url}' if url and url != title else title)}</li>"
        for title, url in sources
    )
    return f'<ol class="sources">{"".join(items)}</ol>\n'


def may_link(url: str) -> bool:
    """Whether a page may lead there: http, https or mailto, and no other."""
    try:
        return urlsplit(url.strip()).scheme.lower() in SCHEMES
    except ValueError:  # a bracket left open
        return False


# Markdown ----------------------------------------------------------------------------------------------------------------


def _rendered(text: str, markdown: MarkdownIt) -> str:
    if len(text) > LONGEST_MARKDOWN:
        return f'<p class="verbatim">{escape(text)}</p>\n'
    return str(markdown.render(text))


class _Renderer(RendererHTML):
    """Markdown to HTML, with nothing in it that is fetched and no style but the page's. The names are the parser's tokens."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A picture is named and linked, never loaded."""
        alt = self.renderInlineAsText(tokens[idx].children, options, env) or "picture"
        return f"{_anchor(tokens[idx], 'src')}[{escape(alt)}]</a>"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A link that tells its target nothing."""
        return _anchor(tokens[idx], "href")

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Code, coloured if its language is known."""
        info = tokens[idx].info.split(maxsplit=1)
        return _code(tokens[idx].content, info[0] if info else "")

    code_block = fence

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A table that scrolls when it is too wide."""
        return '<div class="scroll"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """The end of a table."""
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A cell with its alignment as a class: the policy of the page allows no style of its own."""
        token = tokens[idx]
        side = str(token.attrGet("style") or "").rpartition(":")[2]
        return f'<{token.tag} class="{side}">' if side in ("center", "right") else f"<{token.tag}>"

    td_open = th_open

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """An entry; one that is a task gets its box in place of a dot."""
        inline = tokens[idx + 2] if idx + 2 < len(tokens) else None
        first = inline.children[0] if inline is not None and inline.type == "inline" and inline.children else None
        box = _BOXES.get(first.content[:4].lower()) if first is not None and first.type == "text" else None
        if first is None or box is None:
            return "<li>"
        first.content = f"{box} {first.content[4:]}"
        return '<li class="task">'


def _anchor(token: Token, name: str) -> str:
    """The start of a link; an empty one, which the parser lets through without asking, leads nowhere."""
    url = str(token.attrGet(name) or "")
    return f'<a href="{escape(url)}" rel="noopener noreferrer">' if may_link(url) else "<a>"


@lru_cache(maxsize=1)
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("gfm-like", {"html": False}, renderer_cls=_Renderer)
    parser.validateLink = may_link  # type: ignore[method-assign]  # the parser's own way to say which links there are
    return parser


# Code --------------------------------------------------------------------------------------------------------------------


def _code(text: str, language: str) -> str:
    """A block of code, coloured if its language is known."""
    text = text.rstrip("\n")
    lexer = _lexer(language) if len(text) <= LONGEST_CODE else None
    label = f'<span class="language">{escape(language[:30])}</span>' if language else ""
    inner = escape(text) if lexer is None else "".join(map(_coloured, *zip(*lexer.get_tokens(text), strict=True)))
    return f'<div class="code">{label}<pre dir="ltr"><code>{inner.rstrip()}</code></pre></div>\n'


def _coloured(kind: _TokenType, text: str) -> str:
    name = _class_of(kind)
    return f'<span class="{name}">{escape(text)}</span>' if name else escape(text)


@lru_cache(maxsize=512)
def _class_of(kind: _TokenType) -> str:
    """The class of a token's nearest family that has a colour; '' for most."""
    names = (STANDARD_TYPES.get(each, "") for each in reversed(kind.split()))
    return next((name for name in names if name in COLOURED), "")


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    if not 0 < len(language) <= 40:
        return None
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
