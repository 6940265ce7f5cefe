"""A long history: opened, listed, searched and written to, at a thousand messages, a hundred thousand, a million.

    python -m tests.benchmarks.big_history [messages ...] [--folder FOLDER] [--no-peers]

The database is made by plain inserts of the store's own rows (a hundred messages a conversation on average, some have
thousands), then indexed slice by slice with the store's own function, each slice a transaction as in the program. Everything
after that goes through `Store` and `Library` as the program uses them, in a process of its own, whose peak memory is told.

- open: until `Store.open` has returned, beside a database with nothing in it; medians.
- list: a page of 100 and the figures of its first 50, which are on the screen; the same filtered, and far down.
- statistics: all turns read and added up, as the statistics screen does once, then a report by day and its lines.
- search: every query three times, the first after opening; of the wall clock and of the CPU. Beside it the same words by
  `LIKE '%word%'` over plain rows of text, and by FTS5's trigram tokenizer, both newest first and the first 50, by number only: they
  show no snippets.
- writes: turns of three commits (begin, one journal, end) one after the other, beside plain sqlite3 in the same kind of file that
  inserts the same rows with the same durability, without any index and without the store's thread.

Read the ratios; times are those of the machine. A million messages take a quarter of an hour and 4 GB in the temporary folder.
With --folder the databases are kept there, and used if they are there.
"""

import argparse
import asyncio
import multiprocessing
import os
import pickle
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.history_database import Built, build
from tests.benchmarks.history_queries import QUERIES
from tests.benchmarks.process import peak_megabytes
from tests.benchmarks.report import Goal, goals, milliseconds, number, ratio, table
from tests.unit.store_values import content, conversation, end, running, take
from tui_chat.conversation import Turn
from tui_chat.prices import PriceList
from tui_chat.statistics.figures import Filters, report
from tui_chat.statistics.text import lines
from tui_chat.store import Store, values
from tui_chat.store.owner import this_process
from tui_chat.store.transactions import immediate

SIZES: Final = (1_000, 100_000, 1_000_000)
EVERY: Final = tuple(query for queries in QUERIES.values() for query in queries)
REPEATS: Final = 3  # of each query
OPENINGS: Final = 9
TURNS: Final = 100  # that are written
SHOWN: Final = 50  # rows of a list, and hits
GOAL_LIST, GOAL_SEARCH = 100.0, 150.0  # ms
Timed = tuple[float, float]  # seconds by the clock, and of the process's CPU


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one size, in seconds."""

    opened: float
    opened_empty: float
    page: list[float]
    figures: list[float]
    turns_shown: int
    filtered: float
    far_down: float
    statistics: tuple[float, float]  # reading, and a report with its lines
    searches: dict[str, list[Timed]]
    hits: dict[str, int]
    memory: dict[str, float]
    like: dict[str, float]
    trigram: dict[str, float | None]
    begin: list[float]
    journal: list[float]
    end: list[float]
    plain: list[float]  # the whole turn by sqlite3 alone


def main() -> None:
    """Measure each size and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("messages", type=int, nargs="*", default=SIZES)
    parser.add_argument("--folder", type=Path, help="keep the databases here, and use those that are here")
    parser.add_argument("--no-peers", action="store_true", help="no LIKE and no trigrams, which take long to make")
    arguments = parser.parse_args()
    reached: list[Goal] = []
    with tempfile.TemporaryDirectory(prefix="big-history-") as temporary:
        for messages in arguments.messages:
            folder = (arguments.folder or Path(temporary)) / str(messages)
            folder.mkdir(parents=True, exist_ok=True)
            built = _prepared(folder, messages, peers=not arguments.no_peers)
            measured = _apart(_measure, folder)
            reached += _print(built, measured)
    goals(reached)


def _prepared(folder: Path, messages: int, *, peers: bool) -> Built:
    """The database in `folder`, made unless it is there."""
    known = folder / "built.pickle"
    if known.exists():
        built: Built = pickle.loads(known.read_bytes())
    else:
        built = _apart(build, folder / "history.db", messages, folder / "peers.db" if peers else None)
        known.write_bytes(pickle.dumps(built))
    return built


