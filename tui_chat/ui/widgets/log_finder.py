"""The search through a log: how many matches there are, which is the current one, which is next.

It never stops the screen: `work` goes on until a moment that it is given, and says whether there is more. It begins where the reader
is, goes down to the end and then up, so that what is near is known first; a step to a match that is not known yet waits for it. What
streams is searched as it comes. Nothing here scrolls or paints.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from tui_chat.ui.widgets.find_query import Query
from tui_chat.ui.widgets.find_values import Mark, Point, Span, Tally
from tui_chat.ui.widgets.log_items import LogItem
from tui_chat.ui.widgets.log_layout import LogLayout
from tui_chat.ui.widgets.log_matches import ItemMatches, Texts, matches_of
from tui_chat.ui.widgets.reply_item import ReplyItem

Aim = Literal["here", "next", "previous"]

_FRAME: Final = 0.002  # seconds that what streams may be searched in a frame
_BEFORE: Final = (-1, -1)  # above all rows
_BEHIND: Final = (1 << 60, 0)  # below all rows


class Match(NamedTuple):
    """One match: its item, and its number there."""

    item: LogItem
    number: int


class LogFinder:
    """One query in one log at a time."""

    def __init__(self, items: LogLayout) -> None:
        self._items = items
        self._cuts = items.cuts
        self.query = Query("")
        self.current: Match | None = None
        self._found: dict[LogItem, ItemMatches | None] = {}  # of the items that were looked at
        self._counts: dict[LogItem, int] = {}
        self._total = 0
        self._unfinished: dict[LogItem, None] = {}  # looked at, not yet to their end
        self._up = self._down = 0  # the items from `_up` to before `_down` were looked at
        self._aims: list[Aim] = []  # matches that are asked for, one after the other, and not known yet
        self._from = Point(0, 0)  # where the search for it begins
        self._number: int | None = None  # of the current match in the log, if that was counted
        self._texts = Texts()

    # Asking --------------------------------------------------------------------------------------------------------

    @property
    def tally(self) -> Tally:
        """What is known by now."""
        self._look_for_cuts()
        return Tally(self._current_number(), self._total, self.whole)

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be searched for now."""
        return not self._unfinished and self._up == 0 and self._down >= len(self._items.items)

    def _current_number(self) -> int:
        if self.current is None or self._up > 0:
            return 0
        if self._number is None:
            above = self._items.items[: self._items.place_of(self.current.item)]
            self._number = 1 + self.current.number + sum(self._counts.get(item, 0) for item in above)
        return self._number

    def spans(self, match: Match) -> list[Span] | None:
        """The cells of its item that show a match; None while it is hidden, or its item not laid out so far."""
        found = self._found.get(match.item)
        spans = found.spans(match.number) if found is not None else None
        if found is not None and not found.whole:  # it was laid out only now, or again
            self._unfinished[match.item] = None
        return spans

    def reveal(self, match: Match) -> bool:
        """Open what hides a match. Returns whether anything was opened."""
        found = self._found.get(match.item)
        return found is not None and found.reveal(match.number)

    def in_line(self, line: int) -> Sequence[tuple[Mark, bool]]:
        """What is to be marked in a line of the log, and of each whether it is the current match."""
        place = self._items.place_at(line)
        item = None if place is None else self._items.items[place]
        found = None if item is None else self._found.get(item)
        if place is None or item is None or found is None or not item.width:
            return ()
        marks = found.in_row(line - self._items.start(place))
        if not found.whole:  # it was laid out again
            self._unfinished[item] = None
        now = self.current.number if self.current is not None and self.current.item is item else None
        return [(mark, mark.number == now) for mark in marks]

    # Searching -----------------------------------------------------------------------------------------------------

    def look_for(self, query: Query, begin: Point) -> None:
        """Begin anew. The first match from `begin` on becomes the current one, or else the last one above it."""
        self._forget()
        self.query = query
        self._up = self._down = min(begin.place, len(self._items.items))
        self._aims, self._from = ["here"] if query else [], begin

    def step(self, by: int, begin: Point) -> None:
        """Ask for the next match (1) or the one before (-1): from the current one, or if there is none from `begin` on."""
        if self.query:
            self._aims.append("next" if by > 0 else "previous")
            self._from = begin if len(self._aims) == 1 else self._from

    def _forget(self) -> None:
        self._found.clear()
        self._counts.clear()
        self._unfinished.clear()
        self._total = self._up = self._down = 0
        self.current = self._number = None
        self._aims = []

    def _look_for_cuts(self) -> None:
        """The end of the log may have been taken away."""
        if self._cuts == self._items.cuts:
            return
        self._cuts = self._items.cuts
        left = set(self._items.items)
        for item in [item for item in self._found if item not in left]:
            del self._found[item]
            self._total -= self._counts.pop(item, 0)
            self._unfinished.pop(item, None)
        for reply in [reply for reply in self._texts.known if reply not in left]:
            del self._texts.known[reply]
        items = self._items.items
        self._up = self._down = min(self._up, len(items))
        while self._down < len(items) and items[self._down] in self._found:
            self._down += 1
        if self.current is not None and self.current.item not in left:
            self.current = None
        self._number, self._aims = None, []

    def changed(self, item: LogItem, row: int) -> int:
        """`item` has changed from `row` on. Returns the first of its rows whose marks may have changed."""
        self._look_for_cuts()
        found = self._found.get(item)
        if found is None:
            return row
        row = min(row, found.changed(row))
        found.work(time.perf_counter() + _FRAME)
        self._count(item, found)
        return row

    def work(self, until: float) -> set[LogItem]:
        """Search on until that moment, or until nothing is left. Returns what was searched."""
        self._look_for_cuts()
        searched: set[LogItem] = set()
        while not self.whole:
            item = self._next()
            if item not in self._found:
                self._found[item] = matches_of(self.query, item, self._texts)
            found = self._found[item]
            if found is not None:
                found.work(until)
                self._count(item, found)
                searched.add(item)
            if time.perf_counter() >= until:
                break
        while self._aims and self._resolve(self._aims[0]):
            del self._aims[0]
        return searched

    def _next(self) -> LogItem:
        """What is to be searched next; there is something."""
        if self._unfinished:
            return next(reversed(self._unfinished))
        items = self._items.items
        if self._up > 0 and (self._aims[:1] == ["previous"] or self._down >= len(items)):
            self._up -= 1
            return items[self._up]
        self._down += 1
        return items[self._down - 1]

    def _count(self, item: LogItem, found: ItemMatches) -> None:
        count, before = found.count, self._counts.get(item, 0)
        self._counts[item] = count
        if found.whole:
            self._unfinished.pop(item, None)
        else:
            self._unfinished[item] = None
        if count != before:
            self._total += count - before
            self._number = None
            if found.whole and self.current is not None and self.current.item is item and self.current.number >= count:
                self.current = Match(item, count - 1) if count else None

    # The match that is asked for -----------------------------------------------------------------------------------

    def _resolve(self, aim: Aim) -> bool:
        """Take the match that is meant. False: something that was not searched yet may come before it."""
        # Who types does not mean to open what is hidden, if there is anything else.
        for only_shown in (True, False) if aim == "here" else (False,):
            for place, low, stop, last in self._order(aim):
                item = self._items.items[place]
                if item not in self._found or item in self._unfinished:
                    return False
                found = self._found[item]
                if found is None:
                    continue
                all_of_it = found.shown if only_shown else range(found.count)
                meant = range(max(low, all_of_it.start), min(stop, all_of_it.stop))
                if meant:
                    self.current, self._number = Match(item, meant[-1 if last else 0]), None
                    return True
        return True

    def _order(self, aim: Aim) -> Iterator[tuple[int, int, int, bool]]:
        """Where to look one after the other: a place, its matches from and up to a number, and whether to take the last of them."""
        count, every = len(self._items.items), 1 << 60
        if not count:
            return
        if self.current is not None:
            place, number = self._items.place_of(self.current.item), self.current.number + (aim == "next")
        else:
            place = min(self._from.place, count - 1)
            yield place, 0, 0, False  # it must have been searched, else it is not known which match comes first there
            number = self._first_from(place)
        above, below = range(place), range(place + 1, count)
        if aim == "previous":
            yield place, 0, number, True
            for each in (*reversed(above), *reversed(below)):
                yield each, 0, every, True
            yield place, number, every, True
            return
        yield place, number, every, False
        yield from ((each, 0, every, False) for each in below)
        if aim == "next":
            yield from ((each, 0, every, False) for each in above)
            yield place, 0, number, False
            return
        yield place, 0, number, True
        yield from ((each, 0, every, True) for each in reversed(above))

    def _first_from(self, place: int) -> int:
        """The number of the first match in an item that does not stand above where the search begins."""
        item = self._items.items[place]
        found = self._found[item]
        if found is None:
            return 0
        hidden = (
            _BEFORE if isinstance(item, ReplyItem) else _BEHIND
        )  # thinking stands above the text, a result below the call

        def stands(number: int) -> tuple[int, int]:
            spans = found.spans(number)
            return (spans[0].row, spans[0].start) if spans else hidden

        return bisect_left(range(found.count), self._from[1:], key=stands)
