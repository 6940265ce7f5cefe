"""The bundle: nothing secret or personal is in it, however it got near, and what is left is still of use."""

import logging
import os
import stat
from pathlib import Path
from typing import Any, Final

import pytest

from tui_chat import doctor
from tui_chat.config import Config
from tui_chat.doctor import log
from tui_chat.doctor.bundle import Bundle
from tui_chat.doctor.redaction import Redactor
from tui_chat.doctor.report import Finding, Report
from tui_chat.errors import UsageError

CANARY: Final = "canary"


def redactor(folder: Path, environ: dict[str, str] | None = None, **changes: Any) -> Redactor:
    return Redactor(Config(folder / "data", folder / "config" / "config.toml", **changes), environ or {})


# Texts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-canary0123",
        "sent sk-canary-x and more",
        "Authorization: Bearer canary.canary",
        'x-api-key: "canary-0123456789"',
        "api_key=canary0123456789",
        "ANTHROPIC_AUTH_TOKEN = 'canary0123456789'",
        "password: canary-canary",
        "the token eyJcanary.eyJcanary.canary",
        "write to canary@example.org",
        "https://canary.example.com:8443/v1/messages?key=canary",
        "http://user:canary@127.0.0.1:8080/canary",
        "/home/canary/x and /Users/canary/y and C:\\Users\\canary\\z",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2canary",
    ],
)
def test_what_looks_like_a_secret(tmp_path: Path, text: str) -> None:
    assert CANARY not in redactor(tmp_path).text(text)


@pytest.mark.parametrize("address", ["192.168.7.13", "10.0.0.1", "2001:db8:0:1:1:1:1:1", "fe80::1:2:3"])
def test_addresses(tmp_path: Path, address: str) -> None:
    assert address not in redactor(tmp_path).text(f"no route to {address} today")


@pytest.mark.parametrize(
    "text",
    [
        "ok       ANTHROPIC_API_KEY: not set",
        "ok       ANTHROPIC_AUTH_TOKEN: set, but not used: another comes first",
        "https://api.anthropic.com",
        "http://127.0.0.1:8080",
        "version 3; SQLite 3.40.1, Linux-6.18.44-x86_64-with-glibc2.36",
        "conversations.db-wal, 1.2 MB, 0600",
        "claude-haiku-4-5-20251001 is not in the server's list",
        "2026-11-21 13:21:35,123 4711 INFO",
    ],
)
def test_what_is_of_use_stays(tmp_path: Path, text: str) -> None:
    assert redactor(tmp_path).text(text) == text


def test_what_is_known_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/canary")
    monkeypatch.setattr("socket.gethostname", lambda: "canary-laptop.lan")
    environ = {
        "ANTHROPIC_API_KEY": "canary-without-a-form",
        "GITHUB_TOKEN": "canary-of-another",
        "USER": "canarina",
        "ANTHROPIC_BASE_URL": "https://canary-gateway/x",
    }
    found = redactor(tmp_path / "canary", environ, base_url="https://canary.host.test")
    text = (
        f"canary-without-a-form canary-of-another Canarina said: /srv/canary/x {tmp_path}/canary/data/tui-chat.log "
        f"on canary-laptop.lan, canary-laptop, canary-gateway and canary.host.test"
    )
    assert found.text(text) == (
        "<secret> <secret> <user> said: ~/x <data folder>/tui-chat.log on <host>, <host>, <host> and <host>"
    )


def test_private_parts(tmp_path: Path) -> None:
    assert redactor(tmp_path).text("refused: my canary, canary", ["canary", "my canary"]) == (
        "refused: <withheld>, <withheld>"
    )


# The log ---------------------------------------------------------------------------------------------------------------

STAMP: Final = "2026-11-21 13:21:35,123 4711"


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """A log as the program writes it, of what has gone wrong near a canary."""
    path = tmp_path / "tui-chat.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("tui_chat.session")
    logger.addHandler(handler)
    try:
        logger.warning("the store could not be opened: %s", "canary")
        logger.warning("the end of turn %s was not stored: %s", "canary", "near canary: canary")
        logger.warning("canary, which nobody wrote")
        logger.info("no title came from the model: %s", "canary\ncanary: CanaryError\n  File canary\nTraceback canary")
        try:
            int("canary: canary")
        except ValueError as error:
            logger.critical("a turn failed because of a bug", exc_info=error)
    finally:
        logger.removeHandler(handler)
        handler.close()
    return path


