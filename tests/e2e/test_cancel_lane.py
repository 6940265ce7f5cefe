"""The cancel lane: a hundred stops in each of ten states, judged by what the server saw, and a next turn after each."""

import asyncio
import contextlib
import math
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.sessions import Chat, closed_record, end_of, expect_completed, locked, open_chat, run_turn, until
from tests.e2e.test_tool_loop import ALL, Recorder, recorders
from tests.lanes import lane, sample
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.events import (
    ApprovalRequested,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    ToolStarted,
)
from tui_chat.session import ChatSession, State


@dataclass(frozen=True, slots=True)
class Moment:
    """When to stop: in a turn for `prompt`, at an event of `kind` (of that `stage`), the `number % spread`th of them.

    `open`: the request is on its way then, so the server must see its connection close. `sent`: it has left at all.
    """

    prompt: str
    kind: type[Event]
    stage: str = ""
    spread: int = 1
    open: bool = True
    sent: bool = True


MOMENTS = {
    "connecting": Moment("hello", RequestStarted, open=False, sent=False),
    "headers": Moment("noheaders", RequestProgress, "connected"),
    "pings": Moment("wait", RequestProgress, "ping"),
    "thinking": Moment("thinking", ThinkingDelta, spread=7),
    "text": Moment("long", TextDelta, spread=7),
    "tool JSON": Moment("slowtool", InputJsonDelta, spread=7),
    "approval": Moment("tool", ApprovalRequested, open=False),
    "tool": Moment("tool", ToolStarted, open=False),
    "retry": Moment("overloaded", RetryScheduled, open=False),
    "saving": Moment("list", RequestEnded, open=False),
}


