"""Tables to values, inside one snapshot that the caller holds.

It must not know threads or the event loop, and it changes nothing: a turn that another process is writing is shown as its
journal stands and left alone.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from tui_chat.conversation import Conversation, Message, Outcome, Tree, Turn
from tui_chat.errors import Failure
from tui_chat.events import ApprovalAnswered, ToolEnded, ToolSkipped, TurnEnded
from tui_chat.store import journal, owner, tree, values
from tui_chat.turns import apply

CRASHED: Final = "The program ended before this call was done; it may have run or not."


def load(connection: sqlite3.Connection, conversation_id: str) -> Conversation | None:
    """The conversation with the turns of its current path, from first to last; None if there is none."""
    row = head(connection, conversation_id)
    if row is None:
        return None
    branches = tree.branches(connection, conversation_id)
    path = branches.current(row["current_turn_id"])
    conversation = values.conversation_from(row, turns(connection, path))
    conversation.versions = tree.versions_on(path, branches)
    return conversation


def load_tree(connection: sqlite3.Connection, conversation_id: str) -> Tree | None:
    """The conversation with its turns on all branches; None if there is none."""
    row = head(connection, conversation_id)
    if row is None:
        return None
    branches = tree.branches(connection, conversation_id)
    live = [node for node in branches.nodes.values() if node.is_live]
    current = branches.current(row["current_turn_id"])
    found = turns(connection, live)
    return Tree(values.conversation_from(row, []), found, current[-1].id if current else None)


def load_turn(connection: sqlite3.Connection, turn_id: str) -> Turn | None:
    """One turn, deleted or not; None if there is none."""
    is_there = connection.execute("SELECT 1 FROM turns WHERE id = ?", (turn_id,)).fetchone() is not None
    return _turn(connection, turn_id) if is_there else None


def load_branch(
    connection: sqlite3.Connection, conversation_id: str, turn_id: str
) -> tuple[list[Turn], dict[str, tuple[str, ...]]]:
    """The turns from `turn_id` to the newest leaf below it, and the versions at their places; empty if it is gone."""
    branches = tree.branches(connection, conversation_id)
    node = branches.nodes.get(turn_id)
    leaf = branches.newest_leaf(turn_id) if node is not None and node.is_live else None
    path = [] if leaf is None else branches.path(leaf.id)
    path = path[[each.id for each in path].index(turn_id) :] if path else []
    return turns(connection, path), tree.versions_on(path, branches)


def exists(connection: sqlite3.Connection, conversation_id: str) -> bool:
    """Whether there is a row of it, deleted or not."""
    query = "SELECT 1 FROM conversations WHERE id = ?"
    return connection.execute(query, (conversation_id,)).fetchone() is not None


def head(connection: sqlite3.Connection, conversation_id: str) -> sqlite3.Row | None:
    """The row of a conversation that is not deleted."""
    query = "SELECT * FROM conversations WHERE id = ? AND deletion_id IS NULL"
    row: sqlite3.Row | None = connection.execute(query, (conversation_id,)).fetchone()
    return row


def turns(connection: sqlite3.Connection, nodes: Iterable[tree.Node]) -> list[Turn]:
    """The turns of `nodes`, each with all that belongs to it."""
    return [_turn(connection, node.id) for node in nodes]


def _turn(connection: sqlite3.Connection, turn_id: str) -> Turn:
    row = connection.execute("SELECT * FROM turns WHERE id = ?", (turn_id,)).fetchone()
    prompt = values.message_from(_message(connection, row["prompt_id"]))
    if row["outcome"] is None:
        turn, _ = _from_journal(connection, row, prompt)
        values.on_own_clock(turn)
        return turn
    requests = connection.execute("SELECT * FROM requests WHERE turn_id = ? ORDER BY position", (row["id"],)).fetchall()
    reply = _message(connection, row["reply_id"])
    return values.turn_from(row, prompt, requests, None if reply is None else values.message_from(reply))


def _message(connection: sqlite3.Connection, message_id: str) -> Any:
    return connection.execute("SELECT * FROM messages WHERE id = ?", (message_id,)).fetchone()


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
    turn, at = _from_journal(connection, row, values.message_from(_message(connection, row["prompt_id"])))
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


def all_ids(connection: sqlite3.Connection) -> list[str]:
    """The ids of all conversations, oldest first."""
    query = "SELECT id FROM conversations WHERE deletion_id IS NULL ORDER BY created_at, id"
    return [row["id"] for row in connection.execute(query)]


def latest_prompts(connection: sqlite3.Connection, limit: int) -> list[str]:
    """The texts of the `limit` latest prompts, newest first, each once; instructions to go on were typed by nobody."""
    texts: dict[str, None] = {}
    query = """
        SELECT messages.* FROM turns JOIN messages ON messages.id = prompt_id
            JOIN conversations ON conversations.id = turns.conversation_id
        WHERE NOT continues AND turns.deletion_id IS NULL AND conversations.deletion_id IS NULL
        ORDER BY started_at DESC, turns.number DESC"""
    for row in connection.execute(query):
        if len(texts) >= limit:
            break
        if text := values.message_from(row).text:
            texts.setdefault(text)
    return list(texts)
