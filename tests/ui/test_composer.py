"""The composer: sending, new lines, history, commands, paste."""

from textual import events

from tests.ui.conftest import OpenChat


async def test_new_line_keys_never_send(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.press("a", "ctrl+j", "b", "shift+enter", "c", "alt+enter", "d")
        assert chat.draft == "a\nb\nc\nd"
        assert chat.turn_count == 0
        await chat.press("enter")
        await chat.until(lambda: chat.turn_count == 1 and chat.idle)


async def test_keys_behind_enter_start_the_next_prompt(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        for key in ("a", "enter", "b"):
            chat.app.post_message(events.Key(key, key if len(key) == 1 else None))  # at once, like a fast typist
        await chat.until(lambda: chat.turn_count == 1 and chat.idle)
        session = chat.app.chat.session
        assert session is not None
        assert session.conversation.turns[0].prompt.text == "a"
        assert chat.draft == "b"


async def test_blank_prompts_are_not_sent(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.press("space", "enter")
        assert chat.turn_count == 0


async def test_it_grows_to_a_third_of_the_screen(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        for _ in range(30):
            await chat.press("ctrl+j")
        assert 8 <= chat.app.chat.composer.size.height <= 11  # a third of 30


async def test_history_keeps_the_draft(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("first prompt")
        await chat.say("second prompt")
        await chat.press(*"draft")
        await chat.press("up")
        assert chat.draft == "second prompt"
        await chat.press("up")
        assert chat.draft == "first prompt"
        await chat.press("up")
        assert chat.draft == "first prompt"
        await chat.press("down", "down")
        assert chat.draft == "draft"
    async with open_chat() as chat:  # another run remembers too
        await chat.press("up")
        assert chat.draft == "second prompt"


async def test_slash_commands_complete(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.press("slash")
        assert "/model" in chat.below
        assert "/quit" in chat.below
        await chat.press("m", "tab")
        assert chat.draft == "/model "
        await chat.press("backspace")
        assert chat.below.startswith("/model")
        await chat.press("escape")
        assert (chat.below, chat.draft) == ("", "/model")  # closed, and nothing is lost


async def test_what_is_no_command_is_a_prompt(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("/etc/hosts is a file")
        assert chat.turn_count == 1


async def test_a_paste_is_text_and_never_keys(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.chat.composer.post_message(events.Paste("one\ntwo\x1b[31m\rthree"))
        await chat.pilot.pause()
        assert chat.draft == "one\ntwo␛[31m\nthree"
        assert chat.turn_count == 0


async def test_undo_of_a_large_paste_does_not_crash(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.chat.composer.post_message(events.Paste("line\n" * 200))
        await chat.pilot.pause()
        for _ in range(5):
            await chat.press("ctrl+z")
        assert chat.app.is_running


async def test_letters_in_the_log_go_to_the_composer(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("tab")
        assert chat.app.chat.log_widget.has_focus
        await chat.press("h", "i")
        assert chat.draft == "hi"
        assert chat.app.chat.composer.has_focus


async def test_every_command_runs_from_the_palette(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        commands = list(chat.app.get_system_commands(chat.app.chat))
        assert {"Model", "Theme", "Duplicate", "System prompt", "Copy reply"} <= {command.title for command in commands}
        for command in commands:
            if command.title.startswith("Quit"):
                continue
            command.callback()
            await chat.pilot.pause()
            while len(chat.app.screen_stack) > 1:
                await chat.press("escape")
        assert chat.app.is_running


async def test_a_burst_typed_into_the_log_arrives_whole(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("tab")
        for key in (*"hi", "enter"):
            chat.app.post_message(events.Key(key, key if len(key) == 1 else "\r"))
        await chat.until(lambda: chat.turn_count == 2 and chat.idle)
        session = chat.app.chat.session
        assert session is not None
        assert session.conversation.turns[1].prompt.text == "hi"


async def test_a_turn_that_ends_does_not_take_the_draft_under_the_history(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("first prompt")
        await chat.send("flaky")
        await chat.press(*"draft", "up")
        assert chat.draft == "flaky"  # a prompt is in the history as soon as it is sent
        await chat.until(lambda: chat.turn_count == 2 and chat.idle)
        await chat.press("down")
        assert chat.draft == "draft"


async def test_what_comes_back_into_the_composer_is_sanitised(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        chat.app.remember_prompt("old \x1b]52;c;x\x07 prompt")
        await chat.press("up")
        assert chat.draft == "old ␛]52;c;x␇ prompt"


async def test_text_keeps_its_order_when_the_focus_moves_in_the_middle(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        log, screen = chat.app.chat.log_widget, chat.app.screen
        screen.set_focus(log)
        typed = "0the beginning, for which the log has had no time yet; and the end"
        for place, character in enumerate(typed):
            if place == len(typed) // 2:
                screen.set_focus(chat.app.chat.composer)
            await chat.app.on_event(events.Key(character, character))
        await chat.until(lambda: len(chat.draft) == len(typed))
        assert chat.draft == typed
