"""What the program may find where its database should be: other schemas, garbage, and places that cannot be used.

All of it with the real program, printing one reply (`-p`) or on a terminal.
"""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.e2e.terminal import WaitError
from tests.faults.ground import FIXTURES, HOMES, Ground, environment
from tests.faults.record import Record
from tests.faults.remains import unsound
from tests.faults.report import Report
from tests.faults.screens import Person, check, program

PAGE: Final = 4096  # SQLite's, and what we never change
DATABASE: Final = "conversations.db"


@dataclass(frozen=True, slots=True)
class Done:
    """How one run of the program ended."""

    code: int
    out: str
    err: str


def tui_chat(*arguments: str | bytes, given: bytes = b"") -> Done:
    """Run the program without a terminal, to its end, with a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "tui_chat", *arguments],
            env=environment(Path(home)),
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )
    return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def ask(record: Record, prompt: str, *arguments: str) -> Done:
    """One prompt, its reply printed."""
    return tui_chat("-p", prompt, "--data-dir", str(record.path.parent), "--base-url", record.base_url, *arguments)


# Schemas ---------------------------------------------------------------------------------------------------------------


def versions() -> list[int]:
    """The earlier schemas of which there is a database."""
    return sorted(int(path.stem.rpartition("_")[2]) for path in FIXTURES.glob("schema_*.sql"))


def write_earlier(path: Path, version: int) -> None:
    """The database that the schema `version` wrote, at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / f"schema_{version}.sql").read_text())


def schemas(ground: Ground, runs: list[int]) -> Report:
    """An older schema is upgraded, with a copy beside it; a newer one is refused and stays as it is."""
    report = Report()
    for number in runs:
        record = Record(ground.folder / str(number), ground.server.base_url)
        wanted = versions()
        if number < len(wanted):
            upgrade(record, wanted[number], report)
        else:
            refuse(record, report, open_elsewhere=bool(number % 2))
        report.runs += 1
    return report


def upgrade(record: Record, version: int, report: Report) -> None:
    """The program opens it, and has all of it; the copy has all of it too."""
    write_earlier(record.path, version)
    asyncio.run(learn_from_a_copy(record))
    before = messages(record.path)
    done = ask(record, "limit after the upgrade")
    report.expect(done.code == 0, f"schema {version}: the program ended with {done.code}: {done.err}")
    asyncio.run(record.compare(None, report))
    report.acknowledged += record.acknowledged
    backup = record.path.with_name(f"{DATABASE}.v{version}.backup")
    report.expect(backup.exists(), f"schema {version}: no copy beside it")
    if backup.exists():
        report.expect(stat.S_IMODE(backup.stat().st_mode) == 0o600, f"{backup.name} may be read by others")
        report.expect(messages(backup) == before, f"{backup.name} does not hold what the database held")


async def learn_from_a_copy(record: Record) -> None:
    """Take what the database holds for promised, without touching it."""
    look = Record(record.folder / "look", record.base_url)
    look.path.parent.mkdir(parents=True)
    shutil.copy(record.path, look.path)
    await look.learn()
    record.turns |= look.turns
    shutil.rmtree(look.folder)


