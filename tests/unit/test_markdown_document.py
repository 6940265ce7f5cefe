"""However the text is cut, the lines are the same; and whatever the text is, the lines fit and hold no control."""

import random
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.markdown_texts import DOCUMENTS, SAMPLE, cut
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme, render

THEME = MarkdownTheme.default()


def _check_lines(document: LiveDocument, width: int) -> None:
    for strip in document.lines:
        assert strip.cell_length == cell_len(strip.text) <= width
        assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in strip.text)


@settings(deadline=None)
@given(DOCUMENTS, st.integers(0, 1 << 30), st.sampled_from([1, 2, 7, 60]), st.sampled_from([8, 20, 41, 80]))
@example(SAMPLE, 0, 1, 8)
@example(SAMPLE, 1, 1, 80)
@example(SAMPLE, 2, 7, 40)
def test_any_cut_gives_the_same_lines(source: str, seed: int, longest: int, width: int) -> None:
    expected = LiveDocument(width, THEME)
    expected.write(source)
    expected.finish()
    expected.update()
    document = LiveDocument(width, THEME)
    shown: list[object] = []
    randomness = random.Random(seed)
    for delta in cut(source, seed, longest):
        document.write(delta)
        if randomness.random() < 0.7:
            first = document.update()
            lines = list(document.lines)
            assert shown[:first] == lines[:first]
            assert first <= len(lines)
            shown = list(lines)
            _check_lines(document, width)
    document.finish()
    first = document.update()
    assert shown[:first] == list(document.lines)[:first]
    assert list(document.lines) == list(expected.lines) == render(source, width, THEME)
    assert [document.info(index) for index in range(document.line_count)] == [
        expected.info(index) for index in range(expected.line_count)
    ]
    assert document.code_blocks == expected.code_blocks
    assert document.source == source
    _check_lines(document, width)
    texts = [strip.text.strip() for strip in document.lines]
    assert not texts or (texts[0] or source.lstrip()[:1] in ">`~|\t") is not None


@given(DOCUMENTS)
@settings(deadline=None)
def test_what_is_shown_is_sanitised_at_every_moment(source: str) -> None:
    document = LiveDocument(30, THEME)
    for character in source[:200]:
        document.write(character)
        document.update()
        _check_lines(document, 30)


@pytest.mark.parametrize(
    "source",
    [
        "Some **bold *and* text** with [a link](https://x.y/z), `code` and ~~struck~~ words.\n",
        "Intro:\n- item **one**\n- item\n\nText\n",
        "1. one\n2. two\n\n***\n\n# Heading with `code`\n",
        "```python\nx = 1\n```\nafter\n",
        "> a *quote* with <https://x.y>\n",
        "- [ ] task\n- [x] done\n",
    ],
)
def test_text_does_not_change_after_it_was_shown(source: str) -> None:
    document = LiveDocument(100, THEME)
    before: list[str] = []
    for character in source:
        document.write(character)
        document.update()
        now = [strip.text.rstrip() for strip in document.lines]
        for index, line in enumerate(before):
            assert now[index].startswith(line), (character, before, now)
        before = now


def test_a_table_is_shown_as_one_from_its_header_on() -> None:
    document = LiveDocument(40, THEME)
    document.write("| Name | Va")
    document.update()
    assert [strip.text.rstrip() for strip in document.lines][1].startswith("────")
    document.write("lue |\n|--")
    document.update()
    assert "|" not in "".join(strip.text for strip in document.lines)


def test_update_says_what_changed() -> None:
    document = LiveDocument(40, THEME)
    document.write("one\n\ntwo")
    assert document.update() == 0
    document.write(" more")
    assert document.update() == 2
    assert document.update() == document.line_count == 3
    document.write("\n===\n")
    assert document.update() == 2


def test_finish_ends_the_writing() -> None:
    document = LiveDocument(40, THEME)
    document.write("a\r")
    document.finish()
    document.finish()
    document.update()
    document.update()
    assert document.finished
    with pytest.raises(ValueError, match="finished"):
        document.write("b")
    with pytest.raises(IndexError):
        document.line(1)


def test_only_the_end_is_drawn_again() -> None:
    document = LiveDocument(60, THEME)
    document.write("word " * 2_000)
    document.update()
    kept = [id(strip) for strip in list(document.lines)[:-4]]
    document.write("more " * 20)
    assert document.update() >= len(kept) - 1
    assert [id(strip) for strip in list(document.lines)[: len(kept)]] == kept


def test_code_blocks_are_verbatim() -> None:
    source = "- a\n\n  ```make\n  all:\n  \tcc x\n  ```\n\n~~~\nb\n"
    document = LiveDocument(40, THEME)
    document.write(source)
    document.update()
    first, second = document.code_blocks
    assert (first.number, first.language, first.closed, first.code) == (1, "make", True, "all:\n\tcc x\n")
    assert (second.number, second.language, second.closed, second.code) == (2, "", False, "b\n")
    assert document.line(first.first_line).text.split() == ["make", "copy", "1"]
    copy = list(document.line(second.first_line))[-1]
    assert copy.text == "copy 2"
    assert copy.style is not None
    assert copy.style.meta == {"code_block": 1}


