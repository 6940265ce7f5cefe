"""Matches in the rows of a reply: over wrapped rows, in tables and code; searched as it grows, the same as searched at once."""

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.markdown_texts import SAMPLE
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme
from tui_chat.ui.widgets.find_marks import DocumentPart, TextPart
from tui_chat.ui.widgets.find_query import Query
from tui_chat.ui.widgets.find_values import Span
from tui_chat.ui.widgets.log_items import wrapped

FOREVER = 1e18
LONG = f"{'word ' * 300}\n\n{'漢字かな交じり文。' * 40}\n\n{'aa' * 300} {'a a ' * 200}\n\n> {'quoted text ' * 60}\n"
TABLE = "| one | two |\n|---|---|\n| a cell of several words that wraps | another cell, also of several words |\n| x | y |\n"


def document_of(markdown: str, width: int) -> LiveDocument:
    document = LiveDocument(width, MarkdownTheme())
    document.write(markdown)
    document.finish()
    document.update()
    return document


def searched(query: str, markdown: str, width: int) -> tuple[LiveDocument, list[list[Span]]]:
    document = document_of(markdown, width)
    part = DocumentPart(Query(query), document, width)
    part.work(FOREVER)
    return document, all_of(part)


def all_of(part: DocumentPart) -> list[list[Span]]:
    return [part.marks[number] for number in range(len(part.marks))]


def cells(document: LiveDocument, spans: list[Span]) -> list[str]:
    return [document.line(row).crop(start, stop).text for row, start, stop in spans]


def test_a_match_goes_over_the_end_of_a_row_and_over_markup() -> None:
    document, found = searched("bold text wraps", "Some **bold**\n*text* wraps here.", 14)
    assert [cells(document, spans) for spans in found] == [["bold text", "wraps"]]
    document, found = searched("elsewhere", "**else**`where` else where", 40)
    assert [cells(document, spans) for spans in found] == [["elsewhere"]]


def test_an_address_that_is_cut_is_found() -> None:
    address = "https://example.org/a/very/long/path/that/goes/on/and/on"
    document, found = searched("very/long/path/that", f"See {address} there.", 24)
    assert ["".join(cells(document, spans)) for spans in found] == ["very/long/path/that"]
    assert len(found[0]) == 2


def test_chinese_is_found_over_the_end_of_a_row() -> None:
    document, found = searched("也要换", "中文字符的测试，也要换行。也要换", 18)
    assert ["".join(cells(document, spans)) for spans in found] == ["也要换", "也要换"]


def test_a_cell_of_a_table_is_read_on_below() -> None:
    document, found = searched("several words", TABLE, 30)
    assert sorted(" ".join(cells(document, spans)) for spans in found) == ["several words", "several words"]
    assert len({span.start for spans in found for span in spans}) > 1
    assert searched("wraps another", TABLE, 30)[1] == []


def test_code_is_found_where_it_is_folded_and_labels_are_not() -> None:
    code = "```python\nvalue = compute(something, another, python)\n```\n"
    document, found = searched("something, another", code, 30)
    assert ["".join(cells(document, spans)) for spans in found] == ["something, another"]
    assert len(searched("python", code, 60)[1]) == 1
    assert searched("copy", code, 60)[1] == []
    assert searched("↳", code, 30)[1] == []


def test_what_stands_before_the_text_is_none() -> None:
    document, found = searched("1", "1. one 1\n2. two\n", 30)
    assert [cells(document, spans) for spans in found] == [["1"]]
    assert searched("•", "- one\n- two\n", 30)[1] == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([SAMPLE, LONG, TABLE * 3, SAMPLE + LONG]))
def test_searched_as_it_grows_it_is_the_same(seed: int, text: str) -> None:
    rnd = random.Random(seed)
    begin = rnd.randrange(len(text) // 2)
    text = text[begin : begin + 1_500]
    flat = " ".join(text.split())
    at = rnd.randrange(max(1, len(flat)))
    query = Query(rnd.choice([flat[at : at + rnd.randint(1, 12)], "a", "aa", "e", "a a", "字か"]))
    width = rnd.choice([12, 20, 40, 76])
    document = LiveDocument(width, MarkdownTheme())
    document.update()
    part = DocumentPart(query, document, width)
    at = 0
    while at < len(text):
        step = rnd.choice([1, 3, 20, 200])
        document.write(text[at : at + step])
        at += step
        part.changed(document.update())
        if rnd.random() < 0.5:
            part.work(0)
    document.finish()
    part.changed(document.update())
    part.work(FOREVER)
    assert all_of(part) == searched(query.text, text, width)[1]


def test_what_changed_is_told() -> None:
    document = LiveDocument(20, MarkdownTheme())
    document.write("a word at the end of the row\n\nand nee")
    part = DocumentPart(Query("needle"), document, 20)
    document.update()
    part.changed(0)
    rows = document.line_count
    document.write("dle")
    assert part.changed(document.update()) == rows - 1
    assert part.count == 1


def test_a_slice_ends_in_time_and_the_count_before_holds_meanwhile() -> None:
    document = document_of("needle here.\n\n" * 2_000, 40)
    part = DocumentPart(Query("needle"), document, 40, expected=1_234)
    part.work(time.perf_counter())
    assert (part.whole, part.count) == (False, 1_234)
    part.work(FOREVER)
    assert (part.whole, part.count) == (True, 2_000)


def test_a_plain_text_is_marked_in_the_rows_it_was_wrapped_to() -> None:
    text = "Some words that are wrapped here.\n  indented words that are wrapped too"
    rows = wrapped(text, MarkdownTheme().text, 16, [], [])
    padded = [row.text for row in rows]
    part = TextPart(Query("words that are"))
    part.set_text(text, rows, 0)
    assert part.count == 2
    for number in range(2):
        spans = part.spans(number) or []
        assert " ".join(padded[row][start:stop] for row, start, stop in spans) == "words that are"
    part.hide()
    assert (part.count, part.spans(0)) == (2, None)


@given(st.lists(st.sampled_from(["nee", "dle", "needle", " ", "\n", "x", "É"]), max_size=40))
def test_a_growing_text_is_counted_as_it_grows(pieces: list[str]) -> None:
    query = Query("needle x")
    part = TextPart(query)
    for piece in pieces:
        part.append(piece)
    assert part.count == query.count("".join(pieces))
