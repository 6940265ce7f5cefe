"""Values to rows and back; pure.

Why it exists: what comes from outside holds lone surrogates, NULs and integers beyond 2**63, and SQLite takes none of
these well. Here, at the edge, JSON stays JSON, surrogates become U+FFFD, numbers that no column holds the nearest that
one does, and stamps seconds since the turn started. It must not know connections or transactions.
"""

import dataclasses
import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, get_args

from tui_chat.conversation import (
    Block,
    ContentBlock,
    Conversation,
    Message,
    Outcome,
    Request,
    Role,
    SideRequest,
    Stamps,
    TitleFrom,
    ToolCall,
    Turn,
)
from tui_chat.errors import Failure, StoreError
from tui_chat.listed import ConversationSummary
from tui_chat.store.owner import Owner
from tui_chat.text import storable
from tui_chat.usage import Usage

Row = sqlite3.Row

STAMPS: Final = tuple(field.name for field in dataclasses.fields(Stamps))
TITLES_FROM: Final[tuple[TitleFrom, ...]] = get_args(TitleFrom)
_INTEGERS: Final = 2**63  # the end of what an INTEGER column holds
COUNTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def to_json(value: object) -> str:
    """`value` as JSON text that SQLite can hold; StoreError if it is nested too deeply, or no JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"a part of the turn cannot be stored ({error})", "please report it") from error
    return storable(text)  # over the whole text: quietly reaches every key and value, however deep


def plain(value: object) -> str | None:
    """Text for a column; what should have been text but came as something else is kept as its JSON."""
    if value is None:
        return None
    return storable(value) if isinstance(value, str) else to_json(value)


def seconds(value: object) -> float:
    """A stamp for a column; what is no number that a clock could show becomes 0.0."""
    try:
        number = float(value)  # type: ignore[arg-type]  # an import may bring anything
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _optional(value: object) -> float | None:
    return None if value is None else seconds(value)


def _integer(value: int) -> int:
    return max(-_INTEGERS, min(int(value), _INTEGERS - 1))


def conversation_row(conversation: Conversation) -> dict[str, Any]:
    """A conversation; `updated_at`, `pinned` and `origin` count for a new row only."""
    title_from = conversation.title_from
    return {
        "id": storable(conversation.id),
        "created_at": seconds(conversation.created_at),
        "updated_at": seconds(conversation.created_at),
        "title": storable(conversation.title),
        "title_from": title_from if title_from in TITLES_FROM else "prompt",
        "model": plain(conversation.model),
        "system": plain(conversation.system),
        "effort": plain(conversation.effort),
        "draft": storable(conversation.draft),
        "queued": to_json(conversation.queued),
        "place": plain(conversation.place),
        "pinned": bool(conversation.pinned),
        "origin": None if conversation.origin is None else to_json(conversation.origin),
        "side_requests": side_requests_json(conversation.side_requests),
    }


def side_requests_json(requests: Sequence[SideRequest]) -> str | None:
    """Requests beside the talk as JSON; None if there are none."""
    return to_json([{**_fields(each), "usage": each.usage.fields} for each in requests]) if requests else None


def side_requests_from(text: str | None) -> tuple[SideRequest, ...]:
    """The requests that `side_requests_json` wrote."""
    return tuple(SideRequest(**{**each, "usage": Usage(each["usage"])}) for each in json.loads(text or "[]"))


def _fields(value: SideRequest) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def conversation_from(row: Row, turns: list[Turn]) -> Conversation:
    """The conversation of a row, with the turns of its current path; `versions` is left to the caller."""
    return Conversation(
        id=row["id"],
        created_at=row["created_at"],
        title=row["title"],
        model=row["model"],
        system=row["system"],
        effort=row["effort"],
        draft=row["draft"],
        queued=tuple(json.loads(row["queued"])),
        turns=turns,
        pinned=bool(row["pinned"]),
        title_from=row["title_from"],
        place=row["place"],
        origin=None if row["origin"] is None else json.loads(row["origin"]),
        side_requests=side_requests_from(row["side_requests"]),
    )


def summary_from(row: Row) -> ConversationSummary:
    """The line of a list that a conversation's row makes."""
    return ConversationSummary(
        row["id"], row["title"], row["updated_at"], row["created_at"], row["model"], bool(row["pinned"])
    )


