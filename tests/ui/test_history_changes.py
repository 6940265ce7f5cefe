"""What the history does to conversations: naming, pinning, copying, deleting and bringing back, the one on the screen too."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.ui.conftest import OpenChat
from tests.ui.history_view import current, on_chat, open_history, stored, three
from tui_chat.demo import DemoServer
from tui_chat.ui.screens.history import HistoryScreen


async def test_rename_in_place(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat)
        await history.press("f2", "ctrl+a", "ctrl+k", *"A better name", "enter")
        await chat.until(lambda: history.hint.strip().startswith("renamed"))
        assert history.titles == ["A better name", "about zebras", "hello"]
        session = chat.app.chat.session
        assert session is not None
        assert (session.conversation.title, session.conversation.title_from) == ("A better name", "user")
        await history.press("down", "f2", *"x", "escape")
        assert history.titles[1] == "about zebras"
        assert history.screen.field.has_focus
        assert isinstance(chat.app.screen, HistoryScreen)
        await history.press("f2", "ctrl+a", "ctrl+k", "enter")  # no title is no new title
        assert history.titles[1] == "about zebras"
        await chat.press("escape")
        await chat.say("hello")  # saving the conversation keeps its title
        history = await open_history(chat)
        assert history.titles[0] == "A better name"


async def test_pin(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat)
        await history.press("ctrl+end", "ctrl+t")
        await chat.until(lambda: "pinned" in history.hint)
        assert history.titles == ["hello", "code", "about zebras"]
        assert history.pointed.startswith("▎• hello")  # the cursor goes along
        await history.press("ctrl+t")
        await chat.until(lambda: "no longer" in history.hint)
        assert history.titles == ["code", "about zebras", "hello"]


async def test_delete_and_undo(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat)
        await chat.press("down", "ctrl+d", "ctrl+d")  # the second means what is there then
        await chat.until(lambda: len(history.titles) == 1)
        assert history.titles == ["code"]
        assert "^Z brings back “hello”" in history.hint
        await history.press("ctrl+z")
        await chat.until(lambda: "“hello” is back" in history.hint)
        assert history.pointed.startswith("▎  hello")
        await history.press("ctrl+z")
        await chat.until(lambda: len(history.titles) == 3)
        assert history.titles == ["code", "about zebras", "hello"]
        await history.press("ctrl+z")
        assert "nothing was deleted" in history.hint


async def test_what_is_deleted_is_not_found(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat, *"zebras")
        await chat.until(lambda: "in messages" in history.text, 5)
        await history.press("ctrl+d")
        await chat.until(lambda: "nothing fits" in history.text)
        await history.press("ctrl+z")
        await chat.until(lambda: "in messages" in history.text)


@pytest.mark.parametrize("typed", [False, True])
async def test_deleting_the_chat_on_the_screen_leaves_a_new_one(open_chat: OpenChat, typed: bool) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        deleted = current(chat)
        await chat.press(*"draft")
        history = await open_history(chat)
        await history.press("ctrl+d")
        await chat.until(lambda: "no conversations yet" in history.text)
        assert current(chat) != deleted
        await chat.press("escape")
        await chat.until(lambda: on_chat(chat))
        assert chat.turn_count == 0
        assert chat.draft == ""
        if typed:
            await chat.press("x")
        await chat.press("ctrl+r", "ctrl+z", "escape")
        await chat.until(lambda: on_chat(chat))
        if typed:
            assert current(chat) != deleted
            assert chat.draft == "x"
        else:
            assert current(chat) == deleted
            assert chat.turn_count == 1
            assert chat.draft == "draft"
        history = await open_history(chat)
        assert history.titles == ["hello"]


async def test_deleting_stops_the_reply_and_undo_brings_back_what_had_come(
    open_chat: OpenChat, server: DemoServer
) -> None:
    async with open_chat() as chat:
        await chat.send("silence")
        await chat.until(lambda: "streaming" in chat.status)
        await chat.send("/delete")
        await chat.until(lambda: chat.turn_count == 0 and chat.idle)
        await server.wait_for(lambda: server.requests[-1].ended == "client_closed")
        await chat.send("/undelete")
        await chat.until(lambda: chat.turn_count == 1 and chat.idle)
        assert "stopped by you" in chat.log


async def test_duplicate(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        ids = await three(chat)
        history = await open_history(chat)
        await history.press("down", "ctrl+y")
        await chat.until(lambda: "a copy of “about zebras”" in history.hint)
        assert len(history.titles) == 4
        assert "about zebras" in history.pointed
        await chat.press("enter")
        await chat.until(lambda: on_chat(chat) and current(chat) not in ids)
        assert chat.turn_count == 1
        assert "about zebras" in chat.log


async def test_commands_for_the_conversation_on_the_screen(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        for command in ("/delete", "/duplicate"):
            await chat.send(command)  # there is nothing yet; nothing happens
        await chat.send("/undelete")
        await chat.say("hello")
        first = current(chat)
        await chat.send("/title  My \x1b own   title ")
        await chat.until(
            lambda: chat.app.chat.session is not None and chat.app.chat.session.conversation.title != "hello"
        )
        await chat.send("/title")
        await chat.until(lambda: chat.draft.startswith("/title My"))
        await chat.press("ctrl+a", "ctrl+k")
        await chat.send("/duplicate")
        await chat.until(lambda: chat.app.chat.session is not None and current(chat) != first)
        assert chat.turn_count == 1
        await chat.send("/delete")
        await chat.until(lambda: chat.turn_count == 0)
        history = await open_history(chat)
        assert len(history.titles) == 1
        assert history.titles[0].startswith("My")
        assert "\x1b" not in history.text


async def test_a_click_keeps_the_title_that_is_being_changed(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat)
        await history.press("f2", "x")
        await chat.pilot.click(history.screen.list, offset=(10, 2))
        await chat.until(lambda: history.titles[:1] == ["x"])
        assert chat.app.screen is history.screen
        assert history.screen.field.has_focus


async def test_keys_can_be_others(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        chat.app.set_keymap({"history.pin": "ctrl+b"})
        history = await open_history(chat)
        await history.press("ctrl+b")
        await chat.until(lambda: "pinned" in history.hint)
        assert history.pointed.startswith("▎• hello")


async def test_a_new_conversation_takes_its_title_along(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/title Before anything was said")
        await chat.say("hello")
        history = await open_history(chat)
        assert history.titles == ["Before anything was said"]


async def test_a_locked_database_is_waited_for_and_typing_goes_on(open_chat: OpenChat, tmp_path: Path) -> None:
    async with open_chat() as chat:
        await three(chat)
        history = await open_history(chat)
        with closing(stored(tmp_path)) as other:
            other.execute("BEGIN IMMEDIATE")
            await chat.press("down", "ctrl+d")
            await chat.until(lambda: "waiting for the database" in history.hint)
            await chat.press(*"hello")
            await chat.until(lambda: history.titles[:1] == ["hello"])
            await chat.press("escape")
            await chat.until(lambda: on_chat(chat))
            assert not chat.app.deleted
            other.execute("ROLLBACK")
        await chat.until(lambda: bool(chat.app.deleted))
        history = await open_history(chat)
        assert history.titles == ["code", "hello"]
        await history.press("ctrl+z")
        await chat.until(lambda: history.titles == ["code", "about zebras", "hello"])
