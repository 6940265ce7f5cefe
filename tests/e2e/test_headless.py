"""`tui-chat -p` as a process: what it prints where, how it ends, and that nothing is lost.

The server runs in the test's own process, so a test can ask what the server saw; one test uses the embedded demo.
"""

import json
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tui_chat import turns
from tui_chat.demo import DemoServer, Pacing
from tui_chat.events import from_json
from tui_chat.headless import RESULT_KEYS
from tui_chat.printing import json_line
from tui_chat.text import sanitise

pytestmark = pytest.mark.timeout(30)  # a run imports the SDK: a second of its own, and more on a busy machine

COMMAND: Final = (sys.executable, "-m", "tui_chat", "-p")
DEAD: Final = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A demo server without pauses."""
    yield from _serve(Pacing(ttft=0.02, rate=0))


@pytest.fixture
def slow_server() -> Iterator[DemoServer]:
    """A demo server that leaves time to stop a reply."""
    yield from _serve(Pacing(ttft=0.02, rate=100))


def _serve(pacing: Pacing) -> Iterator[DemoServer]:
    demo = DemoServer(pacing=pacing).start_in_thread()
    try:
        yield demo
    finally:
        demo.stop()


@pytest.fixture(autouse=True)
def _no_secret_or_traceback(tmp_path: Path) -> Iterator[None]:
    """After each test: the log has no traceback, and what was written is the user's alone."""
    yield
    data = tmp_path / "home" / ".local" / "share" / "tui-chat"
    for path in data.glob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    log = data / "tui-chat.log"
    assert "Traceback" not in (log.read_text() if log.exists() else "")


def environment(server: DemoServer | None, **changes: str) -> dict[str, str]:
    base_url = {} if server is None else {"ANTHROPIC_BASE_URL": server.base_url}
    return {**os.environ, **base_url, **changes}


class Done:
    """What a run left behind."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out.decode(), err.decode()

    @property
    def result(self) -> dict[str, Any]:
        """The object of `--output-format json`."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()


def chat(
    server: DemoServer | None, *arguments: str, piped: bytes = b"", environ: Mapping[str, str] | None = None
) -> Done:
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=piped,
        capture_output=True,
        check=False,
        env=environment(server) if environ is None else environ,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Start(Protocol):
    """Starts the program; it is gone when the test is."""

    def __call__(self, server: DemoServer, *arguments: str, **options: Any) -> subprocess.Popen[bytes]: ...


