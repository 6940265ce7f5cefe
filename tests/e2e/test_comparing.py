"""`tui-chat compare`: over real HTTP, as a process, on a terminal, stopped, refused, and with everything that can fail."""

import asyncio
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from rich.cells import cell_len

from tests.e2e.sessions import QUICK, demo_server
from tests.unit.comparing_values import HAIKU, SONNET
from tui_chat.comparing.figures import Result, Run
from tui_chat.comparing.live import Live
from tui_chat.comparing.plan import Call, Plan
from tui_chat.comparing.report import as_json
from tui_chat.comparing.runs import Comparison
from tui_chat.config import Flags, load
from tui_chat.conversation import Turn
from tui_chat.demo import DemoServer, Pacing
from tui_chat.errors import Failure
from tui_chat.events import Event
from tui_chat.meter import Ratios
from tui_chat.runtime import Runtime

pytestmark = pytest.mark.timeout(60)  # a process imports the SDK: a second of its own, and more on a busy machine

COMMAND: Final = (sys.executable, "-m", "tui_chat", "compare")
KEY: Final = "sk-ant-api03-a-secret-that-nothing-may-show"


class Watching:
    """Notes what it is told; `reached` is set when the request after `until` others has left."""

    def __init__(self) -> None:
        self.began_calls: list[Call] = []
        self.done: list[Run] = []
        self.turns: list[Turn] = []
        self.until = 0
        self.runs = False
        self.reached = asyncio.Event()

    async def prepared(self, call: Call) -> None:
        assert not self.runs  # never two at a time

    def began(self, call: Call, turn: Turn) -> None:
        self.runs = True
        self.began_calls.append(call)
        self.turns.append(turn)
        if len(self.began_calls) > self.until:
            self.reached.set()

    def heard(self, call: Call, event: Event) -> None:
        assert call is self.began_calls[-1]

    def measured(self, run: Run) -> None:
        self.runs = False
        self.done.append(run)


@asynccontextmanager
async def comparison(
    server: DemoServer, folder: Path, prompt: str, models: Sequence[str] = (SONNET,), runs: int = 3, **flags: Any
) -> AsyncIterator[tuple[Comparison, Runtime, Watching]]:
    """A comparison that is prepared."""
    settings = load(Flags(base_url=server.base_url, data_dir=folder / "data", **flags), {})
    runtime = Runtime(settings, store_conversations=False)
    await runtime.open()
    try:
        compared = Comparison(runtime, Plan(prompt, tuple(models), runs))
        await compared.prepare()
        yield compared, runtime, Watching()
    finally:
        await runtime.close()


def messages(server: DemoServer) -> list[dict[str, Any]]:
    """The bodies of the requests for a message, in their order."""
    return [record.body for record in server.requests if record.path == "/v1/messages"]


async def test_the_same_request_both_ways_in_turn(server: DemoServer, tmp_path: Path) -> None:
    async with comparison(server, tmp_path, "hello", (SONNET, HAIKU), 2, system="Be kind.") as (
        compared,
        runtime,
        seen,
    ):
        result = await compared.run(seen)
        wire = [capture.turn_id for capture in runtime.wire]
    bodies = messages(server)
    assert [(body["model"], bool(body.get("stream"))) for body in bodies] == [
        (call.model, call.streaming) for call in compared.calls
    ]
    bare = [{name: value for name, value in body.items() if name not in ("stream", "model")} for body in bodies]
    assert all(each == bare[0] for each in bare)
    assert bare[0]["system"] == "Be kind."
    assert bare[0]["max_tokens"] == 32_000  # where the SDK would refuse a call without a time-out of its own
    assert not {"cache_control", "tools"} & set(bare[0])
    assert not result.stopped
    assert all(summary.done == 2 for summary in result.summaries)
    assert wire == [turn.id for turn in seen.turns]
    assert len(set(wire)) == 8
    assert not (tmp_path / "data").exists()  # nothing is stored


async def test_each_request_finds_an_open_connection(server: DemoServer, tmp_path: Path) -> None:
    async with comparison(server, tmp_path, "hello") as (compared, _, seen):
        await compared.run(seen)
    paths = [record.path.partition("?")[0] for record in server.requests]
    assert paths == ["/v1/models", *["/v1/models", "/v1/messages"] * 6]


async def test_the_first_token_of_a_whole_reply_is_there_when_it_is(tmp_path: Path) -> None:
    with demo_server(Pacing(ttft=0.05, rate=1000)) as server:
        async with comparison(server, tmp_path, "hello", runs=2) as (compared, _, seen):
            result = await compared.run(seen)
    streaming, whole = result.of(SONNET)
    assert streaming.ttft is not None
    assert streaming.complete is not None
    assert whole.ttft is not None
    assert 0.05 <= streaming.ttft.median < streaming.complete.median
    assert whole.ttft == whole.complete
    assert whole.tokens_per_second is None
    assert streaming.output_tokens == whole.output_tokens
    assert {run.input_tokens for run in result.runs} == {5}
    record = as_json(result)
    assert record["models"][0]["streaming"]["ttft_s"]["median"] == streaming.ttft.median


