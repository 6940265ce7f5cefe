"""Painting rows of one widget past the compositor.

Most frames of a streamed reply change one line of the log, or the clock in the status bar. For each of them Textual would collect
and render every widget that touches the changed area, about 4 ms; the rows alone take a twentieth. It is done only where the result
is the same: no toast, tooltip or dialog lies over the widget, and nothing waits to be laid out or repainted. Who uses it sees to it
that the widget has neither border nor padding and stands in no container that scrolls.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol, cast

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets._toast import ToastRack

_STYLES: Final = 2_000


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
        or any(isinstance(child, ToastRack) and child.children for child in screen.children)
        or screen._layout_required  # noqa: SLF001 - as above
        or screen._repaint_required  # noqa: SLF001 - as above
        or widget in screen._dirty_widgets  # noqa: SLF001 - as above
        or widget._repaint_regions  # noqa: SLF001 - as above
        or (screen._tooltip_widget is not None and screen._tooltip_widget.display)  # noqa: SLF001 - as above
        or screen.selections
        or screen.maximized is not None
        or widget.screen is not screen
    )
    return None if in_the_way else cast("RowTerminal", app)


class RowWidget(Widget):
    """A widget that makes its rows itself, whole and in the terminal's colours, for the compositor as for `paint`.

    So there is nothing to pad, and no cache of rows that painting past the compositor would have to keep true.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._styles_now: dict[Style | None, Style] = {}  # as it is written -> as it is shown
        self.is_waiting = False  # what was painted last went to the compositor, which shows it with its next frame

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._styles_now.clear()

    def render_lines(self, crop: Region) -> list[Strip]:
        """The rows of `crop`, as the compositor asks for them."""
        strips = [self.render_line(y) for y in range(crop.y, crop.bottom)]
        return strips if crop.width == self.size.width else [strip.crop(crop.x, crop.right) for strip in strips]

    def paint(self, rows: Sequence[int], region: Region, terminal: RowTerminal | None) -> None:
        """Paint these rows, of which there is one at least: on `terminal`, what `terminal_of` has just said, or the usual way."""
        self.is_waiting = terminal is None
        if terminal is not None:
            terminal.paint_rows(region.x, {region.y + y: self.render_line(y) for y in rows})
        else:
            self.refresh(Region(0, min(rows), region.width, max(rows) - min(rows) + 1))

    def over(self, style: Style | None) -> Style:
        """`style` over the widget's own colours, as the terminal gets it; each is worked out once."""
        known = self._styles_now.get(style)
        if known is None:
            if len(self._styles_now) > _STYLES:  # clicks carry their meaning in styles, so there is no end of them
                self._styles_now.clear()
            known = self._styles_now[style] = self._filtered(self.rich_style + style if style else self.rich_style)
        return known

    def own(self, strip: Iterable[Segment]) -> list[Segment]:
        """The segments of `strip` in the terminal's colours."""
        styles = self._styles_now
        return [Segment(text, styles.get(style) or self.over(style)) for text, style, _ in strip]

    def _filtered(self, style: Style) -> Style:
        segments = [Segment("x", style)]
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, self.background_colors[1])
        return segments[0].style or Style.null()
