"""Stale copies: what SQLite leaves of rows that moved, and how nothing of it is left of what was erased."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.store_talks import SECRET, after, check, mixed, traces, words
from tests.unit.store_values import conversation, running
from tui_chat.conversation import Outcome, Tree
from tui_chat.store import Store, database, erasing, repository


def test_rows_that_grew_in_the_midst_of_others_leave_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drafts and titles do. SQLite leaves a stale copy of a row in the page it moved from, now and then."""
    monkeypatch.setattr(database, "COMPACTED_BYTES", 0)
    for seed in range(60):
        opened = database.Database(tmp_path / f"{seed}.db")
        opened.open()
        gone = _grown(opened, random.Random(seed), 30)
        leaves_copies = any(text in _emptied(opened) for text in gone)
        if leaves_copies:
            assert opened.compact("growing", lambda: False)
            assert not any(text in _emptied(opened) for text in gone)
            with opened.reading() as connection:
                kept_ones = connection.execute("SELECT id, text FROM growing ORDER BY id").fetchall()
            assert [row["id"] for row in kept_ones] == [id_ for id_ in range(30) if id_ % 3]
            assert any(row["text"] for row in kept_ones)
        opened.close()
        if leaves_copies:
            return
    pytest.skip("this SQLite leaves no stale copies")


def _grown(opened: database.Database, chance: random.Random, count: int) -> list[bytes]:
    """A table of which every third row was overwritten and removed; returns what those had held."""
    with opened.writing(durable=False) as connection:
        connection.execute("CREATE TABLE growing (id INTEGER, text TEXT)")
        connection.executemany("INSERT INTO growing VALUES (?, '')", [(id_,) for id_ in range(count)])
        for _ in range(count * 13):
            id_ = chance.randrange(count)
            text = f"secret{id_:04}" * chance.randrange(60)
            connection.execute("UPDATE growing SET text = ? WHERE id = ?", (text, id_))
        connection.execute("UPDATE growing SET text = printf('%*s', length(text), '') WHERE id % 3 = 0")
        connection.execute("DELETE FROM growing WHERE id % 3 = 0")
    return [f"secret{id_:04}".encode() for id_ in range(0, count, 3)]


def _emptied(opened: database.Database) -> bytes:
    assert opened.path is not None
    with closing(sqlite3.connect(opened.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return opened.path.read_bytes()


async def test_texts_are_overwritten_before_any_row_goes(tmp_path: Path) -> None:
    """As rows go, their neighbours may be moved to another page, and stale copies of them stay behind."""
    directory = tmp_path / "data"
    store = await Store.open(directory / "chat.db")
    gone, _ = await mixed(store)
    rows = await store.read(lambda connection: connection.execute("SELECT count(*) FROM messages").fetchone()[0])
    deletion = await store.library.delete(gone.id)

    def overwrite() -> int:
        stage = ""
        while stage != "removing":
            store.erase_slice({deletion}, lambda: False)
            with store._database.reading() as connection:
                stage = connection.execute("SELECT stage FROM deletions").fetchone()[0]
        with store._database.reading() as connection:
            left = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
        assert store._database.compact("conversations", lambda: False)
        return int(left)

    assert await store.run(overwrite) == rows
    assert SECRET.encode() not in (directory / "chat.db").read_bytes()
    await store.close()


async def test_rows_that_move_while_others_go_leave_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short turns: as rows go, SQLite moves their neighbours together, and leaves stale copies of them behind."""
    monkeypatch.setattr(database, "COMPACTED_BYTES", 0)
    monkeypatch.setattr(erasing, "_MERGED_PAGES", 1)
    monkeypatch.setattr(repository, "IDLE_AFTER_OPENING", 1000.0)  # what is merged is merged by erasing
    path = tmp_path / "data" / "chat.db"
    store = await Store.open(path)
    chance = random.Random(1)
    gone, stays = conversation(), conversation()
    for owner in (gone, stays, gone, stays):
        for _ in range(300):
            text = f"{SECRET if owner is gone else 'Harmless'} {words(chance, chance.randrange(1, 40))}"
            text += "".join(f" {chance.randrange(10**9):x}" for _ in range(9))
            turn = running(owner, after(owner, text))
            turn.outcome, turn.started = Outcome.FAILED, 0.0
            owner.turns.append(turn)
        await store.library.add(Tree(owner, owner.turns, None))
    await store.library.index_all()
    await store.library.delete(gone.id)
    assert await store.library.purge(mine=True)
    await store.close()
    assert traces(path.parent, SECRET) == {}
    check(path)
