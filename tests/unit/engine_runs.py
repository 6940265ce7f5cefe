"""One turn of the engine against a server of the test's own, with the checks that hold for every turn."""

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.unit.grammar import check_requests, check_stamps
from tests.unit.legal import why_refused
from tests.unit.one_turn import run_turn
from tests.unit.raw_server import RawServer
from tests.unit.store_values import conversation, running
from tui_chat import turns
from tui_chat.config import Config, Timeouts
from tui_chat.conversation import Outcome, Turn
from tui_chat.engine import retry
from tui_chat.engine.client import ApiClient
from tui_chat.engine.history import messages_for
from tui_chat.engine.turn import TurnResult
from tui_chat.errors import Failure
from tui_chat.events import Event, TurnEnded


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
async def client_for(base_url: str, timeouts: Timeouts | None = None) -> AsyncIterator[ApiClient]:
    """A client of that server, closed at the end."""
    unused = Path("unused")
    config = Config(unused, unused, base_url=base_url, has_credentials=False, timeouts=timeouts or Timeouts())
    client = ApiClient(config)
    try:
        yield client
    finally:
        await client.close()


async def run(server: RawServer | str, timeouts: Timeouts | None = None) -> Result:
    """Run one turn, with hardly a wait between attempts."""
    base_url = server if isinstance(server, str) else server.base_url
    timeouts = timeouts or Timeouts()
    turn = running(conversation(), at=0.0)
    turn.model = "claude-sonnet-5-5"
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        turns.apply(turn, event)

    parameters = {"model": turn.model, "max_tokens": 64, "messages": messages_for([], turn.prompt, turn.model)}
    async with client_for(base_url, timeouts) as client:
        with patch.object(retry, "_FIRST_WAIT", 0.001):
            outcome = await run_turn(client, parameters, timeouts, emit)
    usage, final = turn.usage.fields, turn.request is not None and turn.request.usage_is_final
    turns.apply(turn, TurnEnded(1e9, outcome.outcome, outcome.stop_reason, usage, final, outcome.error))
    check_requests(events)
    check_stamps(events)
    following = messages_for([turn], turn.prompt, turn.model)
    assert why_refused(following, turn.model) is None
    json.dumps(following, ensure_ascii=False).encode()  # as the SDK will
    return Result(turn, events, outcome)


def expect_hello(result: Result) -> None:
    """The reply that every fixture streams which says nothing else."""
    assert result.outcome == TurnResult(Outcome.COMPLETED, "end_turn", None)
    assert result.turn.text == "Hello, world"
