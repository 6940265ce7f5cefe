"""The anatomy of a wait, by stamps: every stage by hand, nothing invented, and always the whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store_values import prompt
from tui_chat import anatomy, turns
from tui_chat.anatomy import Pause, Receipt
from tui_chat.conversation import Outcome, Request, Stamps, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    ToolEnded,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)

MODEL = "claude-sonnet-5-5"
OVERLOADED = Failure("overloaded_error", "Overloaded", 529)
CUT = Failure("cut_off", "the connection closed before the reply ended")


def request(*, error: Failure | None = None, stop_reason: str | None = None, **stamps: float) -> Request:
    """A request that was sent at 100.0; the other stamps are given in seconds since then."""
    moments = {name: 100.0 + at for name, at in stamps.items()}
    return Request(MODEL, 1, Stamps(100.0, **moments), error=error, stop_reason=stop_reason)


def shown(of: Request, now: float = 200.0) -> list[tuple[str, float]]:
    return [(stage.name, round(stage.seconds, 6)) for stage in anatomy.stages(of, now)]


HEAD: dict[str, Any] = {"connected": 0.01, "headers": 0.21, "message_start": 0.25}
THOUGHT: dict[str, Any] = {
    "first_thinking": 0.4,
    "last_thinking": 2.0,
    "first_delta": 0.5,
    "first_text": 2.5,
    "last_delta": 4.0,
}
END: dict[str, Any] = {"message_stop": 4.1, "ended": 4.125}


def test_a_reply_that_thought_first() -> None:
    whole = request(**HEAD, **THOUGHT, **END, stop_reason="end_turn")
    assert shown(whole) == [
        ("connecting", 0.01),
        ("waiting for headers", 0.2),
        ("opening", 0.04),
        ("to the first token", 0.25),
        ("thinking", 2.0),  # from the first token to the first text
        ("text", 1.5),
        ("closing", 0.125),
    ]
    stages = anatomy.stages(whole, 200.0)
    assert [stage.in_ttft for stage in stages] == [True] * 4 + [False] * 3
    assert sum(stage.seconds for stage in stages if stage.in_ttft) == pytest.approx(0.5) == whole.ttft
    assert not any(stage.is_open for stage in stages)
    assert stages[2].start == pytest.approx(0.21)  # since the request was sent


def test_an_early_message_start_is_no_token() -> None:
    """A server that says at once that an answer begins, and then thinks: the wait is in front of the first delta."""
    early = request(
        connected=0.0, headers=0.0, message_start=0.001, first_delta=3.0, first_text=3.0, last_delta=3.5, **END
    )
    assert shown(early)[2:4] == [("opening", 0.001), ("to the first token", 2.999)]
    assert early.ttft == pytest.approx(3.0)


def test_thinking_that_is_not_shown_has_a_stage_of_its_own() -> None:
    hidden = request(
        **HEAD, first_thinking=0.3, first_delta=5.3, first_text=5.3, last_delta=6.0, message_stop=6.0, ended=6.0
    )
    assert shown(hidden)[3:] == [("to the first block", 0.05), ("hidden thinking", 5.0), ("text", 0.7)]
    assert [stage.in_ttft for stage in anatomy.stages(hidden, 200.0)] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("stamps", "tail"),
    [
        ({"first_delta": 0.5, "last_delta": 1.5}, [("tool input", 1.0)]),
        (
            {"first_delta": 0.5, "first_thinking": 0.5, "last_thinking": 1.25, "last_delta": 1.5},
            [("thinking", 0.75), ("tool input", 0.25)],
        ),
        ({"first_delta": 0.5, "first_thinking": 0.5, "last_thinking": 1.5, "last_delta": 1.5}, [("thinking", 1.0)]),
        # Thinking between texts does not make the beginning a thought.
        ({"first_delta": 0.5, "first_text": 0.5, "first_thinking": 0.75, "last_delta": 1.5}, [("text", 1.0)]),
        # The text stood in the start of the thinking block.
        ({"first_delta": 0.5, "first_thinking": 0.5, "first_text": 1.0, "last_delta": 1.5}, [("thinking", 0.5), ("text", 0.5)]),
    ],
    ids=["only a call", "thought, then a call", "only thought", "thought in between", "thought in the start"],
)  # fmt: skip
def test_what_came(stamps: dict[str, Any], tail: list[tuple[str, float]]) -> None:
    done = request(**HEAD, **stamps, message_stop=1.5, ended=1.75, stop_reason="end_turn")
    assert shown(done)[4:] == [*tail, ("closing", 0.25)]


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ({"connected"}, [("waiting for headers", 0.21), ("opening", 0.04)]),
        ({"headers"}, [("connecting", 0.01), ("opening", 0.24)]),
        ({"connected", "headers", "message_start"}, [("to the first token", 0.5)]),
    ],
)
def test_an_unknown_stamp_ends_no_stage(missing: set[str], expected: list[tuple[str, float]]) -> None:
    known: dict[str, Any] = {name: at for name, at in {**HEAD, **THOUGHT, **END}.items() if name not in missing}
    assert shown(request(**known, stop_reason="end_turn"))[: len(expected)] == expected


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (request(error=OVERLOADED, connected=0.01, ended=0.3), [("connecting", 0.01), ("closing", 0.29)]),
        (request(error=CUT, **HEAD, ended=9.0), [("connecting", 0.01), ("waiting for headers", 0.2), ("opening", 0.04), ("to the first token", 8.75)]),
        (request(connected=0.01, ended=5.0), [("connecting", 0.01), ("waiting for headers", 4.99)]),  # stopped
        (request(ended=5.0), [("connecting", 5.0)]),
        (request(stop_reason="end_turn", ended=5.0), [("closing", 5.0)]),  # an import that knows no more
        (request(stop_reason="end_turn", **HEAD, message_stop=1.0, ended=1.25), [("connecting", 0.01), ("waiting for headers", 0.2), ("opening", 0.04), ("closing", 1.0)]),
    ],
    ids=["refused", "cut off", "stopped before the headers", "stopped at once", "no stamps", "an empty reply"],
)  # fmt: skip
def test_a_request_that_brought_nothing(of: Request, expected: list[tuple[str, float]]) -> None:
    assert shown(of) == expected
    assert not any(stage.in_ttft for stage in anatomy.stages(of, 200.0))


def test_a_stopped_reply_ends_with_the_wait_for_more() -> None:
    stopped = request(**HEAD, first_delta=0.5, first_text=0.5, last_delta=2.0, ended=2.25)
    assert shown(stopped)[-2:] == [("text", 1.5), ("waiting for more", 0.25)]


@pytest.mark.parametrize(
    ("stamps", "now", "last"),
    [
        ({}, 100.5, ("connecting", 0.5)),
        ({"connected": 0.25}, 100.5, ("waiting for headers", 0.25)),
        ({"connected": 0.25, "headers": 0.5}, 101.0, ("opening", 0.5)),
        (HEAD, 101.25, ("to the first token", 1.0)),
        ({**HEAD, "first_delta": 0.5, "first_text": 0.5, "last_delta": 0.75}, 101.5, ("text", 1.0)),
        ({**HEAD, "first_delta": 0.5, "first_thinking": 0.5, "last_thinking": 0.5, "last_delta": 0.5}, 101.5, ("thinking", 1.0)),
        ({**HEAD, **THOUGHT}, 105.0, ("text", 2.5)),
    ],
)  # fmt: skip
def test_while_it_runs_the_last_stage_is_open(stamps: dict[str, Any], now: float, last: tuple[str, float]) -> None:
    stages = anatomy.stages(request(**stamps), now)
    assert stages[-1].name == last[0]
    assert stages[-1].seconds == pytest.approx(last[1])
    assert [stage.is_open for stage in stages] == [False] * (len(stages) - 1) + [True]
    first = stamps.get("first_delta")
    assert [stage.in_ttft for stage in stages] == [first is None or stage.end <= first + 1e-9 for stage in stages]
    assert sum(stage.seconds for stage in stages) == pytest.approx(now - 100.0)


FIELDS = [name for name in Stamps.__dataclass_fields__ if name != "sent"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), st.floats(-5, 50)),
    st.floats(0, 60),
    st.sampled_from([None, OVERLOADED, CUT]),
    st.sampled_from([None, "end_turn"]),
)
def test_the_stages_always_sum_to_the_whole(
    stamps: dict[str, Any], now: float, error: Failure | None, stop_reason: str | None
) -> None:
    """Whatever an import brings, even stamps that run backwards."""
    one = request(error=error, stop_reason=stop_reason, **stamps)
    stages = anatomy.stages(one, 100.0 + now)
    over = one.stamps.message_stop if one.stamps.ended is None else one.stamps.ended
    end = (100.0 + now if over is None else over) - 100.0
    assert stages
    assert stages[0].start == 0.0
    assert all(stage.seconds >= 0 for stage in stages)
    assert [stage.start for stage in stages[1:]] == [stage.end for stage in stages[:-1]]
    assert stages[-1].end == pytest.approx(max(0.0, end))
    assert len({stage.name for stage in stages}) == len(stages)


# The turn --------------------------------------------------------------------------------------------------------------


def turn_of(*events: Event) -> Turn:
    started = TurnStarted(99.0, "turn", "conversation", "reply", MODEL, "demo", 1.7e9, prompt())
    return turns.fold([started, *events])


def ended(at: float, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> TurnEnded:
    return TurnEnded(at, outcome, None, {}, usage_is_final=False, **fields)


FIRST = (RequestStarted(100.0, MODEL, 1), RequestEnded(103.0, complete=True, stop_reason="tool_use"))
CALL = (
    ToolProposed(103.0, "toolu_1", "clock", {}, "hash"),
    ToolStarted(103.5, "toolu_1"),
    ToolEnded(104.0, "toolu_1", "noon"),
)
SECOND = (RequestStarted(104.5, MODEL, 1), RequestEnded(106.0, complete=True, stop_reason="end_turn"))
REFUSED = (
    RequestStarted(100.0, MODEL, 1),
    RequestEnded(100.5, complete=False, error=OVERLOADED),
    RetryScheduled(100.5, 102.0, 2, 3, OVERLOADED),
)


@pytest.mark.parametrize(
    ("events", "now", "expected"),
    [
        ((), 99.5, [Pause("before", 0.5, is_open=True)]),
        (FIRST[:1], 105.0, [Pause("before", 1.0), Pause("after", 0.0, is_open=True)]),
        ((*FIRST, *CALL[:2]), 103.75, [Pause("before", 1.0), Pause("tools", 0.75, is_open=True)]),
        ((*FIRST, *CALL, *SECOND, ended(106.25)), 200.0, [Pause("before", 1.0), Pause("tools", 1.5), Pause("after", 0.25)]),
        (REFUSED, 101.0, [Pause("before", 1.0), Pause("retry", 0.5, is_open=True)]),
        ((*REFUSED, RequestStarted(102.0, MODEL, 2)), 103.0, [Pause("before", 1.0), Pause("retry", 1.5), Pause("after", 0.0, is_open=True)]),
        ((*REFUSED, ended(101.0, Outcome.CANCELLED)), 200.0, [Pause("before", 1.0), Pause("retry", 0.5)]),
    ],
    ids=["nothing sent yet", "one runs", "a tool runs", "two rounds", "waits for an attempt", "second attempt", "stopped"],
)  # fmt: skip
def test_what_lies_between_the_requests(events: tuple[Event, ...], now: float, expected: list[Pause]) -> None:
    assert anatomy.pauses(turn_of(*events), now) == expected


# The receipt -----------------------------------------------------------------------------------------------------------

RUNNING = (RequestStarted(100.0, MODEL, 1), RequestProgress(100.2, "headers"), RequestEnded(102.0, complete=False))


def test_the_receipt_of_a_stop() -> None:
    stop = ended(102.25, Outcome.CANCELLED, closed_after=0.011, cancelled_after=0.009, saved_after=0.016)
    receipt = anatomy.receipt(turn_of(*RUNNING, stop))
    assert receipt is not None
    assert (receipt.key_to_closed, receipt.key_to_cancel, receipt.was_open) == (0.011, 0.009, True)
    assert receipt.cancel_to_closed == pytest.approx(0.002)
    assert receipt.closed_to_saved == pytest.approx(0.005)


def test_of_a_stored_stop_only_the_sum_is_known() -> None:
    receipt = anatomy.receipt(turn_of(*RUNNING, ended(102.25, Outcome.CANCELLED, closed_after=0.011)))
    assert receipt == Receipt(0.011, None, None, was_open=True)
    assert (receipt.cancel_to_closed, receipt.closed_to_saved) == (None, None)


@pytest.mark.parametrize("events", [(), REFUSED, (*FIRST, *CALL[:2])], ids=["unsent", "between attempts", "in a tool"])
def test_between_two_requests_there_is_no_connection_to_close(events: tuple[Event, ...]) -> None:
    receipt = anatomy.receipt(turn_of(*events, ended(104.0, Outcome.CANCELLED, closed_after=0.001)))
    assert receipt is not None
    assert not receipt.was_open


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.FAILED])
def test_what_nobody_stopped_has_no_receipt(outcome: Outcome) -> None:
    assert anatomy.receipt(turn_of(*RUNNING, ended(103.0, outcome))) is None


# Cells -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "width", "expected"),
    [
        ([1.0, 1.0], 10, [5, 5]),
        ([0.25, 0.5, 0.25], 8, [2, 4, 2]),
        ([0.001, 10.0], 10, [1, 9]),  # what is more than nothing is seen
        ([0.0, 1.0], 10, [0, 10]),
        ([0.0, 0.0], 10, [0, 0]),
        ([], 10, []),
        ([1.0, 2.0, 3.0], 2, [0, 1, 1]),
        ([1.0, 1.0, 1.0], 10, [4, 3, 3]),
        ([1.0], 0, [0]),
    ],
)
def test_cells_by_hand(amounts: list[float], width: int, expected: list[int]) -> None:
    assert anatomy.cells(amounts, width) == expected


@given(st.lists(st.floats(0, 1e6), max_size=8), st.integers(0, 200))
def test_cells_fill_the_width(amounts: list[float], width: int) -> None:
    given = anatomy.cells(amounts, width)
    assert sum(given) == (width if sum(amounts) > 0 else 0)
    assert all(cells >= 0 for cells in given)
    if width >= len(amounts):
        assert all((cells > 0) == (amount > 0) for cells, amount in zip(given, amounts, strict=True))
