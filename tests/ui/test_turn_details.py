"""A turn in detail: while it runs, over, stopped, retried, with tools, stored; and the receipt against the server's own record."""

import asyncio
import json
import re
import time
from typing import Any

import pytest
from textual import events

from tests.ui.conftest import Chat, OpenChat
from tests.unit.raw_server import Exchange, head, raw_server
from tui_chat import anatomy
from tui_chat.conversation import Turn
from tui_chat.demo import DemoServer, Pacing
from tui_chat.pulse import SAMPLES
from tui_chat.ui.screens import help as help_text
from tui_chat.ui.screens.approval import ApprovalScreen
from tui_chat.ui.screens.turn_details import TurnDetailsScreen

SIZES = [(120, 40), (80, 24), (40, 24)]
SLOW = Pacing(ttft=0.05, rate=40)


def last_turn(chat: Chat) -> Turn:
    session = chat.app.chat.session
    assert session is not None
    return session.conversation.turns[-1]


def details(chat: Chat) -> TurnDetailsScreen:
    screen = chat.app.screen
    assert isinstance(screen, TurnDetailsScreen)
    return screen


def text(chat: Chat) -> str:
    return details(chat).lines.plain


async def open_details(chat: Chat, *keys: str) -> None:
    await chat.press(*(keys or ("tab", "i")))
    await chat.until(lambda: isinstance(chat.app.screen, TurnDetailsScreen) and details(chat).lines.total > 0)


async def until_some(chat: Chat, characters: int = 40) -> None:
    await chat.until(lambda: chat.turn_count > 0 and len(last_turn(chat).text) >= characters)


@pytest.mark.parametrize("size", SIZES)
async def test_a_turn_that_is_over(open_chat: OpenChat, size: tuple[int, int]) -> None:
    async with open_chat(size) as chat:
        await chat.say("thinking")
        await open_details(chat)
        shown = text(chat)
        turn = last_turn(chat)
        request = turn.requests[0]
        for part in (
            "thinking",
            "waiting for headers",
            "to the first token",
            "closing",
            str(request.request_id)[:20],
            "end_turn",
        ):
            assert part in shown
        for line in shown.splitlines():
            assert len(line) < size[0]
        # The seconds beside the stages are those of the stamps, and sum to the whole.
        seconds = [float(found) for found in re.findall(r"^   ▇ .*?(\d+\.\d{3})s", shown, re.MULTILINE)]
        assert request.stamps.ended is not None
        assert sum(seconds) == pytest.approx(request.stamps.ended - request.stamps.sent, abs=0.0006 * len(seconds))
        await chat.press("escape")
        assert chat.app.screen is chat.app.chat
        await chat.pilot.pause()
        assert chat.app.chat.focused is chat.app.chat.log_widget  # where it was


async def test_while_it_runs_it_lives(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=SLOW) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("tell me the long story of a streamed reply")
        await until_some(chat)
        await open_details(chat, "slash", "t", "u", "r", "n", "enter")
        await chat.until(lambda: "kB/s" in text(chat) or "B/s" in text(chat))
        before = text(chat)
        assert "running" in before
        assert "text …" in before
        assert re.search(r"\d+ events/s", before)
        await chat.until(lambda: text(chat) != before)
        await chat.press("ctrl+c")
        await chat.until(lambda: chat.idle and "Stopped by you" in text(chat) and "closed to saved" in text(chat))
        await chat.until(lambda: not details(chat).is_live)  # at rest nothing ticks
        assert "events/s" not in text(chat)
        assert last_turn(chat).outcome == "cancelled"


async def test_behind_a_dialog_nothing_ticks(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=SLOW) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("tell me the long story of a streamed reply")
        await until_some(chat)
        await open_details(chat, "slash", "t", "u", "r", "n", "enter")
        screen = details(chat)
        active: asyncio.Event = screen._ticker._active
        await chat.until(active.is_set)
        await chat.press("f1")
        await chat.until(lambda: not active.is_set())
        before = screen.lines.plain
        await chat.press("escape")
        await chat.until(active.is_set)
        await chat.until(lambda: screen.lines.plain != before)


async def test_the_receipt_is_true(open_chat: OpenChat) -> None:
    """The server itself saw the connection close, and when; the figures begin with the key."""
    async with DemoServer(pacing=SLOW) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("tell me the long story of a streamed reply")
        await until_some(chat)
        before = time.monotonic()
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        after = time.monotonic()
        (record,) = [record for record in slow.requests if record.method == "POST"]
        await slow.wait_for(lambda: record.closed is not None)
        assert record.ended == "client_closed"
        turn = last_turn(chat)
        closed_at = turn.requests[0].stamps.ended
        assert closed_at is not None
        assert turn.closed_after is not None
        assert turn.cancelled_after is not None
        assert turn.saved_after is not None
        asked_at = closed_at - turn.closed_after
        assert (
            before <= asked_at <= asked_at + turn.cancelled_after <= closed_at <= asked_at + turn.saved_after <= after
        )
        assert record.closed is not None
        assert record.closed >= asked_at + turn.cancelled_after
        await open_details(chat)
        shown = text(chat)
        for part in (
            "key to closed socket",
            "key to cancel",
            "cancel to closed",
            "closed to saved",
            "for certain",
            "may have generated more",
        ):
            assert part in shown
        assert f"~{anatomy_tokens(chat)} tokens, estimated from {turn.requests[0].characters}" in shown
        # What is stored keeps the whole: from the key to the closed socket.
        session = chat.app.chat.session
        assert session is not None
        stored = await chat.app.runtime.store.load(session.conversation.id)
        assert stored is not None
        assert stored.turns[0].closed_after == pytest.approx(turn.closed_after)
        assert stored.turns[0].cancelled_after is None


