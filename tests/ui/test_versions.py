"""Versions on the screen: the letters, the footer's figure, editing in the composer, and the reader's place."""

import pytest

from tests.e2e.sessions import locked
from tests.ui.conftest import Chat, OpenChat
from tests.ui.test_turn_actions import log_key, said, session_of, toasts, turns_of
from tui_chat.conversation import Outcome, Turn
from tui_chat.demo import DemoServer, Pacing
from tui_chat.store import database
from tui_chat.ui.screens.version_actions import EditingLine

OTHER_MODEL = "claude-haiku-5-5"


def prompts(chat: Chat) -> list[str]:
    return [turn.prompt.text for turn in turns_of(chat)]


def prompts_in_log(chat: Chat) -> list[str]:
    """The prompts that the log holds."""
    return [item.source for item in chat.app.chat.log_widget._items.items if type(item).__name__ == "PromptItem"]


async def rest(chat: Chat) -> None:
    await chat.until(lambda: chat.idle and not chat.app.chat.busy and chat.app.chat.log_widget.settled)
    await chat.pilot.pause()


async def until_prompts(chat: Chat, *texts: str) -> None:
    """Wait until path and log hold just these."""
    await chat.until(lambda: prompts(chat) == prompts_in_log(chat) == [*texts])
    await rest(chat)


async def edit(chat: Chat, text: str) -> None:
    """Replace what is edited by `text` and send it."""
    assert chat.app.chat.editing
    chat.app.chat.composer.replace_text(text)
    await chat.press("enter")
    await chat.until(lambda: prompts(chat)[-1:] == [text])
    await rest(chat)


def row_of(chat: Chat, text: str) -> int:
    """The row of the view in which `text` stands."""
    return next(row for row, line in enumerate(chat.log.splitlines()) if text in line)


def asked(server: DemoServer) -> int:
    """How many prompts the server was sent."""
    return sum(request.method == "POST" for request in server.requests)


async def point_at(chat: Chat, turn: Turn) -> None:
    """Focus the log and move its cursor up to the reply of `turn`."""
    log = chat.app.chat.log_widget
    log.focus()
    await chat.pilot.pause()
    while log.cursor_turn != turn.id:
        await chat.press("k")


def is_editing(chat: Chat) -> bool:
    return bool(chat.app.chat.query(EditingLine))


