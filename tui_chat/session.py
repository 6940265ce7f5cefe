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
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol

from tui_chat import turns
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Message, Outcome, Turn
from tui_chat.engine.client import ApiClient
from tui_chat.engine.history import goes_out, messages_for
from tui_chat.engine.turn import TurnResult, run_turn
from tui_chat.errors import Failure, StoreError, UsageError
from tui_chat.events import Event, TurnEnded, TurnStarted
from tui_chat.text import sanitise_line, storable

_log = logging.getLogger(__name__)

JOURNAL_EVERY: Final = 0.2  # seconds; with the write itself, kill -9 takes no more than the last 250 ms
TITLE_LENGTH: Final = 60
DEFAULT_MAX_TOKENS: Final = 8_192  # where the server does not tell what the model can do
GENEROUS_MAX_TOKENS: Final = 32_000  # where it does: long answers are what this program is for


class State(StrEnum):
    """What the session is doing."""

    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    SAVING = "saving"


class TurnStore(Protocol):
    """What a session needs of a store."""

    async def begin_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the prompt and the running turn."""

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        """Append events of the running turn."""

    async def end_turn(self, conversation: Conversation, turn: Turn) -> None:
        """Commit the end of the turn."""

    async def set_in_context(self, turn_id: str, in_context: bool) -> None:
        """Remember whether the turn goes out with later requests."""

    async def save_conversation(self, conversation: Conversation) -> None:
        """Remember title, model, system prompt, draft and queue."""


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
        max_output: Callable[[str], int | None] = lambda _model: None,
    ) -> None:
        self._config, self._client, self._store, self._max_output = config, client, store, max_output
        self.conversation = conversation or new_conversation(config)
        self.opened_with = len(self.conversation.turns)
        self.turn: Turn | None = None
        self._state = State.IDLE
        self._pump: asyncio.Task[None] | None = None
        self._stoppable: asyncio.Future[Any] | None = None  # what cancel() cancels: the commit's wait, then the request
        self._cancelled_at: float | None = None
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

    # What others may do --------------------------------------------------------------------------------------------

    async def send(self, text: str, *, unsaved: bool = False) -> AsyncGenerator[Event, None]:
        """Send `text` as the next user message and yield the turn's events; the last one is TurnEnded.

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
            turn, started = await self._begin(storable(text), unsaved=unsaved)
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

    async def resend(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Send the prompt of a turn that failed or was stopped once more; the old turn goes out of context."""
        self._check_idle()
        turn.in_context = False
        async with contextlib.aclosing(self.send(turn.prompt.text)) as events:
            async for event in events:
                if isinstance(event, TurnStarted):
                    await self.set_in_context(turn, in_context=False)
                yield event

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
        except StoreError as error:
            _log.warning("the context mark of turn %s was not stored: %s", turn.id, error)

    async def save(self) -> None:
        """Store title, model, system prompt, draft and queue as they stand."""
        await self._store.save_conversation(self.conversation)

    def goes_out(self, turn: Turn) -> bool:
        """Whether `turn` is part of the next request."""
        return goes_out(turn)

    # The pump ------------------------------------------------------------------------------------------------------

    def _check_idle(self) -> None:
        if self._state is not State.IDLE:
            raise UsageError("a turn is running", "stop it first, or wait")

    async def _begin(self, text: str, *, unsaved: bool) -> tuple[Turn, TurnStarted]:
        conversation = self.conversation
        titled = bool(conversation.title)
        conversation.title = conversation.title or title_of(text)
        started = self._turn_started(text)
        turn = turns.begin(started)
        saving = asyncio.create_task(self._store.begin_turn(conversation, turn))
        self._stoppable = asyncio.ensure_future(asyncio.shield(saving))
        try:
            await self._stoppable
        except asyncio.CancelledError:
            task = asyncio.create_task(self._abandon(turn, saving))
            self._abandoned.add(task)
            task.add_done_callback(self._abandoned.discard)
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

    def _turn_started(self, text: str) -> TurnStarted:
        now = time.time()
        conversation = self.conversation
        previous = conversation.turns[-1] if conversation.turns else None
        parent = None if previous is None else previous.prompt.id if previous.reply() is None else previous.reply_id
        prompt = Message(new_id(), parent, "user", ({"type": "text", "text": text},), now)
        server = self._config.server
        return TurnStarted(time.monotonic(), new_id(), conversation.id, new_id(), self.model, server, now, prompt)

    async def _run(self, turn: Turn, queue: "asyncio.Queue[Event]") -> None:
        """The pump: runs the turn, then saves and says its end. It is never cancelled; the task it waits for is."""
        journal = _Journal(self._store, turn.id)

        def emit(event: Event) -> None:
            turns.apply(turn, event)
            journal.add(event)
            queue.put_nowait(event)

        self._stoppable = asyncio.create_task(self._engine(turn, emit))
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
        if result.outcome is not Outcome.COMPLETED and not turn.text.strip():
            turn.in_context = False  # an unanswered prompt would be answered along with the next one
        turns.apply(turn, ended)
        await journal.close()
        saved = await self._save_end(turn)
        self._state = State.IDLE
        queue.put_nowait(ended if saved else dataclasses.replace(ended, saved=False))

    async def _engine(self, turn: Turn, emit: Callable[[Event], None]) -> TurnResult:
        parameters = self._parameters(turn)
        # Of a long conversation that took a few ms, and the SDK takes as many: keys may come in between.
        await asyncio.sleep(0)
        return await run_turn(self._client, parameters, self._config.timeouts, emit)

    def _parameters(self, turn: Turn) -> dict[str, Any]:
        limit = self._max_output(turn.model)
        default = min(limit, GENEROUS_MAX_TOKENS) if limit else DEFAULT_MAX_TOKENS
        parameters: dict[str, Any] = {
            "model": turn.model,
            "max_tokens": self._config.max_tokens or default,
            "messages": messages_for(self.conversation.turns[:-1], turn.prompt, turn.model),
        }
        if self.system:
            parameters["system"] = storable(self.system)
        return parameters

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
            usage_is_final=request is not None and request.usage_is_final,
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
        return True


class _Journal:
    """Writes a running turn's events in batches, at most every 250 ms, never in the way of the stream."""

    def __init__(self, store: TurnStore, turn_id: str) -> None:
        self._store, self._turn_id = store, turn_id
        self._waiting: list[Event] = []
        self._failed = False
        self._task: asyncio.Task[None] | None = None

    def add(self, event: Event) -> None:
        self._waiting.append(event)
        if self._task is None:
            self._task = asyncio.create_task(self._write_later())

    async def _write_later(self) -> None:
        while self._waiting:  # events that came during a write must not wait for the next one to come
            await asyncio.sleep(JOURNAL_EVERY)
            events, self._waiting = self._waiting, []
            try:
                await self._store.journal(self._turn_id, events)
            except StoreError as error:
                if not self._failed:
                    _log.warning("a part of turn %s was not journalled: %s", self._turn_id, error)
                self._failed = True
                self._waiting[:0] = events
        self._task = None

    async def close(self) -> None:
        """Stop writing; the end of the turn replaces the journal."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def new_conversation(config: Config) -> Conversation:
    """An empty conversation with the configured model and system prompt; it is stored with its first turn."""
    return Conversation(id=new_id(), created_at=time.time(), model=config.model, system=config.system)


def new_id() -> str:
    """A new id whose order is that of its making: milliseconds in hex, then randomness."""
    return f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}"


def title_of(text: str) -> str:
    """A title from the first prompt: its first line, shortened at a word."""
    line = sanitise_line(text.strip().partition("\n")[0])
    if len(line) <= TITLE_LENGTH:
        return line
    return (
        line[:TITLE_LENGTH].rpartition(" ")[0].rstrip() + "…"
        if " " in line[:TITLE_LENGTH]
        else line[:TITLE_LENGTH] + "…"
    )
