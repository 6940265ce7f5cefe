"""When each event of a reply leaves: a pure function of a script, a pacing and its seed.

Why it exists: the chat's figures (time to first token, tokens per second, stalls) can only be judged against a server
whose figures are known exactly. So pacing is computed, not slept: every event has an offset from the arrival of the
request, and the server only has to keep to it.
What it must not know: HTTP, sockets, what an event says. It reads no clock.

The promises, for a pacing of `ttft` and `rate`:

- the first content delta is due exactly at `ttft`;
- output tokens / (last delta - first delta), pauses apart, is exactly `rate`, however uneven the deltas between are;
- offsets never go backwards, and the same seed gives the same offsets;
- a ping comes after every five seconds without one, except in a pause that forbids it.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

PING_EVERY = 5.0  # seconds
OPENING = 0.4  # the share of the TTFT after which headers and message_start leave
BLOCK_OPENING = 0.8  # ... and content_block_start
MAX_JITTER = 0.08  # seconds: enough for visible bursts, too short to look like a stall

# Characters per delta, in no particular order: mostly a few characters to a few words, mean 12, now and then a phrase.
DELTA_SIZES = (1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11, 13, 15, 18, 22, 27, 34, 48)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How fast a reply comes.

    `ttft`: seconds from the arrival of the request to the first content delta. `rate`: output tokens per second from
    the first delta to the last; 0 means as fast as possible. `seed`: varies cuts and jitter. `delta`: characters per
    delta, or None for uneven ones as the API sends them.
    """

    ttft: float = 0.5
    rate: float = 60.0
    seed: int = 0
    delta: int | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.ttft < math.inf and 0 <= self.rate < math.inf):
            raise ValueError("ttft and rate must be numbers of at least 0")
        if self.delta is not None and self.delta < 1:
            raise ValueError("delta must be at least 1 character")

    def altered(self, header: str) -> "Pacing":
        """The same pacing but for the fields that an `x-demo-pacing` header names: `ttft=0.1 rate=200 seed=3 delta=4`.

        Raises ValueError, with a message for the sender, for unknown names and values out of range.
        """
        values: dict[str, float | int] = {}
        for word in header.replace(",", " ").split():
            name, equals, text = word.partition("=")
            if not equals or name not in ("ttft", "rate", "seed", "delta"):
                raise ValueError(f"expected ttft=S, rate=N, seed=K or delta=N, found {word!r}")
            values[name] = float(text) if name in ("ttft", "rate") else int(text)
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]  # names and types are checked above


class Beat(NamedTuple):
    """One event to send. `weight`: its content in characters, 0 for framing such as `content_block_stop`."""

    event: str
    weight: int = 0


class Pause(NamedTuple):
    """A silence of `seconds`, filled with a ping every `ping_every` seconds, or with nothing at all."""

    seconds: float
    ping_every: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A reply ready to be paced: its events in order, and the sums the pace is computed from.

    `items` may be a generator, so a script plays once. `weight` must be the sum of the beats' weights.
    """

    items: Iterable[Beat | Pause]
    weight: int
    output_tokens: int


def cut(text: str, pacing: Pacing, salt: int = 0) -> Iterator[str]:
    """Split `text` into the deltas it is sent as; the pieces join to `text` again. `salt` varies it between blocks."""
    if pacing.delta is not None:
        for start in range(0, len(text), pacing.delta):
            yield text[start : start + pacing.delta]
        return
    random = Random(f"cut {pacing.seed} {salt}").random
    start = 0
    while start < len(text):
        end = start + DELTA_SIZES[int(random() * len(DELTA_SIZES))]
        yield text[start:end]
        start = end


def schedule(script: Script, pacing: Pacing, ping: str) -> Iterator[tuple[float, Beat]]:
    """Pair each event of `script` with its offset in seconds from the arrival of the request.

    Lazy, so that a long reply's first event need not wait for the last one's offset. A pause ends with an empty beat,
    which makes the player wait for the pause's end even when nothing follows.
    """
    random = Random(f"jitter {pacing.seed}").random
    duration = script.output_tokens / pacing.rate if pacing.rate else 0.0
    offset = paused = 0.0
    next_ping = math.inf
    sent = first = 0
    for item in script.items:
        if isinstance(item, Pause):
            if item.ping_every is not None:
                for count in range(math.ceil(item.seconds / item.ping_every)):
                    yield offset + count * item.ping_every, Beat(ping)
            offset += item.seconds
            paused += item.seconds
            next_ping = offset + PING_EVERY
            yield offset, Beat("")
            continue
        if item.weight == 0:
            due = offset if sent else max(offset, pacing.ttft * (OPENING if next_ping == math.inf else BLOCK_OPENING))
        elif not sent:
            due = max(offset, pacing.ttft + paused)
            sent = first = item.weight
        else:
            sent += item.weight
            end = pacing.ttft + paused + duration
            share = (sent - first) / (script.weight - first)  # exactly 1.0 for the last delta
            jitter = (2 * random() - 1) * min(MAX_JITTER, 2 * duration * item.weight / script.weight)
            due = end if share >= 1 else min(max(offset, pacing.ttft + paused + duration * share + jitter), end)
        if next_ping == math.inf:
            next_ping = due + PING_EVERY
        while next_ping < due:
            yield next_ping, Beat(ping)
            next_ping += PING_EVERY
        offset = due
        yield due, item
