"""Stored turns to messages that the API accepts: pure, and never a 400 because of what an earlier turn went through.

Rules (platform.claude.com/docs, "Handling tool calls", "Streaming: error recovery", "Extended thinking"): no blank text
blocks; thinking only with its signature, only for the model that made it, and only before other content; a tool_use only
whole, and answered in the next message, results first: a call that was cut off or never ran gets a result that says so.
Half a call is left out. The last message is the user's, but for a paused turn, whose reply is sent again as it is.
Neighbouring messages of one role are merged: the API allows them, the chat templates of some local servers do not. Turns
that were refused or switched out of context are left out. A block goes out with the fields the API takes and no others,
whatever the server that wrote it had added.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tui_chat.conversation import ContentBlock, Message, Turn, tool_use_ids
from tui_chat.text import storable

CONTINUE: Final = (
    "Your last reply was cut off before it was complete. Go on exactly where it left off: "
    "do not repeat what is already there, and do not comment on the interruption."
)
NO_RESULT: Final = "This call was not run."
NO_OUTPUT: Final = "(no output)"

_SEALED: Final = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}  # the last one is never empty
_SERVER_RESULT: Final = re.compile(r"(?!mcp_)\w+_tool_result")
_MESSAGE_IN_ERROR: Final = re.compile(r"\bmessages\.(\d{1,6})\b(?:\.content\.(\d{1,6})\b)?")
_HISTORY_IN_ERROR: Final = re.compile(
    r"\bmessages:|thinking` block|tool_use|tool_result|signature|roles must alternate"
)


def messages_for(
    turns: Iterable[Turn], prompt: Message, model: str, so_far: Message | None = None
) -> list[dict[str, Any]]:
    """The `messages` of a request for `prompt` after `turns`, the current path from first to last.

    `so_far` is the running turn's own reply: its tools have run, or its server paused, and it goes on from there.
    """
    messages: list[dict[str, Any]] = []
    for turn in outgoing(turns):
        _append_turn(messages, turn, model)
    _append(messages, "user", _user_blocks(prompt))
    if so_far is not None:
        _append_reply(messages, so_far, own=True, running=True)
    return messages


def outgoing(turns: Iterable[Turn]) -> list[Turn]:
    """The turns that are part of the next request: in context, and not refused.

    What goes on from a turn goes out with it or not at all, and only with an answer: the instruction alone would be obeyed
    by the next reply.
    """
    out: list[Turn] = []
    base = True  # whether the turn that a continuation goes on from goes out
    for turn in turns:
        usable = turn.in_context and turn.stop_reason != "refusal"
        if turn.prompt.continues:
            usable = usable and base and (turn.is_answered or turn.outcome is None)
        else:
            base = usable
        if usable:
            out.append(turn)
    return out


def has_tools(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a call or a result is among `messages`: then the API wants to know the tools."""
    return any(block["type"] in ("tool_use", "tool_result") for message in messages for block in message["content"])


def turn_blamed(message: str, turns: Iterable[Turn], model: str) -> Turn | None:
    """The turn among the earlier `turns` that the API complains of in `message`, or None.

    That is the one it names (`messages.3.content.0: ...`), or the last one if it only says that the history is wrong.
    """
    sent = outgoing(turns)
    found = _MESSAGE_IN_ERROR.search(message)
    if found is None:
        return sent[-1] if sent and _HISTORY_IN_ERROR.search(message) else None
    messages: list[dict[str, Any]] = []
    for turn in sent:
        _append_turn(messages, turn, model)
        # The last message may hold the beginning of what follows: results and a prompt are one message.
        index, position = int(found[1]), int(found[2] or 0)
        if len(messages) > index + 1 or (len(messages) > index and len(messages[index]["content"]) > position):
            return turn
    return None


def _append_turn(messages: list[dict[str, Any]], turn: Turn, model: str) -> None:
    asked = _user_blocks(turn.prompt)
    if not asked:
        return
    _append(messages, "user", asked)
    reply = turn.reply()
    if reply is not None:
        _append_reply(messages, reply, own=turn.model == model)


def _append(messages: list[dict[str, Any]], role: str, blocks: list[ContentBlock]) -> None:
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(blocks)
    else:
        messages.append({"role": role, "content": blocks})


def _user_blocks(message: Message) -> list[ContentBlock]:
    return [_text(block) for block in message.blocks if not _is_blank(block)]


