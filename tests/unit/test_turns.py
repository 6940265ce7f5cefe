"""The fold: events to a turn, over recorded bodies and by hand; and the grammar that every sequence keeps to."""

import dataclasses
from collections.abc import Callable

import pytest

from tests.unit.grammar import check_requests, check_stamps, check_turn
from tests.unit.odd_streams import ODD_STREAMS, OddStream, events_of
from tests.unit.store_values import prompt
from tui_chat import turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    CitationsDelta,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnStarted,
    UnknownDelta,
    UsageUpdated,
    from_json,
    to_json,
)

STARTED = TurnStarted(10.0, "turn", "conversation", "reply", "claude-x", "demo", 1.7e9, prompt("hi"))
TEXT = {"type": "text", "text": ""}


def ended(at: float = 99.0, outcome: Outcome = Outcome.COMPLETED) -> TurnEnded:
    return TurnEnded(at, outcome, "end_turn", {}, usage_is_final=True)


def turn_of(*events: Event) -> Turn:
    return turns.fold([STARTED, RequestStarted(10.5, "claude-x", 1), *events])


def of_fixture(odd: OddStream) -> list[Event]:
    """A whole turn around the body of `odd`."""
    inner, translator = events_of(odd.body)
    failure = translator.failure or (None if translator.complete else Failure("cut_off", ""))
    outcome = Outcome.COMPLETED if translator.complete else Outcome.FAILED
    request_ended = translator.ended(12.0, failure)
    inner = [dataclasses.replace(event, at=11.0) for event in inner]
    return [
        STARTED,
        RequestStarted(10.5, "claude-x", 1),
        *inner,
        dataclasses.replace(request_ended, at=12.0),
        TurnEnded(13.0, outcome, translator.stop_reason, {}, usage_is_final=False, error=request_ended.error),
    ]


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_every_fixture_keeps_to_the_grammar_and_folds(odd: OddStream) -> None:
    events = of_fixture(odd)
    check_turn(events)
    turn = turns.fold(events)
    assert turn.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") == odd.text
    assert turn.outcome is (Outcome.FAILED if odd.error else Outcome.COMPLETED)
    reply = turn.reply()
    assert (reply.text if reply else "") == turn.text


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_the_fold_of_what_was_written_down_is_the_same(odd: OddStream) -> None:
    events = of_fixture(odd)
    assert turns.fold([from_json(to_json(event)) for event in events]) == turns.fold(events)


def test_a_fold_begins_with_the_start() -> None:
    for events in ([], [ended()]):
        with pytest.raises(ValueError, match="begins with TurnStarted"):
            turns.fold(events)


def test_stamps_of_a_whole_reply() -> None:
    turn = turn_of(
        RequestProgress(10.6, "connected"),
        RequestProgress(10.7, "headers", request_id="req_1"),
        RequestProgress(10.8, "message_start", message_id="msg_1", model="claude-x-1"),
        RequestProgress(10.9, "ping"),
        BlockStarted(11.0, 0, {"type": "thinking", "thinking": ""}),
        ThinkingDelta(11.1, 0, ""),
        ThinkingDelta(11.2, 0, "hm"),
        SignatureDelta(11.3, 0, "c2ln"),
        BlockEnded(11.4, 0),
        BlockStarted(11.5, 1, TEXT),
        TextDelta(11.6, 1, "a"),
        TextDelta(11.7, 1, "bc"),
        RequestProgress(11.8, "message_stop"),
        RequestEnded(11.9, complete=True, stop_reason="end_turn"),
        ended(12.0),
    )
    (request,) = turn.requests
    stamps = request.stamps
    assert (stamps.sent, stamps.connected, stamps.headers, stamps.message_start) == (10.5, 10.6, 10.7, 10.8)
    assert (stamps.first_thinking, stamps.first_delta, stamps.first_text) == (11.0, 11.2, 11.6)
    assert (stamps.last_delta, stamps.message_stop, stamps.ended, turn.ended) == (11.7, 11.8, 11.9, 12.0)
    assert (request.delta_count, request.characters, request.pings) == (3, 5, 1)
    assert (request.request_id, request.message_id, request.served_model) == ("req_1", "msg_1", "claude-x-1")
    assert turn.ttft == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (TextDelta(11.0, 0, "x"), True),
        (ThinkingDelta(11.0, 0, "x"), True),
        (InputJsonDelta(11.0, 0, "{"), True),
        (BlockStarted(11.0, 0, {"type": "text", "text": "x"}), True),
        (TextDelta(11.0, 0, ""), False),
        (InputJsonDelta(11.0, 0, ""), False),
        (SignatureDelta(11.0, 0, "x"), False),
        (CitationsDelta(11.0, 0, {}), False),
        (UnknownDelta(11.0, 0, {}), False),
        (BlockStarted(11.0, 0, TEXT), False),
        (RequestProgress(11.0, "message_start"), False),
        (UsageUpdated(11.0, {"output_tokens": 1}), False),
    ],
)
def test_what_counts_as_the_first_token(event: Event, counts: bool) -> None:
    assert turn_of(event).ttft == (0.5 if counts else None)


