"""Prices: what a usage costs, to the cent of a cent, and when the honest answer is none."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tui_chat.errors import UsageError
from tui_chat.prices import PriceList
from tui_chat.usage import Usage

TODAY = date(2026, 11, 21)
MILLION = 1_000_000


@pytest.fixture(scope="module")
def prices() -> PriceList:
    return PriceList.load()


def cost(prices: PriceList, model: str, output: int | None = 0, on: date = TODAY, **usage: Any) -> float | None:
    return prices.cost(model, Usage(usage), output, on)


@pytest.mark.parametrize(
    ("usage", "output", "dollars"),
    [
        ({"input_tokens": MILLION}, 0, 2.0),
        ({"input_tokens": 0}, MILLION, 10.0),
        ({"input_tokens": 0, "cache_read_input_tokens": MILLION}, 0, 0.1),
        ({"input_tokens": 0, "cache_creation_input_tokens": MILLION}, 0, 2.5),
        (
            {
                "input_tokens": 0,
                "cache_creation_input_tokens": MILLION,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": MILLION},
            },
            0,
            4.0,
        ),
        ({"input_tokens": 1000, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 400}, 500, 0.0082),
        ({"input_tokens": 0}, 0, 0.0),
    ],
)
def test_the_five_rates(prices: PriceList, usage: dict[str, Any], output: int, dollars: float) -> None:
    assert cost(prices, "claude-sonnet-5-5", output, **usage) == pytest.approx(dollars)


def test_rates_are_those_of_the_day(prices: PriceList) -> None:
    usage: dict[str, Any] = {"input_tokens": 0, "cache_read_input_tokens": MILLION}
    assert cost(prices, "claude-sonnet-5-5", on=date(2026, 10, 6), **usage) == pytest.approx(0.2)
    assert cost(prices, "claude-sonnet-5-5", on=date(2026, 10, 7), **usage) == pytest.approx(0.1)


def test_a_long_prompt_has_its_own_tier_for_all_tokens(prices: PriceList) -> None:
    at_the_border: dict[str, Any] = {"input_tokens": 40_000, "cache_read_input_tokens": 60_000}
    beyond: dict[str, Any] = {"input_tokens": 40_001, "cache_read_input_tokens": 60_000}
    assert cost(prices, "claude-haiku-5-5", 1000, **at_the_border) == pytest.approx(0.004 + 0.0006 + 0.0005)
    assert cost(prices, "claude-haiku-5-5", 1000, **beyond) == pytest.approx(0.0200005 + 0.003 + 0.0025)


def test_a_dated_id_has_the_price_of_its_name(prices: PriceList) -> None:
    assert cost(prices, "claude-haiku-4-5-20251001", MILLION, input_tokens=0) == pytest.approx(5.0)


@pytest.mark.parametrize("model", ["claude-unknown-9", "llama3", "", "20251001", "claude-haiku-4-5-2025", "sonnet-5-5"])
def test_an_unknown_model_has_no_price(prices: PriceList, model: str) -> None:
    assert cost(prices, model, 10, input_tokens=10) is None


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"input_tokens": -1},
        {"input_tokens": "12"},
        {"input_tokens": 2**60},
        {"input_tokens": 1, "speed": "fast"},
        {"input_tokens": 1, "service_tier": "priority"},
        {"input_tokens": 1, "service_tier": "batch"},
    ],
)
def test_what_cannot_be_known_is_none(prices: PriceList, usage: dict[str, Any]) -> None:
    assert cost(prices, "claude-sonnet-5-5", 10, **usage) is None


def test_without_an_output_count_there_is_no_cost(prices: PriceList) -> None:
    assert cost(prices, "claude-sonnet-5-5", None, input_tokens=1) is None


def test_us_only_inference_costs_a_tenth_more(prices: PriceList) -> None:
    assert cost(prices, "claude-opus-5-5", 0, input_tokens=MILLION, inference_geo="us") == pytest.approx(4.4)
    assert cost(prices, "claude-opus-5-5", 0, input_tokens=MILLION, inference_geo="global") == pytest.approx(4.0)


@pytest.mark.parametrize("written", [-5, "many", None, MILLION * 9])
def test_odd_cache_figures_never_make_a_cost_negative(prices: PriceList, written: object) -> None:
    usage: dict[str, Any] = {
        "input_tokens": 0,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_1h_input_tokens": written},
    }
    value = cost(prices, "claude-sonnet-5-5", 0, **usage)
    assert value is not None
    assert 100 * 2.5 / MILLION <= value <= 100 * 4 / MILLION


def test_every_model_of_the_file_reads_cheaper_than_it_writes(prices: PriceList) -> None:
    for name in prices._prices:
        for price in prices._prices[name]:
            for rates in (price.rates, price.long):
                if rates is not None:
                    assert 0 < rates.read < rates.input < rates.write_5m < rates.write_1h <= rates.output


# The user's own file ----------------------------------------------------------------------------------------------------


OWN = """
[[models]]
names = ["claude-sonnet-5-5", "my-model"]
rates = { input = 1, write_5m = 1, write_1h = 1, read = 1, output = 100 }
"""


def test_an_override_replaces_single_models(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    prices = PriceList.load(path)
    assert cost(prices, "my-model", MILLION, input_tokens=0) == pytest.approx(100.0)
    assert cost(prices, "claude-sonnet-5-5", MILLION, input_tokens=0) == pytest.approx(100.0)
    assert cost(prices, "claude-opus-5-5", MILLION, input_tokens=0) == pytest.approx(20.0)


def test_a_missing_override_is_none(tmp_path: Path) -> None:
    assert cost(PriceList.load(tmp_path / "prices.toml"), "claude-opus-5-5", 0, input_tokens=MILLION) == pytest.approx(
        4.0
    )


@pytest.mark.parametrize(
    "text",
    [
        "models = ",
        "",
        "models = 3",
        "[[models]]\nnames = ['m']\n",
        "[[models]]\nnames = ['m']\nrates = { input = 1 }\n",
        "[[models]]\nnames = ['m']\nrates = 'cheap'\n",
        "[[models]]\nnames = ['m']\nfrom = 'yesterday'\n" + OWN.partition("]\n")[2].partition("]\n")[2],
        OWN.replace("output = 100", "output = 'much'"),
    ],
)
def test_a_broken_override_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not a price file") as caught:
        PriceList.load(path)
    assert str(path) in str(caught.value)
