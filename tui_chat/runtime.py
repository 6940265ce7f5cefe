"""What one run of the program shares among its conversations: store, client, model list, prices, the embedded demo.

Screen and headless output are two readers of the same `Runtime`. Opening it does what must not delay the first paint: the
database in its thread, the demo server in its own, the SDK's import in another.
"""

import asyncio
import json
import logging
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tui_chat import meter, titles
from tui_chat.config import DATABASE, Config
from tui_chat.conversation import Conversation, SideRequest, Turn
from tui_chat.engine.catalog import ModelCatalog
from tui_chat.engine.client import ApiClient
from tui_chat.engine.optional import RefusedParameters
from tui_chat.engine.request import Requests
from tui_chat.engine.tools import standard_tools
from tui_chat.errors import RequestError, StoreError, StoreTooNewError, UsageError
from tui_chat.files import write_private
from tui_chat.listed import ConversationSummary
from tui_chat.meter import Figures, Ratios
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.recordings.recorder import RecordingFolder
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.wire import WireLog

if TYPE_CHECKING:
    from tui_chat.demo import DemoServer
    from tui_chat.store import Store

_log = logging.getLogger(__name__)
REFUSED: Final = "refused-parameters.json"
LISTED: Final = 5  # conversations that an error names when several are meant
_MEMORY_ONLY: Final = "this run keeps its conversations in memory only"
_ID_SHOWN: Final = 12  # characters of an id: the millisecond it was made in


