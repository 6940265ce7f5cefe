"""`tui-chat replay`: recorded turns once more, on the screen or printed; arguments and exit codes.

It must not know how a recording is played or shown. Nothing is sent, stored or asked for, and no key is needed.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tui_chat import config
from tui_chat.config import Config
from tui_chat.console import Parser
from tui_chat.errors import UsageError
from tui_chat.recordings import Recording, read
from tui_chat.recordings.format import SUFFIX
from tui_chat.recordings.player import Player, Playlist

HELP: Final = """\
usage: tui-chat replay FILE... [--speed F] [--step]
       tui-chat replay -p FILE... [--speed F] [--output-format F]

Play recorded turns once more: every byte with its timing, through the whole
program. All figures are those of the day they were recorded. Nothing is sent
or stored, and no key is needed. FILE is what --record or /record has written;
of a folder, all recordings in it, in the order of their making. Several are
played one after the other, as one conversation.

      --speed F          how fast: 0.5, 1, 2, any other factor, or max, which
                         is without waiting. Default: 1; printed, max
      --step             begin paused: each . is one event
  -p, --print            print the reply instead of showing the chat
      --output-format F  as of tui-chat -p: text (the default), json, which is
                         the object that was printed then, or stream-json
      --config FILE      settings in TOML, instead of the user's own file
  -h, --help             show this help

Keys while it plays: Space pauses and goes on, . goes one event further, + and
- change the speed, r plays it from the start, Esc stops it.

Exit codes: 0 completed; 1 failed, refused or stopped then; 2 bad arguments, or
no recording; 130 stopped now, by Ctrl+C.
"""


def main(argv: Sequence[str], start_log: Callable[[Path], None]) -> int:
    """Run it with what followed `replay`; returns the exit code. The screen needs a log, which `start_log` begins.

    Raises:
        UsageError: the arguments cannot be used, or a file is no recording.

    """
    parser = Parser(HELP, "replay")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--speed", type=_speed)
    parser.add_argument("--step", action="store_true")
    parser.add_argument("-p", "--print", action="store_true", dest="print_reply")
    parser.add_argument("--output-format", choices=("text", "json", "stream-json"))
    parser.add_argument("--config", type=Path)
    options = parser.parse_args(argv)
    printed = options.print_reply or options.output_format is not None
    if not options.files:
        raise UsageError("there is no FILE to replay", "see tui-chat replay --help")
    if printed and options.step:
        raise UsageError("--step needs the screen", "leave out --print and --output-format")
    if not printed and not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise UsageError("the chat needs a terminal", "to print the reply without one, add -p")
    recordings = _read(options.files)
    settings = _settings(options.config)
    speed = options.speed or (math.inf if printed else 1.0)
    if printed:
        import asyncio

        from tui_chat.headless import replay_headless  # here and below: each run imports only what it needs

        form = options.output_format or "text"
        return asyncio.run(replay_headless(settings, recordings, Player(speed), output_format=form))
    start_log(settings.log_file)
    from tui_chat.ui.app import run

    playlist = Playlist(recordings, Player(speed, paused=options.step))
    return run(settings, store_conversations=False, playlist=playlist)


def _settings(file: Path | None) -> Config:
    """Those of the user, but for what would send a request unasked."""
    return replace(config.load(config.Flags(config=file)), titles="prompt", tools=False)


def _read(files: Sequence[Path]) -> tuple[Recording, ...]:
    """All recordings in the order they were given, none with the ids of another."""
    recordings: list[Recording] = []
    seen: set[str] = set()
    for file in files:
        for each in _inside(file):
            recording = read(each)
            twice = recording.started.turn_id in seen
            seen.add(recording.started.turn_id)
            recordings.append(recording.under_new_ids() if twice else recording)
    return tuple(recordings)


def _inside(file: Path) -> list[Path]:
    """The file, or all recordings in the folder that it is."""
    try:
        if not file.is_dir():
            return [file]
        inside = sorted(each for each in file.iterdir() if each.suffix == SUFFIX)
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})", "give the file of a recording") from None
    if not inside:
        raise UsageError(f"there is no recording in {file}", f"recordings are called *{SUFFIX}")
    return inside


def _speed(value: str) -> float:
    if value == "max":
        return math.inf
    try:
        speed = float(value.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r} is no speed: give 0.5, 1, 2, or max")
    return speed


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:  # closed
        return False
