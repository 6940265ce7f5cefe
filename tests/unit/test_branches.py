"""The tree in memory: which turns are versions of each other, what was left stays reachable, and the path is always one."""

import dataclasses
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store_values import prompt
from tests.unit.test_history import reply_of, text, turn_of
from tui_chat.branches import Branches, message_before
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.errors import UsageError

_numbers = count(1)


def turn_at(parent_id: str | None, name: str = "", *, answered: bool = True) -> Turn:
    """A turn whose prompt follows that message."""
    name = name or f"turn {next(_numbers)}"
    made = reply_of(text("well")) if answered else turn_of(outcome=Outcome.FAILED)
    return dataclasses.replace(made, id=name, reply_id=f"reply of {name}", prompt=prompt(name, parent_id))


class Talk:
    """A conversation and its branches."""

    def __init__(self) -> None:
        self.conversation = Conversation("conversation", 1.7e9)
        self.branches = Branches(self.conversation)

    @property
    def path(self) -> list[str]:
        return [turn.id for turn in self.conversation.turns]

    def say(self, name: str, place: int | None = None, *, answered: bool = True) -> Turn:
        """A turn that begins at a place of the path, at its end if not said otherwise."""
        turns = self.conversation.turns
        place = len(turns) if place is None else place
        turn = turn_at(message_before(turns, place), name, answered=answered)
        self.branches.follow([*turns[:place], turn])
        return turn

    def go(self, name: str) -> None:
        path = self.branches.path_to(name)
        assert path is not None
        self.branches.follow(path)


def talk_of_three() -> tuple[Talk, Turn, Turn, Turn]:
    talk = Talk()
    return talk, talk.say("a"), talk.say("b"), talk.say("c")


def test_a_version_takes_its_place_and_what_was_there_comes_back_with_what_followed() -> None:
    talk, a, b, c = talk_of_three()
    assert talk.conversation.versions == {}
    edited = talk.say("a2", 0)
    assert talk.path == ["a2"]
    assert talk.conversation.versions == {"a2": ("a", "a2")}
    talk.say("d")
    talk.go("a")
    assert talk.path == ["a", "b", "c"]
    assert talk.conversation.versions == {"a": ("a", "a2")}
    assert [talk.branches.versions(each) for each in (b, c, edited)] == [("b",), ("c",), ("a", "a2")]
    talk.go("a2")
    assert talk.path == ["a2", "d"]
    talk.go("c")
    assert talk.conversation.turns == [a, b, c]


def test_the_leaf_last_seen_below_a_version_comes_back_with_it() -> None:
    talk, *_ = talk_of_three()
    talk.say("b2", 1)
    talk.say("c2")
    talk.say("a2", 0)
    talk.go("a")
    assert talk.path == ["a", "b2", "c2"]
    talk.go("b")
    talk.go("a2")
    talk.go("a")
    assert talk.path == ["a", "b", "c"]
    talk.go("c2")
    assert talk.path == ["a", "b2", "c2"]


def test_turns_of_one_prompt_are_versions_too() -> None:
    talk, a, _, _ = talk_of_three()
    again = dataclasses.replace(reply_of(text("other")), id="a'", reply_id="reply of a'", prompt=a.prompt)
    talk.branches.follow([again])
    assert talk.branches.versions(again) == ("a", "a'")
    assert talk.branches.place(a) == talk.branches.place(again) == 0


def test_a_place_is_found_though_another_version_stands_there() -> None:
    talk, a, b, c = talk_of_three()
    talk.say("b2", 1)
    assert [talk.branches.place(each) for each in (a, b)] == [0, 1]
    with pytest.raises(UsageError, match="another branch"):
        talk.branches.place(c)


def test_what_follows_a_turn_without_a_reply_hangs_below_its_prompt() -> None:
    talk = Talk()
    failed = talk.say("failed", answered=False)
    after = talk.say("after")
    assert after.prompt.parent_id == failed.prompt.id
    again = dataclasses.replace(reply_of(text("well")), id="again", reply_id="reply", prompt=failed.prompt)
    talk.branches.follow([again])
    assert talk.path == ["again"]
    talk.go("after")
    assert talk.path == ["failed", "after"]


def test_deleting_shows_the_neighbour_and_is_undone() -> None:
    talk, a, _, _ = talk_of_three()
    second = talk.say("a2", 0)
    third = talk.say("a3", 0)
    talk.go("a2")
    assert talk.branches.delete(second, "deletion") == "a"
    assert talk.path == []
    assert talk.branches.path_to("a2") is None
    talk.go("a")
    assert talk.conversation.versions == {"a": ("a", "a3")}
    fourth = talk.say("a4", 0)
    path = talk.branches.restore("deletion")
    assert path == [second]
    talk.branches.follow(path)
    assert talk.path == ["a2"]
    assert talk.branches.versions(a) == ("a", "a2", "a3", "a4")
    assert talk.branches.delete(second, "once more") == "a"
    assert talk.branches.versions(third) == talk.branches.versions(fourth) == ("a", "a3", "a4")
    assert talk.branches.restore("unknown") is None


