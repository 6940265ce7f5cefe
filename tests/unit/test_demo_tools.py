"""The demo's words that call tools: which, with what, how often, and what it makes of their results."""

from typing import Any

import pytest

from tests.unit.demo_client import (
    CALCULATOR,
    CURRENT_TIME,
    READ_FILE,
    TOOLS,
    ask,
    assistant,
    content_of,
    results_of,
    tool_definition,
    user,
)
from tui_chat.demo.replies import choose_reply
from tui_chat.demo.texts import load
from tui_chat.demo.tool_replies import NOTHING_OFFERED


def calls_of(content: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(block["name"], block["input"]) for block in content if block["type"] == "tool_use"]


@pytest.mark.parametrize(
    ("tools", "call"),
    [
        (TOOLS, ("calculator", {"expression": "6 * 7"})),
        ([READ_FILE, CURRENT_TIME], ("current_time", {"timezone": "Europe/Berlin"})),
        ([tool_definition("weather", "city"), READ_FILE], ("read_file", {"path": "."})),
        ([tool_definition("weather", "city")], ("weather", {})),
        ([tool_definition("calculator")], ("calculator", {})),
        ([tool_definition("calculator", "formula")], ("calculator", {})),
        ([{"name": "calculator", "input_schema": {"type": "object"}}], ("calculator", {"expression": "6 * 7"})),
    ],
)
def test_tool_calls_the_first_it_knows(tools: list[dict[str, Any]], call: tuple[str, Any]) -> None:
    reply = ask(user("tool"), tools=tools)
    content = content_of(reply)
    assert reply.stop_reason == "tool_use"
    assert [block["type"] for block in content] == ["text", "tool_use"]
    assert calls_of(content) == [call]
    assert content[1]["id"].startswith("toolu_01")


@pytest.mark.parametrize("word", ["tool", "tool 5", "tools", "slowtool"])
def test_without_tools_there_is_nothing_to_call(word: str) -> None:
    reply = ask(user(word))
    assert (reply.text, reply.stop_reason) == (NOTHING_OFFERED, "end_turn")
    assert "--tools" in reply.text
    assert "/tools" in reply.text


def test_the_answer_quotes_what_came_back() -> None:
    content = content_of(ask(user("tool"), tools=TOOLS))
    reply = ask(user("tool"), assistant(content), results_of(content, "4" * 150 + "2" * 150), tools=TOOLS)
    assert reply.stop_reason == "end_turn"
    assert "`calculator` answered" in reply.text
    assert "4" * 150 + "2" * 50 in reply.text
    assert "2" * 51 not in reply.text


