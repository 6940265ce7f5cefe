"""The terminal driver in a real pty: Escape's latency, what becomes a key and what does not, and every way to end."""

import logging
import os
import re
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from textual.drivers.linux_driver import LinuxDriver

from tests.e2e.terminal import Terminal
from tui_chat.ui.driver import TerminalDriver, driver_class, restore_terminal

Start = Callable[..., Terminal]

# The modes of a terminal at rest: cursor shown, lines wrapped, everything else off.
ON_AT_REST = {"?25", "?7"}


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the application, stock or ours, and wait until it answers."""
    terminals: list[Terminal] = []

    def start(*arguments: str, **env: str) -> Terminal:
        terminal = Terminal([sys.executable, "-m", "tests.e2e.driver_app", *arguments], env=env)
        terminals.append(terminal)
        terminal.wait_for("ready")
        return terminal

    yield start
    for terminal in terminals:
        terminal.close()


def left_behind(terminal: Terminal) -> set[str]:
    """Everything in which the terminal differs from how it was before the program."""
    raw = terminal.raw.decode(errors="replace")
    modes: dict[str, str] = dict(re.findall(r"\x1b\[(\?[0-9]+)([hl])", raw))
    left = {mode for mode, state in modes.items() if (state == "h") != (mode in ON_AT_REST)}
    assert {"?1049", "?2004", "?1000", "?25"} <= modes.keys()
    if len(re.findall(r"\x1b\[>[0-9]+u", raw)) > raw.count("\x1b[<u"):
        left.add("kitty flags")
    if raw.count("\x1b[22;2t") > raw.count("\x1b[23;2t"):
        left.add("title")
    if re.findall(r"\x1b\[[0-9;]*m", raw)[-1] not in {"\x1b[0m", "\x1b[m"}:
        left.add("colours")
    if terminal.settings() != terminal.settings_before:
        left.add("settings")
    return left


def is_stopped(pid: int) -> bool:
    """Whether the process has been stopped by a signal and waits for SIGCONT."""
    state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.startswith("T")


def latencies(terminal: Terminal) -> list[float]:
    """Milliseconds from Escape to the screen, fifteen times."""
    return [1000 * terminal.measure("\x1b", f"\n{number}: key escape") for number in range(1, 16)]


def test_escape_is_quick(start: Start) -> None:
    found = latencies(start())
    print(f"escape to screen: median {statistics.median(found):.1f} ms, max {max(found):.1f} ms")
    assert statistics.median(found) < 40


def test_escape_waits_longer_over_ssh_and_as_long_as_the_user_says(start: Start) -> None:
    assert min(latencies(start(SSH_CONNECTION="192.0.2.1 1 192.0.2.2 22"))) >= 40
    assert min(latencies(start(ESCDELAY="60"))) >= 60


def test_a_late_tail_is_swallowed(start: Start) -> None:
    terminal = start()
    for _ in range(5):
        pressed = terminal.press("escape")
        terminal.wait_for("\n1: key escape")  # it was reported, so what follows is late
        sent = terminal.send("[A")
        terminal.press("z")
        terminal.wait_for("key z")
        if sent - pressed < 0.05:
            assert "\n2: key z" in terminal.screen_text()
            return
        terminal.close()
        terminal = start()
    pytest.skip("this machine is too busy to be in time for a late tail")


def test_what_a_person_would_type(start: Start) -> None:
    terminal = start()
    terminal.send("\x1b\r")
    terminal.wait_for("1: key alt+enter None")
    terminal.send("\x1b[27;2;13~")
    terminal.wait_for("2: key shift+enter")
    terminal.send("\x1bx")
    terminal.wait_for("3: key alt+x None")
    terminal.send(b"\xff\xc3")  # no UTF-8: must not end the application
    terminal.send("é")
    terminal.wait_for("key é")


def test_a_paste_is_never_keys(start: Start) -> None:
    terminal = start()
    terminal.paste("a\x1b[A\r\x11\x1b[201~b\rc")
    terminal.press("z")
    terminal.wait_for("2: key z")
    terminal.wait_for("1: paste 15 'a␛[A\\n␑␛[201~b\\nc'.")


def test_a_large_paste(start: Start) -> None:
    terminal = start()
    seconds = terminal.wait_after(terminal.paste("line\n" * 200_000), "1: paste 1000000 ")
    print(f"1 MB pasted in {seconds:.2f} s")


def test_the_title_is_set_safely_and_comes_back(start: Start) -> None:
    terminal = start()
    terminal.press("f1")
    terminal.wait_for(lambda: terminal.title)
    assert terminal.title == "a title with ␛]0;bad␇ in it"
    terminal.press("ctrl+q")
    assert terminal.wait_until_exit() == 0
    assert terminal.title == ""
    assert terminal.raw.count(b"\x1b[22;2t") == terminal.raw.count(b"\x1b[23;2t") == 1


def test_nothing_is_left_behind_after_ctrl_q(start: Start) -> None:
    terminal = start()
    terminal.press("ctrl+q")
    assert terminal.wait_until_exit() == 0
    assert left_behind(terminal) == set()


def test_pixel_mouse_reports_are_switched_off(start: Start) -> None:
    terminal = start(TEXTUAL_SMOOTH_SCROLL="1")
    terminal.send("\x1b[?2048;2$y")  # the terminal offers resize reports, so Textual asks for pixels
    terminal.wait_for(lambda: b"\x1b[?1016h" in terminal.raw)
    terminal.press("ctrl+q")
    terminal.wait_until_exit()
    assert left_behind(terminal) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_nothing_is_left_behind_after_a_signal(start: Start, number: signal.Signals) -> None:
    terminal = start()
    terminal.kill(number)
    terminal.kill(number)  # twice at once, as a closed window does
    # The second may hit the interpreter in its last millisecond, when it has taken its handlers down.
    assert terminal.wait_until_exit() in {0, -number}
    assert left_behind(terminal) == set()


def test_nothing_is_left_behind_when_the_application_does_not_answer(start: Start) -> None:
    terminal = start()
    terminal.press("f4")
    terminal.wait_for(lambda: b"stuck" in terminal.raw)

    def ended() -> bool:
        terminal.kill(signal.SIGTERM)  # the first asks, and one that comes a second later insists
        return terminal.exit_code is not None

    terminal.wait_for(ended)
    assert terminal.exit_code == -signal.SIGTERM
    assert left_behind(terminal) == set()


@pytest.mark.parametrize("key", ["f2", "f3", "f5"])
def test_nothing_is_left_behind_after_a_crash(start: Start, key: str) -> None:
    terminal = start()
    terminal.press(key)
    assert terminal.wait_until_exit() != 0
    assert left_behind(terminal) == set()


def test_a_closed_window_ends_the_application(start: Start) -> None:
    terminal = start()
    terminal.hang_up()
    assert terminal.wait_until_exit() >= 0


def test_a_closed_window_ends_the_application_even_under_nohup() -> None:
    ignore_hang_up = "trap '' HUP; exec \"$@\""
    with Terminal(["sh", "-c", ignore_hang_up, "sh", sys.executable, "-m", "tests.e2e.driver_app"]) as terminal:
        terminal.wait_for("ready")
        terminal.hang_up()
        assert terminal.wait_until_exit() >= 0


def test_suspending_gives_the_terminal_back_and_takes_it_again(start: Start) -> None:
    terminal = start()
    terminal.press("f1")
    terminal.wait_for(lambda: terminal.title)
    terminal.kill(signal.SIGTSTP)
    terminal.wait_for(lambda: is_stopped(terminal.pid))
    terminal.wait_for(lambda: terminal.title == "" and not left_behind(terminal))
    terminal.kill(signal.SIGCONT)
    terminal.wait_for(lambda: terminal.title)
    terminal.press("z")
    terminal.wait_for("key z")
    terminal.press("ctrl+q")
    assert terminal.wait_until_exit() == 0
    assert left_behind(terminal) == set()


def test_restore_terminal_resets_modes_and_settings() -> None:
    program = (
        "import sys, termios, tty; from tui_chat.ui.driver import restore_terminal;"
        "before = termios.tcgetattr(0); tty.setraw(0);"
        r"sys.stdout.write('\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?1000h\x1b[?2004h\x1b[>25u\x1b[31m'); sys.stdout.flush();"
        "restore_terminal(1, before)"
    )
    with Terminal([sys.executable, "-c", program]) as terminal:
        assert terminal.wait_until_exit() == 0
        assert left_behind(terminal) == set()


def test_restore_terminal_of_something_that_is_gone_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    restore_terminal(writer, [0, 0, 0, 0, 0, 0, []])
    os.close(writer)
    restore_terminal(writer, [0, 0, 0, 0, 0, 0, []])


def test_escape_wait_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(escape_wait_ms: int | None = None) -> int:
        chosen = driver_class(escape_wait_ms)
        assert chosen is not None
        assert issubclass(chosen, TerminalDriver)
        return chosen.escape_wait_ms

    for name in ("ESCDELAY", "SSH_CONNECTION", "TEXTUAL_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert wait() == 8
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert wait() == 40
    monkeypatch.setenv("ESCDELAY", "25")
    assert wait() == 25
    assert wait(5) == 5
    monkeypatch.setenv("ESCDELAY", "soon")
    assert wait() == 40
    assert wait(0) == 1


def test_another_textual_gets_its_own_driver(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delattr(LinuxDriver, "run_input_thread")
    with caplog.at_level(logging.WARNING):
        assert driver_class() is None
    (record,) = caplog.records
    assert "LinuxDriver with run_input_thread" in record.getMessage()


def test_windows_gets_its_own_driver(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with caplog.at_level(logging.WARNING):
        assert driver_class() is None
    assert len(caplog.records) == 1


def test_a_missing_attribute_is_noticed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def renamed(self: object) -> None:
        self.another_name = None  # type: ignore[attr-defined]  # stands for a constructor of another version

    monkeypatch.setattr(LinuxDriver, "__init__", renamed)
    assert driver_class() is None
    assert "_writer_thread" in caplog.text
