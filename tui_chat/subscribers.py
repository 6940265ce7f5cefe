"""Who is told while a reply comes: callbacks for events, text, blocks, messages, errors and ends.

Why it exists: `async for event in session.send(...)` has one reader, and it has to know the grammar of events. Others, as many as
like, may say what they want to hear of, and hear it from the turn itself: with a screen, without one, in a replay. What the
helper of the SDK, `messages.stream()`, gives is all here:

    messages.stream()                     here
    every event                           on_event(event): ours, the very ones that `send` yields; pings, retries and tools too
    text (delta, snapshot)                on_text(delta, snapshot)
    content_block_stop (content_block)    on_block(block)
    message_stop (message)                on_message(message), also `get_final_message()`
    an exception out of the loop          on_error(failure)
    the end of the loop                   on_end(ended, turn)
    thinking, signature, input_json,      on_event: ThinkingDelta, SignatureDelta, InputJsonDelta, CitationsDelta; the snapshot is
        citation                          in the session's `turn`
    current_message_snapshot              the session's `turn`, `turn.reply()`

Everybody is told at once, in the event loop, when the event has been taken into the turn: in order of subscribing, `on_event`
before the others. A plain function is called there and then, so it must be quick: while it runs nothing else does. A coroutine
function is awaited in a task of its subscription, one call after the other, and never holds up the stream: what it is too slow
for waits, text that waits is put together, and closing the session waits until it has had everything. Whoever raises is logged
and told again; neither the turn nor the others notice.

It must not know how a turn runs, nor who subscribes.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from tui_chat.conversation import Block, Request, Turn
from tui_chat.errors import Failure
from tui_chat.events import BlockEnded, BlockStarted, Event, RequestEnded, TextDelta, TurnEnded

Unsubscribe = Callable[[], None]
_Kind = Literal["event", "text", "block", "message", "error", "end"]
_log = logging.getLogger(__name__)


def final_message(request: Request) -> dict[str, Any]:
    """The message that `request` was answered with, as the API gives it whole; of one that is not complete, as it stands.

    `usage` is what came, the later over the earlier. Fields that came as null are left out, but for `stop_sequence`.
    """
    message = {
        "id": request.message_id,
        "type": "message",
        "role": "assistant",
        "model": request.served_model or request.model,
        "content": [dict(block.content()) for block in request.ordered_blocks],
        "stop_reason": request.stop_reason,
        "stop_sequence": None,
        "usage": dict(request.usage.fields),
        **request.fields,
    }
    if request.stop_details is not None:
        message["stop_details"] = dict(request.stop_details)
    return message


class Subscribers:
    """The subscriptions of one session. Each method returns what ends the subscription, and can be used as a decorator.

    Callbacks are plain functions or coroutine functions; what they return is of no matter. They may subscribe, unsubscribe and
    stop the turn (`session.cancel()`). Who unsubscribes hears nothing more, not even of the same event; who subscribes begins
    with the next one. After the end of a turn nothing comes until the next turn. What is handed out is shared by all: it is
    not to be changed.
    """

    def __init__(self) -> None:
        self._subscribers: dict[_Kind, tuple[_Subscriber, ...]] = {}  # of each kind that has any
        self._telling: set[asyncio.Task[None]] = set()
        self._followed: Request | None = None  # the request that the next two belong to
        self._snapshots: dict[int, _Snapshot] = {}  # of its text blocks, by index
        self._told: set[int] = set()  # its blocks that are finished, and were told to whom it concerned

    def on_event(self, callback: Callable[[Event], object]) -> Unsubscribe:
        """Have `callback(event)` called with every event of every turn, in order: what `send` yields, when it happens."""
        return self._subscribe("event", callback)

    def on_text(self, callback: Callable[[str, str], object]) -> Unsubscribe:
        """Have `callback(delta, snapshot)` called with each piece of text, and its block's text so far, that piece included.

        The pieces are never empty. All pieces of a block, joined, are its text; each reply, and each round of one with tools,
        has its own blocks. A coroutine function gets what came while it was busy as one piece.
        """
        return self._subscribe("text", callback)

    def on_block(self, callback: Callable[[dict[str, Any]], object]) -> Unsubscribe:
        """Have `callback(block)` called with each content block when it is finished: the JSON object that the API sends whole.

        That is any block of a reply: text, thinking, tool_use (with `input` parsed; input that is no JSON stays as
        `partial_json`), and types that nobody knows. A block that was cut short is not finished: it is in `turn.reply()`.
        """
        return self._subscribe("block", callback)

    def on_message(self, callback: Callable[[dict[str, Any]], object]) -> Unsubscribe:
        """Have `callback(message)` called with each complete message of a reply, as `final_message` makes it.

        One for each request that was answered to its end: a reply that calls tools has several, each before its tools run. A
        reply that was stopped or cut short has no final message.
        """
        return self._subscribe("message", callback)

    def on_error(self, callback: Callable[[Failure], object]) -> Unsubscribe:
        """Have `callback(failure)` called when a turn has failed, once, before `on_end`.

        An attempt that is made again is no failure of the turn (`RetryScheduled`, an event), nor is stopping it. What keeps a
        turn from beginning (`NotSavedError`, `UsageError`) is raised by `send`.
        """
        return self._subscribe("error", callback)

    def on_end(self, callback: Callable[[TurnEnded, Turn], object]) -> Unsubscribe:
        """Have `callback(ended, turn)` called once for every turn that began, after all else: it is stored, the session idle."""
        return self._subscribe("end", callback)

    def _subscribe(self, kind: _Kind, callback: Callable[..., object]) -> Unsubscribe:
        call = getattr(callback, "__call__", None)  # noqa: B004 - the question is what would be called
        in_task = inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call)
        subscriber = _TaskSubscriber(kind, callback, self._telling) if in_task else _Subscriber(kind, callback)
        self._subscribers[kind] = (*self._subscribers.get(kind, ()), subscriber)

        def unsubscribe() -> None:
            subscriber.is_active = False
            left = tuple(each for each in self._subscribers.get(kind, ()) if each is not subscriber)
            if left:
                self._subscribers[kind] = left
            else:
                self._subscribers.pop(kind, None)
            self._followed, self._snapshots = None, {}  # maybe nobody listens for a while

        return unsubscribe

    def _tell(self, turn: Turn, event: Event) -> None:
        """Tell `event`, which `turn` has taken in already, to whom it concerns. It never raises."""
        if not self._subscribers:
            return
        self._call("event", event)
        if isinstance(event, TextDelta | BlockStarted | BlockEnded | RequestEnded) and turn.request is not None:
            self._tell_content(turn.request, event)
        elif isinstance(event, TurnEnded):
            self._followed, self._snapshots = None, {}
            if event.error is not None:
                self._call("error", event.error)
            self._call("end", event, turn)

    async def _all_told(self) -> None:
        """Return when the coroutine functions have had all that happened so far; one that asks for this is not waited for."""
        others = self._telling - {asyncio.current_task()}
        try:
            if others:
                await asyncio.wait(others)
        except asyncio.CancelledError:  # whoever waits has no more time
            for task in others:
                task.cancel()
            raise

    def _tell_content(self, request: Request, event: TextDelta | BlockStarted | BlockEnded | RequestEnded) -> None:
        if request is not self._followed:
            self._follow(request, event)
        match event:
            case (
                TextDelta(index=index, text=text) | BlockStarted(index=index, block={"type": "text", "text": str(text)})
            ):
                self._tell_text(request.blocks.get(index), text)
            case BlockEnded(index=index) if index in request.blocks:
                self._tell_block(request.blocks[index])
            case RequestEnded(complete=True):
                for block in request.ordered_blocks:  # those that the server left open
                    self._tell_block(block)
                if "message" in self._subscribers:
                    self._call("message", final_message(request))
            case _:
                pass

    def _follow(self, request: Request, event: Event) -> None:
        """Begin with `request`, maybe in the middle of it, where `event` is the first that anybody hears of."""
        self._followed, self._snapshots = request, {}
        self._told = {index for index, block in request.blocks.items() if block.ended}
        if isinstance(event, BlockEnded):
            self._told.discard(event.index)

    def _tell_text(self, block: Block | None, piece: str) -> None:
        if not piece or block is None or "text" not in self._subscribers:
            return
        snapshot = self._snapshots.get(block.index)
        if snapshot is None:
            snapshot = self._snapshots[block.index] = _Snapshot(block.joined("text"))
        else:
            snapshot.grow(piece)
        for subscriber in self._subscribers["text"]:
            subscriber.tell_text(piece, snapshot)

    def _tell_block(self, block: Block) -> None:
        if block.index not in self._told:
            self._told.add(block.index)
            if "block" in self._subscribers:
                self._call("block", dict(block.content()))

    def _call(self, kind: _Kind, *values: object) -> None:
        for subscriber in self._subscribers.get(kind, ()):
            subscriber.tell(*values)


class _Snapshot:
    """The text of one block so far."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def grow(self, piece: str) -> None:
        """Append `piece`: in place, while nothing else holds the text, so that no delta costs a copy of the reply."""
        text, self.text = self.text, ""
        text += piece
        self.text = text


