"""Processes that start at once: forks of one warm process, each of them real, killable, and alone with its database.

A start costs a second of imports, and two hundred are killed. So one process imports everything and then forks: no event
loop, no thread and no database is open in it, and an instance begins with nothing but modules.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0  # seconds without a word from an instance before it counts as hung

Said = dict[str, Any]


class Instance:
    """One forked process: what it says, and what can be done to it."""

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid: Final = pid
        self._channel = channel
        with contextlib.suppress(ProcessLookupError):
            self._process: int | None = None
            self._process = os.pidfd_open(pid)
        self._read = bytearray()

    def hear(self) -> Said | None:
        """What it says next; None once it is gone. Raises TimeoutError if it hangs, AssertionError if it failed."""
        return next(self._hear(time.monotonic() + PATIENCE, hangs=True), None)

    def hear_all(self) -> Iterator[Said]:
        """Everything it says until it is gone."""
        while (said := self.hear()) is not None:
            yield said

    def hear_until(self, deadline: float) -> Iterator[Said]:
        """What it says until the monotonic time `deadline`, or until it is gone; returns no earlier and hardly later."""
        yield from self._hear(deadline)

    def _hear(self, deadline: float, *, hangs: bool = False) -> Iterator[Said]:
        while True:
            line, end, rest = self._read.partition(b"\n")
            if end:
                self._read = rest
                said: Said = json.loads(line)
                assert said["what"] != "failed", f"an instance failed: {said['why']}"
                yield said
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                if hangs:
                    raise TimeoutError(f"an instance has said nothing for {PATIENCE:.0f} s")
                return
            try:
                data = self._channel.recv(65536)
            except ConnectionResetError:  # killed with a word to it unread
                data = b""
            if not data:
                while time.monotonic() < deadline and not hangs:
                    time.sleep(max(0.0, deadline - time.monotonic()))
                return
            self._read += data

    def wait_for(self, what: str) -> Said:
        """The next `what` that it says."""
        for said in self.hear_all():
            if said["what"] == what:
                return said
        raise AssertionError(f"an instance ended before it said {what!r}")

    def tell(self) -> None:
        """Let it go on."""
        self._channel.sendall(b"\n")

    def kill(self) -> float:
        """SIGKILL, now; returns the monotonic time just before. What it has said can still be heard."""
        at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return at

    def wait_until_gone(self) -> None:
        """Return when the process is no more: its pipe closes a little earlier."""
        if self._process is not None:
            assert select.select([self._process], [], [], PATIENCE)[0], "an instance does not end"

    def close(self) -> None:
        """Kill it if it runs, and let go of it."""
        self.kill()
        if self._process is not None:
            os.close(self._process)
        self._channel.close()


class Nursery:
    """The warm process. Leaving the context ends it and every instance."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        self._orders.settimeout(PATIENCE)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
            )
        self._instances: list[Instance] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for instance in self._instances:
            instance.close()
        self._orders.close()
        self._process.wait(10)

    def start(self, behaviour: str, **order: object) -> Instance:
        """A new process that runs `behaviour` (of `instance.BEHAVIOURS`) with the fields of `order`."""
        ours, theirs = socket.socketpair()
        with theirs:
            text = json.dumps({"behaviour": behaviour, **order}, default=str)
            socket.send_fds(self._orders, [text.encode()], [theirs.fileno()])
            answer = self._orders.recv(64)
        assert answer, "the warm process is gone"
        self._instances.append(Instance(int(answer), ours))
        return self._instances[-1]


def _serve(orders: socket.socket) -> None:
    """Fork an instance for each order, until nobody gives any more."""
    import anthropic  # here and below: the parent needs nothing of it

    from tests.faults.instance import run

    _ = anthropic.AsyncAnthropic(
        api_key="none", base_url="http://127.0.0.1:9"
    ).messages  # loads what it would load late

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody collects them; what they were is told by what they said
    while True:
        text, descriptors, _, _ = socket.recv_fds(orders, 65536, 1)
        if not text:
            return
        order: Mapping[str, Any] = json.loads(text)
        pid = os.fork()
        if pid == 0:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with socket.socket(fileno=descriptors[0]) as channel:
                run(order, channel)
            os._exit(0)
        os.close(descriptors[0])
        orders.sendall(str(pid).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _serve(given)
