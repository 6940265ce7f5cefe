"""The figures, by injected times: what is exact, what is an estimate, what is unknown, and the status word."""

import dataclasses
from datetime import date
from typing import Any

import pytest

from tests.unit.store_values import prompt
from tui_chat import meter, turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.meter import Figures, Ratios, RollingRate
from tui_chat.prices import PriceList

MODEL = "claude-sonnet-5-5"
PRICES = PriceList.load()
SENT = RequestStarted(100.0, MODEL, 1)
TEXT = BlockStarted(100.4, 0, {"type": "text", "text": ""})


def turn_of(*events: Event, server: str = "api.anthropic.com") -> Turn:
    """A turn that started at 99.0 on 10 November 2026."""
    started = TurnStarted(99.0, "turn", "conversation", "reply", MODEL, server, 1_794_300_000.0, prompt())
    return turns.fold([started, *events])


def figures_of(*events: Event, now: float = 110.0, ratios: Ratios | None = None, **fields: Any) -> Figures:
    return meter.figures(turn_of(*events, **fields), now, ratios or Ratios(), PRICES)


def usage(at: float = 100.2, *, final: bool = False, **counts: Any) -> UsageUpdated:
    return UsageUpdated(at, counts, final=final)


def ended(at: float, outcome: Outcome = Outcome.COMPLETED) -> TurnEnded:
    return TurnEnded(at, outcome, None, {}, usage_is_final=False)


WHOLE = (
    SENT,
    RequestProgress(100.1, "headers"),
    usage(input_tokens=10, cache_read_input_tokens=900, cache_creation_input_tokens=90, output_tokens=1),
    TEXT,
    TextDelta(100.5, 0, "a" * 100),
    TextDelta(102.5, 0, "b" * 100),
    BlockEnded(102.6, 0),
    usage(102.6, output_tokens=80, final=True),
    RequestEnded(102.7, complete=True, stop_reason="end_turn"),
)


def test_a_whole_reply() -> None:
    figures = figures_of(*WHOLE, ended(103.0))
    assert figures.ttft == pytest.approx(0.5)
    assert figures.headers_after == pytest.approx(0.1)
    assert figures.tokens_per_second == pytest.approx(40.0)
    assert (figures.input_tokens, figures.cache_read, figures.cache_write) == (1000, 900, 90)
    assert (figures.output_tokens, figures.output_estimated) == (80, False)
    assert figures.duration == pytest.approx(4.0)
    assert figures.context_tokens == 1080
    assert figures.cost == pytest.approx((10 * 2 + 90 * 2.5 + 900 * 0.1 + 80 * 10) / 1e6)
    assert not figures.cost_estimated


def test_after_the_end_the_time_no_longer_matters() -> None:
    assert figures_of(*WHOLE, ended(103.0), now=103.0) == figures_of(*WHOLE, ended(103.0), now=9e9)


def test_a_turn_whose_clock_starts_at_zero() -> None:
    turn = turn_of()
    turn.started = turn.ended = 0.0  # as a stored turn that was stopped at once
    assert meter.figures(turn, 5e5, Ratios(), PRICES).duration == 0.0


def test_while_it_runs_the_output_is_estimated_from_characters() -> None:
    figures = figures_of(*WHOLE[:6], now=102.0)
    assert (figures.output_tokens, figures.output_estimated) == (50, True)
    assert (figures.tokens_per_second, figures.cost_estimated) == (None, True)
    assert figures.duration == pytest.approx(3.0)
    assert figures.context_tokens == 1050


