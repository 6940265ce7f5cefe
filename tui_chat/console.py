"""What the commands without a screen share: arguments with a help of ours, and writing to the two outputs.

It imports next to nothing, so that `--help` is as fast as Python itself. It must not know any command.
"""

import argparse
import contextlib
import os
import sys
from typing import Any, Final, NoReturn

_COLUMNS: Final = 80  # where nothing tells how wide it is


class Parser(argparse.ArgumentParser):
    """argparse with a help of ours, and with an exception in place of its exit. `command` is what its help is asked for with."""

    def __init__(self, help: str, command: str = "") -> None:
        super().__init__(prog="tui-chat", allow_abbrev=False)
        self._help, self._asked = help, f"see tui-chat {command} --help" if command else "see tui-chat --help"

    def print_help(self, file: Any = None) -> None:
        write(self._help, file)

    def error(self, message: str) -> NoReturn:
        raise usage_error(message, self._asked)


def usage_error(message: str, advice: str = "see tui-chat --help") -> Exception:
    """The error to raise for arguments that cannot be used."""
    from tui_chat.errors import UsageError  # here: --help and --version need no error

    return UsageError(message, advice)


def write(content: str, file: Any = None) -> None:
    """Print to standard output; a reader that has gone is no error."""
    try:
        show(content, file)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again


def show(content: str, file: Any = None) -> None:
    """Print to standard output. OSError: it cannot be written, BrokenPipeError if the reader has gone."""
    stream = file or sys.stdout
    stream.write(content)
    stream.flush()


def say(content: str) -> None:
    """Lines on standard error, made safe for a terminal; nobody reading them is no error."""
    from tui_chat.text import sanitise  # here: --help says nothing

    draw(sanitise(content) + "\n")


def draw(content: str) -> None:
    """`content` as it is on standard error: a line that is drawn again and again. Nobody reading it is no error."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(content)
        sys.stderr.flush()


def columns() -> int:
    """How wide the terminal behind standard error is."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS
