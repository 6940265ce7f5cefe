"""A turn is recorded over real HTTP and played again: the same bytes, events, turn and figures, whatever the server did."""

import asyncio
import errno
import json
import math
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.recordings import all_of, figures_of, record, recorded_session, replay, replaying, wire_of
from tests.e2e.sessions import Chat, Condition, end_of, open_chat, run_turn
from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER
from tests.unit.raw_server import Answer, raw_server
from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.engine.client import ApiClient
from tui_chat.events import (
    ApprovalRequested,
    Event,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ToolEnded,
    TurnEnded,
    TurnStarted,
)
from tui_chat.recordings import read
from tui_chat.recordings.format import Chunk, RequestLeft
from tui_chat.recordings.player import Player
from tui_chat.recordings.recorder import write_afterwards
from tui_chat.session import ChatSession, State
from tui_chat.wire import HIDDEN

PLAIN = (FOLDER / "plain.sse").read_bytes()
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "all at once"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 40},
}
ALL = frozenset({"calculator", "current_time", "read_file"})


def is_a(kind: type[Event]) -> Condition:
    return lambda event: isinstance(event, kind)


# The same again -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["hello", "table", "thinking", "sources", "odd", "refuse", "error", "eof"])
async def test_a_turn_of_the_demo_happens_again(chat: Chat, tmp_path: Path, prompt: str) -> None:
    run, path = await record(chat, tmp_path / "recordings", prompt)
    run.expect_same(await replay(path))
    assert read(path).events() == run.events
    assert all_of(read(path).turn()) == all_of(run.turn)


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.sse"))])
async def test_whatever_a_server_sends_comes_again(name: str, tmp_path: Path) -> None:
    body = (FOLDER / f"{name}.sse").read_bytes()
    async with raw_server(raw.stream(body, chunk=97)) as server, open_chat(server.base_url, tmp_path) as chat:
        run, path = await record(chat, tmp_path / "recordings", "go")
    run.expect_same(await replay(path))


@pytest.mark.parametrize(
    "answers",
    [
        (raw.error("529 Overloaded", "overloaded_error", retry_after="0"), raw.stream(PLAIN)),
        (raw.error("400 Bad Request", "invalid_request_error", "messages: at least one is required"),),
        (raw.chunked(PLAIN[:700]),),
        (raw.chunked(PLAIN[:700], end=raw.Exchange.reset),),
        (raw.document(json.dumps(MESSAGE).encode()),),
        (raw.document(b"<html><body>no</body></html>", content_type="text/html"),),
        (raw.document(b""),),
        (raw.left_open(PLAIN[:500]),),
        (raw.left_open(PLAIN),),
        (raw.stream(PLAIN.replace(b"Hello", "H\u00e9llo \U0001f600".encode()), chunk=1),),
        (raw.stream(PLAIN.replace(b"Hello", b"\xff\xfe"), chunk=3),),
    ],
    ids=[
        "retry",
        "refused",
        "cut",
        "reset",
        "document",
        "page",
        "nothing",
        "silence",
        "left open",
        "characters",
        "no-utf-8",
    ],
)
async def test_failures_and_odd_answers_come_again(answers: tuple[Answer, ...], tmp_path: Path) -> None:
    timeouts = Timeouts(idle=0.3)
    async with raw_server(*answers) as server, open_chat(server.base_url, tmp_path, timeouts) as chat:
        run, path = await record(chat, tmp_path / "recordings", "go")
    run.expect_same(await replay(path))


async def test_a_server_that_is_not_there_is_not_there_again(tmp_path: Path) -> None:
    async with open_chat("http://127.0.0.1:9", tmp_path) as chat:
        run, path = await record(chat, tmp_path / "recordings", "go", when=is_a(RetryScheduled))
    run.expect_same(await replay(path))


async def test_tools_do_not_run_again_but_have_their_results(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, allow_tools=ALL) as chat:
        run, path = await record(chat, tmp_path / "recordings", "tools", tools_on=True)
    assert len(run.turn.calls) > 1
    assert all(call.result for call in run.turn.calls)
    run.expect_same(await replay(path))  # the session that plays it has no tools at all


