"""The rows, and the table they make."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.faults import files, kills, power, screens, sharing, texts
from tests.faults.ground import Ground, ground, prepared
from tests.faults.nursery import Nursery
from tests.faults.report import Report
from tests.lanes import sample
from tui_chat.demo import DemoServer


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: `run` does it once for each of `runs` numbers, or for the tenth of them that a plain test run takes."""

    title: str
    runs: int
    run: Callable[[Ground, list[int]], Report]

    def numbers(self, *, everything: bool) -> list[int]:
        """The numbers of the runs."""
        return list(range(self.runs)) if everything else sample(range(self.runs), seed=len(self.title))


ROWS: Final[dict[str, Row]] = {
    "kill": Row("kill -9 at any moment", kills.RUNS, kills.kills),
    "power": Row("power cut after any sync", 10, power.power_cuts),
    "full": Row("disk full, file-size limit", 4, screens.full_disk),
    "locked": Row("locked by another program for 10 s", 3, screens.locked),
    "eight": Row("eight instances on one database", 50, sharing.eight_instances),
    "twice": Row("one conversation open twice", 10, sharing.one_conversation_twice),
    "first": Row("two and eight first starts at once", 10, sharing.first_starts_at_once),
    "schema": Row("an older schema, a newer schema", len(files.versions()) + 2, files.schemas),
    "garbage": Row("garbage in the file", 2 * (len(files.DAMAGE) + 1), files.garbage),
    "place": Row("read-only, no home, no folder", len(files.PLACES), files.places),
    "text": Row("lone surrogates, NUL, 2**64", len(texts.DOORS), texts.odd_texts),
}


def run(names: Iterable[str], *, everything: bool) -> Iterator[tuple[str, Report, float]]:
    """Each row's report, and the seconds it took."""
    with prepared() as (server, nursery):
        for name in names:
            started = time.monotonic()
            yield name, run_one(name, server, nursery, everything=everything), time.monotonic() - started


def run_one(name: str, server: DemoServer, nursery: Nursery, *, everything: bool) -> Report:
    """One row's report."""
    row = ROWS[name]
    with ground(server, nursery) as here:
        return row.run(here, row.numbers(everything=everything))
