"""The history's one field and one list: what is typed is looked up, what is in view is asked for.

What is typed is looked up at once, by a worker that takes the place of the one before, so typing never waits. The list is shown from
what is known, and what its view needs is asked for as it moves. All queries run in the store's threads. What keys do to the list, and
to conversations, is decided in `history.py`.
"""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input, Static
from textual.worker import Worker

from tui_chat.errors import StoreError
from tui_chat.listed import ConversationFigures, Found, Hit
from tui_chat.text import sanitise_line
from tui_chat.ui import history_text
from tui_chat.ui.widgets.history_field import HistoryField, TitleField
from tui_chat.ui.widgets.history_list import HistoryList
from tui_chat.ui.widgets.history_rows import PAGE, HistoryRows
from tui_chat.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from tui_chat.store.library import Library
    from tui_chat.ui.app import TuiChatApp

_HITS: Final = 50  # messages that are looked for at first; more as the cursor goes down
_MOST_HITS: Final = 2_000
_FIGURES: Final = 10  # conversations whose figures are asked for at once; a search does not wait for more
_PATIENCE: Final = 0.1  # seconds after which titles are shown without waiting for what was said
_INDEXING: Final = 1.0  # seconds between two looks while the index is being made
_NARROW: Final = 60  # columns
_PLACEHOLDER: Final = "type to find a title, or anything that was said"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was chosen: a conversation, and the message in it if one was found by `text`."""

    conversation_id: str
    hit: Hit | None = None
    text: str = ""


class HistoryFinding(Screen[Opened | None]):
    """`text` stands in the field at first."""

    DEFAULT_CSS = """
    HistoryFinding { layers: default over; }
    HistoryFinding > #ask { height: 2; }
    HistoryFinding #ask-mark { width: 3; height: 1; padding: 0 0 0 1; }
    HistoryFinding #wanted { width: 1fr; }
    HistoryFinding #count { width: auto; height: 1; padding: 0 1; }
    HistoryFinding > #columns { height: 1; }
    HistoryFinding > HistoryList { margin: 0 0 1 0; }
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.field = HistoryField(id="wanted", placeholder=_PLACEHOLDER)
        self.list = HistoryList(id="found")
        self.title_field = TitleField(id="new-title", select_on_focus=True)
        self.hint = StatusBar(id="history-hint")
        self.searching = True  # the list is that of an older text
        self._first_text = sanitise_line(text)
        self._generation = 0  # of what is looked up; an older answer is not shown
        self._filler: Worker[None] | None = None  # asks for what is in view
        self._figures: dict[str, ConversationFigures | None] = {}  # of all that was in view since the screen came

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        return cast("TuiChatApp", self.app)

    @property
    def library(self) -> "Library":
        """All conversations."""
        return self.chat_app.runtime.store.library

    def compose(self) -> ComposeResult:
        """The field, the list, the keys."""
        with Horizontal(id="ask"):
            yield Static("›", id="ask-mark", markup=False)
            yield self.field
            yield Static("", id="count", markup=False)
        yield Static("", id="columns", markup=False)
        yield self.list
        yield self.hint
        yield self.title_field

    def on_mount(self) -> None:
        """The focus is in the field before the next key is."""
        self.set_focus(self.field)
        if self._first_text:
            self.field.value = self._first_text  # which looks it up
        else:
            self.look_up()

    @property
    def settled(self) -> bool:
        """Whether all that is shown is known, and nothing waits."""
        return not self.searching and self._filler is None

    def found(self) -> None:
        """The list is that of the text in the field now."""
        raise NotImplementedError

    def not_found(self) -> None:
        """There is no list, or there will be another."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Other columns may fit."""
        self._show_frame()

    # Finding -------------------------------------------------------------------------------------------------------

    @on(Input.Changed, "#wanted")
    def typed(self, message: Input.Changed) -> None:
        """Another text: the list of the one before is looked for no longer."""
        self.not_found()
        self.hint.say(None)
        self.look_up()

    def look_up(self, *, keep: bool = False) -> None:
        """Ask for what is typed; `keep`: the list is the same, only newer."""
        self.searching = not keep
        if self._filler is not None:
            self._filler.cancel()  # nobody waits for the figures of the list before
            self._filler = None
        self._look_up(keep=keep)

    @work(group="look", exclusive=True, exit_on_error=False)
    async def _look_up(self, *, keep: bool) -> None:
        await self.look_up_now(keep=keep)

    async def look_up_now(self, *, keep: bool, key: str = "") -> None:
        """As `look_up`, and wait for it; the cursor goes to the conversation `key` if it is there."""
        self._generation += 1
        generation, text = self._generation, self.field.value.strip()
        keep = keep and self.list.rows.wanted == text
        try:
            indexed = await self._find(text, generation, keep=keep, key=key)
        except StoreError as error:
            if generation == self._generation:
                self.searching = False
                self.not_found()
                self.list.say(sanitise_line(error.sentence), "error")
                self._show_frame()
                self.found()
            return
        if generation == self._generation and indexed < 1:
            self.set_timer(_INDEXING, partial(self._look_again, generation))

    def _look_again(self, generation: int) -> None:
        """The index holds more by now."""
        if generation != self._generation or not self.is_current:
            return
        if self.list.covered:  # by a title that is being changed: the lines stay where they are
            self.set_timer(_INDEXING, partial(self._look_again, generation))
        else:
            self.look_up(keep=True)

    async def _find(self, text: str, generation: int, *, keep: bool, key: str) -> float:
        """Look up `text` and show what fits, titles at once if messages take long. Returns the share that is indexed."""
        rows = await self._titles(text, keep=keep)
        if not text:
            self._show(rows, generation, keep=keep, key=key)
            return 1.0
        limit = max(_HITS, len(self.list.rows.hits)) if keep else _HITS
        search = asyncio.create_task(self.library.search(text, limit=limit))
        try:
            await asyncio.wait({search}, timeout=_PATIENCE)
            if not search.done() and not keep and rows.titles:
                rows.heading = "in messages …"
                self._show(rows, generation, keep=False)
                keep = True
            found = await search
        finally:
            search.cancel()
        _add_hits(rows, found)
        self._show(rows, generation, keep=keep, key=key)
        return found.indexed

    async def _titles(self, text: str, *, keep: bool) -> HistoryRows:
        """New rows with their first page, and with the one that is in view if the list is to stay where it is."""
        before = self.list.rows
        page = await self.library.page(text, offset=0, limit=PAGE)
        rows = HistoryRows(text, page.total, self._figures)
        rows.put(0, page.rows)
        if keep and before.wanted == text:
            rows.all_titles = before.all_titles
            while (offset := rows.missing_page([*self.list.in_view, self.list.cursor])) is not None:
                rows.put(offset, (await self.library.page(text, offset=offset, limit=PAGE)).rows)
        return rows

    def _show(self, rows: HistoryRows, generation: int, *, keep: bool, key: str = "") -> None:
        if generation != self._generation:
            return
        session = self.chat_app.chat.session
        self.list.current = session.conversation.id if session is not None else ""
        self.list.now = time.time()
        if rows.count or rows.heading is not None:
            self.list.show(rows, keep=keep, key=key)
        else:
            self.list.say("nothing fits" if rows.wanted else "no conversations yet", wanted=rows.wanted)
        self._show_frame()
        self.searching = False
        self.found()

    # What the view needs -------------------------------------------------------------------------------------------

    @on(HistoryList.ViewMoved)
    def view_moved(self) -> None:
        """See to it that what is in view is known."""
        if self._filler is None:
            self._filler = self._fill()

    @work(group="fill", exit_on_error=False)
    async def _fill(self) -> None:
        """Ask for what is in view and not known, one thing after the other, until nothing is missing."""
        filler = self._filler
        try:
            while await self._fill_one(self.list.rows):
                pass
        except StoreError as error:
            self.hint.say(sanitise_line(error.sentence), "error")
        finally:
            if filler is self._filler:
                self._filler = None

    async def _fill_one(self, rows: HistoryRows) -> bool:
        view = self.list.in_view
        offset = rows.missing_page(view)
        if offset is not None:
            page = await self.library.page(rows.wanted, offset=offset, limit=PAGE)
            rows.titles = page.total
            rows.put(offset, page.rows)
        elif ids := rows.without_figures(view):
            some = ids[:_FIGURES]
            known = await self.library.figures(some, self.chat_app.runtime.prices)
            rows.figures.update({each: known.get(each) for each in some})
        elif rows.more_hits and view.stop >= rows.count - 1 and len(rows.hits) < _MOST_HITS and not self.searching:
            _add_hits(rows, await self.library.search(rows.wanted, limit=len(rows.hits) * 4))
            self._show_frame()
        else:
            return False
        if rows is self.list.rows:
            self.list.refresh_rows()
        return True

    def _show_frame(self) -> None:
        """The names of the columns, and how many there are."""
        rows, width = self.list.rows, self.size.width
        self.field.placeholder = "type to find" if width < _NARROW else _PLACEHOLDER
        columns = self.query_one("#columns", Static)
        columns.update(history_text.heading(self.list.row_width) if rows.titles else "")
        self.query_one("#count", Static).update("" if self.list.said else _count(rows, brief=width < _NARROW))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers report to the node that started them."""
        self.chat_app.on_worker_state_changed(event)


def _count(rows: HistoryRows, *, brief: bool) -> str:
    if not rows.wanted:
        return f"{rows.titles:,}" if brief else f"{rows.titles:,} conversation{'' if rows.titles == 1 else 's'}"
    hits = f"{len(rows.hits):,}{'+' if rows.more_hits else ''}"
    if brief:
        return f"{rows.titles:,} · {hits}"
    return f"{rows.titles:,} title{'' if rows.titles == 1 else 's'} · {hits} message{'' if hits == '1' else 's'}"


def _add_hits(rows: HistoryRows, found: Found) -> None:
    rows.hits, rows.more_hits = found.hits, found.more
    part = "" if found.indexed >= 1 else f"  ({found.indexed:.0%} of all messages can be found so far)"
    rows.heading = f"in messages{part}" if found.hits or part else None
