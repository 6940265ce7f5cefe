"""What is laid over a line of the log, and what is read from one. Pure."""

from rich.cells import cell_len
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


def text_of_link(strip: Strip, href: str, column: int) -> str:
    """The text by which the link to `href` is shown at `column`; there may be several to it in one line."""
    end, text = 0, ""
    for piece, style, _ in strip:
        if style is not None and style.meta.get("href") == href:
            text += piece
        elif end > column:
            break
        else:
            text = ""
        end += cell_len(piece)
    return text
