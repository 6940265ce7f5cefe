"""What goes out in a request: the history, the limits, the tools, and the parameters that a server may refuse.

One `Requests` serves all sessions of a run. It must not know how a request is sent, nor what comes back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tui_chat.config import Config
from tui_chat.conversation import Conversation, Turn
from tui_chat.engine.client import ModelInfo
from tui_chat.engine.history import has_tools, messages_for
from tui_chat.engine.optional import RefusedParameters, optional_parameters, refused_by
from tui_chat.engine.tools import Tool, definitions
from tui_chat.errors import Failure
from tui_chat.text import storable

DEFAULT_MAX_TOKENS: Final = 8_192  # where the server does not tell what the model can do
GENEROUS_MAX_TOKENS: Final = 32_000  # where it does: long answers are what this program is for


class Requests:
    """Builds parameters. `info` tells what is known of a model."""

    def __init__(
        self,
        config: Config,
        info: Callable[[str], ModelInfo | None] = lambda _model: None,
        refused: RefusedParameters | None = None,
        tools: Sequence[Tool] = (),
    ) -> None:
        self._config, self._info = config, info
        self._refused = refused or RefusedParameters()
        self.tools = tuple(tools)

    def efforts(self, model: str) -> tuple[str, ...] | None:
        """The efforts that `model` offers; None: not known."""
        info = self._info(model)
        return info.efforts if info else None

    def effort(self, model: str, wanted: str | None) -> str | None:
        """The effort that goes out where `wanted` was chosen: none that the model is known not to take."""
        sent = self._optional(model, wanted).get("output_config")
        return sent["effort"] if sent else None

    def _optional(self, model: str, effort: str | None) -> dict[str, Any]:
        config = self._config
        refused = self._refused.get(config.server, model)
        return optional_parameters(
            self._info(model), effort=effort, thinking=config.thinking, caching=config.caching, refused=refused
        )

    def parameters(self, conversation: Conversation, turn: Turn, *, tools_on: bool) -> dict[str, Any]:
        """The parameters of the next request of `turn`, the last one of `conversation`."""
        earlier = [each for each in conversation.turns if each is not turn]
        messages = messages_for(earlier, turn.prompt, turn.model, turn.so_far())
        info = self._info(turn.model)
        limit = info.max_output if info else None
        parameters: dict[str, Any] = {
            "model": turn.model,
            "max_tokens": self._config.max_tokens or (min(limit, GENEROUS_MAX_TOKENS) if limit else DEFAULT_MAX_TOKENS),
            "messages": messages,
            **self._optional(turn.model, conversation.effort),
        }
        if conversation.system:
            parameters["system"] = storable(conversation.system)
        if self.tools and (tools_on or has_tools(messages)):  # calls in the history are refused without their tools
            parameters["tools"] = definitions(self.tools)
            if not tools_on:
                parameters["tool_choice"] = {"type": "none"}
        return parameters

    def refused(self, failure: Failure, parameters: Mapping[str, Any]) -> bool:
        """Whether the server refused optional parameters; they are left out from now on."""
        server, model = self._config.server, str(parameters["model"])
        names = refused_by(failure, parameters, server)
        if names:
            self._refused.add(server, model, names)
        elif failure.status in (400, 422):  # without them as well: they were not what it complained of
            self._refused.withdraw(server, model)
        return bool(names)
