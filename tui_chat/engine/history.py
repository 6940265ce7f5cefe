"""Stored turns to messages that the API accepts: pure, and never a 400 because of what an earlier turn went through.

Rules (platform.claude.com/docs, "Handling tool calls", "Streaming: error recovery", "Extended thinking"): no blank text
blocks; thinking only with its signature, only for the model that made it, and only before other content; no half tool call;
the last message is the user's. Neighbouring user messages are merged: the API allows them, the chat templates of some local
servers do not. Turns that were refused or switched out of context are left out. A block goes out with the fields the API
takes and no others, whatever the server that wrote it had added.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tui_chat.conversation import ContentBlock, Message, Turn
from tui_chat.text import storable

_SEALED: Final = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}  # the last one is never empty


def messages_for(turns: Iterable[Turn], prompt: Message, model: str) -> list[dict[str, Any]]:
    """The `messages` of a request for `prompt` after `turns`, the current path from first to last."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        asked = _user_blocks(turn.prompt) if goes_out(turn) else []
        if not asked:
            continue
        _append(messages, "user", asked)
        reply = turn.reply()
        if reply is not None:
            _append(messages, "assistant", _assistant_blocks(reply, turn, model))
    _append(messages, "user", _user_blocks(prompt))
    return messages


def goes_out(turn: Turn) -> bool:
    """Whether the turn is part of the next request: it is in context and was not refused."""
    return turn.in_context and turn.stop_reason != "refusal"


def _append(messages: list[dict[str, Any]], role: str, blocks: list[ContentBlock]) -> None:
    if not blocks:
        return
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"].extend(blocks)
    else:
        messages.append({"role": role, "content": blocks})


def _user_blocks(message: Message) -> list[ContentBlock]:
    return [_clean(block) for block in message.blocks if not _is_blank(block)]


def _assistant_blocks(reply: Message, turn: Turn, model: str) -> list[ContentBlock]:
    blocks: list[ContentBlock] = []
    for place, block in enumerate(reply.blocks):
        finished = place not in reply.unfinished
        match block.get("type"):
            case "text" if not _is_blank(block):
                blocks.append(_clean({"type": "text", "text": block["text"]}))
            case "thinking" | "redacted_thinking" as kind if finished and turn.model == model:
                blocks += _verbatim(block, _SEALED[kind])
            case _:
                pass
    while blocks and blocks[-1].get("type") != "text":  # thinking that nothing followed cannot be sent
        blocks.pop()
    if blocks:
        blocks[-1] = {**blocks[-1], "text": blocks[-1]["text"].rstrip()}
    return blocks


def _verbatim(block: ContentBlock, fields: tuple[str, ...]) -> list[ContentBlock]:
    """The block with its `fields`, or nothing: what is signed cannot be mended when a part is missing or no text."""
    values = {name: block.get(name) for name in fields}
    if not all(isinstance(value, str) and storable(value) == value for value in values.values()):
        return []
    return [{"type": block["type"], **values}] if values[fields[-1]] else []


def _is_blank(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text" and not str(block.get("text") or "").strip()


def _clean(block: ContentBlock) -> ContentBlock:
    """Text blocks without lone surrogates, which no JSON parser on the other side would take."""
    if block.get("type") == "text":
        return {**block, "text": storable(str(block["text"]))}
    return block
