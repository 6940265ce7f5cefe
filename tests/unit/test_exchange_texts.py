"""Markdown and plain text: everything that was said, in order, and nothing in it passes for something else."""

import dataclasses

import pytest
from markdown_it import MarkdownIt

from tests.unit.exchange_values import figures, said, small_tree
from tui_chat.conversation import Conversation, Outcome, ToolCall
from tui_chat.exchange.markdown import closed, code, escaped, fenced, markdown
from tui_chat.exchange.plain_text import plain_text
from tui_chat.text import sanitise


def both(conversation: Conversation) -> tuple[str, str]:
    return "".join(markdown(conversation, figures)), "".join(plain_text(conversation, figures))


def full() -> Conversation:
    conversation = said(
        "How many?",
        {"type": "thinking", "thinking": "Let me\nthink."},
        {"type": "text", "text": "I count."},
        {"type": "tool_use", "id": "toolu_1", "name": "calculator", "input": {"expression": "2+2"}},
        {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
        {"type": "text", "text": "Four.", "citations": [{"url": "https://a.example", "title": "A [source]"}]},
        {"type": "redacted_thinking", "data": "eA=="},
        title="A *title*",
        system="Be brief.",
    )
    conversation.turns[0].requests[0].calls["toolu_1"] = ToolCall("toolu_1", "calculator", {}, "", result="4 ``` 4")
    return conversation


def test_all_parts_are_there_in_order() -> None:
    marked, plain = both(full())
    for text, parts in (
        (
            marked,
            ["# A \\*title\\*", "## System prompt", "Be brief.", "## You", "How many?", "## claude-x", "> **Thinking**",
             "> think.", "I count.", "> **Tool** `calculator`", '>   "expression": "2+2"', "> ````", "> 4 ``` 4",
             "> **Tool** `clock` (not run)", "Four.", "- [A \\[source\\]](<https://a.example>)", "encrypted", "12 tokens in"],
        ),
        (
            plain,
            ["A *title*\n=====", "--- System prompt ---", "Be brief.", "--- You ---", "How many?", "--- claude-x ---",
             "I count.", "[tool: calculator]", "[tool: clock, not run]", "Four.", "source: A [source] https://a.example"],
        ),
    ):  # fmt: skip
        place = 0
        for part in parts:
            assert part in text[place:], part
            place = text.index(part, place)


def test_figures_are_exact_and_unknown_ones_left_out() -> None:
    conversation = full()
    (turn,) = conversation.turns
    assert "12 tokens in · 34 tokens out · TTFT 0.30 s" in both(conversation)[1]
    turn.requests[0].usage_is_final, turn.requests[0].characters = False, 400
    assert "· ~100 tokens out" in both(conversation)[1]
    turn.requests = []
    turn.server = "demo"
    last = both(conversation)[1].splitlines()[-1]
    assert "demo" in last
    assert "tokens" not in last


def test_endings_are_said() -> None:
    conversation = full()
    (turn,) = conversation.turns
    turn.outcome, turn.in_context = Outcome.CANCELLED, False
    conversation.versions = {turn.id: ("a", turn.id, "c")}
    for text in both(conversation):
        assert "left out of what is sent · version 2 of 3 · stopped before it was complete" in text


def test_a_turn_that_goes_on_has_no_heading_of_its_own() -> None:
    tree = small_tree()
    owner = tree.conversation
    second = dataclasses.replace(tree.turns[2], prompt=dataclasses.replace(tree.turns[2].prompt, continues=True))
    owner.turns = [tree.turns[1], second]
    marked, plain = both(owner)
    assert marked.count("## You") == 1
    assert plain.count("--- You") == 1
    assert "sure?" not in marked + plain


def test_nothing_acts_on_a_terminal() -> None:
    hostile = "\x1b]0;title\x07\x9b31m\u202ertl\ud800"
    conversation = said(
        hostile, {"type": "text", "text": hostile}, {"type": "thinking", "thinking": hostile}, title=hostile
    )
    for text in both(conversation):
        assert sanitise(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode",
        "~~~~\ncode\n~~~",
        "   ```python\ncode\n",
        "```a`b\ntext",
        "````\n```\n",
        "```\ncode\n```\n",
        "text",
        "",
    ],
)
def test_an_open_fence_is_closed(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(closed(text) + "\n## after\n")
    assert tokens[-2].content == "after"
    assert tokens[-3].type == "heading_open"


@pytest.mark.parametrize("text", ["*a*", "_b_", "`c`", "[d](e)", "<f>", "# g", "a|b", "~~h~~", "\\"])
def test_escaped_text_reads_as_it_is(text: str) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(f"x {escaped(text)}")
    plain = rendered.removeprefix("<p>x ").removesuffix("</p>\n").replace("&lt;", "<").replace("&gt;", ">")
    assert plain == text


@pytest.mark.parametrize("text", ["a", "`", "``a", "a ``` b", "````"])
def test_code_holds_any_backticks(text: str) -> None:
    (inline,) = (token for token in MarkdownIt().parse(f"x {code(text)} y") if token.type == "inline")
    assert [child.content for child in inline.children or [] if child.type == "code_inline"] == [text]
    (block,) = MarkdownIt().parse(fenced(text))
    assert block.content == f"{text}\n"
