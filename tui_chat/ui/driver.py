"""The terminal driver: Textual's own with faster Escape, safe paste, a title, and modes that never stay behind.

Why each override exists (Textual 8.2.8):

- Input: the stock thread sleeps in `select(0.1)` before it looks at the clock, so a lone Escape takes 100 ms whatever
  ESCDELAY says. Ours sleeps exactly as long as something is pending, and for ever when nothing is. What the bytes mean
  is decided in `input_decoder.py`. Stock also decodes strictly, so one stray byte ends the application.
- Exit: stock leaves every mode set after SIGTERM and SIGHUP, always leaves pixel mouse reports on, reads at full speed
  from a terminal that is gone, and waits for ever where an exception cuts its own end short. Here the signals, and a
  terminal that is gone, quit like Ctrl+Q, and the end of the interpreter restores what is left.
- Output: stock writes with a thread, see `output.py`.
- Title: Textual has none.

What it must not know: the chat. It imports Textual and the sanitiser only. It leans on private names of Textual, all
checked by `driver_class`; where they are missing, and on Windows, the stock driver is used and the log says so.
"""

import atexit
import contextlib
import logging
import os
import select
import signal
import sys
import time
from codecs import getincrementaldecoder
from threading import Thread
from types import FrameType
from typing import Any, Final

from textual import constants
from textual.app import App
from textual.driver import Driver

from tui_chat.text import sanitise_line
from tui_chat.ui.output import DirectOutput, Output

_IMPORT_PROBLEM: str | None = None
try:
    import termios

    from textual._parser import Parser
    from textual._xterm_parser import XTermParser
    from textual.drivers.linux_driver import LinuxDriver

    from tui_chat.ui.input_decoder import InputDecoder
except ImportError as error:  # Windows has no termios, another Textual may have other modules
    _IMPORT_PROBLEM = str(error)
    LinuxDriver = Driver  # type: ignore[assignment,misc]  # so that the class below can be read; it is never used

_LOG: Final = logging.getLogger(__name__)

_ESCAPE_WAIT_MS: Final = 8
_ESCAPE_WAIT_SSH_MS: Final = 40
_PASTE_QUIET: Final = 0.03  # s without input after which a paste that has ended has really ended
_PASTE_QUIET_SSH: Final = 0.12
_REPEATED_SIGNAL: Final = 1.0  # s; a closed window sends SIGHUP twice at once, by the kernel and by the shell

# Everything that Textual sets and a program that dies leaves behind. The kitty flags belong to the alternate screen,
# so they come before it is left.
_RESET: Final = (
    "\x1b[?2026l"  # synchronised output
    "\x1b[?2004l\x1b[?1004l"  # bracketed paste, focus reports
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse
    "\x1b[?2048l\x1b[<u"  # resize reports, kitty keyboard flags
    "\x1b[?7h\x1b[0m\x1b[?1049l\x1b[0m\x1b[?25h"  # wrapping, colours, alternate screen, cursor
)
_PUSH_TITLE: Final = "\x1b[22;2t"
_POP_TITLE: Final = "\x1b[23;2t"


