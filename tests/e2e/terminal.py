"""A real pty with a terminal emulator at the other end: what a person would see, and every byte that was sent.

Why it exists: Textual's headless driver encodes nothing, reads no keys and leaves no modes behind, so output, key
timing and the state of the terminal after an exit can only be tested in a pty.
What it must not know: the program it runs. It imports nothing of the package under test.

A reader thread drains the output at all times, so the program never blocks on a full pty, and a waiter thread collects
the exit code. Both notify one condition; `wait_for` waits on it and needs no polling for anything seen on the screen.
A frame may be read in two parts, so wait for everything that a test is about; do not wait for one row and assert another.
"""

import contextlib
import os
import pty
import re
import select
import signal
import struct
import tempfile
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyte

_REPOSITORY: Final = Path(__file__).resolve().parents[2]

# Variables of the machine that runs the tests which would change what the program does or shows.
_UNWANTED: Final = re.compile(
    "ANTHROPIC_|CLAUDE|SSH_|TEXTUAL|TMUX|STY$|ESCDELAY$|TERM_PROGRAM|LC_|LANG|XDG_|TUI_CHAT|NO_COLOR$|FORCE_COLOR$"
    "|COLUMNS$|LINES$|CLICOLOR|HTTPS?_PROXY$|ALL_PROXY$|https?_proxy$|all_proxy$"
)

# Sequences that are kept from pyte, because it draws them or stumbles over them, or that mean something to us.
_SEQUENCE: Final = re.compile(
    r"\x1b(?:"
    r"\](?P<system>[^\x07\x1b]*)(?:\x07|\x1b\\)"  # OSC
    r"|[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\[(?P<control>"
    r"[<=>][0-9:;]*[ -/]*[@-~]"  # private, such as the kitty keyboard flags
    r"|\?[0-9:;]*[ -/]*[@-gi-km-~]"  # private, and neither setting nor resetting a mode
    r"|\??[0-9:;]*[ -/]+[@-~]"  # with an intermediate byte, such as a query for a mode
    r"|[0-9;]*:[0-9:;]*m"  # colours with colons
    r"|\?1049[hl]"  # the alternate screen, which pyte has not got
    r"|2[23](?:;[0-9]+)*t"  # the stack of titles
    r"))"
)
# The start of a sequence whose end has not been read yet.
_UNFINISHED: Final = re.compile(r"\x1b(?:|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|\[[<-?]?[0-9:;]*[ -/]*)\Z")

_KEYS: Final[Mapping[str, str]] = {
    "escape": "\x1b",
    "enter": "\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "insert": "\x1b[2~",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    **{
        f"{prefix}{key}": f"\x1b[{parameter}{final}"
        for prefix, parameter in (("", ""), ("shift+", "1;2"), ("alt+", "1;3"), ("ctrl+", "1;5"))
        for key, final in (("up", "A"), ("down", "B"), ("right", "C"), ("left", "D"), ("home", "H"), ("end", "F"))
    },
    **{f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"},
    **{f"f{number}": f"\x1bO{final}" for number, final in enumerate("PQRS", 1)},
    **{
        f"f{number}": f"\x1b[{code}~"
        for number, code in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)
    },
    "alt+enter": "\x1b\r",
    "shift+enter": "\x1b[13;2u",  # kitty protocol; a terminal without it sends the same as for enter
}


_ENDED: Final = b"e"  # the program has ended: read what it left
_HANG_UP: Final = b"h"  # read no more


class WaitError(AssertionError):
    """What was waited for did not come; the message shows the screen."""


