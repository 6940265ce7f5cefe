"""Search in all that was ever said, newest first.

Why it exists: the index proposes messages, and the text of each says whether it fits, and shows where. Row ids of the index
grow with time, so a search ends as soon as it has enough. What is left is bounded by the clock: a phrase of words that stand
in every message but never side by side, say. Then what was found so far is the answer, and it says that there may be more.
It must not know threads.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tui_chat.conversation import Role
from tui_chat.listed import Found, Hit
from tui_chat.store import query
from tui_chat.store.index import indexed_share
from tui_chat.store.passages import passages
from tui_chat.store.query import Unit
from tui_chat.store.snippets import Snippet, snippet
from tui_chat.store.transactions import primary_code
from tui_chat.text import sanitise_line

SECONDS: Final = 0.075  # for 50 hits; whoever asks for more waits longer
_PATH_SECONDS: Final = 0.02  # for all paths; where they are longer the hits count as being on them
_STEPS: Final = 100  # of SQLite's machine between two looks at the clock: less than a millisecond
_AT_ONCE: Final = 100  # messages of a path
_MOST_TERMS: Final = 500  # that begin with two letters; there are some dozens
# CROSS: the index comes first, in its own order. A prompt is there as long as one of its turns is.
_CANDIDATES: Final = """
    SELECT messages.id, conversation_id, role, blocks, messages.created_at, title
    FROM found CROSS JOIN messages ON search_key = found.rowid CROSS JOIN conversations ON conversations.id = conversation_id
    WHERE found MATCH ? AND conversations.deletion_id IS NULL AND NOT continues AND CASE role
        WHEN 'user' THEN EXISTS (SELECT 1 FROM turns WHERE prompt_id = messages.id AND deletion_id IS NULL)
        ELSE EXISTS (SELECT 1 FROM turns WHERE reply_id = messages.id AND deletion_id IS NULL) END
    ORDER BY found.rowid DESC"""
# A loop among parents, which only damage could make, ends by the clock: UNION, which would see it, takes much longer.
_PATH: Final = """
    WITH RECURSIVE path (id, parent_id, created_at) AS (
        SELECT messages.id, parent_id, messages.created_at
        FROM conversations JOIN messages ON messages.id = current_message_id WHERE conversations.id = ?
        UNION ALL SELECT messages.id, messages.parent_id, messages.created_at
        FROM path JOIN messages ON messages.id = path.parent_id
    ) SELECT id, created_at FROM path"""


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that fits."""

    id: str
    conversation_id: str
    title: str
    role: Role
    at: float
    snippet: Snippet


def search(connection: sqlite3.Connection, text: str, limit: int = 50) -> Found:
    """The first `limit` messages that fit `text` (see `query`), newest first, and whether there may be more.

    After some 0.1 s for each 50 of `limit` it says `more`, whatever was found.
    """
    deadline = time.monotonic() + SECONDS * max(1.0, limit / 50)
    units = query.parse(text)
    conditions = [unit.condition(lambda start: _terms(connection, start)) for unit in units]
    condition = " AND ".join(each for each in conditions if each)
    share = indexed_share(connection)
    if not condition:
        return Found([], more=False, indexed=share)
    found: list[_Message] = []
    more = False
    with _until(deadline, connection) as late:
        for row in connection.execute(_CANDIDATES, (condition,)):
            if (shown := _shown(units, row["blocks"])) is not None:
                if len(found) == limit:
                    more = True
                    break
                found.append(_message(row, shown))
            if time.monotonic() > deadline:  # long texts take longer than the index
                late.append(True)
                break
    return Found(_hits(connection, found), more=more or bool(late), indexed=share)


def _message(row: sqlite3.Row, shown: Snippet) -> _Message:
    role: Role = "user" if row["role"] == "user" else "assistant"
    title = sanitise_line(row["title"])
    return _Message(row["id"], row["conversation_id"], title, role, row["created_at"], shown)


@contextmanager
def _until(deadline: float, connection: sqlite3.Connection) -> Iterator[list[bool]]:
    """Interrupt statements at `deadline`; then the block is left, and the list it was given is no longer empty."""
    late: list[bool] = []

    def is_late() -> bool:
        if time.monotonic() > deadline:
            late.append(True)
        return bool(late)

    connection.set_progress_handler(is_late, _STEPS)
    try:
        yield late
    except sqlite3.OperationalError as error:
        if not late or primary_code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, 0)


def _terms(connection: sqlite3.Connection, start: str) -> list[str]:
    """The terms of the index that begin with `start`.

    The table of single instances is asked for one after the other: it reads no more of a term than its first.
    """
    connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.found_terms USING fts5vocab (main, found, instance)")
    found: list[str] = []
    least = start
    while len(found) < _MOST_TERMS:
        row = connection.execute("SELECT term FROM temp.found_terms WHERE term >= ? LIMIT 1", (least,)).fetchone()
        if row is None or not row["term"].startswith(start):
            break
        found.append(row["term"])
        least = row["term"] + "\x01"  # behind this term, before all others
    return found


def _shown(units: Sequence[Unit], blocks: str) -> Snippet | None:
    try:
        return snippet(units, [query.Text(passage) for passage in passages(json.loads(blocks))])
    except (ValueError, RecursionError):  # damaged, or being erased
        return None


def _hits(connection: sqlite3.Connection, found: Sequence[_Message]) -> list[Hit]:
    """`found` with their turns, and whether those are on their conversations' current paths."""
    until = time.monotonic() + _PATH_SECONDS
    sought: dict[str, list[_Message]] = {}
    for message in found:
        sought.setdefault(message.conversation_id, []).append(message)
    paths = {conversation_id: _path(connection, messages, until) for conversation_id, messages in sought.items()}
    hits = []
    for message in found:
        path = paths[message.conversation_id]
        turn_id = _turn(connection, message, path)
        if turn_id is not None:
            line, marks = message.snippet
            hits.append(
                Hit(
                    conversation_id=message.conversation_id,
                    title=message.title,
                    turn_id=turn_id,
                    message_id=message.id,
                    role=message.role,
                    at=message.at,
                    snippet=line,
                    marks=marks,
                    on_path=message.id in path,
                )
            )
    return hits


def _path(connection: sqlite3.Connection, sought: Sequence[_Message], until: float) -> set[str]:
    """The ids of the current path of one conversation, from its end back to the oldest of the messages `sought` in it."""
    path: set[str] = set()
    ids, oldest = {message.id for message in sought}, min(message.at for message in sought)
    cursor = connection.execute(_PATH, (sought[0].conversation_id,))
    while rows := cursor.fetchmany(_AT_ONCE):
        path.update([row[0] for row in rows])
        if ids <= path or rows[-1][1] < oldest:  # what a message follows is older than the message
            break
        if time.monotonic() > until:
            return path | ids
    return path


def _turn(connection: sqlite3.Connection, message: _Message, path: set[str]) -> str | None:
    """The turn of a message; of several turns of one prompt that on the path, else the latest."""
    column = "prompt_id" if message.role == "user" else "reply_id"
    turns = connection.execute(
        f"""SELECT turns.id, reply_id, turns.id = current_turn_id AS is_current FROM turns
            JOIN conversations ON conversations.id = conversation_id
            WHERE {column} = ? AND turns.deletion_id IS NULL ORDER BY number DESC""",  # noqa: S608 - our own names
        (message.id,),
    ).fetchall()
    ranked = max(turns, key=lambda turn: (turn["reply_id"] in path, turn["is_current"] or 0), default=None)
    return None if ranked is None else str(ranked["id"])
