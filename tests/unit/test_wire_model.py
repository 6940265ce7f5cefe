"""Lines of the inspector: which row stands where, gaps, filters, and names that stay true while rows come and go."""

import random

import pytest

from tests.unit.wire_captures import PING, START, STOP, begun, captured, ended, event, text_delta
from tui_chat.ui.wire_model import Filter, WireModel
from tui_chat.ui.wire_text import Key
from tui_chat.wire import Capture, WireLog


def model_of(*captures: Capture, gap: float = 0.5) -> WireModel:
    model = WireModel()
    model.set_gap(gap)
    show(model, *captures)
    return model


def show(model: WireModel, *captures: Capture) -> None:
    model.show([(each, f"turn {number} request 1") for number, each in enumerate(captures, 1)], (), lambda _: "")
    assert model.update()


def lines(model: WireModel) -> list[str]:
    """What stands on each line, in one word."""
    rows = [model.row(model.key(line)) for line in range(model.total)]
    return [row.type or (row.text.split("  ")[0] if row.tone == "heading" else row.tone) for row in rows]


def reply(*, at: float = 101.0) -> Capture:
    """Two silences: before the second ping and before the end."""
    chunks = [(at, START), (at + 0.1, PING), (at + 1.1, PING + text_delta("Hi")), (at + 1.2, STOP)]
    return captured(chunks, end=at + 3.0)


WHOLE = [
    "turn 1 request 1",
    "connected",
    "headers",
    "gap",
    "message_start",
    "ping",
    "gap",
    "ping",
    "content_block_delta",
    "message_stop",
    "gap",
    "end",
]


def test_lines_of_several_requests() -> None:
    model = model_of(reply(), reply())
    assert lines(model) == [*WHOLE, "turn 2 request 1", *WHOLE[1:]]
    assert (model.requests, model.events, model.gaps) == (2, 10, 6)
    assert model.row(model.key(6)).since == pytest.approx(1.0)
    assert [model.line(model.key(line)) for line in range(model.total)] == list(range(model.total))


def test_notes_stand_above() -> None:
    model = WireModel()
    model.show([(reply(), "turn 1 request 1")], ["one", "two"], lambda _: "")
    assert model.update()
    assert lines(model) == ["note", "note", *WHOLE]
    assert model.row(model.key(1)).text == "two"
    assert model.line(model.key(1)) == 1
    assert model.detail(model.key(1)).text
    assert model.copied(model.key(0))


def test_nothing_is_there() -> None:
    model = WireModel()
    assert model.update()
    assert (model.total, model.requests, model.events) == (0, 0, 0)
    assert model.next_gap(0, 1) is None


def test_gaps_are_found_and_their_least_length_can_be_chosen() -> None:
    model = model_of(reply(), reply())
    assert [model.next_gap(line, 1) for line in (0, 3, 6, 10)] == [3, 6, 10, 15]
    assert [model.next_gap(line, -1) for line in (0, 3, 4, 15)] == [None, None, 3, 10]
    model.set_gap(1.0)
    assert model.update()
    assert lines(model)[:4] == ["turn 1 request 1", "connected", "headers", "message_start"]
    assert model.gaps == 4
    model.set_gap(5.0)
    assert model.update()
    assert model.gaps == 0
    assert model.next_gap(0, 1) is None


def test_one_type_or_one_text_is_shown() -> None:
    model = model_of(reply(), reply())
    codes = {name: code for code, name, _ in model.type_counts()}
    assert [(name, count) for _, name, count in model.type_counts()] == [
        ("message_start", 2),
        ("ping", 4),
        ("content_block_delta", 2),
        ("message_stop", 2),
    ]
    model.set_filter(Filter(codes["ping"]))
    assert model.update()
    assert lines(model) == ["turn 1 request 1", "ping", "gap", "ping", "turn 2 request 1", "ping", "gap", "ping"]
    model.set_filter(Filter(text="TEXT_delta"))
    assert model.update()
    assert lines(model) == ["turn 1 request 1", "content_block_delta", "turn 2 request 1", "content_block_delta"]
    model.set_filter(Filter(codes["ping"], "no such text"))
    assert model.update()
    assert lines(model) == ["turn 1 request 1", "turn 2 request 1"]
    model.set_filter(Filter())
    assert model.update()
    assert len(lines(model)) == 24


