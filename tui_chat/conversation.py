"""The values: what a conversation, a message, a turn and a request are.

Words and numbers are defined once, here (see the README's table). Content blocks stay the JSON objects the API sent,
unknown ones too, so that what is stored can be sent again. Nothing here reads a clock, a file or a network.

All stamps are seconds of one monotonic clock, or, in a turn that was loaded, seconds since that turn started; only
`created_at` and `started_at` are wall clock (seconds since the epoch), and no duration is ever computed from them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

from tui_chat.errors import Failure
from tui_chat.json_text import decode
from tui_chat.usage import Usage

Role = Literal["user", "assistant"]
TitleFrom = Literal["prompt", "model", "user"]
ContentBlock = Mapping[str, Any]

UNKNOWN_KEPT: Final = 200  # of each kind of thing nobody knows; a server that sends more must not fill the memory


class Outcome(StrEnum):
    """How a turn ended; ours, beside the API's stop reason."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Message:
    """A role and its content blocks; `parent_id` is the message it answers or follows (None starts a conversation).

    `unfinished` holds the positions of blocks that never saw their end: a cut reply is stored as it came. `continues`
    marks the program's own instruction to go on from the reply before: nobody typed it.
    """

    id: str
    parent_id: str | None
    role: Role
    blocks: tuple[ContentBlock, ...]
    created_at: float
    unfinished: tuple[int, ...] = ()
    continues: bool = False

    @property
    def text(self) -> str:
        """The text blocks joined: what is shown and copied."""
        return "".join(str(block.get("text") or "") for block in self.blocks if block.get("type") == "text")


@dataclass(slots=True)
class Stamps:
    """When each step of a request was seen, in monotonic seconds; None: not yet, or never."""

    sent: float
    connected: float | None = None
    headers: float | None = None
    message_start: float | None = None
    first_thinking: float | None = None
    last_thinking: float | None = None
    first_delta: float | None = None
    first_text: float | None = None
    last_delta: float | None = None
    message_stop: float | None = None
    last_bytes: float | None = None
    ended: float | None = None


@dataclass(slots=True)
class Block:
    """One content block while it grows: its start verbatim, and the pieces of its deltas, joined only when asked."""

    index: int
    start: ContentBlock
    pieces: dict[str, list[str]] = field(default_factory=dict)
    citations: list[Any] = field(default_factory=list)
    unknown_deltas: list[ContentBlock] = field(default_factory=list)
    ended: bool = False

    @property
    def type(self) -> str:
        """The API's name of the block's type."""
        return str(self.start.get("type", ""))

    def add(self, name: str, piece: str) -> None:
        """Append to the field `name`."""
        self.pieces.setdefault(name, []).append(piece)

    def joined(self, name: str) -> str:
        """The field `name` as it stands: what the start brought and all pieces since."""
        start = self.start.get(name)
        return (start if isinstance(start, str) else "") + "".join(self.pieces.get(name, ()))

    def content(self) -> ContentBlock:
        """The block as the API would have sent it whole. Tool input that is no JSON stays as `partial_json`."""
        block = dict(self.start)
        for name in self.pieces:
            if name != "partial_json":
                block[name] = self.joined(name)
        if "partial_json" in self.pieces:
            raw = self.joined("partial_json")
            try:
                block["input"] = decode(raw) if raw.strip() else block.get("input") or {}
            except ValueError:
                block["partial_json"] = raw
        if self.citations:
            known = block.get("citations")
            block["citations"] = [*(known if isinstance(known, list) else ()), *self.citations]
        if self.unknown_deltas:
            block["unknown_deltas"] = list(self.unknown_deltas)
        return block


