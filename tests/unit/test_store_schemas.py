"""Databases that earlier versions wrote: each is upgraded, with a copy beside it, and goes on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.store_values import running
from tui_chat.conversation import Outcome
from tui_chat.store import Store, migrations

FIXTURES = Path(__file__).parents[1] / "fixtures" / "databases"


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_a_database_of_an_earlier_version(version: int, tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / f"schema_{version}.sql").read_text())
        texts = {row[0] for row in connection.execute("SELECT blocks FROM messages")}
    store = await Store.open(path)
    recent = await store.recent()
    assert [(each.title, each.turn_count) for each in recent] == [("thinking", 4), ("hello there", 1)]
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
    assert loaded.turns[3].text.endswith("A few words, and then: ")
    assert not any(turn.prompt.continues or turn.rounds[0].calls for turn in loaded.turns)
    assert (loaded.effort, await store.recent_prompts(9)) == (
        None,
        ["silence", "flaky", "cut", "thinking", "hello there"],
    )
    turn = running(loaded)
    await store.begin_turn(loaded, turn)
    await store.close()
    with closing(sqlite3.connect(migrations.backup_path(path, version))) as connection:
        assert {row[0] for row in connection.execute("SELECT blocks FROM messages")} == texts