def test_a_filter_holds_for_what_comes() -> None:
    capture = begun()
    model = model_of(capture)
    model.set_filter(Filter(text="hello"))
    for number in range(10):
        capture.chunk(101.0 + number, text_delta("hello" if number % 3 == 0 else "other"))
        assert model.update()
    assert lines(model) == ["turn 1 request 1", *["gap", "content_block_delta"] * 4]
    assert model.seen == 10


def test_a_key_finds_its_row_again() -> None:
    capture = reply()
    model = model_of(capture)
    delta, gap = model.key(8), model.key(6)
    codes = {name: code for code, name, _ in model.type_counts()}
    model.set_filter(Filter(codes["content_block_delta"]))
    assert model.update()
    assert model.line(delta) == 1
    assert model.line(gap) == 1  # the nearest that is shown
    model.set_filter(Filter())
    assert model.update()
    assert (model.line(delta), model.line(gap)) == (8, 6)
    model.set_gap(5.0)
    assert model.update()
    assert model.key(model.line(gap)) == Key(gap.request, gap.offset)
    show(model, capture, reply())
    assert model.key(model.line(delta)) == delta
    show(model, reply())  # it is gone
    assert 0 <= model.line(delta) < model.total


@pytest.mark.parametrize("seed", range(6))
def test_rows_that_are_dropped_leave_the_others_as_they_are(seed: int) -> None:
    chance = random.Random(seed)
    log = WireLog(limit=20_000)
    capture = begun(log)
    model = model_of(capture, gap=0.2)
    wanted = Filter(text="ping") if seed % 2 else Filter()
    model.set_filter(wanted)
    at = 101.0
    for number in range(600):
        at += 0.3 if chance.random() < 0.05 else 0.01
        capture.chunk(at, PING if chance.random() < 0.3 else text_delta(f"word {number}"))
        if chance.random() < 0.2:
            keys = [model.key(line) for line in range(model.total)]
            texts = {key: model.row(key) for key in keys}
            assert model.update()
            fresh = model_of(capture, gap=0.2)
            fresh.set_filter(wanted)
            assert fresh.update()
            shown = [model.key(line) for line in range(model.total)]
            for line, key in enumerate(shown):
                assert model.line(key) == line
                row = model.row(key)
                if key in texts and row.tone in ("event", "quiet", "gap") and row.since is not None:
                    assert row == texts[key]
            # Who comes later may miss the first event behind the hole: that it is whole is not certain then.
            behind = [fresh.row(fresh.key(line)) for line in range(fresh.total)]
            events = [row for row in behind if row.tone in ("event", "quiet")]
            ours = [row for row in map(model.row, shown) if row.tone in ("event", "quiet")]
            assert [row.offset for row in ours][-len(events) :] == [row.offset for row in events]
            assert len(ours) - len(events) in (0, 1)
    assert capture.dropped


def test_slices_end_in_the_same_rows() -> None:
    capture = captured([(101.0 + number, text_delta(str(number)) + PING) for number in range(2_000)])
    whole = model_of(capture, reply())
    model = WireModel()
    model.set_filter(Filter(text="ping"))
    model.show([(capture, "turn 1 request 1"), (reply(), "turn 2 request 1")], (), lambda _: "")
    turns = 0
    while not model.update(0.0):
        turns += 1
    assert turns > 5
    model.set_filter(Filter())
    while not model.update(0.0):
        pass
    assert lines(model) == lines(whole)


