"""What an event costs the engine, beside the bare SDK's `create(stream=True)`, in one run.

    python -m tests.benchmarks.engine [--repeats N] [--deltas N ...]

Both read the same bodies from the same server, a process of its own, in pairs one after the other, each first as often as
the other. Ours is all that a session does with an event but for store and screen: the SDK's request, our decoder, the
translator, the fold into a turn, the turn's own loop, and what the closed wire inspector keeps. The SDK's is the loop that its documentation shows, with the pieces kept in a list. Both
end with the reply in hand: text joined, tool input parsed.

Bodies come as fast as they are read: many events in a write, or a write (and a chunk of HTTP) for each event. At the end stands
the reply as a model writes it: each event is read alone, because the server waits a millisecond before the next.

CPU is the whole client process's, user and system time, the request itself included; divided by the deltas. The ratio is
the median of the pairs' ratios. Read the ratios: the times are those of the machine. The whole takes five minutes.
"""

import argparse
import asyncio
import functools
import gc
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import anthropic

from tests.benchmarks.report import Goal, goals, number, table
from tests.unit import raw_server as raw
from tests.unit.store_values import conversation, running
from tui_chat import turns
from tui_chat.config import Config, Timeouts
from tui_chat.conversation import Outcome
from tui_chat.engine.calls import Workbench
from tui_chat.engine.client import ApiClient
from tui_chat.engine.turn import TurnRunner
from tui_chat.events import Event
from tui_chat.wire import Capture, WireLog

MODEL: Final = "claude-sonnet-5-5"
DELTAS: Final = (1_000, 10_000, 100_000)
BLOCKS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "text", "text": ""},
    "tool input, one string": {"type": "tool_use", "id": "toolu_1", "name": "write", "input": {}},
    "tool input, an array": {"type": "tool_use", "id": "toolu_1", "name": "write", "input": {}},
}
BULK, SINGLE, PACED = "64 kB a write", "an event a write", "an event a millisecond"
LONGEST_PACED: Final = 10_000  # that is 10 s and more

