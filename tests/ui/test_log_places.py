"""The reader's place in a log whose replies grow, are laid out in parts, or are laid out again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui_chat.ui.widgets.message_log import MessageLog

LONG = "\n\n".join(
    f"Paragraph {number} of a long reply, with some words to fill its line and the next." for number in range(600)
)


class Alone(App[None]):
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
