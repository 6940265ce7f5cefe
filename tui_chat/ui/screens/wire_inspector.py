"""The open wire pane of one chat screen: from captures to rows, and what its keys do.

It is made when the pane is opened and dropped when it is closed; while it is open the captures are read in slices, between which keys
are handled, and painted at most once a frame. Captures are those of the conversation's turns, on whatever branch, in the order of
their requests; what is not kept is said above them.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from textual.timer import Timer

from tui_chat.conversation import Outcome, Turn
from tui_chat.ui import wire_text
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.wire_pane import WirePane
from tui_chat.ui.wire_model import GAPS, RATE_WINDOW, Filter, WireModel
from tui_chat.ui.wire_text import Key
from tui_chat.ui.wording import Field
from tui_chat.wire import Capture, WireLog

if TYPE_CHECKING:
    from tui_chat.session import ChatSession
    from tui_chat.ui.screens.inspecting import Inspecting

_SLICE: Final = 0.008  # seconds of reading or copying, and then the keys' turn
_FRAME: Final = 1 / 25  # seconds between two looks: all rows move with each event, and more often nobody can read
_UNSEEN_FRAME: Final = 1 / 4  # ... behind another tab or a dialog
_PAINT_EVERY: Final = 0.1  # seconds between two paintings while much is read
_TICK: Final = 0.1  # seconds between two looks at the clock while a reply runs
_TYPES: Final = 12  # that are named in the last line
_MANY: Final = 5_000  # rows that take their time to be copied


class WireInspector:
    """Mount `pane`, if it is not yet, then `start`; `stop` when the pane goes."""

    def __init__(self, screen: "Inspecting", log: WireLog, pane: WirePane | None = None) -> None:
        self.pane = pane or WirePane()
        self.model = WireModel()
        self.pane.list.begin(self.model)
        self._screen, self._log = screen, log
        self._gate = FrameGate(self.pane, self._look)
        self._listening = False
        self._timer: Timer | None = None
        self._session: ChatSession | None = None
        self._turns: dict[str, Turn] = {}
        self._chosen_by: tuple[Any, ...] = ()  # the state of things for which the captures were chosen
        self._later: asyncio.TimerHandle | None = None  # the next look, after something has changed
        self._looked = self._painted = 0.0
        self._done = True
        self._frozen_at: int | None = None  # events that were known when the list was frozen
        self._shown: Key | None = None  # the row of the detail

    # From captures to rows -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen to the wire."""
        self._log.listeners.append(self.changed)
        self._listening = True
        self.changed()

    def stop(self) -> None:
        """Listen no more, and forget what was read."""
        self._forget_later()
        self._keep_time(running=False)
        if self._listening:
            self._log.listeners.remove(self.changed)
            self._listening = False
            self.model = WireModel()
            self.pane.list.begin(self.model)
            self.pane.begin_anew()
            self._turns, self._session = {}, None

    def changed(self) -> None:
        """Something went over the wire, or another conversation is on the screen."""
        if self._later is None:
            frame = _FRAME if self._screen.is_current else _UNSEEN_FRAME
            wait = self._looked + frame - time.perf_counter()
            self._later = asyncio.get_running_loop().call_later(max(0.0, wait), self._gate.request)

    @property
    def settled(self) -> bool:
        """Whether all is read and painted."""
        return self._done and self._later is None

    def _look(self) -> None:
        now = self._looked = time.perf_counter()
        self._forget_later()
        rows = self.pane.list
        if self._screen.session is not self._session:
            self._begin_anew()
        with rows.changing():
            self._choose()
            self._done = self.model.update(now + _SLICE)
        if self._done or now - self._painted >= _PAINT_EVERY:
            self._painted = now
            rows.show_changes()
            self._show_figures()
        if not self._done:
            self._gate.request(at_once=True)
        self._keep_time(running=self._running)

    def _forget_later(self) -> None:
        later, self._later = self._later, None
        if later is not None:
            later.cancel()

    @property
    def _running(self) -> bool:
        return self.model.running is not None or (self._session is not None and not self._session.is_idle)

    def _begin_anew(self) -> None:
        self._session = self._screen.session
        model, self.model = self.model, WireModel()
        self.model.set_gap(model.gap)
        self.pane.list.begin(self.model)
        self.pane.close_part()
        self._chosen_by, self._frozen_at = (), None

    def _choose(self) -> None:
        """Give the model the captures of the conversation, if they are others than before."""
        session, log = self._session, self._log
        if session is None:
            return
        path = session.conversation.turns
        state = (log.forgotten, len(log), len(session.begun), len(path), path[-1].id if path else "")
        if state == self._chosen_by:
            return
        self._chosen_by = state
        numbers = {turn.id: number for number, turn in enumerate(path, start=1)}
        self._turns = {turn.id: turn for turn in (*path, *session.begun)}
        kept = [capture for capture in log if capture.turn_id in self._turns]
        titled = []
        for capture in kept:
            number = numbers.get(capture.turn_id)
            turn = f"turn {number}" if number is not None else "another version"
            titled.append((capture, f"{turn} request {capture.number + 1}"))
        self.model.show(titled, self._notes(session, kept), self._why)

    def _notes(self, session: "ChatSession", kept: list[Capture]) -> list[str]:
        """What is to be said of requests that are not there."""
        begun, known = {turn.id for turn in session.begun}, {capture.turn_id for capture in kept}
        sent = sum(len(turn.requests) for turn in session.begun)
        dropped = sent - sum(capture.turn_id in begun for capture in kept)
        loaded = sum(turn.id not in begun and turn.id not in known for turn in session.conversation.turns)
        notes = []
        if loaded:
            notes.append(
                f"{loaded:,} earlier {'reply' if loaded == 1 else 'replies'}: the wire of another run is not kept"
            )
        if dropped > 0:
            limit = f"wire_memory_mb = {self._log.limit // 1_000_000}"
            notes.append(
                f"{dropped:,} earlier request{'' if dropped == 1 else 's'} dropped: the memory is full ({limit})"
            )
        if not kept:
            notes.append("nothing has gone over the wire yet: each request shows here as it runs")
        return notes

    def _why(self, capture: Capture) -> str:
        """What is known of a request that ended before its body did."""
        turn = self._turns.get(capture.turn_id)
        request = turn.requests[capture.number] if turn is not None and capture.number < len(turn.requests) else None
        if turn is None or request is None:
            return ""
        if request.error is not None:
            return f"{request.error.type}: {request.error.message}"
        return "cancelled" if turn.outcome is Outcome.CANCELLED and request is turn.request else ""

    # Figures -------------------------------------------------------------------------------------------------------

    def _keep_time(self, *, running: bool) -> None:
        """While a reply runs its silence and its rates change with the clock."""
        if running and self._timer is None:
            self._timer = self.pane.set_interval(_TICK, self._tick)
        elif not running and self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _tick(self) -> None:
        running = self._running
        self._show_figures()
        if not running:
            self.pane.list.show_changes()  # how it ended is known now
            self._keep_time(running=False)

    def _show_figures(self) -> None:
        model, rows = self.model, self.pane.list
        now = time.monotonic() if self._session is None else self._session.now()
        rows.show_silence(model.silence(now) if self._done else None)
        fields = self._filter_fields()
        running = model.running
        if running is not None:
            data, events = running.rates(now, RATE_WINDOW)
            fields += [
                Field(f"{wire_text.bytes_text(data):>7}/s", 8),
                Field(f"{events:>4,.0f} {'event/s ' if round(events) == 1 else 'events/s'}", 7),
            ]
        elif model.requests:
            count = model.requests
            fields += [
                Field(f"{model.events:,} events", 8),
                Field(wire_text.bytes_text(model.received), 7),
                Field(f"{count:,} request{'' if count == 1 else 's'}", 4, "dim"),
            ]
        if model.requests:
            gaps, least = model.gaps, wire_text.seconds_text(model.gap)
            fields.append(Field(f"{gaps:,} gap{'' if gaps == 1 else 's'} from {least}", 6, "warm" if gaps else "dim"))
        self.pane.head.show([Field("wire", 3, "state"), *fields], self._place_text())
        self.pane.show_types(self._type_fields())

    def _place_text(self) -> str:
        if not self._done:
            return "reading"
        rows, events = self.pane.list, self.model.seen
        if rows.following:
            self._frozen_at = None
            return "following" if self._running else ""
        if self._frozen_at is None:
            self._frozen_at = events
        new = events - self._frozen_at
        return f"frozen, {new:,} new" if new or self._running else ""

    def _filter_fields(self) -> list[Field]:
        model, wanted = self.model, self.model.filter
        fields = []
        if wanted.type is not None:
            fields.append(Field(f"only {model.types.name(wanted.type)}", 10, "warm"))
        if wanted.text:
            fields.append(Field(f"only {wire_text.quoted(wanted.text)}", 10, "warm"))
        return fields

    def _type_fields(self) -> list[Field]:
        """All types, from the chosen one on; none while none is chosen."""
        chosen = self.model.filter.type
        if chosen is None:
            return []
        types = self.model.type_counts()
        place = next((place for place, (code, _, _) in enumerate(types) if code == chosen), 0)
        types = [*types[place:], *types[:place]]
        return [
            Field(f"{name} {count:,}", len(types) - number, "model" if code == chosen else "dim")
            for number, (code, name, count) in enumerate(types[:_TYPES])
        ]

    # Keys ----------------------------------------------------------------------------------------------------------

    def asked(self, action: str) -> None:
        """Do what one of the pane's keys means."""
        match action:
            case "moved":
                self._show_figures()
            case "no_gap":
                self._screen.say(f"no more gaps of {wire_text.seconds_text(self.model.gap)} there")
            case "open":
                self._open(self.pane.list.selected)
            case "close":
                self.pane.close_part()
            case "before" | "after":
                by = -1 if action == "before" else 1
                self._open(self.model.next_row(self._shown, by) if self._shown is not None else None)
            case "type" | "type_before":
                self._next_type(1 if action == "type" else -1)
            case "longer_gap" | "shorter_gap":
                place = GAPS.index(self.model.gap) + (1 if action == "longer_gap" else -1)
                self._sift(gap=GAPS[max(0, min(place, len(GAPS) - 1))])
            case "copy":
                self._copy(self.pane.list.selected)
            case "copy_detail":
                self._screen.copy(self.pane.detail.detail.text)
            case "copy_all":
                self._screen.run_worker(self._copy_all(), group="copy-all", exclusive=True, exit_on_error=False)
            case "curl":
                self._copy_curl(self._shown if self.pane.detail.display else self.pane.list.selected)
            case _:
                pass

    def _open(self, key: Key | None) -> None:
        if key is None:
            return
        self._shown = key
        self.pane.list.point_at(self.model.line(key))
        self.pane.open_detail(self.model.detail(key))

    def _next_type(self, by: int) -> None:
        choices: list[int | None] = [None, *(code for code, _, _ in self.model.type_counts())]
        now = self.model.filter.type
        place = choices.index(now) if now in choices else 0
        self._sift(Filter(choices[(place + by) % len(choices)], self.model.filter.text))

    def filter_text(self, text: str) -> None:
        """Show only events that hold `text`."""
        if text != self.model.filter.text:
            self._sift(Filter(self.model.filter.type, text))

    def _sift(self, wanted: Filter | None = None, *, gap: float | None = None) -> None:
        with self.pane.list.changing():
            if wanted is not None:
                self.model.set_filter(wanted)
            if gap is not None:
                self.model.set_gap(gap)
            self._done = self.model.update(time.perf_counter() + _SLICE)
        self.pane.list.show_changes()
        self._show_figures()
        if not self._done:
            self._gate.request(at_once=True)

    # Copying -------------------------------------------------------------------------------------------------------

    def _copy(self, key: Key | None) -> None:
        if key is not None:
            self._screen.copy(self.model.copied(key))

    def _copy_curl(self, key: Key | None) -> None:
        capture = self.model.capture(key) if key is not None else None
        if capture is None or not capture.method:
            self._screen.say("no request has left yet")
        else:
            self._screen.copy(wire_text.curl(capture))

    async def _copy_all(self) -> None:
        """All rows that pass the filter, as they are when they are reached."""
        model, total = self.model, self.model.total
        if total > _MANY:
            self._screen.say(f"copying {total:,} rows")
        lines: list[str] = []
        until = time.perf_counter() + _SLICE
        while len(lines) < min(total, model.total):
            lines.append(model.line_text(len(lines)))
            if time.perf_counter() >= until:
                await asyncio.sleep(0)
                until = time.perf_counter() + _SLICE
        self._screen.copy("\n".join(lines))
