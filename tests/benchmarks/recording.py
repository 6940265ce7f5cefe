"""A pty whose output is only stamped and kept while something is measured, and looked at afterwards.

Why it exists: parsing what a program writes takes as much CPU as writing it, on the cores that are being measured. So during a
measurement the reading thread does nothing but append `(moment, bytes)`; later the same bytes are played into the terminal emulator,
chunk by chunk, and whatever was looked for gets the moment of the chunk that brought it. That also holds for programs that
send only the cells that changed, of which no piece of text is found in the bytes as they are.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from tests.benchmarks.process import cpu_seconds
from tests.e2e.terminal import Terminal, WaitError


class Recording(Terminal):
    """A terminal that can stop looking. The screen is up to date except between `blind` and the end of `replay`."""

    _looking = True  # read by the reading thread, which starts inside the base class
    _shown = 0

    def _take(self, data: bytes) -> None:
        stamp = time.monotonic()
        with self._changed:
            self._raw += data
            self._chunks.append((stamp, data))
            if self._looking:
                self._show_next()
            self._changed.notify_all()

    def _show_next(self) -> float:
        stamp, data = self._chunks[self._shown]
        self._shown += 1
        self._interpret(self._decode(data))
        return stamp

    def blind(self) -> None:
        """From now on only keep what comes."""
        with self._changed:
            self._looking = False

    def replay(self) -> Iterator[float]:
        """Show what was kept; after each chunk, its moment. To be consumed wholly: the screen is live again at the end."""
        while True:
            with self._changed:
                if self._shown == len(self._chunks):
                    self._looking = True
                    return
                stamp = self._show_next()
            yield stamp

    def text(self) -> str:
        """The screen as one text, its rows at full width: a word that the terminal itself has wrapped is found, too."""
        with self._changed:
            screen = self._screen
            return "".join(
                screen.buffer[row][column].data for row in range(screen.lines) for column in range(screen.columns)
            )

    def last_output(self) -> float:
        """The moment of the latest chunk."""
        with self._changed:
            return self._chunks[-1][0] if self._chunks else self.started

    def written(self) -> int:
        """Bytes so far."""
        with self._changed:
            return len(self._raw)

    def wait_for_quiet(self, since: float, seconds: float = 1.0, timeout: float = 60.0) -> bool:
        """Return once nothing has come for `seconds`, counted from `since` at the earliest. False: the time is up."""
        deadline = time.monotonic() + timeout
        while (now := time.monotonic()) < deadline:
            quiet_at = max(since, self.last_output()) + seconds
            if now >= quiet_at:
                return True
            time.sleep(min(quiet_at, deadline) - now)
        return False

    def arrivals(self, keys: list[tuple[float, int, bytes]]) -> list[float | None]:
        """For each `(sent, offset, wanted)` the seconds from `sent` to the chunk with `wanted`, the first after byte `offset`."""
        with self._changed:
            raw, chunks = bytes(self._raw), list(self._chunks)
        ends = list(accumulate(len(data) for _, data in chunks))
        found: list[float | None] = []
        for sent, offset, wanted in keys:
            place = raw.find(wanted, offset)
            chunk = bisect_left(ends, place + len(wanted))
            found.append(None if place < 0 else chunks[chunk][0] - sent)
        return found

    def cpu(self) -> float:
        """CPU seconds of the program and its children so far."""
        return cpu_seconds(self.pid)

    def expect_alive(self) -> None:
        """Raises WaitError, with the screen, if the program has ended."""
        if self.exit_code is not None:
            raise self.problem("the program has ended")

    def problem(self, what: str) -> WaitError:
        """An error that shows the screen as it is now."""
        for _ in self.replay():
            pass
        with self._changed:
            return WaitError(self._report(what))
