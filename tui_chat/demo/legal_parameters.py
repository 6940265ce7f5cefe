"""The half of the API's rules that is about parameters: limits, sampling, thinking, tools.

Why it exists: `legality` is the function to call; this keeps it readable. Which parameter a model refuses is in
`models`.
What it must not know: messages.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Never

from tui_chat.demo.models import ALL_EFFORTS, Model

MIN_THINKING_BUDGET: Final = 1_024

_DISPLAYS: Final = ("summarized", "omitted")
_TOOL_NAME: Final = "^[a-zA-Z0-9_-]{1,128}$"


class IllegalError(Exception):
    """Carries the API's message out of the checks."""


def refuse(message: str) -> Never:
    """End the checks with the API's message."""
    raise IllegalError(message)


def names(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())


_COUNTED: Final = names(
    "cache_control context_management mcp_servers messages model output_config speed system thinking tool_choice tools "
    "user_profile_id workspace_id"
)
_PARAMETERS: Final = _COUNTED | names(
    "billing_policy compaction container diagnostics fallback_credit_token fallbacks inference_geo max_tokens metadata "
    "service_tier stop_sequences stream temperature thread top_k top_p"
)


_THINKING: Final[Mapping[str, frozenset[str]]] = {
    "adaptive": names("type display"),
    "enabled": names("type display budget_tokens"),
    "disabled": names("type"),
    "between_tools": names("type"),
}
_TOOL: Final = names(
    "type name description input_schema cache_control strict eager_input_streaming defer_loading allowed_callers "
    "input_examples"
)
_CHOICES: Final = ("auto", "any", "tool", "none")


def why_unknown(body: Mapping[str, Any], refuses: Collection[str]) -> str | None:
    """The API's message if a legal body has one of the parameters in `refuses`, or None.

    A name may be a path, as in `output_config.effort`. `cache_control` is found on blocks and tools too.
    """
    for path in refuses:
        *outer, name = path.split(".")
        holder: Any = body
        for each in outer:
            holder = holder.get(each) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and name in holder:
            return f"{path}: Extra inputs are not permitted"
    if "cache_control" in refuses:
        for at, group in _groups(body):
            for index, block in enumerate(group):
                if "cache_control" in block:
                    return f"{at}.{index}.cache_control: Extra inputs are not permitted"
    return None