def test_before_anything_came_nothing_is_known() -> None:
    assert figures_of(now=99.5) == Figures(MODEL, duration=0.5)
    figures = figures_of(SENT, now=100.5)
    assert (figures.ttft, figures.headers_after, figures.input_tokens, figures.context_tokens) == (None,) * 4
    assert (figures.output_tokens, figures.output_estimated, figures.cost) == (0, False, None)


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([(0.0, "x")], None),
        ([(0.0, "x"), (0.1, "y")], None),
        ([(0.0, "x"), (0.25, "y")], 320.0),
        ([(0.0, "x"), (0.1, "y"), (8.0, "z")], 10.0),
    ],
    ids=["one delta", "too short", "just enough", "long"],
)
def test_the_rate_needs_two_deltas_and_a_fifth_of_a_second(
    deltas: list[tuple[float, str]], expected: float | None
) -> None:
    content = [TextDelta(128.0 + at, 0, text) for at, text in deltas]
    figures = figures_of(SENT, TEXT, *content, usage(140.0, output_tokens=80, final=True))
    assert figures.tokens_per_second == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("absurd", [-1, 2**64, 2**53, True, "many", 1.5, [3], {"n": 3}])
@pytest.mark.parametrize("name", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_absurd_counts_are_unknown(name: str, absurd: object) -> None:
    last = UsageUpdated(102.6, {"output_tokens": 80, name: absurd}, final=True)
    figures = figures_of(*WHOLE[:7], last, ended(103.0))
    sane = figures_of(*WHOLE, ended(103.0))
    match name:
        case "input_tokens":
            assert (figures.input_tokens, figures.context_tokens, figures.cost) == (None, None, None)
        case "output_tokens":
            assert (figures.output_tokens, figures.output_estimated) == (50, True)
            assert figures.tokens_per_second is None
        case _:
            assert (figures.cache_read, figures.input_tokens) == (None, 100)
    assert figures.ttft == sane.ttft


def test_a_turn_of_several_requests() -> None:
    failure = Failure("overloaded_error", "Overloaded")
    figures = figures_of(
        SENT,
        usage(input_tokens=10, output_tokens=0),
        RequestEnded(101.0, complete=False, error=failure),
        RetryScheduled(101.0, 103.0, 2, 3, failure),
        RequestStarted(103.0, MODEL, 2),
        RequestProgress(103.2, "headers"),
        usage(103.3, input_tokens=10, output_tokens=0),
        TEXT,
        TextDelta(103.5, 0, "x" * 40),
        now=104.0,
    )
    assert [figures.ttft, figures.headers_after] == pytest.approx([0.5, 0.2])
    assert figures.input_tokens == 20  # what it costs
    assert figures.context_tokens == 10 + 10  # what fills the window: the last request and its reply
    assert figures.duration == pytest.approx(5.0)


def test_only_anthropic_has_a_price() -> None:
    assert figures_of(*WHOLE, ended(103.0), server="demo").cost is None
    assert figures_of(*WHOLE, ended(103.0), server="localhost:11434").cost is None
    unknown = (dataclasses.replace(SENT, model="claude-unheard-of"), *WHOLE[1:])
    assert figures_of(*unknown, ended(103.0)).cost is None


def test_the_price_is_that_of_the_day() -> None:
    before, after = date(2026, 10, 6), date(2026, 10, 7)
    turn = turn_of(*WHOLE)
    assert turn.request is not None
    costs = [PRICES.cost(MODEL, turn.request.usage, 80, day) for day in (before, after)]
    assert costs[0] == pytest.approx((10 * 2 + 90 * 2.5 + 900 * 0.2 + 80 * 10) / 1e6)
    assert costs[1] == pytest.approx((10 * 2 + 90 * 2.5 + 900 * 0.1 + 80 * 10) / 1e6)


def test_the_ratio_is_learnt_per_model() -> None:
    ratios = Ratios()
    assert ratios.characters_per_token(MODEL) == 4.0
    ratios.learn(turn_of(*WHOLE))
    assert ratios.characters_per_token(MODEL) == 200 / 80
    assert ratios.characters_per_token("other") == 4.0
    assert figures_of(*WHOLE[:6], ratios=ratios).output_tokens == 80


@pytest.mark.parametrize(
    "last",
    [usage(output_tokens=19, final=True), usage(output_tokens=80), usage(output_tokens=201, final=True), usage()],
    ids=["too short", "not final", "most of it hidden", "unknown"],
)
def test_the_ratio_is_not_learnt_from_poor_evidence(last: UsageUpdated) -> None:
    ratios = Ratios()
    ratios.learn(turn_of(*WHOLE[:7], last))
    assert ratios.characters_per_token(MODEL) == 4.0


def test_the_sums_of_what_is_stored_take_the_place_of_what_was_learnt() -> None:
    """They hold the turns that were learnt from before; those that end afterwards come on top."""
    ratios = Ratios()
    ratios.learn(turn_of(*WHOLE))
    ratios.learn_sums(MODEL, 3000, 1000)
    assert ratios.characters_per_token(MODEL) == 3.0
    ratios.learn(turn_of(*WHOLE))
    assert ratios.characters_per_token(MODEL) == (3000 + 200) / (1000 + 80)
    ratios.learn_sums("other", 0, 0)
    assert ratios.characters_per_token("other") == 4.0


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (WHOLE, (10 * 2 + 90 * 2.5 + 900 * 0.1 + 80 * 10) / 1e6),
        (WHOLE[:6], (10 * 2 + 90 * 2.5 + 900 * 0.1) / 1e6),  # the count of message_start is a placeholder
        (WHOLE[:2], None),
    ],
    ids=["counted", "stopped", "nothing counted"],
)
def test_what_is_billed_for_certain(events: tuple[Event, ...], expected: float | None) -> None:
    billed = meter.billed(turn_of(*events, ended(103.0)), PRICES)
    assert billed == (None if expected is None else pytest.approx(expected))


