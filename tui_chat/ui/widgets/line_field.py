"""A field for one line of text, as the find bar and the history have them.

It handles its keys itself, in the order they were typed (see `keys.py`): Enter behind text means that text.
"""

from textual import events
from textual.widgets import Input

from tui_chat.text import sanitise_line
from tui_chat.ui.widgets.keys import KeysInOrder, passed_on, run_own


class LineField(Input, KeysInOrder):
    """One line of text. Its own bindings come in the order of the keys; what is pasted is text, whatever it holds."""

    def __init__(self, *, id: str, placeholder: str = "", select_on_focus: bool = False) -> None:
        super().__init__(id=id, placeholder=placeholder, select_on_focus=select_on_focus, compact=True)
        self.cursor_blink = False  # nothing moves but what the model writes

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Input's is a coroutine; both are called
        if passed_on(self, event):
            return
        action = self.own_action(event.key)
        if action is not None and run_own(self, action):
            event.stop()
            event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.replace(sanitise_line(event.text.strip()), *sorted(self.selection))
