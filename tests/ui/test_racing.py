"""A race on the screen: its columns, its keys, what is kept, and what happens where little fits."""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import pytest

from tests.e2e.sessions import locked
from tests.ui.conftest import Chat, OpenChat
from tests.ui.test_turn_actions import log_key, session_of, toasts, turns_of
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer, Pacing
from tui_chat.racing import Lane, Race
from tui_chat.runtime import read_state
from tui_chat.store import database
from tui_chat.ui.screens.race_setup import RaceSetupScreen
from tui_chat.ui.screens.racing import RaceScreen
from tui_chat.ui.widgets.race_column import RaceColumn

THREE = ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-4-6")
SIZES = ((120, 32), (80, 24), (40, 24))


@pytest.fixture
def unhurried(server: DemoServer) -> DemoServer:
    """A server whose long replies outlast a test."""
    server._api._pacing = Pacing(ttft=0.0, rate=80)
    return server


def screen_of(chat: Chat) -> RaceScreen:
    screen = chat.app.screen
    assert isinstance(screen, RaceScreen)
    return screen


def race_of(chat: Chat) -> Race:
    return screen_of(chat).race


def shown(column: RaceColumn) -> str:
    """The answer's lines in view."""
    return "\n".join(column.view.render_line(y).text.rstrip() for y in range(column.view.size.height))


async def start(chat: Chat, models: Sequence[str], prompt: str = "") -> Race:
    """`/race`, until it is on the screen."""
    await chat.send(f"/race {' '.join(models)}" + (f" -- {prompt}" if prompt else ""))
    await chat.until(lambda: isinstance(chat.app.screen, RaceScreen))
    return race_of(chat)


async def until_over(chat: Chat) -> None:
    await chat.until(lambda: race_of(chat).is_over)
    await chat.pilot.pause()


async def until_talking(chat: Chat, lanes: Sequence[Lane]) -> None:
    """Wait until each lane has shown text."""
    await chat.until(lambda: all(lane.turn is not None and lane.turn.text for lane in lanes))


async def until_back(chat: Chat) -> None:
    await chat.until(lambda: chat.app.screen is chat.app.chat and not chat.app.chat.busy)
    await chat.until(lambda: chat.app.chat.log_widget.settled and chat.app.chat.composer.has_focus)
    await chat.pilot.pause()


async def test_three_columns_and_one_is_kept(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("haiku", "sonnet", "opus-4-6"), "list of things")
        assert [lane.model for lane in race.lanes] == [*THREE]
        await until_over(chat)
        columns = screen_of(chat).columns
        regions = [column.region for column in columns]
        assert [region.y for region in regions] == [regions[0].y] * 3
        assert {region.width for region in regions} == {40}
        assert all(left.right == right.x for left, right in pairwise(regions))
        for column, name in zip(columns, ("haiku-5-5", "sonnet-5-5", "opus-4-6"), strict=True):
            above, figures = column.lines
            assert above.startswith(f"{column.number} {name}  done in ")
            assert figures.startswith("TTFT ")
            assert "tok/s" in figures
            assert " out" in figures
        assert sum("1st" in column.lines[0] for column in columns) == 1
        assert sum("1st" in column.lines[1] for column in columns) == 1
        await chat.press("2", "enter")
        await until_back(chat)
        (kept,) = turns_of(chat)
        assert kept.model == THREE[1]
        assert ", . 2/3" in chat.log
        assert "kept 2, sonnet-5-5; the other 2 answers are its versions" in toasts(chat)
        assert "session" in chat.status
        assert len(session_of(chat).begun) == 3
        await log_key(chat, "full_stop")
        await chat.until(lambda: "3/3" in chat.log and turns_of(chat)[0].model == THREE[2])
    async with open_chat((120, 32), continue_last=True) as chat:
        assert ", . 3/3" in chat.log


