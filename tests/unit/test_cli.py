"""The command line: which words mean what, and that every mistake is one line and exit code 2."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.store_values import content, conversation, end, running, take
from tui_chat import __version__
from tui_chat.arguments import HELP, SUBCOMMANDS, _parser, parse
from tui_chat.cli import with_input
from tui_chat.config import Flags, load
from tui_chat.conversation import Conversation
from tui_chat.errors import UsageError
from tui_chat.ids import new_id
from tui_chat.runtime import LISTED, Runtime

pytestmark = pytest.mark.timeout(30)  # a run that gets as far as a prompt imports the SDK


def run(*arguments: str | bytes, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the program without a terminal; an empty pipe counts as no input."""
    return subprocess.run([sys.executable, "-m", "tui_chat", *arguments], input=stdin, capture_output=True, check=False)


def complaint(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(arguments)
    return caught.value.sentence


@pytest.mark.parametrize(
    ("argv", "prompt", "print_reply"),
    [
        ([], None, False),
        (["hello"], "hello", False),
        (["-p", "hello"], "hello", True),
        (["hello", "-p"], "hello", True),
        (["--print", "hello"], "hello", True),
        (["-p"], None, True),
        (["-p", "--model", "m", "hello", "-c"], "hello", True),
        (["-pc", "hello"], "hello", True),
        (["-p", "demo-server"], "demo-server", True),
        (["--", "demo-server"], "demo-server", False),
        (["-p", "export"], "export", True),
        (["--", "import"], "import", False),
        (["--model", "m", "--", "doctor"], "doctor", False),
        (["import this poem"], "import this poem", False),
        (["--", "--help"], "--help", False),
        (["-p", "--", "-5 + 3"], "-5 + 3", True),
        (["--", "--"], "--", False),
        ([""], "", False),
        (["two words"], "two words", False),
    ],
)
def test_which_word_is_the_prompt(argv: Sequence[str], prompt: str | None, print_reply: bool) -> None:
    arguments = parse(argv)
    assert (arguments.prompt, arguments.print_reply) == (prompt, print_reply)


def test_all_options_at_once() -> None:
    argv = "-p hi --model m --max-tokens 7 --base-url http://localhost:1 --data-dir d --config f --output-format json --resume 01a"
    arguments = parse([*argv.split(), "--system", "be brief"])
    assert (arguments.model, arguments.max_tokens, arguments.base_url) == ("m", 7, "http://localhost:1")
    assert (arguments.data_dir, arguments.config) == (Path("d"), Path("f"))
    assert (arguments.output_format, arguments.resume, arguments.system) == ("json", "01a", "be brief")
    assert not any((arguments.demo, arguments.no_store, arguments.continue_last, arguments.version))
    assert not any((arguments.tools, arguments.allow_tools, arguments.no_thinking, arguments.no_caching))


def test_the_options_of_thinking_caching_and_tools() -> None:
    argv = "--effort max --no-thinking --no-caching --tools --allow-tool a --allow-tool b --tools-root r --timeout-approval 5"
    arguments = parse(argv.split())
    assert (arguments.effort, arguments.no_thinking, arguments.no_caching) == ("max", True, True)
    assert (arguments.tools, arguments.allow_tools, arguments.tools_root) == (True, ["a", "b"], Path("r"))
    assert arguments.timeout_approval == 5.0
    assert parse([]).allow_tools == []  # the lists of two runs are not one


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["what", "is", "love"], ["more than one PROMPT", 'tui-chat "what is love"']),
        (["-p", "one", "two"], ["more than one PROMPT"]),
        (["one", "--", "two"], ["more than one PROMPT"]),
        (["--modle", "m"], ["--modle", "tui-chat --help"]),
        (["-x"], ["-x"]),
        (["--mod", "m"], ["--mod"]),
        (["--model"], ["--model", "expected one argument"]),
        (["--model", ""], ["--model", "empty"]),
        (["--resume", " "], ["--resume", "empty"]),
        (["--data-dir", ""], ["--data-dir", "empty"]),
        (["--effort", ""], ["--effort", "empty"]),
        (["--allow-tool"], ["--allow-tool", "expected one argument"]),
        (["--tools-root", ""], ["--tools-root", "empty"]),
        (["--max-tokens", "many"], ["--max-tokens", "'many' is not a whole number"]),
        (["-p", "x", "--output-format", "xml"], ["--output-format", "xml", "stream-json"]),
        (["--output-format", "json"], ["--output-format", "-p"]),
        (["-c", "--resume", "01"], ["--continue", "--resume"]),
        (["-c", "--no-store"], ["--no-store"]),
        (["--resume", "01", "--no-store"], ["--no-store"]),
        (["--model", "m", "demo-server"], ["demo-server", "put it first"]),
        (["--data-dir", "d", "doctor", "--bundle", "f"], ["doctor has options of its own", "tui-chat doctor --help"]),
        (["--demo", "import", "a.json", "b.json"], ["import has options of its own", "put it first"]),
        (["--titles", "both"], ["--titles", "both", "prompt", "model"]),
    ],
)
def test_mistakes_are_named(argv: Sequence[str], words: Sequence[str]) -> None:
    sentence = complaint(*argv)
    assert all(word in sentence for word in words), sentence
    assert "\n" not in sentence