def test_blocks_come_whole() -> None:
    turn = turn_of(
        BlockStarted(11, 1, {"type": "tool_use", "id": "t", "name": "clock", "input": {}}),
        InputJsonDelta(11, 1, '{"zo'),
        InputJsonDelta(11, 1, 'ne": "UTC"}'),
        BlockStarted(11, 0, {"type": "text", "text": "", "citations": [{"n": 1}]}),
        CitationsDelta(11, 0, {"n": 2}),
        TextDelta(11, 0, "a"),
        TextDelta(11, 0, "b"),
        UnknownDelta(11, 0, {"type": "new"}),
        BlockEnded(11, 0),
        BlockEnded(11, 7),
    )
    reply = turn.reply()
    assert reply is not None
    assert reply.blocks == (
        {"type": "text", "text": "ab", "citations": [{"n": 1}, {"n": 2}], "unknown_deltas": [{"type": "new"}]},
        {"type": "tool_use", "id": "t", "name": "clock", "input": {"zone": "UTC"}},
    )
    assert reply.unfinished == (1,)
    assert (reply.id, reply.parent_id, reply.role) == ("reply", turn.prompt.id, "assistant")


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (('{"a": 1}',), {"input": {"a": 1}}),
        (("",), {"input": {}}),
        (("  ",), {"input": {}}),
        (('{"a',), {"input": {}, "partial_json": '{"a'}),
        (("[" * 100_000,), {"input": {}, "partial_json": "[" * 100_000}),
    ],
)
def test_the_input_of_a_tool(pieces: tuple[str, ...], expected: dict[str, object]) -> None:
    start = BlockStarted(11, 0, {"type": "tool_use", "id": "t", "name": "clock", "input": {}})
    reply = turn_of(start, *(InputJsonDelta(11, 0, piece) for piece in pieces)).reply()
    assert reply is not None
    assert reply.blocks[0] == {"type": "tool_use", "id": "t", "name": "clock", **expected}


def test_a_complete_request_ends_blocks_that_were_left_open_and_a_cut_one_does_not() -> None:
    events = (BlockStarted(11, 0, TEXT), TextDelta(11, 0, "a"))
    for complete, unfinished in ((True, ()), (False, (0,))):
        reply = turn_of(*events, RequestEnded(12, complete=complete)).reply()
        assert reply is not None
        assert reply.unfinished == unfinished


def test_usage_overwrites_within_a_request_and_sums_over_requests() -> None:
    turn = turn_of(
        UsageUpdated(11, {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5}),
        UsageUpdated(11, {"output_tokens": 7, "input_tokens": None}, final=True),
        RequestEnded(11, complete=False, error=Failure("api_error", "")),
        RequestStarted(12, "claude-x", 2),
        UsageUpdated(12, {"input_tokens": 20, "output_tokens": 3}),
    )
    assert turn.usage.fields == {"input_tokens": 30, "output_tokens": 10, "cache_read_input_tokens": 5}
    assert turn.usage.input_tokens == 35
    assert [request.usage_is_final for request in turn.requests] == [True, False]


@pytest.mark.parametrize(
    ("name", "final"),
    [
        ("plain", [False, True]),
        ("usage-cumulative", [False, False, True]),
        ("no-stop-reason", [False, False, True]),
        ("usage-null", [False, True]),
        ("usage-absurd", [False, False]),
        ("clean-end", [False]),
    ],
)
def test_when_usage_is_final(name: str, final: list[bool]) -> None:
    odd = next(odd for odd in ODD_STREAMS if odd.name == name)
    assert [event.final for event in events_of(odd.body)[0] if isinstance(event, UsageUpdated)] == final


def test_a_retry_and_its_wait() -> None:
    failure = Failure("overloaded_error", "Overloaded", 529)
    first = (RequestEnded(11.0, complete=False, error=failure), RetryScheduled(11.0, 12.0, 2, 3, failure))
    waiting = turn_of(*first)
    assert (waiting.retry_at, waiting.retry_of, waiting.reply()) == (12.0, 3, None)
    sent = turn_of(*first, RequestStarted(12.0, "claude-x", 2), TextDelta(12.4, 0, "a"))
    assert sent.retry_at is None
    assert sent.ttft == pytest.approx(0.4)  # of the attempt that answered; the wait is no part of it
    assert [request.attempt for request in sent.requests] == [1, 2]


def test_events_without_a_request_change_nothing() -> None:
    turn = turns.fold([STARTED, TextDelta(11, 0, "lost"), UsageUpdated(11, {"output_tokens": 1})])
    assert turn == turns.begin(STARTED)
    assert (turn.text, turn.reply(), turn.ttft, turn.usage.fields) == ("", None, None, {})


FAILED = RequestEnded(12, complete=False, error=Failure("api_error", ""))
START, END = RequestStarted(11, "m", 1), RequestEnded(12, complete=True)
RETRY = RetryScheduled(12, 13, 2, 3, Failure("api_error", ""))


@pytest.mark.parametrize(
    ("check", "events"),
    [
        (check_turn, []),
        (check_turn, [STARTED]),
        (check_turn, [ended()]),
        (check_turn, [STARTED, ended(), ended()]),
        (check_turn, [STARTED, START, ended()]),
        (check_turn, [STARTED, START, END, TextDelta(12, 0, "x"), ended()]),
        (check_turn, [STARTED, RETRY, ended()]),
        (check_requests, [START, START, END]),
        (check_requests, [START, END, END]),
        (check_requests, [START, END, RETRY]),
        (check_requests, [START, FAILED, RETRY, START, END]),
        (check_stamps, [START, ended(5.0)]),
    ],
)
def test_the_grammar_is_not_lenient(check: Callable[[list[Event]], None], events: list[Event]) -> None:
    with pytest.raises(AssertionError):
        check(events)


def test_the_grammar_takes_what_is_right() -> None:
    again = RequestStarted(14, "m", 2)
    check_turn([STARTED, ended()])
    check_turn([STARTED, START, TextDelta(11, 0, "x"), END, ended()])
    check_turn([STARTED, START, FAILED, RETRY, again, dataclasses.replace(END, at=15), ended()])
    check_turn([STARTED, START, FAILED, RETRY, ended()])
