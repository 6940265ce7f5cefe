"""How the demo counts tokens: a fixed approximation, the same for prompts and replies.

Why it exists: usage has to be consistent (a cut at `max_tokens` is exactly that many, `count_tokens` agrees with the
usage of the request), and a real tokeniser is neither public nor needed for that.
What it must not know: HTTP, what a reply says.

The rule: a text has one token per four characters, rounded up. A request has that for each text in it, three more for
each message and for a system prompt, 1,500 for an image or document, and its tools and other blocks count as the text
of their JSON.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4
MESSAGE_OVERHEAD = 3
MEDIA_TOKENS = 1500


@dataclass(frozen=True, slots=True)
class InputUsage:
    """The prompt's side of the API's usage; the three add up to the whole prompt."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


def count_text(text: str) -> int:
    """Tokens of one text: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def count_request(body: Mapping[str, Any]) -> int:
    """Tokens of a whole request body: system prompt, tools and messages."""
    return _count_preamble(body) + _count_messages(body.get("messages", ()))


def input_usage(body: Mapping[str, Any]) -> InputUsage:
    """The usage the API would report for this prompt.

    With a `cache_control` anywhere, what an earlier request had already sent (all before the last assistant message)
    is read from the cache and the rest is written to it, save the last message's overhead. It depends on the body
    alone: the demo keeps no cache and has no minimum length.
    """
    total = count_request(body)
    if not _has_cache_control(body):
        return InputUsage(input_tokens=total)
    messages = body["messages"]
    answered = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    read = _count_preamble(body) + _count_messages(messages[:answered]) if answered else 0
    return InputUsage(
        input_tokens=MESSAGE_OVERHEAD,
        cache_creation_input_tokens=total - read - MESSAGE_OVERHEAD,
        cache_read_input_tokens=read,
    )


def _count_preamble(body: Mapping[str, Any]) -> int:
    system = body.get("system")
    tokens = _count_content(system) + MESSAGE_OVERHEAD if system else 0
    tools = body.get("tools")
    return tokens + (_count_json(tools) if tools else 0)


def _count_messages(messages: Iterable[Mapping[str, Any]]) -> int:
    return sum(_count_content(message["content"]) + MESSAGE_OVERHEAD for message in messages)


def _count_content(content: str | list[dict[str, Any]]) -> int:
    if isinstance(content, str):
        return count_text(content)
    return sum(_count_block(block) for block in content)


def _count_block(block: dict[str, Any]) -> int:
    match block:
        case {"type": "text", "text": str(text)} | {"type": "thinking", "thinking": str(text)}:
            return count_text(text)
        case {"type": "image" | "document"}:
            return MEDIA_TOKENS
        case {"type": "tool_result", "content": str() | list() as content}:
            return _count_content(content)
        case _:
            return _count_json({key: value for key, value in block.items() if key != "cache_control"})


def _count_json(value: object) -> int:
    return count_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _has_cache_control(body: Mapping[str, Any]) -> bool:
    if body.get("cache_control"):
        return True
    groups = [body.get("system"), body.get("tools"), *(message["content"] for message in body["messages"])]
    return any(block.get("cache_control") for group in groups if isinstance(group, list) for block in group)
