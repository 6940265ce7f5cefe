"""A power cut: only what SQLite has synced is left, and every turn boundary that was promised is there.

An instance tells each sync and waits; the parent then copies that one file, and the folder's entries where they were synced
too. The copies are what a disk would hold if every write that was not synced were dropped; they are looked at as they were
after each sync and each promise. Not covered: the entry of the data folder itself, and a disk that says it has written what it has
not.
"""

import asyncio
import shutil
from pathlib import Path

from tests.faults.ground import Ground
from tests.faults.record import Record
from tests.faults.report import Report
from tests.faults.syncs import library


class Disk:
    """What is safe of one folder: the content of files, and which files it has."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self._folder, self._copies = folder, copies
        self._names: set[str] = set()
        copies.mkdir()

    def bring(self, name: str, *, entries: bool) -> None:
        """A file was synced, perhaps with the folder's entries."""
        file = self._folder / name
        if file.exists():  # or it has been deleted since by another connection, and nothing is known of it
            shutil.copy(file, self._copies / name)
        if entries:
            self._names = {each.name for each in self._folder.iterdir()}

    def leave(self, folder: Path) -> None:
        """Write to `folder` what a power cut would leave now."""
        folder.mkdir(parents=True)
        for name in self._names:
            if (self._copies / name).exists():
                shutil.copy(self._copies / name, folder / name)
            elif not name.endswith("-shm"):  # which is made anew, whatever it holds
                (folder / name).touch()


def power_cuts(ground: Ground, runs: list[int]) -> Report:
    """Cut the power after each sync and each promise of some instances."""
    report = Report()
    if library() is None:
        report.skipped = "SQLite is part of this Python, so its syncs cannot be seen"
        return report
    syncs = 0
    for number in runs:
        record = Record(ground.folder / str(number), ground.server.base_url)
        disk = Disk(record.path.parent, ground.folder / f"disk-{number}")
        instance = ground.nursery.start(
            "talk", folder=record.folder, base_url=record.base_url, seed=number, steps=6, tell_syncs=True
        )
        left: list[Record] = []
        for said in instance.hear_all():
            if said["what"] == "synced":
                syncs += 1
                disk.bring(Path(said["path"]).name, entries=said["entries"])
                instance.tell()
            else:
                record.note(said)
            if said["what"] in ("synced", "prompt", "ended"):
                left.append(cut(record, disk, ground.folder / f"cut-{number}-{len(left)}"))
        instance.wait_until_gone()
        for each in left:
            asyncio.run(each.compare(None, report, go_on=False))
            report.runs += 1
            shutil.rmtree(each.folder)
        report.acknowledged += record.acknowledged
    report.notes.append(f"{syncs} syncs")
    return report


def cut(record: Record, disk: Disk, folder: Path) -> Record:
    """What is left after a power cut now, and what has been promised until now."""
    left = record.after_a_power_cut(folder)
    disk.leave(left.path.parent)
    return left
