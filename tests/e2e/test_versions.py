"""Versions of prompts and replies: what the server is told, what the path is, and that all of it is there after reopening."""

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import Chat, demo_server, expect_completed, locked, open_chat, run_turn, until
from tests.e2e.test_continuing import events_of
from tests.unit import raw_server as raw
from tests.unit.odd_answers import CUT, PLAIN
from tests.unit.raw_server import raw_server
from tests.unit.store_processes import dead_pid
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer, Pacing
from tui_chat.errors import StoreUnavailableError, UsageError
from tui_chat.events import TextDelta
from tui_chat.session import ChatSession, NotSavedError, State
from tui_chat.store import database

OTHER_MODEL = "claude-haiku-5-5"


def prompts(session: ChatSession) -> list[str]:
    """The prompts of the current path."""
    return [turn.prompt.text for turn in session.conversation.turns]


def ids(session: ChatSession) -> list[str]:
    return [turn.id for turn in session.conversation.turns]


def asked(body: Any) -> list[str]:
    """What the user says in a request."""
    return [block["text"] for message in body["messages"] if message["role"] == "user" for block in message["content"]]


async def reopened(chat: Chat, session: ChatSession) -> ChatSession:
    """The same conversation, from the disk: the same path, and the same versions along it."""
    await session.close()
    await chat.expect_stored(session)
    conversation = await chat.store.load(session.conversation.id)
    assert conversation is not None
    assert conversation.versions == session.conversation.versions
    return chat.session(conversation)


async def edit(session: ChatSession, turn: Turn, text: str) -> Turn:
    assert (await events_of(session.send(text, instead_of=turn))).outcome is Outcome.COMPLETED
    return session.conversation.turns[-1]


