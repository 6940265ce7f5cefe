"""The wire beside the log: opened during a stream and after it, followed, frozen, filtered, read to the last byte, and closed without a trace."""

import asyncio
import json

import pytest
from textual import events
from textual.widget import Widget
from textual.widgets import Input

from tests.ui.conftest import Chat, OpenChat
from tests.unit.wire_captures import PING, text_delta
from tui_chat.demo import DemoServer, Pacing
from tui_chat.ui.screens.wire_inspector import WireInspector

WIDE = (130, 36)


def wire(chat: Chat) -> WireInspector:
    found = chat.app.chat.wire
    assert found is not None
    return found


async def settled(chat: Chat) -> WireInspector:
    """Everything is read and painted."""
    inspector = wire(chat)
    await chat.until(lambda: inspector.settled and inspector.pane.detail.settled)
    await chat.pilot.pause()
    return inspector


async def opened(chat: Chat) -> WireInspector:
    await chat.press("f2")
    await chat.until(lambda: chat.app.chat.wire is not None and wire(chat).pane.is_mounted)
    return await settled(chat)


def panes(chat: Chat) -> list[Widget]:
    """Those that can be seen."""
    return [pane for pane in chat.app.query("WirePane") if pane.display]


def shown(chat: Chat) -> list[str]:
    """The lines of the pane."""
    pane = wire(chat).pane
    front = pane.front
    return [front.render_line(y).text.rstrip() for y in range(front.size.height)]


def head(chat: Chat) -> str:
    return wire(chat).pane.head.text


def foot(chat: Chat) -> str:
    return wire(chat).pane.foot.text


def following(chat: Chat) -> bool:
    return wire(chat).pane.list.following


def detail_is_open(chat: Chat) -> bool:
    return wire(chat).pane.detail.display


def selected(chat: Chat) -> str:
    rows = wire(chat).pane.list
    strip = rows.line(rows.cursor)
    assert strip is not None
    return strip.text


