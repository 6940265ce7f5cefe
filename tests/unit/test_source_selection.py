"""A selection of cells gives the source: exactly, without what wrapping and drawing added, and without losing a word."""

import random
import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.ui.markdown import LiveDocument, MarkdownTheme
from tui_chat.ui.selection.markdown import selected_source

THEME = MarkdownTheme.default()
END = 1 << 30


def document(source: str, width: int = 40, *, finished: bool = True) -> LiveDocument:
    made = LiveDocument(width, THEME)
    made.write(source)
    if finished:
        made.finish()
    made.update()
    return made


def place(shown: LiveDocument, text: str, *, after: bool = False) -> tuple[int, int]:
    """The cell where `text` begins (or ends) on the screen."""
    for line in range(shown.line_count):
        whole = shown.line(line).text
        if (index := whole.find(text)) >= 0:
            return line, cell_len(whole[: index + (len(text) if after else 0)])
    raise AssertionError(f"{text!r} is not shown")


def select(source: str, first: str, last: str | None = None, *, width: int = 40, finished: bool = True) -> str:
    """What selecting from the beginning of `first` to the end of `last` gives."""
    shown = document(source, width, finished=finished)
    return selected_source(shown, place(shown, first), place(shown, last or first, after=True))


# Words of a paragraph ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "first", "last", "expected"),
    [
        ("one two three", "two", "two", "two"),
        ("one two three", "n", "w", "ne tw"),
        ("one **two** three", "one", "three", "one **two** three"),
        ("an **old** word of it", "old", "word", "**old** word"),
        ("an **old** word of it", "an", "old", "an **old**"),
        ("an **old** word of it", "old", "old", "old"),
        ("an **old** word of it", "ld", "word", "ld** word"),
        ("an **old** word of it", "an", "ol", "an **ol"),
        ("a ***very* old** word of it", "very", "word", "***very* old** word"),
        ("a **_very_ old** word of it", "very", "old", "_very_ old"),
        ("run `pip install it` now, please", "pip", "it", "pip install it"),
        ("run `pip install it` now, please", "run", "it", "run `pip install it`"),
        ("run `pip install it` now, please", "pip", "now", "`pip install it` now"),
        ("use `a*b` or `c` here", "c", "here", "`c` here"),
        ("see [the guide](https://example.com/a_(b) 'title') now then", "the", "now", None),
        ("see [the guide](https://example.com/a_(b) 'title') now then", "see", "guide", None),
        ("see [the guide](https://example.com/a_(b) 'title') now then", "guide", "guide", "guide"),
        ("see [the guide](./local.md) now, then", "now", "now", "now"),
        ("see [the guide](./local.md) now, then", "local", "now", "local.md) now"),
        ("see ![a picture](https://x.y/z.png) now", "picture", "now", "picture](https://x.y/z.png) now"),
        ("see <https://x.y/z> and on", "https", "and", "<https://x.y/z> and"),
        ("see <https://x.y/z> and on", "see", "z", "see <https://x.y/z>"),
        ("R&amp;D and 2 &lt; 3 \\* 4, a\\\\b", "&", "D", "&amp;D"),
        ("R&amp;D and 2 &lt; 3 \\* 4, a\\\\b", "<", "*", "&lt; 3 \\*"),
        ("R&amp;D and 2 &lt; 3 \\* 4, a\\\\b, c", "4", "\\b", "4, a\\\\b"),
        ("so ~~not this~~ but that one", "not", "but", "~~not this~~ but"),
        ("a snake_case_name and more", "case", "and", "case_name and"),
        ("中文字符 **加粗** 的测试 and", "加", "测", "**加粗** 的测"),
    ],
)
def test_words(source: str, first: str, last: str, expected: str | None) -> None:
    if expected is None:
        low, high = (source.index("[") if first == "the" else 0), source.index(" now") + (4 if last == "now" else 0)
        expected = source[low:high]
    assert select(source, first, last, width=70) == expected


def test_words_over_wrapped_lines_have_no_break() -> None:
    source = "a few words that do not fit into **twenty cells at all**, so they wrap"
    assert select(source, "words", "cells", width=20) == "words that do not fit into **twenty cells"
    assert select(source, "into", "all", width=20) == "into **twenty cells at all**"


