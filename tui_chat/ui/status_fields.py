"""What the status bar shows, field by field: a `Status` in, fields out. Pure, so that it can be tested without a terminal.

Widths are chosen so that a running field keeps its place while its number changes, and comes and goes without moving others.
It must not know the session, nor where a field stands on the screen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from tui_chat import meter
from tui_chat.conversation import Request, Turn
from tui_chat.meter import Figures
from tui_chat.pulse import STALL
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.wording import Field

# What stays longest has the highest number: the lag, which comes and goes, must not drive out what stands; then session first, state last.
(
    KEEP_LAG,
    KEEP_SESSION,
    KEEP_CACHED,
    KEEP_COST,
    KEEP_CONTEXT,
    KEEP_PULSE,
    KEEP_IN,
    KEEP_RATE,
    KEEP_TOKENS,
    KEEP_MODEL,
    KEEP_TTFT,
    KEEP_STATE,
) = range(1, 13)


@dataclass(frozen=True, slots=True)
class Status:
    """All that the status bar may show now. The clock's numbers are already taken."""

    model: str
    effort: str | None = None
    tools: bool = False
    demo: bool = False
    running: bool = False
    state: str = "ready"
    tone: str = ""
    figures: Figures | None = None
    rolling: float | None = None
    spark: str = ""
    lag: float | None = None
    context: float | None = None
    session_cost: float | None = None
    session_in: int = 0
    session_out: int = 0
    session_estimated: bool = False
    hint: str = ""


def running_state(turn: Turn, now: float, session_state: str) -> tuple[str, str]:
    """The status word with its clock, and its tone, of a running turn."""
    if session_state in ("stopping", "saving"):
        return session_state, ""
    word = meter.state(turn, now)
    request = turn.request
    if word == "retrying" and turn.retry_at is not None:
        error = request.error if request else None
        cause = f": {_short_cause(error.type, error.status)}" if error else ""
        return (
            f"retrying in {wording.countdown(turn.retry_at - now)}, attempt {_next_attempt(turn)} of {turn.retry_of}{cause}",
            "warm",
        )
    if request is None:
        return f"{word} {wording.clock(now - turn.started):<6}", ""
    if word in ("approval", "tool"):
        return _tool_state(word, request, now)
    if word == "quiet":
        seconds, pings = meter.quiet_for(request, now)
        return f"quiet {seconds:.0f}s, {'pings' if pings else 'nothing'} arriving", "warm"
    return f"{word} {wording.clock(now - request.stamps.sent):<6}", ""


def _next_attempt(turn: Turn) -> int:
    return turn.requests[-1].attempt + 1 if turn.requests else 1


def _tool_state(word: str, request: Request, now: float) -> tuple[str, str]:
    calls = [call for call in request.calls.values() if call.result is None and (call.waiting or word == "tool")]
    name = sanitise_line(calls[0].name)[:30] + (f" +{len(calls) - 1}" if len(calls) > 1 else "")
    if word == "approval":
        return f"approval: {name}", "warm"
    since = min((call.started for call in calls if call.started is not None), default=now)
    return f"tool {name} {wording.clock(now - since):<6}", ""


def _short_cause(kind: str, status: int | None) -> str:
    name = sanitise_line(kind.removesuffix("_error").replace("_", " "))[:40]
    return f"{name} ({status})" if status else name


def status_fields(status: Status) -> tuple[list[Field], str]:
    """The fields from left to right, and the text at the right edge."""
    fields = [Field("demo", KEEP_MODEL, "model")] if status.demo else []
    if not status.demo or status.figures is not None:
        keep = KEEP_SESSION if status.demo else KEEP_MODEL  # whose name the demo answers to matters little
        name = " ".join(
            part for part in (wording.model_name(status.model), status.effort, "tools" if status.tools else "") if part
        )
        fields.append(Field(name, keep, "dim" if status.demo else "model"))
    fields.append(Field(status.state, KEEP_STATE, status.tone or "state"))
    figures = status.figures
    if figures is None:
        if status.demo:
            fields.append(
                Field(
                    "  replies come from the built-in demo; set ANTHROPIC_API_KEY to talk to Claude", KEEP_TOKENS, "dim"
                )
            )
        return fields, status.hint
    if not status.running and figures.ttft is None and figures.input_tokens is None:
        return fields, status.hint  # nothing is known of the last turn: its request brought nothing
    if not status.running:
        fields.append(Field("  last:", KEEP_TTFT, "dim"))
    fields += _figure_fields(status, figures)
    return fields, status.hint


def _figure_fields(status: Status, figures: Figures) -> Iterable[Field]:
    if figures.ttft is not None:
        yield Field(f"TTFT {wording.ttft(figures.ttft)}", KEEP_TTFT)
    elif status.running and figures.headers_after is not None:
        yield Field(f"headers {wording.ttft(figures.headers_after)}", KEEP_TTFT, "dim")
    if status.running and figures.ttft is None:
        return
    if status.running:
        yield Field(f"{'~' + wording.rate(status.rolling) if status.rolling else wording.UNKNOWN:>5} tok/s", KEEP_RATE)
        if status.spark:
            yield Field(status.spark, KEEP_PULSE, "dim", _pulse_parts(status.spark))
    else:
        yield Field(f"{wording.speed(figures)} tok/s", KEEP_RATE)
    yield Field(f"{wording.tokens(figures.input_tokens)} in", KEEP_IN)
    if figures.cache_read or figures.cache_write:
        yield Field(f"({wording.cache_part(figures)})", KEEP_CACHED, "dim")
    out = f"{'~' if figures.output_estimated else ''}{wording.tokens(figures.output_tokens)}"
    yield Field(f"{out:>5} out" if status.running else f"{out} out", KEEP_TOKENS)
    if figures.cost is not None:
        cost = f"{'~' if figures.cost_estimated else ''}{wording.money(figures.cost)}"
        yield Field(f"{cost:>8}" if status.running else cost, KEEP_COST)
    yield Field(f"ctx {wording.share(status.context)}", KEEP_CONTEXT)
    if status.lag is not None:
        yield Field(f"lag {status.lag * 1000:.0f}ms", KEEP_LAG, "warm")  # last: it comes and goes, and moves nothing
    if not status.running and (status.session_in or status.session_out):
        about = "~" if status.session_estimated else ""
        cost = "" if status.session_cost is None else f" {about}{wording.money(status.session_cost)}"
        text = f"  session {wording.tokens(status.session_in)} in {about}{wording.tokens(status.session_out)} out{cost}"
        yield Field(text, KEEP_SESSION, "dim")


def _pulse_parts(spark: str) -> tuple[tuple[str, str], ...]:
    """The sparkline with its stalls in the warm colour."""
    runs = groupby(spark, key=lambda sign: sign == STALL)
    return tuple(("".join(signs), "warm" if stalled else "dim") for stalled, signs in runs)
