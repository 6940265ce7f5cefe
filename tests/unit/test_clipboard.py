"""Routes to the clipboard, tried with real programs; what is said about them is what is known."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tui_chat.ui import clipboard
from tui_chat.ui.clipboard import MOST_SENT, MOST_TAKEN, CopyResult, copy, run, tools

Program = Callable[[str, str], Path]
UNKNOWN = "whether it took them is not known"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The only folder on PATH."""
    made = tmp_path / "the bin"
    made.mkdir()
    return made


@pytest.fixture
def program(folder: Path) -> Program:
    """Makes a program of a name and a shell script; what it writes to `$OUT` is read from the file of that name."""

    def make(name: str, script: str) -> Path:
        place = folder / name
        place.write_text(f"#!/bin/sh\nOUT='{folder / name}.out'\n{script}\n")
        place.chmod(0o755)
        return folder / f"{name}.out"

    return make


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {"PATH": str(folder), "TERM": "xterm-256color", **variables}


async def copied(text: str, variables: dict[str, str], platform: str = "linux") -> tuple[CopyResult, list[str]]:
    sent: list[str] = []
    return await copy(text, sent.append, variables, platform), sent


TAKE = '/bin/cat > "$OUT"'
FAIL = 'echo "Error: Can\'t open display: :9" >&2; exit 1'


# Which tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "platform", "names"),
    [
        ({}, "linux", []),
        ({}, "darwin", ["pbcopy"]),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ["wl-copy"]),
        ({"DISPLAY": ":0"}, "linux", ["xclip", "xsel"]),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, "linux", ["wl-copy", "xclip", "xsel"]),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", ["clip.exe"]),
        ({"WSL_INTEROP": "/run/x", "DISPLAY": ":0"}, "linux", ["xclip", "xsel", "clip.exe"]),
        ({"TERMUX_VERSION": "0.118"}, "linux", ["termux-clipboard-set"]),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}, "linux", []),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", []),
    ],
)
def test_tools_that_fit_the_machine(
    variables: dict[str, str], platform: str, names: list[str], folder: Path, program: Program
) -> None:
    for name in ("pbcopy", "wl-copy", "xclip", "xsel", "clip.exe", "termux-clipboard-set"):
        program(name, TAKE)
    found = tools(environment(folder, **variables), platform)
    assert [tool.name for tool in found] == names
    assert all(tool.arguments[0] == str(folder / tool.name) for tool in found)


def test_tools_that_are_not_here(folder: Path) -> None:
    assert tools(environment(folder, DISPLAY=":0"), "linux") == []


# A tool that works ---------------------------------------------------------------------------------------------------


async def test_a_tool_gets_the_text_as_it_is(folder: Path, program: Program) -> None:
    out = program("wl-copy", f'{TAKE}; echo "$@" > "$OUT.arguments"')
    text = 'a $(touch x) `y` "z" 中文 \n\n\ttab\r\n'
    result, sent = await copied(text, environment(folder, WAYLAND_DISPLAY="wayland-0"))
    assert out.read_bytes() == text.encode()
    assert (out.parent / f"{out.name}.arguments").read_text() == "--type text/plain\n"
    assert sent == [text]  # the terminal may be on another machine
    assert result.sentence == f"copied {len(text)} characters with wl-copy"
    assert result.tone == "information"


async def test_windows_gets_its_own_encoding(folder: Path, program: Program) -> None:
    out = program("clip.exe", TAKE)
    result, _ = await copied("├── 中", environment(folder, WSL_DISTRO_NAME="Debian"))
    assert out.read_bytes().decode("utf-16-le") == "├── 中"
    assert result.tool == "clip.exe"


async def test_text_that_cannot_be_encoded(folder: Path, program: Program) -> None:
    out = program("pbcopy", TAKE)
    result, sent = await copied("a\ud800b", environment(folder), "darwin")
    assert out.read_text() == "a\ufffdb"
    assert sent == ["a\ufffdb"]
    assert result.sentence == "copied 3 characters with pbcopy"


