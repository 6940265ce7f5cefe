"""A turn's events in the log: what ran and what was stored look the same, and what never came whole is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.ui.test_log_parts import facts, lines, opened, row_of, settled
from tui_chat.conversation import Block, Message, Request, Stamps, ToolCall, Turn
from tui_chat.ui.screens.reply_view import ReplyView
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.usage import Usage

CITED = ({"url": "https://b.org/x", "title": "Second"}, {"url": "https://a.org/", "title": "First"})
TABLE = "| A | B |\n|---|---|\n| 1 | 2 |\n"


def turn_of(*requests: Request) -> Turn:
    prompt = Message("prompt", None, "user", ({"type": "text", "text": "go"},), 0.0)
    return Turn("a", "c", prompt, "reply", "model", "server", 0.0, 0.0, list(requests))


def request_of(*blocks: Block, **fields: Any) -> Request:
    return Request("model", 1, Stamps(0.0), {block.index: block for block in blocks}, **fields)


def block_of(index: int, kind: str, *pieces: str, ended: bool = True, **start: Any) -> Block:
    field = {"text": "text", "thinking": "thinking"}.get(kind, "partial_json")
    block = Block(index, {"type": kind, **start}, ended=ended)
    for piece in pieces:
        block.add(field, piece)
    return block


def cited_block(index: int, text: str, *citations: Mapping[str, Any]) -> Block:
    block = block_of(index, "text", text)
    block.citations += citations
    return block


def play(log: MessageLog, turn: Turn, size: int) -> ReplyView:
    """The turn's blocks as they would come, in pieces of `size` characters."""
    view = ReplyView(log, turn)
    requests, turn.requests = turn.requests, []
    for request in requests:
        turn.requests.append(request)
        usage, request.usage = request.usage, Usage()
        for block in request.ordered_blocks:
            view.block_started(block.start, block.index)
            if block.type in ("text", "thinking"):
                text = block.joined(block.type)
                for start in range(0, len(text), size):
                    part, piece = log.reply(turn.id), text[start : start + size]
                    part.write(piece) if block.type == "text" else part.think(piece)
            if block.ended:
                view.block_ended(block)
        request.usage = usage
        view.request_ended()
        for call in request.calls.values():
            view.update_call(call)
    return view


@asynccontextmanager
async def shown(turn: Turn, size: int | None = 5) -> AsyncIterator[tuple[MessageLog, Pilot[None]]]:
    """The log with the turn as it ran, in deltas of `size` characters, or (None) as it was stored."""
    async with opened((60, 60)) as (log, pilot):
        log.add_reply("a")
        if size is None:
            view = ReplyView(log, turn)
            view.show_stored()
        else:
            view = play(log, turn, size)
        view.end()
        log.reply("a").end(None)
        await settled(log, pilot)
        yield log, pilot


async def both(turn: Turn) -> list[str]:
    """The lines of the log, the same live and stored."""
    async with shown(turn, None) as (log, _):
        stored = [line.strip() for line in lines(log)]
    for size in (1, 7, 1000):
        async with shown(turn, size) as (log, _):
            assert [line.strip() for line in lines(log)] == stored
    return stored


async def test_marks_do_no_harm_and_are_sorted() -> None:
    second, first = CITED
    blocks = [
        cited_block(0, "It is so.\n\n", second),
        block_of(1, "text", "And more:\n\n"),
        cited_block(2, TABLE, first, second, second),
        cited_block(3, "| 3 | 4 |\n\n", first),
        cited_block(4, "The end", first, second),
        block_of(5, "text", "."),
    ]
    text = await both(turn_of(request_of(*blocks)))
    assert text[0] == "It is so. [1]"
    assert text[text.index("3   │ 4") + 1 :] == [
        "",
        "[1][2]",
        "",
        "The end [1][2].",
        "",
        "[1] Second  b.org",
        "[2] First  a.org",
        "",
    ]


