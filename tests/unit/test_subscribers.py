"""Who is told what, when, and what a subscriber can do to the others: nothing. The events are those of the real decoder."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.odd_streams import ODD_STREAMS, OddStream, events_of
from tests.unit.store_values import conversation, running
from tui_chat import turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import BlockStarted, Event, RequestEnded, RequestStarted, TextDelta, TurnEnded
from tui_chat.subscribers import Subscribers

BODIES = {odd.name: odd.body for odd in ODD_STREAMS}
COMPLETED = TurnEnded(1.0, Outcome.COMPLETED, "end_turn", {}, usage_is_final=True)
FAILED = TurnEnded(1.0, Outcome.FAILED, None, {}, usage_is_final=False, error=Failure("cut_off", "gone"))


class Session(Subscribers):
    """What a session does with events, without the rest of it."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = running(conversation())

    def play(self, *events: Event) -> None:
        for event in events:
            turns.apply(self.turn, event)
            self._tell(self.turn, event)

    def play_body(self, name: str, *, end: TurnEnded = COMPLETED) -> list[Event]:
        """One request that is answered with that body."""
        events, translator = events_of(BODIES[name])
        ended = translator.ended(0.5, None if translator.complete else Failure("cut_off", "gone"))
        played = [RequestStarted(0.0, "claude-x", 1), *events, ended, end]
        self.play(*played)
        return played

    async def settled(self) -> None:
        while self._telling:
            await self._all_told()


def started(index: int = 0, text: str = "") -> BlockStarted:
    return BlockStarted(0.0, index, {"type": "text", "text": text})


def delta(text: str, index: int = 0) -> TextDelta:
    return TextDelta(0.0, index, text)


BEGUN = (RequestStarted(0.0, "claude-x", 1), started())


class Heard:
    """Everything that all six kinds were told, in order."""

    def __init__(self, session: Session) -> None:
        self.all: list[tuple[str, tuple[Any, ...]]] = []
        session.on_end(lambda *values: self.all.append(("end", values)))
        session.on_error(lambda *values: self.all.append(("error", values)))
        session.on_message(lambda *values: self.all.append(("message", values)))
        session.on_block(lambda *values: self.all.append(("block", values)))
        session.on_text(lambda *values: self.all.append(("text", values)))
        session.on_event(lambda *values: self.all.append(("event", values)))

    def of(self, kind: str) -> list[Any]:
        return [values if len(values) > 1 else values[0] for each, values in self.all if each == kind]


@pytest.fixture
def session() -> Session:
    return Session()


# What each kind is told ------------------------------------------------------------------------------------------------


def test_every_kind_in_its_order(session: Session) -> None:
    heard = Heard(session)
    played = session.play_body("plain")
    assert heard.of("event") == played
    assert heard.of("text") == [("Hello", "Hello"), (", ", "Hello, "), ("world", "Hello, world")]
    assert heard.of("block") == [{"type": "text", "text": "Hello, world"}]
    (message,) = heard.of("message")
    assert (message["role"], message["content"]) == ("assistant", heard.of("block"))
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("end_turn", 9)
    assert heard.of("error") == []
    assert heard.of("end") == [(COMPLETED, session.turn)]
    kinds = [kind for kind, _ in heard.all]
    assert [kind for kind in kinds if kind != "event"] == ["text", "text", "text", "block", "message", "end"]
    assert kinds[-4:] == ["event", "message", "event", "end"]  # on_event comes first


def test_a_failed_turn(session: Session) -> None:
    heard = Heard(session)
    session.play_body("clean-end", end=FAILED)
    assert heard.of("text") == [("Hello", "Hello")]
    assert heard.of("block") == []
    assert heard.of("message") == []
    assert heard.of("error") == [FAILED.error]
    assert heard.all[-3:] == [("event", (FAILED,)), ("error", (FAILED.error,)), ("end", (FAILED, session.turn))]


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_the_pieces_are_the_whole(session: Session, odd: OddStream) -> None:
    """Of every stream: the text that was told is the turn's, the blocks and the message are its blocks."""
    heard = Heard(session)
    *_, ended, _ = session.play_body(odd.name)
    blocks = session.turn.requests[0].ordered_blocks
    texts = {text for block in blocks if (text := block.joined("text"))}
    assert texts <= {snapshot for _, snapshot in heard.of("text")}
    assert all(snapshot.endswith(piece) for piece, snapshot in heard.of("text"))
    assert sum(len(piece) for piece, _ in heard.of("text")) == sum(len(block.joined("text")) for block in blocks)
    finished = [dict(block.content()) for block in blocks if block.ended]
    assert sorted(heard.of("block"), key=finished.index) == finished
    assert isinstance(ended, RequestEnded)
    assert [message["content"] for message in heard.of("message")] == ([finished] if ended.complete else [])


