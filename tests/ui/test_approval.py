"""The approval dialog: everything is shown, no is the default, and nothing that was not meant for it counts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import ModalScreen

import tui_chat.ui.app
from tui_chat.ui.screens.approval import GUARD, ApprovalScreen
from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.tool_text import fold, input_lines
from tui_chat.ui.widgets.call_view import CallView

LATER = GUARD + 1.0  # a busy machine may deliver a key late
SIZES = [(120, 40), (80, 24), (40, 12), (20, 6)]


def long_input(size: tuple[int, int]) -> dict[str, Any]:
    """More than fits on a screen of that size."""
    return {
        "path": "/home/me/p\u0430ssw\u043erd\u200b\u202e.txt",
        "names": ["Grüße", "日本語", "one\ntwo"],
        "why": "because it is a long text, " * (size[0] * size[1] // 26),
    }


class Under(App[None]):
    """What lies below the dialog: a log and a composer that would take every key, and bindings that would act."""

    CSS_PATH = Path(tui_chat.ui.app.__file__).parent / "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("y,x,tab", "act", "Act")]

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[bool | None] = []
        self.acted = 0

    def get_default_screen(self) -> LogScreen:
        return LogScreen()

    @property
    def chat(self) -> LogScreen:
        screen = self.screen_stack[0]
        assert isinstance(screen, LogScreen)
        return screen

    def action_act(self) -> None:
        self.acted += 1


class Asked:
    """The dialog on screen, with a clock that stands still until it is moved."""

    def __init__(self, app: Under, pilot: Pilot[None], **options: Any) -> None:
        self.app, self.pilot, self.now = app, pilot, 1000.0
        given: Mapping[str, Any] = options.pop("input", {"expression": "6 * 7"})
        name = options.pop("name", "calculator")
        what = options.pop("what", "Works out an expression.")
        self.screen = ApprovalScreen(name, given, what, clock=lambda: self.now, below=app.chat, **options)

    @property
    def answers(self) -> list[bool | None]:
        return self.app.answers

    @property
    def view(self) -> CallView:
        return self.screen.query_one(CallView)

    @property
    def typed(self) -> str:
        """What stands in the composer below."""
        return self.app.chat.composer.text

    @property
    def rows(self) -> list[str]:
        return [self.view.render_line(y).text.rstrip() for y in range(self.view.size.height)]

    async def show(self) -> None:
        self.app.chat.composer.focus()
        self.app.push_screen(self.screen, self.app.answers.append)
        await self.until(lambda: self.screen._quiet_from is not None)

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + 5
        while not condition():
            assert asyncio.get_running_loop().time() < deadline
            await self.pilot.pause(0.01)

    async def press(self, *keys: str, after: float = 0.0) -> None:
        """Press keys, each so many seconds after what came before it."""
        for key in keys:
            self.now += after
            await self.pilot.press(key)

    async def answered(self) -> list[bool | None]:
        await self.until(lambda: bool(self.answers))
        await self.pilot.pause()
        return self.answers


@asynccontextmanager
async def asked(size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Asked]:
    async with Under().run_test(size=size) as pilot:
        assert isinstance(pilot.app, Under)
        dialog = Asked(pilot.app, pilot, **options)
        await dialog.show()
        yield dialog


async def test_y_allows() -> None:
    async with asked() as dialog:
        await dialog.press("y", after=LATER)
        assert await dialog.answered() == [True]


@pytest.mark.parametrize("key", ["n", "enter", "escape", "ctrl+c"])
async def test_no_is_said_in_many_ways(key: str) -> None:
    async with asked() as dialog:
        await dialog.press(key, after=LATER)
        assert await dialog.answered() == [False]


async def test_keys_typed_ahead_do_nothing_and_begin_the_wait_anew() -> None:
    async with asked() as dialog:
        await dialog.press("y", "n", "enter", "y", after=GUARD * 0.9)
        assert dialog.answers == []
        await dialog.press("y", after=LATER)
        assert await dialog.answered() == [True]


async def test_escape_denies_at_once() -> None:
    async with asked() as dialog:
        await dialog.press("escape")
        assert await dialog.answered() == [False]


async def test_a_held_key_and_text_that_goes_on_answer_nothing() -> None:
    async with asked() as dialog:
        await dialog.press(*"yyyyyy", after=0.03)  # held since before
        dialog.now += LATER
        await dialog.press("y", "y")  # it repeats only now
        await dialog.press(*"yes do", after=0.1)
        dialog.now += LATER
        await dialog.press("y", "o")
        assert (dialog.screen._settling, dialog.answers) == (None, [])
        await dialog.press("y", after=LATER)
        assert await dialog.answered() == [True]


async def test_no_right_behind_yes_is_no() -> None:
    async with asked() as dialog:
        await dialog.press("y", after=LATER)
        await dialog.press("n")
        assert await dialog.answered() == [False]


async def test_a_key_counts_by_the_time_at_which_it_was_typed() -> None:
    async with asked() as dialog:
        dialog.now += 2.0  # the screen stood still for so long
        early = events.Key("y", "y")
        early.time = time.monotonic() - 1.9
        dialog.screen.post_message(early)
        await dialog.pilot.pause()
        assert (dialog.screen._settling, dialog.answers) == (None, [])
        await dialog.press("y")
        assert await dialog.answered() == [True]


async def test_text_that_answers_nothing_goes_on_to_the_composer_and_nothing_else_does() -> None:
    async with asked() as dialog:
        await dialog.press(*"yes, no", "backspace", "enter", "tab", "up", "f1", "ctrl+u", after=0.01)
        await dialog.pilot.pause()
        assert (dialog.typed, dialog.answers) == ("yes, n", [])
        await dialog.press(*"xab", "space", "tab", "ctrl+k", after=LATER)
        await dialog.press("y", after=LATER)  # and more follows
        await dialog.press("a", "!")
        dialog.app.chat.app.post_message(events.Paste("pas\x1bted"))
        await dialog.until(lambda: dialog.typed.endswith("ted"))
        assert dialog.typed == "yes, nxab ya!pas␛ted"
        await dialog.press("y", after=LATER)
        assert await dialog.answered() == [True]
        assert (dialog.app.acted, dialog.typed) == (0, "yes, nxab ya!pas␛ted")


async def test_a_key_that_was_no_answer_begins_the_wait_anew() -> None:
    """Who types slowly, and a word that ends in the key that allows, allows nothing."""
    async with asked() as dialog:
        dialog.now += LATER
        await dialog.press(*"try", after=GUARD * 0.9)
        await dialog.pilot.pause(0.3)
        assert (dialog.screen._settling, dialog.answers, dialog.typed) == (None, [], "try")


async def test_with_the_log_focused_below_letters_go_nowhere() -> None:
    """There they would be commands."""
    async with asked() as dialog:
        dialog.app.chat.set_focus(dialog.app.chat.log_widget)
        await dialog.press(*"cy", after=0.01)
        await dialog.until(lambda: any("too early; press it again" in row for row in dialog.rows))
        assert (dialog.typed, dialog.answers) == ("", [])


async def test_the_answers_look_as_if_they_counted_only_when_they_do() -> None:
    async with asked() as dialog:
        assert not dialog.view.ready
        await dialog.until(lambda: dialog.view.ready)
        row = next(y for y, text in enumerate(dialog.rows) if "n deny" in text)
        ready = [segment.style for segment in dialog.view.render_line(row)]
        await dialog.press("y")
        assert not dialog.view.ready
        assert [segment.style for segment in dialog.view.render_line(row)] != ready
        assert any("too early; typed below" in text for text in dialog.rows)
        await dialog.press("tab", after=LATER)
        assert any("n denies, y allows" in text for text in dialog.rows)
        await dialog.press("enter")
        assert any("too early; press it again" in text for text in dialog.rows)
        await dialog.until(lambda: dialog.view.ready)


async def test_answers_are_clicked_under_the_same_guard() -> None:
    for answer, result in (("deny", False), ("allow", True)):
        async with asked() as dialog:
            row = next(y for y, text in enumerate(dialog.rows) if "allow" in text)
            place = dialog.view.gutter.left + dialog.rows[row].index(answer), dialog.view.gutter.top + row
            await dialog.pilot.click(dialog.view, offset=place)
            await dialog.until(lambda dialog=dialog: any("click again" in text for text in dialog.rows))  # type: ignore[misc]  # mypy cannot infer a default
            assert dialog.answers == []
            dialog.now += LATER
            await dialog.pilot.click(dialog.view, offset=(place[0], 0))  # beside it
            await dialog.pilot.pause()
            assert dialog.answers == []
            await dialog.pilot.click(dialog.view, offset=place)
            assert await dialog.answered() == [result]


async def test_a_time_out_denies_and_is_told_in_its_last_seconds() -> None:
    async with asked(timeout=100.0) as dialog:
        dialog.now += 60
        dialog.screen._look_at_the_clock()
        assert not any("denied in" in row for row in dialog.rows)
        dialog.now += 20.5
        await dialog.until(lambda: any("denied in 20s" in row for row in dialog.rows))
        dialog.now += 20
        assert await dialog.answered() == [False]


async def test_closing_the_program_is_a_no() -> None:
    app = Under()
    async with app.run_test() as pilot:
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        app.push_screen(ApprovalScreen("calculator", {}), answer.set_result)
        screen = app.screen
        await pilot.pause()
        waiting = screen._result_callbacks[-1].future
        app.exit()
    assert waiting is not None
    assert waiting.result() is False


async def test_what_is_withdrawn_closes_with_a_no() -> None:
    async with asked() as dialog:
        dialog.screen.withdraw()
        assert await dialog.answered() == [False]
        dialog.screen.withdraw()
        assert dialog.answers == [False]


async def test_below_another_dialog_it_waits_and_is_guarded_again() -> None:
    async with asked(timeout=50.0) as dialog:
        above: ModalScreen[None] = ModalScreen()
        dialog.now += LATER
        await dialog.app.push_screen(above)
        above.dismiss()
        await dialog.until(lambda: dialog.screen.is_active)
        await dialog.until(lambda: dialog.screen._quiet_from == dialog.now)
        await dialog.press("y")
        assert dialog.answers == []
        above = ModalScreen()
        await dialog.app.push_screen(above)
        dialog.now += 60
        dialog.screen._look_at_the_clock()
        await dialog.pilot.pause()
        assert (dialog.app.screen, dialog.answers) == (above, [])
        above.dismiss()
        assert await dialog.answered() == [False]


async def test_keys_can_be_remapped_but_enter_and_escape_stay_no() -> None:
    async with Under().run_test() as pilot:
        app = pilot.app
        assert isinstance(app, Under)
        app.set_keymap({"approval.allow": "enter,a", "approval.deny": "d"})
        for key, result in (("a", True), ("d", False), ("enter", False)):
            app.answers.clear()
            dialog = Asked(app, pilot)
            await dialog.show()
            await dialog.press("y", "n", after=LATER)
            assert dialog.answers == []
            assert any(" d deny" in row and "enter allow" in row for row in dialog.rows)
            await dialog.press(key, after=LATER)
            assert await dialog.answered() == [result]


@pytest.mark.parametrize("size", SIZES)
async def test_the_whole_input_can_be_read_and_what_is_below_is_counted(size: tuple[int, int]) -> None:
    given = long_input(size)
    async with asked(size, input=given) as dialog:
        wanted = [row for line in input_lines(given) for row in fold(line, dialog.view.size.width)]
        first = next(y for y, row in enumerate(dialog.rows) if row.strip() == wanted[0].strip())
        counted = next(y for y, row in enumerate(dialog.rows) if "more line" in row)
        shown = counted - first
        assert dialog.rows[counted].startswith(f"↓ {len(wanted) - shown:,} more lines")
        assert dialog.rows[counted].endswith("   Down, PgDn") or size[0] < 30
        seen: list[str] = []
        dialog.now += LATER
        for _ in wanted:
            seen.append(dialog.rows[first])
            if "more line" not in dialog.rows[counted]:
                break
            await dialog.press("down")
        assert [row.rstrip() for row in wanted] == [*seen, *dialog.rows[first + 1 : counted]]
        assert dialog.rows[counted] == f"↑ {len(wanted) - shown} above" + "   Up, PgUp" * (size[0] > 30)
        await dialog.press("home")
        assert dialog.rows[first] == wanted[0].rstrip()
        await dialog.press("pagedown", "pageup", "end")
        assert dialog.rows[counted - 1] == wanted[-1].rstrip()
        assert any("deny" in row and "allow" in row for row in dialog.rows)
        assert all(row.isprintable() for row in dialog.rows)


@pytest.mark.parametrize("size", SIZES)
async def test_it_fits_on_the_screen(size: tuple[int, int]) -> None:
    async with asked(size, input=long_input(size), more=2, timeout=10.0) as dialog:
        region, chat = dialog.view.region, dialog.app.chat
        assert (region.x, region.right) == (0, size[0])
        assert region.bottom == (chat.prompt.region.y if size[1] > 12 else size[1])
        await dialog.until(lambda: size[1] < 15 or chat.log_widget.region.bottom == dialog.view.region.y)
        assert chat.log_widget.region.height > 5 or size[1] < 15
        assert dialog.rows[0].startswith("Run calculator?")
        await dialog.until(lambda: any("2 more wait" in row and "denied" in row for row in dialog.rows) or size[0] < 30)
        dialog.screen.waiting(1)
        await dialog.until(lambda: any("1 more waits" in row for row in dialog.rows))
        assert any(" n deny " in row and "y allow" in row for row in dialog.rows)


async def test_a_short_input_takes_no_more_room_than_it_needs() -> None:
    async with asked() as dialog:
        assert dialog.rows == [
            "Run calculator?",
            "Works out an expression.",
            "",
            '"expression": "6 * 7"',
            "",
            " n deny    y allow",
        ]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 24)])
async def test_the_end_of_the_reply_stays_readable_above_it(size: tuple[int, int]) -> None:
    async with Under().run_test(size=size) as pilot:
        app = pilot.app
        assert isinstance(app, Under)
        log = app.chat.log_widget
        log.add_reply("a", "Some text.\n\n" * 50 + "That is why I call it.")
        dialog = Asked(app, pilot, input=long_input(size))
        await dialog.show()
        await dialog.until(lambda: log.region.bottom == dialog.view.region.y)
        await dialog.until(lambda: any("why I call" in log.text_at(log.top + y) for y in range(log.size.height)))
        for _ in range(3):  # a line more in the composer, which stays in view
            app.chat.composer.insert("\n")
        await dialog.press("x")
        await dialog.until(lambda: dialog.view.region.bottom == app.chat.prompt.region.y < size[1] - 6)
        await pilot.resize_terminal(size[0] - 4, size[1] - 2)
        await dialog.until(lambda: dialog.view.region.bottom == app.chat.prompt.region.y)
        await dialog.until(lambda: log.region.bottom == dialog.view.region.y and log.following)


async def test_nothing_is_laid_out_while_nobody_types() -> None:
    async with asked(timeout=100.0) as dialog:
        dialog.app.chat.composer.insert("x")
        await dialog.until(lambda: dialog.view.ready)
        await dialog.pilot.pause(0.3)
        placed: list[None] = []
        for screen in (dialog.screen, dialog.app.chat):
            screen.screen_layout_refresh_signal.subscribe(screen, lambda _: placed.append(None), immediate=True)
        await dialog.pilot.pause(0.5)
        assert placed == []


async def test_where_a_tool_works_is_said_whatever_else_has_no_room() -> None:
    for size in ((80, 24), (40, 12), (24, 7)):
        async with asked(size, place="~/notes", what="Reads. " * 60, input={"path": "a " * 200}) as dialog:
            assert "below ~/notes" in dialog.rows
            assert any(row.startswith("Reads.") for row in dialog.rows) == (size[1] > 7)
    async with asked(place="/a\u202e" + "/long" * 100 + "/end") as dialog:
        below = [row for row in dialog.rows if "long" in row]
        assert below[0].startswith("below …")
        assert "  end" in dialog.rows


async def test_an_explanation_that_is_cut_says_so() -> None:
    async with asked(what="Does one thing after the other. " * 20) as dialog:
        assert dialog.rows[3].endswith("…")
        assert [row.startswith("Does") or "thing" in row for row in dialog.rows[1:5]] == [True, True, True, False]
    async with asked(what="x" * 3 * 74) as dialog:
        assert not any("…" in row for row in dialog.rows)


async def test_names_and_explanations_are_outside_text_too() -> None:
    async with asked(name="re\u0430d[b]\x1b", what="[bold]what\u202e\x1b]0;x\x07") as dialog:
        assert dialog.rows[0] == r"Run re\u0430d[b]\u001b?"
        assert "[bold]what" in dialog.rows[1]
        assert all(row.isprintable() for row in dialog.rows)


async def test_a_resize_shows_the_same_input_from_its_top() -> None:
    given = long_input((120, 40))
    async with asked((120, 40), input=given) as dialog:
        await dialog.press("end", after=LATER)
        await dialog.pilot.resize_terminal(60, 20)
        await dialog.pilot.pause()
        wanted = [row for line in input_lines(given) for row in fold(line, dialog.view.size.width)]
        shown = [row for row in dialog.rows if row in {each.rstrip() for each in wanted}]
        assert len(shown) > 3
        await dialog.press("home")
        assert wanted[0].rstrip() in dialog.rows
