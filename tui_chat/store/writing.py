"""Rows into tables, inside a transaction that the caller holds.

Everything here may be done twice: a job whose await was cancelled has still run, so the caller may come again. It must not
know threads or the event loop.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from tui_chat.conversation import Turn
from tui_chat.store import values
from tui_chat.store.owner import Owner

_ADD_CONVERSATION: Final = """
    INSERT INTO conversations (id, created_at, updated_at, title, model, system, effort, draft, queued)
    VALUES (:id, :created_at, :updated_at, :title, :model, :system, :effort, :draft, :queued)
    ON CONFLICT (id) DO """
_UPDATE: Final = """UPDATE SET
    model = excluded.model, system = excluded.system, effort = excluded.effort,
    draft = excluded.draft, queued = excluded.queued, title = """
NEW_CONVERSATION: Final = _ADD_CONVERSATION + "NOTHING"
SAVE_CONVERSATION: Final = _ADD_CONVERSATION + _UPDATE + "excluded.title"
# A title given meanwhile, perhaps in another window, is not taken back by a turn that begins.
BEGIN_CONVERSATION: Final = _ADD_CONVERSATION + _UPDATE + "CASE title WHEN '' THEN excluded.title ELSE title END"

_ADD_MESSAGE: Final = """
    INSERT INTO messages (id, conversation_id, parent_id, role, blocks, unfinished, created_at, continues)
    VALUES (:id, :conversation_id, :parent_id, :role, :blocks, :unfinished, :created_at, :continues)
    ON CONFLICT (id) DO """
_ADD_PROMPT: Final = _ADD_MESSAGE + "NOTHING"  # siblings share it
_ADD_REPLY: Final = _ADD_MESSAGE + "UPDATE SET blocks = excluded.blocks, unfinished = excluded.unfinished"


def save_turn_start(connection: sqlite3.Connection, turn: Turn, owner: Owner) -> None:
    """The prompt and the running turn, which becomes the end of the current path; nothing if it is there already."""
    if _outcome(connection, turn.id) is not None:
        return
    connection.execute(_ADD_PROMPT, values.message_row(turn.conversation_id, turn.prompt))
    _insert(connection, "turns", values.running_row(turn, owner))
    connection.execute(
        "UPDATE conversations SET current_message_id = ?, updated_at = max(updated_at, ?) WHERE id = ?",
        (turn.prompt.id, turn.started_at, turn.conversation_id),
    )


def save_turn_end(connection: sqlite3.Connection, turn: Turn) -> None:
    """The end of a turn that has its row: reply, requests, outcome. Its journal is no longer needed."""
    reply = turn.reply()
    if reply is not None:
        connection.execute(_ADD_REPLY, values.message_row(turn.conversation_id, reply))
    row = values.ended_row(turn)
    assignments = ", ".join(f"{name} = :{name}" for name in row if name != "id")
    connection.execute(f"UPDATE turns SET {assignments} WHERE id = :id", row)  # noqa: S608 - our own column names
    connection.execute("DELETE FROM requests WHERE turn_id = ?", (turn.id,))
    for request in values.request_rows(turn):
        _insert(connection, "requests", request)
    connection.execute("DELETE FROM journal WHERE turn_id = ?", (turn.id,))
    connection.execute(
        "UPDATE conversations SET updated_at = max(updated_at, ?) WHERE id = ?",
        (turn.started_at + ((turn.ended or turn.started) - turn.started), turn.conversation_id),
    )
    if reply is not None:
        # Only if the path still ends at its prompt: a sibling that ended first, or a later turn, is not pushed away.
        connection.execute(
            "UPDATE conversations SET current_message_id = ? WHERE id = ? AND current_message_id = ?",
            (reply.id, turn.conversation_id, turn.prompt.id),
        )


def save_missing(connection: sqlite3.Connection, parent_id: str | None, turns: Sequence[Turn], owner: Owner) -> None:
    """Store the ended turns that could not be stored when they ran (a full disk), so that `parent_id` exists."""
    if parent_id is None or connection.execute("SELECT 1 FROM messages WHERE id = ?", (parent_id,)).fetchone():
        return
    for turn in turns:
        known = _outcome(connection, turn.id)
        if turn.outcome is not None and (known is None or not known[0]):
            save_turn_start(connection, turn, owner)
            save_turn_end(connection, turn)


def _outcome(connection: sqlite3.Connection, turn_id: str) -> tuple[str | None] | None:
    """The stored outcome in a tuple; None if the turn is not stored."""
    row = connection.execute("SELECT outcome FROM turns WHERE id = ?", (turn_id,)).fetchone()
    return None if row is None else (row["outcome"],)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names, holes = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({holes})", row)  # noqa: S608 - our own names
