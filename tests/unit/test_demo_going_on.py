"""A reply that was cut short, however it was, goes on from there when the demo is asked to; and no client's way is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.demo_client import MODEL, TOOLS, ask, assistant, content_of, results_of, user
from tui_chat.demo.content import Reply, limit
from tui_chat.demo.legality import why_illegal
from tui_chat.demo.replies import COMMANDS, choose_reply
from tui_chat.demo.texts import load

GO_ON = "Your last reply was cut off before it was complete. Go on exactly where it left off."


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize("instruction", [GO_ON, "continue", "Please go on.", "Carry on where you left off"])
@pytest.mark.parametrize(
    "word", ["cut", "eof", "error", "limit", "window", "long", "hello", "slow", "stall", "sources"]
)
def test_the_rest_comes(word: str, instruction: str) -> None:
    before = (user("list"), assistant("Noted."))
    reply = ask(*before, user(word))
    whole = reply.text + reply.rest
    sent = whole[:90].rstrip()
    rest = ask(*before, user(word), assistant(sent), user(instruction))
    assert sent + rest.text == whole
    assert (rest.stop_reason, rest.interruption, rest.ttft) == ("end_turn", None, None)
    # ... and again, when that was cut too.
    more = ask(*before, user(word), assistant(sent), user(instruction), assistant(rest.text[:20]), user(instruction))
    assert sent + rest.text[:20].rstrip() + more.text == whole


@pytest.mark.parametrize(("word", "reason"), [("limit", "max_tokens"), ("window", "model_context_window_exceeded")])
def test_replies_that_end_early(word: str, reason: str) -> None:
    reply = ask(user(word))
    assert reply.stop_reason == reason
    assert reply.text
    assert reply.rest


def test_what_max_tokens_cut_goes_on() -> None:
    whole = ask(user("long 1000")).text
    sent, conversation = "", [user("long 1000")]
    for _ in range(20):
        reply = limit(ask(*conversation), 60, ())
        sent = sent.rstrip() + reply.text
        if reply.stop_reason == "end_turn":
            break
        conversation += [assistant(reply.text.rstrip()), user(GO_ON)]
    assert sent == whole


def test_nothing_came_and_the_instruction_is_merged_behind_the_prompt() -> None:
    whole = ask(user("cut"))
    for messages in ([user([text("cut"), text(GO_ON)])], [user("cut"), user(GO_ON)]):
        reply = ask(*messages)
        assert reply.text == whole.text
        assert reply.interruption is None
    earlier = user([text("table"), text("cut"), text(GO_ON)])
    assert ask(user([text("table"), text("cut")])).text == ask(earlier).text


def test_a_merged_instruction_behind_results_brings_the_answer() -> None:
    content = content_of(ask(user("tool"), tools=TOOLS))
    results = results_of(content, "42")["content"]
    answer = ask(user("tool"), assistant(content), user(results), tools=TOOLS)
    assert ask(user("tool"), assistant(content), user([*results, text(GO_ON)]), tools=TOOLS).text == answer.text
    cut = assistant(answer.text[:10])
    rest = ask(user("tool"), assistant(content), user(results), cut, user(GO_ON), tools=TOOLS)
    assert answer.text[:10].rstrip() + rest.text == answer.text


@pytest.mark.parametrize("sent", ["I call", "I call `calculator` and wait for what it brings."])
def test_going_on_leads_to_the_call_that_was_cut_off(sent: str) -> None:
    conversation = [user("tool"), assistant(sent), user(GO_ON)]
    reply = ask(*conversation, tools=TOOLS)
    content = content_of(reply)
    assert (content[-1]["type"], reply.stop_reason) == ("tool_use", "tool_use")
    content = [block for block in content if block["type"] != "text" or block["text"].strip()]
    answer = ask(*conversation, assistant(content), results_of(content, "42"), tools=TOOLS)
    assert "42" in answer.text
    assert answer.stop_reason == "end_turn"


def test_going_on_leads_to_the_pause_and_beyond() -> None:
    conversation = [user("pause 2"), assistant("Let me"), user(GO_ON)]
    reply = ask(*conversation)
    assert reply.stop_reason == "pause_turn"
    so_far = content_of(reply)
    for _ in range(2):
        reply = ask(*conversation, assistant(so_far))
        so_far += content_of(reply)
    assert reply.stop_reason == "end_turn"
    cut = [*so_far[:-1], text(so_far[-1]["text"][:8].rstrip())]
    rest = ask(*conversation, assistant(cut), user(GO_ON))
    assert cut[-1]["text"] + rest.text == so_far[-1]["text"]


@pytest.mark.parametrize(
    "prompt", ["My finger was cut off in a table accident", "I left off the table", "Where did we left off with code?"]
)
def test_other_sentences_are_prompts(prompt: str) -> None:
    word = "code" if "code" in prompt else "table" if "table" in prompt else None
    assert word is not None
    assert ask(user("hello"), assistant("Good"), user(prompt)).text.endswith(load(word))


def test_an_instruction_first_of_all_is_a_prompt() -> None:
    assert ask(user("Continue.")).text == load("tour")


WORDS = st.sampled_from([*COMMANDS, "tool 3", "pause 2", "hello", GO_ON, "long 100"])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WORDS, st.integers(0, 2000), st.booleans()), max_size=6), st.booleans())
def test_a_client_that_keeps_the_rules_is_never_refused(steps: list[tuple[str, int, bool]], offers_tools: bool) -> None:
    """It stops each reply somewhere, keeps what the API takes, runs the calls, and sends paused turns back."""
    tools = TOOLS if offers_tools else []
    offered = {tool["name"]: tool for tool in tools}
    messages: list[dict[str, Any]] = []

    def reply() -> Reply | None:
        body = {"model": MODEL, "max_tokens": 9000, "messages": messages, "tools": tools}
        assert why_illegal(body) is None
        chosen = choose_reply(messages, offered=offered)
        return chosen if isinstance(chosen, Reply) else None

    for prompt, stop_at, stops in steps:
        messages.append(user(prompt))
        for _ in range(5):
            chosen = reply()
            if chosen is None or chosen.stop_reason == "refusal":
                break
            if stops:
                kept = chosen.text[:stop_at].rstrip()
                messages += [assistant(kept)] if kept else []
                break
            content = [
                block
                for block in content_of(chosen)
                if block["type"] not in ("hologram", "container_upload") and block.get("text", "x").strip()
            ]
            if not content:
                break
            messages.append(assistant(content))
            if chosen.stop_reason == "tool_use":
                calls = sum(block["type"] == "tool_use" for block in content)
                messages.append(results_of(content, *["done"] * calls))
            elif chosen.stop_reason != "pause_turn":
                break
        else:
            break  # more rounds than the client has patience for
