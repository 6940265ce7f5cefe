"""The message cursor: which message the letters of the log act on, and what they find there.

It moves by messages; a reply with tools in it is several items and one message. It neither scrolls nor paints.
"""

from collections.abc import Mapping

from tui_chat.ui.widgets.log_items import EntryItem, LogItem, PromptItem
from tui_chat.ui.widgets.log_layout import LogLayout
from tui_chat.ui.widgets.log_turn import LogTurn
from tui_chat.ui.widgets.reply_item import Link, ReplyItem


class MessageCursor:
    """`place` is that of the message's first item; None: nothing is pointed at yet."""

    def __init__(self, items: LogLayout, turns: Mapping[str, LogTurn]) -> None:
        self._items, self._turns = items, turns
        self.place: int | None = None

    def begin(self) -> None:
        """Point at the last message; of entries at the end, at the first of them."""
        self.move(-1)
        while self.place and isinstance(self._items.items[self.place], EntryItem):
            if not isinstance(self._items.items[self.place - 1], EntryItem):
                break
            self.place -= 1

    def move(self, by: int) -> bool:
        """Point at the message before (-1) or after (1); from nowhere at the last one. False if there is none after it."""
        count = len(self._items.items)
        if by < 0:
            before = (count if self.place is None else self.place) - 1
            self.place = self._items.message(max(0, before)).start if count else None
            return True
        stop = count if self.place is None else self._items.message(self.place).stop
        if stop >= count:
            return False
        self.place = stop
        return True

    def is_at(self, line: int) -> bool:
        """Whether `line` of the log belongs to the message."""
        return self.place is not None and self._items.message_at(line) == self.place

    @property
    def lines(self) -> range:
        """The lines of the message."""
        if self.place is None:
            return range(0)
        places = self._items.message(self.place)
        return range(self._items.start(places.start), self._items.end(places.stop - 1))

    @property
    def turn_id(self) -> str | None:
        """The turn that the message belongs to; None for the program's own."""
        item = self.item
        return item.turn_id or None if item is not None else None

    @property
    def source(self) -> str:
        """What copying the message gives."""
        item, turn = self.item, self._turn
        return turn.source if turn is not None else item.source if item is not None else ""

    @property
    def links(self) -> list[Link]:
        """The links of the message."""
        return self._turn.links if self._turn is not None else []

    def code(self, number: int) -> str | None:
        """The code block of the message with that number, from 1."""
        return self._turn.code(number) if self._turn is not None else None

    def code_in(self, first: int, stop: int) -> str | None:
        """The first code block in the lines of the log from `first` up to `stop`, else the last one above, else the first of all."""
        if self.place is None or self._turn is None:
            return None
        chosen, seen = None, False
        for place in self._items.message(self.place):
            item, start = self._items.items[place], self._items.start(place)
            if not isinstance(item, ReplyItem) or not item.code_count:
                continue
            if chosen is not None and (seen or start >= stop):
                break
            chosen = item.code_between(first - start, stop - start)
            seen = self._items.end(place) > first
        return chosen

    @property
    def item(self) -> LogItem | None:
        """The first item of the message."""
        return None if self.place is None else self._items.items[self.place]

    @property
    def _turn(self) -> LogTurn | None:
        """The turn's reply, if that is what is pointed at."""
        item = self.item
        return None if item is None or isinstance(item, PromptItem) else self._turns.get(item.turn_id)
