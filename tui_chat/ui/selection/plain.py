"""What a selection of cells means in a plain text that was wrapped: a prompt, a notice.

Why it exists: wrapping moves words to other lines and drops the spaces where it does so, and the sanitiser shows some characters
as signs. But the characters that are no spaces stay, in their order; so the nth of them on the screen is the nth of the text.
Lines and columns count from 0, columns in cells of the rows as they are given; the end is excluded.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from tui_chat.text import sanitise
from tui_chat.ui.markdown.layout import JOINERS
from tui_chat.ui.selection.stretch import BREAK, Place, end_of_cell, index_of_cell

_WORD: Final = re.compile(r"\S+")
_MOST_MARKS: Final = 4
_DROPPED: Final = dict.fromkeys(map(ord, JOINERS))  # wrapping leaves some of them out


def selected_plain(text: str, rows: Sequence[str], start: Place, end: Place) -> str:
    """The part of `text` that stands from `start` up to `end` of `rows`, the lines it was wrapped to, without their borders.

    Whole lines come with their indentation; from the first character to the last it is the text, exactly.
    """
    first, last = max(start, (0, 0)), min(end, (len(rows), 0))
    if first >= last:
        return ""
    before = _count(rows, first[0]) + _solid(rows[first[0]][: index_of_cell(rows[first[0]], first[1])])
    upto = _count(rows, last[0])
    if last[0] < len(rows):
        upto += _solid(rows[last[0]][: end_of_cell(rows[last[0]], last[1])])
    if before >= upto:
        return ""
    if before == 0 and upto == _count(rows, len(rows)):
        return text
    low = high = len(text)
    count = 0
    for place, stop, solid in _pieces(text):
        one = stop - place == solid  # each character stands for itself
        if count <= before < count + solid:
            low = place + (before - count if one else 0)
        if count < upto <= count + solid:
            high = place + upto - count if one else stop
            break
        count += solid
    line_start = max(text.rfind("\n", 0, low), text.rfind("\r", 0, low)) + 1
    line_end = match.start() if (match := BREAK.search(text, high)) else len(text)
    whole_line = BREAK.search(text, low, high) is not None or not text[high:line_end].strip()
    if whole_line and not text[line_start:low].strip():
        low = line_start
    return text[low:high]


def _count(rows: Sequence[str], stop: int) -> int:
    return sum(_solid(row) for row in rows[:stop])


def _solid(text: str) -> int:
    """How many characters of `text` are neither spaces nor joiners."""
    solid = "".join(text.split())
    return len(solid if solid.isascii() else solid.translate(_DROPPED))


def _pieces(text: str) -> Iterator[tuple[int, int, int]]:
    """The pieces of `text` that show something: where each begins and ends, and how many characters are shown for it."""
    if sanitise(text) == text and not any(joiner in text for joiner in JOINERS):
        for match in _WORD.finditer(text):
            yield match.start(), match.end(), match.end() - match.start()
        return
    marks = 0  # in a row: of more than four the sanitiser keeps four
    for place, character in enumerate(text):
        solid, is_mark = _shown(character)
        marks = marks + 1 if is_mark else 0
        if solid and marks <= _MOST_MARKS:
            yield place, place + 1, solid


@lru_cache(maxsize=1_000)
def _shown(character: str) -> tuple[int, bool]:
    """How many characters are shown for one, and whether it is a mark of which the sanitiser keeps only some."""
    few = "\u0301" * _MOST_MARKS
    return _solid(sanitise(character)), sanitise(few + character) == few
