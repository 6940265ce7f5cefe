"""What is deleted and then erased cannot be read any more, anywhere; and nothing else is touched."""

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.store_databases import kept
from tests.unit.store_processes import dead_pid, hear, tell, writer
from tests.unit.store_talks import SECRET, after, check, ended, mixed, talk, traces
from tests.unit.store_values import conversation, running
from tests.unit.test_store_schemas import written as written_by
from tui_chat.conversation import Conversation
from tui_chat.store import Store, database, erasing, migrations, repository, sweeping


def orphan_deletions(path: Path) -> None:
    """Make it look as if whoever deleted had died."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE deletions SET owner_pid = ?", (dead_pid(),))


async def close_without_erasing(store: Store) -> None:
    """As a program that is killed after it has deleted."""
    store.library.deleted.clear()
    await store.close()


@pytest.mark.parametrize("compacted", [0, database.COMPACTED_BYTES])
async def test_nothing_of_a_deleted_conversation_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compacted: int
) -> None:
    monkeypatch.setattr(database, "COMPACTED_BYTES", compacted)
    directory = tmp_path / "data"
    store = await Store.open(directory / "chat.db")
    gone, stays = await mixed(store)
    untouched = await store.library.tree(stays.id)
    assert set(traces(directory, SECRET)) == {"chat.db", "chat.db-wal"}
    assert (await store.library.search(SECRET)).hits
    await store.library.delete(gone.id)
    assert not (await store.library.search(SECRET)).hits
    assert await store.library.purge(mine=True)
    assert traces(directory, SECRET) == {}
    assert await store.library.tree(stays.id) == untouched
    assert len((await store.library.search("Harmless")).hits) > 20
    await store.close()
    assert traces(directory, SECRET) == {}
    assert sorted(file.name for file in directory.iterdir()) == ["chat.db"]
    assert set(traces(directory, "Harmless")) == {"chat.db"}
    check(directory / "chat.db")


async def test_nothing_of_a_deleted_branch_can_be_read(tmp_path: Path) -> None:
    """Two versions of a prompt, and two replies to one prompt: the others stay, and so does the prompt that is shared."""
    directory = tmp_path / "data"
    store = await Store.open(directory / "chat.db")
    owner = conversation()
    for text in ("one", "two"):
        await ended(store, owner, after(owner, text), text)
    first, second = owner.turns
    edited = [await ended(store, owner, after(_upto(owner, first), f"{SECRET} edited"), SECRET, SECRET)]
    for number in range(3):
        owner.turns = [first, *edited]
        edited.append(await ended(store, owner, after(owner, f"{number} {SECRET}"), f"{SECRET} again"))
    owner.turns = [first]
    again = await ended(store, owner, second.prompt, f"another reply {SECRET}")
    await store.library.set_current(owner.id, second.id)
    await store.library.index_all()
    before = await store.library.tree(owner.id)
    assert before is not None
    await store.library.delete_branch(owner.id, edited[0].id)
    await store.library.delete_branch(owner.id, again.id)
    await store.close()
    assert traces(directory, SECRET) == {}
    check(directory / "chat.db")
    store = await Store.open(directory / "chat.db")
    after_it = await store.library.tree(owner.id)
    assert after_it is not None
    assert after_it.turns == before.turns[:2]
    assert [turn.text for turn in after_it.turns] == ["one", "two"]
    assert after_it.current_turn_id == second.id
    await store.close()


async def test_the_first_version_goes_and_the_prompt_that_the_others_share_stays(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data" / "chat.db")
    owner = conversation()
    first = await ended(store, owner, after(owner, "precious"), SECRET)
    owner.turns = []
    await ended(store, owner, first.prompt, "another reply")
    await store.library.index_all()
    await store.library.delete_branch(owner.id, first.id)
    assert await store.library.purge(mine=True)
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert [(turn.prompt.text, turn.text) for turn in loaded.turns] == [("precious", "another reply")]
    assert len((await store.library.search("precious")).hits) == 1
    await store.close()
    assert traces(tmp_path / "data", SECRET) == {}


def _upto(owner: Conversation, last: object) -> Conversation:
    head = conversation()
    head.id, head.turns = owner.id, owner.turns[: owner.turns.index(last) + 1]  # type: ignore[arg-type]  # a turn
    return head


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_the_copies_of_earlier_versions_lose_it_too(tmp_path: Path, version: int) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    path = directory / "chat.db"
    written_by(version, path)
    store = await Store.open(path)
    thinking, *others = await store.recent()
    loaded = await store.load(thinking.id)
    assert loaded is not None
    branch = loaded.turns[2]
    assert branch.prompt.text == "flaky"
    backup = migrations.backup_path(path, version)
    secret = "overloaded_error"  # stands in the attempts of that turn
    assert list(traces(directory, secret)) == ["chat.db", "chat.db-wal", backup.name]
    with closing(sqlite3.connect(backup)) as copy:
        before = copy.execute("SELECT * FROM turns ORDER BY number").fetchall()
    await store.library.delete_branch(thinking.id, branch.id)
    assert await store.library.purge(mine=True)
    assert not any(secret in parts for parts in traces(directory, secret).values())
    assert b"flaky" not in backup.read_bytes() + path.read_bytes()
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT * FROM turns ORDER BY number").fetchall() == before[:-2]  # it, and what followed
        assert copy.execute("PRAGMA user_version").fetchone() == (version,)
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
    assert backup.stat().st_mode & 0o777 == 0o600
    await store.library.delete(thinking.id)
    await store.close()
    assert b"Connection: close" not in backup.read_bytes()
    with closing(sqlite3.connect(backup)) as copy:
        titles = {title for (title,) in copy.execute("SELECT title FROM conversations")}
    assert titles == {each.title for each in others}
    assert sorted(file.name for file in directory.iterdir()) == ["chat.db", backup.name]
    again = await Store.open(backup)  # it is still a database that can be upgraded
    assert {each.title for each in await again.recent()} == titles
    await again.close()


async def test_a_damaged_copy_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    store = await Store.open(directory / "chat.db")
    gone, _ = await mixed(store)
    damaged = migrations.backup_path(directory / "chat.db", 2)
    damaged.write_bytes(b"no database " * 1000)
    await store.library.delete(gone.id)
    await store.close()
    assert traces(directory, SECRET) == {}
    assert damaged.read_bytes() == b"no database " * 1000
    check(directory / "chat.db")


async def test_while_another_process_is_at_the_copies_they_wait(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    path = directory / "chat.db"
    written_by(2, path)
    backup = migrations.backup_path(path, 2)
    store = await Store.open(path)
    gone = (await store.recent())[2]
    assert gone.title == "hello there"
    await store.library.delete(gone.id)
    descriptor = os.open(directory, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert not await store.library.purge(mine=True)
    assert [b"hello there" in file.read_bytes() for file in (path, backup)] == [False, True]
    os.close(descriptor)
    assert await store.library.purge(mine=True)
    assert b"hello there" not in backup.read_bytes()
    await store.close()


async def test_what_was_deleted_by_a_process_that_is_gone_is_erased_when_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "IDLE_AFTER_OPENING", 0.0)
    directory = tmp_path / "data"
    path = directory / "chat.db"
    store = await Store.open(path)
    gone, stays = await mixed(store)
    deletion = await store.library.delete(gone.id)
    await close_without_erasing(store)
    assert list(traces(directory, SECRET)) == ["chat.db"]
    store = await Store.open(path)  # its deleter runs: it is this process
    assert await store.library.purge()
    assert await store.library.restore(deletion)
    deletion = await store.library.delete(gone.id)
    await close_without_erasing(store)
    orphan_deletions(path)
    store = await Store.open(path)
    while await store.read(lambda connection: connection.execute("SELECT 1 FROM deletions").fetchone()):
        pass  # nothing is asked for: it is done in between
    assert traces(directory, SECRET) == {}
    assert not await store.library.restore(deletion)
    assert await store.library.ids() == [stays.id]
    await store.close()
    check(path)


@pytest.mark.parametrize("slices", [0, 1, 2, 3, 5, 8, 13, 21, 34])
async def test_erasing_that_was_cut_anywhere_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slices: int
) -> None:
    directory = tmp_path / "data"
    path = directory / "chat.db"
    store = await Store.open(path)
    gone, stays = await mixed(store)
    untouched = await store.library.tree(stays.id)
    deletion = await store.library.delete(gone.id)
    monkeypatch.setattr(sweeping, "SLICE", 0.0)  # one step each
    monkeypatch.setattr(erasing, "_MERGED_PAGES", 1)
    for _ in range(slices):
        await store.run(lambda: store.erase_slice({deletion}, lambda: False))
    assert await store.load(gone.id) is None
    assert await store.library.tree(stays.id) == untouched
    await close_without_erasing(store)
    monkeypatch.undo()
    orphan_deletions(path)
    store = await Store.open(path)
    assert await store.library.purge()
    assert await store.library.tree(stays.id) == untouched
    await store.close()
    assert traces(directory, SECRET) == {}
    check(path)


async def test_quitting_is_never_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of erasing is set forward: what is left then is done after the next start."""
    directory = tmp_path / "data"
    path = directory / "chat.db"
    monkeypatch.setattr(repository, "ERASING_AT_CLOSE", 0.02)
    monkeypatch.setattr(sweeping, "SLICE", 0.0)
    store = await Store.open(path)
    gone, stays = await mixed(store)
    await store.library.delete(gone.id)
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < 1.0
    assert traces(directory, SECRET)
    assert await kept(path) == [stays.id]
    orphan_deletions(path)
    store = await Store.open(path)
    assert await store.library.purge()
    await store.close()
    assert traces(directory, SECRET) == {}


