"""What runs in an instance: the real session and store against the parent's demo, and a word for every promise kept.

Everything is said after the await that promised it, and `doing` before it, so that the parent can kill in between. What is
said has left the process (a socket, unbuffered): it outlives a kill.
"""

import asyncio
import contextlib
import hashlib
import json
import socket
import sqlite3
import threading
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from tests.e2e.sessions import Chat, open_chat
from tui_chat.conversation import Turn
from tui_chat.errors import UsageError
from tui_chat.events import Event, InputJsonDelta, TextDelta, ThinkingDelta, TurnEnded, TurnStarted
from tui_chat.session import ChatSession

Order = Mapping[str, Any]
TOOLS: Final = frozenset({"calculator", "current_time", "read_file"})


def run(order: Order, channel: socket.socket) -> None:
    """Do what `order` says, and say how it ended."""
    from tests.faults.talk import talk  # here: it needs what is below

    voice = Voice(lambda said: channel.sendall(json.dumps(said).encode() + b"\n"), lambda: channel.recv(1))
    behaviours = {"talk": talk, "turns": turns, "lock": lock}
    try:
        asyncio.run(behaviours[order["behaviour"]](order, voice))
    except BaseException as error:  # noqa: BLE001 - the parent has to hear of it, whatever it is
        traceback.print_exc()
        voice.say("failed", why=f"{type(error).__name__}: {error}")
    else:
        voice.say("closed")


class Voice:
    """The way to the parent, for every thread."""

    def __init__(self, send: Callable[[dict[str, Any]], object], receive: Callable[[], bytes] = bytes) -> None:
        self._send, self._receive = send, receive
        self._lock = threading.Lock()

    def say(self, what: str, **fields: object) -> None:
        """Say one thing; it has left this process at return."""
        with self._lock:
            self._send({"what": what, **fields})

    def listen(self) -> None:
        """Wait until the parent says to go on."""
        assert self._receive()


def digest(text: str) -> str:
    """A text in a few characters."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def words_of(turn: Turn) -> str:
    """All that a turn has shown: its thinking, its text, the input and the result of each call."""
    calls = [f"{call.name} {json.dumps(call.input, sort_keys=True)} {call.result}" for call in turn.calls]
    return "\n".join([turn.thinking, turn.text, *calls])


def open_store(order: Order) -> contextlib.AbstractAsyncContextManager[Chat]:
    """The database of the run, and the parent's server."""
    return open_chat(order["base_url"], Path(order["folder"]), allow_tools=TOOLS)


async def take_turn(
    session: ChatSession, sent: AsyncGenerator[Event, None], voice: Voice, stop_after: int | None = None
) -> Turn:
    """One turn; what was promised is said as it happens. `stop_after`: stopped after so many deltas."""
    deltas = 0
    async with contextlib.aclosing(sent) as events:
        async for event in events:
            turn = session.turn
            assert turn is not None
            match event:
                case TurnStarted():
                    voice.say("prompt", conversation=turn.conversation_id, turn=turn.id, text=turn.prompt.text)
                case TextDelta() | ThinkingDelta() | InputJsonDelta():
                    deltas += 1
                    voice.say("seen", turn=turn.id, length=len(turn.thinking) + len(turn.text), at=event.at)
                    if deltas == stop_after:
                        session.cancel()
                case TurnEnded():
                    if event.saved:
                        voice.say("ended", turn=turn.id, digest=digest(words_of(turn)), outcome=turn.outcome)
                    else:
                        voice.say("unsaved", turn=turn.id)
    assert session.turn is not None
    return session.turn


async def turns(order: Order, voice: Voice) -> None:
    """`count` turns, one after the other: in the conversation `conversation`, or in a new one. Opens when told to."""
    voice.say("ready")
    voice.listen()
    async with open_store(order) as chat:
        loaded = await chat.store.load(order["conversation"]) if order.get("conversation") else None
        session = chat.session(loaded)
        voice.say("opened", notices=chat.store.notices)
        if order.get("together"):  # everybody has opened before anybody writes
            voice.listen()
        for number in range(order["count"]):
            prompt = f"{order.get('ask', 'shape prose 20')} {order['name']}n{number}"
            try:
                await take_turn(session, session.send(prompt), voice)
            except UsageError:  # somebody else's reply is running there
                voice.say("refused")
                voice.listen()
                session = chat.session(await chat.store.load(session.conversation.id))
                await take_turn(session, session.send(prompt), voice)


async def lock(order: Order, voice: Voice) -> None:
    """Another program: takes the write lock when told to, and holds it until told to let go."""
    voice.listen()
    connection = sqlite3.connect(order["database"], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    voice.say("locked")
    voice.listen()
    connection.execute("ROLLBACK")
    connection.close()


Behaviour = Callable[[Order, Voice], Coroutine[Any, Any, None]]
