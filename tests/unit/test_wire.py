"""What is kept of the wire: whole while there is room, the newest when there is not, and never a credential."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER
from tests.unit.raw_server import raw_server
from tui_chat.config import Config, Timeouts
from tui_chat.engine.client import ApiClient
from tui_chat.engine.stream import stream_request
from tui_chat.events import Event, RequestEnded, RequestProgress, TextDelta
from tui_chat.wire import HIDDEN, Capture, WireLog, hide_secrets, open_url

PLAIN = (FOLDER / "plain.sse").read_bytes()
PARAMETERS = {"model": "claude-x", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}
KEY = "sk-ant-api03-neverwritten"


@contextlib.asynccontextmanager
async def client_of(folder: Path, base_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiClient]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    client = ApiClient(Config(folder, folder / "none", base_url=base_url))
    try:
        yield client
    finally:
        await client.close()


async def captured(client: ApiClient, capture: Capture, **options: Any) -> tuple[RequestEnded, list[Event]]:
    events: list[Event] = []
    return await stream_request(client, PARAMETERS, Timeouts(), events.append, capture=capture, **options), events


def begun(log: WireLog, turn_id: str = "turn") -> Capture:
    return log.begin(turn_id, 0, "claude-x", 1.7e9, 0.0)


class Listening:
    """A tap that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def request_left(self, capture: Capture) -> None:
        self.told.append(("left", capture.method))

    def response_began(self, capture: Capture) -> None:
        self.told.append(("began", capture.status))

    def chunk_came(self, at: float, data: bytes) -> None:
        self.told.append((at, data))

    def body_ended(self, at: float) -> None:
        self.told.append(("ended", at))


async def test_a_request_is_kept_as_it_went_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, tap = WireLog(), Listening()
    capture = log.begin("turn", 2, "claude-x", 1.7e9, 5.0, tap=tap)
    async with raw_server(raw.stream(PLAIN)) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        ended, events = await captured(client, capture)
    assert ended.complete
    kept = b"".join(data for _, data in capture.chunks)
    assert kept == PLAIN[: len(kept)]
    assert b"message_stop" in kept
    assert capture.received == len(kept)
    assert capture.frames == kept.count(b"\n\n")
    assert (capture.method, capture.url) == ("POST", f"{server.base_url}/v1/messages")
    assert b'"stream":true' in capture.body.replace(b" ", b"")
    assert (capture.status, dict(capture.response_headers)["content-type"]) == (200, "text/event-stream")
    # The stamps are those of the events, so no figure can differ from what is shown here.
    headers = next(event for event in events if isinstance(event, RequestProgress) and event.stage == "headers")
    first = next(event for event in events if isinstance(event, TextDelta))
    assert capture.headers_at == headers.at
    assert first.at in [at for at, _ in capture.chunks]
    assert capture.ended == ended.at
    assert tap.told[:2] == [("left", "POST"), ("began", 200)]
    assert tap.told[2:-1] == list(capture.chunks)
    assert tap.told[-1] == ("ended", capture.body_ended_at)


async def test_no_key_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Proxy-Pass-Token: secret-of-mine\nX-Plain: Bearer abcdefgh")
    capture = begun(WireLog())
    async with raw_server(raw.stream(PLAIN)) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        await captured(client, capture)
        assert KEY in server.exchanges[0].headers["authorization"]
    assert dict(capture.request_headers)["authorization"] == HIDDEN
    for secret in (KEY, "secret-of-mine", "abcdefgh"):
        assert secret not in repr(capture)


async def test_the_answer_of_a_refusal_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    capture = begun(WireLog())
    refusal = raw.head("529 Overloaded", content_type="application/json", content_length=str(len(body))) + body

    async def refuse(exchange: raw.Exchange) -> None:
        await exchange.send(refusal)

    async with raw_server(refuse) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        ended, _ = await captured(client, capture)
    assert ended.error is not None
    assert ended.error.type == "overloaded_error"
    assert (capture.status, b"".join(data for _, data in capture.chunks)) == (529, body)
    assert capture.headers_at is not None
    assert capture.ended == ended.at
    assert capture.body_ended_at == capture.chunks[0][0]


