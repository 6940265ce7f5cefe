"""What a footer offers, in the whole app: going on, editing, going back, tools that ask, and what was stored looks the same."""

import pytest

from tests.ui.conftest import Chat, OpenChat
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer
from tui_chat.session import ChatSession
from tui_chat.ui.screens.approval import ApprovalScreen


def session_of(chat: Chat) -> ChatSession:
    session = chat.app.chat.session
    assert session is not None
    return session


def turns_of(chat: Chat) -> list[Turn]:
    return session_of(chat).conversation.turns


def said(chat: Chat) -> list[str]:
    """The log's lines from the first prompt on, without the empty ones."""
    lines = [line for line in chat.log.splitlines() if line.strip()]
    return lines[next(place for place, line in enumerate(lines) if "▌" in line) :]


def toasts(chat: Chat) -> str:
    """What the toasts say."""
    return "\n".join(note.message for note in chat.app._notifications)


async def log_key(chat: Chat, key: str) -> None:
    """Press a letter with the log focused and wait until nothing runs."""
    chat.app.chat.log_widget.focus()
    await chat.pilot.pause()
    await chat.press(key)
    await chat.pilot.pause()
    await chat.until(lambda: chat.idle and not chat.app.chat.busy)


async def ask(chat: Chat, prompt: str, *answers: str) -> None:
    """A turn with tools on; each dialog is answered with the next key."""
    session_of(chat).tools_on = True
    before = chat.turn_count
    await chat.send(prompt)
    for answer in answers:
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
        await chat.pilot.pause(0.4)  # the guard: what is typed before it ends does not count
        shown = chat.app.screen
        await chat.press(answer)
        await chat.until(lambda shown=shown: chat.app.screen is not shown)  # type: ignore[misc]  # mypy cannot infer a default
    await chat.until(lambda: chat.turn_count > before and chat.idle and not chat.app.chat.busy)
    await chat.until(lambda: chat.app.chat.log_widget.settled)


# Going on ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["cut", "limit"])
async def test_g_goes_on_under_a_seam(open_chat: OpenChat, prompt: str) -> None:
    async with open_chat() as chat:
        await chat.say(prompt)
        assert "g go on" in chat.log
        await log_key(chat, "g")
        first, second = turns_of(chat)
        assert second.prompt.continues
        assert second.outcome is Outcome.COMPLETED
        assert "went on" in chat.log
        assert second.prompt.text not in chat.log
        assert "g go on" not in chat.log
        assert "r again" not in chat.log
        assert first.text.strip().split()[-1] in chat.log
        await chat.press("up")
        assert chat.draft == prompt  # nobody typed the instruction
    async with open_chat(continue_last=True) as chat:
        assert "went on" in chat.log
        assert "g go on" not in chat.log


