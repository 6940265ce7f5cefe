"""Find in the conversation: what is found where, counted, marked, gone to; while it streams, and at any width."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

import tui_chat.ui.app
from tests.ui.conftest import Chat, OpenChat
from tui_chat.demo import DemoServer, Pacing
from tui_chat.ui.widgets.find_bar import FindBar
from tui_chat.ui.widgets.find_values import Tally
from tui_chat.ui.widgets.line_selection import LineSelection, Place
from tui_chat.ui.widgets.log_branch import LogBranch
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.reply_foot import Source

LONG = "\n\n".join(f"Paragraph {number} of a long reply, with some words to fill its line." for number in range(300))


class Alone(App[None]):
    AUTO_FOCUS = None
    CSS_PATH = Path(tui_chat.ui.app.__file__).parent / "app.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Any] = []

    def compose(self) -> ComposeResult:
        yield MessageLog(id="log")

    def on_message_log_link_clicked(self, message: MessageLog.LinkClicked) -> None:
        self.facts.append(message.url)

    def on_searched_log_counted(self, message: MessageLog.Counted) -> None:
        self.facts.append(message.tally)


@asynccontextmanager
async def opened(size: tuple[int, int] = (60, 20)) -> AsyncIterator[tuple[MessageLog, Pilot[None]]]:
    async with Alone().run_test(size=size) as pilot:
        yield pilot.app.query_one(MessageLog), pilot


async def settled(log: MessageLog, pilot: Pilot[None]) -> None:
    while not log.settled:
        await pilot.pause()
    await pilot.pause()


async def find(log: MessageLog, pilot: Pilot[None], text: str) -> tuple[int, int]:
    log.find(text)
    await settled(log, pilot)
    return log.tally.number, log.tally.total


async def step(log: MessageLog, pilot: Pilot[None], by: int) -> int:
    log.find_next(by)
    await settled(log, pilot)
    return log.tally.number


def backgrounds(log: MessageLog) -> tuple[Any, Any]:
    """The colours of a match and of the current one."""
    looks = log.looks()
    return looks["found"].bgcolor, looks["found_now"].bgcolor


def marked(log: MessageLog, *, now: bool) -> list[str]:
    """The texts in view that are marked as a match, or as the current one."""
    background = backgrounds(log)[now]
    rows = [log.render_line(y) for y in range(log.size.height)]
    runs: list[str] = []
    for row in rows:
        before = False
        for segment in row:
            here = segment.style is not None and segment.style.bgcolor == background
            if here and before:
                runs[-1] += segment.text
            elif here:
                runs.append(segment.text)
            before = here
    return runs


# What is found ---------------------------------------------------------------------------------------------------------


async def test_matches_are_marked_and_the_current_one_stronger() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "a needle in the prompt")
        log.add_reply("a", "A **nee**dle in the reply, and a `needle` in code.")
        assert await find(log, pilot, "needle") == (1, 3)
        assert (marked(log, now=True), marked(log, now=False)) == (["needle"], ["needle", "needle"])
        assert await step(log, pilot, 1) == 2
        assert (marked(log, now=True), marked(log, now=False)) == (["needle"], ["needle", "needle"])
        found, now = backgrounds(log)
        assert found is not None
        assert now not in (None, found)


async def test_what_streams_is_laid_over_as_it_was_when_nothing_is_looked_for() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "Some words.")
        await settled(log, pilot)
        plain = [list(log.render_line(y)) for y in range(log.size.height)]
        await find(log, pilot, "words")
        assert [list(log.render_line(y)) for y in range(log.size.height)] != plain
        log.end_find()
        assert [list(log.render_line(y)) for y in range(log.size.height)] == plain
        assert not log.finding


async def test_what_the_program_says_is_not_found() -> None:
    async with opened() as (log, pilot):
        log.add_notice("a needle of ours", "welcome")
        log.add_entries([("x", "needle")])
        log.add_seam("a")
        log.add_reply("a", "```needle\ncode\n```")
        log.reply("a").note("needle")
        assert await find(log, pilot, "needle") == (0, 0)
        assert await find(log, pilot, "went on") == (0, 0)


async def test_next_and_previous_go_round() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "one one")
        log.add_reply("a", "one")
        log.add_reply("b", "nothing")
        assert await find(log, pilot, "one") == (1, 3)
        assert [await step(log, pilot, 1) for _ in range(4)] == [2, 3, 1, 2]
        assert [await step(log, pilot, -1) for _ in range(3)] == [1, 3, 2]


async def test_several_steps_at_once_are_all_taken() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "one one one one one")
        log.find("one")
        log.find_next(1)
        log.find_next(1)
        log.find_next(-1)
        log.find_next(1)
        await settled(log, pilot)
        assert log.tally == Tally(3, 5, whole=True)


async def test_it_begins_in_view_then_below_then_above() -> None:
    async with opened() as (log, pilot):
        with log.bulk():
            for name in "abcde":
                log.add_prompt(name, f"needle {name}")
                log.add_reply(name, LONG)
                log.reply(name).end(None)
        await settled(log, pilot)
        log.show_from(log._items.start(4) - 3)
        assert await find(log, pilot, "needle") == (3, 5)
        assert marked(log, now=True) == ["needle"]
        log.show_from(log._items.start(4) + 40)
        log.end_find()
        assert await find(log, pilot, "needle") == (4, 5)
        log.action_follow()
        log.end_find()
        assert await find(log, pilot, "needle") == (5, 5)


async def test_replies_that_were_never_laid_out_are_counted_and_gone_to() -> None:
    async with opened() as (log, pilot):
        with log.bulk():
            for number in range(200):
                log.add_prompt(f"{number}", f"question {number}")
                log.add_reply(f"{number}", f"The **answer** [is](https://example.org/{number}) {number}, surely.")
                log.reply(f"{number}").end(None)
        await settled(log, pilot)
        assert await find(log, pilot, "answer is 7") == (11, 11)  # 7 and 70 to 79
        assert await step(log, pilot, 1) == 1
        assert sum(item.width == 0 for item in log._items.items) > 300  # counting has laid nothing out
        assert marked(log, now=True) == ["answer is 7"]
        assert "question 7" in "\n".join(log.text_at(log.top + y) for y in range(log.size.height))


async def test_the_count_is_told_as_it_goes_on() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "one one")
        await find(log, pilot, "one")
        assert cast("Alone", pilot.app).facts[-1] == Tally(1, 2, whole=True)
        await find(log, pilot, "none")
        assert cast("Alone", pilot.app).facts[-1] == Tally(0, 0, whole=True)


async def test_hidden_thinking_is_opened_when_gone_to() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a")
        log.reply("a").think("A needle\nin a thought, and a needle again.")
        log.reply("a").thought("thought for 2s")
        log.reply("a").write("The text has a needle.")
        log.reply("a").end(None)
        await settled(log, pilot)
        assert await find(log, pilot, "needle") == (3, 3)  # what is hidden stands above what is shown
        assert not log.reply("a").thinking_shown
        assert await step(log, pilot, -1) == 2
        assert log.reply("a").thinking_shown
        assert (marked(log, now=True), marked(log, now=False)) == (["needle"], ["needle", "needle"])
        log.toggle_details("a", shown=False)
        await settled(log, pilot)
        assert log.tally == Tally(2, 3, whole=True)


async def test_typing_opens_nothing_while_anything_else_is_found() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "n")
        log.add_reply("a")
        log.reply("a").think("A needle.")
        log.reply("a").thought("thought for 2s")
        log.add_tool("a", "1").update_call("needle", {"path": "needle"}, "ended", result="needle")
        log.add_prompt("b", "A needle.")
        assert await find(log, pilot, "n") == (1, 8)
        assert await find(log, pilot, "needle") == (2, 7)
        assert await find(log, pilot, "a needle") == (2, 2)
        assert not log.reply("a").thinking_shown
        assert await step(log, pilot, 1) == 1
        assert log.reply("a").thinking_shown


async def test_a_tool_is_opened_when_gone_to() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "look")
        tool = log.add_tool("a", "1")
        result = "first line\n" + "\n".join(f"line {number}" for number in range(50)) + "\nneedle"
        tool.update_call("read_file", {"path": "hay", "wanted": "x"}, "ended", result=result)
        await settled(log, pilot)
        assert await find(log, pilot, "needle") == (1, 1)
        assert log.tool("a", "1").shown
        assert marked(log, now=True) == ["needle"]
        log.action_to_start()
        log.end_find()
        assert await find(log, pilot, "hay") == (1, 2)  # on the line that is always there, and in the input


async def test_sources_and_cited_text_are_found() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "It is so")
        log.reply("a").cite([1])
        log.reply("a").write(", they say.")
        log.reply("a").sources([Source(1, "The needle papers", "https://docs.example.com/x")])
        log.reply("a").end(None)
        await settled(log, pilot)
        assert await find(log, pilot, "needle papers") == (1, 1)
        assert marked(log, now=True) == ["needle papers"]
        assert await find(log, pilot, "so [1], they") == (1, 1)


async def test_running_thinking_is_counted_and_its_end_marked() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a")
        log.find("needle")
        for _ in range(30):
            log.reply("a").think("a nee")
            await pilot.pause()
            log.reply("a").think("dle\n")
        await settled(log, pilot)
        assert log.tally.total == 30
        assert len(marked(log, now=False)) == 3


# Marks keep what they are laid over ------------------------------------------------------------------------------------


async def test_a_marked_link_can_be_clicked_and_selected_text_looks_selected() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "See [the docs](https://example.org/a) there.")
        await find(log, pilot, "docs")
        await pilot.click(log, offset=(12, 0))
        await pilot.pause()
        assert cast("Alone", pilot.app).facts[-1] == "https://example.org/a"
        log.selection = LineSelection(Place(0, 3), Place(0, 12))
        assert marked(log, now=True) == ["cs"]
        selected = log.render_line(0).crop(3, 13)
        log.end_find()
        assert log.render_line(0).crop(3, 13) == selected
        assert log.selected_text() == "See [the docs](https://example.org/a)"[: len(log.selected_text())]


async def test_the_cursor_stands_beside_a_marked_line() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "needle")
        await find(log, pilot, "needle")
        log.focus()
        await pilot.pause()
        assert log.render_line(0).text.startswith("▎  needle")
        assert marked(log, now=True) == ["needle"]


async def test_cut_code_is_moved_to_the_match() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", f"```py\n{'x' * 90} needle {'y' * 90}\n```\n\nneedle")
        await settled(log, pilot)
        log.toggle_code_wrap()
        await settled(log, pilot)
        assert await find(log, pilot, "needle") == (1, 2)
        assert marked(log, now=True) == ["needle"]
        assert await step(log, pilot, 1) == 2
        assert marked(log, now=True) == ["needle"]


# The reader's place ----------------------------------------------------------------------------------------------------


async def test_what_streams_is_searched_and_moves_nobody() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "the first needle")
        log.add_reply("a")
        assert await find(log, pilot, "needle") == (1, 1)
        top = log.top
        for piece in ("Some text\n\n" * 20, "a nee", "dle, and ", "needle", "s.\n\n" + LONG):
            log.reply("a").write(piece)
            await settled(log, pilot)
        assert (log.top, log.following) == (top, False)
        assert log.tally == Tally(1, 3, whole=True)
        assert await step(log, pilot, 1) == 2
        assert marked(log, now=True) == ["needle"]
        before = log.top
        log.reply("a").write("\n\n" + LONG)
        await settled(log, pilot)
        assert log.top == before


async def test_where_nothing_is_found_the_end_is_followed_on() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "ask")
        log.add_reply("a")
        await find(log, pilot, "a")
        await find(log, pilot, "ax")
        log.reply("a").write(LONG)
        await settled(log, pilot)
        assert log.following


async def test_closing_leaves_the_reader_where_they_are() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "the first needle")
        log.add_reply("a", LONG)
        await settled(log, pilot)
        await find(log, pilot, "needle")
        top = log.top
        log.end_find()
        assert (log.top, log.following) == (top, False)
        log.action_follow()
        await find(log, pilot, "Paragraph 299")
        log.end_find()
        assert log.following  # nothing is below, as before


@pytest.mark.parametrize("width", [30, 44, 100])
async def test_a_resize_keeps_the_current_match_in_view(width: int) -> None:
    async with opened() as (log, pilot):
        with log.bulk():
            for name in "abc":
                log.add_prompt(name, f"prompt {name}")
                log.add_reply(name, LONG)
                log.reply(name).end(None)
        await settled(log, pilot)
        await find(log, pilot, "Paragraph 150 of a long")
        assert await step(log, pilot, -1) == 2
        assert log.tally.total == 3
        await pilot.resize_terminal(width, 16)
        await settled(log, pilot)
        assert "".join(marked(log, now=True)).replace(" ", "") == "Paragraph150ofalong"
        assert log.tally == Tally(2, 3, whole=True)


async def test_a_match_at_the_end_of_the_view_stays_in_a_narrow_one() -> None:
    async with opened((100, 20)) as (log, pilot):
        log.add_reply("a", LONG.replace("line", "line, and a good many more of them so that it is wrapped"))
        await settled(log, pilot)
        await find(log, pilot, "Paragraph 150 of")
        log.show_from(log.top + 6 - 18)
        assert marked(log, now=True) == ["Paragraph 150 of"]
        await pilot.resize_terminal(40, 20)
        await settled(log, pilot)
        assert marked(log, now=True) == ["Paragraph 150 of"]


async def test_another_theme_keeps_all_of_it() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        await settled(log, pilot)
        await find(log, pilot, "Paragraph 150 of")
        before = backgrounds(log)
        pilot.app.theme = "textual-light"
        await pilot.pause()
        await settled(log, pilot)
        assert marked(log, now=True) == ["Paragraph 150 of"]
        assert backgrounds(log) != before
        assert log.tally == Tally(1, 1, whole=True)


async def test_who_scrolls_away_is_not_fetched_back() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "the first needle")
        log.add_reply("a", LONG)
        await settled(log, pilot)
        await find(log, pilot, "needle")
        log.show_from(100)
        log.reply("a").write("\n\nMore.")
        await settled(log, pilot)
        assert log.top == 100
        await pilot.resize_terminal(50, 20)
        await settled(log, pilot)
        assert not marked(log, now=True)


async def test_another_end_of_the_log_is_searched_anew() -> None:
    async with opened() as (log, pilot):
        for name in "abc":
            log.add_prompt(name, f"needle {name}")
            log.add_reply(name, "A needle.")
        await find(log, pilot, "needle")
        assert await step(log, pilot, -1) == 6
        LogBranch(log).drop_from("b")
        log.add_prompt("d", "needle d")
        log.add_reply("d")
        await settled(log, pilot)
        assert log.tally == Tally(0, 3, whole=True)
        assert await step(log, pilot, 1) == 1
        log.clear()
        await settled(log, pilot)
        assert log.tally == Tally(0, 0, whole=True)
        log.add_prompt("e", "needle")
        await settled(log, pilot)
        assert log.tally == Tally(0, 1, whole=True)


# The bar ---------------------------------------------------------------------------------------------------------------


def bar(chat: Chat) -> FindBar:
    return chat.app.chat.query_one(FindBar)


async def found(chat: Chat, text: str) -> None:
    """Wait until the count says `text`."""
    await chat.until(lambda: chat.app.chat.log_widget.settled and bar(chat).text == text)


async def test_ctrl_f_opens_it_and_keys_typed_at_once_go_into_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("a needle, another needle")
        await chat.press("ctrl+f", *"needle")
        assert bar(chat).field.value == "needle"
        assert chat.draft == ""
        total = chat.app.chat.log_widget.tally.total
        await chat.press("enter")
        await found(chat, f"2/{total}" if total > 2 else "2/2")
        await chat.press("up")
        await chat.until(lambda: bar(chat).text.startswith("1/"))
        await chat.press("down", "shift+enter", "f3", "shift+f3", "f15")
        await chat.until(lambda: bar(chat).text == f"{total}/{total}")


async def test_escape_closes_it_first_and_stops_the_turn_next(open_chat: OpenChat) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=40)) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("long")
        await chat.until(lambda: not chat.idle)
        await chat.press("ctrl+f", "x")
        assert chat.app.chat.find_is_open
        await chat.press("escape")
        assert not chat.app.chat.query_one(FindBar).display
        assert not chat.idle
        assert chat.app.chat.composer.has_focus
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_f3_goes_on_wherever_the_focus_is(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("one two one two one")
        await chat.press("ctrl+f", *"two", "escape")
        assert not chat.app.chat.find_is_open
        await chat.press("a", "f3")
        await chat.until(lambda: chat.app.chat.find_is_open and bar(chat).text.startswith("2/"))
        assert chat.app.chat.composer.has_focus
        await chat.press("b")
        assert chat.draft == "ab"
        await chat.press("ctrl+f", *"one")
        assert bar(chat).field.value == "one"  # it replaces what was looked for


async def test_ctrl_c_in_it_copies_what_is_selected_there(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("a needle")
        await chat.press("ctrl+f", *"needle", "shift+home", "ctrl+c")
        await chat.until(lambda: chat.app.clipboard == "needle")


async def test_a_new_chat_closes_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("a needle")
        await chat.press("ctrl+f", *"needle", "ctrl+n")
        await chat.until(lambda: not chat.app.chat.find_is_open)
        assert chat.app.chat.composer.has_focus


async def test_find_is_a_command_and_keeps_the_focus_behind_the_palette(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("a needle")
        await chat.send("/find needle")
        await chat.until(lambda: chat.app.chat.find_is_open and bar(chat).field.has_focus)
        assert bar(chat).field.value == "needle"
        await chat.press("escape", "ctrl+p")
        await chat.until(lambda: len(chat.app.screen_stack) == 2)
        await chat.press(*"find in this", "enter")
        await chat.until(lambda: len(chat.app.screen_stack) == 1)
        await chat.until(lambda: bar(chat).display and bar(chat).field.has_focus)


async def test_what_is_pasted_is_one_line_of_harmless_text(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        from textual import events

        await chat.press("ctrl+f")
        chat.app.post_message(events.Paste("a\x1b[31m\nb"))
        await chat.until(lambda: bar(chat).field.value == "a␛[31m b")
        assert chat.draft == ""


@pytest.mark.parametrize("width", [20, 40, 80, 120])
async def test_the_bar_fits_any_width(open_chat: OpenChat, width: int) -> None:
    async with open_chat(size=(width, 24)) as chat:
        await chat.say("a needle")
        await chat.press("ctrl+f", *"needle")
        await chat.until(lambda: bar(chat).text.startswith("1/"))
        count = bar(chat).query_one("#find-count")
        assert count.region.right <= width
        assert bar(chat).field.size.width >= min(10, width - 24)
        assert bar(chat).region.bottom == chat.app.chat.prompt.region.y
        await chat.press("escape")
        await chat.pilot.pause()
        assert chat.app.chat.log_widget.region.bottom == chat.app.chat.prompt.region.y


async def test_the_keys_on_the_bar_can_be_clicked(open_chat: OpenChat) -> None:
    async with open_chat(size=(100, 40)) as chat:
        await chat.say("one one one")
        log = chat.app.chat.log_widget
        log.action_to_start()
        await chat.press("ctrl+f", *"one")
        await chat.until(lambda: bar(chat).text.startswith("1/"))
        count = bar(chat).query_one("#find-count")
        await chat.pilot.click(count, offset=(17, 0))
        await chat.until(lambda: bar(chat).text.startswith("2/"))
        await chat.pilot.click(count, offset=(count.size.width - 5, 0))
        await chat.until(lambda: not chat.app.chat.find_is_open)


async def test_nothing_found_is_said(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.press("ctrl+f", *"qqzz")
        await found(chat, "none")
        await chat.press(*["backspace"] * 4)
        await found(chat, "")


async def test_a_hit_of_the_history_is_shown(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        await chat.say("the first needle")
        await chat.say("long")
        await chat.say("the last needle")
        session, log = chat.app.chat.session, chat.app.chat.log_widget
        assert session is not None
        first, second = session.conversation.turns[:2]
        chat.app.chat.show_hit(first.id, "needle")
        await chat.until(lambda: chat.app.chat.find_is_open and log.settled and log.tally.number == 1)
        assert marked(log, now=True) == ["needle"]
        chat.app.chat.show_hit(second.id, 'decis* "one HTTP request"')
        await chat.until(lambda: bar(chat).field.value == "one HTTP request" and log.settled)
        assert marked(log, now=True) == ["one HTTP request"]
        chat.app.chat.show_hit(first.id, "nowhere")
        await chat.until(lambda: log.text_at(log.top).strip() == "▌ the first needle")
