"""One conversation on the screen: where the session's events become widgets, in one `match`.

It does no I/O: sessions come from the app's runtime, figures from the meter, words from `wording`. It holds no singletons, so
several of these screens can live side by side.
"""

import contextlib
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.binding import Binding, BindingType
from textual.worker import Worker

from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import UsageError
from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    BlockEnded,
    BlockStarted,
    Event,
    InputJsonDelta,
    RequestEnded,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UnknownDelta,
    UnknownEvent,
)
from tui_chat.pulse import PaintLag
from tui_chat.session import ChatSession, NotSavedError, State
from tui_chat.text import sanitise_line
from tui_chat.ui import commands
from tui_chat.ui.screens.approvals import Approvals
from tui_chat.ui.screens.exporting import Exporting
from tui_chat.ui.screens.inspecting import Inspecting
from tui_chat.ui.screens.leaving import Leaving
from tui_chat.ui.screens.replaying import Replaying
from tui_chat.ui.screens.reply_view import ReplyView, unknown_delta, unknown_event
from tui_chat.ui.screens.tabbed import Tabbed
from tui_chat.ui.screens.transcript import Transcript
from tui_chat.ui.status import Live, starting, status_of
from tui_chat.ui.status_fields import status_fields
from tui_chat.ui.widgets.composer import Composer

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

TICK = 0.1  # seconds between two looks at the clock while a turn runs; idle nothing ticks
QUIT_WINDOW = 2.0  # seconds within which a second Ctrl+C quits


