"""What a streamed reply costs on a real terminal, beside a bare SDK script and an app of Textual's own Markdown widget.

    python -m tests.benchmarks.streaming [TOKENS]

Each program runs in a pty of 120x40 and streams the same reply of mixed markdown from the same demo server in a process of its
own, at 50 and 200 tokens per second and as fast as it comes. CPU is that of the program alone (/proc, so Linux only), from the prompt
to the end. Read the ratios: absolute figures depend on the machine.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.latency import BYTECODE
from tests.benchmarks.server import Server
from tests.e2e.terminal import Terminal

BARE_SDK = """
import asyncio, sys, anthropic
async def main():
    client = anthropic.AsyncAnthropic(api_key='local', max_retries=0)
    print('ready', flush=True)
    prompt = await asyncio.to_thread(input)
    async with await client.messages.create(model='claude-sonnet-5-5', max_tokens=100000, stream=True,
            messages=[{'role': 'user', 'content': prompt}]) as stream:
        async for event in stream:
            if event.type == 'content_block_delta':
                print(event.delta.text, end='', flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
STOCK = """
import anthropic
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Input, Markdown
class Stock(App):
    def compose(self):
        with VerticalScroll():
            yield Markdown()
        yield Input(placeholder='ready')
    def on_mount(self):
        self.query_one(Input).cursor_blink = False
        self.query_one(Input).focus()
        self.query_one(VerticalScroll).anchor()
        self.client = anthropic.AsyncAnthropic(api_key='local', max_retries=0)
    def on_input_submitted(self, event):
        event.input.value = ''
        self.run_worker(self.reply(event.value))
    async def reply(self, prompt):
        out = Markdown.get_stream(self.query_one(Markdown))
        async with await self.client.messages.create(model='claude-sonnet-5-5', max_tokens=100000, stream=True,
                messages=[{'role': 'user', 'content': prompt}]) as stream:
            async for event in stream:
                if event.type == 'content_block_delta':
                    await out.write(event.delta.text)
        await out.stop()
Stock().run()
"""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Figures:
    """One program at one rate, per 1,000 tokens where it is a cost."""

    cpu: float
    lag: float
    kilobytes: float
    memory: float
    echoes: list[float] = field(default_factory=list)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_megabytes(pid: int) -> float:
    """The most memory a process ever had."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(command: list[str], server: Server, rate: int, tokens: int, *, echo: bool) -> Figures:
    """Stream one reply of `tokens` at `rate` (0: as fast as it comes)."""
    env = {
        "ANTHROPIC_BASE_URL": server.base_url,
        "ANTHROPIC_API_KEY": "local",
        "ANTHROPIC_CUSTOM_HEADERS": f"x-demo-pacing: ttft=0.3 rate={rate} seed=1",
        **BYTECODE,
    }
    with Terminal(command, columns=120, rows=40, env=env) as terminal:
        terminal.wait_for("ready")
        time.sleep(3)  # imports are over
        finished = len(server.records("last_delta"))
        before, written = cpu_seconds(terminal.pid), len(terminal.raw)
        terminal.send(f"long {tokens}")
        terminal.press("enter")
        echoes: list[float] = []
        stop = threading.Event()
        typist = threading.Thread(target=_type, args=(terminal, echoes, stop))
        if echo and rate == 200:
            typist.start()
        last = server.wait_for("last_delta", finished + 1, seconds=tokens / (rate or 100) * 3 + 30)
        stop.set()
        if typist.ident is not None:
            typist.join()
        quiet = time.monotonic()
        while (
            time.monotonic() - quiet < 1.0 and time.monotonic() - last < 60
        ):  # until a second without output has passed
            time.sleep(0.05)
            quiet = max(quiet, terminal.chunks[-1][0])
        return Figures(
            cpu=(cpu_seconds(terminal.pid) - before) / tokens * 1000,
            lag=max(0.0, terminal.chunks[-1][0] - last) * 1000,
            kilobytes=(len(terminal.raw) - written) / tokens,
            memory=peak_megabytes(terminal.pid),
            echoes=echoes,
        )


def _type(terminal: Terminal, echoes: list[float], stop: threading.Event) -> None:
    """Type letters into the composer and wait for each on the screen."""
    time.sleep(1.0)
    letters = "thequickbrownfoxjumpsoverthelazydog"
    for count in range(1, len(letters) + 1):
        if stop.is_set():
            return
        echoes.append(terminal.measure(letters[count - 1], f"› {letters[:count]}") * 1000)
        time.sleep(0.05)


def main(tokens: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        programs = {
            "bare SDK script": [sys.executable, "-c", BARE_SDK],
            "tui-chat": [sys.executable, "-m", "tui_chat", "--data-dir", folder],
            "Textual's Markdown": [sys.executable, "-c", STOCK],
        }
        with Server(Path(folder)) as server:
            for rate in (50, 200, 0):
                table = {
                    name: measure(each, server, rate, tokens, echo=name == "tui-chat")
                    for name, each in programs.items()
                }
                _print(f"{rate} tok/s" if rate else "as fast as it comes", table)


def _print(title: str, table: dict[str, Figures]) -> None:
    limit = table["bare SDK script"]
    print(f"\n{title:<22} {'CPU s/1k tokens':>16} {'ratio':>6} {'lag ms':>7} {'kB/1k':>7} {'peak MB':>8}  key echo p95")
    for name, figures in table.items():
        echo = f"{statistics.quantiles(figures.echoes, n=20)[-1]:.1f} ms" if len(figures.echoes) > 5 else ""
        print(
            f"{name:<22} {figures.cpu:>16.3f} {figures.cpu / limit.cpu:>6.1f} {figures.lag:>7.0f} {figures.kilobytes:>7.0f}"
            f" {figures.memory:>8.0f}  {echo}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
