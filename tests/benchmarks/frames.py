"""How long the event loop is away: while a reply streams, while someone types or scrolls in a long conversation, at the start.

A frame here is a callback of the event loop that takes a millisecond or longer (`probe`); percentiles are over those, which is
stricter than over all. A pass is everything the loop does between two looks at its input.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import probe
from tests.benchmarks.conversations import last_words, prepare
from tests.benchmarks.measures import LETTERS, percentile, type_letters
from tests.benchmarks.process import settle
from tests.benchmarks.programs import OURS, OURS_ARGUMENTS, Program
from tests.benchmarks.report import Goal, milliseconds, table
from tests.benchmarks.runs import Run
from tests.e2e.terminal import WaitError

_WHEEL_UP, _WHEEL_DOWN = "\x1b[<64;60;10M", "\x1b[<65;60;10M"
_PAGE_UP, _PAGE_DOWN = "\x1b[5~", "\x1b[6~"
_FOCUS_OUT, _FOCUS_IN = "\x1b[O", "\x1b[I"
_SLOWEST = 5
_STREAMING, _MOVING = "streaming", "scrolling"  # the two groups the goals are judged in


@dataclass(frozen=True, slots=True)
class _Phase:
    """What happened between two moments."""

    name: str
    start: float
    end: float

    def of(self, notes: list[Any]) -> list[Any]:
        return [note for note in notes if self.start <= note[0] < self.end]


def _probed(program: Program, file: Path) -> Program:
    return Program(
        program.name,
        (program.command[0], "-m", "tests.benchmarks.probe", str(file), *OURS_ARGUMENTS),
        done=program.done,
        takes_data_dir=True,
    )


def frames(run: Run) -> None:
    """The table of phases, in a long conversation."""
    folder = run.fresh()
    prepare(folder, long=run.sizes.long_turns)
    file = folder / "probe.json"
    phases: list[_Phase] = []
    finished = run.attempt("frames", _record, run, folder, file, phases)
    if finished is None or not file.exists():
        print("   frames: the probe has left no report")
        return
    report = json.loads(file.read_text(encoding="utf-8"))
    rows = []
    durations: dict[str, list[float]] = {_STREAMING: [], _MOVING: []}
    for phase in phases:
        found = [each[1] - each[2] for each in phase.of(report["callbacks"])]  # what is left without collections
        durations[_STREAMING if "stream" in phase.name else _MOVING] += found
        passes = [each[1] for each in phase.of(report["passes"])]
        collections = [each[1] for each in phase.of(report["collections"])]
        cells = [milliseconds(percentile(found, share)) for share in (0.5, 0.99, 1.0)]
        pauses = f"{milliseconds(max(collections, default=0.0))} of {len(collections)}"
        rows.append([phase.name, str(len(found)), *cells, milliseconds(percentile(passes, 1.0)), pauses])
    head = "frames|p50 ms|p99 ms|max ms|longest pass, ms|longest collection, ms"
    table(f"Frames of 1 ms and more, in {run.sizes.long_turns * 2:,} messages", ["", *head.split("|")], rows)
    everything = _Phase("", phases[0].start, phases[-1].end)
    slowest = sorted(everything.of(report["callbacks"]), key=lambda each: -each[1])[:_SLOWEST]
    print("\nThe slowest: " + "; ".join(f"{each[1] * 1000:.1f} ms {each[3]}" for each in slowest))
    # Apart, because the many short frames of scrolling would hide those of a reply.
    for group, found in durations.items():
        run.goals.append(Goal(f"frames while {group}, p99", (percentile(found, 0.99) or 0.0) * 1000, 16, "ms"))
        run.goals.append(Goal(f"frames while {group}, longest", max(found, default=0.0) * 1000, 50, "ms"))


def _record(run: Run, folder: Path, file: Path, phases: list[_Phase]) -> bool:
    program = _probed(OURS, file)
    with run.session(program, "-c", folder=folder, ready=last_words("long")) as session:
        recording = session.recording
        seconds = run.sizes.keys / 32  # of each kind of movement

        def phase(name: str, act: Callable[[], object]) -> None:
            start = time.monotonic()
            act()
            phases.append(_Phase(name, start, time.monotonic()))

        def repeat(*sequences: str, every: float = 0.03) -> None:
            written = recording.written()
            recording.blind()
            for number in range(int(seconds / every)):
                recording.send(sequences[number % len(sequences)])
                time.sleep(every)
            recording.wait_for_quiet(time.monotonic(), 0.3, 10)
            for _ in recording.replay():
                pass
            if recording.written() == written:
                raise WaitError(f"{sequences[0]!r} changed nothing on the screen")

        phase("streaming at 200 tok/s", lambda: session.turn("mixed", run.sizes.tokens, "ttft=0.3 rate=200"))
        phase("streaming as fast as it comes", lambda: session.turn("mixed", run.sizes.flat // 4, "ttft=0.3 rate=0"))
        phase(
            "typing while 200 tok/s stream",
            lambda: session.echoes(run.sizes.keys * 9, "ttft=0.3 rate=200", run.sizes.keys // 2),
        )
        phase("PgUp", lambda: repeat(_PAGE_UP))
        phase("wheel up", lambda: repeat(_WHEEL_UP))
        phase("wheel down", lambda: repeat(_WHEEL_DOWN))
        phase("PgDn", lambda: repeat(_PAGE_DOWN))
        phase("focus out and in", lambda: repeat(_FOCUS_OUT, _FOCUS_IN, every=0.1))
        recording.send("\x11")
        recording.wait_until_exit(10)
    return True


def start(run: Run) -> None:
    """Keys typed from the first paint on, while the SDK is imported; then the loop's longest absence in the first two seconds."""
    folder = run.fresh()
    file = folder / "probe.json"
    result = run.attempt("keys at the start", _type_at_start, run, OURS, folder)
    probed = run.attempt("the loop at the start", _type_at_start, run, _probed(OURS, file), folder)
    rows = []
    if result is not None:
        echoes, missing = result
        rows.append(["key to echo while the SDK is imported, max", milliseconds(max(echoes, default=None))])
        rows.append(["... p95", milliseconds(percentile(echoes, 0.95))])
        rows.append([f"letters lost, of {len(echoes) + missing}", str(missing)])
        run.goals.append(Goal("key echo in the first seconds, max", max(echoes, default=0.0) * 1000, 150, "ms"))
        run.goals.append(Goal("letters lost in the first seconds", missing, 0))
    if probed is not None and file.exists():
        report = json.loads(file.read_text(encoding="utf-8"))
        longest = max((gap for _, gap in report["gaps"]), default=0.0)
        rows.append(
            [
                f"longest gap between beats of {probe.BEAT * 1000:.0f} ms, first {probe.STARTING:.0f} s",
                milliseconds(longest),
            ]
        )
        run.goals.append(Goal("the SDK's import, longest stall", longest * 1000, 150, "ms"))
    table("From the first paint on", ["", "ms"], rows)


def _type_at_start(run: Run, program: Program, folder: Path) -> tuple[list[float], int]:
    """Seconds of each echo, and how many letters are not in the composer at the end."""
    with program.open(run.server, folder) as recording:
        recording.wait_for("Enter sends", timeout=20)
        recording.blind()
        keys = type_letters(recording, len(LETTERS), every=0.025)
        recording.wait_for_quiet(keys[-1][0], 0.5, 10)
        for _ in recording.replay():
            pass
        shown = recording.text()
        found = recording.arrivals(keys)
        missing = sum(data.decode() not in shown for _, _, data in keys)
        settle(recording.pid)
        for _ in range(2):
            recording.send("\x03")  # clears what was typed, hints
        recording.send("\x11")
        recording.wait_until_exit(10)
        return [each for each in found if each is not None], missing
