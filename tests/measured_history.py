"""Weeks of turns with plausible figures, for the pictures and the tests of the statistics: `await measure(store)`.

Made up, by seeded chance, but by the real fold: some hit the cache, some are stopped, a few fail or are sent again, and two are the
demo's.
"""

import random
import time
from typing import Final

from tui_chat import turns
from tui_chat.conversation import Conversation, Message, Outcome, Tree, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockEnded,
    BlockStarted,
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.store import Store

_DAY: Final = 86_400.0
_MODELS: Final = (  # its share, its usual TTFT, its usual speed
    ("claude-sonnet-5-5", 0.6, 0.62, 74.0),
    ("claude-opus-5-5", 0.25, 1.15, 48.0),
    ("claude-haiku-4-5-20251001", 0.15, 0.38, 148.0),
)
_OVERLOADED: Final = Failure("overloaded_error", "Overloaded", status=529)


async def measure(store: Store, days: int = 26) -> None:
    """Put a conversation for each of the last `days` into `store`, but for the weekends."""
    chance, now = random.Random(6), time.time()
    for ago in range(days, -1, -1):
        at = now - ago * _DAY - 3_600
        if time.localtime(at).tm_wday >= 5:
            continue
        conversation = Conversation(f"measured{ago:024x}", at, "A day's work", "claude-sonnet-5-5", title_from="user")
        made: list[Turn] = []
        for number in range(chance.randint(6, 14)):
            made.append(_turn(chance, conversation, made[-1] if made else None, number, at + 240 * number))
        await store.library.add(Tree(conversation, made, made[-1].id))
    conversation = Conversation("measured-demo", now - 2 * _DAY, "A look at the demo", "claude-sonnet-5-5")
    first = _turn(chance, conversation, None, 1, now - 2 * _DAY, server="demo")
    second = _turn(chance, conversation, first, 2, now - 2 * _DAY + 60, server="demo")
    await store.library.add(Tree(conversation, [first, second], second.id))


def _turn(
    chance: random.Random,
    conversation: Conversation,
    before: Turn | None,
    number: int,
    at: float,
    *,
    server: str = "api.anthropic.com",
) -> Turn:
    model, _, usual_ttft, speed = chance.choices(_MODELS, [share for _, share, _, _ in _MODELS])[0]
    name = f"{conversation.id}-{number}"
    parent = None if before is None else before.reply_id if before.reply() is not None else before.prompt.id
    prompt = Message(f"{name}-p", parent, "user", ({"type": "text", "text": f"question {number + 1}"},), at)
    turn = turns.begin(TurnStarted(0.0, name, conversation.id, f"{name}-r", model, server, at, prompt))
    for event in _events(chance, model, number, usual_ttft, speed):
        turns.apply(turn, event)
    return turn


def _events(chance: random.Random, model: str, number: int, usual_ttft: float, speed: float) -> list[Event]:
    """One request, sometimes after another that was refused; its end is the reply's, the reader's, or the connection's."""
    events: list[Event] = []
    at, attempt, fate = 0.01, 1, chance.random()
    if fate > 0.97:
        events += [RequestStarted(at, model, 1), RequestEnded(at + 0.2, complete=False, error=_OVERLOADED)]
        events.append(RetryScheduled(at + 0.2, at + 1.4, 2, 3, _OVERLOADED))
        at, attempt = at + 1.4, 2
    is_cached = number > 1 and chance.random() < 0.8
    ttft = usual_ttft * chance.lognormvariate(0.0, 0.35) * (0.7 if is_cached else 1.0)
    if fate < 0.02:
        ttft *= 5
    tokens = chance.randint(60, 900)
    seconds = tokens / (speed * chance.lognormvariate(0.0, 0.15))
    grown = 400 + 900 * number
    usage = {
        "input_tokens": chance.randint(20, 300),
        "cache_read_input_tokens": grown if is_cached else 0,
        "cache_creation_input_tokens": 900 if is_cached else grown,
        "output_tokens": 1,
    }
    first, last = at + ttft, at + ttft + seconds
    events += [
        RequestStarted(at, model, attempt),
        RequestProgress(at + ttft * 0.4, "headers"),
        RequestProgress(at + ttft * 0.8, "message_start", model=model),
        UsageUpdated(at + ttft * 0.8, usage),
        BlockStarted(at + ttft * 0.9, 0, {"type": "text", "text": ""}),
        TextDelta(first, 0, "x" * 4),
    ]
    if 0.02 <= fate < 0.07:
        middle = first + seconds / 2
        events.append(TextDelta(middle, 0, "x" * 2 * tokens))
        events.append(RequestEnded(middle + 0.1, complete=False))
        return [*events, TurnEnded(middle + 0.1, Outcome.CANCELLED, None, {}, usage_is_final=False)]
    events.append(TextDelta(last, 0, "x" * 4 * tokens))
    if 0.07 <= fate < 0.085:
        cut = Failure("cut_off", "the connection closed before the reply ended")
        events.append(RequestEnded(last + 0.1, complete=False, error=cut))
        return [*events, TurnEnded(last + 0.1, Outcome.FAILED, None, {}, usage_is_final=False, error=cut)]
    return [
        *events,
        BlockEnded(last + 0.01, 0),
        UsageUpdated(last + 0.02, {"output_tokens": tokens}, final=True),
        RequestEnded(last + 0.03, complete=True, stop_reason="end_turn"),
        TurnEnded(last + 0.04, Outcome.COMPLETED, "end_turn", {}, usage_is_final=True),
    ]
