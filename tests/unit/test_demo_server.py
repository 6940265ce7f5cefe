"""The demo server over real HTTP: what a client receives, and what the server saw of the client.

Most tests run it on a clock that jumps to the next moment, so that nothing waits.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.unit.demo_client import (
    KEY,
    MODEL,
    JumpingClock,
    body,
    check_error,
    client_of,
    dechunked,
    decode,
    joined,
    last_record,
    play,
    post,
    raw,
    sdk_of,
)
from tui_chat.demo import DemoServer, Pacing
from tui_chat.demo.models import MODELS
from tui_chat.demo.texts import load
from tui_chat.demo.tokens import count_text


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    async with DemoServer(clock=JumpingClock()) as server:
        yield server


@pytest.fixture
async def real_server() -> AsyncIterator[DemoServer]:
    async with DemoServer(pacing=Pacing(ttft=0, rate=0)) as server:
        yield server


# --- the stream ---


async def test_the_events_of_a_reply_come_in_the_apis_order(server: DemoServer) -> None:
    response = await post(server, body())
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["request-id"].startswith("req_")
    assert "date" in response.headers
    events = decode(response.text)
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    message = events[0]["message"]
    assert (message["model"], message["role"], message["content"]) == (MODEL, "assistant", [])
    assert message["usage"]["output_tokens"] == 1
    assert message["usage"]["service_tier"] == "standard"
    assert joined(events) == load("tour")
    assert events[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    assert events[-2]["usage"]["output_tokens"] == count_text(load("tour"))


async def test_thinking_is_a_signed_block_before_the_text(server: DemoServer) -> None:
    events = await play(server, "thinking")
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == [0, 1]
    deltas = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert list(dict.fromkeys(deltas)) == ["thinking_delta", "signature_delta", "text_delta"]
    assert deltas.count("signature_delta") == 1
    usage = events[-2]["usage"]
    assert usage["output_tokens_details"]["thinking_tokens"] == count_text(joined(events, "thinking"))
    assert usage["output_tokens"] == count_text(joined(events, "thinking")) + count_text(joined(events))


async def test_max_tokens_and_stop_sequences_are_honoured(server: DemoServer) -> None:
    events = await play(server, "hello", max_tokens=10)
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    assert events[-2]["usage"]["output_tokens"] == 10
    assert joined(events) == load("tour")[:40]
    events = await play(server, "hello", stop_sequences=["**"])
    assert events[-2]["delta"]["stop_sequence"] == "**"
    assert joined(events) == load("tour").partition("**")[0]


async def test_cached_tokens_are_reported_apart(server: DemoServer) -> None:
    turn = [
        {"role": "user", "content": "x" * 400},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "hi"},
    ]
    plain = (await play(server, "", messages=turn))[0]["message"]["usage"]
    events = await play(server, "", messages=turn, cache_control={"type": "ephemeral"})
    usage = events[0]["message"]["usage"]
    assert plain["cache_read_input_tokens"] == plain["cache_creation_input_tokens"] == 0
    assert usage["cache_read_input_tokens"] == 103
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(usage[part] for part in parts) == plain["input_tokens"]
    assert all(events[-2]["usage"][part] == usage[part] for part in parts)


async def test_the_schedule_is_kept_on_the_servers_clock(server: DemoServer) -> None:
    await post(server, body(), **{"x-demo-pacing": "ttft=0.25 rate=100 seed=3"})
    record = await last_record(server)
    assert record.first_delta_sent is not None
    assert record.last_delta_sent is not None
    assert record.first_delta_sent - record.arrived == pytest.approx(0.25, abs=1e-9)
    assert record.last_delta_sent - record.first_delta_sent == pytest.approx(count_text(load("tour")) / 100)


async def test_slow_has_a_pace_of_its_own(server: DemoServer) -> None:
    await post(server, body("slow"), **{"x-demo-pacing": "rate=0"})
    record = await last_record(server)
    assert record.first_delta_sent is not None
    assert record.first_delta_sent - record.arrived == pytest.approx(4)


async def test_deltas_that_are_due_together_leave_together_but_the_first_leaves_alone(real_server: DemoServer) -> None:
    received = await raw(real_server, body("long 50000", max_tokens=60_000))
    chunks = dechunked(received.partition(b"\r\n\r\n")[2])
    counts = [count for chunk in chunks if (count := chunk.count(b'"type":"content_block_delta"'))]
    assert counts[0] == 1
    assert min(counts[1:-1]) > 100
    record = await last_record(real_server)
    assert record.deltas == sum(counts)


async def test_many_streams_at_once(real_server: DemoServer) -> None:
    pacing = {"x-demo-pacing": "ttft=0.05 rate=2000"}
    responses = await asyncio.gather(*(post(real_server, body(), **pacing) for _ in range(40)))
    assert all(joined(decode(response.text)) == load("tour") for response in responses)
    assert len(real_server.requests) == 40


async def test_the_second_turn_is_remembered(server: DemoServer) -> None:
    turns = [("user", "What is TTFT?"), ("assistant", "A wait."), ("user", "list")]
    events = await play(server, "", messages=[{"role": role, "content": text} for role, text in turns])
    assert joined(events).startswith("*Turn 2. You began with “What is TTFT?”.*")


# --- the SDK ---


async def test_the_sdk_reads_the_stream(server: DemoServer) -> None:
    async with (
        sdk_of(server) as sdk,
        sdk.messages.stream(model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "thinking"}]) as stream,
    ):
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "end_turn"


@pytest.mark.parametrize("prompt", ["hello", "thinking", "refuse", "empty", "stall"])
async def test_without_stream_the_same_message_comes_whole(server: DemoServer, prompt: str) -> None:
    events = await play(server, prompt)
    async with sdk_of(server) as sdk:
        message = await sdk.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": prompt}], stream=False
        )
    assert "".join(block.text for block in message.content if block.type == "text") == joined(events)
    assert message.stop_reason == events[-2]["delta"]["stop_reason"]
    assert message.usage.output_tokens == events[-2]["usage"]["output_tokens"]


async def test_a_dead_proxy_does_not_matter_on_loopback(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with sdk_of(server) as sdk:
        counted = await sdk.messages.count_tokens(model=MODEL, messages=[{"role": "user", "content": "x" * 40}])
    assert counted.input_tokens == 13


async def test_counting_agrees_with_the_usage(server: DemoServer) -> None:
    events = await play(server, "hello", system="Be brief.")
    content = {"model": MODEL, "system": "Be brief.", "messages": body()["messages"]}
    counted = await post(server, content, "/v1/messages/count_tokens")
    assert counted.json() == {"input_tokens": events[0]["message"]["usage"]["input_tokens"]}


async def test_models_are_listed_and_described(server: DemoServer) -> None:
    async with sdk_of(server) as sdk:
        listed = [model async for model in sdk.models.list(limit=5)]
        assert [model.id for model in listed] == list(MODELS)
        model = await sdk.models.retrieve("claude-opus-5-5")
        dated = await sdk.models.retrieve("claude-haiku-4-5")
    assert (model.display_name, model.max_input_tokens, model.max_tokens) == ("Claude Opus 5.5", 1_000_000, 128_000)
    assert model.capabilities is not None
    assert not model.capabilities.thinking.types.disabled.supported
    assert dated.id == "claude-haiku-4-5-20251001"


# --- errors ---


async def test_errors_have_the_apis_body(server: DemoServer) -> None:
    message = await check_error(await post(server, body(model="claude-9")), 404, "not_found_error")
    assert message == "model: claude-9"
    message = await check_error(await post(server, body("")), 400, "invalid_request_error")
    assert message.startswith("messages.0: all messages must have non-empty content")
    await check_error(await post(server, body(), "/v1/complete"), 404, "not_found_error")
    await check_error(await post(server, body("overloaded")), 529, "overloaded_error")
    await check_error(await post(server, body("http 403")), 403, "permission_error")
    pacing = {"x-demo-pacing": "speed=3"}
    assert "x-demo-pacing" in await check_error(await post(server, body(), **pacing), 400, "invalid_request_error")
    async with client_of(server) as client:
        await check_error(await client.get("/v1/messages"), 405, "invalid_request_error")
        await check_error(await client.get("/v1/models/nobody"), 404, "not_found_error")
        await check_error(await client.post("/v1/messages", content=b"{"), 400, "invalid_request_error")
        assert (await client.head("/v1/models")).status_code == 405


@pytest.mark.parametrize(
    "headers", [{"x-api-key": ""}, {"x-api-key": "wrong"}, {"x-api-key": "", "authorization": "Bearer an-invalid-one"}]
)
async def test_a_missing_or_wrong_key_is_refused(server: DemoServer, headers: dict[str, str]) -> None:
    await check_error(await post(server, body(), **headers), 401, "authentication_error")


async def test_ratelimit_and_flaky_get_better(server: DemoServer) -> None:
    limited = [await post(server, body("ratelimit")) for _ in range(2)]
    assert [response.status_code for response in limited] == [429, 200]
    assert limited[0].headers["retry-after"] == "2"
    assert [(await post(server, body("flaky"))).status_code for _ in range(4)] == [529, 529, 200, 200]
    assert (await post(server, body("flaky once more"))).status_code == 529


async def test_a_request_over_the_cap_is_refused(server: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.demo.connection.MAX_BODY", 10_000)
    await check_error(await post(server, body("x" * 10_001)), 413, "request_too_large")


async def test_hostile_bodies_and_targets_are_answered(server: DemoServer) -> None:
    async with client_of(server) as client:
        for depth in (100, 900, 950, 960, 970, 980, 990, 1000, 100_000):
            nested = b'{"a":' * depth + b"1" + b"}" * depth
            block = b'{"type":"tool_use","id":"t","name":"n","input":%s}' % nested
            content = b'{"model":"%s","max_tokens":1,"messages":[{"role":"user","content":"x"},' % MODEL.encode()
            content += b'{"role":"assistant","content":[%s]},{"role":"user","content":[%s]}]}' % (
                block,
                b'{"type":"tool_result","tool_use_id":"t"}',
            )
            assert (await client.post("/v1/messages", content=content)).status_code in (200, 400)
        assert (await client.get("/v1/models", params={"limit": "9" * 5000})).status_code == 200
        for surrogate in (b"\\ud800", b"\xed\xa0\x80"):
            content = json.dumps(body("SURROGATE")).encode().replace(b"SURROGATE", surrogate)
            await check_error(await client.post("/v1/messages", content=content), 400, "invalid_request_error")
    assert b"404" in await raw(server, None, target="//[")


async def test_what_is_not_http_is_refused(server: DemoServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()


async def test_one_connection_serves_many_requests(server: DemoServer) -> None:
    async with client_of(server) as client:
        for _ in range(3):
            response = await client.post("/v1/messages", json=body())
            assert joined(decode(response.text)) == load("tour")
        stream = next(iter(client._transport._pool.connections))  # type: ignore[attr-defined]  # the pool is httpcore's
        assert "Request Count: 3" in repr(stream)


# --- records, log, threads ---


async def test_no_secret_is_kept_or_logged(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    async with DemoServer(clock=JumpingClock(), log=log) as server:
        await post(server, body(), authorization=f"Bearer {KEY}")
        record = await last_record(server)
    assert record.headers["x-api-key"] == record.headers["authorization"] == "***"
    assert record.body["messages"] == body()["messages"]
    text = log.read_text()
    assert KEY not in text
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["event"] for event in events] == ["request", "first_delta", "last_delta", "closed"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert events[0]["path"] == "/v1/messages"
    assert events[-1]["ended"] == "completed"
    assert log.stat().st_mode & 0o077 == 0


@pytest.fixture
def thread_server() -> Iterator[DemoServer]:
    server = DemoServer(pacing=Pacing(ttft=0, rate=0)).start_in_thread()
    yield server
    server.stop()


async def test_it_runs_in_a_thread_of_its_own(thread_server: DemoServer) -> None:
    assert joined(await play(thread_server, "hello")) == load("tour")
    async with client_of(thread_server) as client:
        task = asyncio.create_task(client.post("/v1/messages", json=body("wait")))
        await thread_server.wait_for(lambda: len(thread_server.requests) == 2)
        thread_server.stop()
        with pytest.raises(httpx2.TransportError):
            await task
    thread_server.stop()
    assert "tui-chat-demo" not in [thread.name for thread in threading.enumerate()]


def test_a_taken_port_is_an_oserror_in_the_callers_thread(thread_server: DemoServer) -> None:
    with pytest.raises(OSError, match="in use"):
        DemoServer(port=thread_server.port).start_in_thread()


async def test_it_listens_on_loopback_only(server: DemoServer) -> None:
    assert server._server is not None
    assert [socket.getsockname()[0] for socket in server._server.sockets] == ["127.0.0.1"]
