"""A turn that is cut at any event, by a stop or by a crash: stored, loaded, and followed by a request that the API accepts."""

import dataclasses
from pathlib import Path

import pytest

from tests.e2e.sessions import end_of, open_chat, run_turn
from tests.e2e.test_tool_loop import ALL, recorders
from tests.lanes import lane, sample
from tests.unit.legal import MODEL, why_refused
from tests.unit.store_values import conversation, new_id, prompt, stored, take
from tests.unit.test_store_recovery import interrupted, orphan
from tui_chat import turns
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.demo import DemoServer
from tui_chat.engine import retry
from tui_chat.engine.history import CONTINUE, messages_for
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.store import Store

WORDS = ("tools", "tool 3", "slowtool", "pause 2", "search", "sources", "odd", "thinking", "flaky", "cut", "limit")
every_word = pytest.mark.parametrize("word", WORDS)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.01)


async def events_of(word: str, server: DemoServer, folder: Path) -> list[Event]:
    """All events of the turn that `word` makes, with tools on."""
    async with open_chat(server.base_url, folder, tools=recorders(), allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        events = await run_turn(session, word)
        assert end_of(events).outcome is (Outcome.FAILED if word == "cut" else Outcome.COMPLETED)
        return events


def begun(started: Event, talk: Conversation) -> Turn:
    """A turn of `talk` that begins as `started` says."""
    assert isinstance(started, TurnStarted)
    own = dataclasses.replace(started, turn_id=new_id("turn"), reply_id=new_id("reply"), prompt=prompt("cut me"))
    return turns.begin(dataclasses.replace(own, conversation_id=talk.id, model=MODEL))


def expect_legal(turn: Turn, where: str) -> None:
    """Whatever follows `turn`, to whatever model, is accepted."""
    for following in ("and now?", CONTINUE):
        for model in (MODEL, "claude-opus-5-5", "claude-opus-4-6"):
            assert why_refused(messages_for([turn], prompt(following), model), model) is None, where


@lane(240)
@every_word
async def test_a_turn_that_is_stopped_at_any_event(word: str, server: DemoServer, tmp_path: Path) -> None:
    events = await events_of(word, server, tmp_path / "live")
    store = await Store.open(tmp_path / "cut.db")
    for cut in sample(range(1, len(events)), seed=len(word)):
        talk = conversation()
        turn = begun(events[0], talk)
        take(turn, events[1:cut])
        at = events[cut - 1].at
        take(turn, [TurnEnded(at, Outcome.CANCELLED, None, turn.usage.fields, usage_is_final=False)])
        await store.begin_turn(talk, turn)
        await store.end_turn(talk, turn)
        loaded = await store.load(talk.id)
        assert loaded is not None
        assert loaded.turns == [stored(turn)]
        expect_legal(loaded.turns[0], f"cut at event {cut} of {len(events)}")
        messages = [messages_for([each], prompt("and now?"), MODEL)[:-1] for each in (turn, loaded.turns[0])]
        assert messages[0] == messages[1]
    await store.close()


@lane(240)
@every_word
async def test_a_turn_whose_program_dies_at_any_event(word: str, server: DemoServer, tmp_path: Path) -> None:
    """What was journalled until then is what there is, however the journal was cut into writes."""
    events = await events_of(word, server, tmp_path / "live")
    path = tmp_path / "crashed.db"
    store = await Store.open(path)
    live: dict[str, tuple[Turn, int]] = {}
    for cut in sample(range(1, len(events)), seed=len(word) + 1):
        talk = conversation()
        turn = begun(events[0], talk)
        await store.begin_turn(talk, turn)
        for start in range(1, cut, 1 + cut // 3):
            await store.journal(turn.id, events[start : min(cut, start + 1 + cut // 3)])
        take(turn, events[1:cut])
        live[talk.id] = turn, cut
    await store.close()
    orphan(path)
    store = await Store.open(path)
    for talk_id, (turn, cut) in live.items():
        loaded = await store.load(talk_id)
        assert loaded is not None
        (back,) = loaded.turns
        assert back == interrupted(turn, events[cut - 1].at)
        assert all(call.result is not None for call in back.calls)
        expect_legal(back, f"died after event {cut} of {len(events)}")
    await store.close()
