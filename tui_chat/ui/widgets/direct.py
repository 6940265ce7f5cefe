"""Painting a few rows of one widget past the compositor.

Most frames of a streamed reply change one line of the log, or the clock in the status bar. For each of them Textual would collect
and render every widget that touches the changed area, about 4 ms; the rows alone take a tenth. It is done only where the result is
the same: nothing lies over the widget, nothing waits to be laid out, and the widget has neither border nor padding.
"""

from collections.abc import Iterable

from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget


def paint_rows(widget: Widget, first: int, count: int, width: int) -> bool:
    """Paint `count` rows of `widget` from row `first` on, `width` cells each; False if it has to go the usual way."""
    app, screen = widget.app, widget.screen
    in_the_way = (
        app.screen is not screen
        or app._batch_count  # noqa: SLF001 - Textual has no public way to ask these
        or app._notifications  # noqa: SLF001 - as above
        or screen._layout_required  # noqa: SLF001 - as above
        or screen._repaint_required  # noqa: SLF001 - as above
        or screen._scroll_required  # noqa: SLF001 - as above
        or widget in screen._dirty_widgets  # noqa: SLF001 - as above
        or (screen._tooltip_widget is not None and screen._tooltip_widget.display)  # noqa: SLF001 - as above
        or screen.selections
        or screen.maximized is not None
    )
    region = widget.region
    if in_the_way or count < 1 or first + count > region.height:
        return False
    filters, background = widget.get_line_filters(), widget.background_colors[1]
    rows: list[Iterable[Strip]] = []
    for y in range(first, first + count):
        strip = widget.render_line(y).crop(0, width)
        for line_filter in filters:
            strip = strip.apply_filter(line_filter, background)
        rows.append([strip])
    widget._styles_cache.set_dirty(Region(0, first, region.width, count))  # noqa: SLF001 - what it holds is old now
    app._display(screen, LayoutUpdate(rows, Region(region.x, region.y + first, width, count)))  # noqa: SLF001 - the one door
    return True


def paint_lines(view: ScrollView, first: int, stop: int) -> bool:
    """Paint the lines of `view` from `first` up to `stop` that are in sight; False if they have to go the usual way."""
    top = max(0, first - view.scroll_offset.y)
    bottom = min(view.size.height, stop - view.scroll_offset.y)
    return top >= bottom or paint_rows(view, top, bottom - top, view.scrollable_content_region.width)