def test_the_help_names_every_option_and_no_other() -> None:
    known = {name for action in _parser()._actions for name in action.option_strings}
    mentioned = set(
        re.findall(r"(?<![\w-])--?[a-z][a-z-]*", HELP.replace("stream-json", "").replace("demo-server", ""))
    )
    assert mentioned == known
    assert all(f"\n  {name} " in HELP for name in SUBCOMMANDS)
    assert max(len(line) for line in HELP.splitlines()) < 80


@pytest.mark.parametrize(
    ("prompt", "piped", "sent"),
    [
        ("explain", "a\nb\n", "explain\n\na\nb"),
        ("explain", "a\r\n\r\n", "explain\n\na"),
        ("explain", "  indented", "explain\n\n  indented"),
        ("explain\n", "", "explain\n"),
        ("explain", "\n\n", "explain"),
        (None, "all of it\n", "all of it"),
        ("", "all of it", "all of it"),
    ],
)
def test_piped_input_follows_the_prompt_after_a_blank_line(prompt: str | None, piped: str, sent: str) -> None:
    assert with_input(prompt, piped) == sent


@pytest.mark.parametrize(("prompt", "piped"), [(None, ""), ("", " \n"), (" ", "")])
def test_nothing_to_send(prompt: str | None, piped: str) -> None:
    with pytest.raises(UsageError, match="nothing to send"):
        with_input(prompt, piped)


# The program as a process -----------------------------------------------------------------------------------------------


def test_version_and_help() -> None:
    version, shown = run("--version"), run("--help")
    assert (version.returncode, version.stdout.decode()) == (0, f"tui-chat {__version__}\n")
    assert (shown.returncode, shown.stdout.decode()) == (0, HELP)
    assert version.stderr == shown.stderr == b""


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "needs a terminal"),
        (["hello"], "tui-chat -p PROMPT"),
        (["--modle"], "--modle"),
        (["-p"], "nothing to send"),
        (["-p", " "], "nothing to send"),
        (["-p", "x", "--demo", "--base-url", "http://localhost:1"], "--demo and --base-url exclude each other"),
        (["-p", "x", "--base-url", "localhost:1"], "not an http or https address"),
        (["-p", "x", "--max-tokens", "0"], "--max-tokens must be 1 or more"),
        (["-p", "x", "--effort", "huge"], "there is no effort 'huge': choose one of low, medium, high, xhigh, max"),
        (
            ["-p", "x", "--allow-tool", "shell"],
            "there is no tool 'shell': the tools are current_time, calculator, read_file",
        ),
        (["-p", "x", "--allow-tool", b"\xff"], "there is no tool"),
        (["-p", "x", "--tools-root", "nowhere"], "nowhere is not a folder"),
        (["-p", "x", "--config", "nowhere.toml"], "there is no config file"),
        (["-p", "x", "-c", "--demo"], "no conversation yet"),
        (["-p", "x", "--resume", "zz", "--demo"], "no conversation's id or title fits 'zz'"),
        (["doctor", "--no-such-option"], "doctor has no use for '--no-such-option': see tui-chat doctor --help"),
        (["doctor", "--demo", "--base-url", "http://localhost:1"], "--demo and --base-url exclude each other"),
        (["doctor", "--base-url", "localhost:1"], "not an http or https address"),
        (["doctor", "--bundle", "nowhere/report.txt"], "nowhere/report.txt cannot be written"),
        (["-p", b"\xff", "--model"], "expected one argument"),
        (["--\x1b]0;title\x07"], "\u241b]0;title\u2407"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(argv: Sequence[str | bytes], words: str) -> None:
    done = run(*argv)
    lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("demo:")]
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(lines) == 1
    assert lines[0].startswith("tui-chat: ")
    assert words in lines[0]


