"""What was measured: the figures of one request, and the medians over those of a model and a mode. Pure.

Every number is the meter's, or a difference of a request's stamps. A reply that comes in one piece has its first token when all
of it is there; it has no tok/s, because that is counted from the first delta to the last. A request that failed is counted and
shown, and is in no median.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tui_chat.comparing.plan import Call, Plan
from tui_chat.conversation import Turn
from tui_chat.errors import Failure
from tui_chat.meter import Figures

Spread = Literal["range", "quartiles"]
QUARTILES_FROM: Final = 4  # runs; of fewer, quartiles would be made up


@dataclass(frozen=True, slots=True)
class Run:
    """One request. Seconds since it was sent, tokens, tokens per second, US dollars; None is unknown, or never happened.

    `connected` is when the first byte left: later where a connection had to be made. `complete` is when all of it had come.
    """

    call: Call
    connected: float | None = None
    ttft: float | None = None
    complete: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    output_estimated: bool = False
    tokens_per_second: float | None = None
    cost: float | None = None
    cost_estimated: bool = False
    stop_reason: str | None = None
    failure: Failure | None = None


def run_of(call: Call, turn: Turn, figures: Figures) -> Run:
    """The run that `turn`, which has ended, is; `figures` are the meter's."""
    request = turn.requests[-1]
    stamps = request.stamps
    return Run(
        call,
        connected=None if stamps.connected is None else stamps.connected - stamps.sent,
        ttft=request.ttft,
        complete=None if stamps.message_stop is None else stamps.message_stop - stamps.sent,
        input_tokens=figures.input_tokens,
        output_tokens=figures.output_tokens,
        output_estimated=figures.output_estimated,
        tokens_per_second=figures.tokens_per_second,
        cost=figures.cost,
        cost_estimated=figures.cost_estimated,
        stop_reason=request.stop_reason,
        failure=request.error,
    )


@dataclass(frozen=True, slots=True)
class Median:
    """The middle of some values and how far they spread: the lowest and the highest, or the quartiles (see `Result.spread`)."""

    median: float
    low: float
    high: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """All runs of one model in one mode: `done` were measured, `failed` failed, `skipped` were not made any more."""

    model: str
    streaming: bool
    done: int
    failed: int
    skipped: int
    ttft: Median | None
    complete: Median | None
    output_tokens: Median | None
    tokens_per_second: Median | None
    cost: Median | None


@dataclass(frozen=True, slots=True)
class Result:
    """A comparison as far as it went. `summaries` has two for each model: with streaming, and without.

    `stopped`: it was ended before all requests were made. `spread` says what `low` and `high` of all medians are.
    """

    plan: Plan
    server: str
    runs: tuple[Run, ...]
    stopped: bool
    spread: Spread
    summaries: tuple[Summary, ...]

    def of(self, model: str) -> tuple[Summary, Summary]:
        """The summaries of `model`: with streaming, and without."""
        streaming, whole = (each for each in self.summaries if each.model == model)
        return streaming, whole

    def times_shorter(self, model: str) -> float | None:
        """How many times shorter the wait for something to read is with streaming: the quotient of the median TTFTs."""
        streaming, whole = self.of(model)
        if streaming.ttft is None or whole.ttft is None or not (streaming.ttft.median and whole.ttft.median):
            return None  # of 0, which coarse clocks give, nothing is a multiple
        return whole.ttft.median / streaming.ttft.median


def summarise(plan: Plan, server: str, runs: Iterable[Run], *, stopped: bool = False) -> Result:
    """The result of the `runs` of `plan` that were made."""
    made = tuple(runs)
    groups = {
        (model, streaming): [run for run in made if run.call.model == model and run.call.streaming is streaming]
        for model in plan.models
        for streaming in (True, False)
    }
    counts = [sum(run.failure is None for run in group) for group in groups.values()]
    spread: Spread = "quartiles" if min((count for count in counts if count), default=0) >= QUARTILES_FROM else "range"
    summaries = tuple(_summary(plan, model, streaming, group, spread) for (model, streaming), group in groups.items())
    return Result(plan, server, made, stopped, spread, summaries)


def _summary(plan: Plan, model: str, streaming: bool, runs: Sequence[Run], spread: Spread) -> Summary:
    done = [run for run in runs if run.failure is None]
    guessed = any(run.output_estimated for run in done)
    return Summary(
        model,
        streaming,
        done=len(done),
        failed=len(runs) - len(done),
        skipped=plan.runs - len(runs),
        ttft=_median([run.ttft for run in done], spread),
        complete=_median([run.complete for run in done], spread),
        output_tokens=_median([run.output_tokens for run in done], spread, estimated=guessed),
        tokens_per_second=_median([run.tokens_per_second for run in done], spread),
        cost=_median([run.cost for run in done], spread, estimated=any(run.cost_estimated for run in done)),
    )


def _median(values: Iterable[float | None], spread: Spread, *, estimated: bool = False) -> Median | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    low, high = known[0], known[-1]
    if spread == "quartiles" and len(known) > 1:
        low, _, high = statistics.quantiles(known, n=4, method="inclusive")
    return Median(statistics.median(known), low, high, estimated)
