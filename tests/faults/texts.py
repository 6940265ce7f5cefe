"""Text and numbers that SQLite cannot take: lone surrogates, NUL, integers of 2**64. Through every door there is.

They are stored, shown, sent back in the next turn, and there again after a restart.
"""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.e2e.sessions import Chat, end_of, open_chat, run_turn
from tests.faults.files import ask, tui_chat
from tests.faults.ground import Ground
from tests.faults.instance import TOOLS
from tests.faults.record import Record, all_turns, opened
from tests.faults.remains import unsound
from tests.faults.report import Report
from tests.faults.screens import Person, program
from tests.unit import raw_server as raw
from tests.unit.legal import why_refused
from tui_chat.conversation import Outcome
from tui_chat.session import ChatSession
from tui_chat.text import storable

HUGE: Final = 2**64
ODD: Final = f"\ud800 a\udfffb\x00c {HUGE} \U0001f600 end"
KEPT: Final = storable(ODD)

Door = Callable[[Record], Coroutine[Any, Any, None]]


async def a_prompt(record: Record) -> None:
    """Typed into a session."""
    async with chat_of(record) as chat:
        session = chat.session()
        await completed(chat, session, f"hello {ODD}")
        assert session.conversation.turns[0].prompt.text == f"hello {KEPT}"


async def an_argument(record: Record) -> None:
    """On the command line, and piped in: bytes that are no UTF-8."""
    broken = b"hello \xff\xed\xa0\x80 " + str(HUGE).encode()
    arguments = "--data-dir", str(record.path.parent), "--base-url", record.base_url
    for given in (b"", b"\x00\xed\xb0\x80\xfe" + str(HUGE).encode()):
        done = await asyncio.to_thread(tui_chat, "-p", broken, *arguments, given=given)
        assert done.code == 0, done.err


async def a_paste(record: Record) -> None:
    """Pasted into the program: raw bytes, of which the terminal's side makes what it can."""

    def paste() -> None:
        with program(record.base_url, "--data-dir", str(record.path.parent)) as terminal:
            person = Person(terminal)
            terminal.wait_for("ready")
            terminal.send(b"\x1b[200~hello \x00\xed\xa0\x80\xff " + str(HUGE).encode() + b" pasted\x1b[201~")
            terminal.wait_for("pasted")
            terminal.press("enter")
            terminal.wait_for("end_turn")
            person.say("limit next", "reached max_tokens")
            person.quit()

    await asyncio.to_thread(paste)


async def a_reply(record: Record) -> None:
    """Sent by the server: in text, in thinking, in a call's name, id and input, in usage and in fields nobody knows."""
    call = {"n": HUGE, "least": -HUGE, "text": ODD, ODD: [HUGE, ODD]}
    usage = {"input_tokens": HUGE, "output_tokens": 7, "odd": ODD}
    events = [
        {"type": "message_start", "message": {"id": ODD, "model": ODD, "role": "assistant", "usage": usage, "x": HUGE}},
        *block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": ODD}),
        *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": f"reply {ODD}"}),
        *block(
            2,
            {"type": "tool_use", "id": f"toolu_{ODD}", "name": "calculator", "input": {}},
            {"type": "input_json_delta", "partial_json": json.dumps(call)},
        ),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "odd": ODD}, "usage": usage},
        {"type": "message_stop"},
    ]
    async with raw.raw_server(raw.stream(sse(events)), raw.stream(sse(plain()))) as server:
        here = Record(record.folder, server.base_url)
        async with chat_of(here) as chat:
            session = chat.session()
            session.tools_on = True
            await completed(chat, session, "hello")
        async with chat_of(here) as chat:  # after a restart
            session = chat.session(await chat.store.load(session.conversation.id))
            await completed(chat, session, "again")
        sent = server.exchanges[-1].body
        refusal = why_refused(sent["messages"])
        assert refusal is None, f"the next request would be refused: {refusal}"
        (asked,) = [
            part["input"] for message in sent["messages"] for part in message["content"] if part["type"] == "tool_use"
        ]
        assert asked == {"n": HUGE, "least": -HUGE, "text": KEPT, KEPT: [HUGE, KEPT]}, f"the call came back as {asked}"