class TerminalDriver(LinuxDriver):
    """Textual's driver for Linux and macOS with the changes told above. Made by `driver_class`."""

    escape_wait_ms: int = _ESCAPE_WAIT_MS
    paste_quiet: float = _PASTE_QUIET

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file: Any = Output(self._file)
        self._direct = DirectOutput(self._file)
        self._title: str | None = None
        self._active = False
        self._must_restore = False
        self._reader: Thread | None = None
        self._wake: tuple[int, int] | None = None  # the ends of the pipe that stops the input thread
        self._handlers: dict[signal.Signals, Any] = {}
        self._ended_at = 0.0
        self.ended_by: signal.Signals | None = None
        """The signal that asked the application to quit, if one did (SIGHUP also when the terminal is gone)."""

    def set_title(self, text: str) -> None:
        """Show `text` as the terminal's title, sanitised, on one line, until the application ends."""
        title = sanitise_line(text)[:200]
        if title != self._title:
            self._title = title
            self._write_title()

    def write(self, data: str) -> None:
        if rest := self._direct.write(data):
            super().write(rest)

    def start_application_mode(self) -> None:
        if self._wake is None:
            self._wake = os.pipe()
        writer_before = self._writer_thread
        super().start_application_mode()  # type: ignore[no-untyped-call]  # stock has no annotation
        if self._writer_thread is writer_before:
            return  # in the background: the process is about to be stopped, and starts again later
        self._direct.open()
        self._active = self._must_restore = True
        atexit.register(self._restore)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup asks for that
                self._handlers[number] = signal.signal(number, self._on_signal)
        if self._has_title:
            self.write(_PUSH_TITLE)
            self._write_title()

    def take_mouse(self, *, taken: bool) -> None:
        """Ask the terminal for the mouse, or leave it to the terminal's own selecting."""
        if taken:
            self._mouse = True
            self._enable_mouse_support()
            if self._in_band_window_resize:
                self._enable_mouse_pixels()
        else:
            self._disable_mouse_support()
            self.write("\x1b[?1016l")  # pixel reports, which stock forgets
            self._mouse = False

    def _sigcont_application(self, *_: object) -> None:
        """Stock starts again also where nothing was put away (SIGSTOP): a second input thread, and an empty screen."""
        if self._auto_restart and self._active:
            self.suspend_application_mode()
            self._must_signal_resume = True
        super()._sigcont_application()

    def disable_input(self) -> None:
        if self._wake is not None:
            reader, writer = self._wake
            self._wake = None
            os.write(writer, b"\0")
            if self._key_thread is not None:
                self._key_thread.join()
            if self._reader is not None:
                self._reader.join()
            os.close(reader)
            os.close(writer)
        super().disable_input()

    def stop_application_mode(self) -> None:
        if self._active:
            self.write("\x1b[?1016l\x1b[?2026l\x1b[0m")  # stock forgets these
            if self._has_title:
                self.write(_POP_TITLE)
        super().stop_application_mode()
        self._direct.close()
        if self._active:
            self._active = False
            # A second signal may follow the one that ends us at any time; it must not cut the saving short.
            while self._handlers and self.ended_by is None:
                signal.signal(*self._handlers.popitem())

    def close(self) -> None:
        super().close()  # returns when everything is written
        self._must_restore = False
        atexit.unregister(self._restore)

    def _run_input_thread(self) -> None:
        # The interpreter waits at its end for threads like the one that runs this, so where an exception has kept
        # `disable_input` from being called it would wait for ever. It does not wait for a daemon.
        self._reader = Thread(target=super()._run_input_thread, name="terminal-input", daemon=True)
        self._reader.start()

    def run_input_thread(self) -> None:
        if self._wake is None:
            return
        stop = self._wake[0]
        sources = [stop, self.fileno]
        decoder = InputDecoder(XTermParser(self._debug), self.escape_wait_ms / 1000, self.paste_quiet)
        # Stock decodes strictly: one stray byte of an old mouse report would end the application.
        decode = getincrementaldecoder("utf-8")("replace").decode
        while True:
            deadline = decoder.deadline
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select(sources, [], [], wait)
            if stop in readable:
                return
            if readable:
                try:
                    data = os.read(self.fileno, 65536)
                except OSError:
                    data = b""
                if not data:  # the terminal is gone, or a pipe has ended: reading again would spin
                    sources.remove(self.fileno)
                    if self.input_tty:
                        self._loop.call_soon_threadsafe(self._end, signal.SIGHUP)
                messages = decoder.feed(decode(data), time.monotonic())
            else:
                messages = decoder.tick(time.monotonic())
            for message in messages:
                self.process_message(message)

    @property
    def _has_title(self) -> bool:
        return os.environ.get("TERM", "") not in {"", "dumb", "linux"}  # these would draw it

    def _write_title(self) -> None:
        if self._active and self._title is not None and self._has_title:
            self.write(f"\x1b]2;{self._title}\x07")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.ended_by is None:
            self._loop.call_soon_threadsafe(self._end, signal.Signals(number))
            self.ended_by = signal.Signals(number)
            self._ended_at = time.monotonic()
        elif time.monotonic() - self._ended_at > _REPEATED_SIGNAL:
            # Asked twice: the application does not answer. Go the way an unhandled signal goes, but clean up, and do not
            # let a third signal end the cleaning.
            signal.signal(number, signal.SIG_IGN)
            self._restore()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _end(self, number: signal.Signals) -> None:
        """Quit as Ctrl+Q does, so that there is one way out that saves."""
        self.ended_by = self.ended_by or number
        self._app.call_later(self._app.action_quit)

    def _restore(self) -> None:
        if self._must_restore:
            self._active = self._must_restore = False
            with contextlib.suppress(OSError, ValueError):
                restore_terminal(self._file.fileno(), self.attrs_before, pop_title=self._has_title)


