"""Lines of code in the log: wrapped or cut, moved to the left, and the numbers on the labels above them. Pure."""

from dataclasses import dataclass

from rich.segment import Segment
from textual.strip import Strip


@dataclass(slots=True)
class CodeView:
    """How the log shows long lines of code: wrapped, or cut and moved `left` by so many cells."""

    wrapped: bool = True
    left: int = 0


def renumbered(strip: Strip, own: str, given: str) -> Strip:
    """The label of a code block with `given` in place of `own` at its right end, which stays where it is."""
    *before, last = strip
    if last.text != own:
        return strip  # too narrow for it
    room = strip.cell_length - len(given)
    return Strip([*Strip(before).crop(0, room), Segment(given, last.style)]) if room >= 0 else strip


def moved(strip: Strip, border: int, left: int, width: int) -> Strip:
    """A line of code behind its `border`, moved left and cut to `width`, with a mark at an end where there is more."""
    if strip.cell_length <= width and not left:
        return strip
    room = width - border
    text = strip.crop(border + left, border + left + room)
    if strip.cell_length - border - left > room:
        text = Strip([*text.crop(0, room - 1), Segment("›")])
    if left and strip.cell_length > border:
        text = Strip([Segment("‹"), *text.crop(1)])
    return Strip([*strip.crop(0, border), *text])


def moved_cells(start: int, stop: int, border: int, left: int, width: int) -> tuple[int, int] | None:
    """Where the cells from `start` up to `stop` of such a line are seen; None where they are not."""
    first, end = max(start - left, border), min(stop - left, width)
    return (first, end) if first < end else None
