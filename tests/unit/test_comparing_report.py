"""The report: the same numbers as text and as JSON; and the table of the streaming course, from the demo's schedule."""

import json
import re
from dataclasses import replace

import pytest

from tests.unit.comparing_values import HAIKU, SONNET, played, run, the_course
from tui_chat.comparing.figures import Result, summarise
from tui_chat.comparing.plan import Plan
from tui_chat.comparing.report import as_json, seconds, table, text
from tui_chat.demo.schedule import Pacing
from tui_chat.errors import Failure

COURSE = """\
sonnet-5-5    streaming   not streaming
first token   0.492 s     4.194 s
complete      4.194 s     4.194 s
tokens        500         500
tok/s         135.1       –
cost          –           –"""


def test_the_table_of_the_streaming_course() -> None:
    result = the_course()
    streaming, whole = result.of(SONNET)
    assert streaming.ttft is not None
    assert whole.ttft is not None
    assert streaming.ttft.median == pytest.approx(0.492)
    assert whole.ttft.median == pytest.approx(4.194)
    assert streaming.tokens_per_second is not None
    assert streaming.tokens_per_second.median == pytest.approx(500 / (4.194 - 0.492))
    assert table(result, SONNET, 80) == COURSE
    assert "8.5 times shorter" in text(result, 80)
    assert all(each.done == 3 for each in result.summaries)


def test_the_course_at_list_price() -> None:
    # 5 tokens in at $2 and 500 out at $10 a million.
    streaming, whole = the_course(1, "api.anthropic.com").of(SONNET)
    assert streaming.cost is not None
    assert streaming.cost == whole.cost
    assert streaming.cost.median == pytest.approx((5 * 2 + 500 * 10) / 1e6)


def two_models() -> Result:
    plan = Plan("hello there", (SONNET, HAIKU), 3)
    paces = {call.number: Pacing(ttft=0.1 * call.number, rate=100 + call.number) for call in plan.calls()}
    runs = [played(call, plan.prompt, server="api.anthropic.com", pacing=paces[call.number]) for call in plan.calls()]
    failure = Failure("overloaded_error", "Overloaded", 529)
    runs[3] = replace(run(1, streaming=True, model=HAIKU), call=runs[3].call, failure=failure)
    return summarise(plan, "api.anthropic.com", runs)


def test_text_and_json_have_the_same_numbers() -> None:
    result = two_models()
    record = json.loads(json.dumps(as_json(result), allow_nan=False))
    shown = text(result, 100)
    for model in record["models"]:
        block = next(part for part in shown.split("\n\n") if part.startswith(model["model"].removeprefix("claude-")))
        rows = {line[:14].strip(): re.split(r" {2,}", line[14:].strip()) for line in block.splitlines()[1:]}
        for name, key, pattern in (
            ("first token", "ttft_s", "{:.3f}"),
            ("complete", "complete_s", "{:.3f}"),
            ("tokens", "output_tokens", "{:,.0f}"),
            ("tok/s", "tokens_per_second", "{:.1f}"),
            ("cost", "cost_usd", "${:.4f}"),
        ):
            for cell, mode in zip(rows[name], ("streaming", "not_streaming"), strict=True):
                median = model[mode][key]
                if median is None:
                    assert cell == "–"
                    continue
                numbers = re.findall(r"\$?[\d.,]+", cell)
                assert numbers[0] == pattern.format(median["median"])
                if len(numbers) == 3:
                    assert numbers[1:] == [pattern.format(median["low"]), pattern.format(median["high"])]
                else:
                    assert pattern.format(median["low"]) == pattern.format(median["high"])
        assert f"{model['times_shorter']:.1f} times shorter ({model['model'].removeprefix('claude-')})" in shown


def test_json_has_every_single_request() -> None:
    result = two_models()
    record = as_json(result)
    assert [each["number"] for each in record["runs"]] == list(range(1, 13))
    first = record["runs"][0]
    assert first["ttft_s"] == result.runs[0].ttft
    assert first["cost_usd"] == result.runs[0].cost
    assert first["error"] is None
    assert record["runs"][3]["error"] == {"type": "overloaded_error", "message": "Overloaded", "status": 529}
    medians = sorted(run["ttft_s"] for run in record["runs"] if run["model"] == SONNET and run["streaming"])
    assert record["models"][0]["streaming"]["ttft_s"] == {
        "median": medians[1],
        "low": medians[0],
        "high": medians[2],
        "estimated": False,
    }


def test_failures_are_counted_and_named() -> None:
    shown = text(two_models(), 100)
    assert re.search(r"failed +1 of 3 +0 of 3", shown)
    assert "failed: haiku-5-5, streaming, run 1: the API is overloaded (529); try again in a moment" in shown


@pytest.mark.parametrize("width", [40, 59, 60, 80, 200])
def test_every_line_fits(width: int) -> None:
    slow = [replace(each, ttft=(each.ttft or 0) * 1000, cost=12.3456) for each in two_models().runs]
    for result in (two_models(), the_course(), summarise(Plan("x" * 500, (SONNET, HAIKU), 3), "h" * 50, slow)):
        assert max(map(len, text(result, width).splitlines())) <= width


def test_the_spread_is_named() -> None:
    assert "in brackets the lowest and the highest" in text(the_course(3), 80)
    assert "in brackets the quartiles" in text(the_course(4), 80)
    assert "in brackets" not in text(the_course(1), 80)


def test_a_comparison_that_was_stopped_says_so() -> None:
    whole = the_course(3)
    stopped = summarise(whole.plan, "demo", whole.runs[:3], stopped=True)
    shown = text(stopped, 80)
    assert "Stopped before all requests were made." in shown
    assert re.search(r"not made +2 of 3 +1 of 3", shown)
    assert as_json(stopped)["stopped"] is True


def test_nothing_from_outside_acts_on_the_terminal() -> None:
    evil = "\x1b]0;title\x07\u202e\nline"
    failed = replace(run(), failure=Failure("api_error", evil))
    failed = replace(failed, call=replace(failed.call, model=evil))
    shown = text(summarise(Plan(evil, (evil,), 1), evil, [failed]), 80)
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_the_bars_are_the_medians() -> None:
    chart = text(the_course(), 80).split("Time to first token\n")[1].split("\n\n")[0].splitlines()
    assert [line[:13].strip() for line in chart] == ["streaming", "not streaming"]
    lengths = [line.count("▇") for line in chart]
    assert lengths[1] / lengths[0] == pytest.approx(4.194 / 0.492, rel=0.15)


@pytest.mark.parametrize(("value", "shown"), [(0.4921, "0.492 s"), (99.9994, "99.999 s"), (1234.56, "1,234.6 s")])
def test_seconds(value: float, shown: str) -> None:
    assert seconds(value) == shown
