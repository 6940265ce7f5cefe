"""How a turn ends: from what its engine came to, to the one TurnEnded that everybody is told; and what is left open by then.

Live or played again, the same end is said in the same words. It reads no clock, and must not know sessions, stores or screens.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tui_chat.conversation import Outcome, Turn
from tui_chat.engine.turn import TurnResult
from tui_chat.errors import Failure
from tui_chat.events import ApprovalAnswered, Event, ToolEnded, ToolSkipped, TurnEnded

_log = logging.getLogger(__name__)
STOPPED: Final = TurnResult(Outcome.CANCELLED, None, None)


async def result_of(engine: "asyncio.Task[TurnResult | TurnEnded]") -> TurnResult | TurnEnded:
    """What `engine` came to: its own result; a turn that was stopped, if it was cancelled; a failed one, if it has a bug."""
    try:
        return await engine
    except asyncio.CancelledError:
        return STOPPED
    except Exception as error:  # noqa: BLE001 - a bug of ours ends as a failed turn, not as a dead program
        _log.critical("a turn failed because of a bug", exc_info=error)
        return TurnResult(Outcome.FAILED, None, Failure("bug", f"{type(error).__name__} in tui-chat"))


@dataclass(frozen=True, slots=True)
class Stop:
    """A turn was told to stop: when the key for it was read, and when it was told (monotonic seconds)."""

    asked_at: float
    at: float


def turn_ended(turn: Turn, result: TurnResult, at: float, stop: Stop | None = None) -> TurnEnded:
    """The end of `turn`, which has come to `result`, at `at` (monotonic seconds); `stop` is what stopped it, if that is known."""
    request = turn.request
    stop = stop if result.outcome is Outcome.CANCELLED else None
    closed = request.stamps.ended if request else None  # stamped when the response was left
    if stop is not None and (closed is None or closed < stop.at):
        closed = at  # no request was being answered
    return TurnEnded(
        at,
        result.outcome,
        result.stop_reason or (request.stop_reason if request else None),
        dict(turn.usage.fields),
        usage_is_final=turn.counts_are_final,
        error=result.error,
        closed_after=None if stop is None or closed is None else closed - stop.asked_at,
        cancelled_after=None if stop is None else stop.at - stop.asked_at,
    )


def open_calls_ended(turn: Turn, at: float, content: str) -> Iterator[Event]:
    """The ends of the calls that have none: `content` is the result that goes back to the model."""
    for call in list(turn.request.calls.values()) if turn.request is not None else ():
        if call.waiting:
            yield ApprovalAnswered(at, call.tool_use_id, allow=False)
        if call.result is None and call.started is not None:
            yield ToolEnded(at, call.tool_use_id, content, is_error=True)
        elif call.result is None:
            yield ToolSkipped(at, call.tool_use_id, "cancelled", content)
