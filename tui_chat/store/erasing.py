"""Deleting: marks that can be undone, and erasing what nobody can bring back any more.

Why it exists: what is deleted must come back as it was while its deleter runs, and be unreadable afterwards: in the rows,
the index, the free space of the file, its log and the copies beside it. A deletion goes through stages, each made of
slices, so that neither a commit nor the end of the program waits long:

    marked     rows carry its id; `restore` and a turn that begins there (`revive`) take it off again
    blanking   its texts leave the index and are overwritten in place
    removing   the rows go, last turn first
    merging    the index is merged until no entry of a removed message is left in any of its segments
    sweeping   the file is compacted, its log emptied (this and the next not here: see sweeping.py)
    copies     it is taken out of the copies beside the database; then the deletion itself is forgotten

Texts are overwritten before any row goes, because removing one row may move its neighbours to another page and leave a
copy of them behind, which nothing would overwrite later. Everything here runs inside a transaction that the caller holds.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from tui_chat.errors import StoreError
from tui_chat.store import index, owner, tree, values

GONE: Final = "that conversation is gone"

_AT_ONCE: Final = 20  # turns or messages that are looked up together
_MERGED_PAGES: Final = 16  # pages of the index a step
_JSON: Final = "substr({0}, 1, 1) || printf('%*s', length(CAST({0} AS BLOB)) - 2, '') || substr({0}, -1)"
_TEXT: Final = "printf('%*s', length(CAST({0} AS BLOB)), '')"
_TEXTS: Final[dict[str, tuple[str, dict[str, str]]]] = {  # of what: the key, and how each text is overwritten
    "messages": ("id", {"blocks": _JSON}),
    "turns": ("id", {"error": _TEXT, "stop_reason": _TEXT}),
    "requests": ("turn_id", dict.fromkeys(("blocks", "calls", "unknown_events", "fields", "stop_details"), _JSON)),
    "journal": ("turn_id", {"event": _TEXT}),
    "conversations": (
        "id",
        dict.fromkeys(("title", "draft", "system", "place"), _TEXT)
        | dict.fromkeys(("queued", "origin", "side_requests"), _JSON),
    ),
}

Stop = Callable[[], bool]  # whether the slice has lasted long enough


# Marks -------------------------------------------------------------------------------------------------------------


def delete_conversation(connection: sqlite3.Connection, deletion: dict[str, Any]) -> str:
    """Mark a conversation; returns the id of its deletion, which is another one if it was deleted before."""
    row = connection.execute(
        "SELECT deletion_id FROM conversations WHERE id = ?", (deletion["conversation_id"],)
    ).fetchone()
    if row is None:
        raise StoreError(GONE)
    if row["deletion_id"] is not None:
        return str(row["deletion_id"])
    connection.execute("UPDATE conversations SET deletion_id = :id WHERE id = :conversation_id", deletion)
    _add(connection, deletion)
    return str(deletion["id"])


def delete_branch(connection: sqlite3.Connection, deletion: dict[str, Any]) -> str:
    """Mark a turn and all that follows it, and take the current path off it: to the version before it, or the turn before.

    Returns the id of its deletion, which is another one if it was deleted before.
    """
    conversation_id, turn_id = deletion["conversation_id"], deletion["turn_id"]
    branches = tree.branches(connection, conversation_id)
    node = branches.nodes.get(turn_id)
    if node is None:
        raise StoreError("that part of the conversation is gone")
    if node.deletion_id is not None:
        return node.deletion_id
    below = {each.id for each in branches.below(turn_id) if each.is_live}
    connection.executemany("UPDATE turns SET deletion_id = ? WHERE id = ?", [(deletion["id"], each) for each in below])
    before = after = _current(connection, conversation_id)
    if before in below:
        elsewhere = _instead_of(tree.branches(connection, conversation_id), node)
        tree.set_current(connection, conversation_id, elsewhere)
        after = None if elsewhere is None else elsewhere.id
    _add(connection, {**deletion, "current_before": before, "current_after": after})
    return str(deletion["id"])


def _instead_of(branches: tree.Branches, node: tree.Node) -> tree.Node | None:
    """Where the path leads when `node` is gone."""
    versions = [branches.nodes[each] for each in branches.versions(node)]
    earlier = [each for each in versions if each.number < node.number]
    if versions:
        return branches.newest_leaf((earlier or versions[:1])[-1].id)
    return branches.parent(node)


def _add(connection: sqlite3.Connection, deletion: Mapping[str, Any]) -> None:
    row = {"current_before": None, "current_after": None, **deletion}
    connection.execute(
        """
        INSERT INTO deletions (id, conversation_id, turn_id, deleted_at, current_before, current_after, stage,
            owner_pid, owner_started, owner_boot, owner_namespace)
        VALUES (:id, :conversation_id, :turn_id, :deleted_at, :current_before, :current_after, 'marked',
            :owner_pid, :owner_started, :owner_boot, :owner_namespace)""",
        row,
    )


def _current(connection: sqlite3.Connection, conversation_id: str) -> str | None:
    row = connection.execute("SELECT current_turn_id FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return None if row is None else row["current_turn_id"]


def restore(connection: sqlite3.Connection, deletion_id: str) -> bool:
    """Take the marks of a deletion off again; whether there were any.

    What lies below something that another deletion has taken belongs to that one from now on.
    """
    row = connection.execute("SELECT * FROM deletions WHERE id = ? AND stage = 'marked'", (deletion_id,)).fetchone()
    if row is None:
        return False
    conversation_id = row["conversation_id"]
    done = connection.execute("UPDATE conversations SET deletion_id = NULL WHERE deletion_id = ?", (deletion_id,))
    count = done.rowcount
    if row["turn_id"] is not None:
        branches = tree.branches(connection, conversation_id)
        marks: dict[str, str | None] = {}
        for node in branches.nodes.values():  # parents come before their children
            mark = node.deletion_id
            if mark == deletion_id:
                parent = branches.parent(node)
                mark = None if parent is None else marks.get(parent.id)
                connection.execute("UPDATE turns SET deletion_id = ? WHERE id = ?", (mark, node.id))
                count += 1
            marks[node.id] = mark
        if _current(connection, conversation_id) == row["current_after"] != row["current_before"]:
            before = tree.branches(connection, conversation_id).nodes.get(row["current_before"])
            if before is not None and before.is_live:
                tree.set_current(connection, conversation_id, before)
    connection.execute("DELETE FROM deletions WHERE id = ?", (deletion_id,))
    return count > 0


def make_way(connection: sqlite3.Connection, conversation_id: str, parent_id: str | None) -> None:
    """Before a turn begins at the message `parent_id`: what is being erased there is past saving and goes at once.

    The caller has the turns before it and stores those that are missing.
    """
    query = "SELECT * FROM deletions WHERE conversation_id = ? AND stage IN ('blanking', 'removing')"
    for row in connection.execute(query, (conversation_id,)).fetchall():
        holds = f"SELECT 1 FROM turns WHERE {_scope(row)} AND :parent IN (prompt_id, reply_id)"  # noqa: S608 - constants only
        if row["turn_id"] is None or connection.execute(holds, {**dict(row), "parent": parent_id}).fetchone():
            while erase(connection, row["id"], lambda: False):
                pass


def revive(connection: sqlite3.Connection, conversation_id: str, turn_ids: Iterable[str]) -> None:
    """Bring back a conversation and the paths to turns that begin or end there, or are taken in; the last is shown then."""
    connection.execute(
        "DELETE FROM deletions WHERE stage = 'marked' AND id = (SELECT deletion_id FROM conversations WHERE id = ?)",
        (conversation_id,),
    )
    connection.execute(
        "UPDATE conversations SET deletion_id = NULL WHERE id = ? AND deletion_id IS NOT NULL", (conversation_id,)
    )
    query = "SELECT 1 FROM turns WHERE conversation_id = ? AND deletion_id IS NOT NULL LIMIT 1"
    if connection.execute(query, (conversation_id,)).fetchone() is None:
        return  # nearly always
    branches = tree.branches(connection, conversation_id)
    back: set[str] = set()
    for turn_id in turn_ids:
        path = branches.path(turn_id)
        gone = {node.id for node in path if not node.is_live} - back
        if gone:
            connection.executemany("UPDATE turns SET deletion_id = NULL WHERE id = ?", [(id_,) for id_ in gone])
            tree.set_current(connection, conversation_id, path[-1])
            back |= gone


# Erasing -----------------------------------------------------------------------------------------------------------


def final(connection: sqlite3.Connection, me: owner.Owner, now: float, mine: Iterable[str]) -> list[sqlite3.Row]:
    """The deletions that nobody can undo any more: those in `mine`, begun ones, and those whose deleter is gone."""
    own = set(mine)

    def is_final(row: sqlite3.Row) -> bool:
        if row["id"] in own or row["stage"] != "marked":
            return True
        deleter = owner.Owner(row["owner_pid"], row["owner_started"], row["owner_boot"], row["owner_namespace"])
        return owner.is_gone(deleter, me, now - row["deleted_at"])

    return [row for row in connection.execute("SELECT * FROM deletions ORDER BY deleted_at") if is_final(row)]


def is_running(connection: sqlite3.Connection, row: Any) -> bool:
    """Whether the deletion of `row` holds a turn that is still running, so that it must wait."""
    query = f"SELECT 1 FROM turns WHERE {_scope(row)} AND outcome IS NULL"  # noqa: S608 - constants only
    return connection.execute(query, dict(row)).fetchone() is not None


def begin(connection: sqlite3.Connection, deletion_id: str) -> None:
    """Make a marked deletion final, unless a turn has begun in it meanwhile."""
    row = _stored(connection, deletion_id)
    if row is None or row["stage"] != "marked":
        return
    if row["turn_id"] is not None:
        _claim(connection, row)
    if is_running(connection, row):
        return
    if row["turn_id"] is not None:  # what to look for in the copies, when it is gone from here
        query = f"SELECT id FROM turns WHERE {_scope(row)}"  # noqa: S608 - constants only
        turns = values.to_json([turn["id"] for turn in connection.execute(query, row)])
        connection.execute("UPDATE deletions SET turns = ? WHERE id = ?", (turns, row["id"]))
    _enter(connection, row, "blanking")


def _claim(connection: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Take in what other deletions took below this one. Nothing that lives is left under what goes."""
    branches = tree.branches(connection, row["conversation_id"])
    needed: set[str] = set()
    for node in branches.nodes.values():
        here = node if node.is_live else None
        while here is not None and here.id not in needed:
            needed.add(here.id)
            here = branches.parent(here)
    marks: dict[str, str | None] = {}
    for node in branches.nodes.values():
        parent = branches.parent(node)
        mark = node.deletion_id
        if node.id in needed:
            mark = None
        elif parent is not None and marks.get(parent.id) == row["id"]:
            mark = row["id"]
        if mark != node.deletion_id:
            connection.execute("UPDATE turns SET deletion_id = ? WHERE id = ?", (mark, node.id))
        marks[node.id] = mark


