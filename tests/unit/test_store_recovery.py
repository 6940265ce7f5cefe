"""After a crash: nothing acknowledged is missing, and nobody ends a turn that another process is writing."""

import asyncio
import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.legal import MODEL, why_refused
from tests.unit.store_processes import dead_pid, hear, tell, wait_for_death, writer
from tests.unit.store_values import content, conversation, end, event_lists, prompt, running, stored, take
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.engine.history import messages_for
from tui_chat.errors import Failure
from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    BlockEnded,
    BlockStarted,
    Event,
    RequestEnded,
    RequestStarted,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
)
from tui_chat.store import Store, database, owner
from tui_chat.store.journal import coalesced
from tui_chat.store.reading import CRASHED


def orphan(path: Path) -> None:
    """Make it look as if the writer of the running turns had died."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE turns SET owner_pid = ? WHERE outcome IS NULL", (dead_pid(),))


def interrupted(turn: Turn, at: float) -> Turn:
    """What must become of `turn` if its last event came `at` and its process died."""
    request = turn.request
    failure = Failure("interrupted", "")
    stop_reason = request.stop_reason if request else None
    for call in list(request.calls.values()) if request else ():
        if call.waiting:
            take(turn, [ApprovalAnswered(at, call.tool_use_id, allow=False)])
        if call.result is None and call.started is not None:
            take(turn, [ToolEnded(at, call.tool_use_id, CRASHED, is_error=True)])
        elif call.result is None:
            take(turn, [ToolSkipped(at, call.tool_use_id, "cancelled", CRASHED)])
    turn.in_context = turn.is_answered  # an unanswered prompt is left out of later requests
    final = turn.counts_are_final
    take(turn, [TurnEnded(at, Outcome.FAILED, stop_reason, {}, usage_is_final=final, error=failure)])
    return stored(turn)


async def only_turn(path: Path, owner_id: str) -> Turn:
    store = await Store.open(path)
    found = await store.load(owner_id)
    await store.close()
    assert found is not None
    (turn,) = found.turns
    return turn


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(events=event_lists(1000.0))
def test_a_recovered_turn_is_the_one_that_was_live(events: list[Event]) -> None:
    async def crash_and_recover(path: Path) -> None:
        store = await Store.open(path)
        talk = conversation()
        turn = running(talk)
        await store.begin_turn(talk, turn)
        for start in range(0, len(events), 5):
            await store.journal(turn.id, events[start : start + 5])
        await store.close()
        take(turn, events)
        orphan(path)
        assert await only_turn(path, talk.id) == interrupted(turn, events[-1].at if events else turn.started)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(crash_and_recover(Path(directory) / "chat.db"))


async def test_its_text_becomes_the_reply_and_the_conversation_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk = conversation()
    turn = running(talk)
    await store.begin_turn(talk, turn)
    await store.journal(turn.id, content("half a ", "reply"))
    await store.close()
    orphan(path)

    store = await Store.open(path)
    assert store.notices == []
    found = await store.load(talk.id)
    assert found is not None
    (back,) = found.turns
    reply = back.reply()
    assert (back.outcome, back.text) == (Outcome.FAILED, "half a reply")
    assert back.error is not None
    assert back.error.type == "interrupted"
    assert reply is not None
    assert reply.unfinished == (0,)
    following = running(found)
    await store.begin_turn(found, following)
    end(following)
    await store.end_turn(found, following)
    found = await store.load(talk.id)
    assert found is not None
    assert [each.id for each in found.turns] == [turn.id, following.id]
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (0,)


STEPS: dict[str, tuple[Event, ...]] = {  # how far a call got before the crash, in the order of the grammar
    "proposed": (),
    "asking": (ApprovalRequested(3.2, "asking", "hash"),),
    "allowed": (ApprovalRequested(3.2, "allowed", "hash"), ApprovalAnswered(3.3, "allowed", allow=True)),
    "running": (ToolStarted(3.4, "running"),),
    "done": (ToolStarted(3.4, "done"), ToolEnded(3.5, "done", "42")),
    "denied": (
        ApprovalRequested(3.2, "denied", "hash"),
        ApprovalAnswered(3.3, "denied", allow=False),
        ToolSkipped(3.5, "denied", "denied", "no"),
    ),
}


@pytest.mark.parametrize("names", [[name] for name in STEPS] + [list(STEPS)], ids="+".join)
async def test_calls_that_a_crash_cut_have_an_end(names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk = conversation()
    turn = running(talk, at=1.0)
    await store.begin_turn(talk, turn)
    events: list[Event] = [RequestStarted(2.0, MODEL, 1)]
    for index, name in enumerate(names):
        block = {"type": "tool_use", "id": name, "name": "clock", "input": {}}
        events += [BlockStarted(2.5, index, block), BlockEnded(2.5, index)]
    events.append(RequestEnded(3.0, complete=True, stop_reason="tool_use"))
    events += [ToolProposed(3.1, name, "clock", {}, "hash") for name in names]
    events += sorted((event for name in names for event in STEPS[name]), key=lambda event: event.at)
    await store.journal(turn.id, events)
    await store.close()
    orphan(path)
    back = await only_turn(path, talk.id)
    assert back.outcome is Outcome.FAILED
    assert back.in_context
    ends = {call.tool_use_id: (call.result, call.skipped, call.running) for call in back.calls}
    known = {"done": ("42", "", False), "denied": ("no", "denied", False), "running": (CRASHED, "", False)}
    assert ends == {name: known.get(name, (CRASHED, "cancelled", False)) for name in names}
    assert all(call.ended is not None for call in back.calls)
    messages = messages_for([back], prompt("and now?"), MODEL)
    assert why_refused(messages) is None
    assert [block.get("tool_use_id") for block in messages[-1]["content"]] == [*names, None]
    assert not any(call.waiting for call in back.calls)


async def test_two_starts_at_once_recover_once(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk = conversation()
    turn = running(talk)
    await store.begin_turn(talk, turn)
    await store.journal(turn.id, content("text"))
    await store.close()
    orphan(path)
    stores = await asyncio.gather(*(Store.open(path) for _ in range(4)))
    for each in stores:
        found = await each.load(talk.id)
        assert found is not None
        assert [(turn.outcome, turn.text) for turn in found.turns] == [(Outcome.FAILED, "text")]
        await each.close()


async def test_a_turn_of_a_living_process_is_left_alone_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with writer(path, "one_turn") as survivor, writer(path, "one_turn") as victim:
        tell(survivor)
        tell(victim)
        (survivor_id,), (victim_id,) = hear(survivor), hear(victim)
        for owner_id in (survivor_id, victim_id):
            turn = await only_turn(path, owner_id)
            assert (turn.outcome, turn.text, turn.started) == (None, "half a reply", 0.0)
        victim.kill()  # it is not waited for: a zombie writes no more
        wait_for_death(victim)
        turn = await only_turn(path, victim_id)
        assert (turn.outcome, turn.text) == (Outcome.FAILED, "half a reply")
        assert (await only_turn(path, survivor_id)).outcome is None
        tell(survivor)
        assert hear(survivor) == ["ended"]
        turn = await only_turn(path, survivor_id)
        assert (turn.outcome, turn.text) == (Outcome.COMPLETED, "half a reply")


@pytest.mark.parametrize("seed", range(5))
async def test_kill_9_in_the_middle_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "chat.db"
    acknowledged: dict[str, tuple[str, int]] = {}
    with writer(path, "chatter") as process:
        for _ in range(random.Random(seed).randrange(1, 60)):
            what, turn_id, count = hear(process)
            acknowledged[turn_id] = what, int(count)
        process.send_signal(signal.SIGKILL)
        while words := hear(process):  # acknowledged before the signal arrived; a cut last line counts for nothing
            if len(words) == 3:
                acknowledged[words[1]] = words[0], int(words[2])
    store = await Store.open(path)
    found = await store.load("chatter")
    await store.close()
    assert found is not None
    turns = {turn.id: turn for turn in found.turns}
    assert set(acknowledged) <= set(turns)
    assert len(turns) - len(acknowledged) <= 1  # committed, but killed before it said so
    for turn_id, (what, characters) in acknowledged.items():
        turn = turns[turn_id]
        assert len(turn.text) >= characters
        assert turn.outcome is Outcome.COMPLETED or (turn.outcome is Outcome.FAILED and what != "ended")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_a_locked_database_opens_and_recovers_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk = conversation()
    turn = running(talk)
    await store.begin_turn(talk, turn)
    await store.close()
    orphan(path)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store = await Store.open(path)
        assert "locked" in store.notices[0]
        assert [each.id for each in await store.recent()] == [talk.id]
        await store.close()
        other.execute("ROLLBACK")
    assert (await only_turn(path, talk.id)).outcome is Outcome.FAILED


async def test_records_of_a_journal_that_are_not_understood_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk = conversation()
    turn = running(talk)
    await store.begin_turn(talk, turn)
    await store.journal(turn.id, content("a"))
    with closing(sqlite3.connect(path)) as other, other:
        for record in ("{", "[]", '{"type":"of_another_version"}', '{"type":"text_delta","novelty":1}'):
            other.execute("INSERT INTO journal (turn_id, event, deltas) VALUES (?, ?, 1)", (turn.id, record))
    await store.journal(turn.id, [TextDelta(1001.0, 0, "b")])
    await store.close()
    assert (await only_turn(path, talk.id)).text == "ab"


def test_coalescing_keeps_the_first_and_the_last_stamp() -> None:
    events: list[Event] = [
        TextDelta(1.0, 0, "a"),
        TextDelta(2.0, 0, ""),
        TextDelta(3.0, 0, "b"),
        TextDelta(4.0, 0, "c"),
        TextDelta(5.0, 1, "d"),
        ThinkingDelta(6.0, 1, "e"),
        ThinkingDelta(7.0, 1, "f"),
    ]
    assert list(coalesced(events)) == [
        (TextDelta(1.0, 0, "a"), 1),
        (TextDelta(4.0, 0, "bc"), 2),
        (TextDelta(5.0, 1, "d"), 1),
        (ThinkingDelta(6.0, 1, "e"), 1),
        (ThinkingDelta(7.0, 1, "f"), 1),
    ]


async def test_a_batch_of_any_number_of_deltas_is_a_handful_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    talk: Conversation = conversation()
    turn = running(talk)
    await store.begin_turn(talk, turn)
    events = content(*(["text "] * 5000))
    await store.journal(turn.id, events)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (6,)
    take(turn, events)
    assert stored(await only_turn(path, talk.id)) == stored(turn)


def test_who_is_gone() -> None:
    me = owner.this_process()
    assert me.pid == os.getpid()
    assert me.started
    assert not owner.is_gone(me, me, 0)
    assert not owner.is_gone(dataclasses.replace(me, started=""), me, 0), "unknown counts as alive"
    assert owner.is_gone(dataclasses.replace(me, started="another start"), me, 0), "the number was used again"
    assert owner.is_gone(dataclasses.replace(me, pid=dead_pid()), me, 0)
    assert owner.is_gone(dataclasses.replace(me, pid=0), me, 0)
    assert not owner.is_gone(dataclasses.replace(me, pid=2**40), me, 0), "not a number we can ask about"


def test_other_boots_and_other_containers() -> None:
    here = owner.Owner(os.getpid(), "1", "boot", "namespace")
    assert owner.is_gone(dataclasses.replace(here, boot="earlier boot"), here, 0)
    there = dataclasses.replace(here, pid=dead_pid(), namespace="a container")
    assert not owner.is_gone(there, here, 3600)
    assert owner.is_gone(there, here, owner.FOREIGN_AFTER + 1)


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="there is no ps here")
def test_without_proc_ps_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(owner, "_PROC", tmp_path)
    me = owner.this_process()
    assert me.started
    assert (me.boot, me.namespace) == ("", "")
    assert not owner.is_gone(me, me, 0)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert not owner.is_gone(owner.Owner(child.pid), me, 0)
        assert owner.is_gone(owner.Owner(child.pid, "Thu Jan 1 00:00:00 1970"), me, 0)
        child.kill()
        wait_for_death(child)
        assert owner.is_gone(owner.Owner(child.pid), me, 0)


def test_a_process_name_with_brackets_is_read_right() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert owner._from_proc(f"7 (a) b) (c) S {fields}") == ("S", "22")
    assert owner._from_proc("") is None
