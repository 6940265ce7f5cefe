"""Files to conversations: whose export it is shows in what is in it, never in its name.

Read are JSON with one conversation, a list of them, or one after another; a zip with such files (an export as it was
downloaded); a folder with such files; and a database of ours. Records are read one at a time, so memory is bounded by the
largest. It must not know the library that takes them in.
"""

import codecs
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from tui_chat.conversation import Tree
from tui_chat.exchange import chatgpt, claude_ai, document, salvage
from tui_chat.exchange.database_file import MAGIC
from tui_chat.exchange.items import Item, named
from tui_chat.exchange.records import NotJsonError, Records
from tui_chat.exchange.shape import ShapeError

OURS, CLAUDE, CHATGPT, UNKNOWN = "tui-chat", "Claude export", "ChatGPT export", ""

_NUMBERED: Final = re.compile(r"(?:.*[/\\])?conversations(?:[-_ ]?\d+)?\.json", re.IGNORECASE)
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What a record can go wrong with: it comes from outside, and one must not stop the others.
_BAD_RECORD: Final = (ShapeError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)
_BAD_ZIP: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def conversations(path: Path) -> Iterator[Item]:
    """Every conversation of a file or folder, and every problem with one; nothing is raised for what is in them."""
    try:
        if path.is_dir():
            yield from _folder(path)
            return
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
            file.seek(0)
            if start == MAGIC:
                yield from salvage.conversations(path)
            elif start.startswith(b"PK"):
                yield from _zip(file)
            else:
                yield from _json(file, path.stat().st_size)
    except NotJsonError as error:
        yield Item("", UNKNOWN, 1.0, problem=f"{error}, and nothing else that can be read here")
    except OSError as error:
        yield Item("", UNKNOWN, 1.0, problem=f"it cannot be read ({error.strerror or error})")


def _folder(path: Path) -> Iterator[Item]:
    names = _chosen(str(each.relative_to(path)) for each in path.rglob("*.json") if each.is_file())
    if not names:
        yield Item("", UNKNOWN, 1.0, problem="there is no .json file in it")
    for place, name in enumerate(names):
        for item in conversations(path / name):
            yield _within(name, item, (place + item.share) / len(names))


def _zip(file: BinaryIO) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            names = _chosen(name for name in sizes if name.lower().endswith(".json"))
            if not names:
                yield Item("", UNKNOWN, 1.0, problem="there is no .json file in it")
            total, before = sum(sizes[name] for name in names) or 1, 0
            for name in names:
                yield from _member(archive, name, sizes[name], total, before)
                before += sizes[name]
    except _BAD_ZIP as error:
        yield Item("", UNKNOWN, 1.0, problem=f"the zip file is damaged ({error})")


def _member(archive: zipfile.ZipFile, name: str, size: int, total: int, before: int) -> Iterator[Item]:
    share = before / total
    try:
        with archive.open(name) as member:
            for item in _json(member, size):  # type: ignore[arg-type]  # it reads bytes, and no more is asked of it
                share = (before + item.share * size) / total
                yield _within(name, item, share)
    except NotJsonError as error:
        yield Item(name, UNKNOWN, share, problem=str(error))
    except _BAD_ZIP as error:
        encrypted = isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError)
        why = "it is encrypted" if encrypted else f"the zip file is damaged from here on ({error})"
        yield Item(name, UNKNOWN, share, problem=why)


def _within(name: str, item: Item, share: float) -> Item:
    return Item(f"{name} {item.where}".strip(), item.kind, share, item.tree, item.problem)


def _chosen(names: Iterable[str]) -> list[str]:
    """Of the files of an export those that hold conversations: by their names if there are such, else all."""
    found = sorted(
        names, key=lambda name: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
    )
    return [name for name in found if _NUMBERED.fullmatch(name)] or found


def _json(file: BinaryIO, size: int) -> Iterator[Item]:
    records = Records(_as_utf_8(file))
    for record in records:
        where, share = f"record {record.number}", min(1.0, records.read / (size or 1))
        if record.problem:
            yield Item(where, UNKNOWN, share, problem=record.problem)
            continue
        kind = kind_of(record.value)
        try:
            yield Item(where, kind, share, tree=tree_of(kind, record.value))
        except _BAD_RECORD as error:
            why = str(error) if isinstance(error, ShapeError) else f"it is damaged ({type(error).__name__})"
            yield Item(where, kind, share, problem=why)


def kind_of(record: object) -> str:
    """Whose a record is, by what is in it."""
    if document.is_ours(record):
        return OURS
    if claude_ai.is_claude(record):
        return CLAUDE
    return CHATGPT if chatgpt.is_chatgpt(record) else UNKNOWN


def tree_of(kind: str, record: Any) -> Tree:
    """The conversation that a record of that kind is.

    Raises:
        ShapeError: it cannot be read as one.

    """
    match kind:
        case "tui-chat":
            return document.tree_of(record)
        case "Claude export":
            return named(claude_ai.conversation_of(record))
        case "ChatGPT export":
            return named(chatgpt.conversation_of(record))
        case _:
            raise ShapeError("it is no conversation of a kind that is known here")


class _Recoded:
    """A file in UTF-16, as some shells save what they print, read as UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        return self._decoder.decode(data, final=not data).encode("utf-8", "replace")


def _as_utf_8(file: BinaryIO) -> Any:
    if not file.seekable():
        return file
    start = file.read(2)
    file.seek(0)
    return _Recoded(file) if start in _UTF_16 else file
