"""Turns for the tests of store and history: made by the real fold, and what they must look like after a round trip."""

import dataclasses
from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tui_chat import turns
from tui_chat.conversation import Block, ContentBlock, Conversation, Message, Outcome, Stamps, Turn
from tui_chat.engine.calls import propose
from tui_chat.errors import Failure
from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    BlockEnded,
    BlockStarted,
    CitationsDelta,
    Event,
    InputJsonDelta,
    MessageFields,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UnknownDelta,
    UnknownEvent,
    UsageUpdated,
)

_numbers = count(1)


def new_id(kind: str = "id") -> str:
    """An id that no other value of this run has."""
    return f"{kind}-{next(_numbers):06d}"


def conversation() -> Conversation:
    return Conversation(new_id("conversation"), created_at=1_700_000_000.0, title="a title", model="claude-x")


def prompt(text: str = "hello", parent: str | None = None) -> Message:
    return Message(new_id("prompt"), parent, "user", ({"type": "text", "text": text},), 1_700_000_001.0)


def running(
    owner: Conversation, question: Message | None = None, at: float = 1000.0, started_at: float = 1.7e9
) -> Turn:
    """A turn that has just begun, on `question` or on a prompt that follows the conversation's last turn."""
    last = owner.turns[-1] if owner.turns else None
    parent = None if last is None else last.prompt.id if last.reply() is None else last.reply_id
    message = question or prompt(parent=parent)
    return turns.begin(
        TurnStarted(at, new_id("turn"), owner.id, new_id("reply"), "claude-x", "api.anthropic.com", started_at, message)
    )


def content(*texts: str, at: float = 1000.5) -> list[Event]:
    """The events of one request that streams `texts` into one block."""
    events: list[Event] = [
        RequestStarted(at, "claude-x", 1),
        RequestProgress(at + 0.1, "message_start", message_id="msg_1", model="claude-x-20260101"),
        UsageUpdated(at + 0.1, {"input_tokens": 12, "output_tokens": 1}),
        BlockStarted(at + 0.2, 0, {"type": "text", "text": ""}),
    ]
    return events + [TextDelta(at + 0.3 + number / 100, 0, text) for number, text in enumerate(texts)]


def end(turn: Turn, outcome: Outcome = Outcome.COMPLETED, error: Failure | None = None, at: float = 1009.0) -> None:
    """Close the turn's block and request, then the turn."""
    events: list[Event] = []
    if turn.request is not None and outcome is Outcome.COMPLETED:
        events += [BlockEnded(at - 0.3, 0), UsageUpdated(at - 0.2, {"output_tokens": 34}, final=True)]
        events += [RequestEnded(at - 0.1, complete=True, stop_reason="end_turn")]
    events += [TurnEnded(at, outcome, "end_turn", {}, usage_is_final=True, error=error)]
    take(turn, events)


def take(turn: Turn, events: Sequence[Event]) -> None:
    for event in events:
        turns.apply(turn, event)


def stored(turn: Turn) -> Turn:
    """What loading must give for `turn`: its clock starts at 0.0, and blocks are whole and counted from 0."""

    def since(stamp: float | None) -> float | None:
        return None if stamp is None else stamp - turn.started

    requests = [
        dataclasses.replace(
            request,
            stamps=Stamps(**{name: since(stamp) for name, stamp in dataclasses.asdict(request.stamps).items()}),  # type: ignore[arg-type]  # `sent` is never None
            blocks={
                place: Block(place, block.content(), ended=block.ended)
                for place, block in enumerate(request.ordered_blocks)
            },
            calls={
                id_: dataclasses.replace(call, started=since(call.started), ended=since(call.ended))
                for id_, call in request.calls.items()
            },
        )
        for request in turn.requests
    ]
    return dataclasses.replace(
        turn, started=0.0, ended=since(turn.ended), retry_at=since(turn.retry_at), requests=requests
    )


