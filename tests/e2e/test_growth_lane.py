"""The cost of a token does not grow with the reply: the benchmark's growth table at a small size, ratios only.

Absolute times are the machine's and are never tested. What would fail here is a renderer or a screen that looks at all of a reply for
each of its tokens: eight times the length would then cost several times as much a token.
"""

import gc
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.measures import Session
from tests.benchmarks.programs import OURS
from tests.benchmarks.server import Server
from tests.lanes import EVERYTHING, lane
from tui_chat.demo.shapes import KINDS, shape
from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme

SHORT, LONG = 1_000, 8_000  # tokens
MOST = 2.0  # times the cost of a token; it is about 1, and several times that if every token looks at the whole reply
# The whole program draws less often than once a token and does much once a turn, so growth shows later and less: about 0.9
# as it should be, 1.6 with one parse of the whole reply for each frame.
LONG_ON_SCREEN, MOST_ON_SCREEN = 12_000, 1.3
FLAT_KINDS = tuple(kind for kind in KINDS if kind != "stamps")
DELTA = 12  # characters, about what a server sends at once


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    """What other tests have left must not be looked at within one window and not in the other."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def window_costs(text: str) -> tuple[float, float]:
    """CPU seconds of the first `SHORT` tokens and of the last, each delta drawn."""
    document = LiveDocument(100, MarkdownTheme.default())
    spent = [0.0, 0.0]
    span = SHORT * CHARACTERS_PER_TOKEN
    for start in range(0, len(text), DELTA):
        before = time.process_time()
        document.write(text[start : start + DELTA])
        document.update()
        cost = time.process_time() - before
        if start < span:
            spent[0] += cost
        elif start >= len(text) - span:
            spent[1] += cost
    return spent[0], spent[1]


@pytest.mark.parametrize("kind", FLAT_KINDS)
def test_a_token_costs_the_same_late_in_a_reply(kind: str) -> None:
    text = shape(kind, LONG)
    window_costs(text[: SHORT * CHARACTERS_PER_TOKEN])  # imports and caches
    first, last = (min(costs) for costs in zip(*(window_costs(text) for _ in range(2)), strict=True))
    assert last < MOST * first


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="CPU of another process is read from /proc")
@lane(180)
def test_on_a_real_terminal_a_long_reply_costs_no_more_a_token(tmp_path: Path) -> None:
    pacing = "ttft=0.1 rate=2000"
    with Server(tmp_path) as server, OURS.start(server, tmp_path / "data") as recording:
        session = Session(OURS, recording, server)
        session.turn("mixed", SHORT, pacing)  # imports and caches
        for kind in FLAT_KINDS if EVERYTHING else ("mixed",):
            short, long = session.turn(kind, SHORT, pacing), session.turn(kind, LONG_ON_SCREEN, pacing)
            assert short.lag is not None, f"{kind}: the end of the reply was never seen"
            assert long.lag is not None, f"{kind}: the end of the reply was never seen"
            assert long.cpu_per_1000 < MOST_ON_SCREEN * short.cpu_per_1000, kind
