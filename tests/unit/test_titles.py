"""Titles from a model: what is asked of whom, what counts as a title, and that it is never in the way."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.test_history import reply_of, text
from tui_chat import titles
from tui_chat.config import Config, Flags, load
from tui_chat.conversation import Conversation, Outcome, SideRequest
from tui_chat.demo import DemoServer, Pacing
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.errors import RequestError
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, State
from tui_chat.ui.status import Live, status_of
from tui_chat.usage import Usage

USED: Final = Usage({"input_tokens": 100, "output_tokens": 10})


# What counts as a title ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "title"),
    [
        ("Colours of the sky", "Colours of the sky"),
        ("\n\n  Colours of the sky.\n\nIs that fine?", "Colours of the sky"),
        ('"Colours of the sky."', "Colours of the sky"),
        ("„Farben des Himmels“", "Farben des Himmels"),
        ("「空の色」", "空の色"),
        ("**Colours of the sky**", "Colours of the sky"),
        ("# Colours  of\tthe sky #", "Colours of the sky"),
        ("Title: Colours of the sky", "Colours of the sky"),
        ("**Title:** `Colours`", "Colours"),
        ('The "sky" and its "colours"', 'The "sky" and its "colours"'),
        ("It's blue", "It's blue"),
        ("word " * 40, "word word word word word word word word word word word word…"),
        ("\x1b]0;owned\x07Sky", "␛]0;owned␇Sky"),
        ("", None),
        (" \n**\n``` \n", None),
        ("...", None),
    ],
)
def test_the_title_in_a_reply(reply: str, title: str | None) -> None:
    assert titles.title_in(reply) == title


# Who is asked ----------------------------------------------------------------------------------------------------------


def offered(*names: str) -> list[ModelInfo]:
    return [ModelInfo(name) for name in names]


def test_the_cheapest_model_of_anthropics_own_host() -> None:
    prices, day = PriceList.load(), date(2026, 11, 21)
    all_of_them = offered("claude-opus-5-5", "claude-haiku-4-5-20251001", "claude-haiku-5-5", "claude-of-tomorrow")
    assert titles.cheapest_model("claude-opus-5-5", ANTHROPIC_HOST, all_of_them, prices, day) == "claude-haiku-5-5"
    assert titles.cheapest_model("x", ANTHROPIC_HOST, all_of_them[:2], prices, day) == "claude-haiku-4-5-20251001"
    assert titles.cheapest_model("x", ANTHROPIC_HOST, offered("claude-of-tomorrow"), prices, day) == "x"
    assert titles.cheapest_model("x", ANTHROPIC_HOST, [], prices, day) == "x"


@pytest.mark.parametrize("server", ["demo", "localhost:11434"])
def test_the_conversations_own_model_elsewhere(server: str) -> None:
    assert titles.cheapest_model("qwen3", server, offered("claude-haiku-5-5"), PriceList.load()) == "qwen3"


def test_the_request_is_small() -> None:
    turn = reply_of(text("answer " * 5_000), asked="question " * 5_000)
    asked = titles.parameters("m", None, turn)
    (message,) = asked["messages"]
    assert asked["max_tokens"] < 100
    assert len(message["content"]) < 4_000
    assert "question question" in message["content"]
    assert "answer answer" in message["content"]
    assert "thinking" not in asked
    assert "system" not in asked


def test_thinking_is_left_out_where_it_can_be() -> None:
    turn = reply_of(text("answer"))
    can = titles.parameters("m", ModelInfo("m", thinking=frozenset({"adaptive", "disabled"})), turn)
    must = titles.parameters("m", ModelInfo("m", thinking=frozenset({"adaptive"})), turn)
    assert (can["thinking"], can["max_tokens"]) == ({"type": "disabled"}, titles.MAX_TOKENS)
    assert ("thinking" in must, must["max_tokens"]) == (False, titles.MAX_TOKENS_THINKING)


def test_half_a_character_is_no_obstacle() -> None:
    asked = titles.parameters("m", None, reply_of(text("\ud83d"), asked="\udc00"))
    asked["messages"][0]["content"].encode()


def test_which_turn_names_a_conversation() -> None:
    failed, silent, first, second = (reply_of(text(each)) for each in ("cut", " ", "first", "second"))
    failed.outcome = Outcome.FAILED
    conversation = Conversation("c", 1.0, turns=[failed, silent])
    assert titles.turn_to_name(conversation) is None
    conversation.turns += [first, second]
    assert titles.turn_to_name(conversation) is first
    for given in ("user", "model"):
        assert titles.turn_to_name(replace(conversation, title_from=given)) is None
    asked = SideRequest(titles.PURPOSE, "m", "demo", 1.0, USED, usage_is_final=True)
    assert titles.turn_to_name(replace(conversation, side_requests=(asked,))) is None


# Asking ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    async with DemoServer(pacing=Pacing(ttft=0, rate=0)) as demo:
        yield demo


Open = Callable[..., contextlib.AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def opened(server: DemoServer, tmp_path: Path) -> Open:
    """Opens a runtime on the server; the data folder stays the same."""

    @contextlib.asynccontextmanager
    async def open_(titles: str = "model", base_url: str | None = None) -> AsyncIterator[Runtime]:
        flags = Flags(base_url=base_url or server.base_url, data_dir=tmp_path / "data", titles=titles)
        runtime = Runtime(load(flags, {}))
        await runtime.open()
        try:
            yield runtime
        finally:
            await runtime.close()

    return open_


async def say(session: ChatSession, prompt: str) -> None:
    async with contextlib.aclosing(session.send(prompt)) as events:
        async for _ in events:
            pass


def naming(server: DemoServer) -> list[Any]:
    """The requests for titles that the server has got."""
    bodies = [record.body for record in server.requests if record.path == "/v1/messages"]
    return [body for body in bodies if str(body["messages"][0]["content"]).startswith("Name this conversation")]


async def test_a_conversation_is_named_once_and_for_good(opened: Open, server: DemoServer) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list of rivers")
        assert session.conversation.title == "list of rivers"
        assert await runtime.suggest_title(session) == "About “list of rivers”"
        assert (session.conversation.title, session.conversation.title_from) == ("About “list of rivers”", "model")
        await say(session, "table")
        assert await runtime.suggest_title(session) is None
        assert len(naming(server)) == 1
        assert naming(server)[0]["model"] == session.model
        named = session.conversation.id
    async with opened() as runtime:
        session = await runtime.resume(named)
        assert (session.conversation.title, session.conversation.title_from) == ("About “list of rivers”", "model")
        assert [side.purpose for side in session.conversation.side_requests] == ["title"]
        assert runtime.side_figures(session) == []  # that was before it was opened
        assert await runtime.suggest_title(session) is None


async def test_nothing_is_asked_unless_it_is_wished(opened: Open, server: DemoServer) -> None:
    async with opened(titles="prompt") as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        assert await runtime.suggest_title(session) is None
        assert naming(server) == []
        assert session.conversation.title_from == "prompt"


async def test_a_turn_that_was_not_completed_names_nothing(opened: Open, server: DemoServer) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        assert await runtime.suggest_title(session) is None
        await say(session, "cut")
        assert await runtime.suggest_title(session) is None
        assert naming(server) == []
        await say(session, "code")
        assert await runtime.suggest_title(session) == "About “code”"


async def test_the_next_turn_need_not_wait(opened: Open, tmp_path: Path) -> None:
    async with DemoServer(pacing=Pacing(ttft=30, rate=0)) as slow, opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        quick, runtime._client = runtime.client, ApiClient(runtime.config, slow.base_url)
        asking = asyncio.create_task(runtime.suggest_title(session))
        await slow.wait_for(lambda: bool(slow.requests))
        assert session.state is State.IDLE
        await say(session, "table")
        assert not asking.done()
        assert [turn.outcome for turn in session.conversation.turns] == ["completed", "completed"]
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await slow.wait_for(lambda: slow.requests[0].ended == "client_closed")
        await runtime.client.close()
        runtime._client = quick
    async with opened(titles="prompt") as runtime:
        assert (await runtime.resume()).conversation.title == "list"


@pytest.mark.parametrize("reply", ["error", "cut", "overloaded", "refuse", "limit", "http 401", "html", "empty"])
async def test_a_failure_is_silent(
    opened: Open, server: DemoServer, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        monkeypatch.setattr(titles, "_INSTRUCTION", reply)  # the demo does what its first word says
        assert await runtime.suggest_title(session) is None
        assert (session.conversation.title, session.conversation.title_from) == ("list", "prompt")
        asked = len(server.requests)
        assert await runtime.suggest_title(session) is None
        assert len(server.requests) == asked  # nor is it tried again and again


async def test_the_users_own_title_wins_whenever_it_comes(opened: Open, server: DemoServer) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        asking = asyncio.create_task(runtime.suggest_title(session))
        await server.wait_for(lambda: bool(naming(server)))
        session.conversation.title, session.conversation.title_from = "Mine", "user"
        assert await asking is None
        assert session.conversation.title == "Mine"
        other = await runtime.new_session()
        await say(other, "list")
        asking = asyncio.create_task(runtime.suggest_title(other))
        await server.wait_for(lambda: len(naming(server)) == 2)
        await runtime.store.library.rename(other.conversation.id, "Mine, elsewhere")
        await asking
        stored = await runtime.store.load(other.conversation.id)
        assert stored is not None
        assert (stored.title, stored.title_from) == ("Mine, elsewhere", "user")
        assert len(stored.side_requests) == 1  # it was paid all the same


async def test_its_cost_is_counted(opened: Open) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        await runtime.suggest_title(session)
        (figures,) = runtime.side_figures(session)
        status = status_of(session, runtime, Live(), time.monotonic())
        (turn,) = session.conversation.turns
        assert status.session_in == (turn.usage.input_tokens or 0) + (figures.input_tokens or 0)
        assert status.session_out == (turn.usage.output_tokens or 0) + (figures.output_tokens or 0)
        (side,) = session.conversation.side_requests
        assert (side.server, side.model, side.usage_is_final) == (runtime.config.server, session.model, True)
        assert (figures.input_tokens, figures.output_tokens) == (side.usage.input_tokens, side.usage.output_tokens)
        assert (figures.input_tokens or 0) > 20
        assert (figures.output_tokens or 0) > 1
        assert figures.cost is None  # this server has no price
        paid = replace(side, server=ANTHROPIC_HOST, model="claude-haiku-5-5", usage=USED)
        session.conversation.side_requests = (paid,)
        (figures,) = runtime.side_figures(session)
        assert figures.cost == pytest.approx((100 * 0.1 + 10 * 0.5) / 1e6)
        assert status_of(session, runtime, Live(), time.monotonic()).session_cost == figures.cost


async def test_a_store_that_takes_nothing_leaves_the_title_on_the_screen(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
        await runtime.store.close()
        assert await runtime.suggest_title(session) == "About “list”"
        assert session.conversation.title == "About “list”"


async def test_after_the_end_of_the_run_nothing_is_asked(opened: Open, server: DemoServer) -> None:
    async with opened() as runtime:
        session = await runtime.new_session()
        await say(session, "list")
    assert await runtime.suggest_title(session) is None
    assert naming(server) == []


async def test_asking_without_credentials_says_so(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path / "c", has_credentials=False)
    client = ApiClient(config)
    with pytest.raises(RequestError, match="no API key"):
        await titles.ask(client, titles.parameters("m", None, reply_of(text("a"))), config, lambda _: None)
    await client.close()
