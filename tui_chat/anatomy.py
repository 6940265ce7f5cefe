"""How a wait was made up: the stages of one request, what lay between the requests of a turn, and what a cancel took.

Why it exists: TTFT says how long, not where the time went. It must not know who shows it, nor read a clock: `now` is passed in.
Nothing is invented: a stamp that is not known ends no stage, its time belongs to the stage after it, and the stages always sum to
the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tui_chat.conversation import Outcome, Request, Stamps, Turn

StageName = Literal[
    "connecting",
    "waiting for headers",
    "opening",
    "to the first token",
    "to the first block",
    "hidden thinking",
    "thinking",
    "text",
    "tool input",
    "closing",
    "waiting for more",
]
PauseKind = Literal["before", "retry", "tools", "between", "after"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a request, from `start` to `end` in seconds since it was sent.

    `in_ttft`: a part of the time to first token, or of the wait for a token that has not come yet. `is_open`: it goes on, and
    `end` is now.
    """

    name: StageName
    start: float
    end: float
    in_ttft: bool = False
    is_open: bool = False

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return self.end - self.start


def stages(request: Request, now: float) -> list[Stage]:
    """The stages of `request` from its being sent to its end, or to `now` while it runs; in order, without a gap."""
    stamps = request.stamps
    over = _over(stamps)
    end = now if over is None else over
    found: list[Stage] = []
    at, open_name = stamps.sent, None
    for name, until in _boundaries(stamps, running=over is None):
        if until is None:
            open_name = open_name or name
        elif at <= until <= end:  # what an import brings may run backwards: then it is not known either
            found.append(_stage(stamps, name, at, until))
            at, open_name = until, None
    if over is not None and (open_name is None or _ended_by_itself(request)):
        open_name = "closing" if _ended_by_itself(request) else "waiting for more"
    if open_name is not None and (end > at or not found):
        found.append(_stage(stamps, open_name, at, max(at, end), is_open=over is None))
    return found


def _boundaries(stamps: Stamps, *, running: bool) -> list[tuple[StageName, float | None]]:
    """Each stage with the stamp that ends it, None while or where that is not known."""
    first, thought, text = stamps.first_delta, stamps.last_thinking, stamps.first_text
    last = None if running else stamps.last_delta  # while it runs the next delta is on its way
    head: list[tuple[StageName, float | None]] = [
        ("connecting", stamps.connected),
        ("waiting for headers", stamps.headers),
        ("opening", stamps.message_start),
    ]
    began = stamps.first_thinking
    if first is None or began is None or (text is not None and text < began):
        return [*head, ("to the first token", first), *([] if first is None else [_answer(stamps, last)])]
    if began < first and thought is None:  # a thinking block was opened, and none of it was sent
        return [*head, ("to the first block", began), ("hidden thinking", first), _answer(stamps, last)]
    head.append(("to the first token", first))
    if text is not None:
        return [*head, ("thinking", text), ("text", last)]
    if thought is not None and stamps.last_delta is not None and stamps.last_delta > thought:
        return [*head, ("thinking", thought), ("tool input", last)]
    return [*head, ("thinking", last)]


def _answer(stamps: Stamps, last: float | None) -> tuple[StageName, float | None]:
    return ("tool input" if stamps.first_text is None else "text"), last


def _stage(stamps: Stamps, name: StageName, start: float, end: float, *, is_open: bool = False) -> Stage:
    first = stamps.first_delta
    in_ttft = _over(stamps) is None if first is None else end <= first
    return Stage(
        name, start - stamps.sent, end - stamps.sent, in_ttft and name not in ("closing", "waiting for more"), is_open
    )


def _over(stamps: Stamps) -> float | None:
    return stamps.message_stop if stamps.ended is None else stamps.ended


def _ended_by_itself(request: Request) -> bool:
    """Whether the answer came to its end, an HTTP error included; else something broke off the stage that was open."""
    error = request.error
    return (
        request.stamps.message_stop is not None
        or request.stop_reason is not None
        or (error is not None and error.status is not None)
    )


@dataclass(frozen=True, slots=True)
class Pause:
    """What lay before a request of a turn, or after its last one; `seconds` so far if `is_open`."""

    kind: PauseKind
    seconds: float
    is_open: bool = False


def pauses(turn: Turn, now: float) -> list[Pause]:
    """One more than there are requests: what lay before each of them, and what came after the last."""
    found: list[Pause] = []
    before: Request | None = None
    at = turn.started
    for request in turn.requests:
        found.append(Pause(_kind(before), max(0.0, request.stamps.sent - at)))
        before, over = request, _over(request.stamps)
        at = request.stamps.sent if over is None else over
    end = now if turn.ended is None else turn.ended
    if before is not None and _over(before.stamps) is None:
        end = at  # it still runs
    kind = _kind(before)
    found.append(Pause("after" if kind == "between" else kind, max(0.0, end - at), turn.ended is None))
    return found


def _kind(before: Request | None) -> PauseKind:
    if before is None:
        return "before"
    if before.calls:
        return "tools"
    return "between" if before.error is None else "retry"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stopping a turn took, in seconds; None: not known (what was stored keeps only `key_to_closed`).

    The key is the moment its byte was read. `was_open`: a connection was open, and was closed; else the turn was between two
    requests, and `key_to_closed` is the time until it had stopped.
    """

    key_to_closed: float | None
    key_to_cancel: float | None
    key_to_saved: float | None
    was_open: bool

    @property
    def cancel_to_closed(self) -> float | None:
        """From our cancel to the closed connection."""
        return _between(self.key_to_cancel, self.key_to_closed)

    @property
    def closed_to_saved(self) -> float | None:
        """From the closed connection to the saved end."""
        return _between(self.key_to_closed, self.key_to_saved)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def receipt(turn: Turn) -> Receipt | None:
    """The receipt of a turn that was stopped; None if it was not."""
    if turn.outcome is not Outcome.CANCELLED:
        return None
    return Receipt(turn.closed_after, turn.cancelled_after, turn.saved_after, was_open(turn))


def was_open(turn: Turn) -> bool:
    """Whether the last request of a stopped turn was still being answered when it was stopped."""
    request = turn.request
    return request is not None and request.error is None and request.stop_reason is None and not request.calls


def cells(amounts: Sequence[float], width: int) -> list[int]:
    """How many of `width` cells each amount gets: its share, and one cell at least for what is more than nothing.

    They sum to `width` if any amount is more than nothing; with fewer cells than amounts the smallest get none.
    """
    total = sum(amounts)
    if total <= 0 or width <= 0:
        return [0] * len(amounts)
    order = sorted(range(len(amounts)), key=lambda place: -amounts[place])
    seen = [place for place in order if amounts[place] > 0][:width]
    given = [0] * len(amounts)
    for place in seen:
        given[place] = 1
    rest = width - len(seen)
    wanted = [max(0.0, amount * width / total - has) for amount, has in zip(amounts, given, strict=True)]
    scale = rest / sum(wanted) if sum(wanted) else 0.0
    exact = [amount * scale for amount in wanted]
    given = [has + int(more) for has, more in zip(given, exact, strict=True)]
    # What is left goes to those that were rounded down most; of equals to the earlier one.
    for place in sorted(range(len(amounts)), key=lambda each: int(exact[each]) - exact[each])[: width - sum(given)]:
        given[place] += 1
    return given
