"""The engine's turn without a session: given parameters, every event folded and handed on."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.unit.store_values import prompt
from tui_chat import turns
from tui_chat.config import Timeouts
from tui_chat.engine.calls import Workbench
from tui_chat.engine.client import ApiClient
from tui_chat.engine.turn import TurnResult, TurnRunner
from tui_chat.errors import Failure
from tui_chat.events import Event, TurnStarted


async def run_turn(
    client: ApiClient,
    parameters: Mapping[str, Any],
    timeouts: Timeouts,
    emit: Callable[[Event], None],
    *,
    bench: Workbench | None = None,
    refused: Callable[[Failure, Mapping[str, Any]], bool] = lambda _failure, _parameters: False,
) -> TurnResult:
    """Run a turn whose requests all have the same `parameters`."""
    turn = turns.begin(TurnStarted(0.0, "turn", "conversation", "reply", parameters["model"], "demo", 1.7e9, prompt()))

    def take(event: Event) -> None:
        turns.apply(turn, event)
        emit(event)

    runner = TurnRunner(client, lambda: parameters, refused, timeouts, bench or Workbench(), turn, take)
    return await runner.run()