def test_of_the_log_only_our_own_sentences_are_kept(log_file: Path) -> None:
    assert CANARY in log_file.read_text()
    lines = log.last_part(log_file)
    text = "\n".join(lines)
    assert CANARY not in text.lower()
    assert "WARNING tui_chat.session: the store could not be opened: <withheld>" in lines[0]
    assert "the end of turn <withheld> was not stored: <withheld>" in lines[1]
    assert lines[2].endswith(" WARNING tui_chat.session: <withheld>")
    assert "a turn failed because of a bug" in text
    assert "Traceback (most recent call last):" in text
    assert "ValueError: <withheld>" in lines
    assert "  <withheld>: " in text


def test_places_in_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        f"{STAMP} CRITICAL tui_chat.cli: unexpected error\n"
        "Traceback (most recent call last):\n"
        '  File "/home/canary/venv/lib/python3.11/site-packages/tui_chat/store/database.py", line 90, in writing\n'
        "    canary = 1\n"
        '  File "/home/canary/script.py", line 3, in canary\n'
        '  File "/usr/lib/python3.11/sqlite3/dbapi2.py", line 1, in <module>\n'
        "sqlite3.OperationalError: canary is locked\n"
        "canary: something\n"
        f"{STAMP} INFO canary.library: hello\n"
    )
    assert log.last_part(path) == [
        f"{STAMP} CRITICAL tui_chat.cli: unexpected error",
        "Traceback (most recent call last):",
        "  tui_chat/store/database.py, line 90, in writing",
        "  <withheld>: 2 lines",
        "  sqlite3/dbapi2.py, line 1, in <module>",
        "sqlite3.OperationalError: <withheld>",
        "  <withheld>: 1 line",
        f"{STAMP} INFO <withheld>: <withheld>",
    ]


def test_only_the_end_of_a_long_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"{STAMP} INFO tui_chat.cli: unexpected error\n" * 20_000)
    assert len(log.last_part(path)) == log.LAST_LINES


def test_no_log(tmp_path: Path) -> None:
    assert log.last_part(tmp_path / "none") == ["(there is no log)"]
    assert log.last_part(tmp_path) == ["(the log cannot be read: IsADirectoryError)"]


def test_our_sentences_are_found_in_our_source() -> None:
    known = {words for _, words in log.sentences()}
    assert "the store could not be opened: <withheld>" in known
    assert "unexpected error" in known
    assert not any(CANARY in words for words in known)
    assert all(words.replace("<withheld>", "").strip(" :%.") for words in known)


# The file --------------------------------------------------------------------------------------------------------------


def test_the_file_is_private_and_new(tmp_path: Path) -> None:
    config = Config(tmp_path / "data", tmp_path / "config.toml")
    before = os.umask(0)
    try:
        Bundle(tmp_path / "report.txt", config).write([Finding("Server", "ok", "name", "found")], 1.7e9)
    finally:
        os.umask(before)
    path = tmp_path / "report.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "# Server\n\nok       name: found\n" in path.read_text()
    assert path.read_text().startswith("tui-chat doctor, 2023-11-14 22:13 UTC\n")
    with pytest.raises(UsageError, match="is there already"):
        Bundle(path, config)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is there already"):
        Bundle(tmp_path / "link", config)
    with pytest.raises(UsageError, match="cannot be written"):
        Bundle(tmp_path / "no folder" / "report.txt", config)


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "report.txt", Config(tmp_path / "data", tmp_path / "config.toml"))
    (tmp_path / "report.txt").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"):
        bundle.write([], 0.0)
    assert (tmp_path / "report.txt").read_text() == "mine"


