"""What streaming costs on a real terminal, beside a bare SDK script and Textual's own Markdown widget, in one run.

    python -m tests.benchmarks.streaming [--size full|small] [--minutes N] [PART ...]

Parts, in the order they run; all of them without a name:

    replies   mixed markdown at 50 and 200 tok/s and as fast as it comes: CPU, lag, TTFT added, output, memory
    echo      a key's way to the screen while 200 tok/s stream
    flat      a long reply of one kind beside a short one: the cost of a token must not grow
    turns     the turn after very many beside the first
    opening   a long conversation until its end is shown, beside a short one
    frames    how long the event loop is away: streaming, typing, scrolling in a long conversation
    start     keys typed while the SDK is imported
    idle      CPU and wake-ups with nothing to do

Every program runs in a pty of 120x40, streams from one demo server in a process of its own, and is started afresh for each row.
Nothing is pinned to a core and nothing has a priority; the machine should have nothing else to do. While something is measured this
process only stamps and keeps what the terminal gets (`recording`). CPU comes from /proc, so all of this needs Linux.

Read the ratios: absolute figures are those of the machine. What each figure means stands in `measures`.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tests.benchmarks import frames, growth, replies, report
from tests.benchmarks.runs import FULL, SMALL, Run
from tests.benchmarks.server import Server

PARTS: dict[str, Callable[[Run], None]] = {
    "replies": replies.part,
    "echo": replies.echo,
    "flat": growth.flat,
    "turns": growth.turns,
    "opening": growth.opening,
    "frames": frames.frames,
    "start": frames.start,
    "idle": replies.nothing,
}
GRACE = 60.0  # seconds beyond the limit after which a measurement under way is broken off


def main(argv: Sequence[str]) -> int:
    """Run the parts and print their tables. Returns the exit code: 0 also where a goal is missed, since that is a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.streaming", description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument(
        "--size", choices=("full", "small"), default="full", help="small: about three minutes, for a first look"
    )
    parser.add_argument(
        "--minutes", type=float, default=11.0, help="minutes after which no measurement begins (%(default)s)"
    )
    options = parser.parse_args(argv)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not sys.platform.startswith("linux"):
        print("this benchmark reads /proc, so it runs on Linux only")
        return 1
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_REAL, options.minutes * 60 + GRACE, GRACE)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="streaming-") as name:
        folder = Path(name)
        with Server(folder) as server:
            run = Run(FULL if options.size == "full" else SMALL, server, folder, started + options.minutes * 60)
            load = os.getloadavg()[0]
            print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load before the start {load:.2f}")
            for part in options.parts or PARTS:
                begun = time.monotonic()
                run.attempt(part, PARTS[part], run)
                print(f"\n{part}: {time.monotonic() - begun:.0f} s", flush=True)
            report.goals(run.goals)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(f"\n{time.monotonic() - started:.0f} s")
    return 0


def _time_is_up(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("the time is up")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
