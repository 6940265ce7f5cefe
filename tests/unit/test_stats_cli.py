"""`tui-chat stats`: arguments, a database that is read as it is and left as it was, what is printed where."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.measured_history import measure
from tests.unit.test_store_schemas import written
from tui_chat.cli import main
from tui_chat.config import DATABASE
from tui_chat.prices import PriceList
from tui_chat.statistics import cli
from tui_chat.statistics.cli import HELP, read
from tui_chat.store import Store, migrations
from tui_chat.store.statistics import collect

Ask = Callable[..., str]


@pytest.fixture
async def history(tmp_path: Path) -> Path:
    """A data folder with some weeks in it."""
    folder = tmp_path / "data"
    store = await Store.open(folder / DATABASE)
    await measure(store)
    await store.close()
    return folder


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run it; the standard output."""

    def ask_(*arguments: str, folder: Path, code: int = 0) -> str:
        assert main(["stats", *arguments, "--data-dir", str(folder)]) == code
        said = capsys.readouterr()
        assert said.err == "" or code
        return said.out if not code else said.err

    return ask_


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_text_json_and_csv_say_the_same(history: Path, ask: Ask) -> None:
    found = json.loads(ask("--output-format", "json", folder=history))
    rows = list(csv.DictReader(io.StringIO(ask("--output-format", "csv", folder=history), newline="")))
    text = ask(folder=history)
    assert [row["model"] for row in rows] == [group["model"] for group in found["groups"]]
    assert sum(int(row["turns"]) for row in rows if row["demo"] == "false") == found["totals"]["turns"] > 100
    assert text.startswith(f"{found['totals']['turns']} turns · ")
    assert f"${found['totals']['cost_usd']:.2f}" in text
    assert f"{found['totals']['ttft_p95_s']:.2f}s" in text
    assert "█" in text
    assert "TTFT p50 by day" in text
    assert max(map(len, text.splitlines())) <= 80


def test_groupings_and_filters(history: Path, ask: Ask) -> None:
    def groups(*arguments: str) -> list[dict[str, object]]:
        found = json.loads(ask(*arguments, "--output-format", "json", folder=history))
        groups: list[dict[str, object]] = found["groups"]
        return groups

    everything = groups()
    assert {group["cache"] for group in groups("--by", "model,cache")} == {"hit", "no hit"}
    assert {group["server"] for group in groups("--by", "server")} == {"api.anthropic.com", "demo"}
    assert groups("--by", "day", "--by", "server") == groups("--by", "day, server")
    days = [str(group["day"]) for group in groups("--by", "day", "--server", "api")]
    assert days == sorted(days)
    since = (date.fromtimestamp(time.time()) - timedelta(6)).isoformat()  # noqa: DTZ012 - days are local
    last_week = [str(group["day"]) for group in groups("--by", "day", "--since", "7d", "--server", "api")]
    assert last_week == [day for day in days if day >= since]
    assert groups("--since", since) == groups("--since", "7d")
    assert groups("--until", since, "--since", since) == groups("--until", since, "--since", since, "--model", "CLAUDE")
    assert groups("--model", "haiku") == [group for group in everything if "haiku" in str(group["model"])]
    assert groups("--model", "nobody's") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since yesterday is no day: write it as 2026-11-21, or 7d for the last 7 days"),
        (["--since", "0d"], "--since 0d is no day"),
        (["--until", "7d"], "--until 7d is no day: write it as 2026-11-21"),
        (["--since", "2026-02-30"], "is no day"),
        (["--since", "2026-11-10", "--until", "2026-11-09"], "--until 2026-11-09 is before --since 2026-11-10"),
        (["--by", "hour"], "--by knows no 'hour': it may be model, day, month, server, cache"),
        (["--by", ""], "--by knows no ''"),
        (["--model", " "], "--model is empty"),
        (["--output-format", "xml"], "see tui-chat stats --help"),
        (["more"], "see tui-chat stats --help"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: list[str], said: str, tmp_path: Path, ask: Ask) -> None:
    complaint = ask(*arguments, folder=tmp_path, code=2)
    assert said in complaint
    assert complaint.count("\n") == 1


