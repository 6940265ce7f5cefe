"""The words and numbers of the screen, and which fields of the status bar stay when it is narrow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.store_values import prompt
from tui_chat import meter, turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.meter import Figures, Ratios
from tui_chat.prices import PriceList
from tui_chat.ui import wording
from tui_chat.ui.status_fields import Status, running_state, status_fields
from tui_chat.ui.widgets.status_bar import GAP, fit
from tui_chat.ui.wording import Field

MODEL = "claude-sonnet-5-5"
PRICES = PriceList.load()
OVERLOADED = Failure("overloaded_error", "Overloaded", 529, attempts=3)


def streaming(clock: float = 2.1, rolling: float | None = 58.0, context: float = 0.01, **fields: Any) -> Status:
    """The status while a reply runs; `fields` are those of `Figures`."""
    known: dict[str, Any] = {
        "ttft": 0.49,
        "input_tokens": 1200,
        "cache_read": 900,
        "output_tokens": 124,
        "output_estimated": True,
        "cost": 0.0031,
        "cost_estimated": True,
    }
    state = f"streaming {wording.clock(clock):<6}"
    figures = Figures(MODEL, **{**known, **fields})
    return Status(MODEL, running=True, state=state, figures=figures, rolling=rolling, context=context, hint="Esc stops")


READY = dataclasses.replace(
    streaming(output_estimated=False, cost_estimated=False, tokens_per_second=61.0),
    state="ready",
    running=False,
    hint="^P",
    session_in=5000,
    session_out=900,
    session_cost=0.031,
)


def line(fields: Sequence[Field]) -> str:
    return "  ".join(field.text.strip() for field in fields)


def columns(status: Status) -> list[int]:
    """Where each field starts."""
    starts, column = [], 1
    for field in status_fields(status)[0]:
        starts.append(column)
        column += cell_len(field.text) + GAP
    return starts


# Numbers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (9949, "9.9k"),
        (9950, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (12_000_000, "12M"),
    ],
)
def test_token_counts(count: int | None, text: str) -> None:
    assert wording.tokens(count) == text


@given(st.integers(0, 10**9))
def test_a_token_count_is_short(count: int) -> None:
    assert len(wording.tokens(count)) <= 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3.0, "0.0s"), (0.0, "0.0s"), (9.96, "10.0s"), (59.9, "59.9s"), (60.0, "1m00s"), (3599.0, "59m59s"), (3600.0, "1h00m")],
)  # fmt: skip
def test_clocks(seconds: float, text: str) -> None:
    assert wording.clock(seconds) == text


def test_the_clock_has_no_zero_minutes() -> None:
    assert wording.clock(59.96) == "1m00s"


@given(st.floats(-1e6, 1e6))
def test_no_clock_is_negative(seconds: float) -> None:
    assert "-" not in wording.clock(seconds)


@pytest.mark.parametrize(
    ("dollars", "text"), [(0.0, "$0.000"), (0.0001, "<$0.001"), (0.0005, "$0.001"), (0.999, "$0.999"), (1.0, "$1.00")]
)
def test_money(dollars: float, text: str) -> None:
    assert wording.money(dollars) == text


def test_unknown_is_a_dash() -> None:
    assert {wording.ttft(None), wording.rate(None), wording.share(None), wording.tokens(None)} == {"–"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.ttft(0.494), "0.49s"),
        (wording.ttft(12.34), "12.3s"),
        (wording.rate(9.94), "9.9"),
        (wording.rate(9.96), "10"),
        (wording.share(0.001), "<1%"),
        (wording.share(0.0), "0%"),
        (wording.share(0.424), "42%"),
        (wording.model_name("claude-sonnet-5-5"), "sonnet-5-5"),
        (wording.model_name("local\x1b[0m\n"), "local␛[0m "),
    ],
)
def test_other_numbers(text: str, expected: str) -> None:
    assert text == expected


# The status bar --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (40, "streaming 2.1s  TTFT 0.49s"),
        (80, "sonnet-5-5  streaming 2.1s  TTFT 0.49s  ~58 tok/s  ~124 out"),
        (120, "sonnet-5-5  streaming 2.1s  TTFT 0.49s  ~58 tok/s  1.2k in  (900)  ~124 out  ~$0.003  ctx 1%"),
    ],
)
def test_streaming_at_three_widths(width: int, text: str) -> None:
    fields, hint = status_fields(streaming())
    assert line(fit(fields, hint, width)) == text


def dropped(status: Status) -> list[str]:
    """The fields in the order in which they go while the bar becomes narrower."""
    fields, hint = status_fields(status)
    order: list[str] = []
    before = fields
    for width in range(200, 0, -1):
        kept = fit(fields, hint, width)
        order += [field.text.strip() for field in reversed(before) if field not in kept]
        before = kept
    return order


def test_the_order_of_dropping_while_it_runs() -> None:
    order = ["(900)", "~$0.003", "ctx 1%", "1.2k in", "~58 tok/s", "~124 out", "sonnet-5-5", "TTFT 0.49s"]
    assert dropped(streaming()) == order


def test_the_order_of_dropping_when_idle() -> None:
    session = "session 5.0k in 900 out $0.031"
    order = [
        session,
        "(900)",
        "$0.003",
        "ctx 1%",
        "1.2k in",
        "61 tok/s",
        "124 out",
        "sonnet-5-5",
        "TTFT 0.49s",
        "last:",
    ]
    assert dropped(READY) == order


@given(st.integers(0, 200), st.floats(0, 1e5), st.integers(0, 10**7), st.floats(0, 900))
def test_what_is_kept_fits(width: int, clock: float, output: int, rolling: float) -> None:
    fields, hint = status_fields(streaming(clock, rolling, output_tokens=output))
    kept = fit(fields, hint, width)
    assert len(kept) == 1 or cell_len("  ".join(field.text for field in kept)) + 1 + cell_len(hint) < width
    assert kept[-1 if len(kept) == 1 else 0].text in [field.text for field in fields]
    assert any(field.text.startswith("streaming") for field in kept)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 9.9, 10.0, 59.9, 60.0, 599.0])
@pytest.mark.parametrize("output", [0, 9, 99, 999, 1000, 9950, 99_999, 999_500])
@pytest.mark.parametrize("rolling", [None, 0.0, 1.2, 9.96, 99.6, 999.0])
def test_fields_keep_their_places_while_numbers_change(seconds: float, output: int, rolling: float | None) -> None:
    assert columns(streaming(seconds, rolling, output_tokens=output)) == columns(streaming())


@pytest.mark.parametrize(
    "status",
    [streaming(600.0), streaming(rolling=1000.0), streaming(cost=0.0001), streaming(cost=1.0)],
    ids=["ten minutes", "a thousand tokens a second", "under a tenth of a cent", "a dollar"],
)
def test_fields_keep_their_places_in_rarer_cases(status: Status) -> None:
    assert columns(status) == columns(streaming())


def test_before_the_first_token_only_the_state_and_the_headers_are_shown() -> None:
    waiting = Status(MODEL, running=True, state="waiting 0.8s", figures=Figures(MODEL, headers_after=0.21))
    assert line(status_fields(waiting)[0]) == "sonnet-5-5  waiting 0.8s  headers 0.21s"


def test_the_demo_says_what_it_is() -> None:
    text = line(status_fields(Status(MODEL, demo=True))[0])
    assert text.startswith("demo  ready")
    assert "ANTHROPIC_API_KEY" in text


def test_unknown_figures_are_dashes() -> None:
    text = line(status_fields(Status(MODEL, running=True, figures=Figures(MODEL, ttft=0.5)))[0])
    assert "– tok/s" in text
    assert "– in" in text
    assert "ctx –" in text
    assert "$" not in text


# The state -------------------------------------------------------------------------------------------------------------


def turn_of(*events: Event) -> Turn:
    started = TurnStarted(99.0, "turn", "conversation", "reply", MODEL, "api.anthropic.com", 1.7e9, prompt())
    return turns.fold([started, *events])


SENT = RequestStarted(100.0, MODEL, 1)
HEADERS = RequestProgress(100.2, "headers")
FAILED = RequestEnded(101.0, complete=False, error=dataclasses.replace(OVERLOADED, attempts=1))


@pytest.mark.parametrize(
    ("events", "now", "state"),
    [
        ([], 99.14, "connecting 0.1s"),
        ([SENT], 100.14, "connecting 0.1s"),
        ([SENT, HEADERS], 100.8, "waiting 0.8s"),
        ([SENT, HEADERS, TextDelta(100.5, 0, "x")], 102.1, "streaming 2.1s"),
        ([SENT, HEADERS, TextDelta(100.5, 0, "x")], 112.6, "quiet 12s, nothing arriving"),
        ([SENT, HEADERS, TextDelta(100.5, 0, "x"), RequestProgress(112.0, "ping")], 112.6, "quiet 12s, pings arriving"),
        ([SENT, FAILED, RetryScheduled(101, 105, 2, 3, OVERLOADED)], 101.1, "retrying in 4s, attempt 2 of 3: overloaded (529)"),
        ([SENT, FAILED, RetryScheduled(101, 105, 2, 3, OVERLOADED)], 106.0, "retrying in 0s, attempt 2 of 3: overloaded (529)"),
        ([SENT], 90.0, "connecting 0.0s"),
    ],
)  # fmt: skip
def test_the_running_state(events: list[Event], now: float, state: str) -> None:
    assert running_state(turn_of(*events), now, "running")[0].rstrip() == state


@pytest.mark.parametrize("session_state", ["stopping", "saving"])
def test_the_session_has_the_last_word_on_the_state(session_state: str) -> None:
    assert running_state(turn_of(SENT), 100.0, session_state) == (session_state, "")


# Footers ---------------------------------------------------------------------------------------------------------------

REPLY = (
    SENT,
    UsageUpdated(100.3, {"input_tokens": 14, "output_tokens": 1}),
    TextDelta(100.49, 0, "a" * 800),
    TextDelta(104.49, 0, "b" * 848),
)


def footer_of(*events: Event, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> wording.Footer:
    goes_out = fields.pop("goes_out", True)
    saved = fields.pop("saved", True)
    known: dict[str, Any] = {"stop_reason": None, "usage": {}, "usage_is_final": False, **fields}
    turn = turn_of(*events, TurnEnded(106.1, outcome, **known))
    figures = meter.figures(turn, 0.0, Ratios(), PRICES)
    return wording.footer(turn, figures, can={"again"}, goes_out=goes_out, saved=saved)


def whole(stop_reason: str | None) -> tuple[Event, ...]:
    final = UsageUpdated(105.0, {"output_tokens": 244}, final=True)
    return (*REPLY, final, RequestEnded(105.0, complete=True, stop_reason=stop_reason))


def test_the_footer_of_a_completed_reply() -> None:
    footer = footer_of(*whole("end_turn"), stop_reason="end_turn")
    assert footer.text == "sonnet-5-5 · TTFT 0.49s · 61 tok/s · 14 in · 244 out · $0.002 · end_turn"
    assert footer.tone == "dim"


def test_the_footer_of_a_stopped_reply() -> None:
    footer = footer_of(*REPLY, outcome=Outcome.CANCELLED, closed_after=0.003)
    for part in ("stopped by you", "~412 out", "closed in 3 ms", "stays in context"):
        assert part in footer.text.split(" · ")
    assert footer.tone == "warm"
    assert "x" in [action.key for action in footer.actions]
    assert "left out of the next request" in footer_of(*REPLY, outcome=Outcome.CANCELLED, goes_out=False).text


@pytest.mark.parametrize(
    ("error", "events", "text"),
    [
        (Failure("cut_off", "the connection closed before the reply ended"), REPLY, "cut off: the connection closed before the reply ended · TTFT 0.49s · ~103 tok/s · 14 in · ~412 out"),
        (OVERLOADED, (SENT,), "failed: the API is overloaded (529, 3 attempts)"),
        (Failure("timed_out", "no data for 120 s"), REPLY, "timed out: no data for 120 s"),
        (Failure("interrupted", ""), REPLY, "the program ended before the reply did"),
        (Failure("api_error", "\x1b]52;c;eA==\x07[bold]\n"), (SENT,), "failed: the server reported an error: ␛]52;c;eA==␇[bold]"),
    ],
)  # fmt: skip
def test_the_footer_of_a_failed_reply(error: Failure, events: tuple[Event, ...], text: str) -> None:
    footer = footer_of(*events, outcome=Outcome.FAILED, error=error)
    assert footer.text.startswith(text)
    assert footer.tone == "error"
    assert "r" in [action.key for action in footer.actions]


def test_other_footers() -> None:
    assert "reached max_tokens" in footer_of(*whole("max_tokens"), stop_reason="max_tokens").text
    assert "no stop reason" in footer_of(*whole(None)).text
    assert "solar_flare" in footer_of(*whole("solar_flare"), stop_reason="solar_flare").text
    assert "not saved" in footer_of(*whole("end_turn"), stop_reason="end_turn", saved=False).text
    refused = RequestEnded(105.0, complete=True, stop_reason="refusal", stop_details={"category": "cyber"})
    assert footer_of(*REPLY, refused, stop_reason="refusal").text == "refused (cyber) · left out of the next request"


def test_a_footer_says_which_version_it_is() -> None:
    turn = turn_of(*whole("end_turn"), TurnEnded(106.1, Outcome.COMPLETED, "end_turn", {}, usage_is_final=True))
    figures = meter.figures(turn, 0.0, Ratios(), PRICES)
    alone = wording.footer(turn, figures, goes_out=True)
    second = wording.footer(turn, figures, goes_out=True, version=(2, 3))
    assert second.text == alone.text
    assert [(each.key, each.label, each.name) for each in second.actions] == [(", .", "2/3", "cycle_version")]
    assert alone.actions == ()


def test_while_it_runs_the_rate_is_the_live_one() -> None:
    """From the second round on a rate of the first is known too; it is not what happens now."""
    assert "~58 tok/s" in line(status_fields(streaming(tokens_per_second=12.0, rolling=58.0))[0])
    assert "– tok/s" in line(status_fields(streaming(tokens_per_second=12.0, rolling=0.0))[0])


def test_a_rate_that_is_an_estimate_says_so() -> None:
    status = dataclasses.replace(READY, figures=Figures(MODEL, ttft=0.5, input_tokens=3, estimated_rate=59.0))
    assert "~59 tok/s" in line(status_fields(status)[0])


def test_effort_and_tools_stand_beside_the_model() -> None:
    status = dataclasses.replace(READY, effort="low", tools=True)
    assert "sonnet-5-5 low tools" in line(status_fields(status)[0])
