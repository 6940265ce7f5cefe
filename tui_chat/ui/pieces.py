"""Lines made of pieces, `(text, tone)`: headings, rows with a label, text that flows. Pure; widths are in cells.

What a tone looks like the widget knows that shows the lines. On a narrow screen a label stands above what it names.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

Piece = tuple[str, str]  # text, tone
Line = list[Piece]

LEFT: Final = 3  # columns left of everything but headings
LABEL: Final = 13  # columns of a label
NARROW: Final = 60  # columns below which a screen is narrow


def heading(text: str, more: str, width: int) -> list[Line]:
    """A heading, and behind it what it is about."""
    lines: list[Line] = [[(" ", ""), (text, "heading")]]
    if more:
        rest = flow(words(more, "dim"), width, " " * (cell_len(text) + 4), 1)
        lines = [[*lines[0], ("   ", ""), *rest[0][1:]], *rest[1:]]
    return lines


def row(label: str, pieces: Sequence[Piece], width: int, *, gap: int = 3) -> list[Line]:
    """A label and what it names, `gap` cells between two pieces; nothing for no pieces."""
    if not pieces:
        return []
    if width < NARROW:
        return [[(" " * LEFT, ""), (label, "dim")], *flow(pieces, width, " " * (LEFT + 2), min(gap, 2))]
    flowed = flow(pieces, width, " " * (LEFT + LABEL), gap)
    return [[(" " * LEFT, ""), (f"{label:<{LABEL}}", "dim"), *flowed[0][1:]], *flowed[1:]]


def words(text: str, tone: str = "") -> Line:
    """A sentence as pieces that can flow, with a gap of 1."""
    return [(word, tone) for word in text.split()]


def flow(pieces: Iterable[Piece], width: int, indent: str, gap: int) -> list[Line]:
    """The pieces one behind the other, on as many lines as they need; one that is longer than a line is cut."""
    lines: list[Line] = []
    used = 0
    free = max(1, width - 1 - len(indent))
    for text, tone in pieces:
        text = cut(text, free)  # noqa: PLW2901 - from here on it is that
        cells = cell_len(text)
        if lines and used + gap + cells <= free:
            lines[-1] += [(" " * gap, ""), (text, tone)]
            used += gap + cells
        else:
            lines.append([(indent, ""), (text, tone)])
            used = cells
    return lines


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is cut off is an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""
