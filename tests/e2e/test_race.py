"""A race: several models answer one stored prompt at once; each lane is cancelled, saved and recovered by itself."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import demo_server, expect_completed, locked, until
from tests.unit.grammar import check_turn
from tests.unit.store_values import stored
from tests.unit.test_store_recovery import orphan
from tui_chat.config import Flags, load
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer, RequestRecord
from tui_chat.errors import StoreUnavailableError, UsageError
from tui_chat.events import Event, TextDelta
from tui_chat.racing import Lane, Race
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, NotSavedError
from tui_chat.store import Store, database

SONNET, HAIKU, OPUS = THREE = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-6")
Watch = Callable[[Lane, Event], object]


class Track:
    """A run of the program with one conversation."""

    def __init__(self, runtime: Runtime, session: ChatSession) -> None:
        self.runtime, self.session = runtime, session

    @property
    def path(self) -> Path:
        assert self.runtime.store.path is not None
        return self.runtime.store.path

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What another program sees in the database now."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, values).fetchall()

    async def reopened(self) -> ChatSession:
        """The conversation from the disk, where it is what it was in memory."""
        conversation = self.session.conversation
        await self.session.close()
        loaded = await self.runtime.store.load(conversation.id)
        assert loaded is not None
        assert loaded.turns == [stored(turn) for turn in conversation.turns]
        assert (loaded.versions, loaded.title) == (conversation.versions, conversation.title)
        return await self.runtime.resume(conversation.id)


@contextlib.asynccontextmanager
async def opened(base_url: str, folder: Path, *, in_memory: bool = False) -> AsyncIterator[Track]:
    runtime = Runtime(load(Flags(base_url=base_url, data_dir=folder), {}), store_conversations=not in_memory)
    await runtime.open()
    await runtime.client.ready()
    try:
        yield Track(runtime, await runtime.new_session())
    finally:
        await runtime.close()


@pytest.fixture
async def track(server: DemoServer, tmp_path: Path) -> AsyncIterator[Track]:
    async with opened(server.base_url, tmp_path / "data") as track:
        yield track


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for 50 ms instead of 5 s; for stores that are opened afterwards."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


async def run(race: Race, watch: Watch = lambda *_: None) -> dict[int, list[Event]]:
    """The events by lane, each lane's to the grammar; `watch` sees them as they come."""
    events: dict[int, list[Event]] = {lane.number: [] for lane in race.lanes}
    async with contextlib.aclosing(race.run()) as stream:
        async for lane, event in stream:
            events[lane.number].append(event)
            watch(lane, event)
    for lane in race.lanes:
        if events[lane.number]:
            check_turn(events[lane.number])
    assert race.is_over
    return events


def turns_of(race: Race) -> list[Turn]:
    return [turn for lane in race.lanes if (turn := lane.turn) is not None]


def asked(server: DemoServer) -> list[RequestRecord]:
    return [record for record in server.requests if record.path == "/v1/messages"]


async def test_three_models_answer_one_stored_prompt_at_once(track: Track, server: DemoServer) -> None:
    session = track.session
    await expect_completed(session, "hello")
    race = Race(track.runtime, session, THREE, text="long 1200")
    await run(race)

    requests = asked(server)[1:]
    assert sorted(request.body["model"] for request in requests) == sorted(THREE)
    assert all(request.body["messages"] == requests[0].body["messages"] for request in requests)
    closed = [request.closed for request in requests if request.closed is not None]
    assert max(request.arrived for request in requests) < min(closed)
    assert len(closed) == 3

    turns = turns_of(race)
    assert [turn.model for turn in turns] == [*THREE]
    assert len({turn.prompt.id for turn in turns}) == 1
    texts = track.rows("SELECT id FROM messages WHERE role = 'user' AND blocks LIKE '%long 1200%'")
    assert texts == [(turns[0].prompt.id,)]
    of_prompt = track.rows("SELECT id, outcome FROM turns WHERE prompt_id = ? ORDER BY number", turns[0].prompt.id)
    assert of_prompt == [(turn.id, "completed") for turn in turns]
    assert len(session.conversation.turns) == 1  # nothing was kept yet
    assert session.begun == [session.conversation.turns[0], *turns]  # what it cost counts
    assert all(track.runtime.ratios.characters_per_token(model) != 4 for model in THREE)


