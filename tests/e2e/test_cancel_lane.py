"""The cancel lane: a hundred stops in each state, judged by what the server saw, and a next turn after each."""

import asyncio
import math
import time

import pytest

from tests.e2e.sessions import Chat, closed_record, end_of, expect_completed, run_turn
from tests.lanes import lane, sample
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.events import Event, RequestProgress, RetryScheduled, TextDelta, ThinkingDelta
from tui_chat.session import ChatSession

STATES: dict[str, tuple[str, type[Event], str]] = {
    "text": ("long", TextDelta, ""),
    "thinking": ("thinking", ThinkingDelta, ""),
    "waiting": ("noheaders", RequestProgress, "connected"),
    "pings": ("wait", RequestProgress, "ping"),
    "retry": ("overloaded", RetryScheduled, ""),
}


@lane(120)
@pytest.mark.parametrize("state", list(STATES))
async def test_stopping_in(state: str, chat: Chat, server: DemoServer) -> None:
    ended: list[float] = []
    closed: list[float] = []
    for number in sample(range(100), seed=len(state)):
        session = chat.session()
        before = len(server.requests)
        stopped_at, ended_at = await stop_in(state, number, session, server)
        ended.append(ended_at - stopped_at)
        for record in server.requests[before:]:
            seen = await closed_record(server, record.number)
            assert seen.ended == ("completed" if state == "retry" else "client_closed")
            assert seen.closed is not None
            closed += [] if state == "retry" else [seen.closed - stopped_at]
        after = len(server.requests)
        await chat.expect_stored(session)
        await expect_completed(session, "empty")
        assert len(server.requests) == after + 1
    assert len(closed) == (0 if state == "retry" else len(ended))
    assert all(connection.is_idle() or connection.is_closed() for connection in chat.pool().connections)
    print(f"\n{state}: stopped {len(ended)} times; the turn had ended after {_figures(ended)}", end="")
    if closed:
        print(f"; the server saw the close after {_figures(closed)}", end="")


async def stop_in(state: str, number: int, session: ChatSession, server: DemoServer) -> tuple[float, float]:
    """Stop a turn in `state`; when that was, and when its end was told."""
    prompt, kind, stage = STATES[state]
    left = number % 7 if kind in (TextDelta, ThinkingDelta) else 0  # another delta each time
    before = len(server.requests)

    def reached(event: Event) -> bool:
        nonlocal left
        if isinstance(event, kind) and (not stage or getattr(event, "stage", None) == stage):
            left -= 1
        return left < 0

    async def stop() -> float:
        await server.wait_for(lambda: len(server.requests) > before)
        stopped_at = time.monotonic()
        assert session.cancel()
        return stopped_at

    stopping: list[asyncio.Task[float]] = []
    events = await run_turn(session, prompt, when=reached, do=lambda: stopping.append(asyncio.create_task(stop())))
    ended_at = time.monotonic()
    ended = end_of(events)
    assert (ended.outcome, ended.saved) == (Outcome.CANCELLED, True)
    return await stopping[0], ended_at


def _figures(seconds: list[float]) -> str:
    """p50, p99 and the maximum in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[math.ceil(len(ordered) * share) - 1] * 1000 for share in (0.5, 0.99))
    return f"{p50:.1f} ms (p50), {p99:.1f} ms (p99), {ordered[-1] * 1000:.1f} ms (max)"
