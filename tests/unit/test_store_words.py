"""The index and the text must agree: whatever stands in a text is proposed by the index, and nothing else is shown."""

import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.store import index, query, words
from tui_chat.store.passages import Passage, as_shown
from tui_chat.store.query import Text, Unit
from tui_chat.store.search import _terms
from tui_chat.store.snippets import LENGTH, snippet

alphabets = st.sampled_from(
    [
        *"abcdefxyzABCXYZ0129",
        *"éÅßœŁıİ",
        *"數据库的検べ학교ไทย𠮷",
        *"كтЖ",
        *"हिन्दी",
        *"🎉€→",
        "e\u0301",
        "か\u3099",
        "\u00ad",
        "\u200d",
    ]
)
separators = st.sampled_from([" ", "  ", "\n", ".", "_", "-", ", ", "`", "(", "::", "、", "\x1b[", "│"])
texts = st.lists(st.one_of(st.lists(alphabets, min_size=1, max_size=9).map("".join), separators), max_size=12).map(
    "".join
)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.row_factory = sqlite3.Row
        for statement in index.CREATE:
            made.execute(statement)
        yield made


def found(connection: sqlite3.Connection, text: str, asked: str, *, is_code: bool = False) -> bool:
    """Whether the index proposes the text, and the text agrees."""
    passage = Passage(as_shown(text), "tool" if is_code else "text")
    connection.execute("BEGIN")
    try:
        terms = words.terms(() if is_code else (passage.text,), (passage.text,) if is_code else ())
        connection.execute("INSERT INTO found (rowid, words) VALUES (1, ?)", (terms,))
        units = query.parse(asked)
        conditions = [unit.condition(lambda start: _terms(connection, start)) for unit in units]
        condition = " AND ".join(each for each in conditions if each)
        proposed = condition and connection.execute("SELECT 1 FROM found WHERE found MATCH ?", (condition,)).fetchone()
        return bool(proposed) and snippet(units, [Text(passage)]) is not None
    finally:
        connection.execute("ROLLBACK")


def words_of(text: str) -> list[words.Word]:
    return list(words.words(words.fold(as_shown(text))))


@given(texts, st.data())
@settings(max_examples=120, deadline=None)
def test_any_words_side_by_side_are_found_as_a_phrase(
    connection: sqlite3.Connection, text: str, data: st.DataObject
) -> None:
    every = words_of(text)
    if every:
        start = data.draw(st.integers(0, len(every) - 1))
        chosen = every[start : data.draw(st.integers(start + 1, len(every)))]
        asked = '"' + " ".join(word.folded for word in chosen) + '"'
        assert found(connection, text, asked), asked
        assert found(connection, text, asked.upper().casefold()), asked


@given(texts, st.data())
@settings(max_examples=120, deadline=None)
def test_any_beginning_of_a_word_is_found_while_it_is_typed(
    connection: sqlite3.Connection, text: str, data: st.DataObject
) -> None:
    every = words_of(text)
    if every:
        place = data.draw(st.integers(0, len(every) - 1))
        length = data.draw(st.integers(min(2, len(every[place].folded)), len(every[place].folded)))
        before = [word.folded for word in every[max(0, place - 2) : place]]
        start = every[place].folded[:length]
        assert found(connection, text, start), start
        assert found(connection, text, '"' + " ".join([*before, start])), (before, start)


@given(texts, st.data())
@settings(max_examples=100, deadline=None)
def test_any_three_letters_of_a_word_of_code_are_found(
    connection: sqlite3.Connection, text: str, data: st.DataObject
) -> None:
    every = [word.folded for word in words_of(text) if word.kind == "word" and len(word.folded) >= 3]
    every = [word for word in every if [each.folded for each in words_of(word)] == [word]]
    if every:
        word = data.draw(st.sampled_from(every))
        start = data.draw(st.integers(0, len(word) - 3))
        inside = word[start : data.draw(st.integers(start + 3, len(word)))]
        if [each.folded for each in words_of(inside)] == [inside]:
            assert found(connection, text, inside + " ", is_code=True), inside


@given(texts, texts)
@settings(max_examples=120, deadline=None)
def test_whatever_is_asked_the_marks_are_in_the_line(connection: sqlite3.Connection, text: str, asked: str) -> None:
    units = query.parse(asked)
    found(connection, text, asked)  # is no error
    shown = snippet(units, [Text(Passage(as_shown(text), "tool"))]) if units and text else None
    if shown is not None:
        line, marks = shown
        assert len(line) <= LENGTH
        assert "\n" not in line
        assert marks
        assert all(0 <= start < end <= len(line) for start, end in marks)
        assert all(end < start for (_, end), (start, _) in pairwise(marks))


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_asked_for_and_indexed(connection: sqlite3.Connection, text: str) -> None:
    found(connection, text, text)


@given(texts)
@settings(max_examples=100, deadline=None)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    once = words.fold(as_shown(text))
    assert words.fold(unicodedata.normalize("NFC", once)) == once


@given(texts)
@settings(max_examples=60, deadline=None)
def test_a_message_is_taken_out_of_the_index_by_its_own_terms(connection: sqlite3.Connection, text: str) -> None:
    terms = words.terms((as_shown(text),), ())
    if not terms:
        return
    connection.execute("BEGIN")
    connection.execute("INSERT INTO found (rowid, words) VALUES (7, ?)", (terms,))
    connection.execute("INSERT INTO found (found, rowid, words) VALUES ('delete', 7, ?)", (terms,))
    connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.every USING fts5vocab (main, found, instance)")
    assert connection.execute("SELECT count(*) FROM temp.every").fetchone()[0] == 0
    connection.execute("ROLLBACK")


def test_what_the_index_is_given() -> None:
    assert words.terms(["The getUserName of naïve `attr`"], []).split() == [
        *("the", "getusername", "of", "naive", "attr"),
        *("¬the", "¬get", "¬of", "¬nai", "¬att"),
        "get",
        *("¦get", "¦etu", "¦tus", "¦use", "¦ser", "¦ern", "¦rna", "¦nam", "¦ame"),
        *("user", "¬use", "name", "¬nam"),
        *("¦att", "¦ttr"),
    ]
    assert words.terms(["数据库 of"], []).split() == ["数据", "据库", "库", "of", "¬数", "¬据", "¬库", "¬of"]
    assert words.terms(["tea"], ["tea"]).split() == ["tea", "tea", "¬tea", "¦tea"]
    assert words.terms([], []) == ""


def test_long_texts_are_read_in_pieces() -> None:
    text = " ".join(f"word{number}" for number in range(20_000))
    assert words.terms([text], []).split()[:20_000] == text.split()


def test_the_units_of_a_query() -> None:
    def unit(*folded: str, open_end: bool = False, quoted: bool = False) -> Unit:
        return Unit(tuple(words.Word(word, "word") for word in folded), open_end, quoted)

    assert query.parse('one "two three" four.five si') == [
        unit("one"),
        unit("two", "three", quoted=True),
        unit("four", "five"),
        unit("si", open_end=True),
    ]
    assert query.parse("one one") == [unit("one"), unit("one", open_end=True)]
    assert query.parse("one one ") == [unit("one")]
    assert query.parse("x" * 1_000) == [unit("x" * query.LONGEST, open_end=True)]
