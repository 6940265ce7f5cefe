"""Our own file of a conversation: JSON that loses nothing and reads back in.

    {
    "format": "tui-chat conversation",
    "version": 1,
    "conversation": {"id": ..., "created_at": ..., "title": ..., ...},
    "current_turn_id": "...",
    "prompts": [
    {"id": ..., "parent_id": ..., "role": "user", "blocks": [...], "created_at": ...},
    ...
    ],
    "turns": [
    {"id": ..., "prompt_id": ..., "reply_id": ..., "outcome": "completed", "requests": [...], ...},
    ...
    ]
    }

The words are those of `conversation.py`, where every field is explained; one that has its default is left out. `turns` are
all turns of all branches in the order they began, each on a line. Turns whose prompts have one `parent_id` are versions of
each other; turns with one `prompt_id` answer the same prompt. A request has its `blocks` verbatim, as the API sent them,
its `unfinished` places among them, its `calls` with their results, `usage`, `stop_reason`, and `stamps` in seconds since
the turn's `started_at` (seconds since the epoch). The reply of a turn, `reply_id`, is the blocks of its requests, but for
attempts that failed, each request's tool results behind them.

`version` grows when a reader of the old one would misunderstand the new; a newer version is refused, not guessed at.
Characters that act on a terminal or hide text are written as JSON's escapes, so the file can be shown as it is and still
says exactly what was said. It must not know files or the store.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from tui_chat.conversation import Block, Conversation, Message, Outcome, Request, Stamps, ToolCall, Tree, Turn
from tui_chat.errors import Failure
from tui_chat.exchange.shape import ShapeError, build, plain
from tui_chat.text import sanitise, storable

FORMAT: Final = "tui-chat conversation"
VERSION: Final = 1

_OF_CONVERSATION: Final = ("turns", "versions")
_OF_TURN: Final = ("conversation_id", "prompt", "started", "requests", "retry_at", "cancelled_after", "saved_after")
_OF_REQUEST: Final = ("stamps", "blocks", "calls")


# Writing -----------------------------------------------------------------------------------------------------------------


def document(tree: Tree) -> Iterator[str]:
    """The file of `tree` in pieces, a turn each. Turns may be live ones: their stamps are made relative."""
    yield f'{{\n"format": {_line(FORMAT)},\n"version": {VERSION},\n'
    yield f'"conversation": {_line(plain(tree.conversation, _OF_CONVERSATION))},\n'
    yield f'"current_turn_id": {_line(tree.current_turn_id)},\n'
    prompts = {turn.prompt.id: turn.prompt for turn in tree.turns}
    yield from _list("prompts", (plain(prompt) for prompt in prompts.values()))
    yield ",\n"
    yield from _list("turns", (_turn(turn) for turn in tree.turns))
    yield "\n}\n"


def _list(name: str, values: Iterable[Any]) -> Iterator[str]:
    before = f'"{name}": [\n'
    for value in values:
        yield before + _line(value)
        before = ",\n"
    yield f"{before}]" if before != ",\n" else "\n]"


def _turn(turn: Turn) -> dict[str, Any]:
    found = plain(turn, _OF_TURN)
    found["ended"] = _since(turn, turn.ended)
    requests = [_request(turn, request) for request in turn.requests]
    return {"id": found.pop("id"), "prompt_id": turn.prompt.id, **_known(found), "requests": requests}


def _request(turn: Turn, request: Request) -> dict[str, Any]:
    stamps = {name: _since(turn, stamp) for name, stamp in plain(request.stamps).items()}
    blocks = request.ordered_blocks
    parts = {
        "unfinished": [place for place, block in enumerate(blocks) if not block.ended],
        "calls": [_call(turn, call) for call in request.calls.values()],
    }
    return {
        **plain(request, _OF_REQUEST),
        "stamps": stamps,
        "blocks": [block.content() for block in blocks],
        **{name: value for name, value in parts.items() if value},
    }


def _call(turn: Turn, call: ToolCall) -> dict[str, Any]:
    on_clock = dataclasses.replace(call, started=_since(turn, call.started), ended=_since(turn, call.ended))
    return plain(on_clock)


def _since(turn: Turn, stamp: float | None) -> float | None:
    return None if stamp is None else stamp - turn.started


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _line(value: object) -> str:
    """JSON on one line that may be shown on a terminal and is UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=dict)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=dict)
    text = storable(text)
    return text if sanitise(text) == text else "".join(map(_escaped, text))


