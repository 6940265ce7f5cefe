"""All turns, added up into cells: one for each model, server, local day, and whether the cache gave part of the prompt.

Why it exists: figures over a long history are asked for in many groupings and periods, and reading half a million turns takes
seconds. So they are read once, and any grouping is a sum over cells. The definitions are `meter`'s, for rows instead of
turns (a test holds them together): only what was measured or counted enters, and what is estimated is kept apart.

Not counted: turns that are deleted or still run; copies, because they were answered and paid for where they were made; and turns
from other programs' exports, which have no stamps. It changes nothing, and must not know groups, percentiles, or threads.
"""

import re
import sqlite3
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from json import loads
from operator import itemgetter
from typing import Any, Final, NamedTuple

from tui_chat import meter
from tui_chat.conversation import Outcome
from tui_chat.meter import RATE_NEEDS
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.usage import Usage

Progress = Callable[[int], None]

_LEARNT_FROM: Final = 2_000  # turns: enough for a ratio, and read at once however long the history is
_STEP: Final = 20_000  # turns between two calls of `progress`
_HOUR_WRITES: Final = re.compile(r'"ephemeral_1h_input_tokens":\s*[^0\s]')
_COUNTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_DAY: Final = 86_400.0
_FIRST_DAY: Final = "0001-01-01"  # of Python's calendar; SQLite's goes back further
_MARGIN: Final = 1  # days: no time zone is further from UTC
_MARKED: Final = 3  # the schema from which on turns may be copies, or deleted and not yet erased
_COLUMNS: Final = """
    turns.number, turns.model, server, date(started_at, 'unixepoch', 'localtime') AS day, started_at, outcome,
    CASE WHEN attempt IS NULL THEN turns.error ELSE requests.error END,
    attempt, requests.model, requests.usage_is_final, requests.usage, characters, delta_count,
    input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens,
    first_delta - sent, last_delta - first_delta, last_delta - first_text,
    sent = 0 AND coalesce(headers, first_delta, ended) IS NULL"""
# Places in a row.
_ERROR, _ATTEMPT, _MODEL, _FINAL, _USAGE, _CHARACTERS, _DELTAS = range(6, 13)
_PLAIN, _WRITTEN, _READ, _OUTPUT, _TIMES, _SPAN, _SHOWN = range(13, 20)
_COMPLETED, _CANCELLED, _FAILED = (outcome.value for outcome in (Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED))


@dataclass(slots=True)
class Cell:
    """The turns of one model, server and day (local, ISO; '' if no calendar has it) whose first request had a cache hit, had none, or does not tell.

    Seconds, tokens, tokens per second, US dollars. `cost` is that of turns whose tokens are all counted; of the
    `estimated_turns` the server has not counted all output. `unpriced` turns were paid for at a price that is not known.
    """

    model: str
    server: str
    day: str
    cached: bool | None
    turns: int = 0
    cancelled: int = 0
    failed: int = 0
    retried: int = 0
    requests: int = 0
    input_tokens: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output_tokens: int = 0
    estimated_turns: int = 0
    estimated_output: int = 0
    cost: float | None = None
    estimated_cost: float | None = None
    unpriced: int = 0
    ttfts: "array[float]" = field(default_factory=lambda: array("d"))
    rates: "array[float]" = field(default_factory=lambda: array("d"))
    saved: float = 0.0
    saved_turns: int = 0


@dataclass(frozen=True, slots=True)
class Collected:
    """The cells, and how many turns are in none of them."""

    cells: list[Cell]
    imported: int = 0
    copies: int = 0
    running: int = 0


class _Counted(NamedTuple):
    """What the cost of a request is made from."""

    model: str
    usage: Usage
    characters: int
    usage_is_final: bool = True
    error: object | None = None


