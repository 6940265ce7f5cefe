"""Going on and sending again: what the next request holds, live and after loading, and what stands when it cannot be saved."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import Chat, end_of, expect_completed, locked, open_chat, run_turn
from tests.unit import raw_server as raw
from tests.unit.grammar import check_turn
from tests.unit.odd_answers import CUT, PLAIN
from tests.unit.raw_server import RawServer, raw_server
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer, why_illegal
from tui_chat.engine.history import CONTINUE
from tui_chat.errors import UsageError
from tui_chat.events import Event, TextDelta, TurnEnded, UsageUpdated
from tui_chat.session import ChatSession, NotSavedError, State
from tui_chat.store import database

REFUSED = raw.error("403 Forbidden", "permission_error")
HALF, WHOLE = "Hello", "Hello, world"  # the texts of CUT and PLAIN


async def events_of(
    stream: AsyncGenerator[Event, None], *, when: type[Event] | None = None, do: Callable[[], object] | None = None
) -> TurnEnded:
    """Read a turn to its end; at the first event of the type `when`, `do` is called."""
    events: list[Event] = []
    async with contextlib.aclosing(stream) as reading:
        async for event in reading:
            events.append(event)
            if do is not None and when is not None and isinstance(event, when):
                do()
                do = None
    check_turn(events)
    return end_of(events)


def said(body: Any) -> list[str]:
    """The texts of a request that the API would accept, the program's own instruction as `...`."""
    assert why_illegal(body) is None
    texts = [block["text"] for message in body["messages"] for block in message["content"]]
    return ["..." if text == CONTINUE else text for text in texts]


def marks(session: ChatSession) -> list[bool]:
    return [turn.in_context for turn in session.conversation.turns]


def going_out(session: ChatSession) -> list[bool]:
    return [session.goes_out(turn) for turn in session.conversation.turns]


def last(session: ChatSession) -> Turn:
    return session.conversation.turns[-1]


async def loaded(chat: Chat, session: ChatSession) -> ChatSession:
    """The same conversation, from the disk."""
    await session.close()
    await chat.expect_stored(session)
    conversation = await chat.store.load(session.conversation.id)
    assert conversation is not None
    return chat.session(conversation)


@contextlib.asynccontextmanager
async def scripted(folder: Path, *answers: raw.Answer) -> AsyncIterator[tuple[RawServer, Chat, ChatSession]]:
    """A server with `answers`, and a session on it."""
    async with raw_server(*answers) as server, open_chat(server.base_url, folder) as chat:
        yield server, chat, chat.session()


cut, plain = raw.stream(CUT), raw.stream(PLAIN)
begun = raw.left_open(
    PLAIN.partition(b"event: content_block_start")[0]
)  # the server has the request, and says nothing yet


