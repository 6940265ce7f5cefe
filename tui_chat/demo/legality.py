"""What the Messages API would refuse with a 400, and in which words.

Why it exists: the worst bug of a chat client is a stored conversation that the API refuses for ever after (an empty
text, a tool_use without its result, an unsigned thinking block). So the demo refuses what the API refuses, and tests
hold every history the program builds against the same function.
What it must not know: HTTP, the program's own message types, why a request looks as it does. It is written from public
documentation and publicly reported messages only, and so is a lower bound: what passes here may still be refused there.

Order of the checks: the shape of each field (of messages here and in `legal_blocks`, of the rest in `legal_parameters`),
then what only the whole conversation shows (`_check_conversation`, `_check_server_calls`). The first offence is reported, as the API does.
"""

import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Never

from tui_chat.demo.legal_blocks import ASSISTANT_ONLY, SERVER_RESULTS, USER_ONLY, check_block, check_text
from tui_chat.demo.legal_parameters import IllegalError, check_parameters, refuse
from tui_chat.demo.models import Model, find_model
from tui_chat.demo.tokens import count_request

MAX_MESSAGES: Final = 100_000
MAX_CACHE_BREAKPOINTS: Final = 4


def why_illegal(body: object, *, counting: bool = False) -> str | None:
    """The message of the `invalid_request_error` that the API would answer to this request body, or None if legal.

    `counting`: the body is one for `/v1/messages/count_tokens`, which takes no `max_tokens` and may end in any role.
    A model that is not known here is held to the rules of the newest ones; whether it exists is not asked.
    """
    try:
        _check(body, counting=counting)
    except IllegalError as error:
        return str(error)
    return None


def _check(body: object, *, counting: bool) -> None:
    if not isinstance(body, dict):
        refuse("Input should be a valid dictionary")
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        refuse("The request body is not valid JSON: no low surrogate in string")
    if "model" not in body:
        refuse("model: Field required")
    if not isinstance(body["model"], str) or not body["model"]:
        refuse("model: Input should be a valid string")
    model = find_model(body["model"])
    _check_messages(body)
    check_parameters(body, model, counting=counting)
    _check_system(body.get("system"))
    turns = _turns(body["messages"])
    _check_conversation(turns)
    _check_server_calls(turns)
    if not counting:
        _check_end(turns, model)
    called = any(placed.kind in ("tool_use", "tool_result") for turn in turns for placed in turn.blocks)
    if called and not body.get("tools"):
        refuse("Requests which include `tool_use` or `tool_result` blocks must define tools.")
    _check_breakpoints(body)
    if model is not None and (tokens := count_request(body)) > model.max_input_tokens:
        refuse(f"prompt is too long: {tokens} tokens > {model.max_input_tokens} maximum")


def _check_system(system: object) -> None:
    if isinstance(system, list):
        for index, block in enumerate(system):
            check_block(block, f"system.{index}", only=("text",), where="system")
    elif system is not None and not isinstance(system, str):
        refuse("system: Input should be a valid list")