@pytest.fixture
def start() -> Iterator[Start]:
    processes = []

    def started(server: DemoServer, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(server),
            **options,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        with process:
            process.kill()


def sent(server: DemoServer, number: int = -1) -> list[dict[str, Any]]:
    """The messages of one request, as role and text."""
    posts = [request for request in server.requests if request.path == "/v1/messages"]
    return [{"role": each["role"], "text": _text(each["content"])} for each in posts[number].body["messages"]]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


# What is printed --------------------------------------------------------------------------------------------------------


def test_text_and_json_are_the_same_reply(server: DemoServer) -> None:
    text, found = chat(server, "code", "--no-store"), chat(server, "code", "--no-store", "--output-format", "json")
    assert (text.code, text.err, found.code, found.err) == (0, "", 0, "")
    result = found.result
    assert tuple(result) == RESULT_KEYS
    assert "```python" in result["text"]
    assert text.out == result["text"].rstrip("\n") + "\n"
    assert found.out.count("\n") == 1


def test_json_says_what_the_api_said(server: DemoServer) -> None:
    result = chat(server, "thinking", "--output-format", "json", "--model", "claude-haiku-5-5").result
    assert (result["outcome"], result["stop_reason"], result["error"]) == ("completed", "end_turn", None)
    assert [block["type"] for block in result["blocks"]] == ["thinking", "text"]
    assert result["blocks"][0]["thinking"]
    assert result["blocks"][0]["signature"]
    assert result["blocks"][1]["text"] == result["text"]
    assert result["usage"]["input_tokens"] > 0
    assert result["usage"]["output_tokens"] > 100
    assert result["usage_is_final"] is True
    assert 0.02 <= result["ttft_s"] <= result["duration_s"] < 10
    assert result["model"] == "claude-haiku-5-5"
    assert result["request_id"].startswith("req_")
    assert len(result["conversation_id"]) == 32


def test_the_embedded_demo_is_announced_and_has_true_figures() -> None:
    automatic = chat(None, "list", "--no-store", "--max-tokens", "50", "--output-format", "json")
    chosen = chat(None, "empty", "--no-store", "--demo")
    demo = "demo: replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude"
    assert automatic.complaints == [demo, "the reply ends early: max_tokens"]
    assert automatic.result["ttft_s"] == pytest.approx(0.5, abs=0.25)
    assert automatic.result["tokens_per_second"] == pytest.approx(60, rel=0.2)
    assert (chosen.code, chosen.out, chosen.err) == (0, "", "")


def test_stream_json_is_the_turn(server: DemoServer) -> None:
    done = chat(server, "table", "--output-format", "stream-json")
    records = [json.loads(line) for line in done.out.splitlines()]
    result = records.pop()
    assert tuple(result) == ("type", *RESULT_KEYS)
    assert result["type"] == "result"
    assert (records[0]["type"], records[-1]["type"]) == ("turn_started", "turn_ended")
    turn = turns.fold(from_json(record) for record in records)
    assert turn.text == result["text"]
    assert turn.outcome == result["outcome"] == "completed"
    assert turn.conversation_id == result["conversation_id"]
    assert dict(turn.usage.fields) == result["usage"]


@pytest.mark.parametrize(
    ("prompt", "code", "outcome", "error_type", "words"),
    [
        ("error", 1, "failed", "api_error", "the server reported an error"),
        ("cut", 1, "failed", "cut_off", "the connection closed before the reply ended; send again"),
        ("http 401", 1, "failed", "authentication_error", "check ANTHROPIC_API_KEY"),
        ("html", 1, "failed", "not_a_stream", "an HTML page instead of an event stream"),
        ("refuse", 1, "completed", None, "refused (cyber): The demo was asked to refuse."),
        ("empty", 0, "completed", None, ""),
    ],
)
def test_how_a_reply_can_end(  # noqa: PLR0917 - a table
    server: DemoServer, prompt: str, code: int, outcome: str, error_type: str | None, words: str
) -> None:
    done = chat(server, prompt, "--output-format", "json")
    result = done.result
    assert (done.code, result["outcome"]) == (code, outcome)
    assert bool(result["text"]) == (prompt in ("error", "cut"))
    assert len(done.complaints) == bool(words)
    assert words in done.err
    if error_type is None:
        assert result["error"] is None
    else:
        assert tuple(result["error"]) == ("type", "message", "request_id")
        assert result["error"]["type"] == error_type
        assert result["error"]["message"]


def test_a_cut_reply_is_printed_as_far_as_it_came(server: DemoServer) -> None:
    done = chat(server, "cut")
    assert done.code == 1
    assert len(done.out) > 50
    assert done.out.endswith("\n")
    assert done.complaints == ["tui-chat: the connection closed before the reply ended; send again"]


def test_retries_are_told(server: DemoServer) -> None:
    done = chat(server, "overloaded")
    assert (done.code, done.out) == (1, "")
    first, second, last = done.complaints
    assert re.match(r"retrying in \d+s, attempt 2 of 3: the API is overloaded \(529\)$", first)
    assert re.match(r"retrying in \d+s, attempt 3 of 3: the API is overloaded \(529, 2 attempts\)$", second)
    assert last.startswith("tui-chat: the API is overloaded (529, 3 attempts)")
    assert len([each for each in server.requests if each.path == "/v1/messages"]) == 3


def test_no_server_at_all() -> None:
    done = chat(None, "hello", "--base-url", DEAD, "--no-store", "--output-format", "json")
    assert done.code == 1
    assert done.result["error"]["type"] == "connection"
    assert (done.result["usage"], done.result["ttft_s"], done.result["request_id"]) == (None, None, None)


def test_a_reply_that_ends_at_max_tokens_says_so(server: DemoServer) -> None:
    done = chat(server, "code", "--max-tokens", "20")
    assert done.code == 0
    assert done.complaints == ["the reply ends early: max_tokens"]


# What is sent -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "piped", "text"),
    [
        (["empty"], b"", "empty"),
        (["empty \udcff"], "ü€🙂".encode() + b"\xff\x00\n\n", "empty \ufffd\n\nü€🙂\ufffd\x00"),
        ([], b"empty\n", "empty"),
        (["--", "demo-server"], b"", "demo-server"),
    ],
)
def test_what_is_sent(server: DemoServer, arguments: list[str], piped: bytes, text: str) -> None:
    done = chat(server, "--no-store", *arguments, piped=piped)
    assert (done.code, done.err) == (0, "")
    assert sent(server) == [{"role": "user", "text": text}]


