"""Which turns of a conversation belong together, and which go out: pure questions about the current path.

A continuation belongs to the turn that it goes on from; both go out, or neither. It must not know requests or stores.
"""

from collections.abc import Sequence
from typing import Final

from tui_chat.conversation import Outcome, Turn
from tui_chat.engine.history import outgoing, turn_blamed

_EARLY: Final = ("max_tokens", "pause_turn", "tool_use")  # stop reasons of replies that are not complete


def goes_out(turns: Sequence[Turn], turn: Turn) -> bool:
    """Whether `turn` is part of the next request."""
    return any(each is turn for each in outgoing(chain(turns, turn)))


def chain(turns: Sequence[Turn], turn: Turn) -> list[Turn]:
    """`turn`, and before it what it goes on from, if it does."""
    found = [turn]
    if turn.prompt.continues:
        place = place_of(turns, turn)
        while place and found[0].prompt.continues:
            place -= 1
            found.insert(0, turns[place])
    return found


def place_of(turns: Sequence[Turn], turn: Turn) -> int:
    """The index of `turn` itself, not of one that is equal; asked mostly of late ones."""
    return next(place for place in range(len(turns) - 1, -1, -1) if turns[place] is turn)


def open_end(turns: Sequence[Turn]) -> Turn | None:
    """The turn that a continuation would go on from: the last one, or the one before, if a continuation brought nothing."""
    for turn in reversed(turns):
        if turn.prompt.continues and not turn.is_answered:
            continue
        early = turn.outcome is not Outcome.COMPLETED or turn.stop_reason in _EARLY
        return turn if turn.outcome is not None and early and turn.is_answered else None
    return None


def blamed(turns: Sequence[Turn], turn: Turn) -> Turn | None:
    """The earlier turn that made the API refuse the request of `turn`, the last one, as far as its words tell."""
    if turn.error is None or turn.error.status not in (400, 422) or turn is not turns[-1]:
        return None
    return turn_blamed(turn.error.message, turns[: place_of(turns, turn)], turn.model)