SETTINGS: Final = """\
model = "claude-opus-5-5"
effort = "high"
max_tokens = 100
thinking = false
allow_tools = ["calculator"]
timeouts = { idle = 5 }
titles = "model"
system = "You are a canary."
base_url = "https://canary.test"
data_dir = "~/canary"
tools_root = "/srv/canary"
[keys]
canary = "ctrl+x"
"""


def test_the_settings_without_words_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(SETTINGS)
    Bundle(tmp_path / "report.txt", Config(tmp_path / "data", tmp_path / "config.toml")).write([], 0.0)
    text = (tmp_path / "report.txt").read_text()
    assert CANARY not in text.lower()
    for line in (
        'model = "claude-opus-5-5"',
        'effort = "high"',
        "max_tokens = 100",
        "thinking = false",
        "allow_tools = ['calculator']",
        "timeouts = {'idle': 5}",
        "system = <withheld>",
        "base_url = <withheld>",
        "keys = (1 keys)",
    ):
        assert f"\n{line}\n" in text, line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"canary = 'canary'\n", "(1 keys that are not known)"),
        (b"model = canary", "(it cannot be read: TOMLDecodeError)"),
        (b"\xff canary", "(it cannot be read: UnicodeDecodeError)"),
        (b"", "(it is empty)"),
        (b"model = 'my canary'", "model = <withheld>"),
        (b"timeouts = { canary = 'canary' }", "timeouts = <withheld>"),
    ],
)
def test_broken_settings(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    Bundle(tmp_path / "report.txt", Config(tmp_path / "data", tmp_path / "config.toml")).write([], 0.0)
    text = (tmp_path / "report.txt").read_text()
    assert CANARY not in text
    assert f"\n{line}\n" in text


def test_every_finding_that_holds_words_from_outside_marks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole doctor, in surroundings full of canaries."""
    home = tmp_path / "canary"
    profiles = home / ".config" / "anthropic" / "configs"
    profiles.mkdir(parents=True)
    (profiles / "zanzibar.json").write_text('{"canary": 1}')
    settings = home / ".config" / "tui-chat" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("zanzibar = 'sk-canary'")
    data = home / "canary's data"
    data.mkdir()
    for name in ("conversations.db", "conversations.db.damaged-20260101-120000", "tui-chat.log"):
        (data / name).write_text("canary\n" * 200)
    changes = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "USER": "canary",
        "ANTHROPIC_API_KEY": "canary canary",
        "ANTHROPIC_AUTH_TOKEN": "canary-token",
        "ANTHROPIC_PROFILE": "zanzi",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/canary",
        "TUI_CHAT_DATA_DIR": str(data),
        "TMUX": "/tmp/canary,1,0",
        "SSH_CONNECTION": "192.168.7.13 1 192.168.7.14 22",
        "HTTPS_PROXY": "http://canary:canary@proxy.canary:3128",
    }
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("socket.gethostname", lambda: "canary-laptop")
    monkeypatch.chdir(home)
    assert doctor.main(["--bundle", "report.txt"]) == 1
    shown = capsys.readouterr().out
    assert "zanzibar" in shown  # it is the user's own to see
    for secret in ("canary-token", "canary canary", "sk-canary"):
        assert secret not in shown.replace("'sk-canary'", "")
    text = (home / "report.txt").read_text()
    assert "# Terminal" in text
    assert [line for line in text.splitlines() if CANARY in line.lower() or "zanzi" in line] == []
    assert "192.168" not in text


def test_the_doctor_writes_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert doctor.main(["--demo", "--bundle", str(tmp_path / "report.txt")]) == 0
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "report.txt"])
    assert f"the report is in {tmp_path / 'report.txt'}" in capsys.readouterr().out


def test_a_report_is_what_was_printed(tmp_path: Path) -> None:
    pieces: list[str] = []
    report = Report(pieces.append)
    report.section("Server")
    report.problem("answer", "none", "check the network")
    Bundle(tmp_path / "report.txt", Config(tmp_path / "data", tmp_path / "c.toml")).write(report.findings, 0.0)
    assert "problem  answer: none\n         -> check the network\n" in (tmp_path / "report.txt").read_text()
