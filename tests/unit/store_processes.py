"""Starting and ending second processes for the store's tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(path: Path, mode: str) -> Iterator["subprocess.Popen[str]"]:
    """`store_writer` in MODE; killed at the end, if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.store_writer", str(path), mode],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[str]", words: str = "") -> None:
    """Let it go on, with `words`."""
    assert process.stdin is not None
    process.stdin.write(f"{words}\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> list[str]:
    """The words of its next line; none at its end."""
    assert process.stdout is not None
    return process.stdout.readline().split()


def wait_for_death(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Wait until it is a zombie: killed, and not yet collected."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def dead_pid() -> int:
    """The number of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
