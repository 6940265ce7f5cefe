"""What is painted past the compositor, with rows moved and pens remembered, is what a full repaint shows."""

import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pyte
import pytest

from tests.e2e.terminal import Terminal
from tui_chat.demo import DemoServer

Grid = list[list[pyte.screens.Char]]
WHEEL_UP, WHEEL_DOWN = "\x1b[<64;20;8M", "\x1b[<65;20;8M"


def grid(terminal: Terminal, columns: int, rows: int) -> Grid:
    return [[terminal.cell(x, y) for x in range(columns)] for y in range(rows)]


def differences(wanted: Grid, shown: Grid) -> list[str]:
    return [
        f"row {y}: {''.join(cell.data for cell in row)!r}, shown as {''.join(cell.data for cell in other)!r},"
        f" first at {next(x for x, cell in enumerate(row) if cell != other[x])}"
        for y, (row, other) in enumerate(zip(wanted, shown, strict=True))
        if row != other
    ]


def settle(terminal: Terminal) -> None:
    """Wait until nothing has come for a while."""
    began = time.monotonic()
    terminal.wait_for(lambda: time.monotonic() - max(began, terminal.chunks[-1][0]) > 0.2)


def answered(terminal: Terminal, seen: int) -> bool:
    """Whether something was written since, or nothing will be."""
    return len(terminal.raw) > seen or " ready " in terminal.screen_text()


def show_all(terminal: Terminal) -> None:
    before = len(terminal.raw)
    terminal.press("ctrl+l")
    terminal.wait_for(lambda: len(terminal.raw) > before + 600)
    settle(terminal)


def program(server: DemoServer, folder: Path, *arguments: str, columns: int = 100, rows: int = 30) -> Terminal:
    env = {
        "ANTHROPIC_BASE_URL": server.base_url,
        "ANTHROPIC_API_KEY": "local",
        "ANTHROPIC_CUSTOM_HEADERS": "x-demo-pacing: ttft=0.1 rate=300 seed=1",
    }
    command = [sys.executable, "-m", "tui_chat", "--data-dir", str(folder), *arguments]
    return Terminal(command, columns=columns, rows=rows, env=env)


def assert_painted(terminal: Terminal, columns: int, rows: int, after: str) -> None:
    settle(terminal)
    shown = grid(terminal, columns, rows)
    show_all(terminal)
    assert differences(grid(terminal, columns, rows), shown) == [], after


@pytest.mark.timeout(60)
def test_what_comes_into_view_for_the_first_time_is_painted_whole(server: DemoServer, tmp_path: Path) -> None:
    with program(server, tmp_path) as terminal:
        terminal.wait_for("ready")
        for number in range(4):
            terminal.send(f"shape mixed 60 {number}\r")
            terminal.wait_for(f"end{number}", 20)
            terminal.wait_for(" ready ")
        terminal.resize(84, 30)
        settle(terminal)
        for _ in range(8):
            terminal.send(WHEEL_UP)
            assert_painted(terminal, 84, 30, "wheel up after a resize")
        terminal.press("ctrl+q")
        terminal.wait_until_exit()
    with program(server, tmp_path, "-c", columns=70) as terminal:
        terminal.wait_for("end3")
        for _ in range(4):
            terminal.send("\x1b[5~")
            assert_painted(terminal, 70, 30, "page up in a resumed conversation")


@pytest.mark.timeout(60)
def test_what_others_do_to_the_terminal_is_painted_over(server: DemoServer, tmp_path: Path) -> None:
    with program(server, tmp_path) as terminal:
        terminal.wait_for("ready")
        terminal.send("long 900\r")
        terminal.wait_for("What happens")
        terminal.send("\x10\x1b[5~")  # the palette, and a page key before its list is there
        terminal.wait_for("Search")
        terminal.press("escape")
        terminal.wait_for(lambda: "Search" not in terminal.screen_text())
        terminal.send("\t")
        terminal.send("w")  # a toast while it streams
        terminal.wait_for("code is cut")
        terminal.send("\x1b[1;5F")
        terminal.wait_for(" ready ", 20)
        terminal.wait_for(lambda: "code is cut" not in terminal.screen_text())
        assert_painted(terminal, 100, 30, "toasts and dialogs")
        terminal.resize(80, 30)
        terminal.resize(100, 30)
        assert_painted(terminal, 100, 30, "a resize there and back")
        os.kill(terminal.pid, signal.SIGSTOP)
        os.kill(terminal.pid, signal.SIGCONT)
        assert_painted(terminal, 100, 30, "a stop that could not be prepared")
        terminal.send("\x1b[1;5H")
        terminal.wait_for("long 900")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("seed", "prompt", "begun"),
    [
        (0, "long 600", "What happens"),
        (1, "long 600", "What happens"),
        (2, "tools", "calls at once"),
        (3, "search", "web_search"),
    ],
)
def test_after_anything_the_screen_is_that_of_a_full_repaint(
    server: DemoServer, tmp_path: Path, seed: int, prompt: str, begun: str
) -> None:
    source = random.Random(seed)
    columns, rows = [(100, 30), (41, 16)][seed % 2]
    allowed = [f"--allow-tool={name}" for name in ("calculator", "current_time", "read_file")]
    with program(
        server, tmp_path, "--tools", *allowed, "--tools-root", str(tmp_path), columns=columns, rows=rows
    ) as terminal:
        terminal.wait_for("ready")
        terminal.send("list\r")  # something to scroll to
        terminal.wait_for("end_turn", 20)
        terminal.send(f"{prompt}\r")
        terminal.wait_for(begun, 20)
        moves = [
            WHEEL_UP,
            WHEEL_UP * 3,
            WHEEL_DOWN * 2,
            "\x1b[5~",
            "\x1b[6~",
            "\x1b[1;5F",
            "\x1b[1;5H",
            "ab",
            "\x7f\x7f",
        ]
        if seed % 2:  # the message cursor, a selection and the scrollbar as well
            moves += ["\t", "k", "\x1b[<0;9;4M\x1b[<32;20;9M\x1b[<0;20;9m"]
            moves.append(f"\x1b[<0;{columns};4M\x1b[<32;{columns};9M\x1b[<0;{columns};9m")
        for _ in range(12):
            seen = len(terminal.raw)
            terminal.send(source.choice(moves))
            terminal.wait_for(partial(answered, terminal, seen))
        terminal.send("\x1b[1;5F")
        terminal.wait_for(" ready ", 20)
        for keys in ("\x1b[5~", WHEEL_UP * 2, WHEEL_DOWN, "\x1b[1;5H", "\x1b[1;5F"):
            terminal.send(keys)
            assert_painted(terminal, columns, rows, keys)
        if prompt.startswith("long"):
            return
        terminal.press("escape")
        settle(terminal)
        terminal.send("\t" + "j" * 8)  # to the last message, wherever the cursor was
        for opened in (True, False):
            terminal.send("t\x1b[1;5F")
            settle(terminal)
            assert_painted(terminal, columns, rows, "t")
            terminal.send("\x1b[5~")
            assert_painted(terminal, columns, rows, "page up after t")
            assert ("▾" in terminal.screen_text()) == opened or columns < 100  # where it may be out of view
