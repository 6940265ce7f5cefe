"""Lines of pieces, each with a tone, that can be scrolled and selected; where they come from it does not know."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tui_chat.ui.widgets.line_view import LineView

_TONES: Final = (
    "heading",
    "prompt",
    "name",
    "state",
    "dim",
    "warm",
    "error",
    "connecting",
    "headers",
    "opening",
    "token",
    "thinking",
    "text",
    "closing",
)


class DetailLines(LineView, can_focus=True):
    """Call `show` with lines; the view stays where the reader is."""

    FAMILY = "detail"
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"detail--{tone}" for tone in _TONES}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", id="turn.up"),
        Binding("down,j", "move(1)", "Down", id="turn.down"),
        Binding("pageup", "move_page(-1)", "Page up", id="turn.page_up"),
        Binding("pagedown,space", "move_page(1)", "Page down", id="turn.page_down"),
        Binding("home", "to_start", "Start", id="turn.start"),
        Binding("end,G", "to_end", "End", id="turn.end"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.following = False
        self._lines: Sequence[Sequence[tuple[str, str]]] = ()

    def show(self, lines: Sequence[Sequence[tuple[str, str]]], *, anew: bool = False) -> None:
        """Show `lines`; only those that differ are painted again. `anew`: they are of something else."""
        before, self._lines = self._lines, lines
        if anew:
            self.top, self.selection = 0, None
            self.changed(0)
            return
        self.following = False  # a line more must not move what somebody reads
        longer = len(lines) != len(before)
        changed = [place for place, pair in enumerate(zip(before, lines, strict=False)) if pair[0] != pair[1]]
        first = min([*changed, min(len(before), len(lines))]) if longer else min(changed, default=None)
        if first is not None:
            self.changed(first, None if longer else changed[-1] + 1)
        self.following = False

    @property
    def total(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    @property
    def plain(self) -> str:
        """All lines as text."""
        return "\n".join(self._text(place).rstrip() for place in range(self.total))

    def line(self, index: int) -> Strip | None:
        """A line's content."""
        if not 0 <= index < len(self._lines):
            return None
        pieces = self._lines[index]
        segments = [Segment(text, self.look(tone) if tone else None) for text, tone in pieces]
        return Strip(segments, sum(cell_len(text) for text, _ in pieces))

    def selected_text(self) -> str:
        """What is selected; '' if nothing is."""
        return self.selection_as_shown().strip()

    def action_move(self, by: int) -> None:
        """Scroll by lines."""
        self.scroll_lines(by)

    def action_move_page(self, direction: int) -> None:
        """Scroll by a page."""
        self.page(direction)

    def action_to_end(self) -> None:
        """Go to the last line."""
        self.show_from(self.max_top)

    def on_resize(self) -> None:
        """What was in view may be gone."""
        self.top = max(0, min(self.top, self.max_top))
        self.changed(0)

    def _text(self, place: int) -> str:
        return "".join(text for text, _ in self._lines[place])