def message_row(conversation_id: str, message: Message) -> dict[str, Any]:
    """A message of a conversation."""
    return {
        "id": storable(message.id),
        "conversation_id": storable(conversation_id),
        "parent_id": plain(message.parent_id),
        "role": message.role,
        "blocks": to_json(message.blocks),
        "unfinished": to_json(message.unfinished),
        "created_at": seconds(message.created_at),
        "continues": bool(message.continues),
    }


def message_from(row: Row) -> Message:
    """The message of a row."""
    role: Role = "assistant" if row["role"] == "assistant" else "user"
    blocks = tuple(json.loads(row["blocks"]))
    unfinished = tuple(json.loads(row["unfinished"]))
    return Message(
        row["id"], row["parent_id"], role, blocks, row["created_at"], unfinished, continues=bool(row["continues"])
    )


def running_row(turn: Turn, owner: Owner) -> dict[str, Any]:
    """A turn as it begins, owned by the process that writes it."""
    return {
        "id": storable(turn.id),
        "conversation_id": storable(turn.conversation_id),
        "prompt_id": storable(turn.prompt.id),
        "reply_id": storable(turn.reply_id),
        "model": storable(turn.model),
        "server": storable(turn.server),
        "started_at": seconds(turn.started_at),
        "in_context": bool(turn.in_context),
        "copy_of": plain(turn.copy_of),
        "started": seconds(turn.started),
        "owner_pid": owner.pid,
        "owner_started": owner.started,
        "owner_boot": owner.boot,
        "owner_namespace": owner.namespace,
    }


def ended_row(turn: Turn) -> dict[str, Any]:
    """What the end of a turn adds to its row."""
    return {
        "id": storable(turn.id),
        "outcome": turn.outcome,
        "stop_reason": plain(turn.stop_reason),
        "error": _failure_json(turn.error),
        "usage": to_json(turn.usage.fields),
        "usage_is_final": bool(turn.usage_is_final),
        "duration": _since(turn, turn.ended),
        "closed_after": _optional(turn.closed_after),
        "retry_of": _integer(turn.retry_of),
        "in_context": bool(turn.in_context),
    }


def request_rows(turn: Turn) -> list[dict[str, Any]]:
    """The requests of a turn. Each keeps its blocks, but for the only round of a turn without tools: they are the reply."""
    return [_request_row(turn, position, request) for position, request in enumerate(turn.requests)]


def _request_row(turn: Turn, position: int, request: Request) -> dict[str, Any]:
    blocks = request.ordered_blocks
    apart = bool(blocks) and (len(turn.rounds) > 1 or turn.rounds[0] is not request or bool(request.calls))
    return {
        "turn_id": storable(turn.id),
        "position": position,
        "attempt": _integer(request.attempt),
        "model": storable(request.model),
        "served_model": plain(request.served_model),
        **{name: _since(turn, getattr(request.stamps, name)) for name in STAMPS},
        "sent": _since(turn, request.stamps.sent) or 0.0,
        "usage": to_json(request.usage.fields),
        **{name: request.usage.count(name) for name in COUNTS},
        "usage_is_final": bool(request.usage_is_final),
        "stop_reason": plain(request.stop_reason),
        "stop_details": None if request.stop_details is None else to_json(request.stop_details),
        "error": _failure_json(request.error),
        "request_id": plain(request.request_id),
        "message_id": plain(request.message_id),
        "delta_count": _integer(request.delta_count),
        "characters": _integer(request.characters),
        "pings": _integer(request.pings),
        "blocks": to_json([block.content() for block in blocks]) if apart else None,
        "unfinished": to_json([at for at, block in enumerate(blocks) if not block.ended]) if apart else None,
        "unknown_events": to_json(request.unknown_events) if request.unknown_events else None,
        "fields": to_json(request.fields) if request.fields else None,
        "calls": to_json([_call_row(turn, call) for call in request.calls.values()]) if request.calls else None,
    }


