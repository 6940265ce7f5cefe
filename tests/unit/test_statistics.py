"""Statistics: percentiles by their definition, groups, what is said of them, and the same numbers in text, JSON and CSV."""

import csv
import io
import json
import re
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.statistics.figures import DIMENSIONS, Filters, Group, Report, Spread, report, spread
from tui_chat.statistics.formats import DEFINITIONS, as_csv, as_json
from tui_chat.statistics.text import EMPTY, duration, lines, money, notes, rate, seconds, share, summary, tokens
from tui_chat.store.statistics import Cell, Collected

SONNET, OPUS, API = "claude-sonnet-5-5", "claude-opus-5-5", "api.anthropic.com"


def cell(
    model: str = SONNET, server: str = API, day: str = "2026-11-10", cached: bool | None = True, **fields: Any
) -> Cell:
    """A cell of one turn, unless `fields` say otherwise."""
    return Cell(model, server, day, cached, **{"turns": 1, "requests": 1, **fields})


def made(*cells: Cell, by: tuple[str, ...] = ("model",), filters: Filters | None = None, **left_out: int) -> Report:
    return report(Collected(list(cells), **left_out), filters or Filters(), by)


def text_of(given: Report, width: int = 80) -> str:
    return "\n".join(line for line, _ in lines(given, width))


# Percentiles ---------------------------------------------------------------------------------------------------------------


