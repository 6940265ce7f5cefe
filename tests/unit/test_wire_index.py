"""The rows of a capture: every event with its bytes, however they were cut, and what is said where bytes are missing."""

import time

import pytest

from tests.unit.wire_captures import PING, START, STOP, begun, captured, ended, text_delta
from tui_chat.engine.sse import SseDecoder
from tui_chat.ui import wire_index
from tui_chat.ui.wire_index import EventTypes, RequestIndex
from tui_chat.wire import Capture, WireLog

NAMES = {
    wire_index.REQUEST: "<request>",
    wire_index.CONNECTED: "<connected>",
    wire_index.HEADERS: "<headers>",
    wire_index.HOLE: "<hole>",
    wire_index.BODY: "<body>",
    wire_index.REST: "<rest>",
    wire_index.END: "<end>",
}
OPENING = ["<request>", "<connected>", "<headers>"]
ODD = (
    b"\xef\xbb\xbf: hello\n\n"
    b"event: ping\ndata: {}\n\n"
    b'data: {"type": "content_block_delta", "index": 1}\n\n'
    b"event: a\r\ndata: one\r\ndata: two\r\n\r\n"
    b"data: nothing known\r\r"
    b"event: umlaut\ndata: \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\nid: 7\n\n"
)


def index_of(capture: Capture) -> RequestIndex:
    index = RequestIndex(capture, EventTypes())
    assert index.advance()
    return index


def names(index: RequestIndex) -> list[str]:
    return [NAMES.get(kind) or index.types.name(kind) for kind in index.kind]


def datas(index: RequestIndex) -> list[str]:
    frames = (index.frame(place) for place in range(len(index)))
    return [frame.data for frame in frames if frame is not None]


def test_the_rows_of_a_whole_reply() -> None:
    index = index_of(captured([(100.5, START + PING), (101.0, text_delta("Hi")), (103.0, STOP)]))
    assert names(index) == [*OPENING, "message_start", "ping", "content_block_delta", "message_stop", "<end>"]
    gaps = [index.since(place) for place in range(len(index))]
    assert gaps == [None, *map(pytest.approx, (0.1, 0.1, 0.3, 0.0, 0.5, 2.0, 7.0))]
    assert index.raw(5) == text_delta("Hi")[:-1]  # without the blank line
    assert (index.offset[5], index.size[5]) == (len(START + PING), len(text_delta("Hi")) - 1)
    assert index.complete
    assert index.over
    assert index.types.counts.total() == index.events == 4


def test_what_is_odd_has_its_row() -> None:
    index = index_of(captured([(101.0, ODD)]))
    types = ["comment", "ping", "(content_block_delta)", "a", "(no type)", "umlaut"]
    assert names(index) == [*OPENING, *types, "<end>"]
    assert datas(index) == [
        "",
        "{}",
        '{"type": "content_block_delta", "index": 1}',
        "one\ntwo",
        "nothing known",
        "ä€😀",
    ]
    comment = index.frame(3)
    assert comment is not None
    assert comment.comment == "hello"


def test_any_cut_gives_the_same_rows() -> None:
    whole = index_of(captured([(101.0, ODD)]))
    for cut in range(1, len(ODD)):
        index = index_of(captured([(101.0, ODD[:cut]), (101.0, ODD[cut:])]))
        assert (names(index), datas(index)) == (names(whole), datas(whole))
        assert (index.offset, index.size) == (whole.offset, whole.size)


def test_reading_goes_on_where_it_stopped() -> None:
    capture, index = begun(), None
    index = RequestIndex(capture, EventTypes())
    seen = []
    for byte in ODD:
        capture.chunk(101.0, bytes([byte]))
        assert index.advance()
        seen.append(len(index))
    ended(capture, 102.0)
    assert index.advance()
    assert datas(index) == datas(index_of(captured([(101.0, ODD)])))
    assert seen == sorted(seen)


def test_a_large_chunk_is_read_in_slices() -> None:
    index = RequestIndex(captured([(101.0, PING * 20_000)]), EventTypes())
    slices = 1
    while not index.advance(time.perf_counter()):
        slices += 1
    assert slices > 10
    assert len(index) == 20_000 + 4


def test_a_body_that_is_cut_says_what_is_left() -> None:
    body = START + PING + text_delta("Hi") + STOP
    for place in range(len(body) + 1):
        index = index_of(captured([(101.0, body[:place])]))
        whole = SseDecoder().feed(body[:place], 0.0)
        rest = body[whole[-1].offset + whole[-1].size if whole else 0 : place].strip(b"\n")
        known = [*OPENING, "message_start", "ping", "content_block_delta", "message_stop"][: len(OPENING) + len(whole)]
        found = names(index)
        assert found[: len(known)] == known
        assert found[-1] == "<end>"
        if not rest:
            assert len(found) == len(known) + 1
        else:  # an event as far as it came, or less than that
            assert len(found) == len(known) + 2
            assert index.raw(len(known)).strip(b"\n") == rest
            assert (index.frame(len(known)) is not None) == (b"\ndata" in rest)
        assert index.complete == (place >= len(body) - 2)


def test_a_request_that_was_cancelled_has_an_end() -> None:
    index = index_of(ended(begun(), 100.3, read=False))
    assert names(index) == [*OPENING, "<end>"]


def test_a_request_without_an_answer() -> None:
    capture = WireLog().begin("turn", 0, "m", 0.0, 100.0)
    index = RequestIndex(capture, EventTypes())
    assert index.advance()
    assert names(index) == ["<request>"]
    capture.over(103.0)
    assert index.advance()
    assert names(index) == ["<request>", "<end>"]


