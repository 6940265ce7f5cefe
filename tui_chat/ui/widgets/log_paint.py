"""What is laid over a line of the log. Pure."""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip


def with_mark(strip: Strip, below: int, style: Style) -> Strip:
    """`strip` with `below`, the number of lines under it, at its right end; a click there goes to them."""
    width = strip.cell_length
    for text in (f" ↓ {below} more  Ctrl+End ", f" ↓ {below} "):
        if below > 0 and len(text) <= width:
            mark = Segment(text, style + Style(meta={"action": "to_end", "turn_id": ""}))
            return Strip([*strip.crop(0, width - len(text)), mark])
    return strip


def with_styles(strip: Strip, spans: Iterable[tuple[int, int, Style]]) -> Strip:
    """`strip` with a style laid over the cells of each span, from left to right; what the cells mean for a click stays."""
    segments: list[Segment] = []
    at = 0
    for start, stop, style in spans:
        segments += strip.crop(at, start) if at < start else ()
        segments += Segment.apply_style(strip.crop(start, stop), post_style=style)
        at = stop
    return Strip([*segments, *strip.crop(at)])


def outside(start: int, stop: int, hole: tuple[int, int | None] | None) -> list[tuple[int, int]]:
    """The parts of the cells from `start` up to `stop` that are not in `hole`; None there is the line's end."""
    if hole is None:
        return [(start, stop)]
    parts = [(start, min(stop, hole[0])), (stop if hole[1] is None else max(start, hole[1]), stop)]
    return [(low, high) for low, high in parts if low < high]
