"""Turns in the words of the log: what a stored turn, or a running one, looks like there. No events, no keys."""

import time
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tui_chat.conversation import Outcome, Turn
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession
from tui_chat.ui import wording
from tui_chat.ui.screens.reply_view import ReplyView
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
        self._shown: dict[str, tuple[bool, frozenset[str]]] = {}  # what the footers say that other turns can change

    def welcome(self, recent: Sequence[str] = ()) -> None:
        """The empty log: what this is, and the titles of the last conversations."""
        self._log.clear()
        lines = [WELCOME, "", "Earlier, with /resume:", *(f"  {line}" for line in recent)] if recent else [WELCOME]
        self._log.add_notice("\n".join(lines), "welcome")

    def show_all(self, session: ChatSession) -> None:
        """A conversation that was stored."""
        self._log.clear()
        self._shown.clear()
        with self._log.bulk():
            for turn in session.conversation.turns:
                view = self._open(turn)
                view.show_stored()
                view.end()
                self.end(session, turn)

    def begin(self, session: ChatSession, turn: Turn) -> ReplyView:
        """A turn that begins: the prompt, or a seam where it goes on from the one before, and room for the reply."""
        self.refresh(session)
        return self._open(turn)

    def refresh(self, session: ChatSession) -> None:
        """Mend the footers that have become untrue: another turn has begun, or was left out."""
        for turn in session.conversation.turns:
            if turn.id in self._shown and self._shown[turn.id] != _said(session, turn):
                self.end(session, turn)

    def _open(self, turn: Turn) -> ReplyView:
        if turn.prompt.continues:
            self._log.add_seam(turn.id)
        else:
            self._log.add_prompt(turn.id, turn.prompt.text)
        self._log.add_reply(turn.id)
        return ReplyView(self._log, turn)

    def end(self, session: ChatSession, turn: Turn, *, saved: bool = True) -> None:
        """A turn that has ended, or whose footer has to say something else now."""
        if not saved:
            self._unsaved.add(turn.id)
        figures = self._runtime.figures(turn, time.monotonic())
        self._shown[turn.id] = goes_out, can = _said(session, turn)
        footer = wording.footer(turn, figures, can=can, goes_out=goes_out, saved=turn.id not in self._unsaved)
        self._log.reply(turn.id).end(footer)

    def reply_source(self, turns: Sequence[Turn], turn: Turn) -> str:
        """What copying the reply of `turn` gives: with what it goes on from, as it reads."""
        texts = [self._log.source_of(turn.id)]
        for each, before in pairwise(reversed(turns[: _place(turns, turn) + 1])):
            if not each.prompt.continues:
                break
            texts.append(self._log.source_of(before.id))
        return "".join(reversed(texts))

    def as_markdown(self, turns: Iterable[Turn]) -> str:
        """All that was said, as one text; what ended early says so, and a reply that went on is one."""
        from tui_chat.ui.chat_markdown import Said, chat_markdown  # here: the first paint copies nothing

        said: list[Said] = []
        for turn in turns:
            text = self._log.source_of(turn.id)
            if turn.prompt.continues and said:
                text = said.pop().text + text
            else:
                said.append(Said("You", turn.prompt.text))
            figures = self._runtime.figures(turn, time.monotonic())
            early = turn.outcome is not None and turn.outcome is not Outcome.COMPLETED
            footer = wording.footer(turn, figures, goes_out=True) if early else None
            said.append(Said(wording.model_name(turn.model), text, footer.text if footer else ""))
        return chat_markdown(said)


def _place(turns: Sequence[Turn], turn: Turn) -> int:
    return next(place for place, each in enumerate(turns) if each is turn)


def _said(session: ChatSession, turn: Turn) -> tuple[bool, frozenset[str]]:
    """Whether the turn goes out, and what its footer may offer: all of that is about the end of the conversation."""
    goes_out = session.goes_out(turn)
    if turn is not session.conversation.turns[-1]:
        return goes_out, frozenset()
    possible = {"again"}
    if session.can_go_on(turn):
        possible.add("go_on")
    if session.blamed(turn) is not None:
        possible.add("go_back")
    return goes_out, frozenset(possible)
