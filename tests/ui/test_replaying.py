"""Recordings in the app: what a person sees and does while one plays, and `/record`."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.ui.conftest import Chat, OpenChat
from tui_chat.config import Flags, load
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer
from tui_chat.recordings import Recording, read
from tui_chat.recordings.player import Player, Playlist
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.screens.replaying import FOLDER
from tui_chat.ui.screens.turn_details import TurnDetailsScreen

FIXTURE = Path(__file__).parents[1] / "fixtures" / "recordings" / "tools.jsonl"


@asynccontextmanager
async def replaying(
    tmp_path: Path, *recordings: Recording, player: Player | None = None, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[Chat]:
    """The app with the recordings, the fixture by default, as fast as they play by default."""
    playlist = Playlist(recordings or (read(FIXTURE),), player or Player(math.inf))
    app = TuiChatApp(load(Flags(data_dir=tmp_path / "data"), {}), store_conversations=False, playlist=playlist)
    async with app.run_test(size=size) as pilot:
        chat = Chat(app, pilot)
        await chat.until(lambda: app.chat.session is not None and bool(app.chat.session.conversation.turns))
        yield chat


def turn_of(chat: Chat) -> Turn:
    session = chat.app.chat.session
    assert session is not None
    assert session.turn is not None
    return session.turn


async def over(chat: Chat) -> None:
    """Wait until all is played and shown."""
    await chat.until(lambda: not chat.app.chat.busy and chat.app.chat.log_widget.settled)
    await chat.pilot.pause()


async def test_a_recording_plays_to_its_end_without_a_network_or_a_database(tmp_path: Path) -> None:
    async with replaying(tmp_path, size=(100, 60)) as chat:
        await over(chat)
        assert turn_of(chat) == replace(
            read(FIXTURE).turn(), conversation_id=turn_of(chat).conversation_id, prompt=turn_of(chat).prompt
        )
        assert "README.md  30 bytes" in turn_of(chat).text
        assert "thought for" in chat.log
        assert chat.status.startswith(" replay ended  demo")
        assert "r from the start" in chat.status
        runtime = chat.app.runtime
        assert runtime.client._loading is None  # the SDK was not wanted
        assert runtime._demo is None
        assert len(list(runtime.wire)) == 2  # the inspector has something to show
    assert not [path for path in _files(tmp_path / "data") if path.suffix == ".db"]


async def test_a_step_is_one_event(tmp_path: Path) -> None:
    async with replaying(tmp_path, player=Player(1.0, paused=True)) as chat:
        assert "replay 1x paused" in chat.status
        assert "Space goes on" in chat.status
        player, deltas = _player(chat), 0
        for _ in range(40):
            await chat.press("full_stop")
            await chat.until(lambda: player.steps_left == 0)
            assert 0 <= _deltas(chat) - deltas <= 1
            deltas = _deltas(chat)
        assert deltas > 10
        (capture,) = chat.app.runtime.wire
        assert capture.frames >= deltas  # counted as they come, for who looks at the turn's details meanwhile
        assert "paused" in chat.status
        status = chat.status
        await chat.pilot.pause(0.15)
        assert chat.status == status  # its clock stands still


def _player(chat: Chat) -> Player:
    player = chat.app.chat.player
    assert player is not None
    return player


def _deltas(chat: Chat) -> int:
    return sum(request.delta_count for request in turn_of(chat).requests)


async def test_the_wire_is_stepped_through_beside_the_log(tmp_path: Path) -> None:
    player = Player(1.0, paused=True)
    async with replaying(tmp_path, player=player, size=(140, 30)) as chat:
        await chat.press("f2")
        await chat.until(lambda: chat.app.chat.wire_has_focus)
        assert "p goes on  . steps" in chat.status
        for _ in range(12):
            await chat.press("full_stop")
        await chat.until(lambda: player.steps_left == 0)
        (capture,) = chat.app.runtime.wire
        assert capture.received == sum(len(data) for _, data in capture.chunks) > 0
        assert chat.app.chat.wire is not None
        rows = chat.app.chat.wire.model
        await chat.until(lambda: rows.events > 3)
        await chat.press("p")
        assert "replay 1x  " in chat.status
        await chat.press("space")
        assert "replay 1x  " in chat.status  # that key is the list's
        assert chat.draft == ""


async def test_keys_set_the_pace(tmp_path: Path) -> None:
    async with replaying(tmp_path, player=Player(1.0, paused=True)) as chat:
        await chat.press("plus")
        assert "replay 2x paused" in chat.status
        await chat.press("minus", "minus")
        assert "replay 0.5x paused" in chat.status
        await chat.press("space")
        assert "replay 0.5x  " in chat.status
        assert "Space pauses" in chat.status
        await chat.press("p")
        assert "paused" in chat.status
        await chat.press(*["plus"] * 9)
        assert "replay max paused" in chat.status
        assert turn_of(chat).outcome is None
        await chat.press("space")
        await over(chat)
        assert turn_of(chat).outcome is Outcome.COMPLETED


async def test_the_letters_of_the_log_mean_the_turn_that_is_played(tmp_path: Path) -> None:
    """The log was empty when it got the focus, so there was no message to point at."""
    async with replaying(tmp_path) as chat:
        await over(chat)
        await chat.press("i")
        assert isinstance(chat.app.screen, TurnDetailsScreen)
        await chat.press("escape")
        assert chat.app.chat.log_widget.cursor_turn == turn_of(chat).id


async def test_it_plays_from_the_start_again(tmp_path: Path) -> None:
    async with replaying(tmp_path) as chat:
        await over(chat)
        first = turn_of(chat)
        _player(chat).pause()
        await chat.press("r")
        await chat.until(lambda: turn_of(chat) is not first)
        assert (chat.turn_count, turn_of(chat).requests) == (1, [])
        await chat.press("space")
        await over(chat)
        assert turn_of(chat).text == first.text
        assert turn_of(chat).requests == first.requests


async def test_escape_stops_it(tmp_path: Path) -> None:
    player = Player(1.0, paused=True)
    async with replaying(tmp_path, read(FIXTURE), read(FIXTURE).under_new_ids(), player=player) as chat:
        await chat.press(*["full_stop"] * 20)
        await chat.until(lambda: player.steps_left == 0)
        await chat.press("escape")
        await over(chat)
        assert turn_of(chat).outcome is Outcome.CANCELLED
        assert "stopped by you" in chat.log
        assert "closed in" not in chat.log  # there was nothing to close
        assert chat.turn_count == 1  # and nothing follows


async def test_what_is_typed_goes_to_the_composer(tmp_path: Path) -> None:
    async with replaying(tmp_path, player=Player(1.0, paused=True)) as chat:
        await chat.press("h", "i", "space", "r", "full_stop", "plus")
        assert chat.draft == "hi r.+"
        assert "replay 1x paused" in chat.status
        assert not turn_of(chat).requests
        await chat.press("enter")
        assert chat.app.chat.queue.texts == ("hi r.+",)


async def test_a_replay_sends_nothing(tmp_path: Path) -> None:
    async with replaying(tmp_path, read(FIXTURE)) as chat:
        await over(chat)
        await chat.press("tab", "h", "i", "enter")
        await chat.until(lambda: any("a replay sends nothing" in each.message for each in chat.app._notifications))
        assert chat.draft == "hi"
        assert chat.turn_count == 1
        assert chat.app.runtime.client.offline


async def test_several_recordings_are_one_conversation(tmp_path: Path) -> None:
    recordings = read(FIXTURE), read(FIXTURE).under_new_ids()
    async with replaying(tmp_path, *recordings) as chat:
        await over(chat)
        session = chat.app.chat.session
        assert session is not None
        first, second = session.conversation.turns
        assert second.prompt.parent_id == first.reply_id
        assert first.text == second.text


async def test_half_a_recording_ends_as_what_it_is(tmp_path: Path) -> None:
    half = tmp_path / "half.jsonl"
    half.write_bytes(FIXTURE.read_bytes()[:14_000])
    async with replaying(tmp_path, read(half)) as chat:
        await over(chat)
        assert turn_of(chat).outcome is Outcome.FAILED
        assert turn_of(chat).error is not None
        assert "the program ended before the reply did" in chat.log


async def test_an_approval_that_was_given_asks_nobody(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat() as chat:
        session = chat.app.chat.session
        assert session is not None
        session.tools_on = True
        await chat.send("tool")
        await chat.until(lambda: chat.turn_count == 1 and any(call.waiting for call in turn_of(chat).calls))
        (call,) = turn_of(chat).calls
        session.answer(call.tool_use_id, call.input_hash, allow=True)
        await over(chat)
        await chat.send("/record")
        await chat.until(lambda: "recorded in" in _toasts(chat))
        run = turn_of(chat)
    (path,) = _files(tmp_path / "data" / FOLDER)
    async with replaying(tmp_path, read(path), player=Player(math.inf, paused=True)) as chat:
        while not any(each.waiting for each in turn_of(chat).calls):
            await chat.press("full_stop")
            await chat.until(lambda: _player(chat).steps_left == 0)
        assert "approval: " in chat.status
        assert "Esc stops" in chat.status  # there is nothing to deny
        await chat.press("p")
        await over(chat)
        assert len(chat.app.screen_stack) == 1
        assert turn_of(chat).requests == run.requests
        assert [call.allowed for call in turn_of(chat).calls] == [True]


async def test_every_turn_of_the_app_is_recorded(server: DemoServer, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    flags = Flags(base_url=server.base_url, data_dir=tmp_path / "data", record=folder)
    app = TuiChatApp(load(flags, {}))
    async with app.run_test(size=(100, 30)) as pilot:
        chat = Chat(app, pilot)
        await chat.until(lambda: app.chat.session is not None)
        await chat.say("nobody has made the folder")
        await chat.until(lambda: "a reply could not be recorded whole in" in _toasts(chat))
        assert turn_of(chat).outcome is Outcome.COMPLETED
        folder.mkdir()
        await chat.say("thinking")
        await chat.press("ctrl+n")
        await chat.say("list")
        turns = [turn_of(chat)]
    paths = sorted(_files(folder))
    assert [read(path).started.prompt.text for path in paths] == ["thinking", "list"]
    assert read(paths[-1]).turn() == turns[0]
    assert [read(path).header.stored for path in paths] == [True, True]


async def test_the_last_turn_is_recorded_afterwards(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat() as chat:
        await chat.send("/record")
        await chat.until(lambda: "no turn of this run" in _toasts(chat))
        await chat.say("thinking")
        await chat.send(f"/record {tmp_path}/elsewhere")
        await chat.until(lambda: "recorded in" in _toasts(chat))
        (path,) = _files(tmp_path / "elsewhere")
        assert str(path) in _toasts(chat)
        assert read(path).turn() == turn_of(chat)
        (tmp_path / "file").touch()
        await chat.send(f"/record {tmp_path}/file")
        await chat.until(lambda: "not recorded" in _toasts(chat))
    async with open_chat(continue_last=True) as chat:
        await chat.send("/record")
        await chat.until(lambda: "no turn of this run" in _toasts(chat))


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def _toasts(chat: Chat) -> str:
    return " ".join(toast.message for toast in chat.app._notifications)
