"""Odd streams over real HTTP: the SDK makes the request, our decoder reads the answer, and the turn ends as it should."""

import asyncio
import socket

import pytest

from tests.unit import raw_server as raw
from tests.unit.engine_runs import expect_hello, run
from tests.unit.odd_answers import CUT, PLAIN
from tests.unit.odd_streams import FOLDER, ODD_STREAMS, OddStream
from tests.unit.raw_server import raw_server
from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome
from tui_chat.engine import turn as engine_turn
from tui_chat.events import RequestEnded, RequestProgress, RetryScheduled, TextDelta, UnknownEvent
from tui_chat.text import storable


def test_the_table_and_the_folder_agree() -> None:
    assert sorted(odd.name for odd in ODD_STREAMS if odd.made is None) == sorted(
        path.stem for path in FOLDER.glob("*.sse")
    )
    assert len({odd.name for odd in ODD_STREAMS}) == len(ODD_STREAMS)


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
async def test_odd_stream(odd: OddStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_turn, "MAX_PAUSES", 0)  # one request is looked at here
    async with raw_server(raw.stream(odd.body)) as server:
        result = await run(server)
    turn = result.turn
    assert result.outcome.outcome is (Outcome.FAILED if odd.error else Outcome.COMPLETED)
    assert (result.outcome.error.type if result.outcome.error else None) == odd.error
    assert result.outcome.stop_reason == odd.stop_reason
    assert storable(turn.text) == odd.text
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == odd.tokens
    assert turn.usage_is_final is (odd.tokens[1] not in (None, 1, 3))  # 1 a request: the placeholder of message_start
    assert turn.request is not None
    assert tuple(block.type for block in turn.request.ordered_blocks) == odd.blocks
    assert len(result.all(UnknownEvent)) == odd.unknown_events
    assert len(turn.requests) == len(server.exchanges) == odd.requests
    assert odd.error is not None or all(block.ended for block in turn.request.blocks.values())


async def test_overloaded_then_a_reply() -> None:
    async with raw_server(raw.error("529 Overloaded", "overloaded_error"), raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    assert [request.attempt for request in result.turn.requests] == [1, 2]
    assert result.turn.ttft == result.turn.requests[1].ttft


async def test_an_error_as_the_first_event_then_a_reply_is_shown_once() -> None:
    first = raw.stream((FOLDER / "error-after-start.sse").read_bytes())
    async with raw_server(first, raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    assert "".join(event.text for event in result.all(TextDelta)) == "Hello, world"


async def test_retry_after_is_honoured() -> None:
    refusal = raw.error("429 Too Many", "rate_limit_error", retry_after="0.25")
    async with raw_server(refusal, raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    (scheduled,) = result.all(RetryScheduled)
    assert scheduled.resume_at - scheduled.at == pytest.approx(0.25)
    assert result.turn.requests[1].stamps.sent >= scheduled.resume_at - 0.01


async def test_a_long_retry_after_is_shown_not_slept() -> None:
    async with raw_server(raw.error("429 Too Many", "rate_limit_error", retry_after="86400")) as server:
        result = await run(server)
    assert result.error.retry_after == 86400
    assert "the server asks to wait 24 h" in result.error.sentence
    assert len(server.exchanges) == 1


@pytest.mark.parametrize(
    ("answer", "timeouts", "words"),
    [
        (raw.silent, Timeouts(first_byte=0.1), "no data for 0.1 s"),
        (raw.left_open(b""), Timeouts(first_byte=0.1), "no data for 0.1 s"),
        (raw.left_open(b": ping\n\n"), Timeouts(first_byte=9, idle=0.1), "no data for 0.1 s"),
        (raw.left_open(CUT), Timeouts(first_byte=9, idle=0.1), "no data for 0.1 s"),
        (raw.left_open(b'{"type": "mess'), Timeouts(first_byte=9, idle=0.1), "no data for 0.1 s"),
    ],
    ids=["no headers", "headers only", "a ping only", "text", "half a document"],
)
async def test_silence(answer: raw.Answer, timeouts: Timeouts, words: str) -> None:
    async with raw_server(answer) as server:
        result = await run(server, timeouts)
        await server.exchanges[0].left.wait()
    assert (result.error.type, result.error.message) == ("timed_out", words)
    assert len(server.exchanges) == 1


async def test_pings_do_not_move_the_clock_for_content() -> None:
    async def pinging(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head())
        await exchange.send(CUT)
        while not exchange.left.is_set():
            await exchange.send(b": ping\n\n")
            await asyncio.sleep(0.02)

    async with raw_server(pinging) as server:
        result = await run(server, Timeouts(idle=9, content=0.2))
    assert (result.error.type, result.error.message) == ("timed_out", "no content for 0.2 s")
    assert result.turn.text


async def test_no_connection_in_time_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # nobody accepts: the kernel's queue is full, and further calls are not answered
            each.setblocking(False)
            each.connect_ex(address)
        result = await run(f"http://127.0.0.1:{address[1]}", Timeouts(connect=0.1))
        for each in waiting:
            each.close()
    assert result.error.type == "connection"
    assert "no connection in 0.1 s" in result.error.message
    assert len(result.turn.requests) == 3


async def test_bytes_reset_the_idle_clock() -> None:
    async def slowly(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head())
        for _ in range(4):
            await exchange.send(b": ping\n\n")
            await asyncio.sleep(0.2)  # the server's own pace, not a wait for a result
        await exchange.send(PLAIN)

    async with raw_server(slowly) as server:
        result = await run(server, Timeouts(first_byte=0.6, idle=0.6))
    expect_hello(result)
    assert len([event for event in result.all(RequestProgress) if event.stage == "ping"]) == 5


async def test_a_pause_without_a_call_of_the_servers_ends_the_turn() -> None:
    """Sent back it would be taken for a prefill, which newer models refuse; what came is all there is."""
    async with raw_server(raw.stream((FOLDER / "stop-pause-turn.sse").read_bytes())) as server:
        result = await run(server)
    assert (result.outcome.outcome, result.outcome.stop_reason) == (Outcome.COMPLETED, "pause_turn")
    assert len(server.exchanges) == 1


async def test_the_request_id_and_the_stages_are_kept() -> None:
    async with raw_server(raw.stream(PLAIN)) as server:
        result = await run(server)
    stages = [event.stage for event in result.all(RequestProgress)]
    assert stages == ["connected", "headers", "message_start", "ping", "message_stop"]
    assert result.turn.request is not None
    assert result.turn.request.request_id == "req_1"
    assert isinstance(result.events[-1], RequestEnded)
    assert server.exchanges[0].headers["authorization"] == "Bearer local"
    assert server.exchanges[0].body["stream"] is True
