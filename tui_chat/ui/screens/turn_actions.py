"""What can be done with a turn that stands in the log: go on, leave out, copy. No events, no keys; versions stand apart."""

from collections.abc import AsyncGenerator
from typing import ClassVar

from textual import work

from tui_chat.conversation import Turn
from tui_chat.events import Event
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.screens.transcript import Transcript


class TurnActions(LogScreen):
    """A log screen whose log shows the turns of one session."""

    NEEDS_REST: ClassVar[frozenset[str]] = frozenset({"go_on", "go_back", "toggle_context"})  # not while a turn runs
    transcript: Transcript

    def __init__(self) -> None:
        super().__init__()
        self.session: ChatSession | None = None
        self._gone_back: set[str] = set()
        self.unsaved: str | None = None  # what could not be stored: a prompt, or an action; once more it goes ahead

    @property
    def busy(self) -> bool:
        """Whether a turn runs, or is about to."""
        raise NotImplementedError

    def start_turn(self, stream: AsyncGenerator[Event, None], text: str, what: str) -> None:
        """Read a turn of the session. If that refuses it `text` goes back to the composer, and `what` is kept as `unsaved`."""
        raise NotImplementedError

    def refresh_status(self) -> None:
        """Show the state and the figures as they are now."""
        raise NotImplementedError

    def take_unsaved(self, what: str) -> bool:
        """Whether `what` could not be stored the last time; asked once."""
        before, self.unsaved = self.unsaved, None
        return before == what

    def _turn(self, turn_id: str | None) -> Turn | None:
        turns = self.session.conversation.turns if self.session else []
        return next((turn for turn in reversed(turns) if turn.id == turn_id), None)

    def act(self, action: str, turn_id: str) -> None:
        """Do what a footer offers, for one turn."""
        turn, session = self._turn(turn_id), self.session
        if turn is None or session is None:
            return
        if action in self.NEEDS_REST and self.busy:
            self.say("a reply is running; Escape stops it")
        elif action in self.NEEDS_REST and turn.outcome is None:
            self.say("another window is still replying here, or was when this was opened", timeout=4)
        else:
            self.do(action, session, turn)

    def do(self, action: str, session: ChatSession, turn: Turn) -> None:
        """Do what may be done now."""
        match action:
            case "go_on":
                self._go_on(session, turn)
            case "go_back":
                self._go_back(session, turn)
            case "toggle_context":
                self._toggle_context(session, turn)
            case "toggle_thinking":
                if not self.log_widget.toggle_details(turn.id):
                    self.say("this reply has no thinking or tools that could be shown")
            case "copy_message":
                self.copy(self.log_widget.cursor_source)
            case _:
                pass

    def _go_on(self, session: ChatSession, turn: Turn) -> None:
        if not session.can_go_on(turn):
            self.say("only the last reply can go on, if it was cut off, stopped or reached max_tokens")
            return
        self.composer.focus()
        self.start_turn(session.go_on(unsaved=self.take_unsaved("go on")), "", "go on")

    def _go_back(self, session: ChatSession, turn: Turn) -> None:
        """Leave out the turn that the API complained of with all that follow, and give the prompt back."""
        bad = session.blamed(turn)
        if bad is None or turn.id in self._gone_back:
            self.say("the API complains of no earlier turn here")
            return
        self._gone_back.add(turn.id)  # left out, that turn is not where the API saw it
        turns = session.conversation.turns
        left = turns[next(place for place, each in enumerate(turns) if each is bad) :]
        self._leave_out(session, left)
        self._give_back(turn)
        title = sanitise_line(bad.prompt.text.strip().partition("\n")[0])[:30]
        self.say(f"left out from “{title}” on ({len(left)} turns); x takes one in again", timeout=6)

    def _give_back(self, turn: Turn) -> None:
        if not turn.prompt.continues and self.composer.text.strip() != turn.prompt.text.strip():
            self.prompt.give_back(turn.prompt.text)
        self.composer.focus()

    @work(group="mark", exit_on_error=False)
    async def _leave_out(self, session: ChatSession, turns: list[Turn]) -> None:
        for turn in turns:
            await session.set_in_context(turn, in_context=False)
        if session is self.session:
            self.transcript.refresh(session)

    @work(group="mark", exit_on_error=False)
    async def _toggle_context(self, session: ChatSession, turn: Turn) -> None:
        if turn.stop_reason == "refusal":
            self.say("what was refused never goes out again")
            return
        await session.set_in_context(turn, in_context=not turn.in_context)
        if session is self.session:
            self.transcript.refresh(session)
            self.say("in the next requests again" if session.goes_out(turn) else "left out of the next requests")

    def action_copy(self, argument: str = "") -> None:
        """Copy the last reply as markdown, its code block of that number, or the whole chat."""
        turns = self.session.conversation.turns if self.session else []
        last = next((turn for turn in reversed(turns) if turn.text), None)
        if argument == "chat":
            self.action_copy_chat()
        elif argument and last is not None:
            code = self.log_widget.code_of(last.id, int(argument)) if argument.isdecimal() else None
            if code is None:
                self.notify("the last reply has no such code block", severity="warning", markup=False)
            else:
                self.copy(code)
        else:
            self.copy(self.transcript.reply_source(turns, last) if last is not None else "")

    def action_copy_chat(self) -> None:
        """Copy all prompts and replies as one markdown text."""
        self.copy(self.transcript.as_markdown(self.session.conversation.turns if self.session else []))
