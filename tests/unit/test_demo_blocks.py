"""Every kind of block over real HTTP: in which events it comes, that the SDK reads it, and that it is the same whole."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.demo_client import (
    MODEL,
    TOOLS,
    JumpingClock,
    body,
    check_error,
    client_of,
    joined,
    last_record,
    play,
    post,
    sdk_of,
    tool_definition,
)
from tui_chat.demo import DemoServer
from tui_chat.demo.tokens import count_text

WORDS = ["tool", "tools", "slowtool", "search", "sources", "pause", "odd", "window", "limit"]


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    async with DemoServer(clock=JumpingClock()) as server:
        yield server


def of_block(events: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    return [event for event in events if event.get("index") == index]


@pytest.mark.parametrize("word", WORDS)
async def test_the_sdk_reads_it_and_whole_it_is_the_same(server: DemoServer, word: str) -> None:
    async with sdk_of(server) as sdk:
        arguments: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 1000,
            "messages": [{"role": "user", "content": word}],
            "tools": TOOLS,
        }
        async with sdk.messages.stream(**arguments) as stream:
            message = await stream.get_final_message()
    # As JSON, and without warnings: the SDK has no classes for what nobody knows. Ids differ from request to request.
    streamed: dict[str, Any] = json.loads(message.to_json(warnings=False))
    whole = (await post(server, body(word, stream=False, tools=TOOLS))).json()
    for each in (streamed, whole):
        for block in each["content"]:
            for name in ("id", "tool_use_id"):
                if name in block:
                    block[name] = block[name].rpartition("_")[0]
            if block.get("citations") is None:
                block.pop("citations", None)
    assert streamed["content"] == whole["content"]
    assert streamed["stop_reason"] == whole["stop_reason"]
    assert streamed["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


async def test_a_call_comes_in_uneven_pieces_the_first_of_them_empty(server: DemoServer) -> None:
    events = await play(server, "tool", tools=TOOLS)
    start, *deltas, stop = of_block(events, 1)
    block = start["content_block"]
    assert (block["type"], block["name"], block["input"]) == ("tool_use", "calculator", {})
    assert block["id"].startswith("toolu_")
    assert {delta["delta"]["type"] for delta in deltas} == {"input_json_delta"}
    pieces = [delta["delta"]["partial_json"] for delta in deltas]
    assert pieces[0] == ""
    assert all(pieces[1:])
    assert json.loads("".join(pieces)) == {"expression": "6 * 7"}
    assert stop["type"] == "content_block_stop"
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


async def test_an_empty_input_is_no_json_at_all(server: DemoServer) -> None:
    events = await play(server, "tool", tools=[tool_definition("weather")])
    pieces = [event["delta"] for event in of_block(events, 1) if event["type"] == "content_block_delta"]
    assert pieces == [{"type": "input_json_delta", "partial_json": ""}]
    whole = (await post(server, body("tool", stream=False, tools=[tool_definition("weather")]))).json()
    assert whole["content"][1]["input"] == {}


async def test_parallel_calls_are_blocks_of_their_own(server: DemoServer) -> None:
    events = await play(server, "tools", tools=TOOLS)
    starts = [event for event in events if event["type"] == "content_block_start"]
    assert [start["index"] for start in starts] == [0, 1, 2, 3, 4]
    for index in (2, 3, 4):
        deltas = [event["delta"]["partial_json"] for event in of_block(events, index)[1:-1]]
        assert json.loads("".join(deltas))
    usage = events[-2]["usage"]
    assert usage["output_tokens_details"]["thinking_tokens"] == count_text(joined(events, "thinking"))
    assert "server_tool_use" not in usage


async def test_a_slow_input_trickles_at_the_pace(server: DemoServer) -> None:
    pacing = {"x-demo-pacing": "ttft=0.1 rate=60"}
    response = await post(server, body("slowtool", tools=TOOLS), **pacing)
    pieces = response.text.count('"input_json_delta","partial_json":"') - 1
    assert 180 < pieces < 220
    record = await last_record(server)
    assert record.first_delta_sent is not None
    assert record.last_delta_sent is not None
    assert 3.5 < record.last_delta_sent - record.first_delta_sent < 6


async def test_a_server_call_comes_in_pieces_and_its_result_whole(server: DemoServer) -> None:
    events = await play(server, "search")
    call, *deltas, _ = of_block(events, 1)
    assert call["content_block"]["input"] == {}
    assert json.loads("".join(delta["delta"]["partial_json"] for delta in deltas))["query"]
    start, stop = of_block(events, 2)
    assert start["content_block"]["type"] == "web_search_tool_result"
    assert len(start["content_block"]["content"]) == 3
    assert stop["type"] == "content_block_stop"
    assert events[-2]["usage"]["server_tool_use"] == {"web_search_requests": 1}


async def test_citations_come_in_deltas_behind_the_text_they_are_for(server: DemoServer) -> None:
    events = await play(server, "sources")
    for index in (0, 1):
        start, *deltas, _ = of_block(events, index)
        assert start["content_block"] == {"type": "text", "text": "", "citations": []}
        kinds = [delta["delta"]["type"] for delta in deltas]
        assert kinds[-2:] == ["citations_delta"] * 2
        assert set(kinds[:-2]) == {"text_delta"}
        assert {delta["delta"]["citation"]["type"] for delta in deltas[-2:]} == {"web_search_result_location"}


async def test_odd_things_come_as_events(server: DemoServer) -> None:
    events = await play(server, "odd")
    kinds = [event["type"] for event in events]
    unknown = kinds.index("weather_report")
    assert kinds[unknown + 1] == "content_block_start"
    start, delta, _ = of_block(events, 2)
    assert start["content_block"]["type"] == "hologram"
    assert delta["delta"]["type"] == "hologram_delta"
    assert joined(events).startswith("Around this text")
    assert joined(events).endswith("should follow them.\n")


async def test_a_call_that_max_tokens_cuts_has_half_an_input(server: DemoServer) -> None:
    text = count_text(joined(await play(server, "tool", tools=TOOLS)))
    events = await play(server, "tool", tools=TOOLS, max_tokens=text + 2)
    pieces = "".join(event["delta"]["partial_json"] for event in of_block(events, 1)[1:-1])
    assert pieces == '{"expres'
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    whole = (await post(server, body("tool", stream=False, tools=TOOLS, max_tokens=text + 2))).json()
    assert whole["content"][1]["input"] == {}


async def test_no_call_is_made_when_none_is_allowed(server: DemoServer) -> None:
    events = await play(server, "tool", tools=TOOLS, tool_choice={"type": "none"})
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    events = await play(server, "tool", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


async def test_poison_is_a_400(server: DemoServer) -> None:
    message = await check_error(await post(server, body("poison")), 400, "invalid_request_error")
    assert message.startswith("messages.0.content.0: ")


# --- parameters that a server does not know ---

CACHED = {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("refused", "fields", "place"),
    [
        ("cache_control", {"cache_control": CACHED}, "cache_control"),
        (
            "cache_control",
            {"system": [{"type": "text", "text": "s", "cache_control": CACHED}]},
            "system.0.cache_control",
        ),
        ("cache_control", {"tools": [{**TOOLS[0], "cache_control": CACHED}]}, "tools.0.cache_control"),
        ("thinking", {"thinking": {"type": "adaptive"}}, "thinking"),
        ("thinking.display", {"thinking": {"type": "adaptive", "display": "summarized"}}, "thinking.display"),
        ("output_config", {"output_config": {"effort": "low"}}, "output_config"),
        ("output_config.effort", {"output_config": {"effort": "low"}}, "output_config.effort"),
        ("tools", {"tools": TOOLS}, "tools"),
    ],
)
async def test_refused_parameters_are_extra_inputs(refused: str, fields: dict[str, Any], place: str) -> None:
    async with DemoServer(clock=JumpingClock(), refuses={refused, "metadata"}) as server:
        message = await check_error(await post(server, body(**fields)), 400, "invalid_request_error")
        assert message == f"{place}: Extra inputs are not permitted"
        assert (await post(server, body())).status_code == 200
        counted = {"model": MODEL, "messages": body()["messages"], **fields}
        assert (await post(server, counted, "/v1/messages/count_tokens")).status_code == 400
    async with DemoServer(clock=JumpingClock(), refuses={"metadata"}) as server:
        assert (await post(server, body(**fields))).status_code == 200


async def test_cache_control_is_refused_on_a_block_of_a_message() -> None:
    async with DemoServer(clock=JumpingClock(), refuses=["cache_control"]) as server, client_of(server) as client:
        response = await client.post(
            "/v1/messages",
            json=body([{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": CACHED}]),
        )
        message = await check_error(response, 400, "invalid_request_error")
    assert message == "messages.0.content.1.cache_control: Extra inputs are not permitted"
