"""`ChatSession` with everything real: what the server saw, what is on disk, and exactly one end for every turn."""

import asyncio
import contextlib
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import (
    Chat,
    Condition,
    closed_record,
    demo_server,
    end_of,
    expect_completed,
    locked,
    open_chat,
    run_turn,
    until,
)
from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER
from tests.unit.raw_server import raw_server
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer, Pacing
from tui_chat.errors import UsageError
from tui_chat.events import (
    Event,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnStarted,
)
from tui_chat.session import State

PLAIN = (FOLDER / "plain.sse").read_bytes()


def is_a(kind: type[Event]) -> Condition:
    return lambda event: isinstance(event, kind)


def stage(name: str) -> Condition:
    return lambda event: isinstance(event, RequestProgress) and event.stage == name


def texts_of(body: Any) -> list[tuple[str, str]]:
    """The role and the text of each block of a request."""
    return [(message["role"], block["text"]) for message in body["messages"] for block in message["content"]]


# The order of things ---------------------------------------------------------------------------------------------------


async def test_the_prompt_is_on_disk_before_the_server_sees_it_and_the_end_before_it_is_told(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def answer(exchange: raw.Exchange) -> None:
        seen.extend(opened.rows("SELECT blocks, outcome FROM turns JOIN messages ON messages.id = prompt_id"))
        await raw.stream(PLAIN)(exchange)

    async with raw_server(answer) as server, open_chat(server.base_url, tmp_path) as opened:
        session = opened.session()
        async for event in session.send("remember me"):
            if isinstance(event, TurnEnded):
                assert opened.rows("SELECT outcome FROM turns") == [("completed",)]
                assert "Hello, world" in opened.rows("SELECT blocks FROM messages WHERE role = 'assistant'")[0][0]
        assert seen == [('[{"type":"text","text":"remember me"}]', None)]
        await opened.expect_stored(session)


async def test_a_conversation_goes_on(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    for prompt in ("first", "table", "third"):
        await expect_completed(session, prompt)
    replies = [turn.text.rstrip() for turn in session.conversation.turns]
    expected = [
        ("user", "first"),
        ("assistant", replies[0]),
        ("user", "table"),
        ("assistant", replies[1]),
        ("user", "third"),
    ]
    assert texts_of(server.requests[-1].body) == expected
    await chat.expect_stored(session)
    assert session.conversation.title == "first"


@pytest.mark.parametrize(
    ("prompt", "error", "has_text"),
    [
        ("error", "api_error", True),
        ("cut", "cut_off", True),
        ("eof", "cut_off", True),
        ("html", "not_a_stream", False),
        ("http 400", "invalid_request_error", False),
        ("http 401", "authentication_error", False),
    ],
)
async def test_a_failed_turn(chat: Chat, server: DemoServer, prompt: str, error: str, has_text: bool) -> None:
    session = chat.session()
    ended = end_of(await run_turn(session, prompt))
    assert ended.outcome is Outcome.FAILED
    assert ended.error is not None
    assert ended.error.type == error
    (turn,) = session.conversation.turns
    assert bool(turn.text) is has_text
    await chat.expect_stored(session)
    await expect_completed(session)
    carried = [("user", prompt), ("assistant", turn.text.rstrip())] if has_text else []
    assert texts_of(server.requests[-1].body) == [*carried, ("user", "hello")]


async def test_the_reply_that_is_refused_is_left_out(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    assert end_of(await run_turn(session, "refuse")).stop_reason == "refusal"
    await expect_completed(session)
    assert texts_of(server.requests[-1].body) == [("user", "hello")]


async def test_sending_again_makes_another_version(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    await run_turn(session, "error")
    failed = session.conversation.turns[0]
    async with contextlib.aclosing(session.again(failed)) as events:
        assert [event async for event in events][-1] is not None
    (turn,) = session.conversation.turns
    assert session.versions(turn) == (failed.id, turn.id)
    assert texts_of(server.requests[-1].body) == [("user", "error")]
    await chat.expect_stored(session)


async def test_one_turn_at_a_time(chat: Chat) -> None:
    session = chat.session()
    refused: list[UsageError] = []

    async def try_another() -> None:
        for stream in (session.send("me too"), session.again(session.conversation.turns[0])):
            with pytest.raises(UsageError, match="a turn is running") as caught:
                await anext(stream)
            refused.append(caught.value)
        session.cancel()

    tasks = []
    await run_turn(session, "long", when=is_a(TextDelta), do=lambda: tasks.append(asyncio.create_task(try_another())))
    await tasks[0]
    assert len(refused) == 2
    assert session.conversation.turns[0].in_context
    with pytest.raises(UsageError, match="nothing to send"):
        await anext(session.send(" \n"))
    await expect_completed(session)


async def test_two_sessions_run_side_by_side(chat: Chat, server: DemoServer) -> None:
    first, second = chat.session(), chat.session()
    await asyncio.gather(expect_completed(first, "code"), expect_completed(second, "list"))
    await chat.expect_stored(first)
    await chat.expect_stored(second)
    assert len(server.requests) == 2


# Stopping --------------------------------------------------------------------------------------------------------------

STATES = {
    "before it began": ("long", is_a(TurnStarted)),
    "as the request leaves": ("long", is_a(RequestStarted)),
    "waiting for headers": ("noheaders", stage("connected")),
    "headers only": ("wait", stage("headers")),
    "pings only": ("wait", stage("ping")),
    "thinking": ("thinking", is_a(ThinkingDelta)),
    "text": ("long", is_a(TextDelta)),
    "after some words": ("silence", is_a(TextDelta)),
    "retry wait": ("overloaded", is_a(RetryScheduled)),
}


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize(("prompt", "when"), STATES.values(), ids=list(STATES))
async def test_a_stopped_turn(chat: Chat, server: DemoServer, prompt: str, when: Condition, times: int) -> None:
    session = chat.session()
    answers: list[bool] = []

    async def stop_once_seen() -> None:
        await server.wait_for(lambda: bool(server.requests))
        stop()

    def stop() -> None:
        answers.extend(session.cancel() for _ in range(times))
        assert session.state is State.STOPPING

    tasks: list[asyncio.Task[None]] = []
    later = (lambda: tasks.append(asyncio.create_task(stop_once_seen()))) if prompt == "noheaders" else stop
    ended = end_of(await run_turn(session, prompt, when=when, do=later))
    assert answers == [True, False][:times]
    assert (ended.outcome, ended.error, ended.saved) == (Outcome.CANCELLED, None, True)
    assert ended.closed_after is not None
    assert ended.closed_after >= 0
    assert not session.cancel()
    for record in server.requests:
        seen = await closed_record(server, record.number)
        assert seen.ended == ("completed" if seen.status == 529 else "client_closed")
    before = len(server.requests)
    (turn,) = session.conversation.turns
    await chat.expect_stored(session)
    await expect_completed(session, "hello")
    assert len(server.requests) == before + 1  # nothing was sent behind the user's back
    partial = turn.text.rstrip()
    assert turn.in_context is bool(partial)  # an unanswered prompt is not answered along with the next one
    carried = [("user", prompt), ("assistant", partial), ("user", "hello")] if partial else [("user", "hello")]
    assert texts_of(server.requests[-1].body) == carried
    await chat.expect_stored(session)


@pytest.mark.parametrize(
    ("key", "least"), [(None, 0.0), (-5.0, 5.0), (60.0, 0.0)], ids=["no key", "a key", "a wrong clock"]
)
async def test_the_receipt_of_a_stop(chat: Chat, server: DemoServer, key: float | None, least: float) -> None:
    """It begins with the key and is in the order in which things happen; the connection is the one the server saw close."""
    session = chat.session()
    before = time.monotonic()

    def stop() -> None:
        session.cancel(asked_at=None if key is None else time.monotonic() + key)

    ended = end_of(await run_turn(session, "long", when=is_a(TextDelta), do=stop))
    assert (await closed_record(server, 1)).ended == "client_closed"
    took = time.monotonic() - before
    assert ended.cancelled_after is not None
    assert ended.closed_after is not None
    assert ended.saved_after is not None
    assert least <= ended.cancelled_after <= ended.closed_after <= ended.saved_after <= least + took
    assert session.turn is not None
    request = session.turn.request
    assert request is not None
    assert request.stamps.ended is not None
    assert (
        ended.at >= request.stamps.ended
    )  # the close is stamped where the response was left, not where the turn ended
    assert (session.turn.closed_after, session.turn.saved_after) == (ended.closed_after, ended.saved_after)


async def test_what_ends_by_itself_has_no_receipt(chat: Chat) -> None:
    ended = end_of(await run_turn(chat.session(), "hello"))
    assert (ended.cancelled_after, ended.closed_after, ended.saved_after) == (None, None, None)


async def test_stopping_at_every_moment_until_it_has_stopped(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    answers: list[bool] = []

    async def press() -> None:
        while session.state is not State.IDLE:
            answers.append(session.cancel())
            await asyncio.sleep(0)

    presses: list[asyncio.Task[None]] = []
    when = is_a(TextDelta)
    ended = end_of(await run_turn(session, "long", when=when, do=lambda: presses.append(asyncio.create_task(press()))))
    await presses[0]
    assert answers.count(True) == 1
    assert len(answers) > 2
    assert ended.outcome is Outcome.CANCELLED
    assert (await closed_record(server, 1)).ended == "client_closed"
    await expect_completed(session)


@pytest.mark.skipif(sys.platform != "linux", reason="how a full queue of connections behaves differs by system")
async def test_a_turn_stopped_while_connecting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as fillers:
        for _ in range(3):  # nobody accepts, so the queue is full and the next connection hangs
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        async with open_chat(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path) as opened:
            session = opened.session()
            loop = asyncio.get_running_loop()
            events = await run_turn(
                session, "hello", when=is_a(RequestStarted), do=lambda: loop.call_later(0.1, session.cancel)
            )
            assert end_of(events).outcome is Outcome.CANCELLED
            assert not any(isinstance(event, RequestProgress) for event in events)
            await opened.expect_stored(session)


async def test_stopping_while_the_end_is_saved_changes_nothing(chat: Chat) -> None:
    session = chat.session()
    answers: list[bool] = []
    stops: list[asyncio.Task[None]] = []

    async def stop() -> None:
        await until(lambda: session.state is State.SAVING)
        answers.append(session.cancel())
        other.rollback()

    def lock() -> None:
        other.execute("BEGIN IMMEDIATE")
        stops.append(asyncio.create_task(stop()))

    with locked(chat.path) as other:
        other.rollback()
        events = await run_turn(session, "list", when=is_a(TextDelta), do=lock)
        await stops[0]
    assert answers == [False]
    assert end_of(events).outcome is Outcome.COMPLETED
    await chat.expect_stored(session)


async def test_leaving_the_stream_early_stops_and_saves_the_turn(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    async with contextlib.aclosing(session.send("long")) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    assert session.state is State.IDLE
    (turn,) = session.conversation.turns
    assert turn.outcome is Outcome.CANCELLED
    assert turn.text
    assert (await closed_record(server, 1)).ended == "client_closed"
    await chat.expect_stored(session)
    await expect_completed(session)


@pytest.mark.parametrize("kind", [TurnStarted, RequestStarted, TextDelta])
async def test_a_reader_that_is_cancelled_stops_and_saves_the_turn(
    chat: Chat, server: DemoServer, kind: type[Event]
) -> None:
    session = chat.session()

    def stop() -> None:
        reader.cancel()

    reader = asyncio.create_task(run_turn(session, "long", when=is_a(kind), do=stop))
    with pytest.raises(asyncio.CancelledError):
        await reader
    await session.close()
    assert session.state is State.IDLE
    (turn,) = session.conversation.turns
    assert turn.outcome is Outcome.CANCELLED
    for record in server.requests:
        assert (await closed_record(server, record.number)).ended == "client_closed"
    await chat.expect_stored(session)
    await expect_completed(session)


async def test_closing_the_session_stops_and_saves_the_turn(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    closing: list[asyncio.Task[None]] = []
    events = await run_turn(
        session, "long", when=is_a(TextDelta), do=lambda: closing.append(asyncio.create_task(session.close()))
    )
    await closing[0]
    assert end_of(events).outcome is Outcome.CANCELLED
    assert (await closed_record(server, 1)).ended == "client_closed"
    await chat.expect_stored(session)


# Figures ---------------------------------------------------------------------------------------------------------------


async def test_the_ttft_is_that_of_the_schedule(tmp_path: Path) -> None:
    with demo_server(Pacing(ttft=0.3, rate=500)) as server:
        async with open_chat(server.base_url, tmp_path) as opened:
            session = opened.session()
            await expect_completed(session, "list")
            record = await closed_record(server, 1)
    turn = session.conversation.turns[0]
    assert turn.request is not None
    stamps = turn.request.stamps
    assert turn.ttft is not None
    assert record.first_delta_sent is not None
    assert turn.ttft >= 0.3
    assert stamps.connected is not None
    assert stamps.headers is not None
    assert stamps.sent <= stamps.connected <= record.arrived <= stamps.headers
    assert turn.ttft - (record.first_delta_sent - record.arrived) == pytest.approx(0, abs=0.15)
    assert turn.request.delta_count <= record.deltas