def test_a_rolling_rate_knows_whether_it_counted() -> None:
    rolling = RollingRate()
    before = rolling.is_empty
    rolling.add(5.0, 1)
    assert (before, rolling.is_empty) == (True, False)


def test_the_rolling_rate() -> None:
    rolling = RollingRate()
    assert rolling.tokens_per_second(5.0, 4.0) is None
    rolling.add(5.0, 40)
    assert rolling.tokens_per_second(5.1, 4.0) is None
    assert rolling.tokens_per_second(5.5, 4.0) == pytest.approx(20.0)
    rolling.add(6.5, 40)
    assert rolling.tokens_per_second(6.9, 4.0) == pytest.approx(20 / 1.9)
    assert rolling.tokens_per_second(7.5, 4.0) == pytest.approx(5.0)  # the first delta has left the window
    assert rolling.tokens_per_second(9.0, 4.0) == 0.0


FAILURE = Failure("overloaded_error", "Overloaded", 529)
HEADERS = (SENT, RequestProgress(100.1, "connected"), RequestProgress(100.2, "headers"))
THINKING = BlockStarted(101.0, 0, {"type": "thinking", "thinking": ""})
REFUSED = (RequestEnded(101.0, complete=False, error=FAILURE), RetryScheduled(101.0, 103.0, 2, 3, FAILURE))


@pytest.mark.parametrize(
    ("events", "now", "word"),
    [
        ([], 99.1, "connecting"),
        ([SENT], 100.1, "connecting"),
        ([*HEADERS[:2]], 160.0, "waiting"),
        ([*HEADERS], 101.0, "waiting"),
        ([*HEADERS, RequestProgress(100.3, "message_start"), TEXT], 101.0, "waiting"),
        ([*HEADERS, THINKING], 102.0, "thinking"),
        ([*HEADERS, THINKING, ThinkingDelta(101.5, 0, "hm")], 102.0, "thinking"),
        ([*HEADERS, BlockStarted(101.0, 0, {"type": "redacted_thinking", "data": "x"})], 102.0, "thinking"),
        ([*HEADERS, THINKING, BlockStarted(102.0, 1, {"type": "text", "text": ""}), TextDelta(102.1, 1, "a")], 103.0, "streaming"),
        ([*HEADERS, TEXT, TextDelta(101.0, 0, "a")], 110.9, "streaming"),
        ([*HEADERS, TEXT, TextDelta(101.0, 0, "a")], 111.0, "quiet"),
        ([*HEADERS, TEXT, TextDelta(101.0, 0, "a"), RequestProgress(110.0, "ping")], 112.0, "quiet"),
        ([*HEADERS, THINKING], 111.1, "quiet"),
        ([*HEADERS], 110.3, "quiet"),
        ([*HEADERS, *REFUSED], 102.0, "retrying"),
        ([*HEADERS, *REFUSED, RequestStarted(103.0, MODEL, 2)], 103.1, "connecting"),
        ([*HEADERS, *REFUSED, ended(102.0, Outcome.CANCELLED)], 103.1, "ready"),
        ([*HEADERS, ended(101.0)], 101.0, "ready"),
    ],
)  # fmt: skip
def test_the_status_word(events: list[Event], now: float, word: str) -> None:
    assert meter.state(turn_of(*events), now) == word