def _apart(function: Callable[..., Any], *arguments: object) -> Any:
    """Call it in a fresh process: memory, caches and threads are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


# In the process that is measured -----------------------------------------------------------------------------------------


def _measure(folder: Path) -> Measured:
    return asyncio.run(_measured(folder))


async def _measured(folder: Path) -> Measured:
    path, peers = folder / "history.db", folder / "peers.db"
    empty = folder / "empty.db"
    memory = {"before": peak_megabytes(os.getpid())}
    opened = [await _opening(path) for _ in range(OPENINGS)]
    opened_empty = [await _opening(empty) for _ in range(OPENINGS)]
    store, prices = await Store.open(path), PriceList.load()
    memory["open"] = peak_megabytes(os.getpid())
    page, figures, turns = [], [], 0
    for _ in range(REPEATS):
        first, taken = await _timed(store.library.page)
        page.append(taken[0])
        ids = [row.id for row in first.rows[:SHOWN]]
        costs, taken = await _timed(partial(store.library.figures, ids, prices))
        figures.append(taken[0])
        turns = sum(each.turns for each in costs.values())
    _, filtered = await _timed(partial(store.library.page, "the"))
    _, far_down = await _timed(partial(store.library.page, offset=max(0, first.total - 100)))
    memory["list"] = peak_megabytes(os.getpid())
    collected, reading = await _timed(partial(store.library.collected, prices))
    began = time.perf_counter()
    lines(report(collected, Filters(), ("day",)), 120)
    reporting = time.perf_counter() - began
    memory["statistics"] = peak_megabytes(os.getpid())
    searches: dict[str, list[Timed]] = {}
    hits: dict[str, int] = {}
    for query in EVERY:
        for _ in range(REPEATS):
            found, taken = await _timed(partial(store.library.search, query, limit=SHOWN))
            searches.setdefault(query, []).append(taken)
            hits[query] = len(found.hits)
    memory["search"] = peak_megabytes(os.getpid())
    begin, journal, ended = await _write(store)
    await store.close()
    like, trigram = _ask_peers(peers) if peers.exists() else ({}, {})
    return Measured(
        opened=statistics.median(opened),
        opened_empty=statistics.median(opened_empty),
        page=page,
        figures=figures,
        turns_shown=turns,
        filtered=filtered[0],
        far_down=far_down[0],
        statistics=(reading[0], reporting),
        searches=searches,
        hits=hits,
        memory=memory,
        like=like,
        trigram=trigram,
        begin=begin,
        journal=journal,
        end=ended,
        plain=_write_plainly(folder / "plain.db"),
    )


async def _opening(path: Path) -> float:
    started = time.perf_counter()
    store = await Store.open(path)
    opened = time.perf_counter() - started
    await store.close()
    return opened


async def _timed(call: Callable[[], Awaitable[Any]]) -> tuple[Any, Timed]:
    started, cpu = time.perf_counter(), time.process_time()
    result = await call()
    return result, (time.perf_counter() - started, time.process_time() - cpu)


async def _write(store: Store) -> tuple[list[float], list[float], list[float]]:
    """Turns in one conversation: the seconds of each commit."""
    steps: tuple[list[float], list[float], list[float]] = [], [], []
    owner = conversation()
    for turn, events in _turns(owner.id):
        calls: tuple[Callable[[], Awaitable[Any]], ...] = (
            partial(store.begin_turn, owner, turn),
            partial(store.journal, turn.id, events),
            partial(store.end_turn, owner, turn),
        )
        for spent, call in zip(steps, calls, strict=True):
            _, (seconds, _) = await _timed(call)
            spent.append(seconds)
    await store.library.index_all()
    return steps


def _turns(owner_id: str) -> list[tuple[Turn, list[Any]]]:
    """Turns of 60 words, as they are stored: begun, and ended with their events taken."""
    made = []
    for _ in range(TURNS):
        owner = conversation()
        owner.id = owner_id
        turn, events = running(owner), content(*("some words of a reply " for _ in range(60)))
        take(turn, events)
        end(turn)
        made.append((turn, events))
    return made


def _write_plainly(path: Path) -> list[float]:
    """The same rows in the same three commits, by sqlite3 alone: the seconds of each turn."""
    owner = this_process()
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        made: set[str] = set()

        def insert(table_name: str, row: dict[str, Any]) -> None:
            if table_name not in made:
                made.add(table_name)
                connection.execute(f"CREATE TABLE {table_name} ({', '.join(row)})")
            holes = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table_name} VALUES ({holes})", tuple(row.values()))

        spent = []
        for turn, _ in _turns("conversation"):
            started = time.perf_counter()
            reply = turn.reply()
            assert reply is not None
            connection.execute("PRAGMA synchronous = FULL")
            with immediate(connection):
                insert("prompts", values.message_row(turn.conversation_id, turn.prompt))
                insert("turns", values.running_row(turn, owner))
            connection.execute("PRAGMA synchronous = NORMAL")
            with immediate(connection):
                insert("journal", {"turn_id": turn.id, "event": turn.text, "deltas": 60})
            connection.execute("PRAGMA synchronous = FULL")
            with immediate(connection):
                insert("replies", values.message_row(turn.conversation_id, reply))
                insert("ends", values.ended_row(turn))
                for row in values.request_rows(turn):
                    insert("requests", row)
                connection.execute("DELETE FROM journal")
            spent.append(time.perf_counter() - started)
    return spent


def _ask_peers(path: Path) -> tuple[dict[str, float], dict[str, float | None]]:
    """Seconds of each query by LIKE, and by trigrams; None: it cannot find words as short as these."""
    like: dict[str, float] = {}
    trigram: dict[str, float | None] = {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        for query in EVERY:
            words = [query.strip('"')] if query.startswith('"') else query.replace("*", "").split()
            where = " AND ".join("text LIKE ?" for _ in words)
            statement = f"SELECT key FROM plain WHERE {where} ORDER BY key DESC LIMIT {SHOWN}"
            started = time.perf_counter()
            connection.execute(statement, [f"%{word}%" for word in words]).fetchall()
            like[query] = time.perf_counter() - started
            long = [word for word in words if len(word) >= 3]
            if len(long) < len(words):
                trigram[query] = None
                continue
            wanted = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
            statement = f"SELECT rowid FROM trigrams WHERE trigrams MATCH ? ORDER BY rowid DESC LIMIT {SHOWN}"
            started = time.perf_counter()
            connection.execute(statement, (wanted,)).fetchall()
            trigram[query] = time.perf_counter() - started
    return like, trigram


# Tables ------------------------------------------------------------------------------------------------------------------


def _print(built: Built, measured: Measured) -> list[Goal]:
    size = f"{built.messages:,} messages"
    print(f"\n## {size} in {built.conversations:,} conversations, {built.characters / 1e6:,.0f} MB of text")
    slices = sorted(built.slices)
    row = [
        number(built.messages / sum(slices)),
        number(built.characters / sum(slices) / 1e6, 2),
        milliseconds(statistics.median(slices)),
        milliseconds(slices[int(len(slices) * 0.99)]),
        milliseconds(slices[-1]),
        number(built.bytes / 1e6),
        number(built.indexed_bytes / 1e6),
        number(built.trigrams and built.messages / built.trigrams),
    ]
    head = "messages/s|MB of text/s|slice, ms|p99|worst|rows, MB|index, MB|trigrams, messages/s"
    table(f"Indexing {size}", ["", *head.split("|")], [["", *row]])
    page, figures = max(measured.page), max(measured.figures)
    rows = [
        ["open", milliseconds(measured.opened)],
        ["open an empty one", milliseconds(measured.opened_empty)],
        ["a page, the first time", milliseconds(measured.page[0])],
        ["again", milliseconds(measured.page[-1])],
        [
            f"figures of {SHOWN} rows ({measured.turns_shown:,} turns), the first time",
            milliseconds(measured.figures[0]),
        ],
        ["again", milliseconds(measured.figures[-1])],
        ["a page of titles with a word", milliseconds(measured.filtered)],
        ["the last page", milliseconds(measured.far_down)],
        ["statistics: all turns read", milliseconds(measured.statistics[0])],
        ["a report by day", milliseconds(measured.statistics[1])],
    ]
    table(f"Opening and listing, {size}", ["", "ms"], rows)
    _print_searches(size, measured)
    _print_writes(size, measured)
    rows = [[name, number(value)] for name, value in measured.memory.items()]
    table(f"Peak memory of the process after, {size}", ["", "MB"], rows)
    clock = [each for taken in measured.searches.values() for each, _ in taken]
    return [
        Goal(f"{size}: a page and the figures of {SHOWN} rows", (page + figures) * 1000, GOAL_LIST, "ms"),
        Goal(f"{size}: a search, median", statistics.median(clock) * 1000, GOAL_SEARCH, "ms"),
        Goal(f"{size}: a search, worst", max(clock) * 1000, GOAL_SEARCH, "ms"),
        Goal(f"{size}: opening, to an empty database", ratio(measured.opened, measured.opened_empty), 1.5),
        Goal(f"{size}: writing a turn, to plain sqlite3", ratio(*_turn_medians(measured)), 3.0),
    ]


def _print_searches(size: str, measured: Measured) -> None:
    rows = []
    for kind, queries in (*QUERIES.items(), ("all", EVERY)):
        first = [measured.searches[query][0][0] for query in queries]
        later = [clock for query in queries for clock, _ in measured.searches[query][1:]]
        cpu = [cpu for query in queries for _, cpu in measured.searches[query]]
        like = [measured.like[query] for query in queries if query in measured.like]
        trigram = [seconds for query in queries if (seconds := measured.trigram.get(query)) is not None]
        unfound = sum(query in measured.trigram and measured.trigram[query] is None for query in queries)
        cells = [_median_and_worst(each) for each in (first, later, cpu, like, trigram)]
        rows.append([kind, str(len(queries)), *cells, str(unfound)])
    head = "queries|first|again|CPU|LIKE|trigrams|too short for them"
    table(f"Searching {size}: median / worst, ms", ["", *head.split("|")], rows)

    slowest = sorted(EVERY, key=lambda query: -max(clock for clock, _ in measured.searches[query]))[:5]
    rows = [
        [query[:40], *(milliseconds(clock) for clock, _ in measured.searches[query]), str(measured.hits[query])]
        for query in slowest
    ]
    table(f"The slowest searches, {size}: ms", ["", *(f"{number + 1}." for number in range(REPEATS)), "hits"], rows)


def _median_and_worst(seconds: Sequence[float]) -> str:
    return f"{milliseconds(statistics.median(seconds))} / {milliseconds(max(seconds))}" if seconds else "–"


def _turn_medians(measured: Measured) -> tuple[float, float]:
    """Seconds of a whole turn: by the store, and plain."""
    whole = [sum(steps) for steps in zip(measured.begin, measured.journal, measured.end, strict=True)]
    return statistics.median(whole), statistics.median(measured.plain)


def _print_writes(size: str, measured: Measured) -> None:
    ours, plain = _turn_medians(measured)
    rows = [
        ["begin", _median_and_worst(measured.begin)],
        ["journal", _median_and_worst(measured.journal)],
        ["end", _median_and_worst(measured.end)],
        ["turns a second", number(1 / ours)],
        ["turns a second, plain sqlite3", number(1 / plain)],
        ["ratio of the times", number(ours / plain, 2)],
    ]
    table(f"Writing {TURNS} turns behind {size}: median / worst, ms", ["", ""], rows)


if __name__ == "__main__":
    main()
