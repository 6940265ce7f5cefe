"""A database with a long history, made quickly: the store's own rows by plain inserts, then its own index, slice by slice.

Beside it, in a file of its own, what plain SQLite offers for the same texts: rows to scan, and FTS5's trigram tokenizer.
"""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.history_texts import Texts
from tests.unit.store_values import content, conversation, end, running, take
from tui_chat.store import Store, index
from tui_chat.store.transactions import immediate

PER_CONVERSATION: Final = 100  # messages, on average
_SINCE: Final = 1.66e9  # wall clock of the first message
_YEARS: Final = 3 * 365 * 86_400
_AT_ONCE: Final = 20_000  # rows a transaction, and 4,000 conversations at most in memory
_MODELS: Final = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5-20251001")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Built:
    """How long the parts of the making took, in seconds, and what came out."""

    messages: int
    conversations: int
    characters: int
    rows: float
    slices: list[float]
    bytes: int
    indexed_bytes: int
    trigrams: float


def build(path: Path, messages: int, peers: Path | None) -> Built:
    """Make the database at `path`, and its peers at `peers`."""
    templates = asyncio.run(_templates(path))
    texts = Texts()
    with closing(_open(path)) as connection:
        started = time.perf_counter()
        characters, conversations = _fill(connection, texts, templates, messages)
        rows = time.perf_counter() - started
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
        size = path.stat().st_size
        slices = list(_index(connection))
        connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")
        trigrams = _fill_peers(connection, peers) if peers is not None else 0.0
    return Built(messages, conversations, characters, rows, slices, size, path.stat().st_size - size, trigrams)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


async def _templates(path: Path) -> dict[str, list[Row]]:
    """The rows of one real turn, which all others are copies of."""
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    take(turn, content("text"))
    end(turn)
    await store.end_turn(owner, turn)
    await store.close()
    tables = ("conversations", "messages", "turns", "requests")
    with closing(_open(path)) as connection:
        rows = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables}
        for row in (*rows["messages"], *rows["turns"]):
            del row["number"]
        index.unindex(connection, connection.execute("SELECT * FROM messages").fetchall())
        connection.execute("DELETE FROM conversations")
    return rows


def _fill(
    connection: sqlite3.Connection, texts: Texts, templates: dict[str, list[Row]], messages: int
) -> tuple[int, int]:
    """Insert conversations until there are that many messages; returns the characters and the conversations."""
    keys: set[int] = set()
    characters = conversations = count = 0
    pending: dict[str, list[Row]] = {table: [] for table in templates}
    for number, turns in enumerate(_sizes(texts.random, messages)):
        conversations += 1
        rows = _conversation(
            templates, texts, number=number, turns=turns, keys=keys, at=_SINCE + _YEARS * count / messages
        )
        count += len(rows["messages"])
        characters += sum(len(row["blocks"]) for row in rows["messages"])
        for table, more in rows.items():
            pending[table] += more
        if len(pending["messages"]) > _AT_ONCE:
            _insert(connection, pending)
    _insert(connection, pending)
    return characters, conversations


