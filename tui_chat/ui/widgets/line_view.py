"""A widget of many lines of which a window is shown: scrolling, following the end, the scrollbar, the selection.

Why not Textual's ScrollView: each line more changes its virtual size, which lays out the whole screen and repaints the widget, 15 ms
for every new line of a reply. Here a new line moves the terminal's rows and paints one. The rows go to the terminal past the
compositor where that is safe (`direct.py`), and through it where something is in the way.

What the change was worth: cProfile over a reply of 1,000 tokens at 200 tok/s in a pty, seconds in all frames.

    before: ScrollView, 1.68            after: 0.39
    Compositor._render_chops    0.86    FrameGate.flush (a whole frame)     0.19
    StylesCache.render          0.68        LineView._show                  0.10
    MessageLog.render_line      0.39            paint_rows, to the terminal 0.05
    Strip.__init__, 21,192 of   0.16        LiveDocument.update             0.07
                                        the engine: bytes to events         0.10
                                        the status bar's clock              0.05

Following is ours too: at the end the view follows; scrolled up it stays where the reader is, whatever grows below. It knows nothing
of markdown or messages: what a line shows is the subclass's.
"""

import re
from functools import partial
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.timer import Timer

from tui_chat.ui.widgets.direct import RowWidget, terminal_of
from tui_chat.ui.widgets.line_selection import LineSelection, Place
from tui_chat.ui.widgets.looks import component_style

BAR: Final = 1  # columns of the scrollbar
WHEEL: Final = 3  # lines of one step of the wheel
_AUTO_SCROLL: Final = 0.05  # seconds between two steps while the mouse selects beyond an edge
_WORD: Final = re.compile(r"[\w./:@#%+~-]+|[^\s\w]+")  # what a double click takes: also paths, versions, addresses
_END: Final = 1 << 60  # a line below all others


