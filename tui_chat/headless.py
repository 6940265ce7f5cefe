"""`tui-chat -p`: one turn without a screen. The same session and events as the screen's, written to standard output.

Only the reply goes to standard output; what is about the reply (retries, failures, notices) goes to standard error, one
line each. Three formats:

    text         the reply's text as it streams
    json         one object when the turn has ended: `RESULT_KEYS`, in that order; null is unknown
    stream-json  one event per line as it comes (`events.to_json`; `at` is monotonic seconds), and as the last line
                 {"type": "result", ...} with the keys of `json`

JSON is pure ASCII: every character beyond is escaped, so neither a terminal nor a line splitter can stumble over it. Text
is sanitised for a terminal and verbatim UTF-8 for everything else.

Exit codes: 0 completed; 1 failed, refused, or a tool call was not allowed; 128 + n stopped by signal n (130 Ctrl+C, 143 SIGTERM, 129 SIGHUP); 141, the
code of a program that SIGPIPE ends, when standard output was closed before everything was written: with 0 a script under
`set -o pipefail` would take half a reply for a whole one. However it ends, what came is stored before the program leaves.

Standard output is written by a thread: a reader that is slow (`| less`) must neither delay the stamps of the stream nor
keep Ctrl+C from stopping and saving the turn.

It must not know how a request is made or stored, and nothing of a screen.
"""

import asyncio
import contextlib
import json
import math
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from tui_chat.config import Config
from tui_chat.conversation import Outcome, Turn
from tui_chat.events import (
    ApprovalRequested,
    BlockStarted,
    Event,
    RetryScheduled,
    TextDelta,
    ToolEnded,
    ToolSkipped,
    TurnEnded,
    to_json,
)
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, NotSavedError
from tui_chat.text import LineEndings, sanitise, sanitise_line, storable

RESULT_KEYS: Final = (
    "outcome",
    "stop_reason",
    "text",
    "blocks",
    "usage",
    "usage_is_final",
    "ttft_s",
    "duration_s",
    "tokens_per_second",
    "model",
    "request_id",
    "conversation_id",
    "error",
)
EXIT_CLOSED: Final = 141
LAST_PATIENCE: Final = 1.0  # seconds a reader gets to take the rest after a signal


async def run_headless(
    config: Config,
    prompt: str,
    *,
    output_format: str,
    resume: str | None,
    continue_last: bool,
    store_conversations: bool,
) -> int:
    """Send `prompt` and print the reply as `output_format` (text, json, stream-json); returns the exit code.

    `resume` continues the conversation that it names (id, its beginning, title words), `continue_last` the last one. Its
    title stays the first prompt's: to ask a model for one would keep the program from ending.

    Raises:
        UsageError: there is no such conversation, or there are several.
        StoreError: the database belongs to a newer version.

    """
    if config.demo and not config.demo_chosen:
        _note("demo: replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude")
    stop = _Stop()
    with _signals(stop):
        runtime = Runtime(config, store_conversations=store_conversations)
        try:
            await runtime.open()
            runtime.preload()
            for notice in runtime.notices:
                _note(notice)
            stored = resume is not None or continue_last
            session = await (runtime.resume(resume, with_flags=True) if stored else runtime.new_session())
            async with _learning(runtime):
                return await _turn(runtime, session, prompt, output_format, stop)
        except asyncio.CancelledError:
            if stop.signal is None:
                raise
            return 128 + stop.signal
        finally:
            await runtime.close()


@contextlib.asynccontextmanager
async def _learning(runtime: Runtime) -> AsyncIterator[None]:
    """The first run with a server asks for its models beside the turn, so that the next ones know what they can do."""
    if runtime.config.demo or runtime.store.path is None or any(runtime.catalog):
        yield
        return
    task = asyncio.create_task(runtime.refresh_catalog())
    try:
        yield
    finally:
        task.cancel()  # the turn does not wait for it
        await asyncio.wait([task])


async def _turn(runtime: Runtime, session: ChatSession, prompt: str, output_format: str, stop: "_Stop") -> int:
    stop.session = session
    output = _Output(session.cancel)
    printer = _Printer(output, output_format)
    unsaved = False
    try:
        ended = await _read(session, prompt, printer, unsaved=False)
    except NotSavedError as error:
        if stop.signal is not None:
            return 128 + stop.signal
        _note(f"{error}; it is sent all the same")
        unsaved = True
        ended = await _read(session, prompt, printer, unsaved=True)
    turn = session.turn
    assert turn is not None  # noqa: S101 - a turn that ended was begun
    kept = runtime.store.path is not None and (ended.saved or not unsaved)
    printer.finish(ended, result_of(runtime, turn, ended, turn.conversation_id if kept else None))
    await output.close(stop.received)
    _explain(turn, ended, output, kept=kept)
    return _exit_code(turn, ended, output, stop)


