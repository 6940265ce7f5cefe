"""The conversation in one line-API widget.

Why one widget: every layout of Textual walks all widgets of the screen, so a widget a message makes each token dearer than the
last. Here messages are items that hold source and lines; the screen asks for the lines it shows; a running reply changes only
its open tail, at most once a frame. What was never in view is never laid out.

Following is ours: at the end the log follows; when the reader scrolls up it stays where they are, whatever grows below, and a
mark says how much. It knows nothing of turns, stores or the network: values come down as calls, facts go up as messages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip

from tui_chat.ui.widgets.direct import paint_lines
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.keys import own_actions, passed_on
from tui_chat.ui.widgets.log_items import LogItem, NoticeItem, PromptItem, ReplyItem, plain
from tui_chat.ui.widgets.log_layout import LogLayout
from tui_chat.ui.widgets.log_paint import selected, selected_text, with_mark
from tui_chat.ui.widgets.markdown_view import Looks, MarkdownView

_CURSOR_MARK: Final = "▎"


class MessageLog(MarkdownView, can_focus=True):
    """Prompts and replies, the newest at the end. Focused, it has a message cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move_cursor(-1)", "Previous message", id="log.previous"),
        Binding("down,j", "move_cursor(1)", "Next message", id="log.next"),
        Binding("home", "to_start", "Start", id="log.start"),
        Binding("end", "follow", "End", id="log.end"),
    ]

    @dataclass
    class ActionChosen(Message):
        """An action of a reply's footer was clicked."""

        action: str
        turn_id: str

    @dataclass
    class LinkClicked(Message):
        """A link in a reply was clicked."""

        url: str

    @dataclass
    class CodeChosen(Message):
        """A code block is to be copied."""

        code: str

    @dataclass
    class KeyTyped(Message):
        """A key that means nothing here: it belongs to the composer."""

        key: str
        character: str | None

    @dataclass
    class LeftAtEnd(Message):
        """The cursor was moved below the last message."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items = LogLayout()
        self._replies: dict[str, ReplyItem] = {}
        self._looks: Looks | None = None
        self.following = True  # whether the log follows its end
        self._moving_ourselves = False
        self._dirty: set[str] = set()
        self._frames = FrameGate(self, self._flush)
        self._cursor: int | None = None
        self._keys: dict[str, str] | None = None
        self._in_bulk = False
        self._typing = False  # keys go to the composer, which will have the focus in a moment

    # Values down ---------------------------------------------------------------------------------------------------

    def add_prompt(self, turn_id: str, text: str) -> None:
        """Append a user message."""
        self._append(PromptItem(turn_id, text))

    def add_reply(self, turn_id: str, text: str = "") -> None:
        """Append a reply, finished or about to grow."""
        reply = ReplyItem(turn_id, text)
        self._replies[turn_id] = reply
        self._append(reply)

    def add_notice(self, text: str, style: str = "footer") -> None:
        """Append a quiet line of the program's own."""
        self._append(NoticeItem(text, style))

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """While a whole conversation is appended: only its end is laid out, once."""
        self._in_bulk = True
        try:
            yield
        finally:
            self._in_bulk = False
            self._items.fill_end(self.size.height)
            self._resized()
            self.refresh()

    def reply(self, turn_id: str) -> ReplyItem:
        """A reply that is about to change: what is done to it is painted with the next frame."""
        self._dirty.add(turn_id)
        self._frames.request()
        return self._replies[turn_id]

    def stop_typing(self) -> None:
        """The key was for the log after all."""
        self._typing = False

    def clear(self) -> None:
        """Empty the log."""
        self._items.clear()
        self._replies.clear()
        self._dirty.clear()
        self._cursor, self.following = None, True
        self._resized()
        self.refresh()

    @property
    def _pointed_at(self) -> LogItem | None:
        return None if self._cursor is None else self._items.items[self._cursor]

    @property
    def cursor_turn(self) -> str | None:
        """The turn under the message cursor."""
        item = self._pointed_at
        return item.turn_id or None if item is not None else None

    @property
    def cursor_source(self) -> str:
        """The source of the message under the cursor."""
        item = self._pointed_at
        return item.source if item is not None else ""

    def code_under_cursor(self, number: int) -> str | None:
        """A code block of the reply under the cursor, from 1."""
        item = self._pointed_at
        return item.code(number) if isinstance(item, ReplyItem) else None

    # Growing -------------------------------------------------------------------------------------------------------

    def _append(self, item: LogItem) -> None:
        self._items.append(item)
        if not self.has_focus:
            self._cursor = None  # the next time the log points at the newest message
        if self._in_bulk:
            return
        self._items.fill(len(self._items.items) - 1)
        self._resized()
        self.refresh()

    def _flush(self) -> None:
        turn_ids, self._dirty = self._dirty, set()
        for turn_id in turn_ids:
            reply = self._replies.get(turn_id)
            if reply is None or not reply.width:
                continue
            place = self._items.place_of(reply)
            first = self._items.start(place) + reply.update()
            if self._items.settle(place):
                self._resized()
                self._refresh_from(first)
            elif not paint_lines(self, first, self._items.start(place) + reply.height):
                self._refresh_from(first)

    def _refresh_from(self, line: int) -> None:
        top = max(0, line - self.scroll_offset.y)
        height = self.size.height
        if top < height:
            self.refresh(Region(0, top, self.size.width, height - top))
        elif not self.following:
            self.refresh(Region(0, height - 1, self.size.width, 1))  # the mark that counts what is below

    # Layout --------------------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """The styles may have changed; what they are now is known after the next refresh."""
        super().notify_style_update()
        if self._looks is not None:
            self.call_after_refresh(self._restyle)

    def _restyle(self) -> None:
        looks = self.looks()
        if looks != self._looks:
            self._looks = looks
            self._lay_out_again(self._items.width)

    def on_resize(self) -> None:
        """The width changed: the reader's line stays where it is."""
        width = self.scrollable_content_region.width
        if width and width != self._items.width:
            self._lay_out_again(width)
        else:
            self._resized()

    def _lay_out_again(self, width: int) -> None:
        if self._looks is None:
            self._looks = self.looks()
        items, top = self._items, self.scroll_offset.y
        place = None if self.following else items.place_at(top)
        share = 0.0 if place is None else (top - items.start(place)) / max(1, items.height(place))
        items.restyle(width, self._looks)
        if place is None:
            items.fill_end(self.size.height)
            self._resized()
        else:
            items.fill_from(place, self.size.height * 2)
            self._resized()
            self._scroll(items.start(place) + int(share * items.height(place)))
        self.refresh()

    def _fill_view(self) -> None:
        """Lay out what has come into view; what grows above the view moves the view with it."""
        items = self._items
        while True:
            top = self.scroll_offset.y
            place = items.hole(top, top + self.size.height)
            if place is None or not items.width:
                return
            above = items.start(place) < top
            grown = items.fill(place)
            if grown:
                self._resized()
                if above:
                    self._scroll(top + grown)

    def _resized(self) -> None:
        """The number of lines changed: tell the scrollbar, and follow the end if we follow."""
        with self._ourselves():
            self.virtual_size = Size(self._items.width, self._items.total)
            if self.following:
                self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def _scroll(self, y: int) -> None:
        with self._ourselves():
            self.scroll_to(y=y, animate=False, force=True)

    @contextmanager
    def _ourselves(self) -> Iterator[None]:
        before, self._moving_ourselves = self._moving_ourselves, True
        try:
            yield
        finally:
            self._moving_ourselves = before

    # Scrolling -----------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow at the end, stay anywhere else."""
        if not self._moving_ourselves:
            if new_value >= self.max_scroll_y:
                self.following = True  # also when the view grew, and the place was moved to the new end
            elif new_value < old_value:
                self.following = False
            elif new_value >= self.max_scroll_y - 1:
                self.following = True
            self._fill_view()
        super().watch_scroll_y(old_value, new_value)

    def action_follow(self) -> None:
        """Go to the end and stay there."""
        self.following = True
        self._items.fill_end(self.size.height)
        self._resized()
        self.refresh()

    def action_to_start(self) -> None:
        """Go to the first message."""
        self.following = False
        self.scroll_to(y=0, animate=False, force=True)

    def page(self, direction: int) -> None:
        """Move one page up (-1) or down (1), with one line of overlap."""
        self.scroll_to(y=self.scroll_offset.y + direction * max(1, self.size.height - 1), animate=False, force=True)

    # The message cursor --------------------------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Focused, the log points at a message: the last one at first."""
        if self._cursor is None and self._items.items:
            self._cursor = len(self._items.items) - 1
        self.refresh()

    def on_blur(self) -> None:
        """Without the focus the cursor is not shown; it stays where it is."""
        self._typing = False
        self.refresh()

    def action_move_cursor(self, by: int) -> None:
        """Point at another message and bring it into view."""
        count = len(self._items.items)
        place = (count if self._cursor is None else self._cursor) + by
        if place >= count:
            self.post_message(self.LeftAtEnd())
            return
        self._cursor = max(0, place)
        start, height = self._items.start(self._cursor), self._items.height(self._cursor)
        top, view = self.scroll_offset.y, self.size.height
        if start < top or height > view:
            self.scroll_to(y=start, animate=False, force=True)
        elif start + height > top + view:
            self.scroll_to(y=start + height - view, animate=False, force=True)
        self.refresh()

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Widget's is a coroutine; both are called
        """The cursor's keys; printable ones without a meaning here are typed into the composer."""
        if passed_on(self, event):
            return
        if self._keys is None:
            self._keys = own_actions(self)
        match None if self._typing else self._keys.get(event.key):
            case "move_cursor(-1)":
                self.action_move_cursor(-1)
            case "move_cursor(1)":
                self.action_move_cursor(1)
            case None if self._typing or event.is_printable:
                # What follows at once, Enter for example, belongs to the same text.
                self._typing = True
                self.post_message(self.KeyTyped(event.key, event.character))
            case _:
                return
        event.stop()
        event.prevent_default()

    # Painting ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        width = self.size.width
        line = y + self.scroll_offset.y
        strip = self._strip(line)
        if strip is None:
            return Strip.blank(width, self.rich_style)
        strip = strip.adjust_cell_length(width).apply_style(self.rich_style)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(line)) is not None:
            strip = selected(
                strip, span, Style(bgcolor=self.screen.get_component_rich_style("screen--selection").bgcolor)
            )
        strip = strip.apply_offsets(0, line)
        if y == self.size.height - 1 and not self.following:
            below = self._items.total - self.scroll_offset.y - self.size.height
            return with_mark(strip, below, self.rich_style + self._looks["below"]) if self._looks else strip
        return strip

    def _strip(self, line: int) -> Strip | None:
        strip = self._items.strip(line)
        if strip is None or self._looks is None:
            return None
        if self._cursor is not None and self.has_focus and self._items.place_at(line) == self._cursor:
            return Strip([Segment(_CURSOR_MARK, self._looks["cursor"]), *strip.crop(1)])
        return strip

    # Mouse and selection -------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A footer's action, the mark at the end, a link, or the label of a code block."""
        meta = event.style.meta
        if "href" in meta:
            self.post_message(self.LinkClicked(str(meta["href"])))
        elif meta.get("action") == "to_end":
            self.action_follow()
        elif "action" in meta:
            self.post_message(self.ActionChosen(str(meta["action"]), str(meta["turn_id"])))
        elif (code := self._items.code_at(event.y + self.scroll_offset.y)) is not None:
            self.post_message(self.CodeChosen(code))

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, as it is shown."""
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else self._items.total - 1
        return selected_text([self.text_at(line) for line in range(first, last + 1)], selection), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Paint the selection."""
        self.refresh()

    def text_at(self, line: int) -> str:
        """The text of a line of the log, '' where nothing is laid out."""
        strip = self._strip(line)
        return plain([strip]) if strip is not None else ""
