"""Many conversations: listed, found, named, branched, copied, deleted and brought back.

Why it exists: the store keeps turns; this is all that is done to conversations as wholes. What only reads goes through the
reader's own thread, so that a search never delays a commit; what writes is a job of the store's thread, one transaction
each, and may be done twice (but for copies: then there are two). It must not know the screen, nor what a place means.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tui_chat.conversation import Tree, Turn
from tui_chat.errors import StoreError
from tui_chat.ids import new_id
from tui_chat.listed import ConversationFigures, ConversationSummary, Found, ListPage
from tui_chat.prices import PriceList
from tui_chat.store import copying, erasing, listing, reading, search, statistics, tree
from tui_chat.text import storable

if TYPE_CHECKING:
    from tui_chat.store.repository import Store  # which has a Library


class Library:
    """All conversations of one database; it comes as `Store.library`. Methods raise only `StoreError` and its kinds."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.deleted: set[str] = set()  # deletions that were made here; used in the store's thread only

    # Lists ---------------------------------------------------------------------------------------------------------

    async def page(self, wanted: str = "", *, offset: int = 0, limit: int = 100) -> ListPage:
        """A stretch of the conversations whose title fits `wanted`; pinned ones first, then the newest."""
        return await self._store.reader.run(lambda connection: listing.page(connection, wanted, offset, limit))

    async def figures(self, ids: Sequence[str], prices: PriceList) -> dict[str, ConversationFigures]:
        """What the conversations `ids` hold and cost; those that are gone are left out."""
        return await self._store.reader.run(lambda connection: listing.figures(connection, ids, prices))

    async def search(self, text: str, *, limit: int = 50) -> Found:
        """The messages that fit `text`, newest first. Cancelling the await interrupts it."""
        return await self._store.reader.run(lambda connection: search.search(connection, text, limit))

    async def find(self, wanted: str) -> list[ConversationSummary]:
        """The conversation with the id `wanted`, else those whose id begins with it, else those whose title fits."""
        return await self._store.reader.run(lambda connection: listing.find(connection, wanted))

    async def ids(self) -> list[str]:
        """The ids of all conversations, oldest first."""
        return await self._store.reader.run(reading.all_ids)

    async def ratios(self, server: str) -> dict[str, tuple[int, int]]:
        """By model of `server`: characters and output tokens of its latest replies with exact counts. May be cancelled."""
        learnt = await self._store.reader.run(statistics.ratios)
        return {model: sums for (source, model), sums in learnt.items() if source == server}

    async def collected(self, prices: PriceList, progress: statistics.Progress | None = None) -> statistics.Collected:
        """All turns, added up. Cancelling interrupts it; `progress` is called in the thread that reads."""
        return await self._store.reader.run(lambda each: statistics.collect(each, prices, progress=progress))

    # One conversation ----------------------------------------------------------------------------------------------

    async def rename(self, conversation_id: str, title: str) -> None:
        """Give a stored conversation a title; it counts as the user's own, which only another `rename` replaces.

        Raises:
            StoreError: there is no such conversation.

        """
        await self._change("title = ?, title_from = 'user'", storable(title), conversation_id)

    async def pin(self, conversation_id: str, pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer. Raises as `rename`."""
        await self._change("pinned = ?", bool(pinned), conversation_id)

    async def _change(self, assignments: str, value: object, conversation_id: str) -> None:
        def change(connection: sqlite3.Connection) -> None:
            statement = f"UPDATE conversations SET {assignments} WHERE id = ? AND deletion_id IS NULL"  # noqa: S608 - constants only
            if not connection.execute(statement, (value, conversation_id)).rowcount:
                raise StoreError(erasing.GONE)

        await self._store.write(change)

    async def branch(self, conversation_id: str, turn_id: str) -> tuple[list[Turn], dict[str, tuple[str, ...]]]:
        """The turns from `turn_id` to the newest leaf below it, and the versions at their places; empty if it is gone."""
        return await self._store.reader.run(
            lambda connection: reading.load_branch(connection, conversation_id, turn_id)
        )

    async def set_current(self, conversation_id: str, turn_id: str) -> None:
        """Let the current path end with `turn_id`; nothing happens if that turn is gone."""

        def change(connection: sqlite3.Connection) -> None:
            node = tree.branches(connection, conversation_id).nodes.get(turn_id)
            if node is not None and node.is_live:
                tree.set_current(connection, conversation_id, node)

        await self._store.write(change)

    # Copies --------------------------------------------------------------------------------------------------------

    async def duplicate(self, conversation_id: str) -> str:
        """Copy a conversation with all its branches; returns the new id. Raises as `rename`."""
        return await self._copied(lambda connection, copy_id: copying.duplicate(connection, conversation_id, copy_id))

    async def fork(self, conversation_id: str, turn_id: str, *, with_reply: bool = True) -> str:
        """Copy the path that leads to `turn_id`, the turn itself only `with_reply`; returns the new id.

        Raises:
            StoreError: the turn is not stored, or one on the path still runs.

        """
        return await self._copied(
            lambda connection, copy_id: copying.fork(
                connection, conversation_id, turn_id, copy_id, with_reply=with_reply
            )
        )

    async def _copied(self, copy: Callable[[sqlite3.Connection, str], None]) -> str:
        copy_id = new_id()
        await self._store.write(lambda connection: copy(connection, copy_id))
        self._store.index_later()
        return copy_id

    async def tree(self, conversation_id: str) -> Tree | None:
        """The whole conversation, or None."""
        return await self._store.reader.run(lambda connection: reading.load_tree(connection, conversation_id))

    async def add(self, given: Tree) -> copying.Added:
        """Take in a conversation; of one that is there (by ids) only what is missing.

        Raises:
            StoreError: a parent is nowhere to be found, or an id belongs to another conversation; nothing was changed.

        """
        added = await self._store.write(lambda connection: copying.add(connection, given, self._store.owner))
        self._store.index_later()
        return added

    async def index_all(self) -> None:
        """Index what is not indexed yet, now; jobs that come meanwhile wait for no more than a slice."""
        while await self._store.run(self._store.index_slice):
            pass

    # Deleting ------------------------------------------------------------------------------------------------------

    async def delete(self, conversation_id: str) -> str:
        """Delete a conversation; returns the id of the deletion, which `restore` undoes until the program ends.

        A turn that begins or ends there, perhaps in another window, brings it back. Raises as `rename`.
        """
        return await self._mark(erasing.delete_conversation, conversation_id, None)

    async def delete_branch(self, conversation_id: str, turn_id: str) -> str:
        """Delete a turn and all that follows it; returns the id of the deletion, as `delete` does.

        A current path that led over it leads to the version before it then (else the next one), or ends at the turn before.
        """
        return await self._mark(erasing.delete_branch, conversation_id, turn_id)

    async def _mark(
        self, mark: Callable[[sqlite3.Connection, dict[str, Any]], str], conversation_id: str, turn_id: str | None
    ) -> str:
        owner = self._store.owner
        deletion = {
            "id": new_id(),
            "conversation_id": conversation_id,
            "turn_id": turn_id,
            "deleted_at": time.time(),
            "owner_pid": owner.pid,
            "owner_started": owner.started,
            "owner_boot": owner.boot,
            "owner_namespace": owner.namespace,
        }

        def change(connection: sqlite3.Connection) -> str:
            made = mark(connection, deletion)
            if made == deletion["id"]:  # else it was deleted before, perhaps by another program, which may undo it
                self.deleted.add(made)
            return made

        return await self._store.write(change)

    async def restore(self, deletion_id: str) -> bool:
        """Undo exactly that deletion; whether there was anything left to bring back."""
        return await self._store.write(lambda connection: erasing.restore(connection, deletion_id))

    async def purge(self, *, mine: bool = False) -> bool:
        """Erase for good what deleters that are gone (and this store, if `mine`) have deleted; whether all is done."""
        ids = self.deleted if mine else set[str]()
        while await self._store.run(lambda: self._store.erase_slice(ids, lambda: False)):
            pass
        owner = self._store.owner
        return await self._store.read(lambda connection: not erasing.final(connection, owner, time.time(), ids))