async def test_continue_says_when_there_is_nothing_to_go_on_from(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.send("/continue")
        await chat.pilot.pause()
        assert chat.turn_count == 1
        assert chat.idle


async def test_what_goes_on_is_left_out_with_what_it_goes_on_from(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("cut")
        await log_key(chat, "g")
        await log_key(chat, "k")
        await chat.press("k")
        await chat.press("x")
        await chat.until(lambda: not any(session_of(chat).goes_out(turn) for turn in turns_of(chat)))
        await chat.until(lambda: chat.log.count("left out") == 2)
        assert [turn.in_context for turn in turns_of(chat)] == [False, True]
        await chat.press("x")
        await chat.until(lambda: all(session_of(chat).goes_out(turn) for turn in turns_of(chat)))
        await chat.until(lambda: "left out" not in chat.log)


async def test_going_on_takes_what_was_left_out_in_again_for_good(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("cut")
        await log_key(chat, "x")
        await chat.until(lambda: not turns_of(chat)[0].in_context)
        await log_key(chat, "g")
        assert "left out" not in chat.log
    async with open_chat(continue_last=True) as chat:
        assert [turn.in_context for turn in turns_of(chat)] == [True, True]
        assert "left out" not in chat.log


async def test_continue_in_an_empty_chat_says_so(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/continue")
        await chat.until(lambda: "there is no reply yet" in toasts(chat))


async def test_what_went_on_is_copied_as_one(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    async with open_chat() as chat:
        monkeypatch.setattr(chat.app.chat, "copy", copied.append)
        await chat.say("cut")
        await log_key(chat, "g")
        await chat.send("/copy")
        await chat.send("/copy chat")
        await chat.until(lambda: len(copied) == 2)
        first, second = (turn.text for turn in turns_of(chat))
        assert copied[0] == first + second
        assert copied[1].count("## ") == 2
        assert first + second in copied[1]


async def test_the_letters_say_when_a_reply_is_running(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("cut")
        await chat.send("silence")
        await chat.until(lambda: not chat.idle)
        for key in "grRefxnd,.":
            chat.app.clear_notifications()
            chat.app.chat.log_widget.focus()
            await chat.press(key)
            await chat.until(lambda: "a reply is running" in toasts(chat))
        assert chat.turn_count == 2


# What the API refuses ---------------------------------------------------------------------------------------------------


async def test_a_refused_request_is_not_sent_again_as_it_is(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("poison")
        requests = len(server.requests)
        assert "e edit the prompt" in chat.log
        assert "f go on from before the bad turn" in chat.log
        assert "r again" not in chat.log
        await log_key(chat, "r")
        assert len(server.requests) == requests
        await log_key(chat, "e")
        assert chat.draft == "poison"
        await chat.press("enter")
        await chat.until(lambda: len(server.requests) > requests)
        await chat.until(lambda: chat.idle and not chat.app.chat.busy)


async def test_f_goes_on_from_before_the_turn_that_is_blamed(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("code")
        await chat.say("poison")
        await log_key(chat, "f")
        await chat.until(lambda: not any(turn.in_context for turn in turns_of(chat)))
        assert chat.draft == "poison"
        chat.app.chat.composer.replace_text("")
        await chat.say("list")
        assert [len(server.requests[-1].body["messages"])] == [1]


async def test_f_does_its_work_once(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("code")
        await chat.say("poison")
        await log_key(chat, "f")
        await chat.until(lambda: chat.draft == "poison")
        await log_key(chat, "f")
        assert "complains of no earlier turn" in toasts(chat)
        assert chat.draft == "poison"


async def test_an_older_refused_turn_takes_no_good_ones_with_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("poison")
        await chat.say("code")
        await log_key(chat, "k")
        await chat.press("k")
        await chat.press("f")
        await chat.pilot.pause()
        assert [turn.in_context for turn in turns_of(chat)] == [True, False, True]


@pytest.mark.parametrize("prompt", ["http 413", "http 400"])
async def test_a_refusal_that_names_no_turn_blames_none(open_chat: OpenChat, prompt: str) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say(prompt)
        assert "go on from before" not in chat.log
        assert "e edit the prompt" in chat.log


async def test_a_refusal_can_be_edited(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("refuse")
        assert "refused (cyber)" in chat.log
        await log_key(chat, "e")
        assert chat.draft == "refuse"


# Tools ------------------------------------------------------------------------------------------------------------------


async def test_a_call_asks_and_runs(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await ask(chat, "tool", "y")
        assert "calculator 6 * 7 → 42" in chat.log
        assert "1 tool call" in chat.log
        ran = said(chat)
    async with open_chat(continue_last=True) as chat:
        assert "calculator 6 * 7 → 42" in chat.log
        assert said(chat) == ran


@pytest.mark.parametrize("key", ["n", "escape", "enter"])
async def test_a_call_is_denied_and_the_turn_goes_on(open_chat: OpenChat, key: str) -> None:
    async with open_chat() as chat:
        await ask(chat, "tool", key)
        assert turns_of(chat)[-1].outcome is Outcome.COMPLETED
        assert "denied" in chat.log
        assert [call.allowed for call in turns_of(chat)[-1].requests[0].calls.values()] == [False]


async def test_three_calls_ask_one_after_the_other(open_chat: OpenChat) -> None:
    async with open_chat((100, 50)) as chat:
        await ask(chat, "tools", "n", "y", "n")
        calls = turns_of(chat)[-1].requests[0].calls.values()
        assert [(call.name, call.allowed) for call in calls] == [
            ("calculator", False),
            ("current_time", True),
            ("read_file", False),
        ]


async def test_ctrl_c_stops_the_turn_whose_call_asks(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        session_of(chat).tools_on = True
        await chat.send("tools")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
        await chat.press("ctrl+c")
        await chat.until(lambda: chat.idle)
        assert turns_of(chat)[-1].outcome is Outcome.CANCELLED
        await chat.until(lambda: not isinstance(chat.app.screen, ApprovalScreen))


async def test_quitting_with_a_dialog_open_denies_and_keeps(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        session = session_of(chat)
        session.tools_on = True
        await chat.send("tool")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
        await chat.app.action_quit()
        assert session.turn is not None
        assert session.turn.outcome is Outcome.CANCELLED
        assert [call.skipped for call in session.turn.requests[0].calls.values()] == ["cancelled"]


async def test_the_tools_command(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("/tools on")
        await chat.until(lambda: session_of(chat).tools_on)
        await chat.say("hello")
        assert [tool["name"] for tool in server.requests[-1].body["tools"]] == [
            "current_time",
            "calculator",
            "read_file",
        ]
        await chat.send("/tools")
        await chat.until(lambda: not session_of(chat).tools_on)
        await chat.say("hello")
        assert "tools" not in server.requests[-1].body


async def test_rounds_of_tools_one_after_the_other(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await ask(chat, "tool 2", "y", "y")
        assert "calculator 1 + 2 + 3 → 6" in chat.log
        assert "2 tool calls" in chat.log
        assert "tools" in chat.status  # that they are on


async def test_the_effort_command(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.until(lambda: bool(list(chat.app.runtime.catalog)))
        await chat.send("/effort low")
        await chat.until(lambda: session_of(chat).conversation.effort == "low")
        await chat.say("hello")
        body = server.requests[-1].body
        assert body["output_config"] == {"effort": "low"}
        assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
        assert body["cache_control"] == {"type": "ephemeral"}
        await chat.send("/effort enormous")
        await chat.pilot.pause()
        assert session_of(chat).conversation.effort == "low"
    async with open_chat(continue_last=True) as chat:
        assert session_of(chat).conversation.effort == "low"


# What replies may hold --------------------------------------------------------------------------------------------------


async def test_sources_and_notes_look_the_same_when_they_are_stored(open_chat: OpenChat) -> None:
    async with open_chat((100, 60)) as chat:
        await chat.say("search")
        await chat.say("odd")
        assert "[1] HTML Standard: Server-sent events  html.spec.whatwg.org" in chat.log
        assert "that ends it, [1][2] and in" in chat.log
        assert "an event of an unknown type was kept: weather_report" in chat.log
        assert "a file was put into the container" in chat.log
        ran = said(chat)
    async with open_chat((100, 60), continue_last=True) as chat:
        assert sorted(said(chat)) == sorted(ran)  # when an event came that nobody knows is not stored


async def test_a_full_context_window_says_what_to_do(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("window")
        assert "the context window is full" in chat.log
