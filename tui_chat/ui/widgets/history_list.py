"""The list of the history: one widget of lines, of which those in view are made when they are painted.

Never a widget a row, so that ten thousand conversations cost what forty do. The cursor is always in view: keys move the view along,
the wheel moves the cursor along. It asks nobody: what it shows comes down as `HistoryRows`, what is pointed at goes up as messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from tui_chat.listed import ConversationSummary, Hit
from tui_chat.ui import history_text
from tui_chat.ui.history_text import Piece
from tui_chat.ui.widgets.direct import RowTerminal
from tui_chat.ui.widgets.history_rows import Entry, HistoryRows, More, key_of
from tui_chat.ui.widgets.line_view import LineView

_MARK: Final = "▎"
_TONES: Final = ("title", "said", "dim", "mark", "here", "more", "heading", "error", "cursor")


class HistoryList(LineView):
    """Call `show` with rows; call `refresh_rows` after something was added to them."""

    FAMILY = "history"
    COMPONENT_CLASSES: ClassVar[set[str]] = {*(f"history--{tone}" for tone in _TONES), "history--row"}

    class ViewMoved(Message):
        """Other entries are in view, or may be."""

    @dataclass
    class EntryClicked(Message):
        """An entry was clicked; the cursor is on it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = HistoryRows()
        self.current = ""  # the conversation on the screen behind
        self.now = 0.0  # wall clock, for how long ago things were
        self.cursor = 0  # an entry's place
        self._said: tuple[str, str] | None = None  # a sentence in place of the rows, and its tone
        self._restyled: set[int] = set()  # lines to be painted again wherever they are now
        self.covered = False  # something lies over a row: the view stays, and rows go the usual way

    # Values down ---------------------------------------------------------------------------------------------------

    def show(self, rows: HistoryRows, *, keep: bool = False, key: str = "") -> None:
        """Show other rows, from their beginning.

        `keep`: the cursor stays on its entry, or at its place if that is gone; with `key` it goes to that one.
        """
        key, place, top = key or key_of(self.selected), self.cursor, self.top
        self.rows, self._said = rows, None
        if keep:
            found = rows.place_of(key) if key else None
            self.cursor = max(0, min(place if found is None else found, rows.count - 1))
            self.top = self._top_for(self.cursor, top)
        else:
            self.cursor = self.top = 0
        self.changed(0)

    def refresh_rows(self) -> None:
        """More is known of the rows, or there are more, or fewer."""
        self.cursor = max(0, min(self.cursor, self.rows.count - 1))
        self.changed(0)

    def say(self, text: str, tone: str = "dim", *, wanted: str = "") -> None:
        """A sentence in place of the rows that were `wanted`."""
        self.rows, self._said = HistoryRows(wanted), (text, tone)
        self.cursor = self.top = 0
        self.changed(0)

    @property
    def said(self) -> str:
        """The sentence in place of the rows; '' if there is none."""
        return self._said[0] if self._said else ""

    @property
    def selected(self) -> Entry | None:
        """The entry under the cursor, as far as it is known."""
        return self.rows.entry(self.cursor)

    @property
    def in_view(self) -> range:
        """The entries in view."""
        return self.rows.between(self.top, self.top + self.size.height)

    def row_of(self, place: int) -> int:
        """The row of the view in which an entry begins."""
        return self.rows.lines_of(place).start - self.top

    # The cursor ----------------------------------------------------------------------------------------------------

    def move(self, by: int) -> None:
        """Move the cursor by entries, and the view with it."""
        self._point_at(self.cursor + by)

    def move_page(self, direction: int) -> None:
        """Move the cursor by a page."""
        line = self.rows.lines_of(self.cursor).start + direction * max(1, self.size.height - 1)
        found = self.rows.at(line)
        if found is None:  # on the heading, or beyond an end
            near = self.rows.between(line, line + 3)
            found = near.start if near else (self.rows.count - 1 if direction > 0 else 0)
        self._point_at(found if found != self.cursor else found + direction)

    def move_to(self, place: int) -> None:
        """Put the cursor on an entry; -1 is the last one."""
        self._point_at(self.rows.count - 1 if place < 0 else place)

    def _point_at(self, place: int) -> None:
        place = max(0, min(place, self.rows.count - 1))
        if place == self.cursor:
            if place == 0:
                self.show_from(0)
            return
        self._restyle(place)
        top = self._top_for(place, self.top)
        if top != self.top:
            self.show_from(top)
        else:
            self._show_restyled()

    def _restyle(self, place: int) -> None:
        self._restyled |= {*self.rows.lines_of(self.cursor), *self.rows.lines_of(place)}
        self.cursor = place

    def _show_restyled(self) -> None:
        if self._restyled:
            self._show(min(self._restyled), max(self._restyled) + 1)
        self._restyled.clear()

    def _top_for(self, place: int, top: int) -> int:
        """The first line in view that shows the entry, as near to `top` as can be."""
        lines = self.rows.lines_of(place)
        start = 0 if place == 0 else lines.start
        top = max(min(top, start), lines.stop - max(1, self.size.height))
        return max(0, min(top, self.max_top))

    # The lines -----------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many lines there are."""
        return self.rows.lines if self._said is None else 2

    def show_from(self, line: int, *, stay: bool = False) -> None:
        """Make `line` the first in view."""
        if not self.covered:
            super().show_from(line, stay=stay)

    def paint(self, rows: Sequence[int], region: Region, terminal: RowTerminal | None) -> None:
        """Paint rows; past the compositor only if nothing lies over them."""
        super().paint(rows, region, None if self.covered else terminal)

    def changed(self, first: int, stop: int | None = None) -> None:
        """As of any view; but a list that grows is not followed to its end."""
        self.following = False
        super().changed(first, stop)
        self.post_message(self.ViewMoved())

    def prepare(self) -> bool:
        """The view has moved: the cursor stays in it."""
        whole = [place for place in self.in_view if self._is_whole(place)]
        if whole and not whole[0] <= self.cursor <= whole[-1]:
            self._restyle(max(whole[0], min(self.cursor, whole[-1])))
        self.post_message(self.ViewMoved())
        return False

    def _is_whole(self, place: int) -> bool:
        lines = self.rows.lines_of(place)
        return self.top <= lines.start and lines.stop <= self.top + self.size.height

    def _overlaid_rows(self, moved: int) -> set[int]:
        rows = {line - self.top for line in self._restyled}
        self._restyled.clear()
        return super()._overlaid_rows(moved) | {row for row in rows if 0 <= row < self.size.height}

    def on_resize(self) -> None:
        """The cursor stays in view; other columns may fit."""
        self.top = self._top_for(self.cursor, self.top)
        self.changed(0)

    def line(self, index: int) -> Strip | None:
        """A line, made now."""
        width = self.row_width
        if self._said is not None:
            text, tone = self._said
            return self._strip([(" " * history_text.LEFT + text, tone)]) if index == 1 else None
        rows = self.rows
        if index == rows.heading_line:
            return self._strip([(" " * history_text.LEFT + (rows.heading or ""), "heading")])
        place = rows.at(index)
        if place is None:
            return None
        pieces = self._pieces(rows.entry(place), index - rows.lines_of(place).start, width)
        if place != self.cursor:
            return self._strip(pieces)
        (first, tone), *rest = pieces
        line = self._strip([(_MARK, "cursor"), (first[1:], tone), *rest])
        row, blank = self.look("row"), max(0, self.text_width - line.cell_length)
        segments = [*Segment.apply_style(line, post_style=row), Segment(" " * blank, row)]
        return Strip(segments, line.cell_length + blank)

    @property
    def row_width(self) -> int:
        """The cells of an entry: a blank one stands before the scrollbar."""
        return max(0, self.text_width - 1)

    def _pieces(self, entry: Entry | None, part: int, width: int) -> list[Piece]:
        match entry:
            case ConversationSummary():
                return history_text.conversation_line(
                    entry,
                    self.rows.figures.get(entry.id),
                    width,
                    self.now,
                    current=entry.id == self.current,
                    wanted=self.rows.wanted,
                )
            case Hit():
                return history_text.hit_lines(entry, width, self.now)[part]
            case More():
                return [(" " * history_text.LEFT + f"… {entry.count:,} more titles", "more")]
            case None:
                return [(" " * history_text.LEFT, "")]

    def _strip(self, pieces: list[Piece]) -> Strip:
        segments = [Segment(text, self.look(tone) if tone else None) for text, tone in pieces]
        return Strip(segments, sum(cell_len(text) for text, _ in pieces))

    # The mouse -----------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """The scrollbar is the view's; the text is not selected, it is opened."""
        if event.x < self.text_width:
            event.prevent_default()
            self.dragged = False

    def on_click(self, event: events.Click) -> None:
        """Point at what was clicked."""
        event.prevent_default()
        place = self.rows.at(self.top + event.y)
        if event.button == 1 and not self.dragged and event.x < self.text_width and place is not None:
            self._point_at(place)
            self.post_message(self.EntryClicked())