class ChatScreen(Leaving, Exporting, Inspecting, Replaying, Tabbed):
    """Message log, composer, status bar."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "escape", "Stop", id="chat.stop", priority=True),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy, else stop", id="chat.copy_or_stop", priority=True),
        Binding("ctrl+n", "app.new_chat", "New chat", id="chat.new", priority=True),
        Binding("f1", "app.help", "Keys", id="chat.help", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._live = Live()
        self.lags: dict[str, PaintLag] = {}  # by turn, of those that were shown as they ran
        self._view: ReplyView | None = None  # of the running turn
        self._approvals = Approvals(self)
        self._quit_asked = 0.0
        self._waiting_prompt: str | None = None  # sent before the session was open
        self._sending = False  # a worker was started that has not come to its end

    # Composition ---------------------------------------------------------------------------------------------------

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

    # The session ---------------------------------------------------------------------------------------------------

    def attach(self, session: ChatSession) -> None:
        """Show `session`, new or resumed, and send what was waiting for it."""
        self.session = session
        conversation = session.conversation
        if conversation.turns:
            self.transcript.show_all(session)
            self.restore_place(conversation.place)
        else:
            self.transcript.welcome()
        if conversation.draft:
            self.prompt.give_back(conversation.draft)
        self.prompt.set_queue((*conversation.queued, *self.queue.texts), paused=bool(conversation.queued))
        self.refresh_status()
        self.wire_changed()
        self.chat_app.show_title()
        if self._waiting_prompt is not None:
            prompt, self._waiting_prompt = self._waiting_prompt, None
            self._send(prompt)

    def _send(self, text: str) -> None:
        if self.session is None:
            self._waiting_prompt = text
            self.refresh_status()
            return
        self.session.conversation.draft, self.session.conversation.queued = "", self.queue.texts
        self.start_turn(self.session.send(text, unsaved=self.take_unsaved(text)), text, text)

    def start_turn(self, stream: AsyncGenerator[Event, None], text: str, what: str) -> None:
        """Read a turn of the session. If that refuses it `text` goes back to the composer, and `what` is kept as `unsaved`."""
        self._sending, self.outgoing = True, text  # the session itself is busy only when the worker has run
        self.log_widget.action_follow()
        self.turn_worker = self.run_turn(stream, text, what)

    @work(group="turn", exit_on_error=False)
    async def run_turn(self, stream: AsyncGenerator[Event, None], text: str, what: str) -> None:
        """Read one turn to its end. What the session refuses goes back into the composer."""
        session = self.session
        ticker = self.set_interval(TICK, self.refresh_status)
        self._live = Live()
        self.log_widget.on_painted = self._live.painted
        try:
            async with contextlib.aclosing(stream) as turn_events:
                async for event in turn_events:
                    if session is self.session:  # another conversation may have taken the screen meanwhile
                        self.show(event)
        except (NotSavedError, UsageError) as error:
            self.outgoing = None
            if session is not None and session is self.session:
                self.unsaved = what
                self.queue.paused = bool(self.queue)
                if text:
                    self.prompt.give_back(text)
                self.edit_refused(session)
            self.notify(sanitise_line(error.sentence), severity="warning", timeout=10, markup=False)
        finally:
            self._sending = False
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
        if isinstance(event, TurnStarted):
            self.outgoing = None
            self.lags[turn.id] = self._live.lag
            self._view = self.transcript.begin(session, turn)
            self.edited()
            if not turn.prompt.continues:
                self.chat_app.remember_prompt(turn.prompt.text)
            self.chat_app.show_title()
        view = self._view
        if view is None:
            return
        match event:
            case TextDelta(at=at, index=index, text=text):
                view.text(index, text)
                self._count(at, text)
            case ThinkingDelta(at=at, thinking=text):
                log.reply(turn.id).think(text)
                self._count(at, text)
            case InputJsonDelta(at=at, partial_json=text):
                self._count(at, text)
            case BlockStarted(at=at, index=index, block=block):
                if begun := view.block_started(block, index):
                    self._count(at, begun)
            case BlockEnded(index=index):
                view.block_ended(turn.requests[-1].blocks[index])
            case UnknownDelta(delta=delta):
                view.note(unknown_delta(delta))
            case UnknownEvent(name=name):
                view.note(unknown_event(name))
            case ApprovalRequested(tool_use_id=tool_use_id):
                self._show_call(view, turn, tool_use_id)
                if self.player is None:  # what was answered when it was recorded asks nobody now
                    self._approvals.ask(session, turn.requests[-1].calls[tool_use_id])
            case ApprovalAnswered(tool_use_id=tool_use_id):
                self._approvals.answered(tool_use_id)
                self._show_call(view, turn, tool_use_id)
            case ToolProposed() | ToolStarted() | ToolEnded() | ToolSkipped():
                self._show_call(view, turn, event.tool_use_id)
            case RequestStarted():
                self._live.request_started()
                view.request_started()
            case RequestEnded():
                view.request_ended()
            case RetryScheduled():
                self.refresh_status()
            case TurnEnded():
                self._end(session, turn, event)
            case _:
                pass

    def _show_call(self, view: ReplyView, turn: Turn, tool_use_id: str) -> None:
        view.update_call(turn.requests[-1].calls[tool_use_id])
        self.refresh_status()

    def _count(self, at: float, text: str) -> None:
        if self._live.rolling.is_empty:
            self.refresh_status()  # the TTFT is known now, not at the next tick
        self._live.count(at, text, waits=self.player is None and not self.log_widget.settled)

    def _end(self, session: ChatSession, turn: Turn, event: TurnEnded) -> None:
        self.chat_app.runtime.ratios.learn(turn)
        if self._view is not None:
            self._view.end()
        if self._view is not None and self._view.disordered:
            self.transcript.show_all(session)  # as it will look when it is opened again
        self.transcript.end(session, turn, saved=event.saved)
        self.tell_of_others(session)
        self.chat_app.after_turn(session, turn)
        if event.outcome is not Outcome.COMPLETED and self.queue:
            self.queue.paused = True
        self.prompt.show_queue()
        self.refresh_status()

    # The composer and the queue ------------------------------------------------------------------------------------

    @on(Composer.Submitted)
    def submitted(self, message: Composer.Submitted) -> None:
        """Enter: a command, a prompt to send, or one to queue."""
        text = message.text.rstrip()
        if not text.strip():
            if not self.editing:
                self._release_queue(asked=True)
            return
        parsed = commands.parse(text)
        if parsed is not None:
            self.run_command(*parsed)
            return
        if commands.looks_like_one(text):
            self.prompt.give_back(text)
            self.say(f"{commands.why_not(text)}; a space before it sends it as text", "warning", timeout=5)
            return
        if self.editing and self.session is not None:
            self.send_edited(self.session, text)
        elif self.busy:
            self.queue.add(text)
            self.prompt.show_queue()
        else:
            self._send(text)

    @property
    def busy(self) -> bool:
        """Whether a turn runs, or is about to."""
        if self._waiting_prompt is not None or self._sending:
            return True
        return self.session is not None and self.session.state is not State.IDLE

    def _release_queue(self, *, asked: bool = False) -> None:
        """Send the next queued message: after a completed turn, or when the user asks."""
        if self.busy or not self.queue:
            return
        last = self.session.turn if self.session else None
        if not asked and (self.queue.paused or last is None or last.outcome is not Outcome.COMPLETED):
            return
        self.queue.paused = False
        text = self.queue.take()
        self.prompt.show_queue()
        self._send(text)

    # Actions -------------------------------------------------------------------------------------------------------

    def run_command(self, command: commands.Command, argument: str) -> None:
        """Run a command of the table with its argument."""
        if command.action in self.LOG_KEYS.values():
            turns = self.session.conversation.turns if self.session else []
            pointed = self.log_widget.cursor_turn if self.log_widget.has_focus else None
            if turns:
                self.act(command.action, pointed or turns[-1].id)
            else:
                self.say("there is no reply yet")
            return
        handler = getattr(self, f"action_{command.action}", None) or getattr(self.chat_app, f"action_{command.action}")
        result = handler(argument) if command.argument else handler()
        if result is not None and hasattr(result, "__await__"):
            self.call_next(lambda: result)

    def action_escape(self) -> None:
        """The first thing that fits: close the completions, stop the turn, leave the log or an edit, take the paused queue back."""
        if self.composer.has_focus and self.prompt.completing:
            self.prompt.close_completions()
        elif self.close_find() or self.close_wire_part():
            pass
        elif self.session is not None and self.session.state is not State.IDLE:
            self.action_stop()
        elif self._waiting_prompt is not None:
            self._take_back()
        elif self.log_widget.has_focus or self.wire_has_focus:
            self.composer.focus()
        elif self.editing:
            self.leave_editing()
        elif self.queue.paused and self.queue:
            self.prompt.give_back("\n".join(self.queue.take_all()))

    def _take_back(self) -> None:
        text, self._waiting_prompt = self._waiting_prompt, None
        self.prompt.give_back(text or "")

    def action_stop(self) -> None:
        """Stop the running reply; the queue pauses."""
        if self.session is not None and self.session.cancel(asked_at=self.chat_app.input_at):
            self.queue.paused = bool(self.queue)
            self.prompt.show_queue()
            self.refresh_status()

    def ask_what_waits(self) -> None:
        """Show the question that came while another tab was in front."""
        self._approvals.show()

    def action_copy_or_stop(self) -> None:
        """Ctrl+C: copy a selection, else stop the turn, else ask once and quit the second time."""
        selected = self.find_selection or self.composer.selected_text or self.log_widget.selected_text()
        if selected := selected or self.wire_selection:
            self.copy(selected)
            self.log_widget.deselect()
            return
        if self._waiting_prompt is not None:
            self._take_back()
            return
        if self.busy:
            self.action_stop()
            return
        now = time.monotonic()
        if now - self._quit_asked < QUIT_WINDOW:
            self.run_worker(self.app.action_quit())
            return
        self._quit_asked = now
        self.notify("Ctrl+C again quits; Ctrl+Q quits at once", timeout=QUIT_WINDOW, markup=False)

    def start_over(self) -> None:
        """Empty the screen for another conversation."""
        self.session, self.unsaved, self._view = None, None, None
        self.begin_anew()
        self.close_find()
        self.transcript.welcome()
        self.composer.focus()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers report to the node that started them."""
        self.chat_app.on_worker_state_changed(event)

    # The status bar ------------------------------------------------------------------------------------------------

    def refresh_status(self) -> None:
        """Show the state and the figures as they are now; behind another tab only its label."""
        self.chat_app.tab_changed(self)
        if not self.is_current:
            return
        runtime = self.chat_app.runtime
        if self.session is None:
            status = starting(runtime, waiting=self._waiting_prompt is not None)
        else:
            status = status_of(self.session, runtime, self._live, self.session.now())
        self.status_bar.show(*self.with_replay(*status_fields(status)))
