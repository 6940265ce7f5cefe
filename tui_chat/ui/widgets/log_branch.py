"""A log whose end gives way to another: from one turn on, other turns take the place of those that are there.

Why it exists: going to another version of a turn must not write the whole conversation anew, which would forget what is laid out
and opened above it, nor move what the reader looks at. What gives way is kept as it is, so that going back is at once, however
much it is. The log itself only grows. It knows neither versions nor sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tui_chat.ui.widgets.log_items import LogItem, PromptItem
from tui_chat.ui.widgets.log_turn import LogTurn
from tui_chat.ui.widgets.message_log import MessageLog

# ruff: noqa: SLF001 - a part of the log that stands apart


@dataclass(slots=True)
class _Aside:
    """A turn that was in the log: its reply, and its items for the width and the looks that they were laid out for."""

    turn: LogTurn | None
    made_for: object
    items: list[LogItem] = field(default_factory=list)


class LogBranch:
    """The end of `log`, and what was there before."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log
        self._aside: dict[str, _Aside] = {}

    def forget(self) -> None:
        """The log is about something else now."""
        self._aside.clear()

    def drop_from(self, turn_id: str) -> None:
        """Take the turn and all below it out of the log; what is appended next is painted over it."""
        log, layout = self._log, self._log._items
        place = self._place(turn_id)
        kept = [(item, layout.message(at).start != at) for at, item in enumerate(layout.items[:place])]
        for item in layout.items[place:]:
            log._dirty.pop(item, None)
            if item.turn_id:
                aside = _Aside(log._turns.pop(item.turn_id, None), self._looks)
                self._aside.setdefault(item.turn_id, aside).items.append(item)
        layout.clear()
        for item, joins in kept:
            layout.append(item, joins=joins)
        log.selection = None
        log.unhovered()
        cursor = log._cursor
        if cursor.place is not None and cursor.place >= place:
            cursor.place = layout.message(place - 1).start if place else None

    def bring_back(self, turn_id: str) -> bool:
        """Append a turn as it was when it was dropped; False if it never was."""
        aside = self._aside.pop(turn_id, None)
        if aside is None:
            return False
        if aside.turn is not None:
            self._log._turns[turn_id] = aside.turn
        for item in aside.items:
            if aside.made_for != self._looks:
                item.width = 0
            self._log.append(item)
        return True

    def replace_from(self, turn_id: str | None, write: Callable[[], None]) -> None:
        """Put what `write` appends in place of the turn and all below it: it begins in the row in which that began.

        None: below all there is. The cursor, if it was there, is on what has come.
        """
        log, layout, height = self._log, self._log._items, self._log.size.height
        place = len(layout.items) if turn_id is None else self._place(turn_id)
        row = (layout.total if turn_id is None else layout.start(place)) - log.top
        cursor = log._cursor.place
        if turn_id is not None:
            self.drop_from(turn_id)
        log._in_bulk = True
        try:
            write()
        finally:
            log._in_bulk = False
        count = len(layout.items)
        if place < count and layout.width:
            layout.fill_from(place, height * 2)
            for item in layout.items[place:]:
                log._go_on_with(item)
        if cursor is not None and count:
            log._cursor.place = layout.message(min(cursor, count - 1)).start
        self.point()
        log.following = False
        begin = layout.start(place) if place < count else layout.total
        # What begins where the view ends would be out of it.
        log.show_from(begin - min(row, max(0, height // 2)))
        log.changed(0)

    def point(self) -> None:
        """Whoever is in the log points at a message there."""
        log = self._log
        if log.has_focus and log._cursor.place is None:
            log._cursor.begin()
            log.refresh()

    @property
    def is_on_prompt(self) -> bool:
        """Whether the cursor is on what the user said."""
        return self._log.has_focus and isinstance(self._log._cursor.item, PromptItem)

    @property
    def _looks(self) -> object:
        layout = self._log._items
        return layout.width, layout._looks

    def _place(self, turn_id: str) -> int:
        items = self._log._items.items
        return next(place for place, item in enumerate(items) if item.turn_id == turn_id)
