"""The report as one file to hand on: findings, settings, the end of the log, and nothing secret or personal.

Of the config file only what cannot be anybody's own words is written: switches, numbers, names of models, efforts and tools. It is
the user's file, whole or not at all, 0600, and never in place of another.
"""

import os
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tui_chat.config import Config
from tui_chat.doctor.log import last_part
from tui_chat.doctor.redaction import WITHHELD, Redactor
from tui_chat.doctor.report import Finding, lines_of
from tui_chat.errors import UsageError
from tui_chat.text import sanitise

_WORDS: Final = ("effort", "titles", "theme", "model", "allow_tools")  # short names, not sentences
_KNOWN: Final = (
    *_WORDS,
    "system",
    "base_url",
    "data_dir",
    "tools_root",
    "max_tokens",
    "thinking",
    "caching",
    "tools",
    "escape_wait_ms",
    "wire_memory_mb",
    "timeouts",
    "keys",
)
_HEAD: Final = """\
tui-chat doctor, {when}
What stands in <> was taken out: keys, prompts, titles, names, folders, hosts.
"""


class Bundle:
    """A report for `path`, of a run with `config`."""

    def __init__(self, path: Path, config: Config) -> None:
        """UsageError: nothing can be written there, or something is there already."""
        self._path, self._config = path, config
        self._redactor = Redactor(config, os.environ)
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already", "give --bundle a new name; nothing is overwritten")
        if not (path.absolute().parent.is_dir() and os.access(path.absolute().parent, os.W_OK)):
            raise UsageError(f"{path} cannot be written", "give --bundle a name in a folder of yours")

    def write(self, findings: Sequence[Finding], at: float) -> Path:
        """Write the file and return its path; `at` is the wall clock. UsageError: it cannot be written."""
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        parts = [_HEAD.format(when=when), *self._report(findings), "\n# Config file\n", *self._settings(), "\n# Log\n"]
        parts += [self._redactor.text(line) for line in last_part(self._config.log_file)]
        text = sanitise("\n".join(parts)) + "\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                os.fchmod(file.fileno(), 0o600)  # whatever the umask
                file.write(text)
        except OSError as error:
            raise UsageError(f"{self._path} cannot be written ({error.strerror})", "choose another place") from None
        return self._path

    def _report(self, findings: Sequence[Finding]) -> list[str]:
        lines, section = [], ""
        for finding in findings:
            if finding.section != section:
                section = finding.section
                lines.append(f"\n# {section}\n")
            lines += [self._redactor.text(line, finding.private) for line in lines_of(finding, None)]
        return lines

    def _settings(self) -> list[str]:
        try:
            table = tomllib.loads(self._config.config_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return ["(there is none)"]
        except (OSError, ValueError) as error:
            return [f"(it cannot be read: {type(error).__name__})"]
        lines = [
            self._redactor.text(f"{name} = {_shown(name, value)}") for name, value in table.items() if name in _KNOWN
        ]
        unknown = len(table) - len(lines)
        return [*lines, *([f"({unknown} keys that are not known)"] if unknown else [])] or ["(it is empty)"]


def _shown(name: str, value: Any) -> str:
    """A setting without anybody's own words."""
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if name in _WORDS and isinstance(value, str) and len(value) <= 60 and " " not in value:
        return f'"{value}"'
    if name in _WORDS and isinstance(value, list) and all(isinstance(each, str) and " " not in each for each in value):
        return str(value)
    if name == "timeouts" and isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values()):
        return str(value)
    if name == "keys" and isinstance(value, dict):
        return f"({len(value)} keys)"
    return WITHHELD
