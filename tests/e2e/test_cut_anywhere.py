"""A turn that is cut at any event: stored, loaded, and followed by a request that the API accepts."""

import dataclasses
from pathlib import Path

import pytest

from tests.e2e.sessions import end_of, open_chat, run_turn
from tests.e2e.test_tool_loop import ALL, recorders
from tests.lanes import lane, sample
from tests.unit.legal import MODEL, why_refused
from tests.unit.store_values import conversation, new_id, prompt, stored
from tui_chat import turns
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.demo import DemoServer
from tui_chat.engine.history import CONTINUE, messages_for
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.store import Store

WORDS = ("tools", "tool 3", "slowtool", "pause 2", "search", "sources", "odd", "thinking", "flaky", "cut", "limit")


def cut_turn(events: list[Event], talk: Conversation) -> Turn:
    """A turn of `talk` with `events`, stopped where they end."""
    started = events[0]
    assert isinstance(started, TurnStarted)
    own = dataclasses.replace(
        started,
        conversation_id=talk.id,
        turn_id=new_id("turn"),
        reply_id=new_id("reply"),
        prompt=prompt("cut me"),
        model=MODEL,
    )
    turn = turns.fold([own, *events[1:]])
    at = events[-1].at
    turns.apply(turn, TurnEnded(at, Outcome.CANCELLED, None, turn.usage.fields, usage_is_final=False))
    return turn


@lane(240)
@pytest.mark.parametrize("word", WORDS)
async def test_a_turn_that_is_cut_at_any_event(word: str, server: DemoServer, tmp_path: Path) -> None:
    async with open_chat(server.base_url, tmp_path / "live", tools=recorders(), allow_tools=ALL) as chat:
        session = chat.session()
        session.tools_on = True
        events = await run_turn(session, word)
        assert end_of(events).outcome is (Outcome.FAILED if word == "cut" else Outcome.COMPLETED)
    store = await Store.open(tmp_path / "cut.db")
    for cut in sample(range(1, len(events)), seed=len(word)):
        talk = conversation()
        turn = cut_turn(events[:cut], talk)
        await store.begin_turn(talk, turn)
        await store.end_turn(talk, turn)
        loaded = await store.load(talk.id)
        assert loaded is not None
        assert loaded.turns == [stored(turn)]
        for following in ("and now?", CONTINUE):
            messages = messages_for(loaded.turns, prompt(following), MODEL)
            assert why_refused(messages) is None, f"cut at event {cut} of {len(events)}"
            assert messages == messages_for([turn], prompt(following), MODEL)
        for other in ("claude-opus-5-5", "claude-opus-4-6"):
            assert why_refused(messages_for(loaded.turns, prompt("and now?"), other), other) is None
    await store.close()
