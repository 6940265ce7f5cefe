"""What a comparison sends, in which order, and what that may cost. Pure.

The order keeps the comparison fair: streaming and not alternate, and which of them goes first changes from pair to pair, so
that neither always finds the warmer connection or the quieter server; models take turns for the same reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from tui_chat.meter import Ratios
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.text import sanitise_line
from tui_chat.usage import Usage

DEFAULT_RUNS: Final = 3
MOST_RUNS: Final = 50
TYPICAL_OUTPUT: Final = 500  # tokens; a page, and the reply of the classic comparison


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `number` is its place in the comparison, `run` its place among those of its model and mode; both from 1."""

    number: int
    model: str
    run: int
    streaming: bool

    @property
    def mode(self) -> str:
        """`streaming` or `not streaming`."""
        return mode_name(streaming=self.streaming)


@dataclass(frozen=True, slots=True)
class Plan:
    """One prompt to one or more models, `runs` times with streaming and as often without."""

    prompt: str
    models: tuple[str, ...]
    runs: int = DEFAULT_RUNS

    def calls(self) -> tuple[Call, ...]:
        """All requests in their order: pairs of one model, models in turn, the order within a pair turned around each time."""
        calls: list[Call] = []
        for run in range(self.runs):
            for place, model in enumerate(self.models):
                streaming_first = (run + place) % 2 == 0  # with the place: each model begins with either as often
                for streaming in (streaming_first, not streaming_first):
                    calls.append(Call(len(calls) + 1, model, run + 1, streaming))
        return tuple(calls)


def mode_name(*, streaming: bool) -> str:
    """The word for it in text."""
    return "streaming" if streaming else "not streaming"


def model_name(model: str) -> str:
    """The model's id without `claude-`, safe to show."""
    return sanitise_line(model.removeprefix("claude-"))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan comes to. `input_tokens` are those of one request, from its characters; `max_tokens` the longest reply of any.

    The costs are US dollars over all requests: with `TYPICAL_OUTPUT` tokens a reply, and with as many as it may have. None: no
    price is known for one of the models.
    """

    server: str
    models: tuple[str, ...]
    requests: int
    input_tokens: int
    max_tokens: int
    cost: float | None
    highest_cost: float | None

    @property
    def sentences(self) -> tuple[str, str]:
        """What is sent, and what that costs."""
        names = ", ".join(map(model_name, self.models))
        count = f"{self.requests} requests" if self.requests != 1 else "1 request"
        sent = (
            f"{count} to {'the demo' if self.server == 'demo' else sanitise_line(self.server)} ({names}), half of them streaming, one after the other: "
            f"~{self.input_tokens:,} tokens in each, at most {self.max_tokens:,} out."
        )
        typical = min(TYPICAL_OUTPUT, self.max_tokens)
        if self.cost is None or self.highest_cost is None:
            return sent, "What that costs is not known here."
        return sent, (
            f"That costs about {dollars(self.cost)} if each reply has {typical:,} tokens, "
            f"and at worst {dollars(self.highest_cost)}."
        )


def dollars(amount: float) -> str:
    """US dollars, with as many decimals as a single short request needs."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def estimate(
    plan: Plan,
    parameters: Mapping[str, Mapping[str, Any]],
    server: str,
    *,
    ratios: Ratios,
    prices: PriceList,
    on: date,
) -> Estimate:
    """What `plan` will come to; `parameters` are those of a request to each of its models, `on` is the day of the prices."""
    cost: float | None = 0.0
    highest: float | None = 0.0
    tokens = longest = 0
    for model in plan.models:
        asked = parameters[model]
        prompt = round(_characters(asked) / ratios.characters_per_token(model)) or 1
        limit = int(asked["max_tokens"])
        tokens, longest = max(tokens, prompt), max(longest, limit)
        usage, times = Usage({"input_tokens": prompt}), 2 * plan.runs
        has_price = server == ANTHROPIC_HOST
        typical = prices.cost(model, usage, min(TYPICAL_OUTPUT, limit), on) if has_price else None
        worst = prices.cost(model, usage, limit, on) if has_price else None
        cost = None if cost is None or typical is None else cost + typical * times
        highest = None if highest is None or worst is None else highest + worst * times
    return Estimate(server, plan.models, 2 * plan.runs * len(plan.models), tokens, longest, cost, highest)


def _characters(parameters: Mapping[str, Any]) -> int:
    """Of all text in a request's system prompt and messages."""
    return _text(parameters.get("system")) + sum(_text(message["content"]) for message in parameters["messages"])


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> int:
    if content is None or isinstance(content, str):
        return len(content or "")
    return sum(len(str(block.get("text") or "")) for block in content)
