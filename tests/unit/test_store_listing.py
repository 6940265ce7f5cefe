"""Lists of conversations: their order, their stretches, the filter of titles, and figures that are those of the footers."""

import dataclasses
import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.searching import keep, said, text_block
from tests.unit.store_values import content, conversation, running, take
from tui_chat import meter
from tui_chat.conversation import Conversation, Outcome, SideRequest, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockStarted,
    Event,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    TurnEnded,
    UsageUpdated,
)
from tui_chat.listed import ConversationFigures
from tui_chat.meter import Ratios
from tui_chat.prices import PriceList
from tui_chat.store import Store
from tui_chat.usage import Usage

MODEL = "claude-sonnet-5-5"
PRICES = PriceList.load()
NOW = 1_794_300_000.0  # 10 November 2026


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


async def titled(store: Store, title: str, at: float = 1.7e9, **fields: Any) -> Conversation:
    owner = dataclasses.replace(conversation(), title=title, created_at=at, **fields)
    await store.save_conversation(owner)
    return owner


async def titles(store: Store, wanted: str = "", **stretch: int) -> list[str]:
    return [row.title for row in (await store.library.page(wanted, **stretch)).rows]


async def test_pinned_ones_first_then_the_newest(store: Store) -> None:
    for number, at in enumerate([3.0, 1.0, 4.0, 1.5, 2.0]):
        owner = await titled(store, f"{number}", at)
        await store.library.pin(owner.id, number in (1, 4))
    assert await titles(store) == ["4", "1", "2", "0", "3"]
    page = await store.library.page()
    assert [row.pinned for row in page.rows] == [True, True, False, False, False]


async def test_a_row_says_what_a_list_shows(store: Store) -> None:
    owner = await titled(store, "Tea", 1.7e9, model="claude-x")
    turn = said(owner, "?", text_block("!"), at=1.7e9 + 60)
    await keep(store, owner, turn)
    (row,) = (await store.library.page()).rows
    assert (row.id, row.title, row.created_at, row.model, row.pinned) == (owner.id, "Tea", 1.7e9, "claude-x", False)
    assert row.updated_at == pytest.approx(1.7e9 + 60 + 9)  # the end of its turn


async def test_stretches_of_a_list(store: Store) -> None:
    for number in range(25):
        await titled(store, f"{number} {'even' if number % 2 == 0 else 'odd'}", float(number))
    page = await store.library.page(offset=10, limit=10)
    assert page.total == 25
    assert [row.updated_at for row in page.rows] == [float(number) for number in range(14, 4, -1)]
    assert [row.updated_at for row in (await store.library.page(offset=20, limit=10)).rows] == [4.0, 3.0, 2.0, 1.0, 0.0]
    assert (await store.library.page(offset=99)).rows == []
    odd = await store.library.page("odd", offset=2, limit=3)
    assert ([row.updated_at for row in odd.rows], odd.total) == ([19.0, 17.0, 15.0], 12)
    assert (await store.library.page(limit=0)).total == 25


async def test_an_empty_list(store: Store) -> None:
    for wanted in ("", "tea"):
        page = await store.library.page(wanted)
        assert (page.rows, page.total) == ([], 0)


async def test_what_is_deleted_is_in_no_list(store: Store) -> None:
    owner = await titled(store, "tea")
    deletion = await store.library.delete(owner.id)
    assert (await store.library.page()).total == 0
    assert (await store.library.page("tea")).total == 0
    assert await store.library.find(owner.id) == []
    assert await store.library.figures([owner.id], PRICES) == {}
    await store.library.restore(deletion)
    assert await titles(store) == ["tea"]


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        ("tea", "All about TEA"),
        ("TEA", "all about tea"),
        ("about all", "All about tea"),
        ("bou", "All about tea"),
        ("cafe", "Café"),
        ("CAFÉ", "cafe"),
        ("cafe\u0301", "Caf\u00e9"),
        ("strasse", "Die Straße"),
        ("МОСК", "москва"),
        ("据", "数据库"),
        ("c++", "C++ or C#?"),
        ("100%", "100% sure"),
        ("a_b", "a_b"),
        ("  tea  ", "tea"),
        ("🎉", "party 🎉"),
    ],
)
async def test_a_title_fits(store: Store, wanted: str, title: str) -> None:
    await titled(store, title)
    await titled(store, "something else, 100 axb")
    assert await titles(store, wanted) == [title]
    assert [row.title for row in await store.library.find(wanted)] == [title]


