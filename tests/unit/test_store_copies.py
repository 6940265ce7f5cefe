"""Forks, duplicates, and trees that are taken in from elsewhere."""

import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store_talks import after, ended, talk
from tests.unit.store_values import conversation, prompt, running, stored, texts, turns_of_rounds
from tui_chat.conversation import Conversation, Message, Outcome, Request, SideRequest, Stamps, Tree, Turn
from tui_chat.errors import StoreError
from tui_chat.store import Store
from tui_chat.usage import Usage


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


@pytest.fixture
async def other() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


async def tree_of(store: Store, conversation_id: str) -> Tree:
    tree = await store.library.tree(conversation_id)
    assert tree is not None
    return tree


async def branched(store: Store) -> tuple[Conversation, list[Turn]]:
    """Three turns, an edited version of the second with a turn behind it, and a failed version of its reply."""
    owner = await talk(store, "word", 3)
    owner.pinned = True
    await store.library.pin(owner.id, True)
    head = dataclasses.replace(owner, turns=owner.turns[:1])
    for text in ("edited", "after it"):
        await ended(store, head, after(head, text), text, "zone")
    head.turns.pop()
    failed = await ended(store, head, head.turns[1].prompt)
    return owner, [*owner.turns, *(await tree_of(store, owner.id)).turns[3:5], stored(failed)]


def shape(tree: Tree) -> list[tuple[int | None, int]]:
    """For each turn the position of the message it follows and of its prompt, whatever their ids."""
    positions: dict[str | None, int] = {}
    for turn in tree.turns:
        positions.setdefault(turn.prompt.id, len(positions))
        positions.setdefault(turn.reply_id, len(positions))
    return [(positions.get(turn.prompt.parent_id), positions[turn.prompt.id]) for turn in tree.turns]


def without_ids(turn: Turn) -> Turn:
    question = dataclasses.replace(turn.prompt, id="", parent_id=None)
    return dataclasses.replace(turn, id="", conversation_id="", reply_id="", copy_of=None, prompt=question)


# Duplicates and forks ------------------------------------------------------------------------------------------------


async def test_a_duplicate_has_all_branches_and_costs_nothing(store: Store) -> None:
    owner, turns = await branched(store)
    original = await tree_of(store, owner.id)
    copy = await tree_of(store, await store.library.duplicate(owner.id))
    assert await tree_of(store, owner.id) == original
    assert [turn.copy_of for turn in copy.turns] == [turn.id for turn in turns]
    assert [without_ids(turn) for turn in copy.turns] == [without_ids(turn) for turn in original.turns]
    assert shape(copy) == shape(original)
    ids = {id_ for turn in copy.turns for id_ in (turn.id, turn.reply_id, turn.prompt.id)}
    assert ids.isdisjoint({id_ for turn in original.turns for id_ in (turn.id, turn.reply_id, turn.prompt.id)})
    assert [turn.id for turn in copy.turns].index(copy.current_turn_id or "") == 5
    made = copy.conversation
    assert (made.title, made.draft, made.queued, made.pinned) == ("word title (copy)", "a draft of word", (), False)
    assert (made.model, made.system, made.side_requests) == (owner.model, owner.system, ())
    assert made.origin == {"source": "duplicate", "id": owner.id}
    again = await tree_of(store, await store.library.duplicate(made.id))
    assert [turn.copy_of for turn in again.turns] == [turn.id for turn in turns], "the cost was paid at the first"
    assert [each.id for each in await store.recent()] == [again.conversation.id, made.id, owner.id]


@pytest.mark.parametrize(("with_reply", "count"), [(True, 3), (False, 2)])
async def test_a_fork_is_the_path_to_a_turn(store: Store, with_reply: bool, count: int) -> None:
    owner, turns = await branched(store)
    wanted = turns[4]
    fork_id = await store.library.fork(owner.id, wanted.id, with_reply=with_reply)
    fork = await tree_of(store, fork_id)
    expected = [turns[0], turns[3], turns[4]][:count]
    assert [turn.copy_of for turn in fork.turns] == [turn.id for turn in expected]
    assert [turn.text for turn in fork.turns] == [turn.text for turn in expected]
    assert fork.current_turn_id == fork.turns[-1].id
    assert (fork.conversation.title, fork.conversation.draft) == ("word title (fork)", "")
    assert fork.conversation.origin == {"source": "fork", "id": owner.id, "turn_id": wanted.id}
    loaded = await store.load(fork_id)
    assert loaded is not None
    assert loaded.versions == {}
    await ended(store, loaded, after(loaded, "on"), "and on")
    assert len((await tree_of(store, fork_id)).turns) == count + 1
    assert len((await tree_of(store, owner.id)).turns) == 6


