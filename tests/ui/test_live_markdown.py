"""The widget of one growing reply, alone in an app: the same lines as the renderer's, whatever the deltas."""

from textual.app import App, ComposeResult
from textual.containers import Horizontal

from tui_chat.ui.markdown import render
from tui_chat.ui.widgets.live_markdown import LiveMarkdown

SOURCE = "# Title\n\nSome *text* with `code`.\n\n- one\n- two\n  - three\n\n```python\nprint('hello')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"


class Alone(App[None]):
    def compose(self) -> ComposeResult:
        yield LiveMarkdown(id="reply")


def shown(widget: LiveMarkdown) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


async def test_it_shows_what_the_renderer_makes() -> None:
    async with Alone().run_test(size=(60, 30)) as pilot:
        widget = pilot.app.query_one(LiveMarkdown)
        for character in SOURCE:
            widget.write(character)
            if character == "\n":
                await pilot.pause()
        widget.finish()
        await pilot.pause()
        width = widget.text_width
        expected = [strip.text.rstrip() for strip in render(SOURCE, width, widget.looks().markdown)]
        assert shown(widget)[: len(expected)] == expected
        assert widget.source == SOURCE


async def test_it_is_laid_out_again_for_another_width_and_follows_its_end() -> None:
    async with Alone().run_test(size=(60, 10)) as pilot:
        widget = pilot.app.query_one(LiveMarkdown)
        widget.write("word " * 200)
        await pilot.pause()
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        widget.write("\n\nthe end")
        widget.finish()
        await pilot.pause()
        assert shown(widget)[-1] == "the end"
        assert all(len(line) <= 30 for line in shown(widget))


class Columns(App[None]):
    def compose(self) -> ComposeResult:
        with Horizontal():
            yield LiveMarkdown(id="left")
            yield LiveMarkdown(id="right")


async def test_two_of_them_side_by_side_know_nothing_of_each_other() -> None:
    async with Columns().run_test(size=(80, 12)) as pilot:
        left, right = pilot.app.query(LiveMarkdown)
        for number in range(40):
            left.write(f"left {number}\n\n")
            right.write(f"- right {number}\n")
            await pilot.pause()
        right.show_from(3)
        left.write("the end of the left one")
        left.finish()
        await pilot.pause()
        assert shown(left)[-1] == "the end of the left one"
        assert shown(right)[0] == "• right 3"
        assert all(len(line) <= 40 for line in shown(left) + shown(right))


async def test_scrolled_up_it_keeps_the_place_when_it_is_laid_out_again() -> None:
    async with Alone().run_test(size=(60, 10)) as pilot:
        widget = pilot.app.query_one(LiveMarkdown)
        widget.write(
            "\n\n".join(f"paragraph {number} with words enough for more than one line" for number in range(80))
        )
        await pilot.pause()
        widget.show_from(widget.total // 2)
        await pilot.resize_terminal(30, 10)
        await pilot.pause()
        assert any(f"paragraph {number} " in line for number in range(36, 44) for line in shown(widget))


async def test_made_taller_it_shows_no_rows_beyond_its_end() -> None:
    async with Alone().run_test(size=(60, 10)) as pilot:
        widget = pilot.app.query_one(LiveMarkdown)
        widget.write("\n\n".join(f"paragraph {number}" for number in range(40)))
        await pilot.pause()
        widget.show_from(widget.max_top - 2)
        await pilot.resize_terminal(60, 30)
        await pilot.pause()
        assert shown(widget)[-1] == "paragraph 39"
        assert widget.following


async def test_it_can_begin_again() -> None:
    async with Alone().run_test(size=(60, 10)) as pilot:
        widget = pilot.app.query_one(LiveMarkdown)
        widget.write("word " * 300)
        widget.finish()
        await pilot.pause()
        widget.scroll_lines(-5)
        widget.clear()
        assert (widget.source, widget.total, widget.top, widget.following) == ("", 0, 0, True)
        widget.write("*new*")
        await pilot.pause()
        assert shown(widget)[0] == "new"
