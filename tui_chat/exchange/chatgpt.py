"""A conversation of a ChatGPT data export (`conversations.json`, or `conversations-000.json` and so on).

    {"id"|"conversation_id", "title", "create_time", "current_node", "mapping": {node id: {"id", "parent", "children",
     "message": null | {"id", "author": {"role": system|user|assistant|tool, "name"}, "create_time", "recipient",
     "content": {"content_type", ...}, "metadata": {"model_slug", "finish_details", "content_references", ...}}}}}

A reply is a chain of such messages: thoughts, code sent to a tool (`recipient` names it), the tool's answer, text. Hidden
messages (the system's, custom instructions, what memory put in) are passed over; a system prompt that was visible is kept.
`content` by its type: text and multimodal_text have `parts`, strings and pointers to pictures and sound that the export
holds elsewhere; code, execution_output, tether_quote, sonic_webpage and system_error have `text`; thoughts a list of
`summary` and `content`; reasoning_recap `content`. Marks of citations are private characters around names; their readable
form is in `content_references`.

Pure: it must not know files or the store.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tui_chat.conversation import ContentBlock, Conversation, Tree
from tui_chat.exchange.foreign import Node, Origin, seconds, text_block, tree_of
from tui_chat.exchange.shape import ShapeError
from tui_chat.json_text import decode
from tui_chat.text import storable

ORIGIN: Final = Origin("chatgpt", "chatgpt.com", "chatgpt")

_HIDDEN_TYPES: Final = ("model_editable_context", "user_editable_context")
_MARK: Final = re.compile("\ue200([^\ue200\ue201]*)\ue201")
_MISSING: Final = {
    "image_asset_pointer": "picture",
    "audio_asset_pointer": "sound",
    "real_time_user_audio_video_asset_pointer": "sound",
    "video_container_asset_pointer": "video",
}


def is_chatgpt(record: object) -> bool:
    """Whether a JSON value is such a conversation."""
    return isinstance(record, Mapping) and "mapping" in record


def conversation_of(record: Mapping[str, Any]) -> Tree:
    """The conversation, with its branches as versions.

    Raises:
        ShapeError: it has no id or no messages.

    """
    id_, mapping = record.get("id") or record.get("conversation_id"), record.get("mapping")
    if not isinstance(id_, str):
        raise ShapeError("it has no id")
    if not isinstance(mapping, Mapping):
        raise ShapeError("its mapping is no object")
    nodes = [_node(key, node) for key, node in _in_order(mapping)]
    title = record.get("title")
    conversation = Conversation(
        id_,
        seconds(record.get("create_time")) or next((node.at for node in nodes if node.at), 0.0),
        title=storable(title).strip() if isinstance(title, str) else "",
        title_from="model" if title else "prompt",
        system=next(_system_prompts(mapping.values()), None),
        pinned=record.get("is_starred") is True or seconds(record.get("pinned_time")) is not None,
    )
    current = record.get("current_node")
    return tree_of(ORIGIN, conversation, nodes, current if isinstance(current, str) else None)


def _in_order(mapping: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes, those of one parent in the order that it names them. Where `parent` is missing, `children` says it."""
    parents = {
        child: key
        for key, node in mapping.items()
        if isinstance(node, Mapping) and isinstance(children := node.get("children"), list)
        for child in children
        if isinstance(child, str)
    }
    ranks = {child: rank for rank, child in enumerate(parents)}
    for key in sorted(mapping, key=lambda key: ranks.get(key, -1)):
        node = mapping[key]
        if isinstance(node, Mapping):
            yield key, node if isinstance(node.get("parent"), str) else {**node, "parent": parents.get(key)}


def _node(key: str, node: Mapping[str, Any]) -> Node:
    parent, message = node.get("parent"), node.get("message")
    found = Node(key, parent if isinstance(parent, str) else None, is_prompt=False)
    if not isinstance(message, Mapping):
        return found
    author, metadata, content = (_object(message, name) for name in ("author", "metadata", "content"))
    role, kind = author.get("role"), str(content.get("content_type") or "text")
    if role not in ("user", "assistant", "tool") or metadata.get("is_visually_hidden_from_conversation") is True:
        return found
    if kind in _HIDDEN_TYPES or metadata.get("is_user_system_message") is True:
        return found
    found.at = seconds(message.get("create_time"))
    found.is_prompt = role == "user"
    if role == "user":
        found.blocks = [text_block(text)] if (text := _with_attachments(_text(content), metadata)) else []
    elif role == "tool":
        found.blocks = [_result(str(author.get("name") or ""), kind, content)]
    else:
        found.blocks = list(_said(kind, content, message.get("recipient"), metadata))
        found.model = _slug(metadata)
        finish = _object(metadata, "finish_details").get("type")
        found.stop_reason = finish if isinstance(finish, str) else None
        found.stopped = finish == "interrupted"
    return found


