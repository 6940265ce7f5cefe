"""Rows into tables, inside a transaction that the caller holds.

Everything here may be done twice: a job whose await was cancelled has still run, so the caller may come again. It must not
know threads or the event loop.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui_chat.conversation import Message, Turn
from tui_chat.store import index, values
from tui_chat.store.keys import search_key
from tui_chat.store.owner import Owner
from tui_chat.text import storable

_ADD_CONVERSATION: Final = """
    INSERT INTO conversations (id, created_at, updated_at, title, title_from, model, system, effort, draft, queued, place,
        pinned, origin, side_requests)
    VALUES (:id, :created_at, :updated_at, :title, :title_from, :model, :system, :effort, :draft, :queued, :place,
        :pinned, :origin, :side_requests)
    ON CONFLICT (id) DO """
_UPDATE: Final = """UPDATE SET
    model = excluded.model, system = excluded.system, effort = excluded.effort,
    draft = excluded.draft, queued = excluded.queued, place = excluded.place,
    title = CASE WHEN {kept} THEN title ELSE excluded.title END,
    title_from = CASE WHEN {kept} THEN title_from ELSE excluded.title_from END"""
NEW_CONVERSATION: Final = _ADD_CONVERSATION + "NOTHING"
# A title given meanwhile, perhaps in another window, is not taken back by a turn that begins ...
BEGIN_CONVERSATION: Final = _ADD_CONVERSATION + _UPDATE.format(kept="title <> ''")
# ... nor one that the user gave by a window that does not know it: `rename` is the way to change it.
_SAVE_CONVERSATION: Final = _ADD_CONVERSATION + _UPDATE.format(kept="title_from = 'user' AND title <> ''")

_ADD_MESSAGE: Final = """
    INSERT INTO messages (id, conversation_id, parent_id, role, blocks, unfinished, created_at, continues, search_key)
    VALUES (:id, :conversation_id, :parent_id, :role, :blocks, :unfinished, :created_at, :continues, :search_key)"""


def save_conversation(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """What is kept beside the turns. Requests beside the talk are added to those of other windows."""
    connection.execute(_SAVE_CONVERSATION, row)
    add_side_requests(connection, row)


def add_side_requests(connection: sqlite3.Connection, row: Mapping[str, Any]) -> bool:
    """Store the requests of a conversation's row that are not stored yet; whether there were any."""
    if row["side_requests"] is None:
        return False
    query = "SELECT side_requests FROM conversations WHERE id = ?"
    known = values.side_requests_from(connection.execute(query, (row["id"],)).fetchone()[0])
    missing = [each for each in values.side_requests_from(row["side_requests"]) if each not in known]
    if missing:
        joined = values.side_requests_json([*known, *missing])
        connection.execute("UPDATE conversations SET side_requests = ? WHERE id = ?", (joined, row["id"]))
    return bool(missing)


def save_turn_start(connection: sqlite3.Connection, turn: Turn, owner: Owner) -> None:
    """The prompt and the running turn, which becomes the end of the current path; nothing if it is there already."""
    if _outcome(connection, turn.id) is not None:
        return
    row = values.running_row(turn, owner)
    if not _is_there(connection, row["prompt_id"]):  # versions share it
        add_message(connection, values.message_row(turn.conversation_id, turn.prompt))
    insert(connection, "turns", row)
    connection.execute(
        "UPDATE conversations SET current_message_id = :prompt_id, current_turn_id = :id,"
        " updated_at = max(updated_at, :started_at) WHERE id = :conversation_id",
        row,
    )


def save_turn_end(connection: sqlite3.Connection, turn: Turn) -> None:
    """The end of a turn that has its row: reply, requests, outcome. Its journal is no longer needed."""
    reply = turn.reply()
    if reply is not None:
        _save_reply(connection, turn.conversation_id, reply)
    row = values.ended_row(turn)
    assignments = ", ".join(f"{name} = :{name}" for name in row if name != "id")
    connection.execute(f"UPDATE turns SET {assignments} WHERE id = :id", row)  # noqa: S608 - our own column names
    connection.execute("DELETE FROM requests WHERE turn_id = ?", (row["id"],))
    for request in values.request_rows(turn):
        insert(connection, "requests", request)
    connection.execute("DELETE FROM journal WHERE turn_id = ?", (row["id"],))
    connection.execute(
        "UPDATE conversations SET updated_at = max(updated_at, ?)"
        " WHERE id = (SELECT conversation_id FROM turns WHERE id = ?)",
        (ended_at(turn), row["id"]),
    )
    if reply is not None:
        # Only if the path still ends at its prompt: a sibling that ended first, or a later turn, is not pushed away.
        connection.execute(
            "UPDATE conversations SET current_message_id = turns.reply_id, current_turn_id = turns.id"
            " FROM turns WHERE turns.id = ? AND conversations.id = turns.conversation_id"
            " AND current_message_id = turns.prompt_id",
            (row["id"],),
        )


def ended_at(turn: Turn) -> float:
    """The wall clock at the end of a turn."""
    started = values.seconds(turn.started)
    return values.seconds(turn.started_at) + (values.seconds(turn.ended or turn.started) - started)


def _save_reply(connection: sqlite3.Connection, conversation_id: str, reply: Message) -> None:
    row = values.message_row(conversation_id, reply)
    known = connection.execute("SELECT * FROM messages WHERE id = ?", (row["id"],)).fetchone()
    if known is None:
        add_message(connection, row)
    elif (known["blocks"], known["unfinished"]) != (row["blocks"], row["unfinished"]):
        index.unindex(connection, [known])  # or its old words would be found for ever
        connection.execute("UPDATE messages SET blocks = :blocks, unfinished = :unfinished WHERE id = :id", row)


def _is_there(connection: sqlite3.Connection, message_id: str) -> bool:
    return connection.execute("SELECT 1 FROM messages WHERE id = ?", (storable(message_id),)).fetchone() is not None


def add_message(connection: sqlite3.Connection, row: dict[str, Any]) -> None:
    """Insert a message that is not there; it waits to be indexed, with the negative of its key (see migrations)."""
    connection.execute(_ADD_MESSAGE, {**row, "search_key": -search_key(connection, row["created_at"])})


def save_missing(connection: sqlite3.Connection, parent_id: str | None, turns: Sequence[Turn], owner: Owner) -> None:
    """Store the ended turns that could not be stored when they ran (a full disk), so that `parent_id` exists."""
    if parent_id is None or _is_there(connection, parent_id):
        return
    for turn in turns:
        known = _outcome(connection, turn.id)
        if turn.outcome is not None and (known is None or not known[0]):
            save_turn_start(connection, turn, owner)
            save_turn_end(connection, turn)


def _outcome(connection: sqlite3.Connection, turn_id: str) -> tuple[str | None] | None:
    """The stored outcome in a tuple; None if the turn is not stored."""
    row = connection.execute("SELECT outcome FROM turns WHERE id = ?", (storable(turn_id),)).fetchone()
    return None if row is None else (row["outcome"],)


def insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """A row whose names are its columns."""
    names, holes = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({holes})", row)  # noqa: S608 - our own names