async def test_what_thinking_has_cost_is_told_when_the_request_has_ended() -> None:
    thinking = block_of(0, "thinking", "Let me ", "see.")
    usage = Usage({"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 21}})
    first = request_of(thinking, block_of(1, "tool_use", '{"x": 1}', name="calculator", id="t1"), usage=usage)
    first.stamps.first_thinking, first.stamps.last_delta = 1.0, 1.5
    first.calls["t1"] = ToolCall("t1", "calculator", {"x": 1}, "", started=2.0, ended=4.0, result="1")
    second = request_of(block_of(0, "thinking", "So."), block_of(1, "text", "It is 1."))
    second.stamps.first_thinking, second.stamps.first_text = 5.0, 5.2
    assert [line for line in await both(turn_of(first, second)) if line] == [
        "thought for 0.5s, 21 tokens   t shows it",
        '▸ calculator {"x": 1} → 1  2.0s',
        "thought for 0.2s   t shows it",
        "It is 1.",
    ]


async def test_thinking_is_shown_with_a_click() -> None:
    request = request_of(block_of(0, "thinking", "Let me see."), block_of(1, "text", "So."))
    request.stamps.first_thinking, request.stamps.first_text = 1.0, 1.5
    async with shown(turn_of(request)) as (log, pilot):
        row = row_of(log, "t shows it")
        for place in (3 + len("thought for 0.5s   "), 3 + len("thought for 0.5s   t show")):
            await pilot.click(log, offset=(place, row))
            await pilot.pause()
        await pilot.click(log, offset=(5, row))
        await pilot.pause()
        assert facts(pilot) == ["toggle_thinking", "toggle_thinking"]
        await pilot.resize_terminal(26, 20)
        await settled(log, pilot)
        assert lines(log)[:3] == ["   thought for 0.5s", "   t shows it", ""]


async def test_thinking_that_the_server_keeps_offers_nothing() -> None:
    request = request_of(block_of(0, "thinking", "", thinking="", signature="x"), block_of(1, "text", "So."))
    request.stamps.first_thinking, request.stamps.first_text = 1.0, 1.5
    assert (await both(turn_of(request)))[:3] == ["thought for 0.5s", "", "So."]


@pytest.mark.parametrize(
    ("pieces", "summary", "inside"),
    [
        (['{"path": "no', "tes/\u202e\x1b"], '{"path": "notes/⟨U+202E⟩␛…', ['{"path": "notes/\\u202e\\u001b…']),
        ([], "…", ["nothing of its input had come"]),
        (['{"path": "a"}'], "a", ['"path": "a"']),
    ],
)
async def test_a_call_that_was_cut_off_shows_what_came(pieces: list[str], summary: str, inside: list[str]) -> None:
    block = block_of(0, "tool_use", *pieces, ended=False, name="read_file", id="t1", input={})
    turn = turn_of(request_of(block))
    await both(turn)
    async with shown(turn) as (log, pilot):
        log.toggle_details("a")
        await settled(log, pilot)
        head, *rest = [line.strip() for line in lines(log) if line.strip()]
        assert head.startswith(f"▾ read_file {summary}  cancelled")
        assert rest == inside


async def test_an_input_that_is_no_object_is_shown_as_it_came() -> None:
    for given, pieces in (("[1, 2]", ["[1, ", "2]"]), ('{"a": ', ['{"a": ']), ('["é"]', [])):
        block = block_of(0, "tool_use", *pieces, name="calculator", id="t1", input=["é"] if not pieces else {})
        request = request_of(block)
        request.calls["t1"] = ToolCall("t1", "calculator", {}, "", ended=1.0, result="No.", skipped="bad_input")
        turn = turn_of(request)
        await both(turn)
        async with shown(turn) as (log, pilot):
            log.toggle_details("a")
            await settled(log, pilot)
            assert [line.strip() for line in lines(log) if line.strip()][1:] == [given.strip(), "No."]


async def test_a_tool_of_the_servers_that_never_answered_does_not_run_for_ever() -> None:
    ended = block_of(0, "server_tool_use", '{"query": "x"}', name="web_search", id="s1")
    result = block_of(1, "web_search_tool_result", tool_use_id="s1", content=[{"title": "T", "url": "https://t.org"}])
    again = block_of(2, "server_tool_use", '{"query": "y"}', name="web_search", id="s2")
    cut = block_of(3, "server_tool_use", '{"que', ended=False, name="web_search", id="s3")
    text = [line for line in await both(turn_of(request_of(ended, result, again, cut))) if line]
    assert text == [
        "▸ web_search x → T  https://t.org",
        "▸ web_search y  cancelled: no result came",
        '▸ web_search {"que…  cancelled: cut off before its in…',
    ]


async def test_running_has_no_figure_that_stands_still() -> None:
    request = request_of(block_of(0, "tool_use", '{"x": 1}', name="calculator", id="t1"))
    request.calls["t1"] = ToolCall("t1", "calculator", {"x": 1}, "", started=2.0)
    async with shown(turn_of(request)) as (log, _):
        assert lines(log)[0] == '   ▸ calculator {"x": 1}  running'
