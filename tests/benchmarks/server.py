"""The demo server as a process of its own, with its log of requests: what every benchmark streams from.

`python -m tests.benchmarks.server --log FILE` is `tui_chat.demo` with three things for measuring: each answer's log ends
with a stamp for every write (which deltas had left when), bodies of requests are kept out of the log, and lines on
standard input change the pacing. It ends when its standard input does, so it never outlives whoever measures.
"""

import asyncio
import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tui_chat.demo import DemoServer, Pacing
from tui_chat.demo.api import Api
from tui_chat.demo.records import Ended, Recorder, RequestRecord

_ANY_PACING = ("--ttft", 0.3), ("--rate", 0.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """When the deltas of one reply were handed to the system, in monotonic seconds.

    `writes`: each write's moment and how many deltas had left with it.
    """

    arrived: float
    writes: list[tuple[float, int]]

    @property
    def first_delta(self) -> float:
        """The moment of the first one."""
        return self.writes[0][0]

    @property
    def last_delta(self) -> float:
        """The moment of the last one."""
        return self.writes[-1][0]

    def sent(self) -> list[float]:
        """The moment of each delta in turn."""
        moments: list[float] = []
        for moment, count in self.writes:
            moments += [moment] * (count - len(moments))
        return moments


class RefusedError(Exception):
    """The program asked for something that the demo refuses."""


class Server:
    """Stamps are monotonic seconds, the same clock in every process (Linux and macOS)."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "requests.jsonl"
        command = [sys.executable, "-m", "tests.benchmarks.server", "--log", str(self._log), *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        self.base_url = self._line()
        self._read = 0
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def pace(self, pacing: str) -> None:
        """Send the next replies at another pace, written as in an `x-demo-pacing` header."""
        assert self._process.stdin is not None
        self._process.stdin.write(pacing + "\n")
        self._process.stdin.flush()
        self._line()

    def answers(self) -> list[Answer]:
        """The replies with content that are over, in the order of their ends."""
        return [Answer(event["arrived"], event["writes"]) for event in self._log_lines("writes")]

    def wait_for_answer(self, count: int, seconds: float, check: Callable[[], object] = bool) -> Answer:
        """The `count`-th of them. Raises TimeoutError after that many seconds, RefusedError if there will be none.

        `check` is called all the time and may raise what it likes.
        """
        refused = len(self.refusals())
        deadline = time.monotonic() + seconds
        while len(found := self.answers()) < count:
            if len(refusals := self.refusals()) > refused:
                raise RefusedError(f"the server answered with status {refusals[-1]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no reply was over after {seconds:.0f} s")
            check()
            time.sleep(0.01)
        return found[count - 1]

    def refusals(self) -> list[int]:
        """The status of every request that was refused."""
        return [event["status"] for event in self._log_lines("closed") if event["status"] >= 400]

    def records(self, event: str) -> list[float]:
        """The stamps of all such log lines so far: request, first_delta, last_delta, closed, writes."""
        return [record["at"] for record in self._log_lines(event)]

    def wait_for(self, event: str, count: int, seconds: float = 10.0) -> float:
        """The stamp of the `count`-th such line. Raises TimeoutError after that many seconds."""
        deadline = time.monotonic() + seconds
        while len(found := self.records(event)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server's log has no {event} number {count} after {seconds:.0f} s")
            time.sleep(0.01)
        return found[count - 1]

    def _log_lines(self, event: str) -> list[dict[str, Any]]:
        """All lines of one kind; only what is new is read and parsed, since this shares the machine with what it measures."""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self._events += map(json.loads, whole.splitlines())
        return [each for each in self._events if each["event"] == event]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class _StampingRecorder(Recorder):
    """Notes every write of an answer; leaves bodies, which may hold a conversation of megabytes, out of the log."""

    def __init__(self) -> None:
        super().__init__()
        self._writes: dict[int, list[tuple[float, int]]] = {}

    def arrived(self, record: RequestRecord) -> None:
        self.requests.append(record)
        self._note("request", record, record.arrived, path=record.path)

    def delta_sent(self, record: RequestRecord, now: float) -> None:
        super().delta_sent(record, now)
        self._writes.setdefault(record.number, []).append((now, record.deltas))

    def closed(self, record: RequestRecord, ended: Ended, now: float) -> None:
        super().closed(record, ended, now)
        record.body = None
        if writes := self._writes.pop(record.number, None):
            self._note("writes", record, now, arrived=record.arrived, writes=writes)


async def _serve(log: Path, pacing: Pacing) -> None:
    server = DemoServer(pacing=pacing, log=log)
    server._recorder = _StampingRecorder()
    ended = asyncio.Event()

    def read() -> None:
        line = sys.stdin.readline()
        if not line:
            ended.set()
            return
        server._api = Api(pacing.altered(line))
        print("paced", flush=True)

    async with server:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
        print(server.base_url, flush=True)
        await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    parser = ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    for name, default in _ANY_PACING:
        parser.add_argument(name, type=float, default=default)
    options = parser.parse_args()
    asyncio.run(_serve(options.log, Pacing(options.ttft, options.rate, seed=1)))


if __name__ == "__main__":
    main()
