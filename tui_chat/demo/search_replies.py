"""Replies with a search that the server runs itself, and with citations.

Why it exists: server tools have blocks of their own, their results come whole, text names its sources in deltas, and a
reply may pause in the middle of all that (`pause_turn`) and is carried on by sending it back.
What it must not know: a network. The pages exist; their texts are the demo's.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tui_chat.demo.asked import Asked
from tui_chat.demo.content import Block, Reply

_QUERY: Final = "how server-sent events are framed"


class _Page(NamedTuple):
    title: str
    url: str
    text: str


_STANDARD: Final = _Page(
    "HTML Standard: Server-sent events",
    "https://html.spec.whatwg.org/multipage/server-sent-events.html",
    "If the line is empty (a blank line): Dispatch the event.",
)
_GUIDE: Final = _Page(
    "Using server-sent events - MDN",
    "https://developer.mozilla.org/en-US/docs/Web/API/Server-sent_events/Using_server-sent_events",
    "Messages in the event stream are separated by a pair of newline characters.",
)
_MESSAGES: Final = _Page(
    "Streaming messages - Claude Docs",
    "https://platform.claude.com/docs/en/build-with-claude/streaming",
    "Each server-sent event includes a named event type and associated JSON data.",
)


def search(asked: Asked) -> Reply:
    """Call, result and cited text in one reply."""
    identifier = f"srvtoolu_{next(asked.identifiers())}"
    return Reply((_opening(asked), _call(identifier), _result(identifier), *_cited()))


def sources(asked: Asked) -> Reply:
    """The cited text alone."""
    return Reply(_cited(asked.note))


def pause(asked: Asked) -> Reply:
    """`pause N`: the search, with N pauses before its last result."""
    pauses = max(asked.number or 1, 1)
    earlier = asked.paused
    if not earlier:
        rest = "".join(block.text for block in _cited())
        return Reply((_opening(asked), _next_call(asked)), "pause_turn", rest=rest)
    if len(earlier) < pauses:
        return Reply((_result(earlier[-1]), _next_call(asked)), "pause_turn")
    return Reply((_result(earlier[-1]), *_cited()))


def _opening(asked: Asked) -> Block:
    return Block("text", f"{asked.note}Let me look that up.\n\n")


def _next_call(asked: Asked) -> Block:
    return _call(f"srvtoolu_{next(asked.identifiers())}")


def _call(identifier: str) -> Block:
    return Block("server_tool_use", json.dumps({"query": _QUERY}), {"id": identifier, "name": "web_search"})


def _result(identifier: str) -> Block:
    found = [
        {
            "type": "web_search_result",
            "title": page.title,
            "url": page.url,
            "encrypted_content": _sealed(page.text),
            "page_age": None,
        }
        for page in (_STANDARD, _GUIDE, _MESSAGES)
    ]
    return Block("web_search_tool_result", fields={"tool_use_id": identifier, "content": found})


def _cited(note: str = "") -> tuple[Block, ...]:
    """Two texts, three sources, the first of them in both."""
    return (
        Block(
            "text",
            f"{note}An event is dispatched at the **blank line** that ends it, ",
            deltas=(_citation(_STANDARD), _citation(_GUIDE)),
        ),
        Block(
            "text",
            "and in the Messages API each one has a name and JSON data.\n",
            deltas=(_citation(_MESSAGES), _citation(_STANDARD)),
        ),
    )


def _citation(page: _Page) -> Mapping[str, Any]:
    citation = {
        "type": "web_search_result_location",
        "cited_text": page.text,
        "url": page.url,
        "title": page.title,
        "encrypted_index": _sealed(page.url),
    }
    return {"type": "citations_delta", "citation": citation}


def _sealed(text: str) -> str:
    """Opaque to a client, as the API's encrypted fields are."""
    return base64.b64encode(f"demo: {text}".encode()).decode()
