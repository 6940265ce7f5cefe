"""The log: following, staying, laying out, the cursor, the selection, widths."""

import pytest

from tests.ui.conftest import OpenChat


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
