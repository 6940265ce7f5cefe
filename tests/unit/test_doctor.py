"""The doctor: how it prints, which versions and credentials it sees, and that one broken thing hides no other."""

import io
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.unit.doctor_reports import CANARY, Said, quiet, said, verdicts
from tui_chat import doctor
from tui_chat.config import Config, Flags, load
from tui_chat.doctor import program
from tui_chat.doctor.credentials import check_credentials
from tui_chat.doctor.program import check_program, fits
from tui_chat.doctor.report import Finding, Report, lines_of, size_of
from tui_chat.errors import UsageError

# How it is printed ---------------------------------------------------------------------------------------------------


class Printed:
    """A report's text as it is written."""

    def __init__(self, **options: Any) -> None:
        self.pieces: list[str] = []
        self.report = Report(self.pieces.append, **options)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def fill(report: Report) -> None:
    report.section("Files")
    report.ok("data folder", "/home/somebody/.local/share/tui-chat, 0700")
    report.note("log", "it is long " * 9, "remove it")
    report.section("Server")
    report.problem("answer", "none\nat all", "check the network " * 5)
    report.end("not healthy: 1 problem, 1 note; no message was sent")


@pytest.mark.parametrize("width", [40, 80, 100])
def test_every_line_fits(width: int) -> None:
    printed = Printed(width=width)
    fill(printed.report)
    lines = printed.text.splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if not line.startswith((" ", "ok", "note", "problem", "not healthy", "was"))] == [
        "Files",
        "",
        "Server",
        "",
    ][: len(lines)] or width == 40
    assert "\x1b" not in printed.text
    assert "".join(printed.text.split()) == "".join(_plain().split())


def _plain() -> str:
    printed = Printed()
    fill(printed.report)
    return printed.text


def test_in_a_pipe_a_finding_is_one_line() -> None:
    lines = _plain().splitlines()
    assert lines[0] == "Files"
    assert lines[1] == "ok       data folder: /home/somebody/.local/share/tui-chat, 0700"
    assert lines[2].startswith("note     log: it is long it is long")
    assert lines[3] == "         -> remove it"
    assert lines[5] == "Server"
    assert lines[6] == "problem  answer: none at all"  # a line end of somebody else's is none of ours
    assert lines[-1] == "not healthy: 1 problem, 1 note; no message was sent"


def test_each_thing_is_said_at_once() -> None:
    printed = Printed()
    printed.report.section("Files")
    printed.report.ok("log", "none")
    assert printed.text.endswith("ok       log: none\n")


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed(width=80, styled=True)
    fill(printed.report)
    assert "\x1b[1;31mproblem  \x1b[0manswer" in printed.text
    monkeypatch.setenv("NO_COLOR", "1")
    printed = Printed(width=80, styled=True)
    fill(printed.report)
    assert "\x1b[1;31m" not in printed.text


def test_what_takes_a_while_is_wiped_away() -> None:
    plain, styled = Printed(), Printed(width=40, styled=True)
    for printed in (plain, styled):
        printed.report.working("reading " * 20)
        printed.report.ok("integrity", "sound")
    assert plain.text == "ok       integrity: sound\n"
    waiting, rest = styled.text.split("\r\x1b[K")
    assert "reading" in waiting
    assert len(waiting.replace("\x1b[2m", "").replace("\x1b[0m", "")) < 40
    assert "integrity: sound" in rest


def test_letters_that_the_output_cannot_hold_are_spelt() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    report = Report.to(stream, lambda text, file: file.write(text))
    report.ok("data folder", "/home/zoë")
    stream.flush()
    assert stream.buffer.getvalue() == b"ok       data folder: /home/zo\\xeb\n"


def test_sizes() -> None:
    assert [size_of(each) for each in (0, 1, 999, 1_000, 1_250_000, 3.4e9)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "3.4 GB",
    ]


def test_control_characters_do_nothing() -> None:
    (line,) = lines_of(Finding("Server", "ok", "name", "a\x1b]0;b\x07\nc"), None)
    assert line == "ok       name: a␛]0;b␇ c"


# Versions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "wanted", "inside"),
    [
        ("8.2.8", ">=8.2.8,<8.3", True),
        ("8.3", ">=8.2.8,<8.3", False),
        ("8.2.7", ">=8.2.8,<8.3", False),
        ("8.10.1", ">=8.2.8", True),
        ("3.0", "<3", False),
        ("2.99", "<3,>=2.11", True),
        ("4", ">=4.0.0", True),
        ("1.2rc1", ">=1.2", True),
        ("1.0", "", True),
        ("1.0", "!=1.0", False),
    ],
)
def test_which_versions_fit(version: str, wanted: str, inside: bool) -> None:
    assert fits(version, wanted) is inside


def test_the_versions_of_this_installation() -> None:
    report = quiet()
    check_program(report)
    assert verdicts(said(report)) == {"ok"}
    assert {"tui-chat", "Python", "SQLite", "textual", "anthropic", "system"} == set(said(report))
    assert sqlite3.sqlite_version in said(report)["SQLite"][1]


def test_a_library_that_is_missing_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "textual<8,>=7",
        "no-such-library>=1",
        'pytest>=1000; extra == "dev"',
        "anthropic[x]>=2; python_version>'3'",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: lines)
    report = quiet()
    check_program(report)
    assert said(report)["textual"][0] == "problem"
    assert said(report)["no-such-library"][:2] == ("problem", "is not installed")
    assert said(report)["anthropic"][0] == "ok"
    assert "pytest" not in said(report)


