"""Which process writes a running turn, told apart from a later process with the same number.

Why it exists: after a crash the turns nobody writes any more must be ended, and those of another live instance must not
be touched. Whenever the answer is unknown the owner counts as alive: a turn that ends late is a smaller harm than a turn
that is ended under its writer. It must not know SQL or turns.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOREIGN_AFTER: Final = 86400.0  # seconds; no turn runs for a day, so an owner we cannot see is gone by then

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its number, when it was started (opaque), the boot and the pid namespace it lives in; '' is unknown."""

    pid: int
    started: str = ""
    boot: str = ""
    namespace: str = ""


def this_process() -> Owner:
    """The owner that this process writes into its turns."""
    pid = os.getpid()
    seen = _look(pid)
    return Owner(pid, seen[1] if seen else "", _read(_PROC / "sys/kernel/random/boot_id"), _namespace())


def is_gone(owner: Owner, me: Owner, age: float) -> bool:
    """Whether `owner` certainly runs no more, seen from process `me`, `age` seconds after its turn began."""
    if owner.boot and me.boot and owner.boot != me.boot:
        return True
    if owner.namespace != me.namespace:
        # A container that shares the directory: its process numbers mean nothing here.
        return age > FOREIGN_AFTER
    if owner.pid <= 0 or not _exists(owner.pid):
        return True
    seen = _look(owner.pid)
    if seen is None:
        return False
    state, started = seen
    if state[:1] in ("Z", "X"):  # killed, and not yet collected by its parent
        return True
    return bool(owner.started and started) and started != owner.started


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _look(pid: int) -> tuple[str, str] | None:
    """State and start of a process, or None if they cannot be read."""
    if (_PROC / "self/stat").exists():
        return _from_proc(_read(_PROC / str(pid) / "stat"))
    return _from_ps(pid)


def _from_proc(stat: str) -> tuple[str, str] | None:
    # The command's name stands in brackets and may hold anything, brackets too; after it come fields 3, 4, ...
    fields = stat.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else None


def _from_ps(pid: int) -> tuple[str, str] | None:
    """The same where there is no /proc (macOS). UTC, or the answer would change with daylight saving."""
    command = ["/bin/ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    environment = {"LC_ALL": "C", "TZ": "UTC0"}
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command and a number
            command, env=environment, capture_output=True, text=True, timeout=5, check=False
        ).stdout.split(maxsplit=1)
    except (OSError, subprocess.SubprocessError):
        return None
    return (answer[0], " ".join(answer[1].split())) if len(answer) == 2 else None


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
