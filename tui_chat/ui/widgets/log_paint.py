"""What is laid over a line of the log, and what is taken from it. Pure."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.widgets.line_selection import LineSelection
from tui_chat.ui.widgets.log_items import INDENT


def with_mark(strip: Strip, below: int, style: Style) -> Strip:
    """`strip` with `below`, the number of lines under it, at its right end; a click there goes to them."""
    width = strip.cell_length
    for text in (f" ↓ {below} more  Ctrl+End ", f" ↓ {below} "):
        if below > 0 and len(text) <= width:
            mark = Segment(text, style + Style(meta={"action": "to_end", "turn_id": ""}))
            return Strip([*strip.crop(0, width - len(text)), mark])
    return strip


def selected_text(lines: list[str], selection: LineSelection) -> str:
    """The text of `selection`, whose lines are `lines`, without the indentation of the log."""
    lines[-1] = lines[-1][: selection.last.column + 1]
    lines[0] = lines[0][selection.first.column :]
    return "\n".join(line[min(len(line) - len(line.lstrip()), INDENT) :] for line in lines)
