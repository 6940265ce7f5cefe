"""The sparkline and the lag in the status bar: where they stand, when they go, and that nothing else moves for them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.meter import Figures
from tui_chat.pulse import LEVELS, NOTHING, SAMPLES, STALL
from tui_chat.ui.status import Live
from tui_chat.ui.status_fields import Status, status_fields
from tui_chat.ui.widgets.status_bar import GAP, fit

MODEL = "claude-sonnet-5-5"
SPARK = "▂▅▇█▁▅▃▂"
FIGURES = Figures(
    MODEL,
    ttft=0.49,
    input_tokens=1200,
    cache_read=900,
    output_tokens=124,
    output_estimated=True,
    cost=0.0031,
    cost_estimated=True,
)
RUNNING = Status(
    MODEL,
    running=True,
    state="streaming 2.1s  ",
    figures=FIGURES,
    rolling=58.0,
    spark=SPARK,
    context=0.01,
    hint="Esc stops",
)


def texts(status: Status, width: int = 200) -> list[str]:
    fields, hint = status_fields(status)
    return [field.text.strip() for field in fit(fields, hint, width)]


def columns(status: Status) -> dict[str, int]:
    """Where each field starts, by its last word, which is its name."""
    starts, column = dict[str, int](), 1
    for field in status_fields(status)[0]:
        starts[field.text.split()[-1] if field.text.split() else "pulse"] = column
        column += cell_len(field.text) + GAP
    return starts


def test_the_sparkline_stands_behind_the_rate() -> None:
    fields = texts(RUNNING)
    assert fields[fields.index("~58 tok/s") + 1] == SPARK


def test_the_lag_stands_last() -> None:
    late = dataclasses.replace(RUNNING, lag=0.0484)
    assert texts(late)[-1] == "lag 48ms"
    assert status_fields(late)[0][-1].tone == "warm"
    assert not any("lag" in text for text in texts(RUNNING))


def test_the_order_of_dropping() -> None:
    """The sparkline outlives what the footer says in the end: in 80 columns too a stall must be seen."""
    status = dataclasses.replace(RUNNING, lag=0.048)
    order: list[str] = []
    before = texts(status)
    for width in range(200, 0, -1):
        kept = texts(status, width)
        order += [text for text in before if text not in kept]
        before = kept
    assert order[:5] == ["lag 48ms", "(900)", "~$0.003", "ctx 1%", SPARK]


@given(st.integers(0, 220))
def test_the_lag_drives_nothing_out(width: int) -> None:
    """It comes and goes many times in a reply: a field that went and came with it would move all behind it."""
    shown = texts(RUNNING, width)
    assert texts(dataclasses.replace(RUNNING, lag=0.048), width) in (shown, [*shown, "lag 48ms"])


@pytest.mark.parametrize("spark", [" " * SAMPLES, NOTHING * SAMPLES, STALL * SAMPLES, " " * 7 + "█"])
@pytest.mark.parametrize("lag", [None, 0.034, 1.5])
def test_nothing_moves(spark: str, lag: float | None) -> None:
    now = columns(dataclasses.replace(RUNNING, spark=spark, lag=lag))
    for name, column in columns(RUNNING).items():
        if name != SPARK:
            assert now[name] == column


@given(st.text(alphabet=[" ", NOTHING, STALL, *LEVELS], min_size=SAMPLES, max_size=SAMPLES))
def test_stalls_are_warm(spark: str) -> None:
    field = next(field for field in status_fields(dataclasses.replace(RUNNING, spark=spark))[0] if field.parts)
    assert "".join(text for text, _ in field.parts) == field.text == spark
    assert all((tone == "warm") == (STALL in text) and len(set(text) & {STALL}) <= 1 for text, tone in field.parts)
    assert all(set(text) == {STALL} for text, tone in field.parts if tone == "warm")


@given(st.integers(0, 220), st.booleans(), st.sampled_from([" " * SAMPLES, SPARK]))
def test_what_is_kept_fits_beside_the_hint(width: int, late: bool, spark: str) -> None:
    fields, hint = status_fields(dataclasses.replace(RUNNING, spark=spark, lag=0.05 if late else None))
    kept = fit(fields, hint, width)
    line = (" " * GAP).join(field.text for field in kept).rstrip()
    assert len(kept) == 1 or 1 + cell_len(line) + 1 + cell_len(hint) + 1 <= width


def test_before_the_first_token_there_is_no_sparkline() -> None:
    waiting = dataclasses.replace(RUNNING, figures=Figures(MODEL, headers_after=0.2))
    assert SPARK not in texts(waiting)


def test_what_is_counted_as_it_comes() -> None:
    live = Live()
    live.count(10.0, "a" * 40, waits=True)
    live.count(10.1, "", waits=True)  # no content
    live.painted(10.004)
    live.count(10.5, "b" * 40, waits=False)  # a tool's input, which is not painted
    live.painted(20.0)
    figures = live.lag.figures()
    assert figures is not None
    assert figures.frames == 1
    assert figures.worst == pytest.approx(0.004, abs=1e-5)
    assert live.pulse.text(10.75).strip() == LEVELS[3] + NOTHING + LEVELS[3]
    assert live.rolling.tokens_per_second(10.5, 4.0) == pytest.approx(40.0)
    live.request_started()
    assert live.rolling.is_empty
    assert live.pulse.text(99.0).strip() == ""
    assert live.lag.figures() == figures  # of the whole turn


def test_what_nobody_sees_is_not_late() -> None:
    live = Live()
    live.count(10.0, "a", waits=True)
    live.painted(None)
    live.painted(50.0)
    assert live.lag.figures() is None
