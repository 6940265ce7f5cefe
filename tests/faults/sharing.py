"""Several programs on one database: eight instances, one conversation open twice, first starts at once, a lock."""

import asyncio
import time
from collections.abc import Sequence

from tests.e2e.sessions import open_chat
from tests.faults.ground import Ground
from tests.faults.nursery import Instance
from tests.faults.record import Record
from tests.faults.report import Report

INSTANCES = 8


def eight_instances(ground: Ground, turns: list[int]) -> Report:
    """Eight programs at once, each with a conversation of its own, so many turns each."""
    record, report = Record(ground.folder, ground.server.base_url), Report(runs=1)
    instances = start(ground, record, INSTANCES, len(turns))
    release(instances)
    gather(instances, record, report)
    wanted = INSTANCES * len(turns)
    report.expect(len(record.turns) == wanted, f"{len(record.turns)} turns were promised instead of {wanted}")
    asyncio.run(record.compare(None, report, go_on=False))
    asyncio.run(check_order(record, report, len(turns)))
    report.acknowledged = record.acknowledged
    report.notes.append(f"{INSTANCES} instances, {len(turns)} turns each")
    return report


def one_conversation_twice(ground: Ground, rounds: list[int]) -> Report:
    """Two programs go on with the same conversation: each has read it before the other writes, or while it streams."""
    record, report = Record(ground.folder, ground.server.base_url), Report()
    first = start(ground, record, 1, 2)
    release(first)
    gather(first, record, report)
    for _ in rounds:
        for both in (at_once, while_it_streams):
            both(ground, record, report)
            asyncio.run(record.compare(None, report))
            report.runs += 1
    report.acknowledged = record.acknowledged
    return report


def at_once(ground: Ground, record: Record, report: Report) -> None:
    """Both have read it before either writes."""
    two = start(ground, record, 2, 3, conversation=record.latest, together=True)
    release(two)
    for instance in two:
        instance.wait_for("opened")
    release(two)
    gather(two, record, report)


def while_it_streams(ground: Ground, record: Record, report: Report) -> None:
    """The second opens it while a reply streams in the first; it may be told to wait for its end."""
    (writer,) = start(ground, record, 1, 2, conversation=record.latest, ask="long 900")
    (second,) = start(ground, record, 1, 2, conversation=record.latest)
    writer.tell()
    for said in writer.hear_all():
        record.note(said)
        if said["what"] == "seen":
            break
    second.tell()
    for said in second.hear_all():
        record.note(said)
        if said["what"] == "refused":
            gather([writer], record, report)
            second.tell()
            gather([second], record, report)
            return
        if said["what"] == "prompt":
            break
    gather([second, writer], record, report)


def first_starts_at_once(ground: Ground, rounds: list[int]) -> Report:
    """Two and eight programs start where there is nothing yet."""
    report = Report()
    for number in rounds:
        for count in (2, INSTANCES):
            record = Record(ground.folder / f"{number}-{count}", ground.server.base_url)
            instances = start(ground, record, count, 1)
            release(instances)
            gather(instances, record, report)
            asyncio.run(record.compare(None, report))
            report.runs += 1
            report.acknowledged += record.acknowledged
    return report


def start(ground: Ground, record: Record, count: int, turns: int, **order: object) -> list[Instance]:
    """Instances that wait for a word before they open the database."""
    instances = [
        ground.nursery.start(
            "turns",
            folder=record.folder,
            base_url=record.base_url,
            name=f"i{time.monotonic_ns()}p{number}",
            count=turns,
            **order,
        )
        for number in range(count)
    ]
    for instance in instances:
        instance.wait_for("ready")
    return instances


def release(instances: Sequence[Instance]) -> None:
    """Let all of them go on."""
    for instance in instances:
        instance.tell()


def gather(instances: Sequence[Instance], record: Record, report: Report) -> None:
    """Note what they say until they are gone. What fails in one is a problem, and no end of the others."""
    for instance in instances:
        said = None
        try:
            for said in instance.hear_all():
                record.note(said)
                if said["what"] == "opened":
                    report.expect(not said["notices"], f"opening said {said['notices']}")
                report.expect(said["what"] != "unsaved", f"a turn was not saved: {said}")
        except AssertionError as error:
            report.problems.append(str(error))
            continue
        report.expect(said and said["what"] == "closed", f"an instance ended after saying {said}")


async def check_order(record: Record, report: Report, turns: int) -> None:
    """Each conversation has its turns in the order in which they were sent."""
    async with open_chat(record.base_url, record.folder) as chat:
        for id_ in {turn.conversation for turn in record.turns.values()}:
            loaded = await chat.store.load(id_)
            numbers = [int(turn.prompt.text.rpartition("n")[2]) for turn in loaded.turns] if loaded else []
            report.expect(numbers == list(range(turns)), f"the turns of {id_} are in the order {numbers}")
