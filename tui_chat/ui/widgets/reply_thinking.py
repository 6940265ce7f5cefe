"""What stands above the text of a reply: its thinking, the end of it while it runs, or the line that offers to show it.

It knows neither the text below it nor where it stands.
"""

from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.widgets.log_items import BLANK, INDENT, wrapped
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.widgets.reply_foot import offering

LINES: Final = 3  # of running thinking
PIECES: Final = 400  # deltas that surely hold so many lines
_PAD: Final = Segment(" " * INDENT)


class ReplyThinking:
    """The thinking before a part of a reply. `rows` are its lines as they were laid out last."""

    def __init__(self, turn_id: str) -> None:
        self._turn_id = turn_id
        self._pieces: list[str] = []
        self.length = 0  # in characters
        self.summary = ""  # of what is over
        self._shown = False
        self.rows: list[Strip] = []

    def add(self, delta: str) -> None:
        """It goes on."""
        if delta:
            self._pieces.append(delta)
            self.length += len(delta)

    @property
    def text(self) -> str:
        """All of it, as it is shown."""
        self._pieces = ["".join(self._pieces)]
        return sanitise(self._pieces[0]).strip()

    def after(self, length: int) -> str:
        """What came behind its first `length` characters."""
        missing, parts = self.length - length, list[str]()
        for piece in reversed(self._pieces):
            if missing <= 0:
                break
            parts.append(piece[-missing:])
            missing -= len(piece)
        return sanitise("".join(reversed(parts)))

    @property
    def shown(self) -> bool:
        """Whether all of it is shown."""
        return self._shown and self.length > 0

    def show(self, *, shown: bool | None = None) -> None:
        """Show all of it, or hide it again (None: the other way round)."""
        self._shown = not self._shown if shown is None else shown

    @property
    def runs(self) -> bool:
        """Whether its end is shown."""
        return self.length > 0 and not self.summary and not self._shown

    def lay_out(self, width: int, looks: Looks) -> None:
        """Make its rows for `width` cells of text."""
        style = looks["thinking"]
        if self.shown:
            self.rows = [*wrapped(self.text, style, width, [_PAD], [_PAD]), BLANK]
        elif self.summary:
            click = Style(meta={"action": "toggle_thinking", "turn_id": self._turn_id})
            offer = [("t", looks["action"] + click), (" shows it", style + click)] if self._pieces else []
            self.rows = [*offering((sanitise_line(self.summary), style), offer, width), BLANK]
        elif self._pieces:
            # Only the end is shown, so only the end is laid out: the cost does not grow with the thinking.
            tail = "".join(self._pieces[-PIECES:])[-width * (LINES + 1) :]
            text = "\n".join(line for line in sanitise(tail).splitlines() if line.strip())
            self.rows = [*wrapped(text, style, width, [_PAD], [_PAD])[-LINES:], BLANK]
        else:
            self.rows = []