def tool_use_ids(blocks: Iterable[ContentBlock]) -> list[str | None]:
    """For each block of one reply the id that its call goes by, None for a block that is no tool_use.

    It is the API's own id, made legal (letters, digits, `_`, `-`) and unique within the reply where a server's is not.
    """
    ids: list[str | None] = []
    for block in blocks:
        if block.get("type") != "tool_use":
            ids.append(None)
            continue
        given = block.get("id")
        legal = unique = re.sub(r"[^a-zA-Z0-9_-]", "_", given if isinstance(given, str) else "") or "tool"
        number = 1
        while unique in ids:
            number += 1
            unique = f"{legal}_{number}"
        ids.append(unique)
    return ids


@dataclass(slots=True)
class ToolCall:
    """One tool_use of a reply and what became of it. Stamps are as a request's.

    `input_hash` is what an approval is bound to. `result` goes back to the model; None: not yet. `skipped` says why it
    never ran: denied, cancelled, unknown_tool, bad_input, too_many_rounds.
    """

    tool_use_id: str
    name: str
    input: Mapping[str, Any]
    input_hash: str
    waiting: bool = False
    allowed: bool | None = None
    started: float | None = None
    ended: float | None = None
    result: str | None = None
    is_error: bool = False
    skipped: str = ""

    @property
    def running(self) -> bool:
        """Whether the tool works on it."""
        return self.started is not None and self.result is None

    def content(self) -> ContentBlock | None:
        """Its tool_result block, or None while there is no result."""
        if self.result is None:
            return None
        block = {"type": "tool_result", "tool_use_id": self.tool_use_id, "content": self.result}
        return {**block, "is_error": True} if self.is_error else block


