"""What the SDK makes of a body: the peer that the engine is compared with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic

from tests.unit import raw_server as raw
from tests.unit.odd_streams import events_of
from tests.unit.store_values import conversation, running
from tui_chat import turns
from tui_chat.conversation import Request
from tui_chat.events import RequestStarted

MODEL = "claude-sonnet-5-5"
PARAMETERS: dict[str, Any] = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}


@asynccontextmanager
async def sdk_for(body: bytes) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The SDK's client of a server that streams `body`."""
    pool = anthropic.DefaultAsyncHttpxClient(
        verify=False
    )  # there is no TLS here, and its certificates take long to load
    async with (
        raw.raw_server(raw.stream(body)) as server,
        anthropic.AsyncAnthropic(api_key="local", base_url=server.base_url, max_retries=0, http_client=pool) as client,
    ):
        yield client


async def final_message(body: bytes) -> dict[str, Any]:
    """What `messages.stream()` has in the end. It raises what the SDK raises: any class."""
    async with sdk_for(body) as client, client.messages.stream(**PARAMETERS) as stream:
        return (await stream.get_final_message()).to_dict(mode="python")


def request_of(body: bytes) -> Request:
    """What our decoder, translator and fold make of it, without a network."""
    events, translator = events_of(body)
    turn = running(conversation())
    for event in (RequestStarted(0.0, MODEL, 1), *events, translator.ended(0.0, translator.failure)):
        turns.apply(turn, event)
    return turn.requests[0]
