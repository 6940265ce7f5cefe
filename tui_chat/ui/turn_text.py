"""The words of one turn in detail: what its waits were made of, and all that is known of each request. Pure.

A line is a list of pieces, `(text, tone)`, as in `history_text`; the widget knows what each tone looks like. Every line fits the
width it was asked for, from 38 cells on. Text from outside is sanitised here.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from tui_chat import anatomy
from tui_chat.anatomy import Pause, Stage, StageName
from tui_chat.conversation import Outcome, Request, Stamps, ToolCall, Turn
from tui_chat.meter import Figures
from tui_chat.pulse import Painted
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.pieces import LEFT, NARROW, Line, cut, flow, heading, row, words

BAR: Final = "▇"
_IN_TTFT: Final = "│"
_NAME: Final = 21  # columns of a stage's name
_SHOWN: Final = 300  # characters of a text from outside
_TONES: Final[Mapping[StageName, str]] = {
    "connecting": "connecting",
    "waiting for headers": "headers",
    "opening": "opening",
    "to the first token": "token",
    "to the first block": "token",
    "hidden thinking": "thinking",
    "thinking": "thinking",
    "text": "text",
    "tool input": "text",
    "closing": "closing",
    "waiting for more": "closing",
}
_ENDS: Final[Mapping[StageName, tuple[str, ...]]] = {
    "connecting": ("connected",),
    "waiting for headers": ("headers",),
    "opening": ("message_start",),
    "to the first token": ("first_delta",),
    "to the first block": ("first_thinking",),
    "hidden thinking": ("first_delta",),
    "thinking": ("first_text", "last_thinking", "last_delta"),
    "text": ("last_delta",),
    "tool input": ("last_delta",),
    "closing": (),
    "waiting for more": (),
}
# Each stamp with its name, in the order in which they come.
_STAMPS: Final = (
    ("connected", "connected"),
    ("headers", "headers"),
    ("message_start", "message_start"),
    ("first_thinking", "thinking opened"),
    ("first_delta", "first delta"),
    ("first_text", "first text"),
    ("last_thinking", "last thinking"),
    ("last_delta", "last delta"),
    ("message_stop", "message_stop"),
    ("last_bytes", "last bytes"),
    ("ended", "ended"),
)


@dataclass(frozen=True, slots=True)
class WireCounts:
    """What went over the wire for one request; the rates are of the last two seconds, None where it does not run."""

    received: int
    events: int
    bytes_per_second: float | None = None
    events_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """A turn and what is known of it at `now` (monotonic seconds, or since its start if it was stored).

    `of_requests` are the figures of each request alone; `wires` belongs to them, None where the bytes are forgotten.
    `billed` is the part of the cost that is certain in US dollars.
    """

    turn: Turn
    now: float
    figures: Figures
    of_requests: Sequence[Figures]
    wires: Sequence[WireCounts | None]
    painted: Painted | None = None
    billed: float | None = None


def detail_lines(detail: Detail, width: int) -> list[Line]:
    """All lines for `width` cells."""
    turn = detail.turn
    pauses = anatomy.pauses(turn, detail.now)
    lines = [*_head(turn, detail, pauses[0], width), []]
    receipt = anatomy.receipt(turn)
    if receipt is not None:
        lines += [*_receipt(receipt, detail, width), []]
    for place, pause in enumerate(pauses):
        lines += _pause(turn, place, pause, detail.now, width)
        if place < len(turn.requests):
            lines += [*_request(detail, place, width), []]
    if len(turn.requests) > 1 and any(request.usage.fields for request in turn.requests):
        lines += [*heading("All requests", "", width), *_tokens(detail.figures, width), []]
    lines += _painted(detail.painted, width)
    while lines and not lines[-1]:
        lines.pop()
    return lines


# Numbers ---------------------------------------------------------------------------------------------------------------


def seconds(value: float) -> str:
    """A duration to the millisecond below ten seconds."""
    return f"{value:.3f}s" if value < 9.9995 else f"{value:.2f}s" if value < 59.995 else wording.clock(value)


def milliseconds(value: float | None) -> str:
    """A short duration; a tenth of a millisecond where that says something."""
    if value is None:
        return wording.UNKNOWN
    return f"{value * 1e3:.1f} ms" if value < 0.00995 else f"{value * 1e3:.0f} ms" if value < 9.9995 else seconds(value)


def size(count: float) -> str:
    """Bytes, in thousands from ten thousand on."""
    return (
        f"{count:,.0f} B" if count < 9_999.5 else f"{count / 1e3:,.1f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"
    )


# Parts -----------------------------------------------------------------------------------------------------------------


def _head(turn: Turn, detail: Detail, before: Pause, width: int) -> list[Line]:
    prompt = "went on" if turn.prompt.continues else sanitise_line(turn.prompt.text[:_SHOWN]).strip()
    end = turn.outcome.value if turn.outcome else "running"
    tone = {None: "state", Outcome.COMPLETED: "", Outcome.CANCELLED: "warm"}.get(turn.outcome, "error")
    parts: Line = [
        (wording.model_name(turn.model), "name"),
        (sanitise_line(turn.server[:_SHOWN]), ""),
        (_wall_clock(turn.started_at), "dim"),
        (end, tone),
        (wording.clock(detail.figures.duration or 0.0), ""),
    ]
    if turn.requests:  # the prompt is stored first, and in the first turn of a run the SDK is loaded
        parts.append((f"sent after {seconds(before.seconds)}", "dim"))
    lines = [[(" ", ""), (cut(prompt or "an empty prompt", width - 2), "prompt")], *flow(parts, width, " ", 3)]
    if turn.error is not None:
        lines += flow(words(sanitise_line(turn.error.sentence[:_SHOWN]), "error"), width, " ", 1)
    return lines


def _wall_clock(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, OSError, ValueError):  # a clock was wrong, or an import brought nonsense
        return wording.UNKNOWN


def _request(detail: Detail, place: int, width: int) -> list[Line]:
    turn, figures = detail.turn, detail.of_requests[place]
    request = turn.requests[place]
    count = len(turn.requests)
    title = f"Request {place + 1} of {count}" if count > 1 else "Request"
    stages = anatomy.stages(request, detail.now)
    lines = [*heading(title, f"attempt {request.attempt}" if count > 1 else "", width), *_bars(request, stages, width)]
    lines += _legend(request, stages, width)
    lines += _tokens(figures, width)
    details = [sanitise_line(str(request.stop_reason)[:_SHOWN])] if request.stop_reason else []
    if request.error is not None:
        lines += row("failed", words(sanitise_line(request.error.sentence[:_SHOWN]), "error"), width, gap=1)
    elif request.stamps.ended is not None or details:
        lines += row("stop reason", [(details[0] if details else wording.UNKNOWN, "")], width)
    lines += _server(request, width)
    return lines + row("wire", _wire(request, detail.wires[place]), width)


def _server(request: Request, width: int) -> list[Line]:
    """What the server calls things; of a request that failed only what is known."""
    failed = request.error is not None
    served = [] if failed and request.served_model is None else [(_outside(request.served_model), "")]
    request_id = request.request_id or (request.error.request_id if request.error is not None else None)
    ids = [(name, id_) for name, id_ in (("request", request_id), ("message", request.message_id)) if id_ or not failed]
    return [
        *row("served by", served, width),
        *row("ids", [(f"{name} {_outside(id_)}", "") for name, id_ in ids], width),
    ]


def _bars(request: Request, stages: Sequence[Stage], width: int) -> list[Line]:
    """The wait for the first token, then the whole; scaled to the width, each to its own."""
    before = [stage for stage in stages if stage.in_ttft]
    waits = bool(stages) and stages[-1].is_open
    rows = (
        [("waiting" if waits and before == stages else "so far" if waits else "whole", list(stages))] if stages else []
    )
    if request.ttft is not None:
        rows = [("TTFT", before), *(rows if len(before) < len(stages) else [])]
    texts = [seconds(sum(stage.seconds for stage in part)) for _, part in rows]
    room = max(4, width - LEFT - 8 - 2 - max(map(len, texts), default=0) - 1)
    lines: list[Line] = []
    for (name, part), text in zip(rows, texts, strict=True):
        line: Line = [(" " * LEFT, ""), (f"{name:<8}", "dim")]
        given = anatomy.cells([stage.seconds for stage in part], room)
        line += [(BAR * cells, _TONES[stage.name]) for stage, cells in zip(part, given, strict=True) if cells]
        blank = " " * (room - sum(given))
        lines.append([*line, (f"{blank}  {text}", "")])
    return lines


def _legend(request: Request, stages: Sequence[Stage], width: int) -> list[Line]:
    """A line for each stage: its part of the time, and the stamps that came in it, in seconds since the request was sent."""
    stamps = _stamps(request.stamps)
    lines: list[Line] = []
    for place, stage in enumerate(stages):
        came: Line = []
        while stamps and (stamps[0][2] <= stage.end or place == len(stages) - 1):
            field, label, at = stamps.pop(0)
            came.append((f"{label} +{seconds(at)}", "dim"))
            if field in _ENDS[stage.name] and at == stage.end:
                break  # what came at the same moment belongs to the next stage
        mark = _IN_TTFT if stage.in_ttft else " "
        name = stage.name + (" …" if stage.is_open else "")
        line: Line = [(" " * LEFT, ""), (BAR, _TONES[stage.name]), (f" {name:<{_NAME}}", "")]
        line += [(f"{seconds(stage.seconds):>8}", ""), (f" {mark} ", "token")]
        if width < NARROW:
            lines += [line, *flow(came, width, " " * (LEFT + 2), 2)]
        else:
            flowed = flow(came, width, " " * sum(cell_len(text) for text, _ in line), 2)
            lines += [[*line, *flowed[0][1:]], *flowed[1:]] if flowed else [line]
    missing = [name for field, name in _STAMPS if getattr(request.stamps, field) is None and _expected(field, request)]
    if missing and (request.stamps.ended is not None or not lines):
        lines += row("not seen", [(name, "dim") for name in missing], width)
    return lines


def _expected(field: str, request: Request) -> bool:
    """Whether it says something that this stamp is missing: not every reply thinks, and not every one has text."""
    if field in ("first_thinking", "last_thinking"):
        return any(block.type == "thinking" for block in request.blocks.values())
    return field not in ("first_text", "last_bytes") or bool(request.joined("text"))


def _stamps(stamps: Stamps) -> list[tuple[str, str, float]]:
    """The stamps that are known, by time: field, name, seconds since the request was sent."""
    known = [(field, name, getattr(stamps, field)) for field, name in _STAMPS]
    return sorted(((*each, at - stamps.sent) for *each, at in known if at is not None), key=lambda each: each[2])


def _tokens(figures: Figures, width: int) -> list[Line]:
    pieces: Line = [(f"{wording.tokens(figures.input_tokens)} in", "")]
    if figures.cache_read:
        pieces.append((f"{wording.tokens(figures.cache_read)} from the cache", "dim"))
    if figures.cache_write:
        pieces.append((f"{wording.tokens(figures.cache_write)} into the cache", "dim"))
    about = "~" if figures.output_estimated else ""
    pieces.append((f"{about}{wording.tokens(figures.output_tokens)} out", ""))
    pieces.append((f"{wording.speed(figures)} tok/s", ""))
    if figures.cost is not None:
        pieces.append((f"{'~' if figures.cost_estimated else ''}{wording.money(figures.cost)}", ""))
    return row("tokens", pieces, width)


def _wire(request: Request, wire: WireCounts | None) -> Line:
    pings = (f"{request.pings} ping{'' if request.pings == 1 else 's'}", "")
    if wire is None:
        return [(f"bytes {wording.UNKNOWN}", "dim"), pings]
    pieces = [(size(wire.received), ""), (f"{wire.events:,} events", ""), pings]
    if wire.bytes_per_second is not None:
        pieces.append((f"{size(wire.bytes_per_second)}/s", "state"))
    if wire.events_per_second is not None:
        pieces.append((f"{wire.events_per_second:.0f} events/s", "state"))
    return pieces


def _pause(turn: Turn, place: int, pause: Pause, now: float, width: int) -> list[Line]:
    """What lay before the request at `place`."""
    took = seconds(pause.seconds)
    match pause.kind:
        case "tools":
            calls = turn.requests[place - 1].calls.values()
            since = turn.requests[place - 1].stamps.ended
            lines = [line for call in calls for line in row("tool", _call(call, since, now), width)]
            return [*heading("Tools", took, width), *lines, []]
        case "retry":
            if place == len(turn.requests) and not (pause.is_open or turn.outcome is Outcome.CANCELLED):
                return []
            ended = place == len(turn.requests) and not pause.is_open
            attempt = turn.requests[place - 1].attempt + 1
            said = f"{took}, attempt {attempt} was not made" if ended else f"{took}, then attempt {attempt}"
            return [*heading("Wait", said, width), []]
        case "between":
            return [*heading("Between", took, width), []]
        case _:
            return []


def _call(call: ToolCall, since: float | None, now: float) -> Line:
    """A call; what lies between `since`, the end of the reply that made it, and its start was the user's to decide."""
    name = cut(sanitise_line(call.name[:_SHOWN]) or "without a name", 40)
    pieces: Line = [(name, "name")]
    if call.allowed and call.started is not None and since is not None:
        pieces.append((f"waited {seconds(max(0.0, call.started - since))} for you", "dim"))
    if call.started is not None:
        pieces.append((seconds(max(0.0, (now if call.ended is None else call.ended) - call.started)), ""))
    if call.skipped:
        pieces.append((call.skipped.replace("_", " "), "warm"))
    elif call.is_error:
        pieces.append(("failed", "error"))
    elif call.result is None:
        pieces.append(("waits for you" if call.waiting else "runs", "state"))
    return pieces


