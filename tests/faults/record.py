"""What was promised, written down outside, and whether what is left keeps it.

A prompt is promised once its commit was done, a reply once its turn had ended and was saved, a journal once its write had
returned, and what was deleted once that had. `Record.note` takes what an instance says; `Record.compare` opens the database
as the next start would and goes through every promise. From then on what it found is promised as well: nothing may get lost
later either.
"""

import contextlib
import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.e2e.sessions import open_chat
from tests.faults.instance import TOOLS, Voice, digest, take_turn, words_of
from tests.faults.nursery import Said
from tests.faults.remains import left_over, unsound
from tests.faults.report import Report
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import StoreError
from tui_chat.store import Store

LATE: Final = 0.25  # seconds: how much of a running reply a kill may take


class State(StrEnum):
    """Whether a turn has to be there."""

    THERE = "there"
    UNSURE = "unsure"  # somebody was deleting it, or bringing it back
    DELETED = "deleted"


@dataclass(slots=True)
class Promised:
    """A turn as it is known outside. `reply` is None until its end was promised."""

    conversation: str
    text: str
    reply: str | None = None  # a digest of all that it shows
    outcome: str = ""
    state: State = State.THERE
    journalled: tuple[int, int] = (0, 0)  # characters of thinking and of text
    journal_digest: str = digest("")
    seen: list[tuple[int, float]] = field(default_factory=list)  # characters of both, and when they came

    @property
    def word(self) -> str:
        """The word by which it can be found in the bytes of a file."""
        return self.text.rpartition(" ")[2]


