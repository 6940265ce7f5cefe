"""Where each event of one request is in what went over the wire: a few numbers an event, read while somebody looks.

Why it exists: a capture keeps bytes as they came, and the inspector wants rows, 100,000 of them and more. So an event is four numbers
here (stamp, offset, size, type), and its text is cut out of the chunks again when its row is painted. Reading goes on where it stopped,
in slices as long as the caller allows. What must not be held: text of the wire.

The rows of a request are in one order, that of their `offset`, which also names them for good. Beside events there are rows for the
request itself, the connection, the headers, what was dropped, a body that is no event stream, bytes that are no whole event, and the end.
When chunks were dropped before they were read, reading begins anew at the first event that is certainly whole: behind a blank line.
"""

import re
import time
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from math import inf, isnan, nan
from typing import Final

from tui_chat.engine.sse import SseDecoder
from tui_chat.events import WireFrame
from tui_chat.json_text import decode
from tui_chat.text import sanitise_line
from tui_chat.wire import Capture

REQUEST, CONNECTED, HEADERS, HOLE, BODY, REST, END = range(7)  # kinds of rows; from 7 on they are types of events
_FIRST_TYPE: Final = 7
_REQUEST_AT, _CONNECTED_AT, _HEADERS_AT, HOLE_AT = -3, -2, -1, 0  # their offsets
FIRST: Final = _REQUEST_AT

_PIECE: Final = 32_768  # bytes that are decoded without a look at the clock
_MOST_TYPES: Final = 500  # that are told apart; a server may invent one for each event
_LONGEST_TYPE: Final = 60
_BLANK_LINE: Final = re.compile(rb"(?:\r\n?+|\n){2}")
_SPACE: Final = b"\xef\xbb\xbf \t\r\n"
_DOCUMENT: Final = b"{[<"  # how JSON and HTML begin, and no event stream does
_TYPE: Final = re.compile(r'"type"\s*:\s*"([^"\\]*)"')


class EventTypes:
    """The types of events that occur in some requests, in the order of their first one, with counts."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._names: list[str] = []
        self._codes: dict[str, int] = {}

    def take(self, frame: WireFrame) -> int:
        """The code of the frame's type; it is counted."""
        name = frame.event
        if name is None or name not in self._codes:
            name = type_of(frame)
        code = self._codes.get(name)
        if code is None:
            if len(self._names) >= _MOST_TYPES:
                name = "(others)"
            code = self._codes.get(name, _FIRST_TYPE + len(self._names))
            if code == _FIRST_TYPE + len(self._names):
                self._codes[name] = code
                self._names.append(name)
        self.counts[code] += 1
        return code

    def name(self, code: int) -> str:
        """What the type is called."""
        return self._names[code - _FIRST_TYPE]

    @property
    def codes(self) -> list[int]:
        """All that occur."""
        return [code for code in range(_FIRST_TYPE, _FIRST_TYPE + len(self._names)) if self.counts[code]]


def type_of(frame: WireFrame) -> str:
    """The `event:` line; without one what the data says, in brackets, or `comment`."""
    if frame.event is not None:
        name = frame.event
    elif not frame.data and frame.comment is not None:
        return "comment"
    else:
        found = _TYPE.search(frame.data[:500])
        name = f"({found[1] if found else 'no type'})"
    return sanitise_line(name[:_LONGEST_TYPE]) or "(empty)"


def _completes(frame: WireFrame) -> bool:
    return frame.event == "message_stop" or (frame.event is None and type_of(frame) == "(message_stop)")


def _is_json(text: str) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True