async def _read(session: ChatSession, prompt: str, printer: "_Printer", *, unsaved: bool) -> TurnEnded:
    async with contextlib.aclosing(session.send(prompt, unsaved=unsaved)) as events:
        async for event in events:
            printer.show(event)
            if isinstance(event, ApprovalRequested):  # there is nobody to ask
                session.answer(event.tool_use_id, event.input_hash, allow=False)
            if isinstance(event, ToolSkipped):
                _note(_why_skipped(session, event))
            if isinstance(event, TurnEnded):
                return event
    raise RuntimeError("a turn ended without TurnEnded")


def _why_skipped(session: ChatSession, event: ToolSkipped) -> str:
    request = session.turn.request if session.turn else None
    name = request.calls[event.tool_use_id].name if request else ""
    if event.reason == "denied":
        return f"the tool {name} was not allowed to run; --allow-tool {name} allows it"
    return f"the tool {name} did not run: {event.content}"


def result_of(runtime: Runtime, turn: Turn, ended: TurnEnded, conversation_id: str | None) -> dict[str, Any]:
    """The object of `json`: the figures are those of the screen, the blocks and the usage those of the API."""
    request, reply, error = turn.request, turn.reply(), ended.error
    figures = runtime.figures(turn, time.monotonic())
    request_id = (request.request_id if request else None) or (error.request_id if error else None)
    failure = error and {"type": error.type, "message": error.message, "request_id": error.request_id or request_id}
    values = (
        ended.outcome.value,
        ended.stop_reason,
        turn.text,
        list(reply.blocks) if reply else [],
        dict(ended.usage) or None,
        ended.usage_is_final,
        figures.ttft,
        figures.duration,
        figures.tokens_per_second,
        figures.model,
        request_id,
        conversation_id,
        failure,
    )
    return dict(zip(RESULT_KEYS, values, strict=True))


def _explain(turn: Turn, ended: TurnEnded, output: "_Output", *, kept: bool) -> None:
    """Say on standard error what the reply does not say itself."""
    match ended.outcome, ended.stop_reason:
        case Outcome.FAILED, _ if ended.error is not None:
            _note(f"tui-chat: {ended.error.sentence}")
        case Outcome.CANCELLED, _ if kept and ended.saved and output.error is None:
            _note("stopped; what came is stored, tui-chat -c continues")
        case Outcome.COMPLETED, "refusal":
            details = turn.request.stop_details if turn.request else None
            _note(f"tui-chat: refused{_refusal(details or {})}")
        case Outcome.COMPLETED, "max_tokens" | "model_context_window_exceeded" as limit:
            _note(f"the reply ends early: {limit}")
        case _:
            pass
    if kept and not ended.saved:
        _note("tui-chat: the end of the reply could not be stored")
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        _note(f"tui-chat: cannot write to standard output ({output.error.strerror})")


def _refusal(details: Any) -> str:
    category, explanation = details.get("category"), details.get("explanation")
    return (f" ({category})" if category else "") + (f": {explanation}" if explanation else "")


def _exit_code(turn: Turn, ended: TurnEnded, output: "_Output", stop: "_Stop") -> int:
    if stop.signal is not None and (ended.outcome is Outcome.CANCELLED or not output.done):
        return 128 + stop.signal
    if output.error is not None:
        return EXIT_CLOSED if isinstance(output.error, BrokenPipeError) else 1
    denied = any(call.skipped == "denied" for call in turn.calls)
    return 0 if ended.outcome is Outcome.COMPLETED and ended.stop_reason != "refusal" and not denied else 1


class _Stop:
    """What SIGINT, SIGTERM and SIGHUP do: stop the turn, or, before there is one, the program."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.received = asyncio.Event()
        self.session: ChatSession | None = None
        self._task = asyncio.current_task()

    def __call__(self, number: int) -> None:
        """Stop because of signal `number`; the first one decides the exit code, later ones change nothing."""
        first, self.signal = self.signal is None, self.signal or number
        self.received.set()
        if self.session is not None:
            self.session.cancel()
        elif first and self._task is not None:
            self._task.cancel()


@contextlib.contextmanager
def _signals(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop` in the event loop for signals that are not ignored (nohup, a job in the background)."""
    loop = asyncio.get_running_loop()
    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # no SIGHUP on Windows
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, lambda received, _: loop.call_soon_threadsafe(stop, received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Printer:
    """Events to standard output in one of the formats."""

    def __init__(self, output: "_Output", output_format: str) -> None:
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
                _note(f"{when}, attempt {event.attempt} of {event.of}: {reason}")
            case ToolEnded() | ToolSkipped():
                self._apart = True
            case _:
                pass

    def finish(self, ended: TurnEnded, result: dict[str, Any]) -> None:
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


class _Output:
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


def _note(text: str) -> None:
    """One line on standard error."""
    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(sanitise_line(text) + "\n")
        sys.stderr.flush()
