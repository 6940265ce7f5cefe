"""What the demo answers to which prompt, and where a reply is cut."""

from typing import Any

import pytest

from tui_chat.demo.content import Block, Failure, Fault, Reply, limit
from tui_chat.demo.essay import essay
from tui_chat.demo.replies import COMMANDS, choose_reply
from tui_chat.demo.shapes import KINDS, MIN_TOKENS, STAMP, shape
from tui_chat.demo.texts import load
from tui_chat.demo.tokens import InputUsage, count_request, count_text, input_usage


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def reply(*prompts: str, attempt: int = 0) -> Reply:
    messages = [message for prompt in prompts for message in (user(prompt), assistant("Noted."))][:-1]
    chosen = choose_reply(messages, attempt)
    assert isinstance(chosen, Reply)
    return chosen


def failure(prompt: str, attempt: int = 0) -> Failure:
    chosen = choose_reply([user(prompt)], attempt)
    assert isinstance(chosen, Failure)
    return chosen


def test_any_prompt_gets_the_tour() -> None:
    tour = reply("Good morning!").text
    assert tour == load("tour")
    assert 120 <= count_text(tour) <= 240
    for sign in ("## ", "**", "*no key", "`", "\n- ", "\n> ", "](https://"):
        assert sign in tour


def test_the_tour_names_commands_that_exist() -> None:
    named = [word for word in load("tour").split("`") if word.isalpha() and word.islower()]
    assert len(named) > 5
    assert set(named) <= set(COMMANDS)


def test_the_first_word_is_a_command_in_any_case() -> None:
    assert reply("TABLE of code").text == load("table")
    assert failure("Overloaded now").status == 529


@pytest.mark.parametrize("word", ["code", "table", "list", "long", "thinking"])
def test_harmless_words_count_anywhere(word: str) -> None:
    assert reply(f"please show me a {word}!") == reply(word)


@pytest.mark.parametrize(
    "prompt", ["I see an error here", "do not cut it", "coded listing", "http", "http 200", "http x", ""]
)
def test_other_words_do_not(prompt: str) -> None:
    assert reply(prompt).text == load("tour")


def test_every_command_has_an_answer() -> None:
    for name in COMMANDS:
        choose_reply([user(f"{name} 500")])


def test_the_command_list_is_the_help() -> None:
    text = reply("help").text
    assert all(f"`{name}`" in text for name in COMMANDS)


def test_the_prompt_is_the_last_text_of_the_last_user_message() -> None:
    blocks = [{"type": "text", "text": "table"}, {"type": "text", "text": "list"}]
    result = {"type": "tool_result", "tool_use_id": "t1"}
    assert choose_reply([user(blocks)]) == reply("list")
    chosen = choose_reply([user("list"), assistant("x"), user([result])])
    assert chosen == reply("list")


def test_from_the_second_turn_on_the_first_prompt_is_quoted() -> None:
    assert "Turn" not in reply("What is TTFT?").text
    assert reply("What is TTFT?", "code").text.startswith("*Turn 2. You began with “What is TTFT?”.*\n\nHere is")
    assert reply("a\nb " + "c" * 100, "x", "y").text.startswith(f"*Turn 3. You began with “a b {'c' * 56}…”.*")


@pytest.mark.parametrize("tokens", [1_000, 3_000, 8_000, 50_000])
def test_long_has_the_length_asked_for(tokens: int) -> None:
    assert tokens * 0.97 < count_text(reply(f"long {tokens}").text) <= tokens
    assert reply("long") == reply("long 3000")


def test_the_essay_is_varied_and_whole() -> None:
    text = essay(20_000)
    paragraphs = [part for part in text.split("\n\n") if len(part) > 80]
    assert len(set(paragraphs)) > 0.8 * len(paragraphs)
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_shape_has_the_length_asked_for_and_ends_that_can_be_seen(kind: str) -> None:
    for tokens in (MIN_TOKENS, 61, 1_000, 20_000):
        text = reply(f"shape {kind} {tokens} 7").text
        assert text == shape(kind, tokens, 7)
        assert tokens - STAMP // 4 <= count_text(text) <= tokens
        if kind == "stamps":
            numbers = [int(word.lstrip("stamp")) for word in text.split()]
            assert numbers == list(range(7, 7 + len(numbers)))
            assert all(text[place : place + STAMP].startswith("stamp") for place in range(0, len(text), STAMP))
        else:
            assert "begin7" in text[:STAMP]
            assert text.endswith("end7")
            assert (text.count("begin"), text.count("end")) == (1, 1)
    assert len(shape(kind, 1)) <= MIN_TOKENS * 4


def test_a_shape_is_one_construct_without_end() -> None:
    assert shape("fence", 5_000).count("```") == 2
    assert "\n" not in shape("paragraph", 5_000)
    assert "\n\n" not in shape("list", 5_000) + shape("nested", 5_000) + shape("table", 5_000)
    assert all(mark in shape("mixed", 400) for mark in ("## ", "\n- ", "```python", "\n> ", "\n| ", "**", "`"))


def test_a_shape_without_kind_or_length_is_mixed() -> None:
    assert reply("shape").text == shape("mixed", 3_000)
    assert reply("shape spiral 80").text == shape("mixed", 80)
    assert reply("hello", "shape list").text == shape("list", 3_000)


