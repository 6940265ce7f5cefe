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

    def shift(self, after: int, by: int) -> None:
        """Lines from `after` on have moved by so many."""
        if self.anchor.line >= after:
            self.anchor = self.anchor._replace(line=self.anchor.line + by)
        if self.head.line >= after:
            self.head = self.head._replace(line=self.head.line + by)
