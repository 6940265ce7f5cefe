"""Wire frames to events: what one server-sent event says about the message.

*Types are strings.* Events, blocks and deltas we do not know are passed on verbatim; missing fields are left out; nothing a
server may send can raise here. Servers that speak the protocol nearly right are the rule, not the exception. It reads no clock
and knows no connection: the stamps are those of the bytes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    CitationsDelta,
    Event,
    InputJsonDelta,
    MessageFields,
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
from tui_chat.json_text import decode
from tui_chat.usage import Usage

Emit = Callable[[Event], None]

_TOLD: Final = frozenset(
    ("id", "type", "role", "model", "content", "usage", "delta", "stop_reason", "stop_details")
)  # by other events


class Translator:
    """Wire frames to events. It holds what spans frames: whether the message started, its stop reason, its end."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.started = False
        self.complete = False
        self.stop_reason: str | None = None
        self.stop_details: Mapping[str, Any] | None = None
        self.failure: Failure | None = None
        self.contents = 0  # how many pieces of content came
        self._message_started = False
        self._counted = self._final = False  # whether output tokens were said since message_start, and for good
        self._opened: set[int] = set()  # our indices
        self._index_of: dict[int, int] = {}  # the wire's index -> ours
        self._latest = 0
        self._half: dict[int, str] = {}  # the first half of a surrogate pair that a block's text ends with

    def ended(self, at: float, failure: Failure | None) -> RequestEnded:
        """The end of the request, at `at`, as it stands; whatever happened after message_stop, the reply is complete."""
        self._release(at)
        return RequestEnded(
            at,
            complete=self.complete,
            stop_reason=self.stop_reason,
            stop_details=self.stop_details,
            error=None if self.complete else failure,
        )

    def translate(self, frame: WireFrame, *, whole: bool = True) -> None:
        """Emit what `frame` says. Never raises on what a server may send. Not `whole`: the body ended within it."""
        at = frame.arrived_at
        if not frame.data and frame.event != "error":
            self.emit(RequestProgress(at, "ping"))
            return
        if frame.data == "[DONE]":
            return
        try:
            data = decode(frame.data)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            if frame.event == "error":
                self.failure = Failure("api_error", frame.data[:300] or "no reason was given")
            elif whole:
                self.emit(UnknownEvent(at, frame.event or "message", {"data": frame.data}))
            return
        kind = "error" if frame.event == "error" else data.get("type") or frame.event
        match kind:
            case "content_block_delta":
                self._delta(at, self._index(data), _object(data.get("delta")))
            case "content_block_start":
                self._block(at, _index(data), _object(data.get("content_block")))
            case "content_block_stop":
                self._release(at)
                self.emit(BlockEnded(at, self._index(data)))
            case "ping":
                self.emit(RequestProgress(at, "ping"))
            case "message_start":
                self._message_start(at, _object(data.get("message")))
            case "message_delta":
                self._message_delta(at, data)
            case "message_stop":
                self._message_stop(at)
            case "error":
                self.failure = failure_of(data, None)
            case None if data.get("error"):  # as servers of another protocol say it
                self.failure = failure_of(data, None)
            case _:
                self.emit(UnknownEvent(at, str(kind or "message"), data))

    def whole_message(self, message: Mapping[str, Any], at: float) -> None:
        """Emit a complete Message that came as plain JSON, as if it had been streamed at once."""
        self._message_start(at, message)
        self._message_delta(at, {"delta": message, "usage": message.get("usage")})
        self._message_stop(at)

    def _message_start(self, at: float, message: Mapping[str, Any]) -> None:
        if self._message_started:  # a second message_start is noise
            return
        self.started = self._message_started = True
        self.emit(
            RequestProgress(at, "message_start", message_id=_text(message.get("id")), model=_text(message.get("model")))
        )
        self._fields(at, message)
        if usage := _object(message.get("usage")):
            self.emit(UsageUpdated(at, usage))
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._block(at, index, _object(block))
            self.emit(BlockEnded(at, self._latest))

    def _block(self, at: float, wire_index: int | None, block: Mapping[str, Any]) -> None:
        """Open a block. An index that is missing, or taken, means the next free one, so that no block is overwritten."""
        free = wire_index is not None and wire_index not in self._opened
        index = wire_index if free and wire_index is not None else max(self._opened, default=-1) + 1
        if wire_index is not None:
            self._index_of[wire_index] = index
        self.started, self._latest = True, index
        self.contents += 1
        self._opened.add(index)
        self.emit(BlockStarted(at, index, block))

    def _index(self, data: Mapping[str, Any]) -> int:
        """The block that a delta or a stop belongs to: without an index the latest."""
        wire_index = _index(data)
        return self._latest if wire_index is None else self._index_of.get(wire_index, wire_index)

    def _message_delta(self, at: float, data: Mapping[str, Any]) -> None:
        delta = _object(data.get("delta"))
        self.stop_reason = _text(delta.get("stop_reason")) or self.stop_reason
        if details := _object(delta.get("stop_details")):
            self.stop_details = details
        self._fields(at, {**data, **delta})
        if usage := _object(data.get("usage")):
            counted = Usage(usage).output_tokens is not None
            self._final = counted and self.stop_reason is not None
            self._counted = self._counted or counted
            self.emit(UsageUpdated(at, usage, final=self._final))

    def _joined(self, index: int, text: str) -> str:
        """`text` with the half of a pair that came before it, and without the half that it ends with.

        An emoji may come as two escapes in two deltas; each half alone is no character that anybody could show or store.
        """
        text = _whole(self._half.pop(index, "") + text)
        if "\ud800" <= text[-1:] < "\udc00":
            self._half[index], text = text[-1], text[:-1]
        return text

    def _release(self, at: float) -> None:
        """Half a pair that nothing followed is said as it came."""
        for index, text in self._half.items():
            self.emit(TextDelta(at, index, text))
        self._half = {}

    def _fields(self, at: float, fields: Mapping[str, Any]) -> None:
        """Say what has no event of its own; null says nothing."""
        others = {name: value for name, value in fields.items() if name not in _TOLD and value is not None}
        if others:
            self.emit(MessageFields(at, others))

    def _message_stop(self, at: float) -> None:
        if self._counted and not self._final:  # the stop reason came later than the counts, or not at all
            self.emit(UsageUpdated(at, {}, final=True))
        self._release(at)
        self.emit(RequestProgress(at, "message_stop"))
        self.complete = True

    def _delta(self, at: float, index: int, delta: Mapping[str, Any]) -> None:
        self.started = True
        self._opened.add(index)
        kind = delta.get("type")
        if kind == "text_delta" and isinstance(text := delta.get("text"), str):
            self.contents += bool(text)
            if self._half or "\ud800" <= text[-1:] < "\udc00":
                text = self._joined(index, text)
            self.emit(TextDelta(at, index, text))
        elif kind == "thinking_delta" and isinstance(text := delta.get("thinking"), str):
            self.contents += bool(text)
            self.emit(ThinkingDelta(at, index, text))
        elif kind == "input_json_delta" and isinstance(text := delta.get("partial_json"), str):
            self.contents += bool(text)
            self.emit(InputJsonDelta(at, index, text))
        elif kind == "signature_delta" and isinstance(text := delta.get("signature"), str):
            self.emit(SignatureDelta(at, index, text))
        elif kind == "citations_delta" and isinstance(citation := delta.get("citation"), dict):
            self.emit(CitationsDelta(at, index, citation))
        else:
            self.emit(UnknownDelta(at, index, delta))


def _whole(text: str) -> str:
    """`text` with surrogate pairs joined."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def failure_of(data: Mapping[str, Any], request_id: str | None) -> Failure:
    """The failure that an error object is; some servers leave out the envelope, some send a mere text."""
    inner = data.get("error")
    error = inner if isinstance(inner, dict) else data
    message = _text(error.get("message")) or _text(inner) or json.dumps(data)[:300]
    kind = _text(error.get("type"))
    return Failure(
        kind if kind and kind != "error" else "api_error",
        message,
        request_id=_text(data.get("request_id")) or request_id,
    )


def _index(data: Mapping[str, Any]) -> int | None:
    index = data.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
