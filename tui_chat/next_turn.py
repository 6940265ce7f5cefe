"""What the next turn of a conversation will be: its model and tools, its prompt, its place, and what it takes into context.

The part of a session that knows what would go out, and sends nothing. Where a turn begins the path may fork: a regenerated
reply, an edited prompt and a retry take the place of what stood there. It must not know how a turn runs.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tui_chat.branches import message_before
from tui_chat.checkpoints import TurnStore
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Message, Turn
from tui_chat.engine import context
from tui_chat.engine.history import CONTINUE
from tui_chat.engine.request import Requests
from tui_chat.engine.tools import Tool
from tui_chat.errors import UsageError
from tui_chat.events import TurnStarted
from tui_chat.ids import new_id
from tui_chat.recordings.player import Playback
from tui_chat.text import storable
from tui_chat.versions import VersionedConversation

_ONCE_MORE: Final = "once more goes ahead without saving"


@dataclass(frozen=True, slots=True)
class Plan:
    """A turn that is about to begin: its prompt, its place on the path, and which others have to be in context for it."""

    prompt: Message
    place: int
    model: str
    advice: str = _ONCE_MORE  # how to send it without saving
    taken_in: Sequence[Turn] = ()
    playback: Playback | None = None  # it was recorded, and is not sent

    def starts(self, conversation_id: str, server: str) -> TurnStarted:
        """The turn begins, now or as it was recorded."""
        if self.playback is None:
            now, at = time.monotonic(), time.time()
            return TurnStarted(now, new_id(), conversation_id, new_id(), self.model, server, at, self.prompt)
        self.playback.player.begin(self.playback.recording)
        return replace(self.playback.recording.started, conversation_id=conversation_id, prompt=self.prompt)


class NextTurn(VersionedConversation):
    """A conversation that could go on."""

    def __init__(self, config: Config, store: TurnStore, conversation: Conversation, requests: Requests) -> None:
        super().__init__(store, conversation)
        self._config, self._requests = config, requests

    @property
    def model(self) -> str:
        """The model of the next request."""
        return self.conversation.model or self._config.model

    @property
    def system(self) -> str | None:
        """The system prompt of the next request."""
        return self.conversation.system

    @property
    def tools(self) -> Sequence[Tool]:
        """The tools that the model may be given."""
        return self._requests.tools

    @property
    def efforts(self) -> tuple[str, ...] | None:
        """The efforts that the model of the next request offers; None: not known."""
        return self._requests.efforts(self.model)

    @property
    def effort(self) -> str | None:
        """The effort of the next request; None: the model's own, also where it does not take the one that was chosen."""
        return self._requests.effort(self.model, self.conversation.effort)

    @property
    def approval_limit(self) -> float | None:
        """Seconds until a call that nobody answers for is denied; None: never."""
        return self._config.timeouts.approval or None

    def goes_out(self, turn: Turn) -> bool:
        """Whether `turn` is part of the next request."""
        return context.goes_out(self.conversation.turns, turn)

    def can_go_on(self, turn: Turn) -> bool:
        """Whether the model can be asked to go on from `turn`: the last one, with content, ended before it was complete."""
        turns = self.conversation.turns
        return self.is_idle and turn is turns[-1] and context.open_end(turns) is not None

    def blamed(self, turn: Turn) -> Turn | None:
        """The earlier turn that made the API refuse the request of `turn`, the last one, as far as its words tell."""
        return context.blamed(self.conversation.turns, turn)

    def next_prompt(self, text: str) -> Message:
        """`text` as the user message that follows the path, for `respond`; nothing is sent or stored yet."""
        return self._prompt(storable(text), len(self.conversation.turns))

    # Plans ---------------------------------------------------------------------------------------------------------

    def _sending(self, text: str, instead_of: Turn | None) -> Plan:
        """`text` at the end of the path, or in place of another turn."""
        if not text.strip():
            raise UsageError("there is nothing to send")
        place = len(self.conversation.turns) if instead_of is None else self._branches.place(instead_of)
        return Plan(self._prompt(storable(text), place), place, self.model, "Enter sends it without saving")

    def _responding(self, prompt: Message, model: str | None) -> Plan:
        """Another reply to `prompt`, which may be a new one."""
        place = self._branches.place_of(prompt)
        # What goes on from a reply goes out with it, so that has to be in context.
        base = self.chain(self.conversation.turns[place - 1])[:1] if prompt.continues and place else ()
        return Plan(prompt, place, model or self.model, taken_in=base)

    def _going_on(self) -> Plan:
        """From where the last reply broke off."""
        turns = self.conversation.turns
        base = context.open_end(turns)
        if base is None:
            raise UsageError("there is nothing to go on from", "only a reply that broke off can be continued")
        place = len(turns) if turns[-1] is base else len(turns) - 1
        prompt = self._prompt(CONTINUE, place, continues=True) if place == len(turns) else turns[place].prompt
        chain = [each for each in context.chain(turns, base) if each.is_answered]
        return Plan(prompt, place, self.model, taken_in=chain)

    def _replaying(self, playback: Playback) -> Plan:
        """A recorded turn at the end of the path: what it follows is this conversation's."""
        place, started = len(self.conversation.turns), playback.recording.started
        prompt = replace(started.prompt, parent_id=message_before(self.conversation.turns, place))
        return Plan(prompt, place, started.model, playback=playback)

    def _prompt(self, text: str, place: int, *, continues: bool = False) -> Message:
        parent = message_before(self.conversation.turns, place)
        return Message(new_id(), parent, "user", ({"type": "text", "text": text},), time.time(), continues=continues)