async def test_a_fork_before_the_first_prompt_is_empty(store: Store) -> None:
    owner, turns = await branched(store)
    fork = await tree_of(store, await store.library.fork(owner.id, turns[0].id, with_reply=False))
    assert (fork.turns, fork.current_turn_id, fork.conversation.model) == ([], None, owner.model)


async def test_what_is_not_there_or_still_runs_cannot_be_copied(store: Store) -> None:
    owner, turns = await branched(store)
    turn = running(owner)
    await store.begin_turn(owner, turn)
    with pytest.raises(StoreError, match="running"):
        await store.library.fork(owner.id, turn.id)
    assert len((await tree_of(store, await store.library.fork(owner.id, turn.id, with_reply=False))).turns) == 3
    assert len((await tree_of(store, await store.library.duplicate(owner.id))).turns) == 6, "all that have ended"
    with pytest.raises(StoreError, match="gone"):
        await store.library.fork(owner.id, "nobody")
    await store.library.delete_branch(owner.id, turns[4].id)
    with pytest.raises(StoreError, match="gone"):
        await store.library.fork(owner.id, turns[4].id)
    before = await store.library.ids()
    await store.library.delete(before[0])
    for refused in (store.library.duplicate(before[0]), store.library.fork(before[0], turns[0].id)):
        with pytest.raises(StoreError, match="gone"):
            await refused
    assert await store.library.ids() == before[1:]


async def test_the_original_may_be_erased(store: Store) -> None:
    owner, turns = await branched(store)
    copy_id = await store.library.duplicate(owner.id)
    copy = await tree_of(store, copy_id)
    await store.library.index_all()
    await store.library.delete(owner.id)
    assert await store.library.purge(mine=True)
    assert await tree_of(store, copy_id) == copy
    assert {hit.conversation_id for hit in (await store.library.search("edited")).hits} == {copy_id}
    assert copy.turns[0].copy_of == turns[0].id


# Trees ---------------------------------------------------------------------------------------------------------------


async def test_a_tree_goes_from_database_to_database(store: Store, other: Store) -> None:
    owner, turns = await branched(store)
    given_tree = await tree_of(store, owner.id)
    assert given_tree.turns == [stored(turn) for turn in turns]
    assert (given_tree.conversation.turns, given_tree.current_turn_id) == ([], turns[5].id)
    assert await other.library.add(given_tree) == "added"
    assert await tree_of(other, owner.id) == given_tree
    assert await other.load(owner.id) == await store.load(owner.id)
    assert (await other.recent())[0] == (await store.recent())[0]
    assert await other.library.add(given_tree) == "known"
    assert await store.library.add(given_tree) == "known"
    assert await tree_of(other, owner.id) == given_tree
    await other.library.index_all()
    assert (await other.library.search("edited")).hits


async def test_of_what_is_known_only_what_is_new_is_added(store: Store, other: Store) -> None:
    owner = await talk(store, "word", 2)
    await other.library.add(await tree_of(store, owner.id))
    await other.library.rename(owner.id, "a title of one's own")
    newer = await ended(store, owner, after(owner, "newer"), "newer")
    later = await tree_of(store, owner.id)
    later.conversation.side_requests += (SideRequest("title", "m", "s", 2.0, Usage({"output_tokens": 3}), True),)
    assert await other.library.add(later) == "updated"
    there = await tree_of(other, owner.id)
    assert (there.turns, there.current_turn_id) == (later.turns, newer.id)
    assert there.conversation.title == "a title of one's own"
    assert there.conversation.side_requests == later.conversation.side_requests
    assert await other.library.add(later) == "known"
    here = await other.load(owner.id)
    assert here is not None
    mine = await ended(other, here, after(here, "mine"), "mine")
    await ended(store, owner, after(owner, "newest"), "newest")
    newest = await tree_of(store, owner.id)
    assert await other.library.add(newest) == "updated"
    loaded = await other.load(owner.id)
    assert loaded is not None
    assert loaded.turns[-1].id == mine.id, "the path stays where the reader went"
    assert [len(each) for each in loaded.versions.values()] == [2]
    assert await store.library.add(await tree_of(other, owner.id)) == "updated"
    assert {turn.id for turn in (await tree_of(store, owner.id)).turns} == {turn.id for turn in loaded.turns} | {
        turn.id for turn in newest.turns
    }