def turn_from(row: Row, prompt: Message, requests: Sequence[Row], reply: Message | None) -> Turn:
    """The turn of a row; its clock starts at 0.0, and each block is whole: its `start` is its content."""
    turn = Turn(
        id=row["id"],
        conversation_id=row["conversation_id"],
        prompt=prompt,
        reply_id=row["reply_id"],
        model=row["model"],
        server=row["server"],
        started_at=row["started_at"],
        started=0.0,
        requests=[_request_from(each) for each in requests],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        stop_reason=row["stop_reason"],
        error=_failure_from(row["error"]),
        usage_is_final=bool(row["usage_is_final"]),
        ended=row["duration"],
        closed_after=row["closed_after"],
        in_context=bool(row["in_context"]),
        retry_of=row["retry_of"],
        copy_of=row["copy_of"],
    )
    if reply is not None and len(turn.rounds) == 1 and not turn.rounds[0].calls:
        turn.rounds[0].blocks = _blocks(reply.blocks, reply.unfinished)
    return turn


def _request_from(row: Row) -> Request:
    return Request(
        model=row["model"],
        attempt=row["attempt"],
        stamps=Stamps(**{name: row[name] for name in STAMPS}),
        blocks=_blocks(json.loads(row["blocks"]), json.loads(row["unfinished"])) if row["blocks"] else {},
        usage=Usage(json.loads(row["usage"])),
        usage_is_final=bool(row["usage_is_final"]),
        stop_reason=row["stop_reason"],
        stop_details=None if row["stop_details"] is None else json.loads(row["stop_details"]),
        request_id=row["request_id"],
        message_id=row["message_id"],
        served_model=row["served_model"],
        error=_failure_from(row["error"]),
        delta_count=row["delta_count"],
        characters=row["characters"],
        pings=row["pings"],
        unknown_events=json.loads(row["unknown_events"] or "[]"),
        fields=json.loads(row["fields"] or "{}"),
        calls={call.tool_use_id: call for call in _calls(row["calls"])},
    )


def _call_row(turn: Turn, call: ToolCall) -> dict[str, Any]:
    return {**dataclasses.asdict(call), "started": _since(turn, call.started), "ended": _since(turn, call.ended)}


def _calls(text: str | None) -> list[ToolCall]:
    return [ToolCall(**call) for call in json.loads(text)] if text else []


def on_own_clock(turn: Turn) -> None:
    """Turn the stamps of a turn that was folded from its journal into seconds since it started."""
    for request in turn.requests:
        for name in STAMPS:
            setattr(request.stamps, name, _since(turn, getattr(request.stamps, name)))
        for call in request.calls.values():
            call.started, call.ended = _since(turn, call.started), _since(turn, call.ended)
    turn.ended, turn.retry_at = _since(turn, turn.ended), _since(turn, turn.retry_at)
    turn.started = 0.0


def _since(turn: Turn, stamp: float | None) -> float | None:
    return None if stamp is None else seconds(stamp) - seconds(turn.started)


def _blocks(contents: Sequence[ContentBlock], unfinished: Sequence[int]) -> dict[int, Block]:
    return {at: Block(at, content, ended=at not in unfinished) for at, content in enumerate(contents)}


def _failure_json(failure: Failure | None) -> str | None:
    return None if failure is None else to_json(dataclasses.asdict(failure))


def _failure_from(text: str | None) -> Failure | None:
    return None if text is None else Failure(**json.loads(text))
