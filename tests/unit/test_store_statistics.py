"""The figures of all turns, added up by the database: each by hand, and which turns count."""

import dataclasses
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.unit.measured_turns import (
    API,
    DAY,
    NOON,
    OVERLOADED,
    PRICES,
    SONNET,
    begun,
    cells,
    collected,
    ended,
    keep,
    only,
    request,
    usage,
)
from tests.unit.store_values import conversation
from tests.unit.test_store_schemas import written
from tui_chat.conversation import Conversation, Outcome
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockStarted,
    Event,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    UsageUpdated,
)
from tui_chat.exchange.foreign import Node, Origin, tree_of
from tui_chat.store import Store, migrations
from tui_chat.store import statistics as of_store
from tui_chat.store.statistics import Collected, collect


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


# By hand -----------------------------------------------------------------------------------------------------------------


async def test_one_completed_turn(store: Store) -> None:
    events = request([1001.0, 1002.0, 1003.0], usage(1000, 4000, 500), 120)
    await keep(store, ended(begun(conversation()), events))
    cell = await only(store)
    assert (cell.model, cell.server, cell.day, cell.cached) == (SONNET, API, DAY.isoformat(), True)
    assert (cell.turns, cell.requests, cell.cancelled, cell.failed, cell.retried) == (1, 1, 0, 0, 0)
    assert (cell.input_tokens, cell.cache_write, cell.cache_read, cell.output_tokens) == (1000, 500, 4000, 120)
    assert (cell.estimated_turns, cell.estimated_output, cell.estimated_cost, cell.unpriced) == (0, 0, None, 0)
    # Since 7 October 2026 a million tokens cost $2, a write $2.50, a read $0.10, output $10.
    assert cell.cost == pytest.approx((1000 * 2 + 500 * 2.5 + 4000 * 0.1 + 120 * 10) / 1e6)
    assert list(cell.ttfts) == pytest.approx([0.5])
    assert list(cell.rates) == pytest.approx([120 / 2.0])
    assert cell.saved == pytest.approx(2.0)
    assert cell.saved_turns == 1


async def test_a_cancelled_turn_is_estimated_and_apart(store: Store) -> None:
    events = request([1001.0, 1002.0], usage(1000), None)
    await keep(store, ended(begun(conversation()), events, Outcome.CANCELLED))
    cell = await only(store)
    assert (cell.turns, cell.cancelled, cell.failed) == (1, 1, 0)
    assert (cell.input_tokens, cell.output_tokens) == (1000, 0)
    assert (cell.estimated_turns, cell.estimated_output) == (1, 5)  # 20 characters, 4 a token
    assert cell.cost is None
    assert cell.estimated_cost == pytest.approx((1000 * 2 + 5 * 10) / 1e6)
    assert list(cell.ttfts) == pytest.approx([0.5])  # which was measured all the same
    assert (list(cell.rates), cell.saved, cell.saved_turns) == ([], 0.0, 0)


async def test_estimates_use_the_ratio_of_the_model(store: Store) -> None:
    exact = request([1000.6 + 0.01 * number for number in range(12)], usage(), 40)  # 120 characters: 3 a token
    stopped = request([1001.0, 1002.0, 1003.0], usage(), None)
    owner = conversation()
    first = ended(begun(owner), exact)
    owner.turns.append(first)
    await keep(store, first, ended(begun(owner), stopped, Outcome.CANCELLED))
    assert (await only(store)).estimated_output == 10
    assert await store.library.ratios(API) == {SONNET: (120, 40)}
    assert await store.library.ratios("demo") == {}


async def test_a_failed_turn_that_was_counted_is_exact(store: Store) -> None:
    events = request([1001.0, 1002.0], usage(1000), 30, error=Failure("refused", "no"))
    await keep(store, ended(begun(conversation()), events, Outcome.FAILED, Failure("refused", "no")))
    cell = await only(store)
    assert (cell.failed, cell.output_tokens, cell.estimated_turns) == (1, 30, 0)
    assert list(cell.rates) == pytest.approx([30.0])
    assert cell.cost == pytest.approx((1000 * 2 + 30 * 10) / 1e6)
    assert cell.saved_turns == 0


async def test_a_turn_that_was_sent_again(store: Store) -> None:
    failed: list[Event] = [RequestStarted(1000.5, SONNET, 1), RequestEnded(1000.9, complete=False, error=OVERLOADED)]
    failed.append(RetryScheduled(1000.9, 1002.0, 2, 3, OVERLOADED))
    again = request([1002.4, 1003.4], usage(10), 20, at=1002.0, attempt=2)
    await keep(store, ended(begun(conversation()), [*failed, *again]))
    cell = await only(store)
    assert (cell.turns, cell.requests, cell.retried, cell.failed, cell.estimated_turns) == (1, 2, 1, 0, 0)
    assert list(cell.ttfts) == pytest.approx([0.4])  # of the attempt that succeeded, without the wait before it
    assert list(cell.rates) == pytest.approx([20.0])


