"""Painting rows of one widget past the compositor.

Most frames of a streamed reply change one line of the log, or the clock in the status bar. For each of them Textual would collect
and render every widget that touches the changed area, about 4 ms; the rows alone take a twentieth. It is done only where the result
is the same: nothing lies over the widget, nothing waits to be laid out or repainted, and the widget has neither border nor padding.
"""

from collections.abc import Mapping
from typing import Protocol, cast

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class RowTerminal(Protocol):
    """What an app offers whose terminal can be painted row by row."""

    def scroll_rows(self, top: int, bottom: int, lines: int) -> bool:
        """Move the rows from `top` up to `bottom` by `lines` upwards; False if the terminal's rows are not known."""

    def paint_rows(self, x: int, rows: Mapping[int, Strip]) -> None:
        """Show each strip in its row from column `x` on."""


def terminal_of(widget: Widget) -> RowTerminal | None:
    """The way past the compositor for `widget`, if there is one now."""
    app = widget.app
    if not hasattr(app, "paint_rows") or app.is_headless:
        return None
    screen = app.screen
    in_the_way = (
        app._batch_count  # noqa: SLF001 - Textual has no public way to ask these
        or app._notifications  # noqa: SLF001 - as above
        or screen._layout_required  # noqa: SLF001 - as above
        or screen._repaint_required  # noqa: SLF001 - as above
        or widget in screen._dirty_widgets  # noqa: SLF001 - as above
        or (screen._tooltip_widget is not None and screen._tooltip_widget.display)  # noqa: SLF001 - as above
        or screen.selections
        or screen.maximized is not None
        or widget.screen is not screen
    )
    return None if in_the_way else cast("RowTerminal", app)


def paint(widget: Widget, region: Region, rows: Mapping[int, Strip]) -> bool:
    """Paint `rows` (by their number within the widget, each of its whole width); False if it has to go the usual way."""
    terminal = terminal_of(widget)
    if terminal is None:
        return False
    terminal.paint_rows(region.x, {region.y + y: strip for y, strip in rows.items()})
    return True
