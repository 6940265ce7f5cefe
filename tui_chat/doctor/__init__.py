"""`tui-chat doctor`: what is wrong with this installation, and what to do about it.

Why it exists: when something does not work, the reason is seldom in the program and often around it: a key that is not
there, a folder that cannot be written, a terminal that knows less than it says. So this looks at all of it, one section after
the other, says each thing as soon as it knows it, and ends with 0 (healthy) or 1.

It changes nothing (!): it makes no folder and no log, opens the database for reading only, asks the terminal with its modes
restored, and sends no message. Where a write-ahead log lies beside the database, SQLite may make its -shm anew, as at any reading.
It must not know the screen, the session, or how conversations are written.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tui_chat.arguments import path, text
from tui_chat.config import Config, Flags, load, usual_config_file
from tui_chat.console import Parser, usage_error, write
from tui_chat.doctor.bundle import Bundle
from tui_chat.doctor.credentials import check_credentials
from tui_chat.doctor.database import check_database
from tui_chat.doctor.files import check_files
from tui_chat.doctor.program import check_program
from tui_chat.doctor.report import Report
from tui_chat.doctor.server import check_server
from tui_chat.doctor.terminal import check_terminal
from tui_chat.errors import UsageError

HELP: Final = """\
usage: tui-chat doctor [options]

Look at the program, its files, the database, the credentials, the terminal and
the server, and say of each thing whether it is ok, worth a note, or a problem
and then what to do. It changes nothing and sends no message.

      --bundle FILE      also write the report, the end of the log and the
                         settings to FILE (0600), without keys, prompts,
                         titles, names, your folders and your hosts
      --config FILE, --data-dir DIR, --base-url URL, --demo
                         as for tui-chat itself: look at that instead
  -h, --help             show this help

Exit codes: 0 healthy; 1 there is a problem; 2 bad arguments.
"""
_NO_FILE: Final = Path(os.devnull)  # as a config file: there, and empty


def main(argv: Sequence[str]) -> int:
    """Examine, print, and return the exit code.

    Raises:
        UsageError: the arguments cannot be used.

    """
    parser = Parser(HELP)
    parser.add_argument("--bundle", type=path)
    parser.add_argument("--config", type=path)
    parser.add_argument("--data-dir", type=path)
    parser.add_argument("--base-url", type=text)
    parser.add_argument("--demo", action="store_true")
    options, rest = parser.parse_known_args(argv)
    if rest:
        raise usage_error(f"doctor has no use for {rest[0]!r}", "see tui-chat doctor --help")
    flags = Flags(base_url=options.base_url, demo=options.demo, data_dir=options.data_dir, config=options.config)
    settings, complaint = _settings(flags)
    bundle = Bundle(options.bundle, settings) if options.bundle else None
    report = Report.to(sys.stdout, write)
    _examine(report, settings, complaint)
    problems = report.count("problem")
    report.end(f"{'healthy' if not problems else 'not healthy'}: {_counts(report)}; no message was sent")
    if bundle is not None:
        written = bundle.write(report.findings, time.time())
        write(f"the report is in {written}; look through it before you hand it on\n")
    return 1 if problems else 0


def _settings(flags: Flags) -> tuple[Config, UsageError | None]:
    """The configuration, and what was wrong with the config file or the environment: the rest is looked at without that.

    Raises:
        UsageError: the arguments themselves cannot be used.

    """
    try:
        return load(flags), None
    except UsageError as error:
        complaint = error
    config_file = (flags.config or usual_config_file()).absolute()
    without_url = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_BASE_URL"}
    without_file = replace(flags, config=_NO_FILE)
    for usable, environ in ((flags, without_url), (without_file, os.environ), (without_file, without_url)):
        with contextlib.suppress(UsageError):
            return replace(load(usable, environ), config_file=config_file), complaint
    raise complaint


def _examine(report: Report, settings: Config, complaint: UsageError | None) -> None:
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("Program", lambda: check_program(report)),
        ("Files", lambda: check_files(report, settings, complaint)),
        ("Database", lambda: check_database(report, settings)),
        ("Credentials", lambda: check_credentials(report, settings, os.environ)),
        ("Terminal", lambda: check_terminal(report, os.environ)),
        ("Server", lambda: asyncio.run(check_server(report, settings))),
    )
    for title, check in checks:
        report.section(title)
        try:
            check()
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding; the others still have something to say
            report.problem(title.lower(), f"this check failed ({type(error).__name__})", "please report it")


def _counts(report: Report) -> str:
    problems, notes = report.count("problem"), report.count("note")
    parts = [f"{problems} problem{'s' if problems != 1 else ''}"] if problems else ["no problem"]
    return ", ".join([*parts, f"{notes} note{'s' if notes != 1 else ''}"])