FAILURES: Final[tuple[tuple[str, str, dict[str, float]], ...]] = (
    ("overloaded", "overloaded_error", {}),
    ("cut", "cut_off", {}),
    ("error", "api_error", {}),
    ("html", "not_a_stream", {}),
    ("noheaders", "timed_out", {"first_byte": 0.3}),
    ("wait", "timed_out", {"first_byte": 0.3, "content": 0.3}),
    ("silence", "timed_out", {"first_byte": 0.3, "idle": 0.3}),
)


@pytest.mark.parametrize(("prompt", "kind", "timeouts"), FAILURES)
async def test_what_fails_is_counted_and_the_rest_goes_on(
    server: DemoServer, tmp_path: Path, prompt: str, kind: str, timeouts: dict[str, float]
) -> None:
    async with comparison(server, tmp_path, prompt, runs=2, timeouts=timeouts) as (compared, _, seen):
        result = await compared.run(seen)
    assert [(run.call.streaming, run.failure and run.failure.type) for run in result.runs] == [
        (True, kind),
        (False, kind),
        (False, kind),
        (True, kind),
    ]
    assert all((each.done, each.failed, each.ttft) == (0, 2, None) for each in result.summaries)


async def test_one_failure_among_others(server: DemoServer, tmp_path: Path) -> None:
    async with comparison(server, tmp_path, "flaky", runs=3) as (compared, _, seen):  # twice 529, then a reply
        result = await compared.run(seen)
    streaming, whole = result.of(SONNET)
    assert (streaming.done, streaming.failed) == (2, 1)
    assert (whole.done, whole.failed) == (2, 1)
    assert streaming.ttft is not None


async def test_a_model_that_is_not_there_is_asked_once(server: DemoServer, tmp_path: Path) -> None:
    async with comparison(server, tmp_path, "hello", ("claude-nothing", SONNET), 3) as (compared, _, seen):
        result = await compared.run(seen)
    streaming, whole = result.of("claude-nothing")
    assert (streaming.failed, streaming.skipped, whole.failed, whole.skipped) == (1, 2, 0, 3)
    assert all(each.done == 3 for each in result.of(SONNET))
    assert not result.stopped


async def test_what_a_server_refuses_is_left_out_and_no_failure(tmp_path: Path) -> None:
    server = DemoServer(pacing=QUICK, refuses=["thinking"]).start_in_thread()
    try:
        async with comparison(server, tmp_path, "hello", runs=1) as (compared, _, seen):
            result = await compared.run(seen)
    finally:
        server.stop()
    assert ["thinking" in body for body in messages(server)] == [True, False, False]
    assert all(each.done == 1 for each in result.summaries)


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_a_stop_closes_the_connection_and_keeps_what_was_measured(tmp_path: Path, before: int) -> None:
    with demo_server(Pacing(ttft=0.02, rate=0)) as server:
        async with comparison(server, tmp_path, "hello", runs=3) as (compared, _, seen):
            seen.until = before
            running: asyncio.Task[Result] = asyncio.create_task(compared.run(seen))
            await seen.reached.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            result = compared.result
        await server.wait_for(lambda: all(record.ended is not None for record in server.requests))
        assert len(messages(server)) <= before + 1
    assert result.stopped
    assert len(result.runs) == before
    assert sum(each.done for each in result.summaries) == before


# The process --------------------------------------------------------------------------------------------------------


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "ANTHROPIC_API_KEY": KEY, **changes}