def quiet(*events: Event, now: float) -> tuple[float, bool]:
    turn = turn_of(*events)
    assert turn.request is not None
    return meter.quiet_for(turn.request, now)


def test_quiet_tells_pings_from_nothing() -> None:
    content = (*HEADERS, TEXT, TextDelta(101.0, 0, "a"))
    ping = RequestProgress(110.0, "ping")
    assert quiet(*content, now=112.0) == (11.0, False)
    assert quiet(*content, ping, now=112.0) == (11.0, True)
    assert quiet(*content, ping, now=120.0) == (19.0, False)  # the pings have stopped, too
    assert quiet(SENT, now=112.0) == (12.0, False)
    assert quiet(*HEADERS, RequestProgress(100.3, "message_start"), now=112.3) == (12.0, False)


@pytest.mark.parametrize(
    ("context", "window", "share"),
    [(100, 1000, 0.1), (0, 1000, 0.0), (None, 1000, None), (100, None, None), (100, 0, None), (2000, 1000, 2.0)],
)
def test_the_share_of_the_context_window(context: int | None, window: int | None, share: float | None) -> None:
    assert meter.context_share(Figures(MODEL, context_tokens=context), window) == share


def test_a_reply_that_was_stopped_stays_an_estimate() -> None:
    stopped = turn_of(*WHOLE[:6], ended(103.0, Outcome.CANCELLED))
    assert meter.figures(stopped, 0.0, Ratios(), PRICES).output_estimated


# Turns of several rounds ------------------------------------------------------------------------------------------------

CALLED = (  # what follows a first round: its call, which takes two seconds
    ToolProposed(102.8, "toolu_1", "clock", {}, "hash"),
    ToolStarted(102.8, "toolu_1"),
    ToolEnded(104.8, "toolu_1", "noon"),
)
SECOND = (
    RequestStarted(105.0, MODEL, 1),
    RequestProgress(105.4, "headers"),
    usage(105.4, input_tokens=20, cache_read_input_tokens=1000, output_tokens=1),
    TEXT,
    TextDelta(106.0, 0, "c" * 40),
    TextDelta(107.0, 0, "d" * 40),
    usage(107.1, output_tokens=30, final=True),
    RequestEnded(107.2, complete=True, stop_reason="end_turn"),
)
FAILED_ATTEMPT = (
    RequestStarted(104.9, MODEL, 1),
    RequestEnded(105.0, complete=False, error=FAILURE),
    RetryScheduled(105.0, 105.0, 2, 3, FAILURE),
)


