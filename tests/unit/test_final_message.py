"""What `on_message` hands out is what the SDK's `get_final_message()` gives, for every stream that the SDK reads to its end.

The SDK reads over real HTTP; ours goes through the decoder, the fold and the subscription. The differences that are meant:

- null is left out, by us of a message and of its usage (the SDK lets a null take the place of a count);
- of a call's input that is cut the SDK guesses what it would have been; we keep what came, as `partial_json`;
- what the SDK drops we keep: deltas of unknown types, and what usage and message hold beside the fields that it knows.
"""

import warnings
from typing import Any

import pytest

from tests.unit.odd_streams import ODD_STREAMS, OddStream, events_of
from tests.unit.sdk_streams import PARAMETERS, sdk_for
from tests.unit.store_values import conversation, running
from tests.unit.test_sdk_streams import DROPPED_USAGE, EXCEPTIONS, recorded
from tui_chat import turns
from tui_chat.events import Event, RequestStarted
from tui_chat.subscribers import Subscribers

__all__ = ["recorded"]  # a fixture
DROPPED_FIELDS = {
    "context_management",
    "input_transformations",
}  # of a message_delta, by the helper that is not the beta one


async def sdk_message(body: bytes) -> dict[str, Any] | None:
    """The SDK's final message, or None where it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic, on values of another type
        try:
            async with sdk_for(body) as client, client.messages.stream(**PARAMETERS) as stream:
                return (await stream.get_final_message()).to_dict(mode="json")
        except Exception:  # noqa: BLE001 - a dozen classes, AssertionError among them: which one is not the point
            return None


def told_message(body: bytes) -> dict[str, Any] | None:
    """What `on_message` is told of one request with that reply; None: nothing, for it is not complete."""
    subscribers, turn = Subscribers(), running(conversation())
    told: list[dict[str, Any]] = []
    subscribers.on_message(told.append)
    events, translator = events_of(body)
    all_events: list[Event] = [RequestStarted(0.0, "claude-x", 1), *events, translator.ended(0.0, translator.failure)]
    for event in all_events:
        turns.apply(turn, event)
        subscribers._tell(turn, event)
    assert len(told) <= 1
    return told[0] if told else None


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def comparable(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without the differences that are meant."""
    nulls = {name for name, value in theirs["usage"].items() if value is None}
    ours, theirs = without_nulls(ours), without_nulls(theirs)
    for block, other in zip(ours["content"], theirs["content"], strict=True):
        block.pop("unknown_deltas", None)
        if block.pop("partial_json", None) is not None:
            block.pop("input", None)
            other.pop("input", None)
    ours["usage"] = {name: value for name, value in ours["usage"].items() if name not in nulls | DROPPED_USAGE}
    for name in DROPPED_FIELDS:
        ours.pop(name, None)
        theirs.pop(name, None)
    return ours, {"type": "message", "role": "assistant", **theirs}  # some servers leave out what is always the same


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
async def test_our_streams(odd: OddStream) -> None:
    theirs, ours = await sdk_message(odd.body), told_message(odd.body)
    assert (ours is not None) == (odd.error is None)
    if ours is not None and theirs is not None and odd.name not in EXCEPTIONS:
        ours, theirs = comparable(ours, theirs)
        assert ours == theirs


async def test_the_streams_that_the_sdk_recorded(recorded: dict[str, bytes]) -> None:
    compared = []
    for name, body in recorded.items():
        theirs, ours = await sdk_message(body), told_message(body)
        if ours is not None and theirs is not None:
            assert (name, comparable(ours, theirs)[0]) == (name, comparable(ours, theirs)[1])
            compared.append(name)
    assert len(compared) >= len(recorded) - 2  # one it refuses, one is cut short
