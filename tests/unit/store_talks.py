"""Whole conversations for the store's tests: several turns, tools, and a word of their own in every part."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.unit.store_values import content, conversation, end, prompt, running, take
from tui_chat.conversation import Conversation, Message, Outcome, SideRequest, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    Event,
    InputJsonDelta,
    RequestEnded,
    ToolEnded,
    ToolProposed,
    ToolStarted,
)
from tui_chat.store import Store
from tui_chat.usage import Usage

SECRET = "Zqxvwkjepf"  # no other word has five letters of it
_WORDS = ["tea", "stone", "river", "lamp", "Wort", "漢字", "snake_case", "and", "or"]


def words(seed: random.Random, count: int) -> str:
    """Ordinary words."""
    return " ".join(seed.choice(_WORDS) for _ in range(count))


def after(owner: Conversation, text: str = "hello") -> Message:
    """A prompt that follows the last turn."""
    if not owner.turns:
        return prompt(text)
    last = owner.turns[-1]
    return prompt(text, last.prompt.id if last.reply() is None else last.reply_id)


async def ended(store: Store, owner: Conversation, question: Message, answer: str = "", tool: str = "") -> Turn:
    """A turn as a session stores it, at the end of `owner.turns`; without an answer it fails, with `tool` it calls one."""
    turn = running(owner, question)
    await store.begin_turn(owner, turn)
    owner.turns.append(turn)
    events = _events(answer, tool) if answer else []
    for start in range(0, len(events), 4):
        await store.journal(turn.id, events[start : start + 4])
    take(turn, events)
    end(turn, Outcome.COMPLETED if answer else Outcome.FAILED, None if answer else Failure("api_error", question.text))
    await store.end_turn(owner, turn)
    return turn


def _events(answer: str, tool: str) -> list[Event]:
    if not tool:
        return content(answer)
    return [
        *content(answer),
        BlockStarted(1003.0, 1, {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}),
        InputJsonDelta(1003.1, 1, f'{{"zone": "{tool}"}}'),
        BlockEnded(1003.2, 1),
        RequestEnded(1003.3, complete=True, stop_reason="tool_use"),
        ToolProposed(1003.4, "toolu_1", "clock", {"zone": tool}, "hash"),
        ToolStarted(1003.5, "toolu_1"),
        ToolEnded(1003.6, "toolu_1", f"result {tool}"),
        *content(f"and {answer}", at=1004.0),
    ]


async def talk(store: Store, word: str, turns: int = 4, seed: int = 1) -> Conversation:
    """A conversation that holds `word` in all of its parts, among ordinary words."""
    chance = random.Random(seed)
    owner = conversation()
    owner.title, owner.draft, owner.system = f"{word} title", f"a draft of {word}", f"a system of {word}"
    owner.queued, owner.place, owner.origin = (f"queued {word}",), f'{{"at": "{word}"}}', {"source": word}
    owner.side_requests = (SideRequest("title", word, "demo", 1.0, Usage({"novelty": word}), usage_is_final=True),)
    for number in range(turns):
        text = f"{words(chance, chance.randrange(1, 300))} {word} {words(chance, chance.randrange(1, 300))} {word}"
        tool = word if number % 3 == 1 else ""
        await ended(store, owner, after(owner, text), "" if number % 4 == 3 else f"{word} {text}", tool)
    await store.save_conversation(owner)
    return owner


def traces(directory: Path, word: str) -> dict[str, list[str]]:
    """The files of a folder in which five letters of `word` can be read; an index shortens what its entries share."""
    parts = {part[at : at + 5].encode() for part in (word, word.lower()) for at in range(len(word) - 4)}
    found = {}
    for file in sorted(directory.iterdir()):
        bytes_ = file.read_bytes()
        if readable := sorted(part.decode() for part in parts if part in bytes_):
            found[file.name] = readable
    return found


async def mixed(store: Store) -> tuple[Conversation, Conversation]:
    """Two conversations whose turns lie between each other; all is indexed. The first is the one to delete."""
    gone, stays = await talk(store, SECRET, 2, seed=1), await talk(store, "Harmless", 2, seed=2)
    chance = random.Random(3)
    for number in range(24):
        owner, word = ((gone, SECRET), (stays, "Harmless"))[number % 2]
        text = f"{words(chance, chance.randrange(1, 500))} {word} {words(chance, chance.randrange(1, 50))}"
        await ended(store, owner, after(owner, f"{word} {text}"), text, word if number % 5 == 0 else "")
        owner.draft = word * number
        if number % 4 < 2:
            await store.save_conversation(owner)
        if number % 7 == 0:
            await store.library.index_all()
    await store.library.index_all()
    return gone, stays


def check(path: Path) -> None:
    """The database is sound, and no deletion is left over."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT * FROM deletions").fetchall() == []
        connection.execute("INSERT INTO found (found) VALUES ('integrity-check')")
