"""Sends the requests of a comparison, one after the other, and measures each as a turn of the chat would be.

Never two at a time: they would share the line and the server's attention. Each finds an open connection: not every reply leaves
one behind, so the server is asked for its list of models before each request, which costs nothing and is no part of a figure.
The prompt cache is not asked for, or the first request would warm it for all others.

It writes to no store; what goes over the wire is kept in the run's log, each request under a turn id of its own.
"""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from tui_chat import turns
from tui_chat.beginnings import new_conversation
from tui_chat.comparing.figures import Result, Run, run_of, summarise
from tui_chat.comparing.plan import Call, Estimate, Plan, estimate
from tui_chat.conversation import Conversation, Message, Outcome, Turn
from tui_chat.engine.stream import stream_request
from tui_chat.errors import Failure, RequestError
from tui_chat.events import Event, RequestStarted, TurnEnded, TurnStarted
from tui_chat.ids import new_id
from tui_chat.runtime import Runtime
from tui_chat.text import storable

_MOST_REFUSALS: Final = 5  # of optional parameters, as in the chat
_WORTH_ANOTHER: Final = frozenset({408, 409, 429})  # statuses below 500 that may not come again


class Watcher(Protocol):
    """Somebody who is told while it happens."""

    async def prepared(self, call: Call) -> None:
        """`call` comes next; what has to be painted for it is painted now, before its clock runs."""

    def began(self, call: Call, turn: Turn) -> None:
        """`call` leaves now; `turn` grows while it runs."""

    def heard(self, call: Call, event: Event) -> None:
        """An event of `call`; the turn has it already."""

    def measured(self, run: Run) -> None:
        """A request is over, measured or failed."""


class Comparison:
    """One plan with one runtime, which must be open. `prepare`, then `run`, which may be cancelled; `result` is there at any time."""

    def __init__(self, runtime: Runtime, plan: Plan) -> None:
        self.plan = dataclasses.replace(plan, prompt=storable(plan.prompt))
        self.calls = plan.calls()
        self.runs: list[Run] = []
        self._runtime, self._config = runtime, runtime.config
        # A time limit for content would end a whole reply between its first byte and its last.
        self._whole_timeouts = dataclasses.replace(runtime.config.timeouts, content=0.0)
        self._finished = False
        self._has_list = False  # of models: the server answers such a question
        self._hopeless: set[str] = set()  # models whose requests fail for good

    async def prepare(self) -> None:
        """What must not be measured. RequestError: no request can be made."""
        await self._runtime.client.ready()
        self._has_list = await self._runtime.catalog.refresh(self._runtime.client)

    def estimate(self) -> Estimate:
        """What the plan will come to."""
        parameters = {model: self._parameters(*self._begin(model)) for model in self.plan.models}
        runtime, today = self._runtime, datetime.now(UTC).date()
        return estimate(
            self.plan, parameters, self._config.server, ratios=runtime.ratios, prices=runtime.prices, on=today
        )

    @property
    def result(self) -> Result:
        """All that was measured so far."""
        return summarise(self.plan, self._config.server, self.runs, stopped=not self._finished)

    async def run(self, watcher: Watcher) -> Result:
        """Make all requests. Cancelled, it closes the connection at once; the request that ran is then no part of the result."""
        for call in self.calls:
            if call.model in self._hopeless:
                continue
            await watcher.prepared(call)
            run = await self._measure(call, watcher)
            self.runs.append(run)
            if run.failure is not None and _is_hopeless(run.failure):
                self._hopeless.add(call.model)
            watcher.measured(run)
        self._finished = True
        return self.result

    async def _measure(self, call: Call, watcher: Watcher) -> Run:
        """One request; what a server refuses of its optional parameters is left out, as in the chat, and it goes again."""
        requests = self._runtime.requests
        for _ in range(_MOST_REFUSALS):
            conversation, turn = self._begin(call.model)
            parameters = self._parameters(conversation, turn)
            await self._connect()
            failure = await self._send(call, turn, parameters, watcher)
            if failure is None or not requests.refused(failure, parameters):
                break
        self._runtime.ratios.learn(turn)
        return run_of(call, turn, self._runtime.figures(turn, time.monotonic()))

    async def _connect(self) -> None:
        """Have a connection open."""
        if self._has_list:
            with contextlib.suppress(RequestError):  # then the request opens one, or says why not
                await self._runtime.client.models()

    async def _send(self, call: Call, turn: Turn, parameters: Mapping[str, Any], watcher: Watcher) -> Failure | None:
        def emit(event: Event) -> None:
            turns.apply(turn, event)
            watcher.heard(call, event)

        sent = time.monotonic()
        turns.apply(turn, RequestStarted(sent, call.model, 1))
        watcher.began(call, turn)
        ended = await stream_request(
            self._runtime.client,
            parameters,
            self._config.timeouts if call.streaming else self._whole_timeouts,
            emit,
            capture=self._runtime.wire.begin(turn.id, 0, call.model, time.time(), sent),
            streaming=call.streaming,
        )
        failure = None if ended.complete else ended.error or Failure("cut_off", "the reply did not end")
        turn.requests[-1].error = failure
        outcome = Outcome.COMPLETED if failure is None else Outcome.FAILED
        usage, is_final = dict(turn.usage.fields), turn.counts_are_final
        turns.apply(turn, TurnEnded(ended.at, outcome, ended.stop_reason, usage, is_final, failure))
        return failure

    def _begin(self, model: str) -> tuple[Conversation, Turn]:
        """A new chat with `model`, and its first turn."""
        conversation = dataclasses.replace(new_conversation(self._config), model=model)
        at = time.time()
        prompt = Message(new_id(), None, "user", ({"type": "text", "text": self.plan.prompt},), at)
        started = TurnStarted(
            time.monotonic(), new_id(), conversation.id, new_id(), model, self._config.server, at, prompt
        )
        return conversation, turns.begin(started)

    def _parameters(self, conversation: Conversation, turn: Turn) -> dict[str, Any]:
        parameters = self._runtime.requests.parameters(conversation, turn, tools_on=False)
        parameters.pop("cache_control", None)
        return parameters


def _is_hopeless(failure: Failure) -> bool:
    """Whether the same request would fail in the same way: it is not paid for again and again."""
    if failure.type == "no_key":
        return True
    return failure.status is not None and 400 <= failure.status < 500 and failure.status not in _WORTH_ANOTHER