def test_control_characters_and_odd_ones_are_the_source_s_own() -> None:
    source = "an \x1b[31mescape\u202e and e\u0301\u0301\u0301\u0301\u0301\u0301 marks here"
    assert select(source, "[31m", "marks", width=70) == source[4:-5]


# Whole lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "first", "last", "expected"),
    [
        ("## A heading ##\n\ntext", "A", "heading", "## A heading ##"),
        ("## A heading ##\n\ntext", "A", "A", "A"),
        ("- one\n- two **bold**\n- three", "two", "bold", "- two **bold**"),
        ("- one\n- two **bold**\n- three", "two", "two", "two"),
        ("- one\n- two **bold**\n- three", "• two", "two", "- two"),
        ("- one\n- two **bold**\n- three", "ne", "two", "ne\n- two"),
        ("1. one\n2. two\n3. three", "one", "two", "1. one\n2. two"),
        ("- [ ] one thing\n- [x] done", "one", "thing", "- [ ] one thing"),
        ("1. [ ] one thing\n2. [x] done", "done", "done", "2. [x] done"),
        ("> quoted *text*\n> more\n\nafter", "quoted", "text", "> quoted *text*"),
        ("> quoted *text*\n> more\n\nafter", "quoted", "quoted", "quoted"),
        ("> quoted *text*\n> more\n\nafter", "quoted", "more", "> quoted *text*\n> more"),
        ("1. a\n   - b\n     - c d", "c", "d", "     - c d"),
        ("**bold** line\n\nnext", "bold", "line", "**bold** line"),
    ],
)
def test_lines(source: str, first: str, last: str, expected: str) -> None:
    assert select(source, first, last) == expected


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_line_endings_stay_as_they_came(ending: str) -> None:
    source = ending.join(["# one", "", "- two", "- three **four**", "", "```", "five", "  six", "```", ""])
    assert select(source, "two", "four") == f"- two{ending}- three **four**"
    assert select(source, "four", "four") == "four"
    assert select(source, "three", "four") == "- three **four**"
    shown = document(source)
    assert selected_source(shown, (0, 0), (END, 0)) == source
    assert selected_source(shown, place(shown, "two"), (END, 0)) == source[source.index("- two") : -len(ending)]


def test_blank_lines_and_rules_between() -> None:
    source = "one\n\n\n***\n\ntwo\n"
    shown = document(source)
    assert selected_source(shown, (0, 0), (2, END)) == "one\n\n\n***"
    assert selected_source(shown, (1, 0), (END, 0)) == "***\n\ntwo"
    assert selected_source(shown, (1, 0), (2, 0)) == ""
    assert selected_source(shown, (2, 3), (0, 0)) == ""


# Code ----------------------------------------------------------------------------------------------------------------

CODE = """\
Before.

```python
def f():
\treturn "a string that is long enough to be wrapped"

print(1)
```

After.
"""


def test_lines_of_code_come_verbatim_and_without_fences() -> None:
    assert select(CODE, "def", "wrapped", width=30) == CODE[CODE.index("def") : CODE.index('"\n\nprint')]
    assert select(CODE, "return", "print(1)", width=30) == CODE[CODE.index("\treturn") : CODE.index("\n```\n\nA")]
    assert select(CODE, "def", "def") == "def"
    assert select(CODE, "long", "print", width=30) == CODE[CODE.index("long") : CODE.index("(1)")]


def test_the_label_brings_the_fences() -> None:
    fences = CODE[CODE.index("```python") : CODE.index("\n\nAfter")]
    assert select(CODE, "python", "print(1)") == fences
    assert select(CODE, "python", "f():") == "```python\ndef f():"
    assert select(CODE, "Before", "print(1)") == f"Before.\n\n{fences}"
    assert select(CODE, "print", "After") == "print(1)\n```\n\nAfter"


