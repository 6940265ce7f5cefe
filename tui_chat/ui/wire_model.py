"""The rows of the wire inspector: the requests of one conversation, filtered, with the gaps between their events. Pure.

Why it exists: the list widget asks for a line, by number, and gets what stands there; which of 100,000 rows that is, and what it says,
is worked out here when it is asked. Rows are named by `Key`, which stays true while others are filtered out, dropped or new.
What it must not know: widgets, colours, sessions.
"""

import re
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from tui_chat.text import sanitise_line
from tui_chat.ui import wire_index, wire_text
from tui_chat.ui.wire_index import EventTypes, RequestIndex
from tui_chat.ui.wire_text import Detail, Key, WireRow
from tui_chat.wire import Capture

GAPS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds that can be chosen
DEFAULT_GAP: Final = 0.5
RATE_WINDOW: Final = 2.0  # seconds
_CLOCK_EVERY: Final = 256  # rows between two looks at the clock
_CHANGING: Final = frozenset({wire_index.REQUEST, wire_index.HOLE, wire_index.BODY, wire_index.END})
_NOTES: Final = -1  # in place of a request's number


@dataclass(frozen=True, slots=True)
class Filter:
    """What is shown of the events: one type, and a text that their bytes must hold, in any case of letters. None, '': all."""

    type: int | None = None
    text: str = ""

    @property
    def is_on(self) -> bool:
        """Whether anything is left out."""
        return self.type is not None or bool(self.text)


class _Rows:
    """The lines of one request: which of its rows are shown, and before which of them is a gap."""

    def __init__(self, number: int, index: RequestIndex, title: str) -> None:
        self.number, self.index, self.title = number, index, title
        self.shown = index.offset  # the very column of the index while nothing is filtered
        self.gaps = array("q")
        self._filter, self._gap = Filter(), DEFAULT_GAP
        self._text: re.Pattern[bytes] | None = None
        self._checked = wire_index.FIRST
        self._dropped = 0

    def sift(self, wanted: Filter, gap: float) -> None:
        """Look at all rows anew, with the next `update`."""
        self._filter, self._gap = wanted, gap
        self._text = re.compile(re.escape(wanted.text.encode()), re.IGNORECASE) if wanted.text else None
        self.shown = array("q") if wanted.is_on else self.index.offset
        self.gaps = array("q")
        self._checked = wire_index.FIRST

    def update(self, until: float) -> bool:
        """Take in what is new, until that moment at most; returns whether that is all."""
        index = self.index
        done = index.advance(until)
        if index.dropped > self._dropped:
            self._forget(index.dropped)
        filtered = self._filter.is_on
        place, end = index.place(self._checked), len(index)
        while place < end:
            if not filtered or self._passes(place):
                if filtered:
                    self.shown.append(index.offset[place])
                since = index.since(place)
                if since is not None and since >= self._gap:
                    self.gaps.append(index.offset[place])
            place += 1
            if not place % _CLOCK_EVERY and time.perf_counter() >= until:
                break
        self._checked = index.offset[place - 1] + 1
        return done and place == end

    def _passes(self, place: int) -> bool:
        kind = self.index.kind[place]
        if kind in (wire_index.REQUEST, wire_index.HOLE):
            return True
        if kind < wire_index.BODY or kind == wire_index.END:
            return False
        if self._filter.type not in (None, kind):
            return False
        return self._text is None or self._text.search(self.index.raw(place)) is not None

    def _forget(self, dropped: int) -> None:
        """Rows in front are gone, and a row may have come that says so."""
        hole = wire_index.HOLE_AT
        del self.gaps[bisect_left(self.gaps, hole) : bisect_right(self.gaps, self.index.missing)]
        if self.shown is not self.index.offset:
            self.shown[bisect_left(self.shown, hole) : bisect_left(self.shown, dropped)] = array("q", [hole])
        self._dropped = dropped

    # Lines ---------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.shown) + len(self.gaps)

    def _gap_line(self, number: int) -> int:
        return bisect_left(self.shown, self.gaps[number]) + number

    def key(self, line: int) -> Key:
        """What stands on a line."""
        number = bisect_left(range(len(self.gaps)), line, key=self._gap_line)
        if number < len(self.gaps) and self._gap_line(number) == line:
            return Key(self.number, self.gaps[number], gap=True)
        return Key(self.number, self.shown[line - number])

    def line(self, offset: int, *, gap: bool = False) -> int:
        """The line of a row; if it is not shown that of the next one that is, or the last. While nothing is read yet: the first."""
        if not self.shown:
            return 0
        place = min(bisect_left(self.shown, offset), len(self.shown) - 1)
        line = place + bisect_right(self.gaps, self.shown[place])
        return line - 1 if gap and self._has_gap(self.shown[place]) else line

    def _has_gap(self, offset: int) -> bool:
        place = bisect_left(self.gaps, offset)
        return place < len(self.gaps) and self.gaps[place] == offset


