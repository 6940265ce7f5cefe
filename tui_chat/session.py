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

Where a turn begins the path may fork: a regenerated reply, an edited prompt and a retry take the place of what stood there,
which stays on its branch (`versions.py`). What could not be stored waits in the backlog (`checkpoints.py`).

It must not know Textual, SQLite or HTTP.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final

from tui_chat import turns
from tui_chat.beginnings import new_conversation, title_of
from tui_chat.branches import message_before
from tui_chat.checkpoints import Journal, TurnStore
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Message, Outcome, ToolCall, Turn
from tui_chat.engine import context
from tui_chat.engine.calls import Workbench
from tui_chat.engine.client import ApiClient
from tui_chat.engine.history import CONTINUE
from tui_chat.engine.request import Requests
from tui_chat.engine.tools import Tool
from tui_chat.engine.turn import TurnResult, TurnRunner
from tui_chat.errors import Failure, StoreError, UsageError
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.ids import new_id
from tui_chat.text import storable
from tui_chat.versions import VersionedConversation
from tui_chat.wire import Capture, WireLog

_log = logging.getLogger(__name__)
_ONCE_MORE: Final = "once more goes ahead without saving"


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    SAVING = "saving"


class NotSavedError(StoreError):
    """The prompt could not be stored, so nothing was sent; sending again with `unsaved=True` goes ahead without."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """A turn that is about to begin: its prompt, its place on the path, and which others have to be in context for it."""

    prompt: Message
    place: int
    model: str
    advice: str  # how to send it without saving
    taken_in: Sequence[Turn] = ()


class ChatSession(VersionedConversation):
    """One conversation with at most one running turn; several sessions are independent of each other."""

    def __init__(
        self,
        config: Config,
        client: ApiClient,
        store: TurnStore,
        conversation: Conversation | None = None,
        requests: Requests | None = None,
        *,
        wire: WireLog | None = None,
    ) -> None:
        super().__init__(store, conversation or new_conversation(config))
        self._config, self._client = config, client
        self._requests = requests or Requests(config)
        self.wire = wire or WireLog()
        self.turn: Turn | None = None
        self.begun: list[Turn] = []  # in this session, on whatever branch
        self.tools_on = config.tools  # from the next turn on
        self._asked: dict[str, tuple[str, asyncio.Future[bool]]] = {}  # open approvals: the input's hash, the answer
        self._state = State.IDLE
        self._pump: asyncio.Task[None] | None = None
        self._stoppable: asyncio.Future[Any] | None = None  # what cancel() cancels: the commit's wait, then the request
        self._cancelled_at: float | None = None

    # What others may ask -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the session is doing now."""
        return self._state

    @property
    def is_idle(self) -> bool:
        """Whether no turn runs."""
        return self._state is State.IDLE

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

        def plan() -> _Plan:
            if not text.strip():
                raise UsageError("there is nothing to send")
            place = len(self.conversation.turns) if instead_of is None else self._branches.place(instead_of)
            return _Plan(self._prompt(storable(text), place), place, self.model, "Enter sends it without saving")

        return self._play(plan, unsaved=unsaved)

    def again(self, turn: Turn, *, model: str | None = None, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Have the prompt of `turn` answered once more, by `model` if given: a new version of it. Raises as `send`."""

        def plan() -> _Plan:
            place = self._branches.place(turn)
            # What goes on from a reply goes out with it, so that has to be in context.
            base = self.chain(self.conversation.turns[place - 1])[:1] if turn.prompt.continues and place else ()
            return _Plan(turn.prompt, place, model or self.model, _ONCE_MORE, base)

        return self._play(plan, unsaved=unsaved)

    def go_on(self, *, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Ask the model to go on where the last reply broke off: a turn of its own, with a stored instruction for a prompt.

        After one that brought nothing that is a new version of it.

        Raises, at the first event:
            NotSavedError: as `send`.
            UsageError: a turn is running, or the last reply is complete or empty.

        """

        def plan() -> _Plan:
            turns = self.conversation.turns
            base = context.open_end(turns)
            if base is None:
                raise UsageError("there is nothing to go on from", "only a reply that broke off can be continued")
            place = len(turns) if turns[-1] is base else len(turns) - 1
            prompt = self._prompt(CONTINUE, place, continues=True) if place == len(turns) else turns[place].prompt
            chain = [each for each in context.chain(turns, base) if each.is_answered]
            return _Plan(prompt, place, self.model, _ONCE_MORE, chain)

        return self._play(plan, unsaved=unsaved)

    async def _play(self, plan: Callable[[], "_Plan"], *, unsaved: bool) -> AsyncGenerator[Event, None]:
        """The events of the turn that `plan` describes."""
        self._check_idle()
        if self._moving.locked():
            raise UsageError("the conversation goes to another branch", "try again in a moment")
        await self._catch_up()
        planned = plan()
        self._check_ended(planned.place)
        self._state, self._cancelled_at = State.RUNNING, None
        try:
            turn, started = await self._begin(planned, unsaved=unsaved)
        except BaseException:
            self._state = State.IDLE
            raise
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queue.put_nowait(started)
        pump = self._pump = asyncio.create_task(self._run(turn, queue), name=f"turn {turn.id}")
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
        """Allow or deny the call that asks; returns whether such a one, with this very input, was asking."""
        asked = self._asked.get(tool_use_id)
        if asked is None or asked[0] != input_hash or asked[1].done():
            return False
        asked[1].set_result(allow)
        return True

    def cancel(self) -> bool:
        """Stop the running turn, now. Returns whether there was one to stop; calling it twice is harmless."""
        if self._state is not State.RUNNING:
            return False
        self._state, self._cancelled_at = State.STOPPING, time.monotonic()
        if self._stoppable is not None:
            self._stoppable.cancel()
        return True

    async def close(self) -> None:
        """Stop and save what runs; afterwards nothing of this session is pending."""
        self.cancel()
        if self._pump is not None:
            await asyncio.wait([self._pump])
        await self._settled()

    # The pump ------------------------------------------------------------------------------------------------------

    async def _begin(self, plan: "_Plan", *, unsaved: bool) -> tuple[Turn, TurnStarted]:
        conversation = self.conversation
        titled = bool(conversation.title)
        conversation.title = conversation.title or title_of(plan.prompt.text)
        started = TurnStarted(
            time.monotonic(),
            new_id(),
            conversation.id,
            new_id(),
            plan.model,
            self._config.server,
            time.time(),
            plan.prompt,
        )
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
        turns.apply(turn, self._ended(turn, TurnResult(Outcome.CANCELLED, None, None)))
        self._branches.keep(path)
        stored = await self._backlog.end_turn(turn, path)
        with contextlib.suppress(StoreError):
            if stored and taken_back:
                await self._store.library.delete_branch(self.conversation.id, turn.id)
                self._branches.forget(turn.id)
                await self._backlog.set_current()  # that took the stored path to the newest version, whichever is shown
            await self.save()  # its title is not the conversation's

    def _prompt(self, text: str, place: int, *, continues: bool = False) -> Message:
        parent = message_before(self.conversation.turns, place)
        return Message(new_id(), parent, "user", ({"type": "text", "text": text},), time.time(), continues=continues)

    async def _run(self, turn: Turn, queue: "asyncio.Queue[Event]") -> None:
        """The pump: runs the turn, then saves and says its end. It is never cancelled; the task it waits for is."""
        journal = Journal(self._store, turn.id)

        def emit(event: Event) -> None:
            turns.apply(turn, event)
            journal.add(event)
            queue.put_nowait(event)

        self._stoppable = asyncio.create_task(self._engine(turn, emit, journal))
        if self._state is State.STOPPING:  # Escape came between the commit and here
            self._stoppable.cancel()
        try:
            result = await self._stoppable
        except asyncio.CancelledError:
            result = TurnResult(Outcome.CANCELLED, None, None)
        except Exception as error:  # noqa: BLE001 - a bug of ours ends as a failed turn, not as a dead program
            _log.critical("a turn failed because of a bug", exc_info=error)
            result = TurnResult(Outcome.FAILED, None, Failure("bug", f"{type(error).__name__} in tui-chat"))
        self._stoppable, self._state = None, State.SAVING
        ended = self._ended(turn, result)
        if result.outcome is not Outcome.COMPLETED and not turn.is_answered:
            turn.in_context = False  # an unanswered prompt would be answered along with the next one
        turns.apply(turn, ended)
        await journal.close()
        saved = await self._backlog.end_turn(turn, self.conversation.turns)
        self._state = State.IDLE
        queue.put_nowait(ended if saved else dataclasses.replace(ended, saved=False))

    async def _engine(self, turn: Turn, emit: Callable[[Event], None], journal: Journal) -> TurnResult:
        requests, tools_on = self._requests, self.tools_on
        bench = (
            Workbench(requests.tools, self._config.allow_tools, self._ask, journal.flush) if tools_on else Workbench()
        )
        parameters = partial(requests.parameters, self.conversation, turn, tools_on=tools_on)

        def capture(model: str, sent: float) -> Capture:
            return self.wire.begin(turn.id, len(turn.requests) - 1, model, time.time(), sent)

        limits = self._config.timeouts
        return await TurnRunner(self._client, parameters, requests.refused, limits, bench, turn, emit, capture).run()

    async def _ask(self, call: ToolCall) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[call.tool_use_id] = call.input_hash, answer
        try:
            async with asyncio.timeout(self._config.timeouts.approval or None):
                return await answer
        except TimeoutError:
            return False
        finally:
            del self._asked[call.tool_use_id]

    def _ended(self, turn: Turn, result: TurnResult) -> TurnEnded:
        now = time.monotonic()
        request = turn.request
        stop_reason = result.stop_reason or (request.stop_reason if request else None)
        cancelled = result.outcome is Outcome.CANCELLED and self._cancelled_at is not None
        return TurnEnded(
            now,
            result.outcome,
            stop_reason,
            dict(turn.usage.fields),
            usage_is_final=turn.counts_are_final,
            error=result.error,
            closed_after=now - self._cancelled_at if cancelled and self._cancelled_at is not None else None,
        )
