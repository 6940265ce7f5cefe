"""What a comparison sends, in which order, and what it says that this may cost."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from tests.unit.comparing_values import HAIKU, SONNET
from tui_chat.comparing.plan import Estimate, Plan, dollars, estimate
from tui_chat.meter import Ratios
from tui_chat.prices import PriceList

DAY = date(2026, 11, 21)


def order(plan: Plan) -> str:
    return " ".join(("S" if call.streaming else "N") + call.model[7] for call in plan.calls())


def test_the_ways_alternate_and_every_second_pair_is_turned_around() -> None:
    assert order(Plan("x", (SONNET,), 4)) == "Ss Ns Ns Ss Ss Ns Ns Ss"


def test_models_take_turns_and_each_begins_with_either_way() -> None:
    assert order(Plan("x", (SONNET, HAIKU), 2)) == "Ss Ns Nh Sh Ns Ss Sh Nh"


@pytest.mark.parametrize("models", [(SONNET,), (SONNET, HAIKU), (SONNET, HAIKU, "claude-opus-5")])
@pytest.mark.parametrize("runs", [1, 2, 5, 50])
def test_each_model_is_asked_as_often_each_way(models: tuple[str, ...], runs: int) -> None:
    calls = Plan("x", models, runs).calls()
    assert Counter((call.model, call.streaming) for call in calls) == {
        (model, streaming): runs for model in models for streaming in (True, False)
    }
    assert [call.number for call in calls] == list(range(1, len(calls) + 1))
    pairs = list(zip(calls[::2], calls[1::2], strict=True))
    for one, other in pairs:
        assert (one.model, one.run) == (other.model, other.run)
        assert one.streaming is not other.streaming
    for model in models:
        first = Counter(one.streaming for one, _ in pairs if one.model == model)
        assert abs(first[True] - first[False]) <= 1


def asked(text: str, max_tokens: int = 32_000, **more: Any) -> dict[str, Any]:
    return {
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
        **more,
    }


def estimated(plan: Plan, parameters: dict[str, dict[str, Any]], server: str = "api.anthropic.com") -> Estimate:
    return estimate(plan, parameters, server, ratios=Ratios(), prices=PriceList.load(), on=DAY)


def test_the_cost_is_that_of_all_requests() -> None:
    # 4,000 characters are ~1,000 tokens; 6 requests at $2 a million in, $10 a million out.
    found = estimated(Plan("x" * 3000, (SONNET,), 3), {SONNET: asked("x" * 3000, system="y" * 1000)})
    assert (found.requests, found.input_tokens, found.max_tokens) == (6, 1000, 32_000)
    assert found.cost == pytest.approx(6 * (1000 * 2 + 500 * 10) / 1e6)  # 0.042
    assert found.highest_cost == pytest.approx(6 * (1000 * 2 + 32_000 * 10) / 1e6)  # 1.932
    sent, costs = found.sentences
    assert sent.startswith("6 requests to api.anthropic.com (sonnet-5-5), half of them streaming")
    assert sent.endswith("~1,000 tokens in each, at most 32,000 out.")
    assert costs == ("That costs about $0.0420 if each reply has 500 tokens, and at worst $1.93.")


def test_a_short_limit_bounds_both_costs() -> None:
    found = estimated(Plan("x", (SONNET,), 1), {SONNET: asked("x" * 4, max_tokens=100)})
    assert found.cost == found.highest_cost == pytest.approx(2 * (1 * 2 + 100 * 10) / 1e6)
    assert "if each reply has 100 tokens" in found.sentences[1]


def test_several_models_are_added_up_with_their_own_limits() -> None:
    models = (SONNET, "claude-opus-5-5")
    found = estimated(Plan("x", models, 1), {SONNET: asked("x" * 400, 1000), "claude-opus-5-5": asked("x" * 400, 2000)})
    by_hand = 2 * (100 * 2 + 1000 * 10) / 1e6 + 2 * (100 * 4 + 2000 * 20) / 1e6
    assert found.highest_cost == pytest.approx(by_hand)
    assert (found.requests, found.max_tokens) == (4, 2000)


@pytest.mark.parametrize(
    ("model", "server"), [(SONNET, "demo"), (SONNET, "localhost:11434"), ("claude-unheard-of", "api.anthropic.com")]
)
def test_what_has_no_price_is_not_guessed(model: str, server: str) -> None:
    found = estimated(Plan("x", (model, SONNET), 1), {model: asked("x"), SONNET: asked("x")}, server)
    assert found.cost is None
    assert found.highest_cost is None
    assert found.sentences[1] == "What that costs is not known here."


def test_what_is_said_is_safe_to_show() -> None:
    found = Estimate("host\x1b[2J", ("evil\x1b]0;x",), 2, 1, 1, None, None)
    assert "\x1b" not in "".join(found.sentences)


@pytest.mark.parametrize(
    ("amount", "shown"), [(0.00012, "$0.0001"), (0.5, "$0.5000"), (1, "$1.00"), (1234.5, "$1,234.50")]
)
def test_dollars(amount: float, shown: str) -> None:
    assert dollars(amount) == shown
