"""Plots: plain text, never too wide, and sensible where there is next to nothing to plot."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat import plots

HOSTILE = ["\x1b[31mred", "two\nlines", "日本語の名前", "e\u0301" * 3, "", "x" * 200, "\u202egnp"]
floats = st.floats(allow_nan=True, allow_infinity=True)
labels = st.sampled_from(HOSTILE) | st.text(max_size=30)


def plain(text: str, width: int) -> list[str]:
    """The lines of a plot, which must be plain and not too wide."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    lines = text.split("\n")
    assert max(map(len, lines)) <= width
    return lines


def bar_length(line: str) -> int:
    return line.count("▇")


@pytest.fixture(autouse=True)
def tiny_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What plotext takes for the size of the terminal must not matter."""
    monkeypatch.setenv("COLUMNS", "7")
    monkeypatch.setenv("LINES", "3")


def test_bars_are_as_long_as_their_values() -> None:
    lines = plain(plots.bars(["streaming", "not"], [1.0, 4.0], width=60, unit="s"), 60)
    assert [line.split("▇")[0].split() for line in lines] == [["streaming", "1s"], ["not", "4s"]]
    first, second = map(bar_length, lines)
    assert second == 60 - len("streaming  1s ")
    assert abs(first / second - 1 / 4) < 0.05


def test_bars_have_as_many_decimals_as_the_smallest_needs() -> None:
    assert "0.49s" in plots.bars(["a", "b"], [0.492, 4.194], width=50, unit="s")
    assert "4.19s" in plots.bars(["a", "b"], [0.492, 4.194], width=50, unit="s")
    assert "12.5 " in plots.bars(["a", "b"], [12.5, 135.0], width=50)


def test_bars_without_a_value() -> None:
    assert plots.bars([], [], width=40) == ""
    assert plots.bars(["a", "b"], [0, 0], width=40) == "a  0\nb  0"
    lines = plots.bars(["a", "b"], [None, 2], width=40).split("\n")
    assert lines[0] == "a  –"
    assert bar_length(lines[1]) > 20


@settings(deadline=None)
@given(st.lists(st.tuples(labels, floats | st.none()), max_size=6), st.integers(12, 120))
def test_any_bars(pairs: list[tuple[str, float | None]], width: int) -> None:
    text = plots.bars([label for label, _ in pairs], [value for _, value in pairs], width=width, unit="s")
    assert len(plain(text, width)) == max(1, len(pairs))


def columns(lines: list[str]) -> list[int]:
    """The heights of a histogram's columns, from left to right, those that are empty left out."""
    drawn = [line.partition("┤")[2] or line.partition("│")[2] for line in lines if "┤" in line or "│" in line]
    width = max(map(len, drawn))
    heights = [sum(len(row) > at and row[at] == "█" for row in drawn) for at in range(width)]
    runs: list[int] = []
    for before, height in zip([0, *heights], heights, strict=False):
        if height and not before:
            runs.append(height)
    return runs


def test_a_histogram_counts() -> None:
    values = [0.15] * 10 + [0.25] * 5 + [0.95]
    lines = plain(plots.histogram(values, width=60, height=12, unit="s"), 60)
    heights = columns(lines)
    assert len(heights) == 3
    assert heights[0] > heights[1] > heights[2] > 0  # what is there is seen, however small
    assert "0.1" in lines[-1]
    assert len(lines) == 12


def test_values_far_off_do_not_press_the_others_together() -> None:
    lines = plain(plots.histogram([0.4, 0.5, 0.6, 0.7] * 20 + [60.0], width=60, height=10, unit="s"), 60)
    assert re.search(r"≥1(\.\d+)?s", lines[-1])
    assert len(columns(lines)) >= 4


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [0.5], [0.5] * 9, [-1.0, 1.0], [1e-9], [1e12, 1e12 + 1]])
def test_next_to_nothing_in_a_histogram(values: list[float]) -> None:
    assert columns(plain(plots.histogram(values, width=40, height=8), 40))


@settings(deadline=None)
@given(st.lists(floats, max_size=40), st.integers(1, 120), st.integers(1, 20))
def test_any_histogram(values: list[float], width: int, height: int) -> None:
    lines = plain(plots.histogram(values, width=width, height=height, unit="s"), width)
    assert len(lines) <= height


def test_a_trend_leaves_gaps() -> None:
    points = [(f"11-{day:02}", None if day in (4, 5) else 0.5) for day in range(1, 9)]
    lines = plain(plots.trend(points, width=60, height=8, unit="s"), 60)
    drawn = [line for line in lines if re.search("[\u2580-\u259f]", line)]
    assert len(drawn) == 1  # it is flat
    assert len(drawn[0].partition("┤")[2].split() or drawn[0].partition("│")[2].split()) == 2
    assert "11-01" in lines[-1]
    assert "0.0s" in "".join(lines)  # it starts at zero, so that a small change looks small


@pytest.mark.parametrize("points", [[("a", 0.0)], [("a", 0.5)], [("a", 0.0), ("b", 0.0)], [("a", None), ("b", 2.0)]])
def test_next_to_nothing_in_a_trend(points: list[tuple[str, float | None]]) -> None:
    lines = plain(plots.trend(points, width=40, height=8), 40)
    assert any(re.search("[\u2580-\u259f]", line) for line in lines)


def test_nothing_to_plot() -> None:
    assert plots.histogram([], width=40, height=8) == ""
    assert plots.trend([("11-21", 1e14)], width=20, height=8, unit="s") == ""  # no room beside its numbers
    assert plots.histogram([float("nan")], width=40, height=8) == ""
    assert plots.trend([], width=40, height=8) == ""
    assert plots.trend([("a", None)], width=40, height=8) == ""


@settings(deadline=None)
@given(st.lists(st.tuples(labels, floats | st.none()), max_size=20), st.integers(1, 120), st.integers(1, 20))
def test_any_trend(points: list[tuple[str, float | None]], width: int, height: int) -> None:
    lines = plain(plots.trend(points, width=width, height=height, unit="s"), width)
    assert len(lines) <= height


def test_threads_do_not_draw_into_each_other() -> None:
    def draw(number: int) -> tuple[int, str]:
        return number, plots.bars(["x"] * number, [1.0] * number, width=30 + number)

    with ThreadPoolExecutor(4) as pool:
        for number, text in pool.map(draw, [1, 5, 9, 2] * 20):
            assert [len(line) for line in text.split("\n")] == [30 + number] * number
