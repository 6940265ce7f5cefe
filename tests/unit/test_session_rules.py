"""Rules of a session below its events: who is to blame for a 400, what goes out, what is journalled and learnt."""

import asyncio
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sessions import end_of, open_chat, run_turn
from tests.e2e.test_tool_loop import Recorder
from tests.unit import raw_server as raw
from tests.unit.odd_answers import PLAIN
from tests.unit.odd_streams import FOLDER
from tests.unit.raw_server import RawServer, raw_server
from tests.unit.store_values import SILENT, prompt
from tests.unit.test_history import TOOL, assistant, proposed, reply_of, rounds_of, sent, text, turn_of, user
from tui_chat.checkpoints import Journal
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Outcome, Turn
from tui_chat.engine import retry
from tui_chat.engine.client import ApiClient
from tui_chat.engine.history import CONTINUE
from tui_chat.errors import Failure, StoreUnavailableError
from tui_chat.events import Event, TextDelta, ToolEnded
from tui_chat.session import ChatSession
from tui_chat.store import Store

# Who is to blame --------------------------------------------------------------------------------------------------------


async def blamed(message: str, *earlier: Turn, status: int = 400) -> str | None:
    """The prompt of the turn that a session blames for a 400 with `message`, after the turns `earlier`."""
    failed = turn_of(
        asked="itself",
        outcome=Outcome.FAILED,
        error=Failure("invalid_request_error", message, status),
        stop_reason=None,
    )
    failed.in_context = False
    config = Config(Path("unused"), Path("unused"), base_url="http://127.0.0.1:9", has_credentials=False)
    store = await Store.open(None)
    conversation = Conversation("conversation", 1.7e9, turns=[*earlier, failed])
    bad = ChatSession(config, ApiClient(config), store, conversation).blamed(failed)
    await store.close()
    return bad.prompt.text if bad else None


def answered(asked: str) -> Turn:
    return reply_of(text("Hello"), asked=asked)


def left_out(asked: str) -> Turn:
    turn = answered(asked)
    turn.in_context = False
    return turn


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("messages.0.content.0.text: bad", "one"),
        ("messages.1: bad", "one"),
        ("messages.2.content.0: bad", "two"),
        ("messages.3.content.0: `tool_use` ids were found without `tool_result` blocks immediately after: a", "two"),
        ("messages.4.content.0: bad", None),
        ("messages.999999.content.0: bad", None),
        ("messages: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1", "two"),
        ("messages: text content blocks must be non-empty", "two"),
        ("Invalid `signature` in `thinking` block", "two"),
        ("max_tokens: 999999 > 64000, which is the maximum allowed number of output tokens", None),
        ("Your credit balance is too low to access the Anthropic API.", None),
        ("prompt is too long: 213462 tokens > 200000 maximum", None),
        ("tools.0.custom.name: String should match pattern", None),
        ("", None),
        (f"messages.{'9' * 5000}.content.0: bad", None),
        (f"messages.{'0' * 5000}: bad", None),
    ],
)
async def test_which_turn_is_blamed(message: str, expected: str | None) -> None:
    earlier = [answered("one"), left_out("not sent"), answered("two"), left_out("nor this")]
    assert await blamed(message, *earlier) == expected
    assert await blamed(message) is None
    assert await blamed(message, *earlier, status=500) is None


async def test_a_number_counts_the_messages_of_all_rounds() -> None:
    rounds = rounds_of(proposed(), ToolEnded(3.2, "toolu_1", "12:00"))
    for number, expected in enumerate(["hi", "hi", "hi", "hi", "two", "two", None]):
        assert await blamed(f"messages.{number}: bad", rounds, answered("two")) == expected


async def test_the_prompt_itself_is_never_another_turns_fault() -> None:
    """After a turn without a reply, or one that ended with results, the prompt is in the message that this one began."""
    stopped = reply_of(TOOL, asked="stopped", stop_reason="tool_use")
    for turn, asked, message in ((turn_of(asked="empty"), "empty", 0), (stopped, "stopped", 2)):
        assert await blamed(f"messages.{message}.content.0: bad", turn) == asked
        assert await blamed(f"messages.{message}.content.1: bad", turn) is None


# What goes on goes out with what it goes on from ------------------------------------------------------------------------


def continuing(*blocks: Mapping[str, Any], **fields: Any) -> Turn:
    """A turn that goes on from the one before."""
    turn = reply_of(*blocks, **fields)
    turn.prompt = dataclasses.replace(prompt(CONTINUE), continues=True)
    return turn


def test_a_continuation_goes_out_with_what_it_goes_on_from() -> None:
    cut = reply_of(text("Half a"), asked="cut", outcome=Outcome.FAILED)
    nothing = continuing(outcome=Outcome.FAILED, error=Failure("api_error", ""))
    rest = continuing(text("reply"))
    whole = [user("cut"), assistant(text("Half a")), user(CONTINUE), assistant(text("reply")), user("and now?")]
    assert sent(cut, rest) == sent(cut, nothing, rest) == whole
    assert sent(cut, nothing) == [user("cut"), assistant(text("Half a")), user("and now?")]
    rest.in_context = False
    assert sent(cut, nothing, rest) == sent(cut, nothing)
    rest.in_context, cut.in_context = True, False
    assert sent(cut, nothing, rest) == [user("and now?")]
    other = reply_of(text("Hello"), asked="other")
    assert sent(cut, rest, other) == [user("other"), assistant(text("Hello")), user("and now?")]


# The journal ------------------------------------------------------------------------------------------------------------