async def test_all_words_must_be_in_the_title(store: Store) -> None:
    await titled(store, "green tea")
    assert await titles(store, "green coffee") == []


async def test_an_id_is_found_by_its_beginning(store: Store) -> None:
    for number in range(3):
        await titled(store, f"title {number}", float(number), id=f"0123abc{number}ffff")
    assert await titles(store, "0123abc1") == ["title 1"]
    assert await titles(store, "0123") == ["title 2", "title 1", "title 0"]
    assert await titles(store, "012") == []  # too short to be meant so in a filter
    assert [row.title for row in await store.library.find("012")] == ["title 2", "title 1", "title 0"]
    assert await store.library.find("\ud800") == []
    assert [row.title for row in await store.library.find("0123abc2ffff")] == ["title 2"]


async def test_what_was_asked_for_by_name(store: Store) -> None:
    await titled(store, "tea", 1.0, id="abc")
    await titled(store, "abcd", 2.0, id="abcdef")
    await titled(store, "more about abc", 3.0, id="ffff")

    async def found(wanted: str) -> list[str]:
        return [row.id for row in await store.library.find(wanted)]

    assert await found("abc") == ["abc"]  # an id before beginnings of ids
    assert await found("ab") == ["abcdef", "abc"]  # those before titles, newest first
    assert await found("abcd") == ["abcdef"]
    assert await found("about") == ["ffff"]
    assert await found("nothing") == []
    for nothing in ("", " ", "\n"):
        assert await found(nothing) == []


# Figures -----------------------------------------------------------------------------------------------------------------


def asked(owner: Conversation, *events: Event, server: str = "api.anthropic.com", at: float = NOW) -> Turn:
    """A turn that took these events."""
    turn = running(owner, started_at=at)
    turn.server = server
    take(turn, events)
    return turn


def counted(turn: Turn, **counts: Any) -> Turn:
    """The turn with one request that was counted, ended."""
    take(turn, [RequestStarted(1000.5, MODEL, 1), UsageUpdated(1001.0, counts, final=True)])
    take(turn, [RequestEnded(1002.0, complete=True, stop_reason="end_turn"), ended()])
    return turn


def ended(outcome: Outcome = Outcome.COMPLETED) -> TurnEnded:
    return TurnEnded(1009.0, outcome, None, {}, usage_is_final=outcome is Outcome.COMPLETED)


async def stored(store: Store, owner: Conversation, turn: Turn) -> None:
    await store.begin_turn(owner, turn)
    owner.turns.append(turn)
    if turn.outcome is not None:
        await store.end_turn(owner, turn)


async def figures_of(store: Store, owner: Conversation) -> ConversationFigures:
    return (await store.library.figures([owner.id], PRICES))[owner.id]


def by_the_meter(*turns: Turn) -> ConversationFigures:
    """The sums of what the footers say."""
    every = [meter.figures(turn, 0.0, Ratios(), PRICES) for turn in turns if turn.requests]
    costs = [figures.cost for figures in every if figures.cost is not None]
    prompts = [figures.input_tokens for figures in every if figures.input_tokens is not None]
    outputs = [figures.output_tokens for figures in every if figures.output_tokens is not None]
    return ConversationFigures(
        turns=len(turns),
        input_tokens=sum(prompts) if prompts else None,
        output_tokens=sum(outputs) if outputs else None,
        cost=sum(costs) if costs else None,
        cost_estimated=any(figures.cost_estimated for figures in every if figures.cost is not None),
    )


async def test_figures_are_the_sums_of_the_footers(store: Store) -> None:
    owner = conversation()
    overloaded = Failure("overloaded_error", "Overloaded", 529)
    turns = [
        counted(asked(owner), input_tokens=10, output_tokens=80),
        counted(
            asked(owner),
            input_tokens=10,
            cache_read_input_tokens=900,
            cache_creation_input_tokens=90,
            cache_creation={"ephemeral_1h_input_tokens": 50},
            output_tokens=80,
        ),
        counted(asked(owner, at=NOW - 90 * 86_400), input_tokens=10, output_tokens=80),  # at the prices of that day
        counted(asked(owner), input_tokens=10, output_tokens=2**60),  # absurd
        counted(asked(owner), input_tokens=10, output_tokens=5, service_tier="batch"),
        counted(asked(owner, server="localhost:11434"), input_tokens=10, output_tokens=80),
        counted(
            asked(
                owner,
                RequestStarted(1000.1, MODEL, 1),
                RequestEnded(1000.2, complete=False, error=overloaded),
                RetryScheduled(1000.2, 1000.3, 2, 3, overloaded),
            ),
            input_tokens=10,
            output_tokens=80,
        ),
        asked(
            owner,
            RequestStarted(1000.1, MODEL, 1),
            UsageUpdated(1000.2, {"input_tokens": 10, "output_tokens": 1}),
            BlockStarted(1000.2, 0, {"type": "text", "text": ""}),
            TextDelta(1000.3, 0, "cut off after some words"),
            ended(Outcome.CANCELLED),
        ),
    ]
    for place, turn in enumerate(turns):
        await stored(store, owner, turn)
        assert await figures_of(store, owner) == by_the_meter(*turns[: place + 1]), place
    figures = await figures_of(store, owner)
    assert figures.cost_estimated
    assert figures.cost is not None


