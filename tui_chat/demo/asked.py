"""What was asked: the parts of a conversation that a reply depends on.

Why it exists: the API gets the whole conversation with each request and nothing else. Which prompt is being answered,
how many rounds of tools it has had, what came back, and whether a reply is to go on must all be read from it.
What it must not know: which replies there are.

An instruction to go on with a reply that was cut short is no prompt: it is taken out, so that what came before and
after it is one reply again.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

Message = Mapping[str, Any]
ContentBlock = Mapping[str, Any]

QUOTED_CHARACTERS: Final = 60

_GO_ON: Final = re.compile(
    r"\A\s*(please\s+)?(continue|go on|carry on)\b|\A(?=.*\b(left|cut) off\b).*\b(continue|go on|carry on)\b",
    re.IGNORECASE | re.DOTALL,
)


class Turn(NamedTuple):
    """Neighbouring messages of one role, which are one to the API."""

    role: str
    blocks: list[ContentBlock]

    @property
    def texts(self) -> list[str]:
        """Its text blocks."""
        return [block["text"] for block in self.blocks if block["type"] == "text"]


class ToolResult(NamedTuple):
    """What became of a call: the name of its tool, and the text that came back."""

    name: str
    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A conversation that waits for a reply, as its turns. `number` is the one behind the command, if there is one.

    `attempt` counts the earlier requests with the same conversation; `tools` are those the request offers, by name.
    """

    turns: tuple[Turn, ...]
    attempt: int
    tools: Mapping[str, Mapping[str, Any]]
    number: int | None = None

    @property
    def prompt(self) -> str:
        """What the user typed: the last text of theirs."""
        return self.turns[self._place].texts[-1] if self._place >= 0 else ""

    @property
    def note(self) -> str:
        """From the second turn on: proof that the conversation was remembered."""
        prompts = [turn.texts for turn in self.turns if turn.role == "user" and turn.texts]
        if len(prompts) < 2:
            return ""
        quoted = " ".join(prompts[0][0].encode("utf-8", "replace").decode().split())
        if len(quoted) > QUOTED_CHARACTERS:
            quoted = quoted[:QUOTED_CHARACTERS].rstrip() + "…"
        return f"*Turn {len(prompts)}. You began with “{quoted}”.*\n\n"

    @property
    def rounds(self) -> int:
        """How often tools have run for this prompt."""
        return sum(turn.role == "user" for turn in self.turns[self._place + 1 :])

    @property
    def results(self) -> list[ToolResult]:
        """What the calls of the last round brought; empty if the last turn is none of results."""
        if not self.rounds:
            return []
        names = {
            block["id"]: block["name"] for turn in self.turns for block in turn.blocks if block["type"] == "tool_use"
        }
        return [
            ToolResult(
                names.get(block["tool_use_id"], "?"), _result_text(block.get("content")), bool(block.get("is_error"))
            )
            for block in self.turns[-1].blocks
            if block["type"] == "tool_result"
        ]

    @property
    def paused(self) -> list[str]:
        """The ids of the server's calls in a reply that was paused and is to be carried on; empty if there is none."""
        if self.turns[-1].role != "assistant":
            return []
        return [block["id"] for block in self.turns[-1].blocks if block["type"] == "server_tool_use"]

    @property
    def begun(self) -> str:
        """The text of the reply so far, if it has begun."""
        return "".join(self.turns[-1].texts) if self.turns[-1].role == "assistant" else ""

    def before_reply(self) -> "Asked":
        """The same before the last reply began."""
        turns = self.turns[:-1] if self.turns[-1].role == "assistant" else self.turns
        return replace(self, turns=turns)

    def identifiers(self) -> Iterator[str]:
        """Endless ids for blocks: the same for the same question, others for every other one."""
        conversation = json.dumps([self.turns, self.attempt], sort_keys=True).encode()
        number = 0
        while True:
            yield "01" + hashlib.sha256(conversation + b" %d" % number).hexdigest()[:22]
            number += 1

    @property
    def _place(self) -> int:
        """Where the prompt's turn is; -1 if nobody typed anything."""
        return max((place for place, turn in enumerate(self.turns) if turn.role == "user" and turn.texts), default=-1)


def read(messages: Sequence[Message], attempt: int, tools: Mapping[str, Mapping[str, Any]]) -> tuple[Asked, str | None]:
    """The conversation without its instructions to go on, and the one it ends with, if it does."""
    turns: list[Turn] = []
    instruction: str | None = None
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        instruction = None
        for block in blocks:
            instruction = None
            if message["role"] == "user" and turns and block["type"] == "text" and _GO_ON.search(block["text"]):
                instruction = block["text"]
            else:
                _append(turns, message["role"], block)
    return Asked(tuple(turns), attempt, tools), instruction


def with_prompt(asked: Asked, text: str) -> Asked:
    """The same conversation, and then that prompt."""
    return replace(asked, turns=(*asked.turns, Turn("user", [{"type": "text", "text": text}])))


def _append(turns: list[Turn], role: str, block: ContentBlock) -> None:
    if role == "system":
        return
    if not turns or turns[-1].role != role:
        turns.append(Turn(role, []))
    turns[-1].blocks.append(block)


def _result_text(content: object) -> str:
    if isinstance(content, list):
        return "".join(block["text"] for block in content if block["type"] == "text")
    return content if isinstance(content, str) else ""