@dataclass(slots=True)
class Request:
    """One Messages API call inside a turn: it has usage, a TTFT, a stop reason and an attempt number (from 1).

    `unknown_events` (the first `UNKNOWN_KEPT`) and `fields` (those of the message that have no place here) are verbatim.
    """

    model: str
    attempt: int
    stamps: Stamps
    blocks: dict[int, Block] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    usage_is_final: bool = False
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    request_id: str | None = None
    message_id: str | None = None
    served_model: str | None = None
    error: Failure | None = None
    delta_count: int = 0
    characters: int = 0
    pings: int = 0
    calls: dict[str, ToolCall] = field(default_factory=dict)
    unknown_events: list[Mapping[str, Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def ordered_blocks(self) -> list[Block]:
        """The blocks in the order of their index, whatever order they came in."""
        return [self.blocks[index] for index in sorted(self.blocks)]

    @property
    def ttft(self) -> float | None:
        """Seconds from the request being sent to its first non-empty content delta of any kind."""
        return None if self.stamps.first_delta is None else self.stamps.first_delta - self.stamps.sent

    def joined(self, kind: str) -> str:
        """The text of all its blocks of type `kind` (text, thinking)."""
        return "".join(block.joined(kind) for block in self.ordered_blocks if block.type == kind)


@dataclass(slots=True)
class Turn:
    """From one user prompt to its terminal event. `outcome` is None while it runs.

    Its place is its prompt's `parent_id`; turns at one place are versions of each other. `copy_of` is the id of the turn it
    is a copy of: its cost was paid there. `closed_after` and the like are those of `TurnEnded`; the last two are known only in
    the run that stopped it.
    """

    id: str
    conversation_id: str
    prompt: Message
    reply_id: str
    model: str
    server: str
    started_at: float
    started: float
    requests: list[Request] = field(default_factory=list)
    outcome: Outcome | None = None
    stop_reason: str | None = None
    error: Failure | None = None
    usage_is_final: bool = False
    ended: float | None = None
    closed_after: float | None = None
    in_context: bool = True
    retry_at: float | None = None
    retry_of: int = 0
    copy_of: str | None = None
    cancelled_after: float | None = field(default=None, compare=False)
    saved_after: float | None = field(default=None, compare=False)

    @property
    def request(self) -> Request | None:
        """The latest request."""
        return self.requests[-1] if self.requests else None

    @property
    def rounds(self) -> Sequence[Request]:
        """The requests that make up the reply: all but the attempts that failed and were sent again."""
        if len(self.requests) < 2:  # nearly always, and asked often
            return self.requests
        return [each for each in self.requests if each.error is None or each is self.requests[-1]]

    @property
    def calls(self) -> list[ToolCall]:
        """The calls of all rounds."""
        return [call for request in self.rounds for call in request.calls.values()]

    @property
    def is_answered(self) -> bool:
        """Whether there is anything that a later request could build on: text, or the result of a call."""
        return bool(self.text.strip()) or any(call.result is not None for call in self.calls)

    @property
    def counts_are_final(self) -> bool:
        """Whether the usage of every request is final; an attempt that brought nothing has none."""
        return bool(self.requests) and all(
            each.usage_is_final or (each.error is not None and not each.usage.fields and not each.characters)
            for each in self.requests
        )

    @property
    def usage(self) -> Usage:
        """The sum over the turn's requests: what it cost."""
        total = Usage()
        for request in self.requests:
            total = total.plus(request.usage)
        return total

    @property
    def ttft(self) -> float | None:
        """The TTFT of the first round; waits between attempts are kept apart."""
        return self.rounds[0].ttft if self.requests else None

    def reply(self) -> Message | None:
        """The reply as it stands, or None if nothing came: the blocks of all rounds, each round's tool results behind it."""
        return self._message(self.rounds)

    def so_far(self) -> Message | None:
        """What the next request of a running turn goes on from: without the attempt that failed and is made again."""
        return self._message([each for each in self.requests if each.error is None])

    def _message(self, rounds: Iterable[Request]) -> Message | None:
        blocks: list[ContentBlock] = []
        unfinished: list[int] = []
        for request in rounds:
            for block in request.ordered_blocks:
                if not block.ended:
                    unfinished.append(len(blocks))
                blocks.append(block.content())
            blocks += [result for call in request.calls.values() if (result := call.content()) is not None]
        if not blocks:
            return None
        return Message(self.reply_id, self.prompt.id, "assistant", tuple(blocks), self.started_at, tuple(unfinished))

    @property
    def text(self) -> str:
        """The reply's text as it stands. What follows the results of tools stands apart, by a blank line."""
        return self._joined("text")

    @property
    def thinking(self) -> str:
        """The reply's thinking as it stands; empty where the server does not show it."""
        return self._joined("thinking")

    def _joined(self, kind: str) -> str:
        joined, apart = "", False
        for request in self.rounds:
            text = request.joined(kind)
            if apart and joined and text:
                joined += "\n" * (2 - joined[-2:].count("\n"))
            joined, apart = joined + text, bool(request.calls) or (apart and not text)
        return joined


@dataclass(frozen=True, slots=True)
class SideRequest:
    """A request made for the conversation but not part of its talk (a title); `at` is wall clock."""

    purpose: str
    model: str
    server: str
    at: float
    usage: Usage
    usage_is_final: bool


@dataclass(slots=True)
class Conversation:
    """A tree of messages with one current path, of which `turns` are the turns from first to last.

    `title_from` says who gave the title: prompt, model or user. `place` is where the reader was, as JSON text that only the
    screen understands. `origin` says where an imported or copied conversation came from. `versions` maps the id of a turn on
    the path to the ids of all turns at its place, oldest first, itself included; a turn that is alone there is left out.
    """

    id: str
    created_at: float
    title: str = ""
    model: str | None = None
    system: str | None = None
    effort: str | None = None
    draft: str = ""
    queued: tuple[str, ...] = ()
    turns: list[Turn] = field(default_factory=list)
    pinned: bool = False
    title_from: TitleFrom = "prompt"
    place: str | None = None
    origin: Mapping[str, Any] | None = None
    side_requests: tuple[SideRequest, ...] = ()
    versions: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole conversation: what was said on every branch, in order of beginning. `conversation.turns` is empty.

    The stamps of the turns are seconds since each started. `current_turn_id` is the turn that the current path ends with.
    """

    conversation: Conversation
    turns: list[Turn]
    current_turn_id: str | None
