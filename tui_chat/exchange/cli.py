"""`tui-chat export` and `tui-chat import`: arguments, the terminal, exit codes.

What was asked for goes to standard output, everything else to standard error. It must not know the screen.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui_chat import config, meter
from tui_chat.console import Parser, columns, draw, say, show
from tui_chat.conversation import Turn
from tui_chat.errors import StoreError, UsageError
from tui_chat.exchange.formats import FORMATS, file_name, format_of, lossless, readable
from tui_chat.exchange.importing import Report, import_files
from tui_chat.files import numbered, write_new
from tui_chat.listed import ConversationSummary
from tui_chat.meter import Figures, Ratios
from tui_chat.prices import PriceList
from tui_chat.text import sanitise, sanitise_line, storable

if TYPE_CHECKING:
    from tui_chat.store import Store

STOPPED: Final = 130
EXIT_CLOSED: Final = 141  # of a program that SIGPIPE ends
_BAR: Final = 24  # cells
_LISTED: Final = 5
_INDEXING: Final = 10.0  # seconds; what is not searchable then will be once the chat has been open for a while

EXPORT_HELP: Final = """\
usage: tui-chat export [WANTED] [--format F] [-o FILE]
       tui-chat export --all DIR [--format F]

Write a conversation to a file that only you can read. WANTED is its id, the
beginning of its id, or words of its title; default: the last one.

      --format F         md, json, html or txt; default: as FILE ends, else md.
                         json holds everything, all branches and figures, and
                         reads back in; the others hold the current branch
  -o, --output FILE      the file, a folder, or - for standard output; default:
                         a file named after the title, here
      --all DIR          every conversation, each to a file of its own in DIR
      --overwrite        replace a file that is there; without it the new one
                         gets a number
      --config FILE, --data-dir DIR
                         as for tui-chat
  -h, --help             show this help

Exit codes: 0 written; 1 failed; 2 bad arguments; 130 stopped by Ctrl+C.
"""

IMPORT_HELP: Final = """\
usage: tui-chat import FILE... [--dry-run]

Read conversations in. What a FILE is shows in what is in it:

  our own json           from tui-chat export
  a Claude export        the .zip, or its conversations.json
  a ChatGPT export       the .zip, or its conversations.json; several, if it
                         was split
  a database             conversations.db of another machine, a backup, or a
                         damaged one: what can be read of it
  a folder               with any of the .json files above

Branches become versions. What is here already is recognised, so the same
file can be imported again: only what is new in it is added. Records that
cannot be read are reported by their number, and all others go in.

      --dry-run          say what would happen, and write nothing
      --config FILE, --data-dir DIR
                         as for tui-chat
  -h, --help             show this help