async def test_a_reply_that_was_missing_is_added(store: Store, other: Store) -> None:
    owner = await talk(store, "word", 1)
    whole = await tree_of(store, owner.id)
    (turn,) = whole.turns
    without = dataclasses.replace(turn, requests=[], outcome=Outcome.FAILED)
    assert await other.library.add(dataclasses.replace(whole, turns=[without])) == "added"
    assert await other.library.add(whole) == "updated"
    assert await tree_of(other, owner.id) == whole
    assert await other.library.add(dataclasses.replace(whole, turns=[without])) == "known"
    assert await tree_of(other, owner.id) == whole


async def test_what_was_deleted_comes_back_when_it_is_taken_in_again(store: Store) -> None:
    owner, turns = await branched(store)
    whole = await tree_of(store, owner.id)
    await store.library.delete_branch(owner.id, turns[3].id)
    assert await store.library.add(whole) == "updated"
    assert await tree_of(store, owner.id) == dataclasses.replace(whole, current_turn_id=whole.current_turn_id)
    deletion = await store.library.delete(owner.id)
    assert await store.library.add(whole) == "added"
    assert await tree_of(store, owner.id) == whole
    assert not await store.library.restore(deletion)
    assert await store.library.purge(mine=True)
    assert await tree_of(store, owner.id) == whole


async def test_turns_may_come_in_any_order(store: Store, other: Store) -> None:
    owner, _ = await branched(store)
    whole = await tree_of(store, owner.id)
    assert await other.library.add(dataclasses.replace(whole, turns=whole.turns[::-1])) == "added"
    there = await tree_of(other, owner.id)
    assert sorted(turn.id for turn in there.turns) == sorted(turn.id for turn in whole.turns)
    assert there.current_turn_id == whole.current_turn_id


async def test_a_tree_that_fits_nowhere_changes_nothing(store: Store) -> None:
    owner, turns = await branched(store)
    whole = await tree_of(store, owner.id)
    lost = dataclasses.replace(whole.turns[0], prompt=dataclasses.replace(turns[0].prompt, parent_id="nobody"))
    circle = dataclasses.replace(
        whole.turns[0], prompt=dataclasses.replace(turns[0].prompt, parent_id=whole.turns[1].reply_id)
    )
    stolen = Tree(conversation(), [dataclasses.replace(turns[0])], None)
    foreign = Tree(conversation(), [], None)
    following = running(foreign.conversation, prompt(parent=turns[0].reply_id))
    foreign.turns.append(dataclasses.replace(following, outcome=Outcome.FAILED))
    other = conversation()
    for refused in (
        Tree(other, [dataclasses.replace(lost, id="new", reply_id="new", conversation_id=other.id)], None),
        dataclasses.replace(whole, turns=[circle, whole.turns[1]]),
        stolen,
        foreign,
        Tree(
            dataclasses.replace(stolen.conversation, id=owner.id),
            [dataclasses.replace(turns[0], conversation_id="x")],
            None,
        ),
    ):
        with pytest.raises(StoreError):
            await store.library.add(refused)
    assert await store.library.ids() == [owner.id]
    assert await tree_of(store, owner.id) == whole


