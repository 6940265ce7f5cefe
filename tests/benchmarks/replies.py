"""A reply of mixed markdown at three rates beside the other programs; keys while it streams; doing nothing."""

import contextlib
from dataclasses import dataclass, field

from tests.benchmarks.measures import Turn, idle, median, percentile
from tests.benchmarks.process import peak_megabytes
from tests.benchmarks.programs import BARE, EVERY, OURS, TEXTUAL, Program
from tests.benchmarks.report import Goal, milliseconds, number, ratio, table
from tests.benchmarks.runs import Run

RATES = (50, 200, 0)
_LIMITS = {50: (1.2, 3.0, 0.010), 200: (0.5, 2.8, 0.010), 0: (0.12, 3.0, 0.045)}  # CPU per 1,000 tokens, ratio, lag


@dataclass(slots=True)
class _Figures:
    """One program at one rate."""

    first: list[Turn] = field(default_factory=list)  # of a process
    later: list[Turn] = field(default_factory=list)  # as long as the first, in the same process
    short: list[Turn] = field(default_factory=list)
    deltas: list[float] = field(default_factory=list)
    memory: float | None = None

    def cpu(self) -> float | None:
        return median([turn.cpu_per_1000 for turn in self.first])

    def marginal(self) -> float | None:
        """CPU of 1,000 further tokens: what a turn costs whatever its length falls out."""
        long, short = median([turn.cpu for turn in self.later or self.first]), median([turn.cpu for turn in self.short])
        if long is None or short is None or self.first[0].tokens <= self.short[0].tokens:
            return None
        return (long - short) / (self.first[0].tokens - self.short[0].tokens) * 1000

    def lag(self, rate: int) -> float | None:
        """The short replies tell it as well, except where the length makes the lag."""
        return median([turn.lag for turn in (*self.first, *self.later, *(self.short if rate else ()))])


def part(run: Run) -> None:
    """The tables of the three rates."""
    for rate in RATES:
        figures = {
            program: run.attempt(f"{program.name} at {rate or 'full speed'}", _measure, run, program, rate)
            for program in EVERY
        }
        _print(run, rate, {program: each for program, each in figures.items() if each is not None})


def _measure(run: Run, program: Program, rate: int) -> _Figures:
    sizes = run.sizes
    figures = _Figures()
    pacing = f"ttft=0.3 rate={rate}"
    patient = program is not TEXTUAL  # it is here for the order of magnitude
    for process in range(sizes.processes if rate == 0 and patient else 1):
        with run.session(program) as session:
            figures.first.append(session.turn("mixed", sizes.tokens, pacing))
            if not process:
                figures.memory = peak_megabytes(session.recording.pid)
            if rate == 0 and patient:
                figures.later += [session.turn("mixed", sizes.tokens, pacing) for _ in range(sizes.repeats)]
            for _ in range((sizes.repeats if patient else 1) if not process else 0):
                figures.short.append(session.turn("prose", sizes.short, f"{pacing} delta=12"))
            if rate == 200 or (rate == 50 and patient):
                figures.deltas = session.delta_lags(sizes.stamps_50 if rate == 50 else sizes.stamps_200, pacing)
    return figures