async def test_what_is_kept_becomes_the_reply_and_the_others_its_versions(track: Track, server: DemoServer) -> None:
    session = track.session
    race = Race(track.runtime, session, THREE, text="list of things")
    await run(race)
    turns = turns_of(race)
    assert await race.keep(race.lanes[1])
    assert session.conversation.turns == [turns[1]]
    assert session.versions(turns[1]) == tuple(turn.id for turn in turns)
    assert session.conversation.title == "list of things"
    assert not session.met_others
    assert session.turn is turns[1]  # what a recording of the last turn is about
    assert session.said[0] == race.lanes[1].session.said[0]

    session = await track.reopened()
    (kept,) = session.conversation.turns
    assert kept.model == HAIKU
    assert session.model == track.session.model  # the race was not about the next prompt
    assert await session.switch(kept, 1)
    assert [turn.model for turn in session.conversation.turns] == [OPUS]
    await expect_completed(session, "go on from there")
    assert len(asked(server)[-1].body["messages"]) == 3


async def test_racing_on_a_prompt_that_was_answered_adds_versions(track: Track) -> None:
    session = track.session
    for text in ("one", "two"):
        await expect_completed(session, text)
    one, two = session.conversation.turns
    race = Race(track.runtime, session, (HAIKU, OPUS), turn=one)
    await run(race)
    assert await race.keep(race.lanes[0])
    first, second = turns_of(race)
    assert session.conversation.turns == [first]
    assert session.versions(first) == (one.id, first.id, second.id)
    assert await session.switch(first, -1)
    assert session.conversation.turns == [one, two]
    await track.reopened()


async def test_the_same_model_twice(track: Track) -> None:
    race = Race(track.runtime, track.session, (SONNET, SONNET), text="hello")
    await run(race)
    first, second = turns_of(race)
    assert (first.model, second.model) == (SONNET, SONNET)
    assert first.id != second.id
    assert await race.keep(race.lanes[1])
    assert track.session.versions(second) == (first.id, second.id)
    await track.reopened()


async def test_one_lane_is_stopped_and_the_others_go_on(track: Track, server: DemoServer) -> None:
    race = Race(track.runtime, track.session, THREE, text="long 600")
    stopped = race.lanes[1]

    def watch(lane: Lane, event: Event) -> None:
        if lane is stopped and isinstance(event, TextDelta) and not lane.stopping:
            assert race.cancel(lane)
            assert not race.cancel(lane)

    await run(race, watch)
    assert [turn.outcome for turn in turns_of(race)] == [Outcome.COMPLETED, Outcome.CANCELLED, Outcome.COMPLETED]
    await server.wait_for(lambda: all(request.ended is not None for request in asked(server)))
    ends = {request.body["model"]: request.ended for request in asked(server)}
    assert ends == {SONNET: "completed", HAIKU: "client_closed", OPUS: "completed"}
    assert stopped.finished_after is None
    assert race.first_to_finish in (race.lanes[0], race.lanes[2])
    assert stopped.turn is not None
    partial = stopped.turn.text
    assert partial
    assert await race.keep(stopped)  # half an answer may be the better one
    session = await track.reopened()
    assert session.conversation.turns[0].text == partial
    assert session.can_go_on(session.conversation.turns[0])


async def test_all_are_stopped_at_once(track: Track) -> None:
    race = Race(track.runtime, track.session, (*THREE, SONNET), text="long 5000")
    seen: set[int] = set()

    def watch(lane: Lane, event: Event) -> None:
        if isinstance(event, TextDelta):
            seen.add(lane.number)
            if len(seen) == 4:
                race.cancel_all()

    await run(race, watch)
    assert [turn.outcome for turn in turns_of(race)] == [Outcome.CANCELLED] * 4
    assert race.first_to_finish is None
    assert race.choice(race.lanes[2]) is race.lanes[2]
    assert track.rows("SELECT count(*) FROM turns WHERE outcome = 'cancelled'") == [(4,)]


