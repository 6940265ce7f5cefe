"""What the demo can answer with: a message of content blocks, with or without a fault in it, or a failure.

Why it exists: `replies` and its neighbours say what is answered, `wire` and `api` how that looks; these values are what
they hand over. A block is kept as the API sends it: what its start holds, what then comes in pieces, what comes whole.
What it must not know: prompts, HTTP, events, time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN, count_text

CALLS: Final = ("tool_use", "server_tool_use")


class Fault(Enum):
    """What goes wrong in the middle of a stream."""

    ERROR = "an `error` event"
    CUT = "the connection closes without the end of the body"
    EOF = "the body ends properly, without `message_stop`"
    STALL = "thirty seconds of nothing but pings, then the rest"
    SILENCE = "ten minutes of nothing at all, then the end"
    WAIT = "headers at once, then ten minutes of pings"
    NO_HEADERS = "ten minutes without an answer"


@dataclass(frozen=True, slots=True)
class Block:
    """One content block to send.

    `text` is what comes in pieces: the text, the thinking, or the JSON of a call's input; other types have none.
    `fields` are in the block's start: id and name of a call, all of a block that comes whole. `deltas` follow the
    pieces, each whole. `preceded_by` are events to send before the block. `piece_size`: characters of a piece, where the
    pacing is not to say it.
    """

    type: str
    text: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    deltas: tuple[Mapping[str, Any], ...] = ()
    preceded_by: tuple[Mapping[str, Any], ...] = ()
    piece_size: int | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """A fault, after the first `after` characters of the reply's content."""

    fault: Fault
    after: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send with status 200. `ttft` and `rate`, where given, overrule the pacing.

    `rest`: the text that comes when the reply is asked to go on, for one that pretends to have been cut short.
    """

    blocks: tuple[Block, ...]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    interruption: Interruption | None = None
    ttft: float | None = None
    rate: float | None = None
    rest: str = ""

    @property
    def output_tokens(self) -> int:
        """Tokens of what the model wrote: text, thinking and the inputs of calls; not the results of a server's tools."""
        return sum(count_text(block.text) for block in self.blocks)

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "".join(block.text for block in self.blocks if block.type == "text")

    @property
    def web_searches(self) -> int:
        """How often the server's search is called in it."""
        return sum(block.type == "server_tool_use" and block.fields["name"] == "web_search" for block in self.blocks)

    def after(self, sent: str) -> "Reply | None":
        """What is left of the reply when its text up to the end of `sent` has come already; None if nothing is.

        What is left has no faults, so that going on leads somewhere. None too if the reply does not begin with `sent`.
        """
        if not (self.text + self.rest).startswith(sent):
            return None
        left = len(sent)
        blocks: list[Block] = []
        for block in self.blocks:
            if block.type != "text":
                if not left:  # otherwise it came before what has come
                    blocks.append(block)
                continue
            if block.text[left:]:
                blocks.append(replace(block, text=block.text[left:]))
            left = max(0, left - len(block.text))
        stop_reason = self.stop_reason
        if self.rest and not any(block.type in CALLS for block in blocks):
            blocks.append(Block("text", self.rest[left:]))
            stop_reason = "end_turn"
        if not any(block.type != "text" or block.text.strip() for block in blocks):
            return None
        return Reply(tuple(blocks), stop_reason)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error instead of a message. `type` None stands for an HTML page, as a login wall or a proxy sends."""

    status: int
    type: str | None
    message: str
    retry_after: int | None = None


def limit(reply: Reply, max_tokens: int, stop_sequences: Sequence[str]) -> Reply:
    """Cut a reply where the first stop sequence would appear in its text, or at `max_tokens`, whichever comes first."""
    blocks: list[Block] = []
    left = max_tokens
    for block in reply.blocks:
        found = [(at, sequence) for sequence in stop_sequences if (at := block.text.find(sequence)) >= 0]
        stop = min(found, default=None) if block.type == "text" else None
        text = block.text[: stop[0]] if stop else block.text
        if count_text(text) > left:
            if left:
                blocks.append(replace(block, text=text[: left * CHARACTERS_PER_TOKEN]))
            return replace(reply, blocks=tuple(blocks), stop_reason="max_tokens", interruption=_within(reply, blocks))
        blocks.append(replace(block, text=text))
        left -= count_text(text)
        if stop:
            return replace(
                reply,
                blocks=tuple(blocks),
                stop_reason="stop_sequence",
                stop_sequence=stop[1],
                interruption=_within(reply, blocks),
            )
    return reply


def _within(reply: Reply, blocks: Sequence[Block]) -> Interruption | None:
    """The reply's interruption, moved to the middle of what is left where that is shorter."""
    if reply.interruption is None:
        return None
    length = sum(len(block.text) for block in blocks)
    return replace(reply.interruption, after=min(reply.interruption.after, length // 2))
