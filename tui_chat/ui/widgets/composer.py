"""Where prompts are written: Textual's TextArea with Enter that sends, a prompt history, and `/` completion.

It posts what the user did and knows nothing of what happens then. TextArea's own editing keys are left alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from tui_chat.text import sanitise
from tui_chat.ui.commands import completions
from tui_chat.ui.widgets.keys import KeysInOrder, passed_on, run_own

NEW_LINE_KEYS = ("ctrl+j", "shift+enter", "alt+enter", "ctrl+enter")


class Composer(TextArea, KeysInOrder):
    """A prompt in the making. Enter sends; Ctrl+J makes a new line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # Handled in `_on_key` (see `keys`).
        Binding("enter", "submit", "Send", id="composer.send"),
        Binding(",".join(NEW_LINE_KEYS), "new_line", "New line", id="composer.new_line"),
    ]
    DEFAULT_CSS = """
    Composer {
        height: auto; min-height: 1; max-height: 33vh; padding: 0 1 0 0; border: none; background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { border: none; }
    }
    """

    @dataclass
    class Submitted(Message):
        """The user sent `text`."""

        text: str

    class LeftAtTop(Message):
        """Up was pressed in an empty composer that has no history: towards the log."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            placeholder="Ask something. Enter sends, Ctrl+J makes a new line, / lists commands",
        )
        self.cursor_blink = False  # nothing moves but what the model writes; and idle nothing runs on a timer
        self._history: Sequence[str] = ()
        self._place: int | None = None  # where in the history we are; None: in the draft
        self._draft = ""

    def set_history(self, prompts: Sequence[str]) -> None:
        """The earlier prompts, the latest last."""
        self._history = prompts
        self._place = None

    def replace_text(self, text: str) -> None:
        """Put `text` in place of all there is, the cursor at its end."""
        self.load_text(sanitise(text))
        self.move_cursor(self.document.end)

    # Sending -------------------------------------------------------------------------------------------------------

    def action_undo(self) -> None:
        """Undo; TextArea raises after some large pastes are undone (textual #6686), then there is no more to undo."""
        try:
            super().action_undo()
        except ValueError:
            self.history.clear()

    # History and completion ----------------------------------------------------------------------------------------

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # TextArea's is a coroutine; both are called
        if passed_on(self, event):
            return
        handlers: dict[str, Callable[[], bool]] = {"up": self._older, "down": self._newer, "tab": self._complete}
        handler, action = handlers.get(event.key), self.own_action(event.key)
        if (handler is not None and handler()) or (action is not None and run_own(self, action)):
            event.stop()
            event.prevent_default()

    def action_submit(self) -> None:
        """Send the text and make room for the next; a blank one is passed on too, it may release a queue."""
        text = self.text
        self._place, self._draft = None, ""
        self.replace_text("")
        self.post_message(self.Submitted(text))

    def action_new_line(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def _older(self) -> bool:
        if self.cursor_location[0] > 0 or not self.selection.is_empty:
            return False
        if not self._history:
            if not self.text:
                self.post_message(self.LeftAtTop())
            return not self.text
        place = len(self._history) if self._place is None else self._place
        if place == 0:
            return True
        if self._place is None:
            self._draft = self.text
        self._recall(place - 1)
        return True

    def _newer(self) -> bool:
        if self._place is None or self.cursor_location[0] < self.document.line_count - 1:
            return False
        self._recall(self._place + 1)
        return True

    def _recall(self, place: int) -> None:
        self._place = None if place >= len(self._history) else place
        self.replace_text(self._draft if self._place is None else self._history[place])

    def _complete(self) -> bool:
        found = completions(self.text)
        if not found:
            self.screen.focus_next()
            return True
        self.replace_text(f"/{found[0].name}" + (" " if found[0].argument else ""))
        return True

    def update_suggestion(self) -> None:
        """The rest of the first command that fits, as ghost text."""
        found = completions(self.text)
        self.suggestion = found[0].name[len(self.text) - 1 :] if found and len(self.text) > 1 else ""

    async def _on_paste(self, event: events.Paste) -> None:
        """Pasted text is text, whatever it holds."""
        event.prevent_default()
        event.stop()
        result = self._replace_via_keyboard(sanitise(event.text), *self.selection)
        if result is not None:
            self.move_cursor(result.end_location)
