"""Conversations as someone has after some weeks, for the pictures of the history: `await remember(store)`.

Short, with made-up figures; the turns are made by the real fold and stored as an import stores them.
"""

import time
from dataclasses import dataclass
from typing import Final

from tui_chat import turns
from tui_chat.conversation import Conversation, Message, Outcome, Tree, Turn
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    RequestEnded,
    RequestStarted,
    TextDelta,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.ids import new_id
from tui_chat.store import Store

_HOUR: Final = 3_600.0
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True)
class Earlier:
    """A conversation: what was asked and answered, how long ago it ended, and how much text there was beside."""

    title: str
    ago: float
    said: tuple[tuple[str, str], ...]
    model: str = "claude-sonnet-5-5"
    tokens: int = 3_000
    pinned: bool = False


EARLIER: Final = (
    Earlier(
        "House style of our error messages",
        19 * _DAY,
        (
            (
                "What makes an error message good?",
                "It says what happened, why, and what to do next. A stream that was cut off says so.",
            ),
        ),
        pinned=True,
    ),
    Earlier(
        "Why is my stream cut off behind nginx?",
        0.3 * _HOUR,
        (
            (
                "My server-sent events stop after 60 seconds behind nginx. Why?",
                "nginx closes a quiet stream: set `proxy_buffering off`, and raise `proxy_read_timeout`.",
            ),
            (
                "Do pings help?",
                "Yes. A ping every 15 seconds keeps the stream alive, whatever stands between.",
            ),
        ),
        tokens=9_400,
    ),
    Earlier(
        "SQLite FTS5 or a trigram index?",
        3 * _HOUR,
        (
            (
                "How do I search identifiers such as proxy_read_timeout?",
                "Index the parts as well: *proxy*, *read*, *timeout*. Trigrams miss words of two letters.",
            ),
        ),
        "claude-opus-4-8",
        31_000,
    ),
    Earlier(
        "Übersetzung: Datenschutzerklärung",
        9 * _HOUR,
        (("Übersetze das bitte ins Englische.", "With pleasure."),),
        "claude-haiku-4-5",
        1_200,
    ),
    Earlier(
        "Review of the retry policy",
        1.2 * _DAY,
        (
            (
                "What may be retried when a stream breaks?",
                "Before the first delta everything; after it nothing, or the reader sees the text twice.",
            ),
        ),
        "claude-opus-4-8",
        48_000,
    ),
    Earlier(
        "A regular expression for every second comma",
        2.1 * _DAY,
        (("Replace every second comma by a line break.", "`re.sub(r'(,[^,]*),', ...)` does it."),),
    ),
    Earlier(
        "A birthday poem for Ida, who likes owls",
        3.4 * _DAY,
        (("Eight lines, please.", "The owl is awake and the candles are lit"),),
        "claude-haiku-4-5",
        800,
    ),
    Earlier(
        "Backpressure in asyncio streams",
        5.2 * _DAY,
        (
            (
                "When do I have to await drain()?",
                "After every write that may be large: the stream then waits until the buffer is small again.",
            ),
        ),
        tokens=12_000,
    ),
    Earlier("Plan for the move to Python 3.14", 9 * _DAY, (("What breaks?", "Little."),), "claude-opus-4-8", 64_000),
    Earlier("Cron job runs twice at the end of summer time", 12 * _DAY, (("Why?", "One hour comes twice."),)),
    Earlier("Rust lifetimes, explained to a Python programmer", 26 * _DAY, (("Why?", "To stream bytes safely."),)),
    Earlier("Sourdough that does not rise", 48 * _DAY, (("What now?", "Warmth."),), "claude-haiku-4-5", 600),
    Earlier("Names for a terminal chat", 400 * _DAY, (("Ideas?", "tui-chat."),), "claude-3-opus-20240229", 2_000),
)


async def remember(store: Store) -> None:
    """Put them into `store`."""
    now = time.time()
    for place, each in enumerate(EARLIER):
        conversation = Conversation(
            f"{place:032x}", now - each.ago - _HOUR, each.title, each.model, pinned=each.pinned, title_from="user"
        )
        made: list[Turn] = []
        for number, said in enumerate(each.said):
            at = now - each.ago - 60 * (len(each.said) - number)
            made.append(_turn(conversation, made[-1] if made else None, said, each.tokens, at))
        await store.library.add(Tree(conversation, made, made[-1].id))
    await store.library.index_all()


def _turn(conversation: Conversation, before: Turn | None, said: tuple[str, str], tokens: int, at: float) -> Turn:
    """A turn that follows the one `before`."""
    (prompt, reply), model = said, conversation.model or ""
    name = new_id()
    parent = before.reply_id if before is not None else None
    message = Message(f"{name}-p", parent, "user", ({"type": "text", "text": prompt},), at)
    turn = turns.begin(TurnStarted(0.0, name, conversation.id, f"{name}-r", model, "api.anthropic.com", at, message))
    for event in (
        RequestStarted(0.1, model, 1),
        UsageUpdated(0.5, {"input_tokens": tokens, "output_tokens": 1}),
        BlockStarted(0.6, 0, {"type": "text", "text": ""}),
        TextDelta(0.7, 0, reply),
        BlockEnded(3.0, 0),
        UsageUpdated(3.1, {"output_tokens": tokens // 4}, final=True),
        RequestEnded(3.2, complete=True, stop_reason="end_turn"),
        TurnEnded(3.3, Outcome.COMPLETED, "end_turn", {}, usage_is_final=True),
    ):
        turns.apply(turn, event)
    return turn
