"""The lines of the history: what they say, that they fit, and that nothing from outside acts."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.listed import ConversationFigures, ConversationSummary, Hit
from tui_chat.ui import history_text
from tui_chat.ui.history_text import Piece

NOW = time.mktime((2026, 7, 15, 12, 0, 0, 0, 0, -1))
SUMMARY = ConversationSummary("1", "Why is the sky blue?", NOW - 7200, NOW - 9000, "claude-sonnet-5-5", pinned=False)
FIGURES = ConversationFigures(12, 13_000, 1_500, 0.031, cost_estimated=False)
HIT = Hit("1", "Why is the sky blue?", "t", "m", "assistant", NOW - 60, "air scatters light", ((4, 12),), on_path=True)


def text(line: list[Piece]) -> str:
    return "".join(piece for piece, _ in line)


def marked(line: list[Piece]) -> list[str]:
    return [piece for piece, tone in line if tone == "mark"]


def test_a_wide_line_has_all_columns_under_their_names() -> None:
    line = text(history_text.conversation_line(SUMMARY, FIGURES, 118, NOW))
    head = history_text.heading(118)
    assert line.split() == ["Why", "is", "the", "sky", "blue?", "sonnet-5-5", "2", "h", "ago", "12", "14k", "$0.031"]
    assert cell_len(line) == cell_len(head) == 118
    for name, value in (("title", "Why"), ("model", "sonnet"), ("when", "2 h ago")):
        assert head.index(name) == line.index(value)
    for name, value in (("turns", "12"), ("tokens", "14k"), ("cost", "$0.031")):
        assert head.index(name) + len(name) == line.index(value) + len(value)


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (118, ("model", "when", "turns", "tokens", "cost")),
        (98, ("model", "when", "turns", "tokens", "cost")),
        (78, ("model", "when", "cost")),
        (58, ("model", "when")),
        (38, ("when",)),
        (20, ()),
    ],
)
def test_narrow_screens_lose_columns_and_keep_the_title(width: int, names: tuple[str, ...]) -> None:
    found = history_text.columns(width)
    assert found.names == names
    assert found.title >= 17


@given(st.text(max_size=200), st.integers(min_value=24, max_value=140), st.booleans())
def test_every_conversation_fits_its_line(title: str, width: int, known: bool) -> None:
    summary = replace(SUMMARY, title=title, model=title[:40] or None)
    line = text(history_text.conversation_line(summary, FIGURES if known else None, width, NOW, wanted=title[:5]))
    assert cell_len(line) <= width
    assert "\x1b" not in line
    assert "\n" not in line


@given(st.text(max_size=300), st.data(), st.integers(min_value=12, max_value=140))
def test_every_snippet_fits_its_line_and_shows_its_first_mark(said: str, data: st.DataObject, width: int) -> None:
    start = data.draw(st.integers(min_value=0, max_value=len(said)))
    stop = data.draw(st.integers(min_value=start, max_value=min(len(said), start + 5)))
    line = history_text.snippet(said, ((start, stop),), width)
    assert cell_len(text(line)) <= width
    if said[start:stop].isalnum() and said[start:stop].isascii():
        assert marked(line)


def test_a_mark_far_behind_is_in_view() -> None:
    said = "word " * 100 + "needle" + " word" * 100
    line = history_text.snippet(said, ((500, 506),), 60)
    assert marked(line) == ["needle"]
    assert text(line).startswith("…word")
    assert text(line).endswith("…")


def test_marks_that_make_no_sense_are_left_out() -> None:
    line = history_text.snippet("abc def", ((0, 3), (2, 5), (5, 5), (6, 99)), 40)
    assert (text(line), marked(line)) == ("abc def", ["abc"])


def test_what_came_from_outside_is_made_visible() -> None:
    hit = replace(HIT, title="a\x1b]0;x\x07b", snippet="c\n\n\t \x1b[31md", marks=((6, 7),))
    head, said = history_text.hit_lines(hit, 80, NOW)
    assert "\x1b" not in text(head) + text(said)
    assert text(said).strip().startswith("c ␛")


def test_a_hit_says_who_when_and_in_which_version() -> None:
    assert text(history_text.hit_lines(HIT, 80, NOW)[0]).strip() == "Why is the sky blue? · reply · 1 min ago"
    other = replace(HIT, role="user", on_path=False)
    assert text(history_text.hit_lines(other, 80, NOW)[0]).strip().endswith(" · you · 1 min ago · another version")
    assert cell_len(text(history_text.hit_lines(other, 30, NOW)[0])) <= 30


@pytest.mark.parametrize(
    ("ago", "said"),
    [(5, "just now"), (3 * 86_400, "3 days ago"), (40 * 86_400, "5 Jun"), (400 * 86_400, "10 Jun 2025")],
)
def test_when(ago: float, said: str) -> None:
    assert history_text.when(NOW - ago, NOW) == said


def test_a_clock_that_was_wrong_is_no_crash() -> None:
    assert history_text.when(-1e300, NOW) == "–"


def test_words_that_fit_are_marked_in_the_title() -> None:
    line = history_text.conversation_line(SUMMARY, None, 80, NOW, wanted='"SKY" blu*')
    assert marked(line) == ["sky", "blu"]


def test_the_chat_on_the_screen_says_so() -> None:
    line = history_text.conversation_line(SUMMARY, None, 80, NOW, current=True)
    assert ("  this chat  ", "here") in line


def test_what_is_looked_for_in_the_conversation() -> None:
    assert history_text.shown_text(HIT, "Scatters Light") == "Scatters Light"
    assert history_text.shown_text(HIT, "light scat") == "scatters"
    assert history_text.shown_text(replace(HIT, marks=()), '"x y"') == "x y"
