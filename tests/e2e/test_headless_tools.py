"""`tui-chat -p` with tools, as a process: nobody is there to ask, so only what was allowed runs, and all of it is told."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.test_headless import COMMAND, Done, environment
from tests.e2e.test_tool_loop import ALL
from tests.unit import raw_server as raw
from tests.unit.grammar import check_turn
from tests.unit.odd_answers import PLAIN
from tests.unit.raw_server import raw_server
from tui_chat import turns
from tui_chat.config import Config
from tui_chat.demo import DemoServer, why_illegal
from tui_chat.engine.calls import DENIED
from tui_chat.events import Event, from_json
from tui_chat.headless import run_headless

pytestmark = pytest.mark.timeout(30)  # a run imports the SDK: a second of its own, and more on a busy machine

HINT: Final = "the tool {0} was not allowed to run; --allow-tool {0} allows it"


def ask(server: DemoServer, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> Done:
    """One run without a store; `stdin` None: its standard input is closed."""
    command: Sequence[str] = [*COMMAND, "--no-store", *arguments]
    if stdin is None:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    done = subprocess.run(command, stdin=stdin, capture_output=True, check=False, env=environment(server), timeout=25)
    return Done(done.returncode, done.stdout, done.stderr)


def events_of(done: Done) -> tuple[list[Event], dict[str, Any]]:
    """What stream-json printed: the events and the result."""
    *records, result = [json.loads(line) for line in done.out.splitlines()]
    return [from_json(record) for record in records], result


def test_nobody_is_there_to_allow_it(server: DemoServer) -> None:
    done = ask(server, "tool", "--tools")
    assert (done.code, done.complaints) == (1, [HINT.format("calculator")])
    first, second = (record.body for record in server.requests if record.path == "/v1/messages")
    assert second["messages"][-1]["content"][0]["content"] == DENIED
    assert done.out == (
        "I call `calculator` and wait for what it brings.\n\n"
        f"`calculator` was denied or failed:\n\n~~~text\n{DENIED}\n~~~\n"
    )
    assert {tool["name"] for tool in first["tools"]} == {"calculator", "current_time", "read_file"}


def test_what_was_allowed_runs_and_rounds_stand_apart(server: DemoServer) -> None:
    done = ask(server, "tool 3", "--allow-tool", "calculator")
    assert (done.code, done.err) == (0, "")
    first, second, third, last = done.out.split("\n\n", 3)
    assert first.startswith("I call `calculator`")
    assert (second[:14], third[:14]) == ("Round 2 of 3: ", "Round 3 of 3: ")
    assert "3.142" in last


def test_json_has_every_block(server: DemoServer) -> None:
    done = ask(server, "tool 2", "--allow-tool", "calculator", "--output-format", "json")
    assert (done.code, done.err) == (0, "")
    result = done.result
    blocks = result["blocks"]
    assert [block["type"] for block in blocks] == ["text", "tool_use", "tool_result"] * 2 + ["text"]
    assert [block["input"] for block in blocks[1::3]] == [{"expression": "6 * 7"}, {"expression": "1 + 2 + 3"}]
    assert [block["tool_use_id"] for block in blocks[2::3]] == [block["id"] for block in blocks[1::3]]
    assert [block["content"] for block in blocks[2::3]] == ["42", "6"]
    assert "\n\n".join(block["text"] for block in blocks[::3]) == result["text"]
    assert (result["outcome"], result["stop_reason"], result["usage_is_final"]) == ("completed", "end_turn", True)


def test_json_says_that_a_call_was_denied(server: DemoServer) -> None:
    done = ask(server, "tools", "--tools", "--allow-tool", "current_time", "--output-format", "json", stdin=None)
    assert done.code == 1
    assert done.complaints == [HINT.format("calculator"), HINT.format("read_file")]
    results = [block for block in done.result["blocks"] if block["type"] == "tool_result"]
    assert [(block["content"] == DENIED, block.get("is_error", False)) for block in results] == [
        (True, True),
        (False, False),
        (True, True),
    ]


def test_stream_json_has_the_events_of_the_tools_and_the_sum_of_the_usage(server: DemoServer) -> None:
    done = ask(server, "tools", "--tools", "--allow-tool", "calculator", "--output-format", "stream-json")
    assert done.code == 1
    events, result = events_of(done)
    check_turn(events)
    turn = turns.fold(events)
    assert turn.text == result["text"]
    counts = [dict(request.usage.fields) for request in turn.requests]
    assert len(counts) == 2
    for name in ("input_tokens", "output_tokens"):
        assert result["usage"][name] == sum(count[name] for count in counts) > max(count[name] for count in counts)
    kinds: dict[str, list[str]] = {}
    for line in done.out.splitlines():
        record = json.loads(line)
        if "tool_use_id" in record:
            kinds.setdefault(record["tool_use_id"], []).append(record["type"])
    denied = ["tool_proposed", "approval_requested", "approval_answered", "tool_skipped"]
    assert list(kinds.values()) == [["tool_proposed", "tool_started", "tool_ended"], denied, denied]
    assert [call.name for call in turn.calls] == ["calculator", "current_time", "read_file"]


def calling(text: str) -> raw.Answer:
    """A reply that says `text`, if it is any, and calls the calculator."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "calculator", "input": {"expression": "6 * 7"}}
    blocks = [*([{"type": "text", "text": text}] if text else []), call]
    message = {"id": "m", "type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use"}
    return raw.document(json.dumps(message).encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Hello, world\n"),
        ("One.", "One.\n\nHello, world\n"),
        ("One.\n", "One.\n\nHello, world\n"),
    ],
    ids=["no text", "text", "text with a line end"],
)
async def test_text_and_json_are_the_same_reply(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[str] = []
    for output_format in ("text", "json"):
        path = tmp_path / output_format
        async with raw_server(calling(text), raw.stream(PLAIN)) as server:
            config = Config(
                tmp_path,
                tmp_path / "none",
                base_url=server.base_url,
                has_credentials=False,
                tools=True,
                allow_tools=ALL,
            )
            with path.open("w") as stdout, monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", stdout)
                code = await run_headless(
                    config,
                    "x",
                    output_format=output_format,
                    resume=None,
                    continue_last=False,
                    store_conversations=False,
                )
            assert code == 0
            assert [why_illegal(exchange.body) for exchange in server.exchanges if exchange.body] == [None, None]
        printed.append(path.read_text())
    assert printed[0] == expected
    assert json.loads(printed[1])["text"] + "\n" == expected
