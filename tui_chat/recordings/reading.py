"""A file to a `Recording`. Whatever is wrong with it is said in one sentence, with the number of the line."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

from tui_chat.errors import UsageError
from tui_chat.events import TurnEnded, TurnStarted
from tui_chat.json_text import decode
from tui_chat.recordings.format import NAME, VERSION, Header, Record, Said, header_of, record_of
from tui_chat.recordings.recording import Recording

LONGEST_HEADER: Final = 100_000  # bytes: what is no recording is found out soon
LONGEST_LINE: Final = 256_000_000  # bytes: a request of 32 MB, with every character escaped
_WRONG: Final = (KeyError, TypeError, ValueError)  # what lines that are no records raise


def read(path: Path) -> Recording:
    """The recording in the file `path`. One that was cut off is read as far as it goes.

    Raises:
        UsageError: it cannot be read, is no recording, or is one of a newer version.

    """
    try:
        with path.open("rb") as file:
            lines = _lines(path, file)
            header = _header(path, next(lines, (1, b"")))
            records = list(_records(path, lines))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "give the file of a recording") from None
    first = records[0] if records else None
    if not isinstance(first, Said) or not isinstance(first.event, TurnStarted):
        raise UsageError(f"{path} is no recording of a turn", "its first record is not the turn's beginning")
    return Recording(header, tuple(records))


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers. The last one may lack its end."""
    number, limit = 1, LONGEST_HEADER
    while line := file.readline(limit + 1):
        if len(line) > limit:
            what = "is no recording" if number == 1 else f"has a line of more than {limit // 1_000_000} MB"
            raise UsageError(f"{path}, line {number}: the file {what}", "give a file that --record has written")
        yield number, line
        number, limit = number + 1, LONGEST_LINE


def _header(path: Path, line: tuple[int, bytes]) -> Header:
    fields = _fields(line[1])
    if fields is None or fields.get("recording") != NAME:
        raise UsageError(f"{path} is no recording", "give a file that --record has written")
    version = fields.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise UsageError(f"{path} was written by a newer version of tui-chat", "replay it with that one")
    try:
        return header_of(fields)
    except _WRONG:
        raise UsageError(f"{path}, line 1: the header is damaged", "") from None


def _records(path: Path, lines: Iterator[tuple[int, bytes]]) -> Iterator[Record]:
    ended = False
    for number, line in lines:
        if not line.strip():
            continue
        fields = _fields(line)
        try:
            record = record_of(fields) if fields is not None else None
        except _WRONG:
            fields = None
        if fields is None:
            if not line.endswith(b"\n"):  # cut off within it
                return
            raise UsageError(f"{path}, line {number}: this is no record", "the file is damaged")
        if record is None:
            continue
        if ended:
            raise UsageError(f"{path}, line {number}: the turn has ended before", "the file is damaged")
        ended = isinstance(record, Said) and isinstance(record.event, TurnEnded)
        yield record


def _fields(line: bytes) -> Mapping[str, Any] | None:
    try:
        fields = decode(line.decode())
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