async def test_a_turn_without_an_end_is_ended(store: Store, other: Store) -> None:
    owner = await talk(store, "word", 1)
    turn = running(owner)
    await store.begin_turn(owner, turn)
    assert await other.library.add(await tree_of(store, owner.id)) == "added"
    back = (await tree_of(other, owner.id)).turns[-1]
    assert (back.id, back.outcome, back.error and back.error.type) == (turn.id, Outcome.FAILED, "interrupted")


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A conversation with up to six turns, each anywhere, as an importer might make it."""
    owner = conversation()
    owner.title, owner.draft, owner.place = draw(odd), draw(odd), draw(st.none() | odd)
    owner.origin = draw(st.none() | st.dictionaries(odd, odd | st.just(2**64), max_size=2))
    owner.title_from, owner.pinned = draw(st.sampled_from(["prompt", "model", "user"])), draw(st.booleans())
    owner.side_requests = tuple(
        SideRequest(draw(odd), draw(odd), draw(odd), 1.5, Usage({"output_tokens": draw(st.integers(0, 2**70))}), True)
        for _ in range(draw(st.integers(0, 2)))
    )
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 6))):
        turn = stored(draw(turns_of_rounds(["m", "n\ud800"])))
        sharing = draw(st.sampled_from([None, *turns]))
        if sharing is not None:
            turn.prompt = sharing.prompt
        else:
            before = draw(st.sampled_from([None, *turns]))
            parent = None if before is None else before.prompt.id if before.reply() is None else before.reply_id
            turn.prompt = dataclasses.replace(turn.prompt, parent_id=parent)
        turn.conversation_id, turn.copy_of = owner.id, draw(st.none() | odd)
        turns.append(turn)
    return Tree(owner, turns, draw(st.sampled_from([None, *(turn.id for turn in turns)])))


odd = st.one_of(texts, st.sampled_from(["\ud800", "nul \x00 nul", "", "𝒳\udfff"]))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(given_tree=trees())
def test_any_tree_round_trips(given_tree: Tree) -> None:
    async def there_and_back() -> None:
        one, two = await Store.open(None), await Store.open(None)
        try:
            assert await one.library.add(given_tree) == "added"
            assert await one.library.add(given_tree) == "known"
            first = await tree_of(one, given_tree.conversation.id)
            assert [turn.id for turn in first.turns] == [turn.id for turn in given_tree.turns]
            assert [turn.prompt.parent_id for turn in first.turns] == [
                turn.prompt.parent_id for turn in given_tree.turns
            ]
            assert first.conversation.title == given_tree.conversation.title.encode("utf-8", "surrogatepass").decode(
                "utf-8", "replace"
            ).replace("\ufffd" * 3, "\ufffd")
            assert await two.library.add(first) == "added"
            assert await tree_of(two, given_tree.conversation.id) == first
            assert await two.library.add(first) == "known"
            copy = await tree_of(two, await two.library.duplicate(first.conversation.id))
            assert [without_ids(turn) for turn in copy.turns] == [without_ids(turn) for turn in first.turns]
            assert shape(copy) == shape(first)
            await two.library.index_all()
        finally:
            await one.close()
            await two.close()

    asyncio.run(there_and_back())


@pytest.mark.parametrize("stamp", [2**64, -(2**64), 10**400, math.inf, -math.inf, math.nan, 0, -1.0, "late", None])
async def test_numbers_that_no_column_holds(store: Store, stamp: Any) -> None:
    """An importer hands over what a file says."""
    owner = conversation()
    owner.created_at = stamp
    turn = dataclasses.replace(
        running(owner, dataclasses.replace(prompt(), created_at=stamp)),
        started=0.0,
        started_at=stamp,
        ended=stamp,
        closed_after=stamp,
        outcome=Outcome.COMPLETED,
        retry_of=2**64,
        requests=[
            Request(
                "m",
                2**64,
                Stamps(sent=stamp, ended=stamp),
                usage=Usage({"input_tokens": 2**64}),
                delta_count=2**64,
                characters=-(2**64),
                pings=2**64,
            )
        ],
    )
    assert await store.library.add(Tree(owner, [turn], turn.id)) == "added"
    back = (await tree_of(store, owner.id)).turns[0]
    assert back.requests[0].usage.fields == {"input_tokens": 2**64}
    assert (back.requests[0].pings, back.requests[0].characters) == (2**63 - 1, -(2**63))
    assert all(math.isfinite(number) for number in (back.started_at, back.ended or 0.0, back.prompt.created_at))
    assert await store.library.add(await tree_of(store, owner.id)) == "known"
    await store.library.index_all()
    assert (await store.library.search("hello")).hits


async def test_ids_with_surrogates_and_nul(store: Store) -> None:
    owner = conversation()
    owner.id = "c\ud800\x00c"
    turn = running(owner, Message("p\ud800\x00", None, "user", ({"type": "text", "text": "hi"},), 1.0))
    turn.reply_id, turn.id = "r\ud801", "t\ud802"
    follower = running(owner, prompt(parent="p\ud800\x00"))
    for each in (turn, follower):
        each.outcome, each.started = Outcome.FAILED, 0.0
    tree = Tree(owner, [turn, follower], follower.id)
    assert await store.library.add(tree) == "added"
    assert await store.library.add(tree) == "known"
    loaded = await store.load("c\ufffd\x00c")
    assert loaded is not None
    assert [each.id for each in loaded.turns] == ["t\ufffd", follower.id]
    for asked in (store.load("c\ud800"), store.library.tree("c\ud800"), store.library.delete("c\ud800")):
        with pytest.raises(StoreError, match="surrogates"):
            await asked