def _painted(painted: Painted | None, width: int) -> list[Line]:
    if painted is None:
        return []
    pieces = [
        (f"median {milliseconds(painted.median)}", ""),
        (f"worst {milliseconds(painted.worst)}", ""),
        (f"{painted.frames:,} paints", "dim"),
    ]
    about = "from the arrival of a delta to its being on the screen"
    return [*heading("Our part", about, width), *row("painting", pieces, width)]


def _receipt(receipt: anatomy.Receipt, detail: Detail, width: int) -> list[Line]:
    closed = "key to closed socket" if receipt.was_open else "key to stopped"
    lines = heading("Stopped by you", "", width)
    times: list[tuple[str, float | None, str]] = [(closed, receipt.key_to_closed, "state")]
    if receipt.key_to_cancel is not None:
        times += [
            ("  key to cancel", receipt.key_to_cancel, "dim"),
            ("  cancel to closed", receipt.cancel_to_closed, "dim"),
        ]
    if receipt.closed_to_saved is not None:
        times.append(("closed to saved", receipt.closed_to_saved, ""))
    lines += [
        [(" " * LEFT, ""), (f"{name:<22}", "dim"), (f"{milliseconds(value):>8}", tone)] for name, value, tone in times
    ]
    lines += row("received", words(_received(detail)), width, gap=1)
    lines += row("billed", words(_billed(detail)), width, gap=1)
    return lines + row("not known", words(_not_known(detail), "warm"), width, gap=1)