def test_text_within_a_blocks_start_is_text(session: Session) -> None:
    heard = Heard(session)
    session.play(RequestStarted(0.0, "claude-x", 1), started(text="He"), delta(""), delta("llo"))
    assert heard.of("text") == [("He", "He"), ("llo", "Hello")]


def test_snapshots_are_each_blocks_own(session: Session) -> None:
    heard = Heard(session)
    session.play(*BEGUN, delta("a"), started(1), delta("x", 1), delta("b"), delta("y", 1))
    assert heard.of("text") == [("a", "a"), ("x", "x"), ("b", "ab"), ("y", "xy")]
    session.play(RequestStarted(0.0, "claude-x", 1), started(), delta("new"))  # the next round has its own block 0
    assert heard.of("text")[-1] == ("new", "new")


def test_blocks_that_the_server_leaves_open_are_finished_by_the_end(session: Session) -> None:
    heard = Heard(session)
    session.play_body("blocks-left-open")
    assert [block["type"] for block in heard.of("block")] == ["thinking", "text"]
    kinds = [kind for kind, _ in heard.all if kind != "event"]
    assert kinds[-4:] == ["block", "block", "message", "end"]


def test_a_block_is_told_once(session: Session) -> None:
    heard = Heard(session)
    session.play_body("delta-after-stop")
    assert len(heard.of("block")) == 1


# Coming and going ------------------------------------------------------------------------------------------------------


def test_they_are_called_in_the_order_of_subscribing(session: Session) -> None:
    called: list[int] = []
    for number in range(5):
        session.on_event(lambda _, number=number: called.append(number))  # type: ignore[misc]  # a default binds it
    session.play(delta("x"))
    assert called == [0, 1, 2, 3, 4]


def test_a_decorator_gives_what_ends_the_subscription(session: Session) -> None:
    heard: list[str] = []

    @session.on_text
    def stop(piece: str, _snapshot: str) -> None:
        heard.append(piece)

    session.play(*BEGUN, delta("one"))
    stop()
    stop()  # harmless
    session.play(delta("two"))
    assert heard == ["one"]


def test_one_function_may_subscribe_twice_and_leave_once(session: Session) -> None:
    heard: list[Event] = []
    first, _ = session.on_event(heard.append), session.on_event(heard.append)
    session.play(delta("x"))
    first()
    session.play(delta("y"))
    assert [event.text for event in heard if isinstance(event, TextDelta)] == ["x", "x", "y"]


def test_leaving_inside_a_callback(session: Session) -> None:
    heard: list[str] = []

    def first(_event: Event) -> None:
        heard.append("first")
        leave_first()
        leave_second()

    leave_first = session.on_event(first)
    leave_second = session.on_event(lambda _: heard.append("second"))
    session.on_event(lambda _: heard.append("third"))
    session.play(delta("x"))
    assert heard == ["first", "third"]  # the second was not told of the same event any more
    session.play(delta("y"))
    assert heard == ["first", "third", "third"]


def test_subscribing_inside_a_callback_begins_with_the_next_event(session: Session) -> None:
    heard: list[Event] = []
    begin: list[Callable[[], None]] = []

    @session.on_event
    def _(_event: Event) -> None:
        if not begin:
            begin.append(session.on_event(heard.append))

    session.play(first := delta("x"), second := delta("y"))
    assert first not in heard
    assert heard == [second]


def test_who_comes_in_the_middle_of_a_block_gets_all_of_its_text(session: Session) -> None:
    session.play(*BEGUN, delta("Hello"))
    texts: list[tuple[str, str]] = []
    leave = session.on_text(lambda *values: texts.append(values))
    session.play(delta(", "))
    leave()
    session.play(delta("wor"))
    session.on_text(lambda *values: texts.append(values))
    session.play(delta("ld"))
    assert texts == [(", ", "Hello, "), ("ld", "Hello, world")]


def test_who_comes_in_the_middle_of_a_reply_is_not_told_of_earlier_blocks(session: Session) -> None:
    events, translator = events_of(BODIES["citations"])
    ends = [place for place, event in enumerate(events) if type(event).__name__ == "BlockEnded"]
    session.play(RequestStarted(0.0, "claude-x", 1), *events[: ends[0] + 1])
    blocks: list[Any] = []
    session.on_block(blocks.append)
    session.play(*events[ends[0] + 1 :], translator.ended(0.5, None))
    assert blocks == [session.turn.requests[0].ordered_blocks[1].content()]


def test_nothing_is_kept_for_nobody(session: Session) -> None:
    leave = session.on_text(lambda _piece, _snapshot: None)
    session.play(*BEGUN, delta("Hello"))
    assert session._snapshots
    leave()
    assert (session._subscribers, session._snapshots, session._followed) == ({}, {}, None)


def test_nothing_is_kept_after_the_end(session: Session) -> None:
    session.on_text(lambda _piece, _snapshot: None)
    session.play_body("plain")
    assert (session._snapshots, session._followed) == ({}, None)


