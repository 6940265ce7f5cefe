"""Answers whose oddity is not in the events: each is read, or named for what it is, and what came is kept."""

import json

import pytest

from tests.unit import raw_server as raw
from tests.unit.engine_runs import expect_hello, run
from tests.unit.odd_answers import MESSAGE, ODD_ANSWERS, PLAIN, OddAnswer
from tests.unit.raw_server import raw_server
from tui_chat.events import RetryScheduled


@pytest.mark.parametrize("odd", ODD_ANSWERS, ids=lambda odd: odd.name)
async def test_odd_answer(odd: OddAnswer) -> None:
    async with raw_server(odd.answer) as server:
        result = await run(server)
        if odd.name.startswith("left open"):  # the turn ends at message_stop, and the connection with it
            await server.exchanges[0].left.wait()
    failure = result.outcome.error
    assert (failure.type if failure else None) == odd.error
    assert odd.words in (failure.sentence if failure else "")
    assert odd.error != "not_a_stream" or "base URL" in result.error.sentence
    assert result.outcome.stop_reason == odd.stop_reason
    assert result.turn.text in (("Hello", "") if odd.text is None else (odd.text,))
    assert odd.error is not None or (result.turn.usage.output_tokens == 9 and result.turn.usage_is_final)
    assert len(server.exchanges) == 1


async def test_a_whole_message_with_thinking_and_a_call() -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "Eo8B"},
        {"type": "mystery_block", "data": [1]},
        {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {"zone": "UTC"}},
    ]
    message = {**MESSAGE, "content": content, "stop_reason": "tool_use"}
    async with raw_server(raw.document(b"\xef\xbb\xbf" + json.dumps(message).encode())) as server:
        result = await run(server)
    assert result.outcome.stop_reason == "tool_use"
    reply = result.turn.reply()
    assert reply is not None
    assert list(reply.blocks) == content


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_refused_and_the_other_host_sees_nothing(status: str) -> None:
    async with raw_server(raw.stream(PLAIN)) as other:
        target = f"http://localhost:{other.port}/v1/messages"
        async with raw_server(raw.document(b"", status, location=f"{target}?ticket=secret")) as server:
            result = await run(server)
        assert result.error.type == "connection"
        assert target in result.error.message
        assert "secret" not in result.error.message
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
async def test_refusals_by_status(status: str, kind: str, requests: int) -> None:
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
async def test_error_bodies_of_other_servers(body: bytes, kind: str, words: str) -> None:
    async with raw_server(raw.document(body, "502 Bad Gateway", x_should_retry="false")) as server:
        result = await run(server)
    assert result.error.type == kind
    assert words in result.error.message
    assert len(server.exchanges) == 1


async def test_connection_refused(unused_tcp_port: int) -> None:
    result = await run(f"http://127.0.0.1:{unused_tcp_port}")
    assert result.error.type == "connection"
    assert result.error.attempts == 3
    assert "refused" in result.error.message.lower()


async def test_a_server_that_speaks_no_http() -> None:
    async def banner(exchange: raw.Exchange) -> None:
        await exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n")

    async with raw_server(banner) as server:
        result = await run(server)
    assert result.error.type == "connection"


@pytest.mark.parametrize("sent", [b"", raw.head()], ids=["before the headers", "after the headers"])
async def test_a_reset_before_the_body(sent: bytes) -> None:
    async def reset(exchange: raw.Exchange) -> None:
        await exchange.send(sent)
        exchange.reset()

    async with raw_server(reset) as server:
        result = await run(server)
    assert result.error.type in ("connection", "cut_off")  # a reset may overtake the headers
    assert result.turn.reply() is None


async def test_a_server_that_hangs_up_without_a_word() -> None:
    async def hang_up(exchange: raw.Exchange) -> None:
        exchange.writer.close()

    async with raw_server(hang_up, hang_up, raw.stream(PLAIN)) as server:
        expect_hello(await run(server))


async def test_a_wrong_base_url_says_so() -> None:
    async with raw_server(raw.document(b"<html>404</html>", "404 Not Found", content_type="text/html")) as server:
        result = await run(server.base_url + "/wrong")
    assert result.error.type == "not_a_stream"
    assert f"{server.base_url}/wrong/v1/messages" in result.error.message
    assert "base URL" in result.error.advice