async def test_editing_regenerating_and_switching_back_and_forth(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    for text in ("one", "two", "three"):
        await expect_completed(session, text)
    one, two, three = session.conversation.turns
    edited = await edit(session, one, "one, edited")
    assert asked(server.requests[-1].body) == ["one, edited"]
    assert session.conversation.turns == [edited]

    await events_of(session.again(edited, model=OTHER_MODEL))
    again = session.conversation.turns[0]
    assert (again.model, again.prompt) == (OTHER_MODEL, edited.prompt)
    assert session.conversation.model != OTHER_MODEL  # it answered once
    body = server.requests[-1].body
    assert body is not None
    assert (body["model"], asked(body)) == (OTHER_MODEL, ["one, edited"])
    assert session.conversation.versions == {again.id: (one.id, edited.id, again.id)}

    session = await reopened(chat, session)
    assert ids(session) == [again.id]
    (turn,) = session.conversation.turns
    assert not await session.switch(turn, 1)
    assert await session.switch(turn, -2)
    assert ids(session) == [one.id, two.id, three.id]
    await expect_completed(session, "four")
    assert asked(server.requests[-1].body) == ["one", "two", "three", "four"]

    assert await session.switch(session.conversation.turns[0], 1)
    assert ids(session) == [edited.id]
    assert await session.switch(session.conversation.turns[0], -1)
    assert prompts(session) == ["one", "two", "three", "four"]
    session = await reopened(chat, session)
    assert prompts(session) == ["one", "two", "three", "four"]


async def test_a_failed_turn_that_is_sent_again_is_another_version(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    await run_turn(session, "http 400")
    failed = session.conversation.turns[-1]
    await edit(session, failed, "hello")
    assert asked(server.requests[-1].body) == ["one", "hello"]
    assert session.versions(failed) == (failed.id, ids(session)[-1])
    await expect_completed(session, "three")
    session = await reopened(chat, session)
    assert await session.switch(session.conversation.turns[1], -1)
    assert prompts(session) == ["one", "http 400"]
    await expect_completed(session, "after it")
    assert asked(server.requests[-1].body) == ["one", "after it"]
    await reopened(chat, session)


async def test_deleting_a_version_and_undoing_it(chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    for text in ("one", "two", "three"):
        await expect_completed(session, text)
    one, two, three = session.conversation.turns
    await edit(session, two, "two, edited")
    deletion = await session.delete_version(session.conversation.turns[-1])
    assert session.conversation.turns == [one, two, three]
    assert session.conversation.versions == {}
    second = await session.delete_version(two)
    assert session.conversation.turns == [one]
    reloaded = await reopened(chat, session)
    assert prompts(reloaded) == ["one"]
    assert await session.restore(second)
    assert session.conversation.turns == [one, two, three]
    assert await session.restore(deletion)
    assert prompts(session) == ["one", "two, edited"]
    assert not await session.restore(deletion)
    session = await reopened(chat, session)
    assert prompts(session) == ["one", "two, edited"]
    await session.switch(session.conversation.turns[-1], -1)
    assert prompts(session) == ["one", "two", "three"]


async def test_all_of_a_conversation_may_be_deleted_and_come_back(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    deletion = await session.delete_version(session.conversation.turns[0])
    assert session.conversation.turns == []
    reloaded = await chat.store.load(session.conversation.id)
    assert reloaded is None or reloaded.turns == []
    assert await session.restore(deletion)
    assert prompts(await reopened(chat, session)) == ["one"]
    await session.delete_version(session.conversation.turns[0])
    await expect_completed(session, "in its place")
    assert prompts(await reopened(chat, session)) == ["in its place"]
    assert session.conversation.versions == {}


async def test_the_same_conversation_open_twice(server: DemoServer, tmp_path: Path) -> None:
    """Two programs, one database: what both say at one place are versions, and the second one knows at once."""
    async with open_chat(server.base_url, tmp_path) as here, open_chat(server.base_url, tmp_path) as there:
        session = here.session()
        await expect_completed(session, "one")
        other = there.session(await there.store.load(session.conversation.id))
        await expect_completed(session, "from here")
        await expect_completed(other, "from there")
        await other.close()
        assert (session.met_others, other.met_others) == (False, True)
        turn = other.conversation.turns[-1]
        assert other.versions(turn) == (ids(session)[-1], turn.id)
        await expect_completed(session, "here again")
        await expect_completed(other, "there again")
        await session.close()
        loaded = await reopened(there, other)
        assert prompts(loaded) == ["one", "from there", "there again"]
        assert await loaded.switch(loaded.conversation.turns[1], -1)
        assert prompts(loaded) == ["one", "from here", "here again"]
        assert await other.go_to(ids(session)[-1])
        assert prompts(other) == ["one", "from here", "here again"]


async def test_two_replies_run_at_one_place(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path) as here, open_chat(server.base_url, tmp_path) as there:
        session = here.session()
        await expect_completed(session, "one")
        other = there.session(await there.store.load(session.conversation.id))
        await asyncio.gather(run_turn(session, "list"), run_turn(other, "table"))
        await session.close()
        await other.close()
        loaded = here.session(await here.store.load(session.conversation.id))
        last = loaded.conversation.turns[-1]
        assert {*loaded.versions(last)} == {ids(session)[-1], ids(other)[-1]}
        for turn_id in loaded.versions(last):
            assert await loaded.go_to(turn_id)
            assert loaded.conversation.turns[-1].text


async def test_going_to_a_turn_that_was_never_seen(chat: Chat) -> None:
    session = chat.session()
    for text in ("one", "two", "three"):
        await expect_completed(session, text)
    _, two, three = session.conversation.turns
    await edit(session, two, "two, edited")
    await expect_completed(session, "below")
    below = session.conversation.turns[-1]
    await edit(session, session.conversation.turns[0], "one, edited")
    session = await reopened(chat, session)
    assert prompts(session) == ["one, edited"]
    assert await session.go_to(three.id)  # its place is on no path that this session knows
    assert prompts(session) == ["one", "two", "three"]
    assert await session.go_to(below.id)
    assert prompts(session) == ["one", "two, edited", "below"]
    assert await session.go_to(below.id)
    assert not await session.go_to("nobody")
    assert prompts(await reopened(chat, session)) == ["one", "two, edited", "below"]


@pytest.mark.parametrize("with_reply", [True, False])
async def test_a_fork_is_a_conversation_of_its_own(with_reply: bool, chat: Chat, server: DemoServer) -> None:
    session = chat.session()
    for text in ("one", "two", "three"):
        await expect_completed(session, text)
    copy = await session.fork(session.conversation.turns[1], with_reply=with_reply)
    forked = chat.session(await chat.store.load(copy))
    assert forked.conversation.id == copy != session.conversation.id
    assert prompts(forked) == (["one", "two"] if with_reply else ["one"])
    await expect_completed(forked, "elsewhere")
    assert asked(server.requests[-1].body) == [*(["one", "two"] if with_reply else ["one"]), "elsewhere"]
    assert prompts(await reopened(chat, session)) == ["one", "two", "three"]


async def test_a_fork_from_the_first_prompt_is_empty(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    copy = await session.fork(session.conversation.turns[0], with_reply=False)
    conversation = await chat.store.load(copy)
    assert conversation is not None
    assert conversation.turns == []
    assert conversation.model == session.conversation.model


async def test_nothing_moves_while_a_turn_runs(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    await edit(session, session.conversation.turns[0], "one, edited")
    first = session.versions(session.conversation.turns[0])[0]
    refused: list[type[BaseException]] = []

    async def try_all() -> None:
        for moving in (
            session.go_to(first),
            session.switch(session.conversation.turns[0], -1),
            session.delete_version(session.conversation.turns[0]),
            session.restore("deletion"),
        ):
            with pytest.raises(UsageError, match="a turn is running") as caught:
                await moving
            refused.append(caught.type)
        session.cancel()

    tasks: list[asyncio.Task[None]] = []

    def start() -> None:
        tasks.append(asyncio.create_task(try_all()))

    await run_turn(session, "long", when=lambda event: isinstance(event, TextDelta), do=start)
    await tasks[0]
    assert len(refused) == 4
    await reopened(chat, session)


async def test_no_turn_begins_while_the_path_is_moved(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    await edit(session, session.conversation.turns[0], "one, edited")
    session = await reopened(chat, session)
    moving = asyncio.create_task(session.switch(session.conversation.turns[0], -1))
    await asyncio.sleep(0)  # it has begun to read
    with pytest.raises(UsageError, match="another branch"):
        await anext(session.send("hello"))
    assert await moving
    await expect_completed(session, "hello")
    assert prompts(session) == ["one", "hello"]


# When it cannot be saved ------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for 50 ms instead of 5 s; for stores that are opened afterwards."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


async def test_versions_that_could_not_be_stored_stay_reachable_and_are_stored_later(
    impatient: None, server: DemoServer, tmp_path: Path
) -> None:
    async with open_chat(server.base_url, tmp_path) as chat:
        session = chat.session()
        await expect_completed(session, "one")
        first = session.conversation.turns[0]
        with locked(chat.path):
            with pytest.raises(NotSavedError):
                await events_of(session.send("two", instead_of=first))
            assert session.conversation.turns == [first]
            assert (await events_of(session.send("two", instead_of=first, unsaved=True))).saved is False
            second = session.conversation.turns[0]
            await events_of(session.send("below two", unsaved=True))
            await events_of(session.again(second, unsaved=True))
            assert session.versions(first) == (first.id, second.id, ids(session)[0])
            assert await session.switch(session.conversation.turns[0], -1)
            assert prompts(session) == ["two", "below two"]
            with pytest.raises(StoreUnavailableError, match="not stored yet"):
                await session.delete_version(second)
            with pytest.raises(StoreUnavailableError, match="not stored yet"):
                await session.fork(second)
            assert await session.switch(second, -1)
            assert session.conversation.turns == [first]
        await expect_completed(session, "below one")
        session = await reopened(chat, session)
        assert prompts(session) == ["one", "below one"]
        assert await session.switch(session.conversation.turns[0], 1)
        assert prompts(session) == ["two", "below two"]
        assert await session.switch(session.conversation.turns[0], 1)
        assert prompts(session) == ["two"]
        await reopened(chat, session)


async def test_switching_works_while_the_database_is_locked_and_is_stored_later(
    impatient: None, server: DemoServer, tmp_path: Path
) -> None:
    async with open_chat(server.base_url, tmp_path) as chat:
        session = chat.session()
        await expect_completed(session, "one")
        await edit(session, session.conversation.turns[0], "two")
        with locked(chat.path):
            assert await session.switch(session.conversation.turns[0], -1)
            assert prompts(session) == ["one"]
            await session.close()
            with pytest.raises(StoreUnavailableError):
                await session.delete_version(session.conversation.turns[0])
            assert prompts(session) == ["one"]
        await session.save()
        await session.switch(session.conversation.turns[0], 1)
        await session.switch(session.conversation.turns[0], -1)
        assert prompts(await reopened(chat, session)) == ["one"]


async def test_an_end_that_could_not_be_stored_is_stored_though_its_branch_was_left(
    impatient: None, tmp_path: Path
) -> None:
    async with (
        raw_server(raw.stream(CUT), raw.stream(PLAIN)) as server,
        open_chat(server.base_url, tmp_path) as chat,
    ):
        session = chat.session()
        with contextlib.ExitStack() as stack:

            def lock() -> None:
                stack.enter_context(locked(chat.path))

            await run_turn(session, "one", when=lambda event: isinstance(event, TextDelta), do=lock)
            first = session.conversation.turns[0]
            assert first.text == "Hello"
        await events_of(session.again(first))
        session = await reopened(chat, session)
        assert await session.switch(session.conversation.turns[0], -1)
        assert [turn.text for turn in session.conversation.turns] == ["Hello"]
        assert chat.rows("SELECT count(*) FROM turns WHERE outcome IS NULL") == [(0,)]


async def test_a_prompt_that_was_taken_back_leaves_nothing_behind(chat: Chat) -> None:
    """The database takes it when nobody waits any more: the user has it back, so it is no version of what comes next."""
    session = chat.session()
    await expect_completed(session, "one")
    with locked(chat.path) as other:
        sending = asyncio.create_task(run_turn(session, "on second thoughts"))
        await until(lambda: session.state is State.RUNNING)
        session.cancel()
        with pytest.raises(NotSavedError):
            await sending
        other.rollback()
        await session.close()
    assert prompts(await reopened(chat, session)) == ["one"]
    await expect_completed(session, "two")
    session = await reopened(chat, session)
    assert (prompts(session), session.conversation.versions, session.met_others) == (["one", "two"], {}, False)


async def test_a_prompt_whose_reader_has_gone_is_kept(chat: Chat) -> None:
    session = chat.session()
    await expect_completed(session, "one")
    with locked(chat.path) as other:
        sending = asyncio.create_task(run_turn(session, "never mind"))
        await until(lambda: session.state is State.RUNNING)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        other.rollback()
        await session.close()
    assert prompts(session) == ["one"]
    loaded = await chat.store.load(session.conversation.id)
    assert loaded is not None
    assert [turn.prompt.text for turn in loaded.turns] == ["one", "never mind"]
    await expect_completed(session, "two")
    await session.close()
    assert not session.met_others  # it was this window's own
    assert await session.switch(session.conversation.turns[1], -1)
    assert prompts(session) == ["one", "never mind"]
    await reopened(chat, session)


async def test_an_edit_that_was_taken_back_leaves_the_path_where_it_was(chat: Chat) -> None:
    """Deleting what was stored late leads the stored path to the newest version, but another one may be shown."""
    session = chat.session()
    await expect_completed(session, "one")
    (first,) = session.conversation.turns
    await edit(session, first, "one, edited")
    assert await session.switch(session.conversation.turns[0], -1)
    await session._settled()
    with locked(chat.path) as other:
        sending = asyncio.create_task(events_of(session.send("on second thoughts", instead_of=first)))
        await until(lambda: session.state is State.RUNNING)
        session.cancel()
        with pytest.raises(NotSavedError):
            await sending
        other.rollback()
        await session.close()
    assert prompts(await reopened(chat, session)) == ["one"]


async def test_a_window_that_was_killed_in_a_reply_is_not_waited_for(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(demo_server(Pacing(ttft=0, rate=500)))
        here = await stack.enter_async_context(open_chat(server.base_url, tmp_path))
        there = await stack.enter_async_context(open_chat(server.base_url, tmp_path))
        session = here.session()
        running = asyncio.create_task(run_turn(session, "long"))
        await until(lambda: bool(here.rows("SELECT 1 FROM journal WHERE event LIKE '%delta%'")))
        other = there.session(await there.store.load(session.conversation.id))
        with closing(sqlite3.connect(here.path)) as connection, connection:
            connection.execute("UPDATE turns SET owner_pid = ? WHERE outcome IS NULL", (dead_pid(),))
        await expect_completed(other, "from there")
        assert [turn.outcome for turn in other.conversation.turns] == [Outcome.FAILED, Outcome.COMPLETED]
        session.cancel()
        await running


async def test_a_reply_that_another_window_writes_is_waited_for_and_then_taken_in(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(demo_server(Pacing(ttft=0, rate=500)))
        here = await stack.enter_async_context(open_chat(server.base_url, tmp_path))
        there = await stack.enter_async_context(open_chat(server.base_url, tmp_path))
        session = here.session()
        running = asyncio.create_task(run_turn(session, "long"))
        await until(lambda: bool(here.rows("SELECT 1 FROM journal WHERE event LIKE '%delta%'")))
        other = there.session(await there.store.load(session.conversation.id))
        (theirs,) = other.conversation.turns
        assert not theirs.outcome
        assert theirs.text
        with pytest.raises(UsageError, match="another window"):
            await run_turn(other, "from there")
        assert other.is_idle
        session.cancel()
        await running
        await expect_completed(other, "from there")
        assert other.conversation.turns[0] is theirs  # whoever shows it need not look for it
        assert theirs.outcome == Outcome.CANCELLED
        assert prompts(await reopened(there, other)) == ["long", "from there"]


async def test_a_title_that_was_made_of_a_deleted_prompt_goes_with_it(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path) as chat:
        session = chat.session()
        await expect_completed(session, "a secret")
        (first,) = session.conversation.turns
        deletion = await session.delete_version(first)
        assert chat.rows("SELECT title FROM conversations") == [("",)]
        assert await session.restore(deletion)
        assert (await reopened(chat, session)).conversation.title == "a secret"
        edited = await edit(session, first, "no secret")
        assert session.conversation.title == "a secret"  # that one is still there
        await session.delete_version(edited)
        assert session.conversation.title == "a secret"
        await session.delete_version(first)
        await expect_completed(session, "two")
        assert (await reopened(chat, session)).conversation.title == "two"
        path = chat.path
    assert b"secret" not in path.read_bytes()
