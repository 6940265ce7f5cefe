"""Turns recorded while they run: what the session says and what goes over the wire, on its way to a file.

Nothing here may delay the stream or fail the turn. What happens is put into a queue, which costs the stream an append; a thread
turns it into lines and writes them, ten times a second. A disk that takes no more ends the recording with one notice, and the
turn goes on. What is in the file by then can be replayed.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

from tui_chat import __version__
from tui_chat.errors import UsageError
from tui_chat.events import Event, RequestEnded, RequestProgress, RequestStarted, TurnEnded, TurnStarted
from tui_chat.files import write_new
from tui_chat.recordings.format import (
    NO_SUCCESS,
    SUFFIX,
    BodyEnded,
    Chunk,
    Header,
    Record,
    RequestLeft,
    ResponseBegan,
    Said,
    header_line,
    line_of,
    open_body,
    open_event,
)
from tui_chat.wire import Capture

_log = logging.getLogger(__name__)
WRITE_EVERY: Final = 0.1  # seconds; kill -9 takes no more of a recording
PATIENCE: Final = 5.0  # seconds that the end of the program waits for a disk


class Recorder:
    """Records one turn; it is the `Tap` of its captures. `failed` is called once, in the event loop, if writing has failed."""

    def __init__(self, path: Path, header: Header, failed: Callable[[str], None]) -> None:
        self.path = path
        self._header, self._failed = header, failed
        self._records: deque[Record] = deque()
        self._refused = False  # the latest answer is no success
        self._over, self._closed = threading.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        try:
            # A daemon: a disk that hangs must not keep the program from ending.
            threading.Thread(target=self._run, name=f"recording {header.turn_id}", daemon=True).start()
        except RuntimeError as error:
            self._give_up(str(error))

    # What happens --------------------------------------------------------------------------------------------------

    def say(self, event: Event) -> None:
        """An event that `format.is_said` holds for; TurnEnded ends the recording."""
        self._records.append(Said(event.at, open_event(event)))
        if isinstance(event, TurnEnded):
            self._over.set()

    def request_left(self, capture: Capture) -> None:
        """Method, address, headers and body are known; the first byte is about to leave."""
        self._records.append(_request(capture))

    def response_began(self, capture: Capture) -> None:
        """Status and headers are known."""
        response = _response(capture)
        self._refused = response.status >= NO_SUCCESS
        self._records.append(response)

    def chunk_came(self, at: float, data: bytes) -> None:
        """Some bytes of the body."""
        self._records.append(Chunk(at, open_body(NO_SUCCESS, data) if self._refused else data))

    def body_ended(self, at: float) -> None:
        """The server has sent all it wanted to send."""
        self._records.append(BodyEnded(at))

    # Writing -------------------------------------------------------------------------------------------------------

    async def closed(self) -> None:
        """Return when all is written, or could not be; not much later than the disk is expected to take."""
        self._over.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._closed.wait()

    def _run(self) -> None:
        try:
            with _new_file(self.path) as file:
                file.write(header_line(self._header).encode())
                over = False
                while not over:
                    over = self._over.wait(WRITE_EVERY)
                    file.write("".join(line_of(record) for record in self._taken()).encode())
                    file.flush()
        except OSError as error:
            self._give_up(error.strerror or str(error))
        self._tell(self._closed.set)

    def _give_up(self, why: str) -> None:
        _log.warning("turn %s is not recorded any more: %s", self._header.turn_id, why)
        self._records = deque(maxlen=0)  # what still comes is dropped
        self._tell(partial(self._failed, why))

    def _taken(self) -> Iterator[Record]:
        """What waits to be written, oldest first."""
        while self._records:
            yield self._records.popleft()

    def _tell(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has gone without us
            self._loop.call_soon_threadsafe(what)


class RecordingFolder:
    """Where the turns of a run are recorded. `stores`: the run has a database file. `told` gets sentences for the user."""

    def __init__(self, path: Path, *, stores: bool) -> None:
        self.path, self.stores = path, stores
        self.told: Callable[[str], None] = _log.warning
        self._failed = False

    def record(self, started: TurnStarted, *, stored: bool) -> Recorder:
        """A turn begins; `stored`: its prompt is in the store."""
        header = _header(started, stored=stored and self.stores)
        recorder = Recorder(self.path / f"{started.turn_id}{SUFFIX}", header, self._tell)
        recorder.say(started)
        return recorder

    def _tell(self, why: str) -> None:
        if not self._failed:  # a full disk is full for the next turn as well
            self._failed = True
            self.told(f"a reply could not be recorded whole in {self.path} ({why})")


def prepare(folder: Path) -> None:
    """Make `folder`, for its owner alone if it is not there. UsageError: nothing can be written in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial = folder / f".trial.{os.getpid()}"
        _new_file(trial).close()
        trial.unlink()
    except OSError as error:
        raise UsageError(f"nothing can be recorded in {folder} ({error.strerror})", "give another folder") from None


