"""The demo server as a program of its own: arguments, one line of output, a clean end.

Why it exists: other programs may want the demo too, and measurements need it in another process.
What it must not know: the chat program, which calls `main` for its `demo-server` command.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tui_chat.demo.replies import COMMANDS
from tui_chat.demo.schedule import Pacing
from tui_chat.demo.server import HOST, DemoServer


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl+C or SIGTERM. Returns the exit code: 0, or 1 if it could not start."""
    options = _parser().parse_args(argv)
    try:
        given = {name: value for name in ("ttft", "rate", "seed") if (value := getattr(options, name)) is not None}
        pacing = Pacing(**given) if given else None
    except ValueError as error:
        return _fail(str(error))
    server = DemoServer(port=options.port, pacing=pacing, log=options.log, refuses=options.refuse)
    try:
        asyncio.run(_serve(server))
    except KeyboardInterrupt:  # where signal handlers cannot be set, as on Windows
        return 0
    except OSError as error:
        if error.filename is not None:
            return _fail(f"cannot write {error.filename}: {error.strerror}")
        return _fail(
            f"cannot listen on {HOST} port {options.port}: {_reason(error)}; "
            "choose another with --port, or any free one with --port 0"
        )
    except OverflowError:
        return _fail("a port is a number from 0 to 65535")
    return 0


async def _serve(server: DemoServer) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
    async with server:
        sys.stdout.write(
            f"demo server: {server.base_url}   "
            f"export ANTHROPIC_BASE_URL={server.base_url} ANTHROPIC_API_KEY=demo   (Ctrl+C stops it)\n"
        )
        sys.stdout.flush()
        await stopping.wait()


def _fail(reason: str) -> int:
    sys.stderr.write(f"demo server: {reason}\n")
    return 1


def _reason(error: OSError) -> str:
    return "it is in use" if "in use" in str(error).lower() else str(error)


def _parser() -> argparse.ArgumentParser:
    words = "\n".join(f"  {name:<11} {command.description}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="tui-chat demo-server",
        description="A Messages API on 127.0.0.1 with prepared replies: no key, no cost, no network.",
        epilog="The first word of a message may be one of these; any other message gets a short tour:\n\n" + words,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Pacing()
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; 0, the default, takes any")
    parser.add_argument(
        "--ttft", type=float, metavar="S", help=f"seconds to the first token ({default.ttft}; it depends on the model)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help=f"tokens per second ({default.rate:g}; it depends on the model); 0: as fast as possible",
    )
    parser.add_argument("--seed", type=int, metavar="K", help=f"varies pace and cuts ({default.seed})")
    parser.add_argument(
        "--refuse",
        action="append",
        default=[],
        metavar="NAME",
        help="refuse requests with this parameter, as in cache_control or thinking.display; may be given again",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append what happens to FILE, as JSON lines")
    return parser
