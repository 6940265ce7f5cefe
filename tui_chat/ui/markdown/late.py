"""Links whose definition comes after the text that uses them.

Why it exists: a text is shown when it arrives, and rendered once more when a definition for one of its labels does. A
definition at the end of a long reply may concern all of it, so that is done in parts.
What it must not know: how blocks are found.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from markdown_it.common.utils import normalizeReference
from rich.style import Style

from tui_chat.ui.markdown.inline import InlineRenderer
from tui_chat.ui.markdown.layout import Lines
from tui_chat.ui.markdown.places import Place
from tui_chat.ui.markdown.textleaf import TextLeaf

_LABELS: Final = re.compile(r"\[((?:[^\[\]\\]|\\.){1,999})\]", re.DOTALL)
_RENDERING: Final = 40  # to render a short text again takes as long as so many characters

Moved = Callable[[int], int]


@dataclass(slots=True)
class _Waiting:
    """A finished text with link labels that no definition has been seen for."""

    place: Place
    base: Style
    text: str
    stop: int
    due: bool = False  # a definition has come; it is to be rendered again


class LateLinks:
    """The texts in `lines` that wait for a definition."""

    def __init__(self, lines: Lines, inline: InlineRenderer) -> None:
        self._lines = lines
        self._inline = inline
        self._waiting: dict[str, list[_Waiting]] = {}
        self._due: list[_Waiting] = []

    def wait(self, text: str, base: Style, place: Place) -> None:
        """A text is finished, the last of the lines being its own."""
        if "[" not in text:
            return
        waiting = _Waiting(place, base, text, len(self._lines))
        for label in {normalizeReference(match[1]) for match in _LABELS.finditer(text)}:
            if label not in self._inline.references:
                self._waiting.setdefault(label, []).append(waiting)

    def define(self, label: str, href: str) -> None:
        """A definition has come; the first one of a label holds."""
        if label in self._inline.references:
            return
        self._inline.references[label] = {"href": href, "title": ""}
        for waiting in self._waiting.pop(label, ()):
            if not waiting.due:
                waiting.due = True
                self._due.append(waiting)

    @property
    def behind(self) -> bool:
        """Whether there is something for `render` to do."""
        return bool(self._due)

    def render(self, limit: int | None) -> Moved | None:
        """Render the texts again whose definitions have come, about `limit` characters of them (None: all).

        Returns where a line stands now, if any has moved.
        """
        if not self._due:
            return None
        self._due.sort(key=lambda waiting: waiting.place.start)
        count = length = 0
        while count < len(self._due) and (limit is None or length < limit):
            length += len(self._due[count].text) + _RENDERING
            count += 1
        batch, self._due = self._due[:count], self._due[count:]
        fresh = Lines.empty()
        at = begin = batch[0].place.start
        stops: list[int] = []
        shifts: list[int] = []
        for waiting in batch:
            waiting.due = False
            fresh.extend(self._lines.part(at, waiting.place.start))
            at = waiting.stop
            fresh.extend(self._rendered(waiting))
            stops.append(at)
            shifts.append(begin + len(fresh) - at)
        self._lines.replace(begin, at, fresh)
        return self._move(batch, stops, shifts) if any(shifts) else None

    def _rendered(self, waiting: _Waiting) -> Lines:
        place = waiting.place
        leaf = TextLeaf.begin(waiting.base, place.width)
        leaf.add(waiting.text, self._inline)
        leaf.finish(self._inline)
        fresh = Lines.empty()
        for row in leaf.flow.take():
            fresh.append(*place.draw(row, not fresh.strips))
        return fresh

    def _move(self, batch: list[_Waiting], stops: list[int], shifts: list[int]) -> Moved:
        """The lines from each of `stops` on have moved by its shift."""

        def moved(line: int) -> int:
            after = bisect_right(stops, line)
            return line + shifts[after - 1] if after else line

        groups = (batch, self._due, *self._waiting.values())
        for waiting in {id(waiting): waiting for group in groups for waiting in group}.values():
            waiting.stop = moved(waiting.stop)
            waiting.place.start = moved(waiting.place.start)
        return moved
