r"""The format of a recording: one turn, as JSON Lines.

A file is called `<turn id>.jsonl`. It is pure ASCII; each line is one JSON object and ends in LF. What is not known is null or left
out. Readers skip members, and whole records, of names that they do not know, and refuse a `version` above their own. A last line
that is not whole is left out: a recording may end anywhere, because its program was killed or the disk was full.

The first line is the header:

    {"recording": "tui-chat", "version": 1,        always these
     "program": "0.1.0",                           the version of the program that wrote it
     "turn_id": ..., "conversation_id": ...,
     "stored": true,                               whether the prompt was in a database file when the request left
     "model": ..., "server": "api.anthropic.com",  `demo`, or the host
     "started_at": 1795287600.25}                  wall clock, seconds since the epoch

Each other line is a record: `at`, and one more member that says what it is. `at` is in seconds of the recording machine's monotonic
clock, to the last bit; only differences mean anything. Records stand in the order in which they happened.

    {"at": ..., "event": {...}}        something the program said that the bytes below do not say, as in `--output-format
                                       stream-json`: turn_started (the first record), request_started, request_progress of the
                                       stages connected and headers, request_ended, retry_scheduled, tool_proposed,
                                       approval_requested, approval_answered, tool_started, tool_ended, tool_skipped, and
                                       turn_ended (the last record)
    {"at": ..., "request": {...}}      a request is about to leave: method, url, headers (a list of pairs), body, and
                                       started_at (wall clock). It belongs to the request_started before it
    {"at": ..., "response": {...}}     its answer begins: status, headers
    {"at": ..., "chunk": "..."}        bytes of the answer's body as they came from the network, content encodings removed
    {"at": ..., "body_ended": true}    the server has sent all it wanted to send. Of a body that broke off it is not said

A body and a chunk are text where the bytes are valid UTF-8, and then exactly these bytes; else the member is called
`body_base64` or `chunk_base64`. Blocks, deltas, usage, message_start, pings and message_stop are not recorded: whoever reads the
file decodes the chunks, each with its own `at`, and gets the same events with the same stamps.

What is hidden: the values of all headers that hold credentials (`***`), user, password, the values of the query and the fragment of a url,
and whatever looks like a key in error messages and in the bodies of answers that are no success. Prompts and replies are not
hidden: a recording holds what was said.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from tui_chat.errors import Failure
from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    from_json,
    to_json,
)
from tui_chat.recordings.checking import fits
from tui_chat.wire import Headers, open_text

NAME: Final = "tui-chat"
VERSION: Final = 1
SUFFIX: Final = ".jsonl"
NO_SUCCESS: Final = 300  # the first HTTP status of an answer that is none

_Kind = TypeVar("_Kind")
_SAID: Final = frozenset(
    (
        TurnStarted,
        RequestStarted,
        RequestEnded,
        RetryScheduled,
        ToolProposed,
        ApprovalRequested,
        ApprovalAnswered,
        ToolStarted,
        ToolEnded,
        ToolSkipped,
        TurnEnded,
    )
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a recording says of itself. `started_at` is wall clock."""

    program: str
    turn_id: str
    conversation_id: str
    stored: bool
    model: str
    server: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Said:
    """An event that the bytes do not give."""

    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class RequestLeft:
    """A request is about to leave; its headers are hidden. `started_at` is wall clock."""

    at: float
    method: str
    url: str
    headers: Headers
    body: bytes
    started_at: float


@dataclass(frozen=True, slots=True)
class ResponseBegan:
    """Status and headers of an answer, hidden."""

    at: float
    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the body as they came."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class BodyEnded:
    """The body was read to its end."""

    at: float


Record = Said | RequestLeft | ResponseBegan | Chunk | BodyEnded


def is_said(event: Event) -> bool:
    """Whether `event` is recorded as such; the bytes give all others."""
    if type(event) is RequestProgress:
        return event.stage in ("connected", "headers")
    return type(event) in _SAID