def test_input_that_does_not_end_is_waited_for_aloud(server: DemoServer) -> None:
    with subprocess.Popen(
        [*COMMAND, "empty", "--no-store"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(server),
    ) as started:
        assert started.stderr is not None
        assert started.stderr.readline().startswith(b"tui-chat: waiting for the end of standard input")
        _, err = started.communicate(b"more\n")
        assert err == b""
        assert started.returncode == 0
    assert sent(server)[0]["text"] == "empty\n\nmore"


def test_options_reach_the_request(server: DemoServer) -> None:
    chat(server, "empty", "--no-store", "--model", "claude-haiku-5-5", "--system", "be brief", "--max-tokens", "77")
    body = server.requests[-1].body
    assert (body["model"], body["system"], body["max_tokens"]) == ("claude-haiku-5-5", "be brief", 77)


def test_a_dead_proxy_does_not_stand_before_loopback(server: DemoServer) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), DEAD)
    done = chat(server, "list", "--no-store", environ=environment(server, **proxies))
    assert (done.code, done.err) == (0, "")


# Conversations ----------------------------------------------------------------------------------------------------------


def test_a_conversation_goes_on(server: DemoServer) -> None:
    first = chat(server, "list", "--output-format", "json").result
    second = chat(server, "empty", "-c", "--output-format", "json").result
    assert second["conversation_id"] == first["conversation_id"]
    assert [each["role"] for each in sent(server)] == ["user", "assistant", "user"]
    assert [each["text"].strip() for each in sent(server)] == ["list", first["text"].strip(), "empty"]


def test_an_older_conversation_is_resumed_by_the_start_of_its_id(server: DemoServer) -> None:
    older = chat(server, "list", "--output-format", "json").result["conversation_id"]
    newer = chat(server, "empty", "--output-format", "json").result["conversation_id"]
    differ = next(place for place in range(len(older)) if older[place] != newer[place])
    resumed = chat(server, "empty", "--resume", older[: differ + 1], "--output-format", "json").result
    assert resumed["conversation_id"] == older
    assert [each["role"] for each in sent(server)] == ["user", "assistant", "user"]


def test_no_store_stores_nothing(server: DemoServer, tmp_path: Path) -> None:
    done = chat(server, "empty", "--no-store", "--output-format", "json")
    assert done.result["conversation_id"] is None
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
    again = chat(server, "empty", "-c")
    assert (again.code, again.complaints) == (
        2,
        ["tui-chat: there is no conversation yet: start one with a prompt"],
    )


