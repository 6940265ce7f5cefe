"""`tui-chat doctor` as a person meets it: in a real terminal that answers or does not, in a pipe, with something broken."""

import os
import signal
import sqlite3
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.terminal import Terminal
from tests.unit.doctor_reports import fingerprint
from tui_chat.demo import DemoServer

pytestmark = pytest.mark.timeout(30)  # a run imports the SDK, and waits for terminals that say nothing

COMMAND: Final = (sys.executable, "-m", "tui_chat", "doctor")
ANSWERS: Final = b"\x1b[3;2R\x1b[?0u\x1bP>|kitty(0.35.2)\x1b\\\x1b[?2004;2$y\x1b[?1006;2$y\x1b[?2026;2$y\x1b[?62;22c"


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The doctor in a pipe."""
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, **environ},
    )


@pytest.mark.parametrize("columns", [40, 80])
def test_in_a_terminal_that_answers(tmp_path: Path, columns: int) -> None:
    with Terminal([*COMMAND, "--demo"], columns=columns, rows=70, home=tmp_path / "home") as terminal:
        terminal.wait_for(lambda: b"\x1b[c" in terminal.raw)
        assert terminal.settings()[3] & termios.ECHO == 0  # or the answers would be painted
        terminal.send(ANSWERS)
        assert terminal.wait_until_exit(20) == 0
        assert terminal.settings() == terminal.settings_before
        rows = terminal.rows()
    text = " ".join(row.strip() for row in rows)
    assert rows[0] == "Program"
    for part in (
        "name: kitty(0.35.2)",
        "kitty keyboard: yes",
        "encoding: UTF-8, and the terminal draws it",
        "bracketed paste: yes",
        f"size: {columns} columns, 70 rows",
        "GET /v1/models: 18 models in",
        "healthy: no problem",
        "no message was sent",
    ):
        assert part in text, part
    verdicts = {row.split()[0] for row in rows if ": " in row and not row.startswith((" ", "healthy"))}
    assert verdicts <= {"ok", "note"}
    assert "..." not in text  # what was said while it worked is wiped away
    assert not [row for row in rows if "\x1b" in row or "[?" in row or "$y" in row]


def test_in_a_terminal_that_says_nothing(tmp_path: Path) -> None:
    with Terminal([*COMMAND, "--demo"], columns=100, rows=70, home=tmp_path / "home") as terminal:
        assert terminal.wait_until_exit(20) == 0
        assert "answers: none in time, so keys, paste and mouse are not known" in terminal.screen_text()
        assert terminal.settings() == terminal.settings_before


def test_ctrl_c_while_the_terminal_is_asked(tmp_path: Path) -> None:
    with Terminal(COMMAND, columns=100, rows=70, home=tmp_path / "home") as terminal:
        terminal.wait_for(lambda: b"\x1b[c" in terminal.raw)
        terminal.press("ctrl+c")
        assert terminal.wait_until_exit() == 130
        assert terminal.settings() == terminal.settings_before
        assert "Traceback" not in terminal.screen_text()


def test_in_a_pipe() -> None:
    done = run("--demo")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert [line for line in lines if line and not line.startswith(("ok ", "note ", " "))] == [
        "Program",
        "Files",
        "Database",
        "Credentials",
        "Terminal",
        "Server",
        lines[-1],
    ]
    assert lines[-1].startswith("healthy: no problem, ")


def test_a_reader_that_leaves_early() -> None:
    with subprocess.Popen([*COMMAND, "--demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_ctrl_c_in_a_pipe() -> None:
    with subprocess.Popen([*COMMAND, "--demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 130


def test_no_standard_streams_at_all() -> None:
    closed = "import os, sys; [os.close(n) for n in (0, 1, 2)]; os.execv(sys.executable, [sys.executable, '-m', 'tui_chat', 'doctor', '--demo'])"
    assert subprocess.run([sys.executable, "-c", closed], check=False).returncode == 0


def test_everything_is_broken_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    config = home / ".config" / "tui-chat" / "config.toml"
    data = home / ".local" / "share" / "tui-chat"
    for folder in (config.parent, data):
        folder.mkdir(parents=True)
    config.write_text("modle = 'x'")
    (data / "conversations.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 9_000)
    before = fingerprint(home)
    done = run(ANTHROPIC_API_KEY="sk-canary\n", ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert fingerprint(home) == before
    problems = [
        line.split(": ")[0].split("  ", 1)[1].strip() for line in done.stdout.splitlines() if line.startswith("problem")
    ]
    assert problems == ["settings", "integrity", "ANTHROPIC_API_KEY", "answer"]
    assert done.stdout.splitlines()[-1].startswith("not healthy: 4 problems, ")
    assert "canary" not in done.stdout + done.stderr
    advised = [number for number, line in enumerate(done.stdout.splitlines()) if line.startswith("problem")]
    assert all(done.stdout.splitlines()[number + 1].startswith("         -> ") for number in advised)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "conversations.db"
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {0x54756943}")
        connection.execute("PRAGMA user_version = 999")
        connection.execute("CREATE TABLE conversations (id)")
        connection.commit()
    path.chmod(0o600)
    before = fingerprint(tmp_path)
    done = run("--demo", "--data-dir", str(path.parent))
    assert done.returncode == 1
    assert "problem  schema: a newer tui-chat wrote this database" in done.stdout
    assert fingerprint(tmp_path) == before


def test_the_server_is_asked_for_its_models_and_nothing_else() -> None:
    server = DemoServer().start_in_thread()
    try:
        done = run(ANTHROPIC_BASE_URL=server.base_url, ANTHROPIC_API_KEY="sk-canary", ANTHROPIC_LOG="debug")
        assert (done.returncode, done.stderr) == (0, "")
        assert "ok       GET /v1/models: 18 models in " in done.stdout
        assert {(record.method, record.path.partition("?")[0]) for record in server.requests} == {("GET", "/v1/models")}
        refused = run(ANTHROPIC_BASE_URL=server.base_url, ANTHROPIC_API_KEY="sk-wrong")
        assert refused.returncode == 1
        assert "problem  answer: the key was not accepted (401)" in refused.stdout
        assert "-> check ANTHROPIC_API_KEY" in refused.stdout
    finally:
        server.stop()


def test_a_bundle(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run_chat("-p", "empty canary", "--demo").returncode == 0  # there is a database and a log folder now
    done = run("--demo", "--bundle", str(tmp_path / "report.txt"), USER="somebody", ANTHROPIC_API_KEY="sk-canary")
    report = tmp_path / "report.txt"
    assert done.returncode == 0
    assert done.stdout.endswith(f"the report is in {report}; look through it before you hand it on\n")
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text()
    assert "ok       content: 1 conversation, 1 turn" in text
    for hidden in (str(home), str(tmp_path), "canary", "somebody"):
        assert hidden not in text
    again = run("--demo", "--bundle", str(report))
    assert (again.returncode, again.stdout) == (2, "")
    assert "is there already: give --bundle a new name" in again.stderr


def run_chat(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tui_chat", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
