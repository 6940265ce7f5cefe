"""The words and numbers of the screen: figures in, text out. Pure, so that every sentence can be tested without a terminal.

Widths are chosen so that a running field keeps its place while its number changes. Unknown is a dash, an estimate has `~`.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tui_chat.conversation import Outcome, Request, Turn
from tui_chat.meter import Figures
from tui_chat.text import sanitise_line
from tui_chat.usage import Usage

UNKNOWN: Final = "–"
Tone = Literal["dim", "warm", "error"]


def model_name(model: str) -> str:
    """The model's id without `claude-`, as the screen shows it."""
    return sanitise_line(model.removeprefix("claude-"))


def tokens(count: int | None) -> str:
    """A token count in at most five characters."""
    if count is None:
        return UNKNOWN
    for limit, divisor, form in (
        (1_000, 1, ".0f"),
        (9_950, 1e3, ".1f"),
        (999_500, 1e3, ".0f"),
        (9_950_000, 1e6, ".1f"),
    ):
        if count < limit:
            return f"{count / divisor:{form}}{'' if divisor == 1 else 'k' if divisor == 1e3 else 'M'}"
    return f"{count / 1e6:.0f}M"


def money(dollars: float) -> str:
    """US dollars, three decimals below one dollar."""
    if 0 < dollars < 0.0005:
        return "<$0.001"
    return f"${dollars:.3f}" if dollars < 1 else f"${dollars:.2f}"


def clock(seconds: float) -> str:
    """A duration that counts up: tenths below a minute, then minutes and hours."""
    seconds = max(0.0, seconds)
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds + 0.5 if seconds < 60 else seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def countdown(seconds: float) -> str:
    """Seconds to go: whole ones, rounded up, and tenths in the last."""
    return f"{seconds:.1f}s" if 0 < seconds < 0.95 else f"{max(0, math.ceil(seconds - 0.05))}s"


def age(seconds: float) -> str:
    """How long ago, in words."""
    if seconds < 60:
        return "just now"
    for limit, size, name in ((3_600, 60, "min"), (86_400, 3_600, "h")):
        if seconds < limit:
            return f"{max(0, int(seconds / size))} {name} ago"
    days = int(seconds / 86_400)
    return "yesterday" if days == 1 else f"{days} days ago"


def ttft(seconds: float | None) -> str:
    """The time to first token with hundredths."""
    return UNKNOWN if seconds is None else f"{seconds:.2f}s" if seconds < 10 else clock(seconds)


def rate(value: float | None) -> str:
    """Tokens per second."""
    return UNKNOWN if value is None else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def speed(figures: Figures) -> str:
    """Tokens per second of a turn, or of what is known of it: an estimate says so."""
    if figures.tokens_per_second is None and figures.estimated_rate is not None:
        return f"~{rate(figures.estimated_rate)}"
    return rate(figures.tokens_per_second)


def share(value: float | None) -> str:
    """A share of the context window in per cent."""
    return UNKNOWN if value is None else "<1%" if 0 < value < 0.005 else f"{value:.0%}"


@dataclass(frozen=True, slots=True)
class Field:
    """One place in the status bar; of those that do not fit the one with the lowest `keep` goes first.

    `parts` are pieces of `text` that have a tone of their own: they join to `text`.
    """

    text: str
    keep: int
    tone: str = ""
    parts: tuple[tuple[str, str], ...] = ()


def thinking_summary(request: Request) -> str:
    """One line for the thinking of a request, or '' if there was none."""
    stamps = request.stamps
    until = stamps.last_thinking or stamps.first_text or stamps.last_delta or stamps.ended
    if stamps.first_thinking is None or until is None or until <= stamps.first_thinking:
        return ""
    details = request.usage.fields.get("output_tokens_details")
    count = Usage(details).count("thinking_tokens") if isinstance(details, Mapping) else None
    spent = f", {tokens(count)} tokens" if count else ""
    return f"thought for {clock(until - stamps.first_thinking)}{spent}"


def cache_part(figures: Figures) -> str:
    """What of the prompt the cache gave, and what was written to it: `read +written`."""
    parts = [tokens(figures.cache_read)] if figures.cache_read else []
    return " ".join([*parts, f"+{tokens(figures.cache_write)}"] if figures.cache_write else parts)


@dataclass(frozen=True, slots=True)
class Action:
    """Something a footer offers: its key in the log, its label, and the name of the action."""

    key: str
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Footer:
    """The dim line under a reply: what it was, and what can be done."""

    text: str
    tone: Tone = "dim"
    actions: tuple[Action, ...] = ()


_LEFT_OUT: Final = "left out of the next request"
_ENDS: Final = {
    "max_tokens": "reached max_tokens",
    "pause_turn": "the server paused, again and again",
    "model_context_window_exceeded": "the context window is full: start a new chat, or leave earlier turns out (x in the log)",
}


def footer(
    turn: Turn,
    figures: Figures,
    *,
    can: Collection[str] = (),
    goes_out: bool,
    saved: bool = True,
    version: tuple[int, int] | None = None,
) -> Footer:
    """The footer of a turn that has ended; `can` names what the session could do now: go_on, go_back, again.

    `version` is the number of the turn among its versions, and how many there are; None: it is the only one.
    """
    if turn.outcome is None:
        said = Footer("another window is still replying", "warm")
    else:
        said = _ended_footer(turn, figures, can, goes_out=goes_out, saved=saved)
    if version is None:
        return said
    switch = Action(", .", f"{version[0]}/{version[1]}", "cycle_version")
    return Footer(said.text, said.tone, (switch, *said.actions))


