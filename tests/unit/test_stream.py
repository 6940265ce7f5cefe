"""Odd streams over real HTTP: the SDK makes the request, our decoder reads the answer, and the turn ends as it should."""

import asyncio
import dataclasses
import json
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit import raw_server as raw
from tests.unit.grammar import check_requests, check_stamps
from tests.unit.odd_streams import FOLDER, ODD_STREAMS, OddStream
from tests.unit.raw_server import RawServer, raw_server
from tests.unit.store_values import conversation, running
from tui_chat import turns
from tui_chat.config import Config, Timeouts
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import why_illegal
from tui_chat.engine import retry
from tui_chat.engine.client import ApiClient
from tui_chat.engine.history import messages_for
from tui_chat.engine.turn import TurnResult, run_turn
from tui_chat.errors import Failure
from tui_chat.events import Event, RequestEnded, RequestProgress, RetryScheduled, TextDelta, TurnEnded, UnknownEvent
from tui_chat.text import storable

PLAIN = (FOLDER / "plain.sse").read_bytes()
CUT = (FOLDER / "clean-end.sse").read_bytes()
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Hello, world"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 14, "output_tokens": 9},
}
Run = Callable[..., Awaitable["Result"]]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What a turn came to."""

    turn: Turn
    events: list[Event]
    outcome: TurnResult

    @property
    def error(self) -> Failure:
        assert self.outcome.error is not None
        return self.outcome.error

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def client_for(base_url: str, tmp_path: Path, timeouts: Timeouts) -> AsyncIterator[ApiClient]:
    config = Config(tmp_path, tmp_path / "none", base_url=base_url, has_credentials=False, timeouts=timeouts)
    client = ApiClient(config)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.001)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run one turn against a server and check what holds for every turn."""

    async def run_one(server: RawServer | str, timeouts: Timeouts | None = None) -> Result:
        base_url = server if isinstance(server, str) else server.base_url
        timeouts = timeouts or Timeouts()
        turn = running(conversation(), at=0.0)
        turn.model = "claude-sonnet-5-5"
        events: list[Event] = []

        def emit(event: Event) -> None:
            events.append(event)
            turns.apply(turn, event)

        parameters = {"model": turn.model, "max_tokens": 64, "messages": messages_for([], turn.prompt, turn.model)}
        async with client_for(base_url, tmp_path, timeouts) as client:
            outcome = await run_turn(client, parameters, timeouts, emit)
        usage, final = turn.usage.fields, turn.request is not None and turn.request.usage_is_final
        turns.apply(turn, TurnEnded(1e9, outcome.outcome, outcome.stop_reason, usage, final, outcome.error))
        check_requests(events)
        check_stamps(events)
        following = messages_for([turn], turn.prompt, turn.model)
        assert why_illegal({"model": turn.model, "max_tokens": 64, "messages": following}) is None
        json.dumps(following, ensure_ascii=False).encode()  # as the SDK will
        return Result(turn, events, outcome)

    return run_one


def expect_hello(result: Result) -> None:
    assert result.outcome == TurnResult(Outcome.COMPLETED, "end_turn", None)
    assert result.turn.text == "Hello, world"


def test_the_table_and_the_folder_agree() -> None:
    assert sorted(odd.name for odd in ODD_STREAMS) == sorted(path.stem for path in FOLDER.glob("*.sse"))


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
async def test_odd_stream(odd: OddStream, run: Run) -> None:
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


@pytest.mark.parametrize("size", [1, 7])
async def test_a_few_bytes_at_a_time(run: Run, size: int) -> None:
    async with raw_server(raw.stream((FOLDER / "scripts.sse").read_bytes(), chunk=size)) as server:
        assert (await run(server)).turn.text == "Grüße, 日本語 👩‍👩‍👧 a\u2028b e\u0301"


async def test_gzip(run: Run) -> None:
    async with raw_server(raw.gzipped(PLAIN)) as server:
        expect_hello(await run(server))


@pytest.mark.parametrize(
    "answer",
    [
        raw.chunked(CUT),
        raw.chunked(CUT, end=lambda exchange: exchange.reset()),
        raw.stream(CUT, content_length=str(len(CUT) + 100)),
        raw.stream(zlib.compress(CUT)[:-9], content_encoding="deflate"),
    ],
    ids=["no end of the chunks", "reset", "shorter than announced", "compression cut"],
)
async def test_a_broken_connection_is_cut_off_and_keeps_what_came(run: Run, answer: raw.Answer) -> None:
    async with raw_server(answer) as server:
        result = await run(server)
    assert result.error.type == "cut_off"
    assert result.turn.text in ("Hello", "")  # a reset may throw away what was not read yet
    assert len(server.exchanges) == 1


