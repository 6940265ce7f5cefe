"""Subscribers of real sessions: what they are told is what the turn was, however it went; live, in a replay, and beside others."""

import asyncio
import math
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import Chat, closed_record, demo_server, end_of, expect_completed, open_chat, run_turn, until
from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer, Pacing
from tui_chat.errors import Failure, UsageError
from tui_chat.events import ApprovalRequested, Event, TextDelta, TurnEnded, TurnStarted
from tui_chat.recordings.player import Player
from tui_chat.recordings.reading import read
from tui_chat.recordings.recorder import write_afterwards
from tui_chat.session import ChatSession, State

ALLOWED = frozenset(["current_time", "calculator", "read_file"])
REPLIES = [
    *("sources", "thinking", "tool 2", "tools", "search", "pause", "odd", "empty", "limit", "refuse"),
    *("flaky", "overloaded", "error", "cut", "eof", "html", "http 400", "http 401"),
]


@dataclass(slots=True)
class Heard:
    """All that a session told."""

    events: list[Event] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    errors: list[Failure] = field(default_factory=list)
    ends: list[tuple[TurnEnded, Turn]] = field(default_factory=list)


def listen(session: ChatSession) -> Heard:
    heard = Heard()
    session.on_event(heard.events.append)
    session.on_text(lambda *values: heard.texts.append(values))
    session.on_block(heard.blocks.append)
    session.on_message(heard.messages.append)
    session.on_error(heard.errors.append)
    session.on_end(lambda *values: heard.ends.append(values))
    return heard


def expect_all_of(turn: Turn, heard: Heard) -> None:
    """What was told and what the turn is by now are the same."""
    texts = [block.joined("text") for request in turn.requests for block in request.ordered_blocks]
    assert "".join(piece for piece, _ in heard.texts) == "".join(texts)
    assert heard.blocks == [
        block.content() for request in turn.requests for block in request.ordered_blocks if block.ended
    ]
    complete = [request for request in turn.requests if request.stamps.message_stop is not None]
    assert [message["id"] for message in heard.messages] == [request.message_id for request in complete]
    assert [message["usage"] for message in heard.messages] == [request.usage.fields for request in complete]
    assert [block for message in heard.messages for block in message["content"]] == [
        block.content() for request in complete for block in request.ordered_blocks
    ]
    assert heard.errors == ([turn.error] if turn.error else [])
    ((ended, of),) = heard.ends
    assert (of, ended) == (turn, heard.events[-1])
    assert (ended.outcome, ended.error) == (turn.outcome, turn.error)


@pytest.mark.parametrize("prompt", REPLIES)
async def test_whatever_comes(server: DemoServer, tmp_path: Path, prompt: str) -> None:
    async with open_chat(server.base_url, tmp_path, allow_tools=ALLOWED) as chat:
        session = chat.session()
        session.tools_on = True
        heard = listen(session)
        events = await run_turn(session, prompt)
        assert heard.events == events
        expect_all_of(session.conversation.turns[0], heard)


async def test_a_reply_that_is_stopped(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path) as chat:
        session = chat.session()
        heard = listen(session)

        @session.on_text
        def enough(_piece: str, snapshot: str) -> None:
            if len(snapshot) > 100:
                session.cancel()

        turn = await session.ask("long")
        assert turn.outcome is Outcome.CANCELLED
        assert len(turn.text) > 100
        assert (heard.messages, heard.blocks, heard.errors) == ([], [], [])
        expect_all_of(turn, heard)
        assert (await closed_record(server, 1)).ended == "client_closed"
        await chat.expect_stored(session)
        told = len(heard.events)
        await asyncio.sleep(0)
        assert len(heard.events) == told  # nothing after the end
        enough()
        await expect_completed(session)
        assert len(heard.ends) == 2


async def test_the_end_is_told_when_it_is_stored_and_the_session_idle(chat: Chat) -> None:
    session = chat.session()
    seen: list[Any] = []

    @session.on_end
    def ended(_ended: TurnEnded, _turn: Turn) -> None:
        seen.extend((session.state, chat.rows("SELECT outcome FROM turns")))

    await session.ask("limit")
    assert seen == [State.IDLE, [("completed",)]]


async def test_who_hears_of_the_beginning_may_stop_it(chat: Chat, server: DemoServer) -> None:
    session = chat.session()

    @session.on_event
    def stop(event: Event) -> None:
        if isinstance(event, TurnStarted):
            assert session.turn is not None
            assert session.turn.id == event.turn_id
            assert session.cancel()

    turn = await session.ask("long")
    assert (turn.outcome, turn.requests, server.requests) == (Outcome.CANCELLED, [], [])


async def test_the_reader_need_not_read(chat: Chat) -> None:
    """Subscribers hear what happens when it happens, and of a stop by leaving as well."""
    session = chat.session()
    heard = listen(session)
    async with aclosing(session.send("long")) as events:
        assert isinstance(await anext(events), TurnStarted)
        await until(lambda: bool(heard.texts))
    assert session.turn is not None
    expect_all_of(session.turn, heard)
    assert session.turn.outcome is Outcome.CANCELLED