class Gate:
    """A TCP port before the demo. Shut, a connection to it hangs, as one to a host that does not answer."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._fillers: list[socket.socket] = []
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self.port: int = self._listener.getsockname()[1]

    async def shut(self) -> None:
        """Nobody accepts any more, and the queue of connections is full."""
        await self._stop()
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)

    async def open(self) -> None:
        """Let connections through."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._server = await asyncio.start_server(self._forward, sock=self._listener.dup(), backlog=1)

    async def close(self) -> None:
        """Leave nothing behind."""
        await self._stop()
        for each in (*self._fillers, self._listener):
            each.close()

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for pump in self._pumps:  # also of connections that are kept for the next request
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            self._server = None

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, back), (there, writer)):
            pump = asyncio.create_task(_pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
    finally:
        sink.close()


class Ground:
    """What a lane stands on; the states that need more than a server are derived from it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    async def prepare(self) -> None:
        """Before a turn that will be stopped."""

    def reached(self) -> None:
        """The event has come at which it is stopped."""

    def may_stop(self, session: ChatSession) -> bool:
        """Whether the state is reached too."""
        return session.state is State.RUNNING

    async def recover(self) -> None:
        """It was stopped."""


class Connecting(Ground):
    """The server's port does not answer until the turn was stopped."""

    def __init__(self, chat: Chat, gate: Gate) -> None:
        super().__init__(chat)
        self.prepare, self.recover = gate.shut, gate.open  # type: ignore[method-assign]  # they are the gate's


class RunningTool(Ground):
    """The tool has begun, and never ends by itself."""

    def __init__(self, chat: Chat, tool: Recorder) -> None:
        super().__init__(chat)
        self._tool, self._before = tool, 0

    async def prepare(self) -> None:
        """Count the calls of earlier turns."""
        self._before = len(self._tool.asked)

    def may_stop(self, session: ChatSession) -> bool:
        """It was asked once more."""
        return len(self._tool.asked) > self._before


class Saving(Ground):
    """Another program holds the database when the reply ends."""

    def __init__(self, chat: Chat, other: sqlite3.Connection) -> None:
        super().__init__(chat)
        self._other = other
        other.rollback()

    def reached(self) -> None:
        """Lock it."""
        self._other.execute("BEGIN IMMEDIATE")

    def may_stop(self, session: ChatSession) -> bool:
        """The session waits for it."""
        return session.state is State.SAVING

    async def recover(self) -> None:
        """Let it go."""
        self._other.rollback()


@contextlib.asynccontextmanager
async def ground(state: str, server: DemoServer, folder: Path) -> AsyncIterator[Ground]:
    """A chat in which a turn can be stopped in `state`."""
    tools, allowed = recorders(hold=True), ALL if state == "tool" else frozenset[str]()
    async with contextlib.AsyncExitStack() as stack:
        gate = Gate(server.port)
        stack.push_async_callback(gate.close)
        base_url = f"http://127.0.0.1:{gate.port}" if state == "connecting" else server.base_url
        chat = await stack.enter_async_context(open_chat(base_url, folder, tools=tools, allow_tools=allowed))
        match state:
            case "connecting":
                yield Connecting(chat, gate)
            case "tool":
                yield RunningTool(chat, tools[0])
            case "saving":
                yield Saving(chat, stack.enter_context(locked(chat.path)))
            case _:
                yield Ground(chat)


@lane(240)
@pytest.mark.parametrize("state", list(MOMENTS))
async def test_stopping_in(state: str, server: DemoServer, tmp_path: Path) -> None:
    if state == "connecting" and sys.platform != "linux":
        pytest.skip("how a full queue of connections behaves differs by system")
    moment = MOMENTS[state]
    ended: list[float] = []
    closed: list[float] = []
    async with ground(state, server, tmp_path) as here:
        for number in sample(range(100), seed=len(state)):
            session = here.chat.session()
            session.tools_on = state in ("tool JSON", "approval", "tool")
            await here.prepare()
            before = len(server.requests)
            stopped_at, ended_at = await stop_in(moment, number, session, here, server)
            assert len(server.requests) - before == moment.sent
            ended.append(ended_at - stopped_at)
            for record in server.requests[before:]:
                seen = await closed_record(server, record.number)
                assert seen.ended == ("client_closed" if moment.open else "completed")
                assert seen.closed is not None
                closed += [seen.closed - stopped_at] if moment.open else []
            await here.chat.expect_stored(session)
            after = len(server.requests)
            await expect_completed(session, "empty")
            assert len(server.requests) == after + 1
        assert len(closed) == (len(ended) if moment.open else 0)
        assert all(connection.is_idle() or connection.is_closed() for connection in here.chat.pool().connections)
    print(f"\n{state}: stopped {len(ended)} times; the turn had ended after {_figures(ended)}", end="")
    if closed:
        print(f"; the server saw the close after {_figures(closed)}", end="")


async def stop_in(
    moment: Moment, number: int, session: ChatSession, here: Ground, server: DemoServer
) -> tuple[float, float]:
    """Stop a turn at `moment`; when that was, and when its end was told."""
    left = number % moment.spread  # another delta each time
    before = len(server.requests)
    saving = isinstance(here, Saving)

    def reached(event: Event) -> bool:
        nonlocal left
        if isinstance(event, moment.kind) and (not moment.stage or getattr(event, "stage", None) == moment.stage):
            left -= 1
        return left < 0

    async def stop() -> float:
        if moment.sent:  # the server must know of what it is to see closed
            await server.wait_for(lambda: len(server.requests) > before)
        await until(lambda: here.may_stop(session))
        stopped_at = time.monotonic()
        assert session.cancel() is not saving
        await here.recover()
        return stopped_at

    stopping: list[asyncio.Task[float]] = []

    def begin() -> None:
        here.reached()
        stopping.append(asyncio.create_task(stop()))

    events = await run_turn(session, moment.prompt, when=reached, do=begin)
    ended_at = time.monotonic()
    ended = end_of(events)
    assert (ended.outcome, ended.saved) == (Outcome.COMPLETED if saving else Outcome.CANCELLED, True)
    return await stopping[0], ended_at


def _figures(seconds: list[float]) -> str:
    """p50, p99 and the maximum in milliseconds."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[math.ceil(len(ordered) * share) - 1] * 1000 for share in (0.5, 0.99))
    return f"{p50:.1f} ms (p50), {p99:.1f} ms (p99), {ordered[-1] * 1000:.1f} ms (max)"
