"""Captures as the engine fills them, from bytes that a test chooses."""

import json
from collections.abc import Iterable

from tui_chat.wire import Capture, WireLog

HEADERS = [
    ("content-type", "application/json"),
    ("x-api-key", "sk-ant-api03-secret"),
    ("anthropic-version", "2023-06-01"),
]
BODY = {"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": "it's 5 o'clock"}], "stream": True}


def begun(log: WireLog | None = None, *, turn: str = "turn", number: int = 0, body: bytes | None = None) -> Capture:
    """A request that has left at second 100 and whose headers have come 0.2 s later."""
    capture = (log if log is not None else WireLog()).begin(turn, number, "claude-sonnet-5-5", 1_700_000_000.0, 100.0)
    sent = json.dumps(BODY).encode() if body is None else body
    capture.left("POST", "https://api.anthropic.com/v1/messages", HEADERS, sent)
    capture.connected = 100.1
    capture.responded(100.2, 200, [("content-type", "text/event-stream; charset=utf-8"), ("request-id", "req_1")])
    return capture


def ended(capture: Capture, at: float, *, read: bool = True) -> Capture:
    """The request is over; `read`: its body was read to its end."""
    if read:
        capture.body_ended(at)
    capture.over(at)
    return capture


def captured(
    chunks: Iterable[tuple[float, bytes]], log: WireLog | None = None, *, end: float | None = 110.0
) -> Capture:
    """A whole request."""
    capture = begun(log)
    for at, data in chunks:
        capture.chunk(at, data)
    return ended(capture, end) if end is not None else capture


def event(name: str | None, data: object) -> bytes:
    """One server-sent event."""
    line = "" if name is None else f"event: {name}\n"
    return f"{line}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def text_delta(text: str, index: int = 0) -> bytes:
    """A delta of a text block."""
    delta = {"type": "text_delta", "text": text}
    return event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})


PING = event("ping", {"type": "ping"})
START = event("message_start", {"type": "message_start", "message": {"id": "msg_1", "content": []}})
STOP = event("message_stop", {"type": "message_stop"})
