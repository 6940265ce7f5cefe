"""The calls of one reply: proposed, approved, run together, ended. Whatever happens, each has a result to send back.

An approval is bound to the id and to a hash of name and input, which is taken again before the tool runs: what runs is what
was shown. Denied, unknown, unreadable or cancelled calls get a result too, an error that says so: history without it is a
400. A tool runs within its time; what it raises beside `ToolError` is a bug in the tool, logged, and an error to the model.

It must not know who answers for an approval, nor how a request is made.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tui_chat.conversation import ContentBlock, Request, ToolCall, tool_use_ids
from tui_chat.engine.tools import Tool, ToolError, cut_result, input_hash
from tui_chat.events import (
    ApprovalAnswered,
    ApprovalRequested,
    Event,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
)

_log = logging.getLogger(__name__)
MAX_ROUNDS: Final = 25  # requests with calls in one turn

DENIED: Final = "This call was not allowed."
CANCELLED: Final = "The user stopped the turn before this call was done."
TOO_MANY: Final = f"Not run: a turn may call tools {MAX_ROUNDS} times in a row."
BAD_INPUT: Final = "Not run: the input is not a JSON object."
CHANGED: Final = "Not run: the input is not the one that was allowed."


async def _deny(_call: ToolCall) -> bool:
    return False


async def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Workbench:
    """The tools of a turn, and who decides.

    `allowed` names tools that need no approval; `ask` waits for the answer to one call; `before_run` returns when all that
    was said is stored, that the tool was started too: after a crash nobody must run it again unseen.
    """

    tools: Sequence[Tool] = ()
    allowed: frozenset[str] = frozenset()
    ask: Callable[[ToolCall], Awaitable[bool]] = _deny
    before_run: Callable[[], Awaitable[None]] = field(default=_nothing)

    def get(self, name: str) -> Tool | None:
        """The tool of that name."""
        return next((tool for tool in self.tools if tool.name == name), None)


def propose(request: Request, emit: Callable[[Event], None]) -> list[ToolCall]:
    """The calls that `request` ended with, each said; its `calls` hold them now."""
    for call, block in _blocks_of_calls(request):
        name, given = block.get("name"), block.get("input")
        named, usable = name if isinstance(name, str) else "", given if isinstance(given, dict) else {}
        emit(ToolProposed(time.monotonic(), call, named, usable, input_hash(named, usable)))
    return list(request.calls.values())


async def run_calls(
    request: Request, calls: Sequence[ToolCall], bench: Workbench, emit: Callable[[Event], None]
) -> None:
    """Run all `calls` of `request` at once. Cancelled, each that has no result yet gets one before this returns."""
    blocks = dict(_blocks_of_calls(request))
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                block = blocks[call.tool_use_id]
                if "partial_json" in block or not isinstance(block.get("input"), dict):
                    _skip(call, "bad_input", BAD_INPUT, emit)
                elif (tool := bench.get(call.name)) is None:
                    known = ", ".join(each.name for each in bench.tools)
                    _skip(call, "unknown_tool", f"There is no tool called {call.name!r}, only: {known}.", emit)
                else:
                    group.create_task(_run(call, tool, bench, emit), name=f"tool {call.tool_use_id}")
    except asyncio.CancelledError:
        for call in calls:
            _cancelled(call, emit)
        raise


def skip_all(calls: Sequence[ToolCall], emit: Callable[[Event], None]) -> None:
    """The turn has called tools often enough: none of these runs."""
    for call in calls:
        _skip(call, "too_many_rounds", TOO_MANY, emit)


def _blocks_of_calls(request: Request) -> list[tuple[str, ContentBlock]]:
    """The ids and the blocks of the calls that are complete."""
    blocks = [block.content() for block in request.ordered_blocks if block.ended]
    return [(call, block) for block, call in zip(blocks, tool_use_ids(blocks), strict=True) if call is not None]


async def _run(call: ToolCall, tool: Tool, bench: Workbench, emit: Callable[[Event], None]) -> None:
    if call.name not in bench.allowed:
        answer = bench.ask(call)  # asks before it is said: whoever hears of it may answer at once
        emit(ApprovalRequested(time.monotonic(), call.tool_use_id, call.input_hash))
        allow = await answer
        emit(ApprovalAnswered(time.monotonic(), call.tool_use_id, allow))
        if not allow:
            _skip(call, "denied", DENIED, emit)
            return
    if input_hash(call.name, call.input) != call.input_hash:
        _skip(call, "bad_input", CHANGED, emit)
        return
    emit(ToolStarted(time.monotonic(), call.tool_use_id))
    await bench.before_run()
    is_error = True
    try:
        async with asyncio.timeout(tool.timeout):
            result, is_error = await tool.run(call.input), False
    except ToolError as error:
        result = str(error)
    except TimeoutError:
        result = f"The tool did not finish within {tool.timeout:g} s."
    except Exception as error:  # noqa: BLE001 - the tools' own bugs must not end a turn; the model is told, the log has the rest
        _log.exception("the tool %s failed", call.name)
        result = f"The tool failed ({type(error).__name__})."
    emit(ToolEnded(time.monotonic(), call.tool_use_id, cut_result(result), is_error))


def _skip(call: ToolCall, reason: str, content: str, emit: Callable[[Event], None]) -> None:
    emit(ToolSkipped(time.monotonic(), call.tool_use_id, reason, content))


def _cancelled(call: ToolCall, emit: Callable[[Event], None]) -> None:
    if call.result is not None:
        return
    now = time.monotonic()
    if call.started is not None:
        emit(ToolEnded(now, call.tool_use_id, CANCELLED, is_error=True))
        return
    if call.waiting:
        emit(ApprovalAnswered(now, call.tool_use_id, allow=False))
    _skip(call, "cancelled", CANCELLED, emit)