def _received(detail: Detail) -> str:
    figures, characters = detail.figures, sum(request.characters for request in detail.turn.requests)
    if not characters:
        return "nothing"
    return f"~{wording.tokens(figures.output_tokens)} tokens, estimated from {characters:,} characters"


def _billed(detail: Detail) -> str:
    figures = detail.figures
    if figures.input_tokens is None:
        return "nothing is known: the server had not counted the prompt yet"
    parts = [f"{wording.tokens(figures.input_tokens)} in"]
    parts += [f"{wording.tokens(figures.cache_read)} of them from the cache"] if figures.cache_read else []
    parts += [f"{wording.tokens(figures.cache_write)} of them into the cache"] if figures.cache_write else []
    price = "" if detail.billed is None else f": {wording.money(detail.billed)}"
    return ", ".join(parts) + ", for certain" + price


def _not_known(detail: Detail) -> str:
    figures = detail.figures
    rest = None
    if figures.cost is not None and detail.billed is not None:
        rest = max(0.0, figures.cost - detail.billed)
    least = (
        f"at least the ~{wording.tokens(figures.output_tokens)} received" if figures.output_tokens else "nothing came"
    )
    price = f" (~{wording.money(rest)})" if rest else ""
    return f"the output: {least}{price}; the server may have generated more before it saw the close"


def _outside(text: str | None) -> str:
    return wording.UNKNOWN if text is None else sanitise_line(text[:_SHOWN]).strip() or wording.UNKNOWN
