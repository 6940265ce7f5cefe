"""Databases with long conversations in them, made by the program's own store: what a resume opens.

The turns are those of the demo's `shape` reply; the last reply of a conversation ends with the word `the-end-of-<title>`, so that a
terminal tells when the end of the conversation is on the screen.
"""

import asyncio
from pathlib import Path

from tests.unit.store_values import content, conversation, end, prompt, running, take
from tui_chat.conversation import Conversation
from tui_chat.demo.shapes import shape
from tui_chat.store import Store

DATABASE = "conversations.db"  # in the folder that --data-dir names
REPLY_TOKENS = 150


def last_words(title: str) -> str:
    """What the conversation of that title ends with."""
    return f"the-end-of-{title}"


def prepare(folder: Path, **turns: int) -> None:
    """Store conversations in `folder`, each with so many turns and its name as the title; the last one is the latest."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_prepare(folder / DATABASE, turns))


async def _prepare(path: Path, conversations: dict[str, int]) -> None:
    store = await Store.open(path)
    for place, (title, count) in enumerate(conversations.items()):
        await _store(store, title, count, 1.7e9 + place * 1e6)
    await store.close()


async def _store(store: Store, title: str, count: int, started_at: float) -> None:
    owner: Conversation = conversation()
    owner.title, owner.model = title, None
    for number in range(count):
        parent = owner.turns[-1].reply_id if owner.turns else None
        turn = running(owner, prompt(f"prompt {number} of {title}", parent), started_at=started_at + number * 60)
        text = shape("mixed", REPLY_TOKENS, number)
        take(turn, content(f"{text}\n\n{last_words(title)}" if number == count - 1 else text))
        end(turn)
        owner.turns.append(turn)
    # One transaction: the store saves with the last turn all those before it that it does not have.
    last = owner.turns.pop()
    await store.end_turn(owner, last)
