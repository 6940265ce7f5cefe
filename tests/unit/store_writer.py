"""A second process that uses a store, for the tests that kill it, lock it out, race it or fill its disk.

`python -m tests.unit.store_writer PATH MODE`: it prints a line for everything the store has acknowledged, and goes on
when it reads a line.
"""

import asyncio
import dataclasses
import os
import resource
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.unit.store_values import content, conversation, end, new_id, running, take
from tui_chat.conversation import Conversation, Turn
from tui_chat.errors import StoreError, StoreUnavailableError
from tui_chat.events import TextDelta
from tui_chat.store import Store


def say(*words: object) -> None:
    print(*words, flush=True)


def own_turn(owner: Conversation) -> Turn:
    """A turn whose ids no other process has."""
    turn = running(owner)
    turn.id, turn.reply_id = new_id(f"turn-{os.getpid()}"), new_id(f"reply-{os.getpid()}")
    turn.prompt = dataclasses.replace(turn.prompt, id=new_id(f"prompt-{os.getpid()}"))
    return turn


async def one_turn(path: Path) -> None:
    """Wait, open, begin and journal one turn; wait, end it."""
    sys.stdin.readline()
    store = await Store.open(path)
    owner = conversation()
    owner.id = f"conversation-{os.getpid()}"
    turn = own_turn(owner)
    await store.begin_turn(owner, turn)
    events = content("half a ", "reply")
    take(turn, events)
    await store.journal(turn.id, events)
    say(owner.id)
    sys.stdin.readline()
    end(turn)
    await store.end_turn(owner, turn)
    await store.close()
    say("ended")


async def chatter(path: Path) -> None:
    """Write turn after turn into one conversation until killed."""
    store = await Store.open(path)
    owner = conversation()
    owner.id = "chatter"
    while True:
        turn = running(owner)
        await store.begin_turn(owner, turn)
        say("begun", turn.id, 0)
        events = content(f"{len(owner.turns)}:")
        take(turn, events)
        await store.journal(turn.id, events)
        for piece in range(8):
            delta = TextDelta(1002.0 + piece / 8, 0, f" {piece}" * 50)
            take(turn, [delta])
            await store.journal(turn.id, [delta])
            say("journalled", turn.id, len(turn.text))
        end(turn)
        await store.end_turn(owner, turn)
        say("ended", turn.id, len(turn.text))
        owner.turns.append(turn)


async def full_disk(path: Path) -> None:
    """Write until no file may grow any more; go on when they may again."""
    store = await Store.open(path)
    owner = conversation()
    owner.id = "full"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    first = running(owner)
    await store.begin_turn(owner, first)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    pieces = [TextDelta(1003.0 + number, 0, "x" * 10_000) for number in range(40)]
    take(first, content("start "))
    await store.journal(first.id, content("start "))
    journalled = 0
    try:
        for piece in pieces:
            take(first, [piece])
            await store.journal(first.id, [piece])
            journalled += 1
    except StoreUnavailableError as error:
        say("refused", error.sentence)
    end(first)
    for attempt in (store.end_turn(owner, first), store.begin_turn(owner, running(owner))):
        try:
            await attempt
        except StoreError as error:
            say(type(error).__name__)
    loaded = await store.load(owner.id)
    say("readable", len(loaded.turns[0].text) if loaded else None, 6 + 10_000 * journalled)
    owner.turns.append(first)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    second = running(owner)
    await store.begin_turn(owner, second)
    take(second, content("there is room again"))
    end(second)
    await store.end_turn(owner, second)
    await store.close()
    say("written", len(first.text))


async def refused(path: Path) -> None:
    """As a user who may not write there: open and say what happened."""
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        await Store.open(path)
    except StoreError as error:
        say(type(error).__name__, error.sentence)


async def erase(path: Path) -> None:
    """Delete the conversations that a line names; wait, and close, which erases them."""
    store = await Store.open(path)
    for id_ in sys.stdin.readline().split():
        await store.library.delete(id_)
    say("deleted")
    sys.stdin.readline()
    await store.close()
    say("closed")


async def lock(path: Path) -> None:
    """Hold the write lock until a line comes."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    say("locked")
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    connection.close()


MODES: dict[str, Callable[[Path], Coroutine[Any, Any, None]]] = {
    "one_turn": one_turn,
    "chatter": chatter,
    "full_disk": full_disk,
    "refused": refused,
    "lock": lock,
    "erase": erase,
}

if __name__ == "__main__":
    asyncio.run(MODES[sys.argv[2]](Path(sys.argv[1])))
