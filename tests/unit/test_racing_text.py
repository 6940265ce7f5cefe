"""A race in words: names as they are typed, and what stands above the columns and below them."""

import dataclasses

import pytest

from tui_chat.meter import Figures
from tui_chat.racing import Asked, models_of, parse
from tui_chat.ui.racing_text import LaneStatus, bar_fields, bar_hint, figure_fields, head_fields, switch_fields
from tui_chat.ui.widgets.status_bar import fit
from tui_chat.ui.wording import Field

KNOWN = ("claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-opus-4-6", "claude-haiku-4-5-20251001")
FIGURES = Figures("claude-haiku-5-5", ttft=0.312, tokens_per_second=108.4, estimated_rate=109.0, output_tokens=258)


def lane(number: int = 1, **changes: object) -> LaneStatus:
    status = LaneStatus(number, KNOWN[number - 1], "streaming 2.4s", "streaming", figures=FIGURES, rolling=57.6)
    return dataclasses.replace(status, **changes)  # type: ignore[arg-type]  # the names are checked by dataclasses


def texts(fields: list[Field]) -> list[str]:
    return [field.text.strip() for field in fields]


# Names ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "asked"),
    [
        ("haiku opus", Asked(("haiku", "opus"))),
        ("haiku opus -- what is -- this", Asked(("haiku", "opus"), "what is -- this")),
        ("-- just a prompt", Asked((), "just a prompt")),
        ("haiku --", Asked(("haiku",))),
        ("haiku opus --\n\nlook:\n  code", Asked(("haiku", "opus"), "look:\n  code")),
        ("", Asked(())),
    ],
)
def test_names_come_first_and_the_prompt_behind_two_dashes(argument: str, asked: Asked) -> None:
    assert parse(argument) == asked


def test_names_become_ids_where_the_list_has_them() -> None:
    assert models_of(["claude-opus-4-6", "opus-4-6", "opus", "Haiku", "haiku-4-5", "llama3:8b"], KNOWN) == [
        "claude-opus-4-6",
        "claude-opus-4-6",
        "claude-opus-5-5",  # the newest
        "claude-haiku-5-5",
        "claude-haiku-4-5-20251001",
        "llama3:8b",
    ]
    assert models_of(["opus"], []) == ["opus"]


# Above a column ---------------------------------------------------------------------------------------------------------


def test_a_running_lane() -> None:
    assert texts(head_fields(lane())) == ["1 haiku-5-5", "streaming 2.4s"]
    estimated = dataclasses.replace(FIGURES, output_estimated=True)
    assert texts(figure_fields(lane(figures=estimated))) == ["TTFT 0.31s", "~58 tok/s", "~258 out"]


def test_a_lane_that_is_done_has_exact_figures_and_its_marks() -> None:
    done = lane(state="done in 3.8s", running=False, showed_first=True, finished_first=True)
    priced = dataclasses.replace(done, figures=dataclasses.replace(FIGURES, cost=0.0031))
    assert texts(head_fields(done)) == ["1 haiku-5-5", "done in 3.8s 1st"]
    assert texts(figure_fields(priced)) == ["TTFT 0.31s 1st", "108 tok/s", "258 out", "$0.003"]


def test_before_the_first_token_there_are_only_headers() -> None:
    waiting = Figures("m", headers_after=0.2)
    assert texts(figure_fields(lane(figures=waiting))) == ["headers 0.20s"]
    assert figure_fields(lane(figures=waiting, running=False)) == []
    assert figure_fields(lane(figures=None)) == []


def test_what_matters_most_stays_in_the_narrowest_column() -> None:
    """The state outlives the name, and TTFT the rest."""
    assert texts(fit(head_fields(lane()), "", 20)) == ["streaming 2.4s"]
    assert texts(fit(figure_fields(lane(showed_first=True)), "", 40)) == ["TTFT 0.31s 1st", "~58 tok/s", "258 out"]
    assert texts(fit(figure_fields(lane()), "", 16)) == ["TTFT 0.31s"]


def test_the_focused_one_stands_out() -> None:
    assert [field.tone for field in head_fields(lane(focused=True))] == ["model", ""]
    assert [field.tone for field in head_fields(lane(tone="error", state="failed at 0.1s"))] == ["", "error"]


# One at a time, and the last line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("width", [30, 40, 80, 120])
def test_all_names_are_in_the_switcher_at_any_width(count: int, width: int) -> None:
    lanes = [lane(number) for number in range(1, count + 1)]
    fields = switch_fields(lanes, width)
    assert fit(fields, "", width) == fields
    assert [field.text.split()[0] for field in fields] == [str(number) for number in range(1, count + 1)]


def test_the_switcher_says_how_far_each_is_where_there_is_room() -> None:
    lanes = [lane(1, focused=True), lane(2, brief="failed", tone="error")]
    assert texts(switch_fields(lanes, 80)) == ["1 haiku-5-5 streaming", "2 opus-5-5 failed"]
    assert texts(switch_fields(lanes, 30)) == ["1 haiku-5-5", "2 opus-5-5"]
    assert [field.tone for field in switch_fields(lanes, 30)] == ["model", "error"]


def test_the_last_line_sums_up() -> None:
    priced = dataclasses.replace(FIGURES, cost=0.0031)
    lanes = [lane(1, figures=priced), lane(2, figures=priced, running=False)]
    assert texts(bar_fields(lanes, None, without_tools=True))[:4] == [
        "race",
        "1 running",
        "$0.006 in all",
        "without tools",
    ]
    assert texts(bar_fields(lanes, 2, without_tools=False))[1] == "keeping 2 when it ends"
    ended = [lane(1, running=False), lane(2, running=False)]
    assert texts(bar_fields(ended, None, without_tools=False))[:2] == ["race", "all ended"]


def test_the_hint_says_what_the_keys_do_now() -> None:
    lanes = [lane(1), lane(2, running=False)]
    assert bar_hint(lanes, 1, escape_keeps=2) == "Enter keeps 1  Esc stops it"
    assert bar_hint(lanes, 2, escape_keeps=2) == "Enter keeps 2  Esc Esc: all"
    ended = [lane(1, running=False), lane(2, running=False)]
    assert bar_hint(ended, 1, escape_keeps=2) == "Enter keeps 1  Esc keeps 2"
    assert bar_hint(ended, 1, escape_keeps=None) == "Enter keeps 1"
