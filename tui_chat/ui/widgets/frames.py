"""At most one frame of growing text in 1/60 s, and that one at once: what both widgets of growing text share.

Textual paints on a timer of its own, which adds up to a frame to every delta. A flush here is paced already, so it is painted
when it happens; the timer has nothing left to do.
"""

import time
from collections.abc import Callable
from typing import Final

from textual.widget import Widget

FRAME: Final = 1 / 60  # seconds


class FrameGate:
    """Calls `flush` once for any number of requests within a frame; the first request after a pause is served at once."""

    def __init__(self, widget: Widget, flush: Callable[[], None]) -> None:
        self._widget, self._flush = widget, flush
        self._due = False
        self._flushed_at = 0.0

    def request(self) -> None:
        """Something changed."""
        if self._due:
            return
        self._due = True
        wait = self._flushed_at + FRAME - time.monotonic()
        if wait <= 0:
            self._widget.call_next(self.flush)
        else:
            self._widget.set_timer(wait, self.flush)

    def flush(self) -> None:
        """Flush now, and paint."""
        self._due, self._flushed_at = False, time.monotonic()
        self._flush()
        if self._widget.is_attached:
            self._widget.screen._on_timer_update()  # noqa: SLF001 - what the timer would call, only later
