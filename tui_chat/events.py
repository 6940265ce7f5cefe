"""The closed union of events: all that the engine says about a turn, in the order of a grammar.

    turn    = TurnStarted (request (RetryScheduled | tool*))* TurnEnded
    request = RequestStarted (RequestProgress | UsageUpdated | Block* | *Delta | UnknownEvent | MessageFields)* RequestEnded
    tool    = ToolProposed (ApprovalRequested ApprovalAnswered)? (ToolStarted ToolEnded | ToolSkipped)

The tools of one reply run at once, so their events interleave; each id keeps to its own order.
Exactly one TurnEnded ends every turn, whatever happened, and nothing follows it. `at` is monotonic seconds, stamped when
the bytes arrived, so painting never distorts a figure. Events are plain values: they can be written as JSON lines and
read back (the store's journal and `--output-format stream-json` do just that).
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from tui_chat.conversation import ContentBlock, Message, Outcome
from tui_chat.errors import Failure

Stage = Literal["connected", "headers", "message_start", "ping", "message_stop"]


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The prompt is stored and the turn runs. `started_at` is wall clock; `server` is `demo` or the host's name."""

    at: float
    turn_id: str
    conversation_id: str
    reply_id: str
    model: str
    server: str
    started_at: float
    prompt: Message


@dataclass(frozen=True, slots=True)
class RequestStarted:
    """A request leaves; `attempt` counts from 1 within one place of the turn."""

    at: float
    model: str
    attempt: int


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """A step without content: connected, headers (with the request id), message_start, ping, message_stop."""

    at: float
    stage: Stage
    request_id: str | None = None
    message_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class UsageUpdated:
    """Usage as it came, verbatim; `final` when it came with the stop reason."""

    at: float
    usage: Mapping[str, Any]
    final: bool = False


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """A content block opens; `block` is verbatim and may already hold text."""

    at: float
    index: int
    block: ContentBlock


@dataclass(frozen=True, slots=True)
class TextDelta:
    """An increment of a text block."""

    at: float
    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """An increment of a thinking block."""

    at: float
    index: int
    thinking: str


@dataclass(frozen=True, slots=True)
class InputJsonDelta:
    """An increment of a tool's input, JSON in the making; parsed only when its block ends."""

    at: float
    index: int
    partial_json: str


@dataclass(frozen=True, slots=True)
class SignatureDelta:
    """The signature of a thinking block: not content."""

    at: float
    index: int
    signature: str


@dataclass(frozen=True, slots=True)
class CitationsDelta:
    """One more citation of a text block, verbatim."""

    at: float
    index: int
    citation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnknownDelta:
    """A delta of a type we do not know, verbatim."""

    at: float
    index: int
    delta: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockEnded:
    """A content block is complete."""

    at: float
    index: int


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a type we do not know, verbatim: shown as a quiet note, never an error."""

    at: float
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MessageFields:
    """Fields of the message that no other event has, verbatim: stop_sequence, container, and what we do not know."""

    at: float
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request is over: `complete` when its message_stop was seen; else `error` says why, or it was cancelled."""

    at: float
    complete: bool
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The request failed before anything was shown and goes out again at `resume_at` (monotonic seconds)."""

    at: float
    resume_at: float
    attempt: int
    of: int
    error: Failure


@dataclass(frozen=True, slots=True)
class ToolProposed:
    """The reply calls a tool. `input_hash` stands for name and input: an approval is bound to it."""

    at: float
    tool_use_id: str
    name: str
    input: Mapping[str, Any]
    input_hash: str


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """The call waits for `session.answer` with the same id and hash."""

    at: float
    tool_use_id: str
    input_hash: str


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """The call was allowed, or denied: by the user, a time-out or the turn's end."""

    at: float
    tool_use_id: str
    allow: bool


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The tool runs."""

    at: float
    tool_use_id: str


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The tool is done; `content` goes back to the model."""

    at: float
    tool_use_id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ToolSkipped:
    """The tool never ran. `reason` is denied, cancelled, unknown_tool, bad_input or too_many_rounds; `content` goes back."""

    at: float
    tool_use_id: str
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The terminal event, yielded once the end is on disk. `usage` is the sum over the turn's requests, as the API names
    its fields. Of a stopped turn the rest is seconds since the key was read (or since the cancel, where no key was): to the
    cancel, to the closed connection, to the saved end.
    """

    at: float
    outcome: Outcome
    stop_reason: str | None
    usage: Mapping[str, Any]
    usage_is_final: bool
    error: Failure | None = None
    closed_after: float | None = None
    saved: bool = True
    cancelled_after: float | None = None
    saved_after: float | None = None


Event = (
    TurnStarted
    | RequestStarted
    | RequestProgress
    | UsageUpdated
    | BlockStarted
    | TextDelta
    | ThinkingDelta
    | InputJsonDelta
    | SignatureDelta
    | CitationsDelta
    | UnknownDelta
    | BlockEnded
    | UnknownEvent
    | MessageFields
    | RequestEnded
    | RetryScheduled
    | ToolProposed
    | ApprovalRequested
    | ApprovalAnswered
    | ToolStarted
    | ToolEnded
    | ToolSkipped
    | TurnEnded
)


class WireFrame(NamedTuple):
    """One server-sent event as it came: `event` is None without an `event:` line; `comment` holds a comment line.

    `offset` is the byte offset of its first byte in the body, `size` its length in bytes without the blank line that ends it. `arrived_at` is monotonic.
    """

    arrived_at: float
    offset: int
    size: int
    event: str | None
    data: str
    comment: str | None = None


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_BY_NAME: Final[dict[str, type[Event]]] = {_snake(kind.__name__): kind for kind in Event.__args__}
_NAMES: Final = {kind: name for name, kind in _BY_NAME.items()}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object: `type` in snake case, then its fields."""
    record: dict[str, Any] = {"type": _NAMES[type(event)]}
    for each in dataclasses.fields(event):
        value = getattr(event, each.name)
        record[each.name] = dataclasses.asdict(value) if isinstance(value, Message | Failure) else value
    return record


def from_json(record: Mapping[str, Any]) -> Event:
    """The event that `to_json` wrote; members that are not known are left out. KeyError or TypeError: the record is not one."""
    kind = _BY_NAME[record["type"]]
    fields = _known(kind, record)
    if isinstance(error := fields.get("error"), dict):
        fields["error"] = Failure(**_known(Failure, error))
    if isinstance(prompt := fields.get("prompt"), dict):
        fields["prompt"] = Message(
            **{**_known(Message, prompt), "blocks": tuple(prompt["blocks"]), "unfinished": tuple(prompt["unfinished"])}
        )
    if "outcome" in fields:
        fields["outcome"] = Outcome(fields["outcome"])
    return kind(**fields)


def _known(kind: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in kind.__slots__ if name in record}
