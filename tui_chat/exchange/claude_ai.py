"""A conversation of a Claude data export (claude.ai, `conversations.json`).

    {"uuid", "name", "created_at", "updated_at", "chat_messages": [
        {"uuid", "sender": "human"|"assistant", "text", "content": [blocks], "attachments": [{"file_name",
         "extracted_content"}], "files": [{"file_name"}], "created_at", "parent_message_uuid"}]}

Older exports have `text` alone, no parents and no branches: there each message follows the one before. Those that tools
take from the web page have `model`, `current_leaf_message_uuid`, `stop_reason` and an empty `text` as well. Beside the
API's own block types there are results whose `tool_use_id` is null, and bookkeeping that nobody reads. Dates are ISO 8601.

Pure: it must not know files or the store.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tui_chat.conversation import ContentBlock, Conversation, Tree
from tui_chat.exchange.foreign import Node, Origin, text_block, tree_of
from tui_chat.exchange.parts import result_text
from tui_chat.exchange.shape import ShapeError
from tui_chat.text import storable

ORIGIN: Final = Origin("claude.ai", "claude.ai", "claude")
_BOOKKEEPING: Final = ("token_budget", "flag")


def is_claude(record: object) -> bool:
    """Whether a JSON value is such a conversation."""
    return isinstance(record, Mapping) and "chat_messages" in record


def conversation_of(record: Mapping[str, Any]) -> Tree:
    """The conversation, with its branches as versions.

    Raises:
        ShapeError: it has no id or no messages.

    """
    id_, messages = record.get("uuid"), record.get("chat_messages")
    if not isinstance(id_, str) or not id_:
        raise ShapeError("it has no uuid")
    if not isinstance(messages, list):
        raise ShapeError("its chat_messages are no list")
    nodes: list[Node] = []
    has_parents = any(isinstance(each, Mapping) and each.get("parent_message_uuid") for each in messages)
    for place, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise ShapeError(f"its message {place + 1} is no object")
        before = nodes[-1].id if nodes else None
        nodes.append(_node(message, place, before, has_parents=has_parents))
    title = record.get("name") if isinstance(record.get("name"), str) else ""
    conversation = Conversation(
        id_,
        moment(record.get("created_at")) or next((node.at for node in nodes if node.at), 0.0),
        title=storable(str(title)).strip(),
        title_from="model" if title else "prompt",
        pinned=record.get("is_starred") is True,
    )
    model = record.get("model")
    for node in nodes:
        node.model = model if isinstance(model, str) and model else None
    current = record.get("current_leaf_message_uuid")
    return tree_of(ORIGIN, conversation, nodes, current if isinstance(current, str) else None)


def moment(value: object) -> float | None:
    """An ISO 8601 date as seconds since the epoch; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        at = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if at > 0 else None


def _node(message: Mapping[str, Any], place: int, before: str | None, *, has_parents: bool) -> Node:
    id_, parent = message.get("uuid"), message.get("parent_message_uuid")
    is_prompt = message.get("sender") in ("human", "user")
    content = message.get("content")
    blocks = [block for each in content if (block := _block(each))] if isinstance(content, list) else []
    if not any(str(block.get("text", "x")).strip() for block in blocks):
        blocks = [text_block(text)] if isinstance(text := message.get("text"), str) and text.strip() else []
    blocks += _attached(message, apart=bool(blocks))
    if is_prompt:  # what is no text cannot be sent again, and has no place in a prompt
        blocks = [block if block.get("type") == "text" else text_block(f"[{block.get('type')}]") for block in blocks]
    stop_reason = message.get("stop_reason")
    return Node(
        id_ if isinstance(id_, str) and id_ else f"message {place}",
        parent if has_parents and isinstance(parent, str) else None if has_parents else before,
        is_prompt,
        blocks,
        moment(message.get("created_at")),
        stop_reason=stop_reason if isinstance(stop_reason, str) and not is_prompt else None,
        stopped=stop_reason == "user_canceled",
    )


def _block(block: object) -> ContentBlock | None:
    """A block of theirs as one of the API's; one that nobody knows stays as it is."""
    if not isinstance(block, Mapping):
        return text_block(block) if isinstance(block, str) else None
    match block.get("type"):
        case "text":
            text = block.get("text")
            plain: dict[str, Any] = {**text_block(text if isinstance(text, str) else "")}
            citations = list(_citations(block.get("citations")))
            return {**plain, "citations": citations} if citations else plain
        case "thinking":
            return {"type": "thinking", "thinking": storable(str(block.get("thinking") or ""))}
        case "tool_use":
            given = block.get("input")
            named = {"id": block.get("id") or "", "name": block.get("name") or "tool"}
            return {"type": "tool_use", **named, "input": given if isinstance(given, Mapping) else {}}
        case "tool_result":
            return {
                "type": "tool_result",
                "tool_use_id": block.get("tool_use_id"),
                "name": block.get("name"),
                "content": storable(result_text(block.get("content"))),
                "is_error": block.get("is_error") is True,
            }
        case kind if kind in _BOOKKEEPING:
            return None
        case _:
            return dict(block)


def _citations(citations: object) -> Iterator[ContentBlock]:
    """Their citations have the address among `details`."""
    for each in citations if isinstance(citations, list) else ():
        details = each.get("details") if isinstance(each, Mapping) else None
        if isinstance(details, Mapping) and isinstance(url := details.get("url"), str):
            title = each.get("title")
            yield {"type": "citation", "url": url, "title": title if isinstance(title, str) and title else url}


def _attached(message: Mapping[str, Any], *, apart: bool) -> list[ContentBlock]:
    """What was attached: its text where the export has it, else its name."""
    said: list[str] = []
    names: set[str] = set()
    for each in _list(message, "attachments"):
        name = str(each.get("file_name") or "a text")
        text = each.get("extracted_content")
        names.add(name)
        said.append(f"[attached: {name}]\n\n{text}" if isinstance(text, str) and text else f"[attached: {name}]")
    for each in [*_list(message, "files"), *_list(message, "files_v2")]:
        name = str(each.get("file_name") or "without a name")
        if name not in names:
            names.add(name)
            said.append(f"[file: {name}]")
    return [text_block(("\n\n" if apart else "") + "\n\n".join(said))] if said else []


def _list(message: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    values = message.get(name)
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []
