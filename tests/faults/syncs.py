"""To be told by SQLite itself what it has brought to the disk.

Why it exists: what a power cut leaves is what was synced, and a test machine has no power switch. SQLite reaches the disk
through a table of functions (its VFS, https://sqlite.org/vfs.html); ours stands in front of its xSync, does the same, and
then says which file it was. It must not know what the files are.

It works where Python uses SQLite as a shared library, as Linux distributions and python.org's images do.
"""

import ctypes
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Synced = Callable[[str, bool], None]

_OPEN: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_SYNC: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_CREATE: Final = 0x4
_LOGS: Final = 0x800 | 0x4000 | 0x80000  # journals and the write-ahead log


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("close_read_write_truncate", ctypes.c_void_p * 4),
        ("sync", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 13),
    )


_kept: Final[list[Any]] = []  # what SQLite points at must not be collected


def library() -> str | None:
    """The shared library that Python's sqlite3 uses; None if it is part of Python."""
    maps = Path("/proc/self/maps")
    found = re.search(r"\S*/libsqlite3\S*", maps.read_text()) if maps.exists() and sqlite3.sqlite_version else None
    return found.group() if found else None


def watch(synced: Synced) -> None:
    """Call `synced` with the path of each file that SQLite has brought to the disk, in the thread that did it.

    True: the folder's entries as well, which SQLite does with the first sync of a log that it has made.
    """
    path = library()
    assert path is not None
    sqlite = ctypes.CDLL(path)
    sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    vfs: _Vfs = sqlite.sqlite3_vfs_find(None).contents
    assert vfs.open is not None
    really_open = _OPEN(vfs.open)

    def open_file(own: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        result: int = really_open(own, name, file, flags, flags_out)
        methods = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(_Methods)))
        if result == 0 and name is not None and methods[0]:
            is_new_log = bool(flags & _CREATE and flags & _LOGS)
            methods[0] = _in_front_of(methods[0].contents, ctypes.string_at(name).decode(), synced, is_new_log)
        return result

    opening = _OPEN(open_file)
    _kept.extend((opening, really_open))
    vfs.open = ctypes.cast(opening, ctypes.c_void_p).value


def _in_front_of(methods: _Methods, path: str, synced: Synced, is_new_log: bool) -> Any:
    """The functions of one open file, with a sync that says so."""
    assert methods.sync is not None
    really_sync = _SYNC(methods.sync)
    with_folder = is_new_log

    def sync(file: int, flags: int) -> int:
        nonlocal with_folder
        result: int = really_sync(file, flags)
        if result == 0:
            synced(path, with_folder)
            with_folder = False
        return result

    ours = _Methods.from_buffer_copy(methods)
    syncing = _SYNC(sync)
    ours.sync = ctypes.cast(syncing, ctypes.c_void_p).value
    _kept.extend((syncing, really_sync, ours))
    return ctypes.pointer(ours)
