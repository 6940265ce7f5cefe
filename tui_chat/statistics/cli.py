"""`tui-chat stats`: arguments, the database as it is, exit codes.

The database is read without a change, open elsewhere or not, of this schema or an older one. What was asked for goes to standard
output, everything else to standard error. It must not know the screen, and needs no network.
"""

import argparse
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from tui_chat import config
from tui_chat.console import Parser, draw, show
from tui_chat.errors import StoreError, UsageError
from tui_chat.exchange.database_file import opened
from tui_chat.prices import PriceList
from tui_chat.statistics.figures import DIMENSIONS, Filters, Report, report
from tui_chat.statistics.formats import as_csv, as_json
from tui_chat.statistics.text import lines
from tui_chat.store.migrations import check
from tui_chat.store.statistics import Collected, Progress, collect
from tui_chat.store.transactions import snapshot, translated
from tui_chat.text import sanitise, sanitise_line, storable

STOPPED: Final = 130
EXIT_CLOSED: Final = 141  # of a program that SIGPIPE ends
_WIDTH: Final = 80  # columns where there is no terminal
_WIDEST: Final = 160
_PATIENCE: Final = 0.5  # seconds after which it is said that something happens
_ATTEMPTS: Final = 3  # at a database that another program begins to write to meanwhile
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DAYS: Final = re.compile(r"([1-9]\d{0,4})d", re.ASCII)

HELP: Final = """\
usage: tui-chat stats [--by model|day|month|server|cache] [--since DATE|7d]
                      [--until DATE] [--model M] [--server S]
                      [--output-format text|json|csv]

What your own history says: how fast replies began and how fast they came, how
many tokens, at what cost, how many were cancelled or failed.

      --by WHAT          a line for each model (the default), day, month,
                         server, or for turns with and without a cache hit;
                         several with commas: --by model,cache
      --since DATE, --until DATE
                         turns that began on these days or between them, as
                         2026-11-21; --since 7d: the last 7 days, today
                         included
      --model M, --server S
                         whose name holds M, or S
      --output-format F  text (the default), json (with what every key means),
                         or csv (a line for each group)
      --config FILE, --data-dir DIR
                         as for tui-chat
  -h, --help             show this help

TTFT is the time to first token: from the request being sent to the first
piece of the reply. tok/s are output tokens over the time from the first piece
to the last. p50 is the median: half of the turns were faster. p95 and p99 are
what the slow ones took, p5 of tok/s is what the slow ones ran at. Percentiles
are interpolated between the two nearest values; over how many turns stands
beside them.

Saved is what streaming gains: the time between the first text and the last
piece, summed over completed replies. Without streaming nothing could be read
before the last piece.

Only exact figures count. Output that the server has not counted (of replies
that were stopped, or cut off) is estimated, and named apart. Costs are those
of api.anthropic.com, by the price file at the day of each turn. The demo's
turns stand apart and are in no total. Deleted turns are not counted, copies
only where they were made, imported ones without figures not at all.

Exit codes: 0 printed; 1 the history cannot be read; 2 bad arguments; 130
stopped by Ctrl+C; 141 standard output was closed.
"""


def main(argv: Sequence[str]) -> int:
    """Print the statistics; returns the exit code.

    Raises:
        UsageError: the arguments cannot be used.
        StoreError: the history cannot be read.

    """
    options = _options(argv)
    filters = Filters(
        since=_since(options.since, date.today()),  # noqa: DTZ011 - days are local, as the user says them
        until=_day(options.until, "--until"),
        model=_wanted(options.model, "--model"),
        server=_wanted(options.server, "--server"),
    )
    if filters.since is not None and filters.until is not None and filters.since > filters.until:
        raise UsageError(f"--until {filters.until} is before --since {filters.since}", "exchange them")
    by = _by(options.by)
    settings = config.load(config.Flags(data_dir=options.data_dir, config=options.config))
    if settings.no_home:
        raise StoreError("there is no home directory", "set HOME, or name a place with --data-dir")
    prices = PriceList.load(settings.config_file.with_name("prices.toml"))
    waiting = _Waiting()
    try:
        path = settings.data_dir / config.DATABASE
        try:
            collected = read(path, prices, since=filters.since, until=filters.until, progress=waiting.show)
        finally:
            waiting.end()
        show(_formatted(report(collected, filters, by), options.output_format))
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return EXIT_CLOSED
    return 0


