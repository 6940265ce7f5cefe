"""Plots as plain text: bars, a histogram, a trend; for whoever shows them, on a screen or on standard output.

Why it exists: plotext draws, and draws into one figure that belongs to its module. So a plot is drawn and taken away under a
lock, in one call; sizes are given, never those of a terminal; and its colours are left off, because a screen has a theme of
its own. It must not know what is plotted. Labels are drawn one character a cell: what would need two or none becomes `?`.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from threading import Lock
from typing import Any, Final

_LOCK: Final = Lock()
_CODES: Final = re.compile(r"\x1b\[[0-9;]*m")
_BAR: Final = "▇"  # not the full block: bars on neighbouring lines stay apart
_FAR: Final = 3.0  # a maximum so many times the 95th percentile would press everything else into one column
_LARGEST: Final = 1e15  # beyond, floats have no decimals left to draw with
_LABEL: Final = 24  # cells; longer labels are cut


def bars(labels: Sequence[str], values: Sequence[float | None], *, width: int, unit: str = "") -> str:
    """One line for each label: the label, its value in `unit`, a bar; at most `width` cells. An unknown value has no bar.

    Empty if there is nothing to show.
    """
    known = [_finite(value) for value in values]
    if not known or width < 1:
        return ""
    digits = _alike([value for value in known if value is not None])
    texts = ["–" if value is None else _number(value, digits) + unit for value in known]
    room = max(4, min(_LABEL, width - max(map(len, texts)) - 8))
    names = [cells(label, room) for label in labels]
    at, across = max(map(len, names)), max(map(len, texts))
    heads = [f"{name:<{at}}  {text:>{across}} " for name, text in zip(names, texts, strict=True)]
    count, top = len(known), max([value for value in known if value is not None], default=0.0)
    if top <= 0 or width < len(heads[0]) + 2:
        return "\n".join(head[:width].rstrip() for head in heads)
    with _figure(width, count) as plot:
        plot.frame(False)
        plot.xlim(0, top)
        plot.ylim(0.5, count + 0.5)
        plot.xticks([])
        places = list(range(count, 0, -1))  # plotext counts from below
        plot.yticks(places, heads)
        for place, value in zip(places, known, strict=True):
            if value is not None and value > 0:
                plot.plot([0, value], [place, place], marker=_BAR)
        return _text(plot, width)


def histogram(values: Sequence[float], *, width: int, height: int, unit: str = "") -> str:
    """How often the values fall where: columns over equal steps. At most `width` x `height` cells; empty without values.

    If a few values lie far off, the last column holds all from its label on (`≥`). A column that holds anything is seen.
    """
    known = sorted(known for value in values if (known := _finite(value)) is not None)
    if not known or width < 16 or height < 4:
        return ""
    low, high = known[0], known[-1]
    likely = known[min(len(known) - 1, int(len(known) * 0.95))]
    is_cut = low >= 0 and likely > 0 and high > _FAR * likely
    end = likely * 1.5 if is_cut else high
    step = _step((end - low) / min(30, max(4, width // 3)) or abs(high) / 10 or 1.0)
    first = math.floor(low / step + 1e-9)
    counts = [0] * (max(math.floor(end / step + 1e-9) - first, 0) + 1)
    for value in known:
        counts[min(math.floor(value / step + 1e-9) - first, len(counts) - 1)] += 1
    digits = _digits(step)
    # A column stands over the stretch that begins at its label.
    names = [_number((first + index) * step, digits) + unit for index in range(len(counts))]
    if is_cut:
        names[-1] = f"≥{names[-1]}"  # which must be read
    ticks, top = _ticks(max(counts), height, whole=True)
    with _figure(width, height) as plot:
        # One signal for each column, drawn from the left edge of its cells, so that columns are equally wide.
        _axes(plot, ticks, [_number(tick, 0) for tick in ticks], top)
        left = max(len(_number(tick, 0)) for tick in ticks) + 1
        thick = max((width - left) // len(counts), 1)
        used = thick * len(counts)
        plot.plot_size(left + used, height)
        plot.xlim(-0.5, used - 0.5)
        plot.xticks(*_spaced([index * thick for index in range(len(counts))], names, used, with_last=is_cut))
        for index, count in enumerate(counts):
            for cell in range(thick - (thick > 2)):  # wide columns stand apart
                if count:
                    at = index * thick + cell
                    plot.plot([at, at], [0, count], marker="sd")
        return _text(plot, width)


def trend(points: Sequence[tuple[str, float | None]], *, width: int, height: int, unit: str = "") -> str:
    """A line through the points from left to right, over their labels; a point that is None leaves a gap.

    It starts at 0, so that a small change looks small. At most `width` x `height` cells; empty without a known value, or room for one.
    """
    values = [_finite(value) for _, value in points]
    known = [value for value in values if value is not None]
    if not known or width < 16 or height < 4:
        return ""
    ticks, top = _ticks(max(*known, 0.0), height)
    digits = _digits(ticks[1])
    names = [_number(tick, digits) + unit for tick in ticks]
    across = width - max(map(len, names)) - 1
    if across < 1:  # the numbers take all of it
        return ""
    with _figure(width, height) as plot:
        _axes(plot, ticks, names, top)
        plot.ylim(min(0.0, *known), top)
        last = len(points) - 1
        places = [round(index * (across - 1) / last) for index in range(last + 1)] if last else [across // 2]
        plot.xlim(-0.5, across - 0.5)
        plot.xticks(*_spaced(places, [cells(label, _LABEL) for label, _ in points], across))
        for is_known, run in groupby(range(len(points)), key=lambda index: values[index] is not None):
            if is_known:
                stretch = list(run)
                # Quarters of a cell: fonts have them, and terminals agree on their width; not so on braille.
                plot.plot([places[at] for at in stretch], [values[at] for at in stretch], marker="hd")
        return _text(plot, width)


def cells(text: str, room: int) -> str:
    """`text` with one character a cell, what would need two or none as `?`, cut to `room` cells."""
    made = "".join(
        character if character.isprintable() and unicodedata.east_asian_width(character) not in "WF" else "?"
        for character in unicodedata.normalize("NFC", text)
        if not unicodedata.combining(character)
    )
    return made if len(made) <= room else made[: max(room - 1, 0)] + "…"


# With plotext -------------------------------------------------------------------------------------------------------


@contextmanager
def _figure(width: int, height: int) -> Iterator[Any]:
    """An empty figure of plotext, of that size, for one thread at a time."""
    import plotext  # 30 ms, which only those pay who look at a plot

    with _LOCK:
        plotext.clear_figure()
        plotext.theme("clear")
        plotext.limit_size(False, False)  # else it is cut to the terminal's size, where there may be none
        plotext.plot_size(width, height)
        try:
            yield plotext
        finally:
            plotext.clear_figure()


def _axes(plot: Any, ticks: Sequence[float], names: Sequence[str], top: float) -> None:
    plot.xaxes(True, False)
    plot.yaxes(True, False)
    plot.ylim(0, top)
    plot.yticks(ticks, names)


def _text(plot: Any, width: int) -> str:
    lines = _CODES.sub("", plot.build()).splitlines()
    return "\n".join(line[:width].rstrip() for line in lines).rstrip("\n")


# Numbers and labels -------------------------------------------------------------------------------------------------


def _finite(value: float | None) -> float | None:
    """What can be drawn: not infinite, nor of another order than anything that is measured."""
    if value is None or not abs(value) < _LARGEST:
        return None
    return value if abs(value) > 1 / _LARGEST else 0.0


def _step(about: float) -> float:
    """The next of 1, 2, 5, 10 ... that is at least `about`."""
    power: float = 10.0 ** math.floor(math.log10(about))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= about * (1 - 1e-9))


def _ticks(highest: float, height: int, *, whole: bool = False) -> tuple[list[float], float]:
    """Round numbers from 0 to the highest value or just above it, and the last of them."""
    if highest <= 0:
        return [0.0, 1.0], 1.0
    step = _step(highest / max(1, min(5, (height - 2) // 2)))
    if whole:
        step = max(1.0, step)
    count = math.ceil(highest / step - 1e-9)
    return [index * step for index in range(count + 1)], count * step


def _digits(step: float) -> int:
    """How many decimals show a round number, one of `_step`'s."""
    return max(0, min(6, -math.floor(math.log10(step) + 1e-9)))


def _alike(values: Sequence[float]) -> int:
    """How many decimals numbers that stand below each other get: those that the smallest needs."""
    if all(value == int(value) for value in values):
        return 0
    smallest = min(abs(value) for value in values if value)
    return next((digits for digits, least in enumerate((100, 10, 0.1, 0.01)) if smallest >= least), 4)


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _spaced(
    places: Sequence[int], names: Sequence[str], across: int, *, with_last: bool = False
) -> tuple[list[int], list[str]]:
    """As many of the labels, evenly, as stand beside each other with two cells between them."""
    widest = max(map(len, names)) + 2
    every = max(1, math.ceil(len(names) * widest / max(across, 1)))
    chosen = list(range(0, len(names), every))
    if with_last and chosen[-1] != len(names) - 1:
        chosen = [at for at in chosen if places[-1] - places[at] >= widest] + [len(names) - 1]
    return [places[at] for at in chosen], [names[at] for at in chosen]