async def test_a_tool_that_stays_in_the_background_is_not_waited_for(folder: Path, program: Program) -> None:
    out = program("xclip", f'{TAKE}; /bin/sleep 60 & echo $! > "$OUT.pid"')
    try:
        result, _ = await copied("x", environment(folder, DISPLAY=":0"))
        assert result.sentence == "copied 1 character with xclip"
    finally:
        os.kill(int((out.parent / f"{out.name}.pid").read_text()), signal.SIGKILL)


async def test_a_large_text_for_a_tool_does_not_go_to_the_terminal(folder: Path, program: Program) -> None:
    out = program("xclip", TAKE)
    text = "x" * (MOST_TAKEN + 1)
    result, sent = await copied(text, environment(folder, DISPLAY=":0"))
    assert out.read_text() == text
    assert sent == []
    assert result.sentence == "copied 74,995 characters with xclip"


# Tools that fail -----------------------------------------------------------------------------------------------------


async def test_a_tool_that_fails_gives_way_to_the_next(folder: Path, program: Program) -> None:
    program("xclip", FAIL)
    out = program("xsel", TAKE)
    result, _ = await copied("text", environment(folder, DISPLAY=":9"))
    assert out.read_text() == "text"
    assert result.tool == "xsel"
    assert result.failures == ("xclip failed (Error: Can't open display: :9)",)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (FAIL, "Error: Can't open display: :9"),
        ("exit 3", "exit code 3"),
        ("printf 'bad \\033]0;x\\007' >&2; exit 1", "bad ␛]0;x␇"),
        ("kill -9 $$", "exit code -9"),
    ],
)
async def test_a_failure_is_said_with_its_reason(script: str, reason: str, folder: Path, program: Program) -> None:
    program("xclip", script)
    result, sent = await copied("text", environment(folder, DISPLAY=":9"))
    assert sent == ["text"]
    assert result.sentence == f"xclip failed ({reason}); sent 4 characters to the terminal (OSC 52); {UNKNOWN}"


async def test_a_tool_that_cannot_be_started(folder: Path) -> None:
    (folder / "xclip").write_bytes(b"\x7fELF, or not")
    (folder / "xclip").chmod(0o755)
    result, _ = await copied("text", environment(folder, DISPLAY=":0"))
    assert result.failures == ("xclip failed (Exec format error)",)


def test_a_tool_that_hangs_is_ended(folder: Path, program: Program) -> None:
    out = program("xclip", 'echo $$ > "$OUT"; exec /bin/sleep 60')
    assert run([str(folder / "xclip")], b"x" * 1_000_000, {}, time_out=0.3) == "no answer within 0.3 s"
    with pytest.raises(ProcessLookupError):
        os.kill(int(out.read_text()), 0)


