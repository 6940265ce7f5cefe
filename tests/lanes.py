"""The heavy lanes: tests that repeat one thing many times (cancels, cuts, kills).

A plain run takes a seeded tenth of each, so that it stays quick and the same everywhere; `TUI_CHAT_LANES=all` takes all
of it. The variable is read when this module is imported, since every test runs without the machine's settings.
"""

import os
import random
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import pytest

Case = TypeVar("Case")
Test = TypeVar("Test", bound=Callable[..., Any])

EVERYTHING: Final = os.environ.get("TUI_CHAT_LANES") == "all"
_SHARE: Final = 10


def sample(cases: Iterable[Case], seed: int = 0) -> list[Case]:
    """A tenth of `cases` in their order, at least one; all of them with `TUI_CHAT_LANES=all`."""
    every = list(cases)
    if EVERYTHING or not every:
        return every
    places = random.Random(seed).sample(range(len(every)), -(-len(every) // _SHARE))
    return [every[place] for place in sorted(places)]


def lane(seconds: float) -> Callable[[Test], Test]:
    """Mark a test as a lane with a time-out of its own, in seconds for the whole of it."""

    def mark(test: Test) -> Test:
        marked: Test = pytest.mark.lane(pytest.mark.timeout(seconds)(test))
        return marked

    return mark