class WireModel:
    """Give it captures with `show`, then call `update` until it returns True, and again after each change."""

    def __init__(self) -> None:
        self.notes: Sequence[str] = ()  # what is to be said above the requests
        self.filter = Filter()
        self.gap = DEFAULT_GAP
        self.types = EventTypes()
        self._requests: list[_Rows] = []
        self._places: dict[int, int] = {}  # of the requests, by their numbers
        self._ends: list[int] = []  # the line behind each request's last
        self._begun = 0
        self._why: Callable[[Capture], str] = lambda _: ""

    def show(
        self, captures: Sequence[tuple[Capture, str]], notes: Sequence[str], why: Callable[[Capture], str]
    ) -> None:
        """Show these requests, each with a title, in this order. `why` tells how a request ended whose body did not."""
        known = {id(rows.index.capture): rows for rows in self._requests}
        self.notes, self._why = notes, why
        self._requests = []
        for capture, title in captures:
            rows = known.pop(id(capture), None)
            if rows is None:
                rows = _Rows(self._begun, RequestIndex(capture, self.types), title)
                rows.sift(self.filter, self.gap)
                self._begun += 1
            rows.title = title
            self._requests.append(rows)
        for rows in known.values():
            self.types.counts.subtract(kind for kind in rows.index.kind if kind > wire_index.END)
        self._places = {rows.number: place for place, rows in enumerate(self._requests)}
        self._count()

    def update(self, until: float = inf) -> bool:
        """Read on, the newest request first, until that moment (`time.perf_counter`) at most; returns whether all is read."""
        done = True
        for rows in reversed(self._requests):
            done = rows.update(until) and done
            if not done and time.perf_counter() >= until:
                break
        self._count()
        return done

    def set_filter(self, wanted: Filter) -> None:
        """Show only what passes; call `update` afterwards."""
        self.filter = wanted
        self._sift()

    def set_gap(self, seconds: float) -> None:
        """Mark silences from so many seconds on; call `update` afterwards."""
        self.gap = seconds
        self._sift()

    def _sift(self) -> None:
        for rows in self._requests:
            rows.sift(self.filter, self.gap)
        self._count()

    def _count(self) -> None:
        end, self._ends = len(self.notes), []
        for rows in self._requests:
            end += len(rows)
            self._ends.append(end)

    # Figures -------------------------------------------------------------------------------------------------------

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self._requests)

    @property
    def received(self) -> int:
        """Bytes of all bodies."""
        return sum(rows.index.capture.received for rows in self._requests)

    @property
    def events(self) -> int:
        """Events that are known."""
        return sum(self.types.counts.values())

    @property
    def seen(self) -> int:
        """Events that were read, also those that were dropped later."""
        return sum(rows.index.events for rows in self._requests)

    @property
    def gaps(self) -> int:
        """Gaps that are shown."""
        return sum(len(rows.gaps) for rows in self._requests)

    @property
    def running(self) -> RequestIndex | None:
        """The request that runs."""
        index = self._requests[-1].index if self._requests else None
        return index if index is not None and index.capture.ended is None else None

    def silence(self, now: float) -> float | None:
        """Seconds since the last row of the running request, if that is a gap already."""
        index = self.running
        quiet = now - index.at[-1] if index is not None else 0.0
        return quiet if quiet >= self.gap else None

    def type_counts(self) -> list[tuple[int, str, int]]:
        """The types of events that occur: code, name, how often."""
        return [(code, self.types.name(code), self.types.counts[code]) for code in self.types.codes]

    # Lines ---------------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many lines there are."""
        return self._ends[-1] if self._ends else len(self.notes)

    def key(self, line: int) -> Key:
        """What stands on a line."""
        if line < len(self.notes):
            return Key(_NOTES, line)
        number = min(bisect_right(self._ends, line), len(self._requests) - 1)
        return self._requests[number].key(line - self._start(number))

    def line(self, key: Key) -> int:
        """Where a row stands, or the nearest one if it is not shown."""
        if key.request == _NOTES:
            return max(0, min(key.offset, self.total - 1))
        number = self._places.get(key.request)
        if number is None:  # it is gone, and those before it too
            return min(len(self.notes), max(0, self.total - 1))
        line = self._start(number) + self._requests[number].line(key.offset, gap=key.gap)
        return max(0, min(line, self.total - 1))

    def _start(self, number: int) -> int:
        return self._ends[number - 1] if number else len(self.notes)

    def _rows(self, key: Key) -> _Rows:
        return self._requests[self._places[key.request]]

    def is_fixed(self, key: Key) -> bool:
        """Whether the row will say the same for good."""
        return key.request != _NOTES and (key.gap or self._kind(key) not in _CHANGING)

    def _kind(self, key: Key) -> int:
        index = self._rows(key).index
        return index.kind[index.place(key.offset)]

    def next_gap(self, line: int, by: int) -> int | None:
        """The line of the next gap below (1) or above (-1) a line."""
        order = range(len(self._requests)) if by > 0 else range(len(self._requests) - 1, -1, -1)
        for number in order:
            rows, start = self._requests[number], self._start(number)
            for gap in rows.gaps if by > 0 else reversed(rows.gaps):
                found = start + rows.line(gap, gap=True)
                if (found - line) * by > 0:
                    return found
        return None

    def next_row(self, key: Key, by: int) -> Key | None:
        """The next row below (1) or above (-1) that is no gap and no note."""
        line = self.line(key) + by
        while len(self.notes) <= line < self.total:
            found = self.key(line)
            if not found.gap:
                return found
            line += by
        return None

    # What is there -------------------------------------------------------------------------------------------------

    def row(self, key: Key) -> WireRow:
        """What a row says."""
        if key.request == _NOTES:
            return WireRow("note", text=self.notes[key.offset])
        rows = self._rows(key)
        index, capture = rows.index, rows.index.capture
        place = index.place(key.offset)
        since = index.since(place)
        if key.gap:
            return WireRow("gap", since)
        match index.kind[place]:
            case wire_index.REQUEST:
                return wire_text.request_row(capture, rows.title, max(capture.frames, index.events))
            case wire_index.CONNECTED:
                return WireRow("step", since, type="connected")
            case wire_index.HEADERS:
                return WireRow("step", since, type="headers", text=wire_text.response_line(capture))
            case wire_index.HOLE:
                return WireRow("hole", size=index.missing, text=wire_text.dropped(index.missing))
            case wire_index.BODY:
                return WireRow(
                    "event",
                    since,
                    index.offset[place],
                    index.size[place],
                    "body",
                    text=wire_text.excerpt_of(index.raw(place)),
                )
            case wire_index.REST:
                return WireRow(
                    "error",
                    since,
                    index.offset[place],
                    index.size[place],
                    "unfinished",
                    text=wire_text.excerpt_of(index.raw(place)),
                )
            case wire_index.END:
                return wire_text.end_row(capture, since, complete=index.complete, why=self._why(capture))
        frame = index.frame(place)
        if frame is None:
            return WireRow("error", since, index.offset[place], index.size[place], index.types.name(index.kind[place]))
        return wire_text.event_row(frame, since, wire_index.type_of(frame))

    def detail(self, key: Key) -> Detail:
        """All that is known of a row."""
        row = self.row(key)
        if key.request == _NOTES or key.gap:
            return wire_text.row_detail(row, "wire")
        rows = self._rows(key)
        index, capture = rows.index, rows.index.capture
        place = index.place(key.offset)
        after = index.at[place] - capture.sent
        match index.kind[place]:
            case wire_index.REQUEST:
                return wire_text.request_detail(capture, rows.title)
            case wire_index.HEADERS:
                return wire_text.response_detail(capture, rows.title)
            case wire_index.CONNECTED | wire_index.HOLE | wire_index.END:
                return wire_text.row_detail(row, rows.title)
        frame = index.frame(place)
        if frame is None:
            return wire_text.bytes_detail(row, rows.title, after, index.raw(place))
        return wire_text.event_detail(frame, row, rows.title, after, index.raw(place))

    def copied(self, key: Key) -> str:
        """A row as text: an event as it came, anything else as its detail says it."""
        if key.request == _NOTES or key.gap:
            return wire_text.copied_row(self.row(key))
        if self._kind(key) >= wire_index.BODY:
            rows = self._rows(key)
            if raw := rows.index.raw(rows.index.place(key.offset)):
                return wire_text.shown_raw(raw)
        return self.detail(key).text

    def line_text(self, line: int) -> str:
        """A line as text, with all the data of its event."""
        key = self.key(line)
        row = self.row(key)
        if key.request == _NOTES or key.gap:
            return wire_text.copied_row(row)
        index = self._rows(key).index
        frame = index.frame(index.place(key.offset))
        return wire_text.copied_row(row, sanitise_line(frame.data) if frame is not None else "")

    def capture(self, key: Key) -> Capture | None:
        """The request that a row belongs to."""
        return None if key.request == _NOTES else self._rows(key).index.capture