async def test_r_makes_another_version_of_a_complete_reply(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        assert "1/1" not in chat.log
        await log_key(chat, "r")
        assert asked(server) == 2
        assert chat.turn_count == 1
        assert prompts_in_log(chat) == ["hello"]
        assert ", . 2/2" in chat.log
        await log_key(chat, "comma")
        await chat.until(lambda: ", . 1/2" in chat.log)
        assert "2/2" not in chat.log
        await log_key(chat, "comma")
        assert "first version" in toasts(chat)
        await chat.press("full_stop")
        await chat.until(lambda: "2/2" in chat.log)
        await chat.press("full_stop")
        await chat.until(lambda: "last version" in toasts(chat))
    async with open_chat(continue_last=True) as chat:
        assert ", . 2/2" in chat.log


async def test_a_single_version_has_nothing_to_switch_to(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await log_key(chat, "comma")
        assert "only this version" in toasts(chat)
        assert "/1" not in chat.log


async def test_the_figure_is_shown_in_a_narrow_window_and_clicked(open_chat: OpenChat) -> None:
    async with open_chat((40, 24)) as chat:
        await chat.say("hello")
        await log_key(chat, "r")
        await chat.until(lambda: ", . 2/2" in chat.log)
        await chat.press("escape")
        for shown in ("1/2", "2/2"):  # it goes round
            row = row_of(chat, "/2")
            column = chat.log.splitlines()[row].index("/2")
            await chat.pilot.click("#log", offset=(column, row))
            await chat.until(lambda shown=shown: shown in chat.log)  # type: ignore[misc]  # mypy cannot infer a default


async def test_another_model_answers_once(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.until(lambda: bool(list(chat.app.runtime.catalog)))
        await chat.say("hello")
        before = turns_of(chat)[0].model
        await log_key(chat, "R")
        await chat.press(*OTHER_MODEL, "enter")
        await chat.until(lambda: asked(server) == 2 and turns_of(chat)[0].model == OTHER_MODEL)
        await rest(chat)
        assert "haiku-5-5 · TTFT" in chat.log
        assert session_of(chat).model == before
        await chat.say("and now?")
        assert turns_of(chat)[1].model == before


async def test_any_prompt_is_edited_and_the_old_one_stays(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat((100, 40)) as chat:
        for text in ("one", "two", "three"):
            await chat.say(text)
        await chat.press(*"draft")
        await point_at(chat, turns_of(chat)[0])
        await chat.press("e")
        assert chat.draft == "one"
        assert is_editing(chat)
        await edit(chat, "one, edited")
        assert prompts(chat) == prompts_in_log(chat) == ["one, edited"]
        assert not is_editing(chat)
        assert chat.draft == "draft"
        assert ", . 2/2" in chat.log
        await log_key(chat, "comma")
        await until_prompts(chat, "one", "two", "three")
        assert chat.app.chat.log_widget.has_focus
        await chat.press("full_stop")
        await until_prompts(chat, "one, edited")
    async with open_chat((100, 40), continue_last=True) as chat:
        await chat.until(lambda: prompts_in_log(chat) == ["one, edited"])
        await log_key(chat, "comma")
        await until_prompts(chat, "one", "two", "three")


async def test_escape_leaves_editing_and_loses_nothing(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("one")
        await chat.press(*"draft")
        await log_key(chat, "e")
        assert (chat.draft, is_editing(chat)) == ("one", True)
        await chat.press(*" more", "escape")
        await chat.until(lambda: not is_editing(chat))
        assert chat.draft == "draft"
        assert prompts(chat) == ["one"]
        await chat.press("up")
        assert chat.draft == "one more"
        await chat.press("down")
        assert chat.draft == "draft"


async def test_a_blank_edit_is_not_sent_and_a_command_is_run(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("one")
        await log_key(chat, "e")
        chat.app.chat.composer.replace_text("")
        await chat.press("enter")
        assert (chat.turn_count, is_editing(chat)) == (1, True)
        await chat.send("/model claude-haiku-5-5")
        await chat.until(lambda: "haiku-5-5" in chat.status)
        assert is_editing(chat)
        await edit(chat, "two")
        assert prompts(chat) == ["two"]


async def test_what_is_edited_is_kept_when_the_program_ends(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("one")
        await chat.press(*"draft")
        await log_key(chat, "e")
        await chat.press(*" more", "ctrl+q")
        await chat.until(lambda: chat.app.return_code == 0)
    async with open_chat(continue_last=True) as chat:
        assert chat.draft == "one more\ndraft"
        assert not is_editing(chat)


async def test_an_edit_that_cannot_be_stored_is_still_an_edit(
    open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with open_chat() as chat:
        await chat.say("one")
        await log_key(chat, "e")
        chat.app.chat.composer.replace_text("two")
        path = chat.app.runtime.store.path
        assert path is not None
        with locked(path):
            await chat.press("enter")
            await chat.until(lambda: "not saved" in toasts(chat))
            await chat.until(lambda: chat.draft == "two")
            assert is_editing(chat)
            assert prompts(chat) == ["one"]
            await chat.press("enter")
            await until_prompts(chat, "two")
            assert not is_editing(chat)
            assert "not saved" in chat.log
            assert ", . 2/2" in chat.log
            await log_key(chat, "comma")
            await until_prompts(chat, "one")
            await log_key(chat, "r")
            await chat.until(lambda: "once more goes ahead" in toasts(chat))
            assert chat.draft == ""
            await log_key(chat, "r")
            await chat.until(lambda: ", . 3/3" in chat.log)
        await rest(chat)
        await chat.say("hello")
    async with open_chat(continue_last=True) as chat:
        assert prompts(chat) == ["one", "hello"]
        assert len(session_of(chat).versions(turns_of(chat)[0])) == 3


async def test_the_prompt_of_a_reply_that_went_on_is_the_first_one(open_chat: OpenChat) -> None:
    async with open_chat((100, 60)) as chat:
        await chat.say("cut")
        await log_key(chat, "g")
        await log_key(chat, "r")
        assert ", . 2/2" in chat.log
        assert [turn.prompt.continues for turn in turns_of(chat)] == [False, True]
        await log_key(chat, "e")
        assert chat.draft == "cut"
        await edit(chat, "hello")
        assert prompts(chat) == ["hello"]
        assert "went on" not in chat.log
        await log_key(chat, "comma")
        await chat.until(lambda: len(turns_of(chat)) == 2 and "went on" in chat.log)
        # The cursor is on the continuation's base, or on itself: both lead back.
        await log_key(chat, "end")
        for _ in range(2):
            await chat.press("full_stop")
            await rest(chat)
        assert prompts(chat) == ["hello"]


async def test_the_version_begins_where_the_old_one_stood(open_chat: OpenChat) -> None:
    async with open_chat((80, 30)) as chat:
        await chat.say("hello")
        await chat.say("list")
        await chat.say("table")
        await chat.say("long 300")
        log = chat.app.chat.log_widget
        await point_at(chat, turns_of(chat)[1])
        await chat.press("e")
        await edit(chat, "code")
        await point_at(chat, turns_of(chat)[1])
        await chat.press("k")
        log.show_from(max(0, log._items.start(log._items.message_at(log.top) or 0)))
        row = row_of(chat, "▌ code")
        above = chat.log.splitlines()[:row]
        await chat.press("comma")
        await until_prompts(chat, "hello", "list", "table", "long 300")
        assert row_of(chat, "▌ list") == row
        assert chat.log.splitlines()[:row] == above
        assert log.cursor_turn == turns_of(chat)[1].id
        await chat.press("full_stop")
        await until_prompts(chat, "hello", "code")
        assert row_of(chat, "▌ code") == row
        assert chat.log.splitlines()[:row] == above


async def test_what_stands_above_is_not_written_anew(open_chat: OpenChat) -> None:
    async with open_chat((80, 24)) as chat:
        for text in ("hello", "list", "table"):
            await chat.say(text)
        items = chat.app.chat.log_widget._items.items
        before = list(items)
        await log_key(chat, "r")
        await log_key(chat, "comma")
        await rest(chat)
        assert items[: len(before) - 2] == before[:-2]


async def test_what_comes_back_is_as_it_was_left_for_another_width_too(open_chat: OpenChat) -> None:
    async with open_chat((80, 60)) as chat:
        await chat.say("thinking")
        log = chat.app.chat.log_widget
        await log_key(chat, "t")
        assert "shows it" not in chat.log
        await log_key(chat, "e")
        await edit(chat, "hello")
        await chat.pilot.resize_terminal(60, 60)
        await rest(chat)
        await log_key(chat, "comma")
        await until_prompts(chat, "thinking")
        assert "shows it" not in chat.log
        assert all(item.width in (0, log._items.width) for item in log._items.items)
        shown = said(chat)
    async with open_chat((60, 60), continue_last=True) as chat:
        await log_key(chat, "t")
        await chat.until(lambda: "shows it" not in chat.log)
        assert [line.replace("▎", " ").strip() for line in said(chat)] == [
            line.replace("▎", " ").strip() for line in shown
        ]


async def test_what_is_looked_for_is_found_in_the_version_that_is_shown(open_chat: OpenChat) -> None:
    async with open_chat((80, 40)) as chat:
        await chat.say("hello")
        log = chat.app.chat.log_widget
        await log_key(chat, "e")
        await edit(chat, "refuse")
        log.find("built-in demo")
        await chat.until(lambda: log.tally.whole)
        before = log.tally.total
        await log_key(chat, "comma")
        await until_prompts(chat, "hello")
        await chat.until(lambda: log.tally.whole and log.tally.total > before)


async def test_d_deletes_a_version_with_what_follows_and_u_brings_it_back(open_chat: OpenChat) -> None:
    async with open_chat((80, 50)) as chat:
        for text in ("one", "two", "three"):
            await chat.say(text)
        await point_at(chat, turns_of(chat)[1])
        await chat.press("d")
        await until_prompts(chat, "one")
        assert "deleted this turn and the turn after it; u brings it back" in toasts(chat)
        await chat.press("u")
        await until_prompts(chat, "one", "two", "three")
        assert toasts(chat) == "brought back"
        await chat.press("u")
        await chat.until(lambda: "no version was deleted" in toasts(chat))


async def test_a_deletion_is_undone_though_the_conversation_was_left_meanwhile(open_chat: OpenChat) -> None:
    async with open_chat((80, 50)) as chat:
        for text in ("one", "two"):
            await chat.say(text)
        first = session_of(chat).conversation.id
        await log_key(chat, "d")
        await until_prompts(chat, "one")
        await chat.press("ctrl+n")
        await chat.until(lambda: chat.turn_count == 0)
        await log_key(chat, "u")
        assert "no version was deleted here" in toasts(chat)
        await chat.app.open_conversation(first)
        await until_prompts(chat, "one")
        await log_key(chat, "u")
        await until_prompts(chat, "one", "two")


async def test_u_twice_at_once_brings_back_both(open_chat: OpenChat) -> None:
    """The second key comes while the first deletion is still being undone."""
    async with open_chat((80, 50)) as chat:
        for text in ("one", "two", "three"):
            await chat.say(text)
        await log_key(chat, "d")
        await until_prompts(chat, "one", "two")
        await log_key(chat, "d")
        await until_prompts(chat, "one")
        chat.app.chat.action_undelete_version()
        chat.app.chat.action_undelete_version()
        await until_prompts(chat, "one", "two", "three")
        assert "nothing left" not in toasts(chat)


async def test_a_deletion_that_cannot_be_undone_now_is_undone_later(
    open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with open_chat((80, 50)) as chat:
        await chat.say("one")
        await chat.say("two")
        await log_key(chat, "d")
        await until_prompts(chat, "one")
        path = chat.app.runtime.store.path
        assert path is not None
        with locked(path):
            await log_key(chat, "u")
            await chat.until(lambda: "locked" in toasts(chat))
        await log_key(chat, "u")
        await until_prompts(chat, "one", "two")


async def test_deleting_all_leaves_an_empty_log_and_comes_back(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("one")
        await log_key(chat, "d")
        await chat.until(lambda: chat.turn_count == 0 and not prompts_in_log(chat))
        assert "Chat with Claude" in chat.log
        await log_key(chat, "u")
        await until_prompts(chat, "one")
        await log_key(chat, "d")
        await chat.until(lambda: chat.turn_count == 0)
        await chat.press("escape")
        await chat.say("in its place")
        assert prompts_in_log(chat) == ["in its place"]
        assert "2/2" not in chat.log


async def test_n_goes_on_in_a_conversation_of_its_own(open_chat: OpenChat) -> None:
    async with open_chat((80, 50)) as chat:
        for text in ("one", "two"):
            await chat.say(text)
        first = session_of(chat).conversation.id
        await log_key(chat, "n")
        await chat.until(lambda: chat.app.chat.session is not None and session_of(chat).conversation.id != first)
        assert prompts(chat) == ["one", "two"]
        assert chat.draft == ""
        second = session_of(chat).conversation.id
        await log_key(chat, "k")
        await chat.press("n")
        await chat.until(lambda: session_of(chat).conversation.id not in (first, second))
        await chat.until(lambda: chat.draft == "two")
        assert prompts(chat) == ["one"]
        await chat.app.open_conversation(first)
        await chat.until(lambda: session_of(chat).conversation.id == first)
        assert prompts(chat) == ["one", "two"]


async def test_palette_commands_act_on_the_message_under_the_cursor(open_chat: OpenChat) -> None:
    from tui_chat.ui.commands import COMMANDS

    command = next(each for each in COMMANDS if each.action == "edit_prompt")
    async with open_chat((80, 50)) as chat:
        for text in ("one", "two"):
            await chat.say(text)
        chat.app.chat.run_command(command, "")
        assert chat.draft == "two"
        await chat.press("escape")
        await log_key(chat, "k")
        await chat.press("k")
        chat.app.chat.run_command(command, "")
        assert chat.draft == "one"


async def test_another_window_is_told_once(open_chat: OpenChat) -> None:
    async with open_chat((80, 50)) as chat:
        await chat.say("one")
        async with open_chat((80, 50), continue_last=True) as other:
            await other.say("from there")
            await chat.say("from here")
            await chat.until(lambda: "another window" in toasts(chat))
            assert ", . 2/2" in chat.log
            assert "another window" not in toasts(other)
            await log_key(chat, "comma")
            await until_prompts(chat, "one", "from there")
            chat.app.clear_notifications()
            await chat.press("escape")
            await chat.say("on")
            assert "another window" not in toasts(chat)
            assert turns_of(chat)[-1].outcome is Outcome.COMPLETED


async def test_a_reply_of_another_window_is_shown_whole_once_it_has_ended(
    open_chat: OpenChat,
) -> None:
    slow_pace = Pacing(ttft=0.0, rate=20)
    async with DemoServer(pacing=slow_pace) as slow, open_chat((80, 50), base_url=slow.base_url) as chat:
        await chat.send("list")
        await chat.until(lambda: bool(turns_of(chat)[0].text))
        async with open_chat((80, 50), continue_last=True) as other:
            assert "another window is still replying" in other.log
            await log_key(other, "r")
            assert "another window" in toasts(other)
            await other.press("escape")
            await other.send("from there")
            await other.until(lambda: other.draft == "from there")
            assert prompts(other) == ["list"]
            await chat.press("escape")
            await chat.until(lambda: chat.idle)
            await other.press("enter")
            await until_prompts(other, "list", "from there")
            assert "stopped by you" in other.log
            assert turns_of(other)[0].text == turns_of(chat)[0].text


async def test_r_asks_again_what_only_another_model_refuses(open_chat: OpenChat, server: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.say("http 400")
        count = asked(server)
        await log_key(chat, "r")
        assert "refused again" in toasts(chat)
        assert asked(server) == count
        turns_of(chat)[0].model = OTHER_MODEL
        await log_key(chat, "r")
        await chat.until(lambda: ", . 2/2" in chat.log)
        assert asked(server) > count
