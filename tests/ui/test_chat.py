"""Chatting: what the log, the status bar and the footers say, turn by turn."""

import dataclasses
from pathlib import Path

from textual import events

from tests.ui.conftest import OpenChat
from tui_chat.config import Flags, load
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.markdown import LiveDocument
from tui_chat.ui.screens.history import HistoryScreen

SLOW = "ttft=0.05 rate=40"


async def test_a_turn_is_shown_with_its_figures(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        assert "▌ hello" in chat.log
        assert "Welcome to the demo" in chat.log
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        usage = session.turn.usage
        assert f"{usage.input_tokens} in (+{usage.cache_write} cached) · {usage.output_tokens} out" in chat.log
        assert "end_turn" in chat.log
        assert "TTFT 0." in chat.log
        assert f"{usage.output_tokens} out" in chat.status
        assert "ready" in chat.status


async def test_the_running_reply_goes_through_one_live_document(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("table")
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        assert isinstance(chat.app.chat.log_widget.reply(session.turn.id).document, LiveDocument)


async def test_the_second_turn_is_remembered(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("the first thing")
        await chat.say("the second thing")
        assert "the first thing" in chat.log
        body = server.requests[-1].body
        assert body is not None
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]


async def test_a_prompt_on_the_command_line_is_sent(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 60), prompt="code") as chat:
        await chat.until(lambda: chat.turn_count == 1 and chat.idle)
        assert "AsyncAnthropic" in chat.log


async def test_a_failed_turn_keeps_its_text_and_can_be_sent_again(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("error")
        assert "failed: the server reported an error" in chat.log
        assert "interrupted on purpose" in chat.log
        await chat.press("tab", "r")
        session = chat.app.chat.session
        assert session is not None
        await chat.until(lambda: len(session.versions(session.conversation.turns[0])) == 2)
        await chat.until(lambda: chat.idle and not chat.app.chat.busy)
        body = server.requests[-1].body
        assert body is not None
        assert [message["role"] for message in body["messages"]] == ["user"]  # the failed attempt is left out


async def test_retries_are_shown_and_the_turn_recovers(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("flaky")
        await chat.until(lambda: "retrying in" in chat.status)
        assert "attempt 2 of 3: overloaded (529)" in chat.status
        assert "Esc gives up" in chat.status
        await chat.until(lambda: chat.turn_count == 1 and chat.idle)
        session = chat.app.chat.session
        assert session is not None
        assert session.conversation.turns[0].outcome is Outcome.COMPLETED


async def test_an_unknown_model_is_one_sentence(open_chat: OpenChat) -> None:
    async with open_chat(model="claude-nonesuch") as chat:
        await chat.say("hello")
        assert "failed: not found: model: claude-nonesuch (404); choose another model" in chat.log


async def test_nothing_listens(open_chat: OpenChat) -> None:
    async with open_chat(base_url="http://127.0.0.1:9") as chat:
        await chat.send("hello")
        await chat.until(lambda: "retrying" in chat.status)
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        assert "stopped by you" in chat.log
        assert "nothing had come" in chat.log


async def test_text_from_outside_is_text(open_chat: OpenChat) -> None:
    hostile = "[bold]x[/nope] [@click=app.quit]q[/] \x1b]52;c;aGFjaw==\x07 \u202eevil \x9b2J"
    async with open_chat() as chat:
        await chat.say(hostile)
        await chat.say("and again")  # the demo quotes the first prompt in its reply
        widget = chat.app.chat.log_widget
        lines = [widget.render_line(y).text for y in range(widget.size.height)]
        shown = "\n".join(lines)
        assert "[bold]x[/nope] [@click=app.quit]q[/]" in shown
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)
        assert "␛]52;c;aGFjaw==␇" in shown


async def test_a_resumed_conversation_shows_everything(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 60)) as chat:
        await chat.say("hello")
        await chat.say("error")
        before = chat.log
    async with open_chat(size=(100, 60), continue_last=True) as chat:
        await chat.pilot.pause()
        for line in before.splitlines():
            if line.strip() and "Chat with Claude" not in line and "Enter sends" not in line:
                if "Escape stops a reply" in line or "Ctrl+P has" in line:
                    continue
                assert line in chat.log


async def test_new_chat_and_resume(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("remember the heron")
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0)
        await chat.send("/resume heron")
        await chat.until(lambda: isinstance(chat.app.screen, HistoryScreen) and chat.app.screen.settled)
        await chat.press("enter")
        await chat.until(lambda: chat.turn_count == 1)
        assert "remember the heron" in chat.log


async def test_the_model_can_be_changed(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("/model claude-haiku-5-5")
        await chat.until(lambda: "haiku-5-5" in chat.status)
        await chat.say("hello")
        body = server.requests[-1].body
        assert body is not None
        assert body["model"] == "claude-haiku-5-5"
        assert "haiku-5-5 · TTFT" in chat.log


async def test_the_model_picker_lists_the_servers_models(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.until(lambda: bool(list(chat.app.runtime.catalog)))
        await chat.send("/model")
        await chat.press(*"opus-5-5", "enter")
        await chat.until(lambda: "opus-5-5" in chat.status)


async def test_a_system_prompt_is_sent(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("/system Answer in one word.")
        await chat.say("hello")
        body = server.requests[-1].body
        assert body is not None
        assert body["system"] == "Answer in one word."


async def test_themes_change_the_looks_and_are_remembered(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        widget = chat.app.chat.log_widget
        before = [widget.render_line(y) for y in range(widget.size.height)]
        await chat.send("/theme textual-light")
        await chat.until(lambda: [widget.render_line(y) for y in range(widget.size.height)] != before)
    async with open_chat() as chat:
        assert chat.app.theme == "textual-light"


async def test_context_share_comes_from_the_model_list(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.until(lambda: bool(list(chat.app.runtime.catalog)))
        await chat.say("hello")
        assert "ctx <1%" in chat.status


async def test_typing_while_a_reply_streams_stays_in_the_composer(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("wait")
        await chat.until(lambda: "waiting" in chat.status)
        await chat.press(*"abc")
        assert chat.draft == "abc"
        await chat.press("escape")
        await chat.until(lambda: chat.idle)
        assert chat.draft == "abc"


async def test_an_unanswered_prompt_is_left_out_and_can_be_taken_in(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("http 400")
        assert "left out of the next request" in chat.log
        await chat.say("hello")
        body = server.requests[-1].body
        assert body is not None
        assert len(body["messages"]) == 1
        assert "http 400" not in str(body["messages"])


async def test_an_unknown_command_is_not_sent(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/nope")
        assert chat.draft == "/nope"
        assert chat.turn_count == 0
        await chat.send("")


async def test_two_prompts_at_once_are_both_sent(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.chat.composer.insert("alpha")
        for key in ("enter", *"beta", "enter"):
            chat.app.post_message(events.Key(key, key if len(key) == 1 else "\r"))
        await chat.until(lambda: chat.turn_count == 2 and chat.idle)
        session = chat.app.chat.session
        assert session is not None
        assert [turn.prompt.text for turn in session.conversation.turns] == ["alpha", "beta"]


async def test_an_odd_link_is_not_opened_and_harms_nothing(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.open_url("HTTP://[::zz]/")
        await chat.pilot.pause()
        assert chat.app.is_running


async def test_a_lone_surrogate_can_be_copied(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.chat.copy("half \ud83d a pair")
        await chat.until(lambda: chat.app.clipboard.startswith("half "))


async def test_a_conversation_that_is_left_sends_nothing_more(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("silence")
        await chat.until(lambda: "streaming" in chat.status)
        await chat.send("queued")
        await chat.press(*"draft")
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0 and chat.idle)
        assert (chat.draft, chat.below) == ("", "")
        assert all("queued" not in str(request.body) for request in server.requests)
    async with open_chat(continue_last=True) as chat:
        assert (chat.draft, chat.below.splitlines()[0]) == ("draft", "paused 1: queued")


async def test_a_long_conversation_is_laid_out_where_it_is_seen(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        for _ in range(3):
            await chat.say("list")
    async with open_chat(size=(80, 20), continue_last=True) as chat:
        await chat.pilot.pause()
        items = chat.app.chat.log_widget._items.items
        assert items[-1].width
        assert not items[0].width


async def test_the_help_shows_the_keys_as_they_are(server: DemoServer, tmp_path: Path) -> None:
    config = dataclasses.replace(
        load(Flags(base_url=server.base_url, data_dir=tmp_path), {}), keys={"chat.new": "ctrl+t"}
    )
    app = TuiChatApp(config)
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        shown = app.export_screenshot(simplify=True)
        assert "ctrl+t" in shown
        assert "Ctrl+N" not in shown
        assert "Ctrl+Q" in shown
