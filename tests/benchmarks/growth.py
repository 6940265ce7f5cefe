"""What must not grow: the cost of a token with the reply, the cost of a turn with the conversation, the wait for its end."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.conversations import last_words, prepare
from tests.benchmarks.measures import Turn, median
from tests.benchmarks.process import peak_megabytes
from tests.benchmarks.programs import BARE, OURS, Program
from tests.benchmarks.report import Goal, milliseconds, number, ratio, table
from tests.benchmarks.runs import Run

_PACING = "ttft=0.3 rate=2000"


@dataclass(frozen=True, slots=True)
class _Growth:
    """One kind of reply, short and long."""

    base: float  # CPU seconds per 1,000 tokens of a short one
    long: Turn
    memory: float

    @property
    def growth(self) -> float:
        return self.long.cpu_per_1000 / self.base

    def marginal(self, tokens: int) -> float:
        """CPU seconds per 1,000 tokens beyond the first `tokens`."""
        return (self.long.cpu - self.base * tokens / 1000) / (self.long.tokens - tokens) * 1000


def flat(run: Run) -> None:
    """Replies of one kind, long beside short."""
    cases: list[tuple[Program, str]] = [(BARE, "mixed"), *((OURS, kind) for kind in run.sizes.kinds)]
    measured = {
        case: each
        for case in cases
        if (each := run.attempt(f"{case[1]} in {case[0].name}", _grow, run, *case)) is not None
    }
    bare = measured.get((BARE, "mixed"))
    limit = bare.long.cpu_per_1000 if bare else None
    rows = []
    for (program, kind), each in measured.items():
        cells = (
            number(each.base, 3),
            number(each.long.cpu_per_1000, 3),
            number(each.growth, 2),
            number(each.marginal(run.sizes.flat_base), 3),
            number(ratio(each.long.cpu_per_1000, limit), 2),
            milliseconds(each.long.lag),
            number(each.long.output / each.long.tokens),
            number(each.memory),
        )
        rows.append([f"{program.name}: {kind}", *cells])
        if program is OURS:
            run.goals.append(Goal(f"{kind}: CPU per token, long to short", each.growth, 1.15))
            run.goals.append(Goal(f"{kind}: CPU per 1,000 tokens", each.long.cpu_per_1000, 0.25, "s"))
            lag = None if each.long.lag is None else each.long.lag * 1000
            run.goals.append(Goal(f"{kind}: lag of the last delta", lag, 45, "ms"))
    short, long = (f"CPU s/1k in {tokens:,}" for tokens in (run.sizes.flat_base, run.sizes.flat))
    head = f"{short}|{long}|growth|marginal|to the bare script|last delta, ms|kB/1k|peak MB"
    table(
        f"Replies of one kind at 2,000 tok/s, {run.sizes.flat:,} tokens beside {run.sizes.flat_base:,}",
        ["", *head.split("|")],
        rows,
    )


def _grow(run: Run, program: Program, kind: str) -> _Growth:
    with run.session(program) as session:
        session.turn(kind, run.sizes.flat_base, _PACING)  # imports and caches
        base = median([session.turn(kind, run.sizes.flat_base, _PACING).cpu_per_1000 for _ in range(2)])
        assert base is not None
        long = session.turn(kind, run.sizes.flat, _PACING)
        return _Growth(base, long, peak_megabytes(session.recording.pid))


def turns(run: Run) -> None:
    """The first turn of a conversation beside the one after very many, by turns."""
    many = run.fresh()
    prepare(many, many=run.sizes.turns)
    pairs: dict[str, list[tuple[Turn, list[Turn]]]] = {"first turn": [], f"after {run.sizes.turns} turns": []}
    for _ in range(run.sizes.passes):
        for (name, taken), source in zip(pairs.items(), (None, many), strict=True):
            if (pair := run.attempt(name, _next_turn, run, source)) is not None:
                taken.append(pair)
    rows = []
    cpu: list[float | None] = []
    for name, taken in pairs.items():
        short = [turn for _, turns in taken for turn in turns]
        cpu.append(median([long.cpu_per_1000 for long, _ in taken]))
        cells = (
            number(cpu[-1], 3),
            milliseconds(median([turn.lag for turn in (*(long for long, _ in taken), *short)])),
            milliseconds(median([turn.ttft for turn in short])),
            milliseconds(median([turn.done for turn in short])),
            number(median([turn.cpu for turn in short]), 3),
        )
        rows.append([name, *cells])
    growth = ratio(cpu[1], cpu[0])
    rows.append(["ratio", number(growth, 2), "", "", "", ""])
    run.goals.append(Goal(f"CPU of the turn after {run.sizes.turns} turns to the first", growth, 1.15))
    head = f"CPU s/1k|last delta, ms|TTFT +ms|done, ms|CPU s of {run.sizes.short} tokens"
    table(f"A turn of {run.sizes.tokens:,} tokens at 200 tok/s in a growing conversation", ["", *head.split("|")], rows)


def _next_turn(run: Run, source: Path | None) -> tuple[Turn, list[Turn]]:
    """The next turn of a copy of the conversation in `source`, or the first of a new one; then a few short ones."""
    folder = run.fresh()
    if source is not None:
        shutil.copytree(source, folder, dirs_exist_ok=True)
    arguments, ready = ((), "ready") if source is None else (("-c",), last_words("many"))
    with run.session(OURS, *arguments, folder=folder, ready=ready) as session:
        long = session.turn("mixed", run.sizes.tokens, "ttft=0.3 rate=200")
        return long, [session.turn("prose", run.sizes.short, "ttft=0.3 rate=200 delta=12") for _ in range(2)]


def opening(run: Run) -> None:
    """A long conversation opened at the start and by /resume, beside one of a single turn."""
    sizes = {"small": 1, "large": run.sizes.long_turns}
    rows, both = [], run.fresh()
    prepare(both, **sizes)
    for title, count in sizes.items():
        folder = run.fresh()
        prepare(folder, **{title: count})
        started = [run.attempt(f"-c {title}", _start, run, folder, title) for _ in range(run.sizes.openings)]
        rows.append((f"{count * 2:,} messages", median(started[1:] or started)))
    resumed = run.attempt("/resume", _resume, run, both, list(sizes)) or {}
    cells = [
        [name, milliseconds(value, 0), milliseconds(median(resumed.get(title, [])), 0)]
        for (name, value), title in zip(rows, sizes, strict=True)
    ]
    at_start = _difference(rows[0][1], rows[1][1])
    by_command = _difference(median(resumed.get("small", [])), median(resumed.get("large", [])))
    cells.append(["difference", milliseconds(at_start, 0), milliseconds(by_command, 0)])
    table("Until the end of a conversation is shown", ["", "from the start with -c, ms", "from /resume, ms"], cells)
    for name, value in (("at the start", at_start), ("by /resume", by_command)):
        goal = None if value is None else value * 1000
        run.goals.append(Goal(f"opening {sizes['large'] * 2:,} messages {name}, beyond two messages", goal, 150, "ms"))


def _start(run: Run, folder: Path, title: str) -> float:
    with OURS.open(run.server, folder, "-c") as recording:
        return recording.wait_for(last_words(title), timeout=20) - recording.started


def _resume(run: Run, folder: Path, titles: list[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {title: [] for title in titles}
    with run.session(OURS, folder=folder) as session:
        recording = session.recording
        for title in titles * run.sizes.openings:
            asked = recording.send(f"/resume {title}\r")
            recording.wait_for_quiet(asked, 0.5, 5)  # the history, with what was found
            recording.blind()
            pressed = recording.send("\r")
            recording.wait_for_quiet(pressed, 0.7, 10)
            shown = [moment for moment in recording.replay() if last_words(title) in recording.text()]
            if shown:
                found[title].append(shown[0] - pressed)
    return found


def _difference(small: float | None, large: float | None) -> float | None:
    return None if small is None or large is None else large - small
