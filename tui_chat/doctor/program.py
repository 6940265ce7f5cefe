"""The program and what it stands on: versions, and whether they are the ones it was made for."""

import importlib.metadata
import platform
import re
import sqlite3
from contextlib import closing, suppress
from typing import Final

from tui_chat import __version__
from tui_chat.doctor.report import Report

OLDEST_SQLITE: Final = (3, 34)
_NAME: Final = "tui-chat"
_SHOWN: Final = ("textual", "anthropic")  # the two that matter most have a line even when they fit
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*([^;]*)")
_CLAUSE: Final = re.compile(r"(>=|<=|<|>|==|!=)\s*([\d.]+)")


def check_program(report: Report) -> None:
    """Versions of the program, Python, SQLite, the libraries and the system."""
    report.ok(_NAME, __version__)
    report.ok("Python", f"{platform.python_version()}, {platform.python_implementation()}")
    _check_sqlite(report)
    for name, wanted in _requirements():
        _check_library(report, name, wanted)
    report.ok("system", _system())


def _check_sqlite(report: Report) -> None:
    version = sqlite3.sqlite_version
    advice = "use a Python whose SQLite is 3.34 or newer and has FTS5, for example one from python.org"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        report.problem("SQLite", f"{version} is too old", advice)
    elif not _has_full_text_search():
        report.problem("SQLite", f"{version} has no full-text search (FTS5)", advice)
    else:
        report.ok("SQLite", f"{version} with FTS5")


def _has_full_text_search() -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(words)")
        except sqlite3.OperationalError:
            return False
    return True


def _requirements() -> list[tuple[str, str]]:
    """The libraries that the installed program asks for, and which versions; the two without a range if it is not installed."""
    try:
        lines = importlib.metadata.requires(_NAME) or []
    except importlib.metadata.PackageNotFoundError:
        return [(name, "") for name in _SHOWN]
    matches = [_REQUIREMENT.match(line) for line in lines if "extra ==" not in line]
    return [(match[1], match[2].strip()) for match in matches if match is not None]


def _check_library(report: Report, name: str, wanted: str) -> None:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        report.problem(name, "is not installed", "install tui-chat again: pipx reinstall tui-chat")
        return
    if not fits(version, wanted):
        report.problem(name, f"{version} is not one of {wanted}", "install tui-chat again: pipx reinstall tui-chat")
    elif name in _SHOWN:
        report.ok(name, version)


def fits(version: str, wanted: str) -> bool:
    """Whether `version` lies in the range `wanted` (`>=8.2,<9`); what is not understood of the range is not asked for."""
    has = _numbers(version)
    for sign, text in _CLAUSE.findall(wanted):
        needs = _numbers(text)
        order = (has > needs) - (has < needs)
        if order not in {">=": (0, 1), "<=": (-1, 0), "<": (-1,), ">": (1,), "==": (0,), "!=": (-1, 1)}[sign]:
            return False
    return True


def _numbers(version: str) -> list[int]:
    """The release's numbers, without zeros at their end: 3.0 is 3."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _system() -> str:
    name = platform.platform(terse=True)
    with suppress(OSError, KeyError):  # not Linux, or an odd one
        name = f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {name}"
    wsl = ", in WSL" if "microsoft" in platform.release().lower() else ""
    return f"{name}, {platform.machine()}{wsl}"
