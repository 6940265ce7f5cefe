"""The index of all words: messages go in some time after they were stored, a few at a time, and come out when erased.

Why it exists: indexing within a turn's own transaction would make every commit wait for it, and indexing a long history at
once would hold the database for minutes. A message waits with a `search_key` that is NULL or negative; its row id in the
index is the positive one, which grows with the time the message was made. So the newest are found first, and a search may
stop as soon as it has enough. The index holds no text: it is made from the message again whenever it is needed.

FTS5 merges its segments by itself, and at times all of a level in one go, which takes seconds. So it is told not to,
and every slice merges some pages. It must not know queries or threads.
"""

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from tui_chat.store import words
from tui_chat.store.keys import search_key
from tui_chat.store.passages import Kind, as_shown, verbatim

# The index's own idea of a word is not asked for: it is given words in ASCII and whatever else, separated by blanks.
CREATE: Final = (
    "CREATE VIRTUAL TABLE found USING fts5(words, content='', columnsize=0, tokenize='ascii')",
    "INSERT INTO found (found, rank) VALUES ('automerge', 0)",
    "INSERT INTO found (found, rank) VALUES ('crisismerge', 1000)",
)
REBUILD: Final = (  # for a migration that comes with other words, passages or lengths
    "INSERT INTO found (found) VALUES ('delete-all')",
    "UPDATE messages SET search_key = -search_key WHERE search_key > 0",
)
SLICE: Final = 8_000  # characters of stored messages: some milliseconds
LONGEST: Final = 200_000  # characters of one message; the rest is not found: it would hold the database for too long
_PAGES: Final = 16  # merged after each slice; with fewer a long import outruns the merging
_COUNTED: Final = 1_000  # messages that wait
_WAIT: Final = "FROM messages WHERE search_key IS NULL OR search_key < 0"  # as the index messages_to_index has it
_WAITING: Final = f"SELECT number, search_key, blocks, created_at, continues {_WAIT} ORDER BY number DESC"


def index_some(connection: sqlite3.Connection, limit: int = SLICE) -> bool:
    """Index some of the messages that wait, newest first, inside a write transaction; whether anything is left to do.

    `limit` is in characters of their blocks; one message is taken whatever its length, but only `LONGEST` characters of it
    are indexed: first of its text, then of its thinking, then of what tools were given and gave. Where none waits, segments
    of the index are merged.
    """
    taken, total = [], 0
    cursor = connection.execute(_WAITING)
    for row in cursor:
        taken.append(row)
        total += len(row["blocks"])
        if total >= limit:
            break
    cursor.close()
    for row in taken:
        _index(connection, row)
    return merge_some(connection) or bool(taken)


def _index(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    key = -row["search_key"] if row["search_key"] else search_key(connection, row["created_at"])
    if terms := _terms(row):
        connection.execute("INSERT INTO found (rowid, words) VALUES (?, ?)", (key, terms))
    connection.execute("UPDATE messages SET search_key = ? WHERE number = ?", (key, row["number"]))


def unindex(connection: sqlite3.Connection, rows: Iterable[sqlite3.Row]) -> None:
    """Take messages out of the index, as long as their blocks are as they were indexed; they wait again.

    `rows` have the columns number, search_key, blocks and continues. What is taken out stays in the index's pages until
    they have been merged.
    """
    for row in rows:
        if row["search_key"] is None or row["search_key"] < 0:
            continue
        if terms := _terms(row):
            connection.execute(
                "INSERT INTO found (found, rowid, words) VALUES ('delete', ?, ?)", (row["search_key"], terms)
            )
        connection.execute("UPDATE messages SET search_key = -search_key WHERE number = ?", (row["number"],))


def _terms(row: sqlite3.Row) -> str:
    if row["continues"]:  # the program's own words: nobody looks for them
        return ""
    try:
        found = verbatim(json.loads(row["blocks"]))
    except (ValueError, RecursionError):  # damaged: the others must not wait for it for ever
        return ""
    texts: dict[Kind, list[str]] = {"text": [], "thinking": [], "tool": []}
    left = LONGEST
    for kind, chosen in texts.items():  # what was said goes first, then what was thought
        for passage in found:
            if passage.kind == kind and left > 0:
                chosen.append(as_shown(passage.text[:left]))
                left -= len(passage.text)
    return words.terms(texts["text"] + texts["thinking"], texts["tool"])


def merge_some(connection: sqlite3.Connection, pages: int = _PAGES) -> bool:
    """Merge about that many pages of the index, where it has become slow by many small segments; whether it did.

    A negative number begins to merge all segments into one, which positive ones go on with.
    """
    before = connection.total_changes
    connection.execute("INSERT INTO found (found, rank) VALUES ('merge', ?)", (pages,))
    return connection.total_changes - before > 1  # SQLite's documentation says so


def indexed_share(connection: sqlite3.Connection) -> float:
    """The share (0 to 1) of all messages that is in the index; roughly, where many wait: counting them would take long."""
    waiting = connection.execute(f"SELECT count(*) FROM (SELECT 1 {_WAIT} LIMIT ?)", (_COUNTED,)).fetchone()[0]  # noqa: S608 - constants only
    if not waiting:
        return 1.0
    total = connection.execute("SELECT max(number) FROM messages").fetchone()[0]
    if waiting == _COUNTED:  # the newest are taken first, so those that are left follow one another
        first, last = (
            connection.execute(f"SELECT number {_WAIT} ORDER BY number {order} LIMIT 1").fetchone()[0]
            for order in ("ASC", "DESC")
        )
        waiting = last - first + 1
    return max(0.0, 1.0 - float(waiting / total))