@pytest.fixture
def clipboard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was copied."""
    copied: list[str] = []
    monkeypatch.setattr("tui_chat.ui.screens.log_screen.LogScreen.copy", lambda _self, text: copied.append(text))
    return copied


async def test_a_reply_from_its_request_to_its_end(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        await chat.press("home")
        rows = shown(chat)
        assert rows[0].startswith("▎turn 1 request 1  sonnet-5-5  200  ")
        assert "connected" in rows[1]
        assert "headers" in rows[2]
        assert "200 text" in rows[2]
        assert "message_start" in rows[3]
        assert "ping" in rows[5]
        assert "text_delta" in rows[6]
        await chat.press("end")
        assert "message_stop" in shown(chat)[-2]
        assert "end" in shown(chat)[-1]
        assert f"{inspector.model.total - 4:,} events" in head(chat)
        assert "1 request" in head(chat)


async def test_closed_there_is_nothing(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        log = chat.app.runtime.wire
        await chat.say("hello")
        assert not log.listeners
        inspector = await opened(chat)
        assert log.listeners
        assert inspector.pane.list.has_focus
        await chat.press("f2")
        assert not panes(chat)
        assert not log.listeners
        assert inspector.model.total == inspector.pane.list.total == 0  # nor is anything kept of what was read
        assert inspector._timer is None
        assert chat.app.chat.wire is None
        assert chat.app.chat.composer.has_focus
        assert (await opened(chat)).pane is inspector.pane
        assert "message_stop" in shown(chat)[-2]
        await chat.press("f2", "f2", "f2")
        assert len(panes(chat)) == len(log.listeners) == 0
        screen = chat.app.chat
        await asyncio.gather(screen.action_wire(), screen.action_wire())  # closed before it was there
        await chat.pilot.pause()
        assert len(panes(chat)) == len(log.listeners) == 0
        assert len(chat.app.query("WirePane")) == 1


async def test_opened_again_it_is_as_it_was_made(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        await opened(chat)
        everything = shown(chat)
        await chat.press("slash", *"ping", "enter", "plus", "t", "enter")
        await settled(chat)
        assert detail_is_open(chat)
        await chat.press("f2")
        again = await opened(chat)
        assert not detail_is_open(chat)
        assert again.pane.field.value == ""
        assert shown(chat) == everything
        assert "F2 closes" in foot(chat)
        assert following(chat)


async def test_it_follows_and_can_be_frozen(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=400)) as slow, open_chat(WIDE, base_url=slow.base_url) as chat:
        await chat.send("long")
        inspector = await opened(chat)
        model, rows = inspector.model, inspector.pane.list
        await chat.until(lambda: model.total > 60)
        assert "following" in head(chat)
        assert "/s" in head(chat)
        assert rows.cursor == rows.rows_end
        await chat.press("space")
        await settled(chat)
        top, total, before = rows.top, model.total, shown(chat)
        await chat.until(lambda: model.total > total + 40)
        assert (rows.top, shown(chat)) == (top, before)
        await chat.until(lambda: "frozen, " in head(chat) and "frozen, 0" not in head(chat))
        await chat.press("f")
        assert following(chat)
        assert "following" in head(chat)
        await chat.press("up", "up")
        assert not following(chat)
        line = selected(chat)
        await chat.until(lambda: model.total > total + 80)
        assert selected(chat) == line
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        await chat.until(lambda: "cancelled" in inspector.model.row(model.key(model.total - 1)).text)


async def test_silence_is_shown_while_it_lasts(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        inspector = await opened(chat)
        await chat.press("minus", "minus", "minus", "escape")
        await chat.send("silence")
        await chat.until(
            lambda: inspector.pane.list.silence is not None and any("of silence so far" in line for line in shown(chat))
        )
        await chat.press("escape")  # as everywhere
        await chat.until(lambda: chat.idle)
        await settled(chat)
        assert inspector.pane.list.silence is None
        inspector.pane.list.focus()
        await chat.press("N")
        assert "of silence" in selected(chat)
        assert inspector._timer is None


async def test_only_one_type(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("thinking")
        inspector = await opened(chat)
        everything = inspector.model.total
        await chat.press("t")
        await settled(chat)
        assert "only message_start" in head(chat)
        assert [line.split()[0] for line in (selected(chat), foot(chat))][1] == "message_start"
        await chat.press("T", "T")
        await settled(chat)
        assert "only message_stop" in head(chat)
        assert "message_stop" in selected(chat)
        assert inspector.model.total == 2
        await chat.press("t")
        await settled(chat)
        assert inspector.model.total == everything
        assert "only" not in head(chat)


async def test_only_what_holds_a_text(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        everything = inspector.model.total
        await chat.press("slash", *"PING")
        await settled(chat)
        assert "only “PING”" in head(chat)
        assert [("ping" in line) for line in shown(chat)[:2]] == [False, True]
        assert "Esc shows all" in foot(chat)
        await chat.press("enter")
        assert inspector.pane.list.has_focus
        assert inspector.model.filter.text == "PING"
        await chat.press("slash", "escape")  # the field goes, and the filter with it
        await settled(chat)
        assert inspector.model.total == everything
        assert inspector.pane.list.has_focus
        await chat.press("escape")
        assert chat.app.chat.composer.has_focus


async def test_all_of_an_event(open_chat: OpenChat, clipboard: list[str]) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        await chat.press("home", "enter")
        await settled(chat)
        text = "\n".join(shown(chat))
        assert "POST http://127.0.0.1" in text
        assert "authorization: ***" in text
        assert '"max_tokens": 8192,' in text
        await chat.press("right", "right", "right")
        await settled(chat)
        assert shown(chat)[0].endswith("message_start")
        assert '  "type": "message_start",' in [line[1:] for line in shown(chat)]
        await chat.press("left")
        await settled(chat)
        assert "HTTP status 200" in "\n".join(shown(chat))
        await chat.press("right", "c")
        assert clipboard[-1].startswith("turn 1 request 1  message_start")
        await chat.press("escape")
        assert inspector.pane.list.has_focus
        assert "message_start" in selected(chat)
        await chat.press("escape")
        assert chat.app.chat.composer.has_focus


async def test_a_long_body_is_laid_out_and_moved(open_chat: OpenChat) -> None:
    async with open_chat((80, 24)) as chat:
        text = "word " * 30_000 + "日本語" * 200
        await chat.say(text)
        inspector = await opened(chat)
        await chat.press("home", "enter")
        await settled(chat)
        detail = inspector.pane.detail
        assert detail.total > 1_500
        await chat.press("pagedown", "down")
        assert detail.top == detail.size.height
        await chat.press("end")
        assert any(line == " }" for line in shown(chat))
        assert all(len(line) <= 80 for line in shown(chat))
        await chat.press("home")
        assert detail.top == 0
        await chat.pilot.resize_terminal(40, 24)
        await settled(chat)
        assert detail.total > 3_000


async def test_copies(open_chat: OpenChat, clipboard: list[str]) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        await chat.press("home", "down", "down", "down", "c")
        assert clipboard[-1].startswith('event: message_start\ndata: {"type":')
        assert json.loads(clipboard[-1].partition("data: ")[2])["type"] == "message_start"
        await chat.press("u")
        assert clipboard[-1].startswith("curl -N -X POST http://127.0.0.1")
        assert '-H "authorization: Bearer ${ANTHROPIC_API_KEY:-$ANTHROPIC_AUTH_TOKEN}"' in clipboard[-1]
        assert "--data-raw '{" in clipboard[-1]
        before = len(clipboard)
        await chat.press("C")
        await chat.until(lambda: len(clipboard) > before)
        assert len(clipboard[-1].splitlines()) == inspector.model.total


async def test_escape_ladder_while_a_reply_runs(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=60)) as slow, open_chat(WIDE, base_url=slow.base_url) as chat:
        await chat.send("long")
        inspector = await opened(chat)
        await chat.until(lambda: inspector.model.total > 8)
        await chat.press("enter")
        assert detail_is_open(chat)
        await chat.press("escape")  # the detail first
        assert not detail_is_open(chat)
        assert not chat.idle
        await chat.press("slash")
        assert isinstance(chat.app.focused, Input)
        await chat.press("escape")  # then the filter's field
        assert not inspector.pane.field.display
        assert not chat.idle
        await chat.press("enter")
        chat.app.chat.composer.focus()
        await chat.press("escape")  # from anywhere else it stops the turn
        await chat.until(lambda: chat.idle)
        assert detail_is_open(chat)


async def test_other_keys_are_typed(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        await opened(chat)
        await chat.press(*"what next")
        assert chat.draft == "what next"
        assert chat.app.chat.composer.has_focus


async def test_gaps_can_be_gone_through(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        capture = chat.app.runtime.wire.begin(session.turn.id, 1, "claude-sonnet-5-5", 0.0, 1_000.0)
        capture.responded(1_000.1, 200, [])
        for number in range(200):
            capture.chunk(1_001.0 + number * 0.01 + number // 50 * 3, text_delta(f"word {number}"))
        capture.body_ended(1_100.0)
        capture.over(1_100.0)
        inspector = await opened(chat)
        assert "5 gaps from 500 ms" in head(chat)
        await chat.press("home", "n")
        assert "900 ms of silence" in selected(chat)
        await chat.press("n")
        assert "3.01 s of silence" in selected(chat)
        rows = inspector.pane.list
        assert rows.top <= rows.cursor < rows.top + rows.size.height
        await chat.press("plus", "plus")
        assert "4 gaps from 2.00 s" in head(chat)
        await chat.press("N", "N", "N", "N", "N")
        assert "3.01 s of silence" in selected(chat)
        await chat.press("plus", "plus", "plus", "plus")
        assert "1 gap from 10.0 s" in head(chat) or "1 gap from 10.00 s" in head(chat)


async def test_a_hundred_thousand_events(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        capture = chat.app.runtime.wire.begin(session.turn.id, 1, "claude-sonnet-5-5", 0.0, 1_000.0)
        chat.app.runtime.wire.limit = 10**9
        capture.responded(1_000.1, 200, [])
        for number in range(100_000):
            capture.chunk(1_001.0 + number * 0.01, PING)
        capture.body_ended(2_001.0)
        capture.over(2_001.0)
        inspector = await opened(chat)
        assert inspector.model.events > 100_000
        await chat.press("home", "pagedown", "pagedown")
        rows = inspector.pane.list
        assert rows.cursor == 2 * (rows.size.height - 1)
        await chat.press("end", "up")
        assert "ping" in selected(chat)
        assert len(rows._cache) <= 300


async def test_what_was_dropped_or_loaded_is_said(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        await chat.say("hello")
    async with open_chat(WIDE, continue_last=True) as chat:
        inspector = await opened(chat)
        assert "2 earlier replies: the wire of another run is not kept" in shown(chat)[0]
        assert "nothing has gone over the wire yet" in shown(chat)[1]
        await chat.press("escape")
        await chat.say("hello")
        await settled(chat)
        inspector.pane.list.focus()
        await chat.press("home")
        assert "turn 3 request 1" in shown(chat)[1]
        chat.app.runtime.wire.limit = 1_000
        await chat.press("escape")
        await chat.say("hello")
        await settled(chat)
        inspector.pane.list.focus()
        await chat.press("home")
        assert "1 earlier request dropped" in shown(chat)[1]
        assert "turn 4 request 1" in shown(chat)[2]
        assert "were dropped" in "\n".join(shown(chat))
        assert inspector.model.requests == 1


async def test_another_conversation_has_another_wire(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        await opened(chat)
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0)
        inspector = await settled(chat)
        await chat.until(lambda: inspector.model.requests == 0)
        assert "nothing has gone over the wire yet" in shown(chat)[0]
        await chat.say("code")
        await settled(chat)
        assert inspector.model.requests == 1


@pytest.mark.parametrize("size", [(40, 24), (80, 24), (119, 30), (120, 30), (200, 50)])
async def test_it_fits(open_chat: OpenChat, size: tuple[int, int]) -> None:
    async with open_chat(size) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        pane, log = inspector.pane.region, chat.app.chat.log_widget.region
        if size[0] >= 120:
            assert (pane.x, pane.y) == (log.right, log.y)
            assert pane.right == size[0]
        else:
            assert (pane.x, pane.y) == (log.x, log.bottom)
            assert pane.width == log.width == size[0]
        assert log.height >= 5
        assert all(len(line) <= inspector.pane.list.size.width for line in shown(chat))
        await chat.pilot.resize_terminal(130 if size[0] < 120 else 60, 24)
        await chat.pilot.pause()
        pane, log = inspector.pane.region, chat.app.chat.log_widget.region
        assert (pane.x == log.right) == (size[0] < 120)


async def test_the_mouse_points_opens_and_selects(open_chat: OpenChat, clipboard: list[str]) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        inspector = await opened(chat)
        rows = inspector.pane.list
        await chat.press("home")
        await chat.pilot.click(rows, offset=(20, 3))
        assert rows.cursor == 3
        await chat.pilot.mouse_down(rows, offset=(17, 3))
        await chat.pilot.hover(rows, offset=(40, 3))
        await chat.pilot.mouse_up(rows, offset=(40, 3))
        await chat.press("ctrl+c")
        assert "message_start" in clipboard[-1]
        await chat.pilot.click(rows, offset=(20, 5), times=2)
        await settled(chat)
        assert detail_is_open(chat)


async def test_every_binding_can_be_remapped() -> None:
    from tui_chat.ui.app import _binding_ids

    ids = _binding_ids()
    assert {"chat.wire", "wire.follow", "wire.type", "wire.curl", "wire.detail_copy", "wire.filter_done"} <= ids


async def test_a_filter_typed_in_one_burst_is_a_filter(open_chat: OpenChat) -> None:
    async with open_chat(WIDE) as chat:
        await chat.say("hello")
        await opened(chat)
        for character in "/ping":
            key = "slash" if character == "/" else character
            chat.app.post_message(events.Key(key, character))
        await chat.until(lambda: wire(chat).pane.field.value == "ping")
        assert chat.draft == ""
