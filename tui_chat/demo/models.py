"""The models the demo pretends to serve, and what each accepts.

Why it exists: `/v1/models` answers from it, and the rules for a legal request differ by model. So does the pace, where none
was asked for: a race among models is only to be seen if they are not equally fast. The paces are made up.
What it must not know: requests, replies.

From the public documentation of November 2026. Where that says nothing (release days, the limits of some 4.x models)
the value is an epoch date or the family's usual limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui_chat.demo.schedule import Pacing

ADAPTIVE_ONLY: Final = frozenset({"adaptive"})
ADAPTIVE: Final = frozenset({"adaptive", "disabled"})
TRANSITIONAL: Final = frozenset({"adaptive", "enabled", "disabled"})
BUDGET: Final = frozenset({"enabled", "disabled"})

ALL_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")

_PACES: Final[Mapping[str, Pacing]] = {
    "haiku": Pacing(ttft=0.3, rate=110),
    "opus": Pacing(ttft=0.9, rate=42),
    "fable": Pacing(ttft=0.7, rate=52),
    "mythos": Pacing(ttft=1.1, rate=36),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model: its limits in tokens, and which parameters it refuses."""

    id: str
    display_name: str
    thinking: frozenset[str]
    max_input_tokens: int = 1_000_000
    max_tokens: int = 128_000
    efforts: tuple[str, ...] = ALL_EFFORTS
    sampling: bool = False  # accepts temperature, top_p, top_k
    prefill: bool = False  # accepts a conversation that ends with an assistant message
    system_messages: bool = True  # accepts role "system" inside the conversation
    forced_tools: bool = True  # accepts tool_choice any and tool
    created_at: str = "1970-01-01T00:00:00Z"
    retires_at: str | None = None

    @property
    def line(self) -> str:
        """The name that models of all versions share."""
        return self.id.split("-")[1]

    @property
    def pacing(self) -> Pacing:
        """How fast it replies if nobody says how fast."""
        return _PACES.get(self.line, Pacing())

    def to_json(self) -> dict[str, Any]:
        """The model as `/v1/models` describes it."""
        efforts = {effort: _support(effort in self.efforts) for effort in ALL_EFFORTS}
        thinking = ("adaptive", "between_tools", "disabled", "enabled")
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": self.created_at,
            "lifecycle": "deprecated" if self.retires_at else "active",
            "deprecated_at": None,
            "retires_at": self.retires_at,
            "line": self.line,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": {
                **{name: _support(True) for name in _COMMON},
                "context_management": {"supported": True},
                "effort": {"supported": bool(self.efforts), **efforts},
                "server_tools": {name: _support(True) for name in ("code_execution", "web_search")}
                | {"supported": True},
                "thinking": {
                    "supported": True,
                    "types": {name: _support(name in self.thinking) for name in thinking},
                },
            },
        }


_COMMON: Final = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")


def _support(supported: bool) -> dict[str, bool]:
    return {"supported": supported}


def _always_thinks(id: str, display_name: str, forced_tools: bool = False) -> Model:
    return Model(id, display_name, ADAPTIVE_ONLY, forced_tools=forced_tools)


_FOUR_SIX: Final[dict[str, Any]] = {
    "efforts": ("low", "medium", "high", "max"),
    "sampling": True,
    "system_messages": False,
}
_FOUR_FIVE: Final[dict[str, Any]] = {
    "max_input_tokens": 200_000,
    "max_tokens": 64_000,
    "sampling": True,
    "prefill": True,
    "system_messages": False,
}

# Newest first, as the API lists them.
_ALL: Final = (
    _always_thinks("claude-fable-5-2", "Claude Fable 5.2"),
    _always_thinks("claude-mythos-5-2", "Claude Mythos 5.2"),
    Model("claude-haiku-5-5", "Claude Haiku 5.5", ADAPTIVE),
    Model("claude-sonnet-5-5", "Claude Sonnet 5.5", ADAPTIVE),
    _always_thinks("claude-fable-5-1", "Claude Fable 5.1"),
    _always_thinks("claude-opus-5-5", "Claude Opus 5.5"),
    _always_thinks("claude-mythos-5-1", "Claude Mythos 5.1"),
    Model("claude-sonnet-5", "Claude Sonnet 5", ADAPTIVE),
    _always_thinks("claude-fable-5", "Claude Fable 5", forced_tools=True),
    _always_thinks("claude-mythos-5", "Claude Mythos 5", forced_tools=True),
    Model("claude-opus-5", "Claude Opus 5", ADAPTIVE),
    Model("claude-opus-4-8", "Claude Opus 4.8", ADAPTIVE, created_at="2026-05-28T00:00:00Z"),
    Model("claude-opus-4-7", "Claude Opus 4.7", ADAPTIVE, system_messages=False),
    Model("claude-opus-4-6", "Claude Opus 4.6", TRANSITIONAL, **_FOUR_SIX),
    Model("claude-sonnet-4-6", "Claude Sonnet 4.6", TRANSITIONAL, **_FOUR_SIX),
    Model(
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        BUDGET,
        efforts=("low", "medium", "high"),
        created_at="2025-11-01T00:00:00Z",
        **_FOUR_FIVE,
    ),
    Model(
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        BUDGET,
        efforts=(),
        created_at="2025-10-01T00:00:00Z",
        **_FOUR_FIVE,
    ),
    Model(
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        BUDGET,
        efforts=(),
        created_at="2025-09-29T00:00:00Z",
        retires_at="2026-11-30T00:00:00Z",
        **_FOUR_FIVE,
    ),
)

MODELS: Final[Mapping[str, Model]] = {model.id: model for model in _ALL}
_ALIASES: Final = {model.id.rpartition("-")[0]: model for model in _ALL if model.id.rpartition("-")[2].startswith("20")}


def find_model(id: str) -> Model | None:
    """The model of that id, or of that alias of a dated id."""
    return MODELS.get(id) or _ALIASES.get(id)
