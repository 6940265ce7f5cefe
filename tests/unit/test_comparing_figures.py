"""Medians and spreads by hand; and what is in none of them."""

import pytest

from tests.unit.comparing_values import HAIKU, SONNET, run
from tui_chat.comparing.figures import Median, Result, Run, summarise
from tui_chat.comparing.plan import Plan
from tui_chat.comparing.report import text
from tui_chat.errors import Failure

OVERLOADED = Failure("overloaded_error", "Overloaded", 529)


def near(found: Median | None, median: float, low: float, high: float) -> bool:
    """Whether `found` is that, but for the last bits of floats."""
    assert found is not None
    return (found.median, found.low, found.high) == pytest.approx((median, low, high))


def compared(runs: int, streaming: list[Run], whole: list[Run]) -> Result:
    return summarise(Plan("x", (SONNET,), runs), "demo", [*streaming, *whole])


def streamed(*ttfts: float | None) -> list[Run]:
    return [run(number, ttft=ttft, complete=4.0) for number, ttft in enumerate(ttfts, 1)]


def whole(*ttfts: float) -> list[Run]:
    return [run(number, streaming=False, ttft=ttft, complete=ttft) for number, ttft in enumerate(ttfts, 1)]


def test_the_median_of_three_with_the_lowest_and_the_highest() -> None:
    result = compared(3, streamed(0.5, 0.9, 0.4), whole(4.0, 4.4, 4.3))
    streaming, pieces = result.of(SONNET)
    assert result.spread == "range"
    assert streaming.ttft == Median(0.5, 0.4, 0.9)
    assert pieces.ttft == Median(4.3, 4.0, 4.4)
    assert result.times_shorter(SONNET) == pytest.approx(4.3 / 0.5)


def test_of_two_the_median_is_between_them() -> None:
    streaming, _ = compared(2, streamed(0.4, 0.6), whole(4.0, 5.0)).of(SONNET)
    assert near(streaming.ttft, 0.5, 0.4, 0.6)


def test_from_four_runs_on_the_quartiles() -> None:
    result = compared(5, streamed(0.1, 0.2, 0.3, 0.4, 9.0), whole(1, 2, 3, 4, 5))
    streaming, pieces = result.of(SONNET)
    assert result.spread == "quartiles"
    assert near(streaming.ttft, 0.3, 0.2, 0.4)
    assert pieces.ttft == Median(3, 2, 4)


def test_one_kind_of_spread_for_the_whole_table() -> None:
    failed = [run(4, streaming=False, failure=OVERLOADED)]
    result = compared(4, streamed(1, 2, 3, 4), [*whole(1, 2, 3), *failed])
    assert result.spread == "range"
    assert result.of(SONNET)[0].ttft == Median(2.5, 1, 4)


def test_a_failure_is_counted_and_in_no_median() -> None:
    failed = run(3, ttft=99.0, output_tokens=9999, cost=9.0, failure=OVERLOADED)  # half a reply came
    streaming, pieces = compared(3, [*streamed(0.4, 0.6), failed], whole(4.0)).of(SONNET)
    assert (streaming.done, streaming.failed, streaming.skipped) == (2, 1, 0)
    assert (pieces.done, pieces.failed, pieces.skipped) == (1, 0, 2)
    assert near(streaming.ttft, 0.5, 0.4, 0.6)
    assert streaming.output_tokens is None
    assert streaming.cost is None


def test_what_is_unknown_of_one_run_is_the_median_of_the_others() -> None:
    streaming, _ = compared(3, streamed(0.4, None, 0.6), whole(4.0)).of(SONNET)  # a refusal has no token
    assert near(streaming.ttft, 0.5, 0.4, 0.6)
    assert streaming.complete == Median(4.0, 4.0, 4.0)


def test_an_estimate_among_the_counts_marks_them_all() -> None:
    guessed = run(2, ttft=1.0, output_tokens=90, output_estimated=True)
    streaming, _ = compared(2, [run(1, ttft=1.0, output_tokens=100), guessed], []).of(SONNET)
    assert streaming.output_tokens == Median(95, 90, 100, estimated=True)


def test_nothing_was_measured() -> None:
    result = compared(3, [], [])
    assert all(each.ttft is None and each.done == 0 and each.skipped == 3 for each in result.summaries)
    assert result.times_shorter(SONNET) is None


def test_of_a_wait_of_nothing_no_other_is_a_multiple() -> None:
    result = compared(1, streamed(0.5), whole(0.0))
    assert result.times_shorter(SONNET) is None
    assert "shorter" not in text(result, 80)


def test_models_are_kept_apart() -> None:
    runs = [*streamed(0.5), run(1, model=HAIKU, ttft=0.2)]
    result = summarise(Plan("x", (SONNET, HAIKU), 1), "demo", runs)
    assert [each.ttft and each.ttft.median for each in result.summaries] == [0.5, None, 0.2, None]
