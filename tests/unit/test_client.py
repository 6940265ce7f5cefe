"""The client: whose key goes where, what the environment may change, and how trouble before the request is named."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER
from tests.unit.one_turn import run_turn
from tests.unit.raw_server import raw_server
from tui_chat.config import Config, Timeouts
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.demo.schedule import Pacing
from tui_chat.engine.catalog import ModelCatalog
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.engine.turn import TurnResult
from tui_chat.errors import RequestError
from tui_chat.events import Event

PLAIN = (FOLDER / "plain.sse").read_bytes()
PARAMETERS = {"model": "claude-x", "max_tokens": 8, "messages": [{"role": "user", "content": "hi"}]}


@contextlib.asynccontextmanager
async def client_of(folder: Path, base_url: str | None, **fields: Any) -> AsyncIterator[ApiClient]:
    client = ApiClient(Config(folder, folder / "none", base_url=base_url, **{"has_credentials": False} | fields))
    try:
        yield client
    finally:
        await client.close()


async def run(client: ApiClient) -> TurnResult:
    events: list[Event] = []
    return await run_turn(client, PARAMETERS, Timeouts(), events.append)


def expect(result: TurnResult, kind: str, words: str) -> None:
    assert result.outcome is Outcome.FAILED
    assert result.error is not None
    assert result.error.type == kind
    assert words in result.error.sentence


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_proxy_is_not_asked_for_the_own_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, host: str
) -> None:
    async with raw_server(raw.silent) as proxy, raw_server(raw.stream(PLAIN)) as server:
        monkeypatch.setenv(name, proxy.base_url)
        async with client_of(tmp_path, f"http://{host}:{server.port}") as client:
            assert (await run(client)).outcome is Outcome.COMPLETED
        assert proxy.exchanges == []


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, "Bearer local"),
        ({"ANTHROPIC_API_KEY": "sk-1"}, "Bearer sk-1"),
        ({"ANTHROPIC_AUTH_TOKEN": "token-1"}, "Bearer token-1"),
    ],
)
async def test_which_key_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], sent: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with raw_server(raw.stream(PLAIN)) as server:
        async with client_of(tmp_path, server.base_url, has_credentials=bool(variables)) as client:
            assert (await run(client)).outcome is Outcome.COMPLETED
            assert not [value for value in variables.values() if value in repr(client)]
        assert server.exchanges[0].headers["authorization"] == sent


async def test_a_key_that_no_header_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-1\nsk-2")
    async with raw_server(raw.silent) as server:
        async with client_of(tmp_path, server.base_url, has_credentials=True) as client:
            result = await run(client)
        expect(result, "authentication_error", "check ANTHROPIC_API_KEY")
        assert "sk-1" not in repr(result)
        assert server.exchanges == []


async def test_no_key_for_anthropic_itself(tmp_path: Path) -> None:
    async with client_of(tmp_path, None) as client:
        expect(await run(client), "no_key", "set ANTHROPIC_API_KEY")


async def test_credentials_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PROFILE", "nobody")
    async with raw_server(raw.silent) as server, client_of(tmp_path, server.base_url, has_credentials=True) as client:
        expect(await run(client), "no_key", "set ANTHROPIC_API_KEY")
        with pytest.raises(RequestError):
            await client.models()


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (b'{"data": [{"id": "m", "max_input_tokens": 1000, "max_tokens": 50}]}', [("m", 1000, 50)]),
        (b'{"object": "list", "data": [{"id": "m", "object": "model"}, {"object": "model"}]}', [("m", None, None)]),
        (b'{"data": [{"id": "m", "max_input_tokens": "many", "max_tokens": -1}]}', [("m", None, None)]),
        (b'{"models": [{"name": "m"}]}', []),
        (b'{"data": []}', []),
    ],
)
async def test_lists_of_models(tmp_path: Path, body: bytes, models: list[tuple[str, int | None, int | None]]) -> None:
    async with raw_server(raw.document(body)) as server, client_of(tmp_path, server.base_url) as client:
        found = await client.models()
    assert [(info.id, info.context_window, info.max_output) for info in found] == models


@pytest.mark.parametrize(
    "answer",
    [
        raw.document(b"<html>", content_type="text/html"),
        raw.document(b"", "404 Not Found"),
        raw.document(b'{"data": 7}'),
        raw.document(b'{"data": [7, null]}'),
        raw.document(b"[]"),
        raw.document(b"{", content_type="application/json"),
        raw.chunked(b'{"data'),
    ],
    ids=["HTML", "404", "a number", "no objects", "a list", "half", "cut"],
)
async def test_a_list_of_models_that_is_none(tmp_path: Path, answer: raw.Answer) -> None:
    async with raw_server(answer) as server, client_of(tmp_path, server.base_url) as client:
        with pytest.raises(RequestError) as caught:
            await client.models()
        assert caught.value.failure.message
        assert not await ModelCatalog(None).refresh(client)


# What models can do -----------------------------------------------------------------------------------------------------

ALL = ("low", "medium", "high", "xhigh", "max")


async def test_the_capabilities_of_the_demos_models(tmp_path: Path) -> None:
    async with DemoServer() as server, client_of(tmp_path, server.base_url) as client:
        models = {info.id: info for info in await client.models()}
    assert models["claude-opus-5-5"] == ModelInfo(
        "claude-opus-5-5", "Claude Opus 5.5", 1_000_000, 128_000, frozenset({"adaptive"}), ALL
    )
    assert models["claude-sonnet-5-5"].thinking == frozenset({"adaptive", "disabled"})
    assert models["claude-sonnet-4-5-20250929"].thinking == frozenset({"enabled", "disabled"})
    assert models["claude-opus-4-6"].efforts == ("low", "medium", "high", "max")
    assert models["claude-haiku-4-5-20251001"].efforts == ()


YES, NO = {"supported": True}, {"supported": False}


@pytest.mark.parametrize(
    ("capabilities", "thinking", "efforts"),
    [
        (None, None, None),
        ({}, None, None),
        ("all", None, None),
        (["thinking"], None, None),
        ({"thinking": True, "effort": True}, None, None),
        ({"thinking": {"supported": True}, "effort": {"supported": True}}, None, None),
        ({"thinking": {"types": {}}, "effort": {"supported": False}}, set(), ()),
        ({"thinking": {"types": "adaptive"}, "effort": {"supported": False, "low": NO}}, set(), ()),
        (
            {"thinking": {"supported": False, "types": {"disabled": YES}}, "effort": {"max": YES}},
            {"disabled"},
            ("max",),
        ),
        ({"thinking": {"types": {"adaptive": True}}, "effort": {"supported": True, "low": "yes"}}, set(), None),
        (
            {"thinking": {"types": {"adaptive": YES, "new": YES}}, "effort": {"new": YES, "high": YES}},
            {"adaptive"},
            ("high",),
        ),
        ({"thinking": {"types": {"between_tools": YES, "enabled": NO}}}, {"between_tools"}, None),
        ({"effort": {"supported": True, "xhigh": YES, "low": YES, "max": NO, "high": None}}, None, ("low", "xhigh")),
    ],
)
async def test_capabilities_of_any_shape(
    tmp_path: Path, capabilities: object, thinking: set[str] | None, efforts: tuple[str, ...] | None
) -> None:
    body = json.dumps({"data": [{"id": "m", "capabilities": capabilities, "display_name": 7}]}).encode()
    async with raw_server(raw.document(body)) as server, client_of(tmp_path, server.base_url) as client:
        assert await client.models() == [
            ModelInfo("m", thinking=None if thinking is None else frozenset(thinking), efforts=efforts)
        ]


async def test_the_catalogue_outlives_the_run(tmp_path: Path) -> None:
    path = tmp_path / "data" / "models.json"
    catalog = ModelCatalog(path)
    async with DemoServer() as server, client_of(tmp_path, server.base_url) as client:
        assert await catalog.refresh(client)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(ModelCatalog(path)) == list(catalog) != []


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", []),
        ("{", []),
        ("7", []),
        ('{"id": "m"}', []),
        ("[" * 100_000, []),
        ('[7, null, {}, {"id": 7}, {"id": "m"}]', [ModelInfo("m")]),
        # of the version before, and of one to come
        ('[{"id": "m", "display_name": "M", "context_window": 9, "max_output": 5}]', [ModelInfo("m", "M", 9, 5)]),
        (
            '[{"id": "m", "thinking": ["adaptive"], "efforts": ["max", "low", "new"], "colour": "red"}]',
            [ModelInfo("m", thinking=frozenset({"adaptive"}), efforts=("low", "max"))],
        ),
        ('[{"id": "m", "thinking": "adaptive", "efforts": 3, "max_output": true}]', [ModelInfo("m")]),
        (
            '[{"id": "m", "thinking": [7], "efforts": [], "context_window": -1}]',
            [ModelInfo("m", None, None, None, frozenset(), ())],
        ),
    ],
)
def test_a_catalogue_on_disk_of_any_shape(tmp_path: Path, text: str, known: list[ModelInfo]) -> None:
    path = tmp_path / "models.json"
    path.write_text(text)
    assert list(ModelCatalog(path)) == known


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            '{"detail": [{"loc": ["body", "thinking"], "msg": "Extra inputs are not permitted", "input": "secret"}]}',
            "thinking: Extra inputs are not permitted",
        ),
        ('{"detail": [{"loc": ["body", "a", 0], "msg": "x"}, {"msg": "y"}, 7]}', "a.0: x; y"),
        ('{"detail": []}', "HTTP 422"),
        ('{"detail": "no"}', "no"),
    ],
)
async def test_what_other_servers_say_of_a_bad_request(tmp_path: Path, body: str, message: str) -> None:
    answer = raw.document(body.encode(), "422 Unprocessable Entity")
    async with raw_server(answer) as server, client_of(tmp_path, server.base_url) as client:
        result = await run(client)
    assert result.error is not None
    assert (result.error.status, result.error.message) == (422, message)


async def test_a_reply_leaves_its_connection_to_the_next_request(tmp_path: Path) -> None:
    steps: list[str] = []
    async with DemoServer(pacing=Pacing(ttft=0, rate=0)) as server, client_of(tmp_path, server.base_url) as client:
        events: list[Event] = []
        known = {**PARAMETERS, "model": "claude-sonnet-5-5"}  # the demo knows which models there are
        assert (await run_turn(client, known, Timeouts(), events.append)).outcome is Outcome.COMPLETED
        await client.models(lambda step, _at: steps.append(step))
    assert steps
    assert not [step for step in steps if "connect_tcp" in step]


async def test_a_server_that_leaves_the_body_open_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def answer(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head() + PLAIN)
        await exchange.until_left()

    async with raw_server(answer) as server, client_of(tmp_path, server.base_url) as client:
        assert (await run(client)).outcome is Outcome.COMPLETED
        await server.exchanges[0].left.wait()
