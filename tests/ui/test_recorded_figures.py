"""Every number that the program shows of one recorded turn, against the figures worked out by hand from its timestamps.

`tests/fixtures/recordings/tools.jsonl` was made with the demo: two requests, three tools between them. What its lines say, by hand:

    47845.040787755   turn_started
    47846.375376336   request_started, the first
    47846.599700567   its headers
    47846.798199146   content_block_start of the thinking
    47846.898738331   its first delta, of thinking
    47847.215129798   its last delta of thinking
    47847.748475121   its last delta; 51 output tokens; usage 3 + 513 written + 0 read
    47847.763750005   request_started, the second
    47848.272810998   its first delta, 27 characters of text
    47849.406387298   its last delta; 68 output tokens; usage 3 + 157 written + 516 read
    47849.407550133   turn_ended
"""

import asyncio
import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ui.test_replaying import FIXTURE, over, replaying, turn_of
from tui_chat.headless import RESULT_KEYS
from tui_chat.prices import ANTHROPIC_HOST
from tui_chat.recordings import Recording, read
from tui_chat.recordings.format import Said
from tui_chat.recordings.player import Player

TTFT = 47846.898738331 - 47846.375376336  # 0.523361995 s
GENERATING = (47847.748475121 - 47846.898738331) + (47849.406387298 - 47848.272810998)  # 1.983313090 s
RATE = (51 + 68) / GENERATING  # 60.000612... tok/s
DURATION = 47849.407550133 - 47845.040787755  # 4.366762378 s
INPUT = 3 + 513 + 0 + 3 + 157 + 516  # 1,192: 1.2k
# Dollars for a million tokens of claude-sonnet-5-5 since October 2026: 2 in, 2.50 written, 0.10 read, 10 out.
COST = (6 * 2 + 670 * 2.5 + 516 * 0.1 + 119 * 10) / 1_000_000  # $0.0029286


def priced() -> Recording:
    """The recording, as if the server had been one that has prices."""
    recording = read(FIXTURE)
    started = replace(recording.started, server=ANTHROPIC_HOST)
    return replace(recording, records=(Said(started.at, started), *recording.records[1:]))


async def test_the_status_bar_and_the_footer(tmp_path: Path) -> None:
    async with replaying(tmp_path, priced(), size=(180, 40)) as chat:
        await over(chat)
        shown = "last:  TTFT 0.52s  60 tok/s  1.2k in  (516 +670)  119 out  $0.003  ctx –"
        assert shown in chat.status
        assert "session 1.2k in 119 out $0.003" in chat.status
        assert "thought for 0.4s, 21 tokens" in chat.log  # 47847.215129798 - 47846.798199146
        footer = "sonnet-5-5 · TTFT 0.52s · 60 tok/s · 1.2k in (516 +670 cached) · 119 out · 3 tool calls · $0.003 · end_turn"
        assert footer in chat.log
        figures = chat.app.runtime.figures(turn_of(chat), 0.0)
        assert figures.ttft == TTFT
        assert figures.tokens_per_second == RATE
        assert figures.duration == DURATION
        assert (figures.input_tokens, figures.cache_read, figures.cache_write) == (INPUT, 516, 670)
        assert figures.cost == pytest.approx(COST, rel=1e-12)
        assert figures.headers_after == 47846.599700567 - 47846.375376336


async def test_the_status_bar_while_it_runs(tmp_path: Path) -> None:
    player = Player(paused=True)
    async with replaying(tmp_path, priced(), player=player, size=(160, 40)) as chat:
        turn = turn_of(chat)

        async def step_until(number: int, deltas: int) -> None:
            while len(turn.requests) < number or turn.requests[-1].delta_count < deltas:
                await chat.press("full_stop")
                await chat.until(lambda: player.steps_left == 0)
            await chat.pilot.pause()

        await step_until(1, 1)
        assert player.now() == 47846.898738331
        assert "thinking 0.5s" in chat.status  # since the request was sent
        assert "TTFT 0.52s" in chat.status
        assert "516 in" in chat.status
        assert "~7 out" in chat.status  # 27 characters of thinking, at 4 a token
        await step_until(2, 1)
        assert player.now() == 47848.272810998
        assert "streaming 0.5s" in chat.status  # 47848.272810998 - 47847.763750005
        assert "TTFT 0.52s" in chat.status  # the first request's
        assert "1.2k in" in chat.status
        assert "~58 out" in chat.status  # 51 counted, and 27 characters


async def test_the_object_that_is_printed() -> None:
    for form in ("json", "stream-json"):
        arguments = ["-m", "tui_chat", "replay", str(FIXTURE), "--output-format", form]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ),
        )
        printed, complaints = await process.communicate()
        assert (process.returncode, complaints) == (0, b"")
        lines = [json.loads(line) for line in printed.splitlines()]
        _expect_figures({name: value for name, value in lines[-1].items() if name != "type"})
        assert len(lines) == (1 if form == "json" else len(read(FIXTURE).events()) + 1)


def _expect_figures(result: dict[str, Any]) -> None:
    assert tuple(result) == RESULT_KEYS
    numbers = {name: result[name] for name in ("ttft_s", "duration_s", "tokens_per_second")}
    assert numbers == {"ttft_s": TTFT, "duration_s": DURATION, "tokens_per_second": RATE}
    assert result["usage"]["output_tokens"] == 119
    assert result["usage_is_final"] is True
    assert math.isclose(numbers["ttft_s"], 0.523361995, abs_tol=1e-9)
    assert (result["outcome"], result["stop_reason"]) == ("completed", "end_turn")
    assert result["model"] == "claude-sonnet-5-5"
    assert result["request_id"] == "req_011ff05e4895c489b3421f7"  # the last one's
    assert result["conversation_id"] == read(FIXTURE).started.conversation_id
