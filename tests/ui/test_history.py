"""The history on the screen, against the real store: listing, finding, opening."""

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.ui.conftest import OpenChat
from tests.ui.history_view import History, add_many, current, on_chat, open_history, stored, three
from tui_chat.demo import DemoServer
from tui_chat.listed import Hit
from tui_chat.ui.screens.history import HistoryScreen
from tui_chat.ui.widgets.history_field import HistoryField


async def test_all_conversations_with_their_figures(open_chat: OpenChat) -> None:
    async with open_chat((120, 30)) as chat:
        await three(chat)
        history = await open_history(chat)
        assert history.titles == ["code", "about zebras", "hello"]
        assert history.count == "3 conversations"
        code = history.rows[0].split()
        assert "this chat" in history.rows[0]
        assert "just now" in history.rows[1]
        assert code[-3] == "1"  # turns
        assert code[-2].isdecimal()  # tokens
        assert history.pointed == history.rows[0]
        await chat.press("escape")
        await chat.until(lambda: on_chat(chat))
        assert chat.app.chat.composer.has_focus


async def test_what_is_typed_finds_titles_and_messages_and_enter_opens_at_once(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        ids = await three(chat)
        await chat.press("d", "ctrl+r", *"zeb", "enter")  # nothing is waited for between the keys
        await chat.until(lambda: on_chat(chat) and current(chat) == ids[1])
        assert "about zebras" in chat.log
        await chat.press("ctrl+r", "c", "o", "d", "e", "enter")
        await chat.until(lambda: on_chat(chat) and current(chat) == ids[2])
        assert chat.draft == "d"  # the draft stayed with its conversation


async def test_a_message_is_found_and_shown(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("first of all")
        await chat.say("a long story of quokkas")
        for _ in range(4):
            await chat.say("code")
        conversation = current(chat)
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0)
        history = await open_history(chat, *"quokka")
        await chat.until(lambda: "in messages" in history.text, 5)
        assert "quokka" in history.text
        assert any(mark.style and mark.style.bold for mark in history.screen.list.line(2) or [])
        hit = history.screen.list.selected
        assert isinstance(hit, Hit)
        assert hit.role == "user"
        await chat.press("enter")
        await chat.until(lambda: on_chat(chat) and current(chat) == conversation)
        await chat.until(lambda: "a long story of quokkas" in chat.log)


async def test_typing_replaces_the_list_and_nothing_fits_says_so(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat, *"hell")
        assert history.titles[0] == "hello"
        assert history.count.startswith("1 title ")
        await history.press(*"zzz")
        assert history.text.strip() == "nothing fits"
        await history.press("enter")
        assert chat.app.screen is history.screen
        await history.press("ctrl+u")
        assert history.count == "3 conversations"


async def test_resume_with_an_id_opens_at_once_and_with_words_shows_what_fits(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        ids = await three(chat)
        await chat.send(f"/resume {ids[0]}")
        await chat.until(lambda: on_chat(chat) and current(chat) == ids[0])
        await chat.send("/history zebras")
        await chat.until(lambda: isinstance(chat.app.screen, HistoryScreen))
        history = History(chat)
        await history.until_found()
        assert history.screen.field.value == "zebras"
        assert history.titles[0] == "about zebras"


async def test_the_mouse(open_chat: OpenChat) -> None:
    async with open_chat((80, 12)) as chat:
        ids = await three(chat)
        history = await open_history(chat)
        await chat.pilot.click(history.screen.list, offset=(10, 2))
        await chat.until(lambda: on_chat(chat) and current(chat) == ids[0])


async def test_titles_are_text(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat() as chat:
        await chat.say("[red]not[/] \x1b]0;markup\x07 [link=x]")
        await chat.say("and [bold]this[/bold] neither")
        history = await open_history(chat)
        assert history.titles[0].startswith("[red]not[/] ␛]0;markup␇ [link=x]")
        await history.press(*"[bold]this")
        await chat.until(lambda: "[bold]this[/bold]" in history.text, 5)
        await history.press("ctrl+d")
        assert "[red]not[/]" in history.hint


async def test_ten_thousand_conversations_are_one_widget(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat((80, 24)) as chat:
        await chat.say("hello")
        add_many(tmp_path, 10_000)
        history = await open_history(chat)
        assert history.count == "10,001 conversations"
        widgets = len(list(history.screen.query("*")))
        await history.press("ctrl+end")
        await chat.until(lambda: "number 10000" in history.pointed)
        await history.press("pageup", "pageup")
        await chat.until(lambda: all(row for row in history.rows))
        await history.press("ctrl+home")
        assert "hello" in history.pointed
        assert len(list(history.screen.query("*"))) == widgets < 20
        await history.press(*"number 9999")
        assert history.titles[0] == "number 9999"


async def test_the_wheel_and_the_scrollbar(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat((80, 24)) as chat:
        await chat.say("hello")
        add_many(tmp_path, 1_000)
        history = await open_history(chat)
        found = history.screen.list
        for _ in range(3):
            found.scroll_lines(3)
        await history.until_found()
        assert found.top == 9
        assert found.cursor == 9  # it stays in view
        await chat.pilot.click(found, offset=(found.size.width - 1, found.size.height - 1))
        await chat.until(lambda: found.top == found.max_top)
        assert history.screen.field.has_focus
        await chat.until(lambda: all(history.rows))
        assert chat.app.screen is history.screen


async def test_many_titles_leave_room_for_messages(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat((80, 24)) as chat:
        await chat.say("what number is it")
        add_many(tmp_path, 100)
        history = await open_history(chat, *"number")
        await chat.until(lambda: "in messages" in history.text, 5)
        assert "… 96 more titles" in history.text
        await history.press("down", "down", "down", "down", "down", "enter")
        await chat.until(lambda: "more titles" not in history.text)
        assert all(history.rows)


async def test_a_database_that_cannot_be_read_is_a_sentence(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        history = await open_history(chat)
        with stored(tmp_path) as connection:
            connection.execute("ALTER TABLE conversations RENAME TO elsewhere")
        await history.press("h")
        assert len(history.text.split()) > 3
        assert "hello" not in history.text
        await history.press("ctrl+d", "ctrl+t", "f2", "ctrl+y", "down")
        with stored(tmp_path) as connection:
            connection.execute("ALTER TABLE elsewhere RENAME TO conversations")
        await history.press("enter")  # tries again
        await chat.until(lambda: history.titles[:1] == ["hello"])


async def test_a_reply_streams_on_behind_the_history(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.send("silence")
        await chat.until(lambda: "streaming" in chat.status)
        history = await open_history(chat)
        assert "this chat" in history.text
        await chat.press("escape", "ctrl+r", "enter")  # the chat itself: it is not left
        await chat.until(lambda: on_chat(chat))
        await chat.pilot.pause()
        assert "streaming" in chat.status
        assert server.requests[-1].ended is None
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_what_was_said_in_another_version_is_opened_there(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.say("a question about wombats")
        await chat.press("tab", "up", "e")
        await chat.until(lambda: "wombats" in chat.draft)
        await chat.press("ctrl+a", "ctrl+k", *"else")
        await chat.press("enter")
        await chat.until(lambda: "2/2" in chat.log and chat.idle)
        history = await open_history(chat, *"wombat")
        await chat.until(lambda: "another version" in history.text, 5)
        await chat.press("enter")
        await chat.until(lambda: on_chat(chat) and "a question about wombats" in chat.log)
        assert "1/2" in chat.log


async def test_the_start_screen_opens_what_it_offers(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        ids = await three(chat)
    async with open_chat() as chat:
        await chat.until(lambda: "about zebras" in chat.log)
        row = next(y for y, line in enumerate(chat.log.split("\n")) if "about zebras" in line)
        await chat.pilot.click(chat.app.chat.log_widget, offset=(8, row))
        await chat.until(lambda: chat.turn_count == 1)
        assert current(chat) == ids[1]
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0 and "about zebras" in chat.log)
        await chat.press("tab", "down", "enter")  # the cursor begins at the first one
        await chat.until(lambda: current(chat) == ids[1] and chat.turn_count == 1)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 20), (20, 8)])
async def test_every_size_shows_the_field_a_row_and_the_way_out(open_chat: OpenChat, size: tuple[int, int]) -> None:
    async with open_chat(size) as chat:
        await chat.say("hello")
        history = await open_history(chat)
        assert history.titles == ["hello"]
        assert history.screen.query_one("#wanted", Input).size.width >= 6
        assert "Esc" in history.hint


async def test_ctrl_c_without_a_selection_changes_nothing(open_chat: OpenChat) -> None:
    """The field's own action then says that it does not apply, as an exception."""
    async with open_chat() as chat:
        history = await open_history(chat)
        await history.press("a", "ctrl+c", "b")
        assert history.screen.query_one(HistoryField).value == "ab"
