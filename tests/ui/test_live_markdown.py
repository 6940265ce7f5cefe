"""The widget of one growing reply, alone in an app: the same lines as the renderer's, whatever the deltas."""

from textual.app import App, ComposeResult

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
