"""Inline markup to styled text, by markdown-it.

Why it exists: block structure is ours because it must be incremental; inline markup is markdown-it's, fed in bounded
segments. Its tokens become runs: text with a style, hard breaks as newlines.
What it must not know: widths, blocks, where the text stands.

Whatever comes out goes through the sanitiser once more: entities (`&#x202e;`) and percent-encoded links can make
characters that were not in the source. HTML is text. Only http, https and mailto become links that can be followed;
images are never fetched, their text and address are shown.
"""

import re
from collections.abc import Sequence
from typing import Final

from markdown_it.token import Token
from rich.style import Style

from tui_chat.text import sanitise_line
from tui_chat.ui.markdown.theme import MarkdownTheme
from tui_chat.ui.markdown.tokens import inline_tokens

Runs = Sequence[tuple[str, Style]]

# Text without any of these is shown as it is.
_MARKUP: Final = re.compile(r"[\\`*_~\[\]<&$@\n]|://|//|mailto:|www\.", re.IGNORECASE)
_FOOTNOTE: Final = re.compile(r"(\[\^[^\]\s]{1,80}\]:?)")
_KNOWN: Final = 64  # texts
_TO_COME: Final = "https://"  # the address of a link whose address has not arrived
_FOLLOWED: Final = re.compile(r"https?://|mailto:", re.IGNORECASE)


class InlineRenderer:
    """Turns segments of text into runs. `references` are the link definitions known so far, by normalised label."""

    __slots__ = ("_breaks", "_known", "_known_references", "_theme", "references")

    def __init__(self, theme: MarkdownTheme, *, breaks: bool = False) -> None:
        self._theme = theme
        self._breaks = breaks
        self.references: dict[str, dict[str, str]] = {}
        self._known: dict[tuple[str, Style], Runs] = {}  # what was read last: much of it is read again with each token
        self._known_references = 0

    def runs(self, text: str, base: Style) -> Runs:
        """The runs of one segment, laid over `base`."""
        if _MARKUP.search(text) is None:
            return [(text, base)]
        if self._known_references != len(self.references) or len(self._known) >= _KNOWN:
            self._known.clear()
            self._known_references = len(self.references)
        found = self._known.get((text, base))
        if found is None:
            runs: list[tuple[str, Style]] = []
            self._tokens(inline_tokens(text, self.references), base, runs)
            found = self._known[text, base] = runs
        return found

    def _tokens(self, tokens: list[Token], base: Style, runs: list[tuple[str, Style]]) -> None:
        theme = self._theme
        styles = [base]
        addresses: list[str] = []
        link_text = ""
        for token in tokens:
            kind = token.type
            style = styles[-1]
            if kind in ("text", "text_special"):
                text = sanitise_line(token.content)
                link_text += text
                if "[^" in text:
                    self._footnotes(text, style, runs)
                else:
                    runs.append((text, style))
            elif kind == "softbreak":
                runs.append(("\n" if self._breaks else " ", style))
            elif kind == "hardbreak":
                runs.append(("\n", style))
            elif kind == "code_inline":
                text = sanitise_line(token.content)
                link_text += text
                runs.append((text, style + theme.code))
            elif kind == "formula":
                lines = (sanitise_line(line).strip() for line in token.content.split("\n"))
                runs.append(("\n".join(lines), style + theme.math))
            elif kind == "em_open":
                styles.append(style + theme.emphasis)
            elif kind == "strong_open":
                styles.append(style + theme.strong)
            elif kind == "s_open":
                styles.append(style + theme.strike)
            elif kind == "link_open":
                address = str(token.attrs.get("href", ""))
                addresses.append(address)
                link_text = ""
                styles.append(style + _link_style(theme.link, address) if _FOLLOWED.match(address) else style)
            elif kind == "image":
                self._image(token, style, runs)
            elif kind.endswith("_close") and len(styles) > 1:
                styles.pop()
                if kind == "link_close" and addresses:
                    address = sanitise_line(addresses.pop())
                    if address and not _FOLLOWED.match(address) and address != link_text:
                        runs.append((f" ({address})", styles[-1] + theme.url))
            elif token.content:
                runs.append((sanitise_line(token.content), style))

    def _footnotes(self, text: str, style: Style, runs: list[tuple[str, Style]]) -> None:
        footnote = style + self._theme.footnote
        runs += ((part, footnote if part.startswith("[^") else style) for part in _FOOTNOTE.split(text) if part)

    def _image(self, token: Token, style: Style, runs: list[tuple[str, Style]]) -> None:
        address = sanitise_line(str(token.attrs.get("src", "")))
        text = sanitise_line(token.content) or "image"
        followed = _FOLLOWED.match(address)
        shown = style + self._theme.image
        runs.append((text, _link_style(shown, address) if followed else shown))
        if address and address != _TO_COME:
            url = style + self._theme.url
            runs.append((f" ({address})", _link_style(url, address) if followed else url))


def _link_style(style: Style, address: str) -> Style:
    return style if address == _TO_COME else style + Style.from_meta({"href": address})
