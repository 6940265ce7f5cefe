"""What the demo's legality says of messages, sent as the program sends them: calls in the history bring tools along."""

from typing import Any

from tui_chat.demo import why_illegal
from tui_chat.engine.history import has_tools

MODEL = "claude-sonnet-5-5"
CLOCK = {"name": "clock", "description": "", "input_schema": {"type": "object"}}


def why_refused(messages: list[dict[str, Any]], model: str = MODEL) -> str | None:
    """Why the API would refuse a request with `messages`; None: it would not."""
    body: dict[str, Any] = {"model": model, "max_tokens": 64, "messages": messages}
    if has_tools(messages):
        body["tools"] = [CLOCK]
    return why_illegal(body)
