"""The doctor asks the terminal and the server: what they answer, odd or not at all, and that the terminal stays as it was."""

import asyncio
import os
import pty
import shutil
import socket
import sys
import termios
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.unit import raw_server as raw
from tests.unit.doctor_reports import Said, config_at, fingerprint, quiet, said, verdicts
from tests.unit.raw_server import raw_server
from tui_chat.config import Config
from tui_chat.doctor import terminal
from tui_chat.doctor.server import check_server
from tui_chat.doctor.terminal import check_terminal
from tui_chat.ui import clipboard

# The terminal --------------------------------------------------------------------------------------------------------

WHOLE: Final = b"\x1b[3;2R\x1b[?1u\x1bP>|kitty(0.35.2)\x1b\\\x1b[?2004;2$y\x1b[?1006;1$y\x1b[?2026;0$y\x1b[?62;22c"


class Pty:
    """A terminal whose other end answers the questions with `answer`, in pieces."""

    def __init__(self, *answer: bytes) -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.asked = b""
        self._answer = answer
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while b"\x1b[c" not in self.asked:
            self.asked += os.read(self.master, 1024)
        for piece in self._answer:
            os.write(self.master, piece)

    def close(self) -> None:
        self._thread.join()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pty of a test is nobody's controlling terminal, so nobody is in its foreground."""
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())


def asked(*answer: bytes, patience: float = 5.0) -> bytes:
    tty = Pty(*answer)
    try:
        said = terminal.ask(tty.slave, tty.slave, "\x1b[?u\x1b[c", patience)
        assert termios.tcgetattr(tty.slave) == tty.before
        return said
    finally:
        tty.close()


@pytest.mark.usefixtures("ours")
def test_a_terminal_that_answers() -> None:
    assert asked(WHOLE) == WHOLE
    assert asked(b"typed", *(WHOLE[place : place + 1] for place in range(len(WHOLE)))) == b"typed" + WHOLE


@pytest.mark.usefixtures("ours")
def test_a_terminal_that_says_nothing_or_half_is_left_alone() -> None:
    started = time.monotonic()
    assert asked(patience=0.05) == b""
    assert asked(b"\x1b[?1u\x1b[?6", patience=0.05) == b"\x1b[?1u\x1b[?6"
    assert time.monotonic() - started < 2


def test_in_the_background_nothing_is_asked() -> None:
    tty = Pty()
    try:
        assert terminal.ask(tty.slave, tty.slave, "\x1b[c", 5.0) == b""
        assert tty.asked == b""
        os.write(tty.slave, b"\x1b[c")  # so that the other end ends
    finally:
        tty.close()


def test_what_is_no_terminal_is_not_asked(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file:
        assert terminal.ask(file.fileno(), file.fileno(), "x", 1.0) == b""
        assert file.read() == b""


def test_the_answers() -> None:
    answers = terminal._read(b"typed" + WHOLE + b"more")
    assert answers == terminal.Answers(
        came=True,
        name="kitty(0.35.2)",
        kitty_keys=True,
        column=2,
        modes={"bracketed paste": True, "mouse": True, "synchronised output": False},
    )
    plain = terminal._read(b"\x1b[1;3R\x1b[?6c")
    assert plain == terminal.Answers(came=True, column=3, modes={})
    assert terminal._read(b"") == terminal.Answers()
    assert not terminal._read(b"\xff\x1b[?1u").came


def examined_terminal(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, environ: dict[str, str], size: tuple[int, int] = (80, 24)
) -> Said:
    """What is said of a terminal that answers so."""

    class Tty:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return -1

    monkeypatch.setattr(sys, "stdin", Tty())
    monkeypatch.setattr(sys, "stdout", Tty())
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size(size))
    monkeypatch.setattr(terminal, "ask", lambda *_: answer)
    report = quiet()
    check_terminal(report, environ)
    return said(report)


def test_a_good_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examined_terminal(monkeypatch, WHOLE, {"TERM": "xterm-kitty", "COLORTERM": "truecolor"})
    assert verdicts(found) == {"ok"}
    assert found["colours"][1] == "16 million (COLORTERM)"
    assert found["kitty keyboard"][1].startswith("yes")
    assert found["mouse"][1] == found["bracketed paste"][1] == "yes"
    assert found["encoding"][1] == "UTF-8, and the terminal draws it"


def test_a_poor_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = b"\x1b[1;3R\x1b[?2004;0$y\x1b[?6c"
    found = examined_terminal(monkeypatch, poor, {"TERM": "vt220", "NO_COLOR": "1"}, size=(30, 8))
    assert found["encoding"][0] == "problem"
    assert found["bracketed paste"][0] == found["size"][0] == "note"
    assert found["colours"][1] == "off, by NO_COLOR"
    assert found["kitty keyboard"][1].startswith("no: ")
    assert "answers" in examined_terminal(monkeypatch, b"", {"TERM": "vt220"})
    assert examined_terminal(monkeypatch, WHOLE, {"TERM": "dumb"})["TERM"][0] == "problem"