def _check_messages(body: Mapping[str, Any]) -> None:
    if "messages" not in body:
        refuse("messages: Field required")
    messages = body["messages"]
    if not isinstance(messages, list):
        refuse("messages: Input should be a valid list")
    if not messages:
        refuse("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        refuse(f"messages: at most {MAX_MESSAGES} messages are allowed")
    model = find_model(body["model"])
    for index, message in enumerate(messages):
        _check_message(message, index, previous=messages[index - 1] if index else None, model=model)


def _check_message(message: object, index: int, previous: Mapping[str, Any] | None, model: Model | None) -> None:
    at = f"messages.{index}"
    if not isinstance(message, dict):
        refuse(f"{at}: Input should be a valid dictionary")
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        refuse(f"{at}.role: " + ("Field required" if role is None else "Input should be 'user' or 'assistant'"))
    refused_by_model = model is not None and not model.system_messages
    if role == "system" and (refused_by_model or previous is None or previous["role"] != "user"):
        refuse(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
    for name in message:
        if name not in ("role", "content"):
            refuse(f"{at}.{name}: Extra inputs are not permitted")
    if "content" not in message:
        refuse(f"{at}.content: Field required")
    content = message["content"]
    if not isinstance(content, str | list):
        refuse(f"{at}.content: Input should be a valid list")
    if not content:
        refuse(f"{at}: all messages must have non-empty content except for the optional final assistant message")
    if isinstance(content, str):
        check_text(content, "messages")
        return
    for position, block in enumerate(content):
        check_block(block, f"{at}.content.{position}", only=("text",) if role == "system" else None)
        kind = block["type"]
        if role == "user" and kind in ASSISTANT_ONLY:
            refuse(f"{at}.content.{position}: `{kind}` blocks can only be in `assistant` messages")
        if role == "assistant" and kind in USER_ONLY:
            refuse(f"{at}.content.{position}: `{kind}` blocks can only be in `user` messages")


class _Placed(NamedTuple):
    """A block, and where the request has it."""

    message: int
    position: int
    block: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.block["type"])

    @property
    def at(self) -> str:
        return f"messages.{self.message}.content.{self.position}"


class _Turn(NamedTuple):
    role: str
    blocks: list[_Placed]


def _turns(messages: Iterable[Mapping[str, Any]]) -> list[_Turn]:
    """Messages of one role in a row are one turn to the API."""
    turns: list[_Turn] = []
    for index, message in enumerate(messages):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "system":
            continue  # an instruction beside the conversation; it neither opens nor answers a turn
        if not turns or turns[-1].role != message["role"]:
            turns.append(_Turn(message["role"], []))
        turns[-1].blocks.extend(_Placed(index, position, block) for position, block in enumerate(blocks))
    return turns


def _check_conversation(turns: Sequence[_Turn]) -> None:
    if not turns or turns[0].role != "user":
        refuse('messages: first message must use the "user" role')
    asked: dict[str, int] = {}  # the tool_use ids of the turn before, each with the index of its message
    for turn in turns:
        _check_results(turn, asked)
        asked = {}
        for placed in turn.blocks:
            if placed.kind == "tool_use":
                if placed.block["id"] in asked:
                    refuse(f"{placed.at}: `tool_use` ids must be unique")
                asked[placed.block["id"]] = placed.message
        last = turn.blocks[-1]
        if last.kind in ("thinking", "redacted_thinking"):
            refuse(f"messages.{last.message}: The final block in an assistant message cannot be `{last.kind}`.")
    _check_answered(asked, answered=())


def _check_results(turn: _Turn, asked: Mapping[str, int]) -> None:
    # Only results at the turn's start count: after any other block they come too late.
    leading = itertools.takewhile(lambda placed: placed.kind == "tool_result", turn.blocks)
    _check_answered(asked, [placed.block["tool_use_id"] for placed in leading])
    seen: set[str] = set()
    for placed in turn.blocks:
        if placed.kind != "tool_result":
            continue
        tool_use_id = placed.block["tool_use_id"]
        if tool_use_id not in asked:
            refuse(
                f"{placed.at}: unexpected `tool_use_id` found in `tool_result` blocks: {tool_use_id}. Each `tool_result` block "
                "must have a corresponding `tool_use` block in the previous message."
            )
        if tool_use_id in seen:
            refuse(
                f"{placed.at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {tool_use_id}"
            )
        seen.add(tool_use_id)


def _check_answered(asked: Mapping[str, int], answered: Collection[str]) -> None:
    if missing := [tool_use_id for tool_use_id in asked if tool_use_id not in answered]:
        refuse(
            f"messages.{asked[missing[0]]}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )


def _check_server_calls(turns: Sequence[_Turn]) -> None:
    """A result stands in the turn of its call, behind it. It may come later only where the reply was not over yet:

    a paused one, which the request ends with, and one that also called tools of the client, whose results follow alone.
    """
    waiting: dict[str, _Placed] = {}
    for turn in turns:
        if turn.role == "user":
            if waiting and any(placed.kind != "tool_result" for placed in turn.blocks):
                _refuse_unanswered(next(iter(waiting.values())))
            continue
        called = set(waiting)
        for placed in turn.blocks:
            if placed.kind == "server_tool_use":
                called.add(placed.block["id"])
                waiting[placed.block["id"]] = placed
            elif placed.kind in SERVER_RESULTS:
                tool_use_id = placed.block.get("tool_use_id")
                if tool_use_id not in called:
                    refuse(
                        f"{placed.at}: unexpected `tool_use_id` found in `{placed.kind}` blocks: {tool_use_id}. Each "
                        f"`{placed.kind}` block must have a corresponding `server_tool_use` block before it."
                    )
                waiting.pop(tool_use_id, None)


def _refuse_unanswered(placed: _Placed) -> Never:
    name = placed.block["name"]
    refuse(
        f"messages.{placed.message}: `{name}` tool use with id `{placed.block['id']}` was found without a corresponding "
        f"`{name}_tool_result` block"
    )


def _check_end(turns: Sequence[_Turn], model: Model | None) -> None:
    if turns[-1].role == "user":
        return
    if any(placed.kind in ("server_tool_use", *SERVER_RESULTS) for placed in turns[-1].blocks):
        return  # a paused turn, sent back to be carried on
    if model is None or not model.prefill:
        refuse("This model does not support assistant message prefill. The conversation must end with a user message.")
    last = turns[-1].blocks[-1].block
    if last["type"] == "text" and last["text"] != last["text"].rstrip():
        refuse("messages: final assistant content cannot end with trailing whitespace")


def _check_breakpoints(body: Mapping[str, Any]) -> None:
    groups = [body.get("system"), body.get("tools"), *(message["content"] for message in body["messages"])]
    blocks = [block for group in groups if isinstance(group, list) for block in group]
    found = sum(1 for block in (body, *blocks) if block.get("cache_control"))
    if found > MAX_CACHE_BREAKPOINTS:
        refuse(f"A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided. Found {found}.")
