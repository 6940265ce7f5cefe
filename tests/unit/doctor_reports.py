"""Reports of the doctor, for the tests of its checks."""

import hashlib
import stat
from pathlib import Path
from typing import Any, Final

from tui_chat.config import Config
from tui_chat.doctor.report import Report

CANARY: Final = "sk-ant-canary-0123456789"
Said = dict[str, tuple[str, str, str]]


def quiet() -> Report:
    """A report that is printed nowhere."""
    return Report(lambda _: None)


def said(report: Report) -> Said:
    """Verdict, text and advice by name; of several with one name the last."""
    return {each.name: (each.verdict, each.text, each.advice) for each in report.findings}


def verdicts(found: Said) -> set[str]:
    """The verdicts that occur."""
    return {verdict for verdict, *_ in found.values()}


def config_at(folder: Path, **changes: Any) -> Config:
    """Settings whose places are below `folder`; nothing is there yet."""
    return Config(folder / "data", folder / "config" / "config.toml", **changes)


def fingerprint(folder: Path) -> dict[str, tuple[int, str, int]]:
    """Every file below `folder`: its mode, what is in it, and when it was written."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.stat().st_mode),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
    }
