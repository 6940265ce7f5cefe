"""What the parts of the search tell each other: cells, marks, points, counts. Light, because the log imports it at its start."""

from typing import NamedTuple


class Span(NamedTuple):
    """Cells of a row, from `start` up to `stop`."""

    row: int
    start: int
    stop: int


class Mark(NamedTuple):
    """Cells of a row that show a match, or a part of it; `number` is the match's in its item, -1 for one that is not counted."""

    start: int
    stop: int
    number: int


class Point(NamedTuple):
    """A cell of the log: the place of an item, its row, and the cell."""

    place: int
    row: int
    cell: int = 0


class Tally(NamedTuple):
    """How many matches there are, and the number of the current one from 1; 0: none is. `whole`: all were counted."""

    number: int
    total: int
    whole: bool
