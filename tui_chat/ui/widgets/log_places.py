"""A place in an item of the log that holds for any width: which line of its source stands there, and how far into that. Pure.

Of a prompt it is how many letters stand above, of a tool the row.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

from tui_chat.ui.widgets.log_items import INDENT, LogItem, PromptItem
from tui_chat.ui.widgets.reply_item import ReplyItem

_ABOVE: Final = -1  # what stands above a reply's text
_BELOW: Final = 1 << 40  # ... and below it


class SourcePlace(NamedTuple):
    """A line of the source, and how many characters that are no spaces stand between its beginning and the place.

    -1: the blank row above it.
    """

    line: int
    into: int


class Kept(NamedTuple):
    """What is to stay the first line in view."""

    item: LogItem
    place: SourcePlace


def place_of_row(item: LogItem, row: int) -> SourcePlace:
    """The place of a row of an item that is laid out."""
    if isinstance(item, PromptItem):
        return SourcePlace(0, sum(_solid(item.line(each).text[INDENT:]) for each in range(row)))
    if not isinstance(item, ReplyItem) or item.document is None:
        return SourcePlace(0, row)
    document, above = item.document, len(item.thinking.rows)
    if row < above:
        return SourcePlace(_ABOVE, row)
    row -= above
    if row >= document.line_count:
        return SourcePlace(_BELOW, row - document.line_count)
    info = document.info(row)
    if info.first == info.stop:
        return SourcePlace(info.first, -1)
    line, into, first = info.first, 0, row
    while first > 0 and document.info(first - 1).first == line:
        first -= 1
        into += _solid(document.line(first).text[document.info(first).border :])
    return SourcePlace(line, into)


def row_of_place(item: LogItem, place: SourcePlace) -> int | None:
    """The row of an item that a place is in now; None where it is not laid out so far."""
    if isinstance(item, PromptItem):
        rows, seen = item.rows or (), 0
        for row, strip in enumerate(rows):
            seen += _solid(strip.text[INDENT:])
            if seen > place.into:
                return row
        return None if not rows or item.behind else len(rows) - 1
    if not isinstance(item, ReplyItem):
        return min(place.into, item.height - 1) if item.width else None
    document = item.document
    if document is None:
        return None
    above, count = len(item.thinking.rows), document.line_count
    if place.line == _ABOVE:
        return min(place.into, max(0, above - 1))
    if place.line >= _BELOW:
        return None if document.behind else min(above + count + place.into, item.height - 1)
    row = bisect_left(range(count), place.line, key=lambda each: document.info(each).first)
    seen = 0
    while row < count and document.info(row).first == place.line:
        seen += _solid(document.line(row).text[document.info(row).border :])
        if seen > place.into:
            break
        row += 1
    if row >= count:
        return None if document.behind else above + max(0, count - 1)
    return above + row


def _solid(text: str) -> int:
    return len("".join(text.split()))