async def a_title(record: Record) -> None:
    """As title, draft, queue, system prompt and place; then looked for."""
    async with chat_of(record) as chat:
        session = chat.session()
        conversation = session.conversation
        await completed(chat, session, "hello")
        conversation.draft, conversation.queued, conversation.place = ODD, (ODD,), ODD
        conversation.system = f"be brief {ODD}"
        await session.save()
        library = chat.store.library
        await library.rename(conversation.id, f"title {ODD}")
        for wanted in (ODD, "title", "\x00", "\ud800", str(HUGE)):
            await library.find(wanted)
            await library.page(wanted)
            await library.search(wanted)
        assert conversation.id in [each.id for each in await library.find(f"title {KEPT}")]
        loaded = await chat.store.load(conversation.id)
        assert loaded is not None
        assert (loaded.title, loaded.draft, loaded.queued) == (f"title {KEPT}", KEPT, (KEPT,))
        await completed(chat, chat.session(loaded), "again")


async def a_tree(record: Record) -> None:
    """In a conversation that is taken in, its ids too."""
    async with chat_of(record) as chat:
        session = chat.session()
        await completed(chat, session, "hello")
        tree = await chat.store.library.tree(session.conversation.id)
        assert tree is not None
        (turn,) = tree.turns
        id_ = f"odd {ODD}"
        blocks = ({"type": "text", "text": ODD},)
        prompt = dataclasses.replace(turn.prompt, id=f"{id_}p", blocks=blocks)
        given = dataclasses.replace(
            tree,
            conversation=dataclasses.replace(tree.conversation, id=id_, title=ODD, origin={ODD: HUGE}),
            turns=[dataclasses.replace(turn, id=id_, conversation_id=id_, reply_id=f"{id_}r", prompt=prompt)],
            current_turn_id=id_,
        )
        assert [await chat.store.library.add(given) for _ in range(2)] == ["added", "known"]
        loaded = await chat.store.load(storable(id_))
        assert loaded is not None
        assert loaded.turns[0].prompt.text == KEPT
        await completed(chat, chat.session(loaded), "again")


DOORS: Final[tuple[Door, ...]] = (a_prompt, an_argument, a_paste, a_reply, a_title, a_tree)


def odd_texts(ground: Ground, runs: list[int]) -> Report:
    """Through one door after the other; afterwards another process goes on with the conversation."""
    report = Report()
    for number in runs:
        door = DOORS[number % len(DOORS)]
        record = Record(ground.folder / str(number), ground.server.base_url)
        try:
            asyncio.run(door(record))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this row looks for
            report.problems.append(f"{door.__name__}: {type(error).__name__}: {error}")
        else:
            done = ask(record, "limit and on", "-c")
            report.expect(done.code == 0, f"{door.__name__}: the next turn ended with {done.code}: {done.err}")
            asyncio.run(count(record, report))
            report.problems += unsound(record.path)
        report.runs += 1
    return report


async def count(record: Record, report: Report) -> None:
    """All turns can be read, and have ended well."""
    async with opened(record.path) as store:
        for turn in (await all_turns(store)).values():
            report.acknowledged += 2
            if turn.outcome is not Outcome.COMPLETED:
                report.lose(1, f"the turn {turn.prompt.text!r} is {turn.outcome}: {turn.error}")


def chat_of(record: Record) -> contextlib.AbstractAsyncContextManager[Chat]:
    """The database of a record, with tools allowed."""
    return open_chat(record.base_url, record.folder, allow_tools=TOOLS)


async def completed(chat: Chat, session: ChatSession, prompt: str) -> None:
    """A turn that is complete, saved, and read back as it was."""
    ended = end_of(await run_turn(session, prompt))
    assert (ended.outcome, ended.saved) == (Outcome.COMPLETED, True), f"{ended.outcome} {ended.error} {ended.saved}"
    loaded = await chat.store.load(session.conversation.id)
    assert loaded is not None
    assert [turn.text for turn in loaded.turns] == [storable(turn.text) for turn in session.conversation.turns]


def block(index: int, start: dict[str, Any], delta: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        {"type": "content_block_delta", "index": index, "delta": delta},
        {"type": "content_block_stop", "index": index},
    ]


def plain() -> list[dict[str, Any]]:
    """The events of a reply without anything odd."""
    return [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 1}}},
        *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "well"}),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def sse(events: list[dict[str, Any]]) -> bytes:
    """Events as they are sent; `json` writes what is odd as escapes."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
