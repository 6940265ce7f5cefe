"""Replies that call the tools a request offers, and those that tell what came back.

Why it exists: a tool loop is several requests and one conversation, and the demo keeps nothing between them: each reply
is found from how many rounds the conversation has had.
What it must not know: what the tools do. It knows three by name, for sensible inputs; any other is called with none.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any, Final

from tui_chat.demo.asked import Asked, ToolResult
from tui_chat.demo.content import Block, Reply

PARALLEL_CALLS: Final = 3
QUOTED_CHARACTERS: Final = 200

NOTHING_OFFERED: Final = (
    "There is no tool to call: this request offers none. Start the chat with `--tools`, or turn them on with `/tools`, "
    "and ask again.\n"
)

# In the order of preference, each with what its calls ask for in turn.
_INPUTS: Final[Mapping[str, Sequence[Mapping[str, str]]]] = {
    "calculator": ({"expression": "6 * 7"}, {"expression": "1 + 2 + 3"}, {"expression": "22 / 7"}),
    "current_time": ({"timezone": "Europe/Berlin"}, {"timezone": "Asia/Tokyo"}, {"timezone": "UTC"}),
    "read_file": ({"path": "."},),
}

# For `slowtool`: with pieces of `SLOW_PIECE` characters some 200 of them, and no longer than a tool may want.
SLOW_PIECE: Final = 5
_LONG_VALUES: Final[Mapping[str, str]] = {
    "expression": " + ".join(str(1_000_000 + number) for number in range(98)),
    "timezone": "Europe/" * 139 + "Berlin",
    "path": "./" * 490,
}


def tool(asked: Asked) -> Reply:
    """`tool N`: N rounds of one call each, then the results of the last."""
    rounds = max(asked.number or 1, 1)
    if asked.results and (asked.rounds >= rounds or not asked.tools):
        return _answer(asked.results)
    if not asked.tools:
        return _nothing_offered(asked)
    name = _preferred(asked)[0]
    if asked.rounds:
        text = f"Round {asked.rounds + 1} of {rounds}: `{name}` once more."
    else:
        text = f"{asked.note}I call `{name}` and wait for what it brings."
    return _calls(asked, (Block("text", text),), [(name, _input(asked, name, asked.rounds))])


def tools(asked: Asked) -> Reply:
    """Three calls in one reply, then their results."""
    if asked.results:
        return _answer(asked.results)
    if not asked.tools:
        return _nothing_offered(asked)
    names = list(islice(cycle(_preferred(asked)), PARALLEL_CALLS))
    calls = [(name, _input(asked, name, names[:place].count(name))) for place, name in enumerate(names)]
    thinking = "Three questions, and none needs the answer to another. So I ask all of them at once."
    text = f"{asked.note}I make {PARALLEL_CALLS} calls at once and wait for all of them."
    return _calls(asked, (Block("thinking", thinking), Block("text", text)), calls)


def slow_tool(asked: Asked) -> Reply:
    """One call with a long input, then its result."""
    if asked.results:
        return _answer(asked.results)
    if not asked.tools:
        return _nothing_offered(asked)
    name = _preferred(asked)[0]
    long = {field: _LONG_VALUES[field] for field in _input(asked, name, 0)}
    text = f"{asked.note}I call `{name}`, and the input is long: stop me in the middle of it."
    return _calls(asked, (Block("text", text),), [(name, long)], SLOW_PIECE)


def _nothing_offered(asked: Asked) -> Reply:
    return Reply((Block("text", asked.note + NOTHING_OFFERED),))


def _preferred(asked: Asked) -> list[str]:
    """The tools on offer, those with known inputs first."""
    known = [name for name in _INPUTS if name in asked.tools]
    return [*known, *(name for name in asked.tools if name not in _INPUTS)]


def _input(asked: Asked, name: str, place: int) -> Mapping[str, str]:
    """What the call number `place` of the tool asks for, without what its schema does not have."""
    inputs = _INPUTS.get(name, ({},))
    chosen = inputs[place % len(inputs)]
    properties = asked.tools[name]["input_schema"].get("properties")
    return {field: value for field, value in chosen.items() if not isinstance(properties, dict) or field in properties}


def _calls(
    asked: Asked,
    blocks: Sequence[Block],
    calls: Sequence[tuple[str, Mapping[str, Any]]],
    piece_size: int | None = None,
) -> Reply:
    identifiers = asked.identifiers()
    called = [
        # An input without fields comes as no JSON at all, as in the API.
        Block(
            "tool_use",
            json.dumps(fields) if fields else "",
            {"id": f"toolu_{next(identifiers)}", "name": name},
            piece_size=piece_size,
        )
        for name, fields in calls
    ]
    return Reply((*blocks, *called), "tool_use")


def _answer(results: Sequence[ToolResult]) -> Reply:
    told = [
        f"`{result.name}` {'was denied or failed' if result.is_error else 'answered'}:\n\n"
        f"~~~text\n{result.text[:QUOTED_CHARACTERS]}\n~~~\n"
        for result in results
    ]
    return Reply((Block("text", "\n".join(told)),))
