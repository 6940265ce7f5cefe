"""A log that can be searched: matches are marked where they are shown, and the current one is brought into view.

What is counted, and when, is the finder's; here its slices get their turns between frames and keys. While nothing is looked for there
is no finder, and a frame costs what it always did. It knows neither the bar with the field nor turns.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from textual.message import Message
from textual.strip import Strip

from tui_chat.ui.widgets.find_values import Point, Span, Tally
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.log_items import LogItem
from tui_chat.ui.widgets.log_paint import outside, with_styles
from tui_chat.ui.widgets.log_places import Kept, SourcePlace
from tui_chat.ui.widgets.log_view import LogView

if TYPE_CHECKING:
    from tui_chat.ui.widgets.log_finder import LogFinder, Match

_SLICE: Final = 0.005  # seconds that are searched between two looks at the keys


class SearchedLog(LogView):
    """Call `find` with what is looked for, `find_next`, and in the end `end_find`."""

    @dataclass
    class Counted(Message):
        """How many matches there are, and which is the current one, as far as is known."""

        tally: Tally

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._finder: LogFinder | None = None
        self._search = FrameGate(self, self._search_on)
        self._wanted = False  # the current match is to be brought into view as soon as it is known where it stands
        self._far = False  # it was not near the view: what stands above it is to be seen too
        self._told: Tally | None = None

    # What is asked for ---------------------------------------------------------------------------------------------

    @property
    def finding(self) -> bool:
        """Whether something is looked for."""
        return self._finder is not None

    @property
    def tally(self) -> Tally:
        """What is known of the matches."""
        return self._finder.tally if self._finder is not None else Tally(0, 0, whole=True)

    def find(self, text: str, at: int | None = None) -> None:
        """Mark all that fits `text`, and go to the first match from the current one on, or from the top of the view.

        `at`: from the item at that place on.
        """
        from tui_chat.ui.widgets.find_query import Query  # here: the first paint finds nothing
        from tui_chat.ui.widgets.log_finder import LogFinder  # as above

        query = Query(text)
        if self._finder is None:
            self._finder = LogFinder(self._items)
        elif at is None and query.text == self._finder.query.text:
            return
        begin = Point(at, 0) if at is not None else self._current_point() or self._top_point
        self._finder.look_for(query, begin)
        self._told = None
        self._go_on_searching()
        self._paint_view()

    def find_next(self, by: int) -> None:
        """Go to the next match (1) or to the one before (-1)."""
        if self._finder is not None:
            self._finder.step(by, self._top_point)
            self._go_on_searching()

    def end_find(self) -> None:
        """Mark nothing any more; the reader stays where they are."""
        if self._finder is None:
            return
        self._finder, self._told, self._wanted = None, None, False
        self.following = self.following or self.top >= self.max_top
        self._paint_view()

    # Searching -----------------------------------------------------------------------------------------------------

    def _go_on_searching(self) -> None:
        self._search.request(at_once=True)

    def _search_on(self) -> None:
        finder = self._finder
        if finder is None:
            return
        before = finder.current
        searched = finder.work(time.perf_counter() + _SLICE)
        if finder.current is not before:
            self._wanted = finder.current is not None
            self._paint_view()
        elif any(item in searched for item in self._in_view()):
            self._paint_view()
        if self._wanted:
            self._show_current(finder)
        self._tell(finder)
        if not finder.whole:
            self._go_on_searching()
        elif finder.current is None and self.top >= self.max_top:
            self.following = True  # there is nothing to stay at

    def _tell(self, finder: "LogFinder") -> None:
        tally = finder.tally
        if tally != self._told:
            self._told = tally
            self.post_message(self.Counted(tally))

    def updated(self, item: LogItem, row: int) -> int:
        """What has changed is searched at once, if it is not much."""
        finder = self._finder
        if finder is None:
            return row
        row = min(row, finder.changed(item, row))
        self._tell(finder)
        if not finder.whole or self._wanted:
            self._search.request()
        return row

    def appended(self) -> None:
        """There is a new item to be searched."""
        if self._finder is not None:
            self._search.request()

    def clear(self) -> None:
        """Empty the log; what comes next is searched too."""
        super().clear()
        self._wanted = False
        if self._finder is not None:
            self._search.request()

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be painted or to be searched."""
        return super().settled and not self._search.due

    # The current match ---------------------------------------------------------------------------------------------

    def _show_current(self, finder: "LogFinder") -> None:
        """Bring the current match into view, whatever hides it; what is not laid out yet is laid out first."""
        match = finder.current
        if match is None:
            self._wanted = False
            return
        item = match.item
        if finder.reveal(match):
            self.change(item)
            self._frames.flush()
        if not item.width:
            self._far = True
            self.show_from(self._items.start(self._items.place_of(item)), stay=True)
        spans = finder.spans(match)
        if spans:
            self._bring_into_view(match, spans)
        # A long reply goes on being laid out, and its lines being searched.
        self._wanted = item.behind or (not spans and not finder.whole)

    def _bring_into_view(self, match: "Match", spans: Sequence[Span]) -> None:
        start, height = self._items.start(self._items.place_of(match.item)), self.size.height
        first, last = start + spans[0].row, start + spans[-1].row
        # The last row may carry the mark that counts what is below.
        if self._far or first < self.top or last >= self.top + max(1, height - 1):
            self.show_from(first - height // 3, stay=True)
        self._far = False
        self.following = False  # what streams must not take the reader away from it
        self.show_cells(match.item, spans[0])
        self._paint_view()

    def show_cells(self, item: LogItem, span: Span) -> None:
        """Make these cells of an item visible if they stand beyond an edge."""

    def show_from(self, line: int, *, stay: bool = False) -> None:
        """Make `line` the first in view; the reader has left the current match."""
        self._wanted = False
        super().show_from(line, stay=stay)

    def lay_out_again(self) -> None:
        """The width or the looks have changed: a current match that was in view is so again."""
        finder = self._finder
        point = self._current_point()
        if finder is None or point is None:
            super().lay_out_again()
            return
        line = self._items.start(point.place) + point.row
        in_view = self.top <= line < self.top + self.size.height
        super().lay_out_again()
        if in_view:
            self.following, self._wanted = False, True
        self._go_on_searching()

    def _current_point(self) -> Point | None:
        """Where the current match stands; None if there is none, or it is hidden."""
        finder = self._finder
        if finder is None or finder.current is None or not (spans := finder.spans(finder.current)):
            return None
        return Point(self._items.place_of(finder.current.item), spans[0].row, spans[0].start)

    @property
    def _top_point(self) -> Point:
        place = self._items.place_at(self.top)
        return Point(0, 0) if place is None else Point(place, self.top - self._items.start(place))

    def _in_view(self) -> Sequence[LogItem]:
        items = self._items
        first, last = items.place_at(self.top), items.place_at(min(self.top + self.size.height, items.total) - 1)
        return items.items[first : last + 1] if first is not None and last is not None else ()

    # Places of turns -----------------------------------------------------------------------------------------------

    def show_turn(self, turn_id: str) -> None:
        """Show a turn from its beginning on, if it is there."""
        place = next((place for place, item in enumerate(self._items.items) if item.turn_id == turn_id), None)
        if place is not None:
            self.show_from(self._items.start(place))

    def first_in_turn(self, turn_id: str, texts: Sequence[str]) -> tuple[int, str] | None:
        """The first of `texts` that a turn seems to hold, and the place of the first item where it does."""
        from tui_chat.ui.widgets.find_query import Query  # as in `find`
        from tui_chat.ui.widgets.log_matches import seems_in  # as in `find`

        items = [(place, item) for place, item in enumerate(self._items.items) if item.turn_id == turn_id]
        for text in texts:
            query = Query(text)
            for place, item in items:
                if query and seems_in(query, item):
                    return place, query.text
        return None

    def turn_place(self) -> dict[str, str | int] | None:
        """Where the reader is, in words that hold for any width; None at the end, or where no turn stands."""
        kept = None if self.following else self._kept or self.reading_place()
        if kept is None or not kept.item.turn_id:
            return None
        parts = [item for item in self._items.items if item.turn_id == kept.item.turn_id]
        return {"turn": kept.item.turn_id, "part": parts.index(kept.item), **kept.place._asdict()}

    def show_turn_place(self, turn_id: str, part: int, line: int, into: int) -> None:
        """Show what `turn_place` has told, if the turn is there."""
        parts = [item for item in self._items.items if item.turn_id == turn_id]
        if 0 <= part < len(parts):
            self.keep(Kept(parts[part], SourcePlace(line, into)))

    # Painting ------------------------------------------------------------------------------------------------------

    def _paint_view(self) -> None:
        self.changed(self.top, self.top + self.size.height)

    def line(self, index: int) -> Strip | None:
        """A line of the log, its matches marked; what is selected looks selected."""
        strip = super().line(index)
        finder, looks = self._finder, self._looks
        if finder is None or strip is None or looks is None:
            return strip
        marks = finder.in_line(index)
        if not finder.whole:
            self._search.request()
        if not marks:
            return strip
        selected = self.selection.span(index) if self.selection is not None else None
        styles = {False: looks["found"], True: looks["found_now"]}
        return with_styles(
            strip,
            [(low, high, styles[now]) for mark, now in marks for low, high in outside(mark.start, mark.stop, selected)],
        )
