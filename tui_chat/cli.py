"""The command line: arguments to a `Config`, then the screen, the headless output or the demo server; exit codes.

Why it exists: what is decided before anything runs is decided here, once: which prompt, from where, on which surface, and
that nothing but the reply or the screen ever reaches the terminal. It must not know how a turn runs or is shown.
At the top it imports only what parsing needs, so `--help` and `--version` are as fast as Python itself.
"""

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from tui_chat import __version__

DEMO_SERVER: Final = "demo-server"
LOG_FILE: Final = "tui-chat.log"
LOG_SIZE: Final = 1_000_000  # bytes; one older file of that size is kept
LARGEST_INPUT: Final = 32_000_000  # bytes of standard input: more than one request may hold
INPUT_PATIENCE: Final = 3.0  # seconds without the end of standard input until a line says what is waited for

HELP: Final = """\
usage: tui-chat [options] [PROMPT]
       tui-chat -p [options] [PROMPT]
       tui-chat demo-server [--port N] [--help]

Chat with Claude in the terminal. PROMPT, one argument in quotes, is sent as
soon as the chat opens. Without an API key the built-in demo answers.

  -c, --continue         go on with the last conversation
      --resume ID        go on with the one whose id begins with ID
      --no-store         keep this conversation in memory only

Model and server
      --model NAME       default: ANTHROPIC_MODEL, else claude-sonnet-5-5
      --system TEXT      the system prompt
      --max-tokens N     the longest reply, in tokens
      --base-url URL     any server that speaks the Messages API
      --demo             the built-in demo, even if there is a key
      --timeout-connect S, --timeout-first-byte S, --timeout-idle S,
      --timeout-content S
                         seconds until the reply is given up: without a
                         connection (10), without a first byte (600), then
                         without any byte (120), without content (never);
                         0 is never

Without the screen
  -p, --print            print the reply and exit. Piped standard input is
                         appended to PROMPT after a blank line, its own
                         trailing line ends removed; without PROMPT it is
                         the prompt
      --output-format F  text (the default), json, or stream-json, which is
                         one event per line

Files
      --config FILE      settings in TOML, instead of the user's own file
      --data-dir DIR     conversations and log; also TUI_CHAT_DATA_DIR

  -h, --help             show this help
      --version          show the version

Examples
  tui-chat "What happens on the wire when I stream?"
  tui-chat --continue
  git diff | tui-chat -p "Write a commit message for this diff"
  tui-chat -p --output-format json "Name a colour" | jq .usage
  tui-chat -- demo-server        after -- everything is the prompt

Exit codes: 0 completed, 1 failed or refused, 2 bad arguments, 130 stopped by
Ctrl+C, 143 by SIGTERM, 129 by SIGHUP, 141 standard output was closed before
the reply ended.
"""


class Arguments(argparse.Namespace):
    """What the command line said; None: not said."""

    prompt: str | None
    print_reply: bool
    output_format: str | None
    continue_last: bool
    resume: str | None
    no_store: bool
    model: str | None
    system: str | None
    max_tokens: int | None
    base_url: str | None
    demo: bool
    timeout_connect: float | None
    timeout_first_byte: float | None
    timeout_idle: float | None
    timeout_content: float | None
    config: Path | None
    data_dir: Path | None
    version: bool


class _Parser(argparse.ArgumentParser):
    """argparse with our help, and with an exception in place of its exit."""

    def print_help(self, file: Any = None) -> None:
        _print(HELP, file)

    def error(self, message: str) -> NoReturn:
        raise _usage_error(message)


def parse(argv: Sequence[str]) -> Arguments:
    """The arguments, checked against each other.

    Raises:
        UsageError: they cannot be used; one sentence says why.
        SystemExit: `--help` was printed.

    """
    head, forced = list(argv), []
    if "--" in head:
        place = head.index("--")
        head, forced = head[:place], head[place + 1 :]
    arguments, rest = _parser().parse_known_args(head, Arguments())
    if unknown := [word for word in rest if word.startswith("-")]:
        raise _usage_error(
            f"there is no option {unknown[0]}", "see tui-chat --help; a prompt that starts with - goes after --"
        )
    words = rest + forced
    if len(words) > 1:
        joined = " ".join(words)
        raise _usage_error("there is more than one PROMPT", f'put it in quotes: tui-chat "{joined}"')
    if words == [DEMO_SERVER] and not forced and not arguments.print_reply:
        raise _usage_error(f"{DEMO_SERVER} has options of its own", f"put it first: tui-chat {DEMO_SERVER} --help")
    arguments.prompt = words[0] if words else None
    _check(arguments)
    return arguments