async def test_broken_compression_is_cut_off(run: Run) -> None:
    async with raw_server(raw.stream(b"\x1f\x8b\x08" + b"\xff" * 50, content_encoding="gzip")) as server:
        assert (await run(server)).error.type == "cut_off"


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "application/json", ""])
async def test_the_turn_ends_at_message_stop_not_when_the_body_closes(run: Run, content_type: str) -> None:
    async with raw_server(raw.left_open(PLAIN, content_type=content_type)) as server:
        expect_hello(await run(server))
        await server.exchanges[0].left.wait()


@pytest.mark.parametrize(
    "content_type", ["text/event-stream; charset=utf-8", "Text/Event-Stream", "text/plain", "application/octet-stream"]
)
async def test_a_stream_is_known_by_its_bytes(run: Run, content_type: str) -> None:
    async with raw_server(raw.stream(PLAIN, content_type=content_type)) as server:
        expect_hello(await run(server))


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_a_whole_message_as_json(run: Run, content_type: str) -> None:
    async with raw_server(raw.document(json.dumps(MESSAGE).encode(), content_type=content_type)) as server:
        result = await run(server)
    expect_hello(result)
    assert result.turn.usage_is_final
    assert result.turn.usage.output_tokens == 9


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html", "an HTML page"),
        (b"\xef\xbb\xbf \n<html>Sign in</html>", "text/event-stream", "an HTML page"),
        (b'{"models": []}', "application/json", "application/json"),
        (b"[" * 100_000, "application/json", "application/json"),
        (b"It works!", "text/plain", "text/plain"),
        (b"", "text/event-stream", "empty answer (HTTP 200)"),
        (b"", "", "empty answer (HTTP 200)"),
        (b"\n\n", "text/event-stream", "empty answer (HTTP 200)"),
        (b": ping\n\n", "text/event-stream", "without a message"),
    ],
)
async def test_what_is_no_stream_is_named(run: Run, body: bytes, content_type: str, words: str) -> None:
    async with raw_server(raw.document(body, content_type=content_type)) as server:
        result = await run(server)
    assert result.error.type == "not_a_stream"
    assert words in result.error.sentence
    assert "base URL" in result.error.sentence
    assert len(server.exchanges) == 1


async def test_no_content(run: Run) -> None:
    async with raw_server(raw.document(b"", "204 No Content", content_type="")) as server:
        assert "HTTP 204" in (await run(server)).error.message


async def test_an_error_as_json_with_status_200(run: Run) -> None:
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}).encode()
    async with raw_server(raw.document(body)) as server:
        assert (await run(server)).error.type == "invalid_request_error"


async def test_a_redirect_is_refused_and_the_other_host_sees_nothing(run: Run) -> None:
    async with raw_server(raw.stream(PLAIN)) as other:
        target = f"http://localhost:{other.port}/v1/messages"
        async with raw_server(raw.document(b"", "307 Temporary Redirect", location=target)) as server:
            result = await run(server)
        assert result.error.type == "connection"
        assert target in result.error.message
        assert len(server.exchanges) == 1
        assert other.exchanges == []


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        ("400 Bad Request", "invalid_request_error", 1),
        ("401 Unauthorized", "authentication_error", 1),
        ("403 Forbidden", "permission_error", 1),
        ("404 Not Found", "not_found_error", 1),
        ("413 Too Large", "request_too_large", 1),
        ("408 Timeout", "timeout_error", 3),
        ("409 Conflict", "conflict_error", 3),
        ("429 Too Many", "rate_limit_error", 3),
        ("500 Oops", "api_error", 3),
        ("529 Overloaded", "overloaded_error", 3),
    ],
)
async def test_refusals_by_status(run: Run, status: str, kind: str, requests: int) -> None:
    async with raw_server(raw.error(status, kind, "because")) as server:
        result = await run(server)
    error = result.error
    assert (error.type, error.status, error.message) == (kind, int(status[:3]), "because")
    assert (error.attempts, error.request_id) == (requests, "req_1")
    assert len(server.exchanges) == requests
    assert [each.attempt for each in result.all(RetryScheduled)] == list(range(2, requests + 1))


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"<html>502 Bad Gateway</html>", "api_error", "HTTP 502"),
        (b'{"detail": "no such thing"}', "api_error", "no such thing"),
        (b'{"error": {"message": "busy"}}', "api_error", "busy"),
        (b'{"error": "busy"}', "api_error", "busy"),
        (b"\xff\xfe", "api_error", "\ufffd"),
    ],
)
async def test_error_bodies_of_other_servers(run: Run, body: bytes, kind: str, words: str) -> None:
    async with raw_server(raw.document(body, "502 Bad Gateway", x_should_retry="false")) as server:
        result = await run(server)
    assert result.error.type == kind
    assert words in result.error.message
    assert len(server.exchanges) == 1


