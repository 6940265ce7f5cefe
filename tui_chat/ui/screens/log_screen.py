"""The parts of a chat screen, and what keys and clicks in its log mean; no session, no turns.

`ChatScreen` stands on it and decides what an action does.
"""

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui_chat.text import sanitise_line
from tui_chat.ui import clipboard
from tui_chat.ui.links import link_note
from tui_chat.ui.queue import PromptQueue
from tui_chat.ui.widgets.composer import Composer
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.prompt_area import PromptArea
from tui_chat.ui.widgets.status_bar import StatusBar


class LogScreen(Screen[None]):
    """Message log, composer, status bar."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", "Page up", id="chat.page_up", priority=True),
        Binding("pagedown", "page(1)", "Page down", id="chat.page_down", priority=True),
        Binding("ctrl+home", "log_start", "Start of the log", id="chat.log_start", priority=True),
        Binding("ctrl+end", "log_end", "End of the log", id="chat.log_end", priority=True),
    ]
    LOG_KEYS: ClassVar[dict[str, str]] = {
        "c": "copy_message",
        "r": "send_again",
        "x": "toggle_context",
        "t": "toggle_thinking",
    }
    LOG_ACTIONS: ClassVar[dict[str, str]] = {
        "b": "copy_code",
        "o": "open_link",
        "w": "wrap_code",
    }

    def __init__(self) -> None:
        super().__init__()
        self.log_widget = MessageLog(id="log")
        self.prompt = PromptArea(id="prompt")
        self.status_bar = StatusBar(id="status")

    def compose(self) -> ComposeResult:
        """The three parts."""
        yield self.log_widget
        yield self.prompt
        yield self.status_bar

    @property
    def composer(self) -> Composer:
        """The composer."""
        return self.prompt.composer

    @property
    def queue(self) -> PromptQueue:
        """What waits for the running turn."""
        return self.prompt.queue

    def act(self, action: str, turn_id: str) -> None:
        """Do what a footer offers, for one turn."""
        raise NotImplementedError

    @on(Composer.LeftAtTop)
    def left_composer(self) -> None:
        """Up in an empty composer goes to the log."""
        self.log_widget.focus()

    @on(MessageLog.KeyTyped)
    def typed_in_log(self, message: MessageLog.KeyTyped) -> None:
        """A footer's letter acts on the message under the cursor; anything else is typed into the composer."""
        key = message.character or ""
        if key.isdecimal() and (code := self.log_widget.code_under_cursor(int(key))):
            self.log_widget.stop_typing()
            self.copy(code)
            return
        if key in self.LOG_ACTIONS and not self.composer.has_focus:
            self.log_widget.stop_typing()
            getattr(self, f"action_{self.LOG_ACTIONS[key]}")()
            return
        action = self.LOG_KEYS.get(key)
        turn_id = self.log_widget.cursor_turn
        if action is not None and turn_id is not None and not self.composer.has_focus:
            self.log_widget.stop_typing()
            self.act(action, turn_id)
            return
        self.composer.focus()
        self.composer.post_message(events.Key(message.key, message.character))

    @on(MessageLog.LeftAtEnd)
    def left_log(self) -> None:
        """Down from the last message goes to the composer."""
        self.composer.focus()

    @on(MessageLog.ActionChosen)
    def footer_clicked(self, message: MessageLog.ActionChosen) -> None:
        """A click on a footer's action."""
        self.act(message.action, message.turn_id)

    @on(MessageLog.CodeChosen)
    def code_chosen(self, message: MessageLog.CodeChosen) -> None:
        """A click on the label of a code block."""
        self.copy(message.code)

    @on(MessageLog.LinkClicked)
    def link_clicked(self, message: MessageLog.LinkClicked) -> None:
        """Open a link; the app refuses schemes that are not the web's."""
        self.app.open_url(message.url)

    @on(MessageLog.LinkHovered)
    def link_hovered(self, message: MessageLog.LinkHovered) -> None:
        """Say in the status bar where the link really goes."""
        link = message.link
        note = link_note(link.href, link.text) if link is not None else None
        self.status_bar.say(note.sentence if note else None, "warm" if note and note.warning else "dim")

    def action_open_link(self) -> None:
        """Open the link of the message under the cursor; of several, or where it may deceive, show where they go and ask."""
        links = self.log_widget.cursor_links
        if not links:
            self.notify("there is no link in this message", markup=False)
        elif len(links) == 1 and not link_note(*links[0]).warning:
            self.app.open_url(links[0].href)
        else:
            from tui_chat.ui.screens.dialogs import PickScreen  # dialogs are not needed for the first paint

            entries = [(link.href, f"{sanitise_line(link.text)[:60]}  {link_note(*link).sentence}") for link in links]
            self.app.push_screen(
                PickScreen("Open link", entries, show_key=False), lambda url: self.app.open_url(url) if url else None
            )

    def action_copy_code(self) -> None:
        """Copy the code block in view of the message under the cursor."""
        self.copy(self.log_widget.code_under_cursor() or "")

    def action_wrap_code(self) -> None:
        """Wrap long lines of code, or cut them."""
        wrapped = self.log_widget.toggle_code_wrap()
        self.notify(
            "code is wrapped" if wrapped else "code is not wrapped; in the log Left and Right move it", markup=False
        )

    def copy(self, text: str) -> None:
        """Put `text` on the clipboard, and say by which way."""
        if text.strip():
            self.run_worker(self._copy(text), group="copy", exclusive=True, exit_on_error=False)
        else:
            self.notify("there is nothing to copy", markup=False)

    async def _copy(self, text: str) -> None:
        result = await clipboard.copy(text, self.app.copy_to_clipboard)
        self.notify(sanitise_line(result.sentence), severity=result.tone, markup=False)

    def action_page(self, direction: int) -> None:
        """Move the log by a page."""
        self.log_widget.page(direction)

    def action_log_start(self) -> None:
        """Show the first message."""
        self.log_widget.action_to_start()

    def action_log_end(self) -> None:
        """Show the end, and follow it."""
        self.log_widget.action_follow()

    def on_screen_resume(self) -> None:
        """Back from a dialog: type on."""
        if not self.log_widget.has_focus:
            self.composer.focus()

    def on_paste(self, event: events.Paste) -> None:
        """Text pasted while the log has the focus goes into the composer."""
        if not self.composer.has_focus:
            self.composer.focus()
            self.composer.post_message(event)
