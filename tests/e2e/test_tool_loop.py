"""Tools in a turn: what runs, who allowed it, what goes back, and that the next request is accepted whatever happened."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import Chat, end_of, expect_completed, open_chat, run_turn, until
from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome, ToolCall
from tui_chat.demo import DemoServer
from tui_chat.engine.calls import CANCELLED, DENIED, MAX_ROUNDS
from tui_chat.engine.tools import ToolError
from tui_chat.engine.turn import MAX_PAUSES
from tui_chat.events import ApprovalRequested, Event, InputJsonDelta, ToolStarted
from tui_chat.session import ChatSession

ALL = frozenset({"calculator", "current_time", "read_file"})


class Recorder:
    """A tool that keeps what it was asked; `hold` makes it wait until it is cancelled."""

    description = "Remembers."

    def __init__(self, name: str, *, hold: bool = False, error: Exception | None = None, timeout: float = 5.0) -> None:
        self.name, self.hold, self.error, self.timeout = name, hold, error, timeout
        self.input_schema: Mapping[str, Any] = {"type": "object"}
        self.asked: list[Mapping[str, Any]] = []
        self.cancelled = 0

    async def run(self, input: Mapping[str, Any]) -> str:
        self.asked.append(input)
        if self.error is not None:
            raise self.error
        if self.hold:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return f"{self.name} was here"


def recorders(**options: Any) -> tuple[Recorder, ...]:
    return tuple(Recorder(name, **options) for name in ("calculator", "current_time", "read_file"))


def calls_of(session: ChatSession) -> list[ToolCall]:
    """The calls of the session's latest turn, all rounds."""
    assert session.turn is not None
    return [call for request in session.turn.rounds for call in request.calls.values()]


