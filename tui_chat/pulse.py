"""What moves while a reply runs: how much has just come, how fast bytes come, and how long we take to paint it.

Why it exists: the meter's figures are of a whole reply; these are of its last seconds. Each is fed with stamps and asked with the
time that the caller has; none reads a clock. They must not know events, widgets or the network.
"""

import math
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

SAMPLES: Final = 8  # of the sparkline: together the two seconds that the rolling rate looks at
SAMPLE: Final = 0.25  # seconds each
STALL_AFTER: Final = 1.0  # seconds without a delta from which on it is a stall: bursts are much closer together
# Eighth blocks, and a dashed line: every terminal draws them one cell wide.
NOTHING: Final = "▁"
LEVELS: Final = "▂▃▄▅▆▇█"
STALL: Final = "╌"
_LEARNS: Final = 0.1  # how much a sample counts in the average that is half the height: it follows in some seconds

THROUGHPUT_WINDOW: Final = 2.0  # seconds
_THROUGHPUT_NEEDS: Final = 0.2  # seconds under which a rate would be noise

# Two frames of a 60 Hz screen. Above one frame (17 ms) every second paint would be: text that has just missed one frame waits for
# the next, on any machine. Two frames late is what a person can see.
LATE: Final = 1 / 30
LATE_FOR: Final = 1.0  # seconds that a late paint is shown


class Pulse:
    """A sparkline of the characters that came, a quarter of a second a sample, the newest at the right.

    Half the height is the average so far, of which the last seconds count most: a steady reply is a calm line, a burst stands out
    of it, a slower stretch sinks below it. A height is fixed when its time is over, and then only moves to the left: nothing flickers.
    """

    def __init__(self) -> None:
        self._drawn = deque([" "] * SAMPLES, SAMPLES)
        self._until: float | None = None  # when the sample that is being filled is over
        self._count = 0
        self._last = 0.0
        self._average = 0.0

    def add(self, at: float, characters: int) -> None:
        """Count `characters` that arrived at `at` (monotonic seconds)."""
        if self._until is None:
            self._until = at + SAMPLE
        else:
            self._advance(at)
        self._count += characters
        self._last = max(self._last, at)

    def text(self, now: float) -> str:
        """The last `SAMPLES` samples that are over: a level, `NOTHING`, or `STALL`; blank before there were any."""
        self._advance(now)
        return "".join(self._drawn)

    def _advance(self, now: float) -> None:
        if self._until is None or now < self._until:
            return
        self._close(self._until)
        self._until += SAMPLE
        behind = int((now - self._until) / SAMPLE) - SAMPLES
        if behind > 0:  # nobody has asked for long: what has left the view need not be drawn
            self._until += behind * SAMPLE
        while now >= self._until:
            self._close(self._until)
            self._until += SAMPLE

    def _close(self, at: float) -> None:
        count, self._count = self._count, 0
        if count:
            self._average = self._average or count
            level = math.ceil(count / (2 * self._average) * len(LEVELS))
            self._drawn.append(LEVELS[min(level, len(LEVELS)) - 1])
            self._average += (count - self._average) * _LEARNS
        elif at - self._last < STALL_AFTER:
            self._drawn.append(NOTHING)
        else:
            self._drawn.append(STALL)
            for place in range(SAMPLES - 2, -1, -1):  # the silence so far is a part of it
                if self._drawn[place] != NOTHING:
                    break
                self._drawn[place] = STALL


class Throughput:
    """Bytes and events a second over the last two seconds, from sums that were looked at now and then."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def sample(self, at: float, received: int, events: int) -> None:
        """At `at` (monotonic seconds) so many bytes and events had come in all."""
        self._samples.append((at, received, events))
        # One sample from before the window stays: the window begins there.
        while len(self._samples) > 2 and self._samples[1][0] <= at - THROUGHPUT_WINDOW:
            self._samples.popleft()

    def rates(self) -> tuple[float | None, float | None]:
        """Bytes a second and events a second up to the last sample; None while there is too little to say."""
        if not self._samples:
            return None, None
        start, before, events_before = self._samples[0]
        end, received, events = self._samples[-1]
        if end - start < _THROUGHPUT_NEEDS:
            return None, None
        return (received - before) / (end - start), (events - events_before) / (end - start)


class Painted(NamedTuple):
    """How far behind the bytes the paints of one reply were: how many, and seconds."""

    frames: int
    median: float
    worst: float


@dataclass(slots=True)
class _Late:
    at: float
    lag: float


class PaintLag:
    """From the arrival of the oldest text that is not painted to the end of the paint that shows it.

    It is told of every delta, so that costs a comparison; only a paint costs an append.
    """

    def __init__(self) -> None:
        self._oldest: float | None = None
        self._lags = array("f")
        self._late: deque[_Late] = deque()

    def arrived(self, at: float) -> None:
        """Text that arrived at `at` (monotonic seconds) waits to be painted."""
        if self._oldest is None:
            self._oldest = at

    def painted(self, now: float) -> None:
        """All that has arrived is on the screen."""
        oldest, self._oldest = self._oldest, None
        if oldest is None:
            return
        lag = now - oldest
        self._lags.append(lag)
        if lag > LATE:
            self._late.append(_Late(now, lag))

    def forget(self) -> None:
        """What has arrived is not shown: something else is in front."""
        self._oldest = None

    def late(self, now: float) -> float | None:
        """The worst lag of the last second if one was above `LATE`, in seconds; else None."""
        while self._late and self._late[0].at < now - LATE_FOR:
            self._late.popleft()
        return max((each.lag for each in self._late), default=None)

    def figures(self) -> Painted | None:
        """Over the whole reply; None if nothing was painted yet."""
        if not self._lags:
            return None
        from statistics import median  # here: only who looks at it needs it

        return Painted(len(self._lags), median(self._lags), max(self._lags))