def erase(connection: sqlite3.Connection, deletion_id: str, stop: Stop) -> bool:
    """A slice of blanking or removing; returns whether there is more to do in these stages."""
    row = _stored(connection, deletion_id)
    if row is None:
        return False
    if row["stage"] == "blanking":
        if _blank(connection, row, stop):
            _enter(connection, row, "removing")
        return True
    if row["stage"] == "removing":
        if not _remove(connection, row, stop):
            return True
        _enter(connection, row, "merge")
    return False


def _stored(connection: sqlite3.Connection, deletion_id: str) -> dict[str, Any] | None:
    row = connection.execute("SELECT * FROM deletions WHERE id = ?", (deletion_id,)).fetchone()
    return None if row is None else dict(row)


def _enter(connection: sqlite3.Connection, row: Mapping[str, Any], stage: str) -> None:
    connection.execute("UPDATE deletions SET stage = ?, progress = NULL WHERE id = ?", (stage, row["id"]))


def _scope(row: Mapping[str, Any]) -> str:
    """Which turns a deletion holds, as a condition on `turns` with its row for parameters."""
    whole = "turns.conversation_id = :conversation_id"
    return whole if row["turn_id"] is None else f"{whole} AND turns.deletion_id = :id"


def _blank(connection: sqlite3.Connection, row: dict[str, Any], stop: Stop) -> bool:
    """Unindex and overwrite turn after turn, from the last; returns whether all is done."""
    query = f"""
        SELECT * FROM turns WHERE {_scope(row)} AND (:progress IS NULL OR number < :progress)
        ORDER BY number DESC LIMIT {_AT_ONCE}"""  # noqa: S608 - constants only
    others = f"SELECT 1 FROM turns WHERE prompt_id = :prompt AND (number < :number OR ({_scope(row)}) IS NOT TRUE)"  # noqa: S608 - constants only
    while turns := connection.execute(query, row).fetchall():
        for turn in turns:
            shared = connection.execute(others, {**row, "prompt": turn["prompt_id"], "number": turn["number"]})
            is_shared = shared.fetchone() is not None  # the prompt goes with the first turn it has, if with any
            _blank_messages(connection, [turn["reply_id"]] if is_shared else [turn["reply_id"], turn["prompt_id"]])
            for table in ("turns", "requests", "journal"):
                _overwrite(connection, table, turn["id"])
            row["progress"] = turn["number"]
            if stop():
                connection.execute("UPDATE deletions SET progress = :progress WHERE id = :id", row)
                return False
    if row["turn_id"] is None:
        _overwrite(connection, "conversations", row["conversation_id"])
    return True


