"""Makes every picture in `screenshots/` from the embedded demo: `python -m tests.screenshots [NAME ...]`.

Each picture is a short scene: a terminal size, a theme, and what a person does. SVG and PNG of the same screen; the PNG is made
with resvg, which keeps a terminal's columns aligned.
"""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import resvg_py
from textual.pilot import Pilot

from tests.earlier import remember
from tests.measured_history import measure
from tui_chat.config import Flags, load
from tui_chat.conversation import Turn
from tui_chat.recordings import read
from tui_chat.recordings.player import Player, Playlist
from tui_chat.session import State
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.screens.approval import ApprovalScreen
from tui_chat.ui.screens.comparing import CompareScreen
from tui_chat.ui.screens.history import HistoryScreen
from tui_chat.ui.screens.racing import RaceScreen
from tui_chat.ui.screens.statistics import StatisticsScreen

FOLDER = Path(__file__).parent.parent / "screenshots"
FIXTURES = Path(__file__).parent / "fixtures" / "blocks"
RECORDINGS = Path(__file__).parent / "fixtures" / "recordings"
Scene = Callable[[TuiChatApp, Pilot[int]], Awaitable[None]]


@dataclass(frozen=True)
class Shot:
    """One picture."""

    name: str
    scene: Scene
    size: tuple[int, int] = (100, 32)
    theme: str = "textual-dark"


