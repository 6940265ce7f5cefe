"""The decoder of server-sent events: every framing gives the same frames, however the bytes were cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.odd_streams import ODD_STREAMS, OddStream, frames_of
from tui_chat.engine.sse import SseDecoder
from tui_chat.events import WireFrame


def brief(body: bytes) -> list[tuple[str | None, str]]:
    return [(frame.event, frame.data) for frame in frames_of(body)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
def test_line_ends_and_byte_order_mark(line_end: bytes, mark: bytes) -> None:
    body = mark + b"event: a\ndata: 1\n\ndata: 2\n\n".replace(b"\n", line_end)
    assert brief(body) == [("a", "1"), (None, "2")]
    assert frames_of(body)[0].offset == len(mark)


@pytest.mark.parametrize(
    ("body", "frames"),
    [
        (b"data:1\n\n", [(None, "1")]),
        (b"data:  1 \n\n", [(None, " 1 ")]),
        (b"data: 1\ndata: 2\ndata:\n\n", [(None, "1\n2\n")]),
        (b"data\n\n", [(None, "")]),
        (b"data: a: b\n\n", [(None, "a: b")]),
        (b"event: x\n\n", [("x", "")]),
        (b"event: x\nevent: y\ndata: 1\n\n", [("y", "1")]),
        (b"id: 1\nretry: 5\nfuture: x\n\n", []),
        (b"\n\n\ndata: 1\n\n\n\n", [(None, "1")]),
        (b" data: 1\n\n", []),
        (b"data: \xff\xfe\n\n", [(None, "\ufffd\ufffd")]),
        ("data: a\u2028b\u0085c\x0b\x0cd\n\n".encode(), [(None, "a\u2028b\u0085c\x0b\x0cd")]),
        (b"data: \xef\xbb\xbf1\n\n", [(None, "\ufeff1")]),
        (b"", []),
    ],
)
def test_fields(body: bytes, frames: list[tuple[str | None, str]]) -> None:
    assert brief(body) == frames


def test_comments_are_kept() -> None:
    frames = frames_of(b": ping\n\n:\n\n:one\n: two\ndata: 1\n\n")
    assert [(frame.comment, frame.data) for frame in frames] == [("ping", ""), ("", ""), ("one\ntwo", "1")]


def test_a_frame_without_its_blank_line_is_left_to_the_caller() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 1\n\ndata: 2", 5.0) == [WireFrame(5.0, 0, 8, None, "1")]
    assert decoder.finish(6.0) == WireFrame(6.0, 9, 7, None, "2")
    assert decoder.finish(7.0) is None


def test_a_frame_is_given_out_at_the_first_byte_that_completes_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 1\r\n", 1.0) == []
    assert len(decoder.feed(b"\r", 2.0)) == 1  # whether a LF follows must not be waited for
    assert decoder.feed(b"\n", 3.0) == []
    assert [frame.offset for frame in decoder.feed(b"data: 2\r\n\r\n", 4.0)] == [11]


def test_frames_carry_the_stamp_of_the_chunk_that_completed_them() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: 1", 1.0)
    assert [frame.arrived_at for frame in decoder.feed(b"\n\ndata: 2\n\n", 2.5)] == [2.5, 2.5]


def test_a_line_of_a_megabyte_in_small_chunks() -> None:
    text = "é" * 500_000
    body = f"data: {text}\n\n".encode()
    (frame,) = frames_of(body, tuple(range(1000, len(body), 1000)))
    assert frame.data == text
    assert frame.size == len(body) - 1


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_one_byte_at_a_time(odd: OddStream) -> None:
    body = odd.body
    assert frames_of(body, tuple(range(1, len(body)))) == frames_of(body)


@settings(deadline=None)
@given(odd=st.sampled_from(ODD_STREAMS), data=st.data())
def test_any_cut_gives_the_same_frames(odd: OddStream, data: st.DataObject) -> None:
    body = odd.body
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12).map(sorted), label="cuts")
    assert frames_of(body, tuple(cuts)) == frames_of(body)


@settings(deadline=None)
@given(
    lines=st.lists(st.sampled_from([b"data: x", b"data:", b"event: e", b": c", b"id: 1", b"", b"\xe2\x82", b"\x00"])),
    ends=st.lists(st.sampled_from([b"\n", b"\r", b"\r\n"]), min_size=1),
    data=st.data(),
)
def test_any_cut_of_any_lines_gives_the_same_frames(lines: list[bytes], ends: list[bytes], data: st.DataObject) -> None:
    body = b"".join(line + ends[place % len(ends)] for place, line in enumerate(lines))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8).map(sorted), label="cuts")
    assert frames_of(body, tuple(cuts)) == frames_of(body)


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
def test_offsets_and_sizes_add_up(odd: OddStream) -> None:
    body = odd.body
    end = 0
    for frame in frames_of(body):
        between = body[end : frame.offset]
        assert not between.removeprefix(b"\xef\xbb\xbf").replace(b"retry: 3000", b"").strip(b"\r\n")
        (alone,) = frames_of(body[frame.offset : frame.offset + frame.size] + b"\n\n")
        assert (alone.event, alone.data, alone.comment) == (frame.event, frame.data, frame.comment)
        end = frame.offset + frame.size
    assert not body[end:].strip(b"\r\n") or odd.name == "garbage-after-stop"