def ratios(connection: sqlite3.Connection, version: int = _MARKED) -> dict[tuple[str, str], tuple[int, int]]:
    """By server and model: characters and output tokens of the latest requests that `meter.Ratios` would learn from."""
    rows = connection.execute(
        f"""
        SELECT server, requests.model, sum(characters), sum(output_tokens)
        FROM (SELECT * FROM turns ORDER BY started_at DESC LIMIT ?) AS turns
            JOIN requests ON requests.turn_id = turns.id
        WHERE {_live(version)} AND requests.usage_is_final AND output_tokens >= 20 AND characters >= output_tokens
        GROUP BY server, requests.model""",  # noqa: S608 - constants only
        (_LEARNT_FROM,),
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def collect(
    connection: sqlite3.Connection,
    prices: PriceList,
    *,
    since: str | None = None,
    until: str | None = None,
    version: int = _MARKED,
    progress: Progress | None = None,
) -> Collected:
    """All turns that began from the day `since` to the end of the day `until` (local, ISO), in no order.

    `version` is the schema's: one without marks has no copies and nothing deleted. `progress` is told how many turns were read.
    """
    within, days = _within(since, until)
    where = f"{_live(version)}{within}"
    copied = "copy_of IS NOT NULL" if version >= _MARKED else "0"
    # In the order of an index, and a turn's requests behind each other: nothing has to be sorted.
    order = "started_at, turns.number, position" if within else "turns.number, position"
    query = f"""
        SELECT {_COLUMNS} FROM turns LEFT JOIN requests ON turn_id = turns.id
        WHERE outcome IS NOT NULL AND NOT {copied} AND {where} ORDER BY {order}"""  # noqa: S608 - constants only
    cursor = connection.execute(query, days)
    cursor.row_factory = None  # hundreds of thousands of rows: tuples are faster
    counting = _Counting(prices, ratios(connection, version))
    for number, (_, rows) in enumerate(groupby(cursor, itemgetter(0))):
        counting.add(list(rows))
        if progress is not None and number % _STEP == 0:
            progress(number)
    counting.pay()
    left_out = f"""
        SELECT coalesce(sum({copied}), 0), coalesce(sum(outcome IS NULL), 0)
        FROM (SELECT *, date(started_at, 'unixepoch', 'localtime') AS day FROM turns) AS turns
        WHERE {where}"""  # noqa: S608 - constants only
    copies, running = connection.execute(left_out, days).fetchone()
    return Collected(list(counting.cells.values()), counting.imported, copies, running)


def _live(version: int) -> str:
    if version < _MARKED:
        return "1"
    deleted = "SELECT id FROM conversations WHERE deletion_id IS NOT NULL"
    return f"turns.deletion_id IS NULL AND conversation_id NOT IN ({deleted})"


def _within(since: str | None, until: str | None) -> tuple[str, list[Any]]:
    """The condition for a period, and its values: days decide, a day more on each side is looked up in the index."""
    condition, values = "", list[Any]()
    for bound, sign, margin in ((since, ">=", f"-{_MARGIN}"), (until, "<=", f"+{_MARGIN + 1}")):
        if bound is not None:
            condition += f" AND day {sign} ? AND started_at {sign} CAST(strftime('%s', ?, '{margin} days') AS REAL)"
            values += [bound, bound]
    return condition, values


@dataclass(slots=True)
class _Bill:
    """Requests of one cell, model and day (UTC, as prices are), whose cost is that of their sums."""

    cell: Cell
    model: str
    started_at: float
    turns: int = 0
    plain: int = 0
    written: int = 0
    read: int = 0
    output: int = 0


class _Counting:
    """The cells, while they grow."""

    def __init__(self, prices: PriceList, learnt: dict[tuple[str, str], tuple[int, int]]) -> None:
        self.cells: dict[tuple[str, str, str, bool | None], Cell] = {}
        self.imported = 0
        self._prices = prices
        self._bills: dict[tuple[int, str, float], _Bill] = {}
        self._linear: dict[str, bool] = {}
        self._per_token = {source: characters / tokens for source, (characters, tokens) in learnt.items()}

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        """A turn, with the rows of its requests or with one that is empty."""
        first = rows[0]
        _, model, server, day, started_at, outcome, error, attempt = first[:_MODEL]
        if first[-1] if attempt is not None else _lacks_reply(error):
            self.imported += 1
            return
        # The attempts that failed and were made again are no part of the reply.
        rounds = rows if len(rows) == 1 else [row for row in rows if row[_ERROR] is None or row is rows[-1]]
        read = rounds[0][_READ]
        key = (model, server, day if day is not None and day >= _FIRST_DAY else "", None if read is None else read > 0)
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = Cell(*key)
        cell.turns += 1
        if outcome != _COMPLETED:
            cell.cancelled += outcome == _CANCELLED
            cell.failed += outcome == _FAILED
        if attempt is None:
            return
        if len(rows) > 1:
            cell.retried += any(row[_ATTEMPT] > 1 for row in rows)
        cell.requests += len(rows)
        self._add_tokens(cell, rows, server, started_at)
        _add_times(cell, rounds, is_completed=outcome == _COMPLETED)

    def _add_tokens(self, cell: Cell, rows: list[tuple[Any, ...]], server: str, started_at: float) -> None:
        is_exact, is_something = True, False
        outputs = list[int]()
        for row in rows:
            model, is_final, text, characters, _, plain, written, read, output = row[_MODEL:_TIMES]
            cell.input_tokens += plain or 0
            cell.cache_write += written or 0
            cell.cache_read += read or 0
            brought = characters > 0 or text != "{}"
            is_something = is_something or brought
            if is_final and output is not None:
                cell.output_tokens += output
            else:
                output = round(characters / self._per_token.get((server, model), meter.CHARACTERS_PER_TOKEN))
                cell.estimated_output += output
                is_exact = is_exact and not brought and row[_ERROR] is not None
            outputs.append(output)
        cell.estimated_turns += is_something and not is_exact
        if server != ANTHROPIC_HOST:
            return
        if is_exact and len(rows) == 1 and self._adds_up(rows[0]):
            self._add_up(cell, rows[0], started_at)
            return
        requests = [_Counted(row[_MODEL], Usage(loads(row[_USAGE])), row[_CHARACTERS]) for row in rows]
        cost = meter.cost(requests, outputs, server, started_at, self._prices)
        if cost is None:
            cell.unpriced += any(each.usage.fields for each in requests)
        elif is_exact:
            cell.cost = (cell.cost or 0.0) + cost
        else:
            cell.estimated_cost = (cell.estimated_cost or 0.0) + cost

    def _adds_up(self, row: tuple[Any, ...]) -> bool:
        """Whether the request costs what its four counts say: then it can be paid together with others of its day."""
        model, text = row[_MODEL], row[_USAGE]
        is_linear = self._linear.get(model)
        if is_linear is None:
            is_linear = self._linear[model] = self._prices.is_linear(model)
        return is_linear and row[_PLAIN] is not None and not _is_priced_apart(text)

    def _add_up(self, cell: Cell, row: tuple[Any, ...], started_at: float) -> None:
        key = (id(cell), row[_MODEL], started_at // _DAY)
        bill = self._bills.get(key)
        if bill is None:
            bill = self._bills[key] = _Bill(cell, row[_MODEL], started_at)
        bill.turns += 1
        bill.plain += row[_PLAIN]
        bill.written += row[_WRITTEN] or 0
        bill.read += row[_READ] or 0
        bill.output += row[_OUTPUT]

    def pay(self) -> None:
        """Add the cost of what was put on the bills."""
        for bill in self._bills.values():
            counts = (bill.plain, bill.written, bill.read)
            request = _Counted(bill.model, Usage(dict(zip(_COUNTS, counts, strict=True))), 0)
            cost = meter.cost([request], [bill.output], bill.cell.server, bill.started_at, self._prices)
            if cost is None:
                bill.cell.unpriced += bill.turns
            else:
                bill.cell.cost = (bill.cell.cost or 0.0) + cost
        self._bills.clear()


def _add_times(cell: Cell, rounds: list[tuple[Any, ...]], *, is_completed: bool) -> None:
    tokens, seconds, is_shown = 0, 0.0, False
    for row in rounds:
        span, shown = row[_SPAN], row[_SHOWN]
        if row[_OUTPUT] is not None and row[_FINAL] and row[_DELTAS] >= 2 and span is not None and span >= RATE_NEEDS:
            tokens, seconds = tokens + row[_OUTPUT], seconds + span
        if is_completed and shown is not None and not is_shown:
            cell.saved += shown
            cell.saved_turns += 1
            is_shown = True
    if rounds[0][_TIMES] is not None:
        cell.ttfts.append(rounds[0][_TIMES])
    if seconds:
        cell.rates.append(tokens / seconds)


def _is_priced_apart(usage: str) -> bool:
    """Whether more than the four counts says what the request costs, as `PriceList.cost` knows it. Too often is no harm."""
    return (
        '"us"' in usage
        or '"speed"' in usage
        or '"batch"' in usage
        or '"priority"' in usage
        or ('"ephemeral_1h_input_tokens"' in usage and _HOUR_WRITES.search(usage) is not None)
    )


def _lacks_reply(error: str | None) -> bool:
    """Whether a turn without requests is a prompt from another program's export that nobody answered."""
    return error is not None and '"no_reply"' in error and loads(error).get("type") == "no_reply"
