"""The half of the API's rules that is about parameters: limits, sampling, thinking, tools.

Why it exists: `legality` is the function to call; this keeps it readable. Which parameter a model refuses is in
`models`.
What it must not know: messages.
"""

from collections.abc import Mapping
from typing import Any, Final, Never

from tui_chat.demo.models import Model

MIN_THINKING_BUDGET: Final = 1_024


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
    _check_thinking(body, model)
    _check_effort(body, model)
    _check_tools(body, model)


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
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < MIN_THINKING_BUDGET:
            refuse(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING_BUDGET}")
        if "max_tokens" in body and budget >= body["max_tokens"]:
            refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_effort(body: Mapping[str, Any], model: Model | None) -> None:
    settings = body.get("output_config")
    effort = settings.get("effort") if isinstance(settings, dict) else None
    if effort is not None and model is not None and effort not in model.efforts:
        refuse(f"output_config.effort: {effort!r} is not supported for this model.")


def _check_tools(body: Mapping[str, Any], model: Model | None) -> None:
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        refuse("tools: Input should be a valid list")
    names = [tool["name"] for tool in tools if isinstance(tool.get("name"), str)]
    if len(set(names)) < len(names):
        refuse("tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind in ("any", "tool"):
        if not tools:
            refuse("tool_choice: may only be specified while providing tools")
        if model is None or not model.forced_tools:
            refuse("tool_choice: forced tool use is not supported for this model.")
