"""One run of the benchmark: its sizes, its server, its time, and a way to go on when one measurement fails."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from tests.benchmarks.measures import Session
from tests.benchmarks.programs import Program
from tests.benchmarks.report import Goal
from tests.benchmarks.server import RefusedError, Server
from tests.e2e.terminal import WaitError

Result = TypeVar("Result")
Given = ParamSpec("Given")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. Tokens, turns, seconds, counts."""

    tokens: int = 1_000  # of the reply that is measured
    short: int = 60  # of the replies that the latencies are taken from
    repeats: int = 3
    processes: int = 3  # as fast as it comes, where one reply is over too soon to be measured once
    stamps_50: int = 300
    stamps_200: int = 1_000
    keys: int = 96
    kinds: tuple[str, ...] = ("prose", "fence", "list", "nested", "table", "mixed")
    flat: int = 20_000
    flat_base: int = 1_000
    turns: int = 500
    passes: int = 2  # starts of each conversation
    long_turns: int = 1_000  # two messages each
    openings: int = 5
    idle: float = 60.0


FULL = Sizes()
SMALL = Sizes(
    tokens=300,
    repeats=1,
    processes=1,
    stamps_50=60,
    stamps_200=200,
    keys=20,
    kinds=("fence", "mixed"),
    flat=4_000,
    turns=100,
    passes=1,
    long_turns=200,
    openings=2,
    idle=5.0,
)


@dataclass(slots=True)
class Run:
    """What the parts share."""

    sizes: Sizes
    server: Server
    folder: Path
    deadline: float
    goals: list[Goal] = field(default_factory=list)

    def fresh(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextlib.contextmanager
    def session(
        self, program: Program, *arguments: str, folder: Path | None = None, ready: str | None = None
    ) -> Iterator[Session]:
        """A program, started and quiet; its data in `folder` or in a new one."""
        with program.start(self.server, folder or self.fresh(), *arguments, ready=ready) as recording:
            yield Session(program, recording, self.server)

    def attempt(
        self, what: str, measure: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result | None:
        """The result, or None with a line that says why there is none: one failure must not cost the whole run."""
        if time.monotonic() > self.deadline:
            print(f"   {what}: left out, the time is up")
            return None
        try:
            return measure(*given, **named)
        except (WaitError, RefusedError, TimeoutError, OSError) as error:
            print(f"   {what}: {type(error).__name__}: {error}")
            return None
