"""What holds for every test: a home of its own, none of the machine's settings, and no network but loopback.

Without it a test could read the developer's key, write into their conversations, or pass only on their machine.
"""

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import Any, Final

import pytest

# Variables that change what the program does or shows.
_UNWANTED: Final = re.compile(
    "(?i:https?|all|no|ws|wss|ftp)_PROXY$|(?i:https?|all|no|ws|wss|ftp)_proxy$"
    "|(?:ANTHROPIC|TUI_CHAT|SSH|TEXTUAL|XDG)_|ESCDELAY$|CLAUDE|NO_COLOR$|FORCE_COLOR$|COLUMNS$|LINES$"
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if _UNWANTED.match(name):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    folders = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": home / ".run",
        "USERPROFILE": home,  # the last three: Windows
        "APPDATA": home / "AppData" / "Roaming",
        "LOCALAPPDATA": home / "AppData" / "Local",
    }
    for name, folder in folders.items():
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every other address and name in this process. Programs that a test starts are on their honour."""
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def checked_connect(self: socket.socket, address: Any) -> None:
        _check(self.family, address)
        connect(self, address)

    def checked_connect_ex(self: socket.socket, address: Any) -> int:
        _check(self.family, address)
        return connect_ex(self, address)

    def checked_look_up(host: Any, *rest: Any, **named: Any) -> Any:
        if host is not None and not _is_loopback(host):
            raise RuntimeError(f"tests may not look up {host!r}: only loopback is allowed")
        return look_up(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", checked_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", checked_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", checked_look_up)


def _check(family: int, address: Any) -> None:
    if family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
        raise RuntimeError(f"tests may not connect to {address!r}: only loopback is allowed")


def _is_loopback(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", "")
