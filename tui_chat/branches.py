"""The tree of one conversation as far as its session knows it: which turns are versions of each other, and paths that were left.

A turn's place is what its prompt follows. Turns at one place are versions of each other: an edited prompt, a regenerated reply, a
failed turn that was sent again, what another window said there. One of them is on the current path. A path that is left is
remembered whole, so going back is at once and brings what followed it; what could not be stored stays reachable that way, too.

It must not know stores, and it changes nothing but the conversation's path.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tui_chat.conversation import Conversation, Message, Turn
from tui_chat.errors import UsageError


@dataclass(frozen=True, slots=True)
class _Deleted:
    """A version that was deleted with what followed it, as it is brought back."""

    turn: Turn
    path: list[Turn]  # the one it was on
    versions: tuple[str, ...]  # at its place, before
    left: dict[str, list[Turn]]


class Branches:
    """The versions and paths of `conversation`, whose `turns` and `versions` are changed here only."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._versions: dict[str | None, tuple[str, ...]] = {}  # the ids of all turns at a place, oldest first
        self._left: dict[str, list[Turn]] = {}  # paths that were left, by the turn from which on they were
        self._deleted: dict[str, _Deleted] = {}
        self.learn(conversation.turns, conversation.versions)

    # Asking --------------------------------------------------------------------------------------------------------

    def versions(self, turn: Turn) -> tuple[str, ...]:
        """The ids of all versions of `turn`, oldest first, its own among them."""
        return self._versions.get(turn.prompt.parent_id, (turn.id,))

    def place(self, turn: Turn) -> int:
        """Where on the path a version of `turn` stands, or would stand.

        Raises:
            UsageError: what it follows is not on the path.

        """
        return self.place_of(turn.prompt)

    def place_of(self, prompt: Message) -> int:
        """Where on the path a turn of `prompt` stands, or would stand. Raises as `place`."""
        turns, parent = self._conversation.turns, prompt.parent_id
        for place in range(len(turns) - 1, -1, -1):
            if turns[place].prompt.parent_id == parent:
                return place
        if parent == message_before(turns, len(turns)):
            return len(turns)
        raise UsageError("that prompt is on another branch", "go to its branch first")

    def path_to(self, turn_id: str) -> list[Turn] | None:
        """The path over that turn as it was last seen; None: it was not."""
        paths = [self._conversation.turns, *self._left.values()]
        return self._left.get(turn_id) or next(
            (path for path in paths if any(turn.id == turn_id for turn in path)), None
        )

    # What happens --------------------------------------------------------------------------------------------------

    def learn(self, turns: Sequence[Turn], versions: Mapping[str, tuple[str, ...]]) -> bool:
        """Take in what the store knows of the places of `turns`; returns whether any version was unknown."""
        deleted = {each.turn.id for each in self._deleted.values()}
        grown = False
        for turn in turns:
            known = self._versions.get(turn.prompt.parent_id, ())
            found = [each for each in versions.get(turn.id, (turn.id,)) if each not in deleted]
            grown = grown or not {*found} <= {turn.id, *known}
            self._versions[turn.prompt.parent_id] = tuple(dict.fromkeys((*found, *known)))
        self._publish()
        return grown

    def forget(self, turn_id: str) -> None:
        """That version is gone for good."""
        self._left.pop(turn_id, None)
        self._versions = {
            place: tuple(each for each in ids if each != turn_id) if turn_id in ids else ids
            for place, ids in self._versions.items()
        }
        self._publish()

    def follow(self, path: Sequence[Turn]) -> bool:
        """Make `path` the current one; what stands there now stays reachable. Returns whether that changed anything."""
        turns = self._conversation.turns
        known = {turn.id: turn for each in self._left.values() for turn in each}
        split = _split(turns, path)
        if split == len(turns) == len(path):
            return False
        if split < len(turns):
            self._left[turns[split].id] = turns[:]
        # What was read again gives way to what is known: that may hold what could not be stored.
        turns[split:] = [known.get(turn.id, turn) for turn in path[split:]]
        for turn in turns[split:]:
            ids = self._versions.get(turn.prompt.parent_id, ())
            self._versions[turn.prompt.parent_id] = ids if turn.id in ids else (*ids, turn.id)
            if (before := self._left.pop(turn.id, None)) is not None and (at := _split(before, turns)) < len(before):
                self._left.setdefault(before[at].id, before)
        self._publish()
        return True

    def keep(self, path: list[Turn]) -> None:
        """Remember `path`, which was never shown: its last turn is a version like others."""
        turn = path[-1]
        ids = self._versions.get(turn.prompt.parent_id, ())
        self._versions[turn.prompt.parent_id] = ids if turn.id in ids else (*ids, turn.id)
        self._left[turn.id] = path
        self._publish()

    def delete(self, turn: Turn, deletion_id: str) -> str | None:
        """Take `turn` off the path, with what follows it; returns the id of the version that stands in for it."""
        turns, parent = self._conversation.turns, turn.prompt.parent_id
        ids = self.versions(turn)
        left = {each: path for each, path in self._left.items() if any(step is turn for step in path)}
        self._deleted[deletion_id] = _Deleted(turn, turns[:], ids, left)
        self._left = {each: path for each, path in self._left.items() if each not in left}
        at = ids.index(turn.id)
        self._versions[parent] = others = (*ids[:at], *ids[at + 1 :])
        del turns[self.place(turn) :]
        self._publish()
        return others[max(0, at - 1)] if others else None

    def restore(self, deletion_id: str) -> list[Turn] | None:
        """Know the deleted version again; returns the path that it was on, None if it was not this tree's."""
        deleted = self._deleted.pop(deletion_id, None)
        if deleted is None:
            return None
        parent = deleted.turn.prompt.parent_id
        now = self._versions.get(parent, ())
        before = [each for each in deleted.versions if each in now or each == deleted.turn.id]
        self._versions[parent] = tuple(dict.fromkeys((*before, *now)))
        self._left = {**deleted.left, **self._left}
        return deleted.path

    def _publish(self) -> None:
        turns = self._conversation.turns
        self._conversation.versions = {turn.id: ids for turn in turns if len(ids := self.versions(turn)) > 1}


def message_before(turns: Sequence[Turn], place: int) -> str | None:
    """The message that a prompt at `place` follows: the reply before it, or the prompt of a turn without one."""
    if place == 0:
        return None
    before = turns[place - 1]
    return before.prompt.id if before.reply() is None else before.reply_id


def _split(path: Sequence[Turn], other: Sequence[Turn]) -> int:
    """The first place at which two paths differ."""
    for place, (turn, each) in enumerate(zip(path, other, strict=False)):
        if turn.id != each.id:
            return place
    return min(len(path), len(other))
