"""The commands that show the stream: a turn in detail, statistics, streaming against not, a race.

A part of the app that stands alone. Each screen is imported when it is asked for: the first paint needs none.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from textual import events
from textual.widget import Widget

from tui_chat.ui.painted_app import PaintedApp
from tui_chat.ui.widgets.keys import holds_keys

if TYPE_CHECKING:
    from tui_chat.runtime import Runtime
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.screens.chat import ChatScreen

_HAS_OUR_CLOCK: Final = sys.platform != "win32"  # there Textual's stamps are not of the monotonic clock


class StreamCommands(PaintedApp):
    """The app's actions around the stream."""

    runtime: "Runtime"
    _state_dir: Path | None
    _keys_went_to: Widget | None = None
    input_at: float | None = None  # when the key or the click that is handled now was read (monotonic seconds)

    async def on_event(self, event: events.Event) -> None:
        """Remember when the user asked for what follows: a cancel is measured from there. Keep text in its order."""
        if _HAS_OUR_CLOCK and isinstance(event, events.Key | events.MouseUp) and not event.is_forwarded:
            self.input_at = event.time
        if isinstance(event, events.Key) and not event.is_forwarded:
            before, self._keys_went_to = self._keys_went_to, self.focused
            is_text = event.is_printable or event.key == "enter"
            # The focus has moved while text for another widget still waits there, which will pass it on.
            if is_text and before is not None and before is not self.focused and holds_keys(before):
                self._keys_went_to = before
                before._forward_event(event)  # noqa: SLF001 - as Textual does with the widget that has the focus
                return
        await super().on_event(event)

    @property
    def chat(self) -> "ChatScreen":
        """The chat screen in front."""
        raise NotImplementedError

    def action_turn_details(self, turn_id: str = "") -> None:
        """How the wait of a turn was made up, the last one if none is named, and all that is known of it."""
        from tui_chat.ui.screens.turn_details import TurnDetailsScreen  # the first paint needs no details

        chat = self.chat
        turns = chat.session.conversation.turns if chat.session else []
        turn = next((each for each in reversed(turns) if each.id == turn_id or not turn_id), None)
        if turn is None:
            chat.say("there is no turn yet")
        else:
            self.push_screen(TurnDetailsScreen(chat, turn))

    def action_stats(self) -> None:
        """What the history says: TTFT, speed, tokens and cost."""
        from tui_chat.ui.screens.statistics import StatisticsScreen  # the first paint needs no statistics

        if isinstance(self.screen, StatisticsScreen):
            self.screen.action_close()
        else:
            self.push_screen(StatisticsScreen())

    def action_compare(self, prompt: str = "") -> None:
        """Streaming against not: `prompt`, else the last one of the conversation, else one that is asked for."""
        chat = self.chat
        session = chat.session
        if self.runtime.replaying:
            chat.say("a replay sends nothing; start tui-chat without it to compare", "warning", timeout=5)
            return
        if session is None or chat.busy:
            chat.say("a comparison needs the line for itself: wait for the reply, or stop it", "warning", timeout=5)
            return
        asked = [turn.prompt.text for turn in session.conversation.turns if not turn.prompt.continues]
        if prompt.strip() or asked:
            self._compare(prompt.strip() or asked[-1])
            return
        from tui_chat.ui.screens.dialogs import PickScreen  # dialogs are not needed for the first paint

        course = [("course", "the example of the streaming course: 500 tokens")] if self.runtime.config.demo else []
        self.push_screen(PickScreen("Compare: which prompt?", course, free_text=True), self._compare)

    def _compare(self, prompt: str | None) -> None:
        from tui_chat.comparing.plan import Plan  # here: the first paint compares nothing
        from tui_chat.ui.screens.comparing import CompareScreen

        if prompt and self.chat.session is not None:
            self.push_screen(CompareScreen(Plan(prompt, (self.chat.session.model,))))

    def action_race(self, argument: str = "") -> None:
        """Have two to four models answer the same prompt, side by side."""
        from tui_chat.ui.race_start import RaceStart  # here: the first paint races nobody

        start = RaceStart(cast("TuiChatApp", self), self._state_dir)
        self.run_worker(start.begin(argument), group="race", exclusive=True, exit_on_error=False)