def test_input_that_no_request_can_hold_is_refused() -> None:
    done = run("-p", stdin=b"x" * 32_000_001)
    assert done.returncode == 2
    assert b"larger than 32 MB" in done.stderr


def test_demo_server_takes_its_own_options() -> None:
    helped, refused = run("demo-server", "--help"), run("demo-server", "--no-such-option")
    assert helped.returncode == 0
    assert b"demo-server" in helped.stdout
    assert refused.returncode == 2
    assert b"Traceback" not in refused.stderr


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_a_help_of_its_own(name: str) -> None:
    done = run(name, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"tui-chat {name}" in done.stdout.decode()
    assert name == "demo-server" or max(len(line) for line in done.stdout.decode().splitlines()) < 80


def test_an_unexpected_error_is_one_line_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    broken = "import tui_chat.headless as h; secret = 'x'; h.Runtime = None; from tui_chat.cli import main; print(main(['-p', 'x']))"
    done = subprocess.run(
        [sys.executable, "-c", broken], capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True
    )
    log = tmp_path / "home" / ".local" / "share" / "tui-chat" / "tui-chat.log"
    assert done.stdout == "1\n"
    assert done.stderr.splitlines()[1:] == [f"tui-chat: unexpected error (TypeError); the details are in {log}"]
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600 or os.name == "nt"


def test_a_log_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("-p", "empty", "--demo", "--no-store", "--data-dir", str(tmp_path / "file" / "below"))
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_early_ways_out_import_neither_sdk_nor_screen() -> None:
    show = "import sys; from tui_chat.cli import main; main(['--version']); main(['--nope']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, check=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"anthropic", "pydantic", "httpx2", "textual", "rich", "sqlite3", "asyncio", "logging"}


# Which conversation is meant, and where it is kept -----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened(flags: Flags) -> AsyncIterator[Runtime]:
    runtime = Runtime(load(flags, {}))
    await runtime.open()
    try:
        yield runtime
    finally:
        await runtime.close()


async def store_named(runtime: Runtime, title: str, age: float = 0.0) -> Conversation:
    """A stored conversation called `title`, whose only turn ended `age` seconds ago."""
    whose = conversation()
    whose.id, whose.title = new_id(), title
    turn = running(whose)
    turn.started_at = time.time() - age
    await runtime.store.begin_turn(whose, turn)
    take(turn, content("text"))
    end(turn)
    await runtime.store.end_turn(whose, turn)
    return whose


async def refused(runtime: Runtime, wanted: str | None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        await runtime.resume(wanted)
    return caught.value


async def test_a_conversation_by_id_prefix_and_title(tmp_path: Path) -> None:
    async with opened(Flags(demo=True, data_dir=tmp_path)) as runtime:
        rivers = await store_named(runtime, "Rivers of Europe")
        mountains = await store_named(runtime, "Mountains of Europe")
        for wanted, found in (
            (rivers.id, rivers),
            (mountains.id, mountains),
            (rivers.id[:-1], rivers),
            (mountains.id[:-15], mountains),
            ("rivers", rivers),
            ("europe mount", mountains),
            ("RIVERS", rivers),
        ):
            assert (await runtime.resume(wanted)).conversation.id == found.id, wanted
        assert (await runtime.resume(None)).conversation.id == mountains.id
        assert str(await refused(runtime, "lakes")) == "no conversation's id or title fits 'lakes'"


async def test_several_that_fit_are_listed(tmp_path: Path) -> None:
    async with opened(Flags(demo=True, data_dir=tmp_path)) as runtime:
        made = [await store_named(runtime, f"Europe {number}\n\x1b[2J", age=3600.0 * number) for number in range(7)]
        error = await refused(runtime, "europe")
        first, *rows = error.sentence.splitlines()
        assert first == "7 conversations fit 'europe': give more of the title, or one of these ids"
        assert len(rows) == LISTED + 1
        assert rows[-1] == "  and 2 more"
        listed = {row.split()[0] for row in rows[:-1]}
        assert all(len([each for each in made if each.id.startswith(prefix)]) == 1 for prefix in listed)
        assert all("ago  Europe" in row or "now  Europe" in row for row in rows[:-1])
        assert "\x1b" not in error.sentence


async def test_a_list_is_more_than_one_line_on_standard_error(tmp_path: Path) -> None:
    async with opened(Flags(demo=True, data_dir=tmp_path)) as runtime:
        for _ in range(2):
            await store_named(runtime, "empty")
    done = run("-p", "x", "--demo", "--data-dir", str(tmp_path), "--resume", "empty")
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (2, b"")
    assert lines[0].startswith("tui-chat: 2 conversations fit 'empty'")
    assert [line.split()[-1] for line in lines[1:]] == ["empty", "empty"]


async def test_without_a_home_there_is_a_notice_and_memory(tmp_path: Path) -> None:
    nowhere = Path(os.devnull) / "tui-chat"
    settings = replace(load(Flags(demo=True, data_dir=tmp_path), {}), data_dir=nowhere, no_home=True)
    runtime = Runtime(settings)
    await runtime.open()
    assert runtime.store.path is None
    (notice,) = runtime.notices
    assert notice == (
        "there is no home directory; set HOME, or name a place with --data-dir: "
        "this run keeps its conversations in memory only"
    )
    assert "there is no home directory" in (await refused(runtime, None)).sentence
    await runtime.close()


def test_a_data_folder_that_cannot_be_is_said_and_the_chat_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("-p", "empty", "--demo", "--data-dir", str(tmp_path / "file" / "below"))
    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert str(tmp_path / "file" / "below") in line
    assert line.endswith("; this run keeps its conversations in memory only")


async def test_without_a_store_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with opened(Flags(demo=True, data_dir=tmp_path / "file" / "below")) as runtime:
        for wanted in (None, "x"):
            error = await refused(runtime, wanted)
            assert error.sentence.startswith("there are no conversations to go on with: the database ")


def test_no_home_at_all(tmp_path: Path) -> None:
    """As for a user who is in no list of users: HOME is not set, and nobody knows a home directory."""
    homeless = (
        "import os, posixpath, sys; posixpath.expanduser = os.path.expanduser = lambda path: path; "
        "from tui_chat.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environ = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("XDG_")}

    def start(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", homeless, *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )

    done = start("-p", "empty", "--demo")
    assert done.returncode == 0
    assert b"there is no home directory; set HOME, or name a place with --data-dir" in done.stderr
    examined = start("doctor", "--demo")
    assert examined.returncode == 1
    assert b"problem  data folder: there is no home directory" in examined.stdout
    assert [each.name for each in tmp_path.iterdir()] == ["home"]


def test_a_wanted_conversation_that_is_no_utf_8_is_looked_for_all_the_same(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert run("-p", "--demo", *data, "hello").returncode == 0
    done = run("-p", "--demo", *data, "--resume", b"\xff", "more")
    assert done.returncode == 2
    assert b"no conversation's id or title fits" in done.stderr
