"""The demo server as a process of its own, with its log of requests: what every benchmark streams from."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Server:
    """Stamps are monotonic seconds, the same clock in every process (Linux and macOS)."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / "requests.jsonl"
        command = [sys.executable, "-m", "tui_chat.demo", "--port", "0", "--log", str(self._log), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        self.base_url = next(word for word in first.split() if word.startswith("http")).rstrip(".")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def records(self, event: str) -> list[float]:
        """The stamps of all such log lines so far: request, first_delta, last_delta, closed."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [record["at"] for record in map(json.loads, lines) if record["event"] == event]

    def wait_for(self, event: str, count: int, seconds: float = 10.0) -> float:
        """The stamp of the `count`-th such line."""
        deadline = time.monotonic() + seconds
        while len(found := self.records(event)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(event)
            time.sleep(0.002)
        return found[count - 1]