def test_without_a_place_to_store_it_goes_on_in_memory(server: DemoServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = chat(server, "list", "--data-dir", str(tmp_path / "file" / "below"), "--output-format", "json")
    assert (done.code, done.result["outcome"], done.result["conversation_id"]) == (0, "completed", None)
    assert len(done.complaints) == 1
    assert "memory" in done.err


def test_a_prompt_that_cannot_be_stored_is_sent_all_the_same(server: DemoServer, start: Start) -> None:
    chat(server, "empty")

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    started = start(server, "--output-format", "json", "list " + "x" * 120_000, preexec_fn=small_disk)
    out, err = started.communicate()
    done = Done(started.returncode, out, err)
    assert (done.code, done.result["outcome"], done.result["conversation_id"]) == (0, "completed", None)
    assert len(done.complaints) == 1
    assert done.complaints[0].startswith("not saved: ")
    assert "sent all the same" in done.err


def test_no_home(server: DemoServer, tmp_path: Path) -> None:
    environ = environment(server, ANTHROPIC_CONFIG_DIR=str(tmp_path))
    del environ["HOME"]
    done = chat(server, "list", environ=environ)
    assert (done.code, done.err) == (0, "")


# Stopping ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_a_signal_stops_and_saves(slow_server: DemoServer, start: Start, number: signal.Signals, code: int) -> None:
    started = start(slow_server, "long")
    assert started.stdout is not None
    first = os.read(started.stdout.fileno(), 10)
    for _ in range(3):  # more of them, while it is being saved, change nothing
        started.send_signal(number)
    out, err = started.communicate()
    done = Done(started.returncode, first + out, err)
    assert (done.code, done.complaints) == (code, ["stopped; what came is stored, tui-chat -c continues"])
    assert slow_server.requests[-1].ended == "client_closed"
    assert len(done.out) < 2000

    assert chat(slow_server, "empty", "-c").code == 0
    prompt, reply, last = sent(slow_server)
    assert (prompt["text"], last["text"]) == ("long", "empty")
    assert reply["role"] == "assistant"
    assert reply["text"].rstrip() == done.out.rstrip()


def test_ctrl_c_before_the_first_token(server: DemoServer, start: Start) -> None:
    started = start(server, "wait", "--output-format", "stream-json")
    assert started.stdout is not None
    while b'"headers"' not in started.stdout.readline():
        pass
    started.send_signal(signal.SIGINT)
    out, err = started.communicate()
    result = json.loads(out.splitlines()[-1])
    assert (started.returncode, result["outcome"], result["text"], result["error"]) == (130, "cancelled", "", None)
    assert b"Traceback" not in err
    assert server.requests[-1].ended == "client_closed"


def test_ctrl_c_before_anything_was_sent(server: DemoServer, start: Start) -> None:
    started = start(server, "hello", "--output-format", "stream-json")
    assert started.stdout is not None
    assert b"turn_started" in started.stdout.readline()  # the SDK is still being imported
    started.send_signal(signal.SIGINT)
    _, err = started.communicate()
    assert started.returncode == 130
    assert b"Traceback" not in err


def test_ignored_signals_stay_ignored(slow_server: DemoServer, start: Start) -> None:
    started = start(slow_server, "long 100", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert started.stdout is not None
    os.read(started.stdout.fileno(), 10)
    started.send_signal(signal.SIGHUP)
    started.communicate()
    assert started.returncode == 0


def test_a_reader_that_leaves_early(slow_server: DemoServer, start: Start) -> None:
    started = start(slow_server, "long")
    assert started.stdout is not None
    line = started.stdout.readline().decode()
    started.stdout.close()
    assert started.stderr is not None
    assert (started.stderr.read(), started.wait()) == (b"", 141)
    assert slow_server.requests[-1].ended == "client_closed"
    chat(slow_server, "empty", "-c")
    assert sent(slow_server)[1]["text"].startswith(line)


def test_head_in_a_shell(server: DemoServer) -> None:
    script = f'{" ".join(COMMAND)} table --no-store | head -1; echo "${{PIPESTATUS[@]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env=environment(server), text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert lines[1] in ("141 0", "0 0")  # a short reply may be written before head has gone
    assert done.stderr == ""


def test_a_reader_that_takes_nothing_does_not_hold_up_a_signal(server: DemoServer, start: Start) -> None:
    started = start(server, "long 60000", "--output-format", "stream-json")  # far more than a pipe holds
    assert started.stdout is not None
    os.read(started.stdout.fileno(), 10)
    started.send_signal(signal.SIGTERM)
    assert started.wait() == 143
    started.communicate()


def test_a_full_disk_behind_standard_output(server: DemoServer) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "list"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(server),
        )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "tui-chat: cannot write to standard output (No space left on device)",
    ]