class Records:
    """A store that takes a journal: each write waits until it is let through, or made to fail."""

    def __init__(self) -> None:
        self.stored: list[Event] = []
        self.writes: list[asyncio.Future[None]] = []

    async def journal(self, turn_id: str, events: Sequence[Event]) -> None:
        self.writes.append(asyncio.get_running_loop().create_future())
        await self.writes[-1]
        self.stored += events

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a journal does not ask for {name}")


async def settled(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; the test's time-out is the limit."""
    while not condition():  # noqa: ASYNC110 - nothing says so otherwise
        await asyncio.sleep(0)


def piece(number: int) -> TextDelta:
    return TextDelta(float(number), 0, str(number))


async def test_a_write_that_fails_beside_another_keeps_the_order(caplog: pytest.LogCaptureFixture) -> None:
    store = Records()
    journal = Journal(store, "turn")
    journal.add(piece(1))
    first = asyncio.create_task(journal.flush())
    await settled(lambda: len(store.writes) == 1)
    journal.add(piece(2))
    second = asyncio.create_task(journal.flush())
    journal.add(piece(3))
    store.writes[0].set_exception(StoreUnavailableError("locked"))
    await settled(lambda: len(store.writes) == 2)
    journal.add(piece(4))
    third = asyncio.create_task(journal.flush())
    store.writes[1].set_result(None)
    await settled(lambda: len(store.writes) == 3)
    assert store.stored == [piece(1), piece(2), piece(3)]
    store.writes[2].set_result(None)
    await asyncio.gather(first, second, third)
    assert store.stored == [piece(number) for number in (1, 2, 3, 4)]
    assert caplog.text.count("was not journalled") == 1
    await journal.close()


async def test_a_flush_returns_when_what_was_added_is_stored() -> None:
    store = Records()
    journal = Journal(store, "turn")
    journal.add(piece(1))
    flushes = [asyncio.create_task(journal.flush()) for _ in range(3)]  # several tools start at once
    await settled(lambda: len(store.writes) == 1)
    journal.add(piece(2))
    later = asyncio.create_task(journal.flush())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(flush.done() for flush in (*flushes, later))
    store.writes[0].set_result(None)
    await settled(lambda: len(store.writes) == 2)
    assert flushes[0].done()
    assert not later.done()
    while not all(flush.done() for flush in (*flushes, later)):
        for write in store.writes:
            if not write.done():
                write.set_result(None)
        await asyncio.sleep(0)
    assert store.stored == [piece(1), piece(2)]
    await journal.close()


# Refused parameters, and attempts in later rounds -----------------------------------------------------------------------

OVERLOADED = raw.error("529 Overloaded", "overloaded_error", "Overloaded")
TOOL_USE = (FOLDER / "tool-use.sse").read_bytes()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST_WAIT", 0.001)


def caching(server: RawServer) -> list[bool]:
    """Of each request so far, whether it asked for caching."""
    return ["cache_control" in exchange.body for exchange in server.exchanges]


async def test_what_the_last_attempt_was_refused_is_learnt(tmp_path: Path) -> None:
    refused = raw.error("400 Bad Request", "invalid_request_error", "cache_control: Extra inputs are not permitted")
    async with (
        raw_server(OVERLOADED, OVERLOADED, refused, raw.stream(PLAIN)) as server,
        open_chat(server.base_url, tmp_path) as chat,
    ):
        session = chat.session()
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED  # leaving it out is no fourth try
        assert caching(server) == [True, True, True, False]
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
        assert caching(server) == [True, True, True, False, False]


async def test_a_refusal_that_says_nothing_twice_is_forgotten(tmp_path: Path) -> None:
    vague = raw.error("400 Bad Request", "invalid_request_error", "bad request")
    async with (
        raw_server(vague, vague, vague, raw.stream(PLAIN)) as server,
        open_chat(server.base_url, tmp_path) as chat,
    ):
        session = chat.session()
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.FAILED
        assert caching(server) == [True, False]
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
        assert caching(server) == [True, False, True, False]
        assert end_of(await run_turn(session, "hello")).outcome is Outcome.COMPLETED
        assert caching(server) == [True, False, True, False, False]  # the second time it helped


def then_error(*blocks: Any) -> raw.Answer:
    """A stream that fails when `blocks` have begun and nothing was shown."""
    starts = [{"type": "content_block_start", "index": at, "content_block": block} for at, block in enumerate(blocks)]
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = [{"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}}, *starts, error]
    return raw.stream("".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())


@pytest.mark.parametrize(
    "failing", [OVERLOADED, then_error(), *(then_error(block) for block in SILENT[:2])]
)  # a call has a line on the screen at once
async def test_the_second_round_is_tried_again_like_the_first(failing: raw.Answer, tmp_path: Path) -> None:
    tool = Recorder("clock")
    async with (
        raw_server(raw.stream(TOOL_USE), failing, failing, raw.stream(PLAIN)) as server,
        open_chat(
            server.base_url, tmp_path, tools=[tool], allow_tools=frozenset({"clock"}), tools_root=tmp_path
        ) as chat,
    ):
        session = chat.session()
        session.tools_on = True
        ended = end_of(await run_turn(session, "hello"))
        assert (ended.outcome, ended.error) == (Outcome.COMPLETED, None)
        turn = session.turn
        assert turn is not None
        assert tool.asked == [{"zone": "UTC"}]
        assert [request.attempt for request in turn.requests] == [1, 1, 2, 3]
        assert [request.attempt for request in turn.rounds] == [1, 3]
        assert turn.text == "Hello, world\n\nHello, world"
        assert turn.ttft == turn.requests[0].ttft
        first, *others = [exchange.body["messages"] for exchange in server.exchanges]
        assert others[0] == others[1] == others[2]
        assert [message["role"] for message in others[0]] == ["user", "assistant", "user"]
        assert others[0][:1] == first
        await chat.expect_stored(session)
