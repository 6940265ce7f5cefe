"""Conversations in lists, and what a search finds: values without what was said.

Why it exists: a list of ten thousand conversations must not hold them. It must not know where a list comes from.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One line of a list of conversations."""

    id: str
    title: str
    updated_at: float
    created_at: float
    model: str | None
    pinned: bool


@dataclass(frozen=True, slots=True)
class ConversationFigures:
    """What a conversation holds and cost, over all its branches; None: not known.

    Copied turns and those of the demo server cost nothing; `turns` counts them too.
    """

    turns: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    cost_estimated: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """A stretch of a list of conversations, and how long the whole list is."""

    rows: list[ConversationSummary]
    total: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that a search found; `marks` are the ranges of characters in `snippet` that fit.

    `at` is when the message was made (wall clock); `on_path` says whether the current path leads over it.
    """

    conversation_id: str
    title: str
    turn_id: str
    message_id: str
    role: Literal["user", "assistant"]
    at: float
    snippet: str
    marks: tuple[tuple[int, int], ...]
    on_path: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, newest first; `indexed` is the share (0 to 1) of all messages that could be found yet."""

    hits: list[Hit]
    more: bool
    indexed: float
