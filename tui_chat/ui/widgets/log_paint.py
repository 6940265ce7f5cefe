"""What is laid over a line of the log: a selection, and the mark that counts what is below. Pure."""

from rich.segment import Segment
from rich.style import Style
from textual.selection import Selection
from textual.strip import Strip

from tui_chat.ui.widgets.log_items import INDENT


def selected(strip: Strip, span: tuple[int, int], style: Style) -> Strip:
    """`strip` with the cells of `span` (start, end; an end of -1 is the line's) in `style`."""
    start, end = span
    width = strip.cell_length
    end = width if end == -1 else min(end, width)
    if start >= end:
        return strip
    middle = Strip(Segment.apply_style(strip.crop(start, end), post_style=style), end - start)
    return Strip.join([strip.crop(0, start), middle, strip.crop(end, width)])


def with_mark(strip: Strip, below: int, style: Style) -> Strip:
    """`strip` with `below`, the number of lines under it, at its right end; a click there goes to them."""
    width = strip.cell_length
    for text in (f" ↓ {below} more  Ctrl+End ", f" ↓ {below} "):
        if below > 0 and len(text) <= width:
            mark = Segment(text, style + Style(meta={"action": "to_end", "turn_id": ""}))
            return Strip([*strip.crop(0, width - len(text)), mark])
    return strip


def selected_text(lines: list[str], selection: Selection) -> str:
    """The text of `selection`, whose lines are `lines`, without the indentation of the log."""
    if selection.end is not None and lines:
        lines[-1] = lines[-1][: selection.end.x]
    if selection.start is not None and lines:
        lines[0] = lines[0][selection.start.x :]
    return "\n".join(line[min(len(line) - len(line.lstrip()), INDENT) :] for line in lines)
