"""The words of a turn in detail: every number by hand, every line within its width."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.store_values import prompt
from tui_chat import meter, turns
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import Failure
from tui_chat.events import (
    BlockStarted,
    Event,
    RequestEnded,
    RequestProgress,
    RequestStarted,
    RetryScheduled,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolProposed,
    ToolSkipped,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UsageUpdated,
)
from tui_chat.meter import Ratios
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.pulse import Painted
from tui_chat.ui import turn_text
from tui_chat.ui.turn_text import BAR, Detail, WireCounts

MODEL = "claude-sonnet-5-5"
PRICES = PriceList.load()
OVERLOADED = Failure("overloaded_error", "Overloaded", 529, request_id="req_failed")


def turn_of(*events: Event, text: str = "Why?", server: str = ANTHROPIC_HOST) -> Turn:
    """A turn that started at 99.0 on 10 November 2026."""
    started = TurnStarted(99.0, "turn", "conversation", "reply", MODEL, server, 1_794_300_000.0, prompt(text))
    return turns.fold([started, *events])


def detail(turn: Turn, now: float = 200.0, wires: Sequence[WireCounts | None] = (), **fields: Any) -> Detail:
    def figures(of: Turn) -> meter.Figures:
        return meter.figures(of, now, Ratios(), PRICES)

    alone = [figures(dataclasses.replace(turn, requests=[each])) for each in turn.requests]
    known = [*wires, *[None] * (len(turn.requests) - len(wires))]
    return Detail(turn, now, figures(turn), alone, known, billed=meter.billed(turn, PRICES), **fields)


def lines(of: Detail, width: int = 100) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in turn_text.detail_lines(of, width)]


def values(of: Detail, label: str, width: int = 100) -> str:
    """What stands behind a label, its lines joined."""
    found = lines(of, width)
    place = next(place for place, line in enumerate(found) if line.strip().startswith(label))
    behind = [found[place].strip().removeprefix(label).strip()]
    for line in found[place + 1 :]:
        if not line.startswith(" " * 16):
            break
        behind.append(line.strip())
    return " ".join(behind)


SENT = RequestStarted(100.0, MODEL, 1)
HEAD = (
    SENT,
    RequestProgress(100.01, "connected"),
    RequestProgress(100.21, "headers", request_id="req_1"),
    RequestProgress(100.25, "message_start", message_id="msg_1", model="claude-sonnet-5-5-20260101"),
    UsageUpdated(100.25, {"input_tokens": 10, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 90, "output_tokens": 1}),
)  # fmt: skip
THOUGHT = (
    BlockStarted(100.4, 0, {"type": "thinking", "thinking": ""}),
    ThinkingDelta(100.5, 0, "h" * 40),
    ThinkingDelta(101.5, 0, "m" * 40),
    BlockStarted(102.0, 1, {"type": "text", "text": ""}),
    TextDelta(102.25, 1, "a" * 160),
    RequestProgress(103.0, "ping"),
    TextDelta(104.5, 1, "b" * 160),
)
DONE = (
    UsageUpdated(104.5, {"output_tokens": 120}, final=True),
    RequestProgress(104.6, "message_stop"),
    RequestEnded(104.75, complete=True, stop_reason="end_turn"),
)


def ended(at: float, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> TurnEnded:
    return TurnEnded(at, outcome, None, {}, usage_is_final=False, **fields)


WHOLE = turn_of(*HEAD, *THOUGHT, *DONE, ended(105.0))


def test_the_stages_and_their_stamps() -> None:
    found = [line for line in lines(detail(WHOLE)) if line.startswith(f"   {BAR} ")]
    assert found == [
        "   ▇ connecting             0.010s │ connected +0.010s",
        "   ▇ waiting for headers    0.200s │ headers +0.210s",
        "   ▇ opening                0.040s │ message_start +0.250s",
        "   ▇ to the first token     0.250s │ thinking opened +0.400s  first delta +0.500s",
        "   ▇ thinking               1.750s   last thinking +1.500s  first text +2.250s",
        "   ▇ text                   2.250s   last delta +4.500s",
        "   ▇ closing                0.250s   message_stop +4.600s  last bytes +4.600s  ended +4.750s",
    ]


def test_the_bars() -> None:
    """The wait and the whole, each to its own scale, with cells in proportion."""
    found = turn_text.detail_lines(detail(WHOLE), 100)
    bars = [line for line in found if {text.strip() for text, _ in line} & {"TTFT", "whole"}]
    assert [line[-1][0].strip() for line in bars] == ["0.500s", "4.750s"]
    wait, whole = ([(text.count(BAR), tone) for text, tone in line if text.startswith(BAR)] for line in bars)
    assert [tone for _, tone in wait] == ["connecting", "headers", "opening", "token"]
    assert [tone for _, tone in whole] == ["connecting", "headers", "opening", "token", "thinking", "text", "closing"]
    room = sum(cells for cells, _ in wait)
    assert room == sum(cells for cells, _ in whole)
    assert wait[1][0] == pytest.approx(room * 0.2 / 0.5, abs=1)
    assert whole[5][0] == pytest.approx(room * 2.25 / 4.75, abs=1.5)


def test_the_figures_of_a_request() -> None:
    of = detail(WHOLE, wires=[WireCounts(15_704, 112)], painted=Painted(70, 0.0028, 0.048))
    # 120 tokens over the four seconds from the first delta to the last; the price as in the meter's own test.
    assert values(of, "tokens") == "1.0k in   900 from the cache   90 into the cache   120 out   30 tok/s   $0.002"
    assert values(of, "stop reason") == "end_turn"
    assert values(of, "served by") == "claude-sonnet-5-5-20260101"
    assert values(of, "ids") == "request req_1   message msg_1"
    assert values(of, "wire") == "15.7 kB   112 events   1 ping"
    assert values(of, "painting") == "median 2.8 ms   worst 48 ms   70 paints"
    assert lines(of)[:2] == [" Why?", lines(of)[1]]
    for part in ("sonnet-5-5", "api.anthropic.com", "2026-11-1", "completed", "6.0s", "sent after 1.000s"):
        assert part in lines(of)[1]
    assert "not seen" not in "\n".join(lines(of))


def test_bytes_that_are_forgotten_are_unknown() -> None:
    assert values(detail(WHOLE), "wire") == "bytes –   1 ping"


def test_while_it_runs() -> None:
    running = detail(turn_of(*HEAD, *THOUGHT[:3]), now=103.0, wires=[WireCounts(900, 7, 450.4, 3.6)])
    text = "\n".join(lines(running))
    assert "▇ thinking …             2.500s   last thinking +1.500s" in text
    assert "so far" in text
    assert values(running, "wire") == "900 B   7 events   0 pings   450 B/s   4 events/s"
    assert values(running, "tokens").split("   ")[3:] == ["~20 out", "~20 tok/s", "~$0.001"]
    assert "stop reason" not in text
    assert "not seen" not in text


def test_before_anything_came() -> None:
    text = "\n".join(lines(detail(turn_of(SENT), now=101.5)))
    assert "waiting" in text
    assert "▇ connecting …           1.500s │" in text
    assert "TTFT" not in text


def test_retries() -> None:
    failed = RequestEnded(100.5, complete=False, error=OVERLOADED)
    retried = turn_of(
        SENT, failed, RetryScheduled(100.5, 102.0, 2, 3, OVERLOADED), RequestStarted(102.0, MODEL, 2), now_ended()
    )
    of = detail(retried)
    text = "\n".join(lines(of))
    assert " Request 1 of 2   attempt 1\n" in text
    assert " Wait   1.500s, then attempt 2\n" in text
    assert " Request 2 of 2   attempt 2\n" in text
    assert values(of, "failed") == "the API is overloaded (529); try again in a moment"
    assert values(of, "ids") == "request req_failed"
    assert "All requests" not in text  # nothing was counted


def now_ended() -> RequestEnded:
    return RequestEnded(102.5, complete=False)


def test_a_wait_that_was_cut_off() -> None:
    failed = RequestEnded(100.5, complete=False, error=OVERLOADED)
    stopped = turn_of(SENT, failed, RetryScheduled(100.5, 102.0, 2, 3, OVERLOADED), ended(101.0, Outcome.CANCELLED))
    assert " Wait   0.500s, attempt 2 was not made" in lines(detail(stopped))


def test_tools_between_two_rounds() -> None:
    tools = (
        ToolProposed(105.0, "a", "clock", {}, "hash"),
        ToolProposed(105.0, "b", "read_file", {}, "hash"),
        ToolProposed(105.0, "c", "sum", {}, "hash"),
        ToolSkipped(105.5, "b", "denied", "no"),
        ToolStarted(105.5, "a"),
        ToolEnded(105.75, "a", "noon"),
        ToolStarted(105.5, "c"),
        ToolEnded(106.0, "c", "no number", is_error=True),
        RequestStarted(106.25, MODEL, 1),
        RequestEnded(107.0, complete=True, stop_reason="end_turn"),
    )
    found = lines(detail(turn_of(*HEAD, *THOUGHT, *DONE, *tools, ended(107.25))))
    place = found.index(" Tools   1.500s")
    assert [line.split() for line in found[place + 1 : place + 4]] == [
        ["tool", "clock", "0.250s"],
        ["tool", "read_file", "denied"],
        ["tool", "sum", "0.500s", "failed"],
    ]
    assert " All requests" in found


def test_the_receipt_of_a_stop() -> None:
    stop = ended(103.25, Outcome.CANCELLED, closed_after=0.0112, cancelled_after=0.0087, saved_after=0.0212)
    stopped = turn_of(*HEAD, *THOUGHT[:5], RequestEnded(103.25, complete=False), stop)
    of = detail(stopped)
    assert values(of, "key to closed socket") == "11 ms"
    assert values(of, "key to cancel") == "8.7 ms"
    assert values(of, "cancel to closed") == "2.5 ms"
    assert values(of, "closed to saved") == "10 ms"
    # 240 characters of four a token. The prompt: 10 at 2, 90 at 2.5, 900 at 0.1 dollars a million; 60 tokens at 10.
    assert values(of, "received") == "~60 tokens, estimated from 240 characters"
    assert values(of, "billed") == (
        "1.0k in, 900 of them from the cache, 90 of them into the cache, for certain: <$0.001"
    )
    assert of.billed == pytest.approx((10 * 2 + 90 * 2.5 + 900 * 0.1) / 1e6)
    assert values(of, "not known") == (
        "the output: at least the ~60 received (~$0.001); the server may have generated more before it saw the close"
    )
    assert values(of, "not seen") == "message_stop"


def test_the_receipt_of_a_stop_before_anything_was_counted() -> None:
    stop = ended(101.0, Outcome.CANCELLED, closed_after=0.002)
    of = detail(turn_of(SENT, RequestEnded(101.0, complete=False), stop))
    assert values(of, "received") == "nothing"
    assert values(of, "billed") == "nothing is known: the server had not counted the prompt yet"
    assert values(of, "not known").startswith("the output: nothing came;")
    assert not any("key to cancel" in line for line in lines(of))  # what is stored keeps the sum


def test_a_stop_between_two_requests_closed_nothing() -> None:
    failed = RequestEnded(100.5, complete=False, error=OVERLOADED)
    of = detail(turn_of(SENT, failed, ended(101.0, Outcome.CANCELLED, closed_after=0.002)))
    assert values(of, "key to stopped") == "2.0 ms"


def test_the_demo_has_no_price() -> None:
    stop = ended(103.25, Outcome.CANCELLED, closed_after=0.011)
    demo = turn_of(*HEAD, *THOUGHT[:5], RequestEnded(103.25, complete=False), stop, server="demo")
    assert "$" not in "\n".join(lines(detail(demo)))


@given(
    st.text(max_size=80),
    st.text(max_size=80),
    st.text(max_size=300),
    st.integers(38, 140),
)
def test_every_line_fits_and_holds_no_control_character(name: str, id_: str, text: str, width: int) -> None:
    events = (
        *HEAD,
        RequestProgress(100.3, "headers", request_id=id_),
        RequestProgress(100.3, "message_start", message_id=id_, model=name),
        *THOUGHT,
        RequestEnded(104.75, complete=True, stop_reason=name),
        ToolProposed(105.0, "a", name, {}, "hash"),
        ended(106.0, Outcome.FAILED, error=Failure("api_error", text)),
    )
    of = detail(turn_of(*events, text=text, server=name), wires=[WireCounts(10**9, 10**6, 1e6, 1e5)])
    for line in turn_text.detail_lines(of, width):
        joined = "".join(piece for piece, _ in line)
        assert cell_len(joined) <= width
        assert joined.isprintable() or all(not character < " " for character in joined)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000s"), (0.0124, "0.012s"), (9.9994, "9.999s"), (9.9996, "10.00s"), (59.99, "59.99s"), (61.0, "1m01s")],
)
def test_seconds(value: float, text: str) -> None:
    assert turn_text.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.00012, "0.1 ms"), (0.0099, "9.9 ms"), (0.00999, "10 ms"), (0.4567, "457 ms"), (12.0, "12.00s")],
)
def test_milliseconds(value: float | None, text: str) -> None:
    assert turn_text.milliseconds(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (9_999, "9,999 B"), (10_000, "10.0 kB"), (999_000, "999.0 kB"), (2_500_000, "2.50 MB")],
)
def test_sizes(count: int, text: str) -> None:
    assert turn_text.size(count) == text