def test_silence_counts_while_it_lasts() -> None:
    capture = begun()
    model = model_of(reply(), capture)
    capture.chunk(101.0, PING)
    assert model.update()
    assert model.silence(101.4) is None
    assert model.silence(103.0) == pytest.approx(2.0)
    assert model.running is not None
    ended(capture, 103.5)
    assert model.update()
    assert model.silence(105.0) is None
    assert model.running is None


def test_how_a_request_ended() -> None:
    cut = captured([(101.0, START)])
    cancelled = ended(begun(), 102.0, read=False)
    refused = begun()
    refused.status = 529
    refused.chunk(101.0, b'{"type": "error", "error": {"type": "overloaded_error"}}')
    ended(refused, 101.5)
    model = WireModel()
    captures = [(each, str(number)) for number, each in enumerate((cut, cancelled, refused))]
    model.show(captures, (), lambda capture: "cancelled\x1b[2J" if capture is cancelled else "")
    assert model.update()
    ends = [row for row in (model.row(model.key(line)) for line in range(model.total)) if row.type in ("end", "closed")]
    assert [(row.tone, row.type) for row in ends] == [("error", "end"), ("error", "closed"), ("end", "end")]
    assert "message_stop" in ends[0].text
    assert ends[1].text == "cancelled␛[2J"
    body = model.key(model.total - 3)  # a gap is between them
    assert model.row(body).type == "body"
    assert model.detail(body).content.startswith('{\n  "type": "error"')


def test_details_and_copies() -> None:
    model = model_of(reply())
    delta, request, headers, gap, end = (model.key(line) for line in (8, 0, 2, 6, 11))
    assert model.detail(delta).content.splitlines()[:3] == ["{", '  "type": "content_block_delta",', '  "index": 0,']
    assert model.copied(delta) == text_delta("Hi").decode()[:-1]
    assert "x-api-key: ***" in model.detail(request).text
    assert '"content": "it\'s 5 o\'clock"' in model.copied(request)
    assert "request-id: req_1" in model.copied(headers)
    assert "1.00 s of silence" in model.copied(gap)
    assert "end" in model.copied(end)
    found: Key | None = headers
    names = []
    while found is not None:
        names.append(model.row(found).type)
        found = model.next_row(found, 1)
    assert names == [name for name in WHOLE[2:] if name != "gap"]
    assert model.next_row(request, -1) is None
    everything = [model.line_text(line) for line in range(model.total)]
    assert '{"type": "content_block_delta"' in everything[8]
    assert "of silence" in everything[6]


def test_text_from_the_wire_is_harmless_wherever_it_is_shown() -> None:
    evil = "\x1b]52;c;aGk=\x07\u202e\x9b31m[bold]"
    capture = captured([(101.0, f"event: {evil}\ndata: {evil}\n\n: {evil}\n\n".encode() + event("x", {"text": evil}))])
    capture.response_headers = (("x-evil", evil),)
    capture.model = evil
    model = model_of(capture)
    for line in range(model.total):
        key = model.key(line)
        row = model.row(key)
        shown = [row.text, row.type, row.delta, model.detail(key).text, model.copied(key), model.line_text(line)]
        assert not any(character in text for text in shown for character in "\x1b\x07\x9b\u202e")
    assert "[bold]" in model.detail(model.key(4)).text


def test_rows_have_a_line_also_while_a_filter_is_worked_through() -> None:
    """The newest request is read first, in slices; of the ones before nothing is shown until it is their turn."""
    newest = captured([(101.0 + number / 100, text_delta("zzz")) for number in range(800)])
    model = model_of(reply(), newest)
    keys = [model.key(line) for line in (0, 5, 12, 400, model.total - 1)]
    model.set_filter(Filter(text="zzz"))
    slices = 0
    while True:
        assert all(0 <= model.line(key) < max(1, model.total) for key in keys)
        if model.update(0.0):
            break
        slices += 1
    assert slices > 1
    assert [model.line(key) for key in keys[:2]] == [0, 0]
