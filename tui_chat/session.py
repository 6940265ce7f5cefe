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
from typing import Any

from tui_chat import turns
from tui_chat.beginnings import new_conversation, new_id, title_of
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
from tui_chat.text import storable

_log = logging.getLogger(__name__)


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    SAVING = "saving"


class NotSavedError(StoreError):
    """The prompt could not be stored, so nothing was sent; sending again with `unsaved=True` goes ahead without."""


class ChatSession:
    """One conversation with at most one running turn; several sessions are independent of each other."""

    def __init__(
        self,
        config: Config,
        client: ApiClient,
        store: TurnStore,
        conversation: Conversation | None = None,
        requests: Requests | None = None,
    ) -> None:
        self._config, self._client, self._store = config, client, store
        self._requests = requests or Requests(config)
        self.conversation = conversation or new_conversation(config)
        self.opened_with = len(self.conversation.turns)
        self.turn: Turn | None = None
        self.tools_on = config.tools  # from the next turn on
        self._asked: dict[str, tuple[str, asyncio.Future[bool]]] = {}  # open approvals: the input's hash, the answer
        self._state = State.IDLE
        self._pump: asyncio.Task[None] | None = None
        self._stoppable: asyncio.Future[Any] | None = None  # what cancel() cancels: the commit's wait, then the request
        self._cancelled_at: float | None = None
        self._unwritten: dict[str, Turn] = {}  # whose context marks could not be stored
        self._abandoned: set[asyncio.Task[None]] = set()

    # What others may ask -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the session is doing now."""
        return self._state

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
        return self._state is State.IDLE and turn is turns[-1] and context.open_end(turns) is not None

    def blamed(self, turn: Turn) -> Turn | None:
        """The earlier turn that made the API refuse the request of `turn`, the last one, as far as its words tell."""
        return context.blamed(self.conversation.turns, turn)

    # What others may do --------------------------------------------------------------------------------------------

    async def send(self, text: str, *, unsaved: bool = False, continues: bool = False) -> AsyncGenerator[Event, None]:
        """Send `text` as the next user message and yield the turn's events; the last one is TurnEnded.

        `continues` marks it as the program's own instruction to go on; `go_on` is the way to do that.

        Use it inside `contextlib.aclosing`: leaving early stops the turn and saves it. Once TurnEnded is yielded the next
        turn may be sent.

        Raises:
            NotSavedError: the prompt could not be committed, or was stopped before it was; nothing was sent.
            UsageError: a turn is running, or the text is blank.

        """
        self._check_idle()
        if not text.strip():
            raise UsageError("there is nothing to send")
        self._state, self._cancelled_at = State.RUNNING, None
        try:
            turn, started = await self._begin(storable(text), unsaved=unsaved, continues=continues)
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

    async def resend(self, turn: Turn, *, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Send the prompt of a turn that failed or was stopped once more; the old turn goes out of context. Raises as `send`."""
        self._check_idle()
        sent = self.send(turn.prompt.text, unsaved=unsaved, continues=turn.prompt.continues)
        async with contextlib.aclosing(self._marking([turn], sent, in_context=False)) as events:
            async for event in events:
                yield event

    async def go_on(self, *, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Ask the model to go on where the last reply broke off: a turn of its own, with a stored instruction for a prompt.

        Raises:
            NotSavedError: as `send`.
            UsageError: a turn is running, or the last reply is complete or empty.

        """
        self._check_idle()
        turns = self.conversation.turns
        base = context.open_end(turns)
        if base is None:
            raise UsageError("there is nothing to go on from", "only a reply that broke off can be continued")
        chain = [each for each in context.chain(turns, base) if each.is_answered]
        sent = self.send(CONTINUE, unsaved=unsaved, continues=True)
        async with contextlib.aclosing(self._marking(chain, sent, in_context=True)) as events:
            async for event in events:
                yield event

    async def _marking(
        self, marked: Sequence[Turn], sent: AsyncGenerator[Event, None], *, in_context: bool
    ) -> AsyncGenerator[Event, None]:
        """The events of `sent`, for which other turns come in or go out; if it cannot begin they stay as they were."""
        before = [turn.in_context for turn in marked]
        for turn in marked:
            turn.in_context = in_context
        started = False
        try:
            async with contextlib.aclosing(sent) as events:
                async for event in events:
                    if not started:
                        started = True
                        for turn in marked:
                            await self.set_in_context(turn, in_context=in_context)
                    yield event
        finally:
            for turn, was in zip(marked, before, strict=True):
                turn.in_context = turn.in_context if started else was

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
        pending = {self._pump, *self._abandoned} if self._pump is not None else self._abandoned
        if pending:
            await asyncio.wait(pending)

    async def set_in_context(self, turn: Turn, *, in_context: bool) -> None:
        """Take a turn into later requests, or leave it out."""
        turn.in_context = in_context
        try:
            await self._store.set_in_context(turn.id, in_context)
            self._unwritten.pop(turn.id, None)
        except StoreError as error:
            _log.warning("the context mark of turn %s is not stored yet: %s", turn.id, error)
            self._unwritten[turn.id] = turn

    async def save(self) -> None:
        """Store title, model, system prompt, draft and queue as they stand."""
        await self._store.save_conversation(self.conversation)

    # The pump ------------------------------------------------------------------------------------------------------

    def _check_idle(self) -> None:
        if self._state is not State.IDLE:
            raise UsageError("a turn is running", "stop it first, or wait")

    async def _begin(self, text: str, *, unsaved: bool, continues: bool) -> tuple[Turn, TurnStarted]:
        conversation = self.conversation
        titled = bool(conversation.title)
        conversation.title = conversation.title or title_of(text)
        started = self._turn_started(text, continues=continues)
        turn = turns.begin(started)
        saving = asyncio.create_task(self._store.begin_turn(conversation, turn))
        self._stoppable = asyncio.ensure_future(asyncio.shield(saving))
        try:
            await self._stoppable
        except asyncio.CancelledError:
            task = asyncio.create_task(self._abandon(turn, saving))
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)
            conversation.title = conversation.title if titled else ""
            if self._state is not State.STOPPING:
                raise
            raise NotSavedError("stopped before the prompt was saved; nothing was sent") from None
        except StoreError as error:
            if not unsaved:
                conversation.title = conversation.title if titled else ""
                raise NotSavedError(f"not saved: {error}", "Enter sends it without saving") from error
        self.turn = turn
        conversation.turns.append(turn)
        return turn, started

    async def _abandon(self, turn: Turn, saving: "asyncio.Task[None]") -> None:
        """A locked database may still take the prompt later: then it is a turn that was stopped before it was sent."""
        await asyncio.wait([saving])
        if saving.exception() is not None:
            return
        turn.in_context = False
        turns.apply(turn, self._ended(turn, TurnResult(Outcome.CANCELLED, None, None)))
        await self._save_end(turn)
        with contextlib.suppress(StoreError):
            await self.save()  # its title is not the conversation's

    def _turn_started(self, text: str, *, continues: bool) -> TurnStarted:
        now = time.time()
        conversation = self.conversation
        previous = conversation.turns[-1] if conversation.turns else None
        parent = None if previous is None else previous.prompt.id if previous.reply() is None else previous.reply_id
        prompt = Message(new_id(), parent, "user", ({"type": "text", "text": text},), now, continues=continues)
        server = self._config.server
        return TurnStarted(time.monotonic(), new_id(), conversation.id, new_id(), self.model, server, now, prompt)

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
        saved = await self._save_end(turn)
        self._state = State.IDLE
        queue.put_nowait(ended if saved else dataclasses.replace(ended, saved=False))

    async def _engine(self, turn: Turn, emit: Callable[[Event], None], journal: Journal) -> TurnResult:
        requests, tools_on = self._requests, self.tools_on
        bench = (
            Workbench(requests.tools, self._config.allow_tools, self._ask, journal.flush) if tools_on else Workbench()
        )
        parameters = partial(requests.parameters, self.conversation, turn, tools_on=tools_on)
        runner = TurnRunner(self._client, parameters, requests.refused, self._config.timeouts, bench, turn, emit)
        return await runner.run()

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

    async def _save_end(self, turn: Turn) -> bool:
        try:
            await self._store.end_turn(self.conversation, turn)
        except StoreError as error:
            _log.warning("the end of turn %s was not stored: %s", turn.id, error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug in the store must not leave the reader waiting for ever
            _log.critical("the end of turn %s was not stored because of a bug", turn.id, exc_info=error)
            return False
        for marked in list(self._unwritten.values()):
            await self.set_in_context(marked, in_context=marked.in_context)
        return True
