"""The places on disk: config file, data folder, database files, log, copies; who may read them, and whether there is room.

It looks at names, sizes and modes only. It must not open the database.
"""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from tui_chat.config import DATABASE, Config
from tui_chat.doctor.report import Report, size_of
from tui_chat.errors import UsageError
from tui_chat.prices import PriceList

FULL: Final = 20_000_000  # bytes free: less may not hold the next reply
NARROW: Final = 500_000_000
LARGE_LOG: Final = 64_000_000  # bytes of write-ahead log
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "fuse.rclone"})


def check_files(report: Report, config: Config, complaint: UsageError | None) -> None:
    """The files; `complaint` says why the config file or the environment cannot be used, if so."""
    _check_config(report, config, complaint)
    folder = config.data_dir
    if config.no_home:
        report.problem(
            "data folder",
            "there is no home directory, so conversations are kept in memory only",
            "set HOME, or name a place with --data-dir or TUI_CHAT_DATA_DIR",
        )
        return
    database = folder / DATABASE
    if not _check_folder(report, folder):
        if _nearest(folder).is_dir():
            _check_room(report, _nearest(folder), database)
        return
    _check_private(report, "database", database, "not there yet; the first prompt makes it")
    log = database.with_name(f"{DATABASE}-wal")
    if log.exists():
        size = log.stat().st_size
        if size > LARGE_LOG:
            report.note("write-ahead log", f"{size_of(size)} is much", "it shrinks when the last tui-chat ends")
        else:
            _check_private(report, "write-ahead log", log)
    _check_private(report, "log", config.log_file, "none")
    for backup in sorted(folder.glob(f"{DATABASE}.v*.backup")):
        _check_private(report, f"copy before an upgrade, {backup.name}", backup)
    for damaged in sorted(folder.glob(f"{DATABASE}.damaged-*")):
        if not damaged.name.endswith(("-wal", "-shm")):
            report.note(
                "damaged database kept aside",
                f"{damaged.name}, {size_of(damaged.stat().st_size)}",
                f"tui-chat import {damaged} reads what can be read; remove it when you need it no more",
            )
    _check_room(report, folder, database)


def _check_config(report: Report, config: Config, complaint: UsageError | None) -> None:
    if complaint is not None:
        report.problem("settings", str(complaint), complaint.advice, private=[str(complaint)])
    path = config.config_file
    if not path.is_file():
        report.ok("config file", "none, the defaults hold" + ("" if config.no_home else f" ({path})"))
    elif _mode(path) & 0o022:
        report.problem(
            "config file", f"others may write to {path} and so choose where your key is sent", f"chmod go-w {path}"
        )
    else:
        report.ok("config file", f"{path}, {_described(path)}")
    prices = path.with_name("prices.toml")
    if prices.is_file():
        try:
            PriceList.load(prices)
        except UsageError as error:
            report.problem("prices", "prices.toml beside the config file is no price file", error.advice)
        else:
            report.ok("prices", "overridden by prices.toml beside the config file")


def _check_folder(report: Report, folder: Path) -> bool:
    """Whether it is there; a missing one is made at the first start, if that can be."""
    lost = "conversations are kept in memory only"
    try:
        mode = folder.stat().st_mode
    except OSError:
        parent = _nearest(folder)
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            report.ok("data folder", f"{folder}, not there yet; the first start makes it")
        else:
            report.problem(
                "data folder",
                f"{folder} is not there and cannot be made in {parent}, so {lost}",
                "give it another place with --data-dir, or make that folder yours",
            )
        return False
    if not stat.S_ISDIR(mode):
        report.problem("data folder", f"{folder} is no folder, so {lost}", "remove that file, or use --data-dir")
        return False
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        owner = "" if _is_mine(folder) else " (it belongs to another user)"
        report.problem(
            "data folder",
            f"{folder} cannot be written{owner}, so {lost}",
            f"make it yours (chown, chmod 700 {folder}), or use --data-dir",
        )
    elif mode & 0o077:
        report.note("data folder", f"{folder}, {mode & 0o777:04o}: others may look into it", f"chmod 700 {folder}")
    else:
        report.ok("data folder", f"{folder}, {mode & 0o777:04o}")
    if (system := _file_system(folder)) in _REMOTE:
        report.note(
            "data folder",
            f"it is on a network file system ({system}), where SQLite's locks do not always hold",
            "use tui-chat on one machine at a time there, or put --data-dir on a local disk",
        )
    return True


def _check_private(report: Report, name: str, path: Path, missing: str = "") -> None:
    if not path.exists():
        if missing:
            report.ok(name, missing)
    elif not os.access(path, os.R_OK | os.W_OK):
        owner = "" if _is_mine(path) else ", it belongs to another user"
        report.problem(name, f"{path} cannot be read and written{owner}", f"make it yours (chown, chmod 600 {path})")
    elif _mode(path) & 0o077:
        report.note(name, f"{path}, {_described(path)}: others may look into it", f"chmod 600 {path}")
    else:
        report.ok(name, f"{path.name}, {_described(path)}")


def _check_room(report: Report, folder: Path, database: Path) -> None:
    free = shutil.disk_usage(folder).free
    needed = 2 * database.stat().st_size if database.exists() else 0
    if free < FULL:
        report.problem("free space", f"{size_of(free)}: the next reply may not be stored", "make room on that disk")
    elif free < max(NARROW, needed):
        report.note("free space", f"{size_of(free)} is little", "an upgrade copies the database first")
    else:
        report.ok("free space", size_of(free))


def _nearest(path: Path) -> Path:
    """The nearest folder above that is there."""
    return next((parent for parent in path.parents if parent.exists()), Path(path.anchor or "."))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _described(path: Path) -> str:
    return f"{size_of(path.stat().st_size)}, {_mode(path):04o}"


def _is_mine(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.stat().st_uid == os.geteuid()


def _file_system(path: Path) -> str:
    """The type of the file system at `path`, as Linux calls it; '' where that is not told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        place = path.resolve()
    except OSError:
        return ""
    found = ("", "")
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        if place.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, right.split()[0])
    return found[1]
