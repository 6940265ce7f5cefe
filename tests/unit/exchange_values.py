"""Trees for the tests of the exchange: made by the real fold, of every shape, as loading them from a store would give."""

import dataclasses
from typing import Any

from hypothesis import strategies as st

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
from tui_chat import meter
from tui_chat.conversation import Block, Conversation, Message, Outcome, Request, SideRequest, Stamps, Tree, Turn
from tui_chat.events import TurnEnded
from tui_chat.meter import Figures, Ratios
from tui_chat.prices import PriceList
from tui_chat.usage import Usage

_PRICES = PriceList.load()


def figures(turn: Turn) -> Figures:
    return meter.figures(turn, 0.0, Ratios(), _PRICES)


def simple_turn(owner: Conversation, question: str, reply: str, parent: str | None = None) -> Turn:
    """A completed turn, as it comes from the store."""
    turn = running(owner, prompt(question, parent))
    take(turn, content(reply))
    end(turn)
    return stored(turn)


def said(question: str, *blocks: dict[str, Any], **fields: Any) -> Conversation:
    """A conversation of one turn with these blocks as its reply."""
    owner = conversation()
    turn = simple_turn(owner, question, "x")
    turn.requests[0].blocks = {place: Block(place, block, ended=True) for place, block in enumerate(blocks)}
    owner.turns = [turn]
    return dataclasses.replace(owner, **fields)


def small_tree() -> Tree:
    """Two versions of a reply, the second of them followed by another turn, whose prompt has two versions."""
    owner = conversation()
    first = simple_turn(owner, "how many?", "three")
    again = dataclasses.replace(simple_turn(owner, "", "four"), prompt=first.prompt)
    after = simple_turn(owner, "sure?", "yes", again.reply_id)
    edited = simple_turn(owner, "really sure?", "no", again.reply_id)
    return Tree(owner, [first, again, after, edited], after.id)


@st.composite
def turns_of(draw: st.DrawFn, owner: Conversation, question: Message) -> Turn:
    """One ended turn, whatever happened in it."""
    turn = running(owner, question, started_at=draw(st.floats(1e9, 2e9)))
    take(turn, draw(event_lists(1000.0)))
    outcome, stop_reason = draw(st.sampled_from(Outcome)), draw(st.none() | texts)
    closed_after = draw(st.none() | st.floats(0, 9))
    error = draw(st.none() | failures)
    take(turn, [TurnEnded(2e4, outcome, stop_reason, {}, usage_is_final=draw(st.booleans()), error=error, closed_after=closed_after)])  # fmt: skip
    turn.in_context = draw(st.booleans())
    turn.copy_of = draw(st.none() | st.just(new_id("turn")))
    return stored(turn)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A conversation with up to four turns, each following or beside an earlier one."""
    owner = conversation()
    owner.title, owner.draft = draw(texts), draw(texts)
    owner.system, owner.effort, owner.place = draw(st.none() | texts), draw(st.none() | texts), draw(st.none() | texts)
    owner.queued = tuple(draw(st.lists(texts, max_size=2)))
    owner.pinned = draw(st.booleans())
    owner.title_from = draw(st.sampled_from(["prompt", "model", "user"]))
    owner.origin = draw(st.none() | json_objects)
    owner.side_requests = tuple(
        SideRequest("title", "claude-x", "api.anthropic.com", draw(st.floats(0, 2e9)), Usage(draw(json_objects)), draw(st.booleans()))
        for _ in range(draw(st.integers(0, 2)))
    )  # fmt: skip
    found: list[Turn] = []
    kinds = st.sampled_from(["first", "again", "after", "after", "after"])
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(kinds) if found else "first"
        before = None if kind == "first" else found[draw(st.integers(0, len(found) - 1))]
        if before is not None and kind == "again":
            question = before.prompt
        else:
            parent = None if before is None else before.prompt.id if before.reply() is None else before.reply_id
            blocks = tuple(draw(st.lists(json_objects, max_size=2)))
            question = dataclasses.replace(
                prompt(parent=parent), blocks=blocks, unfinished=(1,) * draw(st.integers(0, 1)), continues=draw(st.booleans())
            )  # fmt: skip
        found.append(draw(turns_of(owner, question)))
    return Tree(owner, found, found[draw(st.integers(0, len(found) - 1))].id)


def request(*blocks: dict[str, Any]) -> Request:
    return Request("claude-x", 1, Stamps(0.0), {at: Block(at, block, ended=True) for at, block in enumerate(blocks)})