async def test_overloaded_then_a_reply(run: Run) -> None:
    async with raw_server(raw.error("529 Overloaded", "overloaded_error"), raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    assert [request.attempt for request in result.turn.requests] == [1, 2]
    assert result.turn.ttft == result.turn.requests[1].ttft


async def test_an_error_as_the_first_event_then_a_reply_is_shown_once(run: Run) -> None:
    first = raw.stream((FOLDER / "error-after-start.sse").read_bytes())
    async with raw_server(first, raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    assert "".join(event.text for event in result.all(TextDelta)) == "Hello, world"


async def test_retry_after_is_honoured(run: Run) -> None:
    refusal = raw.error("429 Too Many", "rate_limit_error", retry_after="0.25")
    async with raw_server(refusal, raw.stream(PLAIN)) as server:
        result = await run(server)
    expect_hello(result)
    (scheduled,) = result.all(RetryScheduled)
    assert scheduled.resume_at - scheduled.at == pytest.approx(0.25)
    assert result.turn.requests[1].stamps.sent >= scheduled.resume_at - 0.01


async def test_a_long_retry_after_is_shown_not_slept(run: Run) -> None:
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
async def test_silence(run: Run, answer: raw.Answer, timeouts: Timeouts, words: str) -> None:
    async with raw_server(answer) as server:
        result = await run(server, timeouts)
        await server.exchanges[0].left.wait()
    assert (result.error.type, result.error.message) == ("timed_out", words)
    assert len(server.exchanges) == 1


async def test_pings_do_not_move_the_clock_for_content(run: Run) -> None:
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


async def test_no_connection_in_time_is_tried_again(run: Run) -> None:
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


async def test_bytes_reset_the_idle_clock(run: Run) -> None:
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


async def test_connection_refused(run: Run, unused_tcp_port: int) -> None:
    result = await run(f"http://127.0.0.1:{unused_tcp_port}")
    assert result.error.type == "connection"
    assert result.error.attempts == 3
    assert "refused" in result.error.message.lower()


async def test_a_server_that_hangs_up_without_a_word(run: Run) -> None:
    async def hang_up(exchange: raw.Exchange) -> None:
        exchange.writer.close()

    async with raw_server(hang_up, hang_up, raw.stream(PLAIN)) as server:
        expect_hello(await run(server))


async def test_a_wrong_base_url_says_so(run: Run) -> None:
    async with raw_server(raw.document(b"<html>404</html>", "404 Not Found", content_type="text/html")) as server:
        result = await run(server.base_url + "/wrong")
    assert result.error.type == "not_a_stream"
    assert f"{server.base_url}/wrong/v1/messages" in result.error.message
    assert "base URL" in result.error.advice


async def test_fifty_thousand_tiny_deltas(run: Run) -> None:
    start, _, rest = PLAIN.partition(b"event: content_block_delta")
    delta = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n'
    async with raw_server(raw.stream(start + delta * 50_000 + b"event: content_block_delta" + rest)) as server:
        result = await run(server)
    assert result.turn.text == "x" * 50_000 + "Hello, world"
    assert result.turn.request is not None
    assert result.turn.request.delta_count == 50_003


async def test_a_megabyte_in_one_delta(run: Run) -> None:
    text = "é" * 500_000
    async with raw_server(raw.stream(PLAIN.replace(b"Hello", text.encode()), chunk=4096)) as server:
        assert (await run(server)).turn.text == text + ", world"


async def test_the_request_id_and_the_stages_are_kept(run: Run) -> None:
    async with raw_server(raw.stream(PLAIN)) as server:
        result = await run(server)
    stages = [event.stage for event in result.all(RequestProgress)]
    assert stages == ["connected", "headers", "message_start", "ping", "message_stop"]
    assert result.turn.request is not None
    assert result.turn.request.request_id == "req_1"
    assert isinstance(result.events[-1], RequestEnded)
    assert server.exchanges[0].headers["authorization"] == "Bearer local"
    assert server.exchanges[0].body["stream"] is True
