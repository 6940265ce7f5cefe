"""Items one below the other in one widget of lines: growing, laying out, and the reader's place meanwhile.

Why one widget: every layout of Textual walks all widgets of the screen, so a widget a message makes each token dearer than the
last. Here messages are items that hold source and lines; a running reply changes only its open tail, at most once a frame. What
was never in view is never laid out. It knows neither turns nor keys.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from textual.strip import Strip

from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.log_items import INDENT, LogItem, PromptItem, plain
from tui_chat.ui.widgets.log_layout import LogLayout, kept_place
from tui_chat.ui.widgets.log_paint import with_mark
from tui_chat.ui.widgets.log_places import Kept, place_of_row, row_of_place
from tui_chat.ui.widgets.markdown_view import MarkdownView


class LogView(MarkdownView):
    """The items, the newest at the end. Subclasses append them, and call `change` before they change one."""

    INDENT = INDENT

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items = LogLayout()
        self._dirty: dict[LogItem, None] = {}  # in the order they changed
        self._frames = FrameGate(self, self._flush, self._flushed)
        # Told when all that has changed is on the screen (monotonic seconds), or (None) that nobody sees it.
        self.on_painted: Callable[[float | None], None] | None = None
        self._in_bulk = False
        self._kept: Kept | None = None  # the reader's place, until all around it is laid out

    @property
    def total(self) -> int:
        """How many lines there are; what was never in view counts as estimated."""
        return self._items.total

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be painted."""
        return not (self._dirty or self._frames.due)

    def clear(self) -> None:
        """Empty the log."""
        self._items.clear()
        self._dirty.clear()
        self.following, self.selection, self._kept = True, None, None
        self.changed(0)

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """While a whole conversation is appended: only its end is laid out, once."""
        self._in_bulk = True
        try:
            yield
        finally:
            self._in_bulk = False
            self.action_follow()

    def leave_free(self, rows: int) -> None:
        """End so many rows higher: something stands there for a while."""
        self.styles.margin = (0, 0, rows, 0)

    # Growing -------------------------------------------------------------------------------------------------------

    def append(self, item: LogItem) -> None:
        """Put `item` at the end; of the same message, it may have changed how the one above it ends."""
        joins = self._joins(item)
        if joins:
            self.change(self._items.items[-1])
            self._settle(len(self._items.items) - 1)
        self._items.append(item, joins=joins)
        self.appended()
        if not self._in_bulk:
            place = len(self._items.items) - 1
            self._items.lay_out(place)
            self._items.settle(place)
            self._go_on_with(item)
            self.changed(self._items.start(place))

    def _joins(self, item: LogItem) -> bool:
        """Whether `item` goes on with the message at the end: both are parts of one turn's reply."""
        last = self._items.items[-1] if self._items.items else None
        prompts = isinstance(item, PromptItem) or isinstance(last, PromptItem)
        return last is not None and not prompts and item.turn_id == last.turn_id != ""

    def appended(self) -> None:
        """There is a new item at the end."""

    def change(self, item: LogItem) -> None:
        """`item` is about to change: what is done to it is painted with the next frame."""
        self._dirty[item] = None
        self._frames.request()

    def _flush(self) -> None:
        changed, self._dirty = self._dirty, {}
        for item in changed:
            place = self._items.place_of(item)
            start, end = self._items.start(place), self._items.end(place)
            row = item.update()
            first, painted = start + row, start + self.updated(item, row)
            grown = self._settle(place)
            shift = item.take_shift()
            if self.selection is not None:
                self.selection.shift(start, shift, end)
            if grown and not self.following and first < self.top:
                self.top = max(0, min(kept_place(self.top, self.size.height, start, end, grown), self.max_top))
            is_last = place + 1 == len(self._items.items)
            # What follows may count its code on from here.
            self.changed(painted, end if is_last and not grown else None)
            self._go_on_with(item)
        if self._kept is not None:
            self._keep()

    def catch_up(self) -> None:
        """The log is about to be seen again: show all that has come."""
        if self._frames.due:
            self._frames.flush()

    def _flushed(self, at: float) -> None:
        """Say when what has changed is on the screen: now, or after the compositor's next frame."""
        if self.on_painted is None or not self.settled:
            return
        if self.app.screen is not self.screen:
            self.on_painted(None)
        elif self.is_waiting:
            self.call_after_refresh(self._composited, self.on_painted)
        else:
            self.on_painted(at)

    @staticmethod
    def _composited(on_painted: Callable[[float | None], None]) -> None:
        on_painted(time.monotonic())

    def updated(self, item: LogItem, row: int) -> int:
        """`item` has changed from `row` on. Returns the first of its rows that has to be painted again."""
        return row

    def _go_on_with(self, item: LogItem) -> None:
        """See to it that `item` is laid out to its end."""
        if item.behind:
            self._dirty[item] = None
            self._frames.request(at_once=True)

    def _settle(self, place: int) -> int:
        """Take over the height of an item; returns by how many lines it grew."""
        end = self._items.end(place)
        grown = self._items.settle(place)
        if grown and self.selection is not None:
            self.selection.shift(end, grown)
        return grown

    # Layout --------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """The width changed: the reader's line stays where it is."""
        if self.text_width and self.text_width != self._items.width:
            self.lay_out_again()
        else:
            self.top = min(self.top, self.max_top)
            self.prepare()
            self.changed(0)

    def lay_out_again(self) -> None:
        """The width or the looks have changed."""
        if not self.text_width:
            return
        if self._looks is None:
            self._looks = self.looks()
        items = self._items
        kept = None if self.following else self._kept or self.reading_place()
        items.restyle(self.text_width, self._looks)
        self.selection = None
        if kept is None:
            items.fill_end(self.size.height)
        else:
            items.fill_from(items.place_of(kept.item), self.size.height * 2)
        self._kept = kept
        for item in items.items:
            self._go_on_with(item)
        if kept is not None:
            self._keep()
        self.changed(0)

    # The reader's place --------------------------------------------------------------------------------------------

    def reading_place(self) -> Kept | None:
        """What stands in the first line in view."""
        place = self._items.place_at(self.top)
        if place is None:
            return None
        item = self._items.items[place]
        return Kept(item, place_of_row(item, self.top - self._items.start(place)))

    def keep(self, kept: Kept) -> None:
        """Show this from the first line in view on, now and while it is laid out."""
        self.following = False
        self.top = min(self._items.start(self._items.place_of(kept.item)), self.max_top)
        self.prepare()
        self._kept = kept
        self._keep()
        self.changed(0)

    def _keep(self) -> None:
        kept = self._kept
        if kept is None or kept.item not in self._items.items:  # another version may have taken its place
            self._kept = None
            return
        start, row = self._items.start(self._items.place_of(kept.item)), row_of_place(kept.item, kept.place)
        if not kept.item.behind:
            self._kept = None
        if row is not None and start + row != self.top:
            self.top = max(0, min(start + row, self.max_top))
            self.prepare()
            self.changed(0)

    def show_from(self, line: int, *, stay: bool = False) -> None:
        """Make `line` the first in view, wherever the reader was."""
        self._kept = None
        super().show_from(line, stay=stay)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self._kept = None
        super().action_follow()

    def prepare(self) -> bool:
        """Lay out what has come into view; what grows above the view moves the view with it."""
        items, moved = self._items, False
        while items.width:
            at_end = self.top >= self.max_top
            place = items.hole(self.top, self.top + self.size.height)
            if place is None:
                break
            moved = True
            above = items.start(place) < self.top
            items.lay_out(place)
            self._go_on_with(items.items[place])
            grown = self._settle(place)
            if at_end:
                self.top = self.max_top
            elif above:
                self.top += grown
        return moved

    # Painting ------------------------------------------------------------------------------------------------------

    def line(self, index: int) -> Strip | None:
        """A line of the log; None where nothing is laid out."""
        return self._items.strip(index)

    def overlay(self, strip: Strip, row: int) -> Strip:
        """On the last row the mark that counts what is below."""
        if self.following or self._looks is None or row != self.size.height - 1:
            return strip
        return with_mark(strip, self.below, self.over(self._looks["below"]))

    def selected_text(self) -> str:
        """The source of what is selected; '' if nothing is."""
        return self._items.selected(self.selection.first, self.selection.last) if self.selection is not None else ""

    def text_at(self, line: int) -> str:
        """The text of a line of the log, '' where nothing is laid out."""
        strip = self.line(line)
        return plain([strip]) if strip is not None else ""
