"""The tool `read_file`: the text of a file, or what is in a folder, under one allowed folder.

Why it exists: a model can answer about files it can read, and reading is harmless as long as it stays where the user
allowed it and cannot hang.
What it must not know: how a path is kept inside the folder (`allowed_folder.py`).

Both are given in parts of bounded size, by lines, with a note that says how to read on. The work is done in a thread,
which looks at a flag between two chunks, so a slow disk stalls neither the program nor its end.
"""

import codecs
import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from tui_chat.engine.tools.allowed_folder import AllowedFolder, Opened, may_be_secret
from tui_chat.engine.tools.threads import off_the_loop
from tui_chat.engine.tools.tool import RESULT_LIMIT, ToolError, checked_input, cut_result, quoted

READ_LIMIT: Final = 256 * 1024  # bytes of one answer
SCAN_LIMIT: Final = 256 * 1024 * 1024  # bytes that are passed over to find the first line
LISTED: Final = 500  # entries of one answer
MOST_ENTRIES: Final = 100_000  # of a folder; more are not even counted
_TEXT_LIMIT: Final = RESULT_LIMIT - 1_000  # characters; the rest is for the notes
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_PRIVATE_KEY: Final = re.compile(rb"\s*(?:-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File)")


class ReadFile:
    """Reads under `root`, see `standard_tools`."""

    name: ClassVar[str] = "read_file"
    description: ClassVar[str] = (
        "Reads a text file (UTF-8), or lists a folder (names sorted, folders end in /, sizes in bytes). Paths are relative "
        'to the one folder the user allowed; "." is that folder. Long files come in parts: a note at the end names the '
        f"first_line to read on with. A folder comes in parts of {LISTED} entries, likewise. Refused: anything outside "
        "the folder, also through links; binary files, pipes, devices; and what may hold secrets (.git and .ssh folders "
        "and the like, .env files, private keys, credentials)."
    )
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": 'For example "README.md", "src" or ".".'},
            "first_line": {
                "type": "integer",
                "minimum": 1,
                "description": "The first line (or entry) wanted; 1 if left out.",
            },
            "line_count": {
                "type": "integer",
                "minimum": 1,
                "description": "How many lines; as many as fit if left out.",
            },
        },
        "required": ["path"],
        "additionalProperties": False,
    }
    timeout: ClassVar[float] = 20.0

    def __init__(self, root: Path) -> None:
        self._folder = AllowedFolder(root)

    @property
    def place(self) -> str:
        """The folder that all of it stays below, resolved."""
        return self._folder.root

    async def run(self, input: Mapping[str, Any]) -> str:
        """The text or the list, with a note if that is not all; ToolError for what cannot be read."""
        fields = checked_input(self.input_schema, input)
        stop = threading.Event()
        try:
            return await off_the_loop(lambda: self._read(stop, **fields))
        finally:
            stop.set()

    def _read(self, stop: threading.Event, path: str, first_line: int = 1, line_count: int = READ_LIMIT) -> str:
        first_line = min(first_line, sys.maxsize)
        with self._folder.open(path) as opened:
            if opened.is_folder:
                return cut_result(_list(opened, first_line, min(line_count, LISTED)))
            assert isinstance(opened.place, int)  # noqa: S101 - for the type checker: files are always descriptors
            return cut_result(_lines(_chunks(opened.place, stop), first_line, min(line_count, READ_LIMIT)))


def _chunks(descriptor: int, stop: threading.Event) -> Iterator[bytes]:
    while not stop.is_set() and (chunk := os.read(descriptor, READ_LIMIT)):
        if b"\0" in chunk:
            raise ToolError("This file is not UTF-8 text (it has NUL bytes), and binary files are not read.")
        yield chunk