def messages(path: Path) -> set[tuple[str, str]]:
    """All messages as they stand in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT id, blocks FROM messages"))


def refuse(record: Record, report: Report, *, open_elsewhere: bool) -> None:
    """A file of the next schema, perhaps while the newer program has it open."""
    ask(record, "limit before")
    with closing(sqlite3.connect(record.path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.commit()
        if not open_elsewhere:
            connection.close()
        before = digests(record.path)
        done = ask(record, "limit after")
        report.expect(done.code == 1, f"a newer schema: the program ended with {done.code}")
        report.expect(str(record.path) in done.err, f"a newer schema: the path is not told: {done.err!r}")
        report.expect("newer version" in done.err, f"a newer schema: the reason is not told: {done.err!r}")
        after = digests(record.path)
        changed = [name for name in before if after.get(name) != before[name]]
        report.expect(not changed, f"a newer schema: {changed} changed")


def digests(path: Path) -> dict[str, str]:
    """The sha256 of the database and its log; its index changes with every reader."""
    files = [path, path.with_name(f"{path.name}-wal")]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()}


# Garbage ---------------------------------------------------------------------------------------------------------------


def front(data: bytearray, random: Random) -> None:
    """The first page, with the header."""
    data[:PAGE] = random.randbytes(PAGE)


def schema(data: bytearray, random: Random) -> None:
    """The first page behind the header."""
    data[100:PAGE] = random.randbytes(PAGE - 100)


def middle(data: bytearray, random: Random) -> None:
    """A page in the middle."""
    start = random.randrange(2, len(data) // PAGE - 1) * PAGE
    data[start : start + PAGE] = random.randbytes(PAGE)


def tail(data: bytearray, random: Random) -> None:
    """The last half is cut off, in the middle of a page."""
    del data[len(data) // 2 + random.randrange(1, PAGE) :]


def zeros(data: bytearray, random: Random) -> None:
    """Nothing but zeros, as after some power cuts."""
    data[:] = bytes(len(data))


def text(data: bytearray, random: Random) -> None:
    """Another kind of file."""
    data[:] = b"This is no database.\n" * 500


DAMAGE: Final = (front, schema, middle, tail, zeros, text)


def garbage(ground: Ground, runs: list[int]) -> Report:
    """Moved aside with its log or left in place, told with its path, never deleted; what can be read comes back."""
    report, recovered, known = Report(), 0, 0
    source = Record(ground.folder / "source", ground.server.base_url)
    for name, asked in (("one", "hello"), ("two", "long 900"), ("three", "limit")):
        order = {"folder": source.folder, "base_url": source.base_url, "name": name, "ask": asked}
        instance = ground.nursery.start("turns", count=2, **order)
        instance.tell()
        instance.wait_for("closed")
    asyncio.run(source.learn())
    for number in runs:
        report.runs += 1
        record = Record(ground.folder / str(number), ground.server.base_url)
        if number % (len(DAMAGE) + 1) == len(DAMAGE):
            damage_the_log(ground, record, number, report)
            continue
        damage = DAMAGE[number % (len(DAMAGE) + 1)]
        shutil.copytree(source.path.parent, record.path.parent)
        data = bytearray(record.path.read_bytes())
        damage(data, Random(number))
        record.path.write_bytes(data)
        back = use_damaged(record, damage.__name__, bytes(data), report)
        recovered, known = recovered + len(back & source.turns.keys()), known + len(source.turns)
    report.acknowledged = known
    report.notes.append(f"{recovered} of {known} turns were read back from the damaged files")
    return report


def use_damaged(record: Record, name: str, data: bytes, report: Report) -> set[str]:
    """Start on it, send a prompt, and import what can be read; the ids of the turns that came back."""
    path = record.path
    wal = path.with_name(f"{DATABASE}-wal")
    wal.write_bytes(b"not a log " * 50)  # it has to go with its database
    done = ask(record, "limit while damaged")
    report.expect(done.code == 0, f"{name}: the program ended with {done.code}: {done.err}")
    aside = [file for file in path.parent.glob(f"{DATABASE}.damaged-*") if not file.name.endswith(("-wal", "-shm"))]
    if aside or "damaged" in done.err:  # a page that is not needed now does no harm now
        report.expect(str(path) in done.err, f"{name}: the path is not told: {done.err!r}")
        report.expect("tui-chat import" in done.err, f"{name}: recovery is not offered: {done.err!r}")
    report.expect(len(aside) <= 1, f"{name}: several files were put aside: {aside}")
    damaged = aside[0] if aside else path
    if aside:
        report.expect(damaged.read_bytes() == data, f"{name}: what was put aside is not what was there")
        log = damaged.with_name(f"{damaged.name}-wal")
        report.expect(log.exists() and log.read_bytes() == b"not a log " * 50, f"{name}: its log was left behind")
        report.problems += unsound(path)
    fresh = Record(record.folder / "fresh", record.base_url)
    done = tui_chat("import", str(damaged), "--data-dir", str(fresh.path.parent))
    report.expect(done.code in (0, 1), f"{name}: the import ended with {done.code}: {done.err}")
    report.expect("Traceback" not in done.err, f"{name}: the import crashed: {done.err}")
    if not fresh.path.exists():
        return set()
    asyncio.run(fresh.learn())
    report.problems += unsound(fresh.path)
    return set(fresh.turns)


def damage_the_log(ground: Ground, record: Record, number: int, report: Report) -> None:
    """Garbage in the middle of what a killed program has left in its log.

    SQLite takes it for a write that was torn, and what follows for never written: nobody is told, and nobody could tell it
    from a power cut. What must hold: the database is sound, holds all that came before, and goes on.
    """
    instance = ground.nursery.start("turns", folder=record.folder, base_url=record.base_url, name="w", count=99)
    instance.wait_for("ready")
    instance.tell()
    for said in instance.hear_all():
        record.note(said)
        if said["what"] == "ended" and record.acknowledged == 20:
            instance.kill()
    instance.wait_until_gone()
    log = record.path.with_name(f"{DATABASE}-wal")
    data = bytearray(log.read_bytes())
    start = len(data) // 2
    data[start : start + PAGE] = Random(number).randbytes(PAGE)
    log.write_bytes(data)
    done = ask(record, "limit with half a log", "-c")
    report.expect(done.code == 0, f"log: the program ended with {done.code}: {done.err}")
    report.problems += unsound(record.path)
    kept = Record(record.folder, record.base_url)
    asyncio.run(kept.learn())
    there = [turn_id in kept.turns for turn_id in record.turns]
    report.expect(there == sorted(there, reverse=True), "log: a turn before the damage is gone")
    report.notes.append(f"{there.count(False)} of {len(there)} turns were behind the garbage in a log, and are gone")


# Places ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program is started: behind the command `inside`, with more environment. `kept`: it can be stored there."""

    inside: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    kept: bool = False


