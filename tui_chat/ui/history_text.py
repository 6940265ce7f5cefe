"""The words and columns of the history: conversations and hits in, pieces of text with a tone out. Pure.

A line is a list of pieces, `(text, tone)`; the list widget knows what each tone looks like. All text from outside is sanitised
here, piece by piece, and every line fits the width it was asked for, counted in cells. Narrow screens lose columns, never the
title.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from tui_chat.listed import ConversationFigures, ConversationSummary, Hit
from tui_chat.text import sanitise_line
from tui_chat.ui import wording

Piece = tuple[str, str]  # text, tone: "", title, dim, mark, here

LEFT: Final = 3  # columns left of the titles: the cursor's mark, the pin's, a blank
_GAP: Final = 2  # columns between two columns
_SMALLEST_TITLE: Final = 20
_TITLE_SHARE: Final = 0.42  # of the line: what other columns must leave to the title
_SHOWN: Final = 2_000  # characters of a title that are looked at; no line is as wide
# Name, cells, whether it is flush right; the order on the screen.
_COLUMNS: Final = (
    ("model", 14, False),
    ("when", 11, False),
    ("turns", 5, True),
    ("tokens", 6, True),
    ("cost", 7, True),
)
_WORTH: Final = ("when", "model", "cost", "turns", "tokens")  # which column comes first where there is room for few
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY: Final = 86_400
_DATE: Final = re.compile(r"-20\d{6}$")  # of a model's id: it tells little
_BLANKS: Final = re.compile(r"\s+")
_PIN: Final = "•"
_RECENT_TITLE: Final = 60  # cells of a title on the start screen
_RECENT_REST: Final = 20  # cells of such a line that are not the title's: margins and the age


@dataclass(frozen=True, slots=True)
class Columns:
    """What a line of that many cells has room for beside the title."""

    title: int
    names: tuple[str, ...]


def columns(width: int) -> Columns:
    """The columns that fit into `width` cells."""
    title, chosen = width - LEFT, set[str]()
    sizes = {name: size + _GAP for name, size, _ in _COLUMNS}
    for name in _WORTH:
        if title - sizes[name] < max(_SMALLEST_TITLE, int(width * _TITLE_SHARE)):
            break
        chosen.add(name)
        title -= sizes[name]
    return Columns(max(1, title), tuple(name for name, _, _ in _COLUMNS if name in chosen))


def heading(width: int) -> str:
    """The names of the columns, above them."""
    found = columns(width)
    cells = [" " * _GAP + _fitted(name, size, right=right) for name, size, right in _COLUMNS if name in found.names]
    return " " * LEFT + set_cell_size("title", found.title) + "".join(cells)


def conversation_line(
    summary: ConversationSummary,
    figures: ConversationFigures | None,
    width: int,
    now: float,
    *,
    current: bool = False,
    wanted: str = "",
) -> list[Piece]:
    """One conversation; `current`: it is on the screen behind. What fits `wanted` in its title is marked."""
    found = columns(width)
    values = {
        "model": _DATE.sub("", wording.model_name(summary.model)) if summary.model else wording.UNKNOWN,
        "when": "this chat" if current else when(summary.updated_at, now),
        "turns": "",
        "tokens": "",
        "cost": "",
    }
    if figures is not None:
        about = "~" if figures.cost_estimated else ""
        values["turns"] = wording.tokens(figures.turns)
        values["tokens"] = _both(figures.input_tokens, figures.output_tokens)
        values["cost"] = wording.UNKNOWN if figures.cost is None else about + wording.money(figures.cost)
    title = cut(title_of(summary), found.title)
    line: list[Piece] = [(" " + (_PIN if summary.pinned else " ") + " ", "here")]
    line += _marked(title, marks_of(title, wanted), "title", "mark")
    line.append((" " * (found.title - cell_len(title)), ""))
    for name, size, right in _COLUMNS:
        if name in found.names:
            tone = "here" if current and name == "when" else "dim"
            line.append((" " * _GAP + _fitted(values[name], size, right=right), tone))
    return line


def _fitted(text: str, size: int, *, right: bool) -> str:
    text = cut(text, size)
    blanks = " " * (size - cell_len(text))
    return blanks + text if right else text + blanks


def _both(input_tokens: int | None, output_tokens: int | None) -> str:
    if input_tokens is None and output_tokens is None:
        return wording.UNKNOWN
    return wording.tokens((input_tokens or 0) + (output_tokens or 0))


def hit_lines(hit: Hit, width: int, now: float) -> tuple[list[Piece], list[Piece]]:
    """One message that fits: where it was said, and what, with the words that fit marked."""
    who = "you" if hit.role == "user" else "reply"
    about = [who, when(hit.at, now)] + ([] if hit.on_path else ["another version"])
    room = width - LEFT
    while about and room - sum(cell_len(part) + 3 for part in about) < min(_SMALLEST_TITLE, room):
        about.pop()  # the title says more
    rest = "".join(f" · {part}" for part in about)
    title = cut(sanitise_line(hit.title[:_SHOWN]).strip() or "untitled", max(1, room - cell_len(rest)))
    blank = " " * LEFT
    return [(blank, ""), (title, "title"), (rest, "dim")], [(blank, ""), *snippet(hit.snippet, hit.marks, room)]


def snippet(text: str, marks: Sequence[tuple[int, int]], width: int) -> list[Piece]:
    """`text` on one line, the first of its `marks` in view."""
    pieces: list[Piece] = []
    place = 0
    for start, stop in sorted(marks):
        if start < place or stop <= start or stop > len(text):
            continue
        pieces += [(_one_line(text[place:start]), "said"), (_one_line(text[start:stop]), "mark")]
        place = stop
    pieces.append((_one_line(text[place:]), "said"))
    pieces = [piece for piece in pieces if piece[0]]
    if pieces:
        pieces[0] = (pieces[0][0].lstrip(), pieces[0][1])
    return _cut_pieces(_from_first_mark(pieces, width), width)


def _from_first_mark(pieces: list[Piece], width: int) -> list[Piece]:
    """Without so much of the beginning that the first mark would be out of view."""
    if len(pieces) < 2 or pieces[0][1] == "mark" or sum(cell_len(text) for text, _ in pieces) <= width:
        return pieces
    before, keep = pieces[0][0], width // 4
    if cell_len(before) + cell_len(pieces[1][0]) <= width * 3 // 5:
        return pieces
    tail = before[-keep:] if keep else ""
    while cell_len(tail) > keep:
        tail = tail[1:]
    return [("…" + (tail.partition(" ")[2] or tail), "said"), *pieces[1:]]


def _cut_pieces(pieces: list[Piece], width: int) -> list[Piece]:
    if sum(cell_len(text) for text, _ in pieces) <= width:
        return pieces
    line, free = list[Piece](), width - 1  # a column for the ellipsis
    for text, tone in pieces:
        cells = cell_len(text)
        if cells > free:
            line.append((set_cell_size(text, max(0, free)).rstrip() + "…", tone))
            break
        line.append((text, tone))
        free -= cells
    return line


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells; what is cut off is an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def title_of(summary: ConversationSummary) -> str:
    """The title on one line."""
    return _one_line(summary.title[:_SHOWN]).strip() or "untitled"


def marks_of(text: str, wanted: str) -> list[tuple[int, int]]:
    """Where the words of `wanted` stand in `text`, as far as they stand there letter by letter."""
    words = [re.escape(word) for word in wanted.replace('"', " ").replace("*", " ").split()]
    if not words:
        return []
    return [found.span() for found in re.finditer("|".join(sorted(words, key=len, reverse=True)), text, re.IGNORECASE)]


def _marked(text: str, marks: Sequence[tuple[int, int]], tone: str, mark: str) -> list[Piece]:
    pieces, place = list[Piece](), 0
    for start, stop in marks:
        pieces += [(text[place:start], tone), (text[start:stop], mark)]
        place = stop
    return [piece for piece in [*pieces, (text[place:], tone)] if piece[0]]


def _one_line(text: str) -> str:
    return _BLANKS.sub(" ", sanitise_line(text))


def when(at: float, now: float) -> str:
    """When it was, in at most eleven cells: how long ago within a week, else the day."""
    if now - at < 7 * _DAY:
        return wording.age(now - at)
    try:
        then, today = time.localtime(at), time.localtime(now)
    except (OverflowError, OSError, ValueError):
        return wording.UNKNOWN  # a clock was wrong, or an import brought nonsense
    day = f"{then.tm_mday} {_MONTHS[then.tm_mon - 1]}"
    return day if then.tm_year == today.tm_year else f"{day} {then.tm_year}"


def shown_text(hit: Hit, wanted: str) -> str:
    """What to look for in the message of `hit`: all of `wanted` if it stands there so, else the first words that fit."""
    plain = wanted.strip().strip('"')
    if plain and plain.lower() in hit.snippet.lower():
        return plain
    return hit.snippet[slice(*hit.marks[0])] if hit.marks else plain


def recent_entries(rows: Sequence[ConversationSummary], now: float, width: int) -> list[tuple[str, str]]:
    """The entries of the start screen, for a screen of that width: the id of a conversation, and its title with its age."""
    titles = [cut(title_of(each), max(8, min(_RECENT_TITLE, width - _RECENT_REST))) for each in rows]
    longest = max(map(cell_len, titles), default=0)
    return [
        (each.id, title + " " * (longest - cell_len(title) + _GAP) + when(each.updated_at, now))
        for each, title in zip(rows, titles, strict=True)
    ]
