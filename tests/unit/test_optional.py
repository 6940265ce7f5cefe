"""The parameters that can be left out: when they go out, what an error says of them, and how long that is remembered."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.config import EFFORTS, Config
from tui_chat.demo import DemoServer, Pacing
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.engine.optional import REFUSED_FOR, RefusedParameters, optional_parameters, refused_by
from tui_chat.errors import Failure, RequestError

THINKING: Final = {"type": "adaptive", "display": "summarized"}
CACHING: Final = {"type": "ephemeral"}
FULL: Final[dict[str, Any]] = {
    "model": "claude-x",
    "max_tokens": 8,
    "messages": [{"role": "user", "content": "hi"}],
    "thinking": THINKING,
    "output_config": {"effort": "max"},
    "cache_control": CACHING,
}
ALL_REFUSED: Final = {"thinking", "output_config", "cache_control"}
ANTHROPIC: Final = "api.anthropic.com"
OTHER: Final = "localhost:1"


def model(thinking: Collection[str] | None = None, efforts: Collection[str] | None = None) -> ModelInfo:
    return ModelInfo(
        "m",
        thinking=None if thinking is None else frozenset(thinking),
        efforts=None if efforts is None else tuple(efforts),
    )


def refused(message: str, server: str = ANTHROPIC, status: int = 400, **changes: Any) -> frozenset[str]:
    parameters = {name: value for name, value in (FULL | changes).items() if value is not None}
    return refused_by(Failure("invalid_request_error", message, status), parameters, server)


# What goes out ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "sent"),
    [
        (None, {"output_config", "cache_control"}),
        (model(), {"output_config", "cache_control"}),
        (model({"adaptive", "disabled"}, EFFORTS), {"thinking", "output_config", "cache_control"}),
        (model({"enabled", "disabled"}, ()), {"cache_control"}),
        (model({"adaptive"}, ("low", "high")), {"thinking", "cache_control"}),
        (model(set(), ("max",)), {"output_config", "cache_control"}),
    ],
)
def test_what_a_model_is_asked_for(info: ModelInfo | None, sent: set[str]) -> None:
    parameters = optional_parameters(info, effort="max", thinking=True, caching=True, refused=())
    assert parameters == {name: FULL[name] for name in sent}


def test_what_nobody_asked_for_stays_out() -> None:
    able = model({"adaptive"}, EFFORTS)
    assert optional_parameters(able, effort=None, thinking=False, caching=False, refused=()) == {}
    assert set(optional_parameters(able, effort=None, thinking=True, caching=False, refused=())) == {"thinking"}


@pytest.mark.parametrize("name", sorted(ALL_REFUSED))
def test_what_was_refused_stays_out(name: str) -> None:
    able = model({"adaptive"}, EFFORTS)
    parameters = optional_parameters(able, effort="low", thinking=True, caching=True, refused={name, "unheard_of"})
    assert set(parameters) == ALL_REFUSED - {name}


def test_one_effort_was_refused_and_another_goes_out() -> None:
    names = refused("output_config.effort: 'max' is not supported for this model.")
    given_up = optional_parameters(None, effort="max", thinking=True, caching=False, refused=names)
    lower = optional_parameters(None, effort="high", thinking=True, caching=False, refused=names)
    assert (given_up, lower) == ({}, {"output_config": {"effort": "high"}})


# What an error says -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [ANTHROPIC, OTHER])
@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("thinking: Extra inputs are not permitted", {"thinking"}),
        ("thinking.type: Input should be 'enabled' or 'disabled'", {"thinking"}),
        ("thinking.adaptive.display: Extra inputs are not permitted", {"thinking"}),
        ('"thinking.type.adaptive" is not supported for this model.', {"thinking"}),
        ("adaptive thinking is not supported on this model", {"thinking"}),
        ("`max_tokens` must be greater than `thinking.budget_tokens`.", {"thinking"}),
        (
            '"thinking.type.adaptive" is not supported for this model. Use "output_config.effort" to control it.',
            {"thinking"},
        ),
        ('registry.ollama.ai/library/llama3 does not support thinking"', {"thinking"}),
        ("litellm.UnsupportedParamsError: databricks does not support parameters: ['thinking']", {"thinking"}),
        ("output_config: Extra inputs are not permitted", {"output_config"}),
        ("output_config.effort: 'max' is not supported for this model.", {"output_config: max"}),
        ("output_config.effort: Input should be 'low', 'medium' or 'high'", {"output_config: max"}),
        ("This model does not support the effort parameter.", {"output_config"}),
        ("cache_control: Extra inputs are not permitted", {"cache_control"}),
        ("Malformed input request: #: extraneous key [cache_control] is not permitted", {"cache_control"}),
        ("messages.0.content.0.cache_control: Extra inputs are not permitted", {"cache_control"}),
        ("A maximum of 4 blocks with cache_control may be provided. Found 5.", {"cache_control"}),
        ("This model does not support prompt caching", {"cache_control"}),
        ("Invalid request. Unknown field: THINKING", {"thinking"}),
        ("thinking: Extra inputs are not permitted; cache_control: Extra inputs are not permitted", {"thinking", "cache_control"}),
        (
            "3 validation errors\nthinking\n  Extra inputs are not permitted\noutput_config\n  Extra [...]\ncache_control\n  ...",
            ALL_REFUSED,
        ),
    ],
)  # fmt: skip
def test_messages_that_name_a_parameter(message: str, names: set[str], server: str) -> None:
    assert refused(message, server) == names
    assert refused(message, server, status=422) == names


@pytest.mark.parametrize("server", [ANTHROPIC, OTHER])
@pytest.mark.parametrize(
    "message",
    [
        "messages.3.content.0.thinking: each thinking block must contain thinking",
        "messages.3.content.0.thinking.signature: Field required",
        "messages[3].content[0]: unexpected thinking",
        "messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
        "messages.1.content.0.type: Expected `thinking`, but found `text`. When `thinking` is enabled, it must come first.",
        "When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`.",
        "Invalid `signature` in `thinking` block",
        "thinking blocks may not be empty",
        "messages.0.content: at least one message is required",
        "messages: roles must alternate",
        "max_tokens: 999999 > 128000, which is the maximum allowed number of output tokens for claude-x",
        "prompt is too long: 213462 tokens > 200000 maximum",
        "the request exceeds the available context size",
        "tools: Tool names must be unique.",
        "llama3 does not support tools",
        "tool_use ids were found without tool_result blocks immediately after",
        "Your credit balance is too low to access the API",
        "The prompt triggered the content policy",
    ],
)
def test_messages_about_something_else(message: str, server: str) -> None:
    assert refused(message, server) == frozenset()


def test_a_models_name_is_no_parameter() -> None:
    for name in ("kimi-k2-thinking", "deep/thinking", "big:thinking", "low-effort"):
        assert refused(f"{name} is not a valid model ID", model=name) == frozenset()
    assert refused("kimi-k2-thinking is not a valid model ID") == frozenset()


@pytest.mark.parametrize("message", ["", "HTTP 400", "bad request", "Provider returned error", "unknown field", "no"])
def test_a_vague_message(message: str) -> None:
    assert refused(message, OTHER) == ALL_REFUSED
    assert refused(message, OTHER, thinking=None, output_config=None) == {"cache_control"}
    assert refused(message, ANTHROPIC) == refused(message, "demo") == frozenset()


@pytest.mark.parametrize("status", [None, 200, 401, 403, 404, 413, 429, 500, 529])
def test_other_failures_refuse_nothing(status: int | None) -> None:
    failure = Failure("api_error", "thinking: Extra inputs are not permitted", status)
    assert refused_by(failure, FULL, OTHER) == frozenset()


def test_only_what_was_sent_can_be_refused() -> None:
    assert refused("thinking: Extra inputs are not permitted", OTHER, thinking=None) == frozenset()
    assert refused("bad request", OTHER, thinking=None, output_config=None, cache_control=None) == frozenset()


def test_a_message_that_repeats_the_request_is_read_at_its_beginning() -> None:
    assert refused("no such thing: " + "x" * 2_000 + " thinking") == frozenset()


# Memory -----------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_caching_is_refused_by_a_server_the_rest_by_a_model() -> None:
    memory = RefusedParameters()
    memory.add("a", "m", ["cache_control", "thinking", "output_config: max"])
    assert memory.get("a", "m") == {"cache_control", "thinking", "output_config: max"}
    assert memory.get("a", "other") == {"cache_control"}
    assert memory.get("b", "m") == frozenset()


def test_it_outlives_the_run_and_runs_share_it(tmp_path: Path) -> None:
    path, clock = tmp_path / "data" / "refused.json", Clock()
    one, two = RefusedParameters(path, clock), RefusedParameters(path, clock)
    one.add("a", "m", ["thinking"])
    two.add("a", "m", ["output_config"])
    assert RefusedParameters(path, clock).get("a", "m") == {"thinking", "output_config"}
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


def test_after_a_month_it_is_tried_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "refused.json", Clock()
    memory = RefusedParameters(path, clock)
    memory.add("a", "m", ["thinking"])
    clock.now += REFUSED_FOR - 1
    assert memory.get("a", "m") == {"thinking"}
    clock.now += 2
    assert memory.get("a", "m") == frozenset()
    memory.add("b", "m", ["thinking"])
    assert [entry["server"] for entry in json.loads(path.read_text())["refused"]] == ["b"]


def test_a_clock_that_was_set_back_hides_nothing_for_years() -> None:
    clock = Clock()
    memory = RefusedParameters(None, clock)
    memory.add("a", "m", ["thinking"])
    clock.now -= 5
    assert memory.get("a", "m") == {"thinking"}
    clock.now -= 10 * REFUSED_FOR
    assert memory.get("a", "m") == frozenset()


def test_what_did_not_help_is_forgotten(tmp_path: Path) -> None:
    path, clock = tmp_path / "refused.json", Clock()
    memory = RefusedParameters(path, clock)
    memory.add("a", "m", ["output_config"])
    clock.now += 3600
    memory.add("a", "m", ["thinking", "cache_control"])
    memory.add("a", "other", ["thinking"])
    clock.now += 2
    memory.withdraw("a", "m")
    for each in (memory, RefusedParameters(path, clock)):
        assert each.get("a", "m") == {"output_config"}
        assert each.get("a", "other") == {"thinking"}
    memory.withdraw("nobody", "m")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "[]",
        "[" * 100_000,
        '{"refused": 7}',
        '{"refused": {"a": 1}}',
        '{"refused": [7, null, {}, {"server": "a", "model": "m", "name": 7, "at": 1800000000}]}',
        '{"refused": [{"server": "a", "model": "m", "name": "thinking", "at": "yesterday"}]}',
        '{"refused": [{"server": "a", "model": "m", "name": "thinking", "at": NaN}]}',
        '{"refused": [{"server": "a", "model": "m", "name": "thinking", "at": 1' + "0" * 400 + "}]}",
        '{"refused": [{"server": "a", "model": "m", "name": "thinking", "at": -1e999}]}',
    ],
)
def test_a_file_of_any_shape(tmp_path: Path, text: str) -> None:
    path = tmp_path / "refused.json"
    path.write_text(text)
    memory = RefusedParameters(path, Clock())
    assert memory.get("a", "m") == frozenset()
    memory.add("a", "m", ["thinking"])
    assert RefusedParameters(path, Clock()).get("a", "m") == {"thinking"}


def test_what_a_later_version_wrote_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    entry = {"server": "a", "model": "m", "name": "brand_new", "at": Clock()(), "why": "because"}
    path.write_text(json.dumps({"version": 9, "refused": [entry]}))
    RefusedParameters(path, Clock()).add("a", "m", ["thinking"])
    assert RefusedParameters(path, Clock()).get("a", "m") == {"brand_new", "thinking"}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = RefusedParameters(tmp_path / "file" / "refused.json")
    memory.add("a", "m", ["thinking"])
    assert memory.get("a", "m") == {"thinking"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["refused", "server", "model", "name", "at"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(content=_JSON)
@settings(max_examples=100, deadline=None)
def test_no_content_of_the_file_raises(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({"refused": content} if isinstance(content, list) else content))
    memory = RefusedParameters(path, Clock())
    memory.get("a", "m")
    memory.add("a", "m", ["thinking"])
    assert "thinking" in memory.get("a", "m")


# With a server ----------------------------------------------------------------------------------------------------------


async def send(client: ApiClient, parameters: dict[str, Any]) -> Failure | None:
    try:
        async with client.stream(parameters, lambda _at: None) as response:
            async for _ in response.chunks():
                pass
    except RequestError as error:
        return error.failure
    return None


@contextlib.asynccontextmanager
async def demo(folder: Path, refuses: Collection[str] = ()) -> AsyncIterator[tuple[DemoServer, ApiClient]]:
    async with DemoServer(pacing=Pacing(ttft=0, rate=0), refuses=refuses) as server:
        client = ApiClient(Config(folder, folder / "none", base_url=server.base_url, has_credentials=False))
        try:
            yield server, client
        finally:
            await client.close()


def request(id: str) -> dict[str, Any]:
    return {"model": id, "max_tokens": 8, "messages": [{"role": "user", "content": "empty"}]}


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")  # the SDK's word on one of them
async def test_no_listed_model_refuses_what_it_is_asked_for(tmp_path: Path) -> None:
    async with demo(tmp_path) as (server, client):
        models = await client.models()
        for info in models:
            for effort in ("max", "low"):
                optional = optional_parameters(info, effort=effort, thinking=True, caching=True, refused=())
                assert await send(client, request(info.id) | optional) is None, (info, optional)
        bodies = [each.body for each in server.requests if each.path == "/v1/messages"]
    assert len(bodies) == 2 * len(models)
    # The SDK takes all three, and they arrive as they were given.
    assert [body["thinking"] for body in bodies if body["model"] == "claude-opus-5-5"] == [THINKING, THINKING]
    assert {body["output_config"]["effort"] for body in bodies if "output_config" in body} == {"max", "low"}
    assert all(body["cache_control"] == CACHING for body in bodies)


@pytest.mark.parametrize(
    ("id", "refuses", "names"),
    [
        ("claude-sonnet-5-5", set(), set()),
        ("claude-sonnet-5-5", {"cache_control"}, {"cache_control"}),
        ("claude-sonnet-5-5", {"thinking"}, {"thinking"}),
        ("claude-sonnet-5-5", {"output_config"}, {"output_config"}),
        ("claude-sonnet-5-5", {"output_config.effort"}, {"output_config"}),
        ("claude-sonnet-5-5", {"thinking", "cache_control", "output_config"}, ALL_REFUSED),
        ("claude-opus-4-5", set(), {"thinking", "output_config: max"}),
        ("claude-opus-4-5", {"cache_control"}, {"thinking", "output_config: max", "cache_control"}),
    ],
)
@pytest.mark.parametrize("host", [ANTHROPIC, OTHER])
async def test_what_is_refused_is_left_out_until_the_request_is_accepted(
    tmp_path: Path, id: str, refuses: set[str], names: set[str], host: str
) -> None:
    """The model is taken for one that can do everything; each refusal must teach something."""
    memory = RefusedParameters()
    able = model({"adaptive"}, EFFORTS)
    async with demo(tmp_path, refuses) as (_, client):
        for _ in range(4):
            optional = optional_parameters(
                able, effort="max", thinking=True, caching=True, refused=memory.get(host, id)
            )
            failure = await send(client, request(id) | optional)
            if failure is None:
                break
            learnt = refused_by(failure, request(id) | optional, host)
            assert learnt, failure
            memory.add(host, id, learnt)
    assert failure is None
    assert memory.get(host, id) == names
