"""The command line: which words mean what, and what `--help` says of them.

Why it exists: it reads arguments and checks them against each other, and does nothing else. What a value may be is in `config`,
what is done with it in `cli`. It imports next to nothing, so that `--help` is as fast as Python itself.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tui_chat.console import Parser, usage_error

DEMO_SERVER: Final = "demo-server"
# As the first argument; each has options of its own.
SUBCOMMANDS: Final = ("export", "import", "replay", "compare", "stats", "doctor", DEMO_SERVER)

HELP: Final = """\
usage: tui-chat [options] [PROMPT]
       tui-chat -p [options] [PROMPT]
       tui-chat COMMAND [--help]   where COMMAND is one of "Other things to do"

Chat with Claude in the terminal. PROMPT, one argument in quotes, is sent as
soon as the chat opens. Without an API key the built-in demo answers.

  -c, --continue         go on with the last conversation
      --resume WANTED    go on with another: its id, what its id begins with,
                         or words of its title
      --no-store         keep this conversation in memory only
      --record DIR       write every turn to a file of its own in DIR, with
                         every byte and its timing, for tui-chat replay
      --titles FROM      who names conversations: prompt (the first one; the
                         default), or model (a short request of its own to the
                         cheapest model after the first reply, full screen)

Model and server
      --model NAME       default: ANTHROPIC_MODEL, else claude-sonnet-5-5
      --system TEXT      the system prompt
      --max-tokens N     the longest reply, in tokens
      --effort LEVEL     low, medium, high, xhigh or max, where the model has
                         it; default: the model's own
      --no-thinking      do not ask for the model's thinking and its summary
      --no-caching       do not ask the server to cache the conversation
      --base-url URL     any server that speaks the Messages API
      --demo             the built-in demo, even if there is a key
      --timeout-connect S, --timeout-first-byte S, --timeout-idle S,
      --timeout-content S
                         seconds until the reply is given up: without a
                         connection (10), without a first byte (600), then
                         without any byte (120), without content (never);
                         0 is never

Tools
      --tools            offer the model three: current_time, calculator and
                         read_file. Each call asks first; without the screen
                         it is denied
      --allow-tool NAME  this one need not ask; give it once for each. It
                         also turns the tools on
      --tools-root DIR   the only folder that read_file may read from;
                         default: the working directory
      --timeout-approval S
                         seconds until a call that nobody answers for is
                         denied (600)

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

Other things to do
  export                 write conversations as Markdown, JSON, HTML or text
  import                 read them: our JSON, Claude's and ChatGPT's exports,
                         databases
  replay                 play what --record or /record has written, in the
                         time it took or step by step, without the network
  compare                the same prompt with streaming and without: measured
                         side by side
  stats                  figures over your own history: TTFT, tok/s, cost
  doctor                 look at versions, files, credentials, terminal and
                         server; it changes nothing and sends no message
  demo-server            the demo alone, for any other client

  -h, --help             show this help
      --version          show the version

Examples
  tui-chat "What happens on the wire when I stream?"
  tui-chat --continue
  git diff | tui-chat -p "Write a commit message for this diff"
  tui-chat -p --output-format json "Name a colour" | jq .usage
  tui-chat -- doctor             after -- everything is the prompt

Exit codes: 0 completed; 1 failed, refused, or a tool call was not allowed;
2 bad arguments; 130 stopped by Ctrl+C, 143 by SIGTERM, 129 by SIGHUP;
141 standard output was closed before the reply ended.
"""


class Arguments(argparse.Namespace):
    """What the command line said; None: not said."""

    prompt: str | None
    print_reply: bool
    output_format: str | None
    continue_last: bool
    resume: str | None
    no_store: bool
    titles: str | None
    record: Path | None
    model: str | None
    system: str | None
    max_tokens: int | None
    effort: str | None
    no_thinking: bool
    no_caching: bool
    tools: bool
    allow_tools: list[str]
    tools_root: Path | None
    base_url: str | None
    demo: bool
    timeout_connect: float | None
    timeout_first_byte: float | None
    timeout_idle: float | None
    timeout_content: float | None
    timeout_approval: float | None
    config: Path | None
    data_dir: Path | None
    version: bool


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
    unknown = [word for word in rest if word.startswith("-")]
    first = next((word for word in rest if word not in unknown), "")
    if first in SUBCOMMANDS and not arguments.print_reply:
        raise usage_error(f"{first} has options of its own", f"put it first: tui-chat {first} --help")
    if unknown:
        raise usage_error(
            f"there is no option {unknown[0]}", "see tui-chat --help; a prompt that starts with - goes after --"
        )
    words = rest + forced
    if len(words) > 1:
        joined = " ".join(words)
        raise usage_error("there is more than one PROMPT", f'put it in quotes: tui-chat "{joined}"')
    arguments.prompt = words[0] if words else None
    _check(arguments)
    return arguments


def _parser() -> Parser:
    parser = Parser(HELP)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-p", "--print", action="store_true", dest="print_reply")
    parser.add_argument("--output-format", choices=("text", "json", "stream-json"))
    parser.add_argument("-c", "--continue", action="store_true", dest="continue_last")
    parser.add_argument("--resume", type=text)
    parser.add_argument("--no-store", action="store_true")
    parser.add_argument("--titles", choices=("prompt", "model"))
    parser.add_argument("--record", type=path)
    parser.add_argument("--model", type=text)
    parser.add_argument("--system")
    parser.add_argument("--max-tokens", type=_count)
    parser.add_argument("--effort", type=text)
    parser.add_argument("--no-thinking", action="store_true")
    parser.add_argument("--no-caching", action="store_true")
    parser.add_argument("--tools", action="store_true")
    parser.add_argument("--allow-tool", type=text, action="append", default=[], dest="allow_tools")
    parser.add_argument("--tools-root", type=path)
    parser.add_argument("--base-url", type=text)
    parser.add_argument("--demo", action="store_true")
    for name in ("connect", "first_byte", "idle", "content", "approval"):
        parser.add_argument(f"--timeout-{name.replace('_', '-')}", type=_seconds)
    parser.add_argument("--config", type=path)
    parser.add_argument("--data-dir", type=path)
    return parser


def text(value: str) -> str:
    """An option's value that must not be blank."""
    if not value.strip():
        raise argparse.ArgumentTypeError("the value is empty")
    return value


def path(value: str) -> Path:
    """An option's value that is a path."""
    return Path(text(value))


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
        raise usage_error("--continue and --resume exclude each other", "use one of them")
    if arguments.no_store and (arguments.continue_last or arguments.resume):
        raise usage_error("--no-store opens no stored conversation", "leave it out to continue one")
    if arguments.output_format and not arguments.print_reply:
        raise usage_error("--output-format is for printed replies", "add -p")
