"""Which line of the log belongs to which item: the items one below the other, laid out only where somebody looks.

An item that was never in view counts with an estimate of its height. Neighbours can be one message: then they are laid out together,
because the code blocks of a later one are numbered on from those of an earlier one. Nothing here scrolls or paints; what a change means for the
reader's place is the log's to decide, so the methods say by how many lines something grew.
"""

from bisect import bisect_right
from itertools import pairwise

from textual.strip import Strip

from tui_chat.ui.widgets.log_items import LogItem
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.widgets.reply_item import Link, ReplyItem
from tui_chat.ui.widgets.tool_item import ToolItem


class LogLayout:
    """The items and the line at which each begins. `width` is 0 until `restyle` was called."""

    def __init__(self) -> None:
        self.items: list[LogItem] = []
        self.total = 0
        self.width = 0
        self.cuts = 0  # how often items were taken away
        self._starts: list[int] = []
        self._firsts: list[int] = []  # of each item the place where its message begins
        self._looks: Looks | None = None

    def append(self, item: LogItem, *, joins: bool = False) -> None:
        """Put `item` at the end, with an estimate of its height. `joins`: it belongs to the message before it."""
        self._firsts.append(self._firsts[-1] if joins else len(self.items))
        self.items.append(item)
        self._starts.append(self.total)
        self.total += item.height

    def clear(self) -> None:
        """Forget all items."""
        self.items.clear()
        self._starts.clear()
        self._firsts.clear()
        self.total = 0
        self.cuts += 1

    def restyle(self, width: int, looks: Looks) -> None:
        """Another width or theme: every item is to be laid out again, when somebody looks."""
        self.width, self._looks = width, looks
        for item in self.items:
            item.width = 0
        self._sum_up()

    # Asking --------------------------------------------------------------------------------------------------------

    def start(self, place: int) -> int:
        """The first line of the item at `place`."""
        return self._starts[place]

    def end(self, place: int) -> int:
        """The line after the last one of the item at `place`."""
        return self._starts[place + 1] if place + 1 < len(self._starts) else self.total

    def height(self, place: int) -> int:
        """The lines that the item at `place` takes in this layout."""
        return self.end(place) - self._starts[place]

    def place_at(self, line: int) -> int | None:
        """The place of the item that `line` belongs to."""
        return bisect_right(self._starts, line) - 1 if 0 <= line < self.total else None

    def message(self, place: int) -> range:
        """The places of the message that the item at `place` belongs to."""
        first, stop = self._firsts[place], place + 1
        while stop < len(self._firsts) and self._firsts[stop] == first:
            stop += 1
        return range(first, stop)

    def message_at(self, line: int) -> int | None:
        """Where the message begins that `line` belongs to, as a place."""
        place = self.place_at(line)
        return None if place is None else self._firsts[place]

    def place_of(self, item: LogItem) -> int:
        """The place of `item`; what changes stands near the end, so the search begins there."""
        for place in range(len(self.items) - 1, -1, -1):
            if self.items[place] is item:
                return place
        raise ValueError("not in the log")

    def strip(self, line: int) -> Strip | None:
        """The line's content, or None where nothing is laid out."""
        place = self.place_at(line)
        if place is None:
            return None
        item, index = self.items[place], line - self._starts[place]
        return item.line(index) if item.width and index < item.height else None

    def code_at(self, line: int) -> str | None:
        """The code block whose label stands in `line`."""
        place = self.place_at(line)
        item = None if place is None else self.items[place]
        return item.code_at(line - self._starts[place]) if place is not None and isinstance(item, ReplyItem) else None

    def selected(self, first: tuple[int, int], last: tuple[int, int]) -> str:
        """The source of what stands from `first` to `last` (line, column; both cells belong to it)."""
        place = self.place_at(first[0])
        texts: list[tuple[int, str]] = []
        while place is not None and place < len(self.items) and self._starts[place] <= last[0]:
            item, start = self.items[place], self._starts[place]
            upper = max((first[0] - start, first[1]), (0, 0))
            lower = min((last[0] - start, last[1] + 1), (item.height, 0))
            if text := item.selected(upper, lower) if item.width else item.source:
                texts.append((place, text))
            place += 1
        if len(texts) < 2:
            return texts[0][1] if texts else ""
        apart = ["\n" if self._touch(upper, lower) else "\n\n" for (upper, _), (lower, _) in pairwise(texts)]
        return "".join(text.strip("\n") + end for (_, text), end in zip(texts, [*apart, ""], strict=True))

    def _touch(self, upper: int, lower: int) -> bool:
        """Whether two tools are there whose lines stand directly below each other."""
        above, below = self.items[upper], self.items[lower]
        return lower == upper + 1 and isinstance(above, ToolItem) and isinstance(below, ToolItem) and not above.shown

    def link_at(self, line: int, href: str) -> Link | None:
        """The link to `href` of the reply that `line` belongs to, with all of its text."""
        place = self.place_at(line)
        item = None if place is None else self.items[place]
        return next((link for link in item.links if link.href == href), None) if isinstance(item, ReplyItem) else None

    def longest_code(self, top: int, bottom: int) -> int:
        """By how many cells the longest line of code from `top` up to `bottom` is too long."""
        place, longest = self.place_at(top), 0
        while place is not None and place < len(self.items) and self._starts[place] < bottom:
            item, start = self.items[place], self._starts[place]
            if isinstance(item, ReplyItem):
                longest = max(longest, item.longest_code(top - start, bottom - start))
            place += 1
        return longest

    def hole(self, top: int, bottom: int) -> int | None:
        """The first item of the messages with lines from `top` to `bottom` that is not laid out yet."""
        place = self.message_at(top)
        while place is not None and place < len(self.items) and self._starts[place] < bottom:
            if not self.items[place].width:
                return place
            place += 1
        return None

    # Laying out ----------------------------------------------------------------------------------------------------

    def lay_out(self, place: int) -> None:
        """Lay out the item at `place`; `settle` takes its height over."""
        self._lay_out(self.items[place])

    def settle(self, place: int) -> int:
        """Take the item's present height over; returns by how many lines it grew."""
        grown = self.items[place].height - self.height(place)
        if grown:
            for later in range(place + 1, len(self._starts)):
                self._starts[later] += grown
            self.total += grown
        return grown

    def fill_end(self, lines: int) -> None:
        """Lay out the last `lines` lines, and the beginning of their first message."""
        for place in range(len(self.items) - 1, -1, -1):
            item = self.items[place]
            if lines <= 0 and self._firsts[min(place + 1, len(self.items) - 1)] > place:
                break
            if not item.width:
                self._lay_out(item)
            lines -= item.height
        self._sum_up()

    def fill_from(self, place: int, lines: int) -> None:
        """Lay out `lines` lines from the item at `place` on, and what comes before it in its message."""
        for item in self.items[self._firsts[place] : place]:
            self._lay_out(item)
        for item in self.items[place:]:
            if lines <= 0:
                break
            if not item.width:
                self._lay_out(item)
            lines -= item.height
        self._sum_up()

    def _lay_out(self, item: LogItem) -> None:
        if self.width and self._looks is not None:
            item.layout(self.width, self._looks)

    def _sum_up(self) -> None:
        self.total = 0
        for place, item in enumerate(self.items):
            self._starts[place] = self.total
            self.total += item.height


def kept_place(top: int, height: int, start: int, end: int, grown: int) -> int:
    """The first line of a view of `height` that keeps the reader's place when an item from `start` up to `end` has grown."""
    if end <= top + height:
        return top + grown  # what they see stands at its end, or below it
    return start + (top - start) * (end + grown - start) // (end - start)
