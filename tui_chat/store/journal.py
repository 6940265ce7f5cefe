"""The journal of a running turn: its events, written as they come and folded again after a crash.

Why it exists: rewriting a growing reply every 250 ms is quadratic; appending what is new is not. The turn that comes out
of the journal is the one that `turns.apply` made live, so recovery has no logic of its own. It must not know who is dead
or alive.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from tui_chat.conversation import Turn
from tui_chat.events import (
    Event,
    InputJsonDelta,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnStarted,
    from_json,
    to_json,
)
from tui_chat.store import values
from tui_chat.turns import apply

_FIELDS: Final[dict[type[Event], str]] = {
    TextDelta: "text",
    ThinkingDelta: "thinking",
    InputJsonDelta: "partial_json",
}


def records_of(turn_id: str, events: Sequence[Event]) -> list[dict[str, Any]]:
    """The rows for `events`; the turn's start and end are not content, they have their own row."""
    return [
        {"turn_id": turn_id, "event": values.to_json(to_json(event)), "deltas": deltas}
        for event, deltas in coalesced(events)
        if not isinstance(event, TurnStarted | TurnEnded)
    ]


def coalesced(events: Sequence[Event]) -> Iterator[tuple[Event, int]]:
    """`events` with adjacent deltas of one block joined, each with the number of deltas in it.

    The first delta of a run stays alone and the joined rest carries the stamp of the last, so that TTFT and the last
    delta's stamp survive to the digit. Empty deltas change nothing and are left out.
    """
    run: list[Event] = []
    for event in events:
        name = _FIELDS.get(type(event))
        if name is not None and not getattr(event, name):
            continue
        if run and not _continues(run[-1], event):
            yield from _joined(run)
            run = []
        run.append(event)
    yield from _joined(run)


def _continues(last: Event, event: Event) -> bool:
    return type(last) is type(event) and type(event) in _FIELDS and _index(last) == _index(event)


def _index(event: Event) -> int | None:
    return getattr(event, "index", None)


def _joined(run: Sequence[Event]) -> Iterator[tuple[Event, int]]:
    if not run:
        return
    yield run[0], 1
    rest = run[1:]
    if len(rest) == 1:
        yield rest[0], 1
    elif rest:
        name = _FIELDS[type(rest[0])]
        joined: dict[str, Any] = {name: "".join(getattr(event, name) for event in rest)}
        yield dataclasses.replace(rest[-1], **joined), len(rest)


def append(connection: sqlite3.Connection, records: Sequence[dict[str, Any]]) -> None:
    """Write records; those of a turn that is not running (never begun, or over) are dropped."""
    connection.executemany(
        "INSERT INTO journal (turn_id, event, deltas)"
        " SELECT id, :event, :deltas FROM turns WHERE id = :turn_id AND outcome IS NULL",
        records,
    )


def replay(connection: sqlite3.Connection, turn: Turn) -> float:
    """Fold the journal into `turn`; returns the stamp of the last event. Records no longer understood are skipped."""
    at = turn.started
    for record in connection.execute(
        "SELECT event, deltas FROM journal WHERE turn_id = ? ORDER BY position", (turn.id,)
    ):
        try:
            event = from_json(json.loads(record["event"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
        apply(turn, event)
        at = event.at
        if turn.request is not None:
            turn.request.delta_count += record["deltas"] - 1
    return at
