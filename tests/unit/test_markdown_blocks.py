"""The block parser agrees with markdown-it, and with the specification where markdown-it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.markdown_structure import Event, comparable, ours, reference

SOURCES = [
    "para\npara",
    "# a\n## b\n####### c",
    "a\n=\nb\n---",
    "a\nb\n===\n",
    "- a\n- b\n\n- c",
    "- a\n  - b\n\n    c\n- d",
    "* a\n- b\n+ c",
    "1. a\n2) b",
    "1234567890. a",
    "a\n2. b\n1. c",
    "a\n-\nb",
    "-\n  a",
    "-\n\n  a",
    "- a\nlazy\n> b\nlazy\n\nc",
    "> a\n---",
    "> a\n    - b",
    "> - a\n>   b\n> - c\n\nd",
    "> > a\n> b",
    ">a\n>\n>b",
    "- > a\n  > b\n- c",
    "```a b\nx\n```",
    "```\n\n  x\n",
    "~~~~\n~~~\n```\n~~~~~\nx",
    "``` a`b\nx",
    "   ```\n   x\n     y\n  z\n```",
    "- ```\n  x\ny",
    "> ```\n> x\ny",
    "    a\n\n      b\n\n\nc",
    "a\n    b",
    "- a\n\n      b",
    "1.      a\n\n   b",
    "***\n- - -\n___\n--\n",
    "a\n***\nb",
    "- a\n***\n- b",
    "- * * *",
    "|a|b|\n|-|:-:|\n|1|2|\n|3|\nx",
    "a|b\n-|-\n\nc",
    "a\nb|c\n-|-\n1|2\n# d",
    "a|b\n-|-|-",
    "|a|\n---",
    "|a|\n|-|\n    b",
    "> |a|\n> |-|\n> |b|\n\nc",
    "[a]: /b\n[c]: <d e> 'f'\nx",
    "[a]:\n/b\n'c\nd'\n\ne",
    "[a]: /b 'c' d",
    "[a]: /b\n'c' d",
    "a\n[b]: /c",
    "[a]: /b\n===",
    "<div>\n*a*\n</div>",
    "\\# a\n\\- b",
    "\ta\n- \tb\n>\tc",
    "-   a\n\n    b\n\n   c",
]


@pytest.mark.parametrize("source", SOURCES)
def test_structure_is_markdown_its(source: str) -> None:
    events, definitions = reference(source)
    recorder = ours(source)
    assert comparable(recorder.events) == comparable(events)
    assert recorder.definitions == definitions


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # markdown-it lets a marker indented by four end a paragraph in a container; the specification does not.
        ("100. a\n    >", [("list open",), ("item open",), ("paragraph", "a\n>"), ("item close",), ("list close",)]),
        (">\n    >", [("quote open",), ("quote close",), ("code", "", ">")]),
        # ... and looks for tables before headings and items; GitHub does not.
        ("# a|b\n-|-", [("heading", 1, "a|b"), ("paragraph", "-|-")]),
        # A footnote is no link reference definition.
        ("[^1]: /a", [("paragraph", "[^1]: /a")]),
    ],
)
def test_structure_is_the_specifications(source: str, expected: list[Event]) -> None:
    assert comparable(ours(source).events) == expected


def test_markers_beyond_the_deepest_container_are_text() -> None:
    events = ours(">" * 1_000 + " a").events
    assert sum(event == ("quote open",) for event in events) == 64
    assert comparable(events)[64] == ("paragraph", ">" * 936 + " a")


LEAVES = st.sampled_from(
    [
        ["text"],
        ["two", "lines"],
        ["# heading"],
        ["heading", "==="],
        ["***"],
        ["```py", "code", "", "  more", "```"],
        ["~~~", "``` > - #", "~~~"],
        ["| a | b |", "|---|--:|", "| 1 | 2 |", "| 3 |"],
        ["    indented", "", "    code"],
        ["text", "- item", "- item"],
        ["text", "> quote", "lazy"],
        ["1. one", "lazy", "2. two"],
        ["*em* `code` <b> | pipe"],
    ]
)


def _blocks(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    def join(parts: list[list[str]]) -> list[str]:
        return [line for part in parts for line in ("", *part)][1:]

    def contain(parts: tuple[tuple[str, str], list[str]]) -> list[str]:
        (first, rest), lines = parts
        return [(first if not index else rest) + line if line else rest.rstrip() for index, line in enumerate(lines)]

    markers = st.sampled_from([("> ", "> "), ("- ", "  "), ("* ", "  "), ("1. ", "   "), ("12) ", "    ")])
    return st.one_of(
        st.lists(children, min_size=1, max_size=3).map(join),
        st.tuples(markers, children.filter(lambda lines: not lines[0].startswith("    "))).map(contain),
    )


@given(st.recursive(LEAVES, _blocks, max_leaves=8))
def test_nested_structure_is_markdown_its(lines: list[str]) -> None:
    source = "\n".join(lines)
    assert comparable(ours(source).events) == comparable(reference(source)[0])