@pytest.mark.parametrize("between", [(), FAILED_ATTEMPT], ids=["at once", "after a failed attempt"])
def test_two_rounds_are_one_turn(between: tuple[Event, ...]) -> None:
    events = (*WHOLE, *CALLED, *between, *SECOND, ended(107.5))
    figures = figures_of(*events)
    assert figures.ttft == pytest.approx(0.5)  # of the first round
    assert figures.headers_after == pytest.approx(0.1)
    assert figures.tokens_per_second == pytest.approx((80 + 30) / (2.0 + 1.0))  # without the time of the tool
    assert (figures.input_tokens, figures.cache_read, figures.cache_write) == (1000 + 1020, 1900, 90)
    assert (figures.output_tokens, figures.output_estimated) == (110, False)
    assert figures.context_tokens == 1020 + 30  # of the last one
    assert meter.context_share(figures, 2100) == pytest.approx(0.5)
    assert figures.duration == pytest.approx(8.5)
    first, second = figures_of(*WHOLE).cost, figures_of(*SECOND).cost
    assert first is not None
    assert second is not None
    assert figures.cost == pytest.approx(first + second)
    assert not figures.cost_estimated
    turn = turn_of(*events)
    assert turn.counts_are_final
    assert turn.usage.fields == {
        "input_tokens": 30,
        "cache_read_input_tokens": 1900,
        "cache_creation_input_tokens": 90,
        "output_tokens": 110,
    }


def test_a_first_round_without_a_delta_has_no_ttft() -> None:
    """Its call came whole in the start of its block: what the second round took says nothing of the first."""
    call = BlockStarted(100.4, 0, {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {"zone": "UTC"}})
    first = (*WHOLE[:3], call, BlockEnded(102.6, 0), *WHOLE[-2:])
    figures = figures_of(*first, *CALLED, *SECOND, ended(107.5))
    assert figures.ttft is None
    assert figures.tokens_per_second == pytest.approx(30.0)  # of the round that has a rate
    assert (figures.output_tokens, figures.output_estimated) == (110, False)


@pytest.mark.parametrize("missing", [0, 1])
def test_one_round_that_was_not_counted_makes_the_sum_an_estimate(missing: int) -> None:
    rounds = [WHOLE, SECOND]
    rounds[missing] = tuple(
        event for event in rounds[missing] if not isinstance(event, UsageUpdated) or not event.final
    )
    turn = turn_of(*rounds[0], *CALLED, *rounds[1], ended(107.5))
    assert not turn.counts_are_final
    figures = meter.figures(turn, 110.0, Ratios(), PRICES)
    assert (figures.output_estimated, figures.cost_estimated) == (True, True)
    assert figures.output_tokens == [50 + 30, 80 + 20][missing]
    assert figures.tokens_per_second == pytest.approx([30.0, 40.0][missing])  # of the round that was counted


def test_before_the_second_round_is_counted_the_context_is_that_of_the_first() -> None:
    for running in ((), SECOND[:1], SECOND[:2]):
        assert figures_of(*WHOLE, *CALLED, *running, now=105.4).context_tokens == 1080
    assert figures_of(*WHOLE, *CALLED, *SECOND[:3], now=105.5).context_tokens == 1020
    assert figures_of(*WHOLE, *CALLED, *SECOND[:5], now=106.5).context_tokens == 1020 + 10


def texts(*rounds: str) -> str:
    """The text of a turn with these rounds: a text each, and whether they called a tool, `+`, or were paused, `-`."""
    events: list[Event] = []
    for each in rounds:
        events += [RequestStarted(100.0, MODEL, 1), TEXT, TextDelta(100.5, 0, each[:-1])]
        events.append(RequestEnded(101.0, complete=True, stop_reason="tool_use" if each[-1] == "+" else "pause_turn"))
        if each[-1] == "+":
            events += [ToolProposed(101.0, "toolu_1", "clock", {}, "hash"), ToolEnded(101.0, "toolu_1", "noon")]
    return turn_of(*events).text


def test_what_follows_the_results_of_tools_stands_apart() -> None:
    assert texts("one+", "two-") == "one\n\ntwo"
    assert texts("one+", "+", "two-") == "one\n\ntwo"
    assert texts("+", "two-") == "two"
    assert texts("one+", "-") == "one"
    assert texts("one -", "goes on-") == "one goes on"
    assert texts("one+", "-", "two-") == "one\n\ntwo"
