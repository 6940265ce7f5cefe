"""The tree of a conversation: versions, the current path, deleting branches and bringing them back."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from tests.unit.store_talks import after, ended
from tests.unit.store_values import conversation, end, prompt, running, stored
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.errors import StoreError
from tui_chat.store import Store
from tui_chat.store.tree import Branches, Node


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


async def path(store: Store, owner: Conversation) -> list[str]:
    """The texts of the replies on the current path; the prompt's in brackets where there is none."""
    loaded = await store.load(owner.id)
    assert loaded is not None
    return [turn.text or f"({turn.prompt.text})" for turn in loaded.turns]


async def versions(store: Store, owner: Conversation) -> dict[str, list[str]]:
    """The versions on the current path, by the texts of their replies."""
    loaded, tree = await store.load(owner.id), await store.library.tree(owner.id)
    assert loaded is not None
    assert tree is not None
    texts = {turn.id: turn.text for turn in tree.turns}
    return {texts[id_]: [texts[each] for each in ids] for id_, ids in loaded.versions.items()}


async def say(store: Store, owner: Conversation, follows: list[Turn], *answers: str) -> list[Turn]:
    """Turns that follow each other, the first of them the last of `follows`; returns the whole path."""
    turns = list(follows)
    for answer in answers:
        head = conversation()
        head.id, head.turns = owner.id, turns
        turns = [*turns, await ended(store, owner, after(head, f"ask {answer}"), answer)]
    return turns


# Versions and the path -----------------------------------------------------------------------------------------------


async def test_an_edited_prompt_and_a_new_reply_are_versions(store: Store) -> None:
    owner = conversation()
    one, two, three = await say(store, owner, [], "one", "two", "three")
    assert (await path(store, owner), await versions(store, owner)) == (["one", "two", "three"], {})
    edited = (await say(store, owner, [one], "edited"))[-1]
    assert await path(store, owner) == ["one", "edited"]
    again = await ended(store, owner, two.prompt, "again")
    assert await path(store, owner) == ["one", "again"]
    assert await versions(store, owner) == {"again": ["two", "edited", "again"]}
    branch, known = await store.library.branch(owner.id, two.id)
    assert branch == [stored(two), stored(three)]
    assert known == {two.id: (two.id, edited.id, again.id)}
    await store.library.set_current(owner.id, three.id)
    assert await path(store, owner) == ["one", "two", "three"]
    assert await versions(store, owner) == {"two": ["two", "edited", "again"]}
    await store.library.set_current(owner.id, "nobody")
    assert await path(store, owner) == ["one", "two", "three"]
    await store.library.set_current(owner.id, one.id)
    assert await path(store, owner) == ["one", "again"], "what follows can always be got to"


async def test_first_prompts_are_versions_of_each_other(store: Store) -> None:
    owner, other = conversation(), conversation()
    await say(store, owner, [], "first")
    await say(store, other, [], "of another conversation")
    await say(store, owner, [], "second", "after it")
    assert await versions(store, owner) == {"second": ["first", "second"]}


async def test_a_turn_of_which_nothing_came_stays_the_current_one(store: Store) -> None:
    """Several turns of one prompt without a reply: which one the path ends with cannot be told from messages."""
    owner = conversation()
    one = (await say(store, owner, [], "one"))[0]
    question = after(owner, "the question")
    failed = [await ended(store, owner, question) for _ in range(3)]
    await store.library.set_current(owner.id, failed[1].id)
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert [turn.id for turn in loaded.turns] == [one.id, failed[1].id]
    assert loaded.versions == {failed[1].id: tuple(turn.id for turn in failed)}


async def test_the_branch_that_was_used_last_is_the_newest(store: Store) -> None:
    owner = conversation()
    one, two = await say(store, owner, [], "one", "two")
    await say(store, owner, [one, two], "left", "left end")
    await say(store, owner, [one, two], "right")
    branch, known = await store.library.branch(owner.id, one.id)
    assert [turn.text for turn in branch] == ["one", "two", "right"]
    assert [len(ids) for ids in known.values()] == [2]
    await say(store, owner, [*branch[:2], (await store.library.branch(owner.id, two.id))[0][-1]], "right end")
    assert (await store.library.branch(owner.id, "nobody"), await store.library.branch("nobody", one.id)) == (
        ([], {}),
        ([], {}),
    )


async def test_a_running_turn_is_a_version_too(store: Store) -> None:
    owner = conversation()
    one = (await say(store, owner, [], "one"))[0]
    turn = running(owner, one.prompt)
    await store.begin_turn(owner, turn)
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert loaded.versions == {turn.id: (one.id, turn.id)}


