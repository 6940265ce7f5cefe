"""What a tool is about to be called with, all of it, and the two answers: the inside of the approval dialog.

Everything that can be mistaken is shown as an escape (`tool_text.py`); what does not fit is counted, and scrolled to. It knows neither
tools nor sessions, nor when an answer counts.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui_chat.text import sanitise_line
from tui_chat.ui.markdown.layout import segments, wrap
from tui_chat.ui.tool_text import ESCAPE, fold, input_lines, plainly
from tui_chat.ui.widgets.log_items import cut, cut_front
from tui_chat.ui.widgets.looks import component_style

_TITLE_ROWS: Final = 3
_WHAT_ROWS: Final = 3
_PLACE_ROWS: Final = 3
_LEAST: Final = 3  # rows of the input for which what is said above it gives way
_SPACED: Final = 6  # rows beside which there is room for blank ones

Row = list[Segment]
Move = Literal["up", "down", "pageup", "pagedown", "home", "end"]


class CallView(Widget):
    """What is asked, the input in a window that scrolls, and the two answers. After a value was set, refresh it with its layout."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"approval--{name}" for name in ("title", "what", "input", "escape", "quiet", "note", "deny", "key")
    }
    DEFAULT_CSS = "CallView { height: auto; }"

    class Pressed(Message):
        """The mouse went down somewhere."""

        def __init__(self, at: float) -> None:
            super().__init__()
            self.at = at

    class Chosen(Message):
        """An answer was clicked."""

        def __init__(self, answer: str) -> None:
            super().__init__()
            self.answer = answer

    def __init__(self, name: str, input: Mapping[str, Any], what: str = "", place: str = "") -> None:
        super().__init__(classes="dialog")
        self._looks: dict[str, Style] = {}
        self._title, self._what, self._place = f"Run {plainly(name)}?", sanitise_line(what), plainly(place)
        self._lines = input_lines(input)
        self._rows: list[str] = []  # the input, folded
        self._folded_for = 0
        self._top = 0
        self._most = 0  # rows that there is room for, without border and padding
        self.room: int | None = None  # rows that it may take; None: as many as the screen has
        self.ready = False  # whether an answer would count now
        self.note = ""  # about a key that did not
        self.keys = ("n", "y")  # that deny and allow
        self.more = 0
        self.rest: int | None = None  # seconds until it is denied, where that is to be told
        self.has_limit = False

    # Its parts -----------------------------------------------------------------------------------------------------

    def _foot(self, width: int) -> list[Row]:
        deny, allow = self.keys
        quiet = self._look("quiet")
        row = [
            Segment(f" {deny} deny ", (self._look("deny") if self.ready else quiet) + Style(meta={"answer": "deny"})),
            Segment("   "),
            Segment(allow, (self._look("key") if self.ready else quiet) + Style(meta={"answer": "allow"})),
            Segment(" allow", quiet + Style(meta={"answer": "allow"})),
        ]
        notes = [f"{self.more} more wait{'s' if self.more == 1 else ''}"] if self.more else []
        longest = " · ".join([*notes, "denied in 30s"] if self.has_limit else notes)
        if self.rest is not None:
            notes.append(f"denied in {self.rest}s")
        text = " · ".join(notes)
        if not longest:
            return [row]
        free = width - sum(segment.cell_length for segment in row)
        note = Segment(text, self._look("quiet"))
        return [[*row, Segment(" " * (free - cell_len(text))), note]] if free > cell_len(longest) + 1 else [[note], row]

    def _shape(self, width: int) -> tuple[list[Row], list[Row]]:
        """What stands above the input, and what below it. On a very small screen the input and the answers come first."""
        title = [[Segment(row, self._look("title"))] for row in fold(cut(self._title, _TITLE_ROWS * width - 8), width)]
        what, place, foot = self._what_rows(width), self._place_rows(width), self._foot(width)
        note: list[Row] = [[Segment(cut(self.note, width), self._look("note"))]] if self.note else []
        free = self._most - len(title) - len(foot)
        if free - len(what) - len(place) >= _SPACED:
            return [*title, *what, *place, []], [*(note or [[]]), *foot]
        foot = [*note, *foot] if free > _LEAST else foot
        for head in ([*title, *what, *place], [*title, *place]):
            if self._most - len(head) - len(foot) >= _LEAST:
                return head, foot
        return title[:1], foot

    def _what_rows(self, width: int) -> list[Row]:
        rows = wrap([(self._what, self._look("what"))], width) if self._what else []
        shown = [segments(row.fragments) for row in rows[:_WHAT_ROWS]]
        if len(rows) > _WHAT_ROWS:
            text = "".join(segment.text for segment in shown[-1])
            shown[-1] = [Segment(cut(f"{text}…", width), self._look("what"))]
        return shown

    def _place_rows(self, width: int) -> list[Row]:
        """Of a long path the end says most."""
        text = f"below {cut_front(self._place, _PLACE_ROWS * width - 12)}"
        return [self._with_escapes(row) for row in fold(text, width)] if self._place else []

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All that it has to show, or as much as there is room for."""
        self._fold(width)
        self._most = max(4, (viewport.height if self.room is None else self.room) - self.gutter.height)
        head, foot = self._shape(width)
        return min(self._most, len(head) + len(self._rows) + len(foot))

    def _fold(self, width: int) -> None:
        if width != self._folded_for:
            self._folded_for = width
            self._rows = [row for line in self._lines for row in fold(line, width)]

    # Painting ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One row."""
        width, height = self.size
        self._fold(width)
        head, foot = self._shape(width)
        room = height - len(head) - len(foot)
        row: Row = []
        if y < len(head):
            row = head[y]
        elif y < len(head) + room:
            row = self._window_row(y - len(head), room)
        elif y - len(head) - room < len(foot):
            row = foot[y - len(head) - room]
        plain = self.rich_style
        return Strip(Segment.apply_style(row, plain)).adjust_cell_length(width, plain)

    def _window_row(self, y: int, room: int) -> Row:
        rows = self._rows
        shown = self._shown(room)
        if y < shown:
            self._top = max(0, min(self._top, len(rows) - shown))
            return self._with_escapes(rows[self._top + y]) if self._top + y < len(rows) else []
        if shown == room:
            return []
        below, above = len(rows) - self._top - shown, self._top
        counts = [f"↓ {below:,} more line{'s' if below != 1 else ''}"] if below else []
        counts += [f"↑ {above:,} above"] if above else []
        text = "   ".join(counts)
        keys = "Up, Down" if above and below else "Down, PgDn" if below else "Up, PgUp"
        told = f"{text}   {keys}" if len(text) + 3 + len(keys) <= self.size.width else text
        return [Segment(told, self._look("key" if below else "quiet"))]

    def _shown(self, room: int) -> int:
        """How many rows of the input are shown: all, or one less than there is room for, since the last row counts the others."""
        return room if len(self._rows) <= room else max(1, room - 1)

    def _with_escapes(self, text: str) -> Row:
        """What hides nothing in one colour, and escapes in one that is seen."""
        row, place, plain, warm = [], 0, self._look("input"), self._look("escape")
        for match in ESCAPE.finditer(text):
            if match["plain"] is None:
                row += [Segment(text[place : match.start()], plain), Segment(match.group(), warm)]
                place = match.end()
        return [*row, Segment(text[place:], plain)]

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._looks.clear()

    def _look(self, name: str) -> Style:
        if name not in self._looks:
            self._looks[name] = component_style(self, f"approval--{name}")
        return self._looks[name]

    # Moving and choosing -------------------------------------------------------------------------------------------

    def move(self, move: Move) -> None:
        """Move the window over the input."""
        width, height = self.size
        shown = self._shown(height - sum(map(len, self._shape(width))))
        page = max(1, shown - 1)
        end = max(0, len(self._rows) - shown)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -end, "end": end}
        self._top = max(0, min(end, self._top + steps[move]))
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the input."""
        event.stop()
        self.move("down")

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the input."""
        event.stop()
        self.move("up")

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """An answer is clicked when both halves of the click belong to it."""
        self.post_message(self.Pressed(event.time))

    def on_click(self, event: events.Click) -> None:
        """An answer."""
        if answer := event.style.meta.get("answer"):
            self.post_message(self.Chosen(str(answer)))
