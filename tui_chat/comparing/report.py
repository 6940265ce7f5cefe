"""The result of a comparison as text, as JSON and as bars; the same numbers in each. Pure.

JSON (all keys; null is unknown or never happened; seconds, tokens, tokens per second and US dollars as the keys end):

    prompt, server, runs_per_mode, stopped
    spread                  what `low` and `high` are: "range" (the lowest, the highest) or "quartiles"
    models[]                model, times_shorter (median TTFT without streaming / with), streaming{}, not_streaming{}; in those:
                            done, failed, skipped, and ttft_s, complete_s, output_tokens, tokens_per_second, cost_usd,
                            each {median, low, high, estimated} or null
    runs[]                  every request in its order: number, model, run, streaming, connected_s, ttft_s, complete_s,
                            input_tokens, output_tokens, output_estimated, tokens_per_second, cost_usd, cost_estimated,
                            stop_reason, error {type, message, status} or null
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

from tui_chat.comparing.figures import Median, Result, Run, Summary
from tui_chat.comparing.plan import dollars, mode_name, model_name
from tui_chat.text import sanitise_line

UNKNOWN: Final = "–"
_GAP: Final = 3  # cells between columns
_ESTIMATED: Final = "~"


def seconds(value: float) -> str:
    """A duration with milliseconds, as long as they mean something."""
    return f"{value:.3f} s" if value < 100 else f"{value:,.1f} s"


def _plain_seconds(value: float) -> str:
    return seconds(value).removesuffix(" s")


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _rate(value: float) -> str:
    return f"{value:,.1f}"


_Cells = tuple[str, ...]
_MODES: Final = (mode_name(streaming=True), mode_name(streaming=False))
# name, JSON key, the figure, with its unit, and without it in the spread
_Row = tuple[str, str, Callable[[Summary], Median | None], Callable[[float], str], Callable[[float], str]]
_ROWS: Final[tuple[_Row, ...]] = (
    ("first token", "ttft_s", lambda each: each.ttft, seconds, _plain_seconds),
    ("complete", "complete_s", lambda each: each.complete, seconds, _plain_seconds),
    ("tokens", "output_tokens", lambda each: each.output_tokens, _count, _count),
    ("tok/s", "tokens_per_second", lambda each: each.tokens_per_second, _rate, _rate),
    ("cost", "cost_usd", lambda each: each.cost, dollars, dollars),
)


# Text ----------------------------------------------------------------------------------------------------------------


def text(result: Result, width: int) -> str:
    """The whole report, each line at most `width` characters as long as that is 40 or more."""
    parts = [title(result, width)]
    parts += [table(result, model, width) for model in result.plan.models]
    parts += [shorter(result, width), failures(result, width), chart(result, width), legend(result, width)]
    return "\n\n".join(part for part in parts if part) + "\n"


def title(result: Result, width: int) -> str:
    """What was compared."""
    plan = result.plan
    made = f"{plan.runs} run{'s' if plan.runs > 1 else ''} of each"
    head = f"Streaming against not: {made}, one after the other ({sanitise_line(result.server)})"
    prompt = sanitise_line(plan.prompt)
    return f"{_filled([head], width)}\n› {prompt if len(prompt) <= width - 2 else prompt[: width - 3] + '…'}"


def table(result: Result, model: str, width: int) -> str:
    """The medians of one model, with streaming and without, side by side; where it is narrow each figure in lines of its own."""
    summaries = result.of(model)
    wide: list[_Cells] = [(model_name(model), *_MODES)]
    narrow: list[_Cells] = [(model_name(model),), ("", *_MODES)]
    for name, _, figure, show, show_plain in _ROWS:
        medians = [figure(summary) for summary in summaries]
        shown, spreads = [_median(each, show) for each in medians], [_spread(each, show_plain) for each in medians]
        wide.append((name, f"{shown[0]} {spreads[0]}", f"{shown[1]} {spreads[1]}"))
        narrow += [(name,), ("", *shown), *([("", *spreads)] if any(spreads) else [])]
    for name, counts in (
        ("failed", [each.failed for each in summaries]),
        ("not made", [each.skipped for each in summaries]),
    ):
        if any(counts):
            shown = [f"{count} of {result.plan.runs}" for count in counts]
            wide.append((name, *shown))
            narrow += [(name,), ("", *shown)]
    lines = list(_aligned(wide))
    if max(map(len, lines)) > width:
        half = (width - 2) // 2 - 2
        lines = [row[0] or f"  {row[1]:<{half}}  {row[2]}".rstrip() for row in narrow]
    return "\n".join(lines)


def _median(median: Median | None, show: Callable[[float], str]) -> str:
    if median is None:
        return UNKNOWN
    return (_ESTIMATED if median.estimated else "") + show(median.median)


def _spread(median: Median | None, show: Callable[[float], str]) -> str:
    """`(low–high)`, or nothing where both would read as the median does."""
    if median is None or show(median.low) == show(median.high):
        return ""
    return f"({show(median.low)}–{show(median.high)})"


def _aligned(rows: list[_Cells]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield (" " * _GAP).join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def shorter(result: Result, width: int) -> str:
    """For each model a sentence on what streaming is worth."""
    sentences = []
    for model in result.plan.models:
        times = result.times_shorter(model)
        if times is not None:
            what = f"{times:.1f} times shorter" if times >= 1 else f"{1 / times:.1f} times longer"
            who = f" ({model_name(model)})" if len(result.plan.models) > 1 else ""
            sentences.append(f"With streaming the wait until something can be read is {what}{who}.")
    return _filled(sentences, width)


def failures(result: Result, width: int) -> str:
    """What failed, and why."""
    return _filled(
        [
            f"failed: {model_name(run.call.model)}, {run.call.mode}, run {run.call.run}: "
            f"{sanitise_line(run.failure.sentence)}"
            for run in result.runs
            if run.failure is not None
        ],
        width,
    )


def _filled(sentences: Iterable[str], width: int) -> str:
    return "\n".join(textwrap.fill(sentence, width) for sentence in sentences)


def chart(result: Result, width: int) -> str:
    """The median times to the first token as bars; '' if there is none."""
    from tui_chat import plots  # here: whoever asks for JSON needs no plots

    known = [summary for summary in result.summaries if summary.ttft is not None]
    if not known:
        return ""
    several = len(result.plan.models) > 1
    labels = [f"{model_name(each.model)} " * several + mode_name(streaming=each.streaming) for each in known]
    values = [each.ttft.median if each.ttft else None for each in known]
    return "Time to first token\n" + plots.bars(labels, values, width=width, unit=" s")


def legend(result: Result, width: int) -> str:
    """What the numbers are."""
    around = "the quartiles" if result.spread == "quartiles" else "the lowest and the highest"
    lines = [f"Medians; in brackets {around}."] if result.plan.runs > 1 else []
    if any(not each.streaming and each.done for each in result.summaries):
        lines.append("A reply in one piece has its first token when all of it is there, and no tok/s.")
    if result.stopped:
        lines.append("Stopped before all requests were made.")
    return _filled(lines, width)


# JSON ----------------------------------------------------------------------------------------------------------------


def as_json(result: Result) -> dict[str, Any]:
    """The object that the module describes."""
    return {
        "prompt": result.plan.prompt,
        "server": result.server,
        "runs_per_mode": result.plan.runs,
        "stopped": result.stopped,
        "spread": result.spread,
        "models": [
            {
                "model": model,
                "times_shorter": result.times_shorter(model),
                "streaming": _summary(result.of(model)[0]),
                "not_streaming": _summary(result.of(model)[1]),
            }
            for model in result.plan.models
        ],
        "runs": [_run(run) for run in result.runs],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    counts = {"done": summary.done, "failed": summary.failed, "skipped": summary.skipped}
    medians = {key: figure(summary) for _, key, figure, _, _ in _ROWS}
    return {**counts, **{key: None if median is None else asdict(median) for key, median in medians.items()}}


def _run(run: Run) -> dict[str, Any]:
    failure = run.failure
    return {
        "number": run.call.number,
        "model": run.call.model,
        "run": run.call.run,
        "streaming": run.call.streaming,
        "connected_s": run.connected,
        "ttft_s": run.ttft,
        "complete_s": run.complete,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "output_estimated": run.output_estimated,
        "tokens_per_second": run.tokens_per_second,
        "cost_usd": run.cost,
        "cost_estimated": run.cost_estimated,
        "stop_reason": run.stop_reason,
        "error": failure and {"type": failure.type, "message": failure.message, "status": failure.status},
    }
