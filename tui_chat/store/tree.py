"""The tree of one conversation: which turn follows which, its branches, its versions, its current path.

Why it exists: rows know messages and their parents; readers think in turns. Whoever lists, copies or deletes a branch asks
here what belongs to it. What is deleted but not yet erased is in the tree too, and says so: it may come back.

A turn's place is the parent of its prompt; turns at one place are versions of each other. A turn follows the turn whose
reply its prompt answers. After a turn without a reply the prompt hangs on that turn's prompt; of several turns of that
prompt it follows the latest that was there before and had no reply. It must not know values of content, or the index.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_TURNS: Final = """
    SELECT turns.id, turns.number, prompt_id, reply_id, prompt.parent_id AS after, turns.deletion_id,
        outcome IS NULL AS is_running, EXISTS (SELECT 1 FROM messages WHERE id = reply_id) AS is_answered
    FROM turns JOIN messages AS prompt ON prompt.id = prompt_id
    WHERE turns.conversation_id = ? ORDER BY turns.number"""


@dataclass(frozen=True, slots=True)
class Node:
    """A turn in the tree; `after` is its place: the message that its prompt follows, None at the beginning."""

    id: str
    number: int
    prompt_id: str
    reply_id: str
    after: str | None
    deletion_id: str | None
    is_running: bool
    is_answered: bool

    @property
    def is_live(self) -> bool:
        """Whether it is not deleted."""
        return self.deletion_id is None

    @property
    def last_message_id(self) -> str:
        """The message that a path which ends with it ends with."""
        return self.reply_id if self.is_answered else self.prompt_id


class Branches:
    """All turns of one conversation, in the order in which they were stored."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self._by_reply = {node.reply_id: node for node in self.nodes.values()}
        self._by_prompt: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            self._by_prompt.setdefault(node.prompt_id, []).append(node)
        self._parents = {node.id: self._followed(node) for node in self.nodes.values()}
        self._children: dict[str, list[Node]] = {}
        self._places: dict[str | None, list[Node]] = {}
        for node in self.nodes.values():
            self._places.setdefault(node.after, []).append(node)
            if (parent := self._parents[node.id]) is not None:
                self._children.setdefault(parent.id, []).append(node)

    def _followed(self, node: Node) -> Node | None:
        if node.after is None:
            return None
        if node.after in self._by_reply:
            return self._by_reply[node.after]
        candidates = self._by_prompt.get(node.after, [])
        earlier = [each for each in candidates if each.number < node.number] or candidates
        return max(earlier, key=lambda each: (not each.is_answered, each.number), default=None)

    def parent(self, node: Node) -> Node | None:
        """The turn that it follows."""
        return self._parents[node.id]

    def path(self, turn_id: str) -> list[Node]:
        """The turns from the first to `turn_id`; empty if it is not there."""
        path: dict[str, Node] = {}
        here = self.nodes.get(turn_id)
        while here is not None and here.id not in path:  # a loop, which only damage could make, ends
            path[here.id] = here
            here = self._parents[here.id]
        return list(path.values())[::-1]

    def below(self, turn_id: str) -> list[Node]:
        """The turn and all that follow it, on every branch, in the order in which they were stored."""
        found: dict[str, Node] = {}
        waiting = [self.nodes[turn_id]] if turn_id in self.nodes else []
        while waiting:
            node = waiting.pop()
            if node.id not in found:
                found[node.id] = node
                waiting += self._children.get(node.id, ())
        return sorted(found.values(), key=lambda node: node.number)

    def newest_leaf(self, turn_id: str) -> Node | None:
        """The latest live turn of those that `below` gives, from which a path leads to `turn_id`."""
        return next((node for node in reversed(self.below(turn_id)) if node.is_live), None)

    def versions(self, node: Node) -> tuple[str, ...]:
        """The ids of all live turns at its place, oldest first."""
        return tuple(each.id for each in self._places[node.after] if each.is_live)

    def current(self, turn_id: str | None) -> list[Node]:
        """The path that leads over `turn_id` to the latest turn below it; if it is not there, to the latest turn of all.

        It ends with a leaf: nobody could get to what follows otherwise.
        """
        node = self.nodes.get(turn_id) if turn_id is not None else None
        if node is not None and node.is_live:
            node = self.newest_leaf(node.id)
        else:
            node = next((each for each in reversed(self.nodes.values()) if each.is_live), None)
        return [] if node is None else self.path(node.id)


def branches(connection: sqlite3.Connection, conversation_id: str) -> Branches:
    """The turns of a conversation; none if it does not exist."""
    rows = connection.execute(_TURNS, (conversation_id,))
    return Branches(
        Node(
            row["id"],
            row["number"],
            row["prompt_id"],
            row["reply_id"],
            row["after"],
            row["deletion_id"],
            bool(row["is_running"]),
            bool(row["is_answered"]),
        )
        for row in rows
    )


def versions_at(connection: sqlite3.Connection, conversation_id: str, after: str | None) -> tuple[str, ...]:
    """The ids of all live turns at one place, oldest first, without a look at the other places."""
    # The signs keep SQLite from the index that has nearly all rows: many conversations begin, one goes on here.
    place = (
        "prompt.conversation_id = ? AND +parent_id IS ?"
        if after is None
        else "+prompt.conversation_id = ? AND parent_id = ?"
    )
    query = f"""
        SELECT turns.id FROM messages AS prompt JOIN turns ON prompt_id = prompt.id
        WHERE {place} AND turns.deletion_id IS NULL ORDER BY turns.number"""  # noqa: S608 - constants only
    return tuple(row["id"] for row in connection.execute(query, (conversation_id, after)))


def versions_on(path: Iterable[Node], tree: Branches) -> dict[str, tuple[str, ...]]:
    """For each turn of `path` that is not alone at its place, the versions there."""
    return {node.id: versions for node in path if len(versions := tree.versions(node)) > 1}


def set_current(connection: sqlite3.Connection, conversation_id: str, node: Node | None) -> None:
    """Let the current path end with `node`."""
    connection.execute(
        "UPDATE conversations SET current_turn_id = ?, current_message_id = ? WHERE id = ?",
        (node and node.id, node and node.last_message_id, conversation_id),
    )
