"""The parts of the renderer by themselves: segments, wrapping, table widths, colours in code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import lex
from pygments.lexers import get_lexer_by_name
from pygments.token import Generic, String
from rich.cells import cell_len
from rich.style import Style

from tui_chat.ui.markdown import LiveDocument, MarkdownTheme, render
from tui_chat.ui.markdown.code import LONGEST_PIECE
from tui_chat.ui.markdown.highlight import Highlighter
from tui_chat.ui.markdown.inline import InlineRenderer
from tui_chat.ui.markdown.layout import JOINERS, wrap
from tui_chat.ui.markdown.segments import LONGEST, SHORTEST, Segmenter, completed
from tui_chat.ui.markdown.table import DECIDING, widths
from tui_chat.ui.markdown.tokens import inline_tokens

THEME = MarkdownTheme.default()
PLAIN = Style()

WORDS = st.sampled_from(
    [
        "plain",
        "words",
        "**bold**",
        "**bold words",
        "over words**",
        "*em*",
        "_em",
        "em_",
        "~~struck out~~",
        "`code`",
        "`code **with",
        "marks` and",
        "[link text](https://x.y/a_b)",
        "[link",
        "text](https://x.y)",
        "2 * 3",
        "snake_case",
        "$a_b$",
        "\\*",
        "https://x.y/z",
        "me@x.yz",
        "***both*** ends",
    ]
)


def _runs(texts: list[str]) -> list[tuple[str, Style]]:
    inline = InlineRenderer(THEME)
    joined: list[tuple[str, Style]] = []
    for text in texts:
        for piece, style in inline.runs(text, PLAIN):
            if joined and joined[-1][1] == style:
                joined[-1] = (joined[-1][0] + piece, style)
            else:
                joined.append((piece, style))
    return joined


@given(st.lists(WORDS, min_size=10, max_size=60))
def test_segments_read_one_by_one_are_the_whole(words: list[str]) -> None:
    text = " ".join([*words, "end"])
    segmenter = Segmenter()
    segments = [*segmenter.add(text), segmenter.rest()]
    assert "".join(segments) == text
    if len(text) < LONGEST // 2 and text.count("**") % 2 == 0:
        assert _runs(segments) == _runs([text])


@given(st.text(alphabet="ab *_`[]()$\\~\n中。", max_size=400), st.integers(1, 50))
def test_segments_do_not_depend_on_the_cuts(text: str, step: int) -> None:
    whole = Segmenter()
    expected = whole.add(text)
    parts = Segmenter()
    segments: list[str] = []
    for start in range(0, len(text), step):
        segments += parts.fork().add(text[start : start + step])
        parts.add(text[start : start + step])
    assert segments == expected
    assert parts.rest() == whole.rest()


def test_an_open_mark_holds_the_cut_back_but_not_for_ever() -> None:
    segmenter = Segmenter()
    held = segmenter.add("**" + "word " * (SHORTEST // 2))
    assert held == []
    assert all(len(segment) <= LONGEST + 100 for segment in segmenter.add("word " * 5_000))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a **bo", "a **bo**"),
        ("a **", "a"),
        ("a **b *c", "a **b *c***"),
        ("a `co", "a `co`"),
        ("a `", "a"),
        ("2 * 3", "2 * 3"),
        ("a [te", "a [te](https://)"),
        ("a [text](htt", "a [text](https://)"),
        ("**[text", "**[text](https://)**"),
        ("a[0", "a[0"),
        ("see [^1", "see [^1"),
        ("a <htt", "a"),
        ("a <https://x", "a <https://x>"),
        ("done **b** `c`", "done **b** `c`"),
        ("snake_ca", "snake_ca"),
    ],
)
def test_the_unfinished_end_is_completed_for_showing(text: str, shown: str) -> None:
    assert completed(text).rstrip() == shown


@given(st.text(max_size=120), st.integers(2, 30))
def test_wrapped_lines_fit_and_lose_only_spaces(text: str, width: int) -> None:
    text = "".join(character for character in text if character.isprintable() and character not in JOINERS)
    rows = wrap([(text, PLAIN)], width)
    for row in rows:
        joined = "".join(part for part, _ in row.fragments)
        assert cell_len(joined) == row.cells <= width
    shown = "".join(part for row in rows for part, _ in row.fragments)
    assert shown.replace(" ", "") == text.replace(" ", "")


def test_styles_inside_a_word_do_not_break_it() -> None:
    rows = wrap([("four wo", PLAIN), ("rd", Style(bold=True)), ("s here", PLAIN)], 8)
    assert ["".join(part for part, _ in row.fragments) for row in rows] == ["four", "words", "here"]


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)), min_size=1, max_size=8), st.integers(24, 120))
def test_columns_fit_and_are_never_too_narrow(columns: list[tuple[int, int]], available: int) -> None:
    natural = [max(width, word) for width, word in columns]
    result = widths(natural, [word for _, word in columns], available)
    assert sum(result) <= max(available, 3 * len(columns))
    assert all(width >= 3 for width in result)
    if sum(max(3, width) for width in natural) <= available:
        assert result == [max(3, width) for width in natural]


@pytest.mark.parametrize("width", [8, 11, 14, 20, 30, 80])
def test_a_table_never_breaks_its_rows(width: int) -> None:
    source = "| a | long header | c |\n|:--|:-:|--:|\n" + "| `x \\| y` | some words to wrap | 12345 |\n" * 20
    for strip in render(source, width, THEME):
        assert strip.cell_length <= width
        if "│" in strip.text and width >= 11:
            assert strip.text.count("│") == 2


def test_rows_after_the_deciding_ones_do_not_move_the_table() -> None:
    document = LiveDocument(60, THEME)
    document.write("| a | b |\n|---|---|\n" + "| x | y |\n" * DECIDING)
    document.update()
    before = list(document.lines)
    document.write("| a much longer cell than all before | y |\n")
    assert document.update() >= len(before) - 1
    assert list(document.lines)[: len(before)] == before


PYTHON = 'def f(x):\n    """Doc\n    more."""\n    return f"{x}" + str(1.5)  # end\n'


def test_a_short_block_is_coloured_as_a_whole() -> None:
    lines = PYTHON.splitlines()
    fragments, _, still_open = Highlighter("python", THEME).lines(lines, ("root",))
    lexer = get_lexer_by_name("python", stripnl=False, ensurenl=False)
    expected = [(THEME.token(kind), character) for kind, text in lex(PYTHON, lexer) for character in text]
    found = [(style, character) for line in fragments for text, style in [*line, ("\n", PLAIN)] for character in text]
    assert [pair for pair in found if pair[1] != "\n"] == [pair for pair in expected if pair[1] != "\n"]
    assert not still_open


def test_pieces_go_on_in_the_state_the_last_one_ended_in() -> None:
    code = 'x = """\n' + "text in a string\n" * (LONGEST_PIECE + 10) + '"""\ny = 1\n'
    lines = render(f"```python\n{code}```\n", 60, THEME)
    string = THEME.token(String.Double)
    inside = [segment.style for strip in lines if "text in" in strip.text for segment in list(strip)[1:]]
    assert inside
    assert all(style == string for style in inside)


@pytest.mark.parametrize("language", ["", "no-such-language", "x" * 100, "../etc", "text"])
def test_unknown_languages_are_plain(language: str) -> None:
    lines = render(f"```{language}\nx = 1\n```", 60, THEME)
    assert lines[1].text == "  x = 1"


@pytest.mark.parametrize(
    "language", ["json", "html", "jsx", "php", "yaml", "diff", "console", "pycon", "markdown", "rst"]
)
def test_every_kind_of_lexer_loses_nothing(language: str) -> None:
    code = '{"a": [1, "b"]}\n<p class="x">text</p>\n<?php echo 1; ?>\n>>> x\n$ ls\n- a: b\n+ c\n' * 10
    lines = render(f"```{language}\n{code}```", 80, THEME)
    assert [strip.text[2:] for strip in lines[1:]] == code.splitlines()


def test_long_code_lines_wrap_without_loss() -> None:
    code = "x = '" + "abc def " * 30 + "'"
    lines = render(f"```python\n{code}\n```", 40, THEME)
    assert "".join(strip.text[2:] for strip in lines[1:]) == code
    assert [strip.text[:2] for strip in lines[1:3]] == ["  ", "↳ "]


def test_both_default_themes_have_every_role() -> None:
    dark, light = MarkdownTheme.default(), MarkdownTheme.default(dark=False)
    assert dark != light
    assert set(dark.tokens) == set(light.tokens)
    assert len(dark.headings) == 6


@pytest.mark.parametrize("language", ["diff", "patch", "udiff"])
def test_diffs_are_coloured_by_what_happens_to_a_line(language: str) -> None:
    code = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n"
    lines = render(f"```{language}\n{code}```", 60, THEME)
    styles = {strip.text[2:]: list(strip)[-1].style for strip in lines[1:]}
    assert styles["-old"] == styles["--- a/x.py"] == THEME.token(Generic.Deleted)
    assert styles["+new"] == THEME.token(Generic.Inserted)
    assert styles["@@ -1,2 +1,2 @@"] == THEME.token(Generic.Subheading)
    assert styles[" same"] not in (styles["-old"], styles["+new"])


@pytest.mark.parametrize("opening", ["", "> ", "- x\n  "])
def test_code_that_is_not_wrapped_keeps_its_lines(opening: str) -> None:
    code = "x = '" + "abc def " * 20 + "'"
    indent = opening.rpartition("\n")[2]
    source = f"{opening}```python\n{indent}{code}\n{indent}```\n\n" + "words " * 20
    document = LiveDocument(40, THEME, wrap_code=False)
    for start in range(0, len(source), 4):
        document.write(source[start : start + 4])
        document.update()
    document.finish()
    document.update()
    rows = [
        (document.line(index), document.info(index))
        for index in range(document.line_count)
        if document.info(index).code
    ]
    assert [strip.text[info.border :] for strip, info in rows] == [code]
    assert max(strip.cell_length for strip in document.lines if "words" in strip.text) <= 40


def test_lines_know_what_is_code_and_what_stands_before_it() -> None:
    document = LiveDocument(24, THEME)
    document.write("> text\n>\n> ```\n> code that must be wrapped, as it is long\n> ```\n")
    document.finish()
    document.update()
    infos = [document.info(index) for index in range(document.line_count)]
    assert [info.code for info in infos] == [False, False, False, True, True]
    assert [info.border for info in infos] == [2, 0, 2, 4, 4]
    assert [info.wrapped for info in infos[3:]] == [False, True]
    code = "".join(document.line(index).text[infos[index].border :] for index in (3, 4))
    assert code == "code that must be wrapped, as it is long"


def test_a_table_with_long_words_in_a_narrow_place_is_a_list() -> None:
    lines = render(
        "| Name | Description | Price |\n|---|---|---|\n| Alpha | long | 1 |\n| Beta | short | 2 |", 20, THEME
    )
    texts = [strip.text for strip in lines]
    assert texts[:3] == ["Name: Alpha", "Description: long", "Price: 1"]
    assert texts[4:] == ["Name: Beta", "Description: short", "Price: 2"]


MARKS = [
    "word ",
    "a",
    "b. ",
    "**",
    "*",
    "_",
    "`",
    "``",
    "~~",
    "~",
    "[",
    "]",
    "](",
    "](/u)",
    ")",
    "(",
    "!",
    "<",
    ">",
    "@",
]
MORE_MARKS = [
    "http://x.y",
    "mailto:",
    "&amp;",
    "&",
    "\\",
    "\\*",
    "é",
    "\n",
    "  \n",
    "\\\n",
    "[a]",
    "![",
    "<b>",
    ":",
    " ",
]


def _read(found: list[Token]) -> list[tuple[str, ...]]:
    """Tokens, neighbouring texts joined."""
    result: list[tuple[str, ...]] = []
    for token in found:
        if token.type not in ("text", "text_special"):
            result.append((token.type, token.content, str(token.attrs)))
        elif result and result[-1][0] == "text":
            result[-1] = ("text", result[-1][1] + token.content)
        elif token.content:
            result.append(("text", token.content))
    return result


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(MARKS + MORE_MARKS), max_size=25).map("".join))
def test_the_short_way_to_the_inline_rules_finds_what_markdown_it_finds(text: str) -> None:
    references = {"A": {"href": "/z", "title": ""}}
    reference = MarkdownIt("gfm-like", {"html": False})
    assert reference.linkify is not None
    reference.linkify.set({"fuzzy_link": False})
    expected = reference.parseInline(text, {"references": references})[0].children or []
    assert _read(inline_tokens(text, references)) == _read(expected)
