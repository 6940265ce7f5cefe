"""What a query finds in a text: case, diacritics, spaces, ends of rows, and that the fast look never misses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.markdown_texts import PIECES, SAMPLE
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme
from tui_chat.ui.widgets.find_query import JOIN, LONGEST, Query
from tui_chat.ui.widgets.find_text import passages


def found(query: str, text: str) -> list[str]:
    return [text[first:stop] for first, stop in Query(query).spans(text)]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("fox", "Fox fox FOX", ["Fox", "fox", "FOX"]),
        ("Fox", "Fox fox FOX", ["Fox"]),
        ("cafe", "café CAFE cafe\u0301", ["café", "CAFE", "cafe"]),
        ("café", "café cafe", ["café"]),
        ("cafe\u0301", "café cafe", ["café"]),
        ("strasse", "Die Straße", ["Straße"]),
        ("don't", "don’t", ["don’t"]),
        ("a b", "a  b a\u00a0b ab", ["a  b", "a\u00a0b"]),
        ("  a   b ", "a b", ["a b"]),
        ("か", "がか", ["か"]),
        ("하", "한하", ["하"]),
        ("字", "漢字、字", ["字", "字"]),
        ("aa", "aaaaa", ["aa", "aa"]),
        ("a.b", "a.b axb", ["a.b"]),
        ("ab", "a\u200bb a\u00adb", ["a\u200bb", "a\u00adb"]),
        ("", "text", []),
        ("  ", "a  b", []),
    ],
)
def test_it_finds(query: str, text: str, expected: list[str]) -> None:
    assert found(query, text) == expected
    assert Query(query).count(text) == len(expected)
    assert bool(Query(query)) == bool(query.strip())


def test_the_end_of_a_row_may_be_a_space_or_nothing() -> None:
    text = f"foo{JOIN}bar 漢{JOIN}字"
    assert found("foobar", text) == found("foo bar", text) == [f"foo{JOIN}bar"]
    assert found("漢字", text) == [f"漢{JOIN}字"]


def test_nothing_goes_over_the_end_of_a_passage() -> None:
    assert found("a b", "a\nb") == found("ab", "a\nb") == []


def test_it_begins_where_it_is_told_to() -> None:
    assert Query("aa").spans("aaaa", 1) == [(1, 3)]
    assert Query("ss").spans("ßß ss", 1) == [(1, 2), (3, 5)]


def test_a_very_long_query_is_cut() -> None:
    assert len(Query("x" * 10_000).text) == LONGEST


def shown(markdown: str) -> str:
    document = LiveDocument(2_000, MarkdownTheme())
    document.write(markdown)
    document.finish()
    document.update()
    return "\n".join(passage.text for passage in passages(document, 0, document.line_count, 2_000))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*PIECES, "word", "Ärger", "漢字", "&amp;", "[a](b)", "%41", "\x1b"]), max_size=30),
    st.data(),
)
def test_the_fast_look_is_never_wrongly_false(pieces: list[str], data: st.DataObject) -> None:
    markdown = "".join(pieces)
    text = shown(markdown)
    first = data.draw(st.integers(0, len(text)))
    query = Query(text[first : first + data.draw(st.integers(1, 12))].replace("\n", ""))
    if query and query.count(text):
        assert query.may_be_in(markdown)


def test_the_fast_look_says_no_where_nothing_is() -> None:
    assert not Query("elsewhere").may_be_in("**else** and *where*")
    assert Query("elsewhere").may_be_in("**else***where*")
    assert Query("bold text").may_be_in("**bold** text")
    assert Query("SAMPLE").may_be_in(SAMPLE) is True  # it has a link, in which a text may be hidden