async def test_an_approval_is_given_again_as_it_was(server: DemoServer, tmp_path: Path) -> None:
    def deny(session: ChatSession) -> None:
        assert session.turn is not None
        (call,) = session.turn.calls
        assert session.answer(call.tool_use_id, call.input_hash, allow=False)

    async with open_chat(server.base_url, tmp_path) as chat:
        run, path = await record(
            chat, tmp_path / "recordings", "tool", tools_on=True, when=is_a(ApprovalRequested), do=deny
        )
    assert [call.skipped for call in run.turn.calls] == ["denied"]
    run.expect_same(await replay(path))


@pytest.mark.parametrize("when", [RequestStarted, TextDelta, ApprovalRequested, RetryScheduled])
async def test_a_turn_that_was_stopped_stops_again(server: DemoServer, tmp_path: Path, when: type[Event]) -> None:
    prompt = {ApprovalRequested: "tool", RetryScheduled: "overloaded"}.get(when, "long")
    async with open_chat(server.base_url, tmp_path) as chat:
        run, path = await record(chat, tmp_path / "recordings", prompt, tools_on=True, when=is_a(when))
    assert run.turn.outcome is Outcome.CANCELLED
    assert run.turn.closed_after is not None
    run.expect_same(await replay(path))


async def test_afterwards_the_same_is_written(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, allow_tools=ALL) as chat:
        for prompt in ("tool", "html", "cut", "error", "flaky", "poison"):
            run, path = await record(chat, tmp_path / "recordings", prompt, tools_on=True)
            later = write_afterwards(tmp_path / "later", run.session.said, run.captures, stores=True)
            assert later.read_bytes() == path.read_bytes()
            assert stat.S_IMODE(later.stat().st_mode) == 0o600


async def test_what_is_replayed_can_be_recorded(chat: Chat, tmp_path: Path) -> None:
    run, path = await record(chat, tmp_path / "recordings", "thinking")
    again = await replay(path)
    later = write_afterwards(tmp_path / "later", again.session.said, again.captures, stores=True)
    assert later.read_bytes() == path.read_bytes()
    run.expect_same(await replay(later))


async def test_another_recording_of_the_turn_stays(chat: Chat, tmp_path: Path) -> None:
    run, path = await record(chat, tmp_path, "thinking")
    before = path.read_bytes()
    assert write_afterwards(tmp_path, run.session.said, run.captures, stores=True) == path  # it is there already
    run.captures[0].chunks.drop()  # as if less had been played
    other = write_afterwards(tmp_path, run.session.said, run.captures, stores=True)
    assert other.name == f"{path.stem}-2.jsonl"
    assert path.read_bytes() == before


# Time ---------------------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that goes only when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        """Let the time pass at once."""
        assert seconds is not None
        self.now += seconds


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
async def test_every_event_comes_in_its_time(chat: Chat, tmp_path: Path, speed: float) -> None:
    run, path = await record(chat, tmp_path / "recordings", "thinking")
    clock, recording = Clock(), read(path)
    player = Player(speed, clock=clock, wait=clock.wait)
    began, first = clock.now, recording.started.at
    async with replaying(recording) as session:
        async for event in session.replay(recording, player):
            if isinstance(event, TurnStarted):
                continue
            # The queue may hold what came since: the clock stands where the latest event is.
            assert session.now() >= event.at
            assert clock.now - began == pytest.approx((session.now() - first) / speed)
        assert session.turn is not None
        assert figures_of(session.turn) == figures_of(run.turn)
    assert clock.now - began == pytest.approx(recording.duration / speed)


async def test_a_replay_is_stopped_like_any_turn(chat: Chat, tmp_path: Path) -> None:
    run, path = await record(chat, tmp_path / "recordings", "table")
    recording, player = read(path), Player(math.inf)
    async with replaying(recording) as session:
        events = []
        async for event in session.replay(recording, player):
            events.append(event)
            if isinstance(event, TextDelta):
                session.cancel()
        ended = end_of(events)
        assert (ended.outcome, ended.closed_after) == (Outcome.CANCELLED, None)
        assert player.stopped
        assert session.state is State.IDLE
        assert session.turn is not None
        assert run.turn.text.startswith(session.turn.text)
        assert not session.turn.requests[-1].usage_is_final


# The recorder -------------------------------------------------------------------------------------------------------------