def _print(run: Run, rate: int, measured: dict[Program, _Figures]) -> None:
    title = f"{run.sizes.tokens:,} tokens of mixed markdown {f'at {rate} tok/s' if rate else 'as fast as they come'}"
    bare = measured.get(BARE)
    rows = []
    for program, figures in measured.items():
        cpu, marginal = figures.cpu(), figures.marginal()
        output = median([turn.output / turn.tokens for turn in figures.first])
        delta = [percentile(figures.deltas, share) for share in (0.5, 0.95, 1.0)]
        rows.append(
            [
                program.name,
                number(cpu, 3),
                number(ratio(cpu, bare.cpu() if bare else None), 2),
                number(marginal, 3),
                number(ratio(marginal, bare.marginal() if bare else None), 2),
                number(median([turn.cpu_per_1000 for turn in figures.later]), 3),
                milliseconds(figures.lag(rate)),
                " / ".join(map(milliseconds, delta)),
                milliseconds(median([turn.done for turn in (*figures.first, *figures.later, *figures.short)])),
                milliseconds(median([turn.ttft for turn in figures.short])),
                number(output),
                number(figures.memory),
            ]
        )
    head = "CPU s/1k|ratio|marginal|ratio|later replies|last delta, ms|each delta p50 / p95 / max, ms|done, ms|TTFT +ms|kB/1k|peak MB"
    table(title, ["", *head.split("|")], rows)
    if (ours := measured.get(OURS)) is not None:
        cpu_limit, ratio_limit, lag_limit = _LIMITS[rate]
        name = f"at {rate} tok/s" if rate else "as fast as it comes"
        base = bare.cpu() if bare else None
        run.goals.append(Goal(f"CPU ratio to the bare script {name}", ratio(ours.cpu(), base), ratio_limit))
        run.goals.append(Goal(f"CPU per 1,000 tokens {name}", ours.cpu(), cpu_limit, "s"))
        run.goals.append(Goal(f"lag of the last delta {name}", _ms(ours.lag(rate)), lag_limit * 1000, "ms"))
        if ours.deltas:
            run.goals.append(Goal(f"lag of each delta {name}, median", _ms(percentile(ours.deltas, 0.5)), 10, "ms"))
        run.goals.append(Goal(f"TTFT added {name}", _ms(median([turn.ttft for turn in ours.short])), 10, "ms"))
        if rate == 50:
            output = median([turn.output / turn.tokens for turn in ours.first])
            run.goals.append(Goal(f"to the terminal per 1,000 tokens {name}", output, 110, "kB"))
        run.goals.append(Goal(f"peak memory {name}", ours.memory, 140, "MB"))


def echo(run: Run) -> None:
    """Keys typed while 200 tokens a second stream."""
    rows = []
    for program in (OURS, TEXTUAL):
        result = run.attempt(f"keys in {program.name}", _echo, run, program)
        if result is None:
            continue
        seconds, lost = result
        cells = [percentile(seconds, share) for share in (0.5, 0.95, 1.0)]
        rows.append([program.name, str(len(seconds)), *map(milliseconds, cells), str(lost)])
        if program is OURS:
            run.goals.append(Goal("key echo p95 at 200 tok/s", _ms(cells[1]), 10, "ms"))
            run.goals.append(Goal("keys lost while streaming", lost, 0))
    table("Key to echo while 200 tok/s stream", ["", "keys", "p50 ms", "p95 ms", "max ms", "lost"], rows)


def _echo(run: Run, program: Program) -> tuple[list[float], int]:
    with run.session(program) as session:
        return session.echoes(run.sizes.keys * 18, "ttft=0.3 rate=200", run.sizes.keys)


def nothing(run: Run) -> None:
    """All programs at once after a reply, with nothing to do."""
    with contextlib.ExitStack() as stack:
        sessions = {}
        for program in EVERY:
            session = run.attempt(f"{program.name}, idle", stack.enter_context, run.session(program))
            if session is not None:
                run.attempt(f"{program.name}, a reply", session.turn, "mixed", 300, "rate=0", None)
                sessions[program] = session
        figures = idle([session.recording for session in sessions.values()], run.sizes.idle)
        rows = [
            [program.name, number(each.cpu_percent, 3), str(each.switches), str(each.output)]
            for program, each in zip(sessions, figures, strict=True)
        ]
        for program, each in zip(sessions, figures, strict=True):
            if program is OURS:
                run.goals.append(Goal("CPU when idle", each.cpu_percent, 0.1, "%"))
    title = f"{run.sizes.idle:.0f} s of nothing, after a reply"
    table(title, ["", "CPU %", "context switches", "bytes written"], rows)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