async def test_an_allowed_tool_runs_and_its_result_goes_back(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, tools=(), allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        events = await run_turn(session, "tool")
        assert end_of(events).outcome is Outcome.COMPLETED
        (call,) = calls_of(session)
        assert (call.name, call.input, call.result, call.is_error) == (
            "calculator",
            {"expression": "6 * 7"},
            "42",
            False,
        )
        assert not any(isinstance(event, ApprovalRequested) for event in events)
        assert session.turn is not None
        assert "42" in session.turn.text
        sent = server.requests[-1].body["messages"]
        assert sent[-1]["content"] == [{"type": "tool_result", "tool_use_id": call.tool_use_id, "content": "42"}]
        total = sum(request.usage.output_tokens or 0 for request in session.turn.requests)
        assert end_of(events).usage["output_tokens"] == total > 0
        await chat.expect_stored(session)
        await expect_completed(session)


async def test_several_calls_go_back_in_one_message(server: DemoServer, tmp_path: Path) -> None:
    tools = recorders()
    async with open_chat(server.base_url, tmp_path, tools=tools, allow_tools=ALL, tools_root=tmp_path) as chat:
        session = chat.session()
        session.tools_on = True
        assert end_of(await run_turn(session, "tools")).outcome is Outcome.COMPLETED
        assert [len(tool.asked) for tool in tools] == [1, 1, 1]
        *_, said, results = server.requests[-1].body["messages"]
        assert [block["type"] for block in said["content"]] == ["thinking", "text", *["tool_use"] * 3]
        assert [block["tool_use_id"] for block in results["content"]] == [
            block["id"] for block in said["content"] if block["type"] == "tool_use"
        ]
        await chat.expect_stored(session)


async def test_only_what_was_allowed_runs(server: DemoServer, tmp_path: Path) -> None:
    tools = recorders()
    async with open_chat(server.base_url, tmp_path, tools=tools) as chat:
        session = chat.session()
        session.tools_on = True
        open_calls: list[ApprovalRequested] = []

        def answer(event: ApprovalRequested) -> bool:
            open_calls.append(event)
            if len(open_calls) < 3:
                return False
            first, second, third = open_calls
            assert not session.answer(second.tool_use_id, "another input", allow=True)
            assert not session.answer("toolu_unknown", second.input_hash, allow=True)
            assert session.answer(second.tool_use_id, second.input_hash, allow=True)
            assert not session.answer(second.tool_use_id, second.input_hash, allow=False)
            assert session.answer(third.tool_use_id, third.input_hash, allow=False)
            assert session.answer(first.tool_use_id, first.input_hash, allow=False)
            return True

        def seen(event: Event) -> bool:
            return isinstance(event, ApprovalRequested) and answer(event)

        events = await run_turn(session, "tools", when=seen, do=lambda: None)
        assert end_of(events).outcome is Outcome.COMPLETED
        assert [len(tool.asked) for tool in tools] == [0, 1, 0]
        assert [(call.allowed, call.skipped, call.is_error) for call in calls_of(session)] == [
            (False, "denied", True),
            (True, "", False),
            (False, "denied", True),
        ]
        results = server.requests[-1].body["messages"][-1]["content"]
        assert [block["content"] for block in results] == [DENIED, "current_time was here", DENIED]
        await chat.expect_stored(session)
        await expect_completed(session)


async def test_nobody_answers(server: DemoServer, tmp_path: Path) -> None:
    tools = recorders()
    async with open_chat(server.base_url, tmp_path, Timeouts(approval=0.05), tools=tools) as chat:
        session = chat.session()
        session.tools_on = True
        assert end_of(await run_turn(session, "tool")).outcome is Outcome.COMPLETED
        assert [call.skipped for call in calls_of(session)] == ["denied"]
        assert not tools[0].asked


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"error": ToolError("no such thing")}, "no such thing"),
        ({"error": RuntimeError("secret")}, "The tool failed (RuntimeError)."),
        ({"hold": True, "timeout": 0.05}, "The tool did not finish within 0.05 s."),
    ],
)
async def test_a_tool_that_fails(
    options: dict[str, Any], result: str, server: DemoServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_chat(server.base_url, tmp_path, tools=recorders(**options), allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        with caplog.at_level(logging.CRITICAL + 1):
            assert end_of(await run_turn(session, "tool")).outcome is Outcome.COMPLETED
        (call,) = calls_of(session)
        assert (call.result, call.is_error) == (result, True)
        assert server.requests[-1].body["messages"][-1]["content"][0]["is_error"] is True
        await expect_completed(session)


async def test_a_tool_that_is_not_there(server: DemoServer, tmp_path: Path) -> None:
    """The request offers another one by the time the reply is read."""
    async with open_chat(server.base_url, tmp_path, tools=recorders(), allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True

        def rename() -> None:
            for tool in chat.requests.tools:
                tool.name = f"other_{tool.name}"  # type: ignore[misc]  # tools never do that; a server may ask for one all the same

        events = await run_turn(session, "tool", when=lambda event: isinstance(event, InputJsonDelta), do=rename)
        assert end_of(events).outcome is Outcome.COMPLETED
        assert calls_of(session)[0].skipped == "unknown_tool"


async def test_the_rounds_are_capped(server: DemoServer, tmp_path: Path) -> None:
    tools = recorders()
    async with open_chat(server.base_url, tmp_path, tools=tools, allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        ended = end_of(await run_turn(session, "tool 999"))
        assert (ended.outcome, ended.stop_reason) == (Outcome.COMPLETED, "tool_use")
        assert len(tools[0].asked) == MAX_ROUNDS
        assert calls_of(session)[-1].skipped == "too_many_rounds"
        assert session.turn is not None
        assert session.can_go_on(session.turn)
        await chat.expect_stored(session)
        session.tools_on = False
        await expect_completed(session)
        assert server.requests[-1].body["tool_choice"] == {"type": "none"}


async def test_tools_are_off_by_default(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    await expect_completed(session, "tool")
    assert "tools" not in server.requests[-1].body


@pytest.mark.parametrize("pauses", [1, 3])
async def test_a_paused_turn_goes_on(pauses: int, chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    ended = end_of(await run_turn(session, f"pause {pauses}"))
    assert (ended.outcome, ended.stop_reason) == (Outcome.COMPLETED, "end_turn")
    assert len(server.requests) == pauses + 1
    assert server.requests[-1].body["messages"][-1]["role"] == "assistant"
    assert ended.usage["server_tool_use"]["web_search_requests"] >= 1
    await chat.expect_stored(session)
    await expect_completed(session)


async def test_a_turn_that_pauses_for_ever(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    ended = end_of(await run_turn(session, "pause 99"))
    assert (ended.outcome, ended.stop_reason) == (Outcome.COMPLETED, "pause_turn")
    assert len(server.requests) == MAX_PAUSES + 1
    await expect_completed(session)


@pytest.mark.parametrize("moment", ["input", "approval", "tool"])
async def test_stopping_around_a_tool(moment: str, server: DemoServer, tmp_path: Path) -> None:
    tools = recorders(hold=True)
    allowed = ALL if moment == "tool" else frozenset[str]()
    kinds: dict[str, type[Event]] = {"input": InputJsonDelta, "approval": ApprovalRequested, "tool": ToolStarted}
    async with open_chat(server.base_url, tmp_path, tools=tools, allow_tools=allowed) as chat:
        session = chat.session()
        session.tools_on = True
        stopping: list[asyncio.Task[None]] = []

        async def stop() -> None:
            if moment == "tool":
                await until(lambda: bool(tools[0].asked))
            assert session.cancel()

        events = await run_turn(
            session,
            "slowtool" if moment == "input" else "tool",
            when=lambda event: isinstance(event, kinds[moment]),
            do=lambda: stopping.append(asyncio.create_task(stop())),
        )
        assert end_of(events).outcome is Outcome.CANCELLED
        assert len(server.requests) == 1
        assert tools[0].cancelled == (1 if moment == "tool" else 0)
        assert [call.result for call in calls_of(session)] == ([] if moment == "input" else [CANCELLED])
        await chat.expect_stored(session)
        session.tools_on = False
        await expect_completed(session)
        blocks = [block for message in server.requests[-1].body["messages"] for block in message["content"]]
        results = [block["content"] for block in blocks if block["type"] == "tool_result"]
        assert results == ([] if moment == "input" else [CANCELLED])


async def test_what_was_started_is_stored_before_it_runs(server: DemoServer, tmp_path: Path) -> None:
    """So that after a crash nobody runs it again unseen."""
    tools = recorders(hold=True)
    async with open_chat(server.base_url, tmp_path, tools=tools, allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        reader = asyncio.create_task(run_turn(session, "tool"))
        await until(lambda: bool(tools[0].asked))
        stored = "".join(row[0] for row in chat.rows("SELECT event FROM journal"))
        assert '"tool_proposed"' in stored
        session.cancel()
        assert end_of(await reader).outcome is Outcome.CANCELLED


async def test_half_a_call_is_never_run(server: DemoServer, tmp_path: Path) -> None:
    tools = recorders()
    async with open_chat(server.base_url, tmp_path, tools=tools, allow_tools=ALL, max_tokens=40) as chat:
        session = chat.session()
        session.tools_on = True
        ended = end_of(await run_turn(session, "slowtool"))
        assert (ended.outcome, ended.stop_reason) == (Outcome.COMPLETED, "max_tokens")
        assert not any(tool.asked for tool in tools)
        assert not calls_of(session)
        await expect_completed(session, "empty")


# What goes out beside the tools ----------------------------------------------------------------------------------------


async def test_a_parameter_that_is_refused_is_left_out_from_then_on(tmp_path: Path) -> None:
    server = DemoServer(refuses=frozenset({"cache_control"})).start_in_thread()
    try:
        async with open_chat(server.base_url, tmp_path) as chat:
            session = chat.session()
            assert end_of(await run_turn(session, "empty")).outcome is Outcome.COMPLETED
            assert ["cache_control" in record.body for record in server.requests] == [True, False]
            await expect_completed(session, "empty")
            await expect_completed(chat.session(), "empty")
            assert ["cache_control" in record.body for record in server.requests[2:]] == [False, False]
    finally:
        server.stop()


async def test_the_cache_is_read(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session)
    await expect_completed(session)
    assert session.turn is not None
    assert session.turn.usage.cache_read
    assert session.turn.usage.cache_write
