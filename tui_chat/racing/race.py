"""A race: two to four models answer the same prompt at once, and one answer is kept.

Each lane is a whole `ChatSession` on a copy of the conversation that ends before the prompt: journalled, cancelled, saved and,
after a crash, recovered by itself. All lanes answer the *same* message, so what is stored is one prompt with several turns, which
are versions of each other. The session that the race began from stays idle; when the last lane has ended it is told of all of them
(`adopt`), and keeping one is going to it as to any other version.

    session (idle)     …, turn
    lane 1             …, turn, prompt ─ reply 1        one row for the prompt,
    lane 2             …, turn, prompt ─ reply 2        a turn for each lane
    lane 3             …, turn, prompt ─ reply 3

Lanes run without tools: a call would ask in the middle of three other replies, and a tool that changes something would run once
a lane. It must not know screens, HTTP or SQLite.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from tui_chat.beginnings import title_of
from tui_chat.conversation import Message, Outcome, Turn
from tui_chat.errors import TuiChatError, UsageError
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.racing.models import LANES_MAX, LANES_MIN
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, NotSavedError

_log = logging.getLogger(__name__)


class Lane:
    """One model's answer. `number` counts from 1; `refusal` says why it never began.

    `finished_after` is seconds from its first request being sent to its end; None unless it has brought a whole answer.
    """

    def __init__(self, number: int, model: str, session: ChatSession) -> None:
        self.number, self.model, self.session = number, model, session
        self.refusal: TuiChatError | None = None
        self.ended = False
        self.saved = True
        self.stopping = False
        self.finished_after: float | None = None

    @property
    def turn(self) -> Turn | None:
        """The turn; None before it has begun, and if it never does."""
        return self.session.turn

    @property
    def first_token_after(self) -> float | None:
        """Seconds from its first request being sent to its first token, waits between attempts included; None: none yet."""
        turn = self.turn
        if turn is None or not turn.requests:
            return None
        stamps = [each.stamps.first_delta for each in turn.requests if each.stamps.first_delta is not None]
        return stamps[0] - turn.requests[0].stamps.sent if stamps else None


class Race:
    """Read `run` to its end, once; then `keep`. `lanes` are in the order of the models."""

    def __init__(
        self,
        runtime: Runtime,
        session: ChatSession,
        models: Sequence[str],
        *,
        text: str = "",
        turn: Turn | None = None,
        unsaved: bool = False,
    ) -> None:
        """`text` is a new prompt; without one the prompt of `turn`, which is on the path, is answered once more by each.

        Raises:
            UsageError: a turn is running, there is nothing to ask, or not two to four models to ask it.

        """
        if not session.is_idle:
            raise UsageError("a turn is running", "stop it first, or wait")
        if not LANES_MIN <= len(models) <= LANES_MAX:
            raise UsageError("a race takes two to four models", "one may come twice")
        if turn is None and not text.strip():
            raise UsageError("there is no prompt to race on", "write one first")
        self._runtime, self.session, self._unsaved = runtime, session, unsaved
        self.prompt: Message = session.next_prompt(text) if turn is None else turn.prompt
        self.without_tools = session.tools_on  # they are on, but not here
        self.is_over = False  # all lanes have ended, and `session` knows of them
        self.lanes = tuple(Lane(number, model, self._beside()) for number, model in enumerate(models, 1))

    def _beside(self) -> ChatSession:
        """A session that is where the prompt goes."""
        conversation, place = self.session.conversation, self.session.place_of(self.prompt)
        title = conversation.title or title_of(self.prompt.text)
        session = self._runtime.beside(
            replace(conversation, title=title, turns=conversation.turns[:place], versions={})
        )
        session.tools_on = False
        return session

    async def run(self) -> AsyncGenerator[tuple[Lane, Event], None]:
        """The events of all lanes as they come, each lane's up to its TurnEnded. A lane that cannot begin has none.

        Use it inside `contextlib.aclosing`: leaving early stops and saves all lanes. Afterwards `session` knows all turns.

        Raises, after the last lane:
            NotSavedError: no lane could begin, since the prompt could not be stored; with `unsaved` they go ahead.
            UsageError: no lane could begin.

        """
        queue: asyncio.Queue[tuple[Lane, Event] | None] = asyncio.Queue()
        readers = [asyncio.create_task(self._read(lane, queue), name=f"lane {lane.number}") for lane in self.lanes]
        running = len(readers)
        try:
            while running:
                item = await queue.get()
                if item is None:
                    running -= 1
                else:
                    yield item
        finally:
            self.cancel_all()
            await asyncio.wait(readers)
            await self._take_home()
        for reader in readers:
            reader.result()  # a bug is not kept back
        refusals = [lane.refusal for lane in self.lanes if lane.refusal is not None]
        if len(refusals) == len(self.lanes):
            raise refusals[0]

    async def _read(self, lane: Lane, queue: "asyncio.Queue[tuple[Lane, Event] | None]") -> None:
        try:
            if lane.stopping:
                lane.refusal = UsageError("stopped before it began")
            else:
                await self._follow(lane, queue)
        except (NotSavedError, UsageError) as error:
            _log.info("lane %d of a race did not begin: %s", lane.number, error)
            lane.refusal = error
        finally:
            lane.ended = True
            queue.put_nowait(None)

    async def _follow(self, lane: Lane, queue: "asyncio.Queue[tuple[Lane, Event] | None]") -> None:
        turn_events = lane.session.respond(self.prompt, model=lane.model, unsaved=self._unsaved)
        async with contextlib.aclosing(turn_events) as events:
            async for event in events:
                if isinstance(event, TurnStarted):
                    self._begun(lane)
                elif isinstance(event, TurnEnded):
                    self._ended(lane, event)
                queue.put_nowait((lane, event))

    def _begun(self, lane: Lane) -> None:
        conversation = self.session.conversation
        conversation.title = conversation.title or lane.session.conversation.title
        if lane.stopping:  # it was to stop before it could
            lane.session.cancel()

    def _ended(self, lane: Lane, event: TurnEnded) -> None:
        lane.ended, lane.saved, turn = True, event.saved, lane.turn
        if turn is None or not turn.requests:
            return
        self._runtime.ratios.learn(turn)
        if turn.outcome is Outcome.COMPLETED and turn.is_answered and turn.stop_reason != "refusal":
            lane.finished_after = event.at - turn.requests[0].stamps.sent

    async def _take_home(self) -> None:
        """All lanes are over: `session` knows what they said, and what they cost."""
        for lane in self.lanes:
            await lane.session.close()
            if lane.turn is not None and lane.turn.outcome is not None:
                self.session.begun.append(lane.turn)
                await self.session.adopt(lane.turn, saved=lane.saved)
        self.is_over = True

    # What others may ask -------------------------------------------------------------------------------------------

    @property
    def first_to_show(self) -> Lane | None:
        """The lane that showed its first token soonest after it was sent."""
        shown = [(after, lane.number) for lane in self.lanes if (after := lane.first_token_after) is not None]
        return self.lanes[min(shown)[1] - 1] if shown else None

    @property
    def first_to_finish(self) -> Lane | None:
        """The lane that had its whole answer soonest after it was sent."""
        done = [(after, lane.number) for lane in self.lanes if (after := lane.finished_after) is not None]
        return self.lanes[min(done)[1] - 1] if done else None

    def choice(self, preferred: Lane) -> Lane | None:
        """What is kept if nobody says: the first whole answer, else `preferred`, else any that began; None if none did."""
        candidates = (self.first_to_finish, preferred, *self.lanes)
        return next((lane for lane in candidates if lane is not None and lane.turn is not None), None)

    # What others may do --------------------------------------------------------------------------------------------

    def cancel(self, lane: Lane, *, asked_at: float | None = None) -> bool:
        """Stop one lane, now; returns whether there was anything to stop. The others go on. `asked_at` as in a session."""
        if lane.ended or lane.stopping:
            return False
        lane.stopping = True
        lane.session.cancel(asked_at=asked_at)
        return True

    def cancel_all(self, *, asked_at: float | None = None) -> bool:
        """Stop all lanes, now; returns whether there was anything to stop."""
        stopped = [self.cancel(lane, asked_at=asked_at) for lane in self.lanes]
        return any(stopped)

    async def keep(self, lane: Lane) -> bool:
        """Make the answer of `lane` the reply; the others stay as its versions. False if it has none, or is gone.

        Raises:
            UsageError: the race is not over.
            StoreError: as `ChatSession.go_to`.

        """
        if not self.is_over:
            raise UsageError("the race is not over", "stop the others first")
        if lane.turn is None or not await self.session.go_to(lane.turn.id):
            return False
        # It is the session's latest turn from now on, whoever asks: a recording, the queue, a receipt.
        self.session.turn, self.session.said, self.session.player = lane.turn, lane.session.said, None
        return True
