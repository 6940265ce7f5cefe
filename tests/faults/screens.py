"""The real program in a real terminal while its database is out of reach: a full disk, and a lock that somebody holds.

Nothing on the screen may get lost, and what a person does next must work: copy it, export it, send it all the same, type
on, press Escape, and go on once there is room.
"""

import asyncio
import base64
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.e2e.terminal import Terminal, WaitError
from tests.faults.ground import Ground
from tests.faults.record import Record
from tests.faults.remains import unsound
from tests.faults.report import Report

LOCKED: float = 10.0  # seconds for which another program holds the lock
TINY = 2_000_000  # bytes of the small disk: enough for a start, and soon full
LAST_WORDS = "The demo stops here"  # of a long reply


class Person:
    """Somebody at the program: types, reads, and remembers what was promised on the screen."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.promised: list[str] = []

    def say(self, prompt: str, wanted: str) -> None:
        """Send a prompt and wait until its reply, a short one, has ended: then both are promised."""
        self.type(prompt)
        self.terminal.press("enter")

        def has_ended() -> bool:
            _, found, reply = self.screen.rpartition(f"▌ {prompt}")
            return bool(found) and wanted in reply

        self.terminal.wait_for(has_ended)
        self.promised.append(prompt)

    def type(self, text: str) -> None:
        """Type, and see it in the composer."""
        self.terminal.send(text)
        self.terminal.wait_for(lambda: text in self.composer)

    @property
    def screen(self) -> str:
        """What can be read."""
        return self.terminal.screen_text()

    @property
    def composer(self) -> str:
        """What stands in the composer."""
        return re.split("─{20,}", self.screen)[-2]

    def has_been_told(self, text: str) -> bool:
        """Whether a notice says so: they are wrapped anywhere, and stand on the right, behind a bar."""
        told = "".join(row.rpartition("▌")[2] for row in self.screen.splitlines() if row.rfind("▌") > 1)
        return "".join(text.split()) in "".join(told.split())

    def copied(self) -> str:
        """What was last sent to the terminal's clipboard."""
        found = re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)(?:\x07|\x1b\\)", self.terminal.raw)
        return base64.b64decode(found[-1]).decode() if found else ""

    def quit(self) -> None:
        """Leave, with everything saved that can be."""
        self.terminal.press("ctrl+q")
        code = self.terminal.wait_until_exit(20)
        assert code == 0, f"the program ended with {code}"


