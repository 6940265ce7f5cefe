"""Events as JSON and back: what the journal and `stream-json` write is what they read."""

import dataclasses
import json

import pytest
from hypothesis import given, settings

from tests.unit.store_values import event_lists, prompt
from tui_chat import events
from tui_chat.conversation import Outcome
from tui_chat.errors import Failure
from tui_chat.events import Event, from_json, to_json

FAILURE = Failure("overloaded_error", "Overloaded", 529, "req_1", 2.5, should_retry=True, attempts=3)
EXAMPLES: list[Event] = [
    events.TurnStarted(
        1.5,
        "turn",
        "conversation",
        "reply",
        "claude-x",
        "demo",
        1.7e9,
        dataclasses.replace(prompt("hi", "parent"), unfinished=(1,)),
    ),
    events.RequestStarted(1.5, "claude-x", 2),
    events.RequestProgress(1.5, "headers", "req_1", "msg_1", "claude-x"),
    events.UsageUpdated(1.5, {"output_tokens": 2**64, "nested": {"a": [1, None]}}, final=True),
    events.BlockStarted(1.5, 0, {"type": "text", "text": "\ud83d lone"}),
    events.TextDelta(1.5, 0, "a\x00b\u2028"),
    events.ThinkingDelta(1.5, 1, "hm"),
    events.InputJsonDelta(1.5, 2, '{"a'),
    events.SignatureDelta(1.5, 1, "c2ln"),
    events.CitationsDelta(1.5, 0, {"cited_text": "x"}),
    events.UnknownDelta(1.5, 0, {"type": "new_delta"}),
    events.BlockEnded(1.5, 0),
    events.UnknownEvent(1.5, "weird", {"type": "weird", "error": {"type": "no failure of ours"}}),
    events.MessageFields(1.5, {"stop_sequence": "\ud83d", "container": {"id": "c"}}),
    events.ToolProposed(1.5, "toolu_1", "clock", {"zone": "\ud83d", "n": 2**64}, "abc"),
    events.ApprovalRequested(1.5, "toolu_1", "abc"),
    events.ApprovalAnswered(1.5, "toolu_1", allow=True),
    events.ToolStarted(1.5, "toolu_1"),
    events.ToolEnded(1.5, "toolu_1", "noon\x00", is_error=True),
    events.ToolSkipped(1.5, "toolu_1", "denied", "no"),
    events.RequestEnded(1.5, complete=False, stop_reason="refusal", stop_details={"category": "cyber"}, error=FAILURE),
    events.RetryScheduled(1.5, 2.5, 2, 3, FAILURE),
    events.TurnEnded(
        1.5,
        Outcome.FAILED,
        None,
        {"output_tokens": 3},
        usage_is_final=False,
        error=FAILURE,
        closed_after=0.1,
        saved=False,
    ),
]


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EXAMPLES} == set(Event.__args__)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_round_trip(event: Event) -> None:
    record = to_json(event)
    assert from_json(record) == event
    assert from_json(json.loads(json.dumps(record))) == event
    assert next(iter(record)) == "type"
    assert set(record) == {"type", *(field.name for field in dataclasses.fields(event))}


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_without_what_is_optional(event: Event) -> None:
    record = {
        field.name: value
        for field in dataclasses.fields(event)
        if (value := to_json(event)[field.name]) is not None and field.default is dataclasses.MISSING
    }
    if isinstance(event, events.TurnEnded):
        record["stop_reason"] = None
    assert type(from_json({"type": to_json(event)["type"], **record})) is type(event)


@settings(deadline=None, max_examples=25)
@given(event_lists(0.0))
def test_any_events_round_trip(many: list[Event]) -> None:
    assert [from_json(json.loads(json.dumps(to_json(event)))) for event in many] == many


def test_the_names_are_in_snake_case() -> None:
    assert [to_json(event)["type"] for event in EXAMPLES] == [
        "turn_started",
        "request_started",
        "request_progress",
        "usage_updated",
        "block_started",
        "text_delta",
        "thinking_delta",
        "input_json_delta",
        "signature_delta",
        "citations_delta",
        "unknown_delta",
        "block_ended",
        "unknown_event",
        "message_fields",
        "tool_proposed",
        "approval_requested",
        "approval_answered",
        "tool_started",
        "tool_ended",
        "tool_skipped",
        "request_ended",
        "retry_scheduled",
        "turn_ended",
    ]


@pytest.mark.parametrize("record", [{}, {"type": "nonsense"}, {"type": "text_delta"}, {"type": "block_ended", "x": 1}])
def test_what_is_no_event_is_refused(record: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        from_json(record)
