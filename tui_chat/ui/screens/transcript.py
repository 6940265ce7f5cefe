"""Turns in the words of the log: what a stored turn, or a running one, looks like there. No events, no keys."""

import time
from collections.abc import Iterable, Sequence

from tui_chat.conversation import Outcome, Turn
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession
from tui_chat.ui import wording
from tui_chat.ui.widgets.message_log import MessageLog

WELCOME = """\
Chat with Claude and watch the stream: tokens and time to first token, live.
Enter sends, Ctrl+J makes a new line.
Escape stops a reply at once, and what came stays.
Ctrl+P has every command, F1 every key."""


class Transcript:
    """Writes turns into one log."""

    def __init__(self, log: MessageLog, runtime: Runtime) -> None:
        self._log, self._runtime = log, runtime
        self._unsaved: set[str] = set()

    def welcome(self, recent: Sequence[str] = ()) -> None:
        """The empty log: what this is, and the titles of the last conversations."""
        self._log.clear()
        lines = [WELCOME, "", "Earlier, with /resume:", *(f"  {line}" for line in recent)] if recent else [WELCOME]
        self._log.add_notice("\n".join(lines), "welcome")

    def show_all(self, session: ChatSession) -> None:
        """A conversation that was stored."""
        self._log.clear()
        with self._log.bulk():
            for turn in session.conversation.turns:
                self._log.add_prompt(turn.id, turn.prompt.text)
                self._log.add_reply(turn.id, turn.text)
                if thinking := turn.thinking:
                    self._log.reply(turn.id).think(thinking)
                self.end(session, turn)

    def begin(self, turn: Turn) -> None:
        """A turn that begins: the prompt, and room for the reply."""
        self._log.add_prompt(turn.id, turn.prompt.text)
        self._log.add_reply(turn.id)

    def summarise_thinking(self, turn: Turn) -> None:
        """Thinking is over: one line takes its place, if there was any; of a turn without text it is all that came."""
        if turn.outcome is not None and turn.thinking and not turn.text.strip():
            self._log.reply(turn.id).show_thinking(shown=True)
        elif summary := _thinking_summary(turn):
            self._log.reply(turn.id).thought(f"{summary}   t shows it" if turn.thinking else summary)

    def end(self, session: ChatSession, turn: Turn, *, saved: bool = True) -> None:
        """A turn that has ended, or whose footer has to say something else now."""
        if not saved:
            self._unsaved.add(turn.id)
        self.summarise_thinking(turn)
        figures = self._runtime.figures(turn, time.monotonic())
        goes_out = session.goes_out(turn)
        self._log.reply(turn.id).end(
            wording.footer(turn, figures, goes_out=goes_out, saved=turn.id not in self._unsaved)
        )

    def as_markdown(self, turns: Iterable[Turn]) -> str:
        """All that was said, as one text; what ended early says so."""
        from tui_chat.ui.chat_markdown import Said, chat_markdown  # here: the first paint copies nothing

        said: list[Said] = []
        for turn in turns:
            said.append(Said("You", turn.prompt.text))
            figures = self._runtime.figures(turn, time.monotonic())
            early = turn.outcome is not None and turn.outcome is not Outcome.COMPLETED
            footer = wording.footer(turn, figures, goes_out=True, saved=True) if early else None
            said.append(Said(wording.model_name(turn.model), turn.text, footer.text if footer else ""))
        return chat_markdown(said)


def _thinking_summary(turn: Turn) -> str:
    """One line for the thinking of a turn, or '' if there was none."""
    request = turn.request
    if request is None or request.stamps.first_thinking is None:
        return ""
    stamps = request.stamps
    until = stamps.first_text or stamps.last_delta or stamps.ended
    if until is None or until <= request.stamps.first_thinking:
        return ""
    return f"thought for {wording.clock(until - request.stamps.first_thinking)}"