def program(
    base_url: str, *arguments: str, inside: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Terminal:
    """The program on a terminal, run by the command `inside`."""
    command = [*inside, sys.executable, "-m", "tui_chat", *arguments]
    return Terminal(command, env={"ANTHROPIC_BASE_URL": base_url, **(env or {})})


def data_in(folder: Path) -> list[str]:
    """The arguments that keep the data there."""
    return ["--data-dir", str(folder / "data")]


# A full disk -----------------------------------------------------------------------------------------------------------


class Disk:
    """Where the data lies: it may be full, and have room again. `inside` is the command that sees it."""

    inside: Sequence[str] = ()
    folder: Path

    def fill(self, pid: int) -> None:
        """From now on nothing of the program `pid` may grow."""
        raise NotImplementedError

    def make_room(self, pid: int) -> None:
        """Now it may again."""
        raise NotImplementedError

    def seen_from_here(self) -> Path:
        """The folder as this process can reach it."""
        return self.folder


class SizeLimit(Disk):
    """No file may grow beyond what the log of the database has already (RLIMIT_FSIZE)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        """Limit every file of the program."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    def make_room(self, pid: int) -> None:
        """Lift the limit."""
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class SmallDisk(Disk):
    """A tmpfs of a few megabytes in a mount namespace of its own, filled to the last byte by another file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        mount = f"mount -t tmpfs -o size={TINY},mode=700 none '{folder / 'data'}' && echo mounted && read wait"
        users = [] if os.geteuid() == 0 else ["--map-root-user"]
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *users, "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            self.close()
            raise PermissionError("a tmpfs may not be mounted here")
        inside = ["--user", "--preserve-credentials"] if users else []
        self.inside = ["nsenter", f"--target={self._holder.pid}", "--mount", *inside]

    def fill(self, pid: int) -> None:
        """Take all the room."""
        ballast = self.seen_from_here() / "data" / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)

    def make_room(self, pid: int) -> None:
        """Give it back."""
        (self.seen_from_here() / "data" / "ballast").unlink()

    def seen_from_here(self) -> Path:
        """Through the namespace of the process that holds it."""
        return Path(f"/proc/{self._holder.pid}/root{self.folder}")

    def close(self) -> None:
        """Unmount it: nobody is left in the namespace."""
        self._holder.kill()
        self._holder.communicate()


@contextlib.contextmanager
def disk(kind: int, folder: Path) -> Iterator[Disk]:
    """A disk of the kind 0 or 1 (an own file system, PermissionError where that is not allowed)."""
    if kind == 0:
        yield SizeLimit(folder)
        return
    small = SmallDisk(folder)
    try:
        yield small
    finally:
        small.close()


def full_disk(ground: Ground, runs: list[int]) -> Report:
    """Full when a prompt is sent, full while a reply streams: on both kinds of disk in turn."""
    report = Report()
    for number in runs:
        try:
            with disk(number % 2, ground.folder / str(number)) as here:
                use_full_disk(ground, here, number, report)
        except PermissionError as error:
            report.notes.append(str(error))
        except (AssertionError, WaitError) as error:
            report.problems.append(f"run {number}: {error}")
        report.runs += 1
    return report


def use_full_disk(ground: Ground, here: Disk, number: int, report: Report) -> None:
    """One afternoon on a disk that is full for a while."""
    with program(ground.server.base_url, *data_in(here.folder), inside=here.inside) as terminal:
        person = Person(terminal)
        terminal.wait_for("ready")
        person.say(f"hello first{number}", "end_turn")
        if number % 4 < 2:
            refuse_a_prompt(person, here, number)
        else:
            fill_while_it_streams(person, here, number)
        assert LAST_WORDS in person.screen, f"the reply is not on the screen:\n{person.screen}"
        copy_and_export(person, ground.folder / f"export-{number}.md")
        person.type("a draft")
        here.make_room(terminal.pid)
        for _ in range(len("a draft")):
            terminal.press("backspace")
        person.say(f"limit third{number}", "reached max_tokens")
        person.quit()
    with program(ground.server.base_url, *data_in(here.folder), "-c", inside=here.inside) as terminal:
        terminal.wait_for(f"limit third{number}")
        Person(terminal).quit()
    kept = ground.folder / f"kept-{number}"  # SQLite would resolve a path through /proc to one of this namespace
    shutil.copytree(here.seen_from_here() / "data", kept / "data")
    check(Record(kept, ground.server.base_url), person.promised, report)


def refuse_a_prompt(person: Person, here: Disk, number: int) -> None:
    """It is full when a prompt is sent: it stays in the composer, and Enter sends it unsaved."""
    here.fill(person.terminal.pid)
    prompt = f"long 300 second{number}"
    person.type(prompt)
    person.terminal.press("enter")
    person.terminal.wait_for("not saved")
    assert prompt in person.composer, f"the prompt is not in the composer:\n{person.screen}"
    person.terminal.press("enter")
    person.terminal.wait_for(LAST_WORDS)
    person.terminal.wait_for(lambda: re.search(r"end_turn · not\s+saved", person.screen))
    person.promised.append(prompt)


def fill_while_it_streams(person: Person, here: Disk, number: int) -> None:
    """It is full before a reply has ended: the reply goes on, and its footer says that it is not saved."""
    prompt = f"long 900 second{number}"
    person.type(prompt)
    person.terminal.press("enter")
    person.terminal.wait_for(lambda: re.search(r"streaming \d", person.screen))
    here.fill(person.terminal.pid)
    person.terminal.wait_for(LAST_WORDS)
    person.terminal.wait_for(lambda: re.search(r"end_turn · not\s+saved", person.screen))
    person.promised.append(prompt)


def copy_and_export(person: Person, path: Path) -> None:
    """What is not saved can still be taken away."""
    person.terminal.press("tab", "c")
    person.terminal.wait_for(lambda: LAST_WORDS in person.copied())
    person.terminal.press("tab")
    person.type(f"/export md {path}")
    person.terminal.press("enter")
    person.terminal.wait_for(lambda: path.exists() and LAST_WORDS in path.read_text())


def check(record: Record, prompts: list[str], report: Report) -> None:
    """Every prompt that was promised on the screen is there, with a reply that has an end."""
    asyncio.run(record.learn())
    found = {turn.text: turn for turn in record.turns.values()}
    for prompt in prompts:
        report.acknowledged += 2
        if prompt not in found:
            report.lost += 2
            report.problems.append(f"lost: {prompt!r} is gone")
        elif found[prompt].outcome != "completed":
            report.lost += 1
            report.problems.append(f"lost: the reply to {prompt!r} is {found[prompt].outcome}")
    report.problems += unsound(record.path)


# A lock ----------------------------------------------------------------------------------------------------------------


class Lock:
    """Another program that takes the write lock of the database and keeps it for ten seconds."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        self._holder = ground.nursery.start("lock", database=folder / "data" / "conversations.db")
        self._until = 0.0

    def take(self) -> None:
        """Have it from now on."""
        self._holder.tell()
        self._holder.wait_for("locked")
        self._until = time.monotonic() + LOCKED

    def give_up(self) -> None:
        """Let go once the ten seconds are over."""
        for said in self._holder.hear_until(self._until):
            raise AssertionError(f"the lock was not held: {said}")
        self._holder.tell()
        self._holder.wait_for("closed")


def locked(ground: Ground, runs: list[int]) -> Report:
    """Somebody else has the lock for ten seconds while a prompt is sent, while one is taken back, while a reply streams."""
    report = Report()
    for number in runs:
        folder = ground.folder / str(number)
        with program(ground.server.base_url, *data_in(folder)) as terminal:
            person = Person(terminal)
            try:
                terminal.wait_for("ready")
                person.say(f"hello first{number}", "end_turn")
                (send_while_locked, stop_while_locked, lock_while_it_streams)[number % 3](
                    person, number, Lock(ground, folder)
                )
                person.say(f"hello last{number}", "end_turn")
                person.quit()
            except (AssertionError, WaitError) as error:
                report.problems.append(f"run {number}: {error}")
        check(Record(folder, ground.server.base_url), person.promised, report)
        report.runs += 1
    return report


def send_while_locked(person: Person, number: int, lock: Lock) -> None:
    """It waits and one types on; then it says so, with prompt and draft in the composer; then Enter sends both."""
    prompt = f"limit second{number}"
    person.type(prompt)
    lock.take()
    person.terminal.press("enter")
    person.terminal.wait_for("saving")
    person.type("typed meanwhile")
    person.terminal.wait_for(lambda: person.has_been_told("locked by another program"))
    person.terminal.wait_for(lambda: prompt in person.composer and "typed meanwhile" in person.composer)
    lock.give_up()
    person.terminal.press("enter")
    person.terminal.wait_for("reached max_tokens")
    person.promised.append(f"{prompt}\ntyped meanwhile")


def stop_while_locked(person: Person, number: int, lock: Lock) -> None:
    """Escape ends the wait at once and gives the prompt back."""
    prompt = f"limit second{number}"
    person.type(prompt)
    lock.take()
    person.terminal.press("enter")
    person.terminal.wait_for("saving")
    person.terminal.press("escape")
    person.terminal.wait_for(lambda: prompt in person.composer, timeout=2)
    person.terminal.wait_for(lambda: person.has_been_told("stopped before the prompt was saved; nothing was sent"))
    lock.give_up()
    person.terminal.press("enter")
    person.terminal.wait_for("reached max_tokens")
    person.promised.append(prompt)


def lock_while_it_streams(person: Person, number: int, lock: Lock) -> None:
    """The reply goes on, one types on, and its end is saved late."""
    prompt = f"long 900 second{number}"
    person.type(prompt)
    person.terminal.press("enter")
    person.terminal.wait_for(lambda: re.search(r"streaming \d", person.screen))
    lock.take()
    person.type("typed meanwhile")
    person.terminal.wait_for(LAST_WORDS)
    person.terminal.wait_for(lambda: re.search(r"end_turn · not\s+saved", person.screen), timeout=LOCKED)
    lock.give_up()
    for _ in range(len("typed meanwhile")):
        person.terminal.press("backspace")
    person.promised.append(prompt)
