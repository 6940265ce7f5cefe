"""Writing past the thread: what the terminal does not take at once comes later, whole and in order."""

import os
import pty
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import IO

import pytest

from tui_chat.ui.output import DirectOutput, Output


@pytest.fixture
def terminal() -> Iterator[tuple[int, IO[str]]]:
    """The reading end, and the program's end as a text file."""
    reader, writer = pty.openpty()
    tty.setraw(writer)
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        yield reader, file
    os.close(reader)


class Writer:
    """A thread like Textual's, with the queue in front of it."""

    def __init__(self, file: IO[str]) -> None:
        self.output = Output(file)
        self.direct = DirectOutput(self.output)
        self.direct.open()
        self._queue: Queue[str | None] = Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        if rest := self.direct.write(text):
            self._queue.put(rest)

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self.direct.close()

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            self.output.write(text)
            if self._queue.empty():
                self.output.flush()
        self.output.flush()


def read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(descriptor, 65536)
    return data


def test_a_terminal_with_room_is_written_at_once(terminal: tuple[int, IO[str]]) -> None:
    reader, file = terminal
    direct = DirectOutput(Output(file))
    direct.open()
    assert direct.write("héllo") == ""
    assert os.read(reader, 100) == "héllo".encode()
    direct.close()
    assert direct.write("later") == "later"


def test_a_terminal_that_does_not_read_never_blocks_and_loses_nothing(terminal: tuple[int, IO[str]]) -> None:
    reader, file = terminal
    writer = Writer(file)
    texts = [
        f"{number}:日本語 é🙂" * 40 for number in range(2_000)
    ]  # more than a pty holds; returns although nobody reads
    for text in texts:
        writer.write(text)
    wanted = "".join(texts).encode()
    assert read(reader, len(wanted)) == wanted
    writer.write("and directly again")
    assert read(reader, 18) == b"and directly again"
    writer.stop()


def test_half_a_pair_does_not_stop_the_writing(terminal: tuple[int, IO[str]]) -> None:
    reader, file = terminal
    writer = Writer(file)
    writer.write("a\ud800b")
    assert read(reader, 3) == b"a?b"
    writer.stop()


def test_what_is_no_terminal_goes_to_the_thread(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        direct = DirectOutput(Output(file))
        direct.open()
        assert direct.write("text") == "text"
