"""What goes wrong on purpose, as a client receives it, and what the demo server sees of clients that leave.

Those tests run on the real clock, against replies that would take minutes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.unit.demo_client import (
    JumpingClock,
    body,
    check_error,
    client_of,
    decode,
    joined,
    last_record,
    play,
    post,
    raw,
)
from tui_chat.demo import DemoServer, Pacing


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    async with DemoServer(clock=JumpingClock()) as server:
        yield server


@pytest.fixture
async def real_server() -> AsyncIterator[DemoServer]:
    async with DemoServer(pacing=Pacing(ttft=0, rate=0)) as server:
        yield server


# --- faults ---


async def test_cut_closes_the_connection_in_mid_body(server: DemoServer) -> None:
    received = await raw(server, body("cut"))
    assert b"content_block_delta" in received
    assert not received.endswith(b"0\r\n\r\n")
    assert (await last_record(server)).ended == "completed"
    with pytest.raises(httpx2.RemoteProtocolError):
        await post(server, body("cut"))


@pytest.mark.parametrize("prompt", ["eof", "silence"])
async def test_a_clean_end_without_message_stop(server: DemoServer, prompt: str) -> None:
    assert (await raw(server, body(prompt))).endswith(b"0\r\n\r\n")
    events = await play(server, prompt)
    assert events[-1]["type"] == "content_block_delta"
    assert "message_stop" not in [event["type"] for event in events]


async def test_an_error_in_the_stream(server: DemoServer) -> None:
    response = await post(server, body("error"))
    events = decode(response.text)
    assert joined(events)
    assert events[-1]["error"] == {"type": "api_error", "message": "Internal server error"}
    assert events[-1]["request_id"] == response.headers["request-id"]


async def test_a_stall_is_filled_with_pings(server: DemoServer) -> None:
    events = await play(server, "stall")
    kinds = [event["type"] for event in events]
    assert "-".join(kinds).count("-".join(["ping"] * 30)) == 1
    assert kinds[-1] == "message_stop"


async def test_wait_sends_headers_and_pings_and_noheaders_nothing(server: DemoServer) -> None:
    response = await post(server, body("wait"))
    assert [event["type"] for event in decode(response.text)] == ["ping"] * 120
    assert await raw(server, body("noheaders")) == b""


async def test_a_web_page_instead_of_a_reply(server: DemoServer) -> None:
    response = await post(server, body("html"))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


async def test_a_refusal_has_details(server: DemoServer) -> None:
    delta = (await play(server, "refuse"))[-2]["delta"]
    assert delta["stop_reason"] == "refusal"
    assert delta["stop_details"]["type"] == "refusal"


@pytest.mark.parametrize("prompt", ["cut", "eof"])
async def test_faults_without_stream(server: DemoServer, prompt: str) -> None:
    received = await raw(server, body(prompt, stream=False))
    assert received.endswith(b"0\r\n\r\n") == (prompt == "eof")
    assert b"stop_reason" not in received
    await check_error(await post(server, body("error", stream=False)), 500, "api_error")


# --- the client leaves ---


@pytest.mark.parametrize("prompt", ["wait", "noheaders", "silence", "stall", "slow", "long"])
async def test_the_server_sees_a_client_leave_at_once(real_server: DemoServer, prompt: str) -> None:
    pacing = {"x-demo-pacing": "rate=50" if prompt == "long" else "rate=0"}
    async with client_of(real_server, **pacing) as client:
        task = asyncio.create_task(client.post("/v1/messages", json=body(prompt, max_tokens=9_000)))
        writes = prompt in ("silence", "stall", "long")
        await real_server.wait_for(lambda: any(r.first_delta_sent or not writes for r in real_server.requests))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    record = await last_record(real_server)
    assert record.ended == "client_closed"
    assert record.closed is not None
    assert record.closed - record.arrived < 5


async def test_stopping_the_server_fails_what_is_running() -> None:
    async with DemoServer() as server, client_of(server) as client:
        task = asyncio.create_task(client.post("/v1/messages", json=body("wait")))
        await server.wait_for(lambda: bool(server.requests))
        await server.close()
        with pytest.raises(httpx2.TransportError):
            await task
        assert server.requests[0].ended == "failed"
