"""kill -9 at two hundred moments: most of them aimed at something being written, the rest anywhere."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults.files import learn_from_a_copy, versions, write_earlier
from tests.faults.ground import Ground
from tests.faults.nursery import Said
from tests.faults.record import LATE, Record
from tests.faults.report import Report
from tui_chat.errors import StoreError

RUNS: Final = 200
SERIES: Final = 20  # runs on one database, one after the other


@dataclass(frozen=True, slots=True)
class Aim:
    """What is shot at: the `number`th time that `word` is said or done, within `spread` seconds.

    `likely` are actions that the instance is to take more often; after `steps` of them it ends by itself.
    """

    word: str
    spread: float
    number: int = 1
    likely: tuple[str, ...] = ()
    steps: int = 0


def aim(random: Random) -> Aim:
    """Where the next shot goes."""
    number = random.randrange(1, 4)
    match random.randrange(16):
        case 0:
            return Aim("open", 0.06)
        case 1 | 2:
            return Aim("begin", 0.01, number)
        case 3 | 4:
            return Aim("journal", 0.003, number)
        case 5 | 6:
            return Aim("end", 0.01, number)
        case 7:
            return Aim("ended", 0.04, number)  # what has just been said is being indexed
        case 8:
            return Aim("delete", 0.01, number, ("delete", "delete_branch", "duplicate"))
        case 9:
            return Aim("restore", 0.01, number, ("delete", "delete_branch", "restore", "duplicate"))
        case 10:
            return Aim("purge", 0.01, 2, ("delete", "duplicate", "purge"))
        case 11:
            return Aim("purge", 0.1, 2, ("delete", "duplicate", "purge"))
        case 12:
            return Aim("add", 0.02, number, ("add", "duplicate", "fork"))
        case 13:
            return Aim("close", 0.05, 1, ("delete", "duplicate"), 4 * number)  # what was deleted is being erased
        case _:
            return Aim("open", 3.0)


def kills(ground: Ground, runs: list[int]) -> Report:
    """Kill an instance in each run and open what it left."""
    report, record = Report(), None
    moments = Counter[str]()
    gaps: list[float] = []
    for place, number in enumerate(runs):
        if place % SERIES == 0 or record is None:
            record = Record(ground.folder / f"series-{number}", ground.server.base_url)
        here, target = record, aim(Random(number))
        if number % 10 in (3, 7):  # killed while it makes its file, or upgrades one
            here, target = Record(ground.folder / f"start-{number}", ground.server.base_url), Aim("open", 0.06)
            if number % 10 == 3:
                write_earlier(here.path, versions()[number // 10 % len(versions())])
                asyncio.run(learn_from_a_copy(here))
        before = here.acknowledged
        try:
            killed_at = shoot(ground, here, target, number)
            if killed_at is None:  # it had ended before
                asyncio.run(here.compare(None, report))
                killed_at = shoot(ground, here, Aim("open", 3.0), number)
            moments[here.doing] += 1
            asyncio.run(here.compare(killed_at, report, erase=number % 4 == 1))
        except (AssertionError, StoreError) as error:
            report.problems.append(f"run {number}: {error}")
            record = None  # the record is in doubt too: another database
        report.runs += 1
        report.acknowledged += here.acknowledged - before
        gaps += here.gaps
        here.gaps.clear()
    report.notes.append("killed " + ", ".join(f"{job} {times}" for job, times in sorted(moments.items())))
    report.notes.append(f"most of a running reply that was missing: {max(gaps, default=0) * 1000:.0f} ms")
    late = [gap for gap in gaps if gap > LATE]
    report.expect(
        not late, f"{len(late)} of {len(gaps)} cut replies lack more than {LATE} s, up to {max(gaps, default=0)}"
    )
    return report


def shoot(ground: Ground, record: Record, target: Aim, seed: int) -> float | None:
    """Start an instance and kill it at `target`; when that was, or None if it had ended before."""
    instance = ground.nursery.start(
        "talk",
        folder=record.folder,
        base_url=record.base_url,
        seed=seed,
        steps=target.steps,
        likely=target.likely,
        conversation=record.latest,
    )
    left = target.number
    killed_at = None
    said: Said | None = None
    for said in instance.hear_all():
        record.note(said)
        if target.word in (said["what"], said.get("job")) and killed_at is None:
            left -= 1
            if left == 0:
                deadline = time.monotonic() + Random(seed).uniform(0, target.spread)
                for each in instance.hear_until(deadline):
                    record.note(each)
                    said = each  # noqa: PLW2901 - the latest word, whoever heard it
                killed_at = instance.kill()
    instance.wait_until_gone()
    return None if said is not None and said["what"] == "closed" else killed_at