def test_lines_know_their_source() -> None:
    document = LiveDocument(20, THEME)
    document.write("# a\n\n> some words that wrap\n> and more\n\n- item\n")
    document.finish()
    document.update()
    infos = [document.info(index) for index in range(document.line_count)]
    texts = [strip.text for strip in document.lines]
    quote = texts.index("│ some words that")
    assert infos[0][:2] == (0, 1)
    assert infos[quote] == (2, 4, 2, False, False)
    assert infos[quote + 1] == (2, 4, 2, True, False)
    assert infos[-1][:3] == (5, 6, 2)


@pytest.mark.parametrize(
    ("address", "followed"),
    [("https://x.y", True), ("HTTP://x.y", True), ("mailto:a@b.co", True), ("vscode://x", False), ("docs/a.md", False)],
)
def test_only_web_and_mail_addresses_are_links(address: str, followed: bool) -> None:
    (strip,) = render(f"[text]({address})", 60, THEME)
    addresses = [segment.style.meta.get("href") for segment in strip if segment.style and segment.style.meta]
    assert bool(addresses) is followed
    assert (address in strip.text) is not followed


def test_a_decoded_address_cannot_act() -> None:
    for source in ("<https://x.y/%1b[2J%E2%80%AE>", "https://x.y/%9b2J", "[a](<x%1b]52;c;%07>)", "![a](x%1b)"):
        (strip,) = render(source, 80, THEME)
        assert not any(unicodedata.category(character) in {"Cc", "Cf"} for character in strip.text)


def test_a_late_definition_makes_links_of_what_is_shown() -> None:
    document = LiveDocument(40, THEME)
    document.write("See [one] and [two][x].\n\n```\ncode\n```\n\nLast [one].\n\n")
    document.update()
    assert document.line(0).text == "See [one] and [two][x]."
    block_at = document.code_blocks[0].first_line
    document.write("[one]: https://one.example\n[x]: https://x.example\n\n.")
    assert document.update() == 0
    assert document.line(0).text == "See one and two."
    assert document.code_blocks[0].first_line == block_at
    assert "Last one." in [strip.text for strip in document.lines]


def test_a_late_definition_moves_what_comes_after() -> None:
    document = LiveDocument(12, THEME)
    document.write("a long [text][label here]\n\n```\ncode\n```\n\n")
    document.update()
    before = document.code_blocks[0].first_line
    document.write("[label here]: https://x.y\n\nend")
    document.update()
    after = document.code_blocks[0].first_line
    assert after < before
    assert "copy 1" in document.line(after).text


def test_a_late_definition_reaches_every_text_that_waits_for_it() -> None:
    document = LiveDocument(12, THEME)
    document.write("a long [text][label here]\n\n- b long [text][label here]\n\n> c long [text][label here]\n\n")
    document.update()
    document.write("[label here]: https://x.y\n\nend")
    document.finish()
    document.update()
    assert [strip.text for strip in document.lines] == [
        "a long text",
        "",
        "• b long",
        "  text",
        "",
        "│ c long",
        "│ text",
        "",
        "end",
    ]


@pytest.mark.parametrize("opening", ["", "- ", "> ", "```python\n", "| a | b |\n|---|---|\n", "1. "])
def test_the_open_end_stays_small(opening: str) -> None:
    """What flatness rests on: however long the reply, an update draws a bounded number of lines."""
    unit = {"": "words and **more** ", "> ": "words ", "```python\n": "x = 1\n", "1. ": "word "}.get(opening, "")
    document = LiveDocument(40, THEME)
    document.write(opening)
    for _ in range(2_000):
        document.write(
            unit or (f"{opening.split(chr(10), maxsplit=1)[0]}item\n" if opening.startswith("-") else "| x | y |\n")
        )
    document.update()
    count = document.line_count
    assert count > 200
    document.write("end")
    assert document.update() >= count - 100


def test_what_was_held_back_does_not_move_the_lines_behind_it() -> None:
    document = LiveDocument(40, MarkdownTheme())
    document.write("a | b\n```py\nx\n```\n")
    document.finish()
    document.update()
    infos = [document.info(index) for index in range(document.line_count) if document.line(index).text.strip()]
    assert [(info.first, info.stop) for info in infos] == [(0, 1), (1, 2), (2, 3)]


def test_a_header_without_rows_is_shown_even_where_no_columns_fit() -> None:
    lines = render("| one header | another | a third |\n|---|---|---|\n", 10, MarkdownTheme())
    assert [line.text for line in lines] == ["one header", "another", "a third"]
