"""The programs that are compared: the least a stream can cost, tui-chat, and what twenty lines of Textual cost.

All three make the same request with the same SDK and run in a pty of 120x40. The bare script prints each delta as it comes; it is
what everything is a ratio to. The stock app gives each reply to a Markdown widget of Textual's own, through its stream.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.process import settle
from tests.benchmarks.recording import Recording
from tests.benchmarks.server import Server

COLUMNS, ROWS = 120, 40
MAX_TOKENS = 100_000

BARE_SDK = """
import asyncio, sys, anthropic
async def main():
    client = anthropic.AsyncAnthropic(api_key='local', max_retries=0)
    while True:
        print('\\nready', flush=True)
        prompt = await asyncio.to_thread(input)
        async with await client.messages.create(model='claude-sonnet-5-5', max_tokens=100000, stream=True,
                messages=[{'role': 'user', 'content': prompt}]) as stream:
            async for event in stream:
                if event.type == 'content_block_delta':
                    print(event.delta.text, end='', flush=True)
asyncio.run(main())
"""
STOCK = """
import anthropic
from textual.app import App
from textual.containers import VerticalScroll
from textual.widgets import Input, Markdown
class Stock(App):
    def compose(self):
        yield VerticalScroll()
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
        widget = Markdown()
        await self.query_one(VerticalScroll).mount(widget)
        out = Markdown.get_stream(widget)
        async with await self.client.messages.create(model='claude-sonnet-5-5', max_tokens=100000, stream=True,
                messages=[{'role': 'user', 'content': prompt}]) as stream:
            async for event in stream:
                if event.type == 'content_block_delta':
                    await out.write(event.delta.text)
        await out.stop()
Stock().run()
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One program. `command` goes before the arguments of a start; `done` is on the screen when it takes the next prompt."""

    name: str
    command: tuple[str, ...]
    ready: str = "ready"
    done: str | None = None
    takes_data_dir: bool = False

    def start(self, server: Server, folder: Path, *arguments: str, ready: str | None = None) -> Recording:
        """Start it, its conversations in `folder`, and wait until its imports are over. Raises WaitError."""
        recording = self.open(server, folder, *arguments)
        try:
            recording.wait_for(ready or self.ready, timeout=20)
            settle(recording.pid)
            recording.expect_alive()
        except BaseException:
            recording.close()
            raise
        return recording

    def open(self, server: Server, folder: Path, *arguments: str) -> Recording:
        """Start it and wait for nothing."""
        # A run from source must not pay for compiling: installed packages come with their bytecode.
        env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "local", "PYTHONDONTWRITEBYTECODE": ""}
        command = [*self.command, *(["--data-dir", str(folder)] if self.takes_data_dir else []), *arguments]
        return Recording(command, columns=COLUMNS, rows=ROWS, env=env)


OURS_ARGUMENTS = ("--max-tokens", str(MAX_TOKENS))
BARE = Program("bare SDK script", (sys.executable, "-c", BARE_SDK))
OURS = Program("tui-chat", (sys.executable, "-m", "tui_chat", *OURS_ARGUMENTS), done=" ready ", takes_data_dir=True)
TEXTUAL = Program("Textual's Markdown", (sys.executable, "-c", STOCK))
EVERY = (BARE, OURS, TEXTUAL)
