"""What is shown while the text grows is what its beginning means: it does not depend on the updates before.

This is what the short cuts of a live document rest on: it may draw one row anew or read one line again instead of the
whole open end, but never show anything else by it.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.markdown_texts import DOCUMENTS, SAMPLE, cut
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme

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


@settings(deadline=None, max_examples=600)
@given(
    st.one_of(DOCUMENTS, st.lists(WORDS, max_size=60).map("".join)), st.integers(0, 1 << 30), st.sampled_from([1, 4, 9])
)
def test_each_update_shows_what_a_fresh_document_shows(source: str, seed: int, longest: int) -> None:
    source = source[:400]
    _agrees(source, cut(source, seed, longest), random.Random(seed).choice([10, 24, 60]))


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_shows_what_a_fresh_document_shows(seed: int) -> None:
    _agrees(SAMPLE, cut(SAMPLE, seed, 12), 30 + 20 * seed)
