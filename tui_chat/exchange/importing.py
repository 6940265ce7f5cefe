"""Reading conversations in: one by one from files, into whatever keeps them, and a report of what came of it.

Each conversation is kept whole or not at all, so an import can be stopped anywhere and begun again: what is there already
is recognised by its ids. It must not know the terminal.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tui_chat.conversation import Tree
from tui_chat.errors import StoreError, StoreUnavailableError
from tui_chat.exchange.items import Item
from tui_chat.exchange.sources import conversations
from tui_chat.text import sanitise_line

Kept = Literal["added", "updated", "known"]
Keep = Callable[[Tree], Awaitable[Kept]]
Progress = Callable[[str, float, "Report"], None]

PROBLEMS_SHOWN: Final = 20
_WORDS: Final = {"added": "added", "updated": "completed with what was new", "known": "here already"}


@dataclass(slots=True)
class Report:
    """What came of an import, over all files so far; `is_done`: that is all of them."""

    kept: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    empty: int = 0
    bad: int = 0
    problems: list[str] = field(default_factory=list)
    stopped: str = ""
    is_done: bool = False

    @property
    def conversations(self) -> int:
        """How many were read."""
        return self.kept.total()

    @property
    def is_whole(self) -> bool:
        """Whether everything there was went in."""
        return not self.bad and not self.stopped

    def complain(self, where: str, problem: str) -> None:
        """Count a problem, and keep the first few in words."""
        self.bad += 1
        if len(self.problems) < PROBLEMS_SHOWN:
            self.problems.append(sanitise_line(f"{where}: {problem}")[:300])

    def lines(self, *, dry: bool = False) -> Iterator[str]:
        """The report as lines of text for a person."""
        would = "would be " if dry else ""
        parts = [f"{self.kept[name]:,} {would}{word}" for name, word in _WORDS.items() if self.kept[name]]
        counts = f"{_count(self.conversations, 'conversation')} with {_count(self.turns, 'turn')}"
        yield f"{counts}: {', '.join(parts)}" if parts else counts
        if self.empty:
            yield f"{self.empty:,} without a message, left out"
        if self.bad:
            yield f"{_count(self.bad, 'problem')}:"
            yield from (f"  {problem}" for problem in self.problems)
            if self.bad > len(self.problems):
                yield f"  and {self.bad - len(self.problems):,} more"
        if self.stopped:
            yield self.stopped
        if dry:
            yield "nothing was written (--dry-run)"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


async def import_files(paths: Iterable[Path], keep: Keep, report: Report, progress: Progress) -> None:
    """Give every conversation of `paths` to `keep`; `report` is true at any moment, also when this is cancelled.

    It ends early, and says so in the report, if the store cannot take more.
    """
    for path in paths:
        name = path.name or str(path)
        for item in conversations(path):
            where = f"{name}, {item.where}" if item.where else name
            if item.tree is not None:
                try:
                    await _take(item, keep, report)
                except StoreUnavailableError as error:
                    report.stopped = f"stopped at {sanitise_line(where)}: {error.sentence}"
                    return
                except StoreError as error:
                    report.complain(where, error.sentence)
            if item.problem:
                report.complain(where, item.problem)
            progress(name, item.share, report)
            await asyncio.sleep(0)  # a stop is noticed here at the latest


async def _take(item: Item, keep: Keep, report: Report) -> None:
    tree = item.tree
    if tree is None or not tree.turns:
        report.empty += 1
        return
    kept = await keep(tree)
    report.kept[kept] += 1
    report.turns += len(tree.turns)