Exit codes: 0 all of it is in; 1 not all of it; 2 bad arguments; 130 stopped
by Ctrl+C: what was read until then is in, and importing again goes on.
"""


def _shown(text: object) -> str:
    return sanitise_line(storable(str(text)))


# Export ------------------------------------------------------------------------------------------------------------------


def export_main(argv: Sequence[str]) -> int:
    """`tui-chat export`; returns the exit code.

    Raises:
        UsageError: the arguments cannot be used, or no conversation fits.
        StoreError: the conversations cannot be read.

    """
    parser = Parser(EXPORT_HELP, "export")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("wanted", nargs="*")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("-o", "--output")
    parser.add_argument("--all", type=Path)
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args(argv)
    if options.all is not None and (options.wanted or options.output):
        raise UsageError("--all writes every conversation", "leave out WANTED and --output")
    settings = config.load(config.Flags(data_dir=options.data_dir, config=options.config))
    try:
        return asyncio.run(_Export(settings, options).run())
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return EXIT_CLOSED
    except OSError as error:
        say(f"tui-chat: it cannot be written ({_shown(error.strerror or error)}: {_shown(error.filename or '')})")
        return 1


class _Export:
    def __init__(self, settings: config.Config, options: argparse.Namespace) -> None:
        self._settings, self._options = settings, options
        self._prices = PriceList.load(settings.config_file.with_name("prices.toml"))
        self._format = options.format or format_of(Path(options.output or "").suffix) or "md"

    async def run(self) -> int:
        async with _store(self._settings) as store:
            if store is None:
                raise UsageError("there is no conversation yet", "start one with a prompt")
            if self._options.all is None:
                return await self._write_one(store, await self._find(store))
            return await self._write_all(store, self._options.all)

    async def _find(self, store: "Store") -> str:
        wanted = storable(" ".join(self._options.wanted)).strip()
        found = await (store.library.find(wanted) if wanted else store.recent(1))
        if not found:
            what = f"no conversation's id or title fits {wanted!r}" if wanted else "there is no conversation yet"
            raise UsageError(what, "" if wanted else "start one with a prompt")
        if len(found) == 1 or found[0].id == wanted or not wanted:
            return found[0].id
        raise UsageError(f"{len(found)} conversations fit {wanted!r}", "give one of these ids" + _listed(found))

    async def _write_one(self, store: "Store", conversation_id: str) -> int:
        output: str = self._options.output or ""
        pieces, title = await self._pieces(store, conversation_id)
        if output == "-":
            is_terminal = sys.stdout.isatty()
            for piece in pieces:
                show(sanitise(piece) if is_terminal else piece)
            return 0
        name = file_name(title, self._format)
        show(f"{_shown(self._put(_place(output, name), pieces))}\n")
        return 0

    async def _write_all(self, store: "Store", folder: Path) -> int:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        ids = await store.library.ids()
        bar = _Bar("exporting")
        written: set[str] = set()
        for number, conversation_id in enumerate(ids, 1):
            try:
                pieces, title = await self._pieces(store, conversation_id)
            except UsageError:  # deleted meanwhile
                continue
            path = folder / file_name(title, self._format)
            self._put(_another(path, written) if self._options.overwrite else path, pieces)
            bar.show(number / len(ids), f"{number:,} of {len(ids):,}")
            await asyncio.sleep(0)
        bar.end()
        show(f"{len(ids):,} conversation{'' if len(ids) == 1 else 's'} in {_shown(folder)}\n")
        return 0

    def _put(self, path: Path, pieces: Iterable[str]) -> Path:
        return write_new(path, pieces, overwrite=self._options.overwrite)

    async def _pieces(self, store: "Store", conversation_id: str) -> tuple[Iterator[str], str]:
        conversation = await store.load(conversation_id)
        if conversation is None:
            raise UsageError("this conversation is gone", "it was deleted a moment ago")
        if self._format == "json":
            tree = await store.library.tree(conversation_id)
            return lossless(tree, conversation), conversation.title
        ratios = Ratios()
        for turn in conversation.turns:
            ratios.learn(turn)

        def figures(turn: Turn) -> Figures:
            return meter.figures(turn, turn.ended or 0.0, ratios, self._prices)

        return readable(conversation, self._format, figures), conversation.title


def _place(output: str, name: str) -> Path:
    """Where the file goes: `output`, or by `name` into the folder that it is. One that is not there is an error later."""
    path = Path(output)
    return path / name if path.is_dir() or output.endswith("/") else path


def _another(path: Path, written: set[str]) -> Path:
    """`path`, with a number if a file of this run has the name: what is replaced must be of an earlier one."""
    names = (numbered(path, number) for number in itertools.count(1))
    free = next(name for name in names if name.name.casefold() not in written)
    written.add(free.name.casefold())
    return free


def _listed(found: Sequence[ConversationSummary]) -> str:
    rows = "".join(f"\n  {each.id[:12]}  {_shown(each.title) or 'untitled'}" for each in found[:_LISTED])
    return rows + (f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else "")


# Import ------------------------------------------------------------------------------------------------------------------


def import_main(argv: Sequence[str]) -> int:
    """`tui-chat import`; returns the exit code.

    Raises:
        UsageError: the arguments cannot be used.
        StoreError: the database to import into cannot be opened.

    """
    parser = Parser(IMPORT_HELP, "import")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(argv)
    for path in options.files:
        if not path.exists():
            raise UsageError(f"there is no file {_shown(path)}")
    settings = config.load(config.Flags(data_dir=options.data_dir, config=options.config))
    report = Report()
    try:
        asyncio.run(_import(settings, options.files, report, dry=options.dry_run))
    except KeyboardInterrupt:
        if report.is_done:
            return _told(report, options)
        report.stopped = "stopped; all that is counted here is in: import the same again to go on"
        _told(report, options)
        return STOPPED
    return _told(report, options)


def _told(report: Report, options: argparse.Namespace) -> int:
    """Print the report; returns the exit code."""
    show("".join(f"{line}\n" for line in report.lines(dry=options.dry_run)))
    return 0 if report.is_whole else 1


async def _import(settings: config.Config, files: Sequence[Path], report: Report, *, dry: bool) -> None:
    bar = _Bar("reading" if dry else "importing")

    def progress(name: str, share: float, report: Report) -> None:
        bar.show(share, f"{report.conversations:,} from {_shown(name)}")

    try:
        if dry:
            from tui_chat.exchange.dry_run import keeper  # here: it is for dry runs only

            with keeper(settings.data_dir / config.DATABASE) as keep:
                await import_files(files, keep, report, progress)
            return
        async with _store(settings, make=True) as store:
            if store is not None:
                await import_files(files, store.library.add, report, progress)
                report.is_done = True
                if report.kept:
                    bar.show(1.0, "making it searchable", now=True)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(store.library.index_all(), _INDEXING)
    finally:
        bar.end()


@contextlib.asynccontextmanager
async def _store(settings: config.Config, *, make: bool = False) -> Any:
    """The store, closed at the end; None if there is no database and none is to be made."""
    from tui_chat.store import Store  # here: --help needs no SQLite

    path = settings.data_dir / config.DATABASE
    if settings.no_home:
        raise StoreError("there is no home directory", "set HOME, or name a place with --data-dir")
    if not make and not path.exists():
        yield None
        return
    store = await Store.open(path)
    try:
        for notice in store.notices:
            say(f"tui-chat: {notice}")
        yield store
    finally:
        await store.close()


class _Bar:
    """A progress bar on standard error, if that is a terminal: one line, ten times a second at most."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown_at = 0.0
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(self, share: float, text: str, *, now: bool = False) -> None:
        """Show how far it is, 0 to 1."""
        at = time.monotonic()
        if self._is_terminal and (now or at - self._shown_at >= 0.1):
            self._shown_at = at
            full = round(share * _BAR)
            line = f"{self._what} {'█' * full}{'░' * (_BAR - full)} {share:4.0%}  {sanitise_line(text)}"
            width = max(20, columns() - 1)
            draw(f"\r\x1b[K{line[:width]}")

    def end(self) -> None:
        """Take the bar away."""
        if self._is_terminal and self._shown_at:
            draw("\r\x1b[K")