class _Subscriber:
    """A plain function, called at once."""

    def __init__(self, kind: _Kind, callback: Callable[..., Any]) -> None:
        self.is_active = True
        self._kind, self._callback = kind, callback
        self._failed = False

    def tell(self, *values: object) -> None:
        """Call it with `values`."""
        if self.is_active:
            try:
                self._callback(*values)
            except Exception:  # noqa: BLE001 - it is not our code, and must harm neither the turn nor the others
                self._raised()

    def tell_text(self, piece: str, snapshot: _Snapshot) -> None:
        """Call it with a piece of text."""
        self.tell(piece, snapshot.text)

    def _raised(self) -> None:
        """The first traceback is for everybody to see; the same at each delta would only bury it."""
        level = logging.DEBUG if self._failed else logging.ERROR
        self._failed = True
        _log.log(level, "a subscriber of on_%s failed: %r", self._kind, self._callback, exc_info=True)


class _TaskSubscriber(_Subscriber):
    """A coroutine function: what it is told waits for it, and while something waits a task awaits it."""

    def __init__(self, kind: _Kind, callback: Callable[..., Any], tasks: "set[asyncio.Task[None]]") -> None:
        super().__init__(kind, callback)
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[Any, ...]] = deque()

    def tell(self, *values: object) -> None:
        if not self.is_active:
            return
        self._waiting.append(values)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"on_{self._kind}")
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)

    def tell_text(self, piece: str, snapshot: _Snapshot) -> None:
        for pieces, of in self._waiting:  # one for each block at most
            if of is snapshot:
                pieces.append(piece)
                return
        self.tell([piece], snapshot)

    async def _run(self) -> None:
        try:
            while self._waiting and self.is_active:
                values = self._waiting.popleft()
                if self._kind == "text":
                    pieces, snapshot = values
                    values = "".join(pieces), snapshot.text
                try:
                    await self._callback(*values)
                except Exception:  # noqa: BLE001 - as above
                    self._raised()
        finally:
            self._task = None
