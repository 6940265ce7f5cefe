"""Work that can wait: done in slices when the store's thread has nothing else to do.

Why it exists: indexing and erasing must never delay a turn's commit, nor keep the program from ending. A slice is a job
like any other, so jobs that were queued before it come first; the next slice is asked for only when one has ended, after a
rest as long as it took, so that the event loop gets its share. It must not know what the work is.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from tui_chat.errors import StoreError

_log = logging.getLogger(__name__)
_REST: Final = 0.01  # seconds, at least
_AGAIN: Final = 30.0  # seconds after an error


class Idle:
    """Slices of `work`, which returns whether there is more; `submit` queues one."""

    def __init__(self, work: Callable[[], bool], submit: Callable[[Callable[[], bool]], Future[bool]]) -> None:
        self._work, self._submit = work, submit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_running = False
        self._is_wanted = self._is_stopped = False
        self._began = 0.0

    def start(self, delay: float = 0.0) -> None:
        """There is something to do; begin in `delay` seconds, unless it has begun."""
        self._is_wanted = True
        if self._timer is None and not self._is_running and not self._is_stopped:
            self._timer = self._loop.call_later(delay, self._slice)

    def stop(self) -> None:
        """No further slice begins."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _slice(self) -> None:
        self._timer, self._is_wanted, self._is_running = None, False, True
        self._submit(self._timed).add_done_callback(self._tell)

    def _timed(self) -> bool:
        self._began = time.monotonic()
        return self._work()

    def _tell(self, future: Future[bool]) -> None:
        with suppress(RuntimeError):  # the loop is gone: nobody goes on
            self._loop.call_soon_threadsafe(self._ended, future, time.monotonic() - self._began)

    def _ended(self, future: Future[bool], took: float) -> None:
        self._is_running = False
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, StoreError):  # a lock, a full disk
            _log.info("work in the background of the store must wait: %s", error)
            self.start(_AGAIN)
        elif error is not None:
            _log.critical("work in the background of the store stopped because of a bug", exc_info=error)
        elif future.result() or self._is_wanted:
            self.start(max(_REST, took))