def _groups(body: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Every list of the body whose items may be cached, and its place."""
    messages = enumerate(body["messages"])
    places = [
        ("system", body),
        ("tools", body),
        *((f"messages.{index}.content", message) for index, message in messages),
    ]
    for at, holder in places:
        group = holder.get(at.rpartition(".")[2])
        if isinstance(group, list):
            yield at, group


def check_cache_control(value: object, at: str) -> None:
    """Refuse what is neither None nor a `cache_control` the API knows."""
    if value is None:
        return
    if not isinstance(value, dict):
        refuse(f"{at}: Input should be a valid dictionary")
    if value.get("type") != "ephemeral":
        refuse(f"{at}.type: " + ("Input should be 'ephemeral'" if "type" in value else "Field required"))
    if value.get("ttl", "5m") not in ("5m", "1h"):
        refuse(f"{at}.ephemeral.ttl: Input should be '5m' or '1h'")
    for name in value:
        if name not in ("type", "ttl"):
            refuse(f"{at}.ephemeral.{name}: Extra inputs are not permitted")


def is_custom(tool: Mapping[str, Any]) -> bool:
    """Whether the tool is defined by the request, and not one of Anthropic's."""
    return tool.get("type") in (None, "custom")


def check_parameters(body: Mapping[str, Any], model: Model | None, *, counting: bool) -> None:
    """Refuse an illegal parameter beside `messages` and `system`; a `model` of None is one of the newest."""
    for name in body:
        if name not in (_COUNTED if counting else _PARAMETERS):
            refuse(f"{name}: Extra inputs are not permitted")
    if not counting:
        _check_max_tokens(body, model)
    if not isinstance(body.get("stream", False), bool):
        refuse("stream: Input should be a valid boolean")
    _check_sampling(body, model)
    sequences = body.get("stop_sequences") or []
    if not isinstance(sequences, list) or not all(isinstance(sequence, str) for sequence in sequences):
        refuse("stop_sequences: Input should be a valid list")
    if not all(sequence.strip() for sequence in sequences):
        refuse("stop_sequences: each stop sequence must contain non-whitespace")
    check_cache_control(body.get("cache_control"), "cache_control")
    _check_thinking(body, model)
    _check_effort(body, model)
    _check_tools(body.get("tools") or [])
    _check_tool_choice(body, model)


def _check_max_tokens(body: Mapping[str, Any], model: Model | None) -> None:
    limit = body.get("max_tokens")
    if limit is None:
        refuse("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool):
        refuse("max_tokens: Input should be a valid integer")
    # 0 warms the prompt cache in the API; a chat never means that, and the demo has no cache to warm.
    if limit < 1:
        refuse("max_tokens: must be greater than or equal to 1")
    if model is not None and limit > model.max_tokens:
        refuse(
            f"max_tokens: {limit} > {model.max_tokens}, which is the maximum allowed number of output tokens for {model.id}"
        )


def _check_sampling(body: Mapping[str, Any], model: Model | None) -> None:
    given = [name for name in ("temperature", "top_p", "top_k") if body.get(name) is not None]
    if given and not (model is not None and model.sampling):
        refuse(f"`{given[0]}` is deprecated for this model.")
    if "temperature" in given and "top_p" in given:
        refuse("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    for name in given:
        if not isinstance(body[name], int | float):
            refuse(f"{name}: Input should be a valid number")
        if name != "top_k" and not 0 <= body[name] <= 1:
            refuse(f"{name}: range: 0..1")


def _check_thinking(body: Mapping[str, Any], model: Model | None) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("adaptive", "enabled", "disabled", "between_tools"):
        refuse("thinking.type: Input should be 'adaptive', 'between_tools', 'disabled' or 'enabled'")
    if kind not in (model.thinking if model is not None else ("adaptive",)):
        refuse(f'"thinking.type.{kind}" is not supported for this model.')
    for name in thinking:
        if name not in _THINKING[kind]:
            refuse(f"thinking.{kind}.{name}: Extra inputs are not permitted")
    if thinking.get("display") not in (None, *_DISPLAYS):
        refuse(f"thinking.{kind}.display: Input should be 'summarized' or 'omitted'")
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < MIN_THINKING_BUDGET:
            refuse(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_BUDGET}")
        if "max_tokens" in body and budget >= body["max_tokens"]:
            refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_effort(body: Mapping[str, Any], model: Model | None) -> None:
    settings = body.get("output_config")
    if settings is None:
        return
    if not isinstance(settings, dict):
        refuse("output_config: Input should be a valid dictionary")
    effort = settings.get("effort")
    if effort is not None and effort not in (model.efforts if model is not None else ALL_EFFORTS):
        refuse(f"output_config.effort: {effort!r} is not supported for this model.")


def _check_tools(tools: object) -> None:
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        refuse("tools: Input should be a valid list")
    for index, tool in enumerate(tools):
        check_cache_control(tool.get("cache_control"), f"tools.{index}.cache_control")
        if is_custom(tool):
            _check_custom_tool(tool, f"tools.{index}.custom")
    named = [tool["name"] for tool in tools if isinstance(tool.get("name"), str)]
    if len(set(named)) < len(named):
        refuse("tools: Tool names must be unique.")


def _check_custom_tool(tool: Mapping[str, Any], at: str) -> None:
    for name in ("name", "input_schema"):
        if tool.get(name) is None:
            refuse(f"{at}.{name}: Field required")
    for name in tool:
        if name not in _TOOL:
            refuse(f"{at}.{name}: Extra inputs are not permitted")
    if not isinstance(tool["name"], str) or not re.fullmatch(_TOOL_NAME, tool["name"]):
        refuse(f"{at}.name: String should match pattern '{_TOOL_NAME}'")
    if not isinstance(tool.get("description", ""), str):
        refuse(f"{at}.description: Input should be a valid string")
    if not isinstance(tool["input_schema"], dict):
        refuse(f"{at}.input_schema: Input should be a valid dictionary")
    if tool["input_schema"].get("type") != "object":
        missing = "type" not in tool["input_schema"]
        refuse(f"{at}.input_schema.type: " + ("Field required" if missing else "Input should be 'object'"))


def _check_tool_choice(body: Mapping[str, Any], model: Model | None) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not isinstance(choice, dict):
        refuse("tool_choice: Input should be a valid dictionary")
    kind = choice.get("type")
    if kind not in _CHOICES:
        refuse(f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if kind not in ("any", "tool"):
        return
    tools = body.get("tools") or []
    if not tools:
        refuse("tool_choice: may only be specified while providing tools")
    if model is None or not model.forced_tools:
        refuse("tool_choice: forced tool use is not supported for this model.")
    if kind == "tool":
        if "name" not in choice:
            refuse("tool_choice.tool.name: Field required")
        if choice["name"] not in [tool.get("name") for tool in tools]:
            refuse(f"tool_choice: Tool '{choice['name']}' not found in provided tools")