def test_a_prompt_that_hangs_on_a_prompt_follows_the_turn_that_was_there_before() -> None:
    """Two turns of a prompt failed, one before and one after what was sent next."""

    def node(number: int, name: str, prompt_id: str, follows: str | None, *, is_answered: bool = False) -> Node:
        return Node(name, number, prompt_id, f"reply-{name}", follows, None, False, is_answered)

    nodes = [
        node(1, "failed", "p", None),
        node(2, "next", "q", "p"),
        node(3, "failed again", "p", None),
        node(4, "came through", "p", None, is_answered=True),
        node(5, "next again", "r", "p"),
        node(6, "on the reply", "s", "reply-came through"),
    ]
    tree = Branches(nodes)
    assert {each.id: [node.id for node in tree.path(each.id)][:-1] for each in nodes} == {
        "failed": [],
        "next": ["failed"],
        "failed again": [],
        "came through": [],
        "next again": ["failed again"],
        "on the reply": ["came through"],
    }
    assert [each.id for each in tree.below("failed")] == ["failed", "next"]
    assert tree.versions(nodes[0]) == ("failed", "failed again", "came through")
    assert tree.versions(nodes[1]) == ("next", "next again")


# Deleting and bringing back ------------------------------------------------------------------------------------------


async def test_a_deleted_branch_is_gone_until_it_is_restored(store: Store) -> None:
    owner = conversation()
    one, two, three = await say(store, owner, [], "one", "two", "three")
    edited = (await say(store, owner, [one], "edited", "after it"))[1]
    before = await store.library.tree(owner.id)
    deletion = await store.library.delete_branch(owner.id, edited.id)
    assert await path(store, owner) == ["one", "two", "three"], "the version before it"
    assert await versions(store, owner) == {}
    assert await store.library.branch(owner.id, edited.id) == ([], {})
    assert await store.library.delete_branch(owner.id, edited.id) == deletion, "twice is once"
    await store.library.set_current(owner.id, edited.id)
    assert await path(store, owner) == ["one", "two", "three"]
    assert "ask edited" not in await store.recent_prompts()
    assert await store.library.restore(deletion)
    assert await store.library.tree(owner.id) == before
    assert await path(store, owner) == ["one", "edited", "after it"]
    assert not await store.library.restore(deletion)
    assert not await store.library.restore("nobody")
    for turn, left in ((three, ["one", "two"]), (two, ["one", "edited", "after it"]), (one, [])):
        await store.library.set_current(owner.id, three.id)
        deletion = await store.library.delete_branch(owner.id, turn.id)
        assert await path(store, owner) == left
        assert await store.library.restore(deletion)
        assert await path(store, owner) == ["one", "two", "three"]


async def test_a_reply_that_is_deleted_leaves_its_prompt_to_the_others(store: Store) -> None:
    owner = conversation()
    one = (await say(store, owner, [], "one"))[0]
    again = await ended(store, owner, one.prompt, "again")
    await store.library.delete_branch(owner.id, again.id)
    assert await path(store, owner) == ["one"]
    assert await store.library.purge(mine=True)
    assert await path(store, owner) == ["one"]
    assert await versions(store, owner) == {}


async def test_restoring_moves_the_path_only_where_the_deletion_had_moved_it(store: Store) -> None:
    owner = conversation()
    one, two = await say(store, owner, [], "one", "two")
    deletion = await store.library.delete_branch(owner.id, two.id)
    await say(store, owner, [one], "meanwhile")
    assert await store.library.restore(deletion)
    assert await path(store, owner) == ["one", "meanwhile"]
    assert await versions(store, owner) == {"meanwhile": ["two", "meanwhile"]}


@pytest.mark.parametrize("seed", range(8))
async def test_restoring_undoes_exactly_its_own_deletion(store: Store, seed: int) -> None:
    """Any branches are deleted, some of them inside others; any of them restored: what is there is what was not deleted."""
    chance = random.Random(seed)
    owner = conversation()
    parents: dict[str, str | None] = {}
    turns: dict[str, list[Turn]] = {}
    for number in range(12):
        follows = chance.choice([*turns.values(), []])
        made = await say(store, owner, follows, f"turn {number}")
        turns[made[-1].id] = made
        parents[made[-1].id] = follows[-1].id if follows else None

    def is_under(id_: str | None, roots: set[str]) -> bool:
        while id_ is not None:
            if id_ in roots:
                return True
            id_ = parents[id_]
        return False

    deletions: dict[str, str] = {}
    for _ in range(25):
        if chance.random() < 0.6:
            id_ = chance.choice(list(parents))
            if not is_under(id_, set(deletions.values())):
                deletions[await store.library.delete_branch(owner.id, id_)] = id_
        elif deletions:
            deletion = chance.choice(list(deletions))
            del deletions[deletion]
            assert await store.library.restore(deletion)
        tree = await store.library.tree(owner.id)
        assert tree is not None
        assert {turn.id for turn in tree.turns} == {
            id_ for id_ in parents if not is_under(id_, set(deletions.values()))
        }
        loaded = await store.load(owner.id)
        assert loaded is not None
        assert bool(loaded.turns) == bool(tree.turns)
        assert [turn.id for turn in loaded.turns[-1:]] == ([tree.current_turn_id] if tree.turns else [])