def _header(started: TurnStarted, *, stored: bool) -> Header:
    """The header of the recording of that turn."""
    return Header(
        __version__,
        started.turn_id,
        started.conversation_id,
        stored,
        started.model,
        started.server,
        started.started_at,
    )


def write_afterwards(folder: Path, said: Sequence[Event], captures: Sequence[Capture], *, stores: bool) -> Path:
    """Record a turn that has ended, from what it said (`format.is_said`) and from its captures; returns the file.

    Another recording of the turn, a replay that was stopped say, stays; the same one is not written twice. `stores`: the run
    has a database file.

    Raises:
        UsageError: not all of it is known any more.
        OSError: it cannot be written.

    """
    started, ended = said[0], said[-1]
    if not isinstance(started, TurnStarted) or not isinstance(ended, TurnEnded):
        raise UsageError("the turn has not ended", "record it then")
    header = _header(started, stored=stores and ended.saved)
    lines = [header_line(header), *(line_of(record) for record in _in_order(said, captures))]
    path = folder / f"{header.turn_id}{SUFFIX}"
    text = "".join(lines)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_there = path.is_file() and path.read_bytes() == text.encode()
    return path if is_there else write_new(path, [text])


def _in_order(said: Sequence[Event], captures: Sequence[Capture]) -> Iterator[Record]:
    """The records of a turn as a recorder would have got them."""
    requests = iter(captures)
    if sum(isinstance(event, RequestStarted) for event in said) != len(captures) or any(
        capture.dropped for capture in captures
    ):
        raise UsageError(
            "the beginning of this turn is no longer in memory",
            "wire_memory_mb in the config file says how much is kept",
        )
    capture, answered = None, False
    for event in said:
        match event:
            case RequestStarted():
                capture, answered = next(requests), False
                yield Said(event.at, event)
                if capture.method:
                    yield _request(capture)
                continue
            case RequestProgress(stage="headers") if capture is not None:
                yield from _answer(capture)
                answered = True
            case RequestEnded() if capture is not None:
                if capture.headers_at is not None and not answered:
                    yield from _answer(capture)
                if not _is_refused(capture):
                    yield from _body(capture)
            case _:
                pass
        yield Said(event.at, open_event(event))


def _request(capture: Capture) -> RequestLeft:
    return RequestLeft(
        capture.sent, capture.method, capture.url, capture.request_headers, capture.body, capture.started_at
    )


def _answer(capture: Capture) -> Iterator[Record]:
    """How the answer began; of one that is no success all of it, which came before anything was said of it."""
    yield _response(capture)
    if _is_refused(capture):
        yield from _body(capture)


def _body(capture: Capture) -> Iterator[Record]:
    for at, data in capture.chunks:
        yield Chunk(at, open_body(capture.status, data))
    if capture.body_ended_at is not None:
        yield BodyEnded(capture.body_ended_at)


def _is_refused(capture: Capture) -> bool:
    return capture.status is not None and capture.status >= NO_SUCCESS


def _response(capture: Capture) -> ResponseBegan:
    at = capture.sent if capture.headers_at is None else capture.headers_at
    return ResponseBegan(at, capture.status or 0, capture.response_headers)


def _new_file(path: Path) -> IO[bytes]:
    """A file that was not there, for its owner alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
