"""A tool's input as text: nothing in it can be mistaken, nothing is lost."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.ui.tool_text import fold, input_line, input_lines, partial_lines, plainly

ANY = st.text(st.characters() | st.sampled_from('\u202e\u200b\ufe0f\u0430\u0440ab \\"\n\x1b\x7f日\ud83d'), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 6*7 = 42!", "plain text, 6*7 = 42!"),
        ("p\u0430yp\u0430l", r"p\u0430yp\u0430l"),  # Cyrillic in a Latin word
        ("\u0441\u043e\u0440\u0443", r"\u0441\u043e\u0440\u0443"),  # all of it could be Latin
        ("привет, мир", "привет, мир"),
        ("read_файл.txt", "read_файл.txt"),
        ("λόγος", "λόγος"),
        ("Grüße, façade, Łódź, Việt", "Grüße, façade, Łódź, Việt"),
        ("日本語のファイル 한국어", "日本語のファイル 한국어"),
        ("\uff21 \ufb01 \u00b2 \u00a0 \u2010", r"\uff21 \ufb01 \u00b2 \u00a0 \u2010"),
        ("\u201cquoted\u201d", r"\u201cquoted\u201d"),
        ("a\u200bb\u00adc\ufe0fd\u034fe", r"a\u200bb\u00adc\ufe0fd\u034fe"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("\x1b[31m\x7f\x9b\x00", r"\u001b[31m\u007f\u009b\u0000"),
        ("one\ntwo\tthree\r", r"one\ntwo\tthree\r"),
        (r"a\u0041", r"a\\u0041"),  # what looks like an escape is told from one
        ("😀", "😀"),
        ("👨\u200d💻", r"👨\u200d💻"),
        ("\U000e0041\ud800", r"\udb40\udc41\ud800"),
        ("e\u0301 \u05d0\u0663", r"e\u0301 \u05d0\u0663"),
    ],
)
def test_what_could_be_mistaken_is_escaped(text: str, shown: str) -> None:
    assert plainly(text) == shown


@given(ANY)
def test_escaped_text_is_plain_and_means_the_same(text: str) -> None:
    shown = plainly(text)
    assert shown.isprintable()
    assert not any(
        unicodedata.category(sign) in ("Mn", "Me", "Cf", "Co", "Cn", "Zs") for sign in shown.replace(" ", "")
    )
    assert not any(unicodedata.bidirectional(sign) in ("R", "AL", "AN") for sign in shown)
    back = json.loads(f'"{shown}"')
    assert back.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")


@given(ANY, st.integers(8, 50), st.integers(0, 6))
def test_folded_lines_lose_nothing_and_fit(text: str, width: int, indent: int) -> None:
    line = " " * indent + plainly(text).replace(" ", "  ")
    rows = fold(line, width)
    assert all(cell_len(row) <= width for row in rows)
    hanging = len(rows[1]) - len(rows[1].lstrip(" ")) if len(rows) > 1 else 0
    hanging = min(hanging, len(line) - len(line.lstrip(" ")) + 2, width // 4)
    assert "".join([rows[0], *(row[hanging:] for row in rows[1:])]) == line
    for row in rows[:-1]:
        assert not row.replace("\\\\", "").endswith("\\")


@pytest.mark.parametrize(
    ("line", "width", "rows"),
    [
        ('"expression": "1234 * 5678"', 18, ['"expression": ', '  "1234 * 5678"']),
        ('"path": "src/a/long_name.py"', 18, ['"path": "src/a/', '  long_name.py"']),
        ('"n": [100, 2000, 30000]', 18, ['"n": [100, 2000, ', "  30000]"]),
        ("日本語 12345678901", 12, ["日本語 ", "  1234567890", "  1"]),  # longer than a row
        ("\\u202e123456", 10, ["\\u202e", "  123456"]),
    ],
)
def test_a_number_is_not_cut_in_two_where_it_fits(line: str, width: int, rows: list[str]) -> None:
    assert fold(line, width) == rows


def test_an_input_that_never_came_whole_is_escaped_as_it_came() -> None:
    assert partial_lines('{"path": "a\u202eb\x1b[31m\x7f\n"no\ttab') == [
        r'{"path": "a\u202eb\u001b[31m\u007f',
        r'"no\u0009tab',
    ]


def test_the_input_is_shown_whole_and_without_its_braces() -> None:
    lines = input_lines({"path": "a\u202eb", "deep": {"list": [1, None, "x\ny"]}, "пусто": {}})
    assert json.loads("{" + "\n".join(lines) + "}") == {
        "path": "a\u202eb",
        "deep": {"list": [1, None, "x\ny"]},
        "пусто": {},
    }
    assert all(line.isprintable() for line in lines)
    assert lines[0] == r'"path": "a\u202eb",'
    assert input_lines({}) == ["no input"]


def test_what_is_nested_too_deeply_is_refused_in_words() -> None:
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert input_lines(deep) == ['"nested too deeply to be shown"']
    assert "deeply" in input_line(deep)


@pytest.mark.parametrize(
    ("given_input", "line"),
    [
        ({"expression": "6 * 7"}, "6 * 7"),
        ({"path": "a\nb\x1b[31m"}, "a b␛[31m"),
        ({"a": 1, "b": "x"}, '{"a": 1, "b": "x"}'),
        ({"a": 1}, '{"a": 1}'),
        ({}, ""),
        ({"text": "y" * 1000}, "y" * 199 + "…"),
    ],
)
def test_an_input_on_one_line(given_input: dict[str, object], line: str) -> None:
    assert input_line(given_input) == line
