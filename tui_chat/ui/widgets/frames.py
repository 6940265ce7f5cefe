"""At most one frame of growing text in a hundredth of a second, and the first one at once. (Long layouts go on without a pause.)

Textual paints on a timer of its own, which adds up to a sixtieth of a second to every delta, and a message to the widget's queue
for each. Here a frame is a callback of the event loop: it comes after all the deltas that have arrived together.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from textual.widget import Widget

FRAME: Final = 1 / 100  # seconds
UNSEEN_FRAME: Final = 1 / 4  # seconds, on a screen that is not shown: what grows there is laid out all the same


class FrameGate:
    """Calls `flush` once for any number of requests within a frame; the first request after a pause is served at once."""

    def __init__(
        self, widget: Widget, flush: Callable[[], None], flushed: Callable[[float], None] | None = None
    ) -> None:
        """`flushed` is told when a flush is over, in monotonic seconds."""
        self._widget, self._flush, self._flushed = widget, flush, flushed
        self._due: asyncio.Handle | None = None
        self._flushed_at = 0.0

    @property
    def due(self) -> bool:
        """Whether something waits to be painted."""
        return self._due is not None

    def request(self, *, at_once: bool = False) -> None:
        """Something changed. `at_once`: a frame was only begun; go on as soon as the keys that came meanwhile are handled."""
        if self._due is not None:
            if not at_once:
                return
            self._due.cancel()
        loop = asyncio.get_running_loop()
        frame = FRAME if self._widget.is_attached and self._widget.screen.is_current else UNSEEN_FRAME
        wait = 0.0 if at_once else self._flushed_at + frame - time.monotonic()
        self._due = loop.call_soon(self.flush) if wait <= 0 else loop.call_later(wait, self.flush)

    def flush(self) -> None:
        """Flush now."""
        if self._due is not None:
            self._due.cancel()
        self._due = None
        if not self._widget.is_attached:
            return
        try:
            self._flush()
        except Exception as error:  # noqa: BLE001 - a bug must end the program as any other does, not vanish in the event loop
            self._widget.app._handle_exception(error)  # noqa: SLF001 - Textual has no public way
        self._flushed_at = time.monotonic()
        if self._flushed is not None:
            self._flushed(self._flushed_at)