async def test_the_focus_goes_round_and_scrolls_its_column(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        await start(chat, ("haiku", "sonnet"), "long 300")
        await until_over(chat)
        screen = screen_of(chat)

        def focused() -> list[int]:
            return [column.number for column in screen.columns if column.has_class("-focused")]

        assert focused() == [1]
        for key, number in (("tab", 2), ("tab", 1), ("shift+tab", 2), ("left", 1), ("right", 2), ("1", 1), ("2", 2)):
            await chat.press(key)
            assert focused() == [number]
        await chat.press("3")  # there is none
        assert focused() == [2]
        first, second = (column.view for column in screen.columns)
        bottom = first.top
        assert bottom == second.top > 5
        await chat.press("up")
        assert (first.top, second.top) == (bottom, bottom - 1)
        await chat.press("pageup", "home", "down")
        assert (first.top, second.top) == (bottom, 1)
        await chat.press("pagedown", "end")
        assert second.top == bottom
        await chat.pilot.click(screen.columns[0].view, offset=(4, 4))
        assert focused() == [1]


async def test_escape_stops_the_focused_column_and_once_more_all(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("haiku", "sonnet", "opus"), "long 9000")
        await until_talking(chat, race.lanes)
        await chat.press("2", "escape")
        await chat.until(lambda: race.lanes[1].ended)
        assert [lane.ended for lane in race.lanes] == [False, True, False]
        assert "stopped at" in screen_of(chat).columns[1].lines[0]
        screen_of(chat)._stopped_at = 0.0  # as if a second had gone by
        await chat.press("1", "escape")
        await chat.until(lambda: race.lanes[0].ended)
        assert not race.lanes[2].ended
        await chat.press("escape")
        await until_over(chat)
        assert [lane.turn.outcome for lane in race.lanes if lane.turn] == [Outcome.CANCELLED] * 3
        await chat.press("escape")  # one too many: nothing is decided by it
        assert isinstance(chat.app.screen, RaceScreen)
        screen_of(chat)._stopped_at = 0.0
        await chat.press("escape")
        await until_back(chat)
        assert turns_of(chat) == [race.lanes[0].turn]  # none was complete: the focused one
        assert "stopped by you" in chat.log


async def test_escape_at_the_end_keeps_the_first_whole_answer(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("nobody", "sonnet"), "hello")
        await until_over(chat)
        column = screen_of(chat).columns[0]
        assert "failed at" in column.lines[0]
        assert "model: nobody" in column.note
        await chat.press("1", "escape")
        await until_back(chat)
        assert turns_of(chat) == [race.lanes[1].turn]
        assert "the other answer is its version" in toasts(chat)


async def test_keeping_one_that_runs_stops_the_others_and_waits_for_it(open_chat: OpenChat, server: DemoServer) -> None:
    server._api._pacing = None  # each model its own: the second is done long before the first
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("mythos-5", "haiku"), "list of things")
        await until_talking(chat, race.lanes[1:])
        await chat.press("2", "k")
        await until_back(chat)
        (kept,) = turns_of(chat)
        assert kept is race.lanes[1].turn
        assert kept.outcome is Outcome.COMPLETED
        other = race.lanes[0].turn
        assert other is not None
        assert other.outcome is Outcome.CANCELLED
        await chat.say("and then?")
        assert chat.turn_count == 2


async def test_ctrl_c_copies_what_is_selected_else_stops_all(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("haiku", "sonnet"), "long 9000")
        await until_talking(chat, race.lanes)
        view = screen_of(chat).columns[1].view
        await chat.press("2", "home")
        await chat.pilot.mouse_down(view, offset=(0, 0))
        await chat.pilot.hover(view, offset=(9, 0))
        await chat.pilot.mouse_up(view, offset=(9, 0))
        assert screen_of(chat).columns[1].selected_text()
        await chat.press("ctrl+c")
        assert not race.lanes[1].stopping
        view.deselect()
        await chat.press("ctrl+c")
        await until_over(chat)
        assert all(lane.turn is not None and lane.turn.outcome is Outcome.CANCELLED for lane in race.lanes)


async def test_the_last_prompt_is_raced_on_where_nothing_is_typed(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        await chat.say("hello")
        (before,) = turns_of(chat)
        race = await start(chat, ("haiku", "opus"))
        assert race.prompt is before.prompt
        await until_over(chat)
        await chat.press("enter")
        await until_back(chat)
        assert ", . 2/3" in chat.log
        assert session_of(chat).versions(turns_of(chat)[0])[0] == before.id


async def test_a_prompt_in_the_composer_is_raced_on(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        chat.app.chat.composer.insert("list of\nthings")
        chat.app.action_race("haiku sonnet")
        await chat.until(lambda: isinstance(chat.app.screen, RaceScreen))
        await until_over(chat)
        assert race_of(chat).prompt.text == "list of\nthings"
        await chat.press("enter")
        await until_back(chat)
        assert chat.draft == ""
        await chat.press("up")
        assert chat.draft == "list of\nthings"  # it is among the prompts that were sent


@pytest.mark.parametrize("size", SIZES)
async def test_models_are_chosen_in_a_dialog_and_remembered(size: tuple[int, int], open_chat: OpenChat) -> None:
    async with open_chat(size) as chat:
        await chat.say("hello")
        await chat.send("/race")
        await chat.until(lambda: isinstance(chat.app.screen, RaceSetupScreen))
        setup = cast("RaceSetupScreen", chat.app.screen)
        assert "two to four models" in setup.hint  # only the model of the conversation stands there
        await chat.press("enter")
        assert chat.app.screen is setup
        await chat.press(*"haik")
        assert setup.hint == "Enter takes haiku-5-5"
        await chat.press("enter", *"nobody")
        assert setup.hint == "Enter starts the race of 3"
        await chat.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, RaceScreen))
        models = [lane.model for lane in race_of(chat).lanes]
        assert models == [THREE[1], THREE[0], "nobody"]
        await until_over(chat)
        await chat.press("escape")
        await until_back(chat)
        assert read_state(chat.app.config.data_dir)["race"] == models
        await chat.send("/race")
        await chat.until(lambda: isinstance(chat.app.screen, RaceSetupScreen))
        await chat.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, RaceScreen))
        assert [lane.model for lane in race_of(chat).lanes] == models
        await until_over(chat)


