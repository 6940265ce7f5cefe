"""The file: permissions, other versions, other programs, first starts."""

import asyncio
import dataclasses
import hashlib
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.unit.store_databases import kept, names, written
from tests.unit.store_processes import hear, tell, writer
from tests.unit.store_values import conversation, running, stored
from tui_chat.errors import StoreError, StoreTooNewError, StoreUnavailableError
from tui_chat.store import Store, migrations


def allow(path: Path, mode: int) -> None:
    path.chmod(mode)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# Permissions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
async def test_directory_and_files_are_private_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "data" / "tui-chat" / "chat.db"
    with umask(mask & 0o077 if os.geteuid() else mask):
        store = await Store.open(path)
        await store.begin_turn(owner := conversation(), running(owner))
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["chat.db", "chat.db-shm", "chat.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    for directory in (path.parent, path.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) & 0o077 == 0
    await store.close()


async def test_an_open_file_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await written(path)
    path.chmod(0o644)
    await written(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere/at/all")])
async def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(path := tmp_path / "chat.db")
    with pytest.raises(StoreUnavailableError, match=r"chat\.db"):
        await Store.open(path)


async def test_a_path_below_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreUnavailableError) as caught:
        await Store.open(tmp_path / "file" / "tui-chat" / "chat.db")
    assert str(tmp_path) in str(caught.value)
    assert caught.value.advice


async def test_what_may_only_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: another user must be able to see it
        directory = Path(name)
        await written(directory / "chat.db")
        allow(directory / "chat.db", 0o444)
        allow(directory, 0o555)
        for path in (directory / "chat.db", directory / "new.db", directory / "deeper" / "new.db"):
            with writer(path, "refused") as process:
                kind, *sentence = hear(process)
                assert kind == "StoreUnavailableError"
                assert str(directory) in " ".join(sentence)
        allow(directory, 0o700)


# Other versions, other programs ------------------------------------------------------------------------------------


async def test_a_newer_schema_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations.MIGRATIONS) + 1}")
    before = sha256(path)
    with pytest.raises(StoreTooNewError) as caught:
        await Store.open(path)
    assert str(path) in str(caught.value)
    assert sha256(path) == before


async def test_a_newer_schema_that_another_process_has_open_is_untouched(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    await written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations.MIGRATIONS) + 1}")
        log = path.with_name("chat.db-wal")
        before = sha256(path), sha256(log)
        assert log.stat().st_size
        with pytest.raises(StoreTooNewError):
            await Store.open(path)
        assert (sha256(path), sha256(log)) == before


@pytest.mark.parametrize("change", ["PRAGMA application_id = 7", "CREATE TABLE theirs (x)", "PRAGMA user_version = 1"])
async def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path, change: str) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
    before = sha256(path)
    with pytest.raises(StoreError, match="another program"):
        await Store.open(path)
    assert sha256(path) == before


def add_mood(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE conversations ADD COLUMN mood TEXT")


def fail(connection: sqlite3.Connection) -> None:
    add_mood(connection)
    raise sqlite3.OperationalError("no")


async def test_an_older_schema_is_copied_then_migrated(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chat.db"
    owner, turn = await written(path)
    steps = (*migrations.MIGRATIONS, add_mood)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrations.migrate(connection, path, steps)
        assert migrations.check(connection, path, steps) == len(steps)
        assert connection.execute("SELECT id, mood FROM conversations").fetchall() == [(owner.id, None)]
    backup = migrations.backup_path(path, len(migrations.MIGRATIONS))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert names(path.parent) == ["chat.db", backup.name]
    store = await Store.open(backup)
    assert await store.load(owner.id) == dataclasses.replace(owner, turns=[stored(turn)])
    await store.close()


async def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    owner, _ = await written(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(connection, path, (*migrations.MIGRATIONS, fail))
        assert not connection.in_transaction
        assert migrations.check(connection, path) == len(migrations.MIGRATIONS)
    assert await kept(path) == [owner.id]


async def test_first_starts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chat.db"
    with (
        writer(path, "one_turn") as first,
        writer(path, "one_turn") as second,
        writer(path, "one_turn") as third,
    ):
        processes = (first, second, third)
        for process in processes:
            tell(process)
        ids = [hear(process)[0] for process in processes]
        for process in processes:
            tell(process)
        assert [hear(process) for process in processes] == [["ended"]] * 3
    assert sorted(await kept(path)) == sorted(ids)


async def test_stores_of_one_process_share_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    ids = await asyncio.gather(*(written(path, str(number)) for number in range(4)))
    assert sorted(await kept(path)) == sorted(owner.id for owner, _ in ids)
