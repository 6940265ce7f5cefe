"""`/compare` on the screen: it asks, shows both ways as they come, stops, tells, and leaves everything else alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.ui.conftest import Chat, OpenChat, Size
from tui_chat.comparing.runs import Comparison
from tui_chat.config import Flags, load
from tui_chat.demo import DemoServer, Pacing
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.screens.comparing import CompareScreen
from tui_chat.ui.screens.dialogs import PickScreen
from tui_chat.ui.screens.help import HelpScreen


def screen_of(chat: Chat) -> CompareScreen:
    screen = chat.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


def shown(chat: Chat) -> str:
    """All text of the screen in front."""
    lines = chat.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def open_compare(chat: Chat, text: str = "/compare hello") -> CompareScreen:
    await chat.send(text)
    await chat.until(lambda: isinstance(chat.app.screen, CompareScreen))
    return screen_of(chat)


async def asking(chat: Chat, text: str = "/compare hello") -> CompareScreen:
    screen = await open_compare(chat, text)
    await chat.until(lambda: screen.state == "asking")
    await chat.pilot.pause()
    return screen


async def compared(chat: Chat, text: str = "/compare hello") -> CompareScreen:
    screen = await asking(chat, text)
    await chat.press("y")
    await chat.until(lambda: screen.state == "done")
    await chat.pilot.pause()
    return screen


def messages(server: DemoServer) -> list[bool]:
    """Whether each request for a message asked for a stream."""
    return [bool(record.body.get("stream")) for record in server.requests if record.path == "/v1/messages"]


async def test_it_says_what_it_will_send_and_sends_nothing_before_it_may(
    open_chat: OpenChat, server: DemoServer
) -> None:
    async with open_chat() as chat:
        await asking(chat)
        text = shown(chat)
        assert "6 requests to 127.0.0.1" in text
        assert "What that costs is not known here." in text
        assert "y send them" in text
        await chat.press("enter", "x", "r", "escape")
        assert chat.app.screen is chat.app.chat
        assert chat.app.chat.composer.has_focus
        assert messages(server) == []


async def test_both_ways_and_then_the_table_and_the_bars(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        screen = await compared(chat)
        assert messages(server) == [True, False, False, True, True, False]
        assert screen.columns[True].reply.source == screen.columns[False].reply.source != ""
        text = shown(chat)
        for words in ("not streaming", "first token", "tok/s", "Time to first token", "▇", "Medians", "Esc closes"):
            assert words in text, text
        assert chat.turn_count == 0  # it is no conversation
        await chat.press("escape")
        assert chat.app.screen is chat.app.chat
        assert chat.app.chat.composer.has_focus
        store = chat.app.runtime.store
        assert not await store.recent(5)
        assert len(list(chat.app.runtime.wire)) == 6


async def test_while_it_runs_one_column_fills_and_the_other_counts(open_chat: OpenChat, tmp_path: Path) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.05, rate=150)) as slow, open_chat(base_url=slow.base_url) as chat:
        screen = await asking(chat)
        await chat.press("y")
        streaming, whole = screen.columns[True], screen.columns[False]
        await chat.until(lambda: bool(streaming.reply.source) and streaming.run_done is None)
        await chat.until(lambda: "first token 0." in shown(chat))
        assert "its turn comes next" in shown(chat)
        await chat.until(lambda: streaming.run_done is not None and whole.turn is not None)
        await chat.until(lambda: "nothing to read yet" in shown(chat))
        assert whole.reply.source == ""
        assert "request 2 of 6" in shown(chat)
        assert "Esc stops" in shown(chat)
        await chat.press("escape")  # stops it
        await chat.until(lambda: screen.state == "done")
        await chat.pilot.pause()
        assert screen.is_current
        assert screen.result is not None
        assert [run.call.streaming for run in screen.result.runs] == [True]
        assert "Stopped before all requests were made." in shown(chat)
        await slow.wait_for(lambda: all(record.ended is not None for record in slow.requests))
        assert slow.requests[-1].ended == "client_closed"
        await chat.press("escape")  # closes it
        assert chat.app.screen is chat.app.chat


async def test_a_stop_before_anything_was_measured(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        screen = await asking(chat, "/compare noheaders")
        await chat.press("y")
        await chat.until(lambda: screen.columns[True].turn is not None)
        await chat.press("escape")
        await chat.until(lambda: screen.state == "done")
        await chat.pilot.pause()
        assert "not made" in shown(chat)
        await chat.press("escape")
        assert chat.app.screen is chat.app.chat


async def test_failures_are_shown(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await compared(chat, "/compare overloaded")
        assert "3 of 3" in shown(chat)
        assert "the API is overloaded (529)" in shown(chat)


async def test_without_a_prompt_it_takes_the_last_one(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("list")
        await asking(chat, "/compare")
        assert "▌ list" in shown(chat)
        await chat.press("escape")


async def test_without_any_prompt_it_asks(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("/compare")
        await chat.until(lambda: isinstance(chat.app.screen, PickScreen))
        await chat.press(*"table", "enter")
        await chat.until(lambda: isinstance(chat.app.screen, CompareScreen))
        screen = screen_of(chat)
        await chat.until(lambda: screen.state == "asking")
        await chat.pilot.pause()
        assert "▌ table" in shown(chat)


async def test_a_running_reply_has_the_line_for_itself(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("wait")
        await chat.until(lambda: len(messages(server)) == 1)
        await chat.send("/compare hello")
        await chat.pilot.pause()
        assert chat.app.screen is chat.app.chat
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_another_model_joins_and_it_asks_again(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        screen = await asking(chat)
        await chat.press("m")
        await chat.until(lambda: isinstance(chat.app.screen, PickScreen))
        await chat.press(*"haiku-5", "enter")
        await chat.until(lambda: chat.app.screen is screen and screen.state == "asking")
        await chat.until(lambda: "12 requests" in shown(chat))
        await chat.press("y")
        await chat.until(lambda: screen.state == "done")
        await chat.pilot.pause()
        assert "haiku-5-5" in shown(chat)
        assert len(messages(server)) == 12


@asynccontextmanager
async def demo_chat(tmp_path: Path, size: Size) -> AsyncIterator[Chat]:
    """The app with its own demo."""
    app = TuiChatApp(load(Flags(demo=True, data_dir=tmp_path / "data"), {}))
    async with app.run_test(size=size) as pilot:
        chat = Chat(app, pilot)
        await chat.until(lambda: app.chat.session is not None)
        yield chat


async def test_the_demo_is_not_asked_about(tmp_path: Path) -> None:
    async with demo_chat(tmp_path, (100, 30)) as chat:
        screen = await open_compare(chat, "/compare empty")
        await chat.until(lambda: screen.state == "done")


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 24)])
async def test_it_fits(open_chat: OpenChat, size: Size) -> None:
    async with open_chat(size) as chat:
        screen = await asking(chat)
        assert "requests to 127.0.0.1" in shown(chat)
        await chat.press("y")
        await chat.until(lambda: screen.state == "done")
        await chat.pilot.pause()
        assert "first token" in shown(chat)
        assert "Esc closes" in shown(chat)
        told = screen.query_one("#told")
        assert told.virtual_size.width <= size[0]
        await chat.pilot.resize_terminal(100, 30)
        await chat.pilot.pause()
        assert "Time to first token" in shown(chat)


async def test_the_columns_stand_one_above_the_other_where_it_is_narrow(open_chat: OpenChat) -> None:
    pacing = Pacing(ttft=0.05, rate=100)
    async with DemoServer(pacing=pacing) as slow, open_chat((40, 24), base_url=slow.base_url) as chat:
        screen = await asking(chat)
        await chat.press("y")
        await chat.until(lambda: bool(screen.columns[True].reply.source))
        above, below = screen.columns[True].region, screen.columns[False].region
        assert above.bottom <= below.y
        assert above.width == below.width == 40
        await chat.pilot.resize_terminal(100, 24)
        await chat.until(lambda: screen.columns[True].region.right <= screen.columns[False].region.x)
        await chat.press("escape", "escape")


async def test_it_can_be_quit_while_it_runs(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        screen = await asking(chat, "/compare noheaders")
        await chat.press("y")
        await chat.until(lambda: screen.columns[True].turn is not None)
        await chat.press("ctrl+q")
    await server.wait_for(lambda: all(record.ended is not None for record in server.requests))


async def test_again_and_a_result_for_another_width(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        screen = await compared(chat)
        await chat.press("r")
        await chat.until(lambda: screen.state == "asking")
        await chat.press("y")
        await chat.until(lambda: screen.state == "done")
        assert len(messages(server)) == 12


async def test_the_report_can_be_scrolled_and_copied(
    open_chat: OpenChat, server: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_chat((40, 16)) as chat:
        copied: list[str] = []
        monkeypatch.setattr(chat.app, "copy_to_clipboard", copied.append)
        await compared(chat)
        assert "Medians" not in shown(chat)
        await chat.press("end")
        await chat.until(lambda: "one piece" in shown(chat))
        await chat.press("c")
        await chat.until(lambda: bool(copied))
        assert copied[0].startswith("Streaming against not: 3 runs of each")
        await chat.press("ctrl+c")  # closes nothing
        assert screen_of(chat).is_current


async def test_ctrl_c_stops_it_and_the_palette_stays_away(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        screen = await asking(chat, "/compare noheaders")
        await chat.press("ctrl+p")
        assert screen.is_current
        await chat.press("y")
        await chat.until(lambda: screen.columns[True].turn is not None)
        await chat.press("ctrl+c")
        await chat.until(lambda: screen.state == "done")
        assert screen.is_current


async def test_thinking_is_quoted_above_the_text(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        screen = await compared(chat, "/compare thinking")
        streaming, whole = (screen.columns[each].reply.source for each in (True, False))
        assert streaming == whole
        thought, _, text = streaming.partition("\n\n")
        assert all(line.startswith("> ") for line in thought.splitlines())
        assert text.startswith("That was thinking")


async def test_it_goes_on_below_the_help(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        screen = await asking(chat)
        await chat.press("y", "f1")
        assert isinstance(chat.app.screen, HelpScreen)
        await chat.until(lambda: screen.state == "done")
        await chat.press("escape")
        assert screen.is_current
        assert "Time to first token" in shown(chat)


async def test_a_bug_is_said_and_escape_still_leaves(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: Comparison, watcher: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Comparison, "run", broken)
    async with open_chat() as chat:
        await asking(chat)
        await chat.press("y")
        await chat.until(lambda: any("a bug in tui-chat" in each.message for each in chat.app._notifications))
        await chat.press("escape", "escape")
        assert chat.app.screen is chat.app.chat