def _finite(value: Any) -> Any:
    """`value` with null for infinity and NaN, which are no JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=1024)
def _escaped(character: str) -> str:
    """The character, or JSON's escape for one that the sanitiser would not let through: those stand in strings only."""
    return character if sanitise(character) == character else json.dumps(character)[1:-1].replace("\x7f", "\\u007f")


# Reading -----------------------------------------------------------------------------------------------------------------


def is_ours(record: object) -> bool:
    """Whether a JSON value is a file of this format, of any version."""
    return isinstance(record, Mapping) and record.get("format") == FORMAT


def tree_of(record: Mapping[str, Any]) -> Tree:
    """The conversation that a file describes.

    A turn that was running when it was written ends as interrupted: nobody runs it here.

    Raises:
        ShapeError: it is of a newer version, or something in it is missing or wrong.

    """
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ShapeError("it does not say its version")
    if version > VERSION:
        raise ShapeError(f"a newer tui-chat wrote it (version {version}, this one reads {VERSION}); update tui-chat")
    conversation = build(Conversation, record.get("conversation"), turns=[], versions={})
    prompts: dict[str, Message] = {}
    for data in _objects(record, "prompts"):
        prompt = build(Message, data)
        if prompts.setdefault(prompt.id, prompt) is not prompt:
            raise ShapeError(f"the prompt {prompt.id!r} is there twice")
    turns: dict[str, Turn] = {}
    known: set[str | None] = {None}  # messages that a prompt may follow: those of the turns before
    for data in _objects(record, "turns"):
        turn = _turn_of(data, conversation.id, prompts)
        if turn.prompt.parent_id not in known:
            raise ShapeError(f"the turn {turn.id!r} follows a message that is not there")
        if turns.setdefault(turn.id, turn) is not turn or turn.reply_id in known:
            raise ShapeError(f"the turn {turn.id!r} is there twice")
        known |= {turn.prompt.id} if turn.reply() is None else {turn.prompt.id, turn.reply_id}
    current = record.get("current_turn_id")
    return Tree(conversation, list(turns.values()), current if isinstance(current, str) and current in turns else None)


def _objects(record: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    values = record.get(name, [])
    if not isinstance(values, list):
        raise ShapeError(f"{name} is no list")
    for value in values:
        if not isinstance(value, Mapping):
            raise ShapeError(f"{name} holds something that is no object")
        yield value


def _turn_of(data: Mapping[str, Any], conversation_id: str, prompts: Mapping[str, Message]) -> Turn:
    prompt = prompts.get(str(data.get("prompt_id")))
    if prompt is None:
        raise ShapeError(f"the turn {data.get('id')!r} has no prompt")
    requests = [_request_of(each) for each in _objects(data, "requests")]
    turn = build(
        Turn,
        data,
        conversation_id=conversation_id,
        prompt=prompt,
        started=0.0,
        requests=requests,
        retry_at=None,
    )
    if turn.outcome is None:
        turn.outcome, turn.error, turn.ended = Outcome.FAILED, Failure("interrupted", ""), turn.ended or 0.0
        turn.in_context = turn.in_context and turn.is_answered
    elif turn.ended is None:
        raise ShapeError(f"the turn {turn.id!r} does not say when it ended")
    return turn


def _request_of(data: Mapping[str, Any]) -> Request:
    unfinished = data.get("unfinished", [])
    if not isinstance(unfinished, list):
        raise ShapeError("unfinished is no list")
    blocks = {
        place: Block(place, content, ended=place not in unfinished)
        for place, content in enumerate(_objects(data, "blocks"))
    }
    calls = [build(ToolCall, each) for each in _objects(data, "calls")]
    return build(
        Request,
        data,
        stamps=build(Stamps, data.get("stamps")),
        blocks=blocks,
        calls={call.tool_use_id: call for call in calls},
    )
