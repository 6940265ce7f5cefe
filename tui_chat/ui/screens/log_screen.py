"""The parts of a chat screen, and what keys and clicks in its log mean; no session, no turns.

`ChatScreen` stands on it and decides what an action does.
"""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from tui_chat.text import sanitise_line
from tui_chat.ui.links import link_note
from tui_chat.ui.queue import PromptQueue
from tui_chat.ui.screens.finding import Finding
from tui_chat.ui.widgets.composer import Composer
from tui_chat.ui.widgets.log_body import LogBody
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.prompt_area import PromptArea
from tui_chat.ui.widgets.reply_item import Link
from tui_chat.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from tui_chat.ui.clipboard import Tone


class LogScreen(Finding):
    """Message log, composer, status bar."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", "Page up", id="chat.page_up", priority=True),
        Binding("pagedown", "page(1)", "Page down", id="chat.page_down", priority=True),
        Binding("ctrl+home", "log_start", "Start of the log", id="chat.log_start", priority=True),
        Binding("ctrl+end", "log_end", "End of the log", id="chat.log_end", priority=True),
        Binding("ctrl+f", "find", "Find in the conversation", id="chat.find", priority=True),
        Binding("f3", "find_next", "Next match", id="chat.find_next", priority=True),
        # Most terminals send Shift+F3 as what a keyboard of old called F15.
        Binding("shift+f3,f15", "find_previous", "Previous match", id="chat.find_previous", priority=True),
    ]
    LOG_KEYS: ClassVar[dict[str, str]] = {
        "c": "copy_message",
        "x": "toggle_context",
        "t": "toggle_thinking",
        "g": "go_on",
        "e": "edit_prompt",
        "f": "go_back",
        "i": "turn_details",
    }
    LOG_ACTIONS: ClassVar[dict[str, str]] = {
        "b": "copy_code",
        "o": "open_link",
        "w": "wrap_code",
    }

    def __init__(self) -> None:
        super().__init__()
        self.log_widget = MessageLog(id="log")
        self.log_widget.action_letters = frozenset({*self.LOG_KEYS, *self.LOG_ACTIONS, *"123456789"})
        self.prompt = PromptArea(id="prompt")
        self.status_bar = StatusBar(id="status")
        self._told: set[str] = set()  # what is not known of a way of copying

    def compose(self) -> ComposeResult:
        """The three parts."""
        yield LogBody(self.log_widget, id="body")
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

    async def typed_is_handled(self) -> None:
        """Let an Enter through that came just before: the keys that leave a conversation overtake it."""
        # Twice the composer: what Enter makes it say is in its own queue first.
        for pump in (self.composer, self.composer, self.prompt, self):
            handled = asyncio.Event()
            if pump.task is asyncio.current_task() or not pump.call_later(handled.set):
                return
            await handled.wait()

    @on(Composer.LeftAtTop)
    def left_composer(self) -> None:
        """Up in an empty composer goes to the log."""
        self.log_widget.focus()

    @on(MessageLog.KeyTyped)
    def typed_in_log(self, message: MessageLog.KeyTyped) -> None:
        """A footer's letter acts on the message under the cursor; anything else is typed into the composer."""
        if message.action:
            self._log_key(message.character or "")
            return
        self.composer.focus()
        self.composer.post_message(events.Key(message.key, message.character))

    def _log_key(self, key: str) -> None:
        """Do what a letter or a digit means for the message under the cursor."""
        turn_id = self.log_widget.cursor_turn
        if key.isdecimal():
            code = self.log_widget.code_under_cursor(int(key))
            if code is None:
                self.say(f"this message has no code block {key}")
            else:
                self.copy(code)
        elif key in self.LOG_ACTIONS:
            getattr(self, f"action_{self.LOG_ACTIONS[key]}")()
        elif key in self.LOG_KEYS and turn_id is not None:
            self.act(self.LOG_KEYS[key], turn_id)

    def say(self, text: str, severity: "Tone" = "information", timeout: float = 2.0) -> None:
        """A short toast in place of the one that is there."""
        self.app.clear_notifications()
        self.notify(text, severity=severity, timeout=timeout, markup=False)

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
            self.say("there is no link in this message")
        elif len(links) == 1 and not link_note(*links[0]).warning:
            self.app.open_url(links[0].href)
        else:
            from tui_chat.ui.screens.dialogs import PickScreen  # dialogs are not needed for the first paint

            entries = [(link.href, _described(link)) for link in links]
            self.app.push_screen(
                PickScreen("Open link", entries, show_key=False), lambda url: self.app.open_url(url) if url else None
            )

    def action_copy_code(self) -> None:
        """Copy the code block in view of the message under the cursor."""
        code = self.log_widget.code_under_cursor()
        if code is None:
            self.say("there is no code block in this message")
        else:
            self.copy(code)

    def action_wrap_code(self) -> None:
        """Wrap long lines of code, or cut them."""
        wrapped = self.log_widget.toggle_code_wrap()
        self.say("code is wrapped" if wrapped else "code is cut; in the log Left and Right move it")

    def copy(self, text: str) -> None:
        """Put `text` on the clipboard, and say by which way."""
        if text.strip():
            self.run_worker(self._copy(text), group="copy", exclusive=True, exit_on_error=False)
        else:
            self.say("there is nothing to copy")

    async def _copy(self, text: str) -> None:
        from tui_chat.ui import clipboard  # here: the first paint copies nothing

        result = await clipboard.copy(text, self.app.copy_to_clipboard)
        # What is not known of a route is told once; a user who copies all day knows it then.
        told = result.terminal in self._told or not result.terminal
        self._told.add(result.terminal)
        if told or self.size.width < 60:
            self.say(result.brief, result.tone)
        else:
            self.say(sanitise_line(result.sentence), result.tone, timeout=5)

    def action_page(self, direction: int) -> None:
        """Move the log by a page."""
        self.log_widget.call_later(self.log_widget.page, direction)  # behind what the mouse has sent it already

    def action_log_start(self) -> None:
        """Show the first message."""
        self.log_widget.call_later(self.log_widget.action_to_start)

    def action_log_end(self) -> None:
        """Show the end, and follow it."""
        self.log_widget.call_later(self.log_widget.action_follow)

    def on_screen_suspend(self) -> None:
        """A dialog takes the mouse."""
        self.log_widget.let_go()
        self.status_bar.say(None)

    @property
    def focus_stays(self) -> bool:
        """Whether what has the focus keeps it after a dialog."""
        return self.log_widget.has_focus or self.find_has_focus

    def on_screen_resume(self) -> None:
        """Back from a dialog: type on."""
        if not self.focus_stays:
            self.set_focus(self.composer)  # now: a command of the palette may move it on

    def on_paste(self, event: events.Paste) -> None:
        """Text pasted while the log has the focus goes into the composer."""
        if not (self.composer.has_focus or self.find_has_focus):
            self.composer.focus()
            self.composer.post_message(event)


def _described(link: Link) -> str:
    """A link as its text and where it goes, once if that is the same."""
    text, target = sanitise_line(link.text)[:60], link_note(*link).sentence
    return target if text == target else f"{text}  {target}"
