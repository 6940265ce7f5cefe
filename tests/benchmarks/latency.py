"""What a person waits for: first paint, Escape, and the way of the first token to the screen. Each beside its limit.

    python -m tests.benchmarks.latency [RUNS]

Real terminals (pty), the demo server in a process of its own, stamps of one monotonic clock on both sides (Linux and macOS share it
between processes). Absolute times depend on the machine; read the ratios and the differences.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.server import Server
from tests.e2e.terminal import Terminal

BARE_TEXTUAL = """
from textual.app import App
from textual.widgets import Static, TextArea
class Bare(App):
    def compose(self):
        yield Static('ready')
        yield TextArea()
Bare().run()
"""
# The limit for Escape: a script that streams with the SDK and cancels the task when a key byte arrives.
BARE_SDK = """
import asyncio, os, sys, termios, tty, anthropic
async def main():
    client = anthropic.AsyncAnthropic(api_key='local', max_retries=0)
    loop = asyncio.get_running_loop()
    tty.setcbreak(0)
    print('ready', flush=True)
    async def turn():
        async with await client.messages.create(model='claude-sonnet-5-5', max_tokens=4000, stream=True,
                messages=[{'role': 'user', 'content': sys.argv[1]}]) as stream:
            async for event in stream:
                if event.type == 'content_block_delta':
                    print(event.delta.text, end='', flush=True)
    while True:
        typed = asyncio.Event()
        loop.add_reader(0, lambda: (os.read(0, 99), typed.set()))
        await typed.wait()
        typed.clear()
        task = asyncio.create_task(turn())
        waiter = asyncio.create_task(typed.wait())
        await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        waiter.cancel()
        await asyncio.gather(task, waiter, return_exceptions=True)
        print('\\nready', flush=True)
asyncio.run(main())
"""


def line(name: str, values: list[float], unit: str = "ms") -> None:
    """One row: median, maximum, number of runs."""
    print(
        f"{name:<58} median {statistics.median(values):7.1f} {unit}   max {max(values):7.1f} {unit}   n {len(values)}"
    )


# A run from source must not pay for compiling: installed packages come with their bytecode.
BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
OPENING = "This reply is interrupted on purpose"  # how the demo's reply to `error` begins


def first_paint(command: list[str], wanted: str, runs: int) -> list[float]:
    """Milliseconds from the start of the process to its first visible text."""
    times = []
    for _ in range(runs + 1):
        with Terminal(command, columns=120, rows=40, env=BYTECODE) as terminal:
            times.append((terminal.wait_for(wanted) - terminal.started) * 1000)
    return times[1:]  # the first run wrote the bytecode


def opened(command: list[str], server: Server) -> Terminal:
    """The program on `server`, its imports over."""
    env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "local", **BYTECODE}
    terminal = Terminal(command, columns=120, rows=40, env=env)
    terminal.wait_for("ready")
    time.sleep(3)
    return terminal


def overhead(command: list[str], server: Server, send: Callable[[Terminal], object], runs: int) -> list[float]:
    """Milliseconds from the first delta leaving the server to its text on the terminal."""
    times = []
    for _ in range(runs):
        with opened(command, server) as terminal:
            count = len(server.records("first_delta"))
            send(terminal)
            seen = terminal.wait_for(lambda: any(_opens(row) for row in terminal.rows()))
            times.append((seen - server.wait_for("first_delta", count + 1)) * 1000)
    return times


def _opens(row: str) -> bool:
    return bool(row.strip()) and OPENING.startswith(row.strip())


def escape(command: list[str], server: Server, send: Callable[[Terminal], object], runs: int) -> list[float]:
    """Milliseconds from the Escape byte written to the socket closed, seen by the server."""
    times = []
    with opened(command, server) as terminal:
        for _ in range(runs):
            deltas, closed = len(server.records("first_delta")), len(server.records("closed"))
            send(terminal)
            server.wait_for("first_delta", deltas + 1)
            time.sleep(0.4)
            pressed = terminal.send(b"\x1b")
            times.append((server.wait_for("closed", closed + 1) - pressed) * 1000)
            terminal.wait_for("ready")
            time.sleep(0.3)
    return times


def main(runs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        ours = [sys.executable, "-m", "tui_chat", "--data-dir", folder]
        print("load average", os.getloadavg()[0])
        bare = first_paint([sys.executable, "-c", BARE_TEXTUAL], "ready", runs)
        mine = first_paint([*ours, "--demo"], "Enter sends", runs)
        line("first paint: bare Textual app (Static and TextArea)", bare)
        line("first paint: tui-chat", mine)
        script = [sys.executable, "-c", BARE_SDK]
        few = max(3, runs // 2)  # each needs a start of its own
        with Server(Path(folder), "--ttft", "0.15", "--rate", "50") as server:
            line("first delta sent to seen: bare SDK script", overhead([*script, "error"], server, start, few))
            line("first delta sent to seen: tui-chat", overhead(ours, server, prompt("error"), few))
            line("Escape byte to closed socket: bare SDK script", escape([*script, "long"], server, start, runs))
            line("Escape byte to closed socket: tui-chat", escape(ours, server, prompt("long"), runs))


def start(terminal: Terminal) -> None:
    """The script sends its prompt at any key."""
    terminal.send(b"x")


def prompt(text: str) -> Callable[[Terminal], None]:
    """Type `text` and press Enter."""

    def send(terminal: Terminal) -> None:
        terminal.send(text)
        terminal.press("enter")

    return send


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