def header_line(header: Header) -> str:
    """The first line."""
    fields = {name: getattr(header, name) for name in Header.__slots__}
    return json.dumps({"recording": NAME, "version": VERSION, **fields}) + "\n"


def line_of(record: Record) -> str:
    """The line of a record; what it says was hidden before."""
    match record:
        case Chunk(at=at, data=data):  # nearly all of them
            return f'{{"at": {at!r}, {json.dumps(_name(data, "chunk"))}: {json.dumps(_text(data))}}}\n'
        case Said(at=at, event=event):
            rest: dict[str, Any] = {"event": to_json(event)}
        case RequestLeft(at=at):
            body = {_name(record.body, "body"): _text(record.body)}
            head = {"method": record.method, "url": record.url, "headers": record.headers}
            rest = {"request": {"started_at": record.started_at, **head, **body}}
        case ResponseBegan(at=at):
            rest = {"response": {"status": record.status, "headers": record.headers}}
        case BodyEnded(at=at):
            rest = {"body_ended": True}
    return json.dumps({"at": at, **rest}) + "\n"


def _name(data: bytes, name: str) -> str:
    return name if _is_text(data) else f"{name}_base64"


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode() if _is_text(data) else base64.b64encode(data).decode()


def header_of(fields: Mapping[str, Any]) -> Header:
    """The header that `header_line` wrote; its version was looked at. KeyError, TypeError or ValueError: it is none."""
    return Header(
        _typed(fields.get("program", ""), str),
        _typed(fields["turn_id"], str),
        _typed(fields["conversation_id"], str),
        fields.get("stored") is True,
        _typed(fields.get("model", ""), str),
        _typed(fields.get("server", ""), str),
        _typed(fields.get("started_at", 0.0), float),
    )


def record_of(fields: Mapping[str, Any]) -> Record | None:
    """The record that `line_of` wrote; None: one of a kind that is not known. KeyError, TypeError or ValueError: it is none."""
    at = _typed(fields["at"], float)
    if "event" in fields:
        event = from_json(_typed(fields["event"], dict))
        if not fits(event, type(event)):
            raise TypeError(f"{event!r} has fields of other types")
        return Said(event.at, event)
    if "request" in fields:
        request = _typed(fields["request"], dict)
        method, url = _typed(request["method"], str), _typed(request["url"], str)
        started_at = _typed(request.get("started_at", 0.0), float)
        return RequestLeft(at, method, url, _headers(request["headers"]), _bytes(request, "body"), started_at)
    if "response" in fields:
        response = _typed(fields["response"], dict)
        return ResponseBegan(at, _typed(response["status"], int), _headers(response["headers"]))
    if "chunk" in fields or "chunk_base64" in fields:
        return Chunk(at, _bytes(fields, "chunk"))
    return BodyEnded(at) if "body_ended" in fields else None


def _typed(value: Any, kind: type[_Kind]) -> _Kind:
    if not fits(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return cast("_Kind", value)


def _headers(value: Any) -> Headers:
    return tuple((_typed(name, str), _typed(text, str)) for name, text in _typed(value, list))


def _bytes(fields: Mapping[str, Any], name: str) -> bytes:
    if name in fields:
        return _typed(fields[name], str).encode()
    return base64.b64decode(_typed(fields[f"{name}_base64"], str), validate=True)


# Hiding ------------------------------------------------------------------------------------------------------------------


def open_event(event: Event) -> Event:
    """`event` without what looks like a key: servers and proxies repeat keys in their messages."""
    match event:
        case RequestEnded(error=Failure() as error) | RetryScheduled(error=error) | TurnEnded(error=Failure() as error):
            return replace(event, error=replace(error, message=open_text(error.message)))
        case _:
            return event


def open_body(status: int | None, data: bytes) -> bytes:
    """The body of an answer of that status: of one that is no success without what looks like a key."""
    if status is None or status < NO_SUCCESS:
        return data
    return open_text(data.decode("latin-1")).encode("latin-1")
