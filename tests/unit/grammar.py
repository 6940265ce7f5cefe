"""The order of events, as the docstring of `tui_chat.events` draws it, in a form that says where a sequence breaks it."""

from collections.abc import Iterable, Sequence

from tui_chat.events import (
    Event,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    TurnEnded,
    TurnStarted,
)


def check_turn(events: Sequence[Event]) -> None:
    """`turn = TurnStarted request* TurnEnded`; AssertionError with the place otherwise."""
    assert events, "no events at all"
    assert isinstance(events[0], TurnStarted), f"begins with {events[0]}"
    assert isinstance(events[-1], TurnEnded), f"ends with {events[-1]}"
    check_requests(events[1:-1])
    check_stamps(events)


def check_requests(events: Iterable[Event]) -> None:
    """`request = RequestStarted content* RequestEnded RetryScheduled?`, any number of times."""
    open_request = False
    previous: Event | None = None
    attempts: list[int] = []
    for place, event in enumerate(events):
        where = f"event {place}: {event}"
        match event:
            case TurnStarted() | TurnEnded():
                raise AssertionError(f"inside the turn, {where}")
            case RequestStarted():
                assert not open_request, f"the request before has not ended, {where}"
                expected = attempts[-1] + 1 if isinstance(previous, RetryScheduled) else 1
                assert event.attempt == expected, where
                attempts.append(event.attempt)
                open_request = True
            case RequestEnded():
                assert open_request, f"no request to end, {where}"
                assert not (event.complete and event.error), f"complete and failed, {where}"
                open_request = False
            case RetryScheduled():
                assert isinstance(previous, RequestEnded), f"not after a request, {where}"
                assert previous.error is not None, f"nothing failed, {where}"
                assert event.attempt == attempts[-1] + 1 <= event.of, where
                assert event.resume_at >= event.at, where
            case _:
                assert open_request, f"outside a request, {where}"
        previous = event
    assert not open_request, "the last request has no end"


def check_stamps(events: Iterable[Event]) -> None:
    """Stamps never go backwards."""
    latest = float("-inf")
    for event in events:
        assert event.at >= latest, f"earlier than the event before: {event}"
        latest = event.at
