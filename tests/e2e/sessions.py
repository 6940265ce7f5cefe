"""A real session for tests: the SDK, HTTP, a SQLite file, and the demo server in a thread of its own."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.unit.grammar import check_turn
from tests.unit.store_values import stored
from tui_chat.config import Config, Timeouts
from tui_chat.conversation import Conversation, Outcome
from tui_chat.demo import DemoServer, Pacing, RequestRecord
from tui_chat.engine.client import ApiClient
from tui_chat.engine.request import Requests
from tui_chat.engine.tools import Tool, standard_tools
from tui_chat.events import Event, TurnEnded
from tui_chat.session import ChatSession, State
from tui_chat.store import Store

QUICK: Final = Pacing(ttft=0, rate=2000)
Condition = Callable[[Event], bool]


@dataclass(slots=True)
class Chat:
    """A store and a client of one server; `session()` as often as wanted."""

    config: Config
    client: ApiClient
    store: Store
    path: Path
    requests: Requests
    sessions: list[ChatSession] = field(default_factory=list)

    def session(self, conversation: Conversation | None = None) -> ChatSession:
        """A session; it is closed with the chat."""
        self.sessions.append(ChatSession(self.config, self.client, self.store, conversation, self.requests))
        return self.sessions[-1]

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What another program sees in the database now."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, values).fetchall()

    async def expect_stored(self, session: ChatSession) -> None:
        """The conversation on disk is the one in memory."""
        loaded = await self.store.load(session.conversation.id)
        assert loaded is not None
        assert loaded.turns == [stored(turn) for turn in session.conversation.turns]
        assert loaded.title == session.conversation.title

    def pool(self) -> Any:
        """The client's connection pool."""
        assert self.client._loading is not None
        transport: Any = self.client._loading.result()._client._transport
        return transport._pool


@contextlib.asynccontextmanager
async def open_chat(
    base_url: str, folder: Path, timeouts: Timeouts | None = None, tools: Sequence[Tool] = (), **fields: Any
) -> AsyncIterator[Chat]:
    """A chat with the server at `base_url` and a database in `folder`; the SDK is loaded. `fields` are the config's."""
    path = folder / "data" / "conversations.db"
    config = Config(
        folder / "data",
        folder / "none",
        base_url=base_url,
        has_credentials=False,
        timeouts=timeouts or Timeouts(),
        **fields,
    )
    client = ApiClient(config)
    store = await Store.open(path)
    chat = Chat(config, client, store, path, Requests(config, tools=tools or standard_tools(folder)))
    await client.ready()
    try:
        yield chat
    finally:
        for session in chat.sessions:
            await session.close()
        await client.close()
        await store.close()


@contextlib.contextmanager
def demo_server(pacing: Pacing = QUICK) -> Iterator[DemoServer]:
    """The demo in a thread of its own, so that its stamps do not wait for the client."""
    server = DemoServer(pacing=pacing).start_in_thread()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program holds the database's write lock."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    finally:
        connection.close()


async def run_turn(
    session: ChatSession,
    text: str,
    *,
    when: Condition | None = None,
    do: Callable[[], object] | None = None,
    unsaved: bool = False,
) -> list[Event]:
    """All events of a turn, which keep to the grammar; at the first one that `when` holds for, `do` is called."""
    events: list[Event] = []
    async with contextlib.aclosing(session.send(text, unsaved=unsaved)) as stream:
        async for event in stream:
            events.append(event)
            if when is not None and do is not None and when(event):
                when = None
                do()
    assert when is None, "that event never came"
    check_turn(events)
    assert session.state is State.IDLE
    assert session.turn is not None
    assert session.turn.outcome is end_of(events).outcome
    return events


def end_of(events: list[Event]) -> TurnEnded:
    """The one TurnEnded."""
    (ended,) = [event for event in events if isinstance(event, TurnEnded)]
    return ended


async def expect_completed(session: ChatSession, text: str = "hello") -> None:
    """The next turn works."""
    ended = end_of(await run_turn(session, text))
    assert (ended.outcome, ended.error, ended.saved) == (Outcome.COMPLETED, None, True)


async def closed_record(server: DemoServer, number: int) -> RequestRecord:
    """The record of the request `number` (from 1) once the server is done with it."""
    await server.wait_for(lambda: len(server.requests) >= number and server.requests[number - 1].ended is not None)
    return server.requests[number - 1]


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; the test's time-out is the limit."""
    while not condition():  # noqa: ASYNC110 - the state of a session sets no event
        await asyncio.sleep(0.002)
