"""Writing private files: whole or not at all, 0600; in the place of the one before, or never in the place of another."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file `path` by `text`; OSError if that fails, and then the old file is untouched."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


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