Reply = Any
Client = Callable[[str], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Cost:
    """One case: microseconds per delta, of ours and of the SDK, and the ratio of the pairs."""

    ours: float
    bare: float
    ratio: float


# The server ----------------------------------------------------------------------------------------------------------


def _pieces(kind: str, count: int) -> list[str]:
    match kind:
        case "text":
            return [f" word{number % 97}" for number in range(count)]
        case "tool input, one string":
            return ['{"text": "', *(f" word{number % 97}" for number in range(count - 2)), '"}']
        case _:
            whole = json.dumps({"rows": [{"id": number, "name": f"row {number}"} for number in range(count // 4 + 1)]})
            size = -(-len(whole) // count)
            return [whole[start : start + size] for start in range(0, len(whole), size)]


@functools.cache
def _events(kind: str, count: int) -> list[bytes]:
    """The events of one reply, framed as the API frames them."""
    field = ("text_delta", "text") if kind == "text" else ("input_json_delta", "partial_json")
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 14, "output_tokens": 1},
    }
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    deltas = (
        {"type": "content_block_delta", "index": 0, "delta": {"type": field[0], field[1]: piece}}
        for piece in _pieces(kind, count)
    )
    every: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": BLOCKS[kind]},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]
    return [f"event: {each['type']}\ndata: {json.dumps(each, separators=(',', ':'))}\n\n".encode() for each in every]


async def _answer(exchange: raw.Exchange) -> None:
    """Send the reply that the prompt names: kind, writes, deltas."""
    kind, writes, count = exchange.body["messages"][0]["content"].split("; ")
    events = _events(kind, int(count))
    await exchange.send(raw.head(transfer_encoding="chunked", request_id="req_1"))
    body = b"".join(events)
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] if writes == BULK else events
    for part in parts:
        if writes == PACED:
            await asyncio.sleep(0.001)
        await exchange.send(b"%x\r\n%b\r\n" % (len(part), part))
    await exchange.send(b"0\r\n\r\n")


def serve_replies(parent: Connection) -> None:
    async def serve() -> None:
        async with raw.raw_server(_answer) as server:
            parent.send(server.base_url)
            await asyncio.to_thread(parent.poll, None)  # the parent closes its end, or is gone

    asyncio.run(serve())


# The clients ---------------------------------------------------------------------------------------------------------


def parameters(prompt: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": prompt}]}


def _bare(client: anthropic.AsyncAnthropic) -> Client:
    async def reply(prompt: str) -> Reply:
        pieces: list[str] = []
        inputs: list[str] = []
        async for event in await client.messages.create(**parameters(prompt), stream=True):
            if event.type == "content_block_delta":
                if event.delta.type == "text_delta":
                    pieces.append(event.delta.text)
                elif event.delta.type == "input_json_delta":
                    inputs.append(event.delta.partial_json)
        return json.loads("".join(inputs)) if inputs else "".join(pieces)

    return reply


def ours_with(
    client: ApiClient, timeouts: Timeouts, capture: Callable[[str, float], Capture | None] = lambda _model, _sent: None
) -> Client:
    """Our whole path; `capture` is where each request keeps what goes over the wire."""

    async def reply(prompt: str) -> Reply:
        turn = running(conversation(), at=time.monotonic())

        def emit(event: Event) -> None:
            turns.apply(turn, event)

        runner = TurnRunner(
            client,
            lambda: parameters(prompt),
            lambda _failure, _asked: False,
            timeouts,
            Workbench(),
            turn,
            emit,
            capture,
        )
        result = await runner.run()
        assert result.outcome is Outcome.COMPLETED
        message = turn.reply()
        assert message is not None
        (block,) = message.blocks
        return block.get("input") or block["text"]

    return reply


async def cpu_of(client: Client, prompt: str) -> tuple[float, Reply]:
    gc.collect()
    before = time.process_time()
    reply = await client(prompt)
    return time.process_time() - before, reply


async def _measure(ours: Client, bare: Client, prompt: str, deltas: int, repeats: int) -> Cost:
    pairs: list[tuple[float, float]] = []
    for turn in range(repeats):
        if turn % 2:
            second, theirs = await cpu_of(bare, prompt)
            first, reply = await cpu_of(ours, prompt)
        else:
            first, reply = await cpu_of(ours, prompt)
            second, theirs = await cpu_of(bare, prompt)
        assert reply == theirs, "the two replies are not the same"
        pairs.append((first, second))
    mine, other = (statistics.median(side) * 1e6 / deltas for side in zip(*pairs, strict=True))
    return Cost(mine, other, statistics.median(first / second for first, second in pairs))


async def _run(base_url: str, deltas: tuple[int, ...], repeats: int) -> None:
    config = Config(Path(), Path("none"), base_url=base_url, has_credentials=False)
    engine = ApiClient(config)
    sdk = anthropic.AsyncAnthropic(api_key="local", base_url=base_url)
    wire = WireLog()  # as every run of the program has one
    ours = ours_with(engine, config.timeouts, lambda model, sent: wire.begin("turn", 0, model, time.time(), sent))
    bare = _bare(sdk)
    rows, reached = [], []
    cases = [(kind, writes) for kind in BLOCKS for writes in (BULK, SINGLE)]
    for kind, writes in [*cases, ("text", PACED)]:
        name = f"{kind}, {writes}"
        await _measure(ours, bare, f"{kind}; {BULK}; 1000", 1000, 3)  # imports, caches
        costs: dict[int, Cost] = {}
        for count in deltas:
            if writes == PACED and count > LONGEST_PACED:
                continue
            pairs = 3 if writes == PACED else max(3, min(repeats * 3, repeats * 100_000 // count))
            costs[count] = cost = await _measure(ours, bare, f"{kind}; {writes}; {count}", count, pairs)
            rows.append([name, f"{count:,}", number(cost.ours, 2), number(cost.bare, 2), number(cost.ratio, 2)])
            reached.append(Goal(f"{name}, {count:,}: CPU per delta to the SDK's", cost.ratio, 1.0))
        few, many = costs[min(costs)], costs[max(costs)]
        rows[-1].append(f"{many.ours / few.ours:.2f} / {many.bare / few.bare:.2f}")
        if writes != PACED:  # there it is the machine that wakes up, for better or worse
            reached.append(Goal(f"{name}: longest to shortest", many.ours / few.ours, 1.15))
    head = ["reply", "deltas", "ours, µs", "SDK, µs", "ratio", "growth, ours / SDK"]
    table("CPU per delta", head, [[*row, ""][: len(head)] for row in rows])
    goals(reached)
    await engine.close()
    await sdk.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5, help="pairs of the longest reply (%(default)s)")
    parser.add_argument("--deltas", type=int, nargs="+", default=DELTAS, help="deltas of a reply")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve_replies, args=(there,), daemon=True)
    server.start()
    try:
        asyncio.run(_run(here.recv(), tuple(options.deltas), options.repeats))
    finally:
        server.kill()
        server.join()


if __name__ == "__main__":
    main()