async def test_a_lane_that_is_stopped_before_it_began_sends_nothing(track: Track, server: DemoServer) -> None:
    race = Race(track.runtime, track.session, (SONNET, HAIKU), text="hello")
    assert race.cancel(race.lanes[1])
    events = await run(race)
    assert events[2] == []
    assert race.lanes[1].refusal is not None
    assert race.lanes[1].turn is None
    assert [record.body["model"] for record in asked(server)] == [SONNET]
    assert race.choice(race.lanes[1]) is race.lanes[0]
    assert not await race.keep(race.lanes[1])
    assert await race.keep(race.lanes[0])
    await track.reopened()


async def test_a_lane_that_cannot_be_stored_is_left_out(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has become full in between, for example; nothing unsaved goes out without being asked for."""
    begin, begun = track.runtime.store.begin_turn, count()

    async def full(*values: Any) -> tuple[str, ...]:
        if next(begun) == 1:
            raise StoreUnavailableError("the disk is full", "make room")
        return await begin(*values)

    monkeypatch.setattr(track.runtime.store, "begin_turn", full)
    race = Race(track.runtime, track.session, THREE, text="hello")
    await run(race)
    assert isinstance(race.lanes[1].refusal, NotSavedError)
    assert [turn.model for turn in turns_of(race)] == [SONNET, OPUS]
    assert await race.keep(race.lanes[2])
    session = await track.reopened()
    assert session.versions(session.conversation.turns[0]) == tuple(turn.id for turn in turns_of(race))


async def test_a_lane_that_fails_is_alone(track: Track) -> None:
    """A model that the server does not know; the error is the lane's own, the rest of the race knows nothing of it."""
    race = Race(track.runtime, track.session, ("claude-nobody", SONNET), text="hello")
    await run(race)
    failed, fine = turns_of(race)
    assert failed.error is not None
    assert (failed.outcome, failed.error.status) == (Outcome.FAILED, 404)
    assert fine.outcome is Outcome.COMPLETED
    assert race.first_to_show is race.first_to_finish is race.choice(race.lanes[0]) is race.lanes[1]
    assert await race.keep(race.lanes[1])
    await track.reopened()


async def test_reading_no_further_stops_and_saves_all_lanes(track: Track) -> None:
    race = Race(track.runtime, track.session, THREE, text="long 5000")
    async with contextlib.aclosing(race.run()) as stream:
        async for _, event in stream:
            if isinstance(event, TextDelta):
                break
    assert race.is_over
    assert {turn.outcome for turn in turns_of(race)} <= {Outcome.CANCELLED}
    assert track.rows("SELECT count(*) FROM turns WHERE outcome IS NULL") == [(0,)]


async def test_quitting_during_a_race_saves_all_lanes(server: DemoServer, tmp_path: Path) -> None:
    seen: set[int] = set()
    async with opened(server.base_url, tmp_path / "data") as track:
        race = Race(track.runtime, track.session, THREE, text="long 5000")

        def watch(lane: Lane, event: Event) -> None:
            if isinstance(event, TextDelta):
                seen.add(lane.number)

        running = asyncio.create_task(run(race, watch))
        await until(lambda: len(seen) == 3)
    await running
    store = await Store.open(tmp_path / "data" / "conversations.db")
    conversation = await store.load(track.session.conversation.id)
    await store.close()
    assert conversation is not None
    (shown,) = conversation.turns
    assert shown.outcome is Outcome.CANCELLED
    assert shown.text
    assert len(conversation.versions[shown.id]) == 3


async def test_after_a_crash_every_lane_is_there_as_far_as_it_had_come(track: Track, tmp_path: Path) -> None:
    copy = tmp_path / "crashed.db"
    race = Race(track.runtime, track.session, THREE, text="long 5000")
    running = asyncio.create_task(run(race))
    count = "SELECT count(DISTINCT turn_id) FROM journal WHERE event LIKE '%text_delta%'"
    await until(lambda: track.rows(count) == [(3,)])
    with contextlib.closing(sqlite3.connect(track.path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    race.cancel_all()
    await running
    orphan(copy)

    store = await Store.open(copy)
    conversation = await store.load(track.session.conversation.id)
    assert conversation is not None
    (shown,) = conversation.turns
    versions = conversation.versions[shown.id]
    assert versions == tuple(turn.id for turn in turns_of(race))
    for turn in turns_of(race):
        back = await store.turn(turn.id)
        assert back is not None
        assert back.error is not None
        assert (back.outcome, back.error.type, back.prompt) == (Outcome.FAILED, "interrupted", race.prompt)
        assert back.text
        assert turn.text.startswith(back.text)
    await store.close()


async def test_without_a_file_it_is_the_same(server: DemoServer, tmp_path: Path) -> None:
    async with opened(server.base_url, tmp_path / "data", in_memory=True) as track:
        race = Race(track.runtime, track.session, THREE, text="hello")
        await run(race)
        assert await race.keep(race.lanes[2])
        (kept,) = track.session.conversation.turns
        assert await track.session.switch(kept, -2)
        assert track.session.conversation.turns == [race.lanes[0].turn]


async def test_a_prompt_that_cannot_be_stored_does_not_race_but_may_go_unsaved(
    impatient: None, server: DemoServer, tmp_path: Path
) -> None:
    async with opened(server.base_url, tmp_path / "data") as track:
        with locked(track.path):
            race = Race(track.runtime, track.session, (SONNET, HAIKU), text="hello")
            with pytest.raises(NotSavedError, match="not saved"):
                await run(race)
            assert asked(server) == []
            assert track.session.conversation.turns == []
            race = Race(track.runtime, track.session, (SONNET, HAIKU), text="hello", unsaved=True)
            await run(race)
            assert [lane.saved for lane in race.lanes] == [False, False]
            assert await race.keep(race.lanes[1])
        assert track.rows("SELECT * FROM turns") == []
        await expect_completed(track.session, "and now?")  # the lanes are stored with it
        await track.session.close()
        conversation = await track.runtime.store.load(track.session.conversation.id)
        assert conversation is not None
        assert [turn.model for turn in conversation.turns] == [HAIKU, track.session.model]
        # Their order is the one in which they were stored.
        assert {*conversation.versions[conversation.turns[0].id]} == {turn.id for turn in turns_of(race)}


async def test_tools_are_off_in_a_race(track: Track, server: DemoServer) -> None:
    track.session.tools_on = True
    race = Race(track.runtime, track.session, (SONNET, HAIKU), text="tools")
    assert race.without_tools
    await run(race)
    assert all("tools" not in request.body for request in asked(server))
    assert track.session.tools_on


async def test_what_cannot_race(track: Track) -> None:
    session = track.session
    for models, text in (((SONNET,), "hello"), ((SONNET,) * 5, "hello"), ((SONNET, HAIKU), "  ")):
        with pytest.raises(UsageError):
            Race(track.runtime, session, models, text=text)
    race = Race(track.runtime, session, (SONNET, HAIKU), text="hello")
    with pytest.raises(UsageError, match="not over"):
        await race.keep(race.lanes[0])
    reading = session.send("long")
    await anext(reading)
    with pytest.raises(UsageError, match="a turn is running"):
        Race(track.runtime, session, (SONNET, HAIKU), text="hello")
    await reading.aclose()


async def test_it_is_measured_from_each_lanes_own_request(track: Track) -> None:
    race = Race(track.runtime, track.session, (SONNET, HAIKU), text="flaky")  # two attempts fail, the third shows
    await run(race)
    for lane in race.lanes:
        turn = lane.turn
        assert turn is not None
        if len(turn.requests) > 1:
            first = turn.requests[-1].stamps.first_delta
            assert first is not None
            assert lane.first_token_after == first - turn.requests[0].stamps.sent
            assert turn.ttft is not None
            assert lane.first_token_after > turn.ttft  # the waits between the attempts count here


@pytest.fixture(scope="module")
def server() -> Any:
    with demo_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _own_requests(server: DemoServer) -> None:
    server.requests.clear()