def test_no_standard_output() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(COMMAND)} hello --demo >&-"], capture_output=True, check=False, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["tui-chat: standard output is closed: the reply has nowhere to go"]


# Hostile text and secrets -----------------------------------------------------------------------------------------------

HOSTILE: Final = "a\x1b]0;title\x07b\x9b31mc\r\nd\u202ee\ud800f\ttab"
HOSTILE_EVENTS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}},
    *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}} for each in HOSTILE),
    {"type": "error", "error": {"type": "api_error", "message": "bad\x1b[2J\nerror"}},
)


@pytest.fixture
def hostile_server() -> Iterator[str]:
    """Answers every connection with `HOSTILE_EVENTS`, one character to a delta; the value is its base URL."""
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in HOSTILE_EVENTS)
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}".encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def on_a_terminal(*arguments: str) -> tuple[int, bytes]:
    """Run with standard output on a pty; its exit code and every byte the terminal got."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment(None)
    )
    os.close(follower)
    chunks = []
    while chunk := _read(leader):
        chunks.append(chunk)
    os.close(leader)
    return process.wait(), b"".join(chunks)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux says so when the other end has closed
        return b""


@pytest.mark.parametrize("output_format", ["text", "json", "stream-json"])
def test_no_escape_sequence_acts_on_a_terminal(hostile_server: str, output_format: str) -> None:
    code, shown = on_a_terminal("x", "--base-url", hostile_server, "--no-store", "--output-format", output_format)
    text = shown.decode().replace("\r\n", "\n")
    assert code == 1
    assert sanitise(text) == text
    assert "bad\u241b[2J error; send again" in text
    if output_format == "text":
        assert text.startswith(sanitise(HOSTILE) + "\n")


def test_a_pipe_gets_the_text_as_it_came(hostile_server: str) -> None:
    done = chat(None, "x", "--base-url", hostile_server, "--no-store")
    assert done.out == HOSTILE.replace("\ud800", "\ufffd") + "\n"
    assert done.complaints == ["tui-chat: the server reported an error: bad\u241b[2J error; send again"]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"a": "ü\u2028\x9b"}, '{"a": "\\u00fc\\u2028\\u009b"}\n'),
        ({"a": "\ud83d"}, '{"a": "\\ufffd"}\n'),
        ({"a": "\ud83d\ude42"}, '{"a": "\\ud83d\\ude42"}\n'),
        ({"a": [float("nan"), float("inf")]}, '{"a": [null, null]}\n'),
    ],
)
def test_json_lines_are_ascii_and_json(value: dict[str, Any], line: str) -> None:
    assert json_line(value) == line


def test_a_key_is_nowhere(server: DemoServer, tmp_path: Path) -> None:
    canary = "sk-ant-canary-7f3a"
    environ = environment(server, ANTHROPIC_API_KEY=canary, ANTHROPIC_AUTH_TOKEN=canary, ANTHROPIC_LOG="debug")
    runs = [
        chat(server, prompt, "--output-format", output_format, environ=environ)
        for prompt, output_format in (("http 401", "text"), ("cut", "json"), ("list", "stream-json"))
    ]
    assert [done.code for done in runs] == [1, 1, 0]
    assert [len(done.complaints) for done in runs] == [1, 1, 0]  # ANTHROPIC_LOG does not reach the terminal
    for done in runs:
        assert canary not in done.out + done.err
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert canary.encode() not in path.read_bytes(), path


def test_help_is_read_by_a_short_reader() -> None:
    script: Callable[[str], str] = lambda option: f"{sys.executable} -m tui_chat {option} | true"  # noqa: E731 - used twice, here
    for option in ("--help", "--version"):
        done = subprocess.run(["bash", "-c", script(option)], capture_output=True, check=True)
        assert done.stderr == b""
