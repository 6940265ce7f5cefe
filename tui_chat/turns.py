"""The fold: events in, a `Turn` out. The truth about a turn that screen, store, meter and JSON all share.

It reads no clock and does no I/O: the same events give the same turn, live, from a recording, or from the journal after a
crash. The turn grows in place instead of being copied at each event, so a delta costs the same in the first and in the
hundred thousandth (a new value each time would be quadratic in the reply).
"""

from collections.abc import Iterable

from tui_chat.conversation import UNKNOWN_KEPT, Block, Request, Stamps, ToolCall, Turn
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


def begin(event: TurnStarted) -> Turn:
    """The turn that `event` starts."""
    return Turn(
        id=event.turn_id,
        conversation_id=event.conversation_id,
        prompt=event.prompt,
        reply_id=event.reply_id,
        model=event.model,
        server=event.server,
        started_at=event.started_at,
        started=event.at,
    )


def fold(events: Iterable[Event]) -> Turn:
    """The turn that a whole sequence makes; it must begin with TurnStarted (ValueError otherwise)."""
    stream = iter(events)
    first = next(stream, None)
    if not isinstance(first, TurnStarted):
        raise ValueError("a turn begins with TurnStarted")  # noqa: TRY004 - the sequence is wrong, not the type
    turn = begin(first)
    for event in stream:
        apply(turn, event)
    return turn


def apply(turn: Turn, event: Event) -> None:
    """Take `event` into `turn`. Events that need a request are ignored before the first one."""
    match event:
        case TurnStarted():
            return
        case RequestStarted():
            turn.retry_at = None
            turn.requests.append(Request(event.model, event.attempt, Stamps(sent=event.at)))
            return
        case RetryScheduled():
            turn.retry_at, turn.retry_of = event.resume_at, event.of
            return
        case TurnEnded():
            turn.outcome, turn.stop_reason, turn.error = event.outcome, event.stop_reason, event.error
            turn.usage_is_final, turn.ended, turn.closed_after = event.usage_is_final, event.at, event.closed_after
            turn.cancelled_after, turn.saved_after = event.cancelled_after, event.saved_after
            turn.retry_at = None
            return
        case _:
            if turn.requests:
                _apply_to_request(turn.requests[-1], event)


def _apply_to_request(request: Request, event: Event) -> None:
    match event:
        case TextDelta():
            _delta(request, event.at, event.index, "text", event.text)
            if event.text and request.stamps.first_text is None:
                request.stamps.first_text = event.at
        case ThinkingDelta():
            _delta(request, event.at, event.index, "thinking", event.thinking)
            if event.thinking:
                request.stamps.last_thinking = event.at
                if request.stamps.first_thinking is None:
                    request.stamps.first_thinking = event.at
        case InputJsonDelta():
            _delta(request, event.at, event.index, "partial_json", event.partial_json)
        case SignatureDelta():
            _block(request, event.index, "thinking").add("signature", event.signature)
        case CitationsDelta():
            _block(request, event.index, "text").citations.append(event.citation)
        case UnknownDelta():
            deltas = _block(request, event.index, "unknown").unknown_deltas
            if len(deltas) < UNKNOWN_KEPT:
                deltas.append(event.delta)
        case BlockStarted():
            request.blocks[event.index] = Block(event.index, event.block)
            _content_of_start(request, event)
        case BlockEnded():
            if event.index in request.blocks:
                request.blocks[event.index].ended = True
        case UsageUpdated():
            request.usage = request.usage.updated(event.usage)
            request.usage_is_final = request.usage_is_final or event.final
        case RequestProgress():
            _progress(request, event)
        case RequestEnded():
            request.stamps.ended = event.at
            if event.complete:  # some servers leave blocks open until the end
                for block in request.blocks.values():
                    block.ended = True
            request.stop_reason, request.stop_details, request.error = (
                event.stop_reason,
                event.stop_details,
                event.error,
            )
        case UnknownEvent():
            request.stamps.last_bytes = event.at
            if len(request.unknown_events) < UNKNOWN_KEPT:
                request.unknown_events.append({"event": event.name, "data": event.data})
        case MessageFields():
            for name, value in event.fields.items():
                if name in request.fields or len(request.fields) < UNKNOWN_KEPT:
                    request.fields[name] = value
        case ToolProposed():
            call = ToolCall(event.tool_use_id, event.name, event.input, event.input_hash)
            request.calls[event.tool_use_id] = call
        case ApprovalRequested() | ApprovalAnswered() | ToolStarted() | ToolEnded() | ToolSkipped():
            if (known := request.calls.get(event.tool_use_id)) is not None:
                _call(known, event)
        case _:
            pass


def _call(call: ToolCall, event: ApprovalRequested | ApprovalAnswered | ToolStarted | ToolEnded | ToolSkipped) -> None:
    match event:
        case ApprovalRequested():
            call.waiting = True
        case ApprovalAnswered():
            call.waiting, call.allowed = False, event.allow
        case ToolStarted():
            call.started = event.at
        case ToolEnded():
            call.ended, call.result, call.is_error = event.at, event.content, event.is_error
        case ToolSkipped():
            call.ended, call.result, call.is_error, call.skipped = event.at, event.content, True, event.reason


def _progress(request: Request, event: RequestProgress) -> None:
    stamps = request.stamps
    request.request_id = event.request_id or request.request_id
    if event.stage == "connected":
        stamps.connected = event.at
        return
    stamps.last_bytes = event.at
    match event.stage:
        case "headers":
            stamps.headers = event.at
        case "message_start":
            stamps.message_start = event.at
            request.message_id, request.served_model = event.message_id, event.model
        case "ping":
            request.pings += 1
        case "message_stop":
            stamps.message_stop = event.at


def _content_of_start(request: Request, event: BlockStarted) -> None:
    """Text inside content_block_start counts as content."""
    for name in ("text", "thinking"):
        text = event.block.get(name)
        if isinstance(text, str) and text:
            _count(request, event.at, text)
            if name == "text" and request.stamps.first_text is None:
                request.stamps.first_text = event.at
    if event.block.get("type") == "thinking" and request.stamps.first_thinking is None:
        request.stamps.first_thinking = event.at


def _delta(request: Request, at: float, index: int, name: str, piece: str) -> None:
    if not piece:
        return
    _block(request, index, _BLOCK_OF[name]).add(name, piece)
    _count(request, at, piece)


def _count(request: Request, at: float, piece: str) -> None:
    stamps = request.stamps
    if stamps.first_delta is None:
        stamps.first_delta = at
    stamps.last_delta = stamps.last_bytes = at
    request.delta_count += 1
    request.characters += len(piece)


_BLOCK_OF = {"text": "text", "thinking": "thinking", "partial_json": "tool_use"}


def _block(request: Request, index: int, kind: str) -> Block:
    """The block at `index`; one that never started (a gap, a lost event) is opened with the delta's type."""
    block = request.blocks.get(index)
    if block is None:
        block = request.blocks[index] = Block(index, {"type": kind})
    return block
