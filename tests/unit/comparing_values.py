"""Runs of a comparison for tests, and the course's example as its schedule has it: exact stamps, and nobody waits."""

import json
from typing import Any

from tui_chat import turns
from tui_chat.comparing.figures import Result, Run, run_of, summarise
from tui_chat.comparing.plan import Call, Plan
from tui_chat.conversation import Message, Turn
from tui_chat.demo.api import Api
from tui_chat.demo.connection import HttpRequest
from tui_chat.demo.schedule import Pacing
from tui_chat.engine.body import Body
from tui_chat.events import Event, RequestStarted, TurnStarted
from tui_chat.meter import Ratios, figures
from tui_chat.prices import PriceList

SONNET = "claude-sonnet-5-5"
HAIKU = "claude-haiku-5-5"
SENT = 1000.0  # monotonic seconds


def run(number: int = 1, *, streaming: bool = True, model: str = SONNET, **values: Any) -> Run:
    """A run with these figures."""
    return Run(Call(number, model, number, streaming), **values)


def played(call: Call, prompt: str, *, server: str = "demo", pacing: Pacing | None = None) -> Run:
    """The run that the demo's schedule of its reply to `prompt` makes, each event at the very moment it is due."""
    content = {
        "model": call.model,
        "max_tokens": 32_000,
        "stream": call.streaming,
        "messages": [{"role": "user", "content": prompt}],
    }
    request = HttpRequest("POST", "/v1/messages", {"x-api-key": "k"}, json.dumps(content).encode())
    answer = Api(pacing or Pacing()).answer(request, content, "req_1")
    asked = Message("m1", None, "user", ({"type": "text", "text": prompt},), 0.0)
    turn: Turn = turns.begin(TurnStarted(SENT, "t1", "c1", "r1", call.model, server, 1_795_000_000.0, asked))
    turns.apply(turn, RequestStarted(SENT, call.model, 1))

    def emit(event: Event) -> None:
        turns.apply(turn, event)

    body, at = Body(emit), SENT
    for offset, beat in answer.timeline:
        at = SENT + offset
        if beat.event and not body.feed(beat.event.encode(), at):
            break
    emit(body.translator.ended(at, body.finish(at)))
    return run_of(call, turn, figures(turn, at, Ratios(), PriceList.load()))


def the_course(runs: int = 3, server: str = "demo") -> Result:
    """The comparison `course`, computed from its schedule."""
    plan = Plan("course", (SONNET,), runs)
    return summarise(plan, server, [played(call, plan.prompt, server=server) for call in plan.calls()])
