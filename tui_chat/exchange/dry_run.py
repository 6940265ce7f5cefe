"""What an import would do, found out without writing: not even the database is made, or brought up to date."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tui_chat.conversation import Tree
from tui_chat.errors import StoreError
from tui_chat.exchange.database_file import opened
from tui_chat.exchange.importing import Keep, Kept

_TURNS = "SELECT id, EXISTS (SELECT 1 FROM messages WHERE messages.id = reply_id) AS answered FROM turns WHERE conversation_id = ?"


@contextlib.contextmanager
def keeper(path: Path) -> Iterator[Keep]:
    """Something that says of each conversation whether the database at `path` has it, and keeps nothing.

    Raises:
        StoreError: the database is there and cannot be read.

    """
    seen: dict[str, set[tuple[str, bool]]] = {}  # of this run: files may hold a conversation twice
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(opened(path)) if path.exists() else None
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the database {path} cannot be read ({error})") from error

        async def keep(tree: Tree) -> Kept:
            id_ = tree.conversation.id
            has = {(turn.id, bool(turn.requests)) for turn in tree.turns}
            known = seen.get(id_) or (set() if connection is None else _known(connection, id_))
            seen[id_] = known | has
            if not known:
                return "added"
            return "known" if has <= known else "updated"

        yield keep


def _known(connection: sqlite3.Connection, conversation_id: str) -> set[tuple[str, bool]]:
    return {(row["id"], bool(row["answered"])) for row in connection.execute(_TURNS, (conversation_id,))}