async def test_a_turn_of_several_rounds(store: Store) -> None:
    thinking: list[Event] = [
        RequestStarted(1000.5, SONNET, 1),
        UsageUpdated(1000.6, usage(100, 0, 50)),
        BlockStarted(1000.7, 0, {"type": "thinking", "thinking": ""}),
        ThinkingDelta(1001.0, 0, "which tool?"),
        ThinkingDelta(1002.0, 0, "the clock"),
        UsageUpdated(1002.1, {"output_tokens": 30}, final=True),
        RequestEnded(1002.2, complete=True, stop_reason="tool_use"),
        ToolProposed(1002.3, "toolu_1", "clock", {}, "hash"),
        ToolEnded(1009.0, "toolu_1", "12:00", is_error=False),
    ]
    answer = request([1010.5, 1012.5], usage(200, 150), 90, at=1010.0)
    await keep(store, ended(begun(conversation()), [*thinking, *answer]))
    cell = await only(store)
    assert (cell.turns, cell.requests, cell.retried) == (1, 2, 0)
    assert (cell.input_tokens, cell.cache_write, cell.cache_read, cell.output_tokens) == (300, 50, 150, 120)
    assert cell.cached is False  # the first request, whose TTFT it is, took nothing from the cache
    assert list(cell.ttfts) == pytest.approx([0.5])
    assert list(cell.rates) == pytest.approx([120 / 3.0])
    # Without streaming the first text could have been read with the end of its own request; the tool took its time anyway.
    assert cell.saved == pytest.approx(2.0)
    assert cell.saved_turns == 1


async def test_what_is_too_short_has_no_rate(store: Store) -> None:
    owner = conversation()
    for deltas in ([1001.0], [1001.0, 1001.15], []):
        owner.turns.append(ended(begun(owner), request(deltas, usage(), 9)))
    await keep(store, *owner.turns)
    cell = await only(store)
    assert (list(cell.rates), len(cell.ttfts), cell.saved_turns) == ([], 2, 2)
    assert cell.saved == pytest.approx(0.15)


async def test_cells_are_apart(store: Store) -> None:
    owner = conversation()
    for model, server, started_at, read in (
        (SONNET, API, NOON, 5),
        (SONNET, API, NOON + 60, 7),
        (SONNET, API, NOON, 0),
        (SONNET, API, NOON, None),
        (SONNET, API, NOON + 86_400, 5),
        (SONNET, "demo", NOON, 5),
        ("claude-opus-5-5", API, NOON, 5),
    ):
        events = request([1001.0], usage(1, read), 2, model=model)
        owner.turns.append(ended(begun(owner, model, server, started_at), events))
    await keep(store, *owner.turns)
    found = {(cell.model, cell.server, cell.day, cell.cached): cell.turns for cell in await cells(store)}
    assert found == {
        (SONNET, API, "2026-11-10", True): 2,
        (SONNET, API, "2026-11-10", False): 1,
        (SONNET, API, "2026-11-10", None): 1,
        (SONNET, API, "2026-11-11", True): 1,
        (SONNET, "demo", "2026-11-10", True): 1,
        ("claude-opus-5-5", API, "2026-11-10", True): 1,
    }


async def test_costs_are_those_of_the_day_and_of_one_host(store: Store) -> None:
    owner = conversation()
    cheaper = time.mktime((2026, 9, 1, 12, 0, 0, 0, 0, -1))  # before reading from the cache became cheaper
    for server, started_at in ((API, cheaper), (API, NOON), ("demo", NOON), ("127.0.0.1:8080", NOON)):
        events = request([1001.0], usage(0, 1_000_000), 0)
        owner.turns.append(ended(begun(owner, server=server, started_at=started_at), events))
    owner.turns.append(
        ended(begun(owner, "claude-of-tomorrow"), request([1001.0], usage(), 9, model="claude-of-tomorrow"))
    )
    await keep(store, *owner.turns)
    found = await cells(store)
    costs = {(cell.server, cell.model, cell.day): cell.cost for cell in found}
    assert costs.pop((API, SONNET, "2026-09-01")) == pytest.approx(0.2)
    assert costs.pop((API, SONNET, "2026-11-10")) == pytest.approx(0.1)
    assert list(costs.values()) == [None] * 3
    assert [cell.model for cell in found if cell.unpriced] == ["claude-of-tomorrow"]


@pytest.mark.parametrize(
    ("more", "cost"),
    [
        ({"service_tier": "standard", "inference_geo": "global"}, 0.0095),
        ({"service_tier": "batch"}, None),
        ({"speed": "fast"}, None),
        ({"inference_geo": "us"}, 0.0095 * 1.1),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 0}}, 0.0095),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1000}}, 0.011),
    ],
)
async def test_what_else_says_the_price(store: Store, more: dict[str, Any], cost: float | None) -> None:
    events = request([1001.0], usage(1000, 0, 1000, **more), 500)
    await keep(store, ended(begun(conversation()), events))
    cell = await only(store)
    assert cell.cost == (None if cost is None else pytest.approx(cost))
    assert cell.unpriced == (cost is None)


