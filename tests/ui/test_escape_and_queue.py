"""Escape, Ctrl+C and the queue: SCREEN's table, row by row, with the server as the witness."""

import pytest

from tests.ui.conftest import Chat, OpenChat
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer


def outcomes(chat: Chat) -> list[Outcome | None]:
    session = chat.app.chat.session
    assert session is not None
    return [turn.outcome for turn in session.conversation.turns]


@pytest.mark.parametrize(
    ("prompt", "state"),
    [("noheaders", "waiting"), ("wait", "waiting"), ("silence", "streaming")],
    ids=lambda each: each,
)
@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
async def test_stops_in_every_state(open_chat: OpenChat, server: DemoServer, prompt: str, state: str, key: str) -> None:
    async with open_chat() as chat:
        await chat.send(prompt)
        await chat.until(lambda: state in chat.status)
        await chat.press(key)
        await chat.until(lambda: chat.idle)
        assert outcomes(chat) == [Outcome.CANCELLED]
        assert "stopped by you" in chat.log
        await server.wait_for(lambda: server.requests[-1].ended == "client_closed")
        await chat.say("hello")
        assert outcomes(chat)[-1] is Outcome.COMPLETED


async def test_a_stopped_reply_stays_in_context_and_can_be_left_out(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("silence")
        await chat.until(lambda: "streaming" in chat.status)
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        assert "stays in context" in chat.log
        await chat.say("hello")
        body = server.requests[-1].body
        assert body is not None
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        await chat.press("tab", "up", "up", "x")
        await chat.until(lambda: "left out of the next" in chat.log)
        await chat.press("escape")
        await chat.say("once more")
        body = server.requests[-1].body
        assert body is not None
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]  # hello's turn only


async def test_a_queued_message_is_shown_and_released_by_completion(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("stall")
        await chat.until(lambda: "streaming" in chat.status)
        await chat.send("hello")
        assert "queued 1: hello" in chat.below
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        assert "paused 1: hello" in chat.below
        assert chat.turn_count == 1
        await chat.press("enter")  # asked for: the first of the queue goes out
        await chat.until(lambda: chat.turn_count == 2 and chat.idle)
        assert chat.below.strip() == ""


async def test_completion_releases_one_message_a_turn(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("flaky")  # half a second of retries: time to queue
        await chat.send("first in line")
        await chat.send("second in line")
        assert "queued 2: second in line" in chat.below
        await chat.until(lambda: chat.turn_count == 3 and chat.idle)
        session = chat.app.chat.session
        assert session is not None
        assert [turn.prompt.text for turn in session.conversation.turns] == ["flaky", "first in line", "second in line"]


async def test_escape_takes_a_paused_queue_back_above_the_draft(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("wait")
        await chat.until(lambda: "waiting" in chat.status)
        await chat.send("one")
        await chat.send("two")
        await chat.press(*"draft")
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        await chat.press("escape")
        assert chat.draft == "one\ntwo\ndraft"
        assert chat.below.strip() == ""


async def test_a_failure_pauses_the_queue(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("overloaded")
        await chat.send("stays here")
        await chat.until(lambda: chat.idle and "paused 1: stays here" in chat.below)
        assert chat.turn_count == 1


async def test_escape_idle_does_nothing(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.press(*"draft", "escape", "escape")
        assert chat.draft == "draft"
        assert chat.turn_count == 0


async def test_escape_closes_a_dialog_before_it_stops_a_turn(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("wait")
        await chat.until(lambda: "waiting" in chat.status)
        await chat.press("f1")
        await chat.press("escape")
        assert not chat.idle
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_ctrl_c_idle_quits_the_second_time(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.press("ctrl+c")
        assert chat.app.return_code is None
        await chat.press("ctrl+c")
        await chat.until(lambda: chat.app.return_code == 0)


async def test_quitting_keeps_the_draft_the_queue_and_the_partial_reply(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("silence")
        await chat.until(lambda: "streaming" in chat.status)
        await chat.send("queued text")
        await chat.press(*"half a thou", "ctrl+q")
        await chat.until(lambda: chat.app.return_code == 0)
    async with open_chat(continue_last=True) as chat:
        assert outcomes(chat) == [Outcome.CANCELLED]
        assert chat.draft == "half a thou"
        assert "paused 1: queued text" in chat.below
        assert "stopped by you" in chat.log
