"""Copies of conversations: forks, duplicates, and trees that come from elsewhere.

Why it exists: a copy has ids of its own and costs nothing, since its turns say whose copies they are; a tree that is taken
in keeps its ids, so that taking it in again adds only what is new. Everything here runs inside one transaction that the
caller holds. It must not know files or formats.
"""

import dataclasses
import heapq
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from tui_chat.conversation import Conversation, Outcome, Tree, Turn
from tui_chat.errors import Failure, StoreError
from tui_chat.ids import new_id
from tui_chat.store import erasing, reading, tree, values, writing
from tui_chat.store.owner import Owner
from tui_chat.text import storable

Added = Literal["added", "updated", "known"]

_OWN: Final = ("number", "deletion_id")  # columns that a copy does not take over


def duplicate(connection: sqlite3.Connection, conversation_id: str, copy_id: str) -> None:
    """Copy a conversation with all its branches to the new id `copy_id`."""
    head, branches = _source(connection, conversation_id)
    live = [node for node in branches.nodes.values() if node.is_live]
    path = branches.current(head["current_turn_id"])
    origin = {"source": "duplicate", "id": conversation_id}
    _copy(connection, head, copy_id, f"{head['title']} (copy)", origin, draft=head["draft"])
    _copy_turns(connection, copy_id, live, path[-1] if path else None)


def fork(connection: sqlite3.Connection, conversation_id: str, turn_id: str, copy_id: str, *, with_reply: bool) -> None:
    """Copy the path that leads to a turn to the new id `copy_id`; the turn itself only `with_reply`."""
    head, branches = _source(connection, conversation_id)
    path = [node for node in branches.path(turn_id) if node.is_live]
    if not path or path[-1].id != turn_id:
        raise StoreError("that part of the conversation is gone, or was never stored")
    if not with_reply:
        path.pop()
    if any(node.is_running for node in path):
        raise StoreError("a reply on the way there is still running", "wait for its end, or stop it")
    origin = {"source": "fork", "id": conversation_id, "turn_id": turn_id}
    _copy(connection, head, copy_id, f"{head['title']} (fork)", origin, draft="")
    _copy_turns(connection, copy_id, path, path[-1] if path else None)


def _source(connection: sqlite3.Connection, conversation_id: str) -> tuple[sqlite3.Row, tree.Branches]:
    head = reading.head(connection, conversation_id)
    if head is None:
        raise StoreError(erasing.GONE)
    return head, tree.branches(connection, conversation_id)


def _copy(
    connection: sqlite3.Connection, head: sqlite3.Row, copy_id: str, title: str, origin: dict[str, str], *, draft: str
) -> None:
    now = time.time()
    copy = Conversation(copy_id, now, title.strip(), head["model"], head["system"], head["effort"], draft)
    copy.title_from, copy.origin = head["title_from"], origin
    connection.execute(writing.NEW_CONVERSATION, values.conversation_row(copy))


def _copy_turns(
    connection: sqlite3.Connection, copy_id: str, nodes: Sequence[tree.Node], last: tree.Node | None
) -> None:
    """Copy turns, parents before children; a running one is left out, with what follows it."""
    messages: dict[str | None, str | None] = {None: None}
    turns: dict[str, str] = {}
    for node in nodes:
        if node.is_running or node.after not in messages:
            continue
        turns[node.id] = new_id()
        reply_id = new_id()
        if node.prompt_id not in messages:
            messages[node.prompt_id] = new_id()
            _copy_message(connection, copy_id, node.prompt_id, messages)
        if node.is_answered:
            messages[node.reply_id] = reply_id
            _copy_message(connection, copy_id, node.reply_id, messages)
        row = _row(connection, "turns", node.id)
        row |= {"id": turns[node.id], "conversation_id": copy_id, "copy_of": row["copy_of"] or node.id}
        writing.insert(connection, "turns", row | {"prompt_id": messages[node.prompt_id], "reply_id": reply_id})
        for request in connection.execute("SELECT * FROM requests WHERE turn_id = ? ORDER BY position", (node.id,)):
            writing.insert(connection, "requests", dict(request) | {"turn_id": turns[node.id]})
    if last is not None and last.id in turns:
        tree.set_current(connection, copy_id, tree.branches(connection, copy_id).nodes[turns[last.id]])


def _row(connection: sqlite3.Connection, table: str, id_: str) -> dict[str, Any]:
    row = connection.execute(f"SELECT * FROM {table} WHERE id = ?", (id_,)).fetchone()  # noqa: S608 - two names
    return {name: row[name] for name in row.keys() if name not in _OWN}  # noqa: SIM118 - a Row iterates over values


def _copy_message(
    connection: sqlite3.Connection, copy_id: str, message_id: str, copies: dict[str | None, str | None]
) -> None:
    row = _row(connection, "messages", message_id)
    row |= {"id": copies[message_id], "conversation_id": copy_id, "parent_id": copies[row["parent_id"]]}
    writing.add_message(connection, row)


