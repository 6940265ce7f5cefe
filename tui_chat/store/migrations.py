"""The schema: a list of small named steps, each with its reason, each in one transaction.

Why it exists: a database outlives the program that made it. Version n of the schema is what the first n steps make; a
released step never changes again. Two first starts at once are safe, because the version is read again under the write
lock. An older database is copied before it is changed; a newer one is refused. It must not know values or the event
loop, and it needs nothing of SQLite that is younger than 3.34 (RHEL 9), so no STRICT tables and no RETURNING.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from tui_chat.errors import StoreError, StoreTooNewError
from tui_chat.store.transactions import immediate, snapshot

APPLICATION_ID: Final = 0x54756943  # "TuiC": `file` and our own check tell whose database it is

Migration = Callable[[sqlite3.Connection], None]


def conversations_as_trees(connection: sqlite3.Connection) -> None:
    """The first schema.

    Messages are a tree, so that editing and regenerating add branches. A turn is apart from its messages, so that
    several replies to one prompt can run at once. `number` is a row id that VACUUM keeps, for a full-text index.
    JSON columns are verbatim: SQLite's integers end at 2**63 and the API's do not.
    """
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("""
        CREATE TABLE conversations (
            id TEXT PRIMARY KEY NOT NULL,
            created_at REAL NOT NULL,          -- wall clock, seconds since the epoch; so is every *_at
            updated_at REAL NOT NULL,          -- when its latest turn began or ended
            title TEXT NOT NULL,
            model TEXT,
            system TEXT,
            draft TEXT NOT NULL,
            queued TEXT NOT NULL,              -- JSON: list of texts
            current_message_id TEXT REFERENCES messages (id) ON DELETE SET NULL
        )""")
    connection.execute("CREATE INDEX conversations_by_age ON conversations (updated_at)")
    connection.execute("""
        CREATE TABLE messages (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            parent_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
            role TEXT NOT NULL,
            blocks TEXT NOT NULL,              -- JSON: list of content blocks
            unfinished TEXT NOT NULL,          -- JSON: positions of blocks that never saw their end
            created_at REAL NOT NULL
        )""")
    connection.execute("CREATE INDEX messages_by_conversation ON messages (conversation_id)")
    connection.execute("CREATE INDEX messages_by_parent ON messages (parent_id)")
    connection.execute("""
        CREATE TABLE turns (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            prompt_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            reply_id TEXT NOT NULL UNIQUE,     -- its message exists once the turn has ended with content
            model TEXT NOT NULL,
            server TEXT NOT NULL,
            started_at REAL NOT NULL,
            outcome TEXT,                      -- NULL while it runs
            stop_reason TEXT,
            error TEXT,                        -- JSON: Failure
            usage TEXT,                        -- JSON: the sum over its requests
            usage_is_final INTEGER NOT NULL DEFAULT 0,
            duration REAL,                     -- seconds; so are all stamps below, since the turn started
            closed_after REAL,
            retry_of INTEGER NOT NULL DEFAULT 0,
            in_context INTEGER NOT NULL,
            started REAL NOT NULL,             -- its writer's monotonic clock, which its journal is stamped with
            owner_pid INTEGER NOT NULL,        -- its writer: see owner.py
            owner_started TEXT NOT NULL,
            owner_boot TEXT NOT NULL,
            owner_namespace TEXT NOT NULL
        )""")
    connection.execute("CREATE INDEX turns_by_conversation ON turns (conversation_id)")
    connection.execute("CREATE INDEX turns_by_prompt ON turns (prompt_id)")
    connection.execute("CREATE INDEX turns_by_start ON turns (started_at)")
    connection.execute("CREATE INDEX turns_running ON turns (number) WHERE outcome IS NULL")
    connection.execute("""
        CREATE TABLE requests (
            turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            model TEXT NOT NULL,
            served_model TEXT,
            sent REAL NOT NULL,
            connected REAL,
            headers REAL,
            message_start REAL,
            first_thinking REAL,
            first_delta REAL,
            first_text REAL,
            last_delta REAL,
            message_stop REAL,
            last_bytes REAL,
            ended REAL,
            usage TEXT NOT NULL,               -- JSON, verbatim; the four counts below are for statistics
            input_tokens INTEGER,
            cache_creation_input_tokens INTEGER,
            cache_read_input_tokens INTEGER,
            output_tokens INTEGER,
            usage_is_final INTEGER NOT NULL,
            stop_reason TEXT,
            stop_details TEXT,                 -- JSON
            error TEXT,                        -- JSON: Failure
            request_id TEXT,
            message_id TEXT,                   -- the API's
            delta_count INTEGER NOT NULL,
            characters INTEGER NOT NULL,
            pings INTEGER NOT NULL,
            blocks TEXT,                       -- JSON; NULL: they are the turn's reply
            unfinished TEXT,
            PRIMARY KEY (turn_id, position)
        )""")
    connection.execute("""
        CREATE TABLE journal (
            position INTEGER PRIMARY KEY,
            turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
            event TEXT NOT NULL,               -- JSON: events.to_json
            deltas INTEGER NOT NULL            -- how many the event was joined from
        )""")
    connection.execute("CREATE INDEX journal_by_turn ON journal (turn_id)")


def rounds_of_tools(connection: sqlite3.Connection) -> None:
    """Tools, going on, effort, and what is not understood.

    A turn may be several requests with the results of tools between them: each keeps its calls. A prompt may be the
    program's own instruction to go on from the reply before. Effort is chosen per conversation, as the model is. Events
    and fields that are not known are kept as they came.
    """
    connection.execute("ALTER TABLE requests ADD COLUMN last_thinking REAL")  # a stamp as the others
    connection.execute("ALTER TABLE requests ADD COLUMN calls TEXT")  # JSON: list of ToolCall; NULL: none
    connection.execute("ALTER TABLE requests ADD COLUMN unknown_events TEXT")  # JSON: list; NULL: none
    connection.execute("ALTER TABLE requests ADD COLUMN fields TEXT")  # JSON: object; NULL: none
    connection.execute("ALTER TABLE messages ADD COLUMN continues INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE conversations ADD COLUMN effort TEXT")


def branches_and_search(connection: sqlite3.Connection) -> None:
    """Branches that are left and come back to, what is deleted but not yet erased, and the index of all words.

    `current_turn_id` says which of several turns of one prompt the path ends with. A deletion marks rows, so that it can
    be undone; they are erased when the process that deleted them is gone. A copied turn was paid for where it was made.

    `search_key` is the row id in the index: newer messages have greater keys, whatever order they were imported in. It is
    NULL (a row of an earlier version) or negative (minus the key that the row will have) until the message is indexed.
    A row is written with its negative key, since turning the sign does not change its length: the row stays where it is,
    and no stale copy of its text stays behind in the page.
    """
    connection.execute("ALTER TABLE conversations ADD COLUMN current_turn_id TEXT")
    connection.execute("ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE conversations ADD COLUMN title_from TEXT NOT NULL DEFAULT 'prompt'")
    connection.execute("ALTER TABLE conversations ADD COLUMN place TEXT")  # JSON of the screen's: where the reader was
    connection.execute("ALTER TABLE conversations ADD COLUMN origin TEXT")  # JSON; NULL: it began here
    connection.execute("ALTER TABLE conversations ADD COLUMN side_requests TEXT")  # JSON: list; NULL: none
    connection.execute("ALTER TABLE conversations ADD COLUMN deletion_id TEXT")  # NULL: it is there
    connection.execute("ALTER TABLE turns ADD COLUMN deletion_id TEXT")
    connection.execute("ALTER TABLE turns ADD COLUMN copy_of TEXT")
    connection.execute("ALTER TABLE messages ADD COLUMN search_key INTEGER")
    connection.execute("DROP INDEX conversations_by_age")
    connection.execute("""
        CREATE INDEX conversations_in_list ON conversations (pinned DESC, updated_at DESC, id DESC)
        WHERE deletion_id IS NULL""")
    connection.execute("""
        CREATE INDEX conversations_by_age ON conversations (updated_at DESC, id DESC) WHERE deletion_id IS NULL""")
    connection.execute(
        "CREATE INDEX conversations_by_message ON conversations (current_message_id)"
    )  # for the reference
    connection.execute("CREATE INDEX turns_deleted ON turns (conversation_id) WHERE deletion_id IS NOT NULL")
    connection.execute("""
        CREATE UNIQUE INDEX messages_by_search_key ON messages (search_key) WHERE search_key IS NOT NULL""")
    connection.execute("""
        CREATE INDEX messages_to_index ON messages (number) WHERE search_key IS NULL OR search_key < 0""")
    connection.execute("""
        CREATE TABLE deletions (
            id TEXT PRIMARY KEY NOT NULL,
            conversation_id TEXT NOT NULL,
            turn_id TEXT,                      -- the first turn of a branch; NULL: the whole conversation
            deleted_at REAL NOT NULL,
            current_before TEXT,               -- the last turn of the current path before the deletion, and after it
            current_after TEXT,
            stage TEXT NOT NULL,               -- how far erasing has come: see erasing.py
            progress INTEGER,                  -- within a stage: the number of the turn that was done last
            turns TEXT,                        -- JSON: the turns of a branch, from when it is being erased
            owner_pid INTEGER NOT NULL,        -- who may still undo it: see owner.py
            owner_started TEXT NOT NULL,
            owner_boot TEXT NOT NULL,
            owner_namespace TEXT NOT NULL
        )""")
    connection.execute("CREATE VIRTUAL TABLE found USING fts5(words, content='', columnsize=0, tokenize='ascii')")
    connection.execute("INSERT INTO found (found, rank) VALUES ('automerge', 0)")
    connection.execute("INSERT INTO found (found, rank) VALUES ('crisismerge', 1000)")
    connection.execute("""
        UPDATE conversations SET current_turn_id = coalesce(
            (SELECT turns.id FROM turns JOIN messages ON messages.id = reply_id WHERE messages.id = current_message_id),
            (SELECT id FROM turns WHERE prompt_id = current_message_id
             ORDER BY reply_id IN (SELECT id FROM messages), number DESC LIMIT 1))""")


MIGRATIONS: Final[tuple[Migration, ...]] = (conversations_as_trees, rounds_of_tools, branches_and_search)


def check(connection: sqlite3.Connection, path: Path | None, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """The schema's version. Raises StoreTooNewError for a newer one, StoreError for another program's database."""
    with snapshot(connection):  # or a first start elsewhere could commit between two of these
        application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or version or tables):
        raise StoreError(f"the database {path} belongs to another program", "choose another path")
    if version > len(migrations):
        raise StoreTooNewError(
            f"the database {path} was written by a newer version (schema {version}, this one knows {len(migrations)})",
            "update tui-chat, or choose another path; the file was not touched",
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path | None, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the schema up to date, one step and one transaction after the other. `path` is None in memory."""
    saved = path is None
    while check(connection, path, migrations) < len(migrations):
        with immediate(connection):
            version = check(connection, path, migrations)
            if version == len(migrations):  # another process was faster
                return
            if path is not None and not saved and version > 0 and _holds_anything(connection):
                _back_up(path, version)
                saved = True
            migrations[version](connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _holds_anything(connection: sqlite3.Connection) -> bool:
    """A first start goes through all steps as well, and has nothing to lose on its way."""
    return connection.execute("SELECT 1 FROM conversations LIMIT 1").fetchone() is not None


def backup_path(path: Path, version: int) -> Path:
    """Where the copy of a database of schema `version` is kept."""
    return path.with_name(f"{path.name}.v{version}.backup")


def _back_up(path: Path, version: int) -> None:
    """Copy the committed state with SQLite's own backup, while the write lock keeps it from changing."""
    partial = path.with_name(f"{path.name}.v{version}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
        partial.replace(backup_path(path, version))
    finally:
        partial.unlink(missing_ok=True)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