def _lines(chunks: Iterator[bytes], first_line: int, line_count: int) -> str:
    """At most `line_count` lines from `first_line` on, as many as fit, with a note unless that is the whole file."""
    start = next(chunks, b"").removeprefix(_BYTE_ORDER_MARK)
    if not start:
        if first_line > 1:
            raise ToolError("This file is empty.")
        return "[This file is empty.]"
    if _PRIVATE_KEY.match(start):
        raise ToolError("This file is a private key and is never read.")
    data = _skip(itertools.chain((start,), chunks), first_line - 1)
    while len(data) <= READ_LIMIT and (chunk := next(chunks, b"")):
        data += chunk
    all_read = len(data) <= READ_LIMIT
    data = data[:READ_LIMIT]

    # A character that the limit cuts in two is left out, as is everything behind the last whole line.
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=all_read)
    replaced = "\ufffd" in text and "\ufffd".encode() not in data
    wanted = text.split("\n", line_count)
    shown = "\n".join(wanted[:line_count]) + "\n" if len(wanted) > line_count else text
    if len(shown) > _TEXT_LIMIT or (len(shown) == len(text) and not all_read):
        shown = shown[: shown.rfind("\n", 0, _TEXT_LIMIT) + 1] or shown[:_TEXT_LIMIT]
    last_line = first_line + shown.removesuffix("\n").count("\n")
    at_end = all_read and len(shown) == len(text)

    notes = []
    if not at_end and shown.endswith("\n"):
        notes.append(
            f"Lines {first_line:,} to {last_line:,}; the file goes on: read on with first_line {last_line + 1}."
        )
    elif not at_end:
        notes.append(f"Line {last_line:,} is too long: only its first {len(shown):,} characters are shown.")
        notes.append(f"The next line, if there is one, is first_line {last_line + 1}.")
    elif first_line > 1:
        notes.append(f"Lines {first_line:,} to {last_line:,}, the end of the file.")
    if replaced:
        notes.append("Bytes that are not UTF-8 are shown as \ufffd.")
    if notes:
        shown += f"[{' '.join(notes)}]" if shown.endswith("\n") else f"\n[{' '.join(notes)}]"
    return shown


def _skip(chunks: Iterator[bytes], lines: int) -> bytes:
    """The rest of the chunk in which line number `lines` + 1 begins; ToolError if there is no such line."""
    passed, size, last = 0, 0, b"\n"
    for chunk in chunks:
        if passed == lines:
            return chunk  # reached only when the lines before ended with their chunk
        found = chunk.count(b"\n")
        if passed + found >= lines and (rest := chunk.split(b"\n", lines - passed)[-1]):
            return rest
        passed, size, last = passed + found, size + len(chunk), chunk[-1:]
        if size > SCAN_LIMIT:
            raise ToolError(f"Line {lines + 1} is too far into this file: more than {SCAN_LIMIT:,} bytes.")
    last_line = passed if last == b"\n" else passed + 1
    raise ToolError(f"The last line of this file is number {last_line:,}.")


def _list(opened: Opened, first: int, count: int) -> str:
    """At most `count` entries from number `first` on, one a line."""
    with os.scandir(opened.place) as found:
        entries = sorted(itertools.islice(found, MOST_ENTRIES + 1), key=lambda entry: entry.name)
    total = f"more than {MOST_ENTRIES:,}" if len(entries) > MOST_ENTRIES else f"{len(entries):,}"
    if first > max(len(entries), 1):
        raise ToolError(f"The last entry of {quoted(opened.name)} is number {len(entries):,}.")
    shown: list[str] = []
    room = _TEXT_LIMIT
    for entry in entries[first - 1 : first - 1 + count]:
        line = _entry(entry)
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
    head = f"{_shown_name(opened.name)}: {total} {'entry' if total == '1' else 'entries'}"
    if first > 1:
        head += f", from number {first:,} on"
    rest = len(entries) - (first - 1 + len(shown))
    tail = [f"[{rest:,} more; read on with first_line {first + len(shown)}.]"] if rest else []
    return "\n".join([head, *shown, *tail])


def _entry(entry: os.DirEntry[str]) -> str:
    name = _shown_name(entry.name)
    if may_be_secret((entry.name,)):
        return f"{name}  (not readable: may hold secrets)"
    try:
        if entry.is_symlink():
            return f"{name}  (link)"
        if entry.is_dir(follow_symlinks=False):
            return f"{name}/"
        if entry.is_file(follow_symlinks=False):
            return f"{name}  {entry.stat(follow_symlinks=False).st_size:,} bytes"
    except OSError:
        return f"{name}  (cannot be read)"
    return f"{name}  (neither file nor folder)"


def _shown_name(name: str) -> str:
    """As it is, or as a JSON string if it has a line break or other characters that would mislead."""
    return name if name.isprintable() else json.dumps(name)