# What a subscriber cannot do -------------------------------------------------------------------------------------------


def test_who_raises_is_logged_once_and_harms_nobody(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def broken(piece: str, _snapshot: str) -> None:
        heard.append(f"broken {piece}")
        raise ValueError("oh")

    session.on_text(broken)
    session.on_text(lambda piece, _snapshot: heard.append(piece))
    with caplog.at_level(logging.INFO, "tui_chat.subscribers"):
        session.play_body("plain")
    assert heard == ["broken Hello", "Hello", "broken , ", ", ", "broken world", "world"]
    (record,) = caplog.records
    assert "on_text" in record.getMessage()
    assert record.exc_info is not None
    assert session.turn.text == "Hello, world"


@pytest.mark.parametrize("kind", ["event", "text", "block", "message", "error", "end"])
def test_every_kind_may_raise(session: Session, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_values: object) -> None:
        raise RuntimeError

    getattr(session, f"on_{kind}")(broken)
    heard = Heard(session)
    session.play_body("plain", end=FAILED)
    assert {each for each, _ in heard.all} == {"event", "text", "block", "message", "error", "end"}
    assert [record.name for record in caplog.records] == ["tui_chat.subscribers"]


# Coroutine functions ---------------------------------------------------------------------------------------------------


async def test_coroutine_functions_are_awaited_one_call_after_the_other(session: Session) -> None:
    running_now, heard = 0, []

    @session.on_event
    async def _(event: Event) -> None:
        nonlocal running_now
        running_now += 1
        assert running_now == 1
        await asyncio.sleep(0)
        heard.append(event)
        running_now -= 1

    played = session.play_body("plain")
    assert heard == []  # nothing has waited for it
    await session.settled()
    assert heard == played


async def test_text_that_a_coroutine_function_is_too_slow_for_comes_as_one_piece(session: Session) -> None:
    texts: list[tuple[str, str]] = []
    go_on = asyncio.Event()

    @session.on_text
    async def _(piece: str, snapshot: str) -> None:
        texts.append((piece, snapshot))
        await go_on.wait()

    session.play(*BEGUN, delta("a"))
    await asyncio.sleep(0)
    session.play(delta("b"), delta("c"), started(1), delta("x", 1), delta("d"), delta("y", 1))
    go_on.set()
    await session.settled()
    assert texts == [("a", "a"), ("bcd", "abcd"), ("xy", "xy")]


async def test_a_callable_object_and_a_partial_are_coroutine_functions_too(session: Session) -> None:
    heard: list[str] = []

    class Listener:
        async def __call__(self, piece: str, _snapshot: str) -> None:
            heard.append(piece)

        async def method(self, piece: str, _snapshot: str) -> None:
            heard.append(piece)

    session.on_text(Listener())
    session.on_text(Listener().method)
    session.play(*BEGUN, delta("x"))
    await session.settled()
    assert heard == ["x", "x"]


async def test_a_coroutine_function_that_raises_goes_on(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    @session.on_block
    async def _(block: dict[str, Any]) -> None:
        heard.append(block["text"])
        raise ValueError("oh")

    session.play(*BEGUN, delta("a"), started(1), delta("b", 1), RequestEnded(0.0, complete=True), COMPLETED)
    await session.settled()
    assert heard == ["a", "b"]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_a_coroutine_function_that_has_left_hears_nothing_more(session: Session) -> None:
    heard: list[str] = []

    @session.on_text
    async def leave(piece: str, _snapshot: str) -> None:
        heard.append(piece)
        leave()

    session.play(*BEGUN, delta("a"), started(1), delta("b", 1))
    await session.settled()
    session.play(delta("c"))
    await session.settled()
    assert heard == ["a"]


async def test_one_that_was_cancelled_begins_again(session: Session) -> None:
    heard: list[str] = []

    @session.on_text
    async def _(piece: str, _snapshot: str) -> None:
        heard.append(piece)
        if piece == "a":
            await asyncio.Event().wait()

    session.play(*BEGUN, delta("a"))
    await asyncio.sleep(0)
    (task,) = session._telling
    task.cancel()
    await asyncio.wait([task])
    session.play(delta("b"))
    await session.settled()
    assert heard == ["a", "b"]


async def test_one_may_wait_for_the_others(session: Session) -> None:
    """It does not wait for itself."""
    heard: list[str] = []

    @session.on_end
    async def _(_ended: TurnEnded, _turn: Turn) -> None:
        await session._all_told()
        heard.append("all told")

    session.play_body("plain")
    await session.settled()
    assert heard == ["all told"]


async def test_who_waits_no_longer_ends_them(session: Session) -> None:
    ended: list[str] = []

    @session.on_end
    async def _(_ended: TurnEnded, _turn: Turn) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    session.play_body("plain")
    waiting = asyncio.create_task(session._all_told())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await session.settled()
    assert waiting.cancelled()
    assert ended == ["cancelled"]
