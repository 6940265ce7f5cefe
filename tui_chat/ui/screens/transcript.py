"""Turns in the words of the log: what a stored turn, or a running one, looks like there. No events, no keys."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tui_chat.conversation import Outcome, Turn
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession
from tui_chat.ui import wording
from tui_chat.ui.screens.reply_view import ReplyView
from tui_chat.ui.widgets.log_branch import LogBranch
from tui_chat.ui.widgets.message_log import MessageLog

WELCOME = """\
Chat with Claude and watch the stream: tokens and time to first token, live.
Enter sends, Ctrl+J makes a new line.
Escape stops a reply at once, and what came stays.
Ctrl+P has every command, F1 every key."""


class Transcript:
    """Writes turns into one log."""

    def __init__(self, log: MessageLog, runtime: Runtime) -> None:
        self._log, self._runtime, self.branch = log, runtime, LogBranch(log)
        self._unsaved: set[str] = set()
        self._order: list[str] = []  # the turns that are shown
        self._unended: set[str] = set()  # those of them that another window was writing
        self._said: dict[str, _Said] = {}  # what the footers say that other turns can change

    def welcome(self) -> None:
        """The empty log: what this is."""
        self._clear()
        self._log.add_notice(WELCOME, "welcome")

    def show_all(self, session: ChatSession) -> None:
        """The current path of a conversation that was stored, from its end."""
        self._show(session, session.conversation.turns)

    def follow(self, session: ChatSession) -> None:
        """The path goes another way: from where it does, its turns take the place of those that are shown."""
        turns = session.conversation.turns
        if not turns:
            self.welcome()
            return
        if not self._order:
            self.show_all(session)
            self.branch.point()
            return
        same = 0
        while same < min(len(turns), len(self._order)) and turns[same].id == self._order[same]:
            same += 1
        gone, self._order = self._order[same:], self._order[:same]

        def write() -> None:
            for turn in turns[same:]:
                if self.branch.bring_back(turn.id):
                    self._order.append(turn.id)
                else:
                    self._add(session, turn)

        if gone or same < len(turns):
            self.branch.replace_from(gone[0] if gone else None, write)
        self.refresh(session)

    def begin(self, session: ChatSession, turn: Turn) -> ReplyView:
        """A turn that begins, in place of what stood there: the prompt, or a seam where it goes on, and room for the reply."""
        place = len(session.conversation.turns) - 1
        if any(each.id in self._unended and each.outcome is not None for each in session.conversation.turns):
            self._show(session, session.conversation.turns[:place])  # another window has ended it meanwhile
        if gone := self._order[place:]:
            self.branch.drop_from(gone[0])
            del self._order[place:]
        self.refresh(session)
        return self._open(turn)

    def refresh(self, session: ChatSession) -> None:
        """Mend the footers that have become untrue: another turn has begun, or was left out."""
        for turn in session.conversation.turns:
            if turn.id in self._said and self._said[turn.id] != _said(session, turn):
                self.end(session, turn)

    def estimate_anew(self, session: ChatSession) -> None:
        """More is known of how many characters a token has: write the footers that rest on it again."""
        for turn in session.conversation.turns:
            if turn.id in self._said and not turn.counts_are_final:
                self.end(session, turn)

    def _clear(self) -> None:
        self._log.clear()
        self.branch.forget()
        self._said.clear()
        self._unended.clear()
        self._order.clear()

    def _show(self, session: ChatSession, turns: Sequence[Turn]) -> None:
        self._clear()
        with self._log.bulk():
            for turn in turns:
                self._add(session, turn)

    def _add(self, session: ChatSession, turn: Turn) -> None:
        """A turn that was stored."""
        if turn.outcome is None:
            self._unended.add(turn.id)
        view = self._open(turn)
        view.show_stored()
        view.end()
        self.end(session, turn)

    def _open(self, turn: Turn) -> ReplyView:
        self._order.append(turn.id)
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
        self._said[turn.id] = said = _said(session, turn)
        saved = turn.id not in self._unsaved
        footer = wording.footer(turn, figures, can=said.can, goes_out=said.goes_out, saved=saved, version=said.version)
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


@dataclass(frozen=True, slots=True)
class _Said:
    """What the footer of a turn says about the rest of the conversation."""

    goes_out: bool
    can: frozenset[str]
    version: tuple[int, int] | None


def _said(session: ChatSession, turn: Turn) -> _Said:
    """Whether the turn goes out, which of its versions it is, and what could be done at the end of the conversation."""
    goes_out, ids = session.goes_out(turn), session.versions(turn)
    version = (ids.index(turn.id) + 1, len(ids)) if len(ids) > 1 else None
    if turn is not session.conversation.turns[-1]:
        return _Said(goes_out, frozenset(), version)
    possible = {"again"}
    if session.can_go_on(turn):
        possible.add("go_on")
    if session.blamed(turn) is not None:
        possible.add("go_back")
    return _Said(goes_out, frozenset(possible), version)
