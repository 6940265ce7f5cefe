"""Every odd stream in the app and headless: the same result, and after each a request that the API would accept."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.lanes import lane, sample
from tests.ui.conftest import OpenChat
from tests.unit import raw_server as raw
from tests.unit.odd_streams import ODD_STREAMS, OddStream
from tests.unit.raw_server import RawServer, raw_server
from tui_chat.config import Config
from tui_chat.demo import why_illegal
from tui_chat.engine import retry
from tui_chat.events import TurnEnded
from tui_chat.headless import json_line, result_of, run_headless
from tui_chat.text import storable
from tui_chat.ui import wording

BY_NAME = {odd.name: odd for odd in ODD_STREAMS}
SAME = ("outcome", "stop_reason", "text", "blocks", "usage", "usage_is_final", "error")


async def by_prompt(exchange: raw.Exchange) -> None:
    """Answer a prompt that is a stream's name with that stream; there is no list of models."""
    if exchange.body is None:
        await raw.document(b"{}", "404 Not Found")(exchange)
        return
    assert why_illegal(exchange.body) is None
    prompt = (
        exchange.body["messages"][-1]["content"][-1]["text"] if exchange.body["messages"][-1]["role"] == "user" else ""
    )
    odd = BY_NAME.get(prompt)
    await raw.stream(odd.body if odd else BY_NAME["plain"].body)(exchange)


@pytest.fixture
async def odd_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawServer]:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.01)
    async with raw_server(by_prompt) as server:
        yield server


async def headless(server: RawServer, odd: OddStream, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `-p NAME --output-format json` prints."""
    path = folder / "standard-output"
    config = Config(folder / "none", folder / "none", base_url=server.base_url, has_credentials=False)
    with path.open("w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        await run_headless(
            config, odd.name, output_format="json", resume=None, continue_last=False, store_conversations=False
        )
    return json.loads(path.read_text())


def _dense(text: str) -> str:
    """Without space: the log wraps lines."""
    return "".join(text.split())


@lane(180)
async def test_every_stream(
    odd_server: RawServer, open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: dict[str, dict[str, Any]] = {}
    streams = sample([odd for odd in ODD_STREAMS if odd.stop_reason != "pause_turn"], seed=4)
    async with open_chat(base_url=odd_server.base_url) as chat:
        for odd in streams:
            await chat.say(odd.name)
            session = chat.app.chat.session
            assert session is not None
            turn = session.turn
            assert turn is not None
            assert turn.outcome is not None
            ended = TurnEnded(0.0, turn.outcome, turn.stop_reason, turn.usage.fields, turn.usage_is_final, turn.error)
            results[odd.name] = result_of(chat.app.runtime, turn, ended, None)
            assert storable(turn.text) == odd.text
            for word in turn.text.split()[:3]:
                assert not word.isalpha() or word in chat.log
            footer = wording.footer(turn, chat.app.runtime.figures(turn, 0.0), goes_out=session.goes_out(turn))
            assert _dense(footer.text) in _dense(chat.log)
        await chat.say("plain")
        assert "end_turn" in chat.log
    for odd in streams:
        there = await headless(odd_server, odd, tmp_path, monkeypatch)
        here = json.loads(json_line(results[odd.name]))
        assert {name: there[name] for name in SAME} == {name: here[name] for name in SAME}, odd.name
