"""Findings, and how they are printed: as they come, in words, at any width.

Each finding is a verdict, what was looked at, and what was found; a problem also says what to do. Wide or narrow, the verdict
stands first, so that `grep problem` works. In a pipe there are no colours and every finding is one line, its advice another.
It must not know what is looked at.
"""

import contextlib
import os
import shutil
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from tui_chat.text import sanitise_line

Verdict = Literal["ok", "note", "problem"]
Write = Callable[[str], object]

INDENT: Final = 9  # columns: the longest verdict and a gap
WIDEST: Final = 100  # columns; longer lines are hard to read
_COLOURS: Final = {"ok": "\x1b[32m", "note": "\x1b[33m", "problem": "\x1b[1;31m"}
_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"
_CLEAR_LINE: Final = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `private` are the parts of its texts that are nobody else's business: what came from outside."""

    section: str
    verdict: Verdict
    name: str
    text: str
    advice: str = ""
    private: tuple[str, ...] = ()


class Report:
    """Collects findings and writes each one at once. `width` None: do not wrap."""

    def __init__(self, write: Write, *, width: int | None = None, styled: bool = False) -> None:
        self._write, self._width, self._styled = write, width, styled
        self._section = ""
        self._working = False
        self.findings: list[Finding] = []

    @classmethod
    def to(cls, stream: Any, write: Callable[[str, Any], object]) -> Self:
        """A report on `stream`: a terminal has a width and, unless NO_COLOR says otherwise, colours."""
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        encoding = stream.encoding or "utf-8"

        def encodable(content: str) -> None:
            write(content.encode(encoding, "backslashreplace").decode(encoding), stream)

        width = min(WIDEST, shutil.get_terminal_size().columns) if stream.isatty() else None
        return cls(encodable, width=width, styled=terminal)

    def count(self, verdict: Verdict) -> int:
        """How many findings have that verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)

    def section(self, title: str) -> None:
        """Begin a section."""
        self._put(f"\n{self._in(_BOLD, title)}\n" if self._section else f"{self._in(_BOLD, title)}\n")
        self._section = title

    def ok(self, name: str, text: str, *, private: Iterable[str] = ()) -> None:
        """Something is as it should be."""
        self._add("ok", name, text, "", private)

    def note(self, name: str, text: str, advice: str = "", *, private: Iterable[str] = ()) -> None:
        """Something is worth knowing and keeps nothing from working."""
        self._add("note", name, text, advice, private)

    def problem(self, name: str, text: str, advice: str, *, private: Iterable[str] = ()) -> None:
        """Something does not work; `advice` says what to do."""
        self._add("problem", name, text, advice, private)

    def working(self, text: str) -> None:
        """Say what takes a while, where that can be taken back: on a terminal."""
        if self._styled:
            self._put(self._in(_DIM, f"{'...':<{INDENT}}{text}"[: (self._width or WIDEST) - 1]))
            self._working = True

    def end(self, text: str) -> None:
        """The last line."""
        self._put("\n" + "\n".join(_wrapped(text, self._width, "")) + "\n")

    def _add(self, verdict: Verdict, name: str, text: str, advice: str, private: Iterable[str]) -> None:
        finding = Finding(self._section, verdict, name, text, advice, tuple(private))
        self.findings.append(finding)
        first, *rest = lines_of(finding, self._width)
        self._put("\n".join([self._in(_COLOURS[verdict], first[:INDENT]) + first[INDENT:], *rest]) + "\n")

    def _in(self, style: str, text: str) -> str:
        coloured = self._styled and not (style in _COLOURS.values() and os.environ.get("NO_COLOR"))
        return f"{style}{text}{_PLAIN}" if coloured else text

    def _put(self, text: str) -> None:
        if self._working:
            text, self._working = _CLEAR_LINE + text, False
        with contextlib.suppress(ValueError):  # standard output was closed
            self._write(text)


def lines_of(finding: Finding, width: int | None) -> list[str]:
    """The finding as lines of at most `width` columns."""
    lines = _wrapped(f"{finding.verdict:<{INDENT}}{finding.name}: {finding.text}", width, " " * INDENT)
    if finding.advice:
        lines += _wrapped(f"{'':<{INDENT}}-> {finding.advice}", width, " " * (INDENT + 3))
    return lines


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    text = sanitise_line(text)
    if width is None:
        return [text]
    wrapper = textwrap.TextWrapper(
        max(width, INDENT + 12), subsequent_indent=indent, drop_whitespace=True, break_on_hyphens=False
    )
    return wrapper.wrap(text) or [""]


def size_of(count: float) -> str:
    """A number of bytes in words."""
    for name, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.0f} byte{'s' if count != 1 else ''}"
