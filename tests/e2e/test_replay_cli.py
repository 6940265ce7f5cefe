"""`--record` and `tui-chat replay` as processes: the same lines come out again, without a network, a key or the SDK."""

import contextlib
import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_headless import COMMAND, Done, chat, environment
from tui_chat.demo import DemoServer, Pacing

pytestmark = pytest.mark.timeout(30)  # a run imports the SDK: a second of its own, and more on a busy machine

FIXTURE = Path(__file__).parents[1] / "fixtures" / "recordings" / "tools.jsonl"
# Whatever the replay would do with a network or a large import ends it.
# Ctrl+C at the end of a recording: before the next one has begun, or in the moment in which it begins.
INTERRUPTED = {
    "between": """
close = Output.close
async def interrupted(self, hurry):
    await close(self, hurry)
    signal.raise_signal(signal.SIGINT)
    await hurry.wait()
Output.close = interrupted
""",
    "at its beginning": """
explain = headless._explain
def interrupted(*arguments, **options):
    explain(*arguments, **options)
    signal.raise_signal(signal.SIGINT)
headless._explain = interrupted
""",
}
WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "sqlite3.connect") and arguments[-1:] != (":memory:",):
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(watch)
from tui_chat.cli import main
code = main(sys.argv[1:])
assert not {"anthropic", "httpx2", "textual", "tui_chat.demo"} & set(sys.modules)
sys.exit(code)
"""


@pytest.fixture
def server() -> Iterator[DemoServer]:
    demo = DemoServer(pacing=Pacing(ttft=0.02, rate=300)).start_in_thread()
    try:
        yield demo
    finally:
        demo.stop()


def replay(*arguments: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "replay", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=environment(None),
    )
    return Done(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def running(server: DemoServer, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program with a prompt; it is gone afterwards."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(server),
    )
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("prompt", "form"), [("thinking", "json"), ("error", "stream-json"), ("tool", "text"), ("tool", "json")]
)
def test_what_was_printed_is_printed_again(server: DemoServer, tmp_path: Path, prompt: str, form: str) -> None:
    folder = tmp_path / "recordings"
    done = chat(server, prompt, "--tools", "--record", str(folder), "--output-format", form)
    again = replay(str(folder), "-p", "--output-format", form)
    assert (again.out, again.err, again.code) == (done.out, done.err, done.code)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_what_was_not_stored_has_no_conversation(server: DemoServer, tmp_path: Path) -> None:
    done = chat(server, "list", "--no-store", "--record", str(tmp_path / "r"), "--output-format", "json")
    again = replay(str(tmp_path / "r"), "--output-format", "json")
    assert done.result["conversation_id"] is None
    assert again.out == done.out


def test_turns_of_one_conversation_are_played_as_one(server: DemoServer, tmp_path: Path) -> None:
    folder = str(tmp_path / "recordings")
    first = chat(server, "list", "--record", folder, "--output-format", "stream-json")
    second = chat(server, "-c", "and more", "--record", folder, "--output-format", "stream-json")
    assert replay(folder, "--output-format", "stream-json").out == first.out + second.out
    (one, _) = sorted(Path(folder).iterdir())
    assert replay(str(one), str(one), "--output-format", "json").out.count("\n") == 2  # the same one twice


def test_a_reply_that_was_stopped_is_stopped_again(server: DemoServer, tmp_path: Path) -> None:
    with running(server, "long", "--record", str(tmp_path / "r"), "--output-format", "stream-json") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while b"text_delta" not in lines[-1]:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    again = replay(str(tmp_path / "r"), "--output-format", "stream-json")
    assert again.out.encode() == b"".join(lines) + rest
    assert (process.returncode, again.code) == (130, 1)
    assert json.loads(again.out.splitlines()[-1])["outcome"] == "cancelled"


def test_a_program_that_was_killed_leaves_a_recording_that_plays(server: DemoServer, tmp_path: Path) -> None:
    with running(server, "long", "--record", str(tmp_path / "r"), "--output-format", "stream-json") as process:
        while not any(b"text_delta" in path.read_bytes() for path in (tmp_path / "r").glob("*.jsonl")):
            assert process.poll() is None
            time.sleep(0.01)
    again = replay(str(tmp_path / "r"), "--output-format", "json")
    assert again.code == 1
    assert (again.result["outcome"], again.result["error"]["type"]) == ("failed", "interrupted")
    assert len(again.result["text"]) > 5
    assert again.complaints == ["tui-chat: the program ended before the reply did; send again"]


def test_a_replay_in_its_own_time_can_be_stopped() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tui_chat", "replay", str(FIXTURE), "--output-format", "stream-json", "--speed", "0.01"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(None),
    ) as process:
        assert process.stdout is not None
        assert b"turn_started" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate()
    assert (process.returncode, complaints) == (130, b"")


@pytest.mark.parametrize("moment", INTERRUPTED)
def test_a_replay_that_is_stopped_between_two_recordings_ends_there(moment: str) -> None:
    script = f"import signal, sys\nfrom tui_chat import headless\nfrom tui_chat.printing import Output\n{INTERRUPTED[moment]}"
    run = f"{script}\nfrom tui_chat.cli import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", run, "replay", str(FIXTURE), str(FIXTURE), "--output-format", "json"],
        capture_output=True,
        check=False,
        env=environment(None),
    )
    assert (done.returncode, done.stderr) == (130, b"")
    assert done.stdout.count(b"\n") == 1


def test_a_folder_that_takes_nothing_is_refused_before_anything_is_sent(server: DemoServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = chat(server, "hello", "--record", str(tmp_path / "file"))
    assert (done.code, done.out) == (2, "")
    assert done.complaints == [
        f"tui-chat: nothing can be recorded in {tmp_path / 'file'} (File exists): give another folder"
    ]
    assert not [request for request in server.requests if request.path == "/v1/messages"]