async def test_a_program_that_reads_at_that_time_delays_the_end_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE_MS", 10)
    directory = tmp_path / "data"
    path = directory / "chat.db"
    store = await Store.open(path)
    gone, _ = await mixed(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        texts = other.execute("SELECT count(*) FROM messages").fetchone()
        await store.library.delete(gone.id)
        assert not await store.library.purge(mine=True)
        assert other.execute("SELECT count(*) FROM messages").fetchone() == texts, "its view of the database stands"
        other.execute("COMMIT")
        assert await store.library.purge(mine=True)
        assert traces(directory, SECRET) == {}
    await store.close()


async def test_two_processes_erase_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    path = directory / "chat.db"
    store = await Store.open(path)
    ids = {}
    for number in range(6):
        word = f"Zqxv{'abcdef'[number]}kjepf"
        ids[word] = (await talk(store, word, 6, seed=number)).id
    stays = await talk(store, "Harmless")
    await store.library.index_all()
    await store.close()
    with writer(path, "erase") as one, writer(path, "erase") as two:
        for process, some in ((one, list(ids.values())[:3]), (two, list(ids.values())[2:])):
            tell(process, " ".join(some))
        assert hear(one) == hear(two) == ["deleted"]
        for process in (one, two):
            tell(process)
        assert hear(one) == hear(two) == ["closed"]
    store = await Store.open(path)
    assert await store.library.purge()
    assert await store.library.ids() == [stays.id]
    await store.close()
    assert not any(traces(directory, word) for word in ids)
    check(path)


async def test_a_turn_that_begins_while_it_is_being_erased_brings_its_own_path_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another window still has the conversation open: what it shows is stored again, whatever stage erasing is in."""
    for slices in (0, 1, 4, 9, 16, 30, 60):
        path = tmp_path / f"chat-{slices}.db"
        here, there = await Store.open(path), await Store.open(path)
        gone, _ = await mixed(here)
        window = await there.load(gone.id)
        assert window is not None
        deletion = await here.library.delete(gone.id)
        monkeypatch.setattr(sweeping, "SLICE", 0.0)
        for _ in range(slices):
            await here.run(lambda made=deletion, store=here: store.erase_slice({made}, lambda: False))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        monkeypatch.undo()
        await there.save_conversation(window)  # a draft brings nothing back
        assert gone.id not in await there.library.ids()
        turn = running(window)
        await there.begin_turn(window, turn)
        assert await here.library.purge(mine=True)
        loaded = await here.load(gone.id)
        assert loaded is not None
        assert [each.id for each in loaded.turns] == [*(each.id for each in window.turns), turn.id]
        assert loaded.turns[:-1] == window.turns
        await here.close()
        await there.close()
        check(path)