def read(
    path: Path,
    prices: PriceList,
    *,
    since: str | None = None,
    until: str | None = None,
    progress: Progress | None = None,
) -> Collected:
    """All turns of the database at `path`, which is not changed; none if there is no database.

    Raises:
        StoreError: it cannot be read, is damaged, newer than this program, or another program's.

    """
    for _ in range(_ATTEMPTS):
        state = _state(path)
        if state is None:
            break
        with translated(path), opened(path) as connection:
            connection.row_factory = sqlite3.Row
            connection.text_factory = str
            with snapshot(connection):
                version = check(connection, path)
                if not version:
                    break
                found = collect(connection, prices, since=since, until=until, version=version, progress=progress)
        # One without a log was read without locks: what another program wrote meanwhile may have mixed two states.
        if state[1] or _state(path) == state:
            return found
    else:
        return found
    return Collected([])


def _state(path: Path) -> tuple[tuple[int, int], bool] | None:
    """Size and time of the file, and whether it is open somewhere or has a log; None if there is no database."""
    with translated(path):
        status = path.stat() if path.exists() else None
        is_open = any(path.with_name(path.name + end).exists() for end in ("-wal", "-shm"))
    if status is None or not status.st_size:
        return None
    return (status.st_size, status.st_mtime_ns), is_open


def _formatted(made: Report, output_format: str) -> str:
    is_terminal = sys.stdout.isatty()
    if output_format == "json":
        return as_json(made)
    if output_format == "csv":
        text = as_csv(made)
        return sanitise(text) if is_terminal else text
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if is_terminal else _WIDTH
    return "".join(f"{line}\n" for line, _ in lines(made, max(24, min(width, _WIDEST))))


# Arguments ----------------------------------------------------------------------------------------------------------


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(HELP, "stats")
    parser.add_argument("--by", action="append")
    parser.add_argument("--since")
    parser.add_argument("--until")
    parser.add_argument("--model")
    parser.add_argument("--server")
    parser.add_argument("--output-format", choices=("text", "json", "csv"), default="text")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args(argv)


def _by(given: Sequence[str] | None) -> tuple[str, ...]:
    names = [name.strip() for text in given or ("model",) for name in text.split(",")]
    for name in names:
        if name not in DIMENSIONS:
            known = ", ".join(DIMENSIONS)
            raise UsageError(f"--by knows no {_shown(name)!r}", f"it may be {known}, or several with commas")
    return tuple(dict.fromkeys(names))


def _since(text: str | None, today: date) -> str | None:
    """The first day: a date, or so many days of which today is the last."""
    match = _DAYS.fullmatch((text or "").strip())
    if match is None:
        return _day(text, "--since")
    try:
        return (today - timedelta(int(match[1]) - 1)).isoformat()
    except OverflowError:
        return date.min.isoformat()


def _day(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip() if _DATE.fullmatch(text.strip()) else "").isoformat()
    except ValueError:
        advice = "write it as 2026-11-21" + (", or 7d for the last 7 days" if option == "--since" else "")
        raise UsageError(f"{option} {_shown(text)} is no day", advice) from None


def _wanted(text: str | None, option: str) -> str | None:
    if text is not None and not text.strip():
        raise UsageError(f"{option} is empty", "leave it out for all")
    return None if text is None else storable(text.strip())


def _shown(text: str) -> str:
    return sanitise_line(storable(text))


# Output -------------------------------------------------------------------------------------------------------------


class _Waiting:
    """One line on standard error while a long history is read, if that is a terminal."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._is_shown = False

    def show(self, turns: int) -> None:
        """So many turns were read."""
        if time.monotonic() - self._since > _PATIENCE and sys.stderr is not None and sys.stderr.isatty():
            self._is_shown = True
            draw(f"\r\x1b[Kreading: {turns:,} turns")

    def end(self) -> None:
        """Take the line away."""
        if self._is_shown:
            draw("\r\x1b[K")
