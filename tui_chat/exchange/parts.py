"""What a page, a text or a markdown file says of a turn: its parts in order, and the facts below them. Pure.

Figures are exact here, unlike on the screen: a file has room. Unknown ones are left out; an estimate has `~`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from tui_chat.conversation import ContentBlock, Conversation, Outcome, Request, ToolCall, Turn, tool_use_ids
from tui_chat.meter import Figures
from tui_chat.prices import ANTHROPIC_HOST
from tui_chat.text import sanitise, sanitise_line

DEMO: Final = "demo"


@dataclass(frozen=True, slots=True)
class Said:
    """Text of the reply, or its thinking; `sources` are title and address of what it cites. Sanitised."""

    kind: Literal["text", "thinking"]
    text: str
    sources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call: its input as JSON or as it came, its result ('' for none) and how it ended. Sanitised."""

    name: str
    input: str
    result: str
    end: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """A line about something that cannot be shown."""

    text: str


Part = Said | Called | Noted


def parts_of(turn: Turn) -> Iterator[Part]:
    """The parts of a reply in the order they came; blank text is left out."""
    for request in turn.rounds:
        yield from _request_parts(request)


def _request_parts(request: Request) -> Iterator[Part]:
    blocks = [block.content() for block in request.ordered_blocks]
    served = {str(block.get("tool_use_id")): block for block in blocks if _is_server_result(block)}
    for block, call_id in zip(blocks, tool_use_ids(blocks), strict=True):
        match block.get("type"):
            case "text" | "thinking" as kind:
                text = sanitise(_text(block.get(kind)))
                if text.strip():
                    yield Said(kind, text, _sources(block))
            case "tool_use":
                yield _called(block, request.calls.get(call_id or ""))
            case "server_tool_use":
                result = served.pop(str(block.get("id")), None)
                content = "" if result is None else result_text(result.get("content"))
                yield Called(_name(block), _input(block), sanitise(content), "" if result else "no result came")
            case "redacted_thinking":
                yield Noted("a part of the thinking is encrypted")
            case _ if _is_server_result(block):
                if str(block.get("tool_use_id")) in served:
                    yield Noted(f"a result without its call: {sanitise_line(str(block.get('type')))}")
            case kind:
                yield Noted(f"a block of another type: {sanitise_line(str(kind or 'without a type'))[:80]}")


def _is_server_result(block: ContentBlock) -> bool:
    return str(block.get("type")).endswith("_tool_result")


def _called(block: ContentBlock, call: ToolCall | None) -> Called:
    if call is None:
        return Called(_name(block), _input(block), "", "not run")
    end = sanitise_line(call.skipped).replace("_", " ") or (
        "failed" if call.is_error else "" if call.result is not None else "not run"
    )
    return Called(_name(block), _input(block), sanitise(call.result or ""), end)


def _name(block: ContentBlock) -> str:
    return sanitise_line(_text(block.get("name")))[:200] or "a tool without a name"


def _input(block: ContentBlock) -> str:
    given = block.get("partial_json", block.get("input"))
    if isinstance(given, str):
        return sanitise(given)
    return sanitise(json.dumps(given, ensure_ascii=False, indent=2, default=dict)) if given else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sources(block: ContentBlock) -> tuple[tuple[str, str], ...]:
    """Title and address of each source a text cites, each once."""
    citations = block.get("citations")
    found: dict[tuple[str, str], None] = {}
    for each in citations if isinstance(citations, list) else ():
        if isinstance(each, Mapping):
            url = sanitise_line(_text(each.get("url")) or _text(each.get("source")))
            title = sanitise_line(_text(each.get("title")) or _text(each.get("document_title")) or url)
            if title:
                found[title, url] = None
    return tuple(found)


def result_text(content: object) -> str:
    """What a tool gave as text: of a list or an object its texts, titles and addresses, else its JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n\n".join(text for each in content if (text := result_text(each)))
    if isinstance(content, Mapping):
        names = ("title", "url", "text", "stdout", "stderr", "error_code", "content")
        values = [content.get(name) for name in names]
        texts = [result_text(each) for each in values if isinstance(each, str | list) and each]
        if texts:
            return "\n".join(texts)
    return "" if content is None else json.dumps(content, ensure_ascii=False, default=dict)


# Facts -------------------------------------------------------------------------------------------------------------------


def when(at: float) -> str:
    """A moment as date and time of day where the reader is; '' for one that no calendar has."""
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OSError, OverflowError, ValueError):
        return ""


def speaker(turn: Turn) -> str:
    """Whose reply it is: the model that was asked, whole."""
    return sanitise_line(turn.model) or "the model"


def ending(turn: Turn) -> str:
    """How the turn ended, if there is something to say about it: '' for a reply that is complete."""
    if turn.outcome is None:
        return "still running"
    if turn.outcome is Outcome.CANCELLED:
        return "stopped before it was complete"
    if turn.outcome is Outcome.FAILED:
        return f"failed: {sanitise_line(turn.error.sentence if turn.error else 'no reason is known')}"
    if turn.stop_reason == "refusal":
        return "refused"
    return "reached max_tokens" if turn.stop_reason == "max_tokens" else ""


def facts(turn: Turn, figures: Figures, versions: Mapping[str, Sequence[str]]) -> list[str]:
    """What is known of a turn, in a few words each."""
    about = "~" if figures.output_estimated else ""
    cached = f" ({figures.cache_read:,} cached)" if figures.cache_read else ""
    calls = sum(len(request.calls) for request in turn.rounds)
    server = {ANTHROPIC_HOST: "", DEMO: "demo"}.get(turn.server, sanitise_line(turn.server))
    speed = figures.tokens_per_second
    found = [
        when(turn.started_at),
        server,
        f"{figures.input_tokens:,} tokens in{cached}" if figures.input_tokens is not None else "",
        f"{about}{figures.output_tokens:,} tokens out" if figures.output_tokens else "",
        f"TTFT {figures.ttft:.2f} s" if figures.ttft is not None else "",
        f"{speed:.0f} tokens/s" if speed is not None else "",
        f"{calls} tool call{'s' if calls > 1 else ''}" if calls else "",
        f"{'~' if figures.cost_estimated else ''}${figures.cost:.4f}" if figures.cost is not None else "",
        "" if turn.in_context else "left out of what is sent",
        version_note(turn, versions),
        ending(turn),
    ]
    return [fact for fact in found if fact]


def version_note(turn: Turn, versions: Mapping[str, Sequence[str]]) -> str:
    """Which of several versions the turn is, or ''."""
    ids = versions.get(turn.id, ())
    return f"version {ids.index(turn.id) + 1} of {len(ids)}" if len(ids) > 1 and turn.id in ids else ""


def heading(conversation: Conversation) -> str:
    """The title, on one line; one without has a name all the same."""
    return sanitise_line(conversation.title).strip() or "Conversation"


def conversation_facts(conversation: Conversation, turns: Iterable[Turn]) -> list[str]:
    """When it was, with which models, and where it came from."""
    models: dict[str, None] = {}
    count = 0
    for turn in turns:
        models.setdefault(speaker(turn))
        count += 1
    origin = conversation.origin.get("source") if isinstance(conversation.origin, Mapping) else None
    found: list[Any] = [
        when(conversation.created_at),
        ", ".join(models),
        f"{count} turn{'' if count == 1 else 's'}",
        f"from {sanitise_line(str(origin))}" if origin else "",
    ]
    return [fact for fact in found if fact]
