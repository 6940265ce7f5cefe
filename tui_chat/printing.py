"""What a program without a screen prints: events as text or JSON, on standard output; a line about them on standard error.

Standard output is written by a thread: a reader that is slow (`| less`) must neither delay the stamps of the stream nor keep
Ctrl+C from stopping and saving the turn. It must not know sessions, nor where the events come from.
"""

import asyncio
import contextlib
import json
import math
import queue
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from tui_chat.console import draw
from tui_chat.events import BlockStarted, Event, RetryScheduled, TextDelta, ToolEnded, ToolSkipped, to_json
from tui_chat.text import LineEndings, sanitise, sanitise_line, storable

LAST_PATIENCE: Final = 1.0  # seconds a reader gets to take the rest after a signal


class Output:
    """Standard output behind a thread: `write` never waits. `error` says why it ended early.

    It goes around Python's buffers: there is nothing left to flush, or to fail, when the program ends.
    """

    def __init__(self, on_error: Callable[[], object]) -> None:
        self.is_terminal = sys.stdout.isatty()
        self.error: OSError | None = None
        self._raw: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)  # already raw under python -u
        self._on_error = on_error
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # A daemon: a reader that takes nothing any more must not keep the program from ending.
        threading.Thread(target=self._run, name="standard output", daemon=True).start()

    def write(self, text: str) -> None:
        """Have `text` written, in order, as UTF-8."""
        if text and self.error is None:
            self._texts.put(text)

    @property
    def done(self) -> bool:
        """Whether everything was written, or writing has failed."""
        return self._done.is_set()

    async def close(self, hurry: asyncio.Event) -> None:
        """Wait until all is written or has failed; not much longer once `hurry` is set."""
        self._texts.put(None)
        done, hurried = asyncio.create_task(self._done.wait()), asyncio.create_task(hurry.wait())
        await asyncio.wait((done, hurried), return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((done,), timeout=LAST_PATIENCE)
        hurried.cancel()
        done.cancel()

    def _run(self) -> None:
        try:
            while batch := self._batch():
                self._write_all(memoryview(batch))
        except OSError as error:
            self.error = error
            self._tell(self._on_error)
        self._tell(self._done.set)

    def _batch(self) -> bytes:
        """What waits to be written, at least one text; empty at the end."""
        texts: list[str] = []
        while text := self._texts.get():
            texts.append(text)
            if self._texts.empty():
                return "".join(texts).encode()
        self._texts.put(None)
        return "".join(texts).encode()

    def _write_all(self, data: memoryview) -> None:
        while data:
            written = self._raw.write(data)
            if written is None:  # the descriptor is non-blocking, as some parents leave it
                select.select([], [self._raw], [])
            else:
                data = data[written:]

    def _tell(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has gone without us
            self._loop.call_soon_threadsafe(what)


class Printer:
    """Events to standard output in one of the formats."""

    def __init__(self, output: Output, output_format: str) -> None:
        self._output, self._format = output, output_format
        self._line_endings = LineEndings()
        self._last, self._apart = "", False

    def show(self, event: Event) -> None:
        """Print `event` as it comes, if the format does."""
        if self._format == "stream-json":
            self._output.write(json_line(to_json(event)))
        match event:
            case BlockStarted(block={"type": "text", "text": str(text)}) | TextDelta(text=text):
                self._text(text)
            case RetryScheduled(error=failure):
                wait = math.ceil(event.resume_at - event.at)
                when = f"retrying in {wait}s" if wait > 0 else "sending it without what was refused"
                reason = failure.sentence.removesuffix(f"; {failure.advice}")
                note(f"{when}, attempt {event.attempt} of {event.of}: {reason}")
            case ToolEnded() | ToolSkipped():
                self._apart = True
            case _:
                pass

    def finish(self, result: dict[str, Any]) -> None:
        """Print what comes last: a line end, or the result."""
        match self._format:
            case "json":
                self._output.write(json_line(result))
            case "stream-json":
                self._output.write(json_line({"type": "result", **result}))
            case _:
                self._text(self._line_endings.finish())
                if self._last and not self._last.endswith("\n"):
                    self._output.write("\n")

    def _text(self, text: str) -> None:
        if self._format != "text":
            return
        if self._apart and text:  # what follows the results of tools is a paragraph of its own
            gap = "\n" * (2 - self._last.count("\n")) if self._last else ""
            text, self._apart = gap + text, False
        text = sanitise(self._line_endings.write(text)) if self._output.is_terminal else storable(text)
        self._last = (self._last + text)[-2:]
        self._output.write(text)


def json_line(record: dict[str, Any]) -> str:
    """`record` as one line of ASCII. Lone surrogates become U+FFFD, numbers that JSON has not (NaN) null."""
    text = storable(json.dumps(record, ensure_ascii=False))
    return json.dumps(json.loads(text, parse_constant=lambda _: None)) + "\n"


def note(text: str) -> None:
    """One line on standard error."""
    draw(sanitise_line(text) + "\n")
