"""The conversation in one widget of lines.

Why one widget: every layout of Textual walks all widgets of the screen, so a widget a message makes each token dearer than the
last. Here messages are items that hold source and lines; a running reply changes only its open tail, at most once a frame. What
was never in view is never laid out. It knows nothing of turns, stores or the network: values come down as calls, facts go up.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.keys import own_actions, passed_on, run_own
from tui_chat.ui.widgets.log_items import INDENT, LogItem, NoticeItem, PromptItem, plain
from tui_chat.ui.widgets.log_layout import LogLayout, kept_place
from tui_chat.ui.widgets.log_paint import with_mark
from tui_chat.ui.widgets.markdown_view import MarkdownView
from tui_chat.ui.widgets.reply_item import CodeView, Link, ReplyItem

_CURSOR_MARK: Final = "▎"


class MessageLog(MarkdownView, can_focus=True):
    """Prompts and replies, the newest at the end. Focused, it has a message cursor."""

    INDENT = INDENT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move_cursor(-1)", "Previous message", id="log.previous"),
        Binding("down", "move_cursor(1)", "Next message, then the composer", id="log.next"),
        Binding("j", "move_cursor(1, False)", "Next message", id="log.next_only"),
        Binding("home", "to_start", "Start", id="log.start"),
        Binding("end,G", "follow", "End", id="log.end"),
        Binding("left", "move_code(-8)", "Code to the left", id="log.code_left"),
        Binding("right", "move_code(8)", "Code to the right", id="log.code_right"),
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
    class LinkHovered(Message):
        """The mouse is over a link, or has left it (None)."""

        link: Link | None

    @dataclass
    class CodeChosen(Message):
        """A code block is to be copied."""

        code: str

    @dataclass
    class KeyTyped(Message):
        """A letter: an action on the message under the cursor, or the beginning of a text for the composer, or more of it."""

        key: str
        character: str | None
        action: bool

    @dataclass
    class LeftAtEnd(Message):
        """The cursor was moved below the last message."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items = LogLayout()
        self._replies: dict[str, ReplyItem] = {}
        self._dirty: dict[LogItem, None] = {}  # in the order they changed
        self._frames = FrameGate(self, self._flush)
        self._cursor: int | None = None
        self._keys: dict[str, str] | None = None
        self._code_view = CodeView()
        self._hovered: Link | None = None
        self._in_bulk = False
        self.action_letters: frozenset[str] = frozenset()
        self._typing = False  # keys go to the composer, which will have the focus in a moment

    def focus_on_click(self) -> bool:
        """Who selects with the mouse types on afterwards: letters must not become commands of the log."""
        return False

    # Values down ---------------------------------------------------------------------------------------------------

    def add_prompt(self, turn_id: str, text: str) -> None:
        """Append a user message."""
        self._append(PromptItem(turn_id, text))

    def add_reply(self, turn_id: str, text: str = "") -> None:
        """Append a reply, finished or about to grow."""
        reply = ReplyItem(turn_id, text, self._code_view)
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
            self.action_follow()

    def reply(self, turn_id: str) -> ReplyItem:
        """A reply that is about to change: what is done to it is painted with the next frame."""
        reply = self._replies[turn_id]
        self._dirty[reply] = None
        self._frames.request()
        return reply

    def clear(self) -> None:
        """Empty the log."""
        self._items.clear()
        self._replies.clear()
        self._dirty.clear()
        self._cursor, self.following, self.selection = None, True, None
        self._hover(None)
        self.changed(0)

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

    def code_under_cursor(self, number: int | None = None) -> str | None:
        """A code block of the reply under the cursor: that one from 1, or the one in view."""
        item = self._pointed_at
        if not isinstance(item, ReplyItem) or self._cursor is None:
            return None
        if number is not None:
            return item.code(number)
        start = self._items.start(self._cursor)
        return item.code_between(self.top - start, self.top + self.size.height - start)

    def code_of(self, turn_id: str, number: int) -> str | None:
        """A code block of a turn's reply, from 1."""
        return self._replies[turn_id].code(number)

    @property
    def cursor_links(self) -> list[Link]:
        """The links of the reply under the cursor."""
        item = self._pointed_at
        return item.links if isinstance(item, ReplyItem) and item.width else []

    @property
    def total(self) -> int:
        """How many lines there are; what was never in view counts as estimated."""
        return self._items.total

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be painted."""
        return not (self._dirty or self._frames.due)

    # Growing -------------------------------------------------------------------------------------------------------

    def _append(self, item: LogItem) -> None:
        self._items.append(item)
        if not self.has_focus:
            self._cursor = None  # the next time the log points at the newest message
        if not self._in_bulk:
            place = len(self._items.items) - 1
            self._items.lay_out(place)
            self._items.settle(place)
            self._go_on_with(item)
            self.changed(self._items.start(place))

    def _flush(self) -> None:
        changed, self._dirty = self._dirty, {}
        for item in changed:
            place = self._items.place_of(item)
            start, end = self._items.start(place), self._items.end(place)
            first = start + item.update()
            grown = self._settle(place)
            shift = item.take_shift()
            if self.selection is not None:
                self.selection.shift(start, shift, end)
            if grown and not self.following and first < self.top:
                self.top = max(0, min(kept_place(self.top, self.size.height, start, end, grown), self.max_top))
            self.changed(first, None if grown else end)
            self._go_on_with(item)

    def _go_on_with(self, item: LogItem) -> None:
        """See to it that `item` is laid out to its end."""
        if item.behind:
            self._dirty[item] = None
            self._frames.request(at_once=True)

    def _settle(self, place: int) -> int:
        """Take over the height of an item; returns by how many lines it grew."""
        end = self._items.end(place)
        grown = self._items.settle(place)
        if grown and self.selection is not None:
            self.selection.shift(end, grown)
        return grown

    # Layout --------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """The width changed: the reader's line stays where it is."""
        if self.text_width and self.text_width != self._items.width:
            self.lay_out_again()
        else:
            self.top = min(self.top, self.max_top)
            self.prepare()
            self.changed(0)

    def lay_out_again(self) -> None:
        """The width or the looks have changed."""
        if not self.text_width:
            return
        if self._looks is None:
            self._looks = self.looks()
        items, top = self._items, self.top
        place = None if self.following else items.place_at(top)
        share = 0.0 if place is None else (top - items.start(place)) / max(1, items.height(place))
        items.restyle(self.text_width, self._looks)
        self.selection = None
        if place is None:
            items.fill_end(self.size.height)
        else:
            items.fill_from(place, self.size.height * 2)
            self.top = min(items.start(place) + int(share * items.height(place)), self.max_top)
        for item in items.items:
            self._go_on_with(item)
        self.changed(0)

    def prepare(self) -> bool:
        """Lay out what has come into view; what grows above the view moves the view with it."""
        items, moved = self._items, False
        while items.width:
            at_end = self.top >= self.max_top
            place = items.hole(self.top, self.top + self.size.height)
            if place is None:
                break
            moved = True
            above = items.start(place) < self.top
            items.lay_out(place)
            self._go_on_with(items.items[place])
            grown = self._settle(place)
            if at_end:
                self.top = self.max_top
            elif above:
                self.top += grown
        return moved

    # The message cursor --------------------------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Focused, the log points at a message: the last one at first."""
        if self._cursor is None and self._items.items:
            self._cursor = len(self._items.items) - 1
        self.refresh()

    def on_blur(self) -> None:
        """Without the focus the cursor is not shown."""
        self._typing = False
        self.refresh()

    def action_move_cursor(self, by: int, leave: bool = True) -> None:
        """Point at another message and bring it into view; below the last one is the composer, if it may `leave`."""
        count = len(self._items.items)
        place = (count if self._cursor is None else self._cursor) + by
        if place >= count:
            if leave:
                self.post_message(self.LeftAtEnd())
            return
        self._cursor = max(0, place)
        start, height = self._items.start(self._cursor), self._items.height(self._cursor)
        if start < self.top or height > self.size.height:
            self.show_from(start)
        elif start + height > self.top + self.size.height:
            self.show_from(start + height - self.size.height)
        self.refresh()

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Widget's is a coroutine; both are called
        """The cursor's keys; printable ones without a meaning here are typed into the composer."""
        if passed_on(self, event):
            return
        if self._keys is None:
            self._keys = own_actions(self)
        action = None if self._typing else self._keys.get(event.key)
        if action is not None and run_own(self, action):
            pass
        elif self._typing or (action is None and event.is_printable):
            # What follows at once, Enter for example, belongs to the same text.
            acts = not self._typing and (event.character or "") in self.action_letters
            self._typing = not acts
            self.post_message(self.KeyTyped(event.key, event.character, acts))
        else:
            return
        event.stop()
        event.prevent_default()

    # Painting ------------------------------------------------------------------------------------------------------

    def line(self, index: int) -> Strip | None:
        """A line of the log; None where nothing is laid out."""
        strip = self._items.strip(index)
        if strip is None or self._looks is None:
            return None
        if self._cursor is not None and self.has_focus and self._items.place_at(index) == self._cursor:
            return Strip([Segment(_CURSOR_MARK, self._looks["cursor"]), *strip.crop(1)])
        return strip

    def overlay(self, strip: Strip, row: int) -> Strip:
        """On the last row the mark that counts what is below."""
        if self.following or self._looks is None or row != self.size.height - 1:
            return strip
        return with_mark(strip, self.below, self.over(self._looks["below"]))

    # Mouse and selection -------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A footer's action, the mark at the end, a link, or the label of a code block."""
        if self.dragged or event.chain > 1:
            return
        meta = event.style.meta
        if "href" in meta:
            self.post_message(self.LinkClicked(str(meta["href"])))
        elif meta.get("action") == "to_end":
            self.action_follow()
        elif "action" in meta:
            self.post_message(self.ActionChosen(str(meta["action"]), str(meta["turn_id"])))
        elif (code := self._items.code_at(event.y + self.top)) is not None:
            self.post_message(self.CodeChosen(code))

    def hovered(self, event: events.MouseMove) -> None:
        """Say which link the mouse is over."""
        href = event.style.meta.get("href")
        if href is None or self._hovered is None or self._hovered.href != href:
            self._hover(self._items.link_at(self.top + event.y, href) if href else None)

    def unhovered(self) -> None:
        """The mouse is elsewhere, or the lines are."""
        self._hover(None)

    def _hover(self, link: Link | None) -> None:
        if link != self._hovered:
            self._hovered = link
            self.post_message(self.LinkHovered(link))

    def selected_text(self) -> str:
        """The source of what is selected; '' if nothing is."""
        return self._items.selected(self.selection.first, self.selection.last) if self.selection is not None else ""

    # Code ----------------------------------------------------------------------------------------------------------

    def toggle_code_wrap(self) -> bool:
        """Wrap long lines of code, or cut them and let Left and Right move them. Returns whether they are wrapped now."""
        self._code_view.wrapped, self._code_view.left = not self._code_view.wrapped, 0
        self.lay_out_again()
        return self._code_view.wrapped

    def action_move_code(self, by: int) -> None:
        """Move lines of code that are cut."""
        longest = self._items.longest_code(self.top, self.top + self.size.height)
        left = 0 if self._code_view.wrapped else max(0, min(self._code_view.left + by, longest))
        if left != self._code_view.left:
            self._code_view.left = left
            self.changed(0)

    def text_at(self, line: int) -> str:
        """The text of a line of the log, '' where nothing is laid out."""
        strip = self.line(line)
        return plain([strip]) if strip is not None else ""
