"""A reply as the Messages API puts it on the wire: the events of a stream, or one JSON message.

Why it exists: the shape and order of the events, the usage in them and the small habits of the real API (a ping after
the first block opens, spaces before the closing brace, deltas of uneven size) are what a client is tested against.
What it must not know: sockets, when an event leaves (`schedule` decides), why the reply is what it is (`replies`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from tui_chat.demo.content import CALLS, Block, Fault, Reply
from tui_chat.demo.legal_blocks import sign
from tui_chat.demo.schedule import Beat, Pacing, Pause, Script, cut
from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN, InputUsage, count_text

PING: Final = 'event: ping\ndata: {"type": "ping"}\n\n'

# The delta that brings a piece of a block, and the field it is in.
_PIECES: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    **dict.fromkeys(CALLS, ("input_json_delta", "partial_json")),
}

STALL_SECONDS: Final = 30.0
STALL_PING_EVERY: Final = 1.0
SILENCE_SECONDS: Final = 600.0
WAIT_PING_EVERY: Final = 5.0

# The API pads its events by a random number of spaces, so that their length does not give the text away.
_PADDING: Final = tuple(" " * width for width in range(16))

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the API knows of a message besides its content."""

    message_id: str
    request_id: str
    model: str
    usage: InputUsage


def to_json(value: object) -> str:
    """Compact JSON in UTF-8 text, as the API writes it."""
    return _encode(value)


def error_body(type: str, message: str, request_id: str) -> dict[str, Any]:
    """The body of every error, in a response and in an `error` event alike."""
    return {"type": "error", "error": {"type": type, "message": message}, "request_id": request_id}


def whole_message(reply: Reply, envelope: Envelope) -> dict[str, Any]:
    """The message as one document, for a request without `stream`."""
    usage = {**_start_usage(envelope.usage), **_end_usage(reply, envelope.usage)}
    return {
        **_message(envelope),
        "content": [_content(block) for block in reply.blocks],
        **_ending(reply),
        "usage": usage,
    }


