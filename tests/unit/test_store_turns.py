"""What is stored comes back: turns, trees, conversations, and text that databases dislike."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store_databases import turn_count
from tests.unit.store_values import (
    content,
    conversation,
    end,
    event_lists,
    failures,
    json_objects,
    new_id,
    prompt,
    running,
    stored,
    take,
    texts,
)
from tui_chat.conversation import Conversation, Message, Outcome, Turn
from tui_chat.errors import Failure, StoreError
from tui_chat.events import BlockStarted, Event, RequestStarted, TurnEnded
from tui_chat.listed import ConversationSummary
from tui_chat.store import Store


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


async def whole_turn(store: Store, owner: Conversation, turn: Turn, *pieces: str) -> Turn:
    """Begin, journal and end `turn`, as a session does."""
    await store.begin_turn(owner, turn)
    owner.turns.append(turn)
    events = content(*pieces) if pieces else []
    take(turn, events)
    await store.journal(turn.id, events)
    end(turn, Outcome.COMPLETED if pieces else Outcome.FAILED)
    await store.end_turn(owner, turn)
    return turn


async def loaded(store: Store, owner: Conversation) -> Conversation:
    found = await store.load(owner.id)
    assert found is not None
    return found


async def test_turns_come_back_in_order(store: Store) -> None:
    owner = conversation()
    owner.system, owner.draft, owner.queued = "be brief", "half a thou", ("one", "two")
    for pieces in (("Hel", "lo"), ("again",), (), ("after a failure",)):
        await whole_turn(store, owner, running(owner), *pieces)
    found = await loaded(store, owner)
    assert found == dataclasses.replace(owner, turns=[stored(turn) for turn in owner.turns])
    assert [turn.text for turn in found.turns] == ["Hello", "again", "", "after a failure"]
    assert [turn.reply() for turn in found.turns] == [turn.reply() for turn in owner.turns]
    assert found.turns[1].prompt.parent_id == owner.turns[0].reply_id
    assert found.turns[3].prompt.parent_id == owner.turns[2].prompt.id


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=event_lists(1000.0),
    prompt_blocks=st.lists(json_objects, max_size=3),
    outcome=st.sampled_from(Outcome),
    error=st.none() | failures,
    words=st.tuples(texts, texts, texts, texts),
    in_context=st.booleans(),
)
def test_save_then_load_is_the_identity(
    *,
    events: list[Event],
    prompt_blocks: list[dict[str, object]],
    outcome: Outcome,
    error: Failure | None,
    words: tuple[str, str, str, str],
    in_context: bool,
) -> None:
    async def round_trip() -> None:
        store = await Store.open(None)
        try:
            owner = conversation()
            owner.title, owner.draft, owner.system = words[:3]
            owner.queued = words
            turn = running(owner, dataclasses.replace(prompt(), blocks=tuple(prompt_blocks), unfinished=(2, 0)))
            turn.in_context = in_context
            await store.begin_turn(owner, turn)
            half = len(events) // 2
            for part in (events[:half], events[half:]):
                await store.journal(turn.id, part)
            take(turn, events)
            assert [stored(each) for each in (await loaded(store, owner)).turns] == [stored(turn)]
            take(
                turn, [TurnEnded(2e4, outcome, words[0], {}, usage_is_final=in_context, error=error, closed_after=0.25)]
            )
            await store.end_turn(owner, turn)
            assert (await loaded(store, owner)).turns == [stored(turn)]
            assert (await loaded(store, owner)).turns[0].reply() == turn.reply()
            assert await loaded(store, owner) == dataclasses.replace(owner, turns=[stored(turn)])
        finally:
            await store.close()

    asyncio.run(round_trip())


async def test_lone_surrogates_are_stored_as_replacement_characters(store: Store) -> None:
    owner = conversation()
    owner.title, owner.draft, owner.queued = "t\ud800", "d\udfff", ("q\ud83d",)
    question = Message(
        new_id(), None, "user", ({"type": "text", "text": "\udc80 \ud83d\ude00", "k\ud800": ["\ud801"]},), 1.0
    )
    turn = running(owner, question)
    turn.model = "m\ud800"
    await store.begin_turn(owner, turn)
    take(turn, content("a\ud800", "b"))
    await store.journal(turn.id, content("a\ud800", "b"))
    end(turn, error=Failure("api_error", "\udfff"))
    turn.stop_reason = "stop\ud800"
    await store.end_turn(owner, turn)
    found = await loaded(store, owner)
    assert (found.title, found.draft, found.queued) == ("t\ufffd", "d\ufffd", ("q\ufffd",))
    (back,) = found.turns
    assert back.prompt.blocks == ({"type": "text", "text": "\ufffd 😀", "k\ufffd": ["\ufffd"]},)
    assert (back.text, back.model, back.stop_reason) == ("a\ufffdb", "m\ufffd", "stop\ufffd")
    assert back.error == Failure("api_error", "\ufffd")


async def test_a_five_megabyte_prompt_with_nul(store: Store) -> None:
    owner = conversation()
    text = "\x00é漢" * 1_000_000
    await whole_turn(store, owner, running(owner, prompt(text)), text[:100_000])
    (turn,) = (await loaded(store, owner)).turns
    assert turn.prompt.text == text
    assert turn.text == text[:100_000]


async def test_siblings_run_at_once_and_the_current_path_shows_one(store: Store) -> None:
    owner = conversation()
    question = prompt("which is best?")
    racers = [running(owner, question) for _ in range(3)]
    for number, turn in enumerate(racers):
        await store.begin_turn(owner, turn)
        take(turn, content(f"answer {number}"))
        await store.journal(turn.id, content(f"answer {number}"))
    assert [turn.text for turn in (await loaded(store, owner)).turns] == ["answer 2"]
    for number in (1, 0, 2):
        end(racers[number])
        await store.end_turn(owner, racers[number])
    assert [turn.text for turn in (await loaded(store, owner)).turns] == ["answer 1"]
    assert await turn_count(store, owner.id) == 3

    again = running(owner, question)
    await store.begin_turn(owner, again)
    assert [turn.id for turn in (await loaded(store, owner)).turns] == [again.id]
    end(again, Outcome.CANCELLED)
    await store.end_turn(owner, again)
    assert [turn.id for turn in (await loaded(store, owner)).turns] == [again.id]


async def test_a_late_end_does_not_push_the_path_away(store: Store) -> None:
    """A prompt that was given up while the database was locked ends after the next turn has begun."""
    owner = conversation()
    given_up, kept = running(owner), running(owner)
    await store.begin_turn(owner, given_up)
    await store.begin_turn(owner, kept)
    end(given_up, Outcome.CANCELLED)
    await store.end_turn(owner, given_up)
    take(kept, content("kept"))
    end(kept)
    await store.end_turn(owner, kept)
    assert [turn.id for turn in (await loaded(store, owner)).turns] == [kept.id]


async def test_two_windows_on_one_conversation_lose_nothing(store: Store) -> None:
    here, there = conversation(), conversation()
    there.id = here.id
    await whole_turn(store, here, running(here), "common")
    there.turns.append(here.turns[0])
    await whole_turn(store, here, running(here), "here")
    await whole_turn(store, there, running(there), "there")
    assert [turn.text for turn in (await loaded(store, here)).turns] == ["common", "there"]
    await whole_turn(store, here, running(here), "here again")
    assert [turn.text for turn in (await loaded(store, here)).turns] == ["common", "here", "here again"]
    assert await turn_count(store, here.id) == 4


async def test_blocks_of_a_request_that_was_not_the_last_are_kept(store: Store) -> None:
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    take(turn, [*content("from the first"), RequestStarted(1005.0, "claude-x", 2)])
    end(turn, Outcome.FAILED)
    await store.end_turn(owner, turn)
    (back,) = (await loaded(store, owner)).turns
    assert back.requests[0].blocks[0].content()["text"] == "from the first"
    assert back == stored(turn)


async def test_the_journal_alone_gives_the_turn_even_without_a_start_of_its_block(store: Store) -> None:
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    events = [event for event in content("a", "", "b", "c") if not isinstance(event, BlockStarted)]
    await store.journal(turn.id, events)
    await store.journal(turn.id, [])
    take(turn, events)
    (back,) = (await loaded(store, owner)).turns
    assert back.text == "abc"
    assert stored(back) == stored(turn)
    assert back.outcome is None


async def test_events_of_a_turn_that_is_over_or_unknown_are_dropped(store: Store) -> None:
    owner = conversation()
    turn = await whole_turn(store, owner, running(owner), "done")
    await store.journal(turn.id, content("late"))
    await store.journal("nobody", content("lost"))
    assert (await loaded(store, owner)).turns == [stored(turn)]


async def test_every_write_may_be_done_twice(store: Store) -> None:
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.begin_turn(owner, turn)
    take(turn, content("once"))
    end(turn)
    await store.end_turn(owner, turn)
    await store.end_turn(owner, turn)
    await store.begin_turn(owner, turn)
    assert (await loaded(store, owner)).turns == [stored(turn)]


async def test_what_could_not_be_stored_is_stored_with_the_next_turn(store: Store) -> None:
    owner = conversation()
    await whole_turn(store, owner, running(owner), "stored")
    unsaved = running(owner)  # its begin_turn and its end_turn failed, say on a full disk
    take(unsaved, content("unsaved"))
    end(unsaved)
    owner.turns.append(unsaved)
    half_saved = running(owner)  # only its end_turn failed
    owner.turns.append(half_saved)
    await store.begin_turn(owner, half_saved)
    take(half_saved, content("half saved"))
    end(half_saved)
    await whole_turn(store, owner, running(owner), "next")
    assert (await loaded(store, owner)).turns == [stored(turn) for turn in owner.turns]


async def test_the_end_alone_stores_the_whole_turn(store: Store) -> None:
    owner = conversation()
    turn = running(owner)
    take(turn, content("text"))
    end(turn)
    await store.end_turn(owner, turn)
    assert await loaded(store, owner) == dataclasses.replace(owner, turns=[stored(turn)])


async def test_a_parent_that_nobody_knows_is_an_error_and_changes_nothing(store: Store) -> None:
    owner = conversation()
    with pytest.raises(StoreError):
        await store.begin_turn(owner, running(owner, prompt(parent="nobody")))
    assert await store.load(owner.id) is None


async def test_in_context_is_kept(store: Store) -> None:
    owner = conversation()
    turn = await whole_turn(store, owner, running(owner), "text")
    await store.set_in_context(turn.id, False)
    assert [turn.in_context for turn in (await loaded(store, owner)).turns] == [False]
    await store.set_in_context(turn.id, True)
    await store.set_in_context("nobody", True)
    assert [turn.in_context for turn in (await loaded(store, owner)).turns] == [True]


async def test_a_conversation_without_turns(store: Store) -> None:
    owner = conversation()
    owner.draft = "only a draft"
    await store.save_conversation(owner)
    assert await loaded(store, owner) == owner
    owner.title, owner.draft = "renamed", ""
    await store.save_conversation(owner)
    assert await loaded(store, owner) == owner
    (summary,) = await store.recent()
    assert (summary.title, summary.created_at, summary.model) == ("renamed", owner.created_at, "claude-x")
    assert await store.load("nobody") is None


async def test_a_turn_that_begins_does_not_take_back_a_new_title(store: Store) -> None:
    here, there = conversation(), conversation()
    there.id, there.title, there.draft = here.id, "renamed in the other window", "moved on"
    await whole_turn(store, here, running(here), "text")
    await store.save_conversation(there)
    here.draft = ""
    await whole_turn(store, here, running(here), "text")
    found = await loaded(store, here)
    assert (found.title, found.draft) == ("renamed in the other window", "")


async def test_lists_are_newest_first(store: Store) -> None:
    ids = ["aa1", "aa2", "ab3", "%_4"]
    for age, name in enumerate(ids):
        owner = conversation()
        owner.id = owner.title = name
        owner.created_at = 100.0 + age
        turn = running(owner, prompt(f"question {age}"), started_at=200.0 + age)
        await whole_turn(store, owner, turn, "text")
    assert [each.id for each in await store.recent()] == ids[::-1]
    assert [each.id for each in await store.recent(2)] == ["%_4", "ab3"]
    (newest,) = await store.recent(1)
    assert newest == ConversationSummary("%_4", "%_4", 203.0 + 9.0, 103.0, "claude-x", pinned=False)
    assert await store.recent_prompts() == ["question 3", "question 2", "question 1", "question 0"]
    assert await store.recent_prompts(2) == ["question 3", "question 2"]


async def test_a_prompt_sent_twice_is_listed_once(store: Store) -> None:
    owner = conversation()
    for at, text in enumerate(["one", "two", "one", ""]):
        await whole_turn(store, owner, running(owner, prompt(text), started_at=float(at)), "text")
    assert await store.recent_prompts() == ["one", "two"]