async def test_the_event_loop_goes_on_and_a_cancelled_copy_waits_for_nothing(folder: Path, program: Program) -> None:
    program("xclip", f'read line < "{folder / "fifo"}"; exit 1')
    os.mkfifo(folder / "fifo")
    sent: list[str] = []
    task = asyncio.create_task(copy("text", sent.append, environment(folder, DISPLAY=":0"), "linux"))
    opened = None
    while opened is None:  # until the tool reads
        try:
            opened = os.open(folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            await asyncio.sleep(0.005)
    assert sent == ["text"]
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(opened)  # the tool ends, and its thread with it


def test_the_end_of_the_program_does_not_wait_for_a_tool(folder: Path, program: Program) -> None:
    out = program("xclip", 'echo $$ > "$OUT"; exec /bin/sleep 60')
    code = f"""
import asyncio, pathlib
from tui_chat.ui import clipboard
clipboard.run.__defaults__ = (60.0,)
async def main():
    task = asyncio.create_task(clipboard.copy("x", print, {environment(folder, DISPLAY=":0")!r}, "linux"))
    while not pathlib.Path({str(out)!r}).exists():
        await asyncio.sleep(0.01)
asyncio.run(main())
"""
    try:
        ended = subprocess.run([sys.executable, "-c", code], timeout=8, check=False, capture_output=True)
        assert (ended.returncode, ended.stderr) == (0, b"")
    finally:
        os.kill(int(out.read_text()), signal.SIGKILL)


# The terminal --------------------------------------------------------------------------------------------------------


async def test_only_the_terminal(folder: Path, program: Program) -> None:
    out = program("xclip", TAKE)
    for variables in ({}, {"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}):
        result, sent = await copied("x" * 1_234, environment(folder, **variables))
        assert sent == ["x" * 1_234]
        assert result.sentence == f"sent 1,234 characters to the terminal (OSC 52); {UNKNOWN}"
        assert result.tone == "information"
    assert not out.exists()


@pytest.mark.parametrize(
    ("variables", "goes", "sentence"),
    [
        ({"TERM_PROGRAM": "Apple_Terminal"}, False, "not copied: Apple's Terminal does not know OSC 52"),
        ({"TERM": "linux"}, False, "not copied: the Linux console has no clipboard"),
        ({"VTE_VERSION": "7600"}, True, "often ignore it"),
        ({"STY": "1.pts"}, True, "GNU screen passes it on only inside a DCS sequence"),
    ],
)
async def test_terminals_of_which_more_is_known(
    variables: dict[str, str], goes: bool, sentence: str, folder: Path
) -> None:
    result, sent = await copied("text", environment(folder, **variables))
    assert sent == (["text"] if goes else [])
    assert sentence in result.sentence
    assert result.tone == "warning"


async def test_a_text_larger_than_terminals_take(folder: Path) -> None:
    result, sent = await copied("é" * 40_000, environment(folder))
    assert len(sent) == 1
    assert result.sentence.endswith("many terminals take at most 74,994 bytes, this has 80,000")
    assert result.tone == "warning"
    result, sent = await copied("x" * (MOST_SENT + 1), environment(folder))
    assert sent == []
    assert result.sentence.startswith("not copied: 1,000,001 bytes are too many for a terminal")
    assert result.tone == "warning"


# tmux ----------------------------------------------------------------------------------------------------------------

TMUX = """
case "$1 $2" in
    "show-options -sv") {shows} ;;
    "load-buffer -w") {loads} ;;
    "load-buffer -") {buffers} ;;
    *) exit 9 ;;
esac
"""
OLD = 'echo "usage: load-buffer [-b buffer-name] path" >&2; exit 1'


@pytest.mark.parametrize(
    ("answers", "sentence", "tone"),
    [
        (("echo on", "exit 9", "exit 9"), "(OSC 52); tmux takes it (set-clipboard is on)", "information"),
        (("echo external", TAKE, "exit 9"), "(prefix ] pastes it); tmux was asked to send it on", "information"),
        (("echo external", OLD, TAKE), "(prefix ] pastes it); tmux's set-clipboard is external", "information"),
        (("echo off", "exit 9", TAKE), "(prefix ] pastes it); tmux's set-clipboard is off", "information"),
        (("exit 1", OLD, "exit 1"), "(OSC 52); the terminal around tmux gets it only with", "warning"),
    ],
)
async def test_inside_tmux(
    answers: tuple[str, str, str], sentence: str, tone: str, folder: Path, program: Program
) -> None:
    out = program("tmux", TMUX.format(shows=answers[0], loads=answers[1], buffers=answers[2]))
    result, sent = await copied("text", environment(folder, TMUX="/tmp/tmux-1/default,1,0", SSH_TTY="/dev/pts/1"))
    assert sent == ["text"]
    assert sentence in result.sentence
    assert ("set -g set-clipboard on" in result.sentence) is ("not known" not in result.sentence)
    assert result.tone == tone
    assert result.buffered is out.exists()
    if result.buffered:
        assert out.read_text() == "text"


async def test_a_tmux_that_is_not_to_be_found(folder: Path) -> None:
    result, _ = await copied("text", environment(folder, TMUX="/tmp/tmux-1/default,1,0"))
    assert result.sentence.endswith("the terminal around tmux gets it only with `set -g set-clipboard on`")


def test_the_time_for_a_tool_is_short() -> None:
    assert clipboard.TIME_OUT <= 5
