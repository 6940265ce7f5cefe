"""One conversation on the screen: where the session's events become widgets, in one `match`.

It does no I/O: sessions come from the app's runtime, figures from the meter, words from `wording`. It holds no singletons, so
several of these screens can live side by side.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import TuiChatError
from tui_chat.events import (
    BlockStarted,
    Event,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
    TurnStarted,
)
from tui_chat.meter import RollingRate
from tui_chat.session import ChatSession, NotSavedError, State
from tui_chat.text import sanitise_line
from tui_chat.ui import commands, wording
from tui_chat.ui.queue import PromptQueue
from tui_chat.ui.screens.transcript import Transcript
from tui_chat.ui.status import starting, status_of
from tui_chat.ui.widgets.composer import Composer
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.prompt_area import PromptArea
from tui_chat.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

TICK = 0.1  # seconds between two looks at the clock while a turn runs; idle nothing ticks
QUIT_WINDOW = 2.0  # seconds within which a second Ctrl+C quits


class ChatScreen(Screen[None]):
    """Message log, composer, status bar."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", "Stop", id="chat.stop", priority=True),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy, else stop", id="chat.copy_or_stop", priority=True),
        Binding("ctrl+n", "app.new_chat", "New chat", id="chat.new", priority=True),
        Binding("f1", "app.help", "Keys", id="chat.help", priority=True),
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

    def __init__(self) -> None:
        super().__init__()
        self.log_widget = MessageLog(id="log")
        self.prompt = PromptArea(id="prompt")
        self.status_bar = StatusBar(id="status")
        self.session: ChatSession | None = None
        self._rolling = RollingRate()
        self._unsaved: str | None = None  # a prompt that could not be stored; sent again it goes out unsaved
        self._quit_asked = 0.0
        self._waiting_prompt: str | None = None  # sent before the session was open

    # Composition ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The three parts."""
        yield self.log_widget
        yield self.prompt
        yield self.status_bar

    def on_mount(self) -> None:
        """Start in the composer."""
        self.transcript = Transcript(self.log_widget, self.chat_app.runtime)
        self.transcript.welcome()
        self.composer.focus()
        self.refresh_status()

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        return cast("TuiChatApp", self.app)

    @property
    def composer(self) -> Composer:
        """The composer."""
        return self.prompt.composer

    @property
    def queue(self) -> PromptQueue:
        """What waits for the running turn."""
        return self.prompt.queue

    # The session ---------------------------------------------------------------------------------------------------

    def attach(self, session: ChatSession, recent: Sequence[str] = ()) -> None:
        """Show `session`, new or resumed, and send what was waiting for it; `recent` are lines for an empty screen."""
        self.session = session
        conversation = session.conversation
        if conversation.turns:
            self.transcript.show_all(session)
        else:
            self.transcript.welcome(recent)
        if conversation.draft and not self.composer.text:
            self.composer.replace_text(conversation.draft)
        self.prompt.set_queue(conversation.queued)
        self.refresh_status()
        self._set_title()
        if self._waiting_prompt is not None:
            prompt, self._waiting_prompt = self._waiting_prompt, None
            self._send(prompt)

    def _send(self, text: str) -> None:
        if self.session is None:
            self._waiting_prompt = text
            self.refresh_status()
            return
        self.session.conversation.draft, self.session.conversation.queued = "", self.queue.texts
        self.log_widget.action_follow()
        unsaved = self._unsaved == text
        self._unsaved = None
        self.run_turn(self.session.send(text, unsaved=unsaved), text)

    @work(group="turn", exit_on_error=False)
    async def run_turn(self, stream: AsyncGenerator[Event, None], text: str) -> None:
        """Read one turn to its end. What the session refuses goes back into the composer."""
        session = self.session
        ticker = self.set_interval(TICK, self.refresh_status)
        self._rolling = RollingRate()
        try:
            async with contextlib.aclosing(stream) as turn_events:
                async for event in turn_events:
                    if session is self.session:  # another conversation may have taken the screen meanwhile
                        self.show(event)
        except NotSavedError as error:
            self._unsaved = text
            self.prompt.give_back(text)
            self.notify(sanitise_line(error.sentence), severity="warning", timeout=10, markup=False)
        finally:
            ticker.stop()
            self.refresh_status()
        if session is self.session:
            self._release_queue()

    def show(self, event: Event) -> None:
        """One event on the screen. The one place where the stream meets the widgets."""
        session, log = self.session, self.log_widget
        if session is None or session.turn is None:
            return
        turn = session.turn
        match event:
            case TextDelta(at=at, text=text):
                log.reply(turn.id).write(text)
                self._count(at, text)
            case ThinkingDelta(at=at, thinking=text):
                log.reply(turn.id).think(text)
                self._count(at, text)
            case BlockStarted(block=block):
                if block.get("type") == "text":
                    self.transcript.summarise_thinking(turn)
                    if isinstance(begun := block.get("text"), str) and begun:
                        log.reply(turn.id).write(begun)
            case TurnStarted():
                self.transcript.begin(turn)
                self._set_title()
            case RetryScheduled():
                self.refresh_status()
            case TurnEnded():
                self._end(session, turn, event)
            case _:
                pass

    def _count(self, at: float, text: str) -> None:
        if self._rolling.is_empty:
            self.refresh_status()  # the TTFT is known now, not at the next tick
        self._rolling.add(at, len(text))

    def _end(self, session: ChatSession, turn: Turn, event: TurnEnded) -> None:
        self.chat_app.runtime.ratios.learn(turn)
        self.transcript.end(session, turn, saved=event.saved)
        if event.outcome is not Outcome.COMPLETED and self.queue:
            self.queue.paused = True
        self.prompt.show_queue()
        self.chat_app.remember_prompt(turn.prompt.text)
        self.refresh_status()

    def _set_title(self) -> None:
        title = self.session.conversation.title if self.session else ""
        self.chat_app.set_terminal_title(f"{title} · tui-chat" if title else "tui-chat")

    # The composer and the queue ------------------------------------------------------------------------------------

    @on(Composer.Submitted)
    def submitted(self, message: Composer.Submitted) -> None:
        """Enter: a command, a prompt to send, or one to queue."""
        text = message.text.rstrip()
        if not text.strip():
            self._release_queue(asked=True)
            return
        parsed = commands.parse(text)
        if parsed is not None:
            self.run_command(*parsed)
            return
        if commands.looks_like_one(text):
            self.prompt.give_back(text)
            self.notify("no such command; a space before it sends it as text", severity="warning", markup=False)
            return
        if self._busy:
            self.queue.add(text)
            self.prompt.show_queue()
        else:
            self._send(text)

    @property
    def _busy(self) -> bool:
        return self._waiting_prompt is not None or (self.session is not None and self.session.state is not State.IDLE)

    def _release_queue(self, *, asked: bool = False) -> None:
        """Send the next queued message: after a completed turn, or when the user asks."""
        if self._busy or not self.queue:
            return
        last = self.session.turn if self.session else None
        if not asked and (self.queue.paused or last is None or last.outcome is not Outcome.COMPLETED):
            return
        self.queue.paused = False
        text = self.queue.take()
        self.prompt.show_queue()
        self._send(text)

    @on(Composer.LeftAtTop)
    def left_composer(self) -> None:
        """Up in an empty composer goes to the log."""
        self.log_widget.focus()

    # The log -------------------------------------------------------------------------------------------------------

    @on(MessageLog.KeyTyped)
    def typed_in_log(self, message: MessageLog.KeyTyped) -> None:
        """A footer's letter acts on the message under the cursor; anything else is typed into the composer."""
        key = message.character or ""
        if key.isdecimal() and (code := self.log_widget.code_under_cursor(int(key))):
            self.log_widget.stop_typing()
            self._copy(code)
            return
        action = self.LOG_KEYS.get(key)
        turn = self._turn(self.log_widget.cursor_turn)
        if action is not None and turn is not None and not self.composer.has_focus:
            self.log_widget.stop_typing()
            self.act(action, turn)
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
        turn = self._turn(message.turn_id)
        if turn is not None:
            self.act(message.action, turn)

    @on(MessageLog.CodeChosen)
    def code_chosen(self, message: MessageLog.CodeChosen) -> None:
        """A click on the label of a code block."""
        self._copy(message.code)

    @on(MessageLog.LinkClicked)
    def link_clicked(self, message: MessageLog.LinkClicked) -> None:
        """Open a link; the app refuses schemes that are not the web's."""
        self.app.open_url(message.url)

    def _turn(self, turn_id: str | None) -> Turn | None:
        turns = self.session.conversation.turns if self.session else []
        return next((turn for turn in reversed(turns) if turn.id == turn_id), None)

    def act(self, action: str, turn: Turn) -> None:
        """Do what a footer offers, for `turn`."""
        match action:
            case "send_again":
                self._send_again(turn)
            case "toggle_context":
                self._toggle_context(turn)
            case "toggle_thinking":
                self.log_widget.reply(turn.id).show_thinking()
            case "copy_message":
                self._copy(self.log_widget.cursor_source)
            case _:
                pass

    def _send_again(self, turn: Turn) -> None:
        if self.session is None or self._busy or turn.outcome is Outcome.COMPLETED:
            return
        turn.in_context = False
        self.transcript.end(self.session, turn)
        self.composer.focus()
        self.log_widget.action_follow()
        self.run_turn(self.session.resend(turn), turn.prompt.text)

    @work(group="mark", exit_on_error=False)
    async def _toggle_context(self, turn: Turn) -> None:
        if self.session is None or turn.outcome is None:
            return
        await self.session.set_in_context(turn, in_context=not turn.in_context)
        self.transcript.end(self.session, turn)

    def _copy(self, text: str) -> None:
        if not text.strip():
            self.notify("there is nothing to copy yet", markup=False)
            return
        self.app.copy_to_clipboard(text)
        self.notify(f"sent {len(text)} characters to the terminal's clipboard (OSC 52)", markup=False)

    # Actions -------------------------------------------------------------------------------------------------------

    def run_command(self, command: commands.Command, argument: str) -> None:
        """Run a command of the table with its argument."""
        if command.action in ("send_again", "toggle_context"):
            for turn in self.session.conversation.turns[-1:] if self.session else ():
                self.act(command.action, turn)
            return
        handler = getattr(self, f"action_{command.action}", None) or getattr(self.chat_app, f"action_{command.action}")
        result = handler(argument) if command.argument else handler()
        if result is not None and hasattr(result, "__await__"):
            self.call_next(lambda: result)

    def action_escape(self) -> None:
        """The first thing that fits: close the completions, stop the turn, leave the log, take the paused queue back."""
        if self.composer.has_focus and self.prompt.completing:
            self.prompt.close_completions()
        elif self.session is not None and self.session.state is not State.IDLE:
            self.action_stop()
        elif self._waiting_prompt is not None:
            text, self._waiting_prompt = self._waiting_prompt, None
            self.prompt.give_back(text)
        elif self.log_widget.has_focus:
            self.composer.focus()
        elif self.queue.paused and self.queue:
            self.prompt.give_back("\n".join(self.queue.take_all()))

    def action_stop(self) -> None:
        """Stop the running reply; the queue pauses."""
        if self.session is not None and self.session.cancel():
            self.queue.paused = bool(self.queue)
            self.prompt.show_queue()
            self.refresh_status()

    def action_copy_or_stop(self) -> None:
        """Ctrl+C: copy a selection, else stop the turn, else ask once and quit the second time."""
        selected = self.composer.selected_text or self.get_selected_text()
        if selected:
            self._copy(selected)
            self.clear_selection()
            return
        if self._busy:
            self.action_escape()
            return
        now = time.monotonic()
        if now - self._quit_asked < QUIT_WINDOW:
            self.run_worker(self.app.action_quit())
            return
        self._quit_asked = now
        self.notify("Ctrl+C again quits; Ctrl+Q quits at once", timeout=QUIT_WINDOW, markup=False)

    def action_copy_reply(self) -> None:
        """Copy the last reply as markdown."""
        turns = self.session.conversation.turns if self.session else []
        self._copy(next((turn.text for turn in reversed(turns) if turn.text), ""))

    def action_page(self, direction: int) -> None:
        """Move the log by a page."""
        self.log_widget.page(direction)

    def action_log_start(self) -> None:
        """Show the first message."""
        self.log_widget.action_to_start()

    def action_log_end(self) -> None:
        """Show the end, and follow it."""
        self.log_widget.action_follow()

    def start_over(self) -> None:
        """Empty the screen for another conversation."""
        self.session, self._unsaved = None, None
        self.transcript.welcome()
        self.composer.replace_text("")
        self.composer.focus()

    async def save_draft(self) -> None:
        """Keep what was typed and queued with the conversation; called before leaving it."""
        session = self.session
        if session is None:
            return
        draft = self.composer.text
        if self._waiting_prompt is not None:
            draft = f"{self._waiting_prompt}\n{draft}".rstrip("\n")
        conversation = session.conversation
        changed = (draft, self.queue.texts) != (conversation.draft, conversation.queued)
        conversation.draft, conversation.queued = draft, self.queue.texts
        if changed:
            with contextlib.suppress(TuiChatError):  # it is in the log file; leaving must not fail
                await session.save()

    # The status bar ------------------------------------------------------------------------------------------------

    def refresh_status(self) -> None:
        """Show the state and the figures as they are now."""
        runtime = self.chat_app.runtime
        if self.session is None:
            status = starting(runtime, waiting=self._waiting_prompt is not None)
        else:
            status = status_of(self.session, runtime, self._rolling, time.monotonic())
        self.status_bar.show(*wording.status_fields(status))

    def on_screen_resume(self) -> None:
        """Back from a dialog: type on."""
        if not self.log_widget.has_focus:
            self.composer.focus()

    def on_paste(self, event: events.Paste) -> None:
        """Text pasted while the log has the focus goes into the composer."""
        if not self.composer.has_focus:
            self.composer.focus()
            self.composer.post_message(event)