class Terminal:
    """A program in a pty and the screen it draws.

    `command` is started at once in a session of its own with the pty as its controlling terminal. The environment is
    that of the tests without API keys, SSH, locale and terminal settings; HOME and the XDG directories are inside
    `home` (a temporary directory by default). `env` is added last. Leaving the context kills the program.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 100,
        rows: int = 30,
        env: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self._temporary_home = tempfile.TemporaryDirectory(prefix="terminal-") if home is None else None
        self.home: Final = home if home is not None else Path(self._temporary_home.name)  # type: ignore[union-attr]  # one of the two is set
        self._changed = threading.Condition()
        self._raw = bytearray()
        self._chunks: list[tuple[float, bytes]] = []
        self._exit_code: int | None = None
        self._closed = False
        self._drained = threading.Event()
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._unfinished = ""
        self._titles: list[str] = []
        self.title = ""
        self._main_screen = pyte.Screen(columns, rows)
        self._alternate_screen = pyte.Screen(columns, rows)
        self._use(self._main_screen)

        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._set_size(columns, rows)
        self.settings_before: Final = termios.tcgetattr(self._slave)
        self._wake_reader, self._wake_writer = os.pipe()
        self.started: Final = time.monotonic()
        self.pid: Final = self._spawn(list(command), env or {})
        self._reader = threading.Thread(target=self._read, name="terminal-reader", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name="terminal-waiter", daemon=True)
        self._reader.start()
        self._waiter.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the program if it runs, collect it, and release everything. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.kill(signal.SIGKILL)
        self._waiter.join(5)
        self.hang_up()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        if self._temporary_home is not None:
            self._temporary_home.cleanup()

    # Input

    def send(self, data: bytes | str) -> float:
        """Write `data` as the terminal would; returns the monotonic time just before the write.

        Blocks while the pty's input buffer (4 KiB) is full, at most 8 s.
        """
        left = memoryview(data.encode() if isinstance(data, str) else data)
        started = time.monotonic()
        while left:
            if not select.select([], [self._master], [], 8)[1]:
                raise WaitError(self._report("the program does not read its input"))
            # EAGAIN although select said writable: the buffer took less than the write asked for.
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._master, left) :]
        return started

    def press(self, *keys: str) -> float:
        """Send keys by name ("escape", "ctrl+p", "alt+x", "f1") or as single characters; returns the time of the last.

        Nothing is waited for in between: "escape" directly followed by another key may arrive as alt+key, as in a
        real terminal.
        """
        stamp = time.monotonic()
        for key in keys:
            if key in _KEYS:
                stamp = self.send(_KEYS[key])
            elif len(key) == 1:
                stamp = self.send(key)
            elif key.startswith("alt+"):
                stamp = self.send("\x1b" + _KEYS.get(key[4:], key[4:]))
            else:
                raise ValueError(f"unknown key {key!r}")
        return stamp

    def paste(self, text: str) -> float:
        """Send `text` as a bracketed paste, as it is."""
        return self.send(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size; the kernel sends SIGWINCH to the program."""
        with self._changed:
            self._main_screen.resize(rows, columns)
            self._alternate_screen.resize(rows, columns)
        self._set_size(columns, rows)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the program's process group, if it still runs."""
        with self._changed:
            if self._exit_code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, number)

    def hang_up(self) -> None:
        """Close the terminal like a closed window: SIGHUP for the program, and errors for its later output.

        The screen and the bytes read so far stay; nothing can be sent any more.
        """
        if self._reader.is_alive():
            os.write(self._wake_writer, _HANG_UP)
            self._reader.join(5)
            os.close(self._master)
            os.close(self._slave)

    # What is there

    @property
    def raw(self) -> bytes:
        """Every byte the program wrote so far."""
        with self._changed:
            return bytes(self._raw)

    @property
    def chunks(self) -> list[tuple[float, bytes]]:
        """The same bytes as they were read, each with its monotonic time."""
        with self._changed:
            return list(self._chunks)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row of the cursor, from 0."""
        with self._changed:
            return self._screen.cursor.x, self._screen.cursor.y

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, None while the program runs."""
        with self._changed:
            return self._exit_code

    def rows(self) -> list[str]:
        """The lines on the screen, without trailing blanks."""
        with self._changed:
            return [row.rstrip() for row in self._screen.display]

    def screen_text(self) -> str:
        """The screen as one text."""
        return "\n".join(self.rows())

    def cell(self, column: int, row: int) -> pyte.screens.Char:
        """The character at a place on the screen, with its colours and attributes."""
        with self._changed:
            return self._screen.buffer[row][column]

    def settings(self) -> list[Any]:
        """The settings of the pty (`termios.tcgetattr`). They outlive the program; compare with `settings_before`."""
        return termios.tcgetattr(self._slave)

    # Waiting

    def wait_for(self, wanted: str | Callable[[], object], timeout: float = 8) -> float:
        """Wait until a text is on the screen or a predicate holds.

        Returns the monotonic time at which the output that made it true was read. Raises WaitError with the screen
        after `timeout` seconds, or as soon as the program has ended without it.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                done = self._exit_code is not None
                if wanted in self.screen_text() if isinstance(wanted, str) else wanted():
                    return self._chunks[-1][0] if self._chunks else self.started
                what = repr(wanted) if isinstance(wanted, str) else "the condition"
                if done and isinstance(wanted, str):
                    raise WaitError(self._report(f"the program ended before {what} was seen"))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise WaitError(self._report(f"{what} was not seen in {timeout} s"))
                # Predicates may also look at things outside the screen, which notify nobody.
                self._changed.wait(left if isinstance(wanted, str) else min(left, 0.05))

    def wait_until_exit(self, timeout: float = 8) -> int:
        """Wait for the program's end and its last output; returns its exit code, negative for a signal."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._exit_code is not None, timeout):
                raise WaitError(self._report(f"the program did not end in {timeout} s"))
            assert self._exit_code is not None
            return self._exit_code

    def measure(self, data: bytes | str, wanted: str | Callable[[], object], timeout: float = 8) -> float:
        """Seconds from writing `data` until `wanted` is on the screen. It must not be there before."""
        return self.wait_after(self.send(data), wanted, timeout)

    def wait_after(self, started: float, wanted: str | Callable[[], object], timeout: float = 8) -> float:
        """Seconds from `started` (what `send` and `press` return) until `wanted` is on the screen."""
        return self.wait_for(wanted, timeout) - started

    # Inside

    def _spawn(self, command: list[str], env: Mapping[str, str]) -> int:
        home = str(self.home)
        environment = {name: value for name, value in os.environ.items() if not _UNWANTED.match(name)}
        environment |= {
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "XDG_CACHE_HOME": f"{home}/.cache",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH")])),
            **env,
        }
        # Opening the pty after setsid makes it the controlling terminal, without code run between fork and exec:
        # that would not be safe beside our threads.
        return os.posix_spawnp(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.ttyname(self._slave), os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, and an ignored signal is inherited
        )

    def _set_size(self, columns: int, rows: int) -> None:
        ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _wait(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        os.write(self._wake_writer, _ENDED)
        self._drained.wait(5)
        with self._changed:
            self._exit_code = os.waitstatus_to_exitcode(status)
            self._changed.notify_all()

    def _read(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._wake_reader], [], [])
            if self._master in readable:
                self._take(os.read(self._master, 65536))
                continue
            hung_up = os.read(self._wake_reader, 1) == _HANG_UP
            # The kernel hands output on from a work queue, so the last of it may come a moment after the exit.
            while not hung_up and select.select([self._master], [], [], 0.02)[0]:
                self._take(os.read(self._master, 65536))
            self._drained.set()
            if hung_up:
                return

    def _take(self, data: bytes) -> None:
        stamp = time.monotonic()
        with self._changed:
            self._raw += data
            self._chunks.append((stamp, data))
            self._interpret(self._decode(data))
            self._changed.notify_all()

    def _interpret(self, text: str) -> None:
        text = self._unfinished + text
        unfinished = _UNFINISHED.search(text)
        self._unfinished = unfinished.group() if unfinished else ""
        text = text[: len(text) - len(self._unfinished)]
        position = 0
        for sequence in _SEQUENCE.finditer(text):
            self._stream.feed(text[position : sequence.start()])
            position = sequence.end()
            system, control = sequence["system"], sequence["control"]
            if system is not None and system[:2] in {"0;", "2;"}:
                self.title = system[2:]
            elif control == "?1049h":
                self._alternate_screen.reset()
                self._use(self._alternate_screen)
            elif control == "?1049l":
                self._use(self._main_screen)
            elif control is not None and control.startswith("22") and control.endswith("t"):
                self._titles.append(self.title)
            elif control is not None and control.startswith("23") and control.endswith("t") and self._titles:
                self.title = self._titles.pop()
        self._stream.feed(text[position:])

    def _use(self, screen: pyte.Screen) -> None:
        self._screen = screen
        self._stream = pyte.Stream(screen)

    def _report(self, problem: str) -> str:
        columns = self._screen.columns
        state = "running" if self._exit_code is None else f"ended with {self._exit_code}"
        frame = "\n".join([f"{problem} (program {state})", "-" * columns, *self.rows(), "-" * columns])
        return f"{frame}\nlast bytes: {self.raw[-300:]!r}"