class Runtime:
    """Create it (cheap), `open` it once inside the event loop, `close` it at the end."""

    def __init__(self, config: Config, *, store_conversations: bool = True, replaying: bool = False) -> None:
        self.config = config
        self.replaying = replaying  # what is shown was recorded: nothing is sent
        self.recordings: RecordingFolder | None = None
        self.prices = PriceList.load(config.config_file.with_name("prices.toml"))
        self.ratios = Ratios()
        self.wire = WireLog(config.wire_memory_mb * 1_000_000)
        self.notices: list[str] = []
        self._store_conversations = store_conversations
        self.store_failed = ""  # why conversations are in memory only although they were to be stored
        self._store: Store | None = None
        self._client: ApiClient | None = None
        self._catalog = ModelCatalog(None)
        self._refused = RefusedParameters()
        self._requests = Requests(config)
        self._demo: DemoServer | None = None
        self._sessions: WeakKeyDictionary[ChatSession, int] = (
            WeakKeyDictionary()
        )  # and their side requests at the start
        self._history_learnt = False
        self._titled: set[str] = set()  # conversations for which a title was asked for in this run

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

    @property
    def requests(self) -> Requests:
        """What builds the parameters of all requests of this run."""
        return self._requests

    async def open(self) -> None:
        """Open the store and make the client, which does not load the SDK before `preload` or its first request.

        A store that cannot be opened does not stop the program: it goes on in memory and `notices` says so.

        Raises:
            StoreTooNewError: the database belongs to a newer version; nothing was touched.

        """
        demo = self.config.demo and not self.replaying
        base_url = await asyncio.to_thread(self._start_demo) if demo else None
        self._client = ApiClient(self.config, base_url, offline=self.replaying)
        self._store = await self._open_store()
        if self.config.record_to is not None:
            self.recordings = RecordingFolder(self.config.record_to, stores=self._store.path is not None)
        if not self.config.demo and self._store_conversations and not self.config.no_home:
            host = re.sub(r"[^A-Za-z0-9.-]", "_", self.config.server)
            self._catalog = ModelCatalog(self.config.data_dir / f"models-{host}.json")
            self._refused = RefusedParameters(self.config.data_dir / REFUSED)
        self._requests = Requests(self.config, self._catalog.get, self._refused, standard_tools(self.config.tools_root))

    def preload(self) -> None:
        """Begin to import the SDK, in a thread; a replay needs none."""
        if self._client is not None and not self.replaying:
            self._client.preload()

    async def refresh_catalog(self) -> None:
        """Ask the server for its models, in the background of a run; without an answer the cached list stands."""
        client = self._client
        if client is not None and not self.replaying:
            await self._catalog.refresh(client)

    async def learn_ratios(self) -> None:
        """Learn from all that is stored how many characters a token has, in the background of a run."""
        store = self._store
        if store is None:  # closed meanwhile
            return
        try:
            sums = await store.library.ratios(self.config.server)
        except StoreError as error:
            _log.info("the stored counts cannot be learnt from: %s", error)
            return
        for model, (characters, tokens) in sums.items():
            self.ratios.learn_sums(model, characters, tokens)
        self._history_learnt = True

    async def close(self) -> None:
        """Stop and save what runs, then close what is open; safe to call twice."""
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()  # all at once: none waits until another is saved
        for session in sessions:
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
        """A session with a stored conversation: the last one, or the one that `wanted` names (id, its beginning, title words).

        `with_flags`: what `--model`, `--system` and `--effort` said takes the place of what the conversation had.

        Raises:
            UsageError: there is none, or several fit; the message then lists them.

        """
        conversation: Conversation | None = await self.store.load(await self._id_of(wanted))
        if conversation is None:
            raise UsageError("this conversation is gone", "it was deleted a moment ago")
        if with_flags and self.config.model_chosen:
            conversation.model = self.config.model
        if with_flags and self.config.system_chosen:
            conversation.system = self.config.system
        if with_flags and self.config.effort_chosen:
            conversation.effort = self.config.effort
        for turn in () if self._history_learnt else conversation.turns:
            self.ratios.learn(turn)
        return self._session(conversation)

    async def _id_of(self, wanted: str | None) -> str:
        found = await (self.store.library.find(wanted) if wanted else self.store.recent(1))
        if not found and self.store_failed:
            raise UsageError("there are no conversations to go on with", self.store_failed)
        if not found and wanted:
            raise UsageError(f"no conversation's id or title fits {wanted!r}", "the list is under /resume, full screen")
        if not found:
            raise UsageError("there is no conversation yet", "start one with a prompt")
        if len(found) == 1 or found[0].id == wanted:
            return found[0].id
        shown = _ID_SHOWN if len({each.id[:_ID_SHOWN] for each in found}) == len(found) else None
        rows = "".join(f"\n  {each.id[:shown]}  {_age_and_title(each)}" for each in found[:LISTED])
        more = f"\n  and {len(found) - LISTED} more" if len(found) > LISTED else ""
        raise UsageError(
            f"{len(found)} conversations fit {wanted!r}", f"give more of the title, or one of these ids{rows}{more}"
        )

    def _session(self, conversation: Conversation | None) -> ChatSession:
        session = ChatSession(
            self.config,
            self.client,
            self.store,
            conversation,
            self._requests,
            wire=self.wire,
            recordings=self.recordings,
        )
        self._sessions[session] = len(session.conversation.side_requests)
        return session

    def beside(self, conversation: Conversation) -> ChatSession:
        """A session that goes on from a copy of a conversation that another one has: a lane of a race. `close` closes it."""
        return self._session(conversation)

    async def suggest_title(self, session: ChatSession) -> str | None:
        """Have a model name the conversation of `session`, where the settings ask for that; returns the title, or None.

        Call it beside the next turns, after one has ended: it asks once a conversation, as soon as a turn was completed.
        Nothing it does is in the way, and a failure is only logged. A title that the user gave stays.
        """
        conversation = session.conversation
        turn = titles.turn_to_name(conversation) if self.config.titles == "model" else None
        if turn is None or conversation.id in self._titled or self._client is None:
            return None
        self._titled.add(conversation.id)
        model = titles.cheapest_model(session.model, self.config.server, self._catalog, self.prices)
        title = None
        try:
            title = await titles.ask(
                self._client,
                titles.parameters(model, self._catalog.get(model), turn),
                self.config,
                lambda side: _add_side_request(conversation, side),
            )
            if title is not None and conversation.title_from == "prompt":
                conversation.title, conversation.title_from = title, "model"
            else:
                title = None
            await session.save()
        except RequestError as error:
            _log.info("no title came from the model: %s", error)
        except StoreError as error:
            _log.warning("the title is not stored yet: %s", error)
        return title

    def side_figures(self, session: ChatSession) -> list[Figures]:
        """The figures of the requests beside the turns (titles) since `session` was opened."""
        made = session.conversation.side_requests[self._sessions.get(session, 0) :]
        return [self._side_figures(each) for each in made]

    def _side_figures(self, side: SideRequest) -> Figures:
        usage = side.usage
        day = datetime.fromtimestamp(side.at, UTC).date()
        has_price = side.server == ANTHROPIC_HOST
        return Figures(
            side.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            output_estimated=not side.usage_is_final,
            cost=self.prices.cost(side.model, usage, usage.output_tokens, day) if has_price else None,
            cost_estimated=not side.usage_is_final,
        )

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
        if self.config.no_home:
            self.store_failed = "there is no home directory; set HOME, or name a place with --data-dir"
            self.notices.append(f"{self.store_failed}: {_MEMORY_ONLY}")
            return await Store.open(None)
        try:
            store = await Store.open(self.config.data_dir / DATABASE)
        except StoreTooNewError:
            raise
        except StoreError as error:
            _log.warning("the store could not be opened: %s", error)
            self.store_failed = error.sentence
            self.notices.append(f"{error.sentence}; {_MEMORY_ONLY}")
            return await Store.open(None)
        self.notices += store.notices
        return store


def _age_and_title(summary: ConversationSummary) -> str:
    return f"{_age(summary.updated_at):>10}  {sanitise_line(summary.title) or 'untitled'}"


def _age(at: float) -> str:
    """How long ago, in few characters: the list is for a choice among neighbours."""
    seconds = max(0.0, time.time() - at)
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name} ago"
    return "now"


def _add_side_request(conversation: Conversation, side: SideRequest) -> None:
    conversation.side_requests = (*conversation.side_requests, side)


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
