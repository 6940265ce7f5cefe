"""The order of events, as the docstring of `tui_chat.events` draws it, in a form that says where a sequence breaks it."""

from collections.abc import Iterable, Sequence

from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Event,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)


def check_turn(events: Sequence[Event]) -> None:
    """`turn = TurnStarted (request (RetryScheduled | tool*))* TurnEnded`; AssertionError with the place otherwise."""
    assert events, "no events at all"
    assert isinstance(events[0], TurnStarted), f"begins with {events[0]}"
    assert isinstance(events[-1], TurnEnded), f"ends with {events[-1]}"
    check_requests([event for event in events[1:-1] if not isinstance(event, ToolEvent)])
    check_tools(events)
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


def check_tools(events: Iterable[Event]) -> None:
    """`tool = ToolProposed (ApprovalRequested ApprovalAnswered)? (ToolStarted ToolEnded | ToolSkipped)`, for each id."""
    open_request, states = False, dict[str, str]()
    for place, event in enumerate(events):
        where = f"event {place}: {event}"
        match event:
            case RequestStarted() | TurnEnded():
                assert set(states.values()) <= {"over"}, f"calls have no result, {where}"
                open_request, states = isinstance(event, RequestStarted), {}
            case RequestEnded():
                open_request = False
            case ToolProposed():
                assert event.tool_use_id not in states, f"proposed twice, {where}"
                states[event.tool_use_id] = "proposed"
            case ApprovalRequested() | ApprovalAnswered() | ToolStarted() | ToolEnded() | ToolSkipped():
                before, after = _TOOL_STEPS[type(event)]
                assert states.get(event.tool_use_id) in before, where
                states[event.tool_use_id] = after
            case _:
                continue
        assert not (open_request and isinstance(event, ToolEvent)), f"inside a request, {where}"


ToolEvent = ToolProposed | ApprovalRequested | ApprovalAnswered | ToolStarted | ToolEnded | ToolSkipped
_TOOL_STEPS = {
    ApprovalRequested: (("proposed",), "asking"),
    ApprovalAnswered: (("asking",), "answered"),
    ToolStarted: (("proposed", "answered"), "started"),
    ToolEnded: (("started",), "over"),
    ToolSkipped: (("proposed", "answered"), "over"),
}


def check_stamps(events: Iterable[Event]) -> None:
    """Stamps never go backwards."""
    latest = float("-inf")
    for event in events:
        assert event.at >= latest, f"earlier than the event before: {event}"
        latest = event.at
