"""One turn of several parts in the log: text, tools, text again; sources, notes, seams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

import tui_chat.ui.app
from tui_chat.text import sanitise
from tui_chat.ui.widgets.line_selection import LineSelection, Place
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.reply_foot import Source
from tui_chat.ui.widgets.tool_item import LONGEST, ToolState
from tui_chat.ui.wording import Action, Footer

CODE = "```python\n{}\n```\n"
HOSTILE = "\x1b]0;title\x07\x1b[31m\u202egpj.exe\u2066 [bold]x[/] \ud800\x9b\r\n\ttab"
STATES: tuple[ToolState, ...] = get_args(ToolState)


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

    def on_message_log_link_hovered(self, message: MessageLog.LinkHovered) -> None:
        self.facts.append(message.link)

    def on_message_log_action_chosen(self, message: MessageLog.ActionChosen) -> None:
        self.facts.append(message.action)


@asynccontextmanager
async def opened(size: tuple[int, int] = (60, 40)) -> AsyncIterator[tuple[MessageLog, Pilot[None]]]:
    async with Alone().run_test(size=size) as pilot:
        yield pilot.app.query_one(MessageLog), pilot


async def settled(log: MessageLog, pilot: Pilot[None]) -> None:
    while not log.settled:
        await pilot.pause()
    await pilot.pause()


def facts(pilot: Pilot[None]) -> list[Any]:
    return cast("Alone", pilot.app).facts


def lines(log: MessageLog) -> list[str]:
    return [log.text_at(y) for y in range(log.total)]


def row_of(log: MessageLog, text: str) -> int:
    """The row of the view that shows `text`."""
    return next(y for y in range(log.size.height) if text in log.text_at(log.top + y))


def fill(log: MessageLog, turn_id: str = "a") -> None:
    """A turn of two rounds."""
    log.add_prompt(turn_id, "What is it?")
    log.add_reply(turn_id)
    log.reply(turn_id).write("First I look.\n\n" + CODE.format("one = 1"))
    log.add_tool(turn_id, "1").update_call("calculator", {"expression": "6 * 7"}, "ended", result="42")
    log.add_tool(turn_id, "2").update_call("read_file", {"path": "a.txt"}, "ended", result="alpha\nbeta\n", seconds=2.5)
    log.reply(turn_id).write("It is [there](https://example.org/a).\n\n" + CODE.format("two = 2"))
    log.reply(turn_id).sources([Source(1, "The docs", "https://docs.example.com/x"), Source(2, "", "https://b.org/")])
    log.reply(turn_id).note("an odd event")
    log.reply(turn_id).note("an odd event")
    log.reply(turn_id).end(Footer("model · end_turn", "dim", (Action("g", "go on", "go_on"),)))


async def test_a_turn_of_two_rounds_is_drawn_in_its_order() -> None:
    async with opened() as (log, pilot):
        fill(log)
        await settled(log, pilot)
        assert [line.rstrip() for line in lines(log)] == [
            " ▌ What is it?",
            "",
            "   First I look.",
            "",
            "   python" + " " * 42 + "copy 1",
            "     one = 1",
            "",
            "   ▸ calculator 6 * 7 → 42",
            "   ▸ read_file a.txt → alpha (2 lines)  2.5s",
            "",
            "   It is there.",
            "",
            "   python" + " " * 42 + "copy 2",
            "     two = 2",
            "",
            "   [1] The docs  docs.example.com",
            "   [2] https://b.org/",
            "",
            "   an odd event (2 times)",
            "",
            "   model · end_turn   g go on",
            "",
        ]


async def test_a_stored_turn_looks_like_one_that_ran() -> None:
    async with opened() as (log, pilot):
        fill(log)
        await settled(log, pilot)
        ran = lines(log)
        log.clear()
        with log.bulk():
            fill(log)
        await settled(log, pilot)
        assert lines(log) == ran
        await pilot.resize_terminal(44, 40)
        await settled(log, pilot)
        resized = lines(log)
        log.clear()
        fill(log)
        await settled(log, pilot)
        assert lines(log) == resized


async def test_an_empty_part_takes_no_lines_and_the_footer_comes_last() -> None:
    async with opened() as (log, pilot):
        log.add_prompt("a", "go")
        log.add_reply("a")
        log.add_tool("a", "1").update_call("current_time", None, "proposed")
        await settled(log, pilot)
        assert lines(log) == [" ▌ go", "", "   ▸ current_time …", ""]
        log.tool("a", "1").update_call("current_time", {}, "cancelled", reason="stopped")
        log.reply("a").end(Footer("stopped by you", "warm"))
        await settled(log, pilot)
        assert lines(log)[2:] == ["   ▸ current_time  cancelled: stopped", "", "   stopped by you", ""]
        log.reply("a").end(Footer("another", "warm"))
        log.add_prompt("b", "next")
        log.reply("a").end(Footer("and another", "warm"))
        await settled(log, pilot)
        assert lines(log)[4:] == ["   and another", "", " ▌ next", ""]


async def test_another_part_takes_the_footer_from_the_one_before() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "one")
        log.reply("a").end(Footer("a footer"))
        log.add_reply("a", "two")
        await settled(log, pilot)
        assert lines(log) == ["   one", "", "   two", ""]
        assert log.reply("a").source == "two"


@pytest.mark.parametrize("state", STATES)
async def test_every_state_of_a_tool_has_its_line(state: ToolState) -> None:
    wanted = {
        "proposed": "read_file a.txt",
        "waiting": "read_file a.txt  waits for you",
        "running": "read_file a.txt  running",
        "ended": "read_file a.txt → alpha (3 lines)  1.2s",
        "denied": "read_file a.txt  denied: not allowed",
        "cancelled": "read_file a.txt  cancelled: not allowed",
        "failed": "read_file a.txt  failed: not allowed",
    }
    looks = {"waiting": "footer_warm", "denied": "footer_warm", "cancelled": "footer_warm", "failed": "footer_error"}
    async with opened() as (log, pilot):
        log.add_reply("a")
        tool = log.add_tool("a", "1")
        reason = "not allowed" if state in ("denied", "cancelled", "failed") else ""
        result = "\n  alpha\nbeta\n\ngamma" if state == "ended" else ""
        tool.update_call("read_file", {"path": "a.txt"}, state, result=result, seconds=1.2, reason=reason)
        await settled(log, pilot)
        assert lines(log)[0] == f"   ▸ {wanted[state].replace('(3 lines)', '(4 lines)')}"
        last = list(tool.line(0))[-1]
        assert last.style is not None
        assert last.style.color == log.looks()[looks.get(state, "tool")].color
        tool.update_call("read_file", {"path": "a.txt"}, "failed", result="no such file", is_error=True)
        log.change(tool)
        await settled(log, pilot)
        assert lines(log)[0] == "   ▸ read_file a.txt  failed: no such file"


@pytest.mark.parametrize("width", [12, 20, 40, 80, 120])
async def test_nothing_outside_acts_or_runs_past_the_edge(width: int) -> None:
    async with opened((width, 30)) as (log, pilot):
        log.add_seam("a", HOSTILE)
        log.add_reply("a", "text")
        for state in STATES:
            tool = log.add_tool("a", state)
            given = {HOSTILE: [HOSTILE, {"日本語" * 30: HOSTILE * 5}]}
            tool.update_call("日本" + HOSTILE * 3, given, state, result=HOSTILE * 9, is_error=True, reason=HOSTILE)
            tool.toggle(shown=True)
        log.reply("a").note(HOSTILE * 3)
        log.reply("a").note(HOSTILE * 3)
        log.reply("a").sources(
            [Source(1, HOSTILE * 3, f"https://x.org/{HOSTILE}"), Source(10_000, "", "http://[oops"), Source(3, "t", "")]
        )
        log.reply("a").end(Footer(HOSTILE, "error"))
        await settled(log, pilot)
        for line in range(log.total):
            strip = log.line(line)
            assert strip is not None
            assert strip.cell_length <= width
            assert strip.text == sanitise(strip.text)
            assert "\n" not in strip.text
        assert "[bold]x[/]" in "".join("".join(lines(log)).split("…")) or width < 80


async def test_a_click_opens_a_tool_where_it_stands() -> None:
    async with opened((60, 16)) as (log, pilot):
        fill(log)
        await settled(log, pilot)
        assert log.following
        row = row_of(log, "read_file")
        await pilot.click(log, offset=(8, row))
        await settled(log, pilot)
        assert [log.text_at(log.top + row + down).strip() for down in range(6)] == [
            "▾ read_file a.txt → alpha (2 lines)  2.5s",
            '"path": "a.txt"',
            "",
            "alpha",
            "beta",
            "",
        ]
        assert (log.following, log.below > 0) == (False, True)
        await pilot.click(log, offset=(8, row))
        await settled(log, pilot)
        assert log.following
        assert log.text_at(log.top + row).strip().startswith("▸ read_file")
        assert facts(pilot) == []


async def test_opened_tools_keep_a_blank_line_below_them() -> None:
    async with opened() as (log, pilot):
        fill(log)
        log.tool("a", "1").toggle()
        await settled(log, pilot)
        first = row_of(log, "▾ calculator")
        assert [line.strip() for line in lines(log)[first : first + 6]] == [
            "▾ calculator 6 * 7 → 42",
            '"expression": "6 * 7"',
            "",
            "42",
            "",
            "▸ read_file a.txt → alpha (2 lines)  2.5s",
        ]


async def test_details_are_shown_and_hidden_together() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a")
        assert not log.toggle_details("a")
        for part in ("one", "two"):
            log.reply("a").think(f"thinking {part}")
            log.reply("a").thought(f"thought {part}")
            log.add_tool("a", part).update_call("calculator", {"expression": part}, "ended", result=f"result {part}")
        await settled(log, pilot)
        closed = lines(log)
        assert [line for line in closed if line] == [
            "   thought one   t shows it",
            "   ▸ calculator one → result one",
            "   thought two   t shows it",
            "   ▸ calculator two → result two",
        ]
        log.tool("a", "one").toggle()
        assert log.toggle_details("a")  # one is open: all are closed
        await settled(log, pilot)
        assert lines(log) == closed
        log.toggle_details("a")
        await settled(log, pilot)
        text = "\n".join(lines(log))
        assert all(f"{what} {part}" in text for what in ("thinking", "     result") for part in ("one", "two"))
        log.toggle_details("a", shown=False)
        await settled(log, pilot)
        assert lines(log) == closed


async def test_a_long_result_is_bounded_and_what_is_missing_is_counted() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a")
        tool = log.add_tool("a", "1")
        tool.update_call("read_file", {"path": "x"}, "ended", result="\n".join(f"row {n}" for n in range(1000)))
        tool.toggle()
        await settled(log, pilot)
        shown = lines(log)
        assert shown[-3:] == ["     row 199", "     … 800 more lines", ""]
        assert "(1,000 lines)" in shown[0]
        tool.update_call("read_file", {"path": "x" * 100_000}, "ended", result="y" * 1_000_000)
        log.change(tool)
        await settled(log, pilot)
        assert log.total < 2 * LONGEST + 10
        assert any("more characters" in line for line in lines(log)[-3:])


async def test_the_cursor_moves_by_messages() -> None:
    async with opened() as (log, pilot):
        fill(log)
        log.add_seam("b")
        log.add_reply("b", "And on.")
        log.add_prompt("c", "Why?")
        log.add_reply("c", "So.")
        await settled(log, pilot)
        log.focus()
        await pilot.pause()
        seen = []
        for _ in range(5):
            marked = [line for line in range(log.total) if log.text_at(line).startswith("▎")]
            assert marked == list(range(marked[0], marked[-1] + 1))
            seen.append((log.cursor_turn, log.text_at(marked[0])[1:].strip(), len(marked)))
            await pilot.press("k")
        assert seen == [
            ("c", "So.", 2),
            ("c", "▌ Why?", 2),
            ("b", "┄┄ went on", 4),
            ("a", "First I look.", 20),
            ("a", "▌ What is it?", 2),
        ]
        for _ in range(4):
            await pilot.press("down")
        assert log.cursor_turn == "c"


async def test_copying_a_reply_gives_all_its_texts_and_its_sources() -> None:
    async with opened() as (log, pilot):
        fill(log)
        log.focus()
        await settled(log, pilot)
        text = "First I look.\n\n" + CODE.format("one = 1") + "\nIt is [there](https://example.org/a).\n\n"
        text += CODE.format("two = 2") + "\n[1] The docs <https://docs.example.com/x>\n[2] <https://b.org/>"
        assert log.cursor_source == log.source_of("a") == text
        log.add_reply("b", " plain\n")
        assert log.source_of("b") == " plain\n"  # of one part verbatim


async def test_code_is_numbered_through_the_parts() -> None:
    async with opened((60, 12)) as (log, pilot):
        log.add_prompt("a", "go")
        with log.bulk():
            for number in range(12):
                log.reply("a") if number else log.add_reply("a")
                log.reply("a").write("text\n\n" + CODE.format(f"n = {number}") + "\nand\n\n    indented\n")
                log.add_tool("a", str(number)).update_call("calculator", {"expression": "1"}, "ended", result="1")
        log.focus()
        await settled(log, pilot)
        # The first of them were never in view.
        assert [line.split()[-1] for line in lines(log) if " copy " in line] == [str(number) for number in range(1, 25)]
        assert all(
            line.endswith(str(number)) for number, line in enumerate((x for x in lines(log) if " copy " in x), 1)
        )
        assert len({len(line) for line in lines(log) if " copy " in line}) == 1
        for number in range(12):
            assert log.code_of("a", 2 * number + 1) == f"n = {number}\n"
        assert log.code_under_cursor(3) == "n = 1\n"
        assert [log.code_of("a", number) for number in (0, -1, 25)] == [None, None, None]
        for number in (0, 5, 11):
            log.show_from(next(y for y, line in enumerate(lines(log)) if line.endswith(f"copy {2 * number + 1}")))
            assert log.code_under_cursor() == f"n = {number}\n" or log.following
        log.show_from(0)
        assert log.code_under_cursor() == "n = 0\n"


async def test_links_of_all_parts_are_known_and_act() -> None:
    async with opened() as (log, pilot):
        fill(log)
        log.focus()
        await settled(log, pilot)
        assert log.cursor_links == [
            ("https://example.org/a", "there"),
            ("https://docs.example.com/x", "The docs"),
            ("https://b.org/", "https://b.org/"),
        ]
        row = row_of(log, "The docs")
        await pilot.hover(log, offset=(8, row))
        await pilot.click(log, offset=(8, row))
        await pilot.pause()
        assert facts(pilot) == [("https://docs.example.com/x", "The docs"), "https://docs.example.com/x"]
        row = row_of(log, "g go on")
        await pilot.click(log, offset=(3 + len("model · end_turn   "), row))
        await pilot.pause()
        assert facts(pilot)[-1] == "go_on"


async def test_a_selection_goes_across_parts_and_tools() -> None:
    async with opened() as (log, pilot):
        fill(log)
        log.tool("a", "2").toggle()
        await settled(log, pilot)
        first, last = row_of(log, "First I look"), row_of(log, "It is there")
        log.selection = LineSelection(Place(first, 0), Place(last, 58))
        parts = [
            "First I look.\n\n" + CODE.format("one = 1").strip(),
            'calculator 6 * 7 → 42\nread_file a.txt → alpha (2 lines)  2.5s\n"path": "a.txt"\n\nalpha\nbeta',
            "It is [there](https://example.org/a).",
        ]
        assert log.selected_text() == "\n\n".join(parts)
        row = row_of(log, "     beta")
        log.selection = LineSelection(Place(row, 6), Place(row, 7))
        assert log.selected_text() == "et"
        row = row_of(log, "▾ read_file")
        log.selection = LineSelection(Place(row, 0), Place(row, 13))
        assert log.selected_text() == "read_file"
        log.tool("a", "1").toggle()  # a blank line stands between them then
        await settled(log, pilot)
        log.selection = LineSelection(Place(row_of(log, "▾ calculator"), 0), Place(row_of(log, "▾ read_file"), 58))
        assert "42\n\nread_file" in log.selected_text()


async def test_a_selection_stays_with_its_text_when_a_tool_is_opened_above_it() -> None:
    async with opened() as (log, pilot):
        fill(log)
        await settled(log, pilot)
        row = row_of(log, "It is there")
        log.selection = LineSelection(Place(row, 3), Place(row, 14))
        before = log.selected_text()
        log.toggle_details("a")
        await settled(log, pilot)
        assert log.selected_text() == before == "It is [there](https://example.org/a)."
        assert log.selection.first.line > row


async def test_a_seam_says_nothing() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "one")
        log.add_seam("b", "went on\x1b")
        log.add_reply("b", "two")
        await settled(log, pilot)
        assert lines(log) == ["   one", "", "   ┄┄ went on␛", "", "   two", ""]
        log.selection = LineSelection(Place(0, 0), Place(4, 20))
        assert log.selected_text() == "one\n\ntwo"


async def test_notes_of_many_kinds_are_bounded() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a", "text")
        for number in range(1000):
            log.reply("a").note(f"kind {number}")
        await settled(log, pilot)
        assert lines(log)[-3:] == ["   kind 7", "   and 992 more notes of other kinds", ""]


async def test_notes_are_wrapped_and_a_host_is_shown_to_its_end() -> None:
    async with opened((40, 40)) as (log, pilot):
        log.add_reply("a", "text")
        for _ in range(2):
            log.reply("a").note("an event of an unknown type was kept: weather_report")
        log.reply("a").note("x" * 10_000)
        long = "https://accounts.example.com.a-rather-long-name-of-a-host.evil.org/login"
        log.reply("a").sources(
            [
                Source(1, "Streaming messages", "https://platform.claude.com/docs"),
                Source(2, "Short", "https://b.org/"),
                Source(3, "", long),
                Source(10, "A title that is too long for one line of it", "https://b.org/"),
            ]
        )
        await settled(log, pilot)
        assert lines(log)[2:14] == [
            "   [1] Streaming messages",
            "       platform.claude.com",
            "   [2] Short  b.org",
            "   [3] https://accounts.example.com.…",
            "       …-rather-long-name-of-a-host.evil.org"[:7] + lines(log)[6][7:],
            "   [10] A title that is too long for…",
            "        b.org",
            "",
            "   an event of an unknown type was",
            "   kept: weather_report (2 times)",
            "   " + "x" * 34,
            "   " + "x" * 34,
        ]
        assert lines(log)[6].endswith(".evil.org")
        assert lines(log)[6].startswith("       …")
        assert log.total < 30


async def test_what_grows_below_a_part_that_is_read_moves_nothing() -> None:
    async with opened((60, 12)) as (log, pilot):
        fill(log)
        await settled(log, pilot)
        log.show_from(2)
        before = [log.text_at(2 + row) for row in range(11)]
        log.add_tool("a", "3").update_call("current_time", {}, "running", seconds=1.0)
        log.reply("a").write("More.\n\n" * 10)
        await settled(log, pilot)
        assert [log.text_at(log.top + row) for row in range(11)] == before


async def test_a_token_touches_only_the_newest_part() -> None:
    async with opened() as (log, pilot):
        log.add_reply("a")
        for number in range(100):
            log.reply("a").write(f"part {number}")
            log.add_tool("a", str(number)).update_call("calculator", {"expression": "1"}, "ended", result="1")
        newest = log.reply("a")
        await settled(log, pilot)
        log.reply("a").write("token")
        assert list(log._dirty) == [newest]
        await settled(log, pilot)
        assert "token" in log.text_at(log.total - 2)
