"""The demo server as a program: its line of output, its ends, its refusals."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tui_chat.demo import COMMANDS, main


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A running server and its base URL."""
    command = [sys.executable, "-m", "tui_chat.demo", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    words = process.stdout.readline().split()
    url = words[2]
    assert f"ANTHROPIC_BASE_URL={url}" in words
    return process, url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process, url = start("--ttft", "0", "--rate", "0", "--log", str(log))
    try:
        request = urllib.request.Request(f"{url}/v1/models/claude-opus-5-5", headers={"x-api-key": "k"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as response:
            assert json.load(response)["id"] == "claude-opus-5-5"
        # The log is flushed at each event: the request is there before the program ends.
        assert json.loads(log.read_text().splitlines()[0])["path"] == "/v1/models/claude-opus-5-5"
        process.send_signal(number)
        output, errors = process.communicate(timeout=5)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, output, errors) == (0, "", "")


def test_parameters_can_be_refused() -> None:
    process, url = start("--ttft", "0", "--rate", "0", "--refuse", "thinking", "--refuse", "cache_control")
    try:
        for name, value in (("thinking", {"type": "adaptive"}), ("cache_control", {"type": "ephemeral"})):
            body = {
                "model": "claude-sonnet-5-5",
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "hi"}],
                name: value,
            }
            request = urllib.request.Request(f"{url}/v1/messages", json.dumps(body).encode(), {"x-api-key": "k"})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
            with refused.value as response:
                assert json.load(response)["error"]["message"] == f"{name}: Extra inputs are not permitted"
    finally:
        process.kill()
        process.communicate()


def test_a_taken_port_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"port {port}: it is in use" in error


@pytest.mark.parametrize("arguments", [["--rate", "-1"], ["--port", "70000"], ["--log", "/nowhere/log"]])
def test_bad_values_are_one_clear_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    output = capsys.readouterr().out
    assert all(command.description in output for command in COMMANDS.values())