def test_a_document_is_one_row_that_grows() -> None:
    capture = begun()
    index = RequestIndex(capture, EventTypes())
    for part in (b" \n", b'{"type": "error",', b'\n\n "error": {}}'):
        capture.chunk(101.0, part)
        assert index.advance()
    ended(capture, 102.0)
    assert index.advance()
    assert names(index) == [*OPENING, "<body>", "<end>"]
    assert index.raw(3) == b' \n{"type": "error",\n\n "error": {}}'


# What was dropped ------------------------------------------------------------------------------------------------------


def dropped_front(capture: Capture, chunks: int) -> None:
    """As the log does it when its memory is full."""
    for _ in range(chunks):
        capture.dropped += capture.chunks.drop()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_behind_a_hole_it_begins_with_the_first_whole_event(line_end: bytes) -> None:
    events = [b"event: e%d\ndata: {}\ndata: %d\n\n" % (number, number) for number in range(6)]
    body = b"".join(events).replace(b"\n", line_end)
    ends = [
        sum(map(len, events[: number + 1])) + body[: len(body)].count(b"\r\n") // 6 * (number + 1)
        for number in range(6)
    ]
    for cut in range(1, len(body)):
        capture = captured([(101.0, body[:cut]), (101.0, body[cut:])])
        dropped_front(capture, 1)
        index = index_of(capture)
        found = names(index)
        assert found[:4] == [*OPENING, "<hole>"]
        certain = [f"e{number}" for number in range(1, 6) if ends[number - 1] >= cut + 2 * len(line_end)]
        shown = [name for name in found if name.startswith("e")]
        assert shown[-len(certain) :] == certain if certain else shown in ([], ["e5"])
        assert len(shown) - len(certain) in (0, 1)
        for place, name in enumerate(found):
            if name.startswith("e"):
                assert index.raw(place).startswith(b"event: " + name.encode())
                assert index.offset[place] >= cut
        assert index.missing == (index.offset[4] if shown else len(body))


def test_rows_that_were_read_go_with_their_bytes() -> None:
    chunks = [text_delta(str(number)) for number in range(10)]
    capture = begun()
    index = RequestIndex(capture, EventTypes())
    for data in chunks:
        capture.chunk(101.0, data)
    assert index.advance()
    dropped_front(capture, 4)
    assert index.advance()
    assert names(index) == [*OPENING, "<hole>", *["content_block_delta"] * 6]
    assert [index.raw(place) for place in range(4, 10)] == [data[:-1] for data in chunks[4:]]
    assert index.since(4) is None  # what came before is not known
    assert index.types.counts.total() == 6
    assert index.events == 10
    assert index.missing == sum(map(len, chunks[:4]))
    dropped_front(capture, 2)
    capture.chunk(105.0, STOP)
    ended(capture, 106.0)
    assert index.advance()
    assert names(index) == [*OPENING, "<hole>", *["content_block_delta"] * 4, "message_stop", "<end>"]
    assert index.raw(4) == chunks[6][:-1]


def test_an_event_whose_beginning_is_dropped_has_no_row() -> None:
    capture = begun()
    index = RequestIndex(capture, EventTypes())
    capture.chunk(101.0, PING + b"event: halved\n")
    assert index.advance()
    capture.chunk(101.5, b"data: {}\n\n" + PING)
    dropped_front(capture, 1)
    assert index.advance()
    assert names(index) == [*OPENING, "<hole>", "ping"]


def test_what_was_dropped_before_it_was_read_is_a_hole() -> None:
    capture = begun()
    index = RequestIndex(capture, EventTypes())
    for number in range(10):
        capture.chunk(101.0 + number, text_delta(str(number)))
        if number == 2:
            assert index.advance()
    dropped_front(capture, 6)
    assert index.advance()
    assert names(index) == [*OPENING, "<hole>", *["content_block_delta"] * 3]
    assert index.raw(4) == text_delta("7")[:-1]


def test_the_log_drops_and_the_rows_follow() -> None:
    log = WireLog(limit=50_000)
    capture = begun(log)
    index = RequestIndex(capture, EventTypes())
    for number in range(3_000):
        capture.chunk(101.0 + number, text_delta(f"word {number}"))
        if not number % 7:
            assert index.advance()
    assert index.advance()
    first = next(place for place, kind in enumerate(index.kind) if kind > wire_index.END)
    for place in range(first, len(index)):
        number = 3_000 - (len(index) - place)
        assert index.raw(place) == text_delta(f"word {number}")[:-1]
    assert len(index) < 400
    assert len(index._starts) == len(capture.chunks)


def test_types_are_bounded_and_harmless() -> None:
    types = EventTypes()
    decoder = SseDecoder()
    for number in range(2_000):
        for frame in decoder.feed(b"event: \x1b]0;%d\x07%s\ndata: {}\n\n" % (number, b"x" * 500), 0.0):
            types.take(frame)
    shown = [types.name(code) for code in types.codes]
    assert len(shown) <= 501
    assert shown[-1] == "(others)"
    assert types.counts.total() == 2_000
    assert all("\x1b" not in name and len(name) < 80 for name in shown)


def test_rates_are_of_the_last_seconds() -> None:
    capture = begun()
    for number in range(100):
        capture.chunk(101.0 + number * 0.1, PING)
    index = index_of(capture)
    assert index.rates(110.9, 2.0) == pytest.approx((20 * len(PING) / 2, 10.0), rel=0.06)
    assert index.rates(200.0, 2.0) == (0.0, 0.0)
