"""A selection of lines' cells: where it began, where it is now. Pure."""

from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """A cell of a line."""

    line: int
    column: int


@dataclass(slots=True)
class LineSelection:
    """From `anchor`, where the mouse went down, to `head`, where it is; both cells belong to it."""

    anchor: Place
    head: Place

    @property
    def first(self) -> Place:
        """The upper end."""
        return min(self.anchor, self.head)

    @property
    def last(self) -> Place:
        """The lower end."""
        return max(self.anchor, self.head)

    def span(self, line: int) -> tuple[int, int | None] | None:
        """The cells of `line` that are selected: from, and up to (None: the line's end)."""
        first, last = self.first, self.last
        if not first.line <= line <= last.line:
            return None
        return (first.column if line == first.line else 0), (last.column + 1 if line == last.line else None)

    def shift(self, after: int, by: int, before: int | None = None) -> None:
        """Lines from `after` on, up to `before`, have moved by so many."""

        def moved(place: Place) -> Place:
            inside = place.line >= after and (before is None or place.line < before)
            return place._replace(line=max(after, place.line + by)) if inside else place

        self.anchor, self.head = moved(self.anchor), moved(self.head)
