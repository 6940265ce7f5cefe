"""A conversation and its one running turn: `ChatSession`.

The engine says what happens, the store remembers it, the reader (a screen, headless output, a library user) watches. This
module is the seam where the three meet, and the one place where the order of things is a promise:

1. the user's message is committed before its request leaves;
2. while the reply runs, what came is journalled at most every 250 ms;
3. the end is committed, and only then is TurnEnded yielded: "done" on screen means "done" on disk.

A turn runs in a task of its own, the pump. Its events are stamped when bytes arrive, folded into the turn at once, and put in
a queue for the reader, so a reader that paints slowly never distorts a figure. `send` is that reader's end: it yields exactly
one TurnEnded, whatever happens. If nobody reads any more (the program quits), the pump still saves.

Cancelling is a plain call. `cancel()` cancels the task in which the engine runs; the engine unwinds and closes the
connection; the pump, which nobody cancels, saves the end; TurnEnded comes through the same queue as any other. A second
`cancel()` meets a session that is already stopping and does nothing. `state` is one enum, written here only.

Where a turn begins is planned in `next_turn.py`; what could not be stored waits in the backlog (`checkpoints.py`). A turn that
was recorded goes the same way, with a player in the place of the engine: `now` is then the player's clock, not this machine's.

It must not know Textual, SQLite or HTTP.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum
from functools import partial
from typing import Any

from tui_chat import turns
from tui_chat.approvals import Approvals
from tui_chat.beginnings import new_conversation, title_of
from tui_chat.checkpoints import Journal, TurnStore
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Message, Outcome, Turn
from tui_chat.endings import STOPPED, Stop, result_of, turn_ended
from tui_chat.engine.calls import Workbench
from tui_chat.engine.client import ApiClient
from tui_chat.engine.request import Requests
from tui_chat.engine.turn import TurnResult, TurnRunner
from tui_chat.errors import StoreError, UsageError
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.next_turn import NextTurn, Plan
from tui_chat.recordings.format import is_said
from tui_chat.recordings.player import Playback, Player
from tui_chat.recordings.recorder import Recorder, RecordingFolder
from tui_chat.recordings.recording import Recording
from tui_chat.subscribers import Subscribers
from tui_chat.wire import Capture, Tap, WireLog


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    SAVING = "saving"


class NotSavedError(StoreError):
    """The prompt could not be stored, so nothing was sent; sending again with `unsaved=True` goes ahead without."""


class ChatSession(NextTurn, Subscribers):
    """One conversation with at most one running turn; several sessions are independent of each other.

    `conversation` has what was said, on its current path. `turn` is the latest turn that began here, and grows while it runs;
    `begun` are all of them. `wire` holds what went over the wire, the latest of it. `tools_on` may be changed for the next turn.
    """

    def __init__(
        self,
        config: Config,
        client: ApiClient,
        store: TurnStore,
        conversation: Conversation | None = None,
        requests: Requests | None = None,
        *,
        wire: WireLog | None = None,
        recordings: RecordingFolder | None = None,
    ) -> None:
        super().__init__(config, store, conversation or new_conversation(config), requests or Requests(config))
        Subscribers.__init__(self)
        self._client, self._recordings = client, recordings
        self.wire = WireLog() if wire is None else wire  # an empty one is false
        self.turn: Turn | None = None
        self.begun: list[Turn] = []  # in this session, on whatever branch
        self.tools_on = config.tools  # from the next turn on
        self.said: list[Event] = []  # by the latest turn, beside what the bytes gave: with these they make a recording
        self.player: Player | None = None  # of the latest turn, if it was a recorded one
        self._approvals = Approvals(self.approval_limit)
        self._state = State.IDLE
        self._pump: asyncio.Task[None] | None = None
        self._stoppable: asyncio.Future[Any] | None = None  # what cancel() cancels: the commit's wait, then the request
        self._stop: Stop | None = None

    # What others may ask -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the session is doing now."""
        return self._state

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs."""
        return self._state is State.IDLE

    def now(self) -> float:
        """The clock of the latest turn: monotonic seconds, or where its replay stands. All its figures are taken from it."""
        return time.monotonic() if self.player is None else self.player.now()

    # What others may do --------------------------------------------------------------------------------------------

    def send(self, text: str, *, unsaved: bool = False, instead_of: Turn | None = None) -> AsyncGenerator[Event, None]:
        """Send `text` as the next user message and yield the turn's events; the last one is TurnEnded.

        With `instead_of` it is a new version of that turn, at its place; what stood there stays on its branch.

        Use it inside `contextlib.aclosing`: leaving early stops the turn and saves it. Once TurnEnded is yielded the next
        turn may be sent.

        Raises, at the first event:
            NotSavedError: the prompt could not be committed, or was stopped before it was; nothing was sent.
            UsageError: a turn is running, the text is blank, or the place of `instead_of` is not on the path.

        """
        return self._play(partial(self._sending, text, instead_of), unsaved=unsaved)

    async def ask(self, text: str) -> Turn:
        """Send `text` and return the turn once it has ended, however it did: `turn.outcome`, `turn.text`, `turn.error`.

        Subscribers are told meanwhile. Cancelling it stops the turn and saves it. Raises as `send`.
        """
        async with contextlib.aclosing(self.send(text)) as events:
            await anext(events)
            turn = self.begun[-1]
            async for _ in events:
                pass
        return turn

    def again(self, turn: Turn, *, model: str | None = None, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Have the prompt of `turn` answered once more, by `model` if given: a new version of it. Raises as `send`."""
        return self.respond(turn.prompt, model=model, unsaved=unsaved)

    def respond(
        self, prompt: Message, *, model: str | None = None, unsaved: bool = False
    ) -> AsyncGenerator[Event, None]:
        """Have `prompt`, stored or not, answered by `model` if given: a version of what stands at its place. Raises as `send`."""
        return self._play(partial(self._responding, prompt, model), unsaved=unsaved)

    def go_on(self, *, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Ask the model to go on where the last reply broke off: a turn of its own, with a stored instruction for a prompt.

        After one that brought nothing that is a new version of it.

        Raises, at the first event:
            NotSavedError: as `send`.
            UsageError: a turn is running, or the last reply is complete or empty.

        """
        return self._play(self._going_on, unsaved=unsaved)

    def replay(self, recording: Recording, player: Player) -> AsyncGenerator[Event, None]:
        """Let a recorded turn happen once more as the next one of this conversation; nothing is sent, no tool runs.

        Its events and figures are the recorded ones, its ids too; only what it belongs to and follows is this conversation.
        `player` sets the pace. Stopped by `cancel`, it ends as cancelled. Raises as `send`.
        """
        return self._play(partial(self._replaying, Playback(recording, player)), unsaved=False)

    async def _play(self, plan: Callable[[], Plan], *, unsaved: bool) -> AsyncGenerator[Event, None]:
        """The events of the turn that `plan` describes."""
        self._check_idle()
        if self._moving.locked():
            raise UsageError("the conversation goes to another branch", "try again in a moment")
        await self._catch_up()
        planned = plan()
        if planned.playback is None and self._client.offline:
            raise UsageError("a replay sends nothing", "start tui-chat without it to chat")
        self._check_ended(planned.place)
        self._state, self._stop = State.RUNNING, None
        try:
            turn, started = await self._begin(planned, unsaved=unsaved)
        except BaseException:
            self._state = State.IDLE
            raise
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queue.put_nowait(started)
        self._tell(turn, started)
        self.said, recorder = [started], None
        if self._recordings is not None and planned.playback is None:
            recorder = self._recordings.record(started, stored=not unsaved)
        pump = self._pump = asyncio.create_task(self._run(planned, turn, queue, recorder), name=f"turn {turn.id}")
        try:
            while True:
                event = await queue.get()
                if not isinstance(event, TurnEnded):
                    yield event
                    continue
                await asyncio.wait([pump])
                yield event
                return
        finally:
            if not pump.done():
                self.cancel()
                await asyncio.wait([pump])

    def answer(self, tool_use_id: str, input_hash: str, *, allow: bool) -> bool:
        """Allow or deny the call that asks; returns whether such a one, with this very input, was asking.

        It asks from right after its `ApprovalRequested` on: a subscriber answers from a coroutine function.
        """
        return self._approvals.answer(tool_use_id, input_hash, allow=allow)

    def cancel(self, *, asked_at: float | None = None) -> bool:
        """Stop the running turn, now. Returns whether there was one to stop; calling it twice is harmless.

        `asked_at`: when the key that asks for it was read, in monotonic seconds; the receipt counts from there.
        """
        if self._state is not State.RUNNING:
            return False
        now = time.monotonic()
        self._state, self._stop = State.STOPPING, Stop(now if asked_at is None else min(asked_at, now), now)
        if self._stoppable is not None:
            self._stoppable.cancel()
        return True

    async def close(self) -> None:
        """Stop and save what runs; afterwards nothing of this session is pending."""
        self.cancel()
        if self._pump is not None:
            await asyncio.wait([self._pump])
        await self._settled()
        await self._all_told()

    # The pump ------------------------------------------------------------------------------------------------------

    async def _begin(self, plan: Plan, *, unsaved: bool) -> tuple[Turn, TurnStarted]:
        conversation = self.conversation
        titled = bool(conversation.title)
        conversation.title = conversation.title or title_of(plan.prompt.text)
        started = plan.starts(conversation.id, self._config.server)
        self.player = plan.playback.player if plan.playback is not None else None
        turn = turns.begin(started)
        path = [*conversation.turns[: plan.place], turn]
        saving = asyncio.create_task(self._store.begin_turn(dataclasses.replace(conversation, turns=path[:-1]), turn))
        self._stoppable = asyncio.ensure_future(asyncio.shield(saving))
        try:
            versions = await self._stoppable
        except asyncio.CancelledError:
            self._later(self._abandon(path, saving, taken_back=self._state is State.STOPPING))
            conversation.title = conversation.title if titled else ""
            if self._state is not State.STOPPING:
                raise
            raise NotSavedError("stopped before the prompt was saved; nothing was sent") from None
        except StoreError as error:
            if not unsaved:
                conversation.title = conversation.title if titled else ""
                raise NotSavedError(f"not saved: {error.sentence}", plan.advice) from error
        else:
            self.met_others = self._branches.learn([turn], {turn.id: versions}) or self.met_others
        self.turn = turn
        self.begun.append(turn)
        self._branches.follow(path)
        for taken in plan.taken_in:
            if not taken.in_context:
                taken.in_context = True
                self._later(self._backlog.set_in_context(taken))
        return turn, started

    async def _abandon(self, path: list[Turn], saving: "asyncio.Task[tuple[str, ...]]", *, taken_back: bool) -> None:
        """A locked database may still take the prompt later: then it is a turn that was stopped before it was sent.

        If the user has it back, it goes again.
        """
        await asyncio.wait([saving])
        if saving.exception() is not None:
            return
        turn = path[-1]
        turn.in_context = False
        turns.apply(turn, turn_ended(turn, STOPPED, self.now(), self._stop))
        self._branches.keep(path)
        stored = await self._backlog.end_turn(turn, path)
        with contextlib.suppress(StoreError):
            if stored and taken_back:
                await self._store.library.delete_branch(self.conversation.id, turn.id)
                self._branches.forget(turn.id)
                await self._backlog.set_current()  # that took the stored path to the newest version, whichever is shown
            await self.save()  # its title is not the conversation's

    async def _run(self, plan: Plan, turn: Turn, queue: "asyncio.Queue[Event]", recorder: Recorder | None) -> None:
        """The pump: runs the turn, then saves and says its end. It is never cancelled; the task it waits for is."""
        journal, said = Journal(self._store, turn.id), self.said

        def emit(event: Event) -> None:
            turns.apply(turn, event)
            journal.add(event)
            if is_said(event):
                said.append(event)
                if recorder is not None:
                    recorder.say(event)
            queue.put_nowait(event)
            if self._subscribers:
                self._tell(turn, event)

        if plan.playback is None:
            engine = self._engine(turn, emit, journal, recorder)
        else:
            engine = plan.playback.play(turn, emit, partial(self._capture, turn))
        self._stoppable = running = asyncio.create_task(engine)
        if self._state is State.STOPPING:  # Escape came between the commit and here
            running.cancel()
        result = await result_of(running)
        self._stoppable, self._state = None, State.SAVING
        stop = self._stop if plan.playback is None else None  # a replay that is stopped closes nothing
        ended = result if isinstance(result, TurnEnded) else turn_ended(turn, result, self.now(), stop)
        if ended.outcome is not Outcome.COMPLETED and not turn.is_answered:
            turn.in_context = False  # an unanswered prompt would be answered along with the next one
        turns.apply(turn, ended)
        await journal.close()
        saved = await self._backlog.end_turn(turn, self.conversation.turns)
        if not isinstance(result, TurnEnded):
            if saved and stop is not None and ended.closed_after is not None:
                turn.saved_after = time.monotonic() - stop.asked_at
            ended = dataclasses.replace(ended, saved=saved, saved_after=turn.saved_after)
        self.said.append(ended)
        if recorder is not None:
            recorder.say(ended)
            self._later(recorder.closed())
        self._state = State.IDLE
        queue.put_nowait(ended)
        self._tell(turn, ended)

    async def _engine(
        self, turn: Turn, emit: Callable[[Event], None], journal: Journal, tap: Tap | None
    ) -> TurnResult | TurnEnded:
        requests, tools_on = self._requests, self.tools_on
        approve, allowed = self._approvals.ask, self._config.allow_tools
        bench = Workbench(requests.tools, allowed, approve, journal.flush) if tools_on else Workbench()
        parameters = partial(requests.parameters, self.conversation, turn, tools_on=tools_on)
        capture, limits = partial(self._capture, turn, tap=tap), self._config.timeouts
        return await TurnRunner(self._client, parameters, requests.refused, limits, bench, turn, emit, capture).run()

    def _capture(self, turn: Turn, model: str, sent: float, *, tap: Tap | None = None) -> Capture:
        started_at = time.time() if self.player is None else turn.started_at + sent - turn.started
        return self.wire.begin(turn.id, len(turn.requests) - 1, model, started_at, sent, tap=tap)