async def test_a_recording_holds_the_bytes_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-ant-api03-abcdefghijklmnop"
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    answers = (
        raw.error("529 Overloaded", "overloaded_error", f"no room for {key}", retry_after="0", set_cookie="a=tasty"),
        raw.error("401 Unauthorized", "authentication_error", f"{key} is not valid", x_api_key_seen=key),
    )
    async with raw_server(*answers) as server, open_chat(server.base_url, tmp_path) as chat:
        chat.client = client = ApiClient(replace(chat.config, has_credentials=True))
        run, path = await record(chat, tmp_path / "recordings", "go")
        assert any(key in value for value in server.exchanges[0].headers.values())
        await client.close()
    written = path.read_text(encoding="ascii")
    assert key not in written
    assert "tasty" not in written
    assert run.turn.error is not None
    assert key in run.turn.error.message  # the user's own screen may show it
    lefts = [each for each in read(path).records if isinstance(each, RequestLeft)]
    assert all(HIDDEN in dict(left.headers).values() for left in lefts)
    assert json.loads(lefts[0].body)["messages"][0]["content"][0]["text"] == "go"


async def test_the_bytes_are_the_server_s(tmp_path: Path) -> None:
    async with raw_server(raw.stream(PLAIN, chunk=50)) as server, open_chat(server.base_url, tmp_path) as chat:
        run, path = await record(chat, tmp_path / "recordings", "go")
    chunks = [each for each in read(path).records if isinstance(each, Chunk)]
    assert b"".join(each.data for each in chunks) == PLAIN
    assert [(each.at, each.data) for each in chunks] == list(run.captures[0].chunks)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
async def test_a_full_disk_ends_the_recording_and_not_the_turn(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> IO[bytes]:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr("tui_chat.recordings.recorder._new_file", full)
    told: list[str] = []
    session = recorded_session(chat, tmp_path / "recordings")
    assert session._recordings is not None
    session._recordings.told = told.append
    for _ in range(2):
        ended = end_of(await run_turn(session, "hello"))
        assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, True)
    await session.close()
    assert len(told) == 1
    assert os.strerror(errno.ENOSPC) in told[0]


async def test_a_folder_that_is_gone_ends_the_recording_and_not_the_turn(chat: Chat, tmp_path: Path) -> None:
    told: list[str] = []
    session = recorded_session(chat, tmp_path / "recordings")
    assert session._recordings is not None
    session._recordings.told = told.append
    (tmp_path / "recordings").rmdir()
    assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
    await session.close()
    assert len(told) == 1


async def test_a_recording_can_be_cut_anywhere(server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path, allow_tools=ALL) as chat:
        run, path = await record(chat, tmp_path / "recordings", "tool", tools_on=True)
    whole, cut = path.read_bytes(), tmp_path / "cut.jsonl"
    first = whole.index(b"\n", whole.index(b"turn_started")) + 1
    places = [first, *range(first, len(whole), len(whole) // 60), len(whole) - 1]
    for place in places:
        cut.write_bytes(whole[:place])
        again = await replay(cut)
        assert again.events == read(cut).events()
        ended = end_of(again.events)
        if read(cut).ended is None:
            assert (ended.outcome, ended.error and ended.error.type) == (Outcome.FAILED, "interrupted")
            assert ended.at == read(cut).records[-1].at
        known = [event for event in again.events if event in run.events]
        assert known == run.events[: len(known)]
    assert wire_of(run.captures[0])["body"]


async def test_a_turn_that_is_gone_on_with_and_repeated_is_recorded_each_time(chat: Chat, tmp_path: Path) -> None:
    session = recorded_session(chat, tmp_path / "recordings")
    await run_turn(session, "hello")
    await run_turn(session, "and again")
    await session.close()
    recordings = [read(path) for path in sorted((tmp_path / "recordings").iterdir())]
    assert [each.started.prompt.text for each in recordings] == ["hello", "and again"]
    assert recordings[1].started.prompt.parent_id == recordings[0].started.reply_id
    async with replaying(recordings[0]) as once_more:
        for recording in recordings:
            async for event in once_more.replay(recording, Player(math.inf)):
                if isinstance(event, TurnEnded):
                    assert event == recording.ended
        assert [turn.text for turn in once_more.conversation.turns] == [
            turn.text for turn in session.conversation.turns
        ]
        assert once_more.conversation.turns[1].prompt.parent_id == recordings[0].started.reply_id


def test_tool_results_are_events_of_their_own() -> None:
    """What a tool gave back is in no byte that came: it has to be said."""
    from tui_chat.recordings.format import is_said  # the only thing here that needs no session

    assert is_said(ToolEnded(1.0, "toolu_1", "42"))
    assert not is_said(TextDelta(1.0, 0, "42"))
