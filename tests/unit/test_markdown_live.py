"""What is shown while the text grows is what its beginning means: it does not depend on the updates before.

This is what the short cuts of a live document rest on: it may draw one row anew or read one line again instead of the
whole open end, but never show anything else by it.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lanes import EVERYTHING, lane
from tests.unit.markdown_texts import DOCUMENTS, SAMPLE, cut
from tui_chat.ui.markdown import SLICE, LiveDocument, MarkdownTheme

THEME = MarkdownTheme.default()
WORDS = st.sampled_from(
    [
        *("word ", "more words, ", "a", "b. ", ": ", "é", "x" * 30, "'", '"', "!", "=", "-"),
        *("**", "*", "_", "`", "~~", "[", "]", "](", ")", "(", "$", "<", ">", "@", "&", "amp;", "\\", "/*", "*/"),
        *("http://", "/", "www.", "mailto:", "|", "#", "[a]: /b\n", "[x] ", "^1"),
        *("\n", "\n\n", "- ", "1. ", "> ", "  ", "    ", "\t", "```py\n"),
        *("中", "👩\u200d", "\u0301"),
    ]
)


def _agrees(source: str, deltas: list[str], width: int) -> None:
    document = LiveDocument(width, THEME)
    written = ""
    before: list[object] = []
    for delta in deltas:
        document.write(delta)
        written += delta
        first = document.update()
        fresh = LiveDocument(width, THEME)
        fresh.write(written)
        fresh.update()
        shown = list(document.lines)
        assert shown == list(fresh.lines), written
        assert [document.info(index) for index in range(len(shown))] == [
            fresh.info(index) for index in range(len(shown))
        ], written
        assert before[:first] == shown[:first], written
        before = list(shown)


@lane(seconds=300)
@settings(deadline=None, max_examples=3_000 if EVERYTHING else 150)
@given(
    st.one_of(DOCUMENTS, st.lists(WORDS, max_size=60).map("".join)), st.integers(0, 1 << 30), st.sampled_from([1, 4, 9])
)
def test_each_update_shows_what_a_fresh_document_shows(source: str, seed: int, longest: int) -> None:
    source = source[:400]
    _agrees(source, cut(source, seed, longest), random.Random(seed).choice([10, 24, 60]))


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_shows_what_a_fresh_document_shows(seed: int) -> None:
    _agrees(SAMPLE, cut(SAMPLE, seed, 12), 30 + 20 * seed)


@lane(seconds=300)
@settings(deadline=None, max_examples=1_000 if EVERYTHING else 80)
@given(DOCUMENTS, st.lists(st.integers(1, 60), min_size=1, max_size=8), st.booleans())
def test_slices_do_not_matter(source: str, limits: list[int], finished_first: bool) -> None:
    whole = LiveDocument(40, THEME)
    whole.write(source)
    if finished_first:
        whole.finish()
    whole.update()
    sliced = LiveDocument(40, THEME)
    sliced.write(source)
    if finished_first:
        sliced.finish()
    shown: list[object] = []
    for limit in limits * (len(source) + 2):
        if not sliced.behind:
            break
        first = sliced.update(limit)
        assert shown[:first] == list(sliced.lines)[: len(shown[:first])]
        shown = list(sliced.lines)
    assert not sliced.behind
    assert shown == list(whole.lines) or not source
    assert sliced.code_blocks == whole.code_blocks


def test_a_slice_is_only_a_slice() -> None:
    document = LiveDocument(40, THEME)
    document.write("some words\n\n" * 1_000)
    document.update(120)
    assert document.line_count < 60
    document.write("end")
    document.finish()
    slices = 0
    while document.behind:
        document.update(SLICE)
        slices += 1
    assert slices == 12_000 // SLICE
    assert document.line_count == 2_001


# Blocks in which everything is closed again, so that no letter has to be taken back.
CLOSED = st.sampled_from(
    [
        *("Some **bold *and* text**, `code`.", "A [link](https://x.y/z) and <https://x.y>.", "~~struck~~ words"),
        *(
            "# Heading with `code`",
            "Title\n=====",
            "Two\nlines  \nand more",
            "***",
            "2 * 3 = 6 and a_b_c",
            "$a_b$ costs $5",
        ),
        *(
            "- item **one**\n- item\n  - nested",
            "1. one\n2. two\n   more",
            "- [ ] task\n- [x] done",
            "> a *quote*\n> > deep",
        ),
        *(
            "```python\nx = 1  # `y`\n```",
            "~~~\n``\n~~~",
            "    indented",
            "| a | b |\n|---|--:|\n| c **d** | e |\n| f |",
        ),
        *("![alt](https://x.y/a.png) text", "List<int> and <b>x</b>", "a \\* b", "See[^1].\n\n[^1]: note", "AT&amp;T"),
    ]
)


def _letters(document: LiveDocument) -> str:
    return "".join(character for strip in document.lines for character in strip.text if character.isalnum())


@lane(seconds=300)
@settings(deadline=None, max_examples=500 if EVERYTHING else 60)
@given(st.lists(CLOSED, min_size=1, max_size=4), st.integers(1, 5))
def test_letters_are_never_taken_back(blocks: list[str], step: int) -> None:
    """What is shown only grows at its end: markup may wait to be read, but no letter moves, changes or goes away."""
    source = "\n\n".join(blocks)
    document = LiveDocument(60, THEME)
    before = ""
    for start in range(0, len(source), step):
        document.write(source[start : start + step])
        document.update()
        now = _letters(document)
        assert now.startswith(before), source[: start + step]
        before = now
    document.finish()
    document.update()
    assert _letters(document).startswith(before)


@given(CLOSED, st.lists(CLOSED, min_size=1, max_size=3), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_a_finished_block_is_not_touched_again(block: str, others: list[str], step: int) -> None:
    document = LiveDocument(60, THEME)
    document.write(f"{block}\n\n")
    document.write("Next")
    document.update()
    finished = list(document.lines)[:-1]
    for start in range(0, len(rest := "\n\n".join(["", *others])), step):
        document.write(rest[start : start + step])
        assert document.update() >= len(finished)
    assert list(document.lines)[: len(finished)] == finished