class LineView(RowWidget):
    """Subclasses give `total` and `line`, and call `changed`."""

    ALLOW_SELECT = False  # Textual's selection; ours is below
    INDENT = 0  # columns at the left that are never shown as selected
    FAMILY: ClassVar[str] = ""  # of the subclass's component classes: `wire` of `wire--gap`
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--thumb", "lines--thumb-held", "lines--selection"}
    DEFAULT_CSS = "LineView { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0  # the first line in view
        self.following = True
        self.selection: LineSelection | None = None
        self._painted_top = 0
        self._painted_thumb = range(0)
        self._parts: dict[str, Style] = {}  # component styles by name
        self._thumb_grip: int | None = None  # where the mouse holds the thumb, in rows from its top
        self._pressed: Place | None = None  # where the mouse went down on the text
        self.dragged = False  # the mouse went down to select or to scroll; letting go is no click
        self._auto_scroll: Timer | None = None

    # For subclasses ------------------------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, index: int) -> Strip | None:
        """A line's content, at most `text_width` cells of it are shown."""
        raise NotImplementedError

    def overlay(self, strip: Strip, row: int) -> Strip:
        """The last word on a row of the view."""
        return strip

    def hovered(self, event: events.MouseMove) -> None:
        """The mouse is over the view, and nothing is dragged."""

    def unhovered(self) -> None:
        """The mouse has left the view, or the lines have moved away under it."""

    def on_leave(self) -> None:
        """The mouse is elsewhere."""
        self.unhovered()

    def prepare(self) -> bool:
        """The view has moved: lay out what is in it now. May move `top`; True if lines have other numbers now."""
        return False

    @property
    def text_width(self) -> int:
        """The cells of a line."""
        return max(0, self.size.width - BAR)

    def changed(self, first: int, stop: int | None = None) -> None:
        """The lines from `first` up to `stop` (None: and all below) show something else now, or are new, or gone."""
        top = self.max_top if self.following else min(self.top, self.max_top)
        back, self.top = top < self.top, top
        if back and self.prepare():
            first, stop, self.top = 0, None, min(self.top, self.max_top)
        self.following = self.following or (back and self.top == self.max_top)
        self._show(first, _END if stop is None else stop)

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._parts.clear()

    # Scrolling -----------------------------------------------------------------------------------------------------

    @property
    def max_top(self) -> int:
        """The first line in view when the end is shown."""
        return max(0, self.total - self.size.height)

    @property
    def below(self) -> int:
        """How many lines are below the view."""
        return max(0, self.total - self.top - self.size.height)

    def show_from(self, line: int, *, stay: bool = False) -> None:
        """Make `line` the first in view; at the end the view follows again, unless it is to `stay`."""
        self.top = max(0, min(line, self.max_top))
        self.following = False
        first = 0 if self.prepare() else _END
        self.following = not stay and self.top >= self.max_top
        self._show(first, _END)

    def scroll_lines(self, lines: int) -> None:
        """Move down by `lines`, up if negative."""
        if lines < 0 or not self.following:
            self.show_from(self.top + lines)

    def page(self, direction: int) -> None:
        """Move one page up (-1) or down (1), with one line of overlap."""
        self.scroll_lines(direction * max(1, self.size.height - 1))

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.top = self.max_top
        first = 0 if self.prepare() else _END
        self.top, self.following = self.max_top, True
        self._show(first, _END)

    def action_to_start(self) -> None:
        """Go to the first line."""
        self.show_from(0)

    # Painting ------------------------------------------------------------------------------------------------------

    def _show(self, first: int, stop: int) -> None:
        """Bring the screen up to date: the lines from `first` up to `stop` have changed, the view may have moved."""
        region = self.region
        height, top = region.height, self.top
        if not height:
            return
        moved, before = top - self._painted_top, self._painted_thumb
        thumb = self._thumb()
        if moved:
            self.unhovered()
        rows = set(range(max(0, first - top), max(0, min(height, stop - top))))
        if moved or not self.following:
            rows |= self._overlaid_rows(moved)
        terminal = terminal_of(self)
        if moved:
            movable = terminal is not None and abs(moved) < height and region.width == self.app.size.width
            if movable and terminal is not None and terminal.scroll_rows(region.y, region.bottom, moved):
                rows |= set(range(height - moved, height) if moved > 0 else range(-moved))
                before = range(before.start - moved, before.stop - moved)
            else:
                rows = set(range(height))
        if thumb != before:
            rows |= {row for row in {*thumb} ^ {*before} if 0 <= row < height}
        self._painted_top, self._painted_thumb = top, thumb
        if rows:
            self.paint(sorted(rows), region, terminal)

    def _overlaid_rows(self, moved: int) -> set[int]:
        """The rows that may show more than their line, before and after the view moved by `moved` lines."""
        height = self.size.height
        return {row for row in (height - 1, height - 1 - moved) if 0 <= row < height}

    def render_line(self, y: int) -> Strip:
        """One row of the view."""
        width = self.text_width
        line = self.top + y
        content = self.line(line)
        if content is not None and content.cell_length > width:
            content = content.crop(0, width)
        segments = self.own(content) if content is not None else []
        used = content.cell_length if content is not None else 0
        if used < width:
            segments.append(Segment(" " * (width - used), self.over(None)))
        if self.selection is not None and (span := self.selection.span(line)) is not None:
            segments = self._select(segments, span, width)
        strip = self.overlay(Strip(segments, width), y)
        thumb = "" if y not in self._painted_thumb else "thumb" if self._thumb_grip is None else "thumb-held"
        return Strip([*strip, Segment(" " * BAR, self._part(thumb) if thumb else self.over(None))], width + BAR)

    def selection_as_shown(self) -> str:
        """The selected cells, row by row; '' if nothing is selected."""
        if self.selection is None:
            return ""
        lines: list[str] = []
        for number in range(self.selection.first.line, min(self.selection.last.line + 1, self.total)):
            strip, span = self.line(number), self.selection.span(number)
            if strip is not None and span is not None:
                lines.append(strip.crop(span[0], span[1]).text.rstrip())
        return "\n".join(lines)

    def _select(self, segments: list[Segment], span: tuple[int, int | None], width: int) -> list[Segment]:
        start, stop = max(span[0], self.INDENT), width if span[1] is None else min(span[1], width)
        if start >= stop:
            return segments
        whole = Strip(segments, width)
        middle = Segment.apply_style(whole.crop(start, stop), post_style=self._part("selection"))
        return [*whole.crop(0, start), *middle, *whole.crop(stop, width)]

    def look(self, name: str) -> Style:
        """The style of the component class of that name, of the widget's family; `row` is a shade behind the row under the cursor."""
        key = f"{self.FAMILY}--{name}"
        if key not in self._parts:
            style = component_style(self, key)
            if name == "row":  # an ANSI theme has no shades
                shade = self.get_component_rich_style(key).bgcolor
                style = Style(bgcolor=None if shade is None or shade.is_default else shade)
            self._parts[key] = style
        return self._parts[key]

    def _part(self, name: str) -> Style:
        """The background that the component class gives, as a colour that hides what is under it."""
        if name not in self._parts:
            background = self.get_component_rich_style(f"lines--{name}").bgcolor
            plain = background is None or background.is_default  # an ANSI theme, which has no shades
            self._parts[name] = self._filtered(Style(reverse=True) if plain else Style(bgcolor=background))
        return self._parts[name]

    # The scrollbar -------------------------------------------------------------------------------------------------

    def _thumb(self) -> range:
        """The rows of the scrollbar's thumb; none if everything is in view."""
        height, total = self.size.height, self.total
        if total <= height or not height:
            return range(0)
        length = max(1, height * height // total)
        start = round((height - length) * self.top / (total - height))
        return range(start, start + length)

    def _drag_thumb(self, y: int) -> None:
        height, thumb = self.size.height, self._thumb()
        free = height - len(thumb)
        if free > 0 and self._thumb_grip is not None:
            self.show_from(round((y - self._thumb_grip) / free * self.max_top))

    # The mouse -----------------------------------------------------------------------------------------------------

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the view."""
        event.stop()
        self.scroll_lines(WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the view."""
        event.stop()
        self.scroll_lines(-WHEEL)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the scrollbar, or begin a selection."""
        if event.button != 1:
            return
        self.deselect()
        self.capture_mouse()
        self.dragged = False
        if event.x >= self.text_width:
            thumb = self._thumb()
            self.dragged = True
            self._thumb_grip = event.y - thumb.start if event.y in thumb else len(thumb) // 2
            self._drag_thumb(event.y)
            self._show_thumb()
        else:
            self._pressed = self._place(event)

    def on_click(self, event: events.Click) -> None:
        """A double click selects a word, a triple one the row."""
        if event.chain < 2 or event.x >= self.text_width or (strip := self.line(self.top + event.y)) is None:
            return
        line, text = self.top + event.y, strip.text
        first, last = 0, cell_len(text.rstrip()) - 1
        if event.chain == 2:
            words = (
                (cell_len(text[: word.start()]), cell_len(text[: word.end()]) - 1) for word in _WORD.finditer(text)
            )
            first, last = next(
                ((start, end) for start, end in words if start <= event.x <= end), (event.x, event.x - 1)
            )
        if first <= last:
            self.selection = LineSelection(Place(line, first), Place(line, last))
            self._show(line, line + 1)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Drag the scrollbar, or the end of the selection; beyond an edge the view moves along."""
        if self._thumb_grip is not None:
            self._drag_thumb(event.y)
        elif self._pressed is not None:
            self._select_to(event, self._pressed)
            beyond = event.y if event.y < 0 else max(0, event.y - self.size.height + 1)
            if self._auto_scroll is not None:
                self._auto_scroll.stop()
                self._auto_scroll = None
            if beyond:
                self._auto_scroll = self.set_interval(_AUTO_SCROLL, partial(self._select_beyond, event, beyond))
        else:
            self.hovered(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go."""
        self.let_go()

    def let_go(self) -> None:
        """The mouse holds nothing any more."""
        self.release_mouse()
        held, self._thumb_grip, self._pressed = self._thumb_grip is not None, None, None
        if held:
            self._show_thumb()
        if self._auto_scroll is not None:
            self._auto_scroll.stop()
            self._auto_scroll = None

    def _show_thumb(self) -> None:
        thumb = self._thumb()
        self._show(self.top + thumb.start, self.top + thumb.stop)

    def _select_beyond(self, event: events.MouseMove, by: int) -> None:
        if self._pressed is not None:
            self.scroll_lines(by)
            self._select_to(event, self._pressed)

    def _select_to(self, event: events.MouseMove, pressed: Place) -> None:
        place = self._place(event)
        if self.selection is None:
            if place == pressed:
                return
            self.selection, self.dragged = LineSelection(pressed, pressed), True
        before, self.selection.head = self.selection.head, place
        self._show(min(before.line, place.line, pressed.line), max(before.line, place.line, pressed.line) + 1)

    def _place(self, event: events.MouseEvent) -> Place:
        row = max(0, min(event.y, self.size.height - 1))
        return Place(min(self.top + row, max(0, self.total - 1)), max(0, min(event.x, self.text_width - 1)))

    def deselect(self) -> None:
        """Nothing is selected any more."""
        selection, self.selection = self.selection, None
        if selection is not None:
            self._show(selection.first.line, selection.last.line + 1)