class Record:
    """The promises about one database."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder, self.base_url = folder, base_url
        self.turns: dict[str, Promised] = {}
        self.latest: str | None = None  # the conversation that was written last
        self.gaps: list[float] = []  # seconds of running replies that kills took
        self._deletions: dict[str, set[str]] = {}  # what each took, until it is undone
        self._doing = ""

    @property
    def path(self) -> Path:
        """The database."""
        return self.folder / "data" / "conversations.db"

    @property
    def acknowledged(self) -> int:
        """How many prompts and replies were promised."""
        return len(self.turns) + sum(turn.reply is not None for turn in self.turns.values())

    @property
    def doing(self) -> str:
        """What was being written when the last word came, or what else went on."""
        return self._doing or "in between"

    def after_a_power_cut(self, folder: Path) -> "Record":
        """The promises that a power cut leaves, about another folder: a journal is safe from a kill only."""
        left = Record(folder, self.base_url)
        left._doing = self._doing
        left.turns = {id_: copy.copy(turn) for id_, turn in self.turns.items()}
        for turn in left.turns.values():
            turn.journalled, turn.journal_digest = (0, 0), digest("")
        return left

    def note(self, said: Said) -> None:
        """Write down what an instance said."""
        match said["what"]:
            case "doing":
                self._doing = said["job"]
                self._expect_change(said)
                return
            case "seen":
                self.turns[said["turn"]].seen.append((said["length"], said["at"]))
                return  # deltas come while a write goes on
            case "prompt":
                self.turns[said["turn"]] = Promised(said["conversation"], said["text"])
                self.latest = said["conversation"]
            case "journalled":
                turn = self.turns[said["turn"]]
                turn.journalled, turn.journal_digest = (said["thinking"], said["text"]), said["digest"]
            case "ended":
                turn = self.turns[said["turn"]]
                turn.reply, turn.outcome = said["digest"], said["outcome"]
            case "kept":
                self.turns[said["turn"]] = Promised(said["conversation"], said["text"], said["digest"], said["outcome"])
            case "deleted" | "restored":
                self._change(said)
        self._doing = ""

    def _expect_change(self, said: Said) -> None:
        """What a deletion, or its undoing, may change is neither there nor gone until it is done."""
        ids = said.get("turns", ())
        if said["job"] == "restore":
            ids = [id_ for id_, turn in self.turns.items() if turn.conversation == said["conversation"]]
            ids = [id_ for id_ in ids if self.turns[id_].state is State.DELETED]
        for id_ in ids:
            self.turns[id_].state = State.UNSURE

    def _change(self, said: Said) -> None:
        """What is live now is promised to stay, what is not, to stay away."""
        live = set(said["live"])
        mine = {id_: turn for id_, turn in self.turns.items() if turn.conversation == said["conversation"]}
        before = {id_ for id_, turn in mine.items() if turn.state is not State.DELETED}
        if said["what"] == "deleted":
            self._deletions[said["deletion"]] = before - live
        else:
            taken = self._deletions.pop(said["deletion"], set())
            others = any(not ids.isdisjoint(mine) for ids in self._deletions.values())
            assert others or taken <= live, f"undoing a deletion has not brought back {taken - live}"
        for id_, turn in mine.items():
            touched = turn.state is State.UNSURE
            assert touched or (id_ in live) == (turn.state is State.THERE), f"{said['what']} has changed turn {id_} too"
            turn.state = State.THERE if id_ in live else State.DELETED

    # Comparing -------------------------------------------------------------------------------------------------------

    async def compare(
        self, killed_at: float | None, report: Report, *, go_on: bool = True, erase: bool = False
    ) -> None:
        """Open what is left and report every promise that was not kept; then go on with the latest conversation.

        `erase`: what was deleted is erased, and looked for in the bytes of the files.
        """
        self._deletions.clear()  # who could undo them is gone
        async with opened(self.path) as store:
            report.expect(not store.notices, f"opening said {store.notices}")
            stored = await all_turns(store)
            for turn_id, promised in self.turns.items():
                self._check(turn_id, promised, stored.get(turn_id), killed_at, report)
            for turn_id in stored.keys() - self.turns.keys():  # committed, and killed before it was said
                report.expect(stored[turn_id].outcome is not None, f"turn {turn_id}, never promised, runs for ever")
                self._promise(stored[turn_id])
            if erase:
                report.expect(await store.library.purge(), "what was deleted is not erased")
        if go_on:
            await self._go_on(report)
        report.problems += unsound(self.path)
        if erase:
            words = {turn.word for turn in self.turns.values() if turn.state is State.DELETED}
            report.problems += left_over(self.path, words)

    async def learn(self) -> None:
        """Take what the database holds now for promised. It is opened for that."""
        async with opened(self.path) as store:
            for turn in (await all_turns(store)).values():
                self._promise(turn)

    def _promise(self, turn: Turn) -> None:
        words = digest(words_of(turn))
        self.turns[turn.id] = Promised(turn.conversation_id, turn.prompt.text, words, str(turn.outcome))

    def _check(
        self, turn_id: str, promised: Promised, found: Turn | None, killed_at: float | None, report: Report
    ) -> None:
        if promised.state is State.UNSURE:
            promised.state = State.DELETED if found is None else State.THERE
        if promised.state is State.DELETED:
            report.expect(found is None, f"the deleted turn {turn_id} ({promised.text!r}) is back")
            return
        if found is None:
            report.lose(1 + (promised.reply is not None), f"turn {turn_id} ({promised.text!r}) is gone")
            return
        if found.prompt.text != promised.text:
            report.lose(1, f"the prompt {promised.text!r} came back as {found.prompt.text!r}")
        if promised.reply is not None:
            if (digest(words_of(found)), found.outcome) != (promised.reply, promised.outcome):
                report.lose(1, f"the {promised.outcome} reply of turn {turn_id} came back {found.outcome}, changed")
            return
        self._check_cut(turn_id, promised, found, killed_at, report)
        promised.reply, promised.outcome = digest(words_of(found)), str(found.outcome)

    def _check_cut(
        self, turn_id: str, promised: Promised, found: Turn, killed_at: float | None, report: Report
    ) -> None:
        """A turn whose end was not promised: interrupted, unless its end was just being written."""
        error = found.error.type if found.error else ""
        interrupted = (found.outcome, error) == (Outcome.FAILED, "interrupted")
        report.expect(
            interrupted or (found.outcome is not None and self._doing in ("end", "close")),
            f"the cut turn {turn_id} came back as {found.outcome} {error} (killed: {self.doing})",
        )
        thinking, text = promised.journalled
        if digest(found.thinking[:thinking] + found.text[:text]) != promised.journal_digest:
            report.lose(1, f"journalled text of turn {turn_id} is not in the interrupted reply")
        kept = len(found.thinking) + len(found.text)
        missing = next((at for length, at in promised.seen if length > kept), None)
        if killed_at is not None and missing is not None:
            self.gaps.append(killed_at - missing)

    async def _go_on(self, report: Report) -> None:
        """The next turn must be one that the server takes, on whatever the kill has left."""
        there = [turn.conversation for turn in self.turns.values() if turn.state is State.THERE]
        if not there:
            return
        id_ = self.latest if self.latest in there else there[-1]
        async with open_chat(self.base_url, self.folder, allow_tools=TOOLS) as chat:
            session = chat.session(await chat.store.load(id_))
            try:
                turn = await take_turn(session, session.send(f"limit again{len(self.turns)}"), Voice(self.note))
            except StoreError as error:
                report.problems.append(f"the next turn could not begin in {id_}: {error}")
                return
        how = f"{turn.outcome}: {turn.error} ({id_})"
        report.expect(turn.outcome is Outcome.COMPLETED, f"the next turn ended as {how}")


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    """The store alone."""
    store = await Store.open(path)
    try:
        yield store
    finally:
        await store.close()


async def all_turns(store: Store) -> dict[str, Turn]:
    """Every turn that is stored and not deleted, whatever branch it is on."""
    found: dict[str, Turn] = {}
    for id_ in await store.library.ids():
        tree = await store.library.tree(id_)
        assert tree is not None, f"the conversation {id_} has no tree"
        assert await store.load(id_) is not None, f"the conversation {id_} cannot be loaded"
        found |= {turn.id: turn for turn in tree.turns}
    return found
