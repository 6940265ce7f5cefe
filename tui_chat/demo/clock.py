"""The time the demo server goes by, so that tests need not wait for it.

Why it exists: every wait of the server is "sleep until this moment" on one clock. The real one is the monotonic clock,
whose stamps compare across the processes of one machine; a test passes a clock that jumps.
What it must not know: what is waited for.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock in seconds."""

    def now(self) -> float:
        """The current moment, in seconds since an arbitrary start."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return at `moment`, or at the next turn of the event loop if that has passed."""
        ...


class MonotonicClock:
    """The real clock: `time.monotonic()`."""

    def now(self) -> float:
        """Seconds of `time.monotonic()`."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Sleep on the running event loop; wakes at most about a millisecond late."""
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
