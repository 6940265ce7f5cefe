"""Tables and goals as text: markdown that reads well in a terminal, too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and the most it may be. None: it could not be measured."""

    name: str
    value: float | None
    limit: float
    unit: str = ""


def number(value: float | None, digits: int = 0, scale: float = 1.0) -> str:
    """A cell; `scale` is what the value is multiplied by, 1000 for milliseconds."""
    return MISSING if value is None else f"{value * scale:.{digits}f}"


def milliseconds(value: float | None, digits: int = 1) -> str:
    """A cell of milliseconds, from seconds."""
    return number(value, digits, 1000)


def ratio(value: float | None, base: float | None) -> float | None:
    """`value / base`, if both are known."""
    return None if value is None or not base else value / base


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], say: Callable[[str], object] = print) -> None:
    """A markdown table; the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = [
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join([first, *rest]) + " |"

    say(f"\n**{title}**\n")
    say(line(head))
    say(
        "|"
        + "|".join("-" * (width + 2) if not place else "-" * (width + 1) + ":" for place, width in enumerate(widths))
        + "|"
    )
    for row in rows:
        say(line(row))


def goals(reached: Sequence[Goal], say: Callable[[str], object] = print) -> None:
    """The last table: what was wanted, what it is."""
    rows = []
    for goal in reached:
        digits = 2 if goal.limit < 10 else 0
        met = MISSING if goal.value is None else "yes" if goal.value <= goal.limit else "NO"
        rows.append(
            [goal.name, f"{number(goal.value, digits)} {goal.unit}".strip(), f"{goal.limit:g} {goal.unit}".strip(), met]
        )
    if rows:
        table("Goals of tui-chat", ["goal", "measured", "at most", "met"], rows, say)
