"""What the two views of the wire have in common: copying what the mouse has selected, and keys in the order they were typed.

A letter that means nothing here is the beginning of a text for the composer, and so is what follows at once.
"""

from dataclasses import dataclass

from textual import events
from textual.message import Message

from tui_chat.ui.widgets.keys import KeysInOrder, passed_on, run_own
from tui_chat.ui.widgets.line_view import LineView


class WireLines(LineView, KeysInOrder):
    """Subclasses have bindings, each with an action of their own."""

    FAMILY = "wire"

    @dataclass
    class KeyTyped(Message):
        """A key that is not for the wire."""

        key: str
        character: str | None

    @dataclass
    class Asked(Message):
        """Something that somebody else has to do: leave, open, type, type_before, copy, copy_all, curl, longer_gap, shorter_gap, before, after."""

        action: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._typing = False  # keys go to the composer, which will have the focus in a moment

    def action_ask(self, action: str) -> None:
        """Say what was asked for."""
        self.post_message(self.Asked(action))

    def action_move_page(self, direction: int) -> None:
        """Move up (-1) or down (1) by a page."""
        raise NotImplementedError

    def on_blur(self) -> None:
        """The cursor is not shown without the focus."""
        self._typing = False
        self.changed_looks()

    def on_focus(self) -> None:
        """The cursor is shown."""
        self.changed_looks()

    def changed_looks(self) -> None:
        """Paint all that is in view."""
        self.refresh()

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Widget's is a coroutine; both are called
        if passed_on(self, event):
            return
        action = None if self._typing else self.own_action(event.key)
        if action is not None and run_own(self, action):
            pass
        elif self._typing or (action is None and event.is_printable):
            self._typing = True
            self.post_message(self.KeyTyped(event.key, event.character))
        else:
            return
        event.stop()
        event.prevent_default()

    def selected_text(self) -> str:
        """What the mouse has selected, as it is shown; '' if that is nothing."""
        return self.selection_as_shown()