def read_only(path: Path) -> list[str]:
    """The command in which nobody, not even root, can write to `path`; elsewhere chmod sees to that."""
    if os.geteuid() != 0:
        path.chmod(0o500 if path.is_dir() else 0o400)
        return []
    remount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", remount, "sh", str(path)]


def read_only_file(record: Record) -> Place:
    """A database that may only be read."""
    ask(record, "limit before")
    return Place(read_only(record.path))


def read_only_folder(record: Record) -> Place:
    """A folder in which nothing can be made."""
    record.path.parent.mkdir(parents=True)
    return Place(read_only(record.path.parent))


def folder_that_is_a_file(record: Record) -> Place:
    """A file where the folder should be."""
    record.folder.mkdir(parents=True)
    record.path.parent.write_text("a file")
    return Place()


def folder_that_is_missing(record: Record) -> Place:
    """Nothing there yet, several levels deep: it is made."""
    return Place(kept=True)


def no_home(record: Record) -> Place:
    """A home that is no folder, as accounts of services have it, and nothing else said: in memory."""
    return Place(env=dict.fromkeys(("HOME", *HOMES), "/dev/null"), arguments=["--data-dir", "/dev/null/data"])


def no_home_but_a_folder(record: Record) -> Place:
    """The same, and told where to keep things."""
    return Place(env=dict.fromkeys(("HOME", *HOMES), "/dev/null"), kept=True)


PLACES: Final = (
    read_only_file,
    read_only_folder,
    folder_that_is_a_file,
    folder_that_is_missing,
    no_home,
    no_home_but_a_folder,
)


def places(ground: Ground, runs: list[int]) -> Report:
    """On a terminal: a message where it cannot be stored, and a chat that works all the same."""
    report = Report()
    for number in runs:
        make = PLACES[number % len(PLACES)]
        record = Record(ground.folder / str(number) / "some" / "where", ground.server.base_url)
        place = make(record)
        try:
            chat_there(record, place)
        except (AssertionError, WaitError) as error:
            report.problems.append(f"{make.__name__}: {error}")
        if place.kept:
            check(record, ["hello there"], report)
        if record.path.exists():
            record.path.chmod(0o600)
        if record.path.parent.is_dir():
            record.path.parent.chmod(0o700)
        report.runs += 1
    return report


def chat_there(record: Record, place: Place) -> None:
    """A start, a turn, and a clean end."""
    arguments = place.arguments or ["--data-dir", str(record.path.parent)]
    with program(record.base_url, *arguments, inside=place.inside, env=place.env) as terminal:
        person = Person(terminal)
        terminal.wait_for("ready")
        if not place.kept:
            terminal.wait_for(lambda: person.has_been_told("keeps its conversations in memory only"))
            assert person.has_been_told("conversations.db"), f"the path is not told:\n{person.screen}"
        person.say("hello there", "end_turn")
        person.quit()
        assert "Traceback" not in person.screen
