"""One request: bytes -> wire frames -> our events, until message_stop or whatever ends it earlier.

Three things make it more than a loop.

*The end is `message_stop`.* Nothing else completes a reply. A body that ends politely half-way is `cut_off`, one that never
was a stream is `not_a_stream`, an `error` event is the failure it names. And a reply that saw its message_stop is complete
at that moment: what a server sends or leaves open afterwards no longer matters.

*Types are strings.* Events, blocks and deltas we do not know are passed on verbatim; missing fields are left out; nothing
in a body can raise here. Servers that speak the protocol nearly right are the rule, not the exception.

*Silence has two clocks.* Until the first byte a server may think for minutes; once bytes come, no bytes at all means a dead
connection. Pings reset the second clock: they are shown, not fatal.

It emits through a callback instead of being a generator: a cancelled coroutine unwinds at once and closes the response on
its way, while a generator is closed by whoever happens to hold it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tui_chat.config import Timeouts
from tui_chat.engine.client import ApiClient, ByteStream
from tui_chat.engine.sse import SseDecoder
from tui_chat.errors import Failure, RequestError
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    CitationsDelta,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestProgress,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
    UnknownDelta,
    UnknownEvent,
    UsageUpdated,
    WireFrame,
)

Emit = Callable[[Event], None]


async def stream_request(
    client: ApiClient, parameters: Mapping[str, Any], timeouts: Timeouts, emit: Emit
) -> RequestEnded:
    """Send one request and emit all its events but RequestStarted; the last one, RequestEnded, is returned too.

    It raises nothing but CancelledError, after the connection was closed.
    """
    translator = Translator(emit)
    failure: Failure | None = None
    try:
        failure = await _read(client, parameters, timeouts, translator)
    except RequestError as error:
        failure = error.failure
    except asyncio.CancelledError:
        emit(RequestEnded(time.monotonic(), complete=False, stop_reason=translator.stop_reason))
        raise
    complete = translator.complete
    ended = RequestEnded(
        time.monotonic(),
        complete=complete,
        stop_reason=translator.stop_reason,
        stop_details=translator.stop_details,
        error=None if complete else failure,
    )
    emit(ended)
    return ended


async def _read(
    client: ApiClient, parameters: Mapping[str, Any], timeouts: Timeouts, translator: "Translator"
) -> Failure | None:
    loop = asyncio.get_running_loop()
    emit = translator.emit

    def connected(at: float) -> None:
        emit(RequestProgress(at, "connected"))

    idle = timeouts.idle or None
    try:
        async with (
            asyncio.timeout(timeouts.first_byte or None) as limit,
            client.stream(parameters, connected) as response,
        ):
            emit(RequestProgress(time.monotonic(), "headers", request_id=response.request_id))
            if response.content_type != "text/event-stream":
                return await _not_a_stream(response, translator)
            decoder = SseDecoder()
            async for chunk in response.chunks():
                at = time.monotonic()
                limit.reschedule(loop.time() + idle if idle else None)
                for frame in decoder.feed(chunk, at):
                    translator.translate(frame)
                    if translator.complete or translator.failure:
                        return translator.failure
            last = decoder.finish(time.monotonic())
            if last is not None:
                translator.translate(last)
    except TimeoutError:
        seconds = timeouts.idle if translator.started else timeouts.first_byte
        return Failure("timed_out", f"no data for {seconds:.0f} s")
    if translator.failure or translator.complete:
        return translator.failure
    if not translator.started:
        return Failure("not_a_stream", "the server sent an empty stream")
    return Failure("cut_off", "the connection closed before the reply ended")


async def _not_a_stream(response: ByteStream, translator: "Translator") -> Failure | None:
    """A 200 that is no event stream: a complete Message as JSON is used, data-only streams are tried, the rest is named."""
    chunks = [chunk async for chunk in response.chunks()]
    body = b"".join(chunks).decode(errors="replace")
    at = time.monotonic()
    try:
        message = json.loads(body)
    except ValueError:
        message = None
    if isinstance(message, dict) and message.get("type") == "message":
        translator.whole_message(message, at)
        return None
    if body.lstrip().startswith(("data:", "event:")):  # a stream under a wrong content type
        decoder = SseDecoder()
        for frame in decoder.feed(body.encode() + b"\n\n", at):
            translator.translate(frame)
        if translator.complete or translator.failure:
            return translator.failure
        return Failure("cut_off", "the connection closed before the reply ended")
    if isinstance(message, dict) and isinstance(message.get("error"), dict):
        return _error(message, response.request_id)
    if not body.strip():
        return Failure("not_a_stream", f"the server sent an empty answer (HTTP {response.status})")
    kind = "an HTML page" if "html" in response.content_type or "<html" in body[:500].lower() else response.content_type
    return Failure(
        "not_a_stream", f"the server sent {kind or 'something else'} instead of an event stream", response.status
    )


class Translator:
    """Wire frames to events. It holds what spans frames: whether the message started, its stop reason, its end."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.started = False
        self.complete = False
        self.stop_reason: str | None = None
        self.stop_details: Mapping[str, Any] | None = None
        self.failure: Failure | None = None

    def translate(self, frame: WireFrame) -> None:
        """Emit what `frame` says. Never raises on what a server may send."""
        at = frame.arrived_at
        if not frame.data:
            self.emit(RequestProgress(at, "ping"))
            return
        if frame.data == "[DONE]":
            return
        try:
            data = json.loads(frame.data)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            if frame.event == "error":
                self.failure = Failure("api_error", frame.data[:300])
            else:
                self.emit(UnknownEvent(at, frame.event or "message", {"data": frame.data}))
            return
        kind = data.get("type") or frame.event
        match kind:
            case "content_block_delta":
                self._delta(at, _index(data), _object(data.get("delta")))
            case "content_block_start":
                self.started = True
                self.emit(BlockStarted(at, _index(data), _object(data.get("content_block"))))
            case "content_block_stop":
                self.emit(BlockEnded(at, _index(data)))
            case "ping":
                self.emit(RequestProgress(at, "ping"))
            case "message_start":
                self._message_start(at, _object(data.get("message")))
            case "message_delta":
                self._message_delta(at, data)
            case "message_stop":
                self.emit(RequestProgress(at, "message_stop"))
                self.complete = True
            case "error":
                self.failure = _error(data, None)
            case _:
                self.emit(UnknownEvent(at, str(kind or "message"), data))

    def whole_message(self, message: Mapping[str, Any], at: float) -> None:
        """Emit a complete Message that came as plain JSON, as if it had been streamed at once."""
        self._message_start(at, message)
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self.emit(BlockStarted(at, index, _object(block)))
            self.emit(BlockEnded(at, index))
        self._message_delta(at, {"delta": message, "usage": message.get("usage")})
        self.emit(RequestProgress(at, "message_stop"))
        self.complete = True

    def _message_start(self, at: float, message: Mapping[str, Any]) -> None:
        if self.started:  # a second message_start is noise
            return
        self.started = True
        self.emit(
            RequestProgress(at, "message_start", message_id=_text(message.get("id")), model=_text(message.get("model")))
        )
        if usage := _object(message.get("usage")):
            self.emit(UsageUpdated(at, usage))

    def _message_delta(self, at: float, data: Mapping[str, Any]) -> None:
        delta = _object(data.get("delta"))
        self.stop_reason = _text(delta.get("stop_reason")) or self.stop_reason
        if details := _object(delta.get("stop_details")):
            self.stop_details = details
        if usage := _object(data.get("usage")):
            final = self.stop_reason is not None and isinstance(usage.get("output_tokens"), int)
            self.emit(UsageUpdated(at, usage, final=final))

    def _delta(self, at: float, index: int, delta: Mapping[str, Any]) -> None:
        self.started = True
        kind = delta.get("type")
        if kind == "text_delta" and isinstance(text := delta.get("text"), str):
            self.emit(TextDelta(at, index, text))
        elif kind == "thinking_delta" and isinstance(text := delta.get("thinking"), str):
            self.emit(ThinkingDelta(at, index, text))
        elif kind == "input_json_delta" and isinstance(text := delta.get("partial_json"), str):
            self.emit(InputJsonDelta(at, index, text))
        elif kind == "signature_delta" and isinstance(text := delta.get("signature"), str):
            self.emit(SignatureDelta(at, index, text))
        elif kind == "citations_delta" and isinstance(citation := delta.get("citation"), dict):
            self.emit(CitationsDelta(at, index, citation))
        else:
            self.emit(UnknownDelta(at, index, delta))


def _error(data: Mapping[str, Any], request_id: str | None) -> Failure:
    error = _object(data.get("error"))
    message = _text(error.get("message")) or json.dumps(data)[:300]
    return Failure(
        _text(error.get("type")) or "api_error", message, request_id=_text(data.get("request_id")) or request_id
    )


def _index(data: Mapping[str, Any]) -> int:
    index = data.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) else 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
