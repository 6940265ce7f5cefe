"""The conversations of a database file of ours, however old or damaged it is.

Why it exists: the database that cannot be opened any more is the one that is needed most. A backup, a file from another
machine, or one that was moved aside as damaged: whatever can be read makes conversations again, and what is missing between
is mended so that nothing readable is lost. A prompt whose predecessor is gone follows the turn before it, a reply whose turn
is gone gets one, a conversation without its row takes its title from its first prompt. Columns that an older schema lacks
are empty. What was deleted stays deleted.

It must not know the library that takes the conversations in.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tui_chat.conversation import Block, Conversation, Message, Outcome, Request, Stamps, Tree, Turn
from tui_chat.errors import Failure, StoreError
from tui_chat.exchange.database_file import Row, is_sound, opened, readable_part
from tui_chat.exchange.items import Item, named
from tui_chat.store import migrations, reading, values

KIND: Final = "database"
_UNREADABLE: Final = (ValueError, TypeError, KeyError, AttributeError, StoreError, sqlite3.Error)
_QUERIES: Final = (
    "SELECT * FROM conversations WHERE id = ? ORDER BY rowid",
    "SELECT * FROM messages WHERE conversation_id = ? ORDER BY number",
    "SELECT * FROM turns WHERE conversation_id = ? ORDER BY number",
)
_REQUESTS: Final = "SELECT * FROM requests WHERE turn_id = ? ORDER BY position"
_LOST: Final = Failure("lost", "its end was in a damaged part of the database")


def conversations(path: Path) -> Iterator[Item]:
    """Every conversation of the database at `path`, and what could not be read."""
    try:
        with opened(path) as connection:
            refusal = _refusal(connection)
            if refusal:
                yield Item("", KIND, 1.0, problem=refusal)
            elif is_sound(connection):
                yield from _all(connection)
            else:
                with readable_part(connection) as (part, lost):
                    yield from _all(part, damaged=True)
                for table, count in lost.items():
                    some = f"up to {count:,}" if count else "some"
                    yield Item("", KIND, 1.0, problem=f"damaged: {some} rows of {table} could not be read")
    except (sqlite3.Error, OSError) as error:
        yield Item("", KIND, 1.0, problem=f"the database cannot be read ({error})")


def _refusal(connection: sqlite3.Connection) -> str:
    application = connection.execute("PRAGMA application_id").fetchone()["application_id"]
    version = connection.execute("PRAGMA user_version").fetchone()["user_version"]
    if application != migrations.APPLICATION_ID:
        return "it is a database of another program"
    known = len(migrations.MIGRATIONS)
    return (
        f"a newer tui-chat wrote it (schema {version}, this one knows {known}); update tui-chat"
        if version > known
        else ""
    )


def _all(connection: sqlite3.Connection, *, damaged: bool = False) -> Iterator[Item]:
    query = "SELECT id FROM conversations"
    if damaged:  # the row of a conversation may be lost, and its messages not
        query += " UNION SELECT DISTINCT conversation_id FROM messages"
    ids = [row["id"] for row in connection.execute(query) if isinstance(row["id"], str)]
    for place, id_ in enumerate(ids, 1):
        where, share = f"conversation {id_[:12]}", place / len(ids)
        try:
            tree, problems = _tree(connection, id_)
        except _UNREADABLE as error:
            yield Item(where, KIND, share, problem=f"it cannot be read ({type(error).__name__})")
            continue
        if tree is not None:
            yield Item(where, KIND, share, tree=named(tree))
        if problems:
            more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
            yield Item(where, KIND, share, problem="; ".join(problems[:3]) + more)


def _tree(connection: sqlite3.Connection, conversation_id: str) -> tuple[Tree | None, list[str]]:
    """The conversation, or None if it was deleted; and what of it is missing."""
    head, messages, turns = (connection.execute(query, (conversation_id,)).fetchall() for query in _QUERIES)
    if head and head[0]["deletion_id"] is not None:
        return None, []
    builder = _Mender(connection, conversation_id, {row["id"]: row for row in messages})
    for row in turns:
        builder.add(row)
    builder.add_without_turn()
    if head:
        conversation = values.conversation_from(head[0], [])
    elif builder.turns:
        conversation = Conversation(conversation_id, min(turn.started_at for turn in builder.turns))
    else:
        return None, builder.problems
    return Tree(conversation, builder.turns, builder.current(head[0] if head else None)), builder.problems


class _Mender:
    """The turns of one conversation from its rows, in their order."""

    def __init__(self, connection: sqlite3.Connection, conversation_id: str, messages: dict[str, Any]) -> None:
        self.turns: list[Turn] = []
        self.problems: list[str] = []
        self._connection, self._conversation_id, self._messages = connection, conversation_id, messages
        self._prompts: dict[str, Message] = {}
        self._deleted: set[str] = set()

    def add(self, row: Any) -> None:
        """The turn of `row`, unless it was deleted."""
        if row["deletion_id"] is not None:
            self._deleted |= {row["prompt_id"], row["reply_id"]}
            return
        try:
            self.turns.append(self._turn(row))
        except _UNREADABLE as error:
            self.problems.append(f"a turn cannot be read ({type(error).__name__})")

    def add_without_turn(self) -> None:
        """Turns for the messages that have none: their rows were in a damaged part."""
        kept = {turn.prompt.id for turn in self.turns} | {turn.reply_id for turn in self.turns} | self._deleted
        replies = {row["parent_id"]: row for row in self._messages.values() if row["role"] == "assistant"}
        for row in list(self._messages.values()):
            if row["id"] in kept or row["role"] != "user":
                continue
            try:
                reply = replies.get(row["id"])
                self.turns.append(self._mended(self._prompt(row["id"]), None if reply is None else _message(reply)))
            except _UNREADABLE as error:
                self.problems.append(f"a message cannot be read ({type(error).__name__})")
        if any(not turn.server for turn in self.turns):  # mended ones stand at the end
            self.turns.sort(key=lambda turn: turn.started_at)
        self._order()

    def current(self, head: Any) -> str | None:
        """The turn that the current path ends with."""
        turn_id, message_id = (
            (head["current_turn_id"], head["current_message_id"]) if head is not None else (None, None)
        )
        for turn in reversed(self.turns):
            if turn.id == turn_id or (turn_id is None and message_id in (turn.reply_id, turn.prompt.id)):
                return turn.id
        return self.turns[-1].id if self.turns else None

    def _turn(self, row: Any) -> Turn:
        prompt = self._prompt(row["prompt_id"])
        if row["outcome"] is None:
            turn = self._interrupted(row, prompt)
        else:
            requests = self._connection.execute(_REQUESTS, (row["id"],)).fetchall()
            stored = self._messages.get(row["reply_id"])
            reply = None if stored is None else _message(stored)
            turn = values.turn_from(row, prompt, requests, reply)
            if reply is not None and turn.reply() is None:
                turn.requests = [_request(turn.model, reply)]
                self.problems.append("the figures of a reply are lost")
            elif (
                turn.outcome is Outcome.COMPLETED
                and reply is None
                and any(request.characters or request.usage.output_tokens for request in turn.requests)
            ):
                self.problems.append("a reply is lost")
        return turn

    def _interrupted(self, row: Any, prompt: Message) -> Turn:
        """A turn that was running when the file was written, as a start after a crash would end it."""
        if prompt.id not in self._messages:
            row = Row(row, outcome=Outcome.FAILED, error=values.to_json({"type": "interrupted", "message": ""}))
            return values.turn_from(row, prompt, [], None)
        turn = reading.interrupted(self._connection, row)
        values.on_own_clock(turn)
        turn.prompt = prompt
        return turn

    def _prompt(self, message_id: str) -> Message:
        """The prompt of a turn; an empty one if it is lost."""
        if message_id not in self._prompts:
            row = self._messages.get(message_id)
            if row is None:
                self.problems.append("a prompt is lost")
            self._prompts[message_id] = _message(row) if row is not None else Message(message_id, None, "user", (), 0.0)
        return self._prompts[message_id]

    def _mended(self, prompt: Message, reply: Message | None) -> Turn:
        self.problems.append("the row of a turn is lost")
        key = hashlib.sha256(f"mended\0{prompt.id}".encode()).hexdigest()[:32]
        turn = Turn(
            key,
            self._conversation_id,
            prompt,
            f"{key[:-5]}reply" if reply is None else reply.id,
            "",
            "",
            prompt.created_at,
            0.0,
            requests=[] if reply is None else [_request("", reply)],
            outcome=Outcome.FAILED if reply is None else Outcome.COMPLETED,
            error=_LOST if reply is None else None,
            ended=0.0,
        )
        turn.in_context = turn.is_answered
        return turn

    def _order(self) -> None:
        """Let every prompt follow a message that is there: the one it followed, else that of the turn before."""
        known: dict[str | None, str | None] = {None: None}  # a lost reply: its prompt stands for it
        mended: dict[str, Message] = {}
        before: Turn | None = None
        for turn in self.turns:
            prompt = mended.get(turn.prompt.id, turn.prompt)
            lost = prompt.parent_id not in known or (not prompt.created_at and prompt.parent_id is None)
            parent = known.get(prompt.parent_id)
            if lost:
                parent = None if before is None else known[before.reply_id]
            if (lost or parent != prompt.parent_id) and turn.prompt.id not in mended:
                prompt = Message(
                    prompt.id,
                    parent,
                    "user",
                    prompt.blocks,
                    prompt.created_at or turn.started_at,
                    prompt.unfinished,
                    prompt.continues,
                )
            mended[prompt.id] = turn.prompt = prompt
            known |= {prompt.id: prompt.id, turn.reply_id: prompt.id if turn.reply() is None else turn.reply_id}
            before = turn


def _message(row: Any) -> Message:
    message = values.message_from(row)
    if not all(isinstance(block, dict) for block in message.blocks):
        raise TypeError("a block is no object")
    return message


def _request(model: str, reply: Message) -> Request:
    """A request of which nothing is known but what came."""
    places: Sequence[int] = reply.unfinished
    blocks = {place: Block(place, block, ended=place not in places) for place, block in enumerate(reply.blocks)}
    return Request(model, 1, Stamps(0.0), blocks=blocks, characters=len(reply.text))
