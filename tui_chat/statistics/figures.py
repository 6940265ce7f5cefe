"""Cells to a report: grouped, filtered, with percentiles.

A percentile is exact: of n sorted values it is the linear interpolation between the two nearest ones, the smallest is p0 and
the largest p100 (`statistics.quantiles`, method "inclusive"; of one value it is that value). How many values there were always
stands beside it: the 99th percentile of fewer than 100 values is little more than their maximum.

The demo's turns say nothing of Claude: they are in groups of their own and in no total, unless there are no others. It must
not know where cells come from, nor how a report is shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import median, quantiles
from typing import Final

from tui_chat.store.statistics import Cell, Collected

DEMO: Final = "demo"  # what `Config.server` calls it
DIMENSIONS: Final = ("model", "day", "month", "server", "cache")
CACHE: Final = {True: "hit", False: "no hit", None: "unknown"}
_IN_TIME: Final = ("day", "month")
_FURTHEST: Final = 40_000  # days without turns that are looked at: an import may say any year
_LONGEST: Final = 92  # points of a trend, then they stand for weeks, then for months


@dataclass(frozen=True, slots=True)
class Filters:
    """Which turns count: from day to day (local, ISO, both included), whose model's or server's name holds this."""

    since: str | None = None
    until: str | None = None
    model: str | None = None
    server: str | None = None

    def fits(self, cell: Cell) -> bool:
        """Whether the turns of `cell` count. A day that no calendar has fits only if no day is asked for."""
        if (self.since is not None and cell.day < self.since) or (self.until is not None and cell.day > self.until):
            return False
        return _holds(cell.model, self.model) and _holds(cell.server, self.server)


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of `count` values; None if there is none."""

    count: int = 0
    p5: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of some turns. Seconds, tokens, tokens per second, US dollars; None is unknown.

    `key` has a value for each dimension that was grouped by. `output_tokens`, `cost` and `rate` leave out what was estimated:
    that is `estimated_output` and `estimated_cost`, in `estimated_turns`. `saved` is how much earlier first texts could be read
    than without streaming, summed over `saved_turns`.
    """

    key: tuple[str, ...]
    is_demo: bool
    turns: int = 0
    requests: int = 0
    cancelled: int = 0
    failed: int = 0
    retried: int = 0
    input_tokens: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output_tokens: int = 0
    estimated_turns: int = 0
    estimated_output: int = 0
    cost: float | None = None
    estimated_cost: float | None = None
    unpriced: int = 0
    ttft: Spread = Spread()
    rate: Spread = Spread()
    saved: float | None = None
    saved_turns: int = 0

    def share(self, turns: int) -> float | None:
        """`turns` of all its turns, 0 to 1."""
        return turns / self.turns if self.turns else None


@dataclass(frozen=True, slots=True)
class Report:
    """All there is to show. `ttfts` (sorted) and `trend` (label, p50) are of the turns that `total` is of."""

    filters: Filters
    by: tuple[str, ...]
    total: Group
    groups: list[Group]
    by_cache: list[Group]
    ttfts: list[float]
    trend: list[tuple[str, float | None]]
    trend_of: str
    days: tuple[str, str] | None
    imported: int
    copies: int
    running: int

    @property
    def is_empty(self) -> bool:
        """Whether no turn counts."""
        return not self.groups


def report(collected: Collected, filters: Filters, by: Sequence[str], known: Report | None = None) -> Report:
    """The figures of the cells that `filters` lets through, grouped by the dimensions `by`.

    `known` is another report of the same cells and filters: what does not depend on the grouping is taken from it.
    """
    cells = [cell for cell in collected.cells if filters.fits(cell)]
    if known is not None:
        return replace(known, by=tuple(by), groups=_groups(cells, by))
    real = [cell for cell in cells if cell.server != DEMO]
    counted = real or cells
    trend_of, trend = _trend(counted)
    days = [cell.day for cell in cells if cell.day]
    return Report(
        filters=filters,
        by=tuple(by),
        total=_group((), counted),
        groups=_groups(cells, by),
        by_cache=_groups(counted, ("cache",)),
        ttfts=sorted(value for cell in counted for value in cell.ttfts),
        trend=trend,
        trend_of=trend_of,
        days=(min(days), max(days)) if days else None,
        imported=collected.imported,
        copies=collected.copies,
        running=collected.running,
    )


def spread(values: Iterable[float]) -> Spread:
    """The percentiles of `values`, as this module defines them."""
    known = list(values)
    if not known:
        return Spread()
    # Of one value all percentiles are that value; the standard library wants two.
    cuts = quantiles(known if len(known) > 1 else known * 2, n=100, method="inclusive")
    return Spread(len(known), p5=cuts[4], p50=cuts[49], p95=cuts[94], p99=cuts[98])


def _holds(text: str, wanted: str | None) -> bool:
    return wanted is None or wanted.casefold() in text.casefold()


def _groups(cells: Sequence[Cell], by: Sequence[str]) -> list[Group]:
    """Days and months in their order, a cache hit before none, everything else by its turns; the demo's at the end."""
    of_group: dict[tuple[bool, tuple[str, ...]], list[Cell]] = {}
    sizes: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        key = tuple(_value(cell, dimension) for dimension in by)
        of_group.setdefault((cell.server == DEMO, key), []).append(cell)
        sizes.update(dict.fromkeys(zip(by, key, strict=True), cell.turns))
    caches = list(CACHE.values())

    def place(dimension: str, value: str) -> tuple[int, str]:
        if dimension == "cache":
            return caches.index(value), ""
        return (0 if dimension in _IN_TIME else -sizes[dimension, value]), value

    def order(key: tuple[bool, tuple[str, ...]]) -> tuple[bool, list[tuple[int, str]]]:
        return key[0], [place(dimension, value) for dimension, value in zip(by, key[1], strict=True)]

    return [_group(key[1], of_group[key]) for key in sorted(of_group, key=order)]


