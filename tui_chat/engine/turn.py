"""One turn: its requests and the waits between them. (The tool loop will stand here.)

It says everything through `emit` and returns how the turn ended; saving that end, and saying it, is the session's.
"""

import asyncio
import dataclasses
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome
from tui_chat.engine.client import ApiClient
from tui_chat.engine.retry import ATTEMPTS, retry_delay
from tui_chat.engine.stream import Emit, stream_request
from tui_chat.errors import Failure, RequestError
from tui_chat.events import (
    BlockStarted,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
)


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended that was not cancelled."""

    outcome: Outcome
    stop_reason: str | None
    error: Failure | None


async def run_turn(client: ApiClient, parameters: Mapping[str, Any], timeouts: Timeouts, emit: Emit) -> TurnResult:
    """Send the request, again if it may be, and return the end. Raises nothing but CancelledError."""
    try:
        await client.ready()
    except RequestError as error:
        return TurnResult(Outcome.FAILED, None, error.failure)
    attempt = 1
    while True:
        ended, shown = await _attempt(client, parameters, timeouts, emit, attempt)
        if ended.complete:
            return TurnResult(Outcome.COMPLETED, ended.stop_reason, None)
        failure = dataclasses.replace(ended.error or Failure("cut_off", "the reply did not end"), attempts=attempt)
        delay = None if shown else retry_delay(failure, attempt, random.random())
        if delay is None:
            return TurnResult(Outcome.FAILED, ended.stop_reason, failure)
        attempt += 1
        now = time.monotonic()
        emit(RetryScheduled(now, now + delay, attempt, ATTEMPTS, failure))
        await asyncio.sleep(delay)


async def _attempt(
    client: ApiClient, parameters: Mapping[str, Any], timeouts: Timeouts, emit: Emit, attempt: int
) -> tuple[RequestEnded, bool]:
    shown = False

    def watch(event: Event) -> None:
        nonlocal shown
        shown = shown or _shows(event)
        emit(event)

    emit(RequestStarted(time.monotonic(), str(parameters["model"]), attempt))
    return await stream_request(client, parameters, timeouts, watch), shown


def _shows(event: Event) -> bool:
    """Whether the reader has seen content by `event`; text inside content_block_start counts."""
    match event:
        case TextDelta(text=piece) | ThinkingDelta(thinking=piece) | InputJsonDelta(partial_json=piece):
            return bool(piece)
        case BlockStarted(block=block):
            return any(block.get(name) for name in ("text", "thinking", "input"))
        case _:
            return False