async def test_a_turn_that_begins_in_a_deleted_branch_brings_its_path_back(store: Store) -> None:
    owner = conversation()
    one, two, three = await say(store, owner, [], "one", "two", "three")
    side = (await say(store, owner, [one, two], "side"))[-1]
    deletion = await store.library.delete_branch(owner.id, two.id)
    assert await path(store, owner) == ["one"]
    await say(store, owner, [one, two], "goes on")  # another window still shows it
    assert await path(store, owner) == ["one", "two", "goes on"]
    assert await versions(store, owner) == {}, "the rest stays deleted"
    assert await store.library.restore(deletion)
    assert await versions(store, owner) == {"goes on": ["three", "side", "goes on"]}
    for _ in range(2):
        deletion = await store.library.delete_branch(owner.id, two.id)
        again = (await say(store, owner, [one, two], "goes on again"))[-1]
        assert await store.library.purge(mine=True)
        assert (await path(store, owner))[-1] == "goes on again"
        left = await store.library.tree(owner.id)
        assert left is not None
        assert {three.id, side.id}.isdisjoint(turn.id for turn in left.turns)
        assert again.id in {turn.id for turn in left.turns}


async def test_a_turn_that_ends_in_what_was_deleted_brings_it_back(store: Store) -> None:
    owner = conversation()
    owner.turns = await say(store, owner, [], "one", "two")
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.library.delete_branch(owner.id, owner.turns[1].id)
    await store.library.delete(owner.id)
    assert not await store.library.purge(mine=True)
    assert await store.load(owner.id) is None
    end(turn, Outcome.CANCELLED)
    await store.end_turn(owner, turn)
    assert await path(store, owner) == ["one", "two", "(hello)"]
    assert await store.library.purge(mine=True)
    assert await path(store, owner) == ["one", "two", "(hello)"]


async def test_a_running_turn_is_not_erased_under_its_writer(store: Store) -> None:
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.library.delete(owner.id)
    assert not await store.library.purge(mine=True)
    end(turn, Outcome.CANCELLED)
    await store.end_turn(owner, turn)
    assert await path(store, owner) == ["(hello)"]


async def test_what_is_gone_cannot_be_deleted(store: Store) -> None:
    owner = conversation()
    await say(store, owner, [], "one")
    for deleting in (store.library.delete("nobody"), store.library.delete_branch(owner.id, "nobody")):
        with pytest.raises(StoreError, match="gone"):
            await deleting


async def test_a_deleted_conversation_is_gone_until_it_is_restored(store: Store) -> None:
    owner, other = conversation(), conversation()
    await say(store, owner, [], "one")
    await say(store, other, [], "two")
    before = await store.library.tree(owner.id)
    deletion = await store.library.delete(owner.id)
    assert await store.library.delete(owner.id) == deletion
    assert (await store.load(owner.id), await store.library.tree(owner.id)) == (None, None)
    assert [each.id for each in await store.recent()] == [other.id]
    assert await store.library.ids() == [other.id]
    assert await store.library.find(owner.id) == []
    assert (await store.library.page()).total == 1
    assert await store.recent_prompts() == ["ask two"]
    for refused in (store.library.rename(owner.id, "x"), store.library.pin(owner.id, True)):
        with pytest.raises(StoreError, match="gone"):
            await refused
    await store.save_conversation(owner)  # leaving the screen on which it was deleted
    assert await store.load(owner.id) is None
    assert await store.library.restore(deletion)
    assert await store.library.tree(owner.id) == before
    await store.library.delete(owner.id)
    assert await store.library.purge(mine=True)
    await store.save_conversation(owner)
    assert await store.library.ids() == [other.id]
    assert not await store.library.restore(deletion)


async def test_a_draft_of_a_new_conversation_is_kept_though_no_turn_was_ever_stored(store: Store) -> None:
    owner = conversation()
    unsaved = running(owner, prompt("on a full disk"))
    end(unsaved, Outcome.FAILED)
    owner.turns.append(unsaved)
    owner.draft = "half a thou"
    assert await store.load(owner.id) is None
    saving = asyncio.create_task(store.save_conversation(owner))
    await asyncio.sleep(0)
    owner.draft = "changed after it was handed over"
    await saving
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert loaded.draft == "half a thou"
