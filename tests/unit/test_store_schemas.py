"""Databases that earlier versions wrote: each is upgraded, with a copy beside it, and goes on."""

import asyncio
import dataclasses
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.unit.store_databases import names, turn_count
from tests.unit.store_processes import hear, tell, writer
from tests.unit.store_values import running
from tests.unit.test_store_recovery import orphan
from tui_chat.conversation import Outcome, Turn
from tui_chat.events import TextDelta, to_json
from tui_chat.store import Store, index, migrations, owner, values

FIXTURES = Path(__file__).parents[1] / "fixtures" / "databases"
CUT = "A few words, and then: "  # how the reply ends that was running when the databases were written
TALKS = {  # what each version wrote, newest first: the conversations, and the prompts that were typed
    1: ([("thinking", 4), ("hello there", 1)], ["silence", "flaky", "cut", "thinking", "hello there"]),
    2: (
        [("thinking", 4), ("limit", 4), ("hello there", 1)],
        ["silence", "flaky", "cut", "thinking", "odd", "tool 2", "limit", "hello there"],
    ),
}


def written(version: int, path: Path) -> None:
    """The database that the schema `version` wrote, at `path`."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / f"schema_{version}.sql").read_text())


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_a_database_of_an_earlier_version(version: int, tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    written(version, path)
    with closing(sqlite3.connect(path)) as connection:
        texts = {row[0] for row in connection.execute("SELECT blocks FROM messages")}
    store = await Store.open(path)
    recent = await store.recent()
    talks, prompts = TALKS[version]
    assert [(each.title, await turn_count(store, each.id)) for each in recent] == talks
    loaded = await store.load(recent[0].id)
    assert loaded is not None
    assert [turn.outcome for turn in loaded.turns] == [
        Outcome.COMPLETED,
        Outcome.FAILED,
        Outcome.COMPLETED,
        Outcome.FAILED,
    ]
    assert [turn.error.type for turn in loaded.turns if turn.error] == ["cut_off", "interrupted"]
    assert loaded.turns[0].thinking.startswith("The message asks")
    assert [len(turn.requests) for turn in loaded.turns] == [1, 1, 3, 1]
    assert loaded.turns[3].text.endswith(CUT)
    assert not any(turn.prompt.continues or turn.rounds[0].calls for turn in loaded.turns)
    assert (loaded.effort, loaded.title_from, loaded.pinned, loaded.versions) == (None, "prompt", False, {})
    assert (loaded.place, loaded.origin, loaded.side_requests) == (None, None, ())
    assert await store.recent_prompts(9) == prompts
    turn = running(loaded)
    await store.begin_turn(loaded, turn)
    await store.close()
    with closing(sqlite3.connect(migrations.backup_path(path, version))) as connection:
        assert {row[0] for row in connection.execute("SELECT blocks FROM messages")} == texts


async def test_rounds_of_tools_and_going_on_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    written(2, path)
    store = await Store.open(path)
    loaded = await store.load((await store.recent())[1].id)
    assert loaded is not None
    assert (loaded.draft, loaded.queued, loaded.effort) == ("half a thou", ("one", "two"), "high")
    cut, rest, tools, odd = loaded.turns
    assert (cut.stop_reason, rest.prompt.continues, rest.prompt.parent_id) == ("max_tokens", True, cut.reply_id)
    assert [len(turn.rounds) for turn in loaded.turns] == [1, 1, 3, 1]
    assert all(call.result and call.allowed for call in tools.calls)
    assert [call.name for call in tools.calls] == ["calculator", "calculator"]
    assert "calculator" in tools.text
    assert odd.requests[0].unknown_events
    assert not any(turn.copy_of for turn in loaded.turns)
    again = running(loaded, tools.prompt)
    await store.begin_turn(loaded, again)
    changed = await store.load(loaded.id)
    assert changed is not None
    assert [turn.id for turn in changed.turns] == [cut.id, rest.id, again.id]
    assert changed.versions == {again.id: (tools.id, again.id)}
    await store.close()


async def test_the_index_is_made_as_it_is_used(tmp_path: Path) -> None:
    """The migration must not change when the index does: then it needs a step of its own."""
    migrated, made = tmp_path / "conversations.db", tmp_path / "index.db"
    await (await Store.open(migrated)).close()
    with closing(sqlite3.connect(made)) as connection, connection:
        for line in index.CREATE:
            connection.execute(line)
    found = []
    for path in (migrated, made):
        with closing(sqlite3.connect(path)) as connection:
            lines = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'found'").fetchall()
            found.append((lines, sorted(connection.execute("SELECT * FROM found_config").fetchall())))
    assert found[0] == found[1]


async def latest(store: Store) -> list[Turn]:
    """The turns of the conversation with the reply that was running."""
    loaded = await store.load((await store.recent())[0].id)
    assert loaded is not None
    return loaded.turns


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_two_programs_upgrade_it_at_once(version: int, tmp_path: Path) -> None:
    path = tmp_path / "data" / "conversations.db"
    path.parent.mkdir()
    written(version, path)
    with writer(path, "one_turn") as one, writer(path, "one_turn") as two:
        for process in (one, two):
            tell(process)
        ids = {hear(process)[0] for process in (one, two)}
        assert [name for name in names(path.parent) if "backup" in name or "partial" in name] == [
            migrations.backup_path(path, version).name
        ]
        for process in (one, two):
            tell(process)
            assert hear(process) == ["ended"]
    store = await Store.open(path)
    assert store.notices == []
    summaries = {each.id: each.title for each in await store.recent()}
    assert ids <= set(summaries)
    assert {"thinking", "hello there"} <= set(summaries.values())
    for id_ in ids:
        found = await store.load(id_)
        assert found is not None
        assert [(turn.outcome, turn.text) for turn in found.turns] == [(Outcome.COMPLETED, "half a reply")]
    await store.close()
    with closing(sqlite3.connect(migrations.backup_path(path, version))) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (version,)
        turns = sum(count for _, count in TALKS[version][0])
        assert copy.execute("SELECT count(*) FROM turns").fetchone() == (turns,)


async def test_the_slower_of_two_finds_it_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have seen the old version before either writes."""
    path = tmp_path / "conversations.db"
    written(1, path)
    both, seen, upgraded, check = threading.Barrier(2, timeout=5), set[int](), list[int](), migrations.check

    def checked(*arguments: Any) -> int:
        version = check(*arguments)
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            both.wait()
        return version

    def counted(connection: sqlite3.Connection) -> None:
        upgraded.append(threading.get_ident())
        migrations.rounds_of_tools(connection)

    monkeypatch.setattr(migrations, "check", checked)
    steps = (*migrations.MIGRATIONS[:1], counted, *migrations.MIGRATIONS[2:])
    monkeypatch.setattr(migrations.migrate, "__defaults__", (steps,))
    stores = await asyncio.gather(Store.open(path), Store.open(path))
    assert len(seen) == 2
    assert len(upgraded) == 1
    for store in stores:
        assert (await latest(store))[-1].outcome is Outcome.FAILED
        await store.close()


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_a_turn_that_an_earlier_version_still_writes_is_left_alone(version: int, tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    written(version, path)
    writes_it = {f"owner_{name}": value for name, value in dataclasses.asdict(owner.this_process()).items()}
    with closing(sqlite3.connect(path, isolation_level=None)) as earlier:
        assignments = ", ".join(f"{name} = :{name}" for name in writes_it)
        earlier.execute(f"UPDATE turns SET {assignments} WHERE outcome IS NULL", writes_it)
        turn_id, started = earlier.execute("SELECT id, started FROM turns WHERE outcome IS NULL").fetchone()
        store = await Store.open(path)
        (*_, turn) = await latest(store)
        assert (turn.id, turn.outcome) == (turn_id, None)
        assert turn.text.endswith(CUT)
        more = values.to_json(to_json(TextDelta(started + 9.0, 0, "more")))
        earlier.execute("INSERT INTO journal (turn_id, event, deltas) VALUES (?, ?, 1)", (turn_id, more))
        (*_, turn) = await latest(store)
        assert (turn.outcome, turn.text[-len(CUT) - 4 :]) == (None, f"{CUT}more")
        await store.close()
        again = await Store.open(path)
        assert (await latest(again))[-1].outcome is None
        await again.close()
    orphan(path)
    store = await Store.open(path)
    (*_, turn) = await latest(store)
    assert (turn.outcome, turn.error and turn.error.type) == (Outcome.FAILED, "interrupted")
    assert turn.text.endswith(f"{CUT}more")
    await store.close()
