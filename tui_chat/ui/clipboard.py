"""Copying a text: by which routes, and what is known about whether it arrived.

Why it exists: a terminal that takes OSC 52 says nothing, and one that does not take it says nothing either; programs that toast
"copied" all the same are rightly hated. So there are up to three routes, and the result says which were used and what is not known:

- the system's own tool (pbcopy, wl-copy, xclip, xsel, clip.exe, termux-clipboard-set): what it says with its exit code is known.
  Not over SSH, where it would fill the clipboard of a machine nobody sits at;
- OSC 52 through the driver: the terminal sets the clipboard of the machine it runs on, if it does. Never answered;
- inside tmux, which drops OSC 52 from programs unless `set-clipboard` is `on` (its default is `external`): `tmux load-buffer -w`,
  which fills tmux's buffer and has tmux itself send OSC 52 to its terminal.

Sizes: the scripts that made OSC 52 common stop at a sequence of 100,000 bytes (hterm's osc52.sh), that is 74,994 bytes of text; some
terminals take less (kitty once 8 kB, Tabby 4 kB), others 8 MB. So a larger text is sent too, unless a tool took it, and said to be
large. Beyond a megabyte it is not sent: tmux drops such a sequence, and a terminal may stand still over it.

Tools run in a daemon thread without a shell, the text on their standard input, and are killed after a while: neither the event loop
nor the program's end waits for them. xclip and wl-copy stay behind in the background to serve the text; they inherit what they were
given as output, so that must be no pipe, else we would wait for as long as the text stays on the clipboard.

It knows nothing of the screen: what sends OSC 52 is given to it.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, cast

from tui_chat.text import sanitise_line, storable

TIME_OUT: Final = 3.0  # seconds for one tool
MOST_TAKEN: Final = 74_994  # bytes of text that many terminals take at most
MOST_SENT: Final = 1_000_000  # bytes of text

Tone = Literal["information", "warning"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that takes a text on its standard input. `arguments` begins with its path."""

    name: str
    arguments: tuple[str, ...]
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What was done with a text of so many characters; `sentence` and `tone` are for the toast.

    `tool` is the program that took the text, or ''; `failures` are those that did not, each with its reason. `sent` tells whether
    OSC 52 went to the terminal, `terminal` what is known about what became of it there. `buffered`: tmux has it in its buffer.
    """

    characters: int
    size: int  # in bytes
    tool: str = ""
    failures: tuple[str, ...] = ()
    sent: bool = False
    terminal: str = ""
    buffered: bool = False

    @property
    def sentence(self) -> str:
        """One line: the route, the size, and what is not known."""
        count = f"{self.characters:,} character{'' if self.characters == 1 else 's'}"
        if self.tool:
            return f"copied {count} with {self.tool}"
        parts = [*self.failures]
        if self.buffered:
            parts.append(f"put {count} into tmux's buffer (prefix ] pastes it); {self.terminal}")
        elif self.sent:
            parts.append(f"sent {count} to the terminal (OSC 52); {self.terminal}")
        else:
            parts.append(f"not copied: {self.terminal}")
        if self.sent and self.size > MOST_TAKEN:
            parts.append(f"it is large: many terminals take at most {MOST_TAKEN:,} bytes, this has {self.size:,}")
        return "; ".join(parts)

    @property
    def brief(self) -> str:
        """The route and the size, for who knows the rest."""
        count = f"{self.characters:,} character{'' if self.characters == 1 else 's'}"
        if self.tool:
            return self.sentence
        if self.buffered:
            return f"{count} in tmux's buffer"
        return f"sent {count} (OSC 52)" if self.sent else "not copied"

    @property
    def tone(self) -> Tone:
        """A warning where the text may well be nowhere."""
        hopeful = self.sent and self.size <= MOST_TAKEN and self.terminal.endswith(_NOT_KNOWN)
        return "information" if self.tool or self.buffered or hopeful else "warning"


Value = TypeVar("Value")

_NOT_KNOWN: Final = "is not known"
_UNKNOWN: Final = f"whether it took them {_NOT_KNOWN}"
_TMUX_UNKNOWN: Final = f"whether the terminal around tmux took it {_NOT_KNOWN}"
_TMUX_NEEDS: Final = "the terminal around tmux gets it only with `set -g set-clipboard on`"


def tools(environment: Mapping[str, str], platform: str = sys.platform) -> list[Tool]:
    """The clipboard tools that are here and may work, the best first; none over SSH."""
    if over_ssh(environment):
        return []
    candidates: list[tuple[str, tuple[str, ...], str]] = []
    if platform == "darwin":
        candidates.append(("pbcopy", (), "utf-8"))
    if environment.get("WAYLAND_DISPLAY"):
        candidates.append(("wl-copy", ("--type", "text/plain"), "utf-8"))
    if environment.get("DISPLAY"):
        candidates.append(("xclip", ("-in", "-selection", "clipboard"), "utf-8"))
        candidates.append(("xsel", ("--input", "--clipboard"), "utf-8"))
    if environment.get("WSL_DISTRO_NAME") or environment.get("WSL_INTEROP"):
        candidates.append(("clip.exe", (), "utf-16-le"))  # it reads anything else in the code page of DOS
    if environment.get("TERMUX_VERSION"):
        candidates.append(("termux-clipboard-set", (), "utf-8"))
    path = environment.get("PATH", os.defpath)
    found = ((name, shutil.which(name, path=path), rest, encoding) for name, rest, encoding in candidates)
    return [Tool(name, (place, *rest), encoding) for name, place, rest, encoding in found if place is not None]


def over_ssh(environment: Mapping[str, str]) -> bool:
    """Whether the person sits at another machine."""
    return any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"))


async def copy(
    text: str, send: Callable[[str], None], environment: Mapping[str, str] | None = None, platform: str = sys.platform
) -> CopyResult:
    """Copy `text` by every route there is; `send` is what sends it with OSC 52 (`App.copy_to_clipboard`).

    Takes at most a few seconds, if tools hang; may be cancelled at any time.
    """
    environment = dict(os.environ if environment is None else environment)
    text = storable(text)
    content = text.encode()
    size = len(content)
    refusal = _refusal(environment)
    sent = not refusal and size <= MOST_TAKEN
    if sent:
        send(text)  # first: whoever pastes right away should find it
    tool, failures = await _in_thread(lambda: _by_tool(text, environment, platform))
    if tool:
        return CopyResult(len(text), size, tool, failures, sent)
    if not sent and not refusal and size <= MOST_SENT:
        send(text)
        sent = True
    buffered = False
    if environment.get("TMUX"):
        buffered, terminal = await _in_thread(lambda: _through_tmux(content, environment, sent=sent))
    elif sent:
        terminal = _outcome(environment)
    else:
        terminal = refusal or f"{size:,} bytes are too many for a terminal (OSC 52), and there is no other way here"
    return CopyResult(len(text), size, "", failures, sent, terminal, buffered)


def route(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> tuple[str, Tone]:
    """The way that `copy` would go with a short text, and how good it is; nothing is copied. Asks tmux, so it may block a second."""
    environment = dict(os.environ if environment is None else environment)
    refusal = _refusal(environment)
    if found := tools(environment, platform):
        return found[0].name, "information"
    if refusal:
        return f"none: {refusal}", "warning"
    if environment.get("TMUX"):
        tmux = shutil.which("tmux", path=environment.get("PATH", os.defpath))
        setting = _ask((tmux, "show-options", "-sv", "set-clipboard"), environment) if tmux else ""
        if setting == "on":
            return f"tmux and OSC 52; {_TMUX_UNKNOWN}", "information"
        return f"tmux's buffer; {_TMUX_NEEDS}", "warning"
    outcome = _outcome(environment)
    if outcome == _UNKNOWN:
        return f"OSC 52; whether this terminal takes it {_NOT_KNOWN}", "information"
    return f"OSC 52; {outcome}", "warning"


# The system's tools --------------------------------------------------------------------------------------------------


def _by_tool(text: str, environment: Mapping[str, str], platform: str) -> tuple[str, tuple[str, ...]]:
    failures: list[str] = []
    for tool in tools(environment, platform):
        problem = run(tool.arguments, text.encode(tool.encoding), environment)
        if problem is None:
            return tool.name, tuple(failures)
        failures.append(f"{tool.name} failed ({problem})")
    return "", tuple(failures)


def run(
    arguments: Sequence[str], text: bytes, environment: Mapping[str, str], time_out: float = TIME_OUT
) -> str | None:
    """Give `text` to a program. Returns None, or why it did not take it. Blocks, but not longer than `time_out` seconds."""
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(  # noqa: S603 - no shell; the program is one of a fixed list
                arguments,
                input=text,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                timeout=time_out,
                check=False,
                start_new_session=True,  # the keys of our terminal are not for it, and its end is not ours
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {time_out:g} s"
        except OSError as error:
            return sanitise_line(error.strerror or type(error).__name__)
        if done.returncode == 0:
            return None
        errors.seek(0)
        lines = errors.read(2_000).decode(errors="replace").strip().splitlines()
    said = sanitise_line(lines[0]).strip()[:120] if lines else ""
    return said or f"exit code {done.returncode}"


# Terminals -----------------------------------------------------------------------------------------------------------


def _refusal(environment: Mapping[str, str]) -> str:
    """Why OSC 52 is not sent at all: '' unless the terminal is known to have no use for it."""
    if environment.get("TMUX") or environment.get("STY"):
        return ""
    if environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return "Apple's Terminal does not know OSC 52"
    if environment.get("TERM") == "linux":
        return "the Linux console has no clipboard"
    return ""


def _outcome(environment: Mapping[str, str]) -> str:
    """What is known about an OSC 52 that was sent, outside tmux."""
    if environment.get("STY"):
        return "GNU screen passes it on only inside a DCS sequence, so it has probably not arrived"
    if environment.get("VTE_VERSION"):
        return "terminals built on VTE, such as GNOME's, often ignore it"
    return _UNKNOWN


def _through_tmux(text: bytes, environment: Mapping[str, str], *, sent: bool) -> tuple[bool, str]:
    """Whether tmux's buffer was filled, and what is known about the terminal around tmux."""
    tmux = shutil.which("tmux", path=environment.get("PATH", os.defpath))
    if tmux is None:
        return False, _TMUX_NEEDS
    setting = _ask((tmux, "show-options", "-sv", "set-clipboard"), environment)
    if setting == "on" and sent:
        return False, f"tmux takes it (set-clipboard is on); {_TMUX_UNKNOWN}"
    if setting != "off" and run((tmux, "load-buffer", "-w", "-"), text, environment) is None:
        return True, f"tmux was asked to send it on; {_TMUX_UNKNOWN}"
    buffered = run((tmux, "load-buffer", "-"), text, environment) is None  # before tmux 3.2 there is no -w
    return buffered, f"tmux's set-clipboard is {setting}, {_TMUX_NEEDS}" if setting else _TMUX_NEEDS


def _ask(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The first line that a program prints, or ''."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the program is tmux
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=1,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []
    return sanitise_line(lines[0]).strip()[:20] if lines else ""


# Off the event loop --------------------------------------------------------------------------------------------------


async def _in_thread(work: Callable[[], Value]) -> Value:
    """The result of `work`, done in a daemon thread: the end of the program does not wait for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Value] = loop.create_future()

    def deliver(result: Value | None, error: BaseException | None) -> None:
        if future.done():
            return  # nobody waits any more
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("Value", result))

    def target() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - handed to the one who waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=target, name="clipboard", daemon=True).start()
    return await future
