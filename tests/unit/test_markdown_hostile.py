"""Text that is out to break the screen: rows fit, no control character gets through, and no step takes long.

Work is counted, not timed: the characters given to the inline parser and to the lexers. The cuts are small and large.
"""

import unicodedata
from collections.abc import Callable
from typing import Final, TypeVar

import pytest
from pygments.lexers import get_lexer_by_name
from rich.cells import cell_len

from tests.lanes import EVERYTHING, lane
from tui_chat.ui.markdown import SLICE, LiveDocument, MarkdownTheme, highlight, inline, render, tokens

THEME: Final = MarkdownTheme.default()
WIDTH: Final = 80
ONE_SLICE: Final = 48_000  # characters that one slice may have read
ONE_TOKEN: Final = 8_000  # ... and one token, which may complete a piece of code

TEXTS: Final = {
    "brackets": "[" * 10_000,
    "nested brackets": "[" * 5_000 + "a" + "]" * 5_000,
    "links in links": "[a](b" * 2_000,
    "images": "![" * 2_000,
    "links": " ".join(f"[link {index}](https://example.com/{index})" for index in range(500)),
    "long word": "x" * 100_000,
    "long line": "some words " * 9_000,
    "long heading": "# " + "some words " * 9_000,
    "long row": "|a|b|\n|-|-|\n|" + "some words " * 9_000 + "|x|\n|c|d|",
    "long code line": "```python\nx = '" + "y" * 100_000,
    "long info string": "```" + "a " * 50_000 + "\nb\n```",
    "long lines of code": "```python\n" + ("x = foo(" + "bar, " * 380 + ")\n") * 30 + "```\n",
    "spaces": " " * 1_990 + "x\n" + " " * 20_000 + "x",
    "spaces in a heading": "# a" + " " * 20_000 + "x#",
    "spaces in a paragraph": "a" + " " * 20_000 + "x",
    "marker, then spaces": "- " * 400 + " " * 1_000 + "x",
    "quotes": ">" * 1_000 + " deep\n" + ">" * 1_000 + " more",
    "quotes and items": "> - " * 1_000 + "x",
    "nested list": "\n".join("  " * depth + "- item" for depth in range(1_000)),
    "list in one line": "- " * 1_000 + "x",
    "dashes": "- " * 5_000,
    "emphasis": "*a **b " * 3_000,
    "stars": "*" * 10_000,
    "underscores": "_a" * 5_000,
    "tildes": "a~~b" * 3_000,
    "backticks": "`a``b" * 3_000,
    "runs of backticks": "".join("`" * index + "a " for index in range(1, 100)),
    "columns": "|a" * 2_000 + "|\n" + "|-" * 2_000 + "|\n" + "|b" * 2_000 + "|",
    "long rows": "|a|b|\n|-|-|\n" + ("|" + "word " * 1_000 + "|b|\n") * 20,
    "definitions": "".join(f"[l{index}]: https://x.y/{index}\n" for index in range(1_000)),
    "open definition": "[a]: <" + "b" * 20_000,
    "long definition": "[a]: " + "b" * 20_000 + "\n[a]",
    "late definitions": "see [x] and [y]\n\n" * 2_000 + "[x]: /u\n\n[y]: https://v.w\n\n",
    "comments": "```js\n" + "/* c\n" * 500,
    "open comment": "```js\n/* " + "some words\n" * 2_000,
    "open string": "```python\n'''" + "some words\n" * 2_000,
    "marks": ("a" + "\u0301" * 20) * 500,
    "joined": "👩\u200d" * 2_000,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇩🇪1️⃣✈️" * 300,
    "CJK": "中文字符的测试，也要换行。" * 500,
    "wide in code": "```\n" + "中文👩‍👧 a\n" * 300 + "中" * 3_000,
    "wide in cells": "|中文|👩‍👧|\n|-|-|\n" + "|字符的测试|👍🏽 e\u0301|\n" * 60,
    "right to left": "שלום עולם، مرحبا بالعالم! " * 400,
    "tabs": "\ta\tb\n" * 300 + "```\n\ta\t中\tb\n```\n" + "a\tb" * 2_000,
    "control characters": "".join(map(chr, range(32))) * 100 + "\x7f\x1b[2J\x1b]52;c;AAAA\x07" * 100,
    "C1": "".join(map(chr, range(0x80, 0xA0))) * 100,
    "bidi controls": "a\u202eb\u2066c\u200fd\u061c " * 400,
    "control characters in code": "```\n\x1b[2J\x00\x9b\u202e\n```\n" * 100,
    "entities of control characters": "&#27;[2J &#x9b; &#x202e; &#0; &#xd800; " * 200,
    "tags and separators": "a\U000e0041b\u2028c\u2029d\ufeff " * 300,
    "surrogates": "a\ud800b\udfff " * 300,
    "hard breaks": "a  \n" * 1_000,
    "formulas": "$a " * 3_000 + "\\(" * 2_000,
    "addresses": "<http:" * 1_000 + "://" * 1_000 + "a@" * 1_000 + "https://x.y/ " * 300,
    "entities": "&" * 3_000 + "&amp;" * 2_000,
    "carriage returns": "a\r\r\n\rb" * 1_000,
}

