"""The statistics screen: what it shows of the history, by which keys, and how it is left."""

import asyncio
import csv
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.measured_history import measure
from tests.ui.conftest import Chat, OpenChat
from tui_chat.prices import PriceList
from tui_chat.statistics.text import EMPTY
from tui_chat.store import statistics as of_store
from tui_chat.store.statistics import Collected
from tui_chat.ui.screens.statistics import StatisticsScreen


def screen(chat: Chat) -> StatisticsScreen:
    assert isinstance(chat.app.screen, StatisticsScreen)
    return chat.app.screen


async def opened(chat: Chat) -> StatisticsScreen:
    """The screen, by its command, once it shows something."""
    await chat.send("/stats")
    await chat.until(lambda: isinstance(chat.app.screen, StatisticsScreen) and chat.app.screen.settled)
    return screen(chat)


async def pressed(chat: Chat, *keys: str) -> str:
    """What it shows after the keys."""
    await chat.press(*keys)
    await chat.until(lambda: screen(chat).settled)
    return screen(chat).lines.plain


async def test_an_empty_history_says_what_will_be_here(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        shown = await opened(chat)
        assert " ".join(shown.lines.plain.split()) == EMPTY
        assert await pressed(chat, "e") == shown.lines.plain
        await chat.press("escape")
        await chat.until(lambda: chat.app.screen is chat.app.chat)
        assert chat.app.chat.composer.has_focus


async def test_turns_that_were_just_made_are_in_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        shown = await opened(chat)
        assert "1 turn · 1 request" in shown.lines.plain
        assert "sonnet-5-5" in shown.lines.plain
        assert "of" in shown.lines.plain
        await chat.press("q")
        await chat.say("hello again")
        assert "2 turns · 2 requests" in (await opened(chat)).lines.plain


async def test_keys_group_and_choose_the_period(open_chat: OpenChat) -> None:
    async with open_chat((120, 40)) as chat:
        await measure(chat.app.runtime.store, days=60)
        shown = await opened(chat)
        month = shown.lines.plain
        assert shown.tabs.text.split() == ["model", "day", "server", "cache", "7", "days", "30", "days", "all"]
        assert "opus-5-5" in month
        assert "TTFT p50 by day" in month
        assert "█" in month
        assert "cancelled" in await pressed(chat, "d")
        assert len(turns_in(await pressed(chat, "7"))) < len(turns_in(await pressed(chat, "a")))
        assert "api.anthropic.com" in await pressed(chat, "s")
        assert "no hit" in await pressed(chat, "c")
        assert await pressed(chat, "m", "3") == month


def turns_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith("20")]


async def test_keys_while_it_is_made_are_not_lost(open_chat: OpenChat) -> None:
    """Of several keys the last one counts, whatever was begun for the others."""
    async with open_chat() as chat:
        await measure(chat.app.runtime.store, days=60)
        await opened(chat)
        assert "no hit" in await pressed(chat, "d", "a", "s", "7", "c")
        assert screen(chat).tabs.text.split()[-1] == "all"


async def test_a_history_older_than_the_period_is_shown_all(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await changed(chat, "UPDATE turns SET started_at = started_at - 90 * 86400.0")
        shown = await opened(chat)
        assert "1 turn · 1 request" in shown.lines.plain
        assert "no turn fits; the history has others" in " ".join((await pressed(chat, "7")).split())
        assert "1 turn · 1 request" in await pressed(chat, "a")


async def changed(chat: Chat, statement: str) -> None:
    """Change the database behind the program's back."""
    await chat.app.runtime.store.write(lambda connection: connection.execute(statement))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 24)])
async def test_it_fits_and_scrolls(open_chat: OpenChat, size: tuple[int, int]) -> None:
    async with open_chat(size) as chat:
        await measure(chat.app.runtime.store)
        shown = await opened(chat)
        assert max(map(len, shown.lines.plain.splitlines())) <= size[0] - 1
        assert "Esc closes" in shown.hint.text
        assert "30 days" in (shown.tabs.text if size[0] > 60 else shown.hint.text)
        await chat.press("end")
        assert shown.lines.top == shown.lines.max_top
        await chat.press("m")
        await chat.until(lambda: shown.settled)
        assert shown.lines.top == 0
        await chat.pilot.resize_terminal(60, 20)
        await chat.until(lambda: shown.settled and max(map(len, shown.lines.plain.splitlines())) <= 59)


async def test_what_is_shown_is_written(open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    async with open_chat((120, 40)) as chat:
        await measure(chat.app.runtime.store)
        await opened(chat)
        await pressed(chat, "c", "e")
        await pressed(chat, "E")
        await chat.until(lambda: len(list(folder.iterdir())) == 2)
        rows = list(csv.DictReader((folder / "tui-chat-statistics.csv").read_text().splitlines()))
        groups = json.loads((folder / "tui-chat-statistics.json").read_text())["groups"]
        assert [(row["cache"], row["turns"]) for row in rows] == [
            (each["cache"], str(each["turns"])) for each in groups
        ]
        assert [row["cache"] for row in rows[:2]] == ["hit", "no hit"]


async def test_closing_interrupts_the_reading(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history: the screen says that it reads, Escape ends it at once, and the next one finds a reader that is free."""
    is_there, running, interrupted = threading.Event(), threading.Event(), threading.Event()

    def for_ever(connection: sqlite3.Connection, prices: PriceList, progress: Callable[[int], None]) -> Collected:
        running.set()
        is_there.wait(5)
        progress(120_000)
        try:
            connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
        except sqlite3.OperationalError:
            interrupted.set()
            raise
        raise AssertionError

    async with open_chat() as chat:
        with monkeypatch.context() as patch:
            patch.setattr(of_store, "collect", for_ever)
            await chat.send("/stats")
            await chat.until(lambda: running.is_set() and isinstance(chat.app.screen, StatisticsScreen))
            await chat.pilot.pause()
            is_there.set()
            await chat.until(lambda: "reading the history: 120,000 turns" in screen(chat).hint.text)
            await chat.press("escape")
            await chat.until(lambda: chat.app.screen is chat.app.chat)
            assert await asyncio.to_thread(interrupted.wait, 5)
        assert " ".join((await opened(chat)).lines.plain.split()) == EMPTY


async def test_a_history_that_cannot_be_read_says_so(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await changed(chat, "ALTER TABLE requests RENAME TO elsewhere")
        shown = await opened(chat)
        assert "the database" in shown.lines.plain
        await changed(chat, "ALTER TABLE elsewhere RENAME TO requests")
        assert " ".join((await pressed(chat, "r")).split()) == EMPTY


async def test_a_reply_goes_on_behind_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("hello")
        shown = await opened(chat)
        await chat.until(lambda: chat.idle)
        await pressed(chat, "r")
        assert "1 turn · 1 request" in shown.lines.plain


async def test_a_bug_is_said(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("tui_chat.ui.screens.statistics.lines", broken)
    async with open_chat() as chat:
        await chat.send("/stats")
        await chat.until(lambda: any("a bug in tui-chat" in each.message for each in chat.app._notifications))
        await chat.press("escape")
        assert chat.app.screen is chat.app.chat
