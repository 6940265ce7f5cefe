"""One column of a race: two lines about the answer, and the answer itself, in live markdown.

While a model only thinks its thinking is shown; the text takes its place. It must not know sessions: what stands in the two lines is
given as fields.
"""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tui_chat.ui.widgets.live_markdown import LiveMarkdown
from tui_chat.ui.widgets.status_bar import StatusBar
from tui_chat.ui.wording import Field


class RaceColumn(Vertical):
    """Feed it with `write`, end it with `finish`, say with `tell` what stands above."""

    DEFAULT_CSS = """
    RaceColumn { height: 1fr; }
    RaceColumn > .head { height: 3; margin: 0 1 0 0; }
    RaceColumn > .note { height: auto; max-height: 5; padding: 0 1; display: none; }
    RaceColumn > .body { width: 100%; height: 1fr; padding: 0 0 0 1; }
    RaceColumn .thinking { display: none; }
    """

    class Pressed(Message):
        """The mouse went down on the column of that number."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.text, self._thinking = LiveMarkdown(), LiveMarkdown()
        self._thinking.add_class("thinking")
        self._who, self._figures = StatusBar(), StatusBar()
        self._note = Static("", classes="note", markup=False)
        self._noted = ""

    def compose(self) -> ComposeResult:
        """Two lines, a note, the answer."""
        yield Vertical(self._who, self._figures, classes="head")
        yield self._note
        yield Vertical(self._thinking, self.text, classes="body")

    @property
    def view(self) -> LiveMarkdown:
        """What is shown of the answer now."""
        return self._thinking if self._thinking.display else self.text

    @property
    def lines(self) -> tuple[str, str]:
        """The two lines above, as they are shown."""
        return self._who.text.strip(), self._figures.text.strip()

    @property
    def note(self) -> str:
        """What is noted above the answer."""
        return self._noted

    def write(self, text: str, *, thinking: bool = False) -> None:
        """More of the answer, or of the thinking before it."""
        if not text:
            return
        if thinking:
            self._thinking.write(text)
        else:
            self.text.write(text)
        shows_thinking = thinking and not self.text.source
        if self._thinking.display != shows_thinking:
            self._thinking.display, self.text.display = shows_thinking, not shows_thinking

    def finish(self) -> None:
        """The answer is complete."""
        self._thinking.finish()
        self.text.finish()

    def tell(self, name: Sequence[Field], figures: Sequence[Field], note: str) -> None:
        """Say this above the answer."""
        self._who.show(name, "")
        self._figures.show(figures, "")
        if note != self._noted:
            self._noted = note
            self._note.update(note)
            self._note.display = bool(note)

    def selected_text(self) -> str:
        """The source of what the mouse has selected."""
        return self.view.selected_text()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Anywhere in it."""
        self.post_message(self.Pressed(self.number))