def test_fences_that_are_shown_are_code() -> None:
    source = "x\n\n````md\n```\ncode\n```\n````\n\ny"
    shown = document(source)
    line, _ = place(shown, "code")
    assert selected_source(shown, (0, 0), (line + 1, 0)) == "x\n\n````md\n```\ncode"
    assert selected_source(shown, (0, 0), (line + 2, 0)) == "x\n\n````md\n```\ncode\n```\n````"


def test_code_in_containers_loses_what_they_put_before_it() -> None:
    source = (
        "1. do\n\n   ```sh\n   ls \\\n     -l\n   ```\n\n> ```\n> a\n>\n>   b\n> ```\n\n    indented\n      more\n\nend"
    )
    assert select(source, "ls", "-l") == "ls \\\n  -l"
    assert select(source, "a", "b") == "a\n\n  b"
    assert select(source, "indented", "more") == "indented\n  more"
    assert select(source, "sh", "-l") == "   ```sh\n   ls \\\n     -l\n   ```"


def test_code_that_is_still_arriving() -> None:
    source = "1. do\n\n   ```sh\n   ls\n   cat fi"
    assert select(source, "ls", "fi", finished=False) == "ls\ncat fi"


# Tables --------------------------------------------------------------------------------------------------------------

TABLE = """\
| Name | What it **does** | Cost |
|:-----|------------------|-----:|
| `one` | a rather long cell that must be wrapped in its column | 1 |
| two | has a \\| pipe | 20 |

end
"""


@pytest.mark.parametrize("width", [30, 80])
def test_tables(width: int) -> None:
    lines = TABLE.split("\n")
    shown = document(TABLE, width)
    rows = {
        number: [row for row in range(shown.line_count) if (info := shown.info(row)).first == number < info.stop]
        for number in range(4)
    }
    for number in range(4):
        assert selected_source(shown, (rows[number][0], 0), (rows[number][-1], END)) == lines[number]
    assert selected_source(shown, (rows[0][0], 0), (rows[2][-1], END)) == "\n".join(lines[:3])
    assert selected_source(shown, (rows[1][0], 0), (rows[3][-1], END)) == "\n".join(lines[1:4])
    assert select(TABLE, "two", width=width) == "two"
    assert select(TABLE, "20", width=width) == "20"
    assert select(TABLE, "Name", "What", width=width) == "Name | What"


def test_a_cell_of_a_table() -> None:
    assert select(TABLE, "a rather", "column", width=100) == "a rather long cell that must be wrapped in its column"
    assert select(TABLE, "has", "pipe", width=100) == "has a \\| pipe"
    assert select(TABLE, "one", width=100) == "one"


def test_a_cell_that_wraps_is_taken_by_its_column() -> None:
    shown = document(TABLE, 30)
    (line, first), (_, last) = place(shown, "one"), place(shown, "a rather", after=True)
    assert selected_source(shown, (line, first), (line + 1, last)) == TABLE.split("\n")[2]
    assert (
        selected_source(shown, (line + 1, 0), (line + 1, last))
        in "a rather long cell that must be wrapped in its column"
    )


# Everything ----------------------------------------------------------------------------------------------------------

WORDS = st.just("w0000")
INLINE = st.one_of(
    WORDS,
    WORDS.map("**{}**".format),
    WORDS.map("*{}*".format),
    WORDS.map("`{}`".format),
    WORDS.map("~~{}~~".format),
    WORDS.map("[{}](https://example.com/x 'y')".format),
    WORDS.map("{}&amp;".format),
    WORDS.map("\\*{}".format),
    WORDS.map("《{}》".format),
)
TEXT = st.lists(INLINE, min_size=1, max_size=12).map(" ".join)
PARAGRAPH = st.lists(TEXT, min_size=1, max_size=3).map("\n".join)
CODE_LINES = st.lists(st.tuples(st.sampled_from(["", "  ", "\t", "      "]), TEXT | st.just("")), max_size=5).map(
    lambda lines: "".join(indent + text + "\n" for indent, text in lines)
)
LEAF = st.one_of(
    PARAGRAPH,
    TEXT.map("## {}".format),
    TEXT.map("{}\n---".format),
    CODE_LINES.map("```py\n{}```".format),
    CODE_LINES.map("~~~\n{}~~~".format),
    st.just("***"),
    st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=3).map(
        lambda rows: "| {} | {} |\n|---|--:|".format(*rows[0]) + "".join(f"\n| {a} | {b} |" for a, b in rows[1:])
    ),
    TEXT.map("    {}".format),
)


