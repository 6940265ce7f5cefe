"""Writing to the terminal: at once where it has room, else by a thread.

Textual hands every write to a thread. That keeps a slow terminal from stopping the application, but it costs a switch of threads
for each token, a fifth of the work of showing it. Here the terminal is opened a second time, without blocking: what it takes is
written at once, the rest, and everything until that is written, goes to Textual's thread.
"""

import contextlib
import os
from typing import IO


class Output:
    """The terminal's file for Textual's writer thread: a terminal that is gone swallows what is written.

    Textual's thread would end with the error, and the next 30 writes would block the application for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._taken = 0
        self.written = 0  # how many texts the thread has written and flushed

    def write(self, text: str) -> None:
        """Take one text of the thread's queue."""
        self._taken += 1
        with contextlib.suppress(OSError, ValueError):
            self._file.buffer.write(_encoded(text))  # type: ignore[attr-defined]  # a TextIO has one

    def flush(self) -> None:
        """The queue is empty."""
        with contextlib.suppress(OSError, ValueError):
            self._file.buffer.flush()  # type: ignore[attr-defined]  # as above
        self.written = self._taken

    def fileno(self) -> int:
        """The terminal's descriptor."""
        return self._file.fileno()


class DirectOutput:
    """The way past the thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._queued = 0  # how many texts were left to the thread
        self._descriptor: int | None = None

    def open(self) -> None:
        """Write directly from now on, if the terminal can be opened."""
        self.close()
        with contextlib.suppress(OSError):  # no terminal, or one that belongs to somebody else (after su)
            self._descriptor = os.open(os.ttyname(self._output.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def write(self, text: str) -> str:
        """Write what the terminal takes now; the rest is returned, and has to go to the thread."""
        if self._descriptor is None or self._queued != self._output.written:
            self._queued += 1
            return text
        data = _encoded(text)
        count = 0
        with contextlib.suppress(OSError):  # full, or gone
            count = os.write(self._descriptor, data)
        if count == len(data):
            return ""
        self._queued += 1
        return data[count:].decode("utf-8", "surrogateescape")  # it may begin within a character

    def close(self) -> None:
        """Leave everything to the thread from now on."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair, which no sanitiser has seen
        return text.encode("utf-8", "replace")