def _parser() -> _Parser:
    parser = _Parser(prog="tui-chat", allow_abbrev=False)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-p", "--print", action="store_true", dest="print_reply")
    parser.add_argument("--output-format", choices=("text", "json", "stream-json"))
    parser.add_argument("-c", "--continue", action="store_true", dest="continue_last")
    parser.add_argument("--resume", type=_text)
    parser.add_argument("--no-store", action="store_true")
    parser.add_argument("--model", type=_text)
    parser.add_argument("--system")
    parser.add_argument("--max-tokens", type=_count)
    parser.add_argument("--base-url", type=_text)
    parser.add_argument("--demo", action="store_true")
    for name in ("connect", "first_byte", "idle", "content"):
        parser.add_argument(f"--timeout-{name.replace('_', '-')}", type=_seconds)
    parser.add_argument("--config", type=_path)
    parser.add_argument("--data-dir", type=_path)
    return parser


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("the value is empty")
    return value


def _path(value: str) -> Path:
    return Path(_text(value))


def _count(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number") from None


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds") from None


def _check(arguments: Arguments) -> None:
    if arguments.continue_last and arguments.resume:
        raise _usage_error("--continue and --resume exclude each other", "use one of them")
    if arguments.no_store and (arguments.continue_last or arguments.resume):
        raise _usage_error("--no-store opens no stored conversation", "leave it out to continue one")
    if arguments.output_format and not arguments.print_reply:
        raise _usage_error("--output-format is for printed replies", "add -p")


def _usage_error(message: str, advice: str = "see tui-chat --help") -> Exception:
    from tui_chat.errors import UsageError  # here: --help and --version need no error

    return UsageError(message, advice)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code; it prints what went wrong and raises nothing.

    0 completed, 1 failed, 2 arguments or configuration cannot be used, 130 Ctrl+C, otherwise as `headless` says.
    """
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the program's standard error until it ends
    os.umask(0o077)  # whatever is written, now or by SQLite or the log's rotation, is the user's alone
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except SystemExit as done:  # argparse, here or in the demo server's own arguments
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last stand: a person gets one line, the log gets the traceback
        return _failed(error)


def _main(argv: Sequence[str]) -> int:
    if list(argv[:1]) == [DEMO_SERVER]:
        from tui_chat.demo import main as serve  # here: nothing else needs a server

        return serve(argv[1:])
    arguments = parse(argv)
    if arguments.version:
        _print(f"tui-chat {__version__}\n")
        return 0
    if not arguments.print_reply and not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise _usage_error("the chat needs a terminal", "to print a reply without one, use tui-chat -p PROMPT")

    from tui_chat import config  # here and below: each start imports only what it runs
    from tui_chat.text import storable

    def clean(text: str | None) -> str | None:
        """Arguments that were no UTF-8 hold lone surrogates; file names keep theirs, everything else is replaced."""
        return None if text is None else storable(text)

    flags = config.Flags(
        model=clean(arguments.model),
        system=clean(arguments.system),
        max_tokens=arguments.max_tokens,
        base_url=clean(arguments.base_url),
        demo=arguments.demo,
        data_dir=arguments.data_dir,
        config=arguments.config,
        timeouts={
            name: seconds for name in config.TIMEOUTS if (seconds := getattr(arguments, f"timeout_{name}")) is not None
        },
    )
    settings = config.load(flags)
    _start_log(settings.data_dir)
    _no_core_dumps()
    prompt = clean(arguments.prompt)
    if not arguments.print_reply:
        from tui_chat.ui.app import run

        return run(
            settings,
            prompt=prompt,
            resume=arguments.resume,
            continue_last=arguments.continue_last,
            store_conversations=not arguments.no_store,
        )
    prompt = with_input(prompt, _piped())
    if sys.stdout is None:
        raise _usage_error("standard output is closed", "the reply has nowhere to go")

    import asyncio

    from tui_chat.headless import run_headless

    return asyncio.run(
        run_headless(
            settings,
            prompt,
            output_format=arguments.output_format or "text",
            resume=arguments.resume,
            continue_last=arguments.continue_last,
            store_conversations=not arguments.no_store,
        )
    )


def with_input(prompt: str | None, piped: str) -> str:
    """The prompt of a headless run: `prompt`, a blank line, and what was piped, without its trailing line ends.

    Raises:
        UsageError: both are blank.

    """
    parts = [part for part in (prompt or "", piped.rstrip("\r\n")) if part.strip()]
    if not parts:
        raise _usage_error("there is nothing to send", 'give a prompt (tui-chat -p "PROMPT") or pipe one in')
    return "\n\n".join(parts)


def _piped() -> str:
    """Standard input to its end if it is a pipe, a file or a socket; '' for a terminal, /dev/null or none at all."""
    import threading

    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or no file
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return ""
    waiting = "waiting for the end of standard input (if there is none, add </dev/null)"
    reminder = threading.Timer(INPUT_PATIENCE, _complain, [waiting])
    reminder.daemon = True
    reminder.start()
    try:
        data = sys.stdin.buffer.read(LARGEST_INPUT + 1)
    except OSError as error:
        raise _usage_error(f"standard input cannot be read ({error.strerror})", "") from None
    finally:
        reminder.cancel()
    if len(data) > LARGEST_INPUT:
        raise _usage_error("standard input is larger than 32 MB", "no request may hold that much")
    return data.decode("utf-8-sig", "replace")


def _start_log(data_dir: Path) -> None:
    """Send every record of INFO and above to one bounded file, and none to the terminal.

    It happens before the SDK is imported: with a handler on the root logger, ANTHROPIC_LOG cannot add one for stderr.
    """
    import logging
    import logging.handlers
    import threading

    with contextlib.suppress(OSError):  # no log is no reason not to chat
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        data_dir / LOG_FILE, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8", errors="backslashreplace", delay=True
    )
    handler.setLevel(logging.INFO)  # ANTHROPIC_LOG=debug would bring whole conversations
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.raiseExceptions = False  # a log that cannot be written must not print either
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each request, with its address
    logging.captureWarnings(capture=True)
    log = logging.getLogger(__name__)
    threading.excepthook = lambda failed: log.error(
        "a thread failed", exc_info=(failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    )
    sys.unraisablehook = lambda failed: log.error(
        "%s %r", failed.err_msg or "ignored in", failed.object, exc_info=failed.exc_value
    )


def _no_core_dumps() -> None:
    """A core dump would hold the key."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _failed(error: Exception) -> int:
    from tui_chat.errors import TuiChatError, UsageError

    if isinstance(error, TuiChatError):
        _complain(error.sentence)
        return 2 if isinstance(error, UsageError) else 1
    import logging

    where = ""
    for handler in logging.getLogger().handlers:  # none yet: logging would print the traceback
        if isinstance(handler, logging.FileHandler):
            logging.getLogger(__name__).critical("unexpected error", exc_info=error)
            if Path(handler.baseFilename).is_file():
                where = f"; the details are in {handler.baseFilename}"
    _complain(f"unexpected error ({type(error).__name__}){where}")
    return 1


def _is_terminal(stream: Any) -> bool:
    try:
        return stream is not None and bool(stream.isatty())
    except ValueError:  # closed
        return False


def _print(text: str, file: Any = None) -> None:
    """Print to standard output; a reader that has gone is no error."""
    try:
        stream = file or sys.stdout
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again


def _complain(text: str) -> None:
    """One line on standard error."""
    from tui_chat.text import sanitise_line

    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        sys.stderr.write(f"tui-chat: {sanitise_line(text)}\n")
        sys.stderr.flush()
