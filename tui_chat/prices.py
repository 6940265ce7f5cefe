"""What a request costs: a dated price file, overridable by the user, and one function over a usage.

A price that is not known is None, never a guess. Only Anthropic's own host has prices; the caller decides that.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, Final

from tui_chat.errors import UsageError
from tui_chat.usage import Usage

ANTHROPIC_HOST: Final = "api.anthropic.com"
_RATES: Final = ("input", "write_5m", "write_1h", "read", "output")
_KNOWN: Final = 10_000  # answers that are kept
_US_ONLY: Final = 1.1  # inference_geo "us" costs 1.1 times (pricing page, models from 4.6 on)


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars per million tokens."""

    input: float
    write_5m: float
    write_1h: float
    read: float
    output: float


@dataclass(frozen=True, slots=True)
class Price:
    """The rates of one model since one day, and those of its long-prompt tier if it has one."""

    since: date
    rates: Rates
    over: int | None = None
    long: Rates | None = None


class PriceList:
    """Prices by model id. A dated id (`claude-haiku-4-5-20251001`) has the price of the id without its date."""

    def __init__(self, prices: Mapping[str, list[Price]]) -> None:
        self._prices = prices
        self._known: dict[tuple[str, date], tuple[Price | None]] = {}  # a list asks for few, and for each very often

    @classmethod
    def load(cls, override: Path | None = None) -> "PriceList":
        """The list that comes with the program, with the models of the file `override` put in its place.

        Raises:
            UsageError: the override exists and is not a price file.

        """
        prices = _parse(resources.files("tui_chat").joinpath("prices.toml").read_text(encoding="utf-8"))
        if override is not None and override.is_file():
            try:
                prices |= _parse(override.read_text(encoding="utf-8"))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{override} is not a price file ({error})", "mend or remove it") from None
        return cls(prices)

    def cost(self, model: str, usage: Usage, output_tokens: int | None, on: date) -> float | None:
        """US dollars for one request on the day `on`, or None if its price or its counts are not known."""
        price = self._price(model, on)
        plain = usage.count("input_tokens")
        if price is None or plain is None or output_tokens is None:
            return None
        fields = usage.fields
        if fields.get("speed") == "fast" or fields.get("service_tier") in ("batch", "priority"):
            return None  # other prices, which the file does not know
        written, read = usage.cache_write or 0, usage.cache_read or 0
        prompt = plain + written + read
        rates = price.long if price.long and price.over is not None and prompt > price.over else price.rates
        written_1h = _written_1h(usage, written)
        total = (
            plain * rates.input
            + (written - written_1h) * rates.write_5m
            + written_1h * rates.write_1h
            + read * rates.read
            + output_tokens * rates.output
        )
        return total / 1e6 * (_US_ONLY if fields.get("inference_geo") == "us" else 1.0)

    def is_linear(self, model: str) -> bool:
        """Whether its requests of one day cost together what one with their sums would: it has no long-prompt tier."""
        return all(price.long is None for price in self._prices.get(self._name(model), ()))

    def _price(self, model: str, on: date) -> Price | None:
        known = self._known.get((model, on))
        if known is None:
            valid = [price for price in self._prices.get(self._name(model), ()) if price.since <= on]
            if len(self._known) > _KNOWN:
                self._known.clear()
            known = self._known[model, on] = (max(valid, key=lambda price: price.since, default=None),)
        return known[0]

    def _name(self, model: str) -> str:
        return model if model in self._prices else model.rpartition("-")[0] if model[-8:].isdigit() else model


def _written_1h(usage: Usage, written: int) -> int:
    nested = usage.fields.get("cache_creation")
    value = nested.get("ephemeral_1h_input_tokens") if isinstance(nested, Mapping) else None
    return min(value, written) if isinstance(value, int) and value > 0 else 0


def _parse(text: str) -> dict[str, list[Price]]:
    prices: dict[str, list[Price]] = {}
    for entry in tomllib.loads(text)["models"]:
        price = Price(
            since=date.fromisoformat(entry.get("from", "2000-01-01")),
            rates=_rates(entry["rates"]),
            over=entry.get("over"),
            long=_rates(entry["long"]) if "long" in entry else None,
        )
        for name in entry["names"]:
            prices.setdefault(name, []).append(price)
    return prices


def _rates(table: Mapping[str, Any]) -> Rates:
    return Rates(**{name: float(table[name]) for name in _RATES})
