"""The terminal: what it says it is, and what it answers when it is asked.

Asked are only terminals: standard input and output are one, and we are in its foreground. All questions go out at once with one
behind them that every terminal answers (its device attributes), so a terminal that knows none of the others costs no time-out.
Its modes are restored whatever happens, and what came late is thrown away with them.
"""

import contextlib
import locale
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tui_chat.doctor.report import Report
from tui_chat.ui import clipboard

PATIENCE: Final = 1.0  # seconds until a terminal that says nothing is left alone
PATIENCE_SSH: Final = 3.0
SMALLEST: Final = (40, 10)  # columns and rows that the chat is made for
SLOW_ESCAPE: Final = 50  # ms

_UTF8_PROBE: Final = "\r\u00e9\x1b[6n\r\x1b[K"  # where the cursor is after one letter of two bytes
_KITTY: Final = "\x1b[?u"
_NAME: Final = "\x1b[>0q"
_MODES: Final = {"bracketed paste": 2004, "mouse": 1006, "synchronised output": 2026}
_DEVICE: Final = "\x1b[c"
_DEVICE_ANSWER: Final = re.compile(rb"\x1b\[\?[\d;]*c")
_PLAIN_TERMINALS: Final = ("linux", "dumb", "unknown", "")  # they draw parts of what they do not know


@dataclass(frozen=True, slots=True)
class Answers:
    """What a terminal said; None: nothing about that."""

    came: bool = False
    name: str | None = None
    kitty_keys: bool = False
    column: int | None = None
    modes: Mapping[str, bool] | None = None


def check_terminal(report: Report, environ: Mapping[str, str]) -> None:
    """TERM, colours, encoding, size, keys, paste, mouse, clipboard, and what lies between us and the terminal."""
    asked = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if not asked:
        report.note("terminal", "none here (a pipe or a file)", "run it in a terminal to have that looked at as well")
    term = environ.get("TERM", "")
    if asked and term in ("", "dumb"):
        advice = "export TERM=xterm-256color, or whatever this terminal is"
        report.problem("TERM", f"{term or 'not set'}: the chat needs a terminal that can move its cursor", advice)
    else:
        report.ok("TERM", term or "not set")
    report.ok("colours", _colours(environ))
    if asked:
        columns, rows = shutil.get_terminal_size()
        size = f"{columns} columns, {rows} rows"
        if columns < SMALLEST[0] or rows < SMALLEST[1]:
            report.note("size", size, f"{SMALLEST[0]} by {SMALLEST[1]} is the least that the chat is made for")
        else:
            report.ok("size", size)
    answers = _asked(report, environ) if asked else Answers()
    _check_encoding(report, answers)
    if answers.came:
        _check_answers(report, answers)
    elif asked and term not in _PLAIN_TERMINALS:
        report.note("answers", "none in time, so keys, paste and mouse are not known")
    _check_way(report, environ)
    way, tone = clipboard.route(environ)
    say = report.ok if tone == "information" else report.note
    say("clipboard", way)


def _colours(environ: Mapping[str, str]) -> str:
    if environ.get("NO_COLOR"):
        return "off, by NO_COLOR"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million (COLORTERM)"
    term = environ.get("TERM", "")
    return "256" if "256" in term or "kitty" in term or "alacritty" in term else "16, as far as TERM tells"


def _check_encoding(report: Report, answers: Answers) -> None:
    advice = "set LANG to a locale that ends in .UTF-8 (C.UTF-8 is one), and the terminal to UTF-8"
    if answers.column is not None and answers.column != 2:
        report.problem("encoding", "the terminal does not draw UTF-8", advice)
    elif locale.getencoding().lower().replace("-", "") != "utf8" and sys.flags.utf8_mode == 0:
        report.note("encoding", f"{locale.getencoding()}, by the locale", advice)
    else:
        report.ok("encoding", "UTF-8, and the terminal draws it" if answers.column == 2 else "UTF-8")


