"""A turn in detail: how its waits were made up, and all that is known of its requests; live while it runs.

It reads what is there and changes nothing: the words are `turn_text`'s, the figures the meter's. What went over the wire is
counted from the captures, as far as they are still known.
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui_chat import meter
from tui_chat.conversation import Turn
from tui_chat.pulse import Throughput
from tui_chat.session import State
from tui_chat.ui import turn_text
from tui_chat.ui.turn_text import Detail, WireCounts
from tui_chat.ui.widgets.detail_lines import DetailLines
from tui_chat.ui.widgets.status_bar import StatusBar
from tui_chat.ui.wording import Field

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.screens.chat import ChatScreen

TICK: Final = 0.1  # seconds between two looks while the turn runs; afterwards nothing ticks


class TurnDetailsScreen(Screen[None]):
    """Shows `turn` of the conversation of `chat`; Left and Right go to the turns beside it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,i,q", "close", "Close", id="turn.close", priority=True),
        Binding("left,comma", "beside(-1)", "The turn before", id="turn.previous", priority=True),
        Binding("right,full_stop", "beside(1)", "The turn after", id="turn.next", priority=True),
        Binding("c", "copy", "Copy as text", id="turn.copy", priority=True),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy what is selected, else stop", id="turn.stop", priority=True),
        Binding("f1", "app.help", "Keys", id="turn.help", priority=True),
    ]

    def __init__(self, chat: "ChatScreen", turn: Turn) -> None:
        super().__init__()
        self._chat, self._turn = chat, turn
        self._throughput = Throughput()
        self._measured: object = None  # the capture that is measured
        self.is_live = False  # it ticks
        self.lines = DetailLines(id="turn")
        self.hint = StatusBar(id="turn-hint")
        self._ticker = self.set_interval(TICK, self.refresh_lines, pause=True)

    def compose(self) -> ComposeResult:
        """The lines above the keys."""
        yield self.lines
        yield self.hint

    def on_mount(self) -> None:
        """Show it before the first paint."""
        self.lines.focus()
        self._show_hint()
        self.refresh_lines()

    def on_resize(self) -> None:
        """Other lines fit."""
        self.refresh_lines()

    def on_screen_suspend(self) -> None:
        """Behind another tab or a dialog nobody looks."""
        self._ticker.pause()

    def on_screen_resume(self) -> None:
        """In front again."""
        self.refresh_lines()

    def refresh_lines(self) -> None:
        """Show what is known now; look again while that grows."""
        if not self.lines.size.width:
            return
        self.is_live = self._runs
        if self.is_live:
            self._ticker.resume()
        else:
            self._ticker.pause()
        self.lines.show(turn_text.detail_lines(self._detail(), self.lines.text_width))

    @property
    def _app(self) -> "TuiChatApp":
        return cast("TuiChatApp", self.app)

    @property
    def _runs(self) -> bool:
        """Whether more will be known: it runs, or its end is being saved."""
        session = self._chat.session
        return session is not None and session.turn is self._turn and session.state is not State.IDLE

    def _detail(self) -> Detail:
        turn, runtime, session = self._turn, self._app.runtime, self._chat.session
        # The stamps of a turn that was stored are seconds since it started; a clock says nothing about it.
        begun_here = session is not None and any(turn is each for each in session.begun)
        now = session.now() if session is not None and begun_here else _last_stamp(turn)
        lag = self._chat.lags.get(turn.id)
        return Detail(
            turn,
            now,
            runtime.figures(turn, now),
            [runtime.figures(dataclasses.replace(turn, requests=[each]), now) for each in turn.requests],
            self._wires(turn, now),
            lag.figures() if lag is not None else None,
            meter.billed(turn, runtime.prices),
        )

    def _wires(self, turn: Turn, now: float) -> Sequence[WireCounts | None]:
        """What is known of the bytes of each request; of the one that runs how fast they come."""
        found: list[WireCounts | None] = [None] * len(turn.requests)
        for capture in self._app.runtime.wire.of_turn(turn.id):
            if capture.number >= len(found):
                continue
            rates: tuple[float | None, float | None] = (None, None)
            if capture.ended is None:
                if self._measured is not capture:
                    self._measured, self._throughput = capture, Throughput()
                self._throughput.sample(now, capture.received, capture.frames)
                rates = self._throughput.rates()
            found[capture.number] = WireCounts(capture.received, capture.frames, *rates)
        return found

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_close(self) -> None:
        """Back to the chat."""
        self.dismiss()

    def action_beside(self, by: int) -> None:
        """Show the turn before or after this one."""
        turns = self._turns
        place = next((at for at, each in enumerate(turns) if each is self._turn), 0) + by
        if 0 <= place < len(turns):
            self._turn = turns[place]
            self.lines.show((), anew=True)
            self._show_hint()
            self.refresh_lines()

    def action_copy(self) -> None:
        """Copy all of it as text."""
        self._chat.copy(self.lines.plain)

    def action_copy_or_stop(self) -> None:
        """Copy what is selected; else stop the reply."""
        if selected := self.lines.selected_text():
            self._chat.copy(selected)
            self.lines.deselect()
        elif self._runs:
            self._chat.action_stop()

    @property
    def _turns(self) -> Sequence[Turn]:
        session = self._chat.session
        return session.conversation.turns if session is not None else [self._turn]

    def _show_hint(self) -> None:
        turns = self._turns
        place = next((at for at, each in enumerate(turns) if each is self._turn), 0)
        keys = self._app.config.keys
        fields = [Field(f"Turn {place + 1} of {len(turns)}", 9, "model")]
        if len(turns) > 1:
            fields.append(Field("Left Right the others", 7, "dim"))
        fields.append(Field(f"{keys.get('turn.copy', 'c')} copy", 8, "dim"))
        self.hint.show(fields, f"{keys.get('turn.close', 'Esc')} closes")


def _last_stamp(turn: Turn) -> float:
    """The last moment that is known of a turn that was stored."""
    stamps = [
        each
        for request in turn.requests
        for each in (request.stamps.sent, request.stamps.last_bytes, request.stamps.ended)
    ]
    return max((each for each in (*stamps, turn.ended) if each is not None), default=turn.started)
