"""Which credentials there are and which would be used. Never a character of one: not shown, not counted, not compared.

It looks where the SDK looks (`config.credentials_source`), without loading it.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tui_chat.config import Config, credentials_source, sdk_config_dir
from tui_chat.doctor.report import Report
from tui_chat.prices import ANTHROPIC_HOST

KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_FEDERATION: Final = (
    "ANTHROPIC_IDENTITY_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
    "ANTHROPIC_FEDERATION_RULE_ID",
    "ANTHROPIC_ORGANIZATION_ID",
)
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")


def check_credentials(report: Report, config: Config, environ: Mapping[str, str]) -> None:
    """Variables, profiles, and the one that counts."""
    source = credentials_source(environ)
    for name in KEYS:
        _check_key(report, name, environ, is_used=name == source)
    if parts := [name for name in _FEDERATION if environ.get(name)]:
        report.ok("federation", f"{', '.join(parts)} set")
    _check_profiles(report, environ)
    if config.demo:
        if config.demo_chosen:
            report.ok("used", "none; the demo needs no key")
        else:
            advice = "set ANTHROPIC_API_KEY to talk to Claude; until then the built-in demo answers"
            report.note("used", "none was found", advice)
    elif source is not None:
        report.ok(
            "used",
            f"{source}, at {config.server}",
            private=[source.removeprefix("profile ")] if source.startswith("profile ") else [],
        )
        _check_encryption(report, config)
    elif config.server == ANTHROPIC_HOST:
        report.problem("used", f"none was found for {config.server}", "set ANTHROPIC_API_KEY, or start with --demo")
    else:
        report.ok("used", f"none was found; {config.server} gets the word `local`, as servers without keys expect")


def _check_key(report: Report, name: str, environ: Mapping[str, str], *, is_used: bool) -> None:
    value = environ.get(name)
    if value is None:
        report.ok(name, "not set")
    elif not value:
        report.note(name, "set, but empty", f"unset {name}, or give it its value")
    elif not (value.isascii() and value.isprintable()) or " " in value:
        report.problem(
            name, "holds a space, a line end or another character that no key has", "set it again, without that"
        )
    else:
        report.ok(name, "set" if is_used else "set, but not used: another comes first")


def _check_profiles(report: Report, environ: Mapping[str, str]) -> None:
    """The SDK's profiles: their names are the user's own words, and stay out of a bundle."""
    chosen = environ.get("ANTHROPIC_PROFILE", "")
    try:
        folder = sdk_config_dir(environ)
    except RuntimeError:  # no home directory
        folder = Path(os.devnull)
    try:
        names = sorted(path.stem for path in (folder / "configs").glob("*.json"))
        secrets = sorted((folder / "credentials").glob("*.json"))
        open_ones = [path for path in secrets if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    except OSError:
        names, open_ones = [], []
    if chosen and chosen not in names:
        advice = "name one that is there, or unset ANTHROPIC_PROFILE"
        report.problem("ANTHROPIC_PROFILE", f"names a profile that is not there: {chosen}", advice, private=[chosen])
    elif chosen:
        report.ok("ANTHROPIC_PROFILE", f"set to {chosen}", private=[chosen])
    if names:
        report.ok("profiles", ", ".join(names), private=names)
    for path in open_ones:
        report.note("profiles", f"others may read {path}", f"chmod 600 {path}", private=[str(path)])


def _check_encryption(report: Report, config: Config) -> None:
    url = config.base_url or ""
    host = config.server.rpartition(":")[0] or config.server
    if url.startswith("http://") and host not in _LOCAL:
        report.note("encryption", f"none: the key goes to {config.server} in the clear", "use https if it can")
