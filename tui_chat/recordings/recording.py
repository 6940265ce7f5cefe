"""A recording that was read: the records of one turn, and the events that they stand for."""

from dataclasses import dataclass, replace

from tui_chat import turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.endings import turn_ended
from tui_chat.engine.turn import TurnResult
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.ids import new_id
from tui_chat.recordings.decoding import CUT, INTERRUPTED, Decoding
from tui_chat.recordings.format import Header, Record, Said


@dataclass(frozen=True, slots=True)
class Recording:
    """One turn. `records` begin with its TurnStarted; they may end anywhere."""

    header: Header
    records: tuple[Record, ...]

    @property
    def started(self) -> TurnStarted:
        """How the turn began."""
        first = self.records[0]
        if not isinstance(first, Said) or not isinstance(first.event, TurnStarted):
            raise ValueError("a recording begins with TurnStarted")  # noqa: TRY004 - the sequence is wrong, not the type
        return first.event

    @property
    def ended(self) -> TurnEnded | None:
        """How the turn ended; None: the recording was cut off."""
        last = self.records[-1]
        return last.event if isinstance(last, Said) and isinstance(last.event, TurnEnded) else None

    @property
    def duration(self) -> float:
        """Seconds from its first record to its last."""
        return self.records[-1].at - self.records[0].at

    def events(self) -> list[Event]:
        """The events of the turn, as its readers saw them. One that was cut off ends as failed: `interrupted`."""
        return self._fold()[1]

    def turn(self) -> Turn:
        """The turn that these events make."""
        return self._fold()[0]

    def _fold(self) -> tuple[Turn, list[Event]]:
        turn, events = turns.begin(self.started), list[Event]()

        def emit(event: Event) -> None:
            turns.apply(turn, event)
            events.append(event)

        decoding = Decoding(emit)
        for record in self.records:
            decoding.take(record)
        if self.ended is None:
            at = self.records[-1].at
            decoding.break_off(turn, at, INTERRUPTED, CUT)
            emit(turn_ended(turn, TurnResult(Outcome.FAILED, None, INTERRUPTED), at))
        return turn, events

    def under_new_ids(self) -> "Recording":
        """The same as another turn, for a store that has this one already."""
        started = self.started
        renamed = replace(
            started, turn_id=new_id(), reply_id=new_id(), prompt=replace(started.prompt, id=new_id(), parent_id=None)
        )
        return replace(self, records=(Said(started.at, renamed), *self.records[1:]))