@pytest.mark.parametrize(
    ("answer", "is_read"),
    [
        (raw.stream(PLAIN), True),
        (raw.stream(PLAIN[:500]), True),
        (raw.left_open(PLAIN), False),
        (raw.left_open(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'), False),
    ],
    ids=["whole", "cut", "left open", "error"],
)
async def test_only_a_body_that_was_read_to_its_end_has_ended(
    answer: raw.Answer, is_read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap = Listening()
    capture = WireLog().begin("turn", 0, "claude-x", 1.7e9, 5.0, tap=tap)
    async with raw_server(answer) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        await captured(client, capture)
    assert (capture.body_ended_at is not None) is is_read
    assert any(told[0] == "ended" for told in tap.told) is is_read


async def test_a_refusal_that_repeats_the_key_is_kept_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Gateway-Token: mine-0815")
    capture = begun(WireLog())

    async def refuse(exchange: raw.Exchange) -> None:
        body = b'{"error":{"type":"authentication_error","message":"mine-0815 is unknown"}}'
        head = raw.head("401 Unauthorized", content_type="application/json", content_length=str(len(body)))
        await exchange.send(head + body)

    async with raw_server(refuse) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        await captured(client, capture)
    kept = b"".join(data for _, data in capture.chunks)
    assert kept == b'{"error":{"type":"authentication_error","message":"*** is unknown"}}'


async def test_a_reply_in_one_piece_is_asked_for_without_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Hi"}],'
        b'"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}'
    )
    capture = begun(WireLog())

    async def answer(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head(content_type="application/json", content_length=str(len(body))) + body)

    async with raw_server(answer) as server, client_of(tmp_path, server.base_url, monkeypatch) as client:
        large = {**PARAMETERS, "max_tokens": 128_000}  # which the SDK refuses without a time-out of its own
        events: list[Event] = []
        ended = await stream_request(client, large, Timeouts(), events.append, capture=capture, streaming=False)
        assert "stream" not in server.exchanges[0].body
    assert ended.complete
    assert {event.at for event in events if not isinstance(event, RequestProgress | RequestEnded)} == {
        capture.body_ended_at
    }


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=400)), max_size=60), st.integers(1, 20_000))
def test_memory_is_bounded_and_what_is_kept_is_the_newest(given: list[tuple[int, bytes]], limit: int) -> None:
    log = WireLog(limit)
    captures: dict[int, Capture] = {}
    for number, data in given:
        if number not in captures:
            for earlier in captures.values():
                if earlier.ended is None:
                    earlier.over(1.0)
            captures[number] = begun(log, str(number))
        captures[number].chunk(0.0, data)
        # One chunk of each request that is left stays, however small the room.
        alone = sum(4_200 + len(capture.chunks[-1][1]) for capture in log if capture.chunks)
        assert log.held <= max(limit, alone + 4_200)
    for number, capture in captures.items():
        whole = b"".join(data for each, data in given if each == number)
        kept = b"".join(data for _, data in capture.chunks)
        assert capture.received == len(whole)
        assert whole[capture.dropped :] == kept
    kept_ids = [capture.turn_id for capture in log]
    assert kept_ids == [str(number) for number in captures][-len(kept_ids) or len(captures) :]
    assert log.forgotten == len(captures) - len(kept_ids)


def test_a_request_that_runs_is_never_forgotten_whole() -> None:
    log = WireLog(10_000)
    running = begun(log, "running")
    running.chunk(0.0, b"x" * 9_000)
    other = begun(log, "other")
    other.chunk(0.0, b"y" * 9_000)
    running.chunk(0.1, b"z" * 100)
    assert list(log) == [running, other]
    assert b"".join(data for _, data in running.chunks) == b"z" * 100
    assert running.dropped == 9_000


def test_a_request_that_runs_keeps_no_others_behind_it() -> None:
    log = WireLog(100_000)
    running = begun(log, "running")
    for number in range(30):
        other = begun(log, str(number))
        other.left("POST", "http://127.0.0.1/", [], b"b" * 40_000)
        other.over(1.0)
        assert log.held <= log.limit
    assert [capture.turn_id for capture in log] == ["running", "28", "29"]
    assert log.forgotten == 28
    running.over(2.0)
    begun(log, "last").left("POST", "http://127.0.0.1/", [], b"b" * 90_000)
    assert [capture.turn_id for capture in log] == ["last"]


def test_listeners_hear_of_every_change() -> None:
    log, heard = WireLog(), []
    capture = begun(log)
    log.listeners.append(lambda: heard.append(capture.received))
    capture.chunk(0.0, b"abc")
    capture.over(1.0)
    log.listeners.clear()
    capture.chunk(2.0, b"d")
    assert heard == [3, 3]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("x-api-key", KEY, HIDDEN),
        ("Authorization", "Bearer abc", HIDDEN),
        ("set-cookie", "a=b", HIDDEN),
        ("anthropic-organization-id", "6f1c", HIDDEN),
        ("x-note", f"use {KEY} here", f"use {HIDDEN} here"),
        ("x-goog-iap-jwt-assertion", "abc", HIDDEN),
        ("x-session-id", "abc", HIDDEN),
        ("x-who", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln", HIDDEN),
        ("Location", "https://sso.example/in?ticket=abc#t=1", f"https://sso.example/in?ticket={HIDDEN}"),
        ("location", "/in", "/in"),
        ("content-type", "application/json", "application/json"),
        ("request-id", "req_011", "req_011"),
        ("anthropic-ratelimit-tokens-remaining", "79000", "79000"),
    ],
)
def test_headers_that_are_secrets_are_hidden(name: str, value: str, kept: str) -> None:
    assert hide_secrets([(name, value)]) == ((name, kept),)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (
            "https://me:pw@proxy.example:8443/v1/messages?key=abc&beta=true",
            f"https://proxy.example:8443/v1/messages?key={HIDDEN}&beta={HIDDEN}",
        ),
        (f"https://proxy.example/{KEY}/v1?abc", f"https://proxy.example/{HIDDEN}/v1?{HIDDEN}"),
        ("http://[::zz]/", HIDDEN),
    ],
)
def test_an_address_is_kept_without_secrets(url: str, kept: str) -> None:
    assert open_url(url) == kept
    assert open_url(kept) == kept