def _inside(block: str, first: str, rest: str) -> str:
    lines = block.split("\n")
    return "\n".join([first + lines[0], *((rest + line) if line else line for line in lines[1:])])


BLOCK = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        inner.map(lambda block: _inside(block, "> ", "> ")),
        inner.map(lambda block: _inside(block, "- ", "  ")),
        inner.map(lambda block: _inside(block, "10. ", "    ")),
        PARAGRAPH.map(lambda block: _inside(block, "- [ ] ", "  ")),
        st.lists(inner, min_size=1, max_size=3).map("\n\n".join),
    ),
    max_leaves=4,
)


def _numbered(text: str) -> str:
    """`text` with words of which no two are the same."""
    numbers = iter(range(10_000))
    return re.sub(r"w\d{4}", lambda _: f"w{next(numbers):04}", text)


MARKDOWN = st.lists(BLOCK, min_size=1, max_size=4).map(lambda blocks: _numbered("\n\n".join(blocks) + "\n"))
WIDTHS = st.sampled_from([12, 24, 40, 100])


@given(MARKDOWN, WIDTHS, st.booleans())
@settings(max_examples=80, deadline=None)
def test_selecting_all_gives_the_source(source: str, width: int, finished: bool) -> None:
    shown = document(source, width, finished=finished)
    if shown.line_count:
        assert selected_source(shown, (0, 0), (shown.line_count, 0)) == source


@given(MARKDOWN, WIDTHS)
@settings(max_examples=80, deadline=None)
def test_the_rows_of_a_source_line_give_that_line(source: str, width: int) -> None:
    shown = document(source, width)
    lines = source.split("\n")
    code = {
        first + index: line
        for block in shown.code_blocks
        for first in [shown.info(min(block.first_line + 1, shown.line_count - 1)).first]
        for index, line in enumerate(block.lines)
    }
    for number, rows in _own_rows(shown).items():
        text = selected_source(shown, (rows[0], 0), (rows[-1] + 1, 0))
        assert text in (source, code.get(number, lines[number]))  # code comes without its container's indentation


def _own_rows(shown: LiveDocument) -> dict[int, list[int]]:
    """The rows of each source line that shares no row with another one."""
    rows: dict[int, list[int]] = {}
    shared: set[int] = set()
    labels = {block.first_line for block in shown.code_blocks}
    for row in range(shown.line_count):
        info = shown.info(row)
        if info.stop - info.first > 1:
            shared |= set(range(info.first, info.stop))
        if info.stop > info.first and row not in labels:
            rows.setdefault(info.first, []).append(row)
    return {number: found for number, found in rows.items() if number not in shared}


@given(MARKDOWN, WIDTHS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_any_span_is_a_part_of_the_source(source: str, width: int, chance: random.Random) -> None:
    shown = document(source, width)
    for _ in range(5):
        first, last = sorted((chance.randrange(shown.line_count), chance.randrange(width + 2)) for _ in range(2))
        text = selected_source(shown, first, last)
        # Code in a container comes without what the container puts before its lines.
        assert text in source or all(line in source for line in text.split("\n"))


@given(MARKDOWN, WIDTHS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
@example("- [a](./b) c", 100, random.Random(1))
def test_neighbours_miss_no_word(source: str, width: int, chance: random.Random) -> None:
    shown = document(source, width)
    # Too narrow for columns, a row is a list of "header: value", which has no place for a header of its own.
    assume(sum("┼" in shown.line(line).text for line in range(shown.line_count)) >= source.count("|---|"))
    middle = chance.randrange(shown.line_count), chance.randrange(width + 2)
    parts = selected_source(shown, (0, 0), middle), selected_source(shown, middle, (END, 0))
    together = re.sub(r"[^\w\s]+", "", "".join(parts))
    for word in re.findall(r"w\d{4}", source):
        assert word in together
