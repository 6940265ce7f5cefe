"""A session and its store: what is journalled while a reply runs, and what happens when the database cannot be written."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.sessions import Chat, end_of, expect_completed, locked, open_chat, run_turn, until
from tests.e2e.test_tool_loop import ALL, recorders
from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER
from tests.unit.raw_server import raw_server
from tests.unit.test_store_recovery import orphan
from tui_chat.checkpoints import JOURNAL_EVERY
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.events import Event, TextDelta, TurnEnded
from tui_chat.session import NotSavedError, State
from tui_chat.store import database
from tui_chat.store.reading import CRASHED

START, FIRST, REST = (FOLDER / "plain.sse").read_bytes().partition(b"event: content_block_delta")
STOP_AT = REST.index(b"event: content_block_stop")


def delta(text: str) -> bytes:
    return (
        b"data: "
        + json.dumps(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        ).encode()
        + b"\n\n"
    )


def journalled(chat: Chat) -> str:
    """The text that a crash now would leave."""
    records = [json.loads(event) for (event,) in chat.rows("SELECT event FROM journal ORDER BY position")]
    return "".join(record["text"] for record in records if record["type"] == "text_delta")


# The journal -----------------------------------------------------------------------------------------------------------


async def test_what_came_is_on_disk_while_the_reply_runs(tmp_path: Path) -> None:
    async def answer(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head() + START + delta("One. "))
        await until(lambda: journalled(opened) == "One. ")
        await exchange.send(delta("Two. "))
        await until(lambda: journalled(opened) == "One. Two. ")
        await exchange.send(REST[STOP_AT:])

    async with raw_server(answer) as server, open_chat(server.base_url, tmp_path) as opened:
        session = opened.session()
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
        assert journalled(opened) == ""
        await opened.expect_stored(session)


async def test_what_comes_during_a_write_is_written_without_waiting_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that falls silent must not leave its last words unwritten."""
    writing, arrived = asyncio.Event(), asyncio.Event()

    async def answer(exchange: raw.Exchange) -> None:
        with locked(opened.path) as other:  # the first write has to wait
            await exchange.send(raw.head() + START + delta("One. "))
            await writing.wait()
            await exchange.send(delta("Two. "))
            await arrived.wait()
            other.rollback()
        await until(lambda: journalled(opened) == "One. Two. ")
        await exchange.send(REST[STOP_AT:])

    async with raw_server(answer) as server, open_chat(server.base_url, tmp_path) as opened:
        write = opened.store.journal

        async def noted(turn_id: str, events: list[Event]) -> None:
            writing.set()
            await write(turn_id, events)

        def second(event: Event) -> bool:
            return isinstance(event, TextDelta) and event.text == "Two. "

        monkeypatch.setattr(opened.store, "journal", noted)
        session = opened.session()
        assert end_of(await run_turn(session, "hello", when=second, do=arrived.set)).outcome is Outcome.COMPLETED
        await opened.expect_stored(session)


