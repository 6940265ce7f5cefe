"""Lists of conversations, in stretches as they are shown, and what the conversations of one stretch cost.

Why it exists: a list of ten thousand must open as fast as one of ten. So a page reads its own rows in the order of an
index, and turns are counted for the rows on the screen only. A filter looks at titles alone; SQL's LIKE knows case only in
ASCII and no diacritics, so it is done here. It must not know threads, nor how a list is shown.
"""

import json
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from tui_chat import meter
from tui_chat.listed import ConversationFigures, ConversationSummary, ListPage
from tui_chat.meter import Ratios
from tui_chat.prices import PriceList
from tui_chat.store import values
from tui_chat.store.words import fold
from tui_chat.text import storable
from tui_chat.usage import Usage

_SHORTEST_PREFIX: Final = 4  # characters of an id; a shorter word is meant as one of a title
_HIGHEST: Final = "\U0010ffff"
_COLUMNS: Final = (
    "SELECT id, title, updated_at, created_at, model, pinned FROM conversations WHERE deletion_id IS NULL "
)
_ORDER: Final = "ORDER BY pinned DESC, updated_at DESC, id DESC"
_NEWEST: Final = "ORDER BY updated_at DESC, id DESC"
# A running turn has no requests yet, but it counts.
_REQUESTS: Final = """
    SELECT turns.id, server, started_at, copy_of IS NOT NULL, requests.model, requests.usage, requests.usage_is_final,
        characters, requests.error,
        input_tokens + coalesce(cache_creation_input_tokens, 0) + coalesce(cache_read_input_tokens, 0)
    FROM turns LEFT JOIN requests ON turn_id = turns.id
    WHERE conversation_id = ? AND deletion_id IS NULL ORDER BY turns.number"""


def page(connection: sqlite3.Connection, wanted: str, offset: int, limit: int) -> ListPage:
    """`limit` conversations from `offset` on, pinned ones first, then the newest; and how many there are in all.

    With `wanted` only those in whose title all of its words stand (case and diacritics do not matter), or whose id begins
    with it.
    """
    if not wanted.strip():
        total = connection.execute("SELECT count(*) FROM conversations WHERE deletion_id IS NULL").fetchone()[0]
        rows = connection.execute(f"{_COLUMNS} {_ORDER} LIMIT ? OFFSET ?", (limit, offset))
        return ListPage(_summaries(rows), total)
    total, found = 0, []
    for row in _fitting(connection.execute(f"{_COLUMNS} {_ORDER}"), wanted):
        if offset <= total < offset + limit:
            found.append(row)
        total += 1
    return ListPage(_summaries(found), total)


def newest(connection: sqlite3.Connection, limit: int) -> list[ConversationSummary]:
    """The `limit` conversations with the latest turns, newest first."""
    return _summaries(connection.execute(f"{_COLUMNS} {_NEWEST} LIMIT ?", (limit,)))


def find(connection: sqlite3.Connection, wanted: str) -> list[ConversationSummary]:
    """The conversation whose id is `wanted`, else those whose id begins with it, else those whose title fits; newest first."""
    wanted = storable(wanted.strip())
    if not wanted:
        return []
    exact = _summaries(connection.execute(f"{_COLUMNS} AND id = ?", (wanted,)))
    if exact:
        return exact
    within = (wanted, wanted + _HIGHEST)
    beginning = _summaries(connection.execute(f"{_COLUMNS} AND id >= ? AND id < ? {_NEWEST}", within))
    return beginning or _summaries(_fitting(connection.execute(f"{_COLUMNS} {_NEWEST}"), wanted))


def figures(connection: sqlite3.Connection, ids: Sequence[str], prices: PriceList) -> dict[str, ConversationFigures]:
    """What the conversations `ids` hold and cost, over all their branches; one that is gone is left out.

    Tokens and costs are those of the footers (see `meter`), where a count that the server did not send is guessed at four
    characters a token. Copies count as turns only: they were paid for where they were made.
    """
    found = {}
    for id_ in ids:
        query = "SELECT side_requests FROM conversations WHERE id = ? AND deletion_id IS NULL"
        head = connection.execute(query, (id_,)).fetchone()
        if head is not None:
            total = _Sum(prices)
            for side in values.side_requests_from(head["side_requests"]):
                total.add([_Request(side.model, side.usage, side.usage_is_final, 0, None)], side.server, side.at)
                total.add_input(side.usage.input_tokens)
            cursor = connection.execute(_REQUESTS, (id_,))
            cursor.row_factory = None  # thousands of rows: tuples are faster
            for _, rows in groupby(cursor, itemgetter(0)):
                total.add_turn(list(rows))
            found[id_] = total.figures()
    return found


class _Request(NamedTuple):
    """What `meter` looks at in a request."""

    model: str
    usage: Usage
    usage_is_final: bool
    characters: int
    error: object | None


class _Sum:
    """The figures of one conversation, while they are added up."""

    def __init__(self, prices: PriceList) -> None:
        self._prices, self._ratios = prices, Ratios()
        self._turns = 0
        self._input: int | None = None
        self._output: int | None = None
        self._cost: float | None = None
        self._estimated = False

    def add_turn(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """A turn with the rows of its requests, or with one that is empty."""
        self._turns += 1
        _, server, started_at, is_copy, model, *_ = rows[0]
        if model is None or is_copy:
            return
        requests = []
        for *_, model, usage, is_final, characters, error, prompt in rows:
            requests.append(_Request(model, Usage(json.loads(usage)), bool(is_final), characters, error))
            self.add_input(prompt)
        self.add(requests, server, started_at)

    def add(self, requests: Sequence[_Request], server: str, started_at: float) -> None:
        """The requests of a turn, or one that was made beside them: what they brought, and their cost."""
        outputs = [meter.output(request, self._ratios) for request in requests]
        counts = [count for count, _ in outputs]
        self._output = (self._output or 0) + sum(counts)
        cost = meter.cost(requests, counts, server, started_at, self._prices)
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost
            self._estimated = self._estimated or not all(is_known for _, is_known in outputs)

    def add_input(self, tokens: int | None) -> None:
        """The tokens of a prompt, if they are known."""
        if tokens is not None:
            self._input = (self._input or 0) + tokens

    def figures(self) -> ConversationFigures:
        """What came together."""
        return ConversationFigures(self._turns, self._input, self._output, self._cost, self._estimated)


def _fitting(rows: Iterable[sqlite3.Row], wanted: str) -> Iterator[sqlite3.Row]:
    """The rows with all words of `wanted` in their titles, or with an id that begins with it."""
    parts = _folded(wanted).split()
    prefix = wanted.strip() if len(wanted.strip()) >= _SHORTEST_PREFIX else None
    for row in rows:
        title = _folded(row["title"])
        if all(part in title for part in parts) or (prefix is not None and row["id"].startswith(prefix)):
            yield row


def _folded(text: str) -> str:
    return fold(text if text.isascii() else unicodedata.normalize("NFC", text))


def _summaries(rows: Iterable[sqlite3.Row]) -> list[ConversationSummary]:
    return [values.summary_from(row) for row in rows]