def restore_terminal(descriptor: int, attributes: list[Any] | None = None, *, pop_title: bool = False) -> None:
    """Write the sequences that reset every mode to a terminal, and give it its settings (`termios.tcgetattr`) back.

    For ends at which the application cannot clean up itself. It never blocks: a terminal that does not read within
    0.2 s is left as it is. Errors of a terminal that is gone are ignored.
    """
    with contextlib.suppress(OSError, termios.error):
        if select.select([], [descriptor], [], 0.2)[1]:
            os.write(descriptor, (_RESET + (_POP_TITLE if pop_title else "")).encode())
    if attributes is not None:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def set_terminal_title(app: App[Any], text: str) -> None:
    """Set the terminal's title where the application runs on our driver; elsewhere do nothing."""
    if isinstance(driver := app._driver, TerminalDriver):  # noqa: SLF001  # Textual has no public way to the driver
        driver.set_title(text)


def take_mouse(app: App[Any], *, taken: bool) -> None:
    """Take the mouse, or leave it to the terminal, where the application runs on our driver."""
    if isinstance(driver := app._driver, TerminalDriver):  # noqa: SLF001  # Textual has no public way to the driver
        driver.take_mouse(taken=taken)


def driver_class(escape_wait_ms: int | None = None) -> type[Driver] | None:
    """The driver for `App(driver_class=...)`; None stands for Textual's own choice.

    `escape_wait_ms` tells a lone Escape from the start of a sequence. By default it is ESCDELAY where the user has set
    it, else 8, or 40 over SSH. It is never below 1 or above 1000.
    """
    if constants.DRIVER is not None:  # TEXTUAL_DRIVER: `textual serve` and people who know why
        return None
    if problem := _misfit():
        _LOG.warning("Textual's own terminal driver is used (Escape takes 100 ms): %s", problem)
        return None
    over_ssh = "SSH_CONNECTION" in os.environ
    if escape_wait_ms is None:
        with contextlib.suppress(KeyError, ValueError):
            escape_wait_ms = int(os.environ["ESCDELAY"])
    if escape_wait_ms is None:
        escape_wait_ms = _ESCAPE_WAIT_SSH_MS if over_ssh else _ESCAPE_WAIT_MS
    attributes = {
        "escape_wait_ms": min(1000, max(1, escape_wait_ms)),
        "paste_quiet": _PASTE_QUIET_SSH if over_ssh else _PASTE_QUIET,
    }
    return type("TerminalDriver", (TerminalDriver,), attributes)


def _misfit() -> str | None:
    """Why this Textual or this system is not the one that the overrides were written for; None if it is."""
    if sys.platform == "win32":
        return "no POSIX terminal"
    if _IMPORT_PROBLEM is not None:
        return _IMPORT_PROBLEM
    # Attributes that are made in a constructor are seen in its code.
    needed = (
        (LinuxDriver, {"_run_input_thread", "run_input_thread", "process_message", "disable_input"}),
        (LinuxDriver, {"start_application_mode", "stop_application_mode", "write"}),
        (
            LinuxDriver,
            {"_enable_mouse_support", "_disable_mouse_support", "_enable_mouse_pixels", "_sigcont_application"},
        ),
        (
            vars(LinuxDriver)["__init__"],
            {"_file", "fileno", "input_tty", "attrs_before", "_key_thread", "_writer_thread", "_must_signal_resume"}
            | {"_in_band_window_resize"},
        ),
        (vars(Driver)["__init__"], {"_app", "_loop", "_debug"}),
        (XTermParser, {"feed", "tick"}),
        (vars(Parser)["__init__"], {"_timeout_time"}),
    )
    for owner, names in needed:
        code = getattr(owner, "__code__", None)
        if missing := names.difference(dir(owner) if code is None else code.co_names):
            return f"this Textual has no {owner.__qualname__} with {', '.join(sorted(missing))}"
    return None