def _value(cell: Cell, dimension: str) -> str:
    match dimension:
        case "day":
            return cell.day
        case "month":
            return cell.day[:7]
        case "server":
            return cell.server
        case "cache":
            return CACHE[cell.cached]
        case _:
            return cell.model


def _group(key: tuple[str, ...], cells: Sequence[Cell]) -> Group:
    return Group(
        key=key,
        is_demo=bool(cells) and all(cell.server == DEMO for cell in cells),
        turns=sum(cell.turns for cell in cells),
        requests=sum(cell.requests for cell in cells),
        cancelled=sum(cell.cancelled for cell in cells),
        failed=sum(cell.failed for cell in cells),
        retried=sum(cell.retried for cell in cells),
        input_tokens=sum(cell.input_tokens for cell in cells),
        cache_write=sum(cell.cache_write for cell in cells),
        cache_read=sum(cell.cache_read for cell in cells),
        output_tokens=sum(cell.output_tokens for cell in cells),
        estimated_turns=sum(cell.estimated_turns for cell in cells),
        estimated_output=sum(cell.estimated_output for cell in cells),
        cost=_sum(cell.cost for cell in cells),
        estimated_cost=_sum(cell.estimated_cost for cell in cells),
        unpriced=sum(cell.unpriced for cell in cells),
        ttft=spread(value for cell in cells for value in cell.ttfts),
        rate=spread(value for cell in cells for value in cell.rates),
        saved=_sum(cell.saved if cell.saved_turns else None for cell in cells),
        saved_turns=sum(cell.saved_turns for cell in cells),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum of those that are known, or None."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _trend(cells: Sequence[Cell]) -> tuple[str, list[tuple[str, float | None]]]:
    """What a point stands for, and the points: the median TTFT of each day between the first and the last, or of longer."""
    values: dict[date, list[float]] = {}
    for cell in cells:
        if cell.day and cell.ttfts:
            values.setdefault(date.fromisoformat(cell.day), []).extend(cell.ttfts)
    if not values:
        return "day", []
    first, last = min(values), max(values)
    days = (last - first).days + 1
    name, begin = (
        ("day", _same) if days <= _LONGEST else ("week", _monday) if days <= 7 * _LONGEST else ("month", _first)
    )
    merged: dict[date, list[float]] = {}
    for day, found in values.items():
        merged.setdefault(begin(day), []).extend(found)
    points: dict[date, float | None] = {}
    for number in range(min(days, _FURTHEST)):
        points.setdefault(begin(first + timedelta(number)))
    points |= {day: median(found) for day, found in merged.items()}
    same_year = first.year == last.year
    form = "%Y-%m" if name == "month" else "%m-%d" if same_year else "%Y-%m-%d"
    return name, [(day.strftime(form), value) for day, value in points.items()]


def _same(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - timedelta(day.weekday())


def _first(day: date) -> date:
    return day.replace(day=1)