async def test_a_conversation_with_nothing_in_it(store: Store) -> None:
    owner = await titled(store, "empty")
    assert await figures_of(store, owner) == ConversationFigures(0, None, None, None, cost_estimated=False)


async def test_a_running_turn_counts(store: Store) -> None:
    owner = conversation()
    await stored(store, owner, asked(owner, *content("so far")))
    assert await figures_of(store, owner) == ConversationFigures(1, None, None, None, cost_estimated=False)


async def test_the_demo_has_tokens_but_no_cost(store: Store) -> None:
    owner = conversation()
    await stored(store, owner, counted(asked(owner, server="demo"), input_tokens=10, output_tokens=80))
    assert await figures_of(store, owner) == ConversationFigures(1, 10, 80, None, cost_estimated=False)


async def test_all_branches_count_and_deleted_ones_do_not(store: Store) -> None:
    owner = conversation()
    first = counted(asked(owner), input_tokens=10, output_tokens=80)
    await stored(store, owner, first)
    again = running(owner, first.prompt, started_at=NOW)
    await stored(store, owner, counted(again, input_tokens=20, output_tokens=90))
    assert await figures_of(store, owner) == by_the_meter(first, again)
    deletion = await store.library.delete_branch(owner.id, again.id)
    assert await figures_of(store, owner) == by_the_meter(first)
    await store.library.restore(deletion)
    assert await figures_of(store, owner) == by_the_meter(first, again)


async def test_a_copy_was_paid_for_where_it_was_made(store: Store) -> None:
    owner = conversation()
    await stored(store, owner, counted(asked(owner), input_tokens=10, output_tokens=80))
    copy = await store.library.duplicate(owner.id)
    figures = await store.library.figures([copy, owner.id, "no such id"], PRICES)
    assert set(figures) == {copy, owner.id}
    assert figures[copy] == ConversationFigures(1, None, None, None, cost_estimated=False)
    assert figures[owner.id].cost is not None


async def test_requests_beside_the_talk_count(store: Store) -> None:
    usage = Usage({"input_tokens": 1_000_000, "output_tokens": 0})
    side = SideRequest("title", MODEL, "api.anthropic.com", NOW, usage, usage_is_final=True)
    owner = dataclasses.replace(conversation(), side_requests=(side,))
    await stored(store, owner, counted(asked(owner), input_tokens=1_000_000, output_tokens=0))
    figures = await figures_of(store, owner)
    price = PRICES.cost(MODEL, usage, 0, datetime.fromtimestamp(NOW, UTC).date())
    assert price is not None
    assert (figures.turns, figures.input_tokens) == (1, 2_000_000)
    assert figures.cost == pytest.approx(2 * price)


@pytest.mark.parametrize("at", [1e300, -1e300, 1e15])
async def test_a_time_that_is_no_time(tmp_path: Path, at: float) -> None:
    store = await Store.open(tmp_path / "db")
    owner = conversation()
    await stored(store, owner, counted(asked(owner), input_tokens=10, output_tokens=80))
    await store.close()
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("UPDATE turns SET started_at = ?", (at,))
    store = await Store.open(tmp_path / "db")
    assert (await figures_of(store, owner)).cost is None
    await store.close()


async def test_usage_of_another_shape(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "db")
    owner = conversation()
    await stored(store, owner, counted(asked(owner), input_tokens=10, output_tokens=80))
    await store.close()
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute(
            "UPDATE requests SET input_tokens = NULL, usage = ?", (json.dumps({"input_tokens": "many"}),)
        )
    store = await Store.open(tmp_path / "db")
    assert await figures_of(store, owner) == ConversationFigures(1, None, 0, None, cost_estimated=False)
    await store.close()