def test_thinking_comes_before_text() -> None:
    assert [block.type for block in reply("thinking").blocks] == ["thinking", "text"]


def test_failures() -> None:
    assert failure("overloaded") == Failure(529, "overloaded_error", "Overloaded")
    assert (failure("http 503").status, failure("http 503").type) == (503, "api_error")
    assert (failure("http 418").status, failure("http 418").type) == (418, "invalid_request_error")
    assert failure("html").type is None


def test_flaky_and_ratelimit_remember_the_attempts() -> None:
    assert [failure("flaky", attempt).status for attempt in (0, 1)] == [529, 529]
    assert "third attempt" in reply("flaky", attempt=2).text
    assert (failure("ratelimit").status, failure("ratelimit").retry_after) == (429, 2)
    assert "Now" in reply("ratelimit", attempt=1).text


def test_interrupted_replies_know_where() -> None:
    for name, fault in (("cut", Fault.CUT), ("eof", Fault.EOF), ("error", Fault.ERROR)):
        chosen = reply(name)
        assert chosen.interruption is not None
        assert chosen.interruption.fault is fault
        assert 0.4 < chosen.interruption.after / len(chosen.text) < 0.6


def test_a_refusal_and_an_empty_reply() -> None:
    refusal = reply("refuse")
    assert (refusal.stop_reason, refusal.text) == ("refusal", "")
    assert refusal.stop_details is not None
    assert reply("empty").blocks == ()


@pytest.mark.parametrize("cut_at", [40, 111])
def test_going_on_brings_the_rest_of_a_cut_reply(cut_at: int) -> None:
    whole = reply("cut").text
    partial = whole[:cut_at].rstrip()
    messages = [user("cut"), assistant([{"type": "text", "text": partial}]), user("Continue where you left off.")]
    rest = choose_reply(messages)
    assert isinstance(rest, Reply)
    assert partial + rest.text == whole
    assert rest.interruption is None
    # ... and what was cut again goes on from there.
    messages += [assistant(rest.text[:30]), user("Continue.")]
    more = choose_reply(messages)
    assert isinstance(more, Reply)
    assert partial + rest.text[:30].rstrip() + more.text == whole


def test_nothing_to_go_on_with_is_an_ordinary_prompt() -> None:
    finished = choose_reply([user("hi"), assistant(load("tour")), user("Continue.")])
    assert isinstance(finished, Reply)
    assert finished.text.endswith(load("tour"))


TWO = Reply((Block("thinking", "think" * 8), Block("text", "0123456789" * 4)))


@pytest.mark.parametrize(("max_tokens", "texts"), [(3, [12]), (10, [40]), (13, [40, 12]), (19, [40, 36])])
def test_max_tokens_cuts_at_exactly_that_many(max_tokens: int, texts: list[int]) -> None:
    limited = limit(TWO, max_tokens, ())
    assert limited.stop_reason == "max_tokens"
    assert limited.output_tokens == max_tokens
    assert [len(block.text) for block in limited.blocks] == texts


def test_a_reply_that_fits_is_left_alone() -> None:
    assert limit(TWO, 20, ["nowhere"]) is TWO


def test_a_stop_sequence_cuts_before_it_and_only_in_text() -> None:
    limited = limit(TWO, 20, ["think", "67", "45"])
    assert (limited.stop_reason, limited.stop_sequence) == ("stop_sequence", "45")
    assert limited.text == "0123"
    assert limit(TWO, 10, ["45"]).stop_reason == "max_tokens"


def test_a_limit_moves_an_interruption_inside_what_is_left() -> None:
    limited = limit(reply("cut"), 10, ())
    assert limited.interruption is not None
    assert limited.interruption.after == 20


def test_tokens_are_a_quarter_of_the_characters() -> None:
    assert [count_text("x" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]
    body = {"system": "x" * 8, "messages": [user("x" * 40), user([{"type": "text", "text": "x" * 4}])]}
    assert count_request(body) == (2 + 3) + (10 + 3) + (1 + 3)


def test_cached_tokens_are_not_input_tokens() -> None:
    earlier = [user("x" * 40)]
    messages = [*earlier, assistant("y" * 80), user("z" * 20)]
    plain = {"messages": messages, "system": "s" * 12}
    assert input_usage(plain) == InputUsage(count_request(plain))
    cached = plain | {"cache_control": {"type": "ephemeral"}}
    usage = input_usage(cached)
    assert usage.cache_read_input_tokens == count_request(plain | {"messages": earlier})
    parts = (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens)
    assert sum(parts) == count_request(plain)
    assert all(parts)
    first = input_usage(
        {"messages": [user([{"type": "text", "text": "x" * 40, "cache_control": {"type": "ephemeral"}}])]}
    )
    assert first == InputUsage(3, 10, 0)


@pytest.mark.parametrize("prompts", [("course",), ("hello", "Course of lectures")])
def test_the_course_has_exactly_its_tokens_in_exactly_its_time(prompts: tuple[str, ...]) -> None:
    course = reply(*prompts)
    assert course.output_tokens == 500
    assert course.ttft == 0.492
    assert course.rate == pytest.approx(500 / (4.194 - 0.492))
