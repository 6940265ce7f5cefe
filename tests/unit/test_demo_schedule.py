"""The demo's pacing: what `schedule` promises about every offset."""

import itertools
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.demo.schedule import PING_EVERY, Beat, Pacing, Pause, Script, cut, schedule

TEXT = "A reply of some length, so that there are deltas enough to pace. " * 20
TOKENS = len(TEXT) // 4


def script(text: str, pacing: Pacing, pause: Pause | None = None) -> Script:
    deltas: list[Beat | Pause] = [Beat(piece, len(piece)) for piece in cut(text, pacing)]
    if pause is not None:
        deltas.insert(len(deltas) // 2, pause)
    items = [Beat("message_start"), Beat("content_block_start"), *deltas, Beat("message_stop")]
    return Script(items, len(text), -(-len(text) // 4))


def content(pacing: Pacing, text: str = TEXT) -> list[float]:
    return [offset for offset, beat in schedule(script(text, pacing), pacing, "ping") if beat.weight]


@pytest.mark.parametrize("ttft", [0.0, 0.1, 0.5, 4.0])
def test_the_first_delta_is_due_exactly_at_the_ttft(ttft: float) -> None:
    assert content(Pacing(ttft=ttft))[0] == ttft


@settings(deadline=None)
@given(rate=st.floats(1, 5000), ttft=st.floats(0, 10), seed=st.integers(), length=st.integers(100, 3000))
def test_the_mean_rate_is_exact_in_spite_of_the_jitter(rate: float, ttft: float, seed: int, length: int) -> None:
    pacing = Pacing(ttft, rate, seed)
    offsets = content(pacing, "x" * length)
    assert -(-length // 4) / (offsets[-1] - offsets[0]) == pytest.approx(rate)


@settings(deadline=None)
@given(rate=st.just(0.0) | st.floats(1, 5000), seed=st.integers(), length=st.integers(0, 2000))
def test_offsets_never_go_backwards(rate: float, seed: int, length: int) -> None:
    pacing = Pacing(rate=rate, seed=seed)
    offsets = [offset for offset, _ in schedule(script("x" * length, pacing), pacing, "ping")]
    assert offsets == sorted(offsets)


def test_the_same_seed_gives_the_same_schedule_and_another_one_does_not() -> None:
    def play(seed: int) -> list[tuple[float, Beat]]:
        pacing = Pacing(seed=seed)
        return list(schedule(script(TEXT, pacing), pacing, "ping"))

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_the_pace_is_uneven() -> None:
    gaps = [later - earlier for earlier, later in itertools.pairwise(content(Pacing()))]
    assert max(gaps) > 3 * statistics.median(gaps) > 0
    assert max(gaps) < 1


def test_rate_zero_sends_all_at_the_ttft() -> None:
    assert set(content(Pacing(ttft=0.2, rate=0))) == {0.2}


def test_framing_before_the_first_delta_leaves_before_the_ttft() -> None:
    pacing = Pacing(ttft=1)
    (first, _), (second, _), *_ = schedule(script(TEXT, pacing), pacing, "ping")
    assert 0 < first < second < 1


def test_a_ping_comes_every_five_seconds() -> None:
    pacing = Pacing(ttft=0, rate=TOKENS / 21)
    pings = [offset for offset, beat in schedule(script(TEXT, pacing), pacing, "ping") if beat.event == "ping"]
    assert pings == [PING_EVERY, 2 * PING_EVERY, 3 * PING_EVERY, 4 * PING_EVERY]


@pytest.mark.parametrize(("ping_every", "pings"), [(1.0, 30), (None, 0)])
def test_a_pause_holds_the_rest_back_and_leaves_the_rate_alone(ping_every: float | None, pings: int) -> None:
    pacing = Pacing(ttft=0.5, rate=400)
    played = list(schedule(script(TEXT, pacing, Pause(30, ping_every)), pacing, "ping"))
    assert sum(1 for _, beat in played if beat.event == "ping") == pings
    offsets = [offset for offset, beat in played if beat.weight]
    gaps = [later - earlier for earlier, later in itertools.pairwise(offsets)]
    assert max(gaps) >= 30
    assert offsets[-1] - offsets[0] == pytest.approx(30 + TOKENS / 400)


def test_a_pause_at_the_end_is_waited_for() -> None:
    played = list(schedule(Script([Pause(600)], 0, 0), Pacing(), "ping"))
    assert played == [(600, Beat(""))]


@settings(deadline=None)
@given(text=st.text(), seed=st.integers(), delta=st.none() | st.integers(1, 50))
def test_cutting_loses_nothing(text: str, seed: int, delta: int | None) -> None:
    pieces = list(cut(text, Pacing(seed=seed, delta=delta)))
    assert "".join(pieces) == text
    assert all(pieces)


def test_deltas_are_of_uneven_size() -> None:
    sizes = [len(piece) for piece in cut(TEXT, Pacing())]
    assert min(sizes) <= 5
    assert max(sizes) >= 18
    assert 8 < statistics.mean(sizes) < 16


def test_a_header_alters_the_fields_it_names() -> None:
    assert Pacing(seed=9).altered("ttft=0.1 rate=200") == Pacing(0.1, 200, 9)
    assert Pacing().altered("seed=3, delta=4") == Pacing(seed=3, delta=4)
    assert Pacing().altered("") == Pacing()


@pytest.mark.parametrize(
    "header", ["rate", "rate=fast", "speed=3", "ttft=-1", "rate=nan", "rate=inf", "delta=0", "seed=1.5"]
)
def test_a_bad_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError):
        Pacing().altered(header)