async def test_a_write_that_failed_is_made_up_for(
    tmp_path: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(exchange: raw.Exchange) -> None:
        with locked(opened.path) as other:
            await exchange.send(raw.head() + START + delta("One. "))
            await until(lambda: "was not journalled" in caplog.text)
            other.rollback()
        await until(lambda: journalled(opened) == "One. ")
        await exchange.send(REST[STOP_AT:])

    async with raw_server(answer) as server, open_chat(server.base_url, tmp_path) as opened:
        session = opened.session()
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
        await opened.expect_stored(session)


async def test_nothing_of_a_turn_is_pending_after_its_end(chat: Chat) -> None:
    await expect_completed(chat.session())
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    assert not [name for name in names if "Journal" in name or "ChatSession" in name]


async def test_a_reply_is_journalled_in_batches(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[tuple[float, list[Event]]] = []
    write, loop = chat.store.journal, asyncio.get_running_loop()

    async def noted(turn_id: str, events: list[Event]) -> None:
        batches.append((loop.time(), list(events)))
        await write(turn_id, events)

    monkeypatch.setattr(chat.store, "journal", noted)
    session = chat.session()
    seen = await run_turn(session, "long", when=lambda _event: len(batches) >= 3, do=session.cancel)
    written = [event for _, events in batches for event in events]
    assert written == seen[1 : 1 + len(written)]  # each event once, in order
    assert all(later[0] - earlier[0] >= JOURNAL_EVERY * 0.9 for earlier, later in pairwise(batches))
    assert JOURNAL_EVERY < 0.25  # the promise, with the time of the write itself


def as_it_is_now(chat: Chat, path: Path) -> None:
    """Make `path` what a kill -9 at this moment would leave: what is committed, and nobody who goes on writing."""
    with contextlib.closing(sqlite3.connect(chat.path)) as source, contextlib.closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    orphan(path)


@pytest.mark.parametrize("moment", ["approval_requested", "tool_started"])
async def test_after_a_crash_around_a_tool_the_conversation_goes_on(
    moment: str, server: DemoServer, tmp_path: Path
) -> None:
    allowed = ALL if moment == "tool_started" else frozenset[str]()
    crashed = tmp_path / "crashed" / "data" / "conversations.db"
    crashed.parent.mkdir(parents=True)
    async with open_chat(server.base_url, tmp_path, tools=recorders(hold=True), allow_tools=allowed) as chat:
        session = chat.session()
        session.tools_on = True
        reading = asyncio.create_task(run_turn(session, "tools"))
        count = "SELECT count(*) FROM journal WHERE event LIKE ?"
        await until(lambda: chat.rows(count, f'%"{moment}"%') == [(3,)])
        as_it_is_now(chat, crashed)
        session.cancel()
        await reading
    async with open_chat(server.base_url, tmp_path / "crashed", tools=recorders()) as chat:
        (summary,) = await chat.store.recent()
        session = chat.session(await chat.store.load(summary.id))
        (turn,) = session.conversation.turns
        assert (turn.outcome, turn.error and turn.error.type) == (Outcome.FAILED, "interrupted")
        assert [call.result for call in turn.calls] == [CRASHED] * 3
        assert [call.skipped for call in turn.calls] == ["" if allowed else "cancelled"] * 3
        assert session.can_go_on(turn)
        await expect_completed(session)
        blocks = [block for message in server.requests[-1].body["messages"] for block in message["content"]]
        assert [block["content"] for block in blocks if block["type"] == "tool_result"] == [CRASHED] * 3
        await chat.expect_stored(session)


# A database that cannot be written ---------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for 50 ms instead of 5 s; for stores that are opened afterwards."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


@pytest.fixture
async def impatient_chat(impatient: None, server: DemoServer, tmp_path: Path) -> AsyncIterator[Chat]:
    async with open_chat(server.base_url, tmp_path) as opened:
        yield opened


async def test_a_prompt_that_cannot_be_stored_is_not_sent(impatient_chat: Chat, server: DemoServer) -> None:
    session = impatient_chat.session()
    with locked(impatient_chat.path), pytest.raises(NotSavedError, match=r"not saved: .*locked") as caught:
        await run_turn(session, "hello")
    assert "without saving" in caught.value.advice
    assert (session.state, session.turn, session.conversation.turns) == (State.IDLE, None, [])
    assert server.requests == []
    await expect_completed(session)
    await impatient_chat.expect_stored(session)


async def test_it_can_be_sent_unsaved_and_is_stored_with_the_next_turn(impatient_chat: Chat) -> None:
    session = impatient_chat.session()
    with locked(impatient_chat.path):
        ended = end_of(await run_turn(session, "hello", unsaved=True))
    assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, False)
    assert impatient_chat.rows("SELECT * FROM turns") == []
    await expect_completed(session, "list")
    await impatient_chat.expect_stored(session)
    assert len(session.conversation.turns) == 2


async def test_an_end_that_cannot_be_stored_is_said_so_and_stored_later(impatient_chat: Chat) -> None:
    session = impatient_chat.session()
    with locked(impatient_chat.path) as other:
        other.rollback()
        ended = end_of(
            await run_turn(
                session,
                "list",
                when=lambda event: isinstance(event, TextDelta),
                do=lambda: other.execute("BEGIN IMMEDIATE"),
            )
        )
    assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, False)
    await expect_completed(session)
    await impatient_chat.expect_stored(session)


async def test_a_bug_in_the_store_does_not_leave_the_reader_waiting(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    session = chat.session()
    with monkeypatch.context() as patch:
        patch.setattr(chat.store, "end_turn", broken)
        ended = end_of(await run_turn(session, "hello"))
    assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, False)
    assert "because of a bug" in caplog.text
    await expect_completed(session)


async def test_a_bug_in_the_engine_ends_the_turn(
    chat: Chat, server: DemoServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = chat.session()
    with monkeypatch.context() as patch:
        patch.setattr("tui_chat.engine.body.Body.finish", lambda *_: 1 / 0)
        ended = end_of(await run_turn(session, "html"))
    assert ended.error is not None
    assert (ended.outcome, ended.error.type) == (Outcome.FAILED, "bug")
    assert "a turn failed because of a bug" in caplog.text
    await chat.expect_stored(session)
    await expect_completed(session)


# Waiting for a lock ------------------------------------------------------------------------------------------------------


async def test_a_short_lock_is_waited_for_off_the_event_loop(chat: Chat) -> None:
    session = chat.session()
    turns = 0
    with locked(chat.path) as other:
        sending = asyncio.create_task(run_turn(session, "hello"))
        await until(lambda: session.state is State.RUNNING)
        for _ in range(100):  # the loop goes on turning
            await asyncio.sleep(0)
            turns += 1
        assert not sending.done()
        other.rollback()
        assert isinstance((await sending)[-1], TurnEnded)
    assert turns == 100
    await chat.expect_stored(session)


async def test_escape_ends_the_wait_for_a_lock(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    with locked(chat.path) as other:
        sending = asyncio.create_task(run_turn(session, "on second thoughts"))
        await until(lambda: session.state is State.RUNNING)
        assert session.cancel()
        with pytest.raises(NotSavedError, match="stopped before the prompt was saved"):
            await sending
        assert (session.state, session.conversation.turns) == (State.IDLE, [])
        other.rollback()
        await session.close()  # the write that waited may have been done meanwhile; then it has an end, too
    assert chat.rows("SELECT outcome, in_context FROM turns") == [("cancelled", 0)]
    assert server.requests == []
    await expect_completed(session)
    sent = [block["text"] for message in server.requests[0].body["messages"] for block in message["content"]]
    assert sent == ["hello"]
    await chat.expect_stored(session)


async def test_a_reader_cancelled_during_the_commit_leaves_no_running_turn(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    with locked(chat.path) as other:
        sending = asyncio.create_task(run_turn(session, "never mind"))
        await until(lambda: session.state is State.RUNNING)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert session.state is State.IDLE
        other.rollback()
        await session.close()
    assert chat.rows("SELECT outcome, in_context FROM turns") == [("cancelled", 0)]
    assert server.requests == []
    await expect_completed(session)
