"""What went over the wire: one `Capture` for each request, the latest of them in a `WireLog` of bounded memory.

Why it exists: the inspector and recordings show a reply as it came, to the byte and with its timing. So the bytes are kept as they
arrive, which costs one append a chunk, and are decoded only when somebody looks. Credentials never get here: headers are hidden
on their way in. It must not know HTTP, nor what the bytes say.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, overload
from urllib.parse import urlsplit, urlunsplit

Headers = tuple[tuple[str, str], ...]

HIDDEN: Final = "***"
_SHORTEST_SECRET: Final = 6  # characters; shorter words of a header stand in other texts as well
DEFAULT_LIMIT: Final = 32_000_000  # bytes
_CHUNK_COST: Final = 75  # bytes of a chunk beside its data: bytes object, stamp, their places
_CAPTURE_COST: Final = 4_000  # ... and of a request beside its body: headers, objects
_SECRET_NAME: Final = re.compile(
    r"(?!anthropic-ratelimit)"
    r".*?(key|token|secret|auth|cookie|credential|pass|signature|session|jwt|assertion|organization)",
    re.IGNORECASE,
)
_KEY: Final = re.compile(
    r"sk-[A-Za-z0-9_-]{6,}|\beyJ[\w-]{8,}\.[\w-]{4,}[\w.-]*|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{6,})"
)


def hide_secrets(headers: Iterable[tuple[str, str]]) -> Headers:
    """The headers, in their order, with `***` for the value of each that is, or looks like, a credential."""
    return tuple((name, _open_value(name, value)) for name, value in headers)


def _open_value(name: str, value: str) -> str:
    if _SECRET_NAME.match(name):
        return HIDDEN
    return open_url(value) if name.lower() == "location" else open_text(value)


def without_credentials(body: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """`body` without the very credentials that went out in `headers`: what refuses a key may well repeat it."""
    for name, value in headers:
        for word in value.split() if _SECRET_NAME.match(name) else ():
            if len(word) >= _SHORTEST_SECRET:
                body = body.replace(word.encode(), HIDDEN.encode())
    return body


def open_text(text: str) -> str:
    """`text` without what looks like a key."""
    return _KEY.sub(HIDDEN, text)


def open_url(url: str) -> str:
    """`url` without the user and password that it may hold, the values of its query, its fragment, and what looks like a key."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: what was recorded or answered may say anything
        return HIDDEN
    pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
    query = "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in pairs)
    return open_text(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="")))


class Tap(Protocol):
    """Somebody who is told while it happens: a recorder. Its calls come in the order of their stamps (monotonic seconds)."""

    def request_left(self, capture: "Capture") -> None:
        """Method, address, headers and body are known; the first byte is about to leave."""

    def response_began(self, capture: "Capture") -> None:
        """Status and headers are known."""

    def chunk_came(self, at: float, data: bytes) -> None:
        """Some bytes of the body, any content encoding removed."""

    def body_ended(self, at: float) -> None:
        """The server has sent all it wanted to send. It is not said of a body that nobody read to its end."""


class Chunks(Sequence[tuple[float, bytes]]):
    """The bytes of a body as they came, each piece with its stamp, in their order.

    Stamps and pieces stand apart: neither is anything that the garbage collector would walk through, as pairs would be,
    and that was half of what keeping them cost.
    """

    __slots__ = ("_pieces", "_stamps")

    def __init__(self) -> None:
        self._stamps: deque[float] = deque()
        self._pieces: deque[bytes] = deque()

    def append(self, at: float, data: bytes) -> None:
        """Add a piece."""
        self._stamps.append(at)
        self._pieces.append(data)

    def drop(self) -> int:
        """Forget the oldest piece; returns how long it was."""
        self._stamps.popleft()
        return len(self._pieces.popleft())

    def __len__(self) -> int:
        return len(self._pieces)

    def __iter__(self) -> Iterator[tuple[float, bytes]]:
        return zip(self._stamps, self._pieces, strict=True)

    @overload
    def __getitem__(self, index: int) -> tuple[float, bytes]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[float, bytes]]: ...
    def __getitem__(self, index: int | slice) -> tuple[float, bytes] | list[tuple[float, bytes]]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._stamps[index], self._pieces[index]


