"""The history as a person sees it, for its tests."""

import sqlite3
import time
from pathlib import Path

from tests.ui.conftest import Chat
from tui_chat.ui.screens.history import HistoryScreen
from tui_chat.ui.screens.log_screen import LogScreen


class History:
    """The history of a chat, and what a person sees there."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat

    @property
    def screen(self) -> HistoryScreen:
        screen = self.chat.app.screen
        assert isinstance(screen, HistoryScreen)
        return screen

    @property
    def rows(self) -> list[str]:
        """The lines of the list in view, as they are shown."""
        found = self.screen.list
        lines = [found.line(found.top + y) for y in range(found.size.height)]
        return [line.text.rstrip() if line is not None else "" for line in lines]

    @property
    def text(self) -> str:
        return "\n".join(self.rows).rstrip()

    @property
    def titles(self) -> list[str]:
        """What stands in the title's column, without marks."""
        return [row[3:].split("  ")[0] for row in self.rows if row.strip()]

    @property
    def pointed(self) -> str:
        """The line with the cursor."""
        return next((row for row in self.rows if row.startswith("▎")), "")

    @property
    def hint(self) -> str:
        return self.screen.hint.text

    @property
    def count(self) -> str:
        return str(self.screen.query_one("#count").render())

    async def until_found(self) -> None:
        """Wait for the list of what is typed, with its figures."""
        await self.chat.until(lambda: self.screen.settled)
        await self.chat.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.chat.press(*keys)
        await self.until_found()


async def open_history(chat: Chat, *text: str) -> History:
    await chat.press("ctrl+r", *text)
    history = History(chat)
    await history.until_found()
    return history


async def three(chat: Chat) -> list[str]:
    """Three conversations, the oldest first; returns their ids."""
    ids: list[str] = []
    for text in ("hello", "about zebras", "code"):
        if ids:
            await chat.press("ctrl+n")
            await chat.until(lambda: chat.turn_count == 0)
        await chat.say(text)
        ids.append(current(chat))
    return ids


def current(chat: Chat) -> str:
    session = chat.app.chat.session
    assert session is not None
    return session.conversation.id


def on_chat(chat: Chat) -> bool:
    return isinstance(chat.app.screen, LogScreen) and chat.app.chat.session is not None


def stored(tmp_path: Path) -> sqlite3.Connection:
    return sqlite3.connect(tmp_path / "data" / "conversations.db", isolation_level=None)


def add_many(tmp_path: Path, count: int) -> None:
    """As many conversations as someone has after years, each a copy of the one that is there, without its turns."""
    now = time.time()
    with stored(tmp_path) as connection:
        connection.row_factory = sqlite3.Row
        one = dict(connection.execute("SELECT * FROM conversations LIMIT 1").fetchone())
        names = ", ".join(one)
        marks = ", ".join("?" * len(one))
        at = {name for name in one if name in ("created_at", "updated_at")}
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO conversations ({names}) VALUES ({marks})",
            (
                [
                    f"{n:032x}"
                    if name == "id"
                    else f"number {n}"
                    if name == "title"
                    else None
                    if name.startswith("current_")
                    else now - 60 * n
                    if name in at
                    else value
                    for name, value in one.items()
                ]
                for n in range(1, count + 1)
            ),
        )
        connection.execute("COMMIT")
