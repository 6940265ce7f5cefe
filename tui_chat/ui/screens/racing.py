"""A race on the screen: a column for each lane, side by side, stacked, or one at a time, and what its keys do.

The columns show what the sessions of a `Race` say; the race itself runs without them. Which column has the focus is the screen's
own affair: no widget here takes a key. Escape stops the focused lane, once more within a second all; when all have ended it leaves,
and what is kept then is the first whole answer.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker

from tui_chat.errors import TuiChatError
from tui_chat.events import BlockStarted, Event, RequestStarted, TextDelta, ThinkingDelta, TurnEnded, TurnStarted
from tui_chat.meter import RollingRate
from tui_chat.racing import Lane, Race
from tui_chat.text import sanitise_line
from tui_chat.ui import racing_text
from tui_chat.ui.racing_text import LaneStatus
from tui_chat.ui.widgets.live_markdown import LiveMarkdown
from tui_chat.ui.widgets.race_column import RaceColumn
from tui_chat.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

TICK: Final = 0.1  # seconds between two looks at the clock while a lane runs
AGAIN: Final = 1.0  # seconds within which a second Escape stops all
NARROWEST: Final = 32  # columns of the screen for a column
LOWEST: Final = 14  # rows for a column where several stand above each other
LOW: Final = 28  # rows of the screen under which the prompt has to do with one
_ABOVE: Final = 4  # rows that are no column's: the prompt's, and the last line


@dataclass(frozen=True, slots=True)
class Finished:
    """How a race was left: with an answer, or without one because it could not begin."""

    kept: Lane | None = None
    error: TuiChatError | None = None


class RaceScreen(Screen[Finished]):
    """Runs `race` and shows it; `begun` is called once, when the prompt is stored."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop, then leave", id="race.stop"),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy, else stop all", id="race.copy_or_stop", priority=True),
        Binding("enter,k", "keep", "Keep this answer", id="race.keep"),
        Binding("tab,right", "move(1)", "Next column", id="race.next"),
        Binding("shift+tab,left", "move(-1)", "Previous column", id="race.previous"),
        *(
            Binding(str(number), f"go({number})", f"Column {number}", id=f"race.column_{number}")
            for number in range(1, 5)
        ),
        Binding("up", "scroll_lines(-1)", "Up", id="race.up"),
        Binding("down", "scroll_lines(1)", "Down", id="race.down"),
        Binding("pageup", "page(-1)", "Page up", id="race.page_up"),
        Binding("pagedown", "page(1)", "Page down", id="race.page_down"),
        Binding("home", "to_start", "Start", id="race.start"),
        Binding("end", "to_end", "End", id="race.end"),
        Binding("c", "copy", "Copy this answer", id="race.copy"),
        Binding("f1", "app.help", "Keys", id="race.help", priority=True),
    ]
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    RaceScreen { layout: vertical; }
    RaceScreen > #asked { height: auto; max-height: 2; margin: 0 1 1 1; padding: 0 1; }
    RaceScreen.-low > #asked { margin: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    RaceScreen > #columns { width: 100%; height: 1fr; grid-gutter: 1 0; }
    """

    def __init__(self, race: Race, begun: Callable[[], None]) -> None:
        super().__init__()
        self.race = race
        self.columns = tuple(RaceColumn(lane.number) for lane in race.lanes)
        self.focused_column = 0
        self.one_at_a_time = False
        self._begun: Callable[[], None] | None = begun
        self._rates = {lane.number: RollingRate() for lane in race.lanes}
        self._chosen: Lane | None = None
        self._stopped_at = 0.0
        self._result: Finished | None = None  # while another tab is in front
        self._switch = StatusBar(id="switch")
        self._bar = StatusBar(id="status")

    def compose(self) -> ComposeResult:
        """The prompt, the columns, the last line."""
        yield Static(self._asked, id="asked", markup=False)
        yield self._switch
        yield Grid(*self.columns, id="columns")
        yield self._bar

    @property
    def _asked(self) -> str:
        prompt = self.race.prompt
        return "go on from the reply above" if prompt.continues else " ".join(sanitise_line(prompt.text).split())

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        return cast("TuiChatApp", self.app)

    @property
    def lane(self) -> Lane:
        """The lane of the focused column."""
        return self.race.lanes[self.focused_column]

    def on_mount(self) -> None:
        """Begin."""
        self._arrange()
        self.run_worker(self._run(), group="race", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers report to the node that started them."""
        self.chat_app.on_worker_state_changed(event)

    # The race ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        ticker = self.set_interval(TICK, self._tell)
        error: TuiChatError | None = None
        try:
            async with contextlib.aclosing(self.race.run()) as events:
                async for lane, event in events:
                    self._show(lane, event)
        except TuiChatError as refused:
            error = refused
        finally:
            ticker.stop()
        self._tell()
        if error is not None:
            self._leave(Finished(error=error))
        elif self._chosen is not None:
            await self._keep(self._chosen)

    def _show(self, lane: Lane, event: Event) -> None:
        """One event of one lane."""
        column, rate = self.columns[lane.number - 1], self._rates[lane.number]
        match event:
            case TurnStarted():
                if self._begun is not None:
                    begun, self._begun = self._begun, None
                    begun()
            case RequestStarted():
                self._rates[lane.number] = RollingRate()
            case BlockStarted(at=at, block=block):
                kind = str(block.get("type"))
                text = block.get(kind) if kind in ("text", "thinking") else None
                if isinstance(text, str) and text:
                    column.write(text, thinking=kind == "thinking")
                    self._count(rate, at, text)
            case TextDelta(at=at, text=text):
                column.write(text)
                self._count(rate, at, text)
            case ThinkingDelta(at=at, thinking=text):
                column.write(text, thinking=True)
                self._count(rate, at, text)
            case TurnEnded():
                column.finish()
                self._tell()
            case _:
                pass

    def _count(self, rate: RollingRate, at: float, text: str) -> None:
        is_first = rate.is_empty
        rate.add(at, len(text))
        if is_first:
            self._tell()  # who is first is known now, not at the next tick

    async def _keep(self, lane: Lane) -> None:
        try:
            kept = await self.race.keep(lane)
        except TuiChatError as error:
            self.notify(sanitise_line(error.sentence), severity="warning", markup=False)
            kept = False
        self._leave(Finished(lane if kept else None))

    def _leave(self, result: Finished) -> None:
        """Go back to the chat; from behind another tab only when this one is in front again."""
        self._result = result
        if self.is_current:
            self.dismiss(result)

    def on_screen_resume(self) -> None:
        """In front again."""
        if self._result is not None:
            self.dismiss(self._result)
        else:
            self._tell()

    # What stands where ---------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Another size may want another order."""
        self._arrange()

    def _arrange(self) -> None:
        """Side by side if they are wide enough, else above each other if they are high enough, else one at a time."""
        count = len(self.columns)
        width, height = self.size.width, self.size.height - _ABOVE
        fitting = [
            abreast
            for abreast in range(count, 0, -1)
            if count % abreast == 0
            and (width // abreast >= NARROWEST or abreast == 1)
            and (height // (count // abreast) >= LOWEST or abreast == count)
        ]
        self.one_at_a_time = not fitting
        grid = self.query_one("#columns", Grid)
        grid.styles.grid_size_columns = fitting[0] if fitting else 1
        grid.styles.grid_size_rows = count // fitting[0] if fitting else 1
        self._switch.display = self.one_at_a_time
        self.set_class(self.size.height < LOW, "-low")
        self._point()

    def _point(self) -> None:
        """Show which column has the focus."""
        for place, column in enumerate(self.columns):
            column.display = not self.one_at_a_time or place == self.focused_column
            column.set_class(place == self.focused_column, "-focused")
        self._tell()

    def _tell(self) -> None:
        """All figures as they are now."""
        if not (self.is_attached and self.is_current):
            return  # behind another tab or a dialog nobody looks
        now, race = time.monotonic(), self.race
        statuses = [self._status(lane, now) for lane in race.lanes]
        for column, status in zip(self.columns, statuses, strict=True):
            column.tell(racing_text.head_fields(status), racing_text.figure_fields(status), status.note)
        self._switch.show(racing_text.switch_fields(statuses, self.size.width), "")
        choice = race.choice(self.lane)
        keeps = None if choice is None else choice.number
        chosen = None if self._chosen is None else self._chosen.number
        self._bar.show(
            racing_text.bar_fields(statuses, chosen, without_tools=race.without_tools),
            racing_text.bar_hint(statuses, self.lane.number, escape_keeps=keeps),
        )

    def _status(self, lane: Lane, now: float) -> LaneStatus:
        runtime = self.chat_app.runtime
        rate = self._rates[lane.number].tokens_per_second(now, runtime.ratios.characters_per_token(lane.model))
        return racing_text.lane_status(self.race, lane, runtime, now, rate, focused=self.lane)

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_stop(self) -> None:
        """Stop the focused lane; again within a second all; when all have ended leave with the first whole answer."""
        now = time.monotonic()
        again = now - self._stopped_at < AGAIN
        if self.race.is_over:
            choice = self.race.choice(self.lane)
            if not again and choice is not None:  # a third Escape in a row is one too many, not a decision
                self._choose(choice)
            return
        self._stopped_at = now
        asked_at = self.chat_app.input_at
        if again:
            self.race.cancel_all(asked_at=asked_at)
        else:
            self.race.cancel(self.lane, asked_at=asked_at)
        self._tell()

    def action_copy_or_stop(self) -> None:
        """Ctrl+C: copy what is selected, else stop all."""
        selected = self.columns[self.focused_column].selected_text()
        if selected:
            self._copy(selected)
        elif self.race.cancel_all(asked_at=self.chat_app.input_at):
            self._stopped_at = time.monotonic()
            self._tell()

    def action_keep(self) -> None:
        """Make the focused answer the reply. If it still runs it is kept when it has ended; the others are stopped."""
        if self.lane.refusal is not None:
            self.notify("nothing came of this one", timeout=3, markup=False)
        else:
            self._choose(self.lane)

    def _choose(self, lane: Lane) -> None:
        if self._chosen is not None and self.race.is_over:
            return  # that one is on its way
        self._chosen = lane
        if self.race.is_over:
            self.run_worker(self._keep(lane), group="race", exit_on_error=False)
            return
        for each in self.race.lanes:
            if each is not lane:
                self.race.cancel(each)
        self._tell()

    def action_move(self, by: int) -> None:
        """Focus another column."""
        self.focused_column = (self.focused_column + by) % len(self.columns)
        self._point()

    def action_go(self, number: int) -> None:
        """Focus the column of that number."""
        if number <= len(self.columns):
            self.focused_column = number - 1
            self._point()

    @on(RaceColumn.Pressed)
    def pressed(self, message: RaceColumn.Pressed) -> None:
        """A click focuses."""
        self.action_go(message.number)

    @on(LiveMarkdown.CodeChosen)
    def code_chosen(self, message: LiveMarkdown.CodeChosen) -> None:
        """A click on the label of a code block."""
        self._copy(message.code)

    @on(LiveMarkdown.LinkClicked)
    def link_clicked(self, message: LiveMarkdown.LinkClicked) -> None:
        """Open a link; the app refuses schemes that are not the web's."""
        self.app.open_url(message.url)

    def action_scroll_lines(self, lines: int) -> None:
        """Move the focused answer."""
        self.columns[self.focused_column].view.scroll_lines(lines)

    def action_page(self, direction: int) -> None:
        """Move the focused answer by a page."""
        self.columns[self.focused_column].view.page(direction)

    def action_to_start(self) -> None:
        """The start of the focused answer."""
        self.columns[self.focused_column].view.action_to_start()

    def action_to_end(self) -> None:
        """The end of the focused answer, and follow it."""
        self.columns[self.focused_column].view.action_follow()

    def action_copy(self) -> None:
        """Copy the focused answer as markdown."""
        turn = self.lane.turn
        self._copy(turn.text if turn is not None else "")

    def _copy(self, text: str) -> None:
        self.chat_app.chat.copy(text)