texts = st.text(st.characters(codec="utf-8"), max_size=20)  # NUL and everything that is no surrogate
some_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
counts = st.integers(0, 2**65)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)
usages = st.dictionaries(
    st.sampled_from(["input_tokens", "output_tokens", "cache_read_input_tokens", "service_tier", "novelty"]),
    counts | json_objects | texts,
    max_size=4,
)
failures = st.builds(
    Failure,
    type=texts,
    message=texts,
    status=st.none() | st.integers(100, 599),
    request_id=st.none() | texts,
    retry_after=st.none() | st.floats(0, 1e6),
    should_retry=st.none() | st.booleans(),
    attempts=st.integers(1, 5),
)
indexes = st.integers(0, 5)
steps = st.floats(0, 100)
blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": texts}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "id": texts, "name": texts, "input": st.just({})}),
    json_objects.map(lambda fields: {**fields, "type": "from_the_future"}),
)


@st.composite
def event_lists(draw: st.DrawFn, at: float) -> list[Event]:
    """Events of a turn after its start: sound requests, retries, gaps and surprises alike; no delta is empty."""

    def now() -> float:
        nonlocal at
        at += draw(steps)
        return at

    events: list[Event] = []
    for attempt in range(1, 1 + draw(st.integers(0, 3))):
        events.append(RequestStarted(now(), draw(some_text), attempt))
        events += [draw(_inner(now())) for _ in range(draw(st.integers(0, 12)))]
        if draw(st.booleans()):
            events.append(
                RequestEnded(
                    now(),
                    complete=draw(st.booleans()),
                    stop_reason=draw(st.none() | texts),
                    stop_details=draw(st.none() | json_objects),
                    error=draw(st.none() | failures),
                )
            )
        if draw(st.booleans()):
            events.append(RetryScheduled(now(), now(), attempt, 3, draw(failures)))
        for tool_use_id in draw(st.lists(texts, max_size=2)):
            events += draw(_tool_events(now(), tool_use_id))
    return events


@st.composite
def _tool_events(draw: st.DrawFn, at: float, tool_use_id: str) -> list[Event]:
    """The events of one call, as far as it comes."""
    events: list[Event] = [ToolProposed(at, tool_use_id, draw(texts), draw(json_objects), "hash")]
    allow = draw(st.booleans())
    events += [ApprovalRequested(at, tool_use_id, "hash"), ApprovalAnswered(at, tool_use_id, allow)]
    if allow:
        events += [ToolStarted(at, tool_use_id), ToolEnded(at, tool_use_id, draw(texts), draw(st.booleans()))]
    else:
        events.append(ToolSkipped(at, tool_use_id, "denied", draw(texts)))
    return events[: draw(st.integers(0, len(events)))]


def _inner(at: float) -> st.SearchStrategy[Event]:
    stamp = st.just(at)
    stages: Any = st.sampled_from(["connected", "headers", "message_start", "ping", "message_stop"])
    optional = st.none() | texts
    return st.one_of(
        st.builds(RequestProgress, stamp, stages, optional, optional, optional),
        st.builds(UsageUpdated, stamp, usages, st.booleans()),
        st.builds(BlockStarted, stamp, indexes, blocks),
        st.builds(TextDelta, stamp, indexes, some_text),
        st.builds(ThinkingDelta, stamp, indexes, some_text),
        st.builds(InputJsonDelta, stamp, indexes, some_text | st.sampled_from(['{"a"', ": 18446744073709551616}"])),
        st.builds(SignatureDelta, stamp, indexes, texts),
        st.builds(CitationsDelta, stamp, indexes, json_objects),
        st.builds(UnknownDelta, stamp, indexes, json_objects),
        st.builds(BlockEnded, stamp, indexes),
        st.builds(UnknownEvent, stamp, texts, json_objects),
        st.builds(MessageFields, stamp, json_objects),
    )


# Turns of several rounds ------------------------------------------------------------------------------------------------

