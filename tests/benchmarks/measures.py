"""What is measured of one program: a turn, the lag of each delta, keys while it streams, and doing nothing.

The definitions, the same for every program:

- CPU: of the whole process tree, from the prompt's first byte to one second without output after the end of the reply. The idle
  CPU of that time is in it, and nothing is subtracted.
- lag: from the moment the server handed a delta to the system to the chunk of the pty's output that completed its last word on
  the terminal. What comes later, such as the figures below a reply, does not count; `done` is the moment it is there as well.
- TTFT added: the same for the first delta.
- echo: from a key's byte being written to the chunk with that character. Keys are typed at random moments, whether or not the last
  one has been seen.

A moment is taken by the reading thread when a chunk arrives; the looking is done afterwards (`recording`).
"""

import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.process import context_switches
from tests.benchmarks.programs import Program
from tests.benchmarks.recording import Recording
from tests.benchmarks.server import Answer, Server
from tui_chat.demo.shapes import STAMP

LETTERS = [chr(code) for code in range(0x0400, 0x0460)]  # in no reply, one cell each; Cyrillic
KEY_EVERY = 0.08  # seconds, on average
SLACK = 0.005  # seconds: a stamp is taken just after its write, so what it sent may be seen a moment before it
PATIENCE = 30.0  # seconds after the last delta: the longest lag that is waited for
_STAMP = re.compile(r"stamps?(\d{5})")


@dataclass(frozen=True, slots=True)
class Turn:
    """The figures of one turn. Times are seconds; None: it was never seen."""

    tokens: int
    cpu: float
    output: int  # bytes
    ttft: float | None
    lag: float | None
    done: float | None

    @property
    def cpu_per_1000(self) -> float:
        """CPU seconds per 1,000 tokens."""
        return self.cpu / self.tokens * 1000


class Session:
    """One running program and its server. Every wait has an end."""

    def __init__(self, program: Program, recording: Recording, server: Server) -> None:
        self.recording = recording
        self._program = program
        self._server = server
        self._number = 0

    def turn(self, kind: str, tokens: int, pacing: str, during: Callable[[], object] | None = None) -> Turn:
        """Ask for one shape and see it to its end. `during` runs while it streams. Raises TimeoutError, WaitError."""
        self._number += 1
        recording, number = self.recording, self._number
        recording.blind()
        written, cpu = recording.written(), recording.cpu()
        answer = self._ask(f"shape {kind} {tokens} {number}", tokens, pacing, during)
        first = last = done = None
        deadline = time.monotonic() + PATIENCE
        while True:
            recording.wait_for_quiet(answer.last_delta, timeout=max(1.0, deadline - time.monotonic()))
            spent, output = recording.cpu() - cpu, recording.written() - written
            for moment in recording.replay():
                if first is None and moment >= answer.first_delta - SLACK and f"begin{number}" in recording.text():
                    first = moment
                if last is None and moment >= answer.last_delta - SLACK and _ended(recording.text(), number):
                    last = moment
                if last is not None and done is None and self._program.done and self._program.done in recording.text():
                    done = moment
            recording.expect_alive()
            if last is not None or time.monotonic() > deadline:
                break
            recording.blind()
            time.sleep(0.5)  # silent, and yet not done: it computes

        def since(moment: float | None, start: float) -> float | None:
            return None if moment is None else max(0.0, moment - start)

        lag, finished = since(last, answer.last_delta), since(done, answer.last_delta)
        return Turn(tokens, spent, output, since(first, answer.first_delta), lag, finished)

    def delta_lags(self, tokens: int, pacing: str) -> list[float]:
        """Stream numbered words, one for each delta, and return the lag of each. A word never seen is left out."""
        first = self._number = self._number + 10_000  # no stamp that is still on the screen comes again
        recording = self.recording
        recording.blind()
        answer = self._ask(f"shape stamps {tokens} {first}", tokens, f"{pacing} delta={STAMP}", None)
        self.recording.wait_for_quiet(answer.last_delta, timeout=PATIENCE)
        sent = answer.sent()
        lags: list[float] = []
        for moment in recording.replay():
            if len(lags) == len(sent) or moment < sent[len(lags)] - SLACK:
                continue
            # A chunk may end in the middle of a frame, where old and new digits mix: only what was sent counts.
            left = next((place for place in range(len(lags), len(sent)) if sent[place] - SLACK > moment), len(sent))
            numbers = [int(each) - first for each in _STAMP.findall(recording.text())]
            seen = max((number + 1 for number in numbers if 0 <= number < left), default=0)
            lags += [max(0.0, moment - sent[place]) for place in range(len(lags), seen)]
        return lags

    def echoes(self, tokens: int, pacing: str, count: int = len(LETTERS)) -> tuple[list[float], int]:
        """Type while a reply streams: the echoes' seconds, and how many letters never came."""
        keys: list[tuple[float, int, bytes]] = []
        self.turn("mixed", tokens, pacing, during=lambda: keys.extend(type_letters(self.recording, count)))
        found = self.recording.arrivals(keys)
        return [each for each in found if each is not None], found.count(None)

    def _ask(self, prompt: str, tokens: int, pacing: str, during: Callable[[], object] | None) -> Answer:
        before, begun = len(self._server.answers()), len(self._server.records("first_delta"))
        self._server.pace(pacing)
        rate = float(dict(word.split("=") for word in pacing.split()).get("rate", 0))
        self.recording.send(prompt + "\r")
        expected = tokens / rate if rate else tokens / 1000
        try:
            if during is not None:
                self._server.wait_for("first_delta", begun + 1)
                during()
            return self._server.wait_for_answer(before + 1, expected * 2 + PATIENCE, self.recording.expect_alive)
        except TimeoutError as error:
            raise self.recording.problem(f"{prompt}: {error}") from error


def type_letters(recording: Recording, count: int, every: float = KEY_EVERY) -> list[tuple[float, int, bytes]]:
    """Type letters, each only once, about `every` seconds; returns when and at which byte of the output each was sent."""
    moments = random.Random(1)
    keys = []
    for letter in LETTERS[:count]:
        offset, data = recording.written(), letter.encode()
        keys.append((recording.send(data), offset, data))
        time.sleep(every * (0.5 + moments.random()))
    return keys


@dataclass(frozen=True, slots=True)
class Idle:
    """What a program costs that has nothing to do."""

    cpu_percent: float
    switches: int
    output: int  # bytes


def idle(recordings: Sequence[Recording], seconds: float) -> list[Idle]:
    """All of them at once, for so many seconds."""
    for recording in recordings:
        recording.blind()
    before = [(each.cpu(), context_switches(each.pid), each.written()) for each in recordings]
    time.sleep(seconds)
    after = [(each.cpu(), context_switches(each.pid), each.written()) for each in recordings]
    return [
        Idle((late[0] - early[0]) / seconds * 100, late[1] - early[1], late[2] - early[2])
        for early, late in zip(before, after, strict=True)
    ]


def median(values: Sequence[float | None]) -> float | None:
    """The median of what is known, if anything is."""
    known = [each for each in values if each is not None]
    return statistics.median(known) if known else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def _ended(text: str, number: int) -> bool:
    return re.search(rf"\bend{number}\b", text) is not None