@pytest.mark.parametrize("parts", [None, "no", [{"type": "text", "text": "n"}, {"type": "text", "text": "o"}]])
def test_a_call_that_was_denied_or_failed_is_told(parts: Any) -> None:
    content = content_of(ask(user("tool"), tools=TOOLS))
    result = {"type": "tool_result", "tool_use_id": content[1]["id"], "content": parts, "is_error": True}
    if parts is None:
        del result["content"]
    reply = ask(user("tool"), assistant(content), user([result]), tools=TOOLS)
    assert "`calculator` was denied or failed" in reply.text
    assert ("\nno\n" in reply.text) == (parts is not None)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_tool_has_as_many_rounds_as_asked_for(rounds: int) -> None:
    conversation = [user("hello"), assistant("Hello."), user(f"tool {rounds}")]
    seen: set[str] = set()
    for number in range(rounds):
        content = content_of(ask(*conversation, tools=TOOLS))
        assert [block["type"] for block in content] == ["text", "tool_use"]
        seen.add(content[1]["id"])
        conversation += [assistant(content), results_of(content, f"result {number}")]
    reply = ask(*conversation, tools=TOOLS)
    assert reply.stop_reason == "end_turn"
    assert f"result {rounds - 1}" in reply.text
    assert len(seen) == rounds
    # ... and the next prompt starts from nothing.
    following = ask(*conversation, assistant(reply.text), user("tool"), tools=TOOLS)
    assert following.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("offered", "names"),
    [
        (TOOLS, ["calculator", "current_time", "read_file"]),
        ([READ_FILE, CALCULATOR], ["calculator", "read_file", "calculator"]),
        ([tool_definition("weather"), CALCULATOR], ["calculator", "weather", "calculator"]),
        ([CURRENT_TIME], ["current_time"] * 3),
    ],
)
def test_tools_makes_three_calls_at_once(offered: list[dict[str, Any]], names: list[str]) -> None:
    reply = ask(user("tools"), tools=offered)
    content = content_of(reply)
    assert [block["type"] for block in content] == ["thinking", "text", "tool_use", "tool_use", "tool_use"]
    assert content[0]["signature"]
    assert [name for name, _ in calls_of(content)] == names
    assert len({block["id"] for block in content[2:]}) == 3
    inputs = [call for call in calls_of(content) if call[0] in ("calculator", "current_time")]
    assert all(inputs.count(call) == 1 for call in inputs)
    answer = ask(user("tools"), assistant(content), results_of(content, "one", "two", "three"), tools=offered)
    assert [answer.text.index(result) for result in ("one", "two", "three")] == sorted(
        answer.text.index(result) for result in ("one", "two", "three")
    )


def test_results_may_come_in_two_messages_and_in_any_order() -> None:
    content = content_of(ask(user("tools"), tools=TOOLS))
    results = results_of(content, "one", "two", "three")["content"]
    reply = ask(user("tools"), assistant(content), user(results[2:]), user(results[:2]), tools=TOOLS)
    assert reply.stop_reason == "end_turn"
    assert reply.text.index("`read_file` answered") < reply.text.index("`calculator` answered")


def test_ids_differ_between_requests() -> None:
    def identifier(attempt: int, *before: dict[str, Any]) -> str:
        return str(content_of(ask(*before, user("tool"), tools=TOOLS, attempt=attempt))[1]["id"])

    other = (user("hello"), assistant("Hello."))
    assert len({identifier(0), identifier(1), identifier(0, *other)}) == 3
    assert identifier(0) == identifier(0)


@pytest.mark.parametrize("tool", [CALCULATOR, CURRENT_TIME, READ_FILE])
def test_slowtool_has_a_long_input(tool: dict[str, Any]) -> None:
    reply = ask(user("slowtool"), tools=[tool])
    content = content_of(reply)
    ((_, fields),) = calls_of(content)
    assert 900 < len(next(iter(fields.values()))) <= 1_000  # no tool need be able to do more
    block = reply.blocks[-1]
    assert block.piece_size is not None
    assert 180 < len(block.text) / block.piece_size < 220
    answer = ask(user("slowtool"), assistant(content), results_of(content, "at last"), tools=[tool])
    assert "at last" in answer.text


def test_tools_on_offer_change_nothing_else() -> None:
    for word in ("hello", "long", "thinking", "cut", "sources"):
        assert ask(user(word), tools=TOOLS) == ask(user(word))


def test_a_prompt_beside_results_is_a_new_prompt() -> None:
    content = content_of(ask(user("tool 5"), tools=TOOLS))
    results = results_of(content, "stopped", is_error=True)["content"]
    messages = [user("tool 5"), assistant(content), user([*results, {"type": "text", "text": "table"}])]
    assert ask(*messages, tools=TOOLS).text.endswith(load("table"))


def test_when_no_more_calls_are_allowed_the_results_are_told() -> None:
    content = content_of(ask(user("tool 5"), tools=TOOLS))
    chosen = choose_reply([user("tool 5"), assistant(content), results_of(content, "42")], offered={})
    assert [block["type"] for block in content_of(chosen)] == ["text"]
    assert "42" in content_of(chosen)[0]["text"]