def anatomy_tokens(chat: Chat) -> int | None:
    return chat.app.runtime.figures(last_turn(chat), time.monotonic()).output_tokens


async def test_the_receipt_counts_from_the_byte_of_the_key(open_chat: OpenChat) -> None:
    """A key that had to wait (for the rest of a sequence, or because we were busy) makes the figure longer, not shorter."""
    async with DemoServer(pacing=SLOW) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("tell me the long story of a streamed reply")
        await until_some(chat)
        key = events.Key("escape", "\x1b")
        key.time -= 7.0
        key.set_sender(chat.app)
        assert chat.app._driver is not None
        chat.app._driver.send_message(key)
        await chat.until(lambda: chat.idle)
        turn = last_turn(chat)
        assert turn.closed_after is not None
        assert turn.cancelled_after is not None
        assert turn.closed_after >= turn.cancelled_after >= 7.0
        assert re.search(r"closed in 7\d{3} ms", chat.log)


async def test_a_retried_turn(open_chat: OpenChat) -> None:
    async with open_chat((100, 40)) as chat:
        await chat.send("overloaded")
        await chat.until(lambda: chat.turn_count > 0 and last_turn(chat).retry_at is not None)
        await open_details(chat, "slash", "t", "u", "r", "n", "enter")
        assert "then attempt 2" in text(chat)
        await chat.press("ctrl+c")
        await chat.until(lambda: chat.idle and "was not made" in text(chat))
        assert "key to stopped" in text(chat)  # no connection was open
        assert "the API is overloaded (529)" in text(chat)


async def test_tools(open_chat: OpenChat) -> None:
    async with open_chat((100, 60)) as chat:
        session = chat.app.chat.session
        assert session is not None
        session.tools_on = True
        await chat.send("tools")
        while not chat.idle or chat.turn_count == 0:
            await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen) or (chat.turn_count > 0 and chat.idle))
            if isinstance(dialog := chat.app.screen, ApprovalScreen):
                dialog.dismiss(result=True)
                await chat.until(lambda dialog=dialog: chat.app.screen is not dialog)  # type: ignore[misc]  # a bound default
        await open_details(chat)
        shown = text(chat)
        turn = last_turn(chat)
        assert len(turn.requests) == 2
        for part in ("Request 1 of 2", " Tools", "Request 2 of 2", "All requests", *(call.name for call in turn.calls)):
            assert part in shown


