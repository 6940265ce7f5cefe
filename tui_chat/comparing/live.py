"""What standard error says while a comparison runs: on a terminal three lines that change, elsewhere a line for each request.

It shows the pair of the moment, each of its two requests with a clock of its own. It must not know how a request is made.
"""

import asyncio
import sys
import time
from typing import Final, Self

from tui_chat.comparing.figures import Run
from tui_chat.comparing.plan import Call, mode_name, model_name
from tui_chat.comparing.report import seconds
from tui_chat.console import columns, draw
from tui_chat.conversation import Turn
from tui_chat.events import Event
from tui_chat.meter import Ratios
from tui_chat.plots import cells
from tui_chat.text import sanitise_line

_TICK: Final = 0.1  # seconds
_LINES: Final = 3


class Live:
    """A watcher for standard error; `total` requests are to come. Use it as an async context manager."""

    def __init__(self, total: int, ratios: Ratios) -> None:
        self._total, self._ratios = total, ratios
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._call: Call | None = None
        self._turn: Turn | None = None
        self._done: dict[bool, Run] = {}  # of the pair that runs, by mode
        self._drawn = False
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._is_terminal:
            self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._drawn:
            draw(f"\r\x1b[{_LINES}A\x1b[J")  # the terminal may have written ^C

    async def prepared(self, call: Call) -> None:
        """A request comes next."""
        if self._call is None or (call.model, call.run) != (self._call.model, self._call.run):
            self._done = {}
        self._call, self._turn = call, None
        self._draw()

    def began(self, call: Call, turn: Turn) -> None:
        """A request leaves."""
        self._turn = turn

    def heard(self, call: Call, event: Event) -> None:
        """The clock looks often enough."""

    def measured(self, run: Run) -> None:
        """A request is over."""
        self._done[run.call.streaming] = run
        self._draw()
        if not self._is_terminal:
            call = run.call
            draw(f"{call.number} of {self._total}: {model_name(call.model)}, {call.mode}: {_outcome(run)}\n")

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(_TICK)

    def _draw(self) -> None:
        call = self._call
        if call is None or not self._is_terminal:
            return
        lines = [
            f"request {call.number} of {self._total}: {model_name(call.model)}, run {call.run}",
            *(f"  {mode_name(streaming=streaming):<13}  {self._state(call, streaming)}" for streaming in (True, False)),
        ]
        width = max(20, columns() - 1)
        up = f"\x1b[{_LINES}A" if self._drawn else ""
        self._drawn = True
        draw(up + "".join(f"\r\x1b[K{cells(line, width)}\n" for line in lines))  # a line that wraps would be two

    def _state(self, call: Call, streaming: bool) -> str:
        if (run := self._done.get(streaming)) is not None:
            return _outcome(run)
        if call.streaming is not streaming or self._turn is None:
            return "its turn comes next"
        request = self._turn.requests[-1]
        waited = f"{time.monotonic() - request.stamps.sent:5.1f} s"
        if request.ttft is None:
            return f"{waited}  nothing to read yet"
        tokens = round(request.characters / self._ratios.characters_per_token(request.model))
        return f"{waited}  first token {seconds(request.ttft)}, ~{tokens:,} tokens"


def _outcome(run: Run) -> str:
    if run.failure is not None:
        return f"failed: {sanitise_line(run.failure.sentence)}"
    first = "no token" if run.ttft is None else f"first token {seconds(run.ttft)}"
    complete = "" if run.complete is None else f", complete {seconds(run.complete)}"
    tokens = "" if run.output_tokens is None else f", {'~' * run.output_estimated}{run.output_tokens:,} tokens"
    return first + complete + tokens
