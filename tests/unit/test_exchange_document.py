"""Our own file of a conversation: nothing is lost on the way out and back, and nothing wrong gets in."""

import asyncio
import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.exchange_values import said, small_tree, trees
from tests.unit.store_values import content, conversation, running, stored, take
from tui_chat.conversation import Outcome, Tree
from tui_chat.exchange.document import VERSION, document, is_ours, tree_of
from tui_chat.exchange.formats import lossless
from tui_chat.exchange.shape import ShapeError
from tui_chat.store import Store
from tui_chat.text import sanitise

ROUND_TRIPS = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])


def written(tree: Tree) -> str:
    return "".join(document(tree))


def data_of(tree: Tree) -> dict[str, Any]:
    value = json.loads(written(tree))
    assert isinstance(value, dict)
    return value


@pytest.mark.timeout(40)  # most of it is making the trees
@ROUND_TRIPS
@given(trees())
def test_reading_what_was_written_gives_the_same_file(tree: Tree) -> None:
    """And it is strict JSON in UTF-8, harmless on a terminal."""
    text = written(tree)
    assert written(tree_of(json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")))) == text
    assert all(sanitise(character) == character for character in set(text))
    text.encode()


@pytest.mark.timeout(40)  # most of it is making the trees
@ROUND_TRIPS
@given(trees())
def test_through_an_empty_database_comes_the_same_file(tree: Tree) -> None:
    async def through() -> str:
        first, second = await Store.open(None), await Store.open(None)
        try:
            assert await first.library.add(tree) == "added"
            exported = await first.library.tree(tree.conversation.id)
            assert exported is not None
            text = written(exported)
            assert await second.library.add(tree_of(json.loads(text))) == "added"
            again = await second.library.tree(tree.conversation.id)
            assert again is not None
            assert written(again) == text
            assert await second.library.add(tree_of(json.loads(text))) == "known"
            return text
        finally:
            await first.close()
            await second.close()

    text = asyncio.run(through())
    assert len(json.loads(text)["turns"]) == len(tree.turns)


def test_versions_and_the_current_turn_come_back() -> None:
    tree = small_tree()
    back = tree_of(data_of(tree))
    assert back.turns == tree.turns
    assert back.conversation == tree.conversation
    assert back.current_turn_id == tree.current_turn_id
    assert back.turns[0].prompt == back.turns[1].prompt


def test_a_live_conversation_is_written_as_the_store_would_have_it() -> None:
    owner = conversation()
    turn = running(owner)
    take(turn, content("Hel", "lo"))
    owner.turns = [turn]
    assert "".join(lossless(None, owner)) == written(Tree(owner, [stored(turn)], turn.id))
    (back,) = tree_of(json.loads("".join(lossless(None, owner)))).turns
    assert (back.outcome, back.error and back.error.type) == (Outcome.FAILED, "interrupted")
    assert back.text == "Hello"


def test_memory_knows_better_than_the_store() -> None:
    tree = small_tree()
    owner = tree.conversation
    newer = copy.deepcopy(tree.turns[2])
    newer.in_context = False
    owner.turns = [tree.turns[1], newer]
    turns = json.loads("".join(lossless(tree, owner)))["turns"]
    assert [each["id"] for each in turns] == [turn.id for turn in tree.turns]
    assert turns[2]["in_context"] is False


def test_what_is_no_json_is_null_and_what_no_file_can_hold_is_replaced() -> None:
    owner = said("q", {"type": "text", "text": "\ud800\x1b[2J\u202e", "odd": float("inf"), "deep": [float("nan")]})
    text = written(Tree(owner, owner.turns, None))
    (block,) = json.loads(text)["turns"][0]["requests"][0]["blocks"]
    assert block == {"type": "text", "text": "\ufffd\x1b[2J\u202e", "odd": None, "deep": [None]}
    assert "\\u202e" in text
    assert "\u202e" not in text


def test_a_newer_version_is_refused_politely() -> None:
    data = data_of(small_tree())
    data["version"] = VERSION + 1
    assert is_ours(data)
    with pytest.raises(ShapeError, match=r"a newer tui-chat wrote it .* update tui-chat"):
        tree_of(data)


def test_a_prompt_cannot_follow_a_reply_of_which_nothing_came() -> None:
    data = data_of(small_tree())
    data["turns"][1]["requests"] = []
    with pytest.raises(ShapeError, match="not there"):
        tree_of(data)


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (("version",), "1", "version"),
        (("version",), 0, "version"),
        (("version",), True, "version"),
        (("conversation",), None, "Conversation"),
        (("conversation", "created_at"), None, "created_at"),
        (("conversation", "title"), 5, "title"),
        (("conversation", "title_from"), "nobody", "title_from"),
        (("conversation", "queued"), "text", "queued"),
        (("prompts",), {}, "prompts"),
        (("prompts", 0, "role"), "system", "role"),
        (("prompts", 0, "blocks"), ["text"], "blocks"),
        (("prompts", 0, "parent_id"), "nowhere", "not there"),
        (("turns", 0, "prompt_id"), "nowhere", "prompt"),
        (("turns", 0, "outcome"), "great", "outcome"),
        (("turns", 0, "ended"), "soon", "ended"),
        (("turns", 0, "ended"), None, "ended"),
        (("turns", 1, "id"), "same", "twice"),
        (("turns", 0, "requests", 0, "stamps"), {}, "sent"),
        (("turns", 0, "requests", 0, "blocks"), [None], "blocks"),
        (("turns", 0, "requests", 0, "usage"), [], "usage"),
        (("turns", 0, "error"), {"type": 1}, "Failure"),
    ],
)
def test_what_is_wrong_is_said(place: tuple[str | int, ...], value: object, why: str) -> None:
    data = data_of(small_tree())
    if place == ("turns", 1, "id"):
        data["turns"][1]["id"] = data["turns"][0]["id"]
    else:
        inner: Any = data
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
    with pytest.raises(ShapeError, match=why):
        tree_of(data)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_file_is_a_conversation_or_a_shape_error(data: st.DataObject) -> None:
    """Any one value of a file replaced by any other: no other exception, and what is read can be written."""
    record = data_of(small_tree())
    inner: Any = record
    while True:
        steps = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        step = data.draw(st.sampled_from(steps))
        if isinstance(inner[step], dict | list) and inner[step] and data.draw(st.integers(0, 4)):
            inner = inner[step]
            continue
        inner[step] = data.draw(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({})
        )
        break
    try:
        tree = tree_of(record)
    except ShapeError:
        return
    written(tree)