def _ended_footer(turn: Turn, figures: Figures, can: Collection[str], *, goes_out: bool, saved: bool) -> Footer:
    unsaved = [] if saved else ["not saved"]
    # What goes on from a turn that was left out is out with it, whatever its own mark says.
    leave = ("leave",) if goes_out or not turn.in_context else ()
    if turn.outcome is Outcome.CANCELLED:
        text = " · ".join([*_stopped(turn, figures), "stays in context" if goes_out else _LEFT_OUT, *unsaved])
        return Footer(text, "warm", _actions(turn, can, *leave))
    context = [] if goes_out else [_LEFT_OUT]
    if turn.outcome is Outcome.FAILED:
        sentence = turn.error.sentence.removesuffix("; send again") if turn.error else "the turn failed"
        kind = {"cut_off": "cut off: ", "interrupted": "", "timed_out": "timed out: "}.get(
            turn.error.type if turn.error else "", "failed: "
        )
        text = " · ".join([kind + sanitise_line(sentence), *_broken_figures(figures), *context, *unsaved])
        # What the API has refused once it refuses again: that prompt has to change, or what stands before it.
        bad = turn.error is not None and turn.error.status in (400, 413, 422)
        return Footer(text, "error", _actions(turn, {*can} - {"again"} if bad else can, *(("edit",) if bad else leave)))
    if turn.stop_reason == "refusal":
        request = turn.request
        details = (request.stop_details if request else None) or {}
        category, explanation = details.get("category"), details.get("explanation")
        why = f" ({sanitise_line(str(category))})" if category else ""
        why += f": {sanitise_line(str(explanation))}" if explanation else ""
        return Footer(" · ".join([f"refused{why}", _LEFT_OUT, *unsaved]), "warm", _actions(turn, (), "edit"))
    end = _ENDS.get(turn.stop_reason or "") or sanitise_line(turn.stop_reason or "no stop reason")
    if any(call.skipped == "too_many_rounds" for request in turn.rounds for call in request.calls.values()):
        end = "stopped: too many rounds of tools"
    elif turn.reply() is None:
        end = f"the reply is empty · {end}"
    parts = [*_figure_parts(turn, figures), end, *context, *unsaved]
    if turn.server == "demo":
        parts.insert(0, "demo")
    tone: Tone = "warm" if end != turn.stop_reason and turn.stop_reason else "dim"
    return Footer(" · ".join(parts), tone, _actions(turn, {*can} - {"again"}, *(() if goes_out else leave)))


def _actions(turn: Turn, can: Collection[str], *names: str) -> tuple[Action, ...]:
    """What the footer offers: the `names`, and of what is possible now going on and going back."""
    offered = {
        "go_on": Action("g", "go on", "go_on"),
        "edit": Action("e", "edit the prompt", "edit_prompt"),
        "go_back": Action("f", "go on from before the bad turn", "go_back"),
        "again": Action("r", "again", "again"),
        "leave": Action("x", "leave out" if turn.in_context else "take in", "toggle_context"),
    }
    return tuple(action for name, action in offered.items() if name in names or name in can)


def _stopped(turn: Turn, figures: Figures) -> list[str]:
    request = turn.request
    parts = ["stopped by you"]
    parts += _broken_figures(figures)
    if figures.duration is not None:
        parts.append(clock(figures.duration))
    if turn.closed_after is not None and turn.requests:
        parts.append(f"closed in {max(1, round(turn.closed_after * 1000))} ms")
    if request is not None and any(block.type == "tool_use" for block in request.blocks.values()):
        parts.append("in a tool call")
    elif request is not None and request.characters > 0 and not turn.text.strip():
        parts.append("it was still thinking")
    elif not turn.text.strip():
        parts.append("nothing had come")
    return parts


def _broken_figures(figures: Figures) -> list[str]:
    """The figures of a reply that broke off, as far as they are known."""
    if figures.ttft is None:
        return []
    parts = [f"TTFT {ttft(figures.ttft)}"]
    parts += [f"{speed(figures)} tok/s"] if figures.estimated_rate is not None else []
    parts += [f"{tokens(figures.input_tokens)} in"] if figures.input_tokens is not None else []
    return [*parts, f"~{tokens(figures.output_tokens)} out"]


def _figure_parts(turn: Turn, figures: Figures) -> list[str]:
    cached = f" ({cache_part(figures)} cached)" if figures.cache_read or figures.cache_write else ""
    calls = sum(len(request.calls) for request in turn.rounds)
    parts = [
        model_name(figures.model),
        f"TTFT {ttft(figures.ttft)}",
        f"{speed(figures)} tok/s",
        f"{tokens(figures.input_tokens)} in{cached}",
        f"{'~' if figures.output_estimated else ''}{tokens(figures.output_tokens)} out",
    ]
    if calls:
        parts.append(f"{calls} tool call{'s' if calls > 1 else ''}")
    if figures.cost is not None:
        parts.append(f"{'~' if figures.cost_estimated else ''}{money(figures.cost)}")
    return parts
