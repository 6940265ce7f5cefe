"""Damage, locks, full disks, cancelled waits: an error of ours or no error at all, and nothing lost."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.store_databases import kept, names, put_aside, written
from tests.unit.store_processes import hear, tell, writer
from tests.unit.store_values import content, conversation, end, running, stored, take
from tui_chat.conversation import Outcome
from tui_chat.errors import StoreCorruptError, StoreUnavailableError
from tui_chat.store import Store, database

# Damage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [b"x", b"no database " * 9, b"\xff" * 9000, b"SQLite format 3\0" + b"\xff" * 9000])
async def test_garbage_is_moved_aside_and_named(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "chat.db"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_bytes(garbage + suffix.encode())
    store = await Store.open(path)
    (aside,) = put_aside(path)
    assert str(aside) in store.notices[0]
    for suffix in ("", "-wal"):
        assert aside.with_name(aside.name + suffix).read_bytes() == garbage + suffix.encode()
    assert aside.with_name(aside.name + "-shm").exists()  # an index that SQLite makes anew: its bytes may differ
    await store.close()
    owner, _ = await written(path)
    assert await kept(path) == [owner.id]


async def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    for number in range(3):
        path.write_bytes(b"garbage %d" % number)
        await (await Store.open(path)).close()
    assert {file.read_bytes() for file in put_aside(path)} == {b"garbage 0", b"garbage 1", b"garbage 2"}


async def test_starts_at_once_move_garbage_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_bytes(b"garbage" * 1000)
    ids = await asyncio.gather(*(written(path, str(number)) for number in range(4)))
    assert sorted(await kept(path)) == sorted(owner.id for owner, _ in ids)
    assert len(put_aside(path)) == 1


async def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.touch()
    owner, _ = await written(path)
    assert await kept(path) == [owner.id]


async def test_damaged_pages_found_at_opening_are_moved_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await written(path)
    pages = path.read_bytes()
    path.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))  # the first page holds header and schema
    assert await kept(path) == []
    assert len(put_aside(path)) == 1


async def test_damage_found_later_is_an_error_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    damaged, _ = await written(path, "x" * 100_000)
    sound, _ = await written(path)
    path.write_bytes(path.read_bytes().replace(b"x" * 4000, b"\xff" * 4000))
    pages = bytearray(path.read_bytes())
    for start in range(0, len(pages), 4096):
        if pages[start + 4 : start + 4000] in (b"x" * 3996, b"\xff" * 3996):
            pages[start : start + 4] = b"\xff" * 4  # the number of the next page of the long text
    path.write_bytes(pages)
    store = await Store.open(path)
    with pytest.raises(StoreCorruptError) as caught:
        await store.load(damaged.id)
    assert str(path) in str(caught.value)
    assert await store.load(sound.id) is not None
    await store.close()
    assert put_aside(path) == []


# Locks, full disks -------------------------------------------------------------------------------------------------


async def test_a_lock_is_waited_for_off_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await written(path)
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    with writer(path, "lock") as other:
        assert hear(other) == ["locked"]
        saving = asyncio.create_task(store.begin_turn(owner, turn))
        done, _ = await asyncio.wait([saving], timeout=1.0)
        assert not done
        tell(other)
        await saving
    assert (await store.load(owner.id)) is not None
    await store.close()


async def test_a_lock_that_stays_is_an_error_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked") as caught:
            await store.begin_turn(owner, turn)
        assert str(path) in str(caught.value)
        assert caught.value.advice
        assert await store.load(owner.id) is None
        other.execute("ROLLBACK")
    await store.begin_turn(owner, turn)
    assert (await store.load(owner.id)) is not None
    await store.close()


async def test_a_cancelled_await_ends_the_wait_and_not_the_job(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = asyncio.Event()

        async def save() -> None:
            started.set()
            await store.begin_turn(owner, turn)

        saving = asyncio.create_task(save())
        queued = asyncio.create_task(store.journal(turn.id, content("text")))
        await started.wait()
        saving.cancel()
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        other.execute("ROLLBACK")
    found = await store.load(owner.id)
    assert found is not None
    assert [(each.id, each.text) for each in found.turns] == [(turn.id, "text")]
    take(turn, content("text"))
    end(turn, Outcome.CANCELLED)
    await store.end_turn(owner, turn)
    found = await store.load(owner.id)
    assert found is not None
    assert found.turns == [stored(turn)]
    await store.close()


async def test_a_full_disk_is_an_error_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with writer(path, "full_disk") as process:
        refused, *sentence = hear(process)
        assert refused == "refused"
        assert str(path) in " ".join(sentence)
        assert hear(process) == ["StoreUnavailableError"]
        assert hear(process) == ["StoreUnavailableError"]
        readable, characters, journalled = hear(process)
        assert readable == "readable"
        assert characters == journalled
        written_word, characters = hear(process)
        assert written_word == "written"
    store = await Store.open(path)
    found = await store.load("full")
    await store.close()
    assert found is not None
    assert [len(turn.text) for turn in found.turns] == [int(characters), len("there is room again")]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Open and close ----------------------------------------------------------------------------------------------------


async def test_close_finishes_what_is_queued_and_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chat.db"
    store = await Store.open(path)
    assert store.path == path
    owner = conversation()
    turn = running(owner)
    take(turn, content("text"))
    end(turn)
    saving = asyncio.create_task(store.end_turn(owner, turn))
    await asyncio.sleep(0)  # let it reach the queue
    await asyncio.gather(store.close(), store.close())
    await store.close()
    await saving
    with pytest.raises(StoreUnavailableError, match="closed"):
        await store.recent()
    assert names(path.parent) == ["chat.db"]
    assert await kept(path) == [owner.id]


async def test_turn_boundaries_reach_the_disk_and_the_journal_need_not(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "chat.db")

    async def synchronous() -> int:
        return await store.read(lambda connection: int(connection.execute("PRAGMA synchronous").fetchone()[0]))

    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    assert await synchronous() == 2  # FULL
    await store.journal(turn.id, content("text"))
    assert await synchronous() == 1  # NORMAL
    take(turn, content("text"))
    end(turn)
    await store.end_turn(owner, turn)
    assert await synchronous() == 2
    await store.close()


async def test_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = names(tmp_path)
    store = await Store.open(None)
    assert store.path is None
    owner = conversation()
    await store.begin_turn(owner, running(owner))
    assert [each.id for each in await store.recent()] == [owner.id]
    await store.close()
    assert names(tmp_path) == before


async def test_a_deleted_journal_leaves_no_readable_text(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.journal(turn.id, content("in the journal only " * 1000))
    take(turn, content("in the reply"))
    end(turn)
    await store.end_turn(owner, turn)
    await store.close()
    assert b"in the journal only" not in path.read_bytes()
    assert b"in the reply" in path.read_bytes()
