"""The store's statistics are the meter's figures, whatever a turn was like."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.measured_turns import API, OVERLOADED, PRICES, SONNET, begun, ended, keep, only, request, usage
from tests.unit.store_values import conversation, event_lists
from tui_chat import meter
from tui_chat.conversation import Outcome, Turn
from tui_chat.events import Event, RequestEnded, RequestStarted
from tui_chat.meter import Figures, Ratios
from tui_chat.store import Store
from tui_chat.store.statistics import Cell

counts = st.integers(0, 200_000)
special = st.sampled_from(
    [
        {},
        {"service_tier": "standard", "inference_geo": "global", "cache_creation": {"ephemeral_1h_input_tokens": 0}},
        {"inference_geo": "us"},
        {"service_tier": "priority"},
        {"speed": "fast"},
        {"cache_creation": {"ephemeral_1h_input_tokens": 77, "ephemeral_5m_input_tokens": 1}},
        {"server_tool_use": {"web_search_requests": 2}},
    ]
)
usages = st.builds(
    lambda given, more: {**given, **more},
    st.fixed_dictionaries(
        {}, optional={"input_tokens": counts, "cache_creation_input_tokens": counts, "cache_read_input_tokens": counts}
    ),
    special,
)
models = st.sampled_from([SONNET, "claude-haiku-5-5", "claude-haiku-4-5-20251001", "claude-of-tomorrow"])


@st.composite
def plausible(draw: st.DrawFn) -> list[Event]:
    """One to three requests of some priced model, of any fate."""
    events, at, model = list[Event](), 1000.5, draw(models)
    for number in range(draw(st.integers(1, 3))):
        gaps = draw(st.lists(st.floats(0.01, 3), max_size=4))
        deltas = [at + 0.3 + sum(gaps[:place]) for place in range(1, len(gaps) + 1)]
        output = draw(st.none() | st.integers(0, 5000))
        error = draw(st.sampled_from([None, None, OVERLOADED]))
        if draw(st.booleans()):
            events += request(deltas, draw(usages), output, at=at, attempt=number + 1, model=model, error=error)
        else:
            events += [RequestStarted(at, model, number + 1), RequestEnded(at + 0.1, complete=False, error=error)]
        at = max([at, *deltas]) + 1.0
    return events


any_events = plausible() | event_lists(at=1000.5)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(any_events, st.sampled_from(Outcome), st.sampled_from([API, "demo", "127.0.0.1:8080"]))
async def test_the_figures_are_those_of_the_meter(events: list[Event], outcome: Outcome, server: str) -> None:
    store = await Store.open(None)
    try:
        model = next((each.model for each in events if isinstance(each, RequestStarted)), SONNET)
        turn = begun(conversation(), model, server)
        await keep(store, ended(turn, events, outcome))
        cell, ratios = await only(store), Ratios()
        for name, (characters, tokens) in (await store.library.ratios(server)).items():
            ratios.learn_sums(name, characters, tokens)
        tree = await store.library.tree(turn.conversation_id)
        assert tree is not None
        (loaded,) = tree.turns  # with the stamps as they are stored
        check(cell, loaded, meter.figures(loaded, 0.0, ratios, PRICES))
    finally:
        await store.close()


def check(cell: Cell, turn: Turn, figures: Figures) -> None:
    """The one turn of `cell` has these figures."""
    assert (cell.turns, cell.requests) == (1, len(turn.requests))
    assert (cell.cancelled, cell.failed) == (turn.outcome is Outcome.CANCELLED, turn.outcome is Outcome.FAILED)
    assert list(cell.ttfts) == ([] if figures.ttft is None else [figures.ttft])
    assert list(cell.rates) == ([] if figures.tokens_per_second is None else [pytest.approx(figures.tokens_per_second)])
    if figures.input_tokens is not None:
        assert cell.input_tokens + cell.cache_write + cell.cache_read == figures.input_tokens
    assert cell.output_tokens + cell.estimated_output == (figures.output_tokens or 0)
    assert cell.estimated_turns == figures.output_estimated
    assert (cell.cost is None and cell.estimated_cost is None) == (figures.cost is None)
    if figures.cost is not None:
        assert (cell.estimated_cost if figures.cost_estimated else cell.cost) == pytest.approx(figures.cost)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.booleans()), max_size=8))
@settings(deadline=None, max_examples=30)
async def test_ratios_are_those_that_would_be_learnt(replies: list[tuple[int, int, bool]]) -> None:
    store = await Store.open(None)
    try:
        owner, learnt = conversation(), Ratios()
        for pieces, output, is_final in replies:
            deltas = [1001.0 + 0.001 * number for number in range(pieces // 10)]
            turn = ended(begun(owner), request(deltas, usage(), output if is_final else None))
            learnt.learn(turn)
            owner.turns.append(turn)
        if owner.turns:
            await keep(store, *owner.turns)
        assert await store.library.ratios(API) == learnt._sums
    finally:
        await store.close()
