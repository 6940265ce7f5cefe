"""Stamps and usage to the figures a person reads: TTFT, tok/s, tokens, cost, state. Each number is defined once, here.

It must not know who shows them: the status bar, a footer, JSON and the database all take them from `figures`. The clock
is a number that the caller passes in. Values are never invented: unknown is None, and an estimate says so.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal, Protocol

from tui_chat.conversation import Request, Turn
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.usage import Usage

State = Literal[
    "connecting",
    "waiting",
    "thinking",
    "streaming",
    "quiet",
    "retrying",
    "approval",
    "tool",
    "stopping",
    "saving",
    "ready",
]

QUIET_AFTER: Final = 10.0  # seconds without content until the status says quiet
PINGS_RECENT: Final = 10.0  # seconds within which bytes count as "pings arriving"
RATE_WINDOW: Final = 2.0  # seconds of the rolling rate
RATE_NEEDS: Final = 0.2  # seconds under which a rate would be noise
CHARACTERS_PER_TOKEN: Final = 4.0  # the first guess; `Ratios` learns the real one per model


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one turn now. Seconds, tokens, tokens per second; None is unknown; `*_estimated` carries `~`."""

    model: str
    ttft: float | None = None
    headers_after: float | None = None
    tokens_per_second: float | None = None
    estimated_rate: float | None = None
    input_tokens: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output_tokens: int | None = None
    output_estimated: bool = False
    duration: float | None = None
    context_tokens: int | None = None
    cost: float | None = None
    cost_estimated: bool = False


class Counted(Protocol):
    """As much of a request as its tokens and its cost need."""

    @property
    def model(self) -> str: ...
    @property
    def usage(self) -> Usage: ...
    @property
    def usage_is_final(self) -> bool: ...
    @property
    def characters(self) -> int: ...
    @property
    def error(self) -> object | None: ...


