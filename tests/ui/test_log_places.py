"""The reader's place in a log whose replies grow, are laid out in parts, or are laid out again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

import tui_chat.ui.app
from tests.ui.conftest import OpenChat
from tui_chat.ui.widgets.message_log import MessageLog

LONG = "\n\n".join(
    f"Paragraph {number} of a long reply, with some words to fill its line and the next." for number in range(600)
)


ONE = " ".join(f"word{number}" for number in range(4_000))  # one paragraph
CODE = "```\n" + "\n".join(f"line {number} = {'x' * (number % 90)}" for number in range(400)) + "\n```\n"


class Alone(App[None]):
    AUTO_FOCUS = None
    CSS_PATH = Path(tui_chat.ui.app.__file__).parent / "app.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[tuple[str, str]] = []

    def on_message_log_action_chosen(self, message: MessageLog.ActionChosen) -> None:
        self.chosen.append((message.action, message.turn_id))

    def compose(self) -> ComposeResult:
        yield MessageLog(id="log")


@asynccontextmanager
async def opened(size: tuple[int, int] = (60, 20)) -> AsyncIterator[tuple[MessageLog, Pilot[None]]]:
    async with Alone().run_test(size=size) as pilot:
        yield pilot.app.query_one(MessageLog), pilot


async def settled(log: MessageLog, pilot: Pilot[None]) -> None:
    while not log.settled:
        await pilot.pause()
    await pilot.pause()


def in_view(log: MessageLog) -> list[str]:
    return [log.text_at(log.top + y) for y in range(log.size.height)]


async def test_a_long_reply_is_laid_out_in_parts_and_ends_complete() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        item = log.reply("a")
        item.end(None)
        behind, reserved = item.behind, item.height
        await settled(log, pilot)
        assert (behind, item.behind) == (True, False)
        assert item.height > 600
        assert item.height != reserved
        assert log.following
        assert "Paragraph 599 " in "\n".join(in_view(log))


async def test_what_arrives_while_it_is_laid_out_again_is_not_lost() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        await settled(log, pilot)
        await pilot.resize_terminal(50, 20)
        log.reply("a").write("\n\nThe end, at last.")
        await settled(log, pilot)
        assert "The end, at last." in "\n".join(in_view(log))


async def test_the_old_lines_stay_until_the_new_ones_are_there() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        await settled(log, pilot)
        item = log.reply("a")
        await settled(log, pilot)
        before = item.document
        item.layout(40, log.looks())
        assert item.document is before
        assert item.line(0).text.strip().startswith("Paragraph 0 ")
        updates = 0
        while item.behind:
            item.update()
            updates += 1
        assert updates > 1
        assert item.document is not before
        assert all(item.line(index).cell_length <= 40 for index in range(item.height))


async def test_a_reply_that_grows_below_moves_nothing() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        await settled(log, pilot)
        log.show_from(300)
        before = in_view(log)[:-1]  # the last line carries the mark
        log.reply("a").write("\n\n" + LONG)
        await settled(log, pilot)
        assert in_view(log)[:-1] == before
        log.show_from(log.max_top - 3)
        before = in_view(log)[:-1]
        log.reply("a").write(" And more words to fill a few lines of this view. " * 5)
        await settled(log, pilot)
        assert (in_view(log)[: len(before) - 2], log.following) == (before[:-2], False)


async def test_laying_out_what_is_above_leaves_the_reader_where_they_are() -> None:
    async with opened() as (log, pilot):
        with log.bulk():
            for name in "abc":
                log.add_prompt(name, f"prompt {name}")
                log.add_reply(name, LONG)
                log.reply(name).end(None)
        await settled(log, pilot)
        log.show_from(log._items.start(4) - 5)  # the end of a long reply that was never in view
        assert any("prompt c" in line for line in in_view(log))
        at = next(y for y, line in enumerate(in_view(log)) if "prompt c" in line)
        await settled(log, pilot)
        assert "prompt c" in in_view(log)[at]
        assert "Paragraph 599 " in "\n".join(in_view(log)[:at])


async def test_a_resize_keeps_the_place_in_a_long_reply() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", LONG)
        log.reply("a").end(None)
        await settled(log, pilot)
        log.show_from(next(y for y in range(log.total) if "Paragraph 300 " in log.text_at(y)))
        await pilot.resize_terminal(44, 20)
        await settled(log, pilot)
        numbers = [int(line.split()[1]) for line in in_view(log) if line.strip().startswith("Paragraph")]
        assert min(abs(number - 300) for number in numbers) <= 3


@pytest.mark.parametrize(("text", "wanted"), [(LONG, "Paragraph 300 "), (ONE, "word2000 "), (CODE, "line 250 =")])
@pytest.mark.parametrize("width", [30, 100])
async def test_a_resize_keeps_the_first_line_in_view_exactly(text: str, wanted: str, width: int) -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "ask")
        log.add_reply("a", text)
        log.reply("a").end(None)
        await settled(log, pilot)
        log.show_from(next(y for y in range(log.total) if wanted in log.text_at(y)))
        await pilot.resize_terminal(width, 20)
        await settled(log, pilot)
        assert any(wanted.strip() in line for line in in_view(log)[:2])
        await pilot.resize_terminal(60, 20)
        await settled(log, pilot)
        assert any(wanted.strip() in line for line in in_view(log)[:3])


def filled(log: MessageLog) -> None:
    with log.bulk():
        for name in "abc":
            log.add_prompt(name, f"prompt {name}\n" + "more of it, which is wrapped in most widths " * 40)
            log.add_reply(name, LONG)
            log.add_tool(name, "1").update_call("read_file", {"path": name}, "ended", result="x")
            log.reply(name).write(ONE)
            log.reply(name).end(None)


@pytest.mark.parametrize("wanted", ["Paragraph 200 ", "word3000 ", "more of it", "▌ prompt b", "▸ read_file b"])
@pytest.mark.parametrize("width", [34, 110])
async def test_a_place_is_found_again_in_another_width(wanted: str, width: int) -> None:
    async with opened() as (log, pilot):
        filled(log)
        await settled(log, pilot)
        for place in range(len(log._items.items)):
            log.show_from(log._items.start(place))
        await settled(log, pilot)
        log.show_from(next(y for y in range(log._items.start(4), log.total) if wanted in log.text_at(y)))
        await settled(log, pilot)
        found = log.turn_place()
    assert found is not None
    assert found["turn"] == "b"
    async with opened((width, 20)) as (log, pilot):
        filled(log)
        log.show_turn_place("b", int(found["part"]), int(found["line"]), int(found["into"]))
        await settled(log, pilot)
        assert wanted.strip() in " ".join(line.strip(" ▌") if wanted[0] != "▌" else line for line in in_view(log)[:2])
        assert not log.following
        again = log.turn_place()
        assert again is not None
        assert (again["turn"], again["part"]) == (found["turn"], found["part"])


async def test_who_scrolls_while_a_place_is_looked_for_is_left_alone() -> None:
    async with opened() as (log, pilot):
        filled(log)
        await settled(log, pilot)
        log.show_turn_place("b", 1, 400, 0)
        log.show_from(0)
        await settled(log, pilot)
        assert log.top == 0


async def test_no_place_is_the_end_and_what_is_no_place_moves_nothing(open_chat: OpenChat) -> None:
    async with open_chat(size=(80, 20)) as chat:
        screen, log = chat.app.chat, chat.app.chat.log_widget
        assert screen.current_place() is None
        await chat.say("long")
        assert screen.current_place() is None
        for wrong in (None, "", "{", "[]", "{}", '{"turn": 1}', '{"turn": "x", "part": 0, "line": 0, "into": 0}'):
            screen.restore_place(wrong)
            assert (log.following, log.top) == (True, log.max_top)
        log.show_from(20)
        lines, place = chat.log, screen.current_place()
        assert place is not None
        log.action_follow()
        screen.restore_place(place)
        await chat.until(lambda: log.settled)
        assert chat.log == lines
        screen.restore_place(place.replace('"line": ', '"line": 9999'))
        await chat.until(lambda: log.settled)
        assert log.top <= log.max_top


async def test_entries_are_chosen_by_key_and_by_mouse() -> None:
    async with opened() as (log, pilot):
        log.add_notice("Welcome", "welcome")
        log.add_entries([("one", "The first \x1b conversation  2 h ago"), ("two", "x" * 200), ("three", "The third")])
        await settled(log, pilot)
        assert in_view(log)[2].strip() == "The first ␛ conversation  2 h ago"
        assert in_view(log)[3].endswith("…")
        chosen = cast("Alone", pilot.app).chosen
        log.focus()
        await pilot.press("enter")
        assert chosen == [("open_conversation", "one")]
        await pilot.press("down", "down", "enter", "up", "enter")
        assert chosen[1:] == [("open_conversation", "three"), ("open_conversation", "two")]
        await pilot.click(log, offset=(8, 2))
        await pilot.pause()
        assert chosen[3:] == [("open_conversation", "one")]
        await pilot.press("up", "up", "enter")
        assert len(chosen) == 4  # a notice is no entry
