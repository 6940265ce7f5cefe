"""The conversation in one widget of lines: its turns, the message cursor, what keys and clicks on it mean.

How the lines come about stands in `log_view.py`. It knows nothing of stores or the network: values come down as calls, facts go up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tui_chat.ui.widgets.code_lines import CodeView
from tui_chat.ui.widgets.find_values import Span
from tui_chat.ui.widgets.keys import KeysInOrder, passed_on, run_own
from tui_chat.ui.widgets.log_cursor import MessageCursor
from tui_chat.ui.widgets.log_items import EntryItem, LogItem, NoticeItem, PromptItem, SeamItem
from tui_chat.ui.widgets.log_turn import LogTurn
from tui_chat.ui.widgets.reply_item import Link, ReplyItem
from tui_chat.ui.widgets.searched_log import SearchedLog
from tui_chat.ui.widgets.tool_item import ToolItem

_CURSOR_MARK: Final = "▎"


class MessageLog(SearchedLog, KeysInOrder, can_focus=True):
    """Prompts and replies, the newest at the end. Focused, it has a message cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move_cursor(-1)", "Previous message", id="log.previous"),
        Binding("down", "move_cursor(1)", "Next message, then the composer", id="log.next"),
        Binding("j", "move_cursor(1, False)", "Next message", id="log.next_only"),
        Binding("home", "to_start", "Start", id="log.start"),
        Binding("end,G", "follow", "End", id="log.end"),
        Binding("left", "move_code(-8)", "Code to the left", id="log.code_left"),
        Binding("right", "move_code(8)", "Code to the right", id="log.code_right"),
        Binding("enter", "choose", "Open what is offered", id="log.choose"),
    ]

    @dataclass
    class ActionChosen(Message):
        """An action of a reply's footer was clicked, or an entry chosen: `turn_id` is then the entry's key."""

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
        self._turns: dict[str, LogTurn] = {}
        self._cursor = MessageCursor(self._items, self._turns)
        self._code_view = CodeView()
        self._hovered: Link | None = None
        self.action_letters: frozenset[str] = frozenset()
        self._typing = False  # keys go to the composer, which will have the focus in a moment

    def focus_on_click(self) -> bool:
        """Who selects with the mouse types on afterwards: letters must not become commands of the log."""
        return False

    # Values down ---------------------------------------------------------------------------------------------------

    def add_prompt(self, turn_id: str, text: str) -> None:
        """Append a user message."""
        self.append(PromptItem(turn_id, text))

    def add_seam(self, turn_id: str, text: str = "went on") -> None:
        """In place of a prompt: the turn goes on with the reply above."""
        self.append(SeamItem(turn_id, text))

    def add_reply(self, turn_id: str, text: str = "") -> None:
        """Append a reply, finished or about to grow; or another part of one, which ends the part before."""
        turn = self._turn(turn_id)
        if turn.newest is not None:
            self.change(turn.newest)
        self.append(turn.add_part(text))

    def add_tool(self, turn_id: str, key: str) -> ToolItem:
        """Append a tool call to a turn; the part of the reply above it is over. Of a known key: that call."""
        turn = self._turn(turn_id)
        if turn.tool(key) is None:
            self.append(turn.add_tool(key))
        return self.tool(turn_id, key)

    def add_notice(self, text: str, style: str = "footer") -> None:
        """Append a quiet line of the program's own."""
        self.append(NoticeItem(text, style))

    def add_entries(self, entries: Sequence[tuple[str, str]], action: str = "open_conversation") -> None:
        """Append lines (key, label) that can be chosen: a click, or Enter with the cursor there, is `ActionChosen(action, key)`."""
        with self.bulk():
            for key, label in entries:
                self.append(EntryItem(action, key, label))

    def reply(self, turn_id: str) -> ReplyItem:
        """The newest part of a reply, about to change: what is done to it is painted with the next frame.

        Below a tool at the end of the log it is a new part.
        """
        turn = self._turns[turn_id]
        if turn.newest is None or (turn.ends_with_tool and self._items.items[-1].turn_id == turn_id):
            self.add_reply(turn_id)
        part = self._turns[turn_id].newest
        if part is None:
            raise KeyError(turn_id)
        self.change(part)
        return part

    def tool(self, turn_id: str, key: str) -> ToolItem:
        """A tool call that is about to change, as with `reply`."""
        tool = self._turns[turn_id].tool(key)
        if tool is None:
            raise KeyError(key)
        self.change(tool)
        return tool

    def toggle_details(self, turn_id: str, *, shown: bool | None = None) -> bool:
        """Show the thinking and the tools of a turn, or hide them. Returns whether there are any."""
        turn = self._turns[turn_id]
        for item in turn:
            self.change(item)
        return turn.toggle_details(shown=shown)

    def _turn(self, turn_id: str) -> LogTurn:
        return self._turns.setdefault(turn_id, LogTurn(turn_id, self._code_view))

    def clear(self) -> None:
        """Empty the log."""
        self._turns.clear()
        self._cursor.place = None
        self._hover(None)
        super().clear()

    @property
    def cursor_turn(self) -> str | None:
        """The turn under the message cursor."""
        return self._cursor.turn_id

    @property
    def cursor_source(self) -> str:
        """The source of the message under the cursor: of a reply all parts."""
        return self._cursor.source

    @property
    def cursor_links(self) -> list[Link]:
        """The links of the reply under the cursor."""
        return self._cursor.links

    def code_under_cursor(self, number: int | None = None) -> str | None:
        """A code block of the reply under the cursor: that one from 1, or the one in view."""
        return (
            self._cursor.code_in(self.top, self.top + self.size.height) if number is None else self._cursor.code(number)
        )

    def code_of(self, turn_id: str, number: int) -> str | None:
        """A code block of a turn's reply, from 1."""
        return self._turns[turn_id].code(number)

    def source_of(self, turn_id: str) -> str:
        """The texts of all parts of a turn's reply, verbatim, and what they cite."""
        return self._turns[turn_id].source

    # The message cursor --------------------------------------------------------------------------------------------

    def on_focus(self) -> None:
        """Focused, the log points at a message: the last one at first."""
        if self._cursor.place is None:
            self._cursor.begin()
        self.refresh()

    def on_blur(self) -> None:
        """Without the focus the cursor is not shown."""
        self._typing = False
        self.refresh()

    def action_move_cursor(self, by: int, leave: bool = True) -> None:
        """Point at another message and bring it into view; below the last one is the composer, if it may `leave`."""
        if not self._cursor.move(by):
            if leave:
                self.post_message(self.LeftAtEnd())
            return
        lines = self._cursor.lines
        if lines.start < self.top or len(lines) > self.size.height:
            self.show_from(lines.start)
        elif lines.stop > self.top + self.size.height:
            self.show_from(lines.stop - self.size.height)
        self.refresh()

    def action_choose(self) -> None:
        """Open the entry under the cursor."""
        entry = self._cursor.item
        if isinstance(entry, EntryItem):
            self.post_message(self.ActionChosen(entry.action, entry.key))

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]  # Widget's is a coroutine; both are called
        """The cursor's keys; printable ones without a meaning here are typed into the composer."""
        if passed_on(self, event):
            return
        action = None if self._typing else self.own_action(event.key)
        if action is not None and run_own(self, action):
            pass
        elif self._typing or (action is None and event.is_printable):
            # What follows at once, Enter for example, belongs to the same text.
            acts = not self._typing and (event.character or "") in self.action_letters
            self._typing = not acts
            if acts and self._cursor.place is None:  # it was empty when it got the focus
                self.on_focus()
            self.post_message(self.KeyTyped(event.key, event.character, acts))
        else:
            return
        event.stop()
        event.prevent_default()

    def appended(self) -> None:
        """Unfocused, the log points at the newest message the next time."""
        super().appended()
        if not self.has_focus:
            self._cursor.place = None

    # Painting ------------------------------------------------------------------------------------------------------

    def line(self, index: int) -> Strip | None:
        """A line of the log; None where nothing is laid out."""
        strip = super().line(index)
        if strip is None or self._looks is None:
            return None
        if self.has_focus and self._cursor.is_at(index):
            return Strip([Segment(_CURSOR_MARK, self._looks["cursor"]), *strip.crop(1)])
        return strip

    # Mouse and selection -------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """A footer's action, the mark at the end, a tool, a link, or the label of a code block."""
        if self.dragged or event.chain > 1:
            return
        meta = event.style.meta
        if "href" in meta:
            self.post_message(self.LinkClicked(str(meta["href"])))
        elif meta.get("action") == "to_end":
            self.action_follow()
        elif meta.get("action") == "toggle_tool":
            self._toggle_tool(str(meta["turn_id"]), str(meta["key"]))
        elif "action" in meta:
            self.post_message(self.ActionChosen(str(meta["action"]), str(meta["turn_id"])))
        elif (code := self._items.code_at(event.y + self.top)) is not None:
            self.post_message(self.CodeChosen(code))

    def _toggle_tool(self, turn_id: str, key: str) -> None:
        """Open or close it where it stands: who clicks on a line reads on below it."""
        self.following = False
        self.tool(turn_id, key).toggle()
        self._frames.flush()
        self.following = self.top >= self.max_top

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

    def show_cells(self, item: LogItem, span: Span) -> None:
        """Move lines of code that are cut until these cells are seen."""
        left = item.left_for(span) if isinstance(item, ReplyItem) else None
        if left is not None:
            self._code_view.left = left
            self.changed(0)
