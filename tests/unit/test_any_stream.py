"""Bodies that nobody thought of: recorded ones with values replaced or bytes damaged. Whatever comes, a turn ends in order.

From the bytes to the footer: decoder, translator, fold, journal's JSON, figures, words, and the request that follows. And
however a body is cut into chunks, the turn is the same.
"""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lanes import EVERYTHING, lane
from tests.unit.grammar import check_turn
from tests.unit.legal import why_refused
from tests.unit.odd_streams import ODD_STREAMS, OddStream, events_of
from tests.unit.store_values import prompt
from tui_chat import meter, turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.engine.history import messages_for, outgoing
from tui_chat.errors import Failure
from tui_chat.events import Event, RequestStarted, TurnEnded, TurnStarted, from_json, to_json
from tui_chat.prices import PriceList
from tui_chat.store import values
from tui_chat.ui import wording

MODEL = "claude-sonnet-5-5"
CUTS = 10_000 if EVERYTHING else 200  # bodies that are cut somewhere
PRICES = PriceList.load()
QUESTION = prompt()
odd_streams = st.sampled_from(ODD_STREAMS)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking", "text_delta", "error", "message_start"])
)
replacements: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "index"]), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside `value`."""
    found = [path]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += places(inner, (*path, place))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    return copy


@st.composite
def altered(draw: st.DrawFn) -> bytes:
    """A body in which some values are others, and some events come twice, elsewhere or not at all."""
    lines = draw(odd_streams).body.decode(errors="replace").split("\n")
    whole = [place for place, line in enumerate(lines) if line.startswith("data: {") and _is_json(line[6:])]
    for place in draw(st.lists(st.sampled_from(whole), max_size=3)) if whole else ():
        data = json.loads(lines[place][6:])
        lines[place] = "data: " + json.dumps(replaced(data, draw(st.sampled_from(places(data))), draw(replacements)))
    frames = "\n".join(lines).split("\n\n")
    order = draw(st.none() | st.lists(st.sampled_from(range(len(frames))), max_size=len(frames)))
    if order is not None:
        frames = (
            [frames[place] for place in sorted(order)] if draw(st.booleans()) else [frames[place] for place in order]
        )
    return ("\n\n".join(frames) + "\n\n").encode(errors="replace")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def check(body: bytes) -> None:
    """Everything that a turn with this body goes through."""
    inner, translator = events_of(body)
    failure = translator.failure or (None if translator.complete else Failure("cut_off", ""))
    events: list[Event] = [
        TurnStarted(0.0, "turn", "conversation", "reply", MODEL, "api.anthropic.com", 1.7e9, prompt()),
        RequestStarted(0.0, MODEL, 1),
        *inner,
    ]
    request_ended = translator.ended(0.0, failure)
    outcome = Outcome.COMPLETED if translator.complete else Outcome.FAILED
    ended = TurnEnded(
        request_ended.at + 1, outcome, translator.stop_reason, {}, usage_is_final=False, error=request_ended.error
    )
    events += [request_ended, ended]
    check_turn(events)
    turn = turns.fold(events)
    assert turns.fold([from_json(json.loads(values.to_json(to_json(event)))) for event in events]).outcome is outcome
    for event in events:
        json.dumps(to_json(event), allow_nan=False)
    rows = values.request_rows(turn)
    assert all(isinstance(value, str | int | float | bytes | None) for row in rows for value in row.values())
    assert all(not isinstance(value, int) or abs(value) < 2**63 for row in rows for value in row.values())
    figures = meter.figures(turn, request_ended.at + 2, meter.Ratios(), PRICES)
    for count in (figures.input_tokens, figures.output_tokens, figures.context_tokens):
        assert count is None or count >= 0
    footer = wording.footer(turn, figures, goes_out=bool(outgoing([turn])))
    assert "\n" not in footer.text
    assert footer.text.isprintable() or not footer.text.isascii()
    messages = messages_for([turn], prompt("and now?"), MODEL)
    assert why_refused(messages) is None
    json.dumps(messages, ensure_ascii=False).encode()


@st.composite
def cut(draw: st.DrawFn) -> tuple[OddStream, list[int]]:
    """A body and where it is cut: anywhere, or after every so many bytes."""
    odd = draw(odd_streams)
    size = len(odd.body)
    regular = st.integers(1, 100).map(lambda step: list(range(step, size, step)))
    return odd, draw(st.lists(st.integers(0, size), max_size=30).map(sorted) | regular)


def turn_of(body: bytes, cuts: Iterable[int] = ()) -> Turn:
    """The turn with one request that brought `body`; all stamps are 0.0."""
    events, translator = events_of(body, cuts)
    ended = translator.ended(0.0, translator.failure)
    started = TurnStarted(0.0, "turn", "conversation", "reply", MODEL, "api.anthropic.com", 1.7e9, QUESTION)
    return turns.fold([started, RequestStarted(0.0, MODEL, 1), *events, ended])


@lane(seconds=300)
@settings(deadline=None, max_examples=CUTS)
@given(cut())
def test_any_cut_gives_the_same_turn(cut_stream: tuple[OddStream, list[int]]) -> None:
    odd, cuts = cut_stream
    assert turn_of(odd.body, cuts) == turn_of(odd.body)


@settings(deadline=None, max_examples=300)
@given(altered())
def test_other_values_and_another_order(body: bytes) -> None:
    check(body)


@settings(deadline=None)
@given(odd_streams, st.data())
def test_damaged_bytes(odd: OddStream, data: st.DataObject) -> None:
    body = bytearray(odd.body)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=5)):
        body[place] = data.draw(st.integers(0, 255))
    check(bytes(body[: data.draw(st.integers(0, len(body)))]))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    check(body)
