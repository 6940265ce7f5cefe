"""A recording, played: each record when its time has come, at the speed, with the pauses and in the steps that somebody asks for.

The player has a place on the recorded timeline, which stands still while it is paused. That is the clock of a turn that is
played: all its figures are taken from it, so they are those of the day it was recorded, at whatever speed. It must not know
what is done with the events.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tui_chat.conversation import Outcome, Turn
from tui_chat.engine.calls import CANCELLED
from tui_chat.engine.translator import Emit
from tui_chat.engine.turn import TurnResult
from tui_chat.events import TurnEnded
from tui_chat.recordings.decoding import CUT, INTERRUPTED, BeginCapture, Decoding
from tui_chat.recordings.format import Chunk, Record, Said
from tui_chat.recordings.recording import Recording

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, math.inf)  # what `faster` and `slower` choose from
Wait = Callable[[asyncio.Event, float | None], Awaitable[object]]


async def _wait(changed: asyncio.Event, seconds: float | None) -> None:
    """Return when `changed` is set, or so many seconds have gone by."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass


def speed_text(speed: float) -> str:
    """A speed as the user writes and reads it."""
    return "max" if speed == math.inf else f"{speed:g}x"


class Player:
    """Plays one recording after the other. `speed` is a factor, infinite for as fast as it goes. It may be changed at any time."""

    def __init__(
        self,
        speed: float = 1.0,
        *,
        paused: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = _wait,
    ) -> None:
        self.stopped = False  # the last turn was stopped before its recorded end
        self._speed, self._paused = speed, paused
        self._clock, self._wait = clock, wait
        self._since = 0.0, 0.0  # a place on the recorded timeline, and when it was there
        self._due = 0.0  # the stamp of what comes next: no place is later
        self._steps = 0  # asked for, and not yet made
        self._changed = asyncio.Event()

    @property
    def speed(self) -> float:
        """Recorded seconds in a second."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    @property
    def steps_left(self) -> int:
        """Steps that were asked for and not yet made."""
        return self._steps

    def now(self) -> float:
        """The place on the recorded timeline, as the stamps of the recording count."""
        place, at = self._since
        if self._paused or self._speed == math.inf:
            return place
        return min(self._due, place + (self._clock() - at) * self._speed)

    def set_speed(self, speed: float) -> None:
        """Play so fast from now on. ValueError: it is not positive."""
        if not speed > 0:
            raise ValueError("a speed is positive")
        self._stand(self.now())
        self._speed = speed
        self._changed.set()

    def faster(self, steps: int = 1) -> None:
        """The next higher speed; of negative `steps` the next lower one."""
        higher = [speed for speed in SPEEDS if (speed > self._speed if steps > 0 else speed < self._speed)]
        if higher:
            self.set_speed(higher[0] if steps > 0 else higher[-1])

    def pause(self, paused: bool = True) -> None:
        """Stand still, or go on."""
        self._stand(self.now())
        self._paused = paused
        self._changed.set()

    def step(self) -> None:
        """Stand still after one more event has come."""
        self.pause()
        self._steps += 1

    def begin(self, recording: Recording) -> None:
        """`recording` comes next: the place is its beginning."""
        self.stopped = False
        self._due = recording.started.at
        self._stand(self._due)

    async def play(
        self, recording: Recording, turn: Turn, emit: Emit, begin_capture: BeginCapture | None = None
    ) -> TurnResult | TurnEnded:
        """Say what was recorded of `turn` after its beginning; returns its end. Cancelled, it ends what is open."""
        self.begin(recording)
        decoding = Decoding(emit, begin_capture)
        try:
            for record in recording.records[1:]:
                if isinstance(record, Said) and isinstance(record.event, TurnEnded):
                    await self._reach(record.at)
                    return record.event
                await self._give(record, decoding)
        except asyncio.CancelledError:
            self.stopped = True
            decoding.break_off(turn, self.now(), None, CANCELLED)
            raise
        finally:
            self._steps = 0  # none is left for the next recording
        decoding.break_off(turn, self.now(), INTERRUPTED, CUT)
        return TurnResult(Outcome.FAILED, None, INTERRUPTED)

    async def _give(self, record: Record, decoding: Decoding) -> None:
        """Say `record` when its time has come; a chunk in parts while it is stepped through."""
        rest: Record | None = record
        while rest is not None:
            before, stepping = decoding.said, await self._reach(record.at)
            if stepping and isinstance(rest, Chunk):
                left = decoding.take_some(rest)
                rest = Chunk(rest.at, left) if left else None
            else:
                decoding.take(rest)
                rest = None
            if stepping and decoding.said > before:
                self._steps -= 1

    async def _reach(self, at: float) -> bool:
        """Wait until the place is `at`; returns whether that is a step."""
        self._due = at
        await asyncio.sleep(0)  # also at full speed others have their turn
        while not self._steps:
            if self._paused:
                seconds = None
            elif self._speed == math.inf or self.now() >= at:
                break
            else:
                seconds = (at - self.now()) / self._speed
            self._changed.clear()
            await self._wait(self._changed, seconds)
        if self._paused or self._speed == math.inf:
            self._stand(at)
        return self._steps > 0

    def _stand(self, place: float) -> None:
        self._since = place, self._clock()


@dataclass(frozen=True, slots=True)
class Playlist:
    """Recordings, at least one, that are played one after the other."""

    recordings: tuple[Recording, ...]
    player: Player


@dataclass(frozen=True, slots=True)
class Playback:
    """A recording and who plays it."""

    recording: Recording
    player: Player

    async def play(self, turn: Turn, emit: Emit, begin_capture: BeginCapture) -> TurnResult | TurnEnded:
        """As the player's."""
        return await self.player.play(self.recording, turn, emit, begin_capture)
