"""The doctor looks at the files and into the database, says what is wrong with them, and changes nothing."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.doctor_reports import Said, config_at, fingerprint, quiet, said, verdicts
from tests.unit.store_databases import written
from tests.unit.store_values import conversation, running
from tui_chat.config import DATABASE, Config
from tui_chat.doctor import database
from tui_chat.doctor.database import check_database
from tui_chat.doctor.files import check_files
from tui_chat.doctor.report import Report
from tui_chat.errors import UsageError
from tui_chat.store import Store, migrations

FIXTURES: Final = Path(__file__).parents[1] / "fixtures" / "databases"
root_may_do_anything = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not hold for this user"
)

# Files ---------------------------------------------------------------------------------------------------------------


def examined_files(config: Config, complaint: UsageError | None = None) -> Said:
    report = quiet()
    check_files(report, config, complaint)
    return said(report)


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    found = examined_files(config_at(tmp_path))
    assert verdicts(found) == {"ok"}
    assert "not there yet" in found["data folder"][1]
    assert "none, the defaults hold" in found["config file"][1]
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


async def test_what_is_there(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    await written(config.data_dir / DATABASE)
    for name, content in (
        (f"{DATABASE}.v1.backup", "1" * 1_500),
        (f"{DATABASE}.damaged-20260101-120000", "2" * 700),
        (f"{DATABASE}.damaged-20260101-120000-wal", "3"),
        ("tui-chat.log", "4" * 12),
        (f"{DATABASE}-wal", "5"),
    ):
        (config.data_dir / name).write_text(content)
        (config.data_dir / name).chmod(0o600)
    found = examined_files(config)
    assert found["data folder"][:2] == ("ok", f"{config.data_dir}, 0700")
    assert found["database"][0] == "ok"
    assert found["database"][1].startswith(f"{DATABASE}, ")
    assert found["database"][1].endswith(", 0600")
    assert found["log"][:2] == ("ok", "tui-chat.log, 12 bytes, 0600")
    assert found["write-ahead log"][:2] == ("ok", f"{DATABASE}-wal, 1 byte, 0600")
    assert found[f"copy before an upgrade, {DATABASE}.v1.backup"][1] == f"{DATABASE}.v1.backup, 1.5 kB, 0600"
    verdict, text, advice = found["damaged database kept aside"]
    assert (verdict, text) == ("note", f"{DATABASE}.damaged-20260101-120000, 700 bytes")
    assert "tui-chat import" in advice


def test_others_may_look(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    for folder in (config.data_dir, config.config_file.parent):
        folder.mkdir()
    config.data_dir.chmod(0o755)
    config.config_file.touch(0o644)
    config.log_file.touch()
    config.log_file.chmod(0o640)
    found = examined_files(config)
    assert found["data folder"][0] == found["log"][0] == "note"
    assert found["log"][2] == f"chmod 600 {config.log_file}"
    assert found["config file"][0] == "ok"  # everybody may read it, nobody else may write it
    config.config_file.chmod(0o664)
    verdict, _, advice = examined_files(config)["config file"]
    assert (verdict, advice) == ("problem", f"chmod go-w {config.config_file}")


@pytest.mark.parametrize("kind", ["below a file", "a file", "unwritable", "unwritable parent"])
def test_a_data_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    config = config_at(tmp_path)
    if kind == "below a file":
        config = Config(tmp_path / "file" / "data", config.config_file)
        (tmp_path / "file").touch()
    elif kind == "a file":
        config.data_dir.touch()
    else:
        place = config.data_dir if kind == "unwritable" else tmp_path
        place.mkdir(exist_ok=True)
        before = os.access  # for root everything may be written
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place and before(path, mode))
    verdict, text, advice = examined_files(config)["data folder"]
    assert verdict == "problem"
    assert "conversations are kept in memory only" in text
    assert "--data-dir" in advice


@root_may_do_anything
def test_a_read_only_folder(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    config.data_dir.mkdir(mode=0o500)
    assert examined_files(config)["data folder"][0] == "problem"


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_at(tmp_path)
    config.data_dir.mkdir(mode=0o700)
    config.log_file.touch(0o600)
    before, uid = os.access, config.log_file.stat().st_uid
    monkeypatch.setattr(os, "access", lambda path, mode: path != config.log_file and before(path, mode))
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    verdict, text, advice = examined_files(config)["log"]
    assert verdict == "problem"
    assert text.endswith("it belongs to another user")
    assert "chown" in advice


def test_no_home(tmp_path: Path) -> None:
    config = Config(Path(os.devnull) / "tui-chat", Path(os.devnull) / "tui-chat" / "config.toml", no_home=True)
    verdict, _, advice = examined_files(config)["data folder"]
    assert verdict == "problem"
    assert "set HOME" in advice


@pytest.mark.parametrize(("free", "verdict"), [(10_000_000, "problem"), (400_000_000, "note"), (600_000_000, "ok")])
def test_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert examined_files(config_at(tmp_path))["free space"][0] == verdict


def test_a_broken_config_file_and_price_file(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    config.config_file.parent.mkdir()
    config.config_file.with_name("prices.toml").write_text("[[models]]\nnames = 3")
    found = examined_files(config, UsageError("the config file x has an unknown key 'canary'", "see the README"))
    assert found["settings"] == ("problem", "the config file x has an unknown key 'canary'", "see the README")
    assert found["prices"][0] == "problem"


# The database --------------------------------------------------------------------------------------------------------


def examined_database(config: Config, *, may_index: bool = False) -> Said:
    """What is said of the database, and that it stays as it was; `may_index`: SQLite may make its -shm anew."""
    report = quiet()
    before = fingerprint(config.data_dir.parent)
    check_database(report, config)
    after = fingerprint(config.data_dir.parent)
    if may_index:
        for each in (before, after):
            each.pop(f"data/{DATABASE}-shm", None)
            each.pop("data", None)
    assert after == before
    return said(report)


def test_no_database_and_an_empty_one(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    assert examined_database(config) == {"database": ("ok", "none yet", "")}
    config.data_dir.mkdir()
    (config.data_dir / DATABASE).touch()
    assert examined_database(config) == {"database": ("ok", "empty", "")}


async def test_a_sound_database(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    await written(config.data_dir / DATABASE)
    found = examined_database(config)
    assert verdicts(found) <= {"ok", "note"}
    assert found["integrity"][0] == found["references"][0] == found["schema"][0] == "ok"
    assert found["schema"][1] == f"version {len(migrations.MIGRATIONS)}"
    assert found["content"][1] == "1 conversation, 1 turn"
    assert "running" not in found


@pytest.mark.parametrize("content", [b"x", b"no database " * 99, b"SQLite format 3\0" + b"\xff" * 9000])
def test_garbage(tmp_path: Path, content: bytes) -> None:
    config = config_at(tmp_path)
    config.data_dir.mkdir()
    (config.data_dir / DATABASE).write_bytes(content)
    verdict, _, advice = examined_database(config)["integrity"]
    assert verdict == "problem"
    assert "tui-chat import" in advice


async def test_damaged_pages(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    path = config.data_dir / DATABASE
    await written(path, "x" * 100_000)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff" * 8192 + content[len(content) // 2 + 8192 :])
    assert examined_database(config)["integrity"][0] == "problem"


async def test_damage_is_said_in_the_words_of_sqlite(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    path = config.data_dir / DATABASE
    await written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(36)  # how many free pages there are
        file.write(b"\0\0\0\7")
    verdict, text, _ = examined_database(config, may_index=True)["integrity"]
    assert verdict == "problem"
    assert "freelist" in text
    assert "***" not in text


def test_a_newer_database_and_a_foreign_one(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    config.data_dir.mkdir()
    path = config.data_dir / DATABASE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        verdict, text, _ = examined_database(config)["database"]
        assert (verdict, "belongs to another program" in text) == ("problem", True)
        connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 999")
        connection.commit()
    verdict, _, advice = examined_database(config)["schema"]
    assert (verdict, "update tui-chat" in advice) == ("problem", True)


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
def test_an_older_database_is_not_upgraded(tmp_path: Path, version: int) -> None:
    config = config_at(tmp_path)
    config.data_dir.mkdir()
    with closing(sqlite3.connect(config.data_dir / DATABASE)) as connection:
        connection.executescript((FIXTURES / f"schema_{version}.sql").read_text())
    found = examined_database(config)
    assert found["schema"][:2] == (
        "note",
        f"version {version}; the next start upgrades it to {len(migrations.MIGRATIONS)} and keeps a copy",
    )
    assert found["integrity"][0] == "ok"
    assert found["running"][:2] == ("note", "1 reply cut off; the next start marks them as interrupted")


async def test_a_reply_that_runs_has_an_owner(tmp_path: Path) -> None:
    config = config_at(tmp_path)
    store = await Store.open(config.data_dir / DATABASE)
    whose = conversation()
    await store.begin_turn(whose, running(whose))
    found = examined_database(config, may_index=True)  # while it is open, and what it wrote is in its log
    assert found["running"][:2] == ("ok", f"1 reply of process {os.getpid()}")
    assert found["content"][1] == "1 conversation, 1 turn"
    await store.close()
    assert examined_database(config)["running"][0] == "ok"


async def test_what_a_killed_program_left_in_its_log_is_read(tmp_path: Path) -> None:
    running_at, config = config_at(tmp_path / "running"), config_at(tmp_path / "killed")
    store = await Store.open(running_at.data_dir / DATABASE)
    whose = conversation()
    await store.begin_turn(whose, running(whose))
    config.data_dir.mkdir(parents=True)
    for name in (DATABASE, f"{DATABASE}-wal"):
        shutil.copy2(running_at.data_dir / name, config.data_dir)
    await store.close()
    found = examined_database(config, may_index=True)
    assert found["content"][1] == "1 conversation, 1 turn"
    assert found["integrity"][0] == "ok"


async def test_a_database_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_at(tmp_path)
    path = config.data_dir / DATABASE
    await written(path)
    examine, ways = database._examined, []

    def disturbed(report: Report, path: Path, *, immutable: bool) -> Any:
        ways.append(immutable)
        if immutable:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE conversations SET title = 'another'")
        return examine(report, path, immutable=immutable)

    monkeypatch.setattr(database, "_examined", disturbed)
    report = quiet()
    check_database(report, config)
    assert ways == [True, False]
    assert len([each for each in report.findings if each.name == "integrity"]) == 1


def test_a_locked_database_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.doctor.database.PATIENCE", 0.01)
    config = config_at(tmp_path)
    config.data_dir.mkdir()
    path = config.data_dir / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript((FIXTURES / "schema_1.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(
            "INSERT INTO conversations SELECT 'x', 1, 1, '', '', '', '', '', NULL FROM conversations LIMIT 1"
        )
        report = quiet()
        check_database(report, config)
    assert said(report)["database"][0] == "problem"
    assert "locked by another program" in said(report)["database"][1]
