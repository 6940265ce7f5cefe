"""The composer with its mark, and under it what belongs to it: completions of a command, or the queue.

The queue stands here because it is text that waits to be sent; when it is sent is the chat screen's decision.
"""

from collections.abc import Iterable

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static, TextArea

from tui_chat.text import sanitise_line
from tui_chat.ui.commands import Command, completions
from tui_chat.ui.queue import PromptQueue
from tui_chat.ui.widgets.composer import Composer


class PromptArea(Vertical):
    """Call `show_queue` after changing `queue`."""

    DEFAULT_CSS = """
    PromptArea { height: auto; max-height: 50%; }
    PromptArea > #row { height: auto; max-height: 33vh; }
    PromptArea #mark { width: 3; height: 1; padding: 0 0 0 1; }
    PromptArea > #below { height: auto; max-height: 10; padding: 0 1 0 3; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.composer = Composer(id="composer")
        self.queue = PromptQueue()
        self._closed_for = ""  # the text whose completions were closed

    def compose(self) -> ComposeResult:
        """The row of the composer, and the lines below it."""
        with Horizontal(id="row"):
            yield Static("›", id="mark", markup=False)
            yield self.composer
        yield Static("", id="below", markup=False)

    def on_mount(self) -> None:
        """Nothing below at first."""
        self.query_one("#below").display = False

    @property
    def completing(self) -> bool:
        """Whether commands are offered."""
        return bool(self._completions())

    def close_completions(self) -> None:
        """Offer nothing more for the text as it stands; the text stays."""
        self._closed_for = self.composer.text
        self.show_queue()

    def _completions(self) -> list[Command]:
        text = self.composer.text
        return [] if text == self._closed_for else completions(text)

    @property
    def below(self) -> str:
        """The lines under the composer."""
        found = self._completions()
        if found:
            return "\n".join(f"/{each.name:<10} {each.help}" for each in found)
        word = "paused" if self.queue.paused else "queued"
        lines = [f"{word} {place}: {sanitise_line(text)}" for place, text in enumerate(self.queue.texts, 1)]
        if self.queue.paused and lines:
            lines.append("Enter with nothing typed sends the first, Escape takes them back")
        return "\n".join(lines)

    def set_queue(self, texts: Iterable[str], *, paused: bool = False) -> None:
        """Put `texts` in the place of the queue."""
        self.queue = PromptQueue(texts, paused=paused)
        self.show_queue()

    def show_queue(self) -> None:
        """Show the queue, or the completions, as they are now."""
        text = self.below
        below = self.query_one("#below", Static)
        below.display = bool(text)
        below.update(text)

    def give_back(self, text: str) -> None:
        """Put `text` back into the composer, above what is there; nothing is overwritten."""
        draft = self.composer.text
        self.composer.replace_text(f"{text}\n{draft}" if draft.strip() else text)
        self.show_queue()

    @on(TextArea.Changed)
    def text_changed(self) -> None:
        """Completions follow the text."""
        if self.composer.text != self._closed_for:
            self._closed_for = ""
        self.show_queue()