async def test_a_turn_that_does_not_begin_is_told_to_nobody(chat: Chat) -> None:
    session = chat.session()
    heard = listen(session)
    with pytest.raises(UsageError, match="nothing to send"):
        await session.ask(" ")
    assert heard == Heard()


async def test_subscribers_that_fail_harm_nothing(chat: Chat) -> None:
    session = chat.session()
    failed: list[str] = []

    def broken(*_values: object) -> None:
        failed.append("plain")
        raise RuntimeError("oh")

    async def broken_later(*_values: object) -> None:
        failed.append("later")
        raise RuntimeError("oh")

    for subscribe in (session.on_event, session.on_text, session.on_block, session.on_message, session.on_end):
        subscribe(broken)
        subscribe(broken_later)
    heard = listen(session)
    await expect_completed(session, "sources")
    await session.close()
    expect_all_of(session.conversation.turns[0], heard)
    await chat.expect_stored(session)
    assert set(failed) == {"plain", "later"}


async def test_a_slow_coroutine_function_holds_up_nothing_and_has_it_all_in_the_end(chat: Chat) -> None:
    session = chat.session()
    released = asyncio.Event()
    texts, ends = [], []

    @session.on_text
    async def slow(piece: str, snapshot: str) -> None:
        await released.wait()
        texts.append((piece, snapshot))

    @session.on_end
    async def end(ended: TurnEnded, _turn: Turn) -> None:
        await released.wait()
        for _ in range(1000):
            await asyncio.sleep(0)
        ends.append(ended)

    turn = await session.ask("table")
    assert turn.outcome is Outcome.COMPLETED
    assert (texts, ends) == ([], [])
    released.set()
    await session.close()  # waits for them
    assert "".join(piece for piece, _ in texts) == turn.text == texts[-1][1]
    assert len(texts) < turn.requests[0].delta_count
    assert len(ends) == 1


async def test_what_a_coroutine_function_asks_the_server_is_no_part_of_the_reply_s_wire(chat: Chat) -> None:
    session, asked = chat.session(), list[int]()

    async def ask(delta: str, snapshot: str) -> None:
        if not asked:
            asked.append(len(await chat.client.models()))

    session.on_text(ask)
    await run_turn(session, "hello")
    await session.close()
    assert asked
    (capture,) = session.wire
    assert (capture.method, capture.url) == ("POST", f"{chat.config.base_url}/v1/messages")


async def test_a_coroutine_function_may_send_the_next_prompt(chat: Chat) -> None:
    session = chat.session()
    done = asyncio.Event()

    @session.on_end
    async def next_one(_ended: TurnEnded, turn: Turn) -> None:
        if turn.prompt.text == "limit":
            await session.ask("empty")
        else:
            done.set()

    await session.ask("limit")
    await done.wait()
    assert [turn.prompt.text for turn in session.conversation.turns] == ["limit", "empty"]


async def test_a_coroutine_function_may_allow_a_call(chat: Chat) -> None:
    session = chat.session()
    session.tools_on = True
    answers: list[bool] = []

    @session.on_event
    async def allow(event: Event) -> None:
        if isinstance(event, ApprovalRequested):
            answers.append(session.answer(event.tool_use_id, event.input_hash, allow=True))

    turn = await session.ask("tools")
    assert answers == [True, True, True]
    assert [call.allowed for call in turn.calls] == [True, True, True]


async def test_a_time_out_is_an_error(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, Timeouts(content=0.1)) as chat:
        session = chat.session()
        heard = listen(session)
        turn = await session.ask("stall")
        expect_all_of(turn, heard)
        assert [failure.type for failure in heard.errors] == ["timed_out"]
        assert turn.text


async def test_each_session_has_its_own(tmp_path: Path) -> None:
    with demo_server(Pacing(ttft=0.01, rate=500)) as server:
        async with open_chat(server.base_url, tmp_path) as chat:
            sessions = [chat.session() for _ in range(3)]
            heard = [listen(session) for session in sessions]
            turns = await asyncio.gather(*(session.ask("sources") for session in sessions))
            for turn, each in zip(turns, heard, strict=True):
                expect_all_of(turn, each)
                assert {event.turn_id for event in each.events if isinstance(event, TurnStarted)} == {turn.id}


async def test_a_replay_tells_the_same(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, allow_tools=ALLOWED) as chat:
        session = chat.session()
        session.tools_on = True
        live = listen(session)
        turn = await session.ask("tools")
        path = write_afterwards(tmp_path, session.said, session.wire.of_turn(turn.id), stores=True)
        again = chat.session()
        played = listen(again)
        requests = len(server.requests)
        async with aclosing(again.replay(read(path).under_new_ids(), Player(math.inf))) as events:
            read_events = [event async for event in events]
        assert len(server.requests) == requests
        assert played.events == read_events
        assert played.events[1:-1] == live.events[1:-1]
        assert (played.texts, played.blocks, played.messages) == (live.texts, live.blocks, live.messages)
        assert isinstance(end_of(played.events), TurnEnded)
        assert again.turn is not None
        expect_all_of(again.turn, played)
        assert any(isinstance(event, TextDelta) for event in played.events)
