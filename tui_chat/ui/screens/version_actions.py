"""What can be done with the versions of a turn: another reply, another prompt, switching, forking, deleting. No events.

Editing happens in the composer: a line above it says so, Enter sends the text as a new version, Escape leaves it. What had been
typed before comes back afterwards.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.widgets import Static

from tui_chat.conversation import Turn
from tui_chat.errors import TuiChatError
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.screens.turn_actions import TurnActions

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.screens.chat import ChatScreen

_REFUSED: Final = (400, 413, 422)


class EditingLine(Static):
    """Says that the composer holds an earlier prompt."""

    DEFAULT_CSS = "EditingLine { height: auto; padding: 0 3; color: $text-warning; }"


@dataclass(slots=True)
class Editing:
    """An earlier prompt in the composer, and what it has displaced there."""

    turn: Turn
    draft: str
    sent: bool = False


class VersionActions(TurnActions):
    """A log screen on whose turns there are versions."""

    LOG_KEYS: ClassVar[dict[str, str]] = {
        **LogScreen.LOG_KEYS,
        "r": "again",
        "R": "again_with",
        "e": "edit_prompt",
        ",": "previous_version",
        ".": "next_version",
        "n": "fork",
        "d": "delete_version",
    }
    LOG_ACTIONS: ClassVar[dict[str, str]] = {**LogScreen.LOG_ACTIONS, "u": "undelete_version"}
    NEEDS_REST: ClassVar[frozenset[str]] = TurnActions.NEEDS_REST | {*LOG_KEYS.values(), "cycle_version"} - {
        "copy_message",
        "toggle_thinking",
        "turn_details",
    }

    def __init__(self) -> None:
        super().__init__()
        self._editing: Editing | None = None
        self._deletions: dict[str, list[str]] = {}  # by conversation, to be undone from the last on
        self._told_of_others = False

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        raise NotImplementedError

    def begin_anew(self) -> None:
        """Another conversation takes the screen."""
        self._told_of_others = False

    def tell_of_others(self, session: ChatSession) -> None:
        """Say once that the conversation is open elsewhere, too."""
        if session.met_others and not self._told_of_others:
            self._told_of_others = True
            self.say(
                "another window went on here as well: both are kept, as versions; the keys , and . switch", timeout=8
            )

    def do(self, action: str, session: ChatSession, turn: Turn) -> None:
        """What has to do with versions; the rest as everywhere."""
        match action:
            case "again":
                self._again(session, turn)
            case "again_with":
                self._again_with(session, turn)
            case "edit_prompt":
                self._edit(session, turn)
            case "previous_version":
                self._switch(session, turn, -1)
            case "next_version":
                self._switch(session, turn, 1)
            case "cycle_version":
                ids = session.versions(turn)
                self._switch(session, turn, 1 - len(ids) if ids[-1] == turn.id else 1)
            case "turn_details":
                self.chat_app.action_turn_details(turn.id)
            case "fork":
                self._fork(session, turn, with_reply=turn.prompt.continues or not self.transcript.branch.is_on_prompt)
            case "delete_version":
                self._delete(session, turn)
            case _:
                super().do(action, session, turn)

    # Another reply -------------------------------------------------------------------------------------------------

    def _again(self, session: ChatSession, turn: Turn, model: str | None = None) -> None:
        refused = turn.error is not None and turn.error.status in _REFUSED
        if refused and model is None and session.model == turn.model:
            self.say("it would be refused again: e edits the prompt, R asks another model")
            return
        what = f"again {turn.id} {model or ''}"
        self.composer.focus()
        self.start_turn(session.again(turn, model=model, unsaved=self.take_unsaved(what)), "", what)

    def _again_with(self, session: ChatSession, turn: Turn) -> None:
        """Ask which model."""
        from tui_chat.ui.screens.dialogs import PickScreen  # dialogs are not needed for the first paint

        def chosen(model: str | None) -> None:
            if model and session is self.session and not self.busy:
                if any(character.isspace() for character in model):
                    self.say(f"{sanitise_line(model)!r} is no model's name", "warning")
                else:
                    self._again(session, turn, model)

        entries = [(info.id, info.display_name or "") for info in self.chat_app.runtime.catalog]
        self.app.push_screen(PickScreen("Again, by", entries, free_text=True, current=turn.model), chosen)

    # Another prompt ------------------------------------------------------------------------------------------------

    @property
    def editing(self) -> bool:
        """Whether the composer holds an earlier prompt."""
        return self._editing is not None

    def _edit(self, session: ChatSession, turn: Turn) -> None:
        """The prompt comes into the composer; of a reply that went on it is the one at its beginning."""
        self.leave_editing()
        asked = session.chain(turn)[0]
        self._editing = Editing(asked, self.composer.text)
        self.mount(EditingLine("editing an earlier prompt · Escape leaves it", markup=False), before=self.prompt)
        self.composer.replace_text(asked.prompt.text)
        self.prompt.show_queue()
        self.composer.focus()

    def send_edited(self, session: ChatSession, text: str) -> None:
        """Send what stands in the composer as a new version of the prompt that is edited."""
        editing = self._editing
        if editing is None:
            return
        if self.busy:
            self.prompt.give_back(text)
            self.say("a reply is running; Escape stops it")
            return
        editing.sent = True
        session.conversation.draft, session.conversation.queued = editing.draft, self.queue.texts
        stream = session.send(text, instead_of=editing.turn, unsaved=self.take_unsaved(text))
        self.start_turn(stream, text, text)

    def edited(self) -> None:
        """A turn has begun: if it is the edited one, what was typed before comes back."""
        if self._editing is not None and self._editing.sent:
            self._end_editing(self.composer.text)

    def edit_refused(self, session: ChatSession) -> None:
        """What was edited was not sent and is in the composer again, as a new prompt if its place is on another branch."""
        if self._editing is not None:
            self._editing.sent = False
            if not session.has_place(self._editing.turn):
                self._end_editing(self.composer.text)

    def leave_editing(self) -> None:
        """Edit no longer; what was changed in the prompt is found under Up, and what was typed before is back."""
        editing = self._editing
        if editing is not None:
            text = self.composer.text
            if text.strip() and text != editing.turn.prompt.text:
                self.chat_app.remember_prompt(text)
            self._end_editing("")

    def stop_editing(self) -> None:
        """The conversation is left: what was changed becomes part of its draft."""
        editing = self._editing
        if editing is not None:
            text = self.composer.text
            self._end_editing("" if text == editing.turn.prompt.text else text)

    def _end_editing(self, text: str) -> None:
        """Put `text`, and below it what was typed before editing, into the composer."""
        editing, self._editing = self._editing, None
        if editing is not None:
            self.query(EditingLine).remove()
            self.composer.replace_text("\n".join(part for part in (text, editing.draft) if part.strip()))
            self.prompt.show_queue()

    # Switching, deleting, forking ----------------------------------------------------------------------------------

    def _switch(self, session: ChatSession, turn: Turn, by: int) -> None:
        """Another version of the turn; of one that has none, of what it goes on from."""
        turns = [each for each in session.chain(turn) if len(session.versions(each)) > 1]
        if not turns:
            self.say("there is only this version")
            return
        ids = session.versions(turns[-1])
        if not 0 <= ids.index(turns[-1].id) + by < len(ids):
            self.say("this is the last version" if by > 0 else "this is the first version")
            return
        self._move(partial(session.switch, turns[-1], by), session, "that version is gone")

    def _delete(self, session: ChatSession, turn: Turn) -> None:
        async def delete() -> bool:
            turns = session.conversation.turns
            what = "version" if len(session.versions(turn)) > 1 else "turn"
            count = len(turns) - next(place for place, each in enumerate(turns) if each is turn)
            self._deletions.setdefault(session.conversation.id, []).append(await session.delete_version(turn))
            after = {1: "", 2: " and the turn after it"}.get(count, f" and the {count - 1} turns after it")
            self.say(f"deleted this {what}{after}; u brings it back", timeout=6)
            return True

        self._move(delete, session, "")

    def action_undelete_version(self) -> None:
        """Bring back the version that was deleted last."""
        session = self.session
        deletions = self._deletions.get(session.conversation.id, []) if session is not None else []
        if session is None or not deletions:
            self.say("no version was deleted here")
        elif self.busy:
            self.say("a reply is running; Escape stops it")
        else:
            deletion = deletions.pop()  # now: the key may come again before this is done
            place = len(deletions)

            async def undo() -> bool:
                try:
                    back = await session.restore(deletion)
                except TuiChatError:
                    deletions.insert(place, deletion)
                    raise
                if back:
                    self.say("brought back")  # in place of what says that it is deleted
                return back

            self._move(undo, session, "there is nothing left of it")

    @work(group="move", exit_on_error=False)
    async def _move(self, moving: Callable[[], Awaitable[bool]], session: ChatSession, otherwise: str) -> None:
        """Let the path be moved and show where it leads; `otherwise` is said where it cannot be."""
        try:
            moved = await moving()
        except TuiChatError as error:
            self.notify(sanitise_line(error.sentence), severity="warning", markup=False)
            return
        if session is not self.session:
            return
        self.transcript.follow(session)
        self.refresh_status()
        self.chat_app.show_title()
        if not moved:
            self.say(otherwise)

    @work(group="move", exit_on_error=False)
    async def _fork(self, session: ChatSession, turn: Turn, *, with_reply: bool) -> None:
        """Go on from here in a conversation of its own; from a prompt with its text in the composer."""
        try:
            copy = await session.fork(turn, with_reply=with_reply)
        except TuiChatError as error:
            self.notify(sanitise_line(error.sentence), severity="warning", markup=False)
            return
        await self.chat_app.open_conversation(copy, chat=cast("ChatScreen", self))
        if self.session is not None and self.session.conversation.id == copy:
            if not with_reply:
                self.prompt.give_back(turn.prompt.text)
            self.composer.focus()
            self.say("a new conversation from here; the other one stays as it is", timeout=4)
