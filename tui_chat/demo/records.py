"""What the demo server saw: one record for each request, and the same as lines of a log file.

Why it exists: a cancel, a time-out or a retry is only proven by what the *server* observed, so tests read the records
and measuring programs, in other processes, read the log. Stamps are those of the server's clock: with the real one
`time.monotonic()`, which on Linux compares across processes.
What it must not know: HTTP, replies. Secrets never get here: they are hidden when a record is made.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TextIO

HIDDEN: Final = "***"
_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})

Ended = Literal["completed", "client_closed", "failed"]


@dataclass(slots=True)
class RequestRecord:
    """One request and what became of it; filled in while it is answered.

    `ended`: `completed` when the server did all it had planned, deliberate faults included; `client_closed` when the
    client went first; `failed` when the server was stopped or has a bug; None while it runs. Stamps are seconds.
    `deltas` counts the content deltas written.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    arrived: float
    request_id: str
    status: int | None = None
    first_delta_sent: float | None = None
    last_delta_sent: float | None = None
    deltas: int = 0
    closed: float | None = None
    ended: Ended | None = None


def hide_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with every credential replaced by `***`."""
    return {name: HIDDEN if name in _SECRET_HEADERS else value for name, value in headers.items()}


@dataclass(slots=True)
class Recorder:
    """Keeps the records, writes the log, and wakes those who wait for a change."""

    requests: list[RequestRecord] = field(default_factory=list)
    _file: TextIO | None = None
    _waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)

    def open_log(self, path: Path) -> None:
        """Append to the log at `path`, which only its owner may read. Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = open(descriptor, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - from a descriptor, for its mode; closed in `close`

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def arrived(self, record: RequestRecord) -> None:
        """A request has been read."""
        self.requests.append(record)
        content = {"method": record.method, "path": record.path, "headers": dict(record.headers), "body": record.body}
        self._note("request", record, record.arrived, request_id=record.request_id, **content)

    def delta_sent(self, record: RequestRecord, now: float) -> None:
        """Content has been handed to the system."""
        record.last_delta_sent = now
        if record.first_delta_sent is None:
            record.first_delta_sent = now
            self._note("first_delta", record, now)

    def closed(self, record: RequestRecord, ended: Ended, now: float) -> None:
        """The answer is over, one way or another."""
        record.closed, record.ended = now, ended
        if record.last_delta_sent is not None:
            self._note("last_delta", record, record.last_delta_sent, deltas=record.deltas)
        self._note("closed", record, now, ended=ended, status=record.status)

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate` holds; it is asked again after each change. May be awaited in any event loop."""
        while True:
            waiting = (asyncio.get_running_loop(), asyncio.Event())
            self._waiting.append(waiting)
            try:
                if predicate():
                    return
                await waiting[1].wait()
            finally:
                self._waiting.remove(waiting)

    def _note(self, event: str, record: RequestRecord, at: float, **fields: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"event": event, "at": at, "number": record.number, **fields}) + "\n")
            self._file.flush()
        for loop, changed in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # that loop has been closed with its waiter
                loop.call_soon_threadsafe(changed.set)