Result = TypeVar("Result")


class Work:
    """Counts the characters that are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.characters = 0
        monkeypatch.setattr(inline, "inline_tokens", self._counted(tokens.inline_tokens, 0))
        monkeypatch.setattr(highlight, "_lex", self._counted(highlight._lex, 1))

    def _counted(self, read: Callable[..., Result], place: int) -> Callable[..., Result]:
        def counted(*arguments: object) -> Result:
            self.characters += len(str(arguments[place]))
            return read(*arguments)

        return counted

    def taken(self) -> int:
        """Since the last call."""
        taken, self.characters = self.characters, 0
        return taken


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


def _check(document: LiveDocument) -> None:
    for strip in document.lines:
        assert strip.cell_length == cell_len(strip.text) <= WIDTH
        assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in strip.text)
        assert not any(character in "\u202e\u2066\u200f\u061c\ufeff\U000e0041" for character in strip.text)


@pytest.mark.parametrize("name", TEXTS)
def test_in_slices(name: str, work: Work) -> None:
    expected = render(TEXTS[name], WIDTH, THEME)
    work.taken()
    document = LiveDocument(WIDTH, THEME)
    document.write(TEXTS[name])
    document.finish()
    while document.behind:
        document.update(SLICE)
        assert work.taken() <= ONE_SLICE
    _check(document)
    assert list(document.lines) == expected


@lane(seconds=60)
@pytest.mark.parametrize("name", TEXTS)
def test_token_by_token(name: str, work: Work) -> None:
    """Its beginning in tokens of four characters, what follows in pieces of some hundred."""
    source = TEXTS[name]
    document = LiveDocument(WIDTH, THEME)
    begin = len(source) if EVERYTHING else 600
    deltas = [source[start : start + 4] for start in range(0, min(begin, 12_000), 4)]
    rest = source[len("".join(deltas)) :]
    step = max(400, len(rest) // 40)
    shown: list[object] = []
    for index, delta in enumerate([*deltas, *(rest[start : start + step] for start in range(0, len(rest), step))]):
        document.write(delta)
        first = document.update()
        assert work.taken() <= ONE_TOKEN + 12 * len(delta) or name == "late definitions"
        if index % 20 == 0:
            assert shown[:first] == list(document.lines)[: len(shown[:first])]
            _check(document)
        shown = list(document.lines) if index % 20 == 19 else shown[:first]
    document.finish()
    document.update()
    assert list(document.lines) == render(source, WIDTH, THEME)


def test_the_lexer_is_the_one_that_pygments_would_take() -> None:
    """What the counting rests on: lexers with states go through `_lex`."""
    assert highlight.Highlighter("js", THEME).alone is False
    assert highlight.Highlighter("yaml", THEME).alone is True
    assert type(get_lexer_by_name("js")).__name__ == "JavascriptLexer"
