"""`tui-chat compare`: arguments, the question before anything is paid for, exit codes.

The report goes to standard output, everything else to standard error. It must not know the screen.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tui_chat import config
from tui_chat.comparing.figures import Result
from tui_chat.comparing.live import Live
from tui_chat.comparing.plan import DEFAULT_RUNS, MOST_RUNS, Plan
from tui_chat.comparing.report import as_json, text
from tui_chat.comparing.runs import Comparison
from tui_chat.config import Config
from tui_chat.console import Parser, say, show
from tui_chat.errors import RequestError, UsageError
from tui_chat.runtime import Runtime
from tui_chat.text import storable

STOPPED: Final = 130
EXIT_CLOSED: Final = 141  # of a program that SIGPIPE ends
_WIDTH: Final = 80  # cells of a report that goes to no terminal

HELP: Final = """\
usage: tui-chat compare PROMPT [options]

Send the same prompt with streaming and without, in turn, and compare how long
it takes until the first token, and until the reply is complete.

      --model NAME       give it once for each model; default: as for tui-chat
      --runs N           how often each way, 1 to 50 (3)
      --max-tokens N     the longest reply, in tokens
      --yes              do not ask before anything is sent
      --output-format F  text (the default), or json: one object with the
                         medians and every single request
      --demo             the built-in demo; its prompt `course` plays the
                         example of the streaming course, 500 tokens
      --base-url URL, --system TEXT, --effort LEVEL, --no-thinking,
      --timeout-connect S, --timeout-first-byte S, --timeout-idle S,
      --timeout-content S, --config FILE, --data-dir DIR
                         as for tui-chat
  -h, --help             show this help

Before it sends anything it says what, and what that may cost, and asks; the
demo costs nothing and is not asked about. Ctrl+C stops, and reports what was
measured. Nothing is stored. While it runs, standard error says how far it is.

Each request is one of a new chat: the system prompt of the settings, no tools,
and no prompt caching, which would help the later ones. It is sent once: one
that fails is counted, and is in no median. Without streaming the first token
is there when the whole reply is; --timeout-first-byte bounds that wait.

Exit codes: 0 each way was measured for each model; 1 not, or nothing was to be
sent; 2 bad arguments; 130 stopped by Ctrl+C.
"""


def main(argv: Sequence[str]) -> int:
    """Compare and print; returns the exit code.

    Raises:
        UsageError: the arguments cannot be used.

    """
    options = _options(argv)
    plan, settings = _plan(options)
    try:
        with asyncio.Runner() as runner:
            return _compare(runner, settings, plan, options)
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return EXIT_CLOSED


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(HELP, "compare")
    parser.add_argument("prompt", nargs="*")
    parser.add_argument("--model", action="append", default=[], dest="models")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--output-format", choices=("text", "json"), default="text")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--base-url")
    parser.add_argument("--system")
    parser.add_argument("--effort")
    parser.add_argument("--no-thinking", action="store_true")
    for name in ("connect", "first-byte", "idle", "content"):
        parser.add_argument(f"--timeout-{name}", type=float)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args(argv)


def _plan(options: argparse.Namespace) -> tuple[Plan, Config]:
    if len(options.prompt) > 1:
        joined = " ".join(options.prompt)
        raise UsageError("there is more than one PROMPT", f'put it in quotes: tui-chat compare "{joined}"')
    prompt = storable("".join(options.prompt)).strip()
    if not prompt:
        raise UsageError("there is nothing to send", 'give a prompt: tui-chat compare "PROMPT"')
    if not 1 <= options.runs <= MOST_RUNS:
        raise UsageError(f"--runs must be 1 to {MOST_RUNS}, not {options.runs}")
    if any(not model.strip() for model in options.models):
        raise UsageError("--model is empty", "leave it out for the usual one")
    timeouts = {name: getattr(options, f"timeout_{name}") for name in ("connect", "first_byte", "idle", "content")}
    settings = config.load(
        config.Flags(
            model=storable(options.models[0]) if options.models else None,
            system=None if options.system is None else storable(options.system),
            max_tokens=options.max_tokens,
            effort=options.effort,
            no_thinking=options.no_thinking,
            base_url=options.base_url,
            demo=options.demo,
            data_dir=options.data_dir,
            config=options.config,
            timeouts={name: value for name, value in timeouts.items() if value is not None},
        )
    )
    models = tuple(dict.fromkeys(map(storable, options.models))) or (settings.model,)
    return Plan(prompt, models, options.runs), settings


def _compare(runner: asyncio.Runner, settings: Config, plan: Plan, options: argparse.Namespace) -> int:
    runtime = Runtime(settings, store_conversations=False)
    comparison = Comparison(runtime, plan)
    try:
        if settings.demo and not settings.demo_chosen:
            say("demo: replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude")
        if not settings.demo and not options.yes and not _can_ask():
            raise UsageError("this would send requests that may cost money", "allow it with --yes, or use a terminal")
        runner.run(_prepare(runtime, comparison))
        estimate = comparison.estimate()
        for sentence in estimate.sentences[: 1 if settings.demo else 2]:
            say(sentence)
        # Between two runs of the loop: Ctrl+C at the question is then the usual one.
        if not settings.demo and not options.yes and not _agreed():
            say("nothing was sent")
            return 1
        result = runner.run(_measure(runtime, comparison))
    except RequestError as error:
        say(f"tui-chat: {error.failure.sentence}")
        return 1
    finally:
        runner.run(runtime.close())
    show(_report(result, options.output_format))
    if result.stopped:
        return STOPPED
    return 0 if all(summary.done for summary in result.summaries) else 1


async def _prepare(runtime: Runtime, comparison: Comparison) -> None:
    await runtime.open()
    await comparison.prepare()


async def _measure(runtime: Runtime, comparison: Comparison) -> Result:
    async with Live(len(comparison.calls), runtime.ratios) as live:
        try:
            return await comparison.run(live)
        except asyncio.CancelledError:  # Ctrl+C: what was measured is still worth something
            return comparison.result


def _report(result: Result, output_format: str) -> str:
    if output_format == "json":
        return json.dumps(as_json(result), allow_nan=False) + "\n"
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    return text(result, max(40, width))


def _can_ask() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _agreed() -> bool:
    sys.stderr.write("Send them? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