async def test_a_stored_turn(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await open_details(chat)
        live = text(chat)
    async with open_chat(continue_last=True) as chat:
        await chat.until(lambda: chat.turn_count == 1)
        await open_details(chat)
        stored = text(chat)
        assert "bytes –" in stored  # what went over the wire is not stored
        assert "Our part" not in stored

        def same(shown: str) -> list[str]:
            kept = shown.partition(" Our part")[0].rstrip().splitlines()
            return [line for line in kept if not line.strip().startswith("wire")]

        assert same(stored) == same(live)


async def test_other_turns_are_beside_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("list")
        await open_details(chat)
        assert text(chat).startswith(" list\n")
        assert "Turn 2 of 2" in details(chat).hint.text
        await chat.press("left")
        assert text(chat).startswith(" hello\n")
        await chat.press("left", "right", "right")
        assert text(chat).startswith(" list\n")
        await chat.press("q")
        assert chat.app.screen is chat.app.chat


async def test_the_letter_acts_on_the_message_under_the_cursor(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("list")
        await open_details(chat, "tab", "k", "k", "i")
        assert text(chat).startswith(" hello\n")


async def test_it_can_be_copied(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await open_details(chat)
        copied: list[str] = []
        monkeypatch.setattr(chat.app.chat, "copy", copied.append)
        await chat.press("c")
        assert copied == [text(chat)]
        lines = details(chat).lines
        row, line = next((row, line) for row, line in enumerate(lines.plain.splitlines()) if "request req_" in line)
        at = line.index("req_")
        await chat.pilot.mouse_down(lines, offset=(at, row))
        await chat.pilot.hover(lines, offset=(at + 26, row))
        await chat.pilot.mouse_up(lines, offset=(at + 26, row))
        await chat.press("ctrl+c")
        assert copied[1] == last_turn(chat).requests[0].request_id


async def test_without_a_turn_it_says_so(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/turn")
        await chat.pilot.pause()
        assert not isinstance(chat.app.screen, TurnDetailsScreen)
        assert [note.message for note in chat.app._notifications] == ["there is no reply yet"]


# What the status bar shows of a stream --------------------------------------------------------------------------------


def sse(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


OPENING = sse(
    "message_start",
    message={"id": "msg_1", "model": "m", "role": "assistant", "usage": {"input_tokens": 5, "output_tokens": 1}},
) + sse("content_block_start", index=0, content_block={"type": "text", "text": ""})
REST = sse("content_block_stop", index=0) + sse(
    "message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}
) + sse("message_stop")  # fmt: skip


async def test_an_early_message_start_is_not_taken_for_a_token(open_chat: OpenChat) -> None:
    """The server says at once that an answer begins; the first delta comes when the test says so."""
    go, sent_at = asyncio.Event(), list[float]()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head(request_id="req_1") + OPENING)
        await go.wait()
        sent_at.append(time.monotonic())
        await exchange.send(sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello."}) + REST)

    def started() -> bool:
        turn = last_turn(chat) if chat.turn_count else None
        return turn is not None and turn.request is not None and turn.request.stamps.message_start is not None

    async with raw_server(answer) as server, open_chat(base_url=server.base_url) as chat:
        await chat.send("hello")
        await chat.until(started)
        assert "waiting" in chat.status
        assert "TTFT" not in chat.status
        await open_details(chat, "slash", "t", "u", "r", "n", "enter")
        assert "to the first token …" in text(chat)
        assert "TTFT" not in text(chat)
        await chat.press("escape")
        go.set()
        await chat.until(lambda: chat.idle)
        turn = last_turn(chat)
        stamps = turn.requests[0].stamps
        assert stamps.message_start is not None
        assert turn.ttft is not None
        assert stamps.sent + turn.ttft >= sent_at[0] > stamps.message_start
        stages = {stage.name: stage for stage in anatomy.stages(turn.requests[0], 0.0)}
        assert stages["to the first token"].end == pytest.approx(turn.ttft)


async def test_the_sparkline_keeps_its_place(open_chat: OpenChat) -> None:
    async with (
        DemoServer(pacing=Pacing(ttft=0.0, rate=60)) as slow,
        open_chat((130, 24), base_url=slow.base_url) as chat,
    ):
        await chat.send("tell me the long story of a streamed reply")
        seen: dict[str, int] = {}

        def drawn() -> bool:
            status = chat.status
            if "tok/s" in status:
                place = status.index("tok/s") + 7
                seen[status[place : place + SAMPLES]] = status.index(" in ")
            return any(" " not in spark for spark in seen)

        await chat.until(drawn)
        assert len(set(seen.values())) == 1  # nothing to its right ever moved
        assert all(set(spark) <= set(" ▁▂▃▄▅▆▇█╌") for spark in seen)
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        assert not set("▂▃▄▅▆▇█") & set(chat.status)


async def test_paints_are_measured(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=300)) as slow, open_chat(base_url=slow.base_url) as chat:
        before = time.monotonic()
        await chat.say("hello")
        lag = chat.app.chat.lags[last_turn(chat).id]
        figures = lag.figures()
        assert figures is not None
        assert figures.frames > 3
        assert 0 < figures.median <= figures.worst < time.monotonic() - before
        await open_details(chat)
        assert f"{figures.frames} paints" in text(chat)


async def test_what_is_behind_another_screen_is_not_late(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=100)) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("tell me the long story of a streamed reply")
        await until_some(chat)
        await open_details(chat, "slash", "t", "u", "r", "n", "enter")
        turn = last_turn(chat)
        lag = chat.app.chat.lags[turn.id]
        await chat.until(lambda: lag._oldest is None)
        before, characters = len(lag._lags), len(turn.text)
        await chat.until(lambda: len(turn.text) > characters + 100)
        assert len(lag._lags) <= before + 1  # one may have been on its way
        await chat.press("escape")
        await chat.until(lambda: len(lag._lags) > before + 1)


async def test_the_help_says_what_ttft_is(open_chat: OpenChat) -> None:
    async with open_chat((100, 120)) as chat:
        await chat.press("f1")
        await chat.pilot.pause()
        rows = {str(row[0]): str(row[1]) for row in help_text._WORDS}
        assert {"TTFT", "tok/s", "quiet", "in", "out", "~", "–", "lag", "closed in"} <= rows.keys()
        assert "message_start" in rows["TTFT"]
        assert rows["TTFT"].endswith("is no token")
        assert isinstance(chat.app.screen, help_text.HelpScreen)


async def test_the_ratios_of_the_whole_history_are_learnt(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("tell me the long story of a streamed reply")
        learnt = chat.app.runtime.ratios.characters_per_token(last_turn(chat).model)
        assert learnt != 4.0
    async with open_chat() as chat:  # a new conversation: nothing of the old one was opened
        ratios = chat.app.runtime.ratios
        model = chat.app.runtime.config.model
        await chat.until(lambda: ratios.characters_per_token(model) != 4.0)
        assert ratios.characters_per_token(model) == pytest.approx(learnt)
