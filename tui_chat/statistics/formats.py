"""A report as JSON and as CSV: the same numbers under the same keys, which end in their units.

JSON is one object with what was asked for, what each key means, and the figures. CSV is a header and a line for each group
(RFC 4180); unknown is empty, and a text that a spreadsheet would take for a formula gets an apostrophe. It must not know how the
figures came about.
"""

import csv
import io
import json
from typing import Any, Final

from tui_chat.statistics.figures import DEMO, Group, Report
from tui_chat.text import storable

_FORMULA: Final = frozenset("=+-@")
DEFINITIONS: Final = {
    "turns": "turns that have ended; deleted ones, copies, and those imported from other programs are not among them",
    "requests": "Messages API calls of these turns, attempts that failed and rounds of tools included",
    "cancelled_turns, failed_turns, retried_turns": "turns that were stopped, that failed, that needed another attempt",
    "cancelled_share, failed_share, retried_share": "the same divided by turns, 0 to 1",
    "input_tokens, cache_creation_input_tokens, cache_read_input_tokens": (
        "as the API counts them, summed: input_tokens are those of the prompt that the cache neither gave nor took"
    ),
    "output_tokens": "as counted by the server at the end of a request; estimates are not in it",
    "estimated_turns": "turns of which the server has not counted all output: cancelled and cut off ones",
    "estimated_output_tokens": "estimated from their characters",
    "cost_usd": "turns at api.anthropic.com with all output counted, by the price file at the day of each turn",
    "estimated_cost_usd": "of the estimated_turns at api.anthropic.com",
    "unpriced_turns": "turns at api.anthropic.com whose price is not known",
    "ttft_*_s": "time to first token of a turn: first request sent, in the attempt that succeeded, to its first content delta",
    "tokens_per_second_*": (
        "output tokens of a turn / (last delta - first delta), over its requests with counted output, two deltas and 0.2 s"
    ),
    "*_p5, *_p50, *_p95, *_p99, ttft_turns, tokens_per_second_turns": (
        "percentiles over turns by linear interpolation between the nearest values (inclusive), and over how many turns."
        " p95 and p5 mean little under 20, p99 under 100"
    ),
    "saved_s": (
        "over completed turns with text: last delta of the request that brought the first text - that text;"
        " how much earlier something could be read than if the same reply had come as a whole"
    ),
    "saved_turns": "how many turns are in saved_s",
    "cache": "hit: the first request of the turn took part of its prompt from the cache; unknown: the server does not tell",
    "day": "the local day on which the turn began",
    "demo": "turns that the built-in demo answered; they are in no total unless there are no others",
    "left_out": "turns of these days that are in no figure, whatever their model and server",
}


def as_json(report: Report) -> str:
    """The report as one JSON object, indented, with a line end."""
    filters = report.filters
    document = {
        "filters": {
            "since": filters.since,
            "until": filters.until,
            "model": filters.model,
            "server": filters.server,
            "by": list(report.by),
        },
        "first_day": None if report.days is None else report.days[0],
        "last_day": None if report.days is None else report.days[1],
        "totals": _figures(report.total),
        "groups": [_keys(report.by, group) | _figures(group) for group in report.groups],
        "cache": [_keys(("cache",), group) | _figures(group) for group in report.by_cache],
        "left_out": {
            "imported_turns": report.imported,
            "copied_turns": report.copies,
            "running_turns": report.running,
        },
        "definitions": DEFINITIONS,
    }
    return json.dumps(document, allow_nan=False, indent=2) + "\n"  # ASCII: harmless in any terminal


def as_csv(report: Report) -> str:
    """The groups as CSV; without any turn only the header."""
    written = io.StringIO(newline="")
    names = [*report.by, "demo", *(name for name in _figures(report.total) if name != "demo")]
    writer = csv.writer(written)  # CRLF, quotes where they are needed
    writer.writerow(names)
    for group in report.groups:
        row = _keys(report.by, group) | _figures(group)
        writer.writerow([_cell(row[name]) for name in names])
    return storable(written.getvalue())


def _keys(by: tuple[str, ...], group: Group) -> dict[str, Any]:
    return {dimension: value or None for dimension, value in zip(by, group.key, strict=True)}


def _figures(group: Group) -> dict[str, Any]:
    ttft, rate = group.ttft, group.rate
    return {
        DEMO: group.is_demo,
        "turns": group.turns,
        "requests": group.requests,
        "cancelled_turns": group.cancelled,
        "failed_turns": group.failed,
        "retried_turns": group.retried,
        "cancelled_share": group.share(group.cancelled),
        "failed_share": group.share(group.failed),
        "retried_share": group.share(group.retried),
        "input_tokens": group.input_tokens,
        "cache_creation_input_tokens": group.cache_write,
        "cache_read_input_tokens": group.cache_read,
        "output_tokens": group.output_tokens,
        "estimated_turns": group.estimated_turns,
        "estimated_output_tokens": group.estimated_output,
        "cost_usd": _rounded(group.cost),
        "estimated_cost_usd": _rounded(group.estimated_cost),
        "unpriced_turns": group.unpriced,
        "ttft_turns": ttft.count,
        "ttft_p50_s": _rounded(ttft.p50),
        "ttft_p95_s": _rounded(ttft.p95),
        "ttft_p99_s": _rounded(ttft.p99),
        "tokens_per_second_turns": rate.count,
        "tokens_per_second_p50": _rounded(rate.p50),
        "tokens_per_second_p5": _rounded(rate.p5),
        "saved_s": _rounded(group.saved),
        "saved_turns": group.saved_turns,
    }


def _rounded(value: float | None) -> float | None:
    """Without the noise of adding up: a microsecond, a millionth of a dollar."""
    return None if value is None else round(value, 6)


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # A model's name is whatever a server said.
    return f"'{value}" if isinstance(value, str) and value.lstrip()[:1] in _FORMULA else value
