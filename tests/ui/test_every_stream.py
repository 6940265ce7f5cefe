"""Every odd stream and answer in the app and headless: the same result, and after each a request that the API would accept.

The prompt is the oddity's name. What the app shows is looked for below that prompt only: most replies are the same words.
"""

import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.lanes import lane, sample
from tests.ui.conftest import Chat, OpenChat
from tests.unit import raw_server as raw
from tests.unit.odd_answers import ODD_ANSWERS, OddAnswer
from tests.unit.odd_streams import ODD_STREAMS, OddStream
from tests.unit.raw_server import RawServer, raw_server
from tui_chat.config import Config
from tui_chat.conversation import Turn
from tui_chat.demo import why_illegal
from tui_chat.engine import retry
from tui_chat.events import TurnEnded
from tui_chat.headless import result_of, run_headless
from tui_chat.printing import json_line
from tui_chat.text import sanitise, storable
from tui_chat.ui import wording

BY_NAME: Final = {odd.name: odd for odd in ODD_STREAMS}
PAUSED: Final = BY_NAME["server-tool"].body.replace(b'"end_turn"', b'"pause_turn"')
ANSWERS: Final[Mapping[str, raw.Answer]] = {
    **{odd.name: raw.stream(odd.body) for odd in ODD_STREAMS},
    **{odd.name: odd.answer for odd in ODD_ANSWERS},
    "server-tool-paused": raw.stream(PAUSED),
}
OUT_OF_ORDER: Final = ("interleaved-blocks", "out-of-order-indices")  # with a test of their own
LARGE: Final = ("a megabyte in one delta", "50,000 deltas")  # their prompts are out of view at the end
SAME: Final = ("outcome", "stop_reason", "text", "blocks", "usage", "usage_is_final", "error")


async def by_prompt(exchange: raw.Exchange) -> None:
    """Answer a prompt that is the name of an oddity with that one, a paused reply plainly, and what is not legal with 400."""
    if exchange.body is None:
        await raw.document(b"{}", "404 Not Found")(exchange)  # there is no list of models
        return
    if (reason := why_illegal(exchange.body)) is not None:
        await raw.error("400 Bad Request", "invalid_request_error", f"ILLEGAL {reason}")(exchange)
        return
    last = exchange.body["messages"][-1]
    prompt = str(last["content"][-1].get("text")) if last["role"] == "user" else "plain"
    await ANSWERS.get(prompt, ANSWERS["plain"])(exchange)


@pytest.fixture
async def odd_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RawServer]:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.01)
    async with raw_server(by_prompt) as server:
        yield server


async def headless(server: RawServer, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `-p NAME --output-format json` prints, as far as it does not depend on time."""
    path = folder / "standard-output"
    config = Config(folder / "none", folder / "none", base_url=server.base_url, has_credentials=False)
    with path.open("w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        await run_headless(
            config, name, output_format="json", resume=None, continue_last=False, store_conversations=False
        )
    result = json.loads(path.read_text())
    return {name: result[name] for name in SAME}


def _dense(text: str) -> str:
    """Without space: the log wraps lines."""
    return "".join(text.split())


def below(chat: Chat, prompt: str) -> str:
    """What the log shows below the last prompt, which is this one, without space."""
    lines = chat.log.splitlines()
    place = max(place for place, line in enumerate(lines) if line.lstrip().startswith("▌"))
    assert lines[place].strip(" ▌") == prompt
    return _dense(" ".join(lines[place + 1 :]))


async def in_app(chat: Chat, name: str) -> tuple[Turn, dict[str, Any]]:
    """The turn that the app makes of the prompt `name`, and its result; its words and its footer are in the log."""
    await chat.say(name)
    session = chat.app.chat.session
    assert session is not None
    turn = session.turn
    assert turn is not None
    assert turn.outcome is not None
    assert turn.error is None or not turn.error.message.startswith("ILLEGAL")
    if name not in LARGE:
        shown = below(chat, name)
        assert _dense(sanitise(storable(turn.text))) in re.sub(r"\[\d\]", "", shown)  # without the numbers of sources
        footer = wording.footer(turn, chat.app.runtime.figures(turn, 0.0), goes_out=session.goes_out(turn))
        assert _dense(footer.text) in shown
    ended = TurnEnded(0.0, turn.outcome, turn.stop_reason, turn.usage.fields, turn.usage_is_final, turn.error)
    result = json.loads(json_line(result_of(chat.app.runtime, turn, ended, None)))
    return turn, {name: result[name] for name in SAME}


@lane(180)
async def test_every_stream(
    odd_server: RawServer, open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: dict[str, dict[str, Any]] = {}
    streams: list[OddStream] = sample(
        [odd for odd in ODD_STREAMS if odd.stop_reason != "pause_turn" and odd.name not in OUT_OF_ORDER], seed=4
    )
    async with open_chat(base_url=odd_server.base_url) as chat:
        for odd in streams:
            turn, results[odd.name] = await in_app(chat, odd.name)
            assert storable(turn.text) == odd.text
            assert (turn.stop_reason, turn.error and turn.error.type) == (odd.stop_reason, odd.error)
        await in_app(chat, "plain")
        assert "end_turn" in below(chat, "plain")
    for odd in streams:
        assert await headless(odd_server, odd.name, tmp_path, monkeypatch) == results[odd.name], odd.name


@lane(180)
async def test_every_answer(
    odd_server: RawServer, open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: dict[str, dict[str, Any]] = {}
    answers: list[OddAnswer] = sample(ODD_ANSWERS, seed=4)
    async with open_chat(base_url=odd_server.base_url) as chat:
        for odd in answers:
            turn, results[odd.name] = await in_app(chat, odd.name)
            assert odd.text is None or storable(turn.text) == odd.text
            assert (turn.stop_reason, turn.error and turn.error.type) == (odd.stop_reason, odd.error)
            assert odd.name in LARGE or _dense(odd.words) in below(chat, odd.name)
        await in_app(chat, "plain")
    for odd in answers:
        there = await headless(odd_server, odd.name, tmp_path, monkeypatch)
        same = (
            SAME if odd.text is not None else ("outcome", "stop_reason", "error")
        )  # how much arrived is left to chance
        assert {name: there[name] for name in same} == {name: results[odd.name][name] for name in same}, odd.name


@pytest.mark.parametrize("name", OUT_OF_ORDER)
async def test_blocks_are_shown_in_their_order(name: str, odd_server: RawServer, open_chat: OpenChat) -> None:
    async with open_chat(base_url=odd_server.base_url) as chat:
        turn, _ = await in_app(chat, name)
        assert turn.text == "Hello, world"


@pytest.mark.parametrize(
    "name",
    [
        "server-tool-paused",
        "stop-pause-turn",
    ],
)
async def test_a_stream_that_pauses(
    name: str, odd_server: RawServer, open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_chat(base_url=odd_server.base_url) as chat:
        turn, here = await in_app(chat, name)
        assert here["outcome"] == "completed"
        assert turn.text == "Hello, world" * len(turn.requests)
        assert name == "stop-pause-turn" or (len(turn.requests), turn.stop_reason) == (2, "end_turn")
        await in_app(chat, "plain")
    assert await headless(odd_server, name, tmp_path, monkeypatch) == here
