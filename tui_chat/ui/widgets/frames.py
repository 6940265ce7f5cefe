"""At most one flush a frame: what both widgets of growing text share."""

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
        """Flush now."""
        self._due, self._flushed_at = False, time.monotonic()
        self._flush()
