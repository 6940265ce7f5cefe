"""Turns with known stamps and counts, stored, and the cells that the store's statistics make of them."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Any

from tests.unit.store_values import prompt, running, take
from tui_chat import turns
from tui_chat.conversation import Conversation, Outcome, Tree, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockStarted,
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    TextDelta,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.prices import PriceList
from tui_chat.store import Store
from tui_chat.store.statistics import Cell, Collected, collect

SONNET, API = "claude-sonnet-5-5", "api.anthropic.com"
PRICES = PriceList.load()
DAY = date(2026, 11, 10)
NOON = time.mktime((2026, 11, 10, 12, 0, 0, 0, 0, -1))  # local
OVERLOADED = Failure("overloaded_error", "Overloaded", 529)


def begun(owner: Conversation, model: str = SONNET, server: str = API, started_at: float = NOON) -> Turn:
    """A turn of `owner` that begins at 1000.0 on the monotonic clock."""
    turn = running(owner)
    question = prompt(parent=turn.prompt.parent_id)
    return turns.begin(TurnStarted(1000.0, turn.id, owner.id, turn.reply_id, model, server, started_at, question))


def usage(plain: int = 1000, read: int | None = 0, written: int = 0, **more: Any) -> dict[str, Any]:
    """The usage of a message_start."""
    given = {"input_tokens": plain, "cache_creation_input_tokens": written, "output_tokens": 1, **more}
    return given if read is None else given | {"cache_read_input_tokens": read}


def request(
    deltas: Sequence[float],
    counts: dict[str, Any],
    output: int | None,
    *,
    at: float = 1000.5,
    attempt: int = 1,
    model: str = SONNET,
    error: Failure | None = None,
) -> list[Event]:
    """One request that is sent at `at`: a delta of ten characters at each of `deltas`, counted at the end unless `output` is None."""
    last = max(deltas, default=at)
    events: list[Event] = [
        RequestStarted(at, model, attempt),
        RequestProgress(at + 0.1, "headers"),
        RequestProgress(at + 0.2, "message_start"),
        UsageUpdated(at + 0.2, counts),
        BlockStarted(at + 0.2, 0, {"type": "text", "text": ""}),
        *(TextDelta(each, 0, "ten chars.") for each in deltas),
    ]
    if output is not None:
        events.append(UsageUpdated(last + 0.1, {"output_tokens": output}, final=True))
    return [*events, RequestEnded(last + 0.2, complete=output is not None, stop_reason="end_turn", error=error)]


def ended(
    turn: Turn, events: Sequence[Event], outcome: Outcome = Outcome.COMPLETED, error: Failure | None = None
) -> Turn:
    """`turn` with `events`, over at 1100.0."""
    take(turn, [*events, TurnEnded(1100.0, outcome, None, {}, usage_is_final=True, error=error)])
    return turn


async def keep(store: Store, *kept: Turn, owner: Conversation | None = None, **fields: Any) -> Conversation:
    """Store them as one conversation."""
    owner = owner or Conversation(kept[0].conversation_id, 1.7e9, **fields)
    await store.library.add(Tree(owner, list(kept), kept[-1].id))
    return owner


async def cells(store: Store, **period: Any) -> list[Cell]:
    return (await collected(store, **period)).cells


async def collected(store: Store, **period: Any) -> Collected:
    return await store.reader.run(lambda connection: collect(connection, PRICES, **period))


async def only(store: Store) -> Cell:
    (cell,) = await cells(store)
    return cell