@dataclass(slots=True, eq=False)
class Capture:
    """One request as it went over the wire. Stamps are monotonic seconds, `started_at` is wall clock; None: it did not come to that.

    `number` is its place among the requests of its turn, from 0. `chunks` are the bytes of the body as they came; the oldest
    may be gone: `dropped` bytes of them. `received` and `frames` count all of them, and their events.
    """

    turn_id: str
    number: int
    model: str
    started_at: float
    sent: float
    method: str = ""
    url: str = ""
    request_headers: Headers = ()
    body: bytes = b""
    connected: float | None = None
    headers_at: float | None = None
    status: int | None = None
    response_headers: Headers = ()
    chunks: Chunks = field(default_factory=Chunks)
    dropped: int = 0
    received: int = 0
    frames: int = 0
    body_ended_at: float | None = None
    ended: float | None = None
    tap: Tap | None = None
    _log: "WireLog | None" = None

    def left(self, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """The request is about to leave, with these headers, credentials and all; they are hidden here."""
        self.method, self.url, self.body = method, open_url(url), body
        self.request_headers = hide_secrets(headers)
        if self._log is not None:
            self._log.holds(len(body))
        if self.tap is not None:
            self.tap.request_left(self)

    def responded(self, at: float, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Status and headers have come."""
        self.headers_at, self.status, self.response_headers = at, status, hide_secrets(headers)
        if self.tap is not None:
            self.tap.response_began(self)
        self._changed()

    def chunk(self, at: float, data: bytes) -> None:
        """Some of the body has come."""
        self.chunks.append(at, data)
        size = len(data)
        self.received += size
        if self._log is not None:
            self._log.holds(size + _CHUNK_COST)
        if self.tap is not None:
            self.tap.chunk_came(at, data)

    def body_ended(self, at: float) -> None:
        """The body was read to its end."""
        self.body_ended_at = at
        if self.tap is not None:
            self.tap.body_ended(at)

    def over(self, at: float) -> None:
        """The request is over, however it ended."""
        self.ended = at
        self._changed()

    def _changed(self) -> None:
        if self._log is not None:
            self._log.holds(0)


class WireLog:
    """The latest requests of a run, in the order they were sent. `limit`: about how many bytes of memory they may take.

    When there are more, the oldest requests go first; of a request that is alone too large, its oldest chunks.
    `listeners` are called after every change: keep them short.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self.listeners: list[Callable[[], None]] = []
        self.forgotten = 0  # requests that were dropped
        self._captures: deque[Capture] = deque()
        self._held = 0

    def __iter__(self) -> Iterator[Capture]:
        return iter(self._captures)

    def __len__(self) -> int:
        return len(self._captures)

    @property
    def held(self) -> int:
        """About how many bytes are held now."""
        return self._held

    def begin(
        self, turn_id: str, number: int, model: str, started_at: float, sent: float, *, tap: Tap | None = None
    ) -> Capture:
        """A request begins; whoever sends it fills the capture."""
        capture = Capture(turn_id, number, model, started_at, sent, tap=tap, _log=self)
        self._captures.append(capture)
        self.holds(_CAPTURE_COST)
        return capture

    def of_turn(self, turn_id: str) -> list[Capture]:
        """The requests of one turn that are still known."""
        return [capture for capture in self._captures if capture.turn_id == turn_id]

    def holds(self, more: int) -> None:
        """Take `more` bytes into account, let old ones go, and tell the listeners."""
        self._held += more
        if self._held > self.limit:
            self._shrink()
        if self.listeners:
            for listener in self.listeners:
                listener()

    def _shrink(self) -> None:
        while self._held > self.limit and (place := self._oldest_ended()) is not None:
            self._held -= _cost(self._captures[place])
            del self._captures[place]
            self.forgotten += 1
        for capture in self._captures:  # only what still runs is left, or the last one
            while self._held > self.limit and len(capture.chunks) > 1:
                size = capture.chunks.drop()
                capture.dropped += size
                self._held -= size + _CHUNK_COST

    def _oldest_ended(self) -> int | None:
        """Its place; one that still runs in front of it, in another tab, must not keep it. The last request stays."""
        last = self._captures[-1]
        return next(
            (place for place, each in enumerate(self._captures) if each.ended is not None and each is not last), None
        )


def _cost(capture: Capture) -> int:
    chunks = capture.received - capture.dropped + _CHUNK_COST * len(capture.chunks)
    return _CAPTURE_COST + len(capture.body) + chunks
