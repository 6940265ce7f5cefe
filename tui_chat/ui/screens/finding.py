"""Finding in the conversation, and finding back to a place in it: what the bar, the keys and a hit of the history mean for the log.

The bar is made when it is first asked for: the first paint finds nothing. It knows no session.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Final

from textual import on
from textual.screen import Screen

from tui_chat.text import sanitise_line
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.prompt_area import PromptArea

if TYPE_CHECKING:
    from textual.widget import Widget

    from tui_chat.ui.widgets.find_bar import FindBar

_PHRASES: Final = re.compile(r'"([^"]+)"|(\S+)')


class Finding(Screen[None]):
    """A screen with a log that can be searched, above a prompt."""

    log_widget: MessageLog
    prompt: PromptArea

    def __init__(self) -> None:
        super().__init__()
        self._find_bar: FindBar | None = None
        self._came_from: Widget | None = None  # where the focus was
        self._last_found = ""

    # The bar -------------------------------------------------------------------------------------------------------

    @property
    def find_is_open(self) -> bool:
        """Whether the bar is there."""
        return self._find_bar is not None and self._find_bar.display

    @property
    def find_has_focus(self) -> bool:
        """Whether the bar's field has the focus, or will have it in a moment."""
        return self.find_is_open and self._find_bar is not None and self.focused is self._find_bar.field

    @property
    def find_selection(self) -> str:
        """What is selected in the bar's field; '' without the focus."""
        return self._find_bar.field.selected_text if self._find_bar is not None and self.find_has_focus else ""

    async def action_find(self, argument: str = "") -> None:
        """Open the bar, with `argument` or what was looked for last in it, to be replaced by typing."""
        bar = await self._open_find(sanitise_line(argument).strip())
        if self.focused is not bar.field:
            self._came_from = self.focused
        self.set_focus(bar.field, scroll_visible=False)
        bar.field.select_all()

    async def _open_find(self, text: str = "", at: int | None = None) -> "FindBar":
        """Show the bar. What is looked for is `text`, or what was; from the item of the log at that place on, or from the view on."""
        bar = self._find_bar
        if bar is None:
            from tui_chat.ui.widgets.find_bar import FindBar  # here: the first paint finds nothing

            bar = self._find_bar = FindBar()
            await self.mount(bar, before=self.prompt)
        opened = not bar.display or not self.log_widget.finding
        bar.display = True
        if text:
            bar.field.value = text
        if opened or text:
            self._look_for(bar.field.value, at)
        return bar

    def close_find(self) -> bool:
        """Close the bar and leave the reader where they are. Returns whether it was open."""
        bar = self._find_bar
        if bar is None or not bar.display:
            return False
        if self.focused is bar.field:
            came_from = self._came_from
            back = came_from if came_from is not None and came_from.is_attached else self.prompt.composer
            self.set_focus(back, scroll_visible=False)
        bar.display = False
        self.log_widget.end_find()
        return True

    def action_find_next(self) -> None:
        """Go to the next match."""
        self._find_again(1)

    def action_find_previous(self) -> None:
        """Go to the match before."""
        self._find_again(-1)

    def _find_again(self, by: int) -> None:
        """Go on with what is looked for; after the bar was closed, with what was looked for last."""
        if self.find_is_open:
            self.log_widget.find_next(by)
        elif self._last_found:
            self.run_worker(self._reopen(by), group="find", exit_on_error=False)
        else:
            self.run_worker(self.action_find(), group="find", exit_on_error=False)

    async def _reopen(self, by: int) -> None:
        await self._open_find(self._last_found)
        self.log_widget.find_next(by)

    def _look_for(self, text: str, at: int | None = None) -> None:
        self._last_found = text.strip() or self._last_found
        self.log_widget.find(text, at)
        if self._find_bar is not None:
            self._find_bar.show(self.log_widget.tally if text.strip() else None)

    # By name, for the bar is not imported with this module.

    def on_input_changed(self, message: Any) -> None:
        """What is looked for was changed."""
        if self._find_bar is not None and message.input is self._find_bar.field:
            self._look_for(message.value)

    def on_find_bar_stepped(self, message: Any) -> None:
        """The keys of the field."""
        self.log_widget.find_next(message.by)

    def on_find_bar_closed(self) -> None:
        """A click."""
        self.close_find()

    @on(MessageLog.Counted)
    def counted(self, message: MessageLog.Counted) -> None:
        """The log knows more of the matches."""
        if self._find_bar is not None and self._find_bar.field.value.strip():
            self._find_bar.show(message.tally)

    # Places --------------------------------------------------------------------------------------------------------

    def show_hit(self, turn_id: str, text: str) -> None:
        """Show a turn, and in it what `text`, a query of the history, has found there: marked, as if it had been looked for here."""
        self.run_worker(self._show_hit(turn_id, text), group="find", exclusive=True, exit_on_error=False)

    async def _show_hit(self, turn_id: str, text: str) -> None:
        log = self.log_widget
        phrases = [phrase or word.rstrip("*") for phrase, word in _PHRASES.findall(text)]
        wanted = [text.strip(), *sorted(phrases, key=len, reverse=True)]
        found = log.first_in_turn(turn_id, [each for each in map(sanitise_line, wanted) if each])
        if found is None:
            log.show_turn(turn_id)
            return
        place, query = found
        await self._open_find(query, place)

    def current_place(self) -> str | None:
        """Where the reader is, for another day and another width, as JSON; None at the end."""
        place = self.log_widget.turn_place()
        return json.dumps(place) if place is not None else None

    def restore_place(self, place: str | None) -> None:
        """Show what stood in the first line in view then; what cannot be read, or is not there any more, moves nothing."""
        try:
            fields = json.loads(place) if place else None
        except ValueError:
            return
        if isinstance(fields, dict) and isinstance(turn_id := fields.get("turn"), str):
            part, line, into = (fields.get(name) for name in ("part", "line", "into"))
            if isinstance(part, int) and isinstance(line, int) and isinstance(into, int):
                self.log_widget.show_turn_place(turn_id, part, line, into)
