"""Stored turns to messages: a table of what goes out, and the promise that whatever came before is never refused."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.legal import why_refused
from tests.unit.odd_streams import ODD_STREAMS, OddStream, events_of
from tests.unit.store_values import SILENT, failed_attempt, prompt, turns_of_rounds
from tui_chat import turns
from tui_chat.conversation import ContentBlock, Outcome, Turn
from tui_chat.engine.history import NO_OUTPUT, NO_RESULT, messages_for, outgoing
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    CitationsDelta,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestStarted,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UnknownDelta,
)
from tui_chat.text import storable

MODEL = "claude-sonnet-5-5"
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
SECRET = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
SERVER = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tea"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}
TOOL = {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def turn_of(
    *events: Event,
    asked: str = "hi",
    outcome: Outcome = Outcome.COMPLETED,
    stop_reason: str | None = "end_turn",
    error: Failure | None = None,
    model: str = MODEL,
) -> Turn:
    """A turn with one request that brought `events`."""
    started = TurnStarted(1.0, "turn", "conversation", "reply", model, "demo", 1.7e9, prompt(asked))
    request_ended = RequestEnded(3.0, complete=outcome is Outcome.COMPLETED, stop_reason=stop_reason)
    ended = TurnEnded(4.0, outcome, stop_reason, {}, usage_is_final=False, error=error)
    return turns.fold([started, RequestStarted(1.5, model, 1), *events, request_ended, ended])


def reply_of(*blocks: Mapping[str, Any], **fields: Any) -> Turn:
    """A turn whose reply is `blocks`, each of them finished."""
    events: list[Event] = []
    for index, block in enumerate(blocks):
        events += [BlockStarted(2.0, index, block), BlockEnded(2.0, index)]
    return turn_of(*events, **fields)


def sent(*earlier: Turn, model: str = MODEL) -> list[dict[str, Any]]:
    """The messages of a request after `earlier`, which the API would accept."""
    messages = messages_for(earlier, prompt("and now?"), model)
    assert messages[-1]["content"][-1] == text("and now?")
    return accepted(messages, model)


def accepted(messages: list[dict[str, Any]], model: str = MODEL) -> list[dict[str, Any]]:
    """`messages`, which the API would accept."""
    assert why_refused(messages, model) is None
    json.dumps(messages, ensure_ascii=False).encode()  # as the SDK encodes it
    return messages


def result(content: str = NO_RESULT, *, id: str = "toolu_1", is_error: bool = True) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": id, "content": content}
    return {**block, "is_error": True} if is_error else block


def user(*texts: str) -> dict[str, Any]:
    return {"role": "user", "content": [text(each) for each in texts]}


def assistant(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_a_first_prompt() -> None:
    assert sent() == [user("and now?")]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([text("Hello")], [text("Hello")]),
        ([text("Hello \n\t")], [text("Hello")]),
        ([text(" a "), text(" b ")], [text(" a "), text(" b")]),
        ([text("Hello"), text(" \n")], [text("Hello")]),
        ([text(""), text("Hello")], [text("Hello")]),
        ([text(None), text("Hello")], [text("Hello")]),
        ([text(8)], [text("8")]),
        ([text("\ud83d\ude00 \ud800")], [text("😀 \ufffd")]),
        ([{**text("Hello"), "citations": [], "novelty": 1}], [text("Hello")]),
        ([THOUGHT, text("Hello")], [THOUGHT, text("Hello")]),
        ([THOUGHT, SECRET, text("Hello")], [THOUGHT, SECRET, text("Hello")]),
        ([{**THOUGHT, "thinking": ""}, text("Hello")], [{**THOUGHT, "thinking": ""}, text("Hello")]),
        ([{**THOUGHT, "novelty": 1}, text("Hello")], [THOUGHT, text("Hello")]),
        ([{**THOUGHT, "signature": ""}, text("Hello")], [text("Hello")]),
        ([{**THOUGHT, "signature": 7}, text("Hello")], [text("Hello")]),
        ([{**THOUGHT, "thinking": "\ud800"}, text("Hello")], [text("Hello")]),
        ([{"type": "thinking", "signature": "c2ln"}, text("Hello")], [text("Hello")]),
        ([{"type": "redacted_thinking"}, text("Hello")], [text("Hello")]),
        ([{"type": "redacted_thinking", "data": ""}, text("Hello")], [text("Hello")]),
        ([text("Hello"), THOUGHT], [text("Hello")]),
        ([{"type": "mystery_block", "x": 1}, text("Hello")], [text("Hello")]),
        ([{}, {"type": 7}, text("Hello")], [text("Hello")]),
    ],
)
def test_what_of_a_reply_goes_out(blocks: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert sent(reply_of(*blocks)) == [user("hi"), assistant(*expected), user("and now?")]


@pytest.mark.parametrize("blocks", [[], [text("")], [text(" \n\x1f")], [THOUGHT], [SECRET, text(" ")], [SERVER]])
def test_a_reply_of_which_nothing_is_left(blocks: list[dict[str, Any]]) -> None:
    assert sent(reply_of(*blocks)) == [user("hi", "and now?")]


def test_thinking_goes_only_to_the_model_that_thought() -> None:
    turn = reply_of(THOUGHT, SECRET, text("Hello"), model="claude-opus-5-5")
    assert sent(turn)[1] == assistant(text("Hello"))
    assert sent(turn, model="claude-opus-5-5")[1] == assistant(THOUGHT, SECRET, text("Hello"))


def test_a_stopped_reply_keeps_its_text_and_drops_its_unfinished_thought() -> None:
    thinking = BlockStarted(2.0, 0, {"type": "thinking", "thinking": ""})
    cut = turn_of(thinking, ThinkingDelta(2.0, 0, "hm"), outcome=Outcome.CANCELLED, stop_reason=None)
    assert sent(cut) == [user("hi", "and now?")]
    begun = turn_of(
        thinking,
        ThinkingDelta(2.0, 0, "hm"),
        SignatureDelta(2.0, 0, "c2lnbmVk"),
        BlockEnded(2.0, 0),
        BlockStarted(2.0, 1, text("")),
        TextDelta(2.0, 1, "half a sen "),
        outcome=Outcome.CANCELLED,
        stop_reason=None,
    )
    assert sent(begun)[1] == assistant(THOUGHT, text("half a sen"))
    left_open = turn_of(
        BlockStarted(2.0, 0, THOUGHT), BlockStarted(2.0, 1, text("half")), outcome=Outcome.CANCELLED, stop_reason=None
    )
    assert sent(left_open)[1] == assistant(text("half"))


def test_a_tool_call_that_was_cut_is_left_out() -> None:
    cut = turn_of(
        BlockStarted(2.0, 0, text("Let me look")),
        BlockStarted(2.0, 1, TOOL),
        InputJsonDelta(2.0, 1, '{"zo'),
        outcome=Outcome.FAILED,
        error=Failure("cut_off", ""),
    )
    assert sent(cut)[1] == assistant(text("Let me look"))


@pytest.mark.parametrize(
    ("blocks", "said", "results"),
    [
        ([text("a"), TOOL], [text("a"), TOOL], [result()]),
        ([THOUGHT, TOOL], [THOUGHT, TOOL], [result()]),
        ([TOOL, {**TOOL, "id": "b"}], [TOOL, {**TOOL, "id": "b"}], [result(), result(id="b")]),
        ([TOOL, TOOL], [TOOL, {**TOOL, "id": "toolu_1_2"}], [result(), result(id="toolu_1_2")]),
        ([{**TOOL, "id": "a b:1"}], [{**TOOL, "id": "a_b_1"}], [result(id="a_b_1")]),
        ([{**TOOL, "id": None}], [{**TOOL, "id": "tool"}], [result(id="tool")]),
        ([{**TOOL, "input": {"a": "\ud800"}}], [{**TOOL, "input": {"a": "\ufffd"}}], [result()]),
        ([{**TOOL, "caller": 1, "novelty": 2}], [TOOL], [result()]),
        ([text("a"), {**TOOL, "input": "no object"}], [text("a")], []),
        ([text("a"), {**TOOL, "partial_json": "{"}], [text("a")], []),
        ([{**TOOL, "name": "no name"}], [{**TOOL, "name": "no_name"}], [result()]),
        ([{**TOOL, "name": 7}], [{**TOOL, "name": "tool"}], [result()]),
        ([{**TOOL, "caller": {"type": "direct"}}], [{**TOOL, "caller": {"type": "direct"}}], [result()]),
        ([SERVER, FOUND, text("a")], [text("a")], []),
    ],
)
def test_calls_that_never_ran_are_answered(
    blocks: list[dict[str, Any]], said: list[dict[str, Any]], results: list[dict[str, Any]]
) -> None:
    expected = [user("hi"), assistant(*said), {"role": "user", "content": [*results, text("and now?")]}]
    assert sent(reply_of(*blocks)) == expected


def proposed(id: str = "toolu_1") -> Event:
    return ToolProposed(3.1, id, "clock", {}, "hash")


def rounds_of(*tools: Event, ended: bool = True) -> Turn:
    """A turn of two rounds: a call, `tools`, then an answer."""
    started = TurnStarted(1.0, "turn", "conversation", "reply", MODEL, "demo", 1.7e9, prompt("hi"))
    first: list[Event] = [
        BlockStarted(2.0, 0, THOUGHT),
        BlockEnded(2.0, 0),
        BlockStarted(2.0, 1, TOOL),
        BlockEnded(2.0, 1),
    ]
    events: list[Event] = [started, RequestStarted(1.5, MODEL, 1), *first]
    events += [RequestEnded(3.0, complete=True, stop_reason="tool_use"), *tools]
    if ended:
        answer: list[Event] = [BlockStarted(5.0, 0, text("noon")), BlockEnded(5.0, 0)]
        events += [RequestStarted(4.0, MODEL, 1), *answer, RequestEnded(6.0, complete=True, stop_reason="end_turn")]
        events.append(TurnEnded(7.0, Outcome.COMPLETED, "end_turn", {}, usage_is_final=False))
    return turns.fold(events)


@pytest.mark.parametrize(
    ("content", "is_error", "expected"),
    [
        ("12:00", False, result("12:00", is_error=False)),
        ("no such zone", True, result("no such zone")),
        (" ", False, result(NO_OUTPUT, is_error=False)),
        ("\ud800", False, result("\ufffd", is_error=False)),
    ],
)
def test_a_turn_of_two_rounds(content: str, is_error: bool, expected: dict[str, Any]) -> None:
    turn = rounds_of(proposed(), ToolStarted(3.2, "toolu_1"), ToolEnded(3.3, "toolu_1", content, is_error))
    asked, called = user("hi"), assistant(THOUGHT, TOOL)
    answered = {"role": "user", "content": [expected]}
    assert sent(turn) == [asked, called, answered, assistant(text("noon")), user("and now?")]
    assert sent(turn, model="claude-opus-5-5")[1] == assistant(TOOL)


def test_the_next_round_of_a_running_turn() -> None:
    turn = rounds_of(proposed(), ToolStarted(3.2, "toolu_1"), ToolEnded(3.3, "toolu_1", "12:00"), ended=False)
    messages = accepted(messages_for([], turn.prompt, MODEL, turn.reply()))
    assert messages[-1] == {"role": "user", "content": [result("12:00", is_error=False)]}


@pytest.mark.parametrize("tail", [[SERVER], [SERVER, FOUND], [SERVER, FOUND, text("so ")]])
def test_a_paused_turn_is_sent_again_as_it_is(tail: list[dict[str, Any]]) -> None:
    turn = reply_of(THOUGHT, *tail, stop_reason="pause_turn")
    messages = accepted(messages_for([], turn.prompt, MODEL, turn.reply()))
    assert messages[1]["content"][: 1 + len(tail[:2])] == [THOUGHT, *tail[:2]]


def test_deltas_that_do_not_fit_leave_no_trace() -> None:
    odd = turn_of(
        BlockStarted(2.0, 0, {"type": "thinking", "thinking": ""}),
        TextDelta(2.0, 0, "lost"),
        UnknownDelta(2.0, 0, {"type": "new"}),
        SignatureDelta(2.0, 0, "c2lnbmVk"),
        SignatureDelta(2.0, 1, "c2lnbmVk"),
        TextDelta(2.0, 2, "Hello"),
        UnknownDelta(2.0, 2, {"type": "new"}),
    )
    assert sent(odd)[1] == assistant({**THOUGHT, "thinking": ""}, text("Hello"))


def test_turns_in_a_row_without_replies_are_one_message() -> None:
    failed = [turn_of(asked=asked, outcome=Outcome.FAILED, error=Failure("api_error", "")) for asked in ("one", "two")]
    assert sent(*failed) == [user("one", "two", "and now?")]


def test_what_is_left_out() -> None:
    kept = reply_of(text("Hello"), asked="kept")
    switched = reply_of(text("Hello"), asked="switched")
    switched.in_context = False
    refused = reply_of(text("I cannot"), asked="refused", stop_reason="refusal")
    overloaded = turn_of(asked="again", outcome=Outcome.FAILED, error=Failure("overloaded_error", "", 529))
    everything = [kept, switched, refused, overloaded]
    assert outgoing(everything) == [kept, overloaded]
    assert sent(*everything) == [user("kept"), assistant(text("Hello")), user("again", "and now?")]


def test_building_a_request_changes_no_turn() -> None:
    turn = reply_of(THOUGHT, text("Hello "))
    before = turn.reply()
    first, second = sent(turn, turn), sent(turn, turn)
    assert first == second
    assert turn.reply() == before


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_a_turn_cut_at_any_event_is_followed_by_a_legal_request(odd: OddStream) -> None:
    events, translator = events_of(odd.body)
    for cut in range(len(events) + 1):
        sent(turn_of(*events[:cut], outcome=Outcome.CANCELLED, stop_reason=None))
    sent(turn_of(*events, stop_reason=translator.stop_reason))


words = st.text(st.characters(), max_size=6) | st.sampled_from(["", " ", "\n\x1f", "c2lnbmVk", '{"a": 1}'])
index = st.integers(0, 3)
some_blocks = (
    st.sampled_from([text(""), {"type": "thinking", "thinking": ""}, THOUGHT, SECRET, TOOL, {"type": "new"}, {}])
    | st.builds(text, words | st.none() | st.integers())
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use"])},
        optional={name: words | st.none() for name in ("text", "thinking", "signature", "data", "id", "name", "input")},
    )
)
at = st.just(2.0)
pieces: st.SearchStrategy[Event] = st.one_of(
    st.builds(BlockStarted, at, index, some_blocks),
    st.builds(TextDelta, at, index, words),
    st.builds(ThinkingDelta, at, index, words),
    st.builds(InputJsonDelta, at, index, words),
    st.builds(SignatureDelta, at, index, words),
    st.builds(CitationsDelta, at, index, st.just({"cited_text": "x"})),
    st.builds(UnknownDelta, at, index, st.just({"type": "new"})),
    st.builds(BlockEnded, at, index),
)
any_turns = st.builds(
    lambda events, fields, in_context: dataclasses.replace(turn_of(*events, **fields), in_context=in_context),
    st.lists(pieces, max_size=12),
    st.fixed_dictionaries(
        {
            "asked": st.text(st.characters(), min_size=1, max_size=6).filter(
                lambda asked: bool(storable(asked).strip())
            ),
            "outcome": st.sampled_from(Outcome),
            "stop_reason": st.sampled_from([None, "end_turn", "refusal", "tool_use", "pause_turn", "new"]),
            "error": st.none() | st.sampled_from([Failure("cut_off", ""), Failure("invalid_request_error", "")]),
            "model": st.sampled_from([MODEL, "claude-opus-5-5"]),
        }
    ),
    st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(any_turns, max_size=4))
def test_whatever_came_before_the_request_is_legal(earlier: list[Turn]) -> None:
    sent(*earlier)


MODELS = (MODEL, "claude-opus-5-5")


@settings(deadline=None, max_examples=200)
@given(st.lists(turns_of_rounds(MODELS), max_size=4), st.sampled_from(MODELS))
def test_whatever_the_rounds_before_brought_the_request_is_legal(earlier: list[Turn], model: str) -> None:
    sent(*earlier, model=model)


@settings(deadline=None, max_examples=200)
@given(st.lists(turns_of_rounds(MODELS), max_size=2), turns_of_rounds(MODELS, is_running=True))
def test_the_next_request_of_a_running_turn_is_legal(earlier: list[Turn], turn: Turn) -> None:
    asked = messages_for(earlier, turn.prompt, turn.model, turn.so_far())
    assume(asked[-1]["role"] == "user" or ends_in_a_call_of_the_server(asked))
    accepted(asked, turn.model)
    without_attempts = dataclasses.replace(turn, requests=[each for each in turn.requests if each.error is None])
    assert asked == messages_for(earlier, turn.prompt, turn.model, without_attempts.reply())


def ends_in_a_call_of_the_server(messages: list[dict[str, Any]]) -> bool:
    """Whether the reply that was paused has such a call, or its result: only then it may stand at the end."""
    return any(block["type"] in ("server_tool_use", "web_search_tool_result") for block in messages[-1]["content"])


@pytest.mark.parametrize("block", SILENT, ids=lambda block: str(block["type"]))
@pytest.mark.parametrize("before", [[], [text("a"), TOOL]], ids=["first round", "second round"])
def test_an_attempt_that_failed_is_no_part_of_the_next(before: list[ContentBlock], block: ContentBlock) -> None:
    turn = rounds_of(proposed(), ToolEnded(3.2, "toolu_1", "12:00"), ended=False) if before else first_attempt()
    so_far = turn.so_far()
    failed_attempt(turn, [block])
    assert turn.so_far() == so_far
    assert accepted(messages_for([], turn.prompt, MODEL, turn.so_far()))[-1]["role"] == "user"


def first_attempt() -> Turn:
    return turns.begin(TurnStarted(0.0, "turn", "conversation", "reply", MODEL, "demo", 1.7e9, prompt("hi")))