class RequestIndex:
    """The rows of one capture. Call `advance` for what is new; a row's place changes only when rows before it are dropped."""

    def __init__(self, capture: Capture, types: EventTypes) -> None:
        self.capture, self.types = capture, types
        self.at, self.offset, self.size, self.kind = array("d"), array("q"), array("q"), array("H")
        self.dropped = 0  # bytes that are gone; no row shows any of them
        self.events = 0  # that were read, also those that were dropped later
        self.complete = False  # its message_stop was seen
        self.over = False  # all is read, and no more will come
        self.read_to = 0  # the offset of the next byte to be read
        self._starts = array("q")  # the offsets of the chunks that were begun and are still there
        self._within = 0  # bytes read of the last of them; 0: all
        self._decoder: SseDecoder | None = SseDecoder()  # None: an event's beginning is looked for
        self._base = 0  # the offset of the decoder's first byte
        self._tail = b""  # of what was looked through for a blank line
        self._heard = self._document = False
        self._add(capture.sent, _REQUEST_AT, 0, REQUEST)

    def __len__(self) -> int:
        return len(self.at)

    def _add(self, at: float, offset: int, size: int, kind: int) -> None:
        self.at.append(at)
        self.offset.append(offset)
        self.size.append(size)
        self.kind.append(kind)

    # Rows ----------------------------------------------------------------------------------------------------------

    def since(self, place: int) -> float | None:
        """Seconds between a row and the one before; None if that is not known."""
        if not place:
            return None
        seconds = self.at[place] - self.at[place - 1]
        return None if isnan(seconds) else max(0.0, seconds)

    def place(self, offset: int) -> int:
        """The place of the row at that offset, or of the first one behind it."""
        return bisect_left(self.offset, offset)

    def raw(self, place: int) -> bytes:
        """The bytes of a row, as they came."""
        start = self.offset[place]
        return self._bytes(start, start + self.size[place]) if start >= 0 else b""

    def frame(self, place: int) -> WireFrame | None:
        """The event of a row; None if it is none."""
        if self.kind[place] < _FIRST_TYPE:
            return None
        frames = SseDecoder().feed(self.raw(place) + b"\n\n", self.at[place])
        return frames[0]._replace(offset=self.offset[place], size=self.size[place]) if frames else None

    def _bytes(self, start: int, stop: int) -> bytes:
        dropped, chunks, parts = self.capture.dropped, self.capture.chunks, []
        if start < dropped:
            return b""
        gone = bisect_left(self._starts, dropped)  # since the last `advance`
        for number in range(max(0, bisect_right(self._starts, start) - 1), len(self._starts)):
            begins = self._starts[number]
            if begins >= stop:
                break
            parts.append(chunks[number - gone][1][max(0, start - begins) : stop - begins])
        return b"".join(parts)

    @property
    def missing(self) -> int:
        """The bytes in front of the first row that is whole."""
        place = bisect_right(self.offset, HOLE_AT)
        return self.offset[place] if place < len(self) else self.read_to

    def rates(self, now: float, window: float) -> tuple[float, float]:
        """Bytes and events a second over the last `window` seconds, or since the headers if that is less."""
        began = self.capture.headers_at
        if began is None or now - began <= 0:
            return 0.0, 0.0
        seconds = min(window, now - began)
        first = max(bisect_right(self.at, now - seconds, lo=self._first_event), self._first_event)
        start = self.offset[first] if first < len(self) else self.read_to
        return (self.read_to - start) / seconds, (len(self) - first) / seconds

    @property
    def _first_event(self) -> int:
        return bisect_right(self.kind, HOLE, 0, min(4, len(self)))

    # Reading -------------------------------------------------------------------------------------------------------

    def advance(self, until: float = inf) -> bool:
        """Read on, until that moment (`time.perf_counter`) at most; returns whether all that has come was read."""
        self._note_steps()
        if self.capture.dropped > self.dropped:
            self._forget(self.capture.dropped)
        if self.over:
            return True
        if not self._read(until):
            return False
        if self.capture.ended is not None:
            self._note_end(self.capture.ended)
        return True

    def _note_steps(self) -> None:
        capture, last = self.capture, self.offset[-1]
        if last < _CONNECTED_AT and capture.connected is not None:
            self._add(capture.connected, _CONNECTED_AT, 0, CONNECTED)
        if last < _HEADERS_AT and capture.headers_at is not None:
            self._add(capture.headers_at, _HEADERS_AT, 0, HEADERS)

    def _read(self, until: float) -> bool:
        chunks = self.capture.chunks
        number = len(self._starts) - bool(self._within)
        while number < len(chunks):
            at, data = chunks[number]
            if not self._within:
                self._starts.append(self.read_to)
            while True:
                piece = data if len(data) <= _PIECE else data[self._within : self._within + _PIECE]
                self._within += len(piece)
                self.read_to += len(piece)
                self._take(piece, at)
                if self._within == len(data):
                    self._within = 0
                if not self._within or time.perf_counter() >= until:
                    break
            number += 1
            if time.perf_counter() >= until:
                return not self._within and number == len(chunks)
        return True

    def _take(self, piece: bytes, at: float) -> None:
        if not self._heard and (opening := piece.lstrip(_SPACE)):
            self._heard, self._document = True, opening[0] in _DOCUMENT and not self.dropped
        if self._document:
            self._grow_document(at)
            return
        if self._decoder is None:
            found = _BLANK_LINE.search(searched := self._tail + piece)
            if found is None:
                self._tail = searched[-3:]
                return
            piece = searched[found.end() :]
            self._decoder, self._base, self._tail = SseDecoder(), self.read_to - len(piece), b""
        base, take = self._base, self.types.take
        for frame in self._decoder.feed(piece, at):
            self.events += 1
            offset = base + frame.offset
            if offset < self.dropped:  # its beginning is gone
                continue
            self._add(at, offset, frame.size, take(frame))
            self.complete = self.complete or _completes(frame)

    def _grow_document(self, at: float) -> None:
        """One row for the whole body, at the stamp of its first bytes."""
        if self.kind[-1] == BODY:
            self.size[-1] = self.read_to - self.offset[-1]
        else:
            self._add(at, self.dropped, self.read_to - self.dropped, BODY)

    def _note_end(self, ended: float) -> None:
        """What the last bytes are, and the end."""
        capture, self.over = self.capture, True
        at = ended if capture.body_ended_at is None else capture.body_ended_at
        if not self._document and self._decoder is not None:
            last = self._decoder.finish(at)
            if last is not None:
                self.events += 1
                self.complete = self.complete or (_completes(last) and _is_json(last.data))
                self._add(at, self._base + last.offset, last.size, self.types.take(last))
            known = max(self._base, self.dropped, self.offset[-1] + self.size[-1])
            rest = self._bytes(known, self.read_to)
            if meant := rest.lstrip(_SPACE):
                self._add(at, self.read_to - len(meant), len(meant), REST)
        self._add(
            max(at, self.at[-1]) if not isnan(self.at[-1]) else at, max(self.read_to, self.offset[-1] + 1), 0, END
        )

    # Dropping ------------------------------------------------------------------------------------------------------

    def _forget(self, dropped: int) -> None:
        """The first bytes are gone: so are their rows, and what was in the middle of being read."""
        self.dropped = dropped
        if dropped > self.read_to:
            self._starts, self._within, self.read_to = array("q"), 0, dropped
            self._decoder, self._tail = None, b""
        else:
            del self._starts[: bisect_left(self._starts, dropped)]
        first = self._first_event
        if self._document:
            if self.kind[-1] == BODY:
                self.offset[-1], self.size[-1] = dropped, self.read_to - dropped
            stop = first
        else:
            stop = max(first, bisect_left(self.offset, dropped))
        self.types.counts.subtract(Counter(self.kind[first:stop]))
        for column in (self.at, self.offset, self.size, self.kind):
            del column[first:stop]
        if self.kind[first - 1] != HOLE:
            self.at.insert(first, nan)
            self.kind.insert(first, HOLE)
            self.offset.insert(first, HOLE_AT)
            self.size.insert(first, 0)