def by_definition(values: list[float], percent: float) -> float:
    """Linear interpolation between the two nearest of the sorted values, the smallest being p0 and the largest p100."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def test_percentiles_by_hand() -> None:
    found = spread([float(value) for value in range(1, 102)])  # 1 to 101: p0 is 1, p100 is 101
    assert found == Spread(101, p5=6.0, p50=51.0, p95=96.0, p99=100.0)
    assert spread([3.0, 1.0]) == Spread(2, p5=1.1, p50=2.0, p95=2.9, p99=2.98)
    assert spread([7.0]) == Spread(1, 7.0, 7.0, 7.0, 7.0)
    assert spread([]) == Spread(0, None, None, None, None)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=300))
def test_percentiles_are_as_defined(values: list[float]) -> None:
    found = spread(values)
    assert found.count == len(values)
    expected = [by_definition(values, percent) for percent in (5, 50, 95, 99)]
    assert [found.p5, found.p50, found.p95, found.p99] == pytest.approx(expected, rel=1e-9, abs=1e-9)


# Groups --------------------------------------------------------------------------------------------------------------------


def test_a_group_is_the_sum_of_its_cells() -> None:
    one = cell(
        turns=4, requests=5, cancelled=1, input_tokens=10, cache_write=20, cache_read=30, output_tokens=40, cost=0.5
    )
    one.ttfts, one.rates, one.saved, one.saved_turns = array("d", [0.4, 0.6]), array("d", [50.0]), 6.0, 3
    two = cell(
        day="2026-11-11", turns=1, failed=1, retried=1, estimated_turns=1, estimated_output=7, estimated_cost=0.25
    )
    two.ttfts, two.unpriced = array("d", [0.8]), 1
    given = made(one, two)
    assert given.groups == [
        Group(
            key=(SONNET,),
            is_demo=False,
            turns=5,
            requests=6,
            cancelled=1,
            failed=1,
            retried=1,
            input_tokens=10,
            cache_write=20,
            cache_read=30,
            output_tokens=40,
            estimated_turns=1,
            estimated_output=7,
            cost=0.5,
            estimated_cost=0.25,
            unpriced=1,
            ttft=spread([0.4, 0.6, 0.8]),
            rate=spread([50.0]),
            saved=6.0,
            saved_turns=3,
        )
    ]
    assert (given.groups[0].share(1), given.days) == (0.2, ("2026-11-10", "2026-11-11"))
    assert given.total == Group(**{**_fields(given.groups[0]), "key": ()})


def _fields(group: Group) -> dict[str, Any]:
    return {name: getattr(group, name) for name in group.__slots__}


def test_what_is_not_known_stays_unknown() -> None:
    (group,) = made(cell(server="localhost:8080")).groups
    assert (group.cost, group.estimated_cost, group.saved, group.ttft.p50, group.rate.p5) == (None,) * 5


def keys(*cells: Cell, by: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [group.key for group in made(*cells, by=by).groups]


def test_groups_come_in_their_order() -> None:
    cells = (
        cell(SONNET, day="2026-10-31", cached=None),
        cell(OPUS, day="2026-11-10", turns=5),
        cell(SONNET, "b", "2026-11-02", cached=False),
    )
    assert keys(*cells, by=("model",)) == [(OPUS,), (SONNET,)]  # by their turns
    assert keys(*cells, by=("day",)) == [("2026-10-31",), ("2026-11-02",), ("2026-11-10",)]
    assert keys(*cells, by=("month",)) == [("2026-10",), ("2026-11",)]
    assert keys(*cells, by=("server",)) == [(API,), ("b",)]
    assert keys(*cells, by=("cache",)) == [("hit",), ("no hit",), ("unknown",)]
    assert keys(*cells, by=("cache", "model")) == [("hit", OPUS), ("no hit", SONNET), ("unknown", SONNET)]


def test_the_demo_stands_apart() -> None:
    real, demo = cell(turns=3, ttfts=array("d", [1.0])), cell(server="demo", turns=9, ttfts=array("d", [0.1]))
    given = made(demo, real)
    assert [(group.is_demo, group.turns) for group in given.groups] == [(False, 3), (True, 9)]
    assert (given.total.turns, given.ttfts, [each.turns for each in given.by_cache]) == (3, [1.0], [3])
    assert "sonnet-5-5 (demo)" in text_of(given)
    assert "the demo's turns are not in the total" in text_of(given)
    alone = made(demo)  # all there is
    assert (alone.total.is_demo, alone.total.turns, alone.ttfts) == (True, 9, [0.1])
    assert summary(alone).startswith("9 demo turns")


def test_filters() -> None:
    cells = (cell(SONNET), cell(OPUS, day="2026-11-12"), cell("Llama", "localhost:8080", ""))

    def kept(**filters: str) -> list[str]:
        return [group.key[0] for group in made(*cells, filters=Filters(**filters)).groups]

    assert kept(model="SONNET") == [SONNET]
    assert kept(server="local") == ["Llama"]
    assert kept(since="2026-11-11") == [OPUS]
    assert kept(until="2026-11-10", model="claude") == [SONNET]
    assert kept(model="gpt") == []


def test_a_trend_has_a_point_for_each_day_until_they_are_too_many() -> None:
    def ttft(day: str, *values: float) -> Cell:
        return cell(day=day, ttfts=array("d", values))

    given = made(ttft("2026-11-09", 1.0, 3.0), ttft("2026-11-11", 0.5), cell(day="2026-11-10"), ttft("", 9.0))
    assert (given.trend_of, given.trend) == ("day", [("11-09", 2.0), ("11-10", None), ("11-11", 0.5)])
    weeks = made(ttft("2026-01-01", 1.0), ttft("2026-01-02", 3.0), ttft("2026-06-01", 0.5))
    assert weeks.trend_of == "week"
    assert (weeks.trend[0], weeks.trend[-1], len(weeks.trend)) == (("12-29", 2.0), ("06-01", 0.5), 23)
    months = made(ttft("2020-01-31", 1.0), ttft("2026-06-01", 0.5))
    assert (months.trend_of, months.trend[0], len(months.trend)) == ("month", ("2020-01", 1.0), 78)
    assert made(ttft("0001-01-01", 1.0), ttft("9999-12-31", 1.0)).trend_of == "month"


# Text ----------------------------------------------------------------------------------------------------------------------


def rich_report(by: tuple[str, ...] = ("model",)) -> Report:
    """Every column and every note."""
    fast = cell(turns=120, requests=130, cancelled=6, failed=1, retried=9, cost=12.345, saved=4_000.0, saved_turns=113)
    fast.input_tokens, fast.cache_read, fast.cache_write, fast.output_tokens = 1_000, 900_000, 99_000, 45_600
    fast.ttfts = array("d", [0.3 + number / 400 for number in range(120)])
    fast.rates = array("d", [60.0 + number / 4 for number in range(113)])
    slow = cell(OPUS, day="2026-11-12", cached=False, turns=10, requests=10, estimated_turns=2, estimated_output=1234)
    slow.ttfts, slow.estimated_cost, slow.unpriced = array("d", [2.0 + number for number in range(10)]), 0.0321, 1
    return made(fast, slow, cell(server="demo"), by=by, imported=7, copies=1, running=1)


def test_the_tables_hold_every_figure() -> None:
    text = text_of(rich_report())
    words = [line.split() for line in text.splitlines()]
    assert ["sonnet-5-5", "120", "130", "5.0%", "0.8%", "7.5%", "1h", "06m"] in [row[:8] for row in words]
    assert ["sonnet-5-5", "1.0M", "900k", "99k", "46k", "$12.35"] in words
    assert ["sonnet-5-5", "0.45s", "0.58s", "0.59s", "120", "74", "61", "113"] in words
    assert ["opus-5-5", "6.50s", "10.6s*", "10.9s*", "10", "–", "–", "0"] in words
    assert ["total", "130", "140", "4.6%", "0.8%", "6.9%", "1h", "06m"] in [row[:8] for row in words]


def test_what_the_numbers_leave_out_is_said() -> None:
    assert list(notes(rich_report())) == [
        "TTFT p50 0.45s with a cache hit (120 turns), 6.50s without (10)",
        "saved: how much earlier first texts could be read than without streaming; 35.4s a completed turn",
        "* of fewer turns than it needs (20 for p95 and p5, 100 for p99)",
        "2 turns with estimated output (~1.2k tokens, ~$0.032) are not in out, cost and tok/s",
        "1 turn of models without a known price is not in cost",
        "the demo's turns are not in the total, and not in the plots",
        "7 turns imported from other programs are not counted: without figures",
        "1 turn of copied conversations is counted where they were made",
    ]
    assert list(notes(made(cell()))) == []


@pytest.mark.parametrize("width", [24, 39, 71, 72, 80, 118, 200])
@pytest.mark.parametrize("by", [("model",), ("day",), ("model", "cache", "server")])
def test_no_line_is_too_wide(width: int, by: tuple[str, ...]) -> None:
    text = text_of(rich_report(by), width)
    assert max(map(len, text.splitlines())) <= width
    assert "TTFT" in text
    for figure in ("12.35", "900k", "0.58s"):
        assert figure in text


def test_the_latest_day_is_the_first() -> None:
    days = re.findall(r"^(2026-\S+)", text_of(rich_report(("day",))), re.MULTILINE)
    assert days[:3] == ["2026-11-12", "2026-11-10", "2026-11-10"]


def test_the_plots_may_stand_above_a_long_table() -> None:
    usual = lines(rich_report(), 80)
    first = lines(rich_report(), 80, plots_first=True)
    assert sorted(usual) == sorted(first)
    assert [tone for _, tone in usual].index("plot") > 20 > [tone for _, tone in first].index("plot")


def test_an_empty_history_says_what_will_be_here() -> None:
    assert text_of(made(), 200) == EMPTY
    assert text_of(made(cell(), filters=Filters(model="gpt")), 200) == "no turn fits; the history has others"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ([tokens(0), tokens(999), tokens(1_000), tokens(9_949), tokens(9_950)], ["0", "999", "1.0k", "9.9k", "10k"]),
        (
            [tokens(999_499), tokens(999_500), tokens(9_960_000), tokens(12_345_678_901)],
            ["999k", "1.0M", "10M", "12.3G"],
        ),
        (
            [money(None), money(0.0), money(0.0001), money(0.9994), money(0.9996)],
            ["–", "$0.000", "<$0.001", "$0.999", "$1.00"],
        ),
        ([money(1234.5)], ["$1,234.50"]),
        (
            [seconds(None), seconds(0.492), seconds(9.994), seconds(12.34), seconds(61.0)],
            ["–", "0.49s", "9.99s", "12.3s", "1m 01s"],
        ),
        ([duration(None), duration(59.94), duration(59.96), duration(3_661)], ["–", "59.9s", "1m 00s", "1h 01m"]),
        ([duration(200_000)], ["2d 07h"]),
        ([rate(None), rate(9.94), rate(61.4), rate(1_234.0)], ["–", "9.9", "61", "1,234"]),
        (
            [share(None), share(0.0), share(0.0001), share(0.041), share(0.0996), share(1.0)],
            ["–", "0%", "<0.1%", "4.1%", "10%", "100%"],
        ),
    ],
)
def test_numbers(text: list[str], expected: list[str]) -> None:
    assert text == expected


# JSON and CSV ----------------------------------------------------------------------------------------------------------------


def rows_of(given: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(given), newline=""), strict=True))


@pytest.mark.parametrize("by", [(name,) for name in DIMENSIONS] + [("model", "cache")])
def test_json_and_csv_hold_the_same_numbers(by: tuple[str, ...]) -> None:
    given = rich_report(by)
    groups = json.loads(as_json(given))["groups"]
    rows = rows_of(given)
    assert len(groups) == len(rows) == len(given.groups)
    for group, row in zip(groups, rows, strict=True):
        assert list(group) == list(row)
        for name, value in group.items():
            expected = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert row[name] == expected


def test_json_has_units_filters_and_definitions() -> None:
    found = json.loads(as_json(rich_report()))
    assert found["filters"] == {"since": None, "until": None, "model": None, "server": None, "by": ["model"]}
    assert (found["first_day"], found["last_day"]) == ("2026-11-10", "2026-11-12")
    assert found["left_out"] == {"imported_turns": 7, "copied_turns": 1, "running_turns": 1}
    assert [group["cache"] for group in found["cache"]] == ["hit", "no hit"]
    totals = found["totals"]
    assert (totals["turns"], totals["cost_usd"], totals["estimated_cost_usd"]) == (130, 12.345, 0.0321)
    assert (totals["cancelled_share"], totals["saved_s"], totals["ttft_turns"]) == (6 / 130, 4_000.0, 130)
    assert found["groups"][1] | {"model": OPUS, "tokens_per_second_p50": None, "cost_usd": None} == found["groups"][1]
    defined = [key for keys in DEFINITIONS for key in keys.split(", ")]
    for name in [*totals, "cache", "day"]:
        assert any(re.fullmatch(key.replace("*", ".*"), name) for key in defined), f"{name} is defined nowhere"


def test_an_empty_history_is_valid() -> None:
    found = json.loads(as_json(made()))
    assert (found["groups"], found["totals"]["turns"], found["totals"]["ttft_p50_s"], found["first_day"]) == (
        [],
        0,
        None,
        None,
    )
    assert found["totals"]["cancelled_share"] is None
    assert rows_of(made()) == []
    assert as_csv(made()).startswith("model,demo,turns,")


HOSTILE = [
    "=cmd|' /C calc'!A0",
    " @SUM(1)",
    "\x1b]52;c;aGk=\x07red",
    'two\r\nlines,"quoted"',
    "\u202egnp",
    "\ud800",
    "模型",
    "e\u0301" * 9,
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [30, 80])
def test_hostile_names_do_nothing(name: str, width: int) -> None:
    given = made(cell(name, name), cell(SONNET), by=("model", "server"))
    text = text_of(given, width)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    assert max(map(len, text.splitlines())) <= width
    as_json(given).encode("ascii")
    as_csv(given).encode()
    found = [row["model"] for row in rows_of(given) if row["model"] != SONNET]
    assert len(found) == 1
    assert not found[0].lstrip().startswith(("=", "+", "-", "@"))