def compare(*arguments: str, code: int = 0, **changes: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def test_text_and_progress(server: DemoServer, tmp_path: Path) -> None:
    done = compare("hello", "--runs", "2", "--yes", "--base-url", server.base_url, "--data-dir", str(tmp_path / "data"))
    assert "first token" in done.stdout
    assert "▇" in done.stdout
    assert "Time to first token" in done.stdout
    said = done.stderr.splitlines()
    assert said[0].startswith("4 requests to 127.0.0.1:")
    assert [line.split(":")[0] for line in said[2:]] == [f"{number} of 4" for number in range(1, 5)]
    assert not list((tmp_path / "data").glob("*"))


def test_json_is_one_object_with_every_request(server: DemoServer) -> None:
    done = compare("hello", "--runs", "1", "--yes", "--output-format", "json", ANTHROPIC_BASE_URL=server.base_url)
    record = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert record["models"][0]["model"] == SONNET
    assert [run["streaming"] for run in record["runs"]] == [True, False]
    assert all(run["error"] is None and run["ttft_s"] > 0 for run in record["runs"])


def test_without_a_terminal_it_sends_nothing_unasked(server: DemoServer) -> None:
    done = compare("hello", code=2, ANTHROPIC_BASE_URL=server.base_url)
    assert done.stderr == (
        "tui-chat: this would send requests that may cost money: allow it with --yes, or use a terminal\n"
    )
    assert not server.requests


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is nothing to send"),
        (("two", "words"), 'tui-chat compare "two words"'),
        (("x", "--runs", "0"), "--runs must be 1 to 50, not 0"),
        (("x", "--runs", "51"), "--runs must be 1 to 50, not 51"),
        (("x", "--runs", "few"), "--runs"),
        (("x", "--model", " "), "--model is empty"),
        (("x", "--max-tokens", "0"), "--max-tokens must be 1 or more"),
        (("x", "--demo", "--base-url", "http://localhost"), "exclude each other"),
        (("x", "--faster"), "unrecognized arguments: --faster"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: tuple[str, ...], words: str) -> None:
    done = compare(*arguments, code=2)
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_nobody_there(tmp_path: Path) -> None:
    done = compare("hello", "--runs", "1", "--yes", code=1, ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert "failed: sonnet-5-5, streaming, run 1: cannot reach 127.0.0.1:9" in done.stdout.replace("\n", " ")


def on_terminal(*arguments: str, **changes: str) -> tuple[subprocess.Popen[bytes], int]:
    """The program with everything but standard output on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**changes),
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(slave)
    return process, master


def read_until(descriptor: int, pattern: bytes, seconds: float = 30) -> bytes:
    """What comes until `pattern` has come; everything if it ends first."""
    found, deadline = b"", time.monotonic() + seconds
    while not re.search(pattern, found) and time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.5)[0]:
            try:
                found += os.read(descriptor, 4096)
            except OSError:  # the other end is closed
                break
    return found


@pytest.mark.parametrize(("answer", "code", "sent"), [(b"y\n", 0, 2), (b"n\n", 1, 0), (b"\n", 1, 0), (b"\x04", 1, 0)])
def test_it_asks_on_a_terminal(server: DemoServer, answer: bytes, code: int, sent: int) -> None:
    process, terminal = on_terminal("hello", "--runs", "1", ANTHROPIC_BASE_URL=server.base_url)
    asked = read_until(terminal, rb"\[y/N\] ")
    assert b"2 requests to 127.0.0.1" in asked
    assert b"What that costs is not known here." in asked
    os.write(terminal, answer)
    read_until(terminal, rb"(?!)")
    out, _ = process.communicate(timeout=30)
    os.close(terminal)
    assert process.returncode == code
    assert len(messages(server)) == sent
    assert bool(out) is bool(sent)


def test_two_lines_that_change_on_a_terminal_and_are_gone_at_the_end() -> None:
    with demo_server(Pacing(ttft=0.05, rate=400)) as server:
        process, terminal = on_terminal("hello", "--runs", "1", "--yes", ANTHROPIC_BASE_URL=server.base_url)
        shown = read_until(terminal, rb"(?!)").decode()
        process.communicate(timeout=30)
        os.close(terminal)
    assert process.returncode == 0
    assert re.search(r"streaming +\d\.\d s  first token 0\.\d+ s, ~\d+ tokens", shown), shown
    assert re.search(r"not streaming +\d\.\d s  nothing to read yet", shown), shown
    assert shown.endswith("\x1b[3A\x1b[J")


async def test_a_line_that_changes_stays_one_line_whatever_a_server_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", written := Terminal())
    live = Live(2, Ratios())
    call = Call(1, "claude-x", 1, streaming=True)
    await live.prepared(call)
    live.measured(Run(call, failure=Failure("api_error", "\u6a21" * 100)))
    lines = re.sub(r"\x1b\[\d*[AK]|\r", "", written.getvalue()).splitlines()
    assert len(lines) == 6
    assert max(map(cell_len, lines)) < 80
    assert "failed" in lines[4]


def test_ctrl_c_reports_what_was_measured() -> None:
    with demo_server(Pacing(ttft=0.02, rate=100)) as server:
        arguments = ("hello", "--runs", "9", "--yes", "--output-format", "json")
        process, terminal = on_terminal(*arguments, ANTHROPIC_BASE_URL=server.base_url)
        read_until(terminal, rb"request 2 of 18")
        process.send_signal(signal.SIGINT)
        read_until(terminal, rb"(?!)")
        out, _ = process.communicate(timeout=30)
        os.close(terminal)
        assert len(messages(server)) <= 3
    record = json.loads(out)
    assert process.returncode == 130
    assert record["stopped"] is True
    assert 1 <= len(record["runs"]) <= 2


def test_ctrl_c_at_the_question_ends_it(server: DemoServer) -> None:
    process, terminal = on_terminal("hello", ANTHROPIC_BASE_URL=server.base_url)
    read_until(terminal, rb"\[y/N\] ")
    process.send_signal(signal.SIGINT)
    read_until(terminal, rb"(?!)")
    out, _ = process.communicate(timeout=30)
    os.close(terminal)
    assert (process.returncode, out) == (130, b"")
    assert not messages(server)


def test_the_demo_is_not_asked_about() -> None:
    done = compare("empty", "--demo", "--runs", "1")
    assert done.stderr.startswith("2 requests to the demo (sonnet-5-5)")
    assert "cost" not in done.stderr
    assert re.search(r"first token +– +–", done.stdout)
