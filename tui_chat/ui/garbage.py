"""When Python looks for garbage: often, and never at much.

A full collection looks at every object there is; the SDK alone makes 160,000 of them, which takes 100 ms, and what a long log has laid
out as many again. So Python's own full collections are off. After a few of the small ones everything that came since is collected
once and then frozen (`gc.freeze`: never looked at again), a few milliseconds each time, between two callbacks of the event loop.

The price: what becomes garbage in a circle after it was frozen stays. Conversations and logs are no circles; a dialog that is open
at that very moment is one.
"""

import asyncio
import gc
from collections.abc import Mapping
from typing import Any, Final

_NEVER: Final = 1_000_000
_PROMOTED: Final = 3  # small collections, of up to 7,000 objects each, until what survived them is settled


class Collector:
    """Created when start-up is over; `stop` gives Python its own collections back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = False
        self._usual = gc.get_threshold()
        gc.freeze()  # without a collection: it would look at all that start-up made
        gc.set_threshold(*self._usual[:2], _NEVER)
        gc.callbacks.append(self._collected)

    def stop(self) -> None:
        """Leave it to Python again."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._usual)

    def _collected(self, phase: str, info: Mapping[str, Any]) -> None:
        """A collection has begun or ended, in any thread."""
        if phase == "stop" and info["generation"] == 1 and gc.get_count()[2] >= _PROMOTED and not self._due:
            self._due = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:  # the loop is closed: the program ends
                self.stop()

    def _settle(self) -> None:
        self._due = False
        gc.collect()
        gc.freeze()