def _append_reply(messages: list[dict[str, Any]], reply: Message, *, own: bool, running: bool = False) -> None:
    """The rounds of a reply: what the assistant said, then the results of its calls as the user's message."""
    said: list[ContentBlock] = []
    results: dict[str, ContentBlock] = {}
    unfinished: set[int] = set()

    def end_round() -> None:
        blocks, calls = _assistant_blocks(said, unfinished, results, own=own, running=running)
        _append(messages, "assistant", blocks)
        _append(messages, "user", [_result(each, results.get(each)) for each in calls])
        said.clear()
        results.clear()
        unfinished.clear()

    for place, block in enumerate(reply.blocks):
        if block.get("type") == "tool_result":
            results[str(block.get("tool_use_id"))] = block
            continue
        if results:
            end_round()
        if place in reply.unfinished:
            unfinished.add(len(said))
        said.append(block)
    end_round()


def _assistant_blocks(
    said: Sequence[ContentBlock],
    unfinished: set[int],
    results: Mapping[str, ContentBlock],
    *,
    own: bool,
    running: bool,
) -> tuple[list[ContentBlock], list[str]]:
    """What of one round goes out, and the ids of the calls in it. A server's own tools matter only while the turn runs."""
    blocks: list[ContentBlock] = []
    calls: list[str] = []
    for place, (block, call) in enumerate(zip(said, tool_use_ids(said), strict=True)):
        finished = place not in unfinished
        match block.get("type"):
            case "text" if not _is_blank(block):
                blocks.append(_text(block))
            case "thinking" | "redacted_thinking" as kind if finished and own:
                blocks += _verbatim(block, _SEALED[kind])
            case "tool_use" if finished and call is not None and (use := _tool_use(block, call, results)):
                blocks.append(use)
                calls.append(call)
            case "server_tool_use" if running and finished:
                blocks.append(_fields(block, ("id", "name", "input")))
            case str(kind) if running and finished and _SERVER_RESULT.fullmatch(kind):
                blocks.append(_fields(block, ("tool_use_id", "content")))
            case _:
                pass
    while blocks and blocks[-1]["type"] in _SEALED:  # thinking that nothing followed cannot be sent
        blocks.pop()
    if blocks and blocks[-1]["type"] == "text":
        blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}
    return blocks, calls


def _tool_use(block: ContentBlock, call: str, results: Mapping[str, ContentBlock]) -> ContentBlock | None:
    """The call as it can be sent; one whose input was no JSON object only if its result tells the model so."""
    name, given = block.get("name"), block.get("input")
    usable = isinstance(given, dict) and "partial_json" not in block
    if not usable and call not in results:
        return None
    legal = re.sub(r"[^a-zA-Z0-9_-]", "_", name if isinstance(name, str) else "")[:128] or "tool"
    use = {"type": "tool_use", "id": call, "name": legal, "input": _clean(given) if usable else {}}
    return {**use, "caller": _clean(caller)} if isinstance(caller := block.get("caller"), dict) else use


def _result(call: str, result: ContentBlock | None) -> ContentBlock:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call}
    if result is None:
        return {**block, "content": NO_RESULT, "is_error": True}
    content = storable(str(result.get("content") or ""))
    block["content"] = content if content.strip() else NO_OUTPUT
    return {**block, "is_error": True} if result.get("is_error") else block


def _fields(block: ContentBlock, names: Sequence[str]) -> ContentBlock:
    caller = ("caller",) if isinstance(block.get("caller"), dict) else ()
    return {"type": block["type"], **{name: _clean(block[name]) for name in (*names, *caller) if name in block}}


def _verbatim(block: ContentBlock, fields: tuple[str, ...]) -> list[ContentBlock]:
    """The block with its `fields`, or nothing: what is signed cannot be mended when a part is missing or no text."""
    values = {name: block.get(name) for name in fields}
    if not all(isinstance(value, str) and storable(value) == value for value in values.values()):
        return []
    return [{"type": block["type"], **values}] if values[fields[-1]] else []


def _is_blank(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text" and not str(block.get("text") or "").strip()


def _text(block: ContentBlock) -> ContentBlock:
    """A text block without lone surrogates, which no JSON parser on the other side would take."""
    return {"type": "text", "text": storable(str(block["text"]))} if block.get("type") == "text" else block


def _clean(value: Any) -> Any:
    """Any JSON value without lone surrogates."""
    return json.loads(storable(json.dumps(value, ensure_ascii=False)))
