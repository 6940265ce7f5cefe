"""Opening what lies inside one folder, and nothing else, whatever the path says and whatever happens meanwhile.

Why it exists: a path comes from a model, which may have read it in a hostile file. `..`, absolute paths and links that
lead outside are refused by where they really lead; so are pipes, devices and sockets (opening one can hang, or act), and
files that usually hold secrets.
What it must not know: what is done with what was opened.

How: the path is resolved first, links followed, and must be inside the folder. But between that look and the opening
any part may be swapped for a link. So the resolved path is opened part by part, each relative to the one before, none
allowed to be a link: what is then in hand was inside the folder, whoever renames what. Where the system cannot open
relative to a folder (Windows), the path is opened as a whole, resolved and opened again, and both must be the same
file: that narrows the gap and does not close it.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Final

from tui_chat.engine.tools.tool import ToolError, quoted

SECRET_FOLDERS: Final = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".git", ".terraform.d"),
)
SECRET_SETTINGS: Final = (
    "anthropic",
    "gh",
    "rclone",
    "gcloud",
    "tui-chat",
)  # inside a folder of all programs' settings
_SETTINGS: Final = (".config", "appdata", "local", "roaming", "application support", "share")
SECRET_FILES: Final = (
    *(".env*", ".netrc", "_netrc", ".git-credentials", ".npmrc", ".pypirc", ".pgpass", ".htpasswd"),
    *(
        "credentials",
        "credentials.*",
        "*credentials.json",
        ".vault-token",
        ".my.cnf",
        ".*_history",
        "id_rsa*",
        "id_dsa*",
        "id_ecdsa*",
        "id_ed25519*",
    ),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx"),
)
_KERNEL_FOLDERS: Final = ("/proc", "/sys")  # not files; among them are the environments of programs, keys included
_LONGEST_PATH: Final = 4_096  # characters

# Not all systems have all flags. O_NONBLOCK: a pipe swapped in at the last moment must not hang.
_READ: Final = os.O_RDONLY | sum(
    getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)
_PASS_THROUGH: Final = sum(getattr(os, flag, 0) for flag in ("O_PATH", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"))
CAN_WALK: Final = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


@dataclass(frozen=True, slots=True)
class Opened:
    """A regular file, or a folder, inside the allowed one.

    `name` is relative to the allowed folder, with "/", and "." for itself. `place` is what `os.read` (a descriptor) or
    `os.scandir` takes.
    """

    name: str
    is_folder: bool
    place: int | str


class AllowedFolder:
    """The folder `root`, resolved once. `walk` is for tests: which of the two ways of opening."""

    def __init__(self, root: Path, *, walk: bool = CAN_WALK) -> None:
        try:
            self.root = os.path.realpath(root)
        except OSError:  # the working directory was removed, and the folder is named relative to it
            self.root = str(root)
        self._walk = walk

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Opened]:
        """What `path` (relative to the folder, or absolute) leads to, open for reading while the context lasts.

        ToolError if it leads outside, is missing, may not be read, is neither file nor folder, or may hold a secret; also
        for what the system reports while it is read.
        """
        parts = self._resolve(path)
        place: int | str | None = None
        try:
            place = _walk(self.root, parts) if self._walk else _open_whole(str(Path(self.root, *parts)))
            is_folder = not isinstance(place, int) or stat.S_ISDIR(os.fstat(place).st_mode)
            yield Opened("/".join(parts) or ".", is_folder, place)
        except OSError as error:
            raise _refusal(error, path) from None
        finally:
            if isinstance(place, int):
                os.close(place)

    def _resolve(self, path: str) -> Sequence[str]:
        """The parts of where `path` really leads, relative to the folder."""
        if not path or len(path) > _LONGEST_PATH or "\0" in path:
            raise ToolError('This is not a path; "." is the allowed folder, all others are relative to it.')
        if not Path(self.root).is_dir():
            raise ToolError("The allowed folder does not exist.")
        try:
            resolved = Path(os.path.realpath(Path(self.root, path)))
        except (ValueError, OSError, RecursionError):  # not a name here; a chain of links without an end
            raise ToolError(f"{quoted(path)} is not a usable path.") from None
        if not resolved.is_relative_to(self.root) or any(resolved.is_relative_to(each) for each in _KERNEL_FOLDERS):
            raise ToolError(f"{quoted(path)} is outside the allowed folder; give a path relative to it.")
        parts = resolved.relative_to(self.root).parts
        # A link may lead to a secret under a harmless name, or be named as one itself.
        if may_be_secret(parts, Path(self.root).name) or may_be_secret((Path(path).name,)):
            raise ToolError(f"{quoted(path)} may hold secrets and is never read.")
        return parts


def may_be_secret(parts: Sequence[str], root: str = "") -> bool:
    """Whether a path of these parts, in a folder of the name `root`, is one of those that usually hold keys or passwords."""
    names = [part.casefold() for part in parts]
    if os.name == "nt" and any(":" in name for name in names):
        return True  # another stream of a file, under a name that no pattern knows
    if any(each in _SETTINGS and inner in SECRET_SETTINGS for each, inner in pairwise([root.casefold(), *names])):
        return True
    return any(name in SECRET_FOLDERS for name in names) or any(
        fnmatchcase(name, pattern) for name in names[-1:] for pattern in SECRET_FILES
    )


def _walk(root: str, parts: Sequence[str]) -> int:
    """A descriptor of what the resolved `parts` name, no part of which is a link at the moment it is passed."""
    folder = os.open(root, _PASS_THROUGH)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _PASS_THROUGH, dir_fd=folder)
            os.close(folder)
            folder = inner
        last = parts[-1] if parts else "."
        _check_kind(os.stat(last, dir_fd=folder, follow_symlinks=False))  # before opening: that alone can act
        descriptor = os.open(last, _READ, dir_fd=folder)
    finally:
        os.close(folder)
    return _checked(descriptor)


def _open_whole(path: str) -> int | str:
    """A descriptor of the resolved `path`, or the path itself for a folder, which Windows does not open."""
    found = os.lstat(path)
    _check_kind(found)
    if stat.S_ISDIR(found.st_mode):
        if os.path.realpath(path) != path:
            raise OSError(errno.ELOOP, "")
        return path
    descriptor = _checked(os.open(path, _READ))
    try:
        again = os.open(os.path.realpath(path), _READ)
        try:
            if os.path.realpath(path) != path or not os.path.sameopenfile(descriptor, again):
                raise OSError(errno.ELOOP, "")
        finally:
            os.close(again)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _checked(descriptor: int) -> int:
    """`descriptor` if it is still a file or a folder, else it is closed."""
    try:
        _check_kind(os.fstat(descriptor))
    except ToolError:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, "")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise ToolError("This is neither a file nor a folder but a pipe, a device or a socket, and is never opened.")


def _refusal(error: OSError, path: str) -> ToolError:
    match error.errno:
        case errno.ENOENT:
            return ToolError(f"There is no {quoted(path)}; read its folder to see what is there.")
        case errno.EACCES | errno.EPERM:
            return ToolError(f"{quoted(path)} may not be read: permission denied.")
        case errno.ENOTDIR:
            return ToolError(f"{quoted(path)} leads through something that is not a folder.")
        case errno.ELOOP:
            return ToolError(f"{quoted(path)} is a link that leads in a circle, or changed while it was opened.")
    return ToolError(f"{quoted(path)} cannot be read: {error.strerror or 'unknown error'}.")