# Trees from elsewhere ----------------------------------------------------------------------------------------------


def add(connection: sqlite3.Connection, given: Tree, me: Owner) -> Added:
    """Take in a conversation. Of one that is there only what is missing is added, and nothing in it is changed.

    One that is deleted but not yet erased comes back first. A turn without an end is ended as interrupted.

    Raises:
        StoreError: a parent is nowhere to be found, or an id belongs to another conversation; nothing was changed.

    """
    row = values.conversation_row(given.conversation)
    conversation_id = row["id"]
    _check_ids(connection, given, conversation_id)
    before = connection.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    is_new = before is None or before["deletion_id"] is not None
    erasing.make_way(connection, conversation_id, None)
    connection.execute(writing.NEW_CONVERSATION, row)
    changed = writing.add_side_requests(connection, row)
    path = _path(tree.branches(connection, conversation_id), before)
    for turn in _parents_first(given.turns):
        changed = _add_turn(connection, turn, me) or changed
    erasing.revive(connection, conversation_id, [storable(turn.id) for turn in given.turns])
    if changed or is_new:
        _lead_on(connection, conversation_id, given.current_turn_id, path)
    return "added" if is_new else "updated" if changed else "known"


def _path(branches: tree.Branches, head: sqlite3.Row | None) -> list[str]:
    """The turns of the stored path."""
    return [] if head is None else [node.id for node in branches.current(head["current_turn_id"])]


def _lead_on(connection: sqlite3.Connection, conversation_id: str, wanted: str | None, path: Sequence[str]) -> None:
    """Let the path end where the given one does if it goes on from the stored one; else let it be where it was."""
    branches = tree.branches(connection, conversation_id)
    ids = [node.id for node in branches.path(values.plain(wanted) or "") if node.is_live]
    if not ids:
        ids = [node.id for node in branches.current(None)] if not path else []
    target = ids if ids[: len(path)] == list(path) else path
    if target:
        tree.set_current(connection, conversation_id, branches.nodes[target[-1]])


def _check_ids(connection: sqlite3.Connection, given: Tree, conversation_id: str) -> None:
    """Ids are unique in the whole database: what is there under one of these must be of this conversation."""
    for turn in given.turns:
        row = values.running_row(turn, Owner(0))
        owners = connection.execute(
            "SELECT conversation_id FROM turns WHERE :id = id OR :reply_id = reply_id UNION ALL"
            " SELECT conversation_id FROM messages WHERE id IN (:prompt_id, :reply_id, :parent_id)",
            {**row, "parent_id": values.plain(turn.prompt.parent_id)},
        )
        strangers = {each["conversation_id"] for each in owners} - {conversation_id}
        if strangers or row["conversation_id"] != conversation_id:
            raise StoreError("an id of this conversation belongs to another one")


def _parents_first(turns: Sequence[Turn]) -> Iterator[Turn]:
    """The turns in their order, but none before the turn that it follows."""
    made = {id_ for turn in turns for id_ in (turn.prompt.id, turn.reply_id)}
    waiting: dict[str, list[int]] = {}
    ready: list[int] = []
    for at, turn in enumerate(turns):
        parent = turn.prompt.parent_id
        if parent in made:
            waiting.setdefault(parent, []).append(at)
        else:  # the first, or it follows what is stored
            ready.append(at)
    while ready:
        turn = turns[heapq.heappop(ready)]
        yield turn
        for id_ in (turn.prompt.id, turn.reply_id):
            for at in waiting.pop(id_, ()):
                heapq.heappush(ready, at)
    if waiting:
        raise StoreError("the turns of this conversation follow each other in a circle")


def _add_turn(connection: sqlite3.Connection, turn: Turn, me: Owner) -> bool:
    """Store a turn if it is missing, or its reply if only that is; whether anything was."""
    row = values.running_row(turn, me)
    erasing.make_way(connection, row["conversation_id"], values.plain(turn.prompt.parent_id))
    known = connection.execute(
        "SELECT outcome, deletion_id, EXISTS (SELECT 1 FROM messages WHERE id = reply_id) AS is_answered"
        " FROM turns WHERE id = ?",
        (row["id"],),
    ).fetchone()
    if known is not None and known["deletion_id"] is not None:
        return True
    if known is not None and (known["outcome"] is None or known["is_answered"] or turn.reply() is None):
        return False
    ended = turn if turn.outcome is not None else _interrupted(turn)
    writing.save_turn_start(connection, ended, me)
    writing.save_turn_end(connection, ended)
    return True


def _interrupted(turn: Turn) -> Turn:
    last = turn.request.stamps.last_bytes if turn.request is not None else None
    ended = turn.ended or last or turn.started
    return dataclasses.replace(turn, outcome=Outcome.FAILED, error=Failure("interrupted", ""), ended=ended)