def _sizes(chance: random.Random, messages: int) -> Iterator[int]:
    """Turns of each conversation: most are short, some very long."""
    weights = [chance.lognormvariate(0, 1.1) for _ in range(max(1, messages // PER_CONVERSATION))]
    share = messages / 2 / sum(weights)
    left = messages // 2
    for place, weight in enumerate(weights):
        wanted = int(weight * share + chance.random())  # or what is lost by rounding would all be in the last
        turns = left if place == len(weights) - 1 else max(1, min(wanted, left - len(weights) + place))
        left -= turns
        yield turns


def _conversation(
    templates: dict[str, list[Row]], texts: Texts, *, number: int, turns: int, keys: set[int], at: float
) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {"conversations": [], "messages": [], "turns": [], "requests": []}
    id_, parent, chance = f"{number:032x}", None, texts.random
    for place in range(turns):
        at += chance.expovariate(1 / 120)
        turn_id = f"{number:020x}{place:012x}"
        prompt = _message(templates["messages"][0], f"p{turn_id}", id_, parent, text=texts.prompt(), at=at, keys=keys)
        reply = _message(
            templates["messages"][1], f"r{turn_id}", id_, prompt["id"], text=texts.reply(), at=at, keys=keys
        )
        rows["messages"] += [prompt, reply]
        model = chance.choice(_MODELS)
        rows["turns"].append(
            templates["turns"][0]
            | {"id": turn_id, "conversation_id": id_, "prompt_id": prompt["id"], "reply_id": reply["id"]}
            | {"model": model, "started_at": at, "server": "api.anthropic.com"}
        )
        usage = {"input_tokens": 400 * place + 20, "cache_read_input_tokens": 90 * place, "output_tokens": 150}
        rows["requests"].append(
            templates["requests"][0]
            | usage
            | {"turn_id": turn_id, "model": model, "usage": json.dumps(usage | {"service_tier": "standard"})}
        )
        # One in thirty is a version beside the last: its parent is that of the turn before.
        parent = parent if chance.random() < 1 / 30 else reply["id"]
    title = texts.prompt()[:60]
    last = rows["turns"][-1]
    rows["conversations"].append(
        templates["conversations"][0]
        | {"id": id_, "title": title, "created_at": rows["turns"][0]["started_at"], "updated_at": at}
        | {"current_message_id": last["reply_id"], "current_turn_id": last["id"], "pinned": number % 1_000 == 17}
    )
    return rows


def _message(template: Row, id_: str, owner: str, parent: str | None, *, text: str, at: float, keys: set[int]) -> Row:
    key = int(at * 10)
    while key in keys:
        key += 1
    keys.add(key)
    blocks = json.dumps([{"type": "text", "text": text}], ensure_ascii=False, separators=(",", ":"))
    known = {"id": id_, "conversation_id": owner, "parent_id": parent, "blocks": blocks}
    return template | known | {"created_at": at, "search_key": -key}


def _insert(connection: sqlite3.Connection, pending: dict[str, list[Row]]) -> None:
    with immediate(connection):
        connection.execute("PRAGMA defer_foreign_keys = ON")
        for table, rows in pending.items():
            if rows:
                names = ", ".join(rows[0])
                holes = ", ".join("?" * len(rows[0]))
                statement = f"INSERT INTO {table} ({names}) VALUES ({holes})"
                connection.executemany(statement, [tuple(row.values()) for row in rows])
                rows.clear()


def _index(connection: sqlite3.Connection) -> Iterator[float]:
    """Index everything; the seconds of each slice."""
    more = True
    while more:
        started = time.perf_counter()
        with immediate(connection):
            more = index.index_some(connection)
        yield time.perf_counter() - started


def _fill_peers(connection: sqlite3.Connection, path: Path) -> float:
    """The same texts as plain rows, and by trigrams; the seconds that the latter took."""
    spent = 0.0
    with closing(_open(path)) as peers:
        peers.execute("CREATE TABLE plain (key INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        peers.execute("CREATE VIRTUAL TABLE trigrams USING fts5 (text, content='', tokenize='trigram')")
        cursor = connection.execute("SELECT search_key, blocks FROM messages ORDER BY search_key")
        while rows := cursor.fetchmany(_AT_ONCE):
            texts = [(row["search_key"], json.loads(row["blocks"])[0]["text"]) for row in rows]
            with immediate(peers):
                peers.executemany("INSERT INTO plain (key, text) VALUES (?, ?)", texts)
                started = time.perf_counter()
                peers.executemany("INSERT INTO trigrams (rowid, text) VALUES (?, ?)", texts)
                spent += time.perf_counter() - started
        peers.execute("PRAGMA wal_checkpoint (TRUNCATE)")
    return spent
