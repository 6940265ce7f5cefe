"""`/export`: the conversation on the screen to a file, as it stands there, whether the store works or not.

The file is written in a thread: a long page takes seconds. A turn that is running goes in as far as it has come.
"""

import asyncio
import copy
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual import work

from tui_chat.conversation import Conversation
from tui_chat.errors import StoreError
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.ui.screens.log_screen import LogScreen

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

_OWN_BRANCH: Final = "; other versions could not be read and are missing"


class Exporting(LogScreen):
    """A log screen whose conversation can be written to a file."""

    session: ChatSession | None

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        raise NotImplementedError

    def action_export(self, argument: str = "") -> None:
        """Write the conversation: `argument` may name a format (md, json, html, txt), a file or folder, or both."""
        session = self.session
        if session is None or not session.conversation.turns:
            self.say("there is nothing to export yet")
            return
        self._export(_as_it_stands(session.conversation), argument)

    @work(group="export", exit_on_error=False)
    async def _export(self, conversation: Conversation, argument: str) -> None:
        from tui_chat.exchange.formats import file_name, lossless, readable  # here: the first paint exports nothing
        from tui_chat.files import write_new

        kind, place = parse(argument)
        note = ""
        pieces: Iterator[str]
        if kind == "json":
            try:
                tree = await self.chat_app.runtime.store.library.tree(conversation.id)
            except StoreError:
                tree, note = None, _OWN_BRANCH
            pieces = lossless(tree, conversation)
        else:
            now = time.monotonic()
            runtime = self.chat_app.runtime
            pieces = readable(conversation, kind, lambda turn: runtime.figures(turn, now))

        def write() -> Path:
            path = Path(place).expanduser() if place else Path()
            is_folder = path.is_dir() or place.endswith("/")
            return write_new(path / file_name(conversation.title, kind) if is_folder else path, pieces).absolute()

        try:
            path = await asyncio.to_thread(write)
        except (OSError, RuntimeError) as error:  # RuntimeError: ~ of a user who has no home
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self.say(f"not exported: {sanitise_line(why)}; /export {kind} FILE writes elsewhere", "warning", timeout=8)
        else:
            self.say(f"written to {sanitise_line(str(path))}{note}", "warning" if note else "information", timeout=8)


def parse(argument: str) -> tuple[str, str]:
    """The format and the place that the argument of /export names; '' is no place. The default is markdown."""
    from tui_chat.exchange.formats import format_of  # as above

    word, _, rest = argument.strip().partition(" ")
    kind = format_of(word) if "." not in word else None
    place = (argument if kind is None else rest).strip()
    if len(place) > 1 and place[0] == place[-1] and place[0] in "\"'":
        place = place[1:-1]
    return kind or format_of(Path(place).suffix) or "md", place


def _as_it_stands(conversation: Conversation) -> Conversation:
    """The conversation, with a copy of what still changes."""
    turns = [copy.deepcopy(turn) if turn.outcome is None else turn for turn in conversation.turns]
    return dataclasses.replace(conversation, turns=turns, versions=dict(conversation.versions))