def _blank_messages(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    for id_ in ids:
        unindex(connection, id_)
        _overwrite(connection, "messages", id_)


def unindex(connection: sqlite3.Connection, message_id: str) -> None:
    """Take a message out of the index, if it is in it."""
    rows = connection.execute("SELECT * FROM messages WHERE id = ? AND search_key > 0", (message_id,)).fetchall()
    if rows:
        index.unindex(connection, rows)


def _overwrite(connection: sqlite3.Connection, table: str, id_: str) -> None:
    """Put blanks over the texts of rows. They keep their length, so SQLite writes them where they stand."""
    key, texts = _TEXTS[table]
    for column, blanks in texts.items():
        connection.execute(
            f"UPDATE {table} SET {column} = {blanks.format(column)} WHERE {key} = ? AND length({column}) > 1",  # noqa: S608 - our own names
            (id_,),
        )


def _remove(connection: sqlite3.Connection, row: dict[str, Any], stop: Stop) -> bool:
    """Remove turn after turn, from the last; returns whether all is done."""
    query = f"SELECT * FROM turns WHERE {_scope(row)} ORDER BY number DESC LIMIT {_AT_ONCE}"  # noqa: S608 - constants only
    while turns := connection.execute(query, row).fetchall():
        for turn in turns:
            connection.execute("DELETE FROM turns WHERE id = ?", (turn["id"],))
            _remove_messages(connection, [turn["reply_id"]])
            if not connection.execute("SELECT 1 FROM turns WHERE prompt_id = ?", (turn["prompt_id"],)).fetchone():
                _remove_messages(connection, [turn["prompt_id"]])
            if stop():
                return False
    if row["turn_id"] is not None:
        return True
    rest = f"SELECT id FROM messages WHERE conversation_id = ? ORDER BY number DESC LIMIT {_AT_ONCE}"  # noqa: S608 - a number
    while messages := connection.execute(rest, (row["conversation_id"],)).fetchall():  # of no turn: an odd import
        ids = [message["id"] for message in messages]
        _blank_messages(connection, ids)
        _remove_messages(connection, ids)
        if stop():
            return False
    connection.execute("DELETE FROM conversations WHERE id = ?", (row["conversation_id"],))
    return True


def _remove_messages(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    for id_ in ids:
        unindex(connection, id_)  # the blank row may have been indexed again meanwhile
        connection.execute("DELETE FROM messages WHERE id = ?", (id_,))


def merge(connection: sqlite3.Connection, stop: Stop) -> bool:
    """A slice of merging, for all deletions at once; returns whether there is more.

    A removed entry is only marked as removed until the segment that holds it is merged with the one that holds the mark.
    The negative number puts all segments into one merge, which later slices and later runs go on with.
    """
    if connection.execute("SELECT 1 FROM deletions WHERE stage = 'merge'").fetchone():
        connection.execute("UPDATE deletions SET stage = 'merging' WHERE stage = 'merge'")
        if index.merge_some(connection, -_MERGED_PAGES) and stop():
            return True
    while index.merge_some(connection, _MERGED_PAGES):
        if stop():
            return True
    connection.execute("UPDATE deletions SET stage = 'sweeping' WHERE stage = 'merging'")
    return False


def swept(connection: sqlite3.Connection) -> None:
    """The file holds nothing of the deletions that were to be swept out."""
    connection.execute("UPDATE deletions SET stage = 'copies' WHERE stage = 'sweeping'")


def forget(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """The end of these deletions."""
    connection.executemany("DELETE FROM deletions WHERE id = ?", [(id_,) for id_ in ids])