@pytest.mark.parametrize("prompt", ["cut", "eof", "error", "limit"])
async def test_going_on_from_a_reply_that_broke_off(prompt: str, chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    await run_turn(session, prompt)
    first = session.turn
    assert first is not None
    assert session.can_go_on(first)
    events: list[Event] = [event async for event in session.go_on()]
    assert end_of(events).outcome is Outcome.COMPLETED
    assert session.turn is not None
    assert session.turn.prompt.continues
    assert (first.text + session.turn.text).rstrip().endswith(("to go on.", "."))
    assert not session.turn.text.startswith(first.text[:20])
    roles = [message["role"] for message in server.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "user"]
    await chat.expect_stored(session)
    assert not session.can_go_on(session.turn)
    assert await chat.store.recent_prompts() == [prompt]
    await expect_completed(session)


async def test_going_on_after_a_stop(chat: Chat) -> None:
    session = chat.session()
    await run_turn(session, "long 300", when=lambda event: isinstance(event, TextDelta), do=session.cancel)
    stopped = session.turn
    assert stopped is not None
    stopped.in_context = False
    assert session.can_go_on(stopped)
    assert end_of([event async for event in session.go_on()]).outcome is Outcome.COMPLETED
    assert stopped.in_context
    await chat.expect_stored(session)


async def test_a_continuation_that_failed_is_sent_again(tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, REFUSED, plain) as (server, chat, session):
        await run_turn(session, "A")
        assert (await events_of(session.go_on())).outcome is Outcome.FAILED
        assert marks(session) == [True, False]
        failed = last(session)
        assert failed.prompt.continues
        assert (await events_of(session.again(failed))).outcome is Outcome.COMPLETED
        assert last(session).prompt is failed.prompt
        assert session.versions(failed) == (failed.id, last(session).id)
        assert said(server.exchanges[-1].body) == ["A", HALF, "..."]
        assert (marks(session), going_out(session)) == ([True, True], [True, True])
        again = await loaded(chat, session)
        for each in (session, again):
            await run_turn(each, "and now?")
            assert said(server.exchanges[-1].body) == ["A", HALF, "...", WHOLE, "and now?"]


async def test_a_continuation_that_was_cut_is_sent_again(tmp_path: Path) -> None:
    """What it brought stays on its branch; what takes its place goes on from the reply before."""
    async with scripted(tmp_path, cut, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        await session.set_in_context(session.conversation.turns[0], in_context=False)
        assert (await events_of(session.again(last(session)))).outcome is Outcome.COMPLETED
        assert marks(session) == [True, True]  # what it goes on from goes out with it
        assert said(server.exchanges[-1].body) == ["A", HALF, "..."]
        again = await loaded(chat, session)
        for each in (session, again):
            await run_turn(each, "and now?")
            assert said(server.exchanges[-1].body) == ["A", HALF, "...", WHOLE, "and now?"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_after_a_continuation_without_words_it_goes_on_from_the_reply(stopped: bool, tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, begun if stopped else REFUSED, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on(), when=UsageUpdated, do=session.cancel if stopped else None)
        assert marks(session) == [True, False]
        for each in (session, await loaded(chat, session)):
            assert each.can_go_on(last(each))
            assert not each.can_go_on(each.conversation.turns[0])
        assert (await events_of(session.go_on())).outcome is Outcome.COMPLETED
        assert said(server.exchanges[-1].body) == ["A", HALF, "..."]
        assert going_out(session) == [True, True]
        assert len(session.versions(last(session))) == 2  # the one without words is the other version
        with pytest.raises(UsageError, match="nothing to go on from"):
            await anext(session.go_on())
        await loaded(chat, session)


async def test_going_on_twice_is_one_reply_of_three(tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        await events_of(session.go_on())
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", HALF, "..."]
        again = await loaded(chat, session)
        await run_turn(again, "and now?")
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", HALF, "...", WHOLE, "and now?"]


async def test_what_went_on_from_a_reply_stays_below_it(tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, plain, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        first, rest = session.conversation.turns
        await events_of(session.again(first))
        assert said(server.exchanges[-1].body) == ["A"]
        assert len(session.conversation.turns) == 1
        again = await loaded(chat, session)
        await run_turn(again, "and now?")
        assert said(server.exchanges[-1].body) == ["A", WHOLE, "and now?"]
        assert await session.switch(last(session), -1)
        assert session.conversation.turns == [first, rest]
        assert going_out(session) == [True, True]
        await run_turn(session, "and now?")
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", WHOLE, "and now?"]
        await loaded(chat, session)


async def test_a_continuation_is_deleted_without_what_it_goes_on_from(tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, plain, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        first, rest = session.conversation.turns
        deletion = await session.delete_version(rest)
        assert session.conversation.turns == [first]
        assert session.can_go_on(first)
        assert (await events_of(session.go_on())).outcome is Outcome.COMPLETED
        assert said(server.exchanges[-1].body) == ["A", HALF, "..."]
        assert len(session.versions(last(session))) == 1
        assert await session.restore(deletion)
        assert session.conversation.turns == [first, rest]
        assert len(session.versions(rest)) == 2
        again = await loaded(chat, session)
        assert await session.restore(await session.delete_version(first))
        assert session.conversation.turns == [first, rest]
        assert again.conversation.versions == session.conversation.versions


async def test_a_prompt_may_take_the_place_of_a_continuation(tmp_path: Path) -> None:
    """Both follow the reply that broke off; only the one that is shown goes out."""
    async with scripted(tmp_path, cut, plain, plain, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        rest = last(session)
        await events_of(session.send("B", instead_of=rest))
        assert said(server.exchanges[-1].body) == ["A", HALF, "B"]
        assert not last(session).prompt.continues
        again = await loaded(chat, session)
        assert await again.switch(last(again), -1)
        await run_turn(again, "and now?")
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", WHOLE, "and now?"]


async def test_a_reply_is_switched_out_and_in_again_with_what_goes_on_from_it(tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, plain, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        first = session.conversation.turns[0]
        await session.set_in_context(first, in_context=False)
        again = await loaded(chat, session)
        assert going_out(session) == going_out(again) == [False, False]
        await run_turn(again, "and now?")
        assert said(server.exchanges[-1].body) == ["and now?"]
        await session.set_in_context(first, in_context=True)
        assert going_out(session) == [True, True]
        await run_turn(session, "and now?")
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", WHOLE, "and now?"]


async def test_going_on_takes_in_all_that_it_goes_on_from(tmp_path: Path) -> None:
    """The instruction alone, without the reply that it is about, says nothing."""
    async with scripted(tmp_path, cut, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        await session.set_in_context(session.conversation.turns[0], in_context=False)
        assert session.can_go_on(last(session))
        await events_of(session.go_on())
        assert said(server.exchanges[-1].body) == ["A", HALF, "...", HALF, "..."]
        assert going_out(session) == [True, True, True]
        await loaded(chat, session)


@pytest.mark.parametrize("prompt", ["hello", "refuse", "empty", "http 400"])
async def test_nothing_to_go_on_from(prompt: str, chat: Chat) -> None:
    session = chat.session()
    with pytest.raises(UsageError, match="nothing to go on from"):
        await anext(session.go_on())
    await run_turn(session, prompt)
    assert not session.can_go_on(last(session))
    with pytest.raises(UsageError, match="nothing to go on from"):
        await anext(session.go_on())
    assert session.state is State.IDLE


# When it cannot be saved ------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for 50 ms instead of 5 s; for stores that are opened afterwards."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


async def stored_marks(chat: Chat, session: ChatSession) -> list[bool]:
    conversation = await chat.store.load(session.conversation.id)
    assert conversation is not None
    return [turn.in_context for turn in conversation.turns]


@pytest.mark.parametrize("first_in", [True, False])
async def test_going_on_unsaved_changes_nothing(first_in: bool, impatient: None, tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        await session.set_in_context(last(session), in_context=first_in)
        with locked(chat.path), pytest.raises(NotSavedError):
            await events_of(session.go_on())
        assert len(server.exchanges) == 1
        assert marks(session) == [first_in]
        await chat.expect_stored(session)


async def test_sending_again_unsaved_changes_nothing(impatient: None, tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        await events_of(session.go_on())
        for turn in session.conversation.turns:
            with locked(chat.path), pytest.raises(NotSavedError):
                await events_of(session.again(turn))
            assert (marks(session), going_out(session)) == ([True, True], [True, True])
        assert len(server.exchanges) == 2
        await chat.expect_stored(session)


@pytest.mark.parametrize("how", ["go_on", "again"])
async def test_a_prompt_that_was_stopped_before_it_was_saved_changes_nothing(how: str, tmp_path: Path) -> None:
    async with scripted(tmp_path, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        with locked(chat.path) as other:
            stream = session.go_on() if how == "go_on" else session.again(last(session))
            reading = asyncio.create_task(events_of(stream))
            while session.state is not State.RUNNING:  # noqa: ASYNC110 - the state of a session sets no event
                await asyncio.sleep(0)
            assert session.cancel()
            with pytest.raises(NotSavedError):
                await reading
            assert marks(session) == [True]
            other.rollback()
        await session.close()
        assert len(server.exchanges) == 1
        await expect_completed(session, "and now?")
        assert said(server.exchanges[-1].body) == ["A", HALF, "and now?"]
        assert await stored_marks(chat, session) == [True, True]


@pytest.mark.parametrize("how", ["go_on", "again"])
async def test_unsaved_goes_ahead(how: str, impatient: None, tmp_path: Path) -> None:
    """... and it is stored, with what it did to the marks, with the next turn that can be."""
    async with scripted(tmp_path, cut, plain) as (server, chat, session):
        await run_turn(session, "A")
        first, goes_on = last(session), how == "go_on"
        await session.set_in_context(first, in_context=not goes_on)
        with locked(chat.path):
            stream = session.go_on(unsaved=True) if goes_on else session.again(first, unsaved=True)
            ended = await events_of(stream)
        assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, False)
        assert said(server.exchanges[-1].body) == (["A", HALF, "..."] if goes_on else ["A"])
        assert marks(session) == ([True, True] if goes_on else [True])
        await expect_completed(session, "and now?")
        await session.close()
        await loaded(chat, session)
