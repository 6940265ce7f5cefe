"""Work in the background: it gets done, it gives way to everything, and it never keeps the program from ending."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.store_processes import ROOT
from tests.unit.store_talks import talk
from tests.unit.store_values import running
from tui_chat.errors import StoreUnavailableError
from tui_chat.store import Store, database, idle, index, repository
from tui_chat.store.idle import Idle

WAITING = "SELECT count(*) FROM messages WHERE search_key IS NULL OR search_key < 0"


async def waiting(store: Store) -> int:
    """How many messages wait to be indexed."""
    return await store.read(lambda connection: int(connection.execute(WAITING).fetchone()[0]))


async def indexed(store: Store) -> None:
    """Return when nothing waits any more; nothing here asks for it."""
    while await waiting(store):
        pass


async def test_what_is_said_is_found_a_moment_later(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "chat.db")
    owner = await talk(store, "Zqxvwkjepf", 2)
    await indexed(store)
    assert {hit.conversation_id for hit in (await store.library.search("zqxvwkjepf")).hits} == {owner.id}
    await store.close()


async def test_a_copy_and_an_import_are_indexed_too(tmp_path: Path) -> None:
    store, other = await Store.open(tmp_path / "chat.db"), await Store.open(None)
    owner = await talk(store, "word", 2)
    tree = await store.library.tree(owner.id)
    assert tree is not None
    await other.library.add(tree)
    await store.library.duplicate(owner.id)
    for each in (store, other):
        await indexed(each)
        await each.close()


async def test_what_an_earlier_run_left_is_indexed_after_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    await talk(store, "word", 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET search_key = -abs(search_key)")
        connection.execute("INSERT INTO found (found) VALUES ('delete-all')")
    await store.close()
    monkeypatch.setattr(repository, "IDLE_AFTER_OPENING", 0.0)
    store = await Store.open(path)
    await indexed(store)
    assert len((await store.library.search("word")).hits) == 6
    await store.close()


async def test_jobs_come_before_slices() -> None:
    order: list[str] = []
    go_on = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work() -> bool:
            order.append("slice")
            if order.count("slice") == 3:
                loop.call_soon_threadsafe(done.set)
            return order.count("slice") < 3

        later = Idle(work, executor.submit)
        executor.submit(go_on.wait)
        later.start()
        later.start()
        await asyncio.sleep(0)
        for number in range(3):
            executor.submit(order.append, f"job {number}")
        go_on.set()
        await done.wait()
    assert order.count("slice") == 3, "asked for twice is once"
    assert order[-2:] == ["slice", "slice"], "what was queued came before the second slice"


async def test_a_slice_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "_AGAIN", 0.0)
    tries: list[int] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> bool:
        tries.append(1)
        if len(tries) < 3:
            raise StoreUnavailableError("locked")
        loop.call_soon_threadsafe(done.set)
        return False

    with ThreadPoolExecutor(max_workers=1) as executor:
        Idle(work, executor.submit).start()
        await done.wait()


async def test_after_the_stop_nothing_begins() -> None:
    submitted: list[int] = []

    def submit(_work: object) -> Future[bool]:
        submitted.append(1)
        return Future()

    later = Idle(lambda: True, submit)
    later.start()
    later.stop()
    later.start()
    await asyncio.sleep(0.02)
    assert submitted == []


async def test_a_lock_of_another_program_does_not_hold_up_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slice waits for no lock that a load would have to wait for behind it."""
    monkeypatch.setattr(repository, "IDLE_AFTER_OPENING", 0.0)
    monkeypatch.setattr(database, "_PATIENCE_MS", 1)
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    owner = await talk(store, "word", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.index_later()
        for _ in range(20):
            async with asyncio.timeout(2.0):
                assert await store.load(owner.id) is not None
        other.execute("ROLLBACK")
    turn = running(owner)
    await store.begin_turn(owner, turn)  # and its own patience is as long as ever
    assert await store.read(lambda connection: connection.execute("PRAGMA busy_timeout").fetchone()[0]) == 5000
    await store.close()


async def test_closing_does_not_wait_for_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chat.db"
    began, go_on, slices = threading.Event(), threading.Event(), list[int]()

    def slow(_connection: sqlite3.Connection) -> bool:
        slices.append(1)
        began.set()
        go_on.wait()
        return True

    monkeypatch.setattr(index, "index_some", slow)
    monkeypatch.setattr(repository, "IDLE_AFTER_OPENING", 0.0)
    store = await Store.open(path)
    await asyncio.to_thread(began.wait)
    closing_ = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    go_on.set()
    await closing_
    assert len(slices) == 1


PROGRAM = """
import asyncio, sys
from pathlib import Path
from tui_chat.store import Store, repository
repository.IDLE_AFTER_OPENING = 0.0

async def main():
    store = await Store.open(Path(sys.argv[1]))
    while not await store.read(lambda connection: connection.execute("SELECT 1 FROM messages WHERE search_key > 0").fetchone()):
        pass

asyncio.run(main())
"""


async def test_a_program_that_forgets_to_close_ends_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    store = await Store.open(path)
    for number in range(3):
        await talk(store, f"word{number}", 10)
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET search_key = -abs(search_key)")
        connection.execute("INSERT INTO found (found) VALUES ('delete-all')")
    command = [sys.executable, "-c", PROGRAM, str(path)]
    ended = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, timeout=8, check=False)
    assert ended.returncode == 0
    store = await Store.open(path)
    await store.library.index_all()
    assert await waiting(store) == 0
    await store.close()
