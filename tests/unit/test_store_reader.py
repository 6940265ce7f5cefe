"""The reader: its own thread and connection, never in the way of a commit, interrupted as soon as nobody waits."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.searching import keep, said, store_of, text_block
from tests.unit.store_values import conversation
from tui_chat.errors import StoreCorruptError, StoreError, StoreUnavailableError
from tui_chat.store import Store, search
from tui_chat.store.reader import Query, Reader, Result

ENDLESS = """
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 500000000)
    SELECT count(*) FROM numbers"""


class Endless:
    """A query that runs for minutes if it is not interrupted, and says when it begins."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.started.set)
        try:
            connection.execute(ENDLESS).fetchone()
        finally:
            self.ended.set()


def one(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT 1").fetchone()[0])


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "a database?#.db"
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE texts (text)")
    connection.commit()
    yield path
    connection.close()


async def elsewhere(query: Query[Result]) -> Result:
    raise AssertionError("there is a file")


async def test_a_query_that_is_no_longer_awaited_is_interrupted(path: Path) -> None:
    reader = Reader(path, elsewhere)
    query = Endless()
    task = asyncio.create_task(reader.run(query))
    await query.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(query.ended.wait, 5)
    assert await reader.run(one) == 1  # the next one is not
    await reader.close()


async def test_a_query_that_was_cancelled_while_it_waited_never_begins(path: Path) -> None:
    reader = Reader(path, elsewhere)
    first, second = Endless(), Endless()
    tasks = [asyncio.create_task(reader.run(query)) for query in (first, second)]
    await first.started.wait()
    for task in reversed(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await reader.run(one) == 1
    assert not second.ended.is_set()
    await reader.close()


async def test_many_keys_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SECONDS", 60.0)
    store = await store_of(tmp_path / "db", *(f"tea number {number}" for number in range(30)))
    for _ in range(20):
        tasks = [
            asyncio.create_task(store.library.search(text)) for text in ("t", "te", "tea", "tea n", "tea number 7 ")
        ]
        await asyncio.sleep(0)
        for task in tasks[:-1]:
            task.cancel()
        assert [hit.snippet for hit in (await tasks[-1]).hits] == ["tea number 7"]
    await store.close()


async def test_closing_interrupts_and_nothing_is_read_afterwards(path: Path) -> None:
    reader = Reader(path, elsewhere)
    query = Endless()
    task = asyncio.create_task(reader.run(query))
    await query.started.wait()
    await reader.close()
    with pytest.raises(StoreUnavailableError):
        await task
    with pytest.raises(StoreUnavailableError, match="closed"):
        await reader.run(one)
    await reader.close()


async def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    before = threading.active_count()
    reader = Reader(tmp_path / "nowhere" / "db", elsewhere)
    assert threading.active_count() == before
    with pytest.raises(StoreUnavailableError):
        await reader.run(one)
    assert not (tmp_path / "nowhere").exists()
    await reader.close()


async def test_it_cannot_write(path: Path) -> None:
    reader = Reader(path, elsewhere)
    with pytest.raises(StoreError):
        await reader.run(lambda connection: connection.execute("INSERT INTO texts VALUES (1)").fetchall())
    await reader.close()


async def test_a_damaged_file_is_said_to_be_one(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all" * 1_000)
    reader = Reader(damaged, elsewhere)
    with pytest.raises(StoreCorruptError):
        await reader.run(lambda connection: connection.execute("SELECT * FROM texts").fetchall())
    await reader.close()


async def test_a_search_and_a_commit_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = await store_of(tmp_path / "db", "some tea")
    query = Endless()
    task = asyncio.create_task(store.reader.run(query))
    await query.started.wait()
    owner = conversation()
    await store.begin_turn(owner, turn := said(owner, "?", text_block("more tea"), at=1.8e9))
    await store.end_turn(owner, turn)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    held = sqlite3.connect(tmp_path / "db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    assert (await store.library.search("tea")).hits
    held.rollback()
    held.close()
    await store.library.index_all()
    assert [hit.snippet for hit in (await store.library.search("tea")).hits] == ["more tea", "some tea"]
    await store.close()


async def test_in_memory_the_same_is_found() -> None:
    store = await Store.open(None)
    owner = conversation()
    await keep(store, owner, said(owner, "?", text_block("tea")))
    assert len((await store.library.search("te")).hits) == 1
    await store.close()
    with pytest.raises(StoreUnavailableError):
        await store.library.search("te")
