"""File names from titles, and files that are private, whole, and never in the place of another.

Why it exists: a title is text from outside. It may hold slashes, controls, a name that Windows keeps for itself, or a text
that reads backwards; none of that may decide where a file goes. It must not know what is in a file.
"""

import contextlib
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LONGEST: Final = 80  # characters; and in bytes, with an ending and a number, below the 255 that file systems take
_LONGEST_BYTES: Final = 200
_FALLBACK: Final = "conversation"
_RESERVED: Final = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?")
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*]+')
_EDGES: Final = " .-_~"  # a leading dash is an option, a leading dot hides, trailing dots and spaces vanish on Windows


def safe_name(title: str) -> str:
    """A name for a file, without its ending, that every system takes and that goes nowhere else."""
    normal = unicodedata.normalize("NFC", title)
    seen = (" " if character.isspace() else character for character in normal)
    kept = "".join(character for character in seen if unicodedata.category(character)[0] != "C")
    name = " ".join(_FORBIDDEN.sub("-", kept).split()).strip(_EDGES)
    name = _shortened(name).strip(_EDGES)
    if _RESERVED.fullmatch(name):
        name = f"{name.partition('.')[0]}-"[: LONGEST - 5] + _FALLBACK[:4]
    return name or _FALLBACK


def _shortened(name: str) -> str:
    if len(name) > LONGEST:
        name = name[:LONGEST].rpartition(" ")[0] or name[:LONGEST]
    return name.encode()[:_LONGEST_BYTES].decode(errors="ignore")


def numbered(path: Path, number: int) -> Path:
    """`path`, from the second of its name on with the number."""
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def write_new(path: Path, pieces: Iterable[str], *, overwrite: bool = False) -> Path:
    """Write `pieces` as UTF-8 to a new file, 0600, and return where it is: with -2, -3, ... if `path` is taken.

    The file is there when it is whole, or not at all. What is no regular file (a pipe, /dev/null) is written into.

    Raises:
        OSError: it could not be written; nothing is left behind.

    """
    if path.exists() and not path.is_file():
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{path} is a folder")
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        return path
    try:
        descriptor, name = tempfile.mkstemp(".partial", ".", path.parent)  # 0600
    except OSError as error:
        error.filename = str(path.parent)  # the other name nobody has asked for
        raise
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        return _put(temporary, path, overwrite=overwrite)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _put(temporary: Path, path: Path, *, overwrite: bool) -> Path:
    if overwrite:
        temporary.replace(path)
        return path
    number = 1
    while True:
        name = numbered(path, number)
        try:
            os.link(temporary, name)  # unlike a rename it never takes another's place, not even in a race
        except FileExistsError:
            number += 1
        except OSError:  # a file system without links
            if not name.exists():
                temporary.rename(name)
                return name
            number += 1
        else:
            return name