async def test_requests_that_cost_apart_are_not_added_up(store: Store) -> None:
    """Two prompts under the limit of the long tier are together over it."""
    owner, model = conversation(), "claude-haiku-5-5"
    for _ in range(2):
        owner.turns.append(ended(begun(owner, model), request([1001.0], usage(80_000), 0, model=model)))
    await keep(store, *owner.turns)
    assert (await only(store)).cost == pytest.approx(2 * 80_000 * 0.1 / 1e6)


# Which turns count ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_nothing(store: Store) -> None:
    assert await collected(store) == Collected([])
    assert await store.library.ratios(API) == {}


async def test_deleted_turns_are_not_counted(store: Store) -> None:
    owner = conversation()
    first = ended(begun(owner), request([1001.0], usage(), 1))
    owner.turns.append(first)
    second = ended(begun(owner), request([1001.0], usage(), 1))
    await keep(store, first, second, owner=dataclasses.replace(owner, turns=[]))
    other = await keep(store, ended(begun(conversation()), request([1001.0], usage(), 1)))
    assert (await only(store)).turns == 3
    undo = await store.library.delete_branch(owner.id, second.id)
    assert (await only(store)).turns == 2
    await store.library.delete(other.id)
    assert (await only(store)).turns == 1
    await store.library.restore(undo)
    assert (await only(store)).turns == 2


async def test_copies_are_counted_where_they_were_made(store: Store) -> None:
    owner = await keep(store, ended(begun(conversation()), request([1001.0], usage(), 30)))
    await store.library.duplicate(owner.id)
    await store.library.duplicate(owner.id)
    found = await collected(store)
    assert [(cell.turns, cell.output_tokens) for cell in found.cells] == [(1, 30)]
    assert (found.copies, found.imported, found.running) == (2, 0, 0)


async def test_a_running_turn_is_not_counted(store: Store) -> None:
    owner = conversation()
    await store.begin_turn(owner, begun(owner))
    found = await collected(store)
    assert (found.cells, found.running) == ([], 1)


async def test_other_programs_exports_have_no_figures(store: Store) -> None:
    nodes = [
        Node("1", None, True, [{"type": "text", "text": "hi"}], NOON),
        Node("2", "1", False, [{"type": "text", "text": "hello"}], NOON + 5, "gpt"),
        Node("3", "2", True, [{"type": "text", "text": "nobody answers"}], NOON + 9),
    ]
    owner = Conversation("imported", NOON)
    tree = tree_of(Origin("chatgpt", "chatgpt.com", "chatgpt"), owner, nodes, "3")
    await store.library.add(tree)
    assert await collected(store) == Collected([], imported=2)
    # What goes on from there is a turn like any other.
    mine = ended(begun(Conversation(tree.conversation.id, NOON, turns=tree.turns)), request([1001.0], usage(), 1))
    await keep(store, mine, owner=tree.conversation)
    found = await collected(store)
    assert [cell.turns for cell in found.cells] == [1]
    assert found.imported == 2


async def test_a_turn_that_sent_nothing_counts_as_failed(store: Store) -> None:
    await keep(store, ended(begun(conversation()), [], Outcome.FAILED, Failure("no_key", "")))
    cell = await only(store)
    assert (cell.turns, cell.failed, cell.requests, cell.cached) == (1, 1, 0, None)


async def test_a_period_is_of_local_days(store: Store) -> None:
    owner = conversation()
    midnight = time.mktime((2026, 11, 10, 0, 0, 0, 0, 0, -1))
    for started_at in (midnight - 1, midnight, midnight + 86_399, midnight + 86_400, -1e300):
        owner.turns.append(ended(begun(owner, started_at=started_at), request([1001.0], usage(), 1)))
    await keep(store, *owner.turns)

    async def days(**period: str) -> list[tuple[str, int]]:
        return sorted((cell.day, cell.turns) for cell in await cells(store, **period))

    assert await days() == [("", 1), ("2026-11-09", 1), ("2026-11-10", 2), ("2026-11-11", 1)]
    assert await days(since="2026-11-10") == [("2026-11-10", 2), ("2026-11-11", 1)]
    assert await days(until="2026-11-10") == [("2026-11-09", 1), ("2026-11-10", 2)]
    assert await days(since="2026-11-10", until="2026-11-10") == [("2026-11-10", 2)]
    assert await days(since="2026-11-12") == []


@pytest.mark.parametrize("version", range(1, len(migrations.MIGRATIONS)))
async def test_an_older_schema(version: int, tmp_path: Path) -> None:
    path = tmp_path / "conversations.db"
    written(version, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        before = collect(connection, PRICES, version=version)
    store = await Store.open(path)
    try:
        after = await collected(store)
    finally:
        await store.close()
    assert sum(cell.turns for cell in before.cells) + before.running == sum(cell.turns for cell in after.cells)
    assert sum(cell.output_tokens for cell in before.cells) == sum(cell.output_tokens for cell in after.cells) > 0


async def test_progress_is_told_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_store, "_STEP", 2)
    owner = conversation()
    for _ in range(5):
        owner.turns.append(ended(begun(owner), request([1001.0], usage(), 1)))
    await keep(store, *owner.turns)
    told: list[int] = []
    await store.library.collected(PRICES, told.append)
    assert told == [0, 2, 4]
