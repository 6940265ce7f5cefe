"""The demo's models are not equally fast, unless a pace was asked for."""

import pytest

from tui_chat.demo.api import PACING_HEADER, Api
from tui_chat.demo.connection import HttpRequest
from tui_chat.demo.models import MODELS
from tui_chat.demo.schedule import Pacing

BODY = {"max_tokens": 8192, "stream": True, "messages": [{"role": "user", "content": "list"}]}


def offsets(model: str, pacing: Pacing | None = None, header: str = "") -> list[float]:
    """When each content delta of a reply by `model` is due."""
    headers = {"x-api-key": "demo", PACING_HEADER: header}
    request = HttpRequest("POST", "/v1/messages", headers, b"{}")
    answer = Api(pacing).answer(request, {**BODY, "model": model}, "req_1")
    assert answer.status == 200
    return [offset for offset, beat in answer.timeline if beat.weight]


def test_each_line_of_models_has_its_pace() -> None:
    first = {model: offsets(model)[0] for model in ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5")}
    assert first["claude-haiku-5-5"] < first["claude-sonnet-5-5"] < first["claude-opus-5"]
    last = {model: offsets(model)[-1] for model in first}
    assert last["claude-haiku-5-5"] < last["claude-sonnet-5-5"] < last["claude-opus-5"]
    assert MODELS["claude-sonnet-5-5"].pacing == Pacing()  # what is documented


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-opus-5"])
def test_a_pace_that_was_asked_for_holds_for_all(model: str) -> None:
    assert offsets(model, Pacing(ttft=0.25))[0] == 0.25
    assert offsets(model, header="ttft=0.125")[0] == 0.125
    assert offsets(model, header="rate=20") == offsets(model, MODELS[model].pacing.altered("rate=20"))