SERVER_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "tea"}}
SERVER_FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result"}],
}
SILENT = (  # what has no content yet; the first two show nothing either, and such a request goes out again
    {"type": "text", "text": ""},
    {"type": "thinking", "thinking": ""},
    {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
)
_OVERLOADED = Failure("overloaded_error", "Overloaded", 529)
odd_texts = st.sampled_from(["so", "", " ", "\n\x1f", "end ", "\ud800", None, 8])
odd_ids = st.sampled_from(["toolu_1", "toolu_1", "toolu_1_2", "toolu_2", "a b:1", "", "tool", "\ud800", None, 7])
odd_names = st.sampled_from(["clock", "no name", "", "x" * 300, "\ud800", None, 7])
odd_inputs = st.sampled_from([{}, {"zone": "\ud800"}, "no object", None, [1]])
odd_calls: st.SearchStrategy[ContentBlock] = st.builds(
    lambda id_, name, given: {"type": "tool_use", "id": id_, "name": name, "input": given},
    odd_ids,
    odd_names,
    odd_inputs,
)
reply_blocks: st.SearchStrategy[ContentBlock] = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, odd_texts),
    st.builds(
        lambda text: {"type": "thinking", "thinking": "hm", "signature": text}, st.sampled_from(["c2ln", "", None])
    ),
    st.just({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
    odd_calls,
    odd_calls,
    st.just({"type": "container_upload", "file_id": "file_1"}),
    st.just({"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "x", "input": {}}),
    st.just({}),
)


@st.composite
def turns_of_rounds(draw: st.DrawFn, models: Sequence[str], *, is_running: bool = False) -> Turn:
    """A turn of up to three rounds, each with calls and their results, or paused by the server, and attempts that failed
    between them.

    One that `is_running` is about to send its next request: all its calls have results. One that has ended may have been
    cut anywhere in its last round, and may be the program's own instruction to go on.
    """
    model = draw(st.sampled_from(models))
    question = dataclasses.replace(
        prompt(draw(st.sampled_from(["hi", " so", "\ud800"]))), continues=not is_running and draw(st.booleans())
    )
    turn = turns.begin(
        TurnStarted(0.0, new_id("turn"), "conversation", new_id("reply"), model, "demo", 1.7e9, question)
    )
    rounds = draw(st.integers(1, 3))
    for number in range(rounds):
        if draw(st.booleans()):
            failed_attempt(turn, draw(st.lists(st.sampled_from(SILENT), max_size=2)))
        is_last = number == rounds - 1 and not is_running
        _round(draw, turn, cut=is_last and draw(st.booleans()), is_last=is_last)
    if is_running and draw(st.booleans()):
        failed_attempt(turn, draw(st.lists(st.sampled_from(SILENT), max_size=2)))
    if not is_running:
        stop_reason = draw(st.sampled_from([None, "end_turn", "refusal", "tool_use"]))
        take(turn, [TurnEnded(9.0, draw(st.sampled_from(Outcome)), stop_reason, {}, usage_is_final=False)])
        turn.in_context = draw(st.booleans())
    return turn


def failed_attempt(turn: Turn, blocks: Sequence[ContentBlock] = SILENT) -> None:
    """An attempt that failed after `blocks` had begun."""
    take(turn, [RequestStarted(1.0, turn.model, 1)])
    take(turn, [BlockStarted(1.0, index, block) for index, block in enumerate(blocks)])
    take(turn, [RequestEnded(1.0, complete=False, error=_OVERLOADED), RetryScheduled(1.0, 1.0, 2, 3, _OVERLOADED)])


def _round(draw: st.DrawFn, turn: Turn, *, cut: bool, is_last: bool) -> None:
    """One request and its calls. A server's own call of the request before is answered first."""
    server_waits = turn.requests and any(block.start == SERVER_CALL for block in turn.requests[-1].blocks.values())
    contents = [*([SERVER_FOUND] if server_waits else []), *draw(st.lists(reply_blocks, max_size=4))]
    contents += [SERVER_CALL] if draw(st.booleans()) else [draw(odd_calls)]
    take(turn, [RequestStarted(2.0, turn.model, 1)])
    for index, block in enumerate(contents):
        take(turn, [BlockStarted(2.0, index, block)])
        if block.get("type") == "tool_use":
            take(turn, [InputJsonDelta(2.0, index, piece) for piece in draw(st.sampled_from([(), ("{}",), ("{",)]))])
        if not cut or draw(st.booleans()):
            take(turn, [BlockEnded(2.0, index)])
    take(turn, [RequestEnded(2.0, complete=not cut, stop_reason=None if cut else "tool_use")])
    if cut:
        return
    calls = propose(turn.requests[-1], lambda event: take(turn, [event]))
    for call in calls:
        if is_last and draw(st.booleans()):
            continue
        result, id_ = draw(st.sampled_from(["12:00", "", "\ud800"])), call.tool_use_id
        skipped: list[Event] = [ToolSkipped(3.0, id_, "denied", result)]
        ran: list[Event] = [ToolStarted(3.0, id_), ToolEnded(3.0, id_, result, draw(st.booleans()))]
        take(turn, draw(st.sampled_from([skipped, ran])))
