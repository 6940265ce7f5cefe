"""Tabs in a real terminal: what goes on behind paints nothing in front, what comes to the front is whole, and no end loses one."""

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_painting import assert_painted, program, settle
from tui_chat.demo import DemoServer, Pacing, RequestRecord


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """Replies come for as long as a test looks at them."""
    demo = DemoServer(pacing=Pacing(ttft=0.05, rate=120)).start_in_thread()
    yield demo
    demo.stop()


def replies(server: DemoServer) -> list[RequestRecord]:
    return [each for each in server.requests if each.path == "/v1/messages"]


def start(server: DemoServer, folder: Path, *arguments: str, size: tuple[int, int] = (80, 24)) -> Terminal:
    terminal = program(server, folder, *arguments, columns=size[0], rows=size[1])
    terminal.wait_for("ready")
    return terminal


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [(80, 24), (40, 24)])
def test_a_reply_behind_paints_nothing_in_front(server: DemoServer, tmp_path: Path, size: tuple[int, int]) -> None:
    with start(server, tmp_path, size=size) as terminal:
        terminal.send("long 20000\r")
        terminal.wait_for(" streaming ")
        terminal.press("ctrl+t")
        streams = "streaming" if size[0] > 60 else "»"
        terminal.wait_for(lambda: "2 new chat" in terminal.rows()[0] and streams in terminal.rows()[0])
        terminal.wait_for(lambda: "ready" in terminal.rows()[-1] and "Enter sends" in terminal.screen_text())
        settle(terminal)
        (reply,) = replies(server)
        sent, before = reply.deltas, len(terminal.raw)
        terminal.wait_for(lambda: reply.deltas > sent + 150, 20)
        assert terminal.raw[before:] == b""
        terminal.send("typed meanwhile")
        terminal.wait_for("typed meanwhile")
        assert_painted(terminal, *size, "typing in front of a reply")
        terminal.press("alt+1")
        terminal.wait_for(lambda: "streaming" in terminal.rows()[-1] and "typed" not in terminal.screen_text())
        terminal.press("escape")
        terminal.wait_for("stopped by you")
        terminal.wait_for(lambda: reply.ended == "client_closed")
        assert_painted(terminal, *size, "the reply in front again")
        terminal.press("f6")
        terminal.wait_for("typed meanwhile")
        assert_painted(terminal, *size, "the other tab in front again")


@pytest.mark.timeout(60)
def test_a_question_behind_is_in_the_label_and_in_the_title(server: DemoServer, tmp_path: Path) -> None:
    with start(server, tmp_path, "--tools") as terminal:
        terminal.send("tools\r\x14")  # Ctrl+T at once: the dialog must not come up over the new tab
        terminal.wait_for("approval!")
        terminal.wait_for(lambda: terminal.title == "(!) tui-chat")
        settle(terminal)
        assert "allow" not in terminal.screen_text()
        terminal.send("\x1b[5;5~")  # Ctrl+PgUp
        terminal.wait_for(lambda: "calculator" in terminal.screen_text() and "allow" in terminal.screen_text())
        terminal.wait_for(lambda: terminal.title == "tools · tui-chat")
        terminal.send("\x1b[6;5~")
        terminal.wait_for(
            lambda: "Enter sends" in terminal.screen_text() and "calculator" not in terminal.screen_text()
        )
        assert_painted(terminal, 80, 24, "a dialog left behind")
        assert terminal.title == "(!) tui-chat"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", ["ctrl+q", "/quit", signal.SIGTERM, signal.SIGHUP])
def test_every_end_saves_all_tabs(server: DemoServer, tmp_path: Path, end: str | signal.Signals) -> None:
    with start(server, tmp_path) as terminal:
        for number in range(3):
            terminal.send(f"long 2000{number}\r")
            terminal.wait_for(lambda: "streaming" in terminal.rows()[-1])
            terminal.send(f"queued {number}\r" if number < 2 else "\r")
            terminal.send(f"draft {number}")
            terminal.wait_for(f"draft {number}")
            if number < 2:
                terminal.press("ctrl+t")
                terminal.wait_for(f"{number + 2} new chat")
        if isinstance(end, signal.Signals):
            os.kill(terminal.pid, end)
            assert terminal.wait_until_exit() == 128 + end
        elif end == "/quit":
            terminal.send("\x15" + "\x7f" * 10 + "/quit\r")
            assert terminal.wait_until_exit() == 0
        else:
            terminal.press(end)
            assert terminal.wait_until_exit() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "conversations.db")) as connection:
        kept = connection.execute("SELECT title, draft FROM conversations ORDER BY title").fetchall()
        outcomes = connection.execute("SELECT outcome FROM turns").fetchall()
    last = "" if end == "/quit" else "draft 2"
    assert kept == [("long 20000", "draft 0"), ("long 20001", "draft 1"), ("long 20002", last)]
    assert outcomes == [("cancelled",)] * 3
