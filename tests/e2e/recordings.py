"""Turns that are recorded while they run, and sessions that replay them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.sessions import Chat, run_turn
from tests.unit.grammar import check_turn
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Turn
from tui_chat.engine.client import ApiClient
from tui_chat.events import Event
from tui_chat.meter import Figures, Ratios, figures
from tui_chat.prices import PriceList
from tui_chat.recordings import Recording, read
from tui_chat.recordings.player import Player
from tui_chat.recordings.recorder import RecordingFolder
from tui_chat.session import ChatSession
from tui_chat.store import Store
from tui_chat.wire import Capture, WireLog


@dataclass
class Run:
    """A turn that has ended: what was said, what it is, what went over the wire."""

    session: ChatSession
    events: list[Event]

    @property
    def turn(self) -> Turn:
        assert self.session.turn is not None
        return self.session.turn

    @property
    def captures(self) -> list[Capture]:
        return self.session.wire.of_turn(self.turn.id)

    def expect_same(self, other: "Run") -> None:
        """The same bytes, events, turn and figures, in every part."""
        assert self.events == other.events
        assert all_of(self.turn) == all_of(other.turn)
        assert figures_of(self.turn) == figures_of(other.turn)
        assert [wire_of(capture) for capture in self.captures] == [wire_of(capture) for capture in other.captures]


def all_of(turn: Turn) -> dict[str, Any]:
    """Every slot, those too that do not count when turns are compared."""
    return {name: getattr(turn, name) for name in Turn.__slots__}


def figures_of(turn: Turn) -> Figures:
    return figures(turn, 0.0, Ratios(), PriceList.load(Path("none")))


def wire_of(capture: Capture) -> dict[str, Any]:
    """What a capture holds, but for whom it tells."""
    held = {name: getattr(capture, name) for name in Capture.__slots__ if name not in ("tap", "_log")}
    if not capture.method:  # it never left, so nobody has written down when it did
        del held["started_at"]
    return held | {"chunks": list(capture.chunks)}


def recorded_session(chat: Chat, folder: Path) -> ChatSession:
    """A session whose turns are recorded in `folder`."""
    recordings = RecordingFolder(folder, stores=True)
    folder.mkdir(exist_ok=True)
    session = ChatSession(chat.config, chat.client, chat.store, None, chat.requests, recordings=recordings)
    chat.sessions.append(session)
    return session


async def record(
    chat: Chat,
    folder: Path,
    text: str,
    *,
    tools_on: bool = False,
    when: Callable[[Event], bool] | None = None,
    do: Callable[[ChatSession], object] = lambda session: session.cancel(),
) -> tuple[Run, Path]:
    """A turn of a new session, and the file that was written of it; at the first event that `when` holds for, `do`."""
    session = recorded_session(chat, folder)
    session.tools_on = tools_on
    events = await run_turn(session, text, when=when, do=None if when is None else lambda: do(session))
    await session.close()
    run = Run(session, events)
    return run, folder / f"{run.turn.id}.jsonl"


@contextlib.asynccontextmanager
async def replaying(recording: Recording) -> AsyncIterator[ChatSession]:
    """A session without a network or a file, whose conversation is the recorded one."""
    config = Config(Path("none"), Path("none"), base_url="http://127.0.0.1:9", has_credentials=False)
    store = await Store.open(None)
    conversation = Conversation(recording.started.conversation_id, 0.0)
    session = ChatSession(config, ApiClient(config), store, conversation, wire=WireLog())
    try:
        yield session
    finally:
        await session.close()
        await store.close()


async def replay(path: Path, player: Player | None = None) -> Run:
    """The recording in `path`, played to its end, as fast as it goes unless `player` says otherwise."""
    recording = read(path)
    async with replaying(recording) as session:
        async with contextlib.aclosing(session.replay(recording, player or Player(float("inf")))) as stream:
            events = [event async for event in stream]
        check_turn(events)
        return Run(session, events)
