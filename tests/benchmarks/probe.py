"""tui-chat with a stopwatch at its event loop: `python -m tests.benchmarks.probe FILE ARGUMENTS...`.

Why it exists: a frame is late when the event loop is busy, whoever keeps it busy. So every callback that the loop runs is timed from
outside, by asyncio's own `Handle._run`, and so is the whole of each pass of the loop between two looks at its input. Garbage
collections are timed apart. A heartbeat runs only until `STARTING` seconds after the start, for the stretch in which the
SDK's import holds the interpreter in another thread, which no callback shows.

Nothing of the program is replaced. At the end FILE gets one JSON document: see `Report`.
"""

import asyncio
import dataclasses
import gc
import json
import sys
import time
from asyncio.base_events import BaseEventLoop
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WORTH_A_NOTE = 0.001  # seconds: shorter callbacks are only counted
STARTING = 2.0  # seconds after the start of the process that the heartbeat goes on
BEAT = 0.005
MOST = 200_000  # notes of each kind that are kept


@dataclass(slots=True)
class Report:
    """What was seen. Moments are monotonic seconds, durations seconds.

    `callbacks`: (moment, duration, of which garbage collection, name). `passes`: (moment, duration) of a pass of the loop.
    `collections`: (moment, duration, generation). `gaps`: (moment, duration) between two beats of the start.
    """

    started: float
    callbacks: list[tuple[float, float, float, str]] = field(default_factory=list)
    passes: list[tuple[float, float]] = field(default_factory=list)
    collections: list[tuple[float, float, int]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    counted: int = 0


class Probe:
    """Times one event loop, that of the main thread."""

    def __init__(self) -> None:
        self.report = Report(time.monotonic())
        self._collecting = 0.0  # seconds of all collections so far
        self._collection_started = 0.0
        self._messages: list[str] = []  # what Textual dispatched within the running callback
        self._loop: BaseEventLoop | None = None
        self._looked = 0.0  # when the loop last returned from waiting for input

    def install(self) -> None:
        """Begin. Whatever loop runs first is the program's."""
        gc.callbacks.append(self._collected)
        self._time_callbacks()
        self._time_passes()
        self._name_messages()

    def _time_callbacks(self) -> None:
        handle_class: Any = asyncio.Handle  # its `_run` is private: the stubs have it as a method of instances only
        run, report, clock = handle_class._run, self.report, time.monotonic

        def timed(handle: asyncio.Handle) -> None:
            collecting, started = self._collecting, clock()
            callback = handle._callback  # type: ignore[attr-defined]  # private; gone after a cancel
            self._messages.clear()
            try:
                run(handle)
            finally:
                duration = clock() - started
                report.counted += 1
                if duration >= WORTH_A_NOTE and len(report.callbacks) < MOST:
                    note = (started, duration, self._collecting - collecting, self._name(callback))
                    report.callbacks.append(note)

        handle_class._run = timed

    def _time_passes(self) -> None:
        loop_class: Any = BaseEventLoop  # as above
        run_once = loop_class._run_once
        report, clock = self.report, time.monotonic

        def timed(loop: Any) -> None:
            if self._loop is None:
                self._loop = loop
                self._watch(loop)
            run_once(loop)
            if (
                loop is self._loop
                and (duration := clock() - self._looked) >= WORTH_A_NOTE
                and len(report.passes) < MOST
            ):
                report.passes.append((self._looked, duration))

        loop_class._run_once = timed

    def _watch(self, loop: Any) -> None:
        select, clock = loop._selector.select, time.monotonic

        def stamped(timeout: float | None = None) -> Any:
            ready = select(timeout)
            self._looked = clock()
            return ready

        loop._selector.select = stamped
        last = clock()

        def beat() -> None:
            nonlocal last
            now = clock()
            self.report.gaps.append((last, now - last))
            last = now
            if now < self.report.started + STARTING:
                loop.call_later(BEAT, beat)

        loop.call_later(BEAT, beat)

    def _name_messages(self) -> None:
        """Have Textual tell which message a callback was about, where this Textual has the place."""
        from textual.message_pump import MessagePump  # here: its import belongs to the start that is measured

        pump_class: Any = MessagePump
        dispatch = getattr(pump_class, "_dispatch_message", None)
        if dispatch is None:
            return

        async def named(pump: Any, message: Any) -> None:
            self._messages.append(f"{type(pump).__name__}.{type(message).__name__}")
            await dispatch(pump, message)

        pump_class._dispatch_message = named

    def _name(self, callback: Any) -> str:
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            coroutine: Any = owner.get_coro()
            name = f"task {getattr(coroutine, '__qualname__', owner.get_name())}"
        else:
            name = str(getattr(callback, "__qualname__", None) or type(callback).__name__)
        return f"{name} ({', '.join(self._messages[-3:])})" if self._messages else name

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        now = time.monotonic()
        if phase == "start":
            self._collection_started = now
            return
        duration = now - self._collection_started
        self._collecting += duration
        if len(self.report.collections) < MOST:
            self.report.collections.append((self._collection_started, duration, info["generation"]))


def main() -> int:
    """Run the program with the arguments after the file's name."""
    path, arguments = Path(sys.argv[1]), sys.argv[2:]
    probe = Probe()
    probe.install()
    from tui_chat.cli import main as run  # here: as above

    try:
        return run(arguments)
    finally:
        path.write_text(json.dumps(dataclasses.asdict(probe.report)), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
