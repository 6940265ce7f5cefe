"""A selection in a wrapped plain text gives the text as it was typed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from tui_chat.text import sanitise
from tui_chat.ui.markdown.layout import wrap
from tui_chat.ui.selection.plain import selected_plain


def rows_of(text: str, width: int = 20) -> list[str]:
    """The text wrapped as the log does it: indentation kept, spaces at a wrap left out, a blank line after it."""
    rows: list[str] = []
    for line in sanitise(text).expandtabs(4).strip("\n").split("\n"):
        indent = min(len(line) - len(line.lstrip(" ")), width // 2)
        wrapped = wrap([(line.strip(), Style())], width - indent)
        rows += [" " * indent + "".join(text for text, _ in row.fragments) for row in wrapped] or [""]
    return [*rows, ""]


def select(text: str, first: str, last: str, width: int = 20) -> str:
    rows = rows_of(text, width)
    places = []
    for wanted, after in ((first, False), (last, True)):
        line = next(line for line, row in enumerate(rows) if wanted in row)
        index = rows[line].index(wanted) + (len(wanted) if after else 0)
        places.append((line, cell_len(rows[line][:index])))
    return selected_plain(text, rows, *places)


@pytest.mark.parametrize(
    ("text", "first", "last", "expected"),
    [
        ("please explain what this long line does", "explain", "line", "explain what this long line"),
        ("please explain what this long line does", "x", "w", "xplain w"),
        ("look:\n\tdef f():\n\t\treturn 1\n\nthanks", "def", "1", "\tdef f():\n\t\treturn 1"),
        ("look:\n    return 1", "return", "return", "return"),
        ("look:\n    return 1", "return", "1", "    return 1"),
        ("a\r\n  b\r\nc", "b", "b", "  b"),
        ("two  spaces   stay where a line is wrapped", "two", "where", "two  spaces   stay where"),
        ("中文字符的测试也要换行，很长很长的一行", "字", "换", "字符的测试也要换"),
        ("an \x1b[31mescape\x00 in e\u0301\u0301\u0301\u0301\u0301\u0301 it", "an", "escape", "an \x1b[31mescape"),
        ("an \x1b[31mescape\x00 in e\u0301\u0301\u0301\u0301\u0301\u0301 it all", "in", "it", None),
        ("a \u202ebidi\u202c and \U0001f469\u200d\U0001f469\u200d\U0001f467 family", "bidi", "family", None),
    ],
)
def test_parts(text: str, first: str, last: str, expected: str | None) -> None:
    expected = text[text.index(first) : text.index(last) + len(last)] if expected is None else expected
    assert select(text, first, last, width=14) == expected
    assert select(text, first, last, width=70) == expected


def test_everything_and_nothing() -> None:
    text = "\n\n  one\ttwo\n\n"
    rows = rows_of(text)
    assert selected_plain(text, rows, (0, 0), (9, 9)) == text
    assert selected_plain(text, rows, (-1, 0), (0, 99)) == text
    assert selected_plain(text, rows, (0, 3), (0, 3)) == ""
    assert selected_plain(text, rows, (1, 0), (9, 0)) == ""
    assert selected_plain("", [""], (0, 0), (9, 0)) == ""


@given(
    st.text(st.sampled_from("ab cd\n\t\r\x1b中\u0301\u200d\U0001f469\ufe0f\u202e .")),
    st.sampled_from([5, 12, 40]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_neighbours_are_the_text(text: str, width: int, chance: random.Random) -> None:
    rows = rows_of(text, width)
    line = chance.randrange(len(rows))
    middle = line, cell_len(rows[line][: chance.randrange(len(rows[line]) + 1)])
    parts = selected_plain(text, rows, (0, 0), middle), selected_plain(text, rows, middle, (len(rows), 0))
    assert all(part in text for part in parts)
    letters = [character for character in "".join(parts) if character.isalnum()]
    assert letters == [character for character in text if character.isalnum()]
