"""A report as lines that people read: three tables, what the numbers leave out, and two plots. Plain text with a tone a line.

The tables take the width they are given: columns that do not fit go into another table below. It must not know a terminal, nor
its colours; names from outside are made harmless here.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal

from tui_chat import plots
from tui_chat.statistics.figures import DEMO, Group, Report
from tui_chat.text import sanitise_line

Tone = Literal["", "heading", "dim", "plot"]
Line = tuple[str, Tone]

EMPTY: Final = "no turn has been stored yet; once there are some, this shows how fast they were and what they cost"
UNKNOWN: Final = "–"
NEEDED_95, NEEDED_99 = 20, 100  # values, under which such a percentile is little more than the extreme one
_GAP: Final = "  "
_PLOT_HEIGHT: Final = 9
_SHORTEST: Final = 10  # cells of a name; with less there are no tables
_BESIDE: Final = 96  # columns from which on the plots stand beside each other
_WIDEST: Final = 76  # columns of one plot
_NAMES: Final = {"model": "model", "day": "day", "month": "month", "server": "server", "cache": "prompt cache"}


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    cell: Callable[[Group], str]


def lines(report: Report, width: int, *, plots_first: bool = False) -> list[Line]:
    """The whole report, no line wider than `width` (at least 24); the plots stand at its end or, `plots_first`, above the tables."""
    if report.is_empty:
        return [(line, "dim") for line in wrapped(_empty(report), width)]
    if report.by in (("day",), ("month",)):
        latest_first = report.groups[::-1]
        report = replace(report, groups=sorted(latest_first, key=lambda group: group.is_demo))
    made: list[Line] = [(line, "heading") for line in wrapped(summary(report), width)]
    drawn = _plots(report, width)
    made += drawn if plots_first else []
    made += _tables(report, width) or _cards(report, width)
    made.append(("", ""))
    for note in notes(report):
        made += [(line, "dim") for line in wrapped(note, width)]
    return made if plots_first else made + drawn


def summary(report: Report) -> str:
    """One sentence: how many turns, from when to when, and what was asked for."""
    total, filters = report.total, report.filters
    what = f"{total.turns:,} {'demo ' if total.is_demo else ''}turn{'' if total.turns == 1 else 's'}"
    parts = [what, f"{total.requests:,} request{'' if total.requests == 1 else 's'}"]
    if report.days is not None:
        first, last = report.days
        parts.append(first if first == last else f"{first} to {last}")
    if filters.model is not None:
        parts.append(f"models with “{sanitise_line(filters.model)}”")
    if filters.server is not None:
        parts.append(f"servers with “{sanitise_line(filters.server)}”")
    return " · ".join(parts)


def _empty(report: Report) -> str:
    filters = report.filters
    if filters.since or filters.until or filters.model or filters.server:
        return "no turn fits; the history has others"
    return EMPTY


def notes(report: Report) -> Iterator[str]:
    """What the numbers leave out, and what must be known to read them."""
    groups, total = report.groups, report.total
    hit, missed = (next((each for each in report.by_cache if each.key == (key,)), None) for key in ("hit", "no hit"))
    if hit is not None and missed is not None and hit.ttft.count and missed.ttft.count:
        yield (
            f"TTFT p50 {seconds(hit.ttft.p50)} with a cache hit ({_turns(hit.ttft.count)}),"
            f" {seconds(missed.ttft.p50)} without ({missed.ttft.count:,})"
        )
    if total.saved is not None:
        each = duration(total.saved / total.saved_turns)
        yield f"saved: how much earlier first texts could be read than without streaming; {each} a completed turn"
    if any(_is_marked(each.ttft.count, NEEDED_99) or _is_marked(each.rate.count, NEEDED_95) for each in groups):
        yield f"* of fewer turns than it needs ({NEEDED_95} for p95 and p5, {NEEDED_99} for p99)"
    if total.estimated_turns:
        cost = "" if total.estimated_cost is None else f", ~{money(total.estimated_cost)}"
        yield (
            f"{_turns(total.estimated_turns)} with estimated output (~{tokens(total.estimated_output)} tokens{cost})"
            f" {'is' if total.estimated_turns == 1 else 'are'} not in out, cost and tok/s"
        )
    if total.unpriced:
        yield f"{_turns(total.unpriced)} of models without a known price {_are(total.unpriced)} not in cost"
    if any(each.is_demo for each in groups) and not total.is_demo:
        yield "the demo's turns are not in the total, and not in the plots"
    if report.imported:
        yield f"{_turns(report.imported)} imported from other programs {_are(report.imported)} not counted: without figures"
    if report.copies:
        yield f"{_turns(report.copies)} of copied conversations {_are(report.copies)} counted where they were made"


def _turns(count: int) -> str:
    return f"{count:,} turn{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


# Tables -------------------------------------------------------------------------------------------------------------


def _is_marked(count: int, needed: int) -> bool:
    return 0 < count < needed


def _mark(text: str, count: int, needed: int) -> str:
    return f"{text}*" if _is_marked(count, needed) else text


_SECTIONS: Final = (
    (
        _Column("turns", lambda group: f"{group.turns:,}"),
        _Column("requests", lambda group: f"{group.requests:,}"),
        _Column("cancelled", lambda group: share(group.share(group.cancelled))),
        _Column("failed", lambda group: share(group.share(group.failed))),
        _Column("retried", lambda group: share(group.share(group.retried))),
        _Column("saved", lambda group: duration(group.saved)),
    ),
    (
        _Column("in", lambda group: tokens(group.input_tokens + group.cache_read + group.cache_write)),
        _Column("cached", lambda group: tokens(group.cache_read)),
        _Column("written", lambda group: tokens(group.cache_write)),
        _Column("out", lambda group: tokens(group.output_tokens)),
        _Column("cost", lambda group: money(group.cost)),
    ),
    (
        _Column("TTFT p50", lambda group: seconds(group.ttft.p50)),
        _Column("p95", lambda group: _mark(seconds(group.ttft.p95), group.ttft.count, NEEDED_95)),
        _Column("p99", lambda group: _mark(seconds(group.ttft.p99), group.ttft.count, NEEDED_99)),
        _Column("of", lambda group: f"{group.ttft.count:,}"),
        _Column("tok/s p50", lambda group: rate(group.rate.p50)),
        _Column("p5", lambda group: _mark(rate(group.rate.p5), group.rate.count, NEEDED_95)),
        _Column("of", lambda group: f"{group.rate.count:,}"),
    ),
)


def _tables(report: Report, width: int) -> list[Line]:
    """The sections below each other, each with a blank line above; those that fit beside each other are one table.

    Nothing if the widest of them does not fit beside the names.
    """
    groups = [*report.groups, report.total] if len(report.groups) > 1 else report.groups
    sections = [_section(columns, groups) for columns in _SECTIONS]
    heads = [
        ", ".join(_NAMES[dimension] for dimension in report.by),
        *(_name(report.by, group) for group in report.groups),
    ]
    heads += ["total"] if len(report.groups) > 1 else []
    room = width - max(len(rows[0]) for rows in sections)
    if room < min(_SHORTEST, max(map(len, heads))):
        return []
    heads = [plots.cells(head, min(room, width // 3)) for head in heads]
    at = max(map(len, heads))
    heads = [f"{head:<{at}}" for head in heads]
    tables = [heads]
    for rows in sections:
        if len(tables[-1][0]) > at and len(tables[-1][0]) + len(rows[0]) > width:
            tables.append(heads)
        tables[-1] = [left + right for left, right in zip(tables[-1], rows, strict=True)]
    return [line for table in tables for line in _table(table)]


def _section(columns: Sequence[_Column], groups: Sequence[Group]) -> list[str]:
    """The head and the rows of some columns, all equally long."""
    texts = [[column.head, *map(column.cell, groups)] for column in columns]
    widths = [max(map(len, column)) for column in texts]
    return [
        "".join(f"{_GAP}{text:>{across}}" for text, across in zip(row, widths, strict=True))
        for row in zip(*texts, strict=True)
    ]


def _table(rows: Sequence[str]) -> Iterator[Line]:
    yield "", ""
    for place, row in enumerate(rows):
        yield row, "" if place else "dim"


def _cards(report: Report, width: int) -> Iterator[Line]:
    """The same where no table fits: a few lines for each group."""
    groups = [(_name(report.by, group), group) for group in report.groups]
    if len(groups) > 1:
        groups.append(("total", report.total))
    for name, group in groups:
        ttft, speed = group.ttft, group.rate
        yield "", ""
        yield plots.cells(name, width), "heading"
        prompt = group.input_tokens + group.cache_read + group.cache_write
        for text in (
            f"{_turns(group.turns)}, {group.requests:,} request{'' if group.requests == 1 else 's'}, {money(group.cost)}",
            (
                f"TTFT {seconds(ttft.p50)}  p95 {_mark(seconds(ttft.p95), ttft.count, NEEDED_95)}"
                f"  p99 {_mark(seconds(ttft.p99), ttft.count, NEEDED_99)} ({ttft.count:,})"
            ),
            f"{rate(speed.p50)} tok/s  p5 {_mark(rate(speed.p5), speed.count, NEEDED_95)} ({speed.count:,})",
            (
                f"{tokens(prompt)} in ({tokens(group.cache_read)} cached, {tokens(group.cache_write)} written)"
                f" {tokens(group.output_tokens)} out"
            ),
            (
                f"{share(group.share(group.cancelled))} cancelled, {share(group.share(group.failed))} failed,"
                f" {share(group.share(group.retried))} retried"
            ),
            f"{duration(group.saved)} saved",
        ):
            for line in wrapped(text, width):
                yield line, ""


def _name(by: Sequence[str], group: Group) -> str:
    parts = [
        sanitise_line(value.removeprefix("claude-") if dimension == "model" else value) or UNKNOWN
        for dimension, value in zip(by, group.key, strict=True)
    ]
    text = ", ".join(parts)
    return f"{text} (demo)" if group.is_demo and text != DEMO else text


# Plots --------------------------------------------------------------------------------------------------------------


def _plots(report: Report, width: int) -> list[Line]:
    """How TTFT is spread, and how its median went; beside each other where there is room."""
    is_beside = width >= _BESIDE
    across = min(_WIDEST, (width - 4) // 2 if is_beside else width)
    histogram = plots.histogram(report.ttfts, width=across, height=_PLOT_HEIGHT, unit="s").splitlines()
    trend = plots.trend(report.trend, width=across, height=_PLOT_HEIGHT, unit="s").splitlines()
    if not histogram:
        return []
    left: list[Line] = [(plots.cells("TTFT, turns by how long it took", across), "heading")]
    left += [(line, "plot") for line in histogram]
    right: list[Line] = [(f"TTFT p50 by {report.trend_of}", "heading"), *((line, "plot") for line in trend)]
    if len(report.trend) < 2:  # one point is no trend
        right = []
    if not is_beside or not right:
        return [("", ""), *left, *([("", ""), *right] if right else [])]
    beside: list[Line] = [("", "")]
    nothing: Line = ("", "")
    for (first, tone), (second, _) in zip_longest(left, right, fillvalue=nothing):
        beside.append((f"{first:<{across}}    {second}".rstrip(), tone))
    return beside


# Numbers ------------------------------------------------------------------------------------------------------------


def tokens(count: int) -> str:
    """A token count in at most five characters up to a billion."""
    for limit, divisor, form in (
        (1_000, 1, ".0f"),
        (9_950, 1e3, ".1fk"),
        (999_500, 1e3, ".0fk"),
        (9_950_000, 1e6, ".1fM"),
        (999_500_000, 1e6, ".0fM"),
        (math.inf, 1e9, ",.1fG"),
    ):
        if count < limit:
            digits, _, unit = form.partition("f")
            return f"{count / divisor:{digits}f}{unit}"
    raise AssertionError


def money(dollars: float | None) -> str:
    """US dollars, three decimals below one dollar."""
    if dollars is None:
        return UNKNOWN
    if 0 < dollars < 0.0005:
        return "<$0.001"
    return f"${dollars:.3f}" if dollars < 0.9995 else f"${dollars:,.2f}"


def seconds(value: float | None) -> str:
    """A short time with two decimals."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}s" if value < 9.995 else f"{value:.1f}s" if value < 59.95 else duration(value)


def duration(value: float | None) -> str:
    """A time as long as it may be, in its two largest units."""
    if value is None:
        return UNKNOWN
    if value < 59.95:
        return f"{value:.1f}s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,}d {hours:02}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def rate(value: float | None) -> str:
    """Tokens per second."""
    return UNKNOWN if value is None else f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def share(value: float | None) -> str:
    """Per cent, with one decimal below ten."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.0005:
        return "<0.1%"
    return f"{value:.1%}" if 0 < value < 0.0995 else f"{value:.0%}"


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken between words."""
    made, line = list[str](), ""
    for word in plots.cells(text, len(text)).split():
        if line and len(line) + 1 + len(word) > width:
            made.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while len(line) > width:
            made.append(line[:width])
            line = line[width:]
    return [*made, line]