def test_very_long_ago_is_the_beginning(tmp_path: Path, ask: Ask) -> None:
    assert json.loads(ask("--since", "99999d", "--output-format", "json", folder=tmp_path))["filters"]["since"] < "1800"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--help"]) == 0
    assert capsys.readouterr().out == HELP
    assert max(map(len, HELP.splitlines())) <= 80


def test_no_history_yet(tmp_path: Path, ask: Ask) -> None:
    assert ask(folder=tmp_path / "nowhere").startswith("no turn has been stored yet")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / DATABASE).touch()
    assert ask(folder=tmp_path).startswith("no turn has been stored yet")


def test_nothing_is_changed(history: Path) -> None:
    before = files(history)
    assert read(history / DATABASE, PriceList.load()).cells
    assert files(history) == before
    history.chmod(0o500)
    try:
        assert read(history / DATABASE, PriceList.load()).cells
    finally:
        history.chmod(0o700)


def test_it_works_while_the_history_is_open_and_written_to(history: Path) -> None:
    path = history / DATABASE
    before = sum(cell.turns for cell in read(path, PriceList.load()).cells)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE aside AS SELECT * FROM turns")  # the log is not empty
        assert path.with_name(f"{path.name}-wal").stat().st_size
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM turns")  # not committed
        assert sum(cell.turns for cell in read(path, PriceList.load()).cells) == before


def test_a_database_that_changes_meanwhile_is_read_again(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read_before = history / DATABASE, list[int]()

    def meanwhile(connection: sqlite3.Connection, prices: PriceList, **options: object) -> object:
        found = collect(connection, prices, **options)  # type: ignore[arg-type]  # passed on as they came
        read_before.append(len(found.cells))
        if len(read_before) == 1:
            with closing(sqlite3.connect(path)) as other:
                other.execute("DELETE FROM requests")
                other.execute("DELETE FROM turns")
                other.commit()
        return found

    monkeypatch.setattr(cli, "collect", meanwhile)
    assert read(path, PriceList.load()).cells == []
    assert read_before[0] > 0
    assert len(read_before) == 2


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
def test_an_older_schema_is_read_as_it_is(version: int, tmp_path: Path, ask: Ask) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    written(version, folder / DATABASE)
    before = files(folder)
    assert json.loads(ask("--output-format", "json", folder=folder))["groups"]
    assert files(folder) == before


def test_a_newer_schema_is_refused(history: Path, ask: Ask) -> None:
    with closing(sqlite3.connect(history / DATABASE)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "was written by a newer version" in ask(folder=history, code=1)


def test_what_is_no_database_is_said_to_be_damaged(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / DATABASE).write_bytes(b"no database at all, but long enough" * 99)
    assert "is damaged" in ask(folder=tmp_path, code=1)


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, ask: Ask) -> None:
    said = ask(folder=tmp_path / ("x" * 300), code=1)
    assert "cannot be opened (File name too long)" in said


def test_it_needs_neither_the_sdk_nor_the_screen(tmp_path: Path) -> None:
    code = (
        "import sys; from tui_chat.cli import main; main(['stats', '--data-dir', sys.argv[1]]);"
        "sys.exit(' '.join({'anthropic', 'pydantic', 'httpx2', 'textual', 'rich', 'plotext'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_waiting_is_told_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        is_terminal = True

        def isatty(self) -> bool:
            return self.is_terminal

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(time, "monotonic", iter([0.0, 0.1, 1.0]).__next__)
    waiting = cli._Waiting()
    waiting.show(20_000)
    assert screen.getvalue() == ""
    waiting.show(40_000)
    waiting.end()
    assert screen.getvalue() == "\r\x1b[Kreading: 40,000 turns\r\x1b[K"