def _slug(metadata: Mapping[str, Any]) -> str | None:
    slug = metadata.get("model_slug") or metadata.get("default_model_slug")
    return slug if isinstance(slug, str) else None


def _said(
    kind: str, content: Mapping[str, Any], recipient: object, metadata: Mapping[str, Any]
) -> Iterator[ContentBlock]:
    """What the assistant said: text, thinking, or a call of the tool that `recipient` names."""
    text = _text(content)
    if isinstance(recipient, str) and recipient not in ("all", "") and kind in ("code", "text"):
        yield {"type": "tool_use", "id": "", "name": storable(recipient), "input": _arguments(text)}
    elif kind in ("thoughts", "reasoning_recap"):
        if text.strip():
            yield {"type": "thinking", "thinking": storable(text)}
    elif kind == "code":
        if text.strip():
            language = str(content.get("language") or "")
            name = language if re.fullmatch(r"[\w+#-]{1,20}", language) and language != "unknown" else ""
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            yield text_block(f"{fence}{name}\n{text}\n{fence}\n")
    elif text.strip():
        yield text_block(_readable(text, metadata))
    elif kind not in ("text", "multimodal_text") and len(content) > 1:
        yield {**content, "type": kind}  # a type nobody knows is kept as it is


def _arguments(text: str) -> Mapping[str, Any]:
    try:
        value = decode(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"input": storable(text)}


def _result(name: str, kind: str, content: Mapping[str, Any]) -> ContentBlock:
    text = _text(content)
    if not text.strip() and len(content) > 1 and kind != "text":
        text = json.dumps({key: value for key, value in content.items() if value}, ensure_ascii=False)
    return {
        "type": "tool_result",
        "tool_use_id": None,
        "name": storable(name),
        "content": storable(text),
        "is_error": kind == "system_error",
    }


def _text(content: Mapping[str, Any]) -> str:
    """All that is text in a message, and names for what is none."""
    found = [_part(part) for part in _list(content, "parts")]
    found += [_thought(thought) for thought in _list(content, "thoughts")]
    for name in ("title", "url", "text", "content", "thoughts", "result", "summary"):
        value = content.get(name)
        if isinstance(value, str) and value and value not in found:
            found.append(value)
    return "\n".join(text for text in found if text)


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return ""
    kind = part.get("content_type")
    if kind in _MISSING:
        return f"[{_MISSING[str(kind)]}]"
    text = part.get("text")
    return text if isinstance(text, str) else f"[{kind or 'something without a type'}]"


def _thought(thought: object) -> str:
    if not isinstance(thought, Mapping):
        return thought if isinstance(thought, str) else ""
    summary, content = thought.get("summary"), thought.get("content")
    parts = [
        f"**{summary}**" if isinstance(summary, str) and summary else "",
        content if isinstance(content, str) else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _with_attachments(text: str, metadata: Mapping[str, Any]) -> str:
    names = [each.get("name") for each in _list(metadata, "attachments") if isinstance(each, Mapping)]
    notes = "\n".join(f"[file: {name}]" for name in names if name)
    return "\n\n".join(part for part in (text, notes) if part)


def _readable(text: str, metadata: Mapping[str, Any]) -> str:
    """The text with the marks of citations as what they stand for."""
    if "\ue200" not in text:
        return text
    alternatives = {
        str(reference.get("matched_text")): str(reference.get("alt") or "")
        for reference in _list(metadata, "content_references")
        if isinstance(reference, Mapping)
    }
    return _MARK.sub(lambda mark: alternatives.get(mark[0]) or _entity(mark[1]), text)


def _entity(inside: str) -> str:
    """What a mark shows that names a thing: ["kind", "name", ...]; '' for the others."""
    kind, _, arguments = inside.partition("\ue202")
    if kind != "entity":
        return ""
    try:
        values = decode(arguments)
    except ValueError:
        return ""
    return values[1] if isinstance(values, list) and len(values) > 1 and isinstance(values[1], str) else ""


def _system_prompts(nodes: Iterable[object]) -> Iterator[str]:
    """System messages with a text that the user could see."""
    for node in nodes:
        message = node.get("message") if isinstance(node, Mapping) else None
        if isinstance(message, Mapping) and _object(message, "author").get("role") == "system":
            hidden = _object(message, "metadata").get("is_visually_hidden_from_conversation")
            text = _text(_object(message, "content"))
            if not hidden and text.strip():
                yield storable(text)


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    value = values.get(name)
    return value if isinstance(value, list) else []
