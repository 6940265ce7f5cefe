"""The rows of the wire, of which those in view are made when they are painted.

100,000 rows cost what forty do. At the end the list follows; anywhere else, or frozen, it stays on its rows while others come and go.
What a line is and says it asks its `rows`; it knows neither captures nor sessions.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Final, Protocol

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tui_chat.ui import wire_text
from tui_chat.ui.widgets.wire_lines import WireLines
from tui_chat.ui.wire_text import Key, Piece, WireRow

_MARK: Final = "▎"
_LEFT: Final = 1  # columns of the cursor's mark
_TONES: Final = ("heading", "type", "dim", "gap", "error", "note", "cursor")
_CACHED: Final = 300  # rows


class Rows(Protocol):
    """What the list shows. A key names a row for good, also where it is not shown; all rows are made when they are asked for."""

    @property
    def total(self) -> int:
        """How many lines there are."""

    def key(self, line: int) -> Key:
        """The name of what stands on a line."""

    def line(self, key: Key) -> int:
        """The line of a row, or of the nearest one that is shown."""

    def row(self, key: Key) -> WireRow:
        """What a row says."""

    def is_fixed(self, key: Key) -> bool:
        """Whether it will say the same for good."""

    def next_gap(self, line: int, by: int) -> int | None:
        """The next gap from a line on, below (1) or above (-1)."""


class _NoRows:
    """Before anything is known."""

    total = 0

    def key(self, line: int) -> Key:
        return Key(0, line)

    def line(self, key: Key) -> int:
        return 0

    def row(self, key: Key) -> WireRow:
        return WireRow("note")

    def is_fixed(self, key: Key) -> bool:
        return False

    def next_gap(self, line: int, by: int) -> int | None:
        return None


class WireList(WireLines, can_focus=True):
    """Change the rows inside `changing`, then `show_changes`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"wire--{tone}" for tone in _TONES), "wire--row"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "The row above", id="wire.previous"),
        Binding("down,j", "move(1)", "The row below", id="wire.next"),
        Binding("pageup", "move_page(-1)", "Page up", id="wire.page_up"),
        Binding("pagedown", "move_page(1)", "Page down", id="wire.page_down"),
        Binding("home", "to_start", "Start", id="wire.start"),
        Binding("end,G", "follow", "End, and follow it", id="wire.end"),
        Binding("space,f", "freeze_or_follow", "Freeze, or follow", id="wire.follow"),
        Binding("n", "move_to_gap(1)", "Next gap", id="wire.next_gap"),
        Binding("N", "move_to_gap(-1)", "Gap before", id="wire.previous_gap"),
        Binding("enter", "ask('open')", "All of it", id="wire.open"),
        Binding("t", "ask('type')", "Only the next type", id="wire.type"),
        Binding("T", "ask('type_before')", "Only the type before", id="wire.type_before"),
        Binding("slash", "filter", "Only what holds a text", id="wire.filter"),
        Binding("plus", "ask('longer_gap')", "Mark longer gaps only", id="wire.longer_gap"),
        Binding("minus", "ask('shorter_gap')", "Mark shorter gaps too", id="wire.shorter_gap"),
        Binding("c", "ask('copy')", "Copy the row", id="wire.copy"),
        Binding("C", "ask('copy_all')", "Copy all that is shown", id="wire.copy_all"),
        Binding("u", "ask('curl')", "Copy the request for curl", id="wire.curl"),
    ]

    def __init__(self, open_field: Callable[[], None], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.open_field = open_field
        self.rows: Rows = _NoRows()
        self.cursor = 0  # a line
        self.silence: float | None = None  # seconds that nothing has come for, shown below the rows
        self._cache: OrderedDict[tuple[Key, int], list[Segment]] = OrderedDict()

    def action_filter(self) -> None:
        """The field opens now, not a message later: the keys behind this one are for it."""
        self.open_field()

    # Values down ---------------------------------------------------------------------------------------------------

    def begin(self, rows: Rows) -> None:
        """Show other rows, and follow them."""
        self.rows, self.cursor, self.top, self.following, self.silence = rows, 0, 0, True, None
        self._cache.clear()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While the rows change: the cursor and the view stay on their rows, or at the end. `show_changes` paints them."""
        rows, last = self.rows, self.rows_end
        kept = [rows.key(min(line, last)) for line in (self.top, self.cursor)] if rows.total else []
        below = max(0, self.top - last)
        yield
        if self.following or not kept or not rows.total:
            self.cursor = self.rows_end
        else:
            self.top, self.cursor = min(rows.line(kept[0]) + below, self.max_top), rows.line(kept[1])

    def show_changes(self) -> None:
        """Paint what is there now."""
        following = self.following
        self.changed(0)
        self.following = following  # a list that grew shorter is frozen all the same

    def show_silence(self, seconds: float | None) -> None:
        """Nothing has come for so long; None: something has, or nothing is to come."""
        if seconds is None and self.silence is None:
            return
        self.silence = seconds
        following = self.following
        self.changed(self.rows.total)
        self.following = following

    @property
    def rows_end(self) -> int:
        """The last line of the rows."""
        return max(0, self.rows.total - 1)

    @property
    def selected(self) -> Key | None:
        """The row under the cursor."""
        return self.rows.key(min(self.cursor, self.rows_end)) if self.rows.total else None

    # The cursor ----------------------------------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        """Move the cursor by lines, and the view with it; at the end it follows only if it did before."""
        self.point_at(self.cursor + by)

    def action_move_page(self, direction: int) -> None:
        """Move the cursor by a page."""
        self.point_at(self.cursor + direction * max(1, self.size.height - 1))

    def action_to_start(self) -> None:
        """The first row."""
        self.point_at(0)

    def action_follow(self) -> None:
        """The last row, and whatever comes behind it."""
        self.cursor = self.rows_end
        super().action_follow()
        self.changed(0)
        self.post_message(self.Asked("moved"))

    def action_freeze_or_follow(self) -> None:
        """Stay here, or go to the end and follow it."""
        if self.following:
            self.following = False
            self.post_message(self.Asked("moved"))
        else:
            self.action_follow()

    def action_move_to_gap(self, by: int) -> None:
        """Go to the next gap, or the one before."""
        found = self.rows.next_gap(self.cursor, by)
        if found is None:
            self.post_message(self.Asked("no_gap"))
        else:
            self.point_at(found, middle=True)

    def point_at(self, line: int, *, middle: bool = False) -> None:
        """Put the cursor on a line, and bring it into view; in the `middle` of it if it was not there."""
        line = max(0, min(line, self.rows_end))
        if line == self.cursor and self.top <= line < self.top + self.size.height:
            return
        before, self.cursor = self.cursor, line
        height = max(1, self.size.height)
        top = max(min(self.top, line), line - height + 1)
        if middle and top != self.top:
            top = line - height // 2
        following = line == self.rows_end and line > before
        self.top = self.max_top if following else max(0, min(top, self.max_top))
        self.following = False
        self._show(0, self.total + 1)
        self.following = following
        self.post_message(self.Asked("moved"))

    def show_from(self, line: int, *, stay: bool = False) -> None:
        """Make `line` the first in view; the cursor comes along."""
        before = self.following
        super().show_from(line, stay=stay)
        cursor = max(self.top, min(self.cursor, self.top + max(1, self.size.height) - 1, self.rows_end))
        if self.following:
            cursor = self.rows_end
        if cursor != self.cursor:
            old, self.cursor = self.cursor, cursor
            self._show(min(old, cursor), max(old, cursor) + 1)
        if before != self.following:
            self.post_message(self.Asked("moved"))

    # The lines -----------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many lines there are."""
        return self.rows.total + (self.silence is not None)

    def on_resize(self) -> None:
        """The cursor stays in view; other columns may fit."""
        following, height = self.following, max(1, self.size.height)
        if not following:
            self.top = max(0, min(max(min(self.top, self.cursor), self.cursor - height + 1), self.max_top))
        self.changed(0)
        self.following = following

    def line(self, index: int) -> Strip | None:
        """A line, made now."""
        if index >= self.rows.total:
            if self.silence is None or index > self.rows.total:
                return None
            text = f"{'─' * 6} {wire_text.seconds_text(self.silence)} of silence so far"
            return self._strip([*self._segments([(text, "gap")])], cursor=False)
        key, width = self.rows.key(index), max(0, self.text_width - _LEFT - 1)
        segments = self._cache.get((key, width))
        if segments is None:
            segments = self._segments(wire_text.pieces(self.rows.row(key), width))
            if self.rows.is_fixed(key):
                self._cache[key, width] = segments
                if len(self._cache) > _CACHED:
                    self._cache.popitem(last=False)
        return self._strip(segments, cursor=index == self.cursor)

    def _segments(self, pieces: list[Piece]) -> list[Segment]:
        return [Segment(text, self.look(tone) if tone else None) for text, tone in pieces]

    def _strip(self, segments: list[Segment], *, cursor: bool) -> Strip:
        cells = sum(segment.cell_length for segment in segments) + _LEFT
        if not cursor or not self.has_focus:
            return Strip([Segment(" " * _LEFT), *segments], cells)
        row, blank = self.look("row"), max(0, self.text_width - cells)
        marked = [Segment(_MARK, self.look("cursor")), *segments, Segment(" " * blank)]
        return Strip(Segment.apply_style(marked, post_style=row), cells + blank)

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._cache.clear()

    # The mouse -----------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Point at what was clicked; twice opens it."""
        event.prevent_default()
        line = self.top + event.y
        if event.button != 1 or self.dragged or event.x >= self.text_width or line >= self.rows.total:
            return
        self.point_at(line)
        if event.chain == 2:
            self.action_ask("open")
