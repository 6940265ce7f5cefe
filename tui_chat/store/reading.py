"""Tables to values, inside one snapshot that the caller holds.

It must not know threads or the event loop, and it changes nothing: a turn that another process is writing is shown as its
journal stands and left alone.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from tui_chat.conversation import Conversation, ConversationSummary, Message, Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import ApprovalAnswered, ToolEnded, ToolSkipped, TurnEnded
from tui_chat.store import journal, owner, values
from tui_chat.turns import apply

# UNION, not UNION ALL: a loop among parents, which only damage could make, ends.
_PATH: Final = """
    WITH RECURSIVE path (id) AS (
        SELECT current_message_id FROM conversations WHERE id = :id
        UNION SELECT parent_id FROM messages JOIN path USING (id) WHERE parent_id IS NOT NULL
    ), turns_on_path AS (SELECT * FROM turns WHERE prompt_id IN (SELECT id FROM path))
"""
_MESSAGES: Final = f"""{_PATH}
    SELECT *, id IN (SELECT id FROM path) AS on_path FROM messages
    WHERE id IN (SELECT id FROM path UNION SELECT reply_id FROM turns_on_path)"""  # noqa: S608 - constants only
_TURNS: Final = f"{_PATH} SELECT * FROM turns_on_path ORDER BY number"  # noqa: S608 - constants only
_SUMMARY: Final = """
    SELECT id, title, updated_at, (SELECT count(*) FROM turns WHERE conversation_id = conversations.id) AS turn_count
    FROM conversations """
CRASHED: Final = "The program ended before this call was done; it may have run or not."
_HIGHEST: Final = "\U0010ffff"


def load(connection: sqlite3.Connection, conversation_id: str) -> Conversation | None:
    """The conversation with the turns of its current path, from first to last; None if there is none."""
    head = connection.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if head is None:
        return None
    rows = {row["id"]: row for row in connection.execute(_MESSAGES, {"id": conversation_id})}
    by_prompt: dict[str, list[sqlite3.Row]] = {}
    for row in connection.execute(_TURNS, {"id": conversation_id}):
        by_prompt.setdefault(row["prompt_id"], []).append(row)
    turns = [
        _turn(connection, _on_path(by_prompt[message["id"]], rows), rows)
        for message in _path(rows, head["current_message_id"])
        if message["id"] in by_prompt
    ]
    return values.conversation_from(head, turns)


def _path(rows: dict[str, sqlite3.Row], leaf: str | None) -> list[sqlite3.Row]:
    """The messages from the first to `leaf`."""
    path: list[sqlite3.Row] = []
    remaining = dict(rows)
    here = leaf
    while here is not None and here in remaining:
        path.append(remaining.pop(here))
        here = path[-1]["parent_id"]
    return path[::-1]


def _on_path(siblings: list[sqlite3.Row], messages: dict[str, sqlite3.Row]) -> sqlite3.Row:
    """Of the turns of one prompt the one whose reply is on the path; else the latest without a reply; else the latest."""

    def rank(row: sqlite3.Row) -> tuple[bool, bool, int]:
        reply = messages.get(row["reply_id"])
        return reply is not None and bool(reply["on_path"]), reply is None, row["number"]

    return max(siblings, key=rank)


def _turn(connection: sqlite3.Connection, row: sqlite3.Row, messages: dict[str, sqlite3.Row]) -> Turn:
    prompt = values.message_from(messages[row["prompt_id"]])
    if row["outcome"] is None:
        turn, _ = _from_journal(connection, row, prompt)
        values.on_own_clock(turn)
        return turn
    requests = connection.execute("SELECT * FROM requests WHERE turn_id = ? ORDER BY position", (row["id"],)).fetchall()
    reply = messages.get(row["reply_id"])
    return values.turn_from(row, prompt, requests, None if reply is None else values.message_from(reply))


def _from_journal(connection: sqlite3.Connection, row: sqlite3.Row, prompt: Message) -> tuple[Turn, float]:
    """A running turn on its writer's clock, and the stamp of the last thing known of it."""
    turn = values.turn_from(row, prompt, (), None)
    turn.started = row["started"]
    return turn, journal.replay(connection, turn)


def abandoned(connection: sqlite3.Connection, me: owner.Owner, now: float) -> list[sqlite3.Row]:
    """The rows of running turns whose writer is certainly gone; `now` is wall clock."""

    def is_gone(row: sqlite3.Row) -> bool:
        writer = owner.Owner(row["owner_pid"], row["owner_started"], row["owner_boot"], row["owner_namespace"])
        return owner.is_gone(writer, me, now - row["started_at"])

    running = connection.execute("SELECT * FROM turns WHERE outcome IS NULL ORDER BY number").fetchall()
    return [row for row in running if is_gone(row)]


def interrupted(connection: sqlite3.Connection, row: sqlite3.Row) -> Turn:
    """The turn of an abandoned row, ended as failed where its journal ends; its text is its reply."""
    prompt = connection.execute("SELECT * FROM messages WHERE id = ?", (row["prompt_id"],)).fetchone()
    turn, at = _from_journal(connection, row, values.message_from(prompt))
    request = turn.request
    for call in turn.request.calls.values() if turn.request is not None else ():
        if call.waiting:
            apply(turn, ApprovalAnswered(at, call.tool_use_id, allow=False))
        if call.result is None and call.started is not None:
            apply(turn, ToolEnded(at, call.tool_use_id, CRASHED, is_error=True))
        elif call.result is None:
            apply(turn, ToolSkipped(at, call.tool_use_id, "cancelled", CRASHED))
    turn.in_context = turn.in_context and turn.is_answered  # an unanswered prompt would be answered with the next
    apply(
        turn,
        TurnEnded(
            at,
            Outcome.FAILED,
            request.stop_reason if request else None,
            turn.usage.fields,
            usage_is_final=turn.counts_are_final,
            error=Failure("interrupted", ""),
        ),
    )
    return turn


def summaries_by_prefix(connection: sqlite3.Connection, prefix: str) -> list[ConversationSummary]:
    """The conversations whose id begins with `prefix`, newest first."""
    query = _SUMMARY + "WHERE id >= ? AND id < ? ORDER BY updated_at DESC, id DESC"
    return _summaries(connection.execute(query, (prefix, prefix + _HIGHEST)))


def latest_summaries(connection: sqlite3.Connection, limit: int) -> list[ConversationSummary]:
    """The `limit` conversations with the newest turns, newest first."""
    return _summaries(connection.execute(_SUMMARY + "ORDER BY updated_at DESC, id DESC LIMIT ?", (limit,)))


def _summaries(rows: Iterable[sqlite3.Row]) -> list[ConversationSummary]:
    return [ConversationSummary(row["id"], row["title"], row["updated_at"], row["turn_count"]) for row in rows]


def latest_prompts(connection: sqlite3.Connection, limit: int) -> list[str]:
    """The texts of the `limit` latest prompts, newest first, each once; instructions to go on were typed by nobody."""
    texts: dict[str, None] = {}
    query = "SELECT messages.* FROM turns JOIN messages ON messages.id = prompt_id WHERE NOT continues"
    query += " ORDER BY started_at DESC, turns.number DESC"
    for row in connection.execute(query):
        if len(texts) >= limit:
            break
        if text := values.message_from(row).text:
            texts.setdefault(text)
    return list(texts)
