"""What one run of the program shares among its conversations: store, client, model list, prices, the embedded demo.

Screen and headless output are two readers of the same `Runtime`. Opening it does what must not delay the first paint: the
database in its thread, the demo server in its own, the SDK's import in another.
"""

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from tui_chat import meter
from tui_chat.config import Config
from tui_chat.conversation import Conversation, ConversationSummary, Turn
from tui_chat.engine.catalog import ModelCatalog
from tui_chat.engine.client import ApiClient
from tui_chat.engine.optional import RefusedParameters
from tui_chat.engine.request import Requests
from tui_chat.engine.tools import standard_tools
from tui_chat.errors import StoreError, StoreTooNewError, UsageError
from tui_chat.files import write_private
from tui_chat.meter import Figures, Ratios
from tui_chat.prices import PriceList
from tui_chat.session import ChatSession

if TYPE_CHECKING:
    from tui_chat.demo import DemoServer
    from tui_chat.store import Store

_log = logging.getLogger(__name__)
DATABASE: Final = "conversations.db"
REFUSED: Final = "refused-parameters.json"


class Runtime:
    """Create it (cheap), `open` it once inside the event loop, `close` it at the end."""

    def __init__(self, config: Config, *, store_conversations: bool = True) -> None:
        self.config = config
        self.prices = PriceList.load(config.config_file.with_name("prices.toml"))
        self.ratios = Ratios()
        self.notices: list[str] = []
        self._store_conversations = store_conversations
        self._store: Store | None = None
        self._client: ApiClient | None = None
        self._catalog = ModelCatalog(None)
        self._refused = RefusedParameters()
        self._requests = Requests(config)
        self._demo: DemoServer | None = None
        self._sessions: WeakSet[ChatSession] = WeakSet()

    @property
    def store(self) -> "Store":
        """The open store."""
        if self._store is None:
            raise RuntimeError("the runtime is not open")
        return self._store

    @property
    def client(self) -> ApiClient:
        """The client of this run's server."""
        if self._client is None:
            raise RuntimeError("the runtime is not open")
        return self._client

    @property
    def catalog(self) -> ModelCatalog:
        """The server's models as far as they are known."""
        return self._catalog

    async def open(self) -> None:
        """Open the store and make the client, which does not load the SDK before `preload` or its first request.

        A store that cannot be opened does not stop the program: it goes on in memory and `notices` says so.

        Raises:
            StoreTooNewError: the database belongs to a newer version; nothing was touched.

        """
        base_url = await asyncio.to_thread(self._start_demo) if self.config.demo else None
        self._client = ApiClient(self.config, base_url)
        self._store = await self._open_store()
        if not self.config.demo and self._store_conversations:
            host = re.sub(r"[^A-Za-z0-9.-]", "_", self.config.server)
            self._catalog = ModelCatalog(self.config.data_dir / f"models-{host}.json")
            self._refused = RefusedParameters(self.config.data_dir / REFUSED)
        self._requests = Requests(self.config, self._catalog.get, self._refused, standard_tools(self.config.tools_root))

    def preload(self) -> None:
        """Begin to import the SDK, in a thread."""
        if self._client is not None:
            self._client.preload()

    async def refresh_catalog(self) -> None:
        """Ask the server for its models, in the background of a run; without an answer the cached list stands."""
        client = self._client
        if client is not None:
            await self._catalog.refresh(client)

    async def close(self) -> None:
        """Stop and save what runs, then close what is open; safe to call twice."""
        for session in list(self._sessions):
            await session.close()
        client, store, demo = self._client, self._store, self._demo
        self._client = self._store = self._demo = None
        if client is not None:
            await client.close()
        if store is not None:
            await store.close()
        if demo is not None:
            await asyncio.to_thread(demo.stop)

    async def new_session(self) -> ChatSession:
        """A session with an empty conversation."""
        return self._session(None)

    async def resume(self, wanted: str | None = None, *, with_flags: bool = False) -> ChatSession:
        """A session with a stored conversation: the last one, or the one whose id begins with `wanted`.

        `with_flags`: what `--model`, `--system` and `--effort` said takes the place of what the conversation had.

        Raises:
            UsageError: there is none, or the prefix fits several.

        """
        found: list[ConversationSummary] = await (self.store.find(wanted) if wanted else self.store.recent(1))
        if not found:
            what = f"no conversation's id begins with {wanted!r}" if wanted else "there is no conversation yet"
            raise UsageError(what, "the list is under /resume, full screen" if wanted else "start one with a prompt")
        if wanted and len(found) > 1 and found[0].id != wanted:
            raise UsageError(f"{len(found)} conversations begin with {wanted!r}", "give more of the id")
        conversation: Conversation | None = await self.store.load(found[0].id)
        if conversation is None:
            raise UsageError(f"the conversation {found[0].id} is gone")
        if with_flags and self.config.model_chosen:
            conversation.model = self.config.model
        if with_flags and self.config.system_chosen:
            conversation.system = self.config.system
        if with_flags and self.config.effort_chosen:
            conversation.effort = self.config.effort
        for turn in conversation.turns:
            self.ratios.learn(turn)
        return self._session(conversation)

    def _session(self, conversation: Conversation | None) -> ChatSession:
        session = ChatSession(self.config, self.client, self.store, conversation, self._requests)
        self._sessions.add(session)
        return session

    def figures(self, turn: Turn, now: float) -> Figures:
        """The figures of `turn`, with its cost where the price is known."""
        return meter.figures(turn, now, self.ratios, self.prices)

    def context_window(self, model: str) -> int | None:
        """Tokens that fit into `model`, or None if the server has not said."""
        info = self._catalog.get(model)
        return info.context_window if info else None

    def _start_demo(self) -> str:
        from tui_chat.demo import DemoServer  # here: only the demo needs it

        self._demo = DemoServer().start_in_thread()
        return self._demo.base_url

    async def _open_store(self) -> "Store":
        from tui_chat.store import Store  # here: SQLite is not needed for the first paint

        if not self._store_conversations:
            return await Store.open(None)
        try:
            store = await Store.open(self.config.data_dir / DATABASE)
        except StoreTooNewError:
            raise
        except StoreError as error:
            _log.warning("the store could not be opened: %s", error)
            self.notices.append(f"{error.sentence}; this run keeps its conversations in memory only")
            return await Store.open(None)
        self.notices += store.notices
        return store


def read_state(data_dir: Path) -> dict[str, Any]:
    """What the program remembers between runs beside conversations (the chosen theme); {} if there is nothing."""
    try:
        state = json.loads((data_dir / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(data_dir: Path, **values: Any) -> None:
    """Remember `values` between runs; a failure is logged, never shown."""
    try:
        write_private(data_dir / "state.json", json.dumps({**read_state(data_dir), **values}))
    except OSError as error:
        _log.info("the state was not written: %s", error)
