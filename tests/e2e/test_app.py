"""The program as a person meets it: a real process in a real pty, the real SDK, the demo server over real HTTP.

Cancel is asserted on the server's side, storage in a second run, safety on the bytes that reach the terminal.
"""

import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tui_chat.demo import DemoServer, Pacing

OpenProgram = Callable[..., Terminal]


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A demo server in a thread of its own, quick but not instant."""
    demo = DemoServer(pacing=Pacing(ttft=0.05, rate=400)).start_in_thread()
    yield demo
    demo.stop()


@pytest.fixture
def program(tmp_path: Path, server: DemoServer) -> OpenProgram:
    """Start the program in a terminal, on the server unless told otherwise."""

    def start(*arguments: str, size: tuple[int, int] = (100, 30), env: dict[str, str] | None = None) -> Terminal:
        command = [sys.executable, "-m", "tui_chat", "--data-dir", str(tmp_path / "data"), *arguments]
        environment = {"ANTHROPIC_BASE_URL": server.base_url, **(env or {})}
        return Terminal(command, columns=size[0], rows=size[1], env=environment)

    return start


def say(terminal: Terminal, prompt: str, wanted: str) -> None:
    """Type a prompt, send it, wait for what the screen then shows."""
    terminal.send(prompt)
    terminal.press("enter")
    terminal.wait_for(wanted)


@pytest.mark.timeout(60)
def test_enter_and_quit_at_once_lose_nothing(program: OpenProgram) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        terminal.send("said at the last moment")
        terminal.wait_for("last moment")
        terminal.send("\r\x11")
        assert terminal.wait_until_exit() == 0
    with program("-c") as terminal:
        terminal.wait_for("said at the last moment")  # as a prompt that was stopped, or in the composer


@pytest.mark.timeout(60)
def test_what_a_locked_database_does_not_take_is_kept_in_a_file(program: OpenProgram, tmp_path: Path) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        say(terminal, "limit", "max_tokens")
        terminal.send("typed while it was locked")
        terminal.wait_for("typed while")
        with contextlib.closing(sqlite3.connect(tmp_path / "data/conversations.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            terminal.press("ctrl+q")
            assert terminal.wait_until_exit(20) == 0
            other.execute("ROLLBACK")
        assert "what was typed is in" in terminal.screen_text()
    (kept,) = (tmp_path / "data").glob("unsaved-*.txt")
    assert kept.read_text() == "typed while it was locked\n"
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(60)
def test_a_tool_asks_and_nothing_typed_ahead_answers(program: OpenProgram, tmp_path: Path) -> None:
    """The dialog comes while somebody types: what was typed neither allows the call nor is lost on the way to a denial."""
    with program("--tools", "--tools-root", str(tmp_path)) as terminal:
        terminal.wait_for("ready")
        terminal.send("tool")
        terminal.press("enter")
        terminal.send("y" * 3)
        terminal.wait_for("Run calculator?")
        terminal.send("yyyyyyyyyy")  # at once, as a held key
        terminal.wait_for("approval: calculator")
        terminal.press("escape")
        terminal.wait_for("denied")
        terminal.wait_for("end_turn")
        for _ in range(20):  # all of it went to the composer
            terminal.press("backspace")
        say(terminal, "tool", "Run calculator?")
        time.sleep(0.5)  # what is tested is that time has to pass
        terminal.press("y")
        terminal.wait_for("→ 42")
        terminal.wait_for("end_turn")
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_a_first_afternoon(program: OpenProgram, server: DemoServer, size: tuple[int, int]) -> None:
    """Three turns, one stopped, one failed and sent again; quit; all of it is there again."""
    with program(size=size) as terminal:
        terminal.wait_for("ready")
        say(terminal, "hello", "end_turn")
        terminal.wait_for("ready")
        say(terminal, "silence", "Esc stops")
        terminal.wait_for(lambda: re.search(r"streaming \d", terminal.screen_text()))
        terminal.press("escape")
        terminal.wait_for("stopped by you")
        assert server.requests[-1].path == "/v1/messages"
        terminal.wait_for(lambda: server.requests[-1].ended == "client_closed")
        say(terminal, "error", "failed: the server reported an error")
        terminal.press("tab", "r")
        terminal.wait_for(", . 2/2")  # another version, which fails like the first
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0
    with program("-c", size=size) as terminal:
        terminal.wait_for("failed: the server reported an error")
        terminal.press("ctrl+home")
        terminal.wait_for("▌ hello")
        terminal.wait_for("Welcome to the demo")
        for _ in range(8):
            if "stopped by you" in terminal.screen_text():
                break
            terminal.press("pagedown")
            terminal.wait_for("ready")
        terminal.wait_for("stopped by you")
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0


def test_without_a_key_it_starts_on_the_demo_and_says_so(program: OpenProgram) -> None:
    with program(env={"ANTHROPIC_BASE_URL": ""}) as terminal:
        terminal.wait_for("replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude")
        say(terminal, "hello", "Welcome to the demo")


@pytest.mark.timeout(30)
def test_dead_proxies_do_not_reach_loopback(program: OpenProgram) -> None:
    with program("--demo", env={"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}) as terminal:
        terminal.wait_for("ready")
        say(terminal, "hello", "Welcome to the demo")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_restores_the_terminal(
    program: OpenProgram, server: DemoServer, tmp_path: Path, number: signal.Signals
) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        say(terminal, "silence", "Esc stops")
        terminal.wait_for(lambda: re.search(r"streaming \d", terminal.screen_text()))
        terminal.kill(number)
        assert terminal.wait_until_exit() == 128 + number
        raw = terminal.raw
        for mode in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l"):
            assert mode in raw
    with sqlite3.connect(tmp_path / "data" / "conversations.db") as database:
        assert database.execute("select outcome from turns").fetchall() == [("cancelled",)]


@pytest.mark.timeout(30)
def test_the_receipt_of_a_stop_counts_from_the_byte_of_the_key(
    program: OpenProgram, server: DemoServer, tmp_path: Path
) -> None:
    """What tells a lone Escape from the start of a sequence is a wait of our own: it is in the figure."""
    with program(env={"ESCDELAY": "150"}) as terminal:
        terminal.wait_for("ready")
        say(terminal, "silence", "Esc stops")
        terminal.wait_for(lambda: re.search(r"streaming \d", terminal.screen_text()))
        before = time.monotonic()
        terminal.press("escape")
        terminal.wait_for("stopped by you")
        terminal.wait_for(lambda: server.requests[-1].ended == "client_closed")
        after = time.monotonic()
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0
    with sqlite3.connect(tmp_path / "data" / "conversations.db") as database:
        ((closed_after,),) = database.execute("select closed_after from turns").fetchall()
    assert 0.15 <= closed_after <= after - before


def test_no_forbidden_byte_reaches_the_terminal(program: OpenProgram) -> None:
    hostile = "[bold]x[/nope] ␛]52;c;aGFjaw==␇"
    with program() as terminal:
        terminal.wait_for("ready")
        # The demo quotes the first prompt in its second reply; the escape comes in by paste, raw.
        terminal.paste("[bold]x[/nope] \x1b]52;c;aGFjaw==\x07 end")
        terminal.press("enter")
        terminal.wait_for("end_turn")
        say(terminal, "again", hostile)
        assert b"\x1b]52" not in terminal.raw
        assert re.search(rb"\x1b\][^02]", terminal.raw) is None  # no operating system command but the title's


@pytest.mark.timeout(30)
def test_a_killed_program_loses_nothing_acknowledged(program: OpenProgram, tmp_path: Path) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        say(terminal, "hello", "end_turn")
        terminal.wait_for("ready")
        say(terminal, "silence", "Esc stops")
        terminal.wait_for(lambda: re.search(r"streaming \d", terminal.screen_text()))
        database = sqlite3.connect(tmp_path / "data" / "conversations.db")
        terminal.wait_for(lambda: database.execute("select count(*) from journal").fetchone()[0] > 0)
        terminal.kill(signal.SIGKILL)
        terminal.wait_until_exit()
        database.close()
    with program("-c") as terminal:
        terminal.wait_for("the program ended before the reply did")
        terminal.wait_for("ready")
        say(terminal, "go on then", "end_turn")


def test_a_crash_restores_the_terminal_and_says_one_sentence(tmp_path: Path) -> None:
    script = (
        "import sys; from tui_chat.ui.screens.chat import ChatScreen\n"
        "def crash(self, secret='sk-canary-key'): raise RuntimeError('a bug')\n"
        "ChatScreen.action_log_start = crash\n"
        "from tui_chat.cli import main\n"
        f"sys.exit(main(['--demo', '--data-dir', {str(tmp_path / 'data')!r}]))"
    )
    with Terminal([sys.executable, "-c", script], columns=100, rows=30) as terminal:
        terminal.wait_for("ready")
        terminal.press("ctrl+home")
        assert terminal.wait_until_exit() == 1
        assert "tui-chat crashed (RuntimeError)" in terminal.screen_text()
        assert b"canary" not in terminal.raw
        assert b"\x1b[?1049l" in terminal.raw
    log = (tmp_path / "data" / "tui-chat.log").read_text()
    assert "a bug" in log
    assert "canary" not in log


def test_no_terminal_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui_chat"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("size", [(40, 12), (20, 5)])
def test_small_terminals_work(program: OpenProgram, size: tuple[int, int]) -> None:
    with program(size=size) as terminal:
        terminal.wait_for("ready")
        terminal.send("hello")
        terminal.press("enter")
        terminal.wait_for(lambda: "ready" in terminal.screen_text())
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0


def test_resizing_while_it_streams(program: OpenProgram) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        say(terminal, "long", "Esc stops")
        for columns in (60, 120, 41, 90):
            terminal.resize(columns, 24)
        terminal.wait_for("end_turn", timeout=9)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("prompt", ["markdown", "long 400", "thinking"])
def test_what_was_painted_bit_by_bit_is_what_a_full_repaint_shows(program: OpenProgram, prompt: str) -> None:
    """Rows painted past the compositor, row differences and scrolls leave the terminal as one full repaint would."""
    with program(size=(90, 24)) as terminal:
        terminal.wait_for("ready")
        say(terminal, prompt, "end_turn")
        terminal.wait_for("ready")
        terminal.send("a draft")
        terminal.wait_for("› a draft")
        painted = terminal.rows()
        terminal.resize(91, 24)  # everything is forgotten and painted again
        terminal.resize(90, 24)
        terminal.wait_for(lambda: terminal.rows() == painted)


def test_editing_keys_typed_at_once_come_in_their_order(program: OpenProgram) -> None:
    with program() as terminal:
        terminal.wait_for("ready")
        terminal.send("abc")
        terminal.wait_for("› abc")
        terminal.send("\x15wrong word\x17\x17right\x7f\x7fde\x1b[D!")
        terminal.wait_for("› rigd!e")
