"""The end of the log, with only what the program itself has written into it.

A line of the log is a sentence of ours with values in it, and a value may be anything: a title, a path, what a server said. So the
sentences are taken from our own source, and of a line that fits one only the sentence is kept; of a traceback the places and the
kinds of errors. Everything else is counted and left out. A sentence that nobody can have typed needs no list of secrets.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import tui_chat
from tui_chat.doctor.redaction import WITHHELD

LAST_BYTES: Final = 200_000
LAST_LINES: Final = 300
_LEVELS: Final = ("debug", "info", "warning", "error", "critical", "exception")
_RECORD: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ (?:DEBUG|INFO|WARNING|ERROR|CRITICAL) )([\w.]+): (.*)"
)
_FRAME: Final = re.compile(r'\s*File "([^"]*)", line (\d+), in ([\w.<>]+)')
_RAISED: Final = re.compile(
    r"\s*(?:\| )?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Group|Warning|Interrupt|Exit|Timeout|Cancelled|Iteration))(?::.*)?"
)
_FIXED: Final = (
    "Traceback (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_PLACEHOLDER: Final = re.compile(r"%(?:\.\d+)?[a-zA-Z]")
_PACKAGES: Final = (
    "tui_chat",
    "textual",
    "anthropic",
    "httpx2",
    "httpcore2",
    "anyio",
    "rich",
    "asyncio",
    "sqlite3",
    "logging",
)


def last_part(path: Path) -> list[str]:
    """The last lines of the log at `path`, withheld where they are not ours; one line about it if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            lines = file.read(LAST_BYTES).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ["(there is no log)"]
    except OSError as error:
        return [f"(the log cannot be read: {type(error).__name__})"]
    return list(_collapsed(_kept(line) for line in lines[-LAST_LINES:]))


def _collapsed(lines: Iterator[str | None]) -> Iterator[str]:
    """Lines that are left out, as one line that counts them."""
    missing = 0
    for line in lines:
        if line is None:
            missing += 1
            continue
        if missing:
            yield f"  {WITHHELD}: {missing} lines" if missing > 1 else f"  {WITHHELD}: 1 line"
            missing = 0
        yield line
    if missing:
        yield f"  {WITHHELD}: {missing} lines" if missing > 1 else f"  {WITHHELD}: 1 line"


def _kept(line: str) -> str | None:
    if (record := _RECORD.fullmatch(line)) is not None:
        stamp, logger, message = record.groups()
        name = logger if logger.partition(".")[0] in _PACKAGES else WITHHELD
        return f"{stamp}{name}: {_sentence(message)}"
    if line.strip() in _FIXED:
        return line
    if (frame := _FRAME.fullmatch(line)) is not None and (place := _place(frame[1])):
        return f"  {place}, line {frame[2]}, in {frame[3]}"
    if (raised := _RAISED.fullmatch(line)) is not None:
        return f"{raised[1]}: {WITHHELD}"
    return None


def _sentence(message: str) -> str:
    """The sentence of ours that `message` was made from, its values withheld."""
    for pattern, words in sentences():
        if pattern.fullmatch(message):
            return words
    return WITHHELD


def _place(path: str) -> str:
    """A file of a package that is known here, from the package on; '' for any other."""
    parts: Sequence[str] = Path(path.replace("\\", "/")).parts
    for position in range(len(parts) - 1, -1, -1):
        if parts[position] in _PACKAGES:
            return "/".join(parts[position:])
    return ""


@cache
def sentences() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What our modules may log: a pattern for each message, and the message with its values withheld. The longest ones first."""
    texts: set[str] = set()
    for path in Path(tui_chat.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str(text)), *_]) if (
                    level in _LEVELS
                ):
                    texts.add(text.partition("\n")[0])
                case _:
                    pass
    found = []
    for text in sorted(texts, key=len, reverse=True):
        literal = [re.escape(part) for part in _PLACEHOLDER.split(text)]
        if any(re.search(r"\w", part) for part in _PLACEHOLDER.split(text)):
            found.append((re.compile("(?:.*)".join(literal)), _PLACEHOLDER.sub(WITHHELD, text)))
    return tuple(found)
