"""What may leave the machine: texts without keys, names, the user's folders and hosts.

Two nets. The first knows what is secret or personal here (values of variables, home, user, hosts, paths) and takes it out wherever
it stands; the second takes out what looks like such a thing wherever it came from. Each leaves a word in brackets that says
what was there. It must not know where a text is from.
"""

import contextlib
import getpass
import os
import re
import socket
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tui_chat.config import Config
from tui_chat.prices import ANTHROPIC_HOST

WITHHELD: Final = "<withheld>"
_SHORTEST: Final = 4  # characters of a host or a folder; shorter ones would be found in other words
_SHORTEST_NAME: Final = 3
_SHORTEST_SECRET: Final = 8
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|ANTHROPIC_(?!MODEL|BASE_URL)", re.IGNORECASE)
_OPEN_HOSTS: Final = re.compile(r"(?:[\w-]+\.)*anthropic\.com|localhost|127\.0\.0\.1|\[::1\]|demo")

_LOOKS_LIKE: Final = (
    (re.compile(r"sk-[A-Za-z0-9_-]{6,}"), "<key>"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), r"\1 <key>"),
    (
        re.compile(
            r"(?i)([\w-]*(?:api[_-]?key|token|secret|passw\w*|authorization)[\w-]*[\"']?\s*[=:]\s*[\"']?)[^\s,;\"']{8,}"
        ),
        r"\1<key>",
    ),
    (re.compile(r"\beyJ[\w-]+\.[\w.-]+"), "<key>"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "<address>"),
    (re.compile(r"(/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s:'\"]+"), r"\1<user>"),
    (re.compile(r"(?<![\w.:])(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), "<address>"),
    (
        re.compile(r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}|[0-9a-f]{1,4}::[0-9a-f:]*)", re.IGNORECASE),
        "<address>",
    ),
    (re.compile(r"(?<![\w/+-])[A-Za-z0-9+_-]{40,}={0,2}(?![\w/+-])"), "<key>"),
)
_URL: Final = re.compile(r"\b([a-z][a-z0-9+.-]*)://([^/\s'\"<>?#]*)([^\s'\"<>]*)", re.IGNORECASE)


class Redactor:
    """Takes out what belongs to this user and this machine."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        known = {
            (value, "<secret>")
            for name, value in environ.items()
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
        }
        places = [(str(path), word) for path, word in _folders(config)]
        places += [(host, "<host>") for host in _hosts(config, environ)]
        known |= {(text, word) for text, word in places if len(text) >= _SHORTEST}
        self._known = sorted(known, key=lambda pair: -len(pair[0]))  # a folder's name may begin with another's
        names = {
            name for name in _users(environ) if len(name) >= _SHORTEST_NAME and name not in ("root", "tui", "chat")
        }
        self._users = re.compile(rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, sorted(names)))})(?!\w)") if names else None

    def text(self, text: str, private: Iterable[str] = ()) -> str:
        """`text` with everything secret and personal replaced; `private` are parts that are withheld as they are."""
        for part in sorted(private, key=len, reverse=True):
            text = text.replace(part, WITHHELD) if part else text
        for value, word in self._known:
            text = text.replace(value, word)
        text = _URL.sub(_without_host, text)
        for pattern, word in _LOOKS_LIKE:
            text = pattern.sub(word, text)
        return self._users.sub("<user>", text) if self._users is not None else text


def _without_host(match: re.Match[str]) -> str:
    scheme, host, rest = match.groups()
    name, _, port = host.rpartition("@")[2].partition(":")
    if not _OPEN_HOSTS.fullmatch(name):
        name = "<host>"
    return f"{scheme}://{name}{':' + port if port.isdigit() else ''}{'/<path>' if rest.strip('/') else rest}"


def _folders(config: Config) -> list[tuple[Path, str]]:
    folders = [(config.data_dir, "<data folder>"), (config.config_file.parent, "<config folder>")]
    with contextlib.suppress(OSError, RuntimeError):  # no home directory
        folders += [(Path.home(), "~"), (Path.home().resolve(), "~")]
    with contextlib.suppress(OSError):  # it has been removed
        folders.append((Path.cwd(), "<working folder>"))
    folders += [(path.resolve(), name) for path, name in folders[:2]]
    return [(path, name) for path, name in folders if path != Path(path.anchor)]


def _hosts(config: Config, environ: Mapping[str, str]) -> set[str]:
    urls = [config.base_url or "", environ.get("ANTHROPIC_BASE_URL", ""), *urllib.request.getproxies().values()]
    hosts = set()
    for url in urls:
        try:
            hosts.add(urlsplit(url).hostname or "")
        except ValueError:  # a bracket left open
            hosts.add(url)
    hosts |= {socket.gethostname(), socket.gethostname().partition(".")[0], config.server.rpartition(":")[0]}
    return {host for host in hosts if host != ANTHROPIC_HOST and not _OPEN_HOSTS.fullmatch(host)}


def _users(environ: Mapping[str, str]) -> set[str]:
    names = {environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    with contextlib.suppress(OSError, RuntimeError, KeyError):  # no entry in the list of users
        names |= {getpass.getuser(), Path.home().name}
    if full := _full_name():
        names |= {full, *full.split()}
    return names


def _full_name() -> str:
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0].strip()
    except (ImportError, KeyError):
        return ""
