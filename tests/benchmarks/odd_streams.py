"""How many odd streams the bare SDK gets right, and how many the engine does.

    python -m tests.benchmarks.odd_streams [--all]

Every body of `tests/fixtures/sse` and every answer of `tests.unit.odd_answers` is served on loopback and read three times: by
`messages.create(stream=True)` with the loop that its documentation shows, by `messages.stream()`, and by the engine. Right is

- the reply's text in the end, as far as it came;
- the stop reason;
- the end: an exception, exactly where the reply is not complete; a failed turn in our case. Of whatever class: an AssertionError
  is taken for a report that the body was no stream.

A reader that has not ended after four seconds hangs. Usage, blocks, and what an error is called are not counted here; tests
look at them. The table has the streams that somebody gets wrong; `--all` has the others too.
"""

import argparse
import asyncio
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

import anthropic

from tests.benchmarks.report import table
from tests.unit import raw_server as raw
from tests.unit.engine_runs import run
from tests.unit.odd_answers import ODD_ANSWERS, OddAnswer
from tests.unit.odd_streams import ODD_STREAMS, OddStream
from tests.unit.sdk_streams import PARAMETERS
from tui_chat.engine import turn
from tui_chat.text import storable

SECONDS: Final = 4.0


@dataclass(slots=True)
class Seen:
    """What a reader had in the end; `ended` is how: "" when nothing was said to be wrong."""

    text: str = ""
    stop_reason: str | None = None
    ended: str = ""


Reader = Callable[[str, Seen], Awaitable[None]]


def _sdk(base_url: str) -> anthropic.AsyncAnthropic:
    pool = anthropic.DefaultAsyncHttpxClient(verify=False)  # no TLS here
    return anthropic.AsyncAnthropic(api_key="local", base_url=base_url, max_retries=0, http_client=pool)


async def create(base_url: str, seen: Seen) -> None:
    """`messages.create(stream=True)`, text gathered block by block."""
    texts: dict[int, str] = {}
    async with _sdk(base_url) as client:
        async for event in await client.messages.create(**PARAMETERS, stream=True):
            match event.type:
                case "content_block_start" if event.content_block.type == "text":
                    texts[event.index] = texts.get(event.index, "") + event.content_block.text
                case "content_block_delta" if event.delta.type == "text_delta":
                    texts[event.index] = texts.get(event.index, "") + event.delta.text
                case "message_delta":
                    seen.stop_reason = event.delta.stop_reason
            seen.text = "".join(texts[index] for index in sorted(texts))


async def stream(base_url: str, seen: Seen) -> None:
    """`messages.stream()`, which gathers them itself; after an exception its snapshot is what is left."""
    async with _sdk(base_url) as client, client.messages.stream(**PARAMETERS) as events:
        try:
            message: Any = await events.get_final_message()
        except BaseException:
            message = getattr(events, "_AsyncMessageStream__final_message_snapshot", None)
            raise
        finally:
            if message is not None:
                seen.text = "".join(block.text for block in message.content if block.type == "text")
                seen.stop_reason = message.stop_reason


async def engine(base_url: str, seen: Seen) -> None:
    """Ours."""
    result = await run(base_url)
    seen.text, seen.stop_reason = result.turn.text, result.outcome.stop_reason
    seen.ended = result.outcome.error.type if result.outcome.error else ""


READERS: Final[dict[str, Reader]] = {"create(stream=True)": create, "messages.stream()": stream, "engine": engine}


async def judge(reader: Reader, odd: OddStream | OddAnswer, answer: raw.Answer) -> str:
    """What is wrong with what `reader` makes of it; "" when nothing is."""
    seen = Seen()
    async with raw.raw_server(answer) as server:
        try:
            await asyncio.wait_for(reader(server.base_url, seen), SECONDS)
        except TimeoutError:
            return "hangs"
        except Exception as error:  # noqa: BLE001 - which class it is, is what the table shows
            seen.ended = type(error).__name__
    if odd.error and not seen.ended:
        return "silent"
    if seen.ended and not odd.error:
        return f"raises {seen.ended}"
    if storable(seen.text) not in (("", "Hello") if odd.text is None else (odd.text,)):
        return "other text"
    return "" if seen.stop_reason == odd.stop_reason else f"stop reason {seen.stop_reason}"


async def _judge_all(*, every: bool) -> None:
    streams: list[tuple[OddStream | OddAnswer, raw.Answer]] = [(odd, raw.stream(odd.body)) for odd in ODD_STREAMS]
    streams += [(odd, odd.answer) for odd in ODD_ANSWERS]
    right = dict.fromkeys(READERS, 0)
    rows = []
    for odd, answer in streams:
        with patch.object(turn, "MAX_PAUSES", 0):  # one request is looked at
            verdicts = [await judge(reader, odd, answer) for reader in READERS.values()]
        for name, verdict in zip(READERS, verdicts, strict=True):
            right[name] += not verdict
        if every or any(verdicts):
            rows.append([odd.name, *(verdict or "right" for verdict in verdicts)])
    head = ["stream", *READERS]
    table("Odd streams", head, [*rows, [f"right, of {len(streams)}", *map(str, right.values())]])


def main() -> None:
    """Read them all and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.odd_streams", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--all", action="store_true", help="also the streams that everybody gets right")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # pydantic, on values of another type
    asyncio.run(_judge_all(every=options.all))


if __name__ == "__main__":
    main()
