"""What is laid over a line of the log. Pure."""

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