def _check_answers(report: Report, answers: Answers) -> None:
    if answers.name:
        report.ok("name", answers.name)
    if answers.kitty_keys:
        report.ok("kitty keyboard", "yes: Shift+Enter makes a new line")
    else:
        report.ok("kitty keyboard", "no: Shift+Enter sends; Ctrl+J or Alt+Enter makes a new line")
    for name in _MODES:
        known = (answers.modes or {}).get(name)
        if known is None:
            report.ok(name, "not known: this terminal does not say")
        elif known:
            report.ok(name, "yes")
        elif name == "bracketed paste":
            report.note(name, "no", "text that is pasted arrives as keys, so its line ends send it")
        else:
            report.ok(name, "no")


def _check_way(report: Report, environ: Mapping[str, str]) -> None:
    if environ.get("TMUX"):
        wait = _tmux_escape_time(environ)
        if wait is not None and wait > SLOW_ESCAPE:
            advice = "set -sg escape-time 10 in ~/.tmux.conf"
            report.note("tmux", f"its escape-time makes Escape wait {wait} ms", advice)
        else:
            report.ok("tmux", "yes" if wait is None else f"yes, escape-time {wait} ms")
    if environ.get("STY"):
        report.note("GNU screen", "it keeps Escape and the clipboard to itself", "in ~/.screenrc: maptimeout 10")
    if clipboard.over_ssh(environ):
        report.ok("SSH", "yes: Escape waits 40 ms; ESCDELAY or escape_wait_ms in the config file change that")
    if "ESCDELAY" in environ:
        report.ok("ESCDELAY", "set")


def _tmux_escape_time(environ: Mapping[str, str]) -> int | None:
    tmux = shutil.which("tmux", path=environ.get("PATH", os.defpath))
    if tmux is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the program is tmux
            (tmux, "show-options", "-sv", "escape-time"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=1,
            check=False,
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


# Asking --------------------------------------------------------------------------------------------------------------


def _asked(report: Report, environ: Mapping[str, str]) -> Answers:
    """What the terminal answers; nothing where it cannot be asked safely."""
    term = environ.get("TERM", "")
    if term in _PLAIN_TERMINALS:
        return Answers()
    report.working("asking the terminal")
    questions = _UTF8_PROBE + _KITTY + _NAME
    if environ.get("TERM_PROGRAM") != "Apple_Terminal":  # it draws the last letter of these
        questions += "".join(f"\x1b[?{number}$p" for number in _MODES.values())
    patience = PATIENCE_SSH if clipboard.over_ssh(environ) else PATIENCE
    return _read(ask(sys.stdin.fileno(), sys.stdout.fileno(), questions + _DEVICE, patience))


def ask(source: int, target: int, questions: str, patience: float) -> bytes:
    """Write `questions` to the terminal and return what it says within `patience` seconds, or until the last answer is there.

    Empty where this is no terminal that may be asked: another system than POSIX, or we are in its background.
    """
    try:
        import termios  # here: Windows has none
        import tty
    except ImportError:
        return b""
    try:
        if os.tcgetpgrp(source) != os.getpgrp():
            return b""
        before = termios.tcgetattr(source)
    except (OSError, termios.error):
        return b""
    said = b""
    try:
        tty.setcbreak(source, termios.TCSANOW)  # no echo and no lines; Ctrl+C still works
        os.write(target, questions.encode())
        deadline = time.monotonic() + patience
        while not _DEVICE_ANSWER.search(said):
            wait = deadline - time.monotonic()
            if wait <= 0 or not select.select([source], [], [], wait)[0]:
                break
            data = os.read(source, 4096)
            if not data:
                break
            said += data
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(source, termios.TCSAFLUSH, before)
    return said


def _read(said: bytes) -> Answers:
    """The answers in what came; keys that were typed meanwhile are passed over."""
    if not said:
        return Answers()
    text = said.decode("utf-8", "replace")
    name = re.search(r"\x1bP>\|([^\x1b]*)\x1b\\", text)
    place = re.search(r"\x1b\[\d+;(\d+)R", text)
    modes = {
        label: match[1] in "123"  # set, reset, or always set
        for label, number in _MODES.items()
        if (match := re.search(rf"\x1b\[\?{number};([0-4])\$y", text)) is not None
    }
    return Answers(
        came=_DEVICE_ANSWER.search(said) is not None,
        name=name[1] if name else None,
        kitty_keys=re.search(r"\x1b\[\?\d+u", text) is not None,
        column=int(place[1]) if place else None,
        modes=modes,
    )