async def until(pilot: Pilot[int], condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for `condition`, at most `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError("the scene did not get there")
        await pilot.pause(0.02)


async def type_and_send(app: TuiChatApp, pilot: Pilot[int], text: str) -> None:
    """Type `text` as one paste and press Enter."""
    app.chat.composer.insert(text)
    await pilot.press("enter")


async def say(app: TuiChatApp, pilot: Pilot[int], text: str) -> None:
    """One whole turn."""
    turns = len(app.chat.session.conversation.turns) if app.chat.session else 0
    await type_and_send(app, pilot, text)
    await until(pilot, lambda: _turns(app) > turns and _idle(app))


async def say_some(app: TuiChatApp, pilot: Pilot[int], text: str, characters: int) -> None:
    """Send `text` and wait until so many characters of the reply have come."""
    turns = _turns(app)
    await type_and_send(app, pilot, text)
    await until(pilot, lambda: _turns(app) > turns and len(_turn(app).text) >= characters)


def _turns(app: TuiChatApp) -> int:
    return len(app.chat.session.conversation.turns) if app.chat.session else 0


def _turn(app: TuiChatApp) -> Turn:
    session = app.chat.session
    assert session is not None
    assert session.turn is not None
    return session.turn


def _title(app: TuiChatApp) -> str:
    session = app.chat.session
    return (session.conversation.title if session else "") or "tui-chat"


def _idle(app: TuiChatApp) -> bool:
    return app.chat.session is not None and app.chat.session.state is State.IDLE


async def idle(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The first screen."""


async def streaming(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A reply in the middle of a code block."""
    await say(app, pilot, "hello")
    await say_some(app, pilot, "show me some code", 420)


async def stopped(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A reply that Escape has stopped, and a queued message that waits."""
    await say_some(app, pilot, "tell me the long story of a streamed reply", 700)
    await type_and_send(app, pilot, "and what comes after that?")
    await pilot.press("escape")
    await until(pilot, lambda: _idle(app))


async def failed(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A reply that failed in the middle."""
    await say(app, pilot, "error")


async def narrow(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Forty columns."""
    await say_some(app, pilot, "list", 330)


async def table(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A finished reply with a table."""
    await say(app, pilot, "table")


async def everything(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Every block kind."""
    await say(app, pilot, "markdown")


def blocks(name: str) -> Scene:
    """A reply with every block of one family, nested as far as people do."""

    async def scene(app: TuiChatApp, pilot: Pilot[int]) -> None:
        log = app.chat.log_widget
        log.clear()
        log.add_reply("given", (FIXTURES / f"{name}.md").read_text())
        await until(pilot, lambda: log.settled)
        log.action_to_start()
        await pilot.pause(0.1)

    return scene


async def selecting(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The mouse selects; lines of code are not wrapped."""
    await blocks("code")(app, pilot)
    app.chat.log_widget.toggle_code_wrap()
    log = app.chat.log_widget
    await pilot.mouse_down(log, offset=(5, 7))
    await pilot.hover(log, offset=(46, 10))
    await pilot.mouse_up(log, offset=(46, 10))


async def hovering(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The mouse is over a link, whose target stands in the status bar."""
    log = app.chat.log_widget
    log.clear()
    log.add_reply("given", "Read [example.com](https://exarnple.com/login) before you sign in.")
    await pilot.pause(0.1)
    await pilot.hover(log, offset=(12, 0))
    await pilot.pause(0.1)


async def thinking(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Thinking while it runs."""
    await type_and_send(app, pilot, "thinking")
    await until(
        pilot,
        lambda: bool(
            app.chat.session
            and app.chat.session.turn
            and app.chat.session.turn.request
            and app.chat.session.turn.request.characters > 250
        ),
    )


async def retrying(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The wait before another attempt."""
    await type_and_send(app, pilot, "overloaded")
    await until(
        pilot,
        lambda: bool(
            app.chat.session
            and app.chat.session.turn
            and app.chat.session.turn.retry_of
            and len(app.chat.session.turn.requests) == 2
            and app.chat.session.turn.retry_at
        ),
    )


async def tools_on(app: TuiChatApp, pilot: Pilot[int], text: str) -> None:
    """Send `text` with tools on; the first call asks."""
    await until(pilot, lambda: app.chat.session is not None)
    assert app.chat.session is not None
    app.chat.session.tools_on = True
    await type_and_send(app, pilot, text)
    await until(pilot, lambda: isinstance(app.screen, ApprovalScreen))
    await pilot.pause(0.5)


async def approval(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A call that asks, two more behind it."""
    await tools_on(app, pilot, "tools")


async def tools(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Three calls, one of them denied and one of them opened."""
    await tools_on(app, pilot, "tools")
    for key in ("y", "y", "n"):
        await pilot.press(key)
        await pilot.pause(0.8)
    await until(pilot, lambda: _idle(app))
    log = app.chat.log_widget
    await until(pilot, lambda: log.settled)
    row = next(y for y in range(log.size.height) if "▸ current_time" in log.text_at(log.top + y))
    await pilot.click(log, offset=(8, row))


async def sources(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A search of the server's and its sources, then things nobody knows."""
    await say(app, pilot, "search")
    await say(app, pilot, "odd")


async def went_on(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A reply that was cut off, and went on."""
    await say(app, pilot, "cut")
    await say(app, pilot, "/continue")


async def refused_request(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A request that the API refuses."""
    await say(app, pilot, "code")
    await say(app, pilot, "poison")


async def turn_details(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A turn that thought first, in detail."""
    await say(app, pilot, "thinking")
    await pilot.press("tab", "i")
    await pilot.pause(0.2)


async def receipt(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """What is known of a reply that was stopped."""
    await say_some(app, pilot, "tell me the long story of a streamed reply", 300)
    await pilot.press("escape")
    await until(pilot, lambda: _idle(app))
    await pilot.press("tab", "i")
    await pilot.pause(0.2)


async def wire(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The wire of a reply that stalls: pings arrive, content does not."""
    await say(app, pilot, "hello")
    await type_and_send(app, pilot, "stall")
    await pilot.press("f2")
    await until(pilot, lambda: app.chat.wire is not None and app.chat.wire.model.gaps >= 3)
    await pilot.pause(0.6)


async def wire_event(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """All of one event."""
    await say(app, pilot, "what is in a message_start?")
    await pilot.press("f2")
    await until(pilot, lambda: app.chat.wire is not None and app.chat.wire.settled)
    await pilot.press("home", "down", "down", "down", "enter")


async def help_screen(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """All keys."""
    await pilot.press("f1")


async def palette(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The palette."""
    await pilot.press("ctrl+p")
    await pilot.pause(0.5)


async def models(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The model picker."""
    await until(pilot, lambda: bool(list(app.runtime.catalog)))
    app.chat.composer.insert("/model")
    await pilot.press("enter")
    await pilot.pause(0.3)


async def completion(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Completion of a command."""
    await pilot.press("slash")
    await pilot.pause(0.2)


async def earlier(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """What was said in the last weeks is there."""
    await until(pilot, lambda: app.chat.session is not None)
    await remember(app.runtime.store)


async def start(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The start screen of someone who comes back."""
    await earlier(app, pilot)
    await pilot.press("ctrl+n")
    await until(pilot, lambda: any("Why is" in app.chat.log_widget.text_at(line) for line in range(18)))


async def found(app: TuiChatApp, pilot: Pilot[int], *keys: str) -> None:
    """The history, once it is there, and after each key."""
    for key in ("ctrl+r", *keys):
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, HistoryScreen) and app.screen.settled)


async def history(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """All conversations."""
    await earlier(app, pilot)
    await say(app, pilot, "hello")
    await found(app, pilot, "down", "down")


async def search(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Titles and messages that fit what is typed."""
    await earlier(app, pilot)
    await found(app, pilot, *"stream", "down", "down")


async def renaming(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A title that is being changed."""
    await history(app, pilot)
    await pilot.press("f2", "end", *" and proxies")


async def stats(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """What some weeks of turns say."""
    await measure(app.runtime.store)
    await type_and_send(app, pilot, "/stats")
    await until(pilot, lambda: isinstance(app.screen, StatisticsScreen) and app.screen.settled)


async def compare(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The streaming reply is there, and the other one is still waited for."""
    await type_and_send(app, pilot, "/compare course")
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))
    assert isinstance(app.screen, CompareScreen)
    waiting = app.screen.columns[False]
    await until(pilot, lambda: waiting.turn is not None)
    await pilot.pause(2.0)


async def compare_result(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """What was measured."""
    await type_and_send(app, pilot, "/compare course")
    await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.state == "done", 60)
    await pilot.pause(0.2)


async def versions(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """The second of two replies to one prompt, by another model than the first."""
    await say(app, pilot, "code")
    await pilot.press("tab", "R")
    await pilot.pause(0.3)
    await pilot.press(*"haiku", "enter")
    await until(pilot, lambda: not _idle(app))
    await until(pilot, lambda: _idle(app))
    await pilot.press("tab")


async def editing(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """An earlier prompt in other words."""
    await say(app, pilot, "table of events")
    await say(app, pilot, "list")
    await pilot.press("tab", "k", "k", "k", "e")
    await pilot.press("end", *", by size")
    await pilot.pause(0.3)


async def tabs(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Three conversations: one streams in front, one behind it, and one waits for an answer."""
    await type_and_send(app, pilot, "tell me the long story of a streamed reply")
    await pilot.press("ctrl+t")
    await until(pilot, lambda: len(app.tabs) == 2 and app.chat.session is not None)
    assert app.chat.session is not None
    app.chat.session.tools_on = True
    await type_and_send(app, pilot, "tools")
    await pilot.press("ctrl+t")
    await until(pilot, lambda: len(app.tabs) == 3 and app.chat.session is not None)
    await say_some(app, pilot, "show me some code", 420)
    await until(pilot, lambda: [tab.label.word for tab in app.tabs] == ["streaming", "approval!", "streaming"])


async def race(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """Three models answer; the fastest has just come to its end."""
    await until(pilot, lambda: bool(list(app.runtime.catalog)))
    await type_and_send(app, pilot, "/race haiku sonnet opus-4-6 -- show me some code that reads a stream")
    await until(pilot, lambda: isinstance(app.screen, RaceScreen))
    assert isinstance(app.screen, RaceScreen)
    first = app.screen.race.lanes[0]
    await until(pilot, lambda: first.ended)
    await pilot.pause(0.3)


async def race_kept(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """One of three answers is the reply now, the others are its versions."""
    await race(app, pilot)
    await until(pilot, lambda: isinstance(app.screen, RaceScreen) and app.screen.race.is_over)
    await pilot.press("2", "enter")
    await until(pilot, lambda: app.screen is app.chat and app.chat.log_widget.settled)
    await pilot.press("tab")


async def find(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A word, everywhere in the conversation."""
    await say(app, pilot, "list")
    await pilot.press("ctrl+f", *"stream")
    await pilot.pause(0.5)
    await pilot.press("enter", "enter")
    await pilot.pause(0.5)


async def replay(app: TuiChatApp, pilot: Pilot[int]) -> None:
    """A recording, stepped into the middle."""
    player = Player(paused=True)
    app.chat.start_replay(Playlist((read(RECORDINGS / "tools.jsonl"),), player))
    for _ in range(62):
        player.step()
    await until(pilot, lambda: not player.steps_left and app.chat.log_widget.settled)


SHOTS = (
    Shot("idle", idle),
    Shot("streaming", streaming, (112, 32)),
    Shot("streaming-light", streaming, (112, 32), "textual-light"),
    Shot("stopped", stopped),
    Shot("failed", failed, (100, 24)),
    Shot("retrying", retrying, (100, 14)),
    Shot("thinking", thinking, (100, 16)),
    Shot("table", table, (100, 30)),
    Shot("markdown", everything, (100, 90)),
    Shot("markdown-light", everything, (100, 90), "textual-light"),
    *(
        Shot(f"{name}{suffix}", blocks(name), (100, rows), theme)
        for name, rows in (("text", 56), ("lists", 46), ("quotes", 32), ("tables", 34), ("code", 44))
        for suffix, theme in (("", "textual-dark"), ("-light", "textual-light"))
    ),
    Shot("blocks-narrow", blocks("lists"), (40, 60)),
    Shot("selecting", selecting, (80, 30)),
    Shot("link", hovering, (80, 12)),
    Shot("narrow", narrow, (40, 30)),
    Shot("small", streaming, (80, 24)),
    Shot("approval", approval, (100, 24)),
    Shot("approval-light", approval, (100, 24), "textual-light"),
    Shot("approval-narrow", approval, (40, 24)),
    Shot("tools", tools, (100, 40)),
    Shot("tools-light", tools, (100, 40), "textual-light"),
    Shot("sources", sources, (100, 34)),
    Shot("went-on", went_on, (100, 22)),
    Shot("refused", refused_request, (80, 24)),
    Shot("turn", turn_details),
    Shot("turn-light", turn_details, theme="textual-light"),
    Shot("turn-narrow", turn_details, (40, 24)),
    Shot("receipt", receipt),
    Shot("help", help_screen, (100, 52)),
    Shot("palette", palette, (100, 30)),
    Shot("models", models, (100, 28)),
    Shot("commands", completion, (100, 20)),
    Shot("start", start, (100, 24)),
    Shot("start-narrow", start, (40, 24)),
    Shot("history", history, (120, 24)),
    Shot("history-light", history, (120, 24), "textual-light"),
    Shot("history-small", history, (80, 24)),
    Shot("history-narrow", history, (40, 24)),
    Shot("search", search, (100, 26)),
    Shot("search-light", search, (100, 26), "textual-light"),
    Shot("search-narrow", search, (40, 24)),
    Shot("renaming", renaming, (80, 16)),
    Shot("versions", versions, (100, 30)),
    Shot("versions-narrow", versions, (40, 24)),
    Shot("editing", editing, (100, 26)),
    Shot("replay", replay),
    Shot("tabs", tabs),
    Shot("tabs-light", tabs, theme="textual-light"),
    Shot("tabs-narrow", tabs, (40, 24)),
    Shot("compare", compare),
    Shot("compare-light", compare, theme="textual-light"),
    Shot("compare-narrow", compare, (40, 24)),
    Shot("compare-result", compare_result),
    Shot("compare-result-narrow", compare_result, (40, 36)),
    Shot("stats", stats, (120, 40)),
    Shot("stats-light", stats, (120, 40), "textual-light"),
    Shot("stats-narrow", stats, (40, 24)),
    Shot("race", race, (120, 32)),
    Shot("race-light", race, (120, 32), "textual-light"),
    Shot("race-narrow", race, (40, 24)),
    Shot("race-kept", race_kept),
    Shot("wire", wire, (120, 36)),
    Shot("wire-light", wire, (120, 36), "textual-light"),
    Shot("wire-narrow", wire, (80, 24)),
    Shot("wire-event", wire_event, (120, 36)),
    Shot("find", find, (100, 28)),
    Shot("find-light", find, (100, 28), "textual-light"),
)


async def take(shot: Shot) -> None:
    """Play the scene of `shot` and write its two files."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        app = TuiChatApp(load(Flags(demo=True, data_dir=Path(home) / "data"), {}))
        async with app.run_test(size=shot.size) as pilot:
            app.theme = shot.theme
            await until(pilot, lambda: app.chat.session is not None)
            await shot.scene(app, pilot)
            app.chat.refresh_status()
            await pilot.pause(0.1)
            svg = app.export_screenshot(title=_title(app))
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg)  # nothing is fetched to show a picture
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    (FOLDER / f"{shot.name}.svg").write_text(svg, encoding="utf-8")
    png = resvg_py.svg_to_bytes(svg_string=svg, monospace_family="DejaVu Sans Mono", zoom=1)
    (FOLDER / f"{shot.name}.png").write_bytes(bytes(png))
    print(shot.name)


async def main(names: list[str]) -> None:
    """Take all pictures, or those named."""
    FOLDER.mkdir(exist_ok=True)
    for shot in SHOTS:
        if not names or shot.name in names:
            await take(shot)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
