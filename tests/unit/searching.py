"""Stores with messages to be found, and what a search shows of them; for the tests of search and lists."""

from pathlib import Path
from typing import Any

from tests.unit.store_values import conversation, end, new_id, running
from tui_chat.conversation import Conversation, Message, Turn
from tui_chat.events import BlockEnded, BlockStarted, RequestStarted
from tui_chat.listed import Hit
from tui_chat.store import Store
from tui_chat.turns import apply


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def said(
    owner: Conversation,
    prompt: str,
    *blocks: dict[str, Any],
    after: Turn | None = None,
    at: float = 1.7e9,
    again: Turn | None = None,
    continues: bool = False,
) -> Turn:
    """A turn that has ended: a prompt behind `after` (None: at the beginning), or that of `again`, and a reply of `blocks`."""
    parent = None if after is None else after.reply_id if after.reply() else after.prompt.id
    question = Message(new_id("prompt"), parent, "user", (text_block(prompt),), at, continues=continues)
    turn = running(owner, question if again is None else again.prompt, started_at=at)
    if blocks:
        apply(turn, RequestStarted(1000.1, "claude-x", 1))
    for place, block in enumerate(blocks):
        apply(turn, BlockStarted(1000.2, place, block))
        apply(turn, BlockEnded(1000.3, place))
    end(turn)
    return turn


async def keep(store: Store, owner: Conversation, turn: Turn) -> Turn:
    """Store a turn that has ended, and index it."""
    await store.begin_turn(owner, turn)
    await store.end_turn(owner, turn)
    owner.turns.append(turn)
    await store.library.index_all()
    return turn


async def store_of(path: Path | None, *texts: str | dict[str, Any]) -> Store:
    """A store with a conversation for each text, as the reply to an empty prompt, in order of time."""
    store = await Store.open(path)
    for place, text in enumerate(texts):
        owner = conversation()
        block = text_block(text) if isinstance(text, str) else text
        turn = said(owner, "", block, at=1.7e9 + place * 60)
        await store.begin_turn(owner, turn)
        await store.end_turn(owner, turn)
    await store.library.index_all()
    return store


def marked(hit: Hit) -> str:
    """The snippet, its marks in brackets."""
    shown, last = "", 0
    for start, stop in hit.marks:
        shown += hit.snippet[last:start] + "[" + hit.snippet[start:stop] + "]"
        last = stop
    return shown + hit.snippet[last:]
