"""What it costs to keep the wire, and to record it, per server-sent event, in one run.

    python -m tests.benchmarks.wire_cost [--repeats N] [--deltas N]

The engine alone (see `engine`) reads the same body in three ways, in turn, each first as often as the others: nothing is kept; the
bytes are kept in the bounded log, as every run of the program keeps them while the inspector is closed; and they are also written
to a recording. CPU of the whole process, user and system, per event; the ratios are medians over the rounds.

The same for the bytes of memory that the log holds per event, beside those that were received.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.engine import BULK, SINGLE, Client, Reply, cpu_of, ours_with, serve_replies
from tests.benchmarks.report import number, table
from tui_chat.config import Config
from tui_chat.conversation import Message
from tui_chat.engine.client import ApiClient
from tui_chat.events import TurnStarted
from tui_chat.ids import new_id
from tui_chat.recordings.recorder import RecordingFolder
from tui_chat.wire import Capture, WireLog

WAYS = ("nothing kept", "kept: the closed inspector", "kept and recorded")
PROMPT = Message("message", None, "user", ({"type": "text", "text": "go"},), 0.0)


def _ways(client: ApiClient, config: Config) -> dict[str, Client]:
    log = WireLog()

    def nothing(_model: str, _sent: float) -> Capture | None:
        return None

    def kept(model: str, sent: float) -> Capture | None:
        return log.begin("turn", 0, model, time.time(), sent)

    captures: tuple[Callable[[str, float], Capture | None], ...] = (nothing, kept)
    ways = {name: ours_with(client, config.timeouts, capture) for name, capture in zip(WAYS, captures, strict=False)}
    return ways | {WAYS[2]: _recorded(client, config, log)}


def _recorded(client: ApiClient, config: Config, log: WireLog) -> Client:
    """To a real file, and until all of it is written."""
    folder = RecordingFolder(config.data_dir, stores=False)

    async def reply(prompt: str) -> Reply:
        started = TurnStarted(time.monotonic(), new_id(), "", "", "", "", time.time(), PROMPT)
        recorder = folder.record(started, stored=False)

        def capture(model: str, sent: float) -> Capture:
            return log.begin("turn", 0, model, time.time(), sent, tap=recorder)

        answer = await ours_with(client, config.timeouts, capture)(prompt)
        await recorder.closed()
        recorder.path.unlink()
        return answer

    return reply


async def _run(base_url: str, deltas: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = Config(Path(folder), Path("none"), base_url=base_url, has_credentials=False)
        client = ApiClient(config)
        ways = _ways(client, config)
        rows = []
        for writes in (BULK, SINGLE):
            prompt = f"text; {writes}; {deltas}"
            for way in ways.values():
                await way(prompt)  # imports, caches
            spent: dict[str, list[float]] = {name: [] for name in ways}
            names = list(ways)
            for turn in range(repeats):
                for name in names[turn % len(names) :] + names[: turn % len(names)]:
                    seconds, _ = await cpu_of(ways[name], prompt)
                    spent[name].append(seconds * 1e6 / deltas)
            base = spent[WAYS[0]]
            for name, costs in spent.items():
                ratios = [cost / other for cost, other in zip(costs, base, strict=True)]
                more = statistics.median(cost - other for cost, other in zip(costs, base, strict=True))
                rows.append(
                    [
                        f"{name}, {writes}",
                        number(statistics.median(costs), 2),
                        number(more, 2),
                        number(statistics.median(ratios), 3),
                    ]
                )
        table(f"CPU per event, {deltas:,} events", ["", "µs", "more, µs", "ratio"], rows)
        await client.close()


def _memory() -> None:
    """Bytes per event in the log, each event a chunk of its own, as a model sends them."""
    event = 'event: content_block_delta\ndata: {{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":" word{}"}}}}\n\n'
    log = WireLog(sys.maxsize)
    capture = log.begin("turn", 0, "claude-x", 0.0, 0.0)
    count = 100_000
    tracemalloc.start()
    for number_ in range(count):
        capture.chunk(time.monotonic(), event.format(number_).encode())
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = [[number(capture.received / count), number(held / count), number(log.held / count)]]
    table("Memory per event, bytes", ["received", "held", "as the log counts it"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.wire_cost", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=15, help="rounds (%(default)s)")
    parser.add_argument("--deltas", type=int, default=20_000, help="events of a reply (%(default)s)")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve_replies, args=(there,), daemon=True)
    server.start()
    try:
        asyncio.run(_run(here.recv(), options.deltas, options.repeats))
    finally:
        server.kill()
        server.join()
    _memory()


if __name__ == "__main__":
    main()
