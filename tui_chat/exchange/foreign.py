"""Another program's tree of messages to a conversation of ours.

There a tree of single messages, here turns: a prompt and all that answers it. So from each prompt every way through the
messages that are no prompts is a turn of its own: a reply made again is a second turn of the same prompt, an edited prompt a
second prompt in the same place. Both are versions here.

Ids are derived from those of the source, so reading the same export twice makes the same conversation, and a newer export
adds what is new. The first way from a prompt has its key from the prompt and others theirs from where they part, so a branch
that was added later changes no other's id. Nothing is invented: no tokens, no times of a stream, no model that was not named.

Pure: it must not know files, and nothing of one program's format.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tui_chat.conversation import (
    Block,
    ContentBlock,
    Conversation,
    Message,
    Outcome,
    Request,
    Stamps,
    ToolCall,
    Tree,
    Turn,
    tool_use_ids,
)
from tui_chat.errors import Failure
from tui_chat.text import storable

_LATEST: Final = 253_402_300_799.0  # the last second of the year 9999
_MILLISECONDS: Final = 1e11  # what is larger was meant as milliseconds
NO_REPLY: Final = Failure("no_reply", "the export holds no reply to it")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where conversations come from: the name of the source, and whose a reply is that names no model."""

    source: str
    server: str
    model: str


@dataclass(slots=True)
class Node:
    """One message of the source, in our blocks: text, thinking, tool_use, and tool_result with its content as text.

    One without blocks that is no prompt is passed over. `at` is seconds since the epoch, None unknown.
    """

    id: str
    parent: str | None
    is_prompt: bool
    blocks: list[ContentBlock] = field(default_factory=list)
    at: float | None = None
    model: str | None = None
    stop_reason: str | None = None
    stopped: bool = False


@dataclass(slots=True)
class _Way:
    """A prompt and the messages that answer it, so far."""

    prompt: Message
    key: str
    started_at: float
    nodes: list[Node]