def test_the_way_to_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmux = tmp_path / "tmux"
    tmux.write_text('#!/bin/sh\n[ "$3" = escape-time ] && echo 500 || echo external\n')
    tmux.chmod(0o700)
    environ = {"TERM": "screen-256color", "TMUX": "/tmp/tmux,1,0", "PATH": str(tmp_path), "SSH_CONNECTION": "1 2 3 4"}
    found = examined_terminal(monkeypatch, WHOLE, environ)
    assert found["tmux"][:2] == ("note", "its escape-time makes Escape wait 500 ms")
    assert found["SSH"][0] == "ok"
    assert found["clipboard"][0] == "note"
    assert "set-clipboard on" in found["clipboard"][1]
    assert examined_terminal(monkeypatch, WHOLE, {"TERM": "screen", "STY": "1.x"})["GNU screen"][0] == "note"


@pytest.mark.parametrize(
    ("environ", "words", "tone"),
    [
        ({}, "OSC 52; whether this terminal takes it is not known", "information"),
        ({"VTE_VERSION": "7600"}, "VTE", "warning"),
        ({"TERM_PROGRAM": "Apple_Terminal"}, "none: Apple's Terminal", "warning"),
        ({"TERM": "linux"}, "none: the Linux console", "warning"),
        ({"TMUX": "x"}, "tmux's buffer", "warning"),
    ],
)
def test_the_route_of_the_clipboard(environ: dict[str, str], words: str, tone: str) -> None:
    route, found = clipboard.route({"PATH": "/nowhere", **environ}, "linux")
    assert (words in route, found) == (True, tone)


def test_the_route_by_a_tool(tmp_path: Path) -> None:
    (tmp_path / "wl-copy").touch(0o700)
    assert clipboard.route({"PATH": str(tmp_path), "WAYLAND_DISPLAY": "w"}, "linux") == ("wl-copy", "information")


def test_a_pipe_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    report = quiet()
    check_terminal(report, {"TERM": "xterm-256color"})
    assert said(report)["terminal"][0] == "note"
    assert "size" not in said(report)
    assert said(report)["TERM"][0] == "ok"


# The server ----------------------------------------------------------------------------------------------------------


async def examined_server(config: Config) -> Said:
    report = quiet()
    await check_server(report, config)
    return said(report)


async def test_the_demo(tmp_path: Path) -> None:
    before = fingerprint(tmp_path)
    found = await examined_server(config_at(tmp_path, demo=True))
    assert verdicts(found) == {"ok"}
    assert found["GET /v1/models"][1].startswith("18 models in ")
    assert {"connection", "first byte", "model"} <= set(found)
    assert fingerprint(tmp_path) == before


MODELS: Final = b'{"data": [{"id": "qwen3", "type": "model"}], "has_more": false}'
KEY_REFUSED: Final = b'{"type": "error", "error": {"type": "authentication_error", "message": "bad canary"}}'


def answer(status: int, body: bytes, kind: str = "application/json") -> raw.Answer:
    async def send(exchange: raw.Exchange) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        await exchange.send(head.encode() + body)

    return send


@pytest.mark.parametrize(
    ("status", "body", "name", "verdict"),
    [
        (200, MODELS, "GET /v1/models", "ok"),
        (401, KEY_REFUSED, "answer", "problem"),
        (403, b"{}", "answer", "problem"),
        (404, b"not here", "answer", "note"),
        (429, b"{}", "answer", "note"),
        (529, b"{}", "answer", "note"),
        (500, b"{}", "answer", "problem"),
        (302, b"", "answer", "problem"),
        (200, b'{"data": 3}', "answer", "note"),
    ],
)
async def test_what_a_server_may_answer(tmp_path: Path, status: int, body: bytes, name: str, verdict: str) -> None:
    async with raw_server(answer(status, body)) as server:
        config = config_at(tmp_path, base_url=server.base_url, has_credentials=False, model="qwen3")
        found = await examined_server(config)
    assert found[name][0] == verdict, found
    assert {each.path.partition("?")[0] for each in server.exchanges} == {"/v1/models"}
    if verdict == "problem":
        assert found[name][2]


async def test_a_model_that_is_not_offered(tmp_path: Path) -> None:
    async with raw_server(answer(200, MODELS)) as server:
        found = await examined_server(config_at(tmp_path, base_url=server.base_url, has_credentials=False))
    assert found["model"][:2] == ("note", "claude-sonnet-5-5 is not in the server's list")


async def test_nobody_listens(tmp_path: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = await examined_server(config_at(tmp_path, base_url=url, has_credentials=False))
    assert found["answer"][0] == "problem"
    assert "cannot reach" in found["answer"][1]
    assert "connection" not in found


async def test_a_server_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.doctor.server.PATIENCE", 3.0)

    async def silence(exchange: raw.Exchange) -> None:
        await exchange.until_left()

    async with raw_server(silence) as server:
        found = await examined_server(config_at(tmp_path, base_url=server.base_url, has_credentials=False))
        assert found["answer"][:2] == ("problem", "none in 3 s")
        assert found["connection"][0] == "ok"
        await server.exchanges[0].left.wait()


async def test_a_name_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    found = await examined_server(config_at(tmp_path, base_url="https://nowhere.test", has_credentials=False))
    assert found["name"][0] == "problem"
    assert "nowhere.test has no address" in found["name"][1]
    assert "answer" not in found
