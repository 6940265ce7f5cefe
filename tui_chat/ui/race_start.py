"""`/race`: which models, on which prompt, and what becomes of the chat behind when it is over.

The prompt is what stands in the composer, else the last one of the conversation. It stays in the composer until the race has stored
it, so nothing that goes wrong before loses it.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui_chat.conversation import Turn
from tui_chat.errors import RequestError, UsageError
from tui_chat.racing import Lane, Race, models_of, parse
from tui_chat.runtime import read_state, write_state
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.screens.race_setup import RaceSetupScreen
from tui_chat.ui.screens.racing import Finished, RaceScreen

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

_PATIENCE: Final = 3.0  # seconds for the server's list of models
_STATE: Final = "race"  # the name of the last choice in state.json


class RaceStart:
    """One `/race` in the chat that is in front."""

    def __init__(self, app: "TuiChatApp", state_dir: Path | None) -> None:
        """`state_dir` is where the last choice is remembered; None: it is not."""
        self._app, self._chat, self._state_dir = app, app.chat, state_dir

    async def begin(self, argument: str) -> None:
        """Race as `argument` says, or ask for the models."""
        asked, runtime = parse(argument), self._app.runtime
        if asked.prompt:
            self._chat.prompt.give_back(asked.prompt)  # where it stays if this comes to nothing
        if self._chat.session is not None and not any(runtime.catalog):  # just started: short names mean nothing yet
            self._chat.say("asking the server for its models")
            with contextlib.suppress(RequestError, TimeoutError):
                await runtime.client.ready()
                await asyncio.wait_for(runtime.refresh_catalog(), _PATIENCE)
        if self._app.screen is self._chat:  # the user may have gone elsewhere meanwhile
            self._ask(asked.names)

    def _ask(self, names: Sequence[str]) -> None:
        chat, session = self._chat, self._chat.session
        if session is None:
            return
        if chat.busy:
            chat.say("a reply is running; Escape stops it")
            return
        if chat.editing:
            chat.say("an earlier prompt is being edited: Enter sends it, Escape leaves it", "warning", timeout=5)
            return
        prompt = self._prompt(session)
        if not prompt:
            chat.say("there is no prompt to race on yet: /race haiku opus -- and the prompt", "warning", timeout=6)
            return
        if names:
            self._start(names)
            return
        entries = [(info.id, info.display_name or "") for info in self._app.runtime.catalog]
        self._app.push_screen(RaceSetupScreen(prompt, entries, self._remembered(session)), self._start)

    def _prompt(self, session: ChatSession) -> str:
        """What is asked, '' if there is nothing."""
        turn = self._turn(session)
        return self._chat.composer.text.strip() or (turn.prompt.text if turn is not None else "")

    def _turn(self, session: ChatSession) -> Turn | None:
        """The last turn with a prompt that somebody typed."""
        turns = session.conversation.turns
        return session.chain(turns[-1])[0] if turns else None

    def _remembered(self, session: ChatSession) -> list[str]:
        state = read_state(self._state_dir) if self._state_dir is not None else {}
        known = state.get(_STATE)
        names = [each for each in known if isinstance(each, str) and each] if isinstance(known, list) else []
        return names or [session.model]

    def _start(self, names: Sequence[str] | None) -> None:
        chat, session, runtime = self._chat, self._chat.session, self._app.runtime
        if session is None or not names:
            return
        models = models_of(names, [info.id for info in runtime.catalog])
        text = chat.composer.text.strip()
        turn = None if text else self._turn(session)
        what = f"race {text or (turn and turn.id)}"
        try:
            race = Race(runtime, session, models, text=text, turn=turn, unsaved=chat.take_unsaved(what))
        except UsageError as error:
            chat.say(sanitise_line(error.sentence), "warning", timeout=6)
            return
        if self._state_dir is not None:
            write_state(self._state_dir, **{_STATE: models})
        if text:
            session.conversation.draft, session.conversation.queued = "", chat.queue.texts

        def begun() -> None:
            if text:
                self._app.remember_prompt(text)
                chat.composer.replace_text("")

        def finished(result: Finished | None) -> None:
            if result is not None and session is chat.session:
                self._finished(session, race, result, what)

        self._app.push_screen(RaceScreen(race, begun), finished)

    def _finished(self, session: ChatSession, race: Race, result: Finished, what: str) -> None:
        chat = self._chat
        chat.composer.focus()
        if result.error is not None:
            chat.unsaved = what
            self._app.notify(sanitise_line(result.error.sentence), severity="warning", timeout=10, markup=False)
            return
        chat.log_widget.action_follow()
        chat.transcript.follow(session)
        chat.refresh_status()
        self._app.show_title()
        chat.tell_of_others(session)
        if result.kept is not None and result.kept.turn is not None:
            self._app.after_turn(session, result.kept.turn)
            # Toasts are the screen's, and this one is only about to be the one in front.
            chat.call_after_refresh(chat.say, _said(result.kept, race), timeout=5)


def _said(kept: Lane, race: Race) -> str:
    others = sum(lane.turn is not None for lane in race.lanes) - 1
    name = f"kept {kept.number}, {wording.model_name(kept.model)}"
    if not others:
        return name
    what = "the other answer is its version" if others == 1 else f"the other {others} answers are its versions"
    return f"{name}; {what}: the keys , and . in the log"
