"""The log: following, staying, laying out, the cursor, the selection, widths."""

import dataclasses
from pathlib import Path

import pytest
from textual import events

from tests.ui.conftest import OpenChat
from tui_chat.config import Flags, load
from tui_chat.demo import DemoServer
from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.widgets.line_selection import LineSelection, Place
from tui_chat.ui.widgets.message_log import MessageLog


def mouse_move(log: MessageLog, x: int, y: int) -> events.MouseMove:
    """The pointer, dragged to a place of the log or outside of it."""
    region = log.region
    return events.MouseMove(log, x, y, 0, 0, 1, False, False, False, region.x + x, region.y + y)


async def test_it_follows_until_the_reader_scrolls_up(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        log = chat.app.chat.log_widget
        assert (log.following, log.top) == (True, log.max_top)
        await chat.press("pageup")
        assert (log.following, log.top < log.max_top) == (False, True)
        await chat.say("hello there, more text below")
        # Sending goes to the end; scrolled up again, what grows below moves nothing.
        assert (log.following, log.top) == (True, log.max_top)
        await chat.press("ctrl+home")
        place, lines = log.top, chat.log
        assert place == 0
        log.add_notice("something new")
        await chat.pilot.pause()
        assert (log.top, chat.log) == (place, lines)


async def test_the_mark_counts_what_is_below_and_goes_there(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        log = chat.app.chat.log_widget
        await chat.press("pageup")
        await chat.pilot.pause()
        last = log.render_line(log.size.height - 1).text
        below = log.total - log.top - log.size.height
        assert f"↓ {below} more  Ctrl+End" in last
        await chat.pilot.click(log, offset=(70, log.size.height - 1))
        assert log.following
        assert "↓" not in log.render_line(log.size.height - 1).text


async def test_page_down_to_the_end_follows_again(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        log = chat.app.chat.log_widget
        await chat.press("pageup")
        await chat.press("pagedown", "pagedown")
        assert log.following


@pytest.mark.parametrize("width", [20, 40, 80, 120])
async def test_nothing_runs_past_the_edge(open_chat: OpenChat, width: int) -> None:
    async with open_chat(size=(width, 24)) as chat:
        await chat.say("markdown")
        log = chat.app.chat.log_widget
        log.action_to_start()
        await chat.pilot.pause()
        for top in range(0, log.max_top + 1, log.size.height):
            log.show_from(top)
            for y in range(log.size.height):
                assert log.render_line(y).cell_length == log.size.width


async def test_a_resize_keeps_the_readers_message_and_place(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 24)) as chat:
        await chat.say("long")
        await chat.say("hello")
        await chat.say("list")
        log = chat.app.chat.log_widget
        log.show_from(next(y for y in range(log.total) if log.text_at(y) == " ▌ hello"))
        assert chat.log.startswith(" ▌ hello")
        await chat.pilot.resize_terminal(60, 24)
        await chat.pilot.pause()
        assert not log.following
        assert chat.log.startswith(" ▌ hello")


async def test_a_resized_log_equals_one_of_that_size(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 40)) as chat:
        await chat.say("table")
        await chat.pilot.resize_terminal(60, 40)
        await chat.pilot.pause()
        resized = chat.log
    async with open_chat(size=(60, 40), continue_last=True) as chat:
        await chat.pilot.pause()
        assert [line for line in resized.splitlines() if "│" in line] == [
            line for line in chat.log.splitlines() if "│" in line
        ]


async def test_the_cursor_points_at_messages(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("tab")
        log = chat.app.chat.log_widget
        assert log.cursor_source.startswith("#")  # the reply, as markdown
        await chat.press("up")
        assert log.cursor_source == "hello"
        await chat.press("down", "down")
        assert chat.app.chat.composer.has_focus


async def test_selected_text_is_copied_by_ctrl_c(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        log = chat.app.chat.log_widget
        line = next(y for y in range(log.size.height) if "Welcome to the demo" in log.render_line(y).text)
        await chat.pilot.mouse_down(log, offset=(3, line))
        await chat.pilot.hover(log, offset=(10, line))
        await chat.pilot.mouse_up(log, offset=(10, line))
        await chat.press("ctrl+c")
        assert chat.app.clipboard.startswith("Welcome")


async def test_a_code_block_is_copied_by_number_and_by_click(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 60)) as chat:
        await chat.say("code")
        await chat.press("tab", "1")
        first = chat.app.clipboard
        assert first.startswith("import asyncio\n")
        await chat.press("2")
        assert chat.app.clipboard != first
        log = chat.app.chat.log_widget
        label = next(y for y in range(log.size.height) if "copy 1" in log.render_line(y).text)
        await chat.pilot.click(log, offset=(90, label))
        await chat.pilot.pause()
        assert chat.app.clipboard == first


async def test_a_link_is_opened_only_for_the_web(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat() as chat:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", lambda url, **_: opened.append(url))
        for url in ("file:///etc/passwd", "vscode://x", "javascript:alert(1)", "https://example.org/a"):
            chat.app.open_url(url)
        await chat.pilot.pause()
        assert opened == ["https://example.org/a"]


async def test_a_shrinking_composer_does_not_stop_the_following(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        await chat.press("slash")
        await chat.pilot.pause()
        await chat.press("backspace", "a", "ctrl+j", "b", "backspace", "backspace", "backspace")
        await chat.pilot.pause()
        log = chat.app.chat.log_widget
        assert (log.following, log.top) == (True, log.max_top)
        await chat.pilot.resize_terminal(60, 12)
        await chat.pilot.resize_terminal(80, 20)
        await chat.pilot.pause()
        assert (log.following, log.top) == (True, log.max_top)


async def test_selected_text_can_be_read(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        log = chat.app.chat.log_widget
        line = next(y for y in range(log.size.height) if "Welcome to the demo" in log.render_line(y).text)
        await chat.pilot.mouse_down(log, offset=(3, line))
        await chat.pilot.hover(log, offset=(10, line))
        styles = [segment.style for segment in log.render_line(line) if segment.text.startswith("Welcom")]
        assert styles
        assert all(style is not None and style.color != style.bgcolor for style in styles)
        await chat.pilot.mouse_up(log, offset=(10, line))


async def test_leading_spaces_of_a_prompt_are_kept(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("some lines:\n    indented")
        assert "▌     indented" in chat.log


async def test_thinking_can_be_opened_and_stays_when_stopped(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 50)) as chat:
        await chat.say("thinking")
        assert "thought for" in chat.log
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        beginning = session.turn.thinking.split(".")[0][:40]
        assert beginning not in chat.log
        await chat.press("tab", "t")
        await chat.pilot.pause()
        assert beginning in chat.log


async def test_a_selection_gives_the_source(open_chat: OpenChat) -> None:
    async with open_chat(size=(60, 60)) as chat:
        await chat.say("markdown")
        log = chat.app.chat.log_widget
        log.action_to_start()
        await chat.pilot.pause()
        first = next(y for y in range(log.size.height) if "Plain text with" in log.render_line(y).text)
        last = next(y for y in range(log.size.height) if "hard break" in log.render_line(y).text)
        await chat.pilot.mouse_down(log, offset=(3, first))
        await chat.pilot.hover(log, offset=(58, last))
        await chat.pilot.mouse_up(log, offset=(58, last))
        source = log.selected_text()
        assert source.startswith("Plain text with **bold**")
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        assert source in session.turn.text
        await chat.pilot.click(log, offset=(3, first))
        assert log.selected_text() == ""


async def test_selecting_across_messages_gives_each_ones_source(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 60)) as chat:
        await chat.say("hello")
        await chat.say("code")
        log = chat.app.chat.log_widget
        log.action_to_start()
        await chat.pilot.pause()
        session = chat.app.chat.session
        assert session is not None
        log.selection = LineSelection(Place(0, 0), Place(log.total - 1, 79))
        text = log.selected_text()
        assert all(turn.prompt.text in text and turn.text.strip("\n") in text for turn in session.conversation.turns)


async def test_selecting_beyond_the_edge_moves_the_view(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        log = chat.app.chat.log_widget
        top = log.top
        await chat.pilot.mouse_down(log, offset=(30, 5))
        log.post_message(mouse_move(log, 5, -2))
        await chat.until(lambda: log.top < top - 6)
        await chat.pilot.mouse_up(log, offset=(5, 0))
        stopped = log.top
        await chat.pilot.pause(0.2)
        assert log.top == stopped
        assert len(log.selected_text().splitlines()) > 5


async def test_the_scrollbar_can_be_dragged(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("long")
        log = chat.app.chat.log_widget
        await chat.pilot.mouse_down(log, offset=(79, log.size.height - 1))
        await chat.pilot.hover(log, offset=(79, 0))
        assert (log.top, log.following) == (0, False)
        await chat.pilot.hover(log, offset=(79, log.size.height - 1))
        await chat.pilot.mouse_up(log, offset=(79, log.size.height - 1))
        assert log.following


async def test_code_is_wrapped_or_moved(open_chat: OpenChat) -> None:
    async with open_chat(size=(60, 40)) as chat:
        log = chat.app.chat.log_widget
        log.add_reply("given", "```py\nvalue = " + "x" * 80 + " + END\n```\n")
        await chat.pilot.pause()
        assert "↳" in chat.log
        await chat.press("tab", "w")
        await chat.pilot.pause()
        assert "↳" not in chat.log
        assert "›" in chat.log
        assert "END" not in chat.log
        await chat.press(*["right"] * 8)
        assert "+ END" in chat.log
        assert "‹" in chat.log
        await chat.press("b")
        await chat.until(lambda: chat.app.clipboard == "value = " + "x" * 80 + " + END\n")
        await chat.press(*["left"] * 8)
        assert "value" in chat.log
        assert log.has_focus


async def test_the_target_of_a_link_is_shown_under_the_mouse(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 60)) as chat:
        log = chat.app.chat.log_widget
        log.add_reply("given", "See [example.com](https://evil.test/a) there.")
        await chat.pilot.pause()
        line = next(y for y in range(log.size.height) if "See example.com" in log.render_line(y).text)
        await chat.pilot.hover(log, offset=(9, line))
        await chat.until(lambda: "goes to evil.test" in chat.app.chat.status_bar.text)
        await chat.pilot.hover(log, offset=(60, line))
        await chat.until(lambda: "evil" not in chat.app.chat.status_bar.text)


async def test_links_are_opened_by_a_key(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat(size=(100, 60)) as chat:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", lambda url, **_: opened.append(url))
        log = chat.app.chat.log_widget
        log.add_reply("given", "See [this](https://example.org/a), that.")
        await chat.press("tab", "o")
        await chat.until(lambda: opened == ["https://example.org/a"])
        await chat.press("escape")
        log.add_reply("more", "See [a](https://example.org/a) and [b](https://example.org/b).")
        await chat.press("tab", "o")
        await chat.until(lambda: len(chat.app.screen_stack) == 2)
        await chat.press("down", "enter")
        await chat.until(lambda: opened[1:] == ["https://example.org/b"])


async def test_the_whole_chat_is_copied_as_markdown(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.send("/copy chat")
        await chat.until(lambda: chat.app.clipboard.startswith("## You\n\nhello\n"))
        session = chat.app.chat.session
        assert session is not None
        assert session.turn is not None
        assert session.turn.text in chat.app.clipboard


async def test_the_mouse_can_be_left_to_the_terminal(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/mouse")
        await chat.until(lambda: not chat.app.mouse_taken)
    async with open_chat() as chat:
        assert not chat.app.mouse_taken
        await chat.send("/mouse")
        await chat.until(lambda: chat.app.mouse_taken)


async def test_a_click_leaves_the_focus_in_the_composer(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        log = chat.app.chat.log_widget
        await chat.pilot.click(log, offset=(5, 3))
        await chat.press(*"read")
        assert chat.draft == "read"


async def test_what_is_typed_behind_a_letter_of_text_is_text(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        log = chat.app.chat.log_widget
        await chat.press("tab")
        for key in "mix it or copy":
            log.post_message(events.Key("space" if key == " " else key, key))
        await chat.until(lambda: chat.draft == "mix it or copy")
        session = chat.app.chat.session
        assert session is not None
        assert all(turn.in_context for turn in session.conversation.turns)


async def test_j_stays_in_the_log(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("tab", "k", "j", "j", "j", "j")
        assert chat.app.chat.log_widget.has_focus
        assert chat.draft == ""


async def test_a_double_click_selects_a_word_and_a_third_the_row(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        log = chat.app.chat.log_widget
        log.add_reply("given", "See src/main.py:12 for **that**, and more.")
        await chat.pilot.pause()
        line = next(y for y in range(log.size.height) if "src/main" in log.render_line(y).text)
        await chat.pilot.click(log, offset=(9, line), times=2)
        assert log.selected_text() == "src/main.py:12"
        await chat.pilot.click(log, offset=(9, line), times=3)
        assert log.selected_text() == "See src/main.py:12 for **that**, and more."


async def test_a_draft_of_many_lines_is_shown_from_its_beginning(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 30)) as chat:
        for count in range(2, 16):
            chat.app.chat.prompt.composer.load_text("\n".join(f"row {number}" for number in range(count)))
            await chat.pilot.pause()
            composer, row = chat.app.chat.composer, chat.app.chat.prompt.query_one("#row")
            assert row.size.height == composer.size.height
            assert composer.scroll_offset.y == 0 or composer.size.height >= 9


async def test_what_the_config_file_names_wrongly_is_said(server: DemoServer, tmp_path: Path) -> None:
    config = load(Flags(base_url=server.base_url, data_dir=tmp_path), {})
    app = TuiChatApp(dataclasses.replace(config, theme="nope", keys={"chat.nw": "ctrl+t"}))
    async with app.run_test():
        said = " ".join(app.runtime.notices)
        assert "no theme 'nope'" in said
        assert "chat.nw" in said


async def test_a_drag_that_ends_on_a_link_opens_nothing(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat() as chat:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", lambda url, **_: opened.append(url))
        log = chat.app.chat.log_widget
        log.add_reply("given", "Read it [there](https://example.org/a).")
        await chat.pilot.pause()
        line = next(y for y in range(log.size.height) if "Read it" in log.render_line(y).text)
        await chat.pilot.mouse_down(log, offset=(3, line))
        await chat.pilot.hover(log, offset=(13, line))
        await chat.pilot.mouse_up(log, offset=(13, line))
        await chat.pilot.pause()
        assert opened == []
        assert log.selected_text().startswith("Read it")
        await chat.pilot.click(log, offset=(13, line))
        await chat.until(lambda: opened == ["https://example.org/a"])


async def test_an_action_letter_does_not_begin_a_text(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("tab")
        log = chat.app.chat.log_widget
        for key in "ck":
            log.post_message(events.Key(key, key))
        await chat.until(lambda: log.cursor_source == "hello")
        assert chat.draft == ""
        assert chat.app.clipboard


async def test_a_selection_stays_with_its_text_when_thinking_is_shown(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 50)) as chat:
        await chat.say("thinking")
        log = chat.app.chat.log_widget
        line = next(y for y in range(log.total) if "end_turn" in log.text_at(y)) - 3
        log.selection = LineSelection(Place(line, 3), Place(line, 12))
        before = log.selected_text()
        await chat.press("tab", "t")
        await chat.pilot.pause()
        assert before
        assert log.selected_text() == before