class Ratios:
    """Characters per token, learnt per model from replies whose exact count is known."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, int]] = {}

    def learn(self, turn: Turn) -> None:
        """Take the exact counts of a finished turn into account (replies of 20 tokens and more, nothing hidden)."""
        for request in turn.requests:
            tokens = request.usage.output_tokens
            if not request.usage_is_final or tokens is None or tokens < 20 or request.characters < tokens:
                continue
            characters, known = self._sums.get(request.model, (0, 0))
            self._sums[request.model] = (characters + request.characters, known + tokens)

    def learn_sums(self, model: str, characters: int, tokens: int) -> None:
        """Take over the sums of what is stored; they replace what was learnt of `model` so far: that is stored as well, or little."""
        if tokens > 0 and characters > 0:
            self._sums[model] = (characters, tokens)

    def characters_per_token(self, model: str) -> float:
        """The ratio for `model`; 4 until something was learnt."""
        characters, tokens = self._sums.get(model, (0, 0))
        return characters / tokens if tokens else CHARACTERS_PER_TOKEN


def _rate(rounds: Iterable[tuple[Request, int]]) -> float | None:
    """tok/s over the generation: output tokens / (last delta - first delta) of the rounds that have such a time.

    That is two deltas and 0.2 s at least; None without one.
    """
    tokens, seconds = 0, 0.0
    for request, count in rounds:
        first, last = request.stamps.first_delta, request.stamps.last_delta
        if request.delta_count >= 2 and first is not None and last is not None and last - first >= RATE_NEEDS:
            tokens, seconds = tokens + count, seconds + last - first
    return tokens / seconds if seconds else None


def figures(turn: Turn, now: float, ratios: Ratios, prices: PriceList) -> Figures:
    """The figures of `turn`, running or ended, at `now` (monotonic seconds; ignored once it has ended)."""
    request = turn.request
    if request is None:
        return Figures(turn.model, duration=(now if turn.ended is None else turn.ended) - turn.started)
    usage = turn.usage
    outputs = [output(each, ratios) for each in turn.requests]
    exact = all(known for _, known in outputs)
    rounds = [(each, output(each, ratios)) for each in turn.rounds]
    # The latest request that was counted: a new one knows nothing of its prompt yet.
    context = next((each for each in reversed(turn.requests) if each.usage.input_tokens is not None), request)
    stamps = turn.rounds[0].stamps
    return Figures(
        model=request.model,
        ttft=turn.ttft,
        headers_after=None if stamps.headers is None else stamps.headers - stamps.sent,
        tokens_per_second=_rate((each, count) for each, (count, known) in rounds if known),
        estimated_rate=_rate((each, count) for each, (count, _) in rounds),
        input_tokens=usage.input_tokens,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        output_tokens=sum(count for count, _ in outputs),
        output_estimated=not exact and any(each.usage.fields or each.characters for each in turn.requests),
        duration=(now if turn.ended is None else turn.ended) - turn.started,
        context_tokens=_filled(context, ratios),
        cost=cost(turn.requests, [count for count, _ in outputs], turn.server, turn.started_at, prices),
        cost_estimated=not exact,
    )


def output(request: Counted, ratios: Ratios) -> tuple[int, bool]:
    """Output tokens of a request, and whether the server has counted them; of one that brought nothing that is no matter."""
    count = request.usage.output_tokens
    if request.usage_is_final and count is not None:
        return count, True
    nothing = not request.characters and not request.usage.fields and request.error is not None
    return round(request.characters / ratios.characters_per_token(request.model)), nothing


def billed(turn: Turn, prices: PriceList) -> float | None:
    """US dollars of `turn` that are certain: of a request whose output was not counted only its prompt. None: not known."""
    outputs = [(each.usage.output_tokens or 0) if each.usage_is_final else 0 for each in turn.requests]
    return cost(turn.requests, outputs, turn.server, turn.started_at, prices)


def _filled(request: Request, ratios: Ratios) -> int | None:
    prompt = request.usage.input_tokens
    return None if prompt is None else prompt + output(request, ratios)[0]


def cost(
    requests: Sequence[Counted], outputs: Sequence[int], server: str, started_at: float, prices: PriceList
) -> float | None:
    """US dollars over the requests of one turn that started then (wall clock), with the output tokens of each.

    Only Anthropic's own host has a price.
    """
    if server != ANTHROPIC_HOST:
        return None
    try:
        day = _day(int(started_at // 86_400))
    except (OverflowError, ValueError):  # no such day: what was imported may say anything
        return None
    total = None
    for request, count in zip(requests, outputs, strict=True):
        if not request.usage.fields:
            continue  # an attempt that failed before the server counted anything
        part = prices.cost(request.model, request.usage, count, day)
        if part is None:
            return None
        total = (total or 0.0) + part
    return total


@lru_cache(maxsize=1024)
def _day(number: int) -> date:
    """The day in UTC, from days since the epoch."""
    return date(1970, 1, 1) + timedelta(days=number)


def state(turn: Turn, now: float) -> State:
    """The status word of a running turn."""
    request = turn.request
    if turn.outcome is not None:
        return "ready"
    if turn.retry_at is not None:
        return "retrying"
    if request is None:
        return "connecting"  # the SDK is still being loaded
    open_calls = [call for call in request.calls.values() if call.result is None]
    if open_calls:
        return "approval" if any(call.waiting for call in open_calls) else "tool"
    stamps = request.stamps
    if stamps.headers is None:
        return "connecting" if stamps.connected is None else "waiting"
    heard = max(each for each in (stamps.headers, stamps.message_start, stamps.last_delta) if each is not None)
    if now - heard >= QUIET_AFTER:
        return "quiet"
    open_block = request.blocks[max(request.blocks)] if request.blocks else None
    if open_block is not None and open_block.type in ("thinking", "redacted_thinking"):
        return "thinking"
    return "waiting" if stamps.first_delta is None else "streaming"


def quiet_for(request: Request, now: float) -> tuple[float, bool]:
    """Seconds since the last content (or headers), and whether bytes (pings) still arrive."""
    stamps = request.stamps
    heard = max(
        each for each in (stamps.headers, stamps.message_start, stamps.last_delta, stamps.sent) if each is not None
    )
    pings = stamps.last_bytes is not None and stamps.last_bytes > heard and now - stamps.last_bytes < PINGS_RECENT
    return now - heard, pings


class RollingRate:
    """tok/s over the last two seconds, estimated from characters: what the status bar shows while a reply runs."""

    def __init__(self) -> None:
        self._window: deque[tuple[float, int]] = deque()
        self._characters = 0
        self._first: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted yet."""
        return self._first is None

    def add(self, at: float, characters: int) -> None:
        """Count `characters` that arrived at `at` (monotonic seconds)."""
        if self._first is None:
            self._first = at
        self._window.append((at, characters))
        self._characters += characters
        self._drop(at)

    def _drop(self, now: float) -> None:
        while self._window and self._window[0][0] < now - RATE_WINDOW:
            self._characters -= self._window.popleft()[1]

    def tokens_per_second(self, now: float, characters_per_token: float) -> float | None:
        """The rate at `now`, or None while there is too little to say."""
        if self._first is None or now - self._first < RATE_NEEDS:
            return None
        self._drop(now)
        return self._characters / characters_per_token / min(RATE_WINDOW, now - self._first)


def context_share(figures: Figures, window: int | None) -> float | None:
    """The share (0 to 1) of the model's context window that the last request and its reply fill."""
    if not window or figures.context_tokens is None:
        return None
    return figures.context_tokens / window
