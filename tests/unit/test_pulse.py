"""What moves while a reply runs, by injected times: the sparkline, the throughput, how late the paints are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.pulse import LATE, LEVELS, NOTHING, SAMPLES, STALL, PaintLag, Pulse, Throughput

HALF = LEVELS[3]  # the middle of seven


def pulse(*deltas: tuple[float, int]) -> Pulse:
    made = Pulse()
    for at, characters in deltas:
        made.add(at, characters)
    return made


def tail(made: Pulse, now: float) -> str:
    return made.text(now).lstrip(" ")


# The sparkline ---------------------------------------------------------------------------------------------------------


def test_before_the_first_delta_there_is_nothing() -> None:
    assert Pulse().text(5.0) == " " * SAMPLES


def test_a_sample_appears_when_its_time_is_over() -> None:
    made = pulse((10.0, 70))
    assert tail(made, 10.2) == ""
    assert tail(made, 10.25) == HALF


def test_heights_by_hand() -> None:
    # A quarter of a second each: 70, 35, 10, 0, 1, 180 characters. Seven levels are twice the average, which is 70 at first and
    # takes a tenth of each sample in which anything came: 70, 66.5, 60.85, 54.865.
    made = pulse((10.0, 30), (10.1, 40), (10.3, 35), (10.6, 10), (11.1, 1), (11.3, 180))
    # 3.5 levels, 1.75, 0.53, nothing, 0.06, 11.5: each is rounded up.
    assert tail(made, 11.5) == "▅▃▂▁▂█"


def test_a_height_never_changes_once_it_is_shown() -> None:
    made = pulse((10.0, 8))
    before = tail(made, 10.25)
    made.add(10.3, 800)
    assert tail(made, 10.5) == before + "█"
    made.add(10.55, 8)
    assert tail(made, 10.75) == before + "█" + LEVELS[0]


def test_a_slower_reply_sinks_and_is_then_the_measure() -> None:
    made = pulse(*((10.0 + place * 0.25 + 0.01, 100) for place in range(4)))
    assert tail(made, 11.0) == HALF * 3
    slow = [(11.0 + place * 0.25 + 0.01, 20) for place in range(60)]
    for at, characters in slow[:4]:
        made.add(at, characters)
    assert set(tail(made, 12.0)[-3:]) == {LEVELS[0]}
    for at, characters in slow[4:]:
        made.add(at, characters)
    assert made.text(26.0) == HALF * SAMPLES  # later nobody remembers how fast it was


def test_a_short_silence_is_no_stall() -> None:
    made = pulse((10.0, 10))
    assert tail(made, 10.99) == HALF + NOTHING * 2


def test_a_stall_is_marked_from_its_beginning() -> None:
    made = pulse((10.0, 10))
    assert tail(made, 11.0) == HALF + STALL * 3
    made.add(11.3, 10)
    assert tail(made, 11.5) == HALF + STALL * 4 + HALF


def test_a_stall_ends_where_something_came() -> None:
    made = pulse((10.0, 10), (10.7, 10))
    assert tail(made, 12.0) == HALF + NOTHING + HALF + STALL * 5


def test_nobody_looked_for_an_hour() -> None:
    made = pulse((10.0, 10))
    assert made.text(3610.0) == STALL * SAMPLES
    made.add(3610.1, 10)
    assert made.text(3610.35)[-1] == HALF


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500)), max_size=40), st.floats(0, 5))
def test_it_is_always_as_wide(steps: list[tuple[float, int]], more: float) -> None:
    made, at = Pulse(), 100.0
    for wait, characters in steps:
        at += wait
        made.add(at, characters)
        assert cell_len(made.text(at)) == SAMPLES
    text = made.text(at + more)
    assert cell_len(text) == SAMPLES
    assert set(text) <= {" ", NOTHING, STALL, *LEVELS}


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 500)), min_size=1, max_size=40), st.data())
def test_when_it_is_looked_at_does_not_matter(steps: list[tuple[float, int]], data: st.DataObject) -> None:
    """The screen looks ten times a second, or not at all: the picture is the same."""
    watched, alone, at = Pulse(), Pulse(), 100.0
    for wait, characters in steps:
        for share in sorted(data.draw(st.lists(st.floats(0, 1), max_size=3))):
            watched.text(at + wait * share)
        at += wait
        watched.add(at, characters)
        alone.add(at, characters)
    assert watched.text(at + 1) == alone.text(at + 1)


# Throughput ------------------------------------------------------------------------------------------------------------


def test_rates_by_hand() -> None:
    made = Throughput()
    assert made.rates() == (None, None)
    made.sample(50.0, 1000, 10)
    assert made.rates() == (None, None)
    made.sample(50.1, 1100, 11)
    assert made.rates() == (None, None)  # a tenth of a second is noise
    made.sample(50.5, 2000, 20)
    assert made.rates() == pytest.approx((2000.0, 20.0))
    made.sample(52.0, 5000, 50)
    assert made.rates() == pytest.approx((2000.0, 20.0))
    made.sample(52.5, 5000, 50)  # from 50.5 on, which is where the window begins
    assert made.rates() == pytest.approx((1500.0, 15.0))
    made.sample(54.6, 5000, 50)
    assert made.rates() == (0.0, 0.0)


# Painting --------------------------------------------------------------------------------------------------------------


def test_the_lag_is_that_of_the_oldest_text() -> None:
    lag = PaintLag()
    lag.arrived(10.0)
    lag.arrived(10.02)
    lag.painted(10.03)
    figures = lag.figures()
    assert figures is not None
    assert figures == pytest.approx((1, 0.03, 0.03), abs=1e-5)


def test_a_paint_of_something_else_does_not_count() -> None:
    lag = PaintLag()
    lag.painted(10.0)
    assert lag.figures() is None
    lag.arrived(10.0)
    lag.forget()
    lag.painted(30.0)
    assert (lag.figures(), lag.late(30.0)) == (None, None)


def test_a_late_paint_is_shown_for_a_second() -> None:
    lag = PaintLag()
    for at, took in ((10.0, 0.005), (10.1, 0.048), (10.2, 0.040), (10.5, 0.010)):
        lag.arrived(at)
        lag.painted(at + took)
    assert lag.late(10.6) == pytest.approx(0.048)
    assert lag.late(11.2) == pytest.approx(0.040)
    assert lag.late(11.3) is None
    figures = lag.figures()
    assert figures is not None
    assert figures == pytest.approx((4, 0.025, 0.048), abs=1e-5)


def test_one_missed_frame_is_not_late() -> None:
    lag = PaintLag()
    lag.arrived(10.0)
    lag.painted(10.0 + LATE)
    assert lag.late(10.1) is None
    assert lag.figures() is not None