def stream_script(reply: Reply, envelope: Envelope, pacing: Pacing) -> Script:
    """The events of the streamed message, up to the fault that interrupts it for good, if any."""
    weight = sum(len(block.text) for block in reply.blocks)
    output_tokens = reply.output_tokens
    stop = reply.interruption
    if stop is not None and stop.fault is not Fault.STALL:
        weight = min(weight, stop.after)
        output_tokens = -(-weight // CHARACTERS_PER_TOKEN)
    return Script(_interrupted(reply, envelope, pacing), weight, output_tokens)


def ends_cleanly(reply: Reply) -> bool:
    """Whether the body of the response is ended as HTTP wants it, or the connection just closes."""
    return reply.interruption is None or reply.interruption.fault not in (Fault.CUT, Fault.NO_HEADERS)


def _interrupted(reply: Reply, envelope: Envelope, pacing: Pacing) -> Iterator[Beat | Pause]:
    stop = reply.interruption
    if stop is None:
        yield from _events(reply, envelope, pacing)
        return
    if stop.fault is Fault.WAIT:
        yield Pause(SILENCE_SECONDS, WAIT_PING_EVERY)
        return
    if stop.fault is Fault.NO_HEADERS:
        yield Pause(SILENCE_SECONDS)
        return
    sent = 0
    for beat in _events(reply, envelope, pacing, break_at=stop.after):
        if beat.weight and sent == stop.after:
            if stop.fault is not Fault.STALL:
                break
            yield Pause(STALL_SECONDS, STALL_PING_EVERY)
        sent += beat.weight
        yield beat
    if stop.fault is Fault.SILENCE:
        yield Pause(SILENCE_SECONDS)
    elif stop.fault is Fault.ERROR:
        yield Beat(_frame(error_body("api_error", "Internal server error", envelope.request_id)))


def _events(reply: Reply, envelope: Envelope, pacing: Pacing, break_at: int = -1) -> Iterator[Beat]:
    """Every event of the complete message. A delta ends at character `break_at` of the content, if that is given."""
    padding = Random(f"padding {pacing.seed}").random
    message = {**_message(envelope), "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    yield Beat(_frame({"type": "message_start", "message": {**message, "usage": _start_usage(envelope.usage)}}))
    sent = 0
    for index, block in enumerate(reply.blocks):
        yield from (Beat(_frame(event)) for event in block.preceded_by)
        yield Beat(_frame({"type": "content_block_start", "index": index, "content_block": _start(block)}))
        if index == 0:
            yield Beat(PING)
        kind, field = _PIECES.get(block.type, ("", ""))
        opening = f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},"delta":'
        opening += f'{{"type":"{kind}","{field}":'
        if block.type in CALLS:  # the first piece of an input is none, and of an empty input it is the only one
            yield Beat(f'{opening}""}}}}\n\n')
        pace = pacing if block.piece_size is None else replace(pacing, delta=block.piece_size)
        here = max(0, min(len(block.text), break_at - sent))
        for part in (block.text[:here], block.text[here:]):
            for text in cut(part, pace, salt=index + sent):
                yield Beat(f"{opening}{_encode(text)}}}{_PADDING[int(padding() * 16)]}}}\n\n", len(text))
            sent += len(part)
        for delta in _closing(block):
            yield Beat(_frame({"type": "content_block_delta", "index": index, "delta": delta}))
        yield Beat(_frame({"type": "content_block_stop", "index": index}))
    usage = _end_usage(reply, envelope.usage)
    yield Beat(_frame({"type": "message_delta", "delta": _ending(reply), "usage": usage}))
    yield Beat(_frame({"type": "message_stop"}))


def _frame(event: Mapping[str, Any]) -> str:
    return f"event: {event['type']}\ndata: {_encode(event)}\n\n"


def _message(envelope: Envelope) -> dict[str, Any]:
    return {"model": envelope.model, "id": envelope.message_id, "type": "message", "role": "assistant"}


def _start(block: Block) -> dict[str, Any]:
    """The block as its start has it: with nothing of what comes in deltas."""
    match block.type:
        case "text":
            return {"type": "text", "text": "", **({"citations": []} if block.deltas else {})}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use" | "server_tool_use":
            return {"type": block.type, **block.fields, "input": {}}
        case _:
            return {"type": block.type, **block.fields}


def _closing(block: Block) -> Sequence[Mapping[str, Any]]:
    """The deltas that follow the pieces."""
    if block.type == "thinking":
        return ({"type": "signature_delta", "signature": sign(block.text)},)
    return block.deltas


def _content(block: Block) -> dict[str, Any]:
    """The block as it is when all of it has come."""
    start = _start(block)
    match block.type:
        case "text":
            citations = [delta["citation"] for delta in block.deltas]
            return {**start, "text": block.text, **({"citations": citations} if citations else {})}
        case "thinking":
            return {**start, "thinking": block.text, "signature": sign(block.text)}
        case "tool_use" | "server_tool_use":
            return {**start, "input": _input(block.text)}
        case _:
            return start


def _input(text: str) -> dict[str, Any]:
    """The input of a call, or none if it was cut short."""
    try:
        return dict(json.loads(text or "{}"))
    except ValueError:
        return {}


def _ending(reply: Reply) -> dict[str, Any]:
    details = dict(reply.stop_details) if reply.stop_details is not None else None
    return {"stop_reason": reply.stop_reason, "stop_sequence": reply.stop_sequence, "stop_details": details}


def _input_usage(usage: InputUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
    }


def _start_usage(usage: InputUsage) -> dict[str, Any]:
    return {
        **_input_usage(usage),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_creation_input_tokens,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "global",
    }


def _end_usage(reply: Reply, usage: InputUsage) -> dict[str, Any]:
    thinking = sum(count_text(block.text) for block in reply.blocks if block.type == "thinking")
    searches = reply.web_searches
    return {
        **_input_usage(usage),
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"thinking_tokens": thinking},
        **({"server_tool_use": {"web_search_requests": searches}} if searches else {}),
    }
