"""What the demo refuses as the API would: a table of offences, and of what only looks like one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.demo.legal_blocks import sign
from tui_chat.demo.legality import why_illegal
from tui_chat.demo.replies import choose_reply
from tui_chat.demo.tokens import input_usage

SONNET = "claude-sonnet-5-5"
HAIKU_4_5 = "claude-haiku-4-5"
OPUS_4_6 = "claude-opus-4-6"


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(value: str = "text", **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def use(id: str = "t1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "clock", "input": {}, **fields}


def result(id: str = "t1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, **fields}


def thinking(value: str = "hm", signature: str = "c2lnbmVk") -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": signature}


def tool(name: str = "clock", **fields: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": {"type": "object"}, **fields}


def server_use(id: str = "srvtoolu_1", **fields: Any) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": id, "name": "web_search", "input": {}, **fields}


def server_result(id: str = "srvtoolu_1", **fields: Any) -> dict[str, Any]:
    return {"type": "web_search_tool_result", "tool_use_id": id, "content": [], **fields}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": SONNET, "max_tokens": 100, "messages": list(messages), **fields}


def chat(*between: Any, **fields: Any) -> dict[str, Any]:
    return body(user("hi"), *between, user("and now?"), **fields)


def tool_chat(*between: Any) -> dict[str, Any]:
    return chat(*between, tools=[tool()])


CITATION = {"type": "web_search_result_location", "cited_text": "t", "encrypted_index": "i", "title": None, "url": "u"}

ILLEGAL: list[tuple[str, Any, str]] = [
    ("not an object", [], "valid dictionary"),
    ("lone surrogate", body(user("\ud800")), "no low surrogate in string"),
    ("no model", {"max_tokens": 1, "messages": [user("hi")]}, "model: Field required"),
    ("model not a string", body(user("hi"), model=3), "model: Input should be a valid string"),
    ("no max_tokens", {"model": SONNET, "messages": [user("hi")]}, "max_tokens: Field required"),
    ("max_tokens 0", body(user("hi"), max_tokens=0), "max_tokens: must be greater than or equal to 1"),
    ("max_tokens text", body(user("hi"), max_tokens="10"), "max_tokens: Input should be a valid integer"),
    ("max_tokens too large", body(user("hi"), max_tokens=128_001), "max_tokens: 128001 > 128000"),
    ("no messages", {"model": SONNET, "max_tokens": 1}, "messages: Field required"),
    ("empty messages", body(), "at least one message is required"),
    ("messages not a list", body() | {"messages": "hi"}, "messages: Input should be a valid list"),
    ("message not an object", body("hi"), "messages.0: Input should be a valid dictionary"),
    ("unknown role", body({"role": "tool", "content": "hi"}), "messages.0.role: Input should be"),
    ("no role", body({"content": "hi"}), "messages.0.role: Field required"),
    ("unknown message field", body(user("hi") | {"id": "m1"}), "messages.0.id: Extra inputs are not permitted"),
    ("no content", body({"role": "user"}), "messages.0.content: Field required"),
    ("content a number", body(user(3)), "messages.0.content: Input should be a valid list"),
    ("content null", body(user(None)), "messages.0.content: Input should be a valid list"),
    ("empty content string", body(user("")), "messages.0: all messages must have non-empty content"),
    ("empty content list", chat(assistant([])), "messages.1: all messages must have non-empty content"),
    ("blank content string", body(user(" \n")), "must contain non-whitespace text"),
    ("empty text block", chat(assistant([text("")])), "text content blocks must be non-empty"),
    ("blank text block", chat(assistant([text(" \n")])), "must contain non-whitespace text"),
    ("text without text", body(user([{"type": "text"}])), "messages.0.content.0.text.text: Field required"),
    ("text is a number", body(user([text() | {"text": 3}])), "text.text: Input should be a valid string"),
    ("block without type", body(user([{"text": "x"}])), "messages.0.content.0.type: Field required"),
    ("unknown block", body(user([{"type": "hologram"}])), "Input tag 'hologram'"),
    ("unknown block field", body(user([text(parsed=None)])), "text.parsed: Extra inputs are not permitted"),
    ("first message from the assistant", body(assistant("hi"), user("hi")), 'first message must use the "user" role'),
    ("prefill", body(user("hi"), assistant("Well,")), "does not support assistant message prefill"),
    ("prefill, blank end", body(user("hi"), assistant("Well, "), model=HAIKU_4_5), "trailing whitespace"),
    ("system role first", body({"role": "system", "content": "x"}, user("hi")), 'Unexpected role "system"'),
    ("system role, old model", chat({"role": "system", "content": "x"}) | {"model": OPUS_4_6}, 'Unexpected role "system"'),
    ("unanswered tool_use", chat(assistant([use()])), "messages.1: `tool_use` ids were found without `tool_result`"),
    ("one of two unanswered", chat(assistant([use("t1"), use("t2")]), user([result("t1")])), "immediately after: t2."),
    ("result after text", chat(assistant([use()]), user([text(), result()])), "ids were found without `tool_result`"),
    ("result in a later turn", chat(assistant([use()]), user("wait"), assistant("ok"), user([result()])), "without `tool_result`"),
    ("orphan result", body(user([result()])), "messages.0.content.0: unexpected `tool_use_id`"),
    ("result of an earlier turn", chat(assistant([use()]), user([result()]), assistant("ok"), user([result()])), "messages.4.content.0: unexpected"),
    ("two results", chat(assistant([use()]), user([result(), result()])), "each tool_use must have a single result"),
    ("two uses of one id", chat(assistant([use(), use()]), user([result()])), "`tool_use` ids must be unique"),
    ("tool_use at the end", body(user("hi"), assistant([use()])), "ids were found without `tool_result`"),
    ("tool_use by the user", body(user([use()])), "`tool_use` blocks can only be in `assistant` messages"),
    ("tool_result by the assistant", chat(assistant([result()])), "`tool_result` blocks can only be in `user` messages"),
    ("tool input a string", chat(assistant([use(input="{")]), user([result()])), "tool_use.input: Input should be a valid dictionary"),
    ("tool id with a blank", chat(assistant([use("t 1")]), user([result("t 1")])), "tool_use.id: String should match"),
    ("blank text in a result", chat(assistant([use()]), user([result(content=[text(" ")])])), "non-whitespace"),
    ("result content a number", chat(assistant([use()]), user([result(content=3)])), "tool_result.content: Input"),
    ("tool_result id with a blank", body(user([result("t 1")])), "tool_result.tool_use_id: String should match"),
    ("tool name with a dot", chat(assistant([use(name="a.b")]), user([result()])), "tool_use.name: String should match"),
    ("calls without tools", chat(assistant([use()]), user([result()])), "must define tools."),
    ("calls with an empty list of tools", chat(assistant([use()]), user([result()]), tools=[]), "must define tools."),
    ("unanswered server call", chat(assistant([server_use(), text()])), "messages.1: `web_search` tool use with id `srvtoolu_1` was found without a corresponding `web_search_tool_result` block"),
    ("one of two server calls unanswered", chat(assistant([server_use(), server_result(), server_use("srvtoolu_2")])), "`srvtoolu_2` was found without"),
    ("server call answered in a later turn", chat(assistant([server_use()]), user("wait"), assistant([server_result(), text()])), "was found without"),
    ("server call, then text with the results", tool_chat(assistant([server_use(), use()]), user([result(), text()])), "was found without"),
    ("server result without its call", chat(assistant([server_result(), text()])), "messages.1.content.0: unexpected `tool_use_id` found in `web_search_tool_result` blocks: srvtoolu_1."),
    ("server result before its call", chat(assistant([server_result(), server_use(), text()])), "unexpected `tool_use_id`"),
    ("server call by the user", body(user([server_use()])), "`server_tool_use` blocks can only be in `assistant` messages"),
    ("server call with a client's id", chat(assistant([server_use("t1"), server_result("t1")])), "server_tool_use.id: String should match pattern '^srvtoolu_"),
    ("server result with a client's id", chat(assistant([server_use(), server_result("t1")])), "web_search_tool_result.tool_use_id: String should match"),
    ("server result without content", chat(assistant([server_use(), server_result(content=None)])), "web_search_tool_result.content: Field required"),
    ("server result of text", chat(assistant([server_use(), server_result(content="x")])), "web_search_tool_result.content: Input should be"),
    ("ended by text after a paused turn", body(user("hi"), assistant([server_use()]), user("go"), assistant("no")), "was found without"),
    ("citations not a list", chat(assistant([text(citations={})])), "text.citations: Input should be a valid list"),
    ("unknown citation", chat(assistant([text(citations=[{"type": "x"}])])), "text.citations.0: Input tag 'x'"),
    ("citation without its index", chat(assistant([text(citations=[{k: v for k, v in CITATION.items() if k != "encrypted_index"}])])), "encrypted_index: Field required"),
    ("unsigned thinking", chat(assistant([{"type": "thinking", "thinking": "hm"}, text()])), "thinking.signature: Field required"),
    ("empty signature", chat(assistant([thinking(signature=""), text()])), "messages.1.content.0: Invalid `signature`"),
    ("altered thinking", chat(assistant([thinking("altered", sign("hm")), text()])), "Invalid `signature` in `thinking` block"),
    ("only thinking", chat(assistant([thinking()])), "messages.1: The final block in an assistant message cannot be `thinking`"),
    ("temperature", body(user("hi"), temperature=0.5), "`temperature` is deprecated for this model."),
    ("top_k", body(user("hi"), top_k=5), "`top_k` is deprecated for this model."),
    ("temperature and top_p", body(user("hi"), temperature=1, top_p=0.5, model=OPUS_4_6), "cannot both be specified"),
    ("temperature 2", body(user("hi"), temperature=2, model=OPUS_4_6), "temperature: range: 0..1"),
    ("thinking enabled", body(user("hi"), thinking={"type": "enabled", "budget_tokens": 2000}), "thinking.type.enabled"),
    ("thinking disabled", body(user("hi"), thinking={"type": "disabled"}, model="claude-opus-5-5"), "thinking.type.disabled"),
    ("adaptive thinking, old model", body(user("hi"), thinking={"type": "adaptive"}, model=HAIKU_4_5), "thinking.type.adaptive"),
    ("unknown thinking", body(user("hi"), thinking={"type": "deep"}), "thinking.type: Input should be"),
    ("small budget", body(user("hi"), thinking={"type": "enabled", "budget_tokens": 5}, model=HAIKU_4_5), "greater than or equal to 1024"),
    ("budget over max_tokens", body(user("hi"), thinking={"type": "enabled", "budget_tokens": 1024}, model=HAIKU_4_5), "`max_tokens` must be greater"),
    ("unknown display", body(user("hi"), thinking={"type": "adaptive", "display": "full"}), "thinking.adaptive.display: Input should be 'summarized' or 'omitted'"),
    ("budget for adaptive thinking", body(user("hi"), thinking={"type": "adaptive", "budget_tokens": 2000}), "thinking.adaptive.budget_tokens: Extra inputs"),
    ("effort, old model", body(user("hi"), output_config={"effort": "high"}, model=HAIKU_4_5), "output_config.effort"),
    ("blank stop sequence", body(user("hi"), stop_sequences=[" "]), "each stop sequence must contain non-whitespace"),
    ("stream not a boolean", body(user("hi"), stream="yes"), "stream: Input should be a valid boolean"),
    ("unknown parameter", body(user("hi"), colour="red"), "colour: Extra inputs are not permitted"),
    ("system a number", body(user("hi"), system=3), "system: Input should be a valid list"),
    ("blank system block", body(user("hi"), system=[text(" ")]), "system: text content blocks must contain"),
    ("two tools of one name", body(user("hi"), tools=[tool("a"), tool("a")]), "Tool names must be unique"),
    ("unknown effort", body(user("hi"), output_config={"effort": "huge"}), "output_config.effort"),
    ("output_config a string", body(user("hi"), output_config="high"), "output_config: Input should be a valid dictionary"),
    ("cache_control a string", body(user("hi"), cache_control="ephemeral"), "cache_control: Input should be a valid dictionary"),
    ("cache_control without type", body(user("hi"), cache_control={}), "cache_control.type: Field required"),
    ("cache_control, other type", body(user("hi"), cache_control={"type": "forever"}), "cache_control.type: Input should be 'ephemeral'"),
    ("cache_control, other ttl", body(user("hi"), cache_control={"type": "ephemeral", "ttl": "1d"}), "cache_control.ephemeral.ttl: Input should be '5m' or '1h'"),
    ("cache_control, other field", body(user("hi"), cache_control={"type": "ephemeral", "scope": "all"}), "cache_control.ephemeral.scope: Extra inputs"),
    ("cache_control on a block", body(user([text(cache_control={"type": "x"})])), "messages.0.content.0.text.cache_control.type: Input should be"),
    ("tools not a list", body(user("hi"), tools={"a": 1}), "tools: Input should be a valid list"),
    ("tool without a name", body(user("hi"), tools=[{"input_schema": {"type": "object"}}]), "tools.0.custom.name: Field required"),
    ("tool name with a blank", body(user("hi"), tools=[tool("a b")]), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"),
    ("long tool name", body(user("hi"), tools=[tool("a" * 129)]), "tools.0.custom.name: String should match"),
    ("tool name with a last line end", body(user("hi"), tools=[tool("a\n")]), "tools.0.custom.name: String should match"),
    ("tool without a schema", body(user("hi"), tools=[{"name": "a"}]), "tools.0.custom.input_schema: Field required"),
    ("schema of an array", body(user("hi"), tools=[tool(), tool("b", input_schema={"type": "array"})]), "tools.1.custom.input_schema.type: Input should be 'object'"),
    ("schema without a type", body(user("hi"), tools=[tool(input_schema={})]), "tools.0.custom.input_schema.type: Field required"),
    ("schema a string", body(user("hi"), tools=[tool(input_schema="{}")]), "tools.0.custom.input_schema: Input should be"),
    ("description a number", body(user("hi"), tools=[tool(description=3)]), "tools.0.custom.description: Input should be a valid string"),
    ("unknown field of a tool", body(user("hi"), tools=[tool(timeout=3)]), "tools.0.custom.timeout: Extra inputs are not permitted"),
    ("tool_choice a string", body(user("hi"), tools=[tool()], tool_choice="auto"), "tool_choice: Input should be a valid dictionary"),
    ("unknown tool_choice", body(user("hi"), tools=[tool()], tool_choice={"type": "some"}), "tool_choice: Input tag 'some'"),
    ("choice of no tool", body(user("hi"), tools=[tool()], tool_choice={"type": "tool"}), "tool_choice.tool.name: Field required"),
    ("choice of another tool", body(user("hi"), tools=[tool()], tool_choice={"type": "tool", "name": "b"}), "Tool 'b' not found"),
    ("tool_choice without tools", body(user("hi"), tool_choice={"type": "any"}), "tool_choice: may only be specified"),
    ("forced tools", body(user("hi"), tools=[tool("a")], tool_choice={"type": "any"}, model="claude-opus-5-5"), "forced tool use"),
    ("five breakpoints", body(user([text(cache_control={"type": "ephemeral"})] * 5)), "Found 5."),
    ("prompt too long", body(user("x" * 800_004), model=HAIKU_4_5), "prompt is too long: 200004 tokens > 200000 maximum"),
]  # fmt: skip

LEGAL: list[tuple[str, Any]] = [
    ("one message", body(user("hi"))),
    ("blocks", chat(assistant([text(citations=None)]))),
    ("consecutive messages of one role", body(user("hi"), user("hello?"), assistant("a"), assistant("b"), user("c"))),
    ("tool round", tool_chat(assistant([text(), use("t1"), use("t2")]), user([result("t2"), result("t1"), text()]))),
    ("results in two messages", tool_chat(assistant([use("t1"), use("t2")]), user([result("t1")]), user([result("t2")]))),
    ("id used again in a later turn", tool_chat(*[assistant([use()]), user([result()])] * 2)),
    ("result without content", tool_chat(assistant([use()]), user([result(is_error=True)]))),
    ("signed thinking", chat(assistant([thinking("hm", sign("hm")), text()]))),
    ("thinking signed elsewhere", chat(assistant([thinking(signature="EqQB"), text()]))),
    ("omitted thinking", chat(assistant([thinking("", "EqQB"), text()]))),
    ("thinking before a tool_use", tool_chat(assistant([thinking(), use()]), user([result()]))),
    ("redacted thinking", chat(assistant([{"type": "redacted_thinking", "data": "x"}, text()]))),
    ("paused turn sent back", body(user("hi"), assistant([text(), server_use()]))),
    ("paused turn sent back, its result last", body(user("hi"), assistant([server_use(), server_result()]))),
    ("paused turn in two messages", body(user("hi"), assistant([server_use()]), assistant([server_result(), server_use("srvtoolu_2")]))),
    ("server call and result", chat(assistant([text(), server_use(), server_result(), text(citations=[CITATION])]))),
    ("server call that failed", chat(assistant([server_use(), server_result(content={"type": "web_search_tool_result_error", "error_code": "unavailable"})]))),
    ("server call and result in two messages", chat(assistant([server_use()]), assistant([server_result(), text()]))),
    ("server call beside a client's", body(user("hi"), assistant([server_use(), use()]), user([result()]), tools=[tool()])),
    ("its result after the client's", tool_chat(assistant([server_use(), use()]), user([result()]), assistant([server_result(), text()]))),
    ("image", body(user([{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}, text()]))),
    ("prefill on an old model", body(user("hi"), assistant("Well,"), model=HAIKU_4_5)),
    ("system message in between", body(user("hi"), {"role": "system", "content": "Be brief."})),
    ("temperature on an old model", body(user("hi"), temperature=0.2, model=OPUS_4_6)),
    ("adaptive thinking", body(user("hi"), thinking={"type": "adaptive", "display": "summarized"})),
    ("thinking without display", body(user("hi"), thinking={"type": "adaptive", "display": None})),
    ("caching for an hour", body(user("hi"), cache_control={"type": "ephemeral", "ttl": "1h"})),
    ("null for what is left out", body(user("hi"), cache_control=None, thinking=None, output_config=None, tool_choice=None)),
    ("a full tool", body(user("hi"), tools=[tool(type="custom", description="d", strict=True, cache_control={"type": "ephemeral"})])),
    ("a tool of the server's", body(user("hi"), tools=[{"type": "web_search_20250305", "name": "web_search"}])),
    ("tools, but none now", body(user("hi"), tools=[tool()], tool_choice={"type": "none"})),
    ("effort", body(user("hi"), output_config={"effort": "xhigh"})),
    ("caching", body(user("hi"), cache_control={"type": "ephemeral"}, system=[text(cache_control={"type": "ephemeral"})])),
    ("forced tools where allowed", body(user("hi"), tools=[tool("a")], tool_choice={"type": "tool", "name": "a"})),
    ("the largest max_tokens", body(user("hi"), max_tokens=128_000, stream=True)),
]  # fmt: skip


@pytest.mark.parametrize(("request_body", "message"), [case[1:] for case in ILLEGAL], ids=[case[0] for case in ILLEGAL])
def test_what_the_api_refuses_is_refused(request_body: Any, message: str) -> None:
    reason = why_illegal(request_body)
    assert reason is not None
    assert message in reason


@pytest.mark.parametrize("request_body", [case[1] for case in LEGAL], ids=[case[0] for case in LEGAL])
def test_what_is_legal_passes(request_body: Any) -> None:
    assert why_illegal(request_body) is None


def test_counting_needs_no_max_tokens_and_takes_no_stream() -> None:
    counted = {"model": SONNET, "messages": [user("hi")]}
    assert why_illegal(counted, counting=True) is None
    assert why_illegal(counted | {"stream": True}, counting=True) == "stream: Extra inputs are not permitted"


SCALARS = st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", " ", "hi", "t1", "user", "assistant"])
NAMES = [
    "role",
    "content",
    "type",
    "text",
    "id",
    "name",
    "input",
    "tool_use_id",
    "thinking",
    "signature",
    "cache_control",
]
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner))
BLOCKS = JSON | st.sampled_from(
    [
        text(),
        text("cut"),
        text("pause"),
        text("tools"),
        text("go on"),
        use(),
        result(),
        thinking(),
        server_use(),
        server_result(),
    ]
)
MESSAGES: st.SearchStrategy[Any] = JSON | st.builds(
    dict, role=st.sampled_from(["user", "assistant", "system"]), content=JSON | st.lists(BLOCKS)
)
TOP = st.dictionaries(
    st.sampled_from(["system", "tools", "tool_choice", "thinking", "output_config", "cache_control"]), JSON
)


@settings(deadline=None, max_examples=50)
@given(messages=st.lists(MESSAGES) | JSON, fields=TOP, model=st.sampled_from([SONNET, HAIKU_4_5, "another"]))
def test_any_json_is_judged_and_what_passes_can_be_answered(messages: Any, fields: Any, model: str) -> None:
    request_body = {"model": model, "max_tokens": 10, "messages": messages, "tools": [tool()]} | fields
    if why_illegal(request_body) is None:
        choose_reply(messages, offered={"clock": tool()})
        input_usage(request_body)
