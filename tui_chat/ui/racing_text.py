"""A race in words: what stands above each column, in the switcher, and in the last line. Values in, fields out.

Numbers are those of the meter, as in the status bar, so a column says of its turn what the log will say of it later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tui_chat.conversation import Outcome, Turn
from tui_chat.meter import Figures
from tui_chat.racing import Lane, Race
from tui_chat.runtime import Runtime
from tui_chat.session import State
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.status_fields import running_state
from tui_chat.ui.wording import Field

_BROKEN: Final = {"cut_off": "cut off", "interrupted": "interrupted", "timed_out": "timed out"}
_SWITCH_GAP: Final = 2  # columns between two names in the switcher


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """What is to be said of one lane now. `brief` is its state in a word; `note` stands above its answer."""

    number: int
    model: str
    state: str
    brief: str
    tone: str = ""
    note: str = ""
    figures: Figures | None = None
    rolling: float | None = None
    running: bool = True
    focused: bool = False
    showed_first: bool = False
    finished_first: bool = False


def lane_status(
    race: Race, lane: Lane, runtime: Runtime, now: float, rate: float | None, *, focused: Lane
) -> LaneStatus:
    """What `lane` looks like at `now` (monotonic seconds); `rate` is its rolling tok/s."""
    turn = lane.turn
    state, tone, brief = _state(lane, turn, now)
    return LaneStatus(
        lane.number,
        lane.model,
        state,
        brief,
        tone,
        _note(lane, turn),
        runtime.figures(turn, now) if turn is not None else None,
        rate,
        running=not lane.ended,
        focused=lane is focused,
        showed_first=lane is race.first_to_show,
        finished_first=lane is race.first_to_finish,
    )


def _state(lane: Lane, turn: Turn | None, now: float) -> tuple[str, str, str]:
    """The state with its clock, its tone, and the state in a word."""
    if lane.refusal is not None:
        return "did not begin", "error", "no start"
    if turn is None:
        return "saving", "", "saving"
    if turn.outcome is None:
        state, tone = running_state(turn, now, lane.session.state)
        return state.rstrip(), tone, state.split()[0]
    if lane.session.state is State.SAVING:
        return "saving", "", "saving"
    sent = turn.requests[0].stamps.sent if turn.requests else turn.started
    after = wording.clock((turn.ended or now) - sent)
    match turn.outcome:
        case Outcome.CANCELLED:
            return f"stopped at {after}", "warm", "stopped"
        case Outcome.FAILED:
            word = _BROKEN.get(turn.error.type if turn.error else "", "failed")
            return f"{word} at {after}", "error", word
        case _:
            early = turn.stop_reason not in (None, "end_turn", "stop_sequence")
            end = f" {sanitise_line(turn.stop_reason or '')}" if early else ""
            return f"done in {after}{end}", "warm" if early else "", "done"


def _note(lane: Lane, turn: Turn | None) -> str:
    if lane.refusal is not None:
        return sanitise_line(lane.refusal.sentence)
    if turn is None:
        return ""
    if turn.error is not None:
        return sanitise_line(turn.error.sentence.removesuffix("; send again"))
    if turn.outcome is not None and not any(each.characters for each in turn.requests):
        return "nothing had come" if turn.outcome is Outcome.CANCELLED else "the reply is empty"
    request = turn.rounds[0] if turn.requests else None
    return wording.thinking_summary(request) if request is not None and request.stamps.first_text is not None else ""


def head_fields(status: LaneStatus) -> list[Field]:
    """Who it is, and what it does."""
    name = f"{status.number} {wording.model_name(status.model)}"
    mark = " 1st" if status.finished_first else ""
    tone = "model" if status.finished_first else status.tone
    return [Field(name, 1, "model" if status.focused else ""), Field(status.state + mark, 2, tone)]


def figure_fields(status: LaneStatus) -> list[Field]:
    """Its figures, as far as they are known."""
    figures = status.figures
    if figures is None:
        return []
    if figures.ttft is None:
        if figures.headers_after is None or not status.running:
            return []
        return [Field(f"headers {wording.ttft(figures.headers_after)}", 5, "dim")]
    rate = f"{'~' + wording.rate(status.rolling) if status.rolling else wording.UNKNOWN:>4}"
    about = "~" if figures.output_estimated else ""
    out = f"{about}{wording.tokens(figures.output_tokens)}"
    first = Field(f"TTFT {wording.ttft(figures.ttft)} 1st", 5, "model")
    fields = [
        first if status.showed_first else Field(f"TTFT {wording.ttft(figures.ttft)}", 5),
        Field(f"{rate if status.running else wording.speed(figures)} tok/s", 3),
        Field(f"{out:>5} out" if status.running else f"{out} out", 4),
    ]
    if figures.cost is not None:
        fields.append(Field(f"{'~' if figures.cost_estimated else ''}{wording.money(figures.cost)}", 2))
    return fields


def switch_fields(lanes: Sequence[LaneStatus], width: int) -> list[Field]:
    """All lanes in one line of `width` cells, where only one can be shown: whose number shows it, and how far each is."""
    room = (width - 2 + _SWITCH_GAP) // len(lanes) - _SWITCH_GAP
    fields = []
    for each in lanes:
        name = f"{each.number} {wording.model_name(each.model)}"
        if len(name) > room:
            name = name[: max(1, room - 1)] + "…"
        text = f"{name} {each.brief}" if len(name) + 1 + len(each.brief) <= room else name
        fields.append(Field(text, 1, "model" if each.focused else each.tone or "dim"))
    return fields


def bar_fields(lanes: Sequence[LaneStatus], chosen: int | None, *, without_tools: bool) -> list[Field]:
    """The race as a whole; `chosen` is the number of the lane that is kept as soon as it ends."""
    running = sum(each.running for each in lanes)
    state = f"{running} running" if running else "all ended"
    if chosen is not None:
        state = f"keeping {chosen} when it ends"
    fields = [Field("race", 1, "model"), Field(state, 6, "state")]
    costs = [each.figures.cost for each in lanes if each.figures is not None and each.figures.cost is not None]
    if costs:
        about = "~" if any(each.figures is not None and each.figures.cost_estimated for each in lanes) else ""
        fields.append(Field(f"{about}{wording.money(sum(costs))} in all", 4))
    if without_tools:
        fields.append(Field("without tools", 5, "warm"))
    if running and chosen is None:
        fields.append(Field("keeping one stops the others", 2, "dim"))
    return [*fields, Field("Tab next", 3, "dim"), Field("c copy", 2, "dim")]


def bar_hint(lanes: Sequence[LaneStatus], focused: int, *, escape_keeps: int | None) -> str:
    """The keys that matter now. `escape_keeps`: the number that Escape would keep once all have ended."""
    if not any(each.running for each in lanes):
        return f"Enter keeps {focused}" + (f"  Esc keeps {escape_keeps}" if escape_keeps is not None else "")
    stops = "Esc stops it" if lanes[focused - 1].running else "Esc Esc: all"
    return f"Enter keeps {focused}  {stops}"
