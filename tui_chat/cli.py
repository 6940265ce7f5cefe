"""The start: arguments to a `Config`, then the screen, the headless output or a subcommand; exit codes.

Why it exists: what is decided before anything runs is decided here, once: which prompt, from where, on which surface, and
that nothing but the reply or the screen ever reaches the terminal. It must not know how a turn runs or is shown.
At the top it imports only what parsing needs, so `--help` and `--version` are as fast as Python itself.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tui_chat import __version__
from tui_chat.arguments import SUBCOMMANDS, parse
from tui_chat.console import say, usage_error, write

LOG_SIZE: Final = 1_000_000  # bytes; one older file of that size is kept
LARGEST_INPUT: Final = 32_000_000  # bytes of standard input: more than one request may hold
INPUT_PATIENCE: Final = 3.0  # seconds without the end of standard input until a line says what is waited for


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
    if argv and argv[0] in SUBCOMMANDS:
        return _subcommand(argv[0], argv[1:])
    arguments = parse(argv)
    if arguments.version:
        write(f"tui-chat {__version__}\n")
        return 0
    if not arguments.print_reply and not (_is_terminal(sys.stdin) and _is_terminal(sys.stdout)):
        raise usage_error("the chat needs a terminal", "to print a reply without one, use tui-chat -p PROMPT")

    from tui_chat import config  # here and below: each start imports only what it runs
    from tui_chat.text import storable

    def clean(text: str | None) -> str | None:
        """Arguments that were no UTF-8 hold lone surrogates; file names keep theirs, everything else is replaced."""
        return None if text is None else storable(text)

    flags = config.Flags(
        model=clean(arguments.model),
        system=clean(arguments.system),
        max_tokens=arguments.max_tokens,
        effort=clean(arguments.effort),
        no_thinking=arguments.no_thinking,
        no_caching=arguments.no_caching,
        tools=arguments.tools,
        allow_tools=[storable(name) for name in arguments.allow_tools],
        tools_root=arguments.tools_root,
        base_url=clean(arguments.base_url),
        demo=arguments.demo,
        data_dir=arguments.data_dir,
        config=arguments.config,
        titles=arguments.titles,
        record=arguments.record,
        timeouts={
            name: seconds for name in config.TIMEOUTS if (seconds := getattr(arguments, f"timeout_{name}")) is not None
        },
    )
    settings = config.load(flags)
    if settings.record_to is not None:
        from tui_chat.recordings.recorder import prepare

        prepare(settings.record_to)
    _start_log(settings.log_file)
    _no_core_dumps()
    prompt = clean(arguments.prompt)
    if not arguments.print_reply:
        from tui_chat.ui.app import run

        return run(
            settings,
            prompt=prompt,
            resume=clean(arguments.resume),
            continue_last=arguments.continue_last,
            store_conversations=not arguments.no_store,
        )
    prompt = with_input(prompt, _piped())
    if sys.stdout is None:
        raise usage_error("standard output is closed", "the reply has nowhere to go")

    import asyncio

    from tui_chat.headless import run_headless

    return asyncio.run(
        run_headless(
            settings,
            prompt,
            output_format=arguments.output_format or "text",
            resume=clean(arguments.resume),
            continue_last=arguments.continue_last,
            store_conversations=not arguments.no_store,
        )
    )


def _subcommand(name: str, argv: Sequence[str]) -> int:
    """Each is imported only when it is asked for, and reads its arguments itself."""
    if name == "demo-server":
        from tui_chat.demo import main as serve

        return serve(argv)
    _no_core_dumps()
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the program's standard output until it ends
    import logging

    logging.getLogger().addHandler(logging.NullHandler())  # or warnings, and the SDK's log, would go to the terminal
    if name == "doctor":
        from tui_chat.doctor import main as examine

        return examine(argv)
    if name == "replay":
        from tui_chat.replay import main as replay

        return replay(argv, _start_log)
    if name == "stats":
        from tui_chat.statistics.cli import main as count

        return count(argv)
    if name == "compare":
        from tui_chat.comparing.cli import main as compare

        return compare(argv)
    from tui_chat.exchange.cli import export_main, import_main

    return export_main(argv) if name == "export" else import_main(argv)


def with_input(prompt: str | None, piped: str) -> str:
    """The prompt of a headless run: `prompt`, a blank line, and what was piped, without its trailing line ends.

    Raises:
        UsageError: both are blank.

    """
    parts = [part for part in (prompt or "", piped.rstrip("\r\n")) if part.strip()]
    if not parts:
        raise usage_error("there is nothing to send", 'give a prompt (tui-chat -p "PROMPT") or pipe one in')
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
        raise usage_error(f"standard input cannot be read ({error.strerror})", "") from None
    finally:
        reminder.cancel()
    if len(data) > LARGEST_INPUT:
        raise usage_error("standard input is larger than 32 MB", "no request may hold that much")
    return data.decode("utf-8-sig", "replace")


def _start_log(path: Path) -> None:
    """Send every record of INFO and above to one bounded file, and none to the terminal.

    It happens before the SDK is imported: with a handler on the root logger, ANTHROPIC_LOG cannot add one for stderr.
    """
    import logging
    import logging.handlers
    import threading

    with contextlib.suppress(OSError):  # no log is no reason not to chat
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8", errors="backslashreplace", delay=True
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


def _complain(text: str) -> None:
    """One line on standard error; a list that a message may end with has a line for each."""
    say(f"tui-chat: {text}")
