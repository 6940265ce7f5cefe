"""One turn: its requests, the waits between them, and the tools that the replies call.

It says everything through `emit` and returns how the turn ended; saving that end, and saying it, is the session's.

A request goes out again when nothing of it was shown (see `retry`), or when the server refused a parameter that can be left
out. After a complete reply the turn goes on when tools were called, with their results, and when the server paused, with the
reply as it is; both are capped. Everything else ends it.
"""

import asyncio
import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui_chat.config import Timeouts
from tui_chat.conversation import Outcome, Turn
from tui_chat.engine.calls import MAX_ROUNDS, Workbench, propose, run_calls, skip_all
from tui_chat.engine.client import ApiClient
from tui_chat.engine.retry import ATTEMPTS, retry_delay
from tui_chat.engine.stream import stream_request
from tui_chat.engine.translator import Emit
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
from tui_chat.wire import Capture

_CALLING: Final = (
    "tool_use",
    "pause_turn",
    None,
)  # stop reasons of replies whose calls are run; some servers give none
_MOST_REFUSALS: Final = 5  # of one request; there are three such parameters, one of them with levels
MAX_PAUSES: Final = 10  # how often a paused reply is sent again in one turn


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended that was not cancelled."""

    outcome: Outcome
    stop_reason: str | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class TurnRunner:
    """Runs `turn`, which `emit` keeps up to date.

    `parameters()` are those of its next request as it stands; `refused(failure, parameters)` says whether the server refused
    some that will be left out from now on. `capture(model, sent)` is where the next request keeps what goes over the wire.
    """

    client: ApiClient
    parameters: Callable[[], Mapping[str, Any]]
    refused: Callable[[Failure, Mapping[str, Any]], bool]
    timeouts: Timeouts
    bench: Workbench
    turn: Turn
    emit: Emit
    capture: Callable[[str, float], Capture | None] = lambda _model, _sent: None

    async def run(self) -> TurnResult:
        """Send requests until the turn is over. Raises nothing but CancelledError."""
        try:
            await self.client.ready()
        except RequestError as error:
            return TurnResult(Outcome.FAILED, None, error.failure)
        rounds = pauses = 0
        while True:
            ended = await self._request()
            if not ended.complete:
                return TurnResult(Outcome.FAILED, ended.stop_reason, ended.error)
            if self.bench.tools and ended.stop_reason in _CALLING and await self._tools(rounds):
                rounds += 1
            elif ended.stop_reason == "pause_turn" and pauses < MAX_PAUSES and self._may_resume(rounds):
                pauses += 1
            else:
                return TurnResult(Outcome.COMPLETED, ended.stop_reason, None)

    async def _tools(self, rounds: int) -> bool:
        """Run what the reply calls; returns whether the turn goes on."""
        request = self.turn.requests[-1]
        calls = propose(request, self.emit)
        if rounds >= MAX_ROUNDS:
            skip_all(calls, self.emit)
            return False
        await run_calls(request, calls, self.bench, self.emit)
        return bool(calls)

    def _may_resume(self, rounds: int) -> bool:
        """Whether the paused reply may be sent back as it is: its server works on a call, or it would be taken for a prefill."""
        blocks = self.turn.requests[-1].blocks.values()
        calls = any(each.type == "server_tool_use" or each.type.endswith("_tool_result") for each in blocks)
        return calls and rounds <= MAX_ROUNDS

    async def _request(self) -> RequestEnded:
        """One request, sent again as often as it may be."""
        attempt, refusals = 1, 0  # leaving a refused parameter out is no second try of the same
        while True:
            parameters = self.parameters()
            # Of a long conversation that took a few ms, and the SDK takes as many: keys may come in between.
            await asyncio.sleep(0)
            ended, shown = await self._attempt(parameters, attempt)
            if ended.complete:
                return ended
            failure = ended.error or Failure("cut_off", "the reply did not end")
            failure = dataclasses.replace(failure, attempts=attempt - refusals)
            delay = None if shown else retry_delay(failure, attempt - refusals, random.random())
            if self.refused(failure, parameters) and not shown and refusals < _MOST_REFUSALS:
                delay, refusals = 0.0, refusals + 1
            if delay is None:
                return dataclasses.replace(ended, error=failure)
            attempt += 1
            now = time.monotonic()
            self.emit(RetryScheduled(now, now + delay, attempt, ATTEMPTS + refusals, failure))
            await asyncio.sleep(delay)

    async def _attempt(self, parameters: Mapping[str, Any], attempt: int) -> tuple[RequestEnded, bool]:
        shown = False
        emit: Callable[[Event], None] = self.emit

        def watch(event: Event) -> None:
            nonlocal shown
            shown = shown or _shows(event)
            emit(event)

        sent, model = time.monotonic(), str(parameters["model"])
        emit(RequestStarted(sent, model, attempt))
        return await stream_request(
            self.client, parameters, self.timeouts, watch, capture=self.capture(model, sent)
        ), shown


def _shows(event: Event) -> bool:
    """Whether the reader has seen anything by `event`; text inside content_block_start counts."""
    match event:
        case TextDelta(text=piece) | ThinkingDelta(thinking=piece) | InputJsonDelta(partial_json=piece):
            return bool(piece)
        case BlockStarted(block=block):
            kind = block.get("type")  # a call has its line at once, and what nobody knows its note
            return bool(block.get(str(kind))) if kind in ("text", "thinking") else True
        case _:
            return False
