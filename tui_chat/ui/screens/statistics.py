"""The statistics of all that is stored: by model, day, server or cache, over a week, a month or all of it.

The history is read once, in the store's reading thread; what keys ask for is a sum over what was read, made in a thread as well,
because sorting half a million times takes a moment. It knows neither SQL nor how a figure comes about: both are below.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker

from tui_chat.errors import StoreError
from tui_chat.files import write_new
from tui_chat.statistics.figures import Filters, Report, report
from tui_chat.statistics.formats import as_csv, as_json
from tui_chat.statistics.text import Line, lines, wrapped
from tui_chat.store.statistics import Collected
from tui_chat.text import sanitise_line
from tui_chat.ui.widgets.detail_lines import DetailLines
from tui_chat.ui.widgets.status_bar import StatusBar
from tui_chat.ui.wording import Field

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

_GROUPINGS: Final = {"model": "m", "day": "d", "server": "s", "cache": "c"}
_PERIODS: Final[dict[int | None, tuple[str, str, str]]] = {
    7: ("7", "week", "7 days"),
    30: ("3", "month", "30 days"),
    None: ("a", "all", "all"),
}
_PATIENCE: Final = 0.3  # seconds after which reading is told
_NARROW: Final = 60  # columns
_TONES: Final = {"": "", "heading": "prompt", "dim": "dim"}  # of a report's lines, as the widget calls them
_DRAWN: Final = re.compile("[\u2580-\u259f]+")
_DRAWN_OR_NOT: Final = re.compile("[\u2580-\u259f]+|[^\u2580-\u259f]+")


class StatisticsScreen(Screen[None]):
    """Shows what the history says; gives back nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="statistics.close", priority=True),
        Binding("m", "by('model')", "By model", id="statistics.by_model", priority=True),
        Binding("d", "by('day')", "By day", id="statistics.by_day", priority=True),
        Binding("s", "by('server')", "By server", id="statistics.by_server", priority=True),
        Binding("c", "by('cache')", "With and without a cache hit", id="statistics.by_cache", priority=True),
        Binding("7", "period(7)", "7 days", id="statistics.week", priority=True),
        Binding("3", "period(30)", "30 days", id="statistics.month", priority=True),
        Binding("a", "period", "All", id="statistics.all", priority=True),
        Binding("r", "load", "Read again", id="statistics.read", priority=True),
        Binding("e", "export('csv')", "Write CSV", id="statistics.csv", priority=True),
        Binding("E", "export('json')", "Write JSON", id="statistics.json", priority=True),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy, else stop", id="statistics.copy_or_stop", priority=True),
        Binding("f1", "app.help", "Keys", id="statistics.help", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.tabs = StatusBar(id="statistics-tabs")
        self.lines = DetailLines(id="statistics")
        self.hint = StatusBar(id="statistics-hint")
        self.settled = False  # whether what is shown is what was asked for
        self._collected: Collected | None = None
        self._reports: dict[tuple[str, str | None], Report] = {}  # by grouping and first day
        self._by = "model"
        self._days: int | None = 30
        self._is_chosen = False  # the period, by a key

    def compose(self) -> ComposeResult:
        """What is shown, above it the choice, below it the keys."""
        yield self.tabs
        yield self.lines
        yield self.hint

    def on_mount(self) -> None:
        """Read the history."""
        self.lines.focus()
        self._show_choice()
        self.action_load()

    def on_resize(self) -> None:
        """Other columns fit."""
        self._show_choice()
        if self._collected is not None:
            self.settled = False
            self._show(anew=False)

    def on_unmount(self) -> None:
        """A screen is a circle, which may stay in memory (`garbage.py`): the history does not stay with it."""
        self._collected, self._reports = None, {}

    @property
    def _app(self) -> "TuiChatApp":
        return cast("TuiChatApp", self.app)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers report to the node that started them."""
        self._app.on_worker_state_changed(event)

    # Reading -------------------------------------------------------------------------------------------------------

    def action_load(self) -> None:
        """Read the history, again if it was read."""
        self.settled = False
        self._load()

    @work(group="statistics-reading", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        runtime, loop = self._app.runtime, asyncio.get_running_loop()
        waiting = self.set_timer(_PATIENCE, lambda: self._tell("reading the history …"))

        def progress(turns: int) -> None:  # in the thread that reads
            loop.call_soon_threadsafe(self._tell_progress, turns)

        try:
            self._collected = await runtime.store.library.collected(runtime.prices, progress)
        except StoreError as error:
            self._collected = None
            width = max(24, self.lines.text_width - 2)
            self.lines.show(
                [[(f" {line}", "warm")] for line in wrapped(sanitise_line(error.sentence), width)], anew=True
            )
            self.settled = True
            return
        finally:
            waiting.stop()
            self.hint.say(None)
        self._reports = {}
        since = _since(self._days)
        if not self._is_chosen and since is not None and all(cell.day < since for cell in self._collected.cells):
            self._days = None  # nothing in the last month: the whole history says more
        self._show(anew=True)

    def _tell(self, text: str) -> None:
        if self.is_attached and not self.settled and self._collected is None:
            self.hint.say(text)

    def _tell_progress(self, turns: int) -> None:
        if turns:
            self._tell(f"reading the history: {turns:,} turns")

    # Showing -------------------------------------------------------------------------------------------------------

    @work(group="statistics-showing", exclusive=True, exit_on_error=False)
    async def _show(self, *, anew: bool) -> None:
        collected, width = self._collected, self.lines.text_width
        if collected is None or width < 1:
            return
        by, days = self._by, self._days

        def made() -> list[Line]:
            # A list of days may be very long, and what a person looks for in it is how they went.
            return lines(self._report(collected, by, days), max(24, width - 2), plots_first=by == "day")

        shown = await asyncio.to_thread(made)
        self._show_choice()
        self.lines.following = False  # whoever has looked at the end wants to see the beginning of what comes
        self.lines.show([_pieces(text, tone) for text, tone in shown], anew=anew)
        self.settled = True

    def _report(self, collected: Collected, by: str, days: int | None) -> Report:
        """What was asked for; what was made for another grouping of the same days is used again."""
        since = _since(days)
        key = (by, since)
        if key not in self._reports:
            known = next((made for (_, other), made in [*self._reports.items()] if other == since), None)
            self._reports[key] = report(collected, Filters(since=since), (by,), known)
        return self._reports[key]

    def _show_choice(self) -> None:
        """What can be chosen, at the top; where that is too long the periods stand at the bottom."""
        groupings = [self._choice(f"by_{by}", key, by, by == self._by) for by, key in _GROUPINGS.items()]
        periods = [self._choice(name, key, text, days == self._days) for days, (key, name, text) in _PERIODS.items()]
        is_narrow = self.size.width < _NARROW
        self.tabs.show(groupings if is_narrow else [*groupings, Field(" ", 9), *periods], "")
        fields = periods if is_narrow else [Field("Statistics", 9, "model")]
        if self._collected is not None and not is_narrow:
            keys = self._app.config.keys
            fields.append(Field(f"{keys.get('statistics.csv', 'e')} write CSV", 8, "dim"))
            fields.append(Field(f"{keys.get('statistics.json', 'E')} JSON", 7, "dim"))
        self.hint.show(fields, f"{self._app.config.keys.get('statistics.close', 'Esc')} closes")

    def _choice(self, name: str, key: str, text: str, is_chosen: bool) -> Field:
        """One of several: its key stands out in its name, or before it if it has another; the chosen one is bright."""
        tone = "state" if is_chosen else "dim"
        other = self._app.config.keys.get(f"statistics.{name}")
        if other is not None:
            return Field(f"{other} {text}", 9, parts=((f"{other} ", "model"), (text, tone)))
        return Field(text, 9, parts=((key, "model"), (text.removeprefix(key), tone)))

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_close(self) -> None:
        """Back to the chat; a query that runs is interrupted."""
        self.dismiss()

    def action_by(self, by: str) -> None:
        """Group by something else."""
        self._by = by
        self._choose()

    def action_period(self, days: int | None = None) -> None:
        """Look at the last days, or at all."""
        self._days, self._is_chosen = days, True
        self._choose()

    def _choose(self) -> None:
        self._show_choice()
        if self._collected is not None:
            self.settled = False
            self._show(anew=True)

    def action_export(self, kind: str) -> None:
        """Write what is shown to a file in the working directory."""
        collected = self._collected
        if collected is None:
            return
        made = self._report(collected, self._by, self._days)
        if not made.is_empty:
            self._export(f"tui-chat-statistics.{kind}", as_csv if kind == "csv" else as_json, made)

    @work(group="export", exit_on_error=False)
    async def _export(self, name: str, form: Callable[[Report], str], made: Report) -> None:
        try:
            path = await asyncio.to_thread(lambda: write_new(Path(name), [form(made)]).absolute())
        except OSError as error:
            self._app.chat.say(f"not written: {sanitise_line(error.strerror or str(error))}", "warning", timeout=8)
        else:
            self._app.chat.say(f"written to {sanitise_line(str(path))}", timeout=8)

    def action_copy_or_stop(self) -> None:
        """Copy what is selected; else stop the reply."""
        chat = self._app.chat
        if selected := self.lines.selected_text():
            chat.copy(selected)
            self.lines.deselect()
        elif chat.busy:
            chat.action_stop()


def _since(days: int | None) -> str | None:
    """The first of so many days of which today is the last."""
    return None if days is None else (date.today() - timedelta(days - 1)).isoformat()  # noqa: DTZ011 - the user's days


def _pieces(text: str, tone: str) -> list[tuple[str, str]]:
    """A line in pieces, each with a tone; in a plot what is drawn stands out of its axes."""
    if tone != "plot":
        return [(f" {text}", _TONES[tone])]
    return [
        (" ", ""),
        *((piece, "text" if _DRAWN.fullmatch(piece) else "dim") for piece in _DRAWN_OR_NOT.findall(text)),
    ]