def seconds(value: object) -> float | None:
    """A moment as the source gives it: seconds or milliseconds since the epoch; None if no calendar has it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    at = value / 1000 if value > _MILLISECONDS else float(value)
    return at if 0 < at <= _LATEST else None


def text_block(text: str) -> ContentBlock:
    """A text block; what cannot be encoded is replaced."""
    return {"type": "text", "text": storable(text)}


def tree_of(origin: Origin, conversation: Conversation, nodes: Sequence[Node], current: str | None) -> Tree:
    """The conversation of `nodes`, which come in the order of the source; `current` is the last message that was shown.

    `conversation.id` is the source's; it becomes ours.
    """
    return _Builder(origin, conversation, nodes).tree(current)


class _Builder:
    def __init__(self, origin: Origin, conversation: Conversation, nodes: Sequence[Node]) -> None:
        self._origin = origin
        self._source_id = conversation.id
        self._conversation = conversation
        conversation.origin = {"source": origin.source, "id": storable(conversation.id)}
        conversation.id = self._id("conversation", "")
        self._nodes = {node.id: node for node in nodes}
        self._above = _above(self._nodes)
        self._turns: list[Turn] = []
        self._holds: dict[str, Turn] = {}  # by the ids of the source: the turn a message is in; best the one it ends

    def _id(self, kind: str, key: str) -> str:
        parts = (self._origin.source, self._source_id, kind, key)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def tree(self, current: str | None) -> Tree:
        """Walk all ways from the first messages to the last."""
        children: dict[str | None, list[Node]] = {}
        for node in self._nodes.values():
            if _counts(node):
                children.setdefault(self._above[node.id], []).append(node)
        waiting: list[tuple[Node, _Way | None, Turn | None]] = [(node, None, None) for node in children.get(None, ())]
        waiting.reverse()
        while waiting:
            node, way, before = waiting.pop()
            way = self._follow(node, way, before)
            prompts = [child for child in children.get(node.id, ()) if child.is_prompt]
            answers = [child for child in children.get(node.id, ()) if not child.is_prompt]
            turn = self._end(way) if prompts or not answers else None
            ways: list[tuple[Node, _Way | None, Turn | None]] = []
            for child in answers:
                goes_on = child is answers[0] and turn is None
                started_at = way.started_at if goes_on else max(way.started_at, child.at or 0.0)
                key = way.key if goes_on else child.id
                ways.append((child, _Way(way.prompt, key, started_at, way.nodes if goes_on else [*way.nodes]), None))
            waiting += reversed([*ways, *((child, None, turn) for child in prompts)])
        self._turns.sort(key=lambda turn: turn.started_at)  # stable, and no turn begins before the one it follows
        return Tree(self._conversation, self._turns, self._current(current))

    def _follow(self, node: Node, way: _Way | None, before: Turn | None) -> _Way:
        """The way with `node` on it; a prompt begins one, and so does a reply that nobody asked for."""
        if way is not None and not node.is_prompt:
            way.nodes.append(node)
            return way
        at = max(before.started_at if before else 0.0, node.at or 0.0) or self._conversation.created_at
        parent = None if before is None else before.reply_id if before.requests else before.prompt.id
        blocks = tuple(node.blocks) if node.is_prompt else ()
        prompt = Message(self._id("prompt", node.id), parent, "user", blocks, at)
        return _Way(prompt, node.id, at, [] if node.is_prompt else [node])

    def _end(self, way: _Way) -> Turn:
        models = [node.model for node in way.nodes if node.model]
        model = storable(models[-1]) if models else self._origin.model
        requests = _rounds(model, [block for node in way.nodes for block in node.blocks])
        last = way.nodes[-1] if way.nodes else None
        stopped = last is not None and last.stopped
        turn = Turn(
            id=self._id("turn", way.key),
            conversation_id=self._conversation.id,
            prompt=way.prompt,
            reply_id=self._id("reply", way.key),
            model=model,
            server=self._origin.server,
            started_at=way.started_at,
            started=0.0,
            requests=requests,
            outcome=Outcome.CANCELLED if stopped else Outcome.COMPLETED if requests else Outcome.FAILED,
            stop_reason=None if last is None else last.stop_reason,
            error=None if requests or stopped else NO_REPLY,
            ended=max(0.0, max((node.at or 0.0 for node in way.nodes), default=0.0) - way.started_at),
        )
        turn.in_context = turn.is_answered
        if requests:
            requests[-1].stop_reason = turn.stop_reason
        self._turns.append(turn)
        for node in way.nodes:
            self._holds.setdefault(node.id, turn)
        self._holds[last.id if last is not None else way.key] = turn
        return turn

    def _current(self, wanted: str | None) -> str | None:
        """The turn that ends with the message that was shown last, or holds it; else the one that began last."""
        if wanted is not None and wanted in self._nodes and not _counts(self._nodes[wanted]):
            wanted = self._above[wanted]
        turn = self._holds.get(wanted) if wanted is not None else None
        if turn is None and wanted is not None:  # a prompt that was answered: the first of its replies
            turn = next((each for each in self._turns if each.prompt.id == self._id("prompt", wanted)), None)
        if turn is None and self._turns:
            turn = self._turns[-1]
        return turn.id if turn else None


def _counts(node: Node) -> bool:
    return node.is_prompt or bool(node.blocks)


def _above(nodes: Mapping[str, Node]) -> dict[str, str | None]:
    """For each message the nearest one above it that counts. A loop, which only damage could make, is cut."""
    above: dict[str, str | None] = {}
    for node in nodes.values():
        passed: list[Node] = []
        seen: set[str] = set()
        here: Node | None = node
        while here is not None and here.id not in above and here.id not in seen:
            seen.add(here.id)
            passed.append(here)
            here = nodes.get(here.parent) if here.parent is not None else None
        nearest: str | None = None
        if here is not None and here.id in above:
            nearest = here.id if _counts(here) else above[here.id]
        for each in reversed(passed):
            above[each.id] = nearest
            nearest = each.id if _counts(each) else nearest
    return above


def _rounds(model: str, blocks: Iterable[ContentBlock]) -> list[Request]:
    """The requests that the blocks of a reply must have been: after the results of its calls the model was asked again."""
    rounds: list[tuple[list[ContentBlock], list[ContentBlock]]] = []
    for block in blocks:
        is_result = block.get("type") == "tool_result"
        if not rounds or (rounds[-1][1] and not is_result):
            rounds.append(([], []))
        rounds[-1][is_result].append(block)
    return [_request(model, said, results) for said, results in rounds]


def _request(model: str, said: list[ContentBlock], results: Sequence[ContentBlock]) -> Request:
    answers: dict[int, list[ContentBlock]] = {}
    for result in results:
        answers.setdefault(_place_of_call(said, result, answers), []).append(result)
    calls: dict[str, ToolCall] = {}
    for place, call_id in enumerate(tool_use_ids(said)):
        if call_id is not None and place in answers:
            given = said[place].get("input")
            calls[call_id] = ToolCall(
                call_id,
                str(said[place].get("name") or "tool"),
                given if isinstance(given, Mapping) else {},
                "",
                result="\n\n".join(str(each.get("content") or "") for each in answers[place]),
                is_error=all(each.get("is_error") for each in answers[place]),
            )
    return Request(
        model,
        1,
        Stamps(0.0),
        blocks={place: Block(place, block, ended=True) for place, block in enumerate(said)},
        characters=sum(len(str(block.get(str(block.get("type"))) or "")) for block in said),
        calls=calls,
    )


def _place_of_call(said: list[ContentBlock], result: ContentBlock, answers: Mapping[int, Any]) -> int:
    """Where the call stands that `result` answers: by its id, by its name, or the first without an answer.

    A second result of a source goes to the call before. One that no call was made for gets a call, or it would be lost.
    """
    calls = [place for place, block in enumerate(said) if block.get("type") == "tool_use"]
    wanted, name = result.get("tool_use_id"), result.get("name")
    by_id = [place for place in calls if wanted is not None and said[place].get("id") == wanted]
    open_calls = [place for place in calls if place not in answers]
    by_name = [place for place in open_calls if name and str(said[place].get("name")).startswith(str(name))]
    for fitting in (by_id, by_name, open_calls if wanted is None else [], calls[-1:] if wanted is None else []):
        if fitting:
            return fitting[0]
    said.append({"type": "tool_use", "id": str(wanted or "result"), "name": str(name or "tool"), "input": {}})
    return len(said) - 1
