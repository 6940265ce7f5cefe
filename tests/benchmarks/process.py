"""What a running program has cost so far, from /proc and the CPU clocks of the kernel: so Linux only.

CPU is that of the whole process tree, in nanoseconds: ticks of /proc/PID/stat, a hundredth of a second each, are too coarse
for a reply that costs forty milliseconds.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_WHOLE_PROCESS = 2  # the kernel's CPUCLOCK_SCHED: user and system time of all threads, ended ones too


def tree(pid: int) -> Iterator[int]:
    """A process and its living descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its descendants, and those of them that have ended and been waited for."""
    total = 0.0
    for each in tree(pid):
        fields = _read(Path(f"/proc/{each}/stat")).rpartition(")")[2].split()
        if fields:
            total += time.clock_gettime((~each << 3) | _WHOLE_PROCESS)
            total += (int(fields[13]) + int(fields[14])) / TICKS
    return total


def peak_megabytes(pid: int) -> float:
    """The most memory the process ever had resident."""
    return int(_status(Path(f"/proc/{pid}/status"))["VmHWM"].split()[0]) / 1024


def context_switches(pid: int) -> int:
    """How often any living thread of the process has been given a core."""
    count = 0
    for task in Path(f"/proc/{pid}/task").glob("*/status"):
        status = _status(task)
        count += int(status.get("voluntary_ctxt_switches", 0)) + int(status.get("nonvoluntary_ctxt_switches", 0))
    return count


def settle(pid: int, seconds: float = 15.0) -> None:
    """Wait until the process has used less than 1 % of a core for half a second (its imports are over), or `seconds`."""
    deadline = time.monotonic() + seconds
    before = cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_seconds(pid)
        if now - before < 0.005:
            return
        before = now


def _status(path: Path) -> dict[str, str]:
    return {name: value.strip() for name, _, value in (line.partition(":") for line in _read(path).splitlines())}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile
        return ""
