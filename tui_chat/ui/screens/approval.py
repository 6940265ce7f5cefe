"""May this tool run? The whole input, nothing hidden in it, and two answers of which "no" is the default.

What a model wants to run may have been written by somebody else, and the dialog comes up while the user types. So:

- everything that can be mistaken is shown as an escape (`tool_text.py`), nothing is cut off silently;
- Enter, Escape, Ctrl+C, a time-out, and closing the program all deny; one key allows;
- a key counts only when the dialog was on screen for `GUARD` seconds and the keys have been quiet for as long, by the time at which it
  was typed, not at which it was handled: keys that were typed ahead, or are held down, answer nothing. Escape always denies;
- a key that allows is acted on only when no other follows within `SETTLE`: text that somebody goes on typing is no answer either, nor
  is a key that was pressed before and begins to repeat only now.

It knows neither tools nor sessions; what the answer means is the caller's.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui_chat.text import sanitise_line
from tui_chat.ui.markdown.layout import segments, wrap
from tui_chat.ui.tool_text import ESCAPE, fold, input_lines, plainly
from tui_chat.ui.widgets.keys import own_actions
from tui_chat.ui.widgets.log_items import cut
from tui_chat.ui.widgets.looks import component_style

GUARD: Final = 0.3  # seconds
SETTLE: Final = 0.15  # seconds; a held key repeats faster, a typist hardly slower
TOLD_FROM: Final = 30.0  # seconds before a time-out
_TICK: Final = 0.2  # seconds between two looks at the clock
_TITLE_ROWS: Final = 3
_WHAT_ROWS: Final = 3
_LEAST: Final = 3  # rows of the input for which what is said above it gives way
_SPACED: Final = 6  # rows beside which there is room for blank ones
_ALWAYS_DENY: Final = frozenset({"enter", "ctrl+c"})  # and Escape; no keymap changes that

Row = list[Segment]
Move = Literal["up", "down", "pageup", "pagedown", "home", "end"]
_MOVES: Final[dict[str, Move]] = {key: key for key in ("up", "down", "pageup", "pagedown", "home", "end")}


class CallView(Widget):
    """What is asked, the input in a window that scrolls, and the two answers."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"approval--{name}" for name in ("title", "what", "input", "escape", "quiet", "deny", "key")
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

    def __init__(self, name: str, input: Mapping[str, Any], what: str) -> None:
        super().__init__(classes="dialog")
        self._looks: dict[str, Style] = {}
        self._title, self._what = f"Run {plainly(name)}?", sanitise_line(what)
        self._lines = input_lines(input)
        self._rows: list[str] = []  # the input, folded
        self._folded_for = 0
        self._top = 0
        self._most = 0  # rows that the screen has room for
        self.keys = ("n", "y")  # that deny and allow
        self.more = 0
        self.rest: int | None = None  # seconds until it is denied, where that is to be told
        self.has_limit = False

    # Its parts -----------------------------------------------------------------------------------------------------

    def _foot(self, width: int) -> list[Row]:
        deny, allow = self.keys
        row = [
            Segment(f" {deny} deny ", self._look("deny") + Style(meta={"answer": "deny"})),
            Segment("   "),
            Segment(allow, self._look("key") + Style(meta={"answer": "allow"})),
            Segment(" allow", self._look("quiet") + Style(meta={"answer": "allow"})),
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
        what = wrap([(self._what, self._look("what"))], width)[:_WHAT_ROWS] if self._what else []
        head, foot = [*title, *(segments(row.fragments) for row in what)], self._foot(width)
        free = self._most - len(head) - len(foot)
        if free >= _SPACED:
            return [*head, []], [[], *foot]
        return (head if free >= _LEAST else title[:1]), foot

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All that it has to show, or as much as the screen has room for."""
        self._fold(width)
        self._most = max(4, viewport.height - self.gutter.height - (2 if viewport.height > 20 else 0))
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
            return self._input_row(rows[self._top + y]) if self._top + y < len(rows) else []
        if shown == room:
            return []
        below, above = len(rows) - self._top - shown, self._top
        parts = [f"↓ {below:,} more line{'s' if below != 1 else ''}"] if below else []
        parts += [f"↑ {above:,} above"] if above else []
        return [Segment("   ".join(parts), self._look("key" if below else "quiet"))]

    def _shown(self, room: int) -> int:
        """How many rows of the input are shown: all, or one less than there is room for, since the last row counts the others."""
        return room if len(self._rows) <= room else max(1, room - 1)

    def _input_row(self, text: str) -> Row:
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


class ApprovalScreen(ModalScreen[bool]):
    """Asks about one call; `what` says in a line what it may do, `more` how many calls wait behind it. True allows it.

    After `timeout` seconds (None: never) it is denied. `clock` is monotonic, in seconds.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "allow", "Allow", id="approval.allow"),
        Binding("n", "deny", "Deny", id="approval.deny"),
    ]

    def __init__(
        self,
        name: str,
        input: Mapping[str, Any],
        what: str = "",
        *,
        more: int = 0,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._view = CallView(name, input, what)
        self._view.more, self._view.has_limit = more, timeout is not None
        self._limit, self._clock = timeout, clock
        self._opened: float | None = None
        self._quiet_from: float | None = None  # since then it is on screen and no key came; None: it is not on screen
        self._settling: Timer | None = None  # a key that allows was pressed
        self._press_counts = False
        self._answer: bool | None = None
        self._dismissed = False
        self._actions: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """One widget."""
        yield self._view

    def on_mount(self) -> None:
        """Learn the keys; the time runs from now on."""
        self._actions = {key: action for key, action in own_actions(self).items() if action in ("allow", "deny")}
        keys = {action: key for key, action in reversed(self._actions.items())}
        self._view.keys = keys.get("deny", "Esc"), keys.get("allow", "–")
        self._opened = self._clock()
        if self._limit is not None:
            self.set_interval(_TICK, self._look_at_the_clock)

    def on_resize(self, event: events.Resize) -> None:
        """A small screen has no room for margins."""
        self.set_class(event.size.width < 60 or event.size.height < 18, "-tight")

    def on_screen_resume(self) -> None:
        """On screen, or again after something lay over it."""
        self._quiet_from = None
        if self._answer is not None:
            self._close(answer=self._answer)
        else:
            self.call_after_refresh(self._shown)

    def on_unmount(self) -> None:
        """Closed with the program and not by an answer: that is a no."""
        if self._answer is None and self._result_callbacks:
            self._answer = False
            self._result_callbacks[-1](False)

    def waiting(self, more: int) -> None:
        """So many calls wait behind this one now."""
        self._view.more = more
        self._view.refresh(layout=True)

    def withdraw(self) -> None:
        """There is nothing to ask any more: close, with a no."""
        self._give(answer=False)

    # The guard -----------------------------------------------------------------------------------------------------

    def _shown(self) -> None:
        self._quiet_from = self._clock()

    def _counts(self, typed_at: float) -> bool:
        """Whether what was typed then, by the events' clock, is meant for this dialog; what is not begins the wait anew."""
        at = self._clock() - max(0.0, time.monotonic() - typed_at)
        if self._quiet_from is None:
            return False
        if at >= self._quiet_from + GUARD:
            return True
        self._quiet_from = max(self._quiet_from, at)
        return False

    def on_key(self, event: events.Key) -> None:
        """All keys end here: none may reach what lies below."""
        event.stop()
        event.prevent_default()
        if event.key == "escape":
            self._give(answer=False)
            return
        if not self._counts(event.time):
            return
        settling, self._settling = self._settling, None
        if settling is not None:
            settling.stop()
        action = "deny" if event.key in _ALWAYS_DENY else self._actions.get(event.key)
        if action == "deny":
            self._give(answer=False)
        elif settling is not None:
            self._shown()  # it goes on: neither this key nor the one before was an answer
        elif action == "allow":
            self._settling = self.set_timer(SETTLE, self._allow)
        elif event.key in _MOVES:
            self._view.move(_MOVES[event.key])

    def on_call_view_pressed(self, message: CallView.Pressed) -> None:
        """The mouse is guarded as keys are."""
        self._press_counts = self._counts(message.at)

    def on_call_view_chosen(self, message: CallView.Chosen) -> None:
        """A click on an answer."""
        if self._press_counts:
            self._give(answer=message.answer == "allow")

    # The answer ----------------------------------------------------------------------------------------------------

    def _allow(self) -> None:
        self._give(answer=True)

    def _give(self, *, answer: bool) -> None:
        """The first answer holds. Below another screen the dialog closes when it is back on top."""
        if self._answer is None:
            self._answer = answer
            if self.is_active:
                self._close(answer=answer)

    def _close(self, *, answer: bool) -> None:
        if not self._dismissed:
            self._dismissed = True
            self.dismiss(answer)

    def _look_at_the_clock(self) -> None:
        if self._limit is None or self._opened is None:
            return
        rest = self._limit - (self._clock() - self._opened)
        if rest <= 0:
            self._give(answer=False)
        told = int(rest) + 1 if rest <= TOLD_FROM else None
        if told != self._view.rest:
            self._view.rest = told
            self._view.refresh()