async def test_the_list_of_models_writes_into_the_line(open_chat: OpenChat) -> None:
    async with open_chat((100, 30)) as chat:
        await chat.say("hello")
        await chat.send("/race")
        await chat.until(lambda: isinstance(chat.app.screen, RaceSetupScreen))
        field = chat.app.screen.query_one("#names")
        await chat.press(*(["backspace"] * 20), "down", "down", "tab", *"opus-4-6", "down", "enter")
        value = getattr(field, "value", "")
        first, *rest = value.split()
        assert f"claude-{first}" == list(chat.app.runtime.catalog)[1].id
        assert rest[0] == "opus-4-6"  # what was whole stays, the marked one comes behind it
        await chat.press("escape")
        assert chat.app.screen is chat.app.chat


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/race haiku", "two to four models"),
        ("/race haiku haiku haiku haiku haiku", "two to four models"),
    ],
)
async def test_what_cannot_race_is_said(command: str, said: str, open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        await chat.send(command)
        await chat.until(lambda: said in toasts(chat))
        assert chat.app.screen is chat.app.chat


async def test_a_prompt_that_came_along_is_not_lost(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat() as chat:
        await chat.send("/race haiku -- precious")
        await chat.until(lambda: "two to four models" in toasts(chat))
        assert chat.draft == "precious"
        chat.app.chat.composer.replace_text("")
        await chat.send("long 9000")
        await chat.send("/race haiku sonnet -- precious too")
        await chat.until(lambda: "a reply is running" in toasts(chat))
        assert chat.draft == "precious too"
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_without_any_prompt_it_says_how(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.send("/race haiku sonnet")
        await chat.until(lambda: "no prompt to race on" in toasts(chat))


async def test_one_at_a_time_where_columns_do_not_fit(open_chat: OpenChat) -> None:
    async with open_chat((40, 24)) as chat:
        race = await start(chat, ("haiku", "sonnet", "opus"), "long 300")
        await until_over(chat)
        screen = screen_of(chat)
        assert [column.display for column in screen.columns] == [True, False, False]
        assert screen.columns[0].region.width == 40
        switch = screen._switch.text
        assert [f"{lane.number} " in switch for lane in race.lanes] == [True] * 3
        await chat.press("3")
        await chat.pilot.pause()
        assert [column.display for column in screen.columns] == [False, False, True]
        await chat.until(lambda: "The demo stops here" in shown(screen.columns[2]))
        await chat.pilot.resize_terminal(120, 32)
        await chat.pilot.pause()
        assert all(column.display for column in screen.columns)
        assert not screen._switch.display
        await chat.until(lambda: all("The demo stops here" in shown(column) for column in screen.columns))


@pytest.mark.parametrize(
    ("size", "count", "places"),
    [
        ((120, 32), 4, [(0, 0), (60, 0), (0, 1), (60, 1)]),  # two by two
        ((140, 32), 4, [(0, 0), (35, 0), (70, 0), (105, 0)]),
        ((40, 40), 2, [(0, 0), (0, 1)]),  # above each other
        ((80, 24), 2, [(0, 0), (40, 0)]),
    ],
)
async def test_columns_stand_where_they_fit(
    size: tuple[int, int], count: int, places: list[tuple[int, int]], open_chat: OpenChat
) -> None:
    async with open_chat(size) as chat:
        await start(chat, ["haiku"] * count, "hello")
        await until_over(chat)
        regions = [column.region for column in screen_of(chat).columns]
        rows = sorted({region.y for region in regions})
        assert [(region.x, rows.index(region.y)) for region in regions] == places
        assert len({(region.width, region.height) for region in regions}) == 1


async def test_thinking_is_shown_until_there_is_text(open_chat: OpenChat, unhurried: DemoServer) -> None:
    unhurried._api._pacing = Pacing(ttft=0.0, rate=150)
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("sonnet", "haiku"), "thinking")
        lane, column = race.lanes[0], screen_of(chat).columns[0]
        await chat.until(lambda: lane.turn is not None and bool(lane.turn.thinking))
        await chat.until(lambda: "a reply that thinks first" in shown(column).replace("\n", " "))
        assert column.text.source == ""
        await until_over(chat)
        await chat.until(lambda: "That was thinking" in shown(column))
        assert column.note.startswith("thought for")


async def test_tools_are_off_and_it_says_so(open_chat: OpenChat) -> None:
    async with open_chat((120, 32)) as chat:
        session_of(chat).tools_on = True
        await start(chat, ("haiku", "sonnet"), "hello")
        await until_over(chat)
        assert "without tools" in screen_of(chat)._bar.text


async def test_a_prompt_that_cannot_be_stored_stays_in_the_composer(
    open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    async with open_chat((120, 32)) as chat:
        path = chat.app.runtime.store.path
        assert path is not None
        with locked(path):
            await start(chat, ("haiku", "sonnet"), "precious")
            await until_back(chat)
            assert "not saved" in toasts(chat)
            assert chat.draft == "precious"
            assert chat.turn_count == 0
            chat.app.action_race("haiku sonnet")  # once more goes ahead without saving
            await chat.until(lambda: isinstance(chat.app.screen, RaceScreen))
            await until_over(chat)
            await chat.press("enter")
            await until_back(chat)
        assert chat.turn_count == 1
        assert "not saved" in chat.log or turns_of(chat)[0].outcome is Outcome.COMPLETED


async def test_quitting_in_a_race_keeps_what_came(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat((120, 32)) as chat:
        race = await start(chat, ("haiku", "sonnet"), "long 9000")
        await until_talking(chat, race.lanes)
        await chat.press("ctrl+q")
        await chat.pilot.pause()
    async with open_chat((120, 32), continue_last=True) as chat:
        await chat.until(lambda: chat.turn_count == 1)
        (turn,) = turns_of(chat)
        assert turn.outcome is Outcome.CANCELLED
        assert turn.text
        assert len(session_of(chat).versions(turn)) == 2
        assert chat.draft == ""


async def test_a_click_copies_code_and_opens_links(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_chat((120, 32)) as chat:
        await start(chat, ("haiku", "sonnet"), "code")
        await until_over(chat)
        await chat.press("2", "home")
        copied: list[str] = []
        monkeypatch.setattr(chat.app, "copy_to_clipboard", copied.append)
        view = screen_of(chat).columns[1].view
        row = next(y for y, line in enumerate(shown(screen_of(chat).columns[1]).splitlines()) if "copy 1" in line)
        await chat.pilot.click(view, offset=(3, row))
        await chat.until(lambda: bool(copied))
        assert copied[0].startswith("import asyncio")
        await chat.press("1", "c")
        await chat.until(lambda: len(copied) == 2)
        turn = race_of(chat).lanes[0].turn
        assert turn is not None
        assert copied[1] == turn.text


async def test_a_race_goes_on_behind_another_tab(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat((120, 32)) as chat:
        front = chat.app.chat
        race = await start(chat, ("haiku", "sonnet"), "list of things")
        await until_talking(chat, race.lanes[:1])
        await chat.press("k")
        await chat.app.action_new_tab()
        await chat.until(lambda: chat.app.chat is not front)
        await chat.until(lambda: race.is_over)
        await chat.say("hello")
        assert front.session is not None
        assert front.session.conversation.turns == [race.lanes[0].turn]
        await chat.app.action_go_to_tab(1)
        await chat.until(lambda: chat.app.chat is front)
        await until_back(chat)
        assert ", . 1/2" in chat.log


async def test_closing_the_tab_of_a_race_saves_what_came(open_chat: OpenChat, unhurried: DemoServer) -> None:
    async with open_chat((120, 32)) as chat:
        await chat.app.action_new_tab()
        race = await start(chat, ("haiku", "sonnet"), "long 9000")
        await until_talking(chat, race.lanes)
        await chat.app.action_close_tab()
        await chat.until(lambda: race.is_over)
        conversation = await chat.app.runtime.store.load(race.session.conversation.id)
        assert conversation is not None
        assert [turn.outcome for turn in conversation.turns] == [Outcome.CANCELLED]
        assert len(conversation.versions[conversation.turns[0].id]) == 2
