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

A recorded turn is printed in the same way, by the same code: what `tui-chat replay -p` prints is what was printed then.

It must not know how a request is made or stored, and nothing of a screen.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final

from tui_chat.config import Config
from tui_chat.conversation import Outcome, Turn
from tui_chat.events import ApprovalRequested, Event, ToolSkipped, TurnEnded, TurnStarted
from tui_chat.printing import Output, Printer, note
from tui_chat.recordings.player import Player
from tui_chat.recordings.recording import Recording
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, NotSavedError

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
        note("demo: replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude")
    stop = _Stop()
    with _signals(stop):
        runtime = Runtime(config, store_conversations=store_conversations)
        try:
            await runtime.open()
            runtime.preload()
            if runtime.recordings is not None:
                runtime.recordings.told = note
            for notice in runtime.notices:
                note(notice)
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


async def replay_headless(
    config: Config, recordings: Sequence[Recording], player: Player, *, output_format: str
) -> int:
    """Play the `recordings` as one conversation and print each as `-p` printed it; returns the last one's exit code.

    A signal stops it. Nothing is stored, and nothing is sent.
    """
    stop, code = _Stop(), 0
    with _signals(stop):
        runtime = Runtime(config, store_conversations=False, replaying=True)
        try:
            await runtime.open()
            session = await runtime.new_session()
            for recording in recordings:
                if stop.signal is not None:
                    return 128 + stop.signal
                code = await _replay(runtime, session, recording, player, output_format=output_format, stop=stop)
                if player.stopped:
                    break
        except (asyncio.CancelledError, NotSavedError):  # stopped before the first one, or between two
            if stop.signal is None:
                raise
            return 128 + stop.signal
        finally:
            await runtime.close()
    return code


async def _turn(runtime: Runtime, session: ChatSession, prompt: str, output_format: str, stop: "_Stop") -> int:
    stop.session = session
    output = Output(session.cancel)
    printer = Printer(output, output_format)
    unsaved = False
    try:
        turn, ended = await _read(session, session.send(prompt), printer)
    except NotSavedError as error:
        if stop.signal is not None:
            return 128 + stop.signal
        note(f"{error}; it is sent all the same")
        unsaved = True
        turn, ended = await _read(session, session.send(prompt, unsaved=True), printer)
    kept = runtime.store.path is not None and (ended.saved or not unsaved)
    printer.finish(result_of(runtime, turn, ended, turn.conversation_id if kept else None))
    await output.close(stop.received)
    _explain(turn, ended, output, kept=kept)
    return _exit_code(turn, ended, output, stop)


async def _replay(
    runtime: Runtime,
    session: ChatSession,
    recording: Recording,
    player: Player,
    *,
    output_format: str,
    stop: "_Stop",
) -> int:
    stop.session = session
    output = Output(session.cancel)
    printer = Printer(output, output_format)
    turn, ended = await _read(session, session.replay(recording, player), printer, recording.started)
    conversation_id = recording.started.conversation_id if recording.header.stored else None
    printer.finish(result_of(runtime, turn, ended, conversation_id))
    await output.close(stop.received)
    _explain(turn, ended, output, kept=False)
    return _exit_code(turn, ended, output, stop)


async def _read(
    session: ChatSession, stream: AsyncGenerator[Event, None], printer: Printer, began: TurnStarted | None = None
) -> tuple[Turn, TurnEnded]:
    """Print a turn to its end. `began` is printed in place of its beginning: a replay belongs to another conversation."""
    async with contextlib.aclosing(stream) as events:
        async for event in events:
            printer.show(began if began is not None and isinstance(event, TurnStarted) else event)
            if isinstance(event, ApprovalRequested):  # there is nobody to ask
                session.answer(event.tool_use_id, event.input_hash, allow=False)
            if isinstance(event, ToolSkipped):
                note(_why_skipped(session, event))
            if isinstance(event, TurnEnded):
                assert session.turn is not None  # noqa: S101 - a turn that ended was begun
                return session.turn, event
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
    figures = runtime.figures(turn, ended.at)
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


def _explain(turn: Turn, ended: TurnEnded, output: Output, *, kept: bool) -> None:
    """Say on standard error what the reply does not say itself."""
    match ended.outcome, ended.stop_reason:
        case Outcome.FAILED, _ if ended.error is not None:
            note(f"tui-chat: {ended.error.sentence}")
        case Outcome.CANCELLED, _ if kept and ended.saved and output.error is None:
            note("stopped; what came is stored, tui-chat -c continues")
        case Outcome.COMPLETED, "refusal":
            details = turn.request.stop_details if turn.request else None
            note(f"tui-chat: refused{_refusal(details or {})}")
        case Outcome.COMPLETED, "max_tokens" | "model_context_window_exceeded" as limit:
            note(f"the reply ends early: {limit}")
        case _:
            pass
    if kept and not ended.saved:
        note("tui-chat: the end of the reply could not be stored")
    if output.error is not None and not isinstance(output.error, BrokenPipeError):
        note(f"tui-chat: cannot write to standard output ({output.error.strerror})")


def _refusal(details: Any) -> str:
    category, explanation = details.get("category"), details.get("explanation")
    return (f" ({category})" if category else "") + (f": {explanation}" if explanation else "")


def _exit_code(turn: Turn, ended: TurnEnded, output: Output, stop: "_Stop") -> int:
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