def test_deleting_the_first_of_two_shows_the_second_and_the_last_of_all_nothing() -> None:
    talk, a, b, _ = talk_of_three()
    second = talk.say("a2", 0)
    talk.go("a")
    assert talk.branches.delete(a, "one") == "a2"
    talk.go("a2")
    assert talk.conversation.versions == {}
    assert talk.branches.delete(second, "two") is None
    assert talk.conversation.turns == []
    path = talk.branches.restore("one")
    assert path is not None
    talk.branches.follow(path)
    assert talk.path == ["a", "b", "c"]
    assert talk.branches.delete(b, "three") is None
    assert talk.path == ["a"]


def test_what_the_store_knows_is_taken_in_and_what_memory_knows_is_kept() -> None:
    talk, a, _, _ = talk_of_three()
    assert talk.branches.learn([a], {"a": ("other", "a")})
    assert not talk.branches.learn([a], {"a": ("a", "other")})
    assert talk.branches.versions(a) == ("a", "other")
    assert talk.branches.path_to("other") is None  # it has to be read
    copy = dataclasses.replace(a, outcome=None)
    talk.branches.follow([turn_at(None, "other")])
    talk.branches.follow([copy])
    assert talk.conversation.turns == [a]  # what is known may hold an end that could not be stored
    talk.branches.forget("other")
    assert talk.conversation.versions == {}


def test_what_was_never_shown_is_a_version_like_others() -> None:
    talk, a, b, c = talk_of_three()
    abandoned = turn_at(c.reply_id, "abandoned")
    talk.branches.keep([a, b, c, abandoned])
    assert talk.path == ["a", "b", "c"]
    last = talk.say("d")
    assert talk.branches.versions(last) == ("abandoned", "d")
    talk.go("abandoned")
    assert talk.path == ["a", "b", "c", "abandoned"]


class Model:
    """What must hold: a tree of names, by parent, oldest first, without what was deleted."""

    def __init__(self) -> None:
        self.children: dict[str | None, list[Turn]] = {}
        self.deleted: list[tuple[str, Turn]] = []

    def hidden(self, turn: Turn) -> bool:
        """Whether it or anything above it is deleted."""
        every = {reply: each for row in self.children.values() for each in row for reply in (each.reply_id,)}
        here: Turn | None = turn
        while here is not None:
            if any(here is each for _, each in self.deleted):
                return True
            here = every.get(here.prompt.parent_id or "")
        return False

    @property
    def live(self) -> list[Turn]:
        return [each for row in self.children.values() for each in row if not self.hidden(each)]


@given(st.data())
def test_nothing_is_ever_lost(data: st.DataObject) -> None:
    talk, model = Talk(), Model()
    for step in range(data.draw(st.integers(1, 25), "steps")):
        turns = talk.conversation.turns
        action = data.draw(st.sampled_from(["say", "say", "version", "go", "delete", "restore"]), "action")
        if action == "say" or (action == "version" and not turns):
            said = talk.say(f"{step}")
            model.children.setdefault(said.prompt.parent_id, []).append(said)
        elif action == "version":
            said = talk.say(f"{step}", data.draw(st.integers(0, len(turns) - 1), "place"))
            model.children.setdefault(said.prompt.parent_id, []).append(said)
        elif action == "go" and model.live:
            wanted = data.draw(st.sampled_from(model.live), "wanted")
            talk.go(wanted.id)
            assert wanted.id in talk.path
        elif action == "delete" and turns:
            turn = data.draw(st.sampled_from(turns), "deleted")
            neighbour = talk.branches.delete(turn, f"deletion {step}")
            model.deleted.append((f"deletion {step}", turn))
            assert (neighbour is None) == all(model.hidden(each) for each in model.children[turn.prompt.parent_id])
            if neighbour is not None:
                talk.go(neighbour)
        elif action == "restore" and model.deleted:
            deletion_id, turn = model.deleted.pop()
            path = talk.branches.restore(deletion_id)
            assert path is not None
            talk.branches.follow(path)
            assert turn.id in talk.path
        for before, after in pairwise(talk.conversation.turns):
            assert after.prompt.parent_id == before.reply_id
        for turn in model.live:
            path = talk.branches.path_to(turn.id)
            assert path is not None
            assert any(each is turn for each in path)
            siblings = [each.id for each in model.children[turn.prompt.parent_id] if not model.hidden(each)]
            assert talk.branches.versions(turn) == tuple(siblings)
        assert talk.conversation.versions == {
            turn.id: ids for turn in talk.conversation.turns if len(ids := talk.branches.versions(turn)) > 1
        }