@pytest.mark.parametrize("what", ["old", "without"])
def test_an_sqlite_that_will_not_do(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    if what == "old":
        monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 33, 0))
    else:
        monkeypatch.setattr(program, "_has_full_text_search", lambda: False)
    report = quiet()
    check_program(report)
    assert said(report)["SQLite"][0] == "problem"
    assert "FTS5" in said(report)["SQLite"][2]


# Credentials ---------------------------------------------------------------------------------------------------------


def examined_credentials(environ: dict[str, str], **changes: Any) -> Said:
    report = quiet()
    config = Config(Path("/d"), Path("/c/config.toml"), **changes)
    check_credentials(report, config, environ)
    assert "canary" not in str([(each.text, each.advice) for each in report.findings])
    return said(report)


def test_the_key_that_is_used() -> None:
    found = examined_credentials({"ANTHROPIC_API_KEY": CANARY, "ANTHROPIC_AUTH_TOKEN": CANARY})
    assert found["ANTHROPIC_API_KEY"] == ("ok", "set", "")
    assert found["ANTHROPIC_AUTH_TOKEN"] == ("ok", "set, but not used: another comes first", "")
    assert found["used"] == ("ok", "ANTHROPIC_API_KEY, at api.anthropic.com", "")
    assert examined_credentials({"ANTHROPIC_AUTH_TOKEN": CANARY})["ANTHROPIC_AUTH_TOKEN"][1] == "set"


@pytest.mark.parametrize("value", [f"{CANARY}\n", f" {CANARY}", f"{CANARY}é", f"{CANARY}\x00"])
def test_a_key_that_no_header_can_hold(value: str) -> None:
    verdict, text, _ = examined_credentials({"ANTHROPIC_API_KEY": value})["ANTHROPIC_API_KEY"]
    assert verdict == "problem"
    assert "no key has" in text


def test_no_credentials() -> None:
    assert examined_credentials({}, demo=True)["used"][0] == "note"
    assert examined_credentials({}, demo=True, demo_chosen=True)["used"][0] == "ok"
    assert examined_credentials({"ANTHROPIC_API_KEY": ""}, demo=True)["ANTHROPIC_API_KEY"][0] == "note"
    assert examined_credentials({}, base_url="https://api.anthropic.com", has_credentials=False)["used"][0] == "problem"
    assert examined_credentials({}, base_url="http://localhost:1", has_credentials=False)["used"][0] == "ok"


def test_profiles(tmp_path: Path) -> None:
    folder = tmp_path / "home" / ".config" / "anthropic"
    for name in ("configs/work.json", "configs/default.json", "credentials/work.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'{{"access_token": "{CANARY}"}}')
        (folder / name).chmod(0o600)
    found = examined_credentials({})
    assert found["profiles"][1] == "default, work"
    assert found["used"][1] == "profile default, at api.anthropic.com"
    assert examined_credentials({"ANTHROPIC_PROFILE": "work"})["ANTHROPIC_PROFILE"][0] == "ok"
    assert examined_credentials({"ANTHROPIC_PROFILE": "gone"})["ANTHROPIC_PROFILE"][0] == "problem"
    (folder / "credentials" / "work.json").chmod(0o644)
    assert examined_credentials({})["profiles"][0] == "note"


def test_a_key_in_the_clear() -> None:
    environ = {"ANTHROPIC_API_KEY": CANARY}
    assert examined_credentials(environ, base_url="http://gateway.test:8080")["encryption"][0] == "note"
    for safe in ("https://gateway.test", "http://localhost:1", "http://127.0.0.1"):
        assert "encryption" not in examined_credentials(environ, base_url=safe)


def test_federation() -> None:
    environ = {
        "ANTHROPIC_IDENTITY_TOKEN": CANARY,
        "ANTHROPIC_FEDERATION_RULE_ID": CANARY,
        "ANTHROPIC_ORGANIZATION_ID": CANARY,
    }
    found = examined_credentials(environ)
    assert "ANTHROPIC_IDENTITY_TOKEN" in found["federation"][1]
    assert found["used"][1].startswith("ANTHROPIC_IDENTITY_TOKEN,")


# What the settings fall back to --------------------------------------------------------------------------------------


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "home" / ".config" / "tui-chat" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_without_the_broken_part(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load(Flags())
    config_file.write_text("modle = 'x'")
    settings, complaint = doctor._settings(Flags())
    assert complaint is not None
    assert "modle" in str(complaint)
    assert (settings.config_file, settings.data_dir) == (config_file, usual.data_dir)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:1")
    assert doctor._settings(Flags())[0].base_url == "http://localhost:1"
    config_file.write_text("model = 'x'")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "localhost:1")
    settings, complaint = doctor._settings(Flags())
    assert complaint is not None
    assert (settings.model, settings.base_url) == ("x", None)
    with pytest.raises(UsageError, match="'nonsense'"):
        doctor._settings(Flags(base_url="nonsense"))


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError(CANARY)

    monkeypatch.setattr(doctor, "check_database", broken)
    assert doctor.main(["--demo"]) == 1
    out = capsys.readouterr().out
    assert "problem  database: this check failed (ZeroDivisionError)" in out
    assert "GET /v1/models" in out
    assert "not healthy: 1 problem" in out
    assert CANARY not in out
