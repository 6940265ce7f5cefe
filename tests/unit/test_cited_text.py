"""Marks of sources in markdown: behind the words, never a cell, a line of code or a paragraph more."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tui_chat.ui.widgets.cited_text import CitedText

Part = str | list[int]  # what is written, or the numbers of what it cites

TABLE = "| A | B |\n|---|---|\n| 1 | 2 |\n"
FENCE = "```py\nx\n"


def shown(parts: Sequence[Part]) -> str:
    text = CitedText()
    pieces = [text.write(part) if isinstance(part, str) else text.cite(part) for part in parts]
    pieces.append(text.finish())
    assert "".join(pieces) == text.shown == text.text
    return text.text


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        (["It is so", [1], "."], "It is so [1]."),
        (["It is so", [2, 1, 2], " and"], "It is so [1][2] and"),
        (["It is so.\n\n", [1], "Next."], "It is so. [1]\n\nNext."),
        (["- one\n", [1], "- two\n", [2]], "- one [1]\n- two [2]\n"),
        (["hard  \n", [1], "break"], "hard [1]  \nbreak"),
        (["so", [1], [1, 2], "", " on"], "so [1][2] on"),
        (["so", [1], " ", [1], "on"], "so [1] on"),
        (["so", [1], "(2024)"], "so [1] (2024)"),  # `[1](2024)` is a link
        ([[1], "nothing was said"], "nothing was said"),
        ([TABLE, [1]], f"{TABLE.rstrip()}\n\n[1]\n"),
        ([TABLE, [2], "| 3 | 4 |\n", [1], "\nAfter"], f"{TABLE}| 3 | 4 |\n\n[1][2]\n\nAfter"),
        ([TABLE, [1], "still a row\n\nAfter"], f"{TABLE}still a row\n\n[1]\n\nAfter"),
        ([TABLE, [1], "# Title"], f"{TABLE.rstrip()}\n\n[1]\n\n# Title"),
        (["|a|b|\n|-|-|\n| 1 | two", [1], " |\n"], "|a|b|\n|-|-|\n| 1 | two [1] |\n"),
        ([f"> {TABLE.rstrip()}".replace("\n", "\n> "), [1], "\n> | 3 | 4 |\n"], None),
        ([FENCE, [1], "y\n```\nAfter"], f"{FENCE}y\n```\n\n[1]\n\nAfter"),
        ([f"{FENCE}```\n\n", [1], "After"], f"{FENCE}```\n\n[1]\n\nAfter"),
        ([f"{FENCE}~~~\n````x\n", [1], "y"], f"{FENCE}~~~\n````x\ny"),  # it is never closed
        (["~~~~\n~~~\n~~~~", [1]], "~~~~\n~~~\n~~~~\n\n[1]"),
        (["> ```\n> x\n", [1], "\nAfter"], "> ```\n> x\n>\n> [1]\n\nAfter"),  # the quote's end is the code's
        (["> ```\n> x\n> ```\n", [1], "> more"], "> ```\n> x\n> ```\n>\n> [1]\n>\n> more"),
        (["- ```\n  x\n  ```\n", [1], "- two"], "- ```\n  x\n  ```\n\n  [1]\n\n- two"),
        (["# Title", [1], " goes on\n\nText"], "# Title goes on\n\n[1]\n\nText"),
        (["Title\n---\n", [1], "Text"], "Title\n---\n\n[1]\n\nText"),
        (["[a]: https://b.org\n", [1]], "[a]: https://b.org\n\n[1]\n"),
        (["`` `a` ``", [1]], "`` `a` `` [1]"),
    ],
)
def test_where_marks_go(parts: list[Part], wanted: str | None) -> None:
    assert wanted is None or shown(parts) == wanted
    tokens = MarkdownIt("gfm-like", {"linkify": False})
    plain = [token.type for token in tokens.parse("".join(part for part in parts if isinstance(part, str)))]
    marked = [token.type for token in tokens.parse(shown(parts))]
    for kind in ("tr_open", "td_open", "heading_open", "fence", "hr", "blockquote_open", "list_item_open"):
        assert marked.count(kind) == plain.count(kind)


PIECE = st.sampled_from(
    [
        "word",
        " ",
        "\n",
        "\n\n",
        "| a | b |",
        "|---|---|",
        "```",
        "~~~~",
        "# ",
        "> ",
        "- ",
        "  ",
        "(x)",
        "[a]: b",
        "---",
        "é",
    ]
)
PARTS = st.lists(st.lists(PIECE).map("".join) | st.lists(st.integers(1, 4), min_size=1, max_size=3), max_size=12)


@given(PARTS, st.randoms(use_true_random=False))
def test_how_a_text_is_cut_makes_no_difference(parts: list[Part], source: object) -> None:
    cut: list[Part] = []
    for part in parts:
        cut += list(part) if isinstance(part, str) else [part]
    assert shown(cut) == shown(parts)


@given(PARTS)
def test_no_word_is_lost_and_each_mark_stands_once_at_its_place(parts: list[Part]) -> None:
    text = shown(parts)
    said = "".join(part for part in parts if isinstance(part, str))
    without = re.sub(r"(?:\[\d\])+", "", text)
    assert re.sub(r"[\s>]", "", without) == re.sub(r"[\s>]", "", said)
    for marks in re.findall(r"(?:\[\d\])+", text):
        assert len(marks) == 3 * len(set(re.findall(r"\d", marks)))


def test_a_long_text_that_is_cited_again_and_again_costs_no_more() -> None:
    text = CitedText()
    for number in range(20_000):
        text.write("a word and another, ")
        text.cite([number])
    assert text.text.startswith("a word and another, [0] a word")
