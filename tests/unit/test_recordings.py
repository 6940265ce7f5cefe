"""The format of recordings, read and written; what is wrong with a file is said; and the player's clock, without a real one."""

import asyncio
import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.unit.odd_streams import FOLDER
from tui_chat import turns
from tui_chat.cli import main
from tui_chat.conversation import Message
from tui_chat.engine.body import Body
from tui_chat.errors import Failure, UsageError
from tui_chat.events import Event, RequestEnded, RequestProgress, RequestStarted, TextDelta, TurnStarted
from tui_chat.recordings import Recording, read
from tui_chat.recordings.format import (
    BodyEnded,
    Chunk,
    Header,
    Record,
    RequestLeft,
    ResponseBegan,
    Said,
    header_line,
    header_of,
    line_of,
    open_body,
    open_event,
    record_of,
)
from tui_chat.recordings.player import Player, speed_text
from tui_chat.recordings.reading import LONGEST_HEADER

FIXTURE = Path(__file__).parents[1] / "fixtures" / "recordings" / "tools.jsonl"
BODIES = [path.read_bytes() for path in sorted(FOLDER.glob("*.sse"))]
HEADER = Header("0.1.0", "turn_1", "conversation_1", stored=True, model="m", server="demo", started_at=1.5)
PROMPT = Message("message_1", None, "user", ({"type": "text", "text": "go"},), 1.5)
STARTED = TurnStarted(10.0, "turn_1", "conversation_1", "message_2", "m", "demo", 1.5, PROMPT)
BEGINNING = (
    Said(10.0, STARTED),
    Said(11.0, RequestStarted(11.0, "m", 1)),
    RequestLeft(11.0, "POST", "http://127.0.0.1/v1/messages", (("authorization", "***"),), b'{"stream": true}', 2.5),
    Said(11.25, RequestProgress(11.25, "connected")),
    ResponseBegan(11.5, 200, (("content-type", "text/event-stream"),)),
    Said(11.5, RequestProgress(11.5, "headers", request_id="req_1")),
)


def written(path: Path, *records: Record, header: Header = HEADER) -> Path:
    path.write_text("".join([header_line(header), *(line_of(each) for each in (*BEGINNING, *records))]))
    return path


# The format ---------------------------------------------------------------------------------------------------------------


@given(
    body=some.sampled_from(BODIES) | some.binary(max_size=300),
    cuts=some.lists(some.integers(0, 2000), max_size=20),
    at=some.floats(12, 1e6),
    ends=some.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_bytes_cut_anywhere_come_back_as_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, cuts: list[int], at: float, ends: bool
) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    chunks = [Chunk(at + number / 7, body[start:stop]) for number, (start, stop) in enumerate(pairwise(places))]
    live: list[Event] = [each.event for each in BEGINNING if isinstance(each, Said)]
    reader, taken = Body(live.append), []
    for chunk in chunks:
        taken.append(chunk)
        if not reader.feed(chunk.data, chunk.at):
            break
    last = taken[-1].at + 0.125
    failure = reader.finish(last) if ends else Failure("cut_off", "gone")
    ended = reader.translator.ended(last, failure)
    live.append(ended)
    records: list[Record] = [*taken, *([BodyEnded(last)] if ends else []), Said(last, ended)]
    path = written(tmp_path_factory.mktemp("recordings") / "turn.jsonl", *records)
    recording = read(path)
    assert recording.records == (*BEGINNING, *records)
    assert recording.events()[:-1] == live  # and the end of a turn that was cut off
    assert recording.turn().requests == turns.fold(live).requests


def test_a_record_is_a_line_of_ascii() -> None:
    odd = "\u00e9\u2028\x1b[2J\U0001f600\ud83d"
    for record in (
        Chunk(0.1 + 0.2, odd.encode("utf-8", "surrogatepass")),
        Chunk(1e-9, b"\xff\n"),
        Said(1.0, TextDelta(1.0, 0, odd)),
        *BEGINNING,
        BodyEnded(3.0),
    ):
        line = line_of(record)
        assert line.isascii()
        assert line.isprintable() or line.removesuffix("\n").isprintable()
        assert record_of(json.loads(line)) == record


def test_the_header_comes_back() -> None:
    assert header_of(json.loads(header_line(HEADER))) == HEADER


def test_text_is_text_and_what_is_none_is_base64() -> None:
    assert json.loads(line_of(Chunk(1.0, "h\u00e9".encode()))) == {"at": 1.0, "chunk": "h\u00e9"}
    assert json.loads(line_of(Chunk(1.0, b"h\xc3"))) == {"at": 1.0, "chunk_base64": "aMM="}


def test_keys_are_hidden_where_they_are_no_content() -> None:
    key = "sk-ant-api03-abcdefghijklmnop"
    ended = open_event(RequestEnded(1.0, complete=False, error=Failure("authentication_error", f"no: {key}")))
    assert isinstance(ended, RequestEnded)
    assert ended.error == Failure("authentication_error", "no: ***")
    assert open_body(401, f"{key}\xff".encode("latin-1")) == b"***\xff"
    assert open_body(200, key.encode()) == key.encode()


# Reading ------------------------------------------------------------------------------------------------------------------


def complaint(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    return caught.value.sentence


def test_a_recording_made_with_the_demo_is_read() -> None:
    turn = read(FIXTURE).turn()
    assert turn.thinking.startswith("Three questions")
    assert [call.name for call in turn.calls] == ["calculator", "current_time", "read_file"]
    assert len(turn.requests) == 2
    assert turn.outcome == "completed"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no recording"),
        (b"\x00\xff" * 100, "is no recording"),
        (b"x" * (LONGEST_HEADER + 1), "line 1: the file is no recording"),
        (b'{"recording": "another", "version": 1}\n', "is no recording"),
        (b'{"recording": "tui-chat", "version": 2}\n', "was written by a newer version of tui-chat"),
        (b'{"recording": "tui-chat", "version": 1}\n', "line 1: the header is damaged"),
        (b'{"recording": "tui-chat", "version": 1, "turn_id": 5, "conversation_id": ""}\n', "the header is damaged"),
        (header_line(HEADER).encode(), "is no recording of a turn"),
        (header_line(HEADER).encode() + line_of(BodyEnded(1.0)).encode(), "is no recording of a turn"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert words in complaint(path)
    assert str(path) in complaint(path)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        "\xff",
        '{"event": {}}',
        '{"at": "soon", "body_ended": true}',
        '{"at": true, "body_ended": true}',
        f'{{"at": 1{"0" * 400}, "body_ended": true}}',
        '{"at": 12.0, "event": {"type": "text_delta"}}',
        '{"at": 12.0, "event": {"type": "nothing_like_it", "at": 12.0}}',
        '{"at": 12.0, "event": {"type": "request_started", "at": null, "model": "m", "attempt": 1}}',
        '{"at": 12.0, "event": {"type": "request_started", "at": 12.0, "model": {}, "attempt": 1}}',
        '{"at": 12.0, "event": {"type": "request_progress", "at": 12.0, "stage": "nowhere"}}',
        '{"at": 12.0, "event": {"type": "request_ended", "at": 12.0, "complete": true, "error": {"type": 1, "message": ""}}}',
        '{"at": 12.0, "event": {"type": "tool_ended", "at": 12.0, "tool_use_id": [], "content": ""}}',
        '{"at": 12.0, "chunk": 5}',
        '{"at": 12.0, "chunk_base64": "%%%"}',
        '{"at": 12.0, "response": {"status": "200", "headers": []}}',
        '{"at": 12.0, "response": {"status": 200, "headers": [["a"]]}}',
        '{"at": 12.0, "request": {"method": "POST"}}',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "turn.jsonl")
    path.write_bytes(path.read_bytes() + line.encode("latin-1") + b"\n" + line_of(BodyEnded(12.0)).encode())
    assert f"line {len(BEGINNING) + 2}: this is no record" in complaint(path)


def test_half_a_line_at_the_end_is_left_out_and_what_is_not_known_too(tmp_path: Path) -> None:
    path = written(tmp_path / "turn.jsonl")
    whole = read(path).records
    path.write_bytes(path.read_bytes() + b'{"at": 12.0, "weather": "fine"}\n\n{"at": 12.5, "chu')
    assert read(path).records == whole
    for name in (b'"event": {', b'"prompt": {'):
        path.write_bytes(path.read_bytes().replace(name, name + b'"weather": "fine", '))
    assert read(path).records == whole


def test_nothing_may_follow_the_end(tmp_path: Path) -> None:
    path = tmp_path / "turn.jsonl"
    path.write_bytes(FIXTURE.read_bytes() + line_of(BodyEnded(1.0)).encode())
    assert "the turn has ended before" in complaint(path)


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.recordings.reading.LONGEST_LINE", 1_000)
    path = written(tmp_path / "turn.jsonl", Chunk(12.0, b"x" * 2_000))
    assert f"line {len(BEGINNING) + 2}: the file has a line of more than" in complaint(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in complaint(tmp_path / "nothing")
    assert "cannot be read (Is a directory" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is no FILE to replay"),
        ([str(FIXTURE)], "the chat needs a terminal"),
        ([str(FIXTURE), "-p", "--step"], "--step needs the screen"),
        ([str(FIXTURE), "-p", "--speed", "0"], "'0' is no speed"),
        ([str(FIXTURE), "-p", "--speed", "nan"], "'nan' is no speed"),
        ([str(FIXTURE), "-p", "--speed", "-1"], "'-1' is no speed"),
        ([str(FIXTURE.parent.parent / "sse"), "-p"], "there is no recording in"),
        ([str(FIXTURE), "--output-format", "xml"], "invalid choice"),
        (["x" * 300, "-p"], "cannot be read (File name too long)"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *arguments]) == 2
    assert words in capsys.readouterr().err


# The player ---------------------------------------------------------------------------------------------------------------


class Clock:
    """Time that goes as far as `until` says."""

    def __init__(self) -> None:
        self.now, self._limit = 500.0, 500.0
        self._waiting: asyncio.Event | None = None

    def __call__(self) -> float:
        return self.now

    async def wait(self, changed: asyncio.Event, seconds: float | None) -> None:
        """Let the time pass, if there is enough, else wait for more, or for a change."""
        ends = math.inf if seconds is None else self.now + seconds
        while not changed.is_set() and ends > self._limit:  # noqa: ASYNC110 - the test says how far the time goes
            await asyncio.sleep(0)
        if not changed.is_set():
            self.now = ends

    async def until(self, at: float) -> None:
        """Let it be `at`, and all happen that is due by then."""
        self._limit = at
        for _ in range(50):
            await asyncio.sleep(0)
        self.now = at


class Playing:
    """The recording of ten deltas, a second apart, being played."""

    def __init__(self, player: Player, tmp_path: Path) -> None:
        lines = [
            f'data: {{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{number}"}}}}\n\n'
            for number in range(10)
        ]
        chunks = [Chunk(12.0 + number, line.encode()) for number, line in enumerate(lines)]
        self.recording: Recording = read(written(tmp_path / "turn.jsonl", *chunks))
        self.player, self.turn = player, turns.begin(self.recording.started)
        self.task = asyncio.create_task(player.play(self.recording, self.turn, self._emit))

    def _emit(self, event: Event) -> None:
        turns.apply(self.turn, event)


async def test_the_clock_goes_with_the_speed_and_stands_in_a_pause(tmp_path: Path) -> None:
    clock = Clock()
    player = Player(clock=clock, wait=clock.wait)
    playing = Playing(player, tmp_path)
    await clock.until(501.0)
    assert (player.now(), playing.turn.text) == (11.0, "")
    await clock.until(503.25)
    assert (player.now(), playing.turn.text) == (13.25, "01")
    player.pause()
    await clock.until(600.0)
    assert (player.now(), playing.turn.text, player.paused) == (13.25, "01", True)
    player.pause(False)
    await clock.until(601.0)
    assert (player.now(), playing.turn.text) == (14.25, "012")
    player.set_speed(2.0)
    await clock.until(602.0)
    assert (player.now(), playing.turn.text) == (16.25, "01234")
    player.set_speed(0.5)
    await clock.until(604.0)
    assert (player.now(), playing.turn.text) == (17.25, "012345")
    player.step()
    await clock.until(604.0)
    assert (player.now(), playing.turn.text, player.paused) == (18.0, "0123456", True)
    await clock.until(700.0)
    player.pause(False)
    await clock.until(701.0)
    assert (player.now(), playing.turn.text) == (18.5, "0123456")
    player.set_speed(math.inf)
    await playing.task
    assert (player.now(), playing.turn.text) == (21.0, "0123456789")  # it was cut off there
    assert clock.now == 701.0


async def test_no_place_is_later_than_what_comes_next(tmp_path: Path) -> None:
    clock = Clock()
    playing = Playing(Player(clock=clock, wait=clock.wait), tmp_path)
    await clock.until(502.0)
    clock.now = 520.0  # the program was busy with something else
    assert playing.player.now() == 13.0
    await clock.until(520.0)
    await playing.task
    assert playing.turn.text == "0123456789"


def test_speeds_go_up_and_down_and_stay_within() -> None:
    player, seen = Player(), [1.0]
    for step in (1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1):
        player.faster(step)
        seen.append(player.speed)
    assert seen == [1.0, 2.0, 4.0, 8.0, math.inf, math.inf, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.1]
    player.set_speed(3.0)
    player.faster()
    assert player.speed == 4.0
    assert [speed_text(speed) for speed in (0.5, 1.0, math.inf)] == ["0.5x", "1x", "max"]
    with pytest.raises(ValueError, match="positive"):
        player.set_speed(0.0)


@pytest.mark.parametrize("body", BODIES, ids=[path.stem for path in sorted(FOLDER.glob("*.sse"))])
async def test_steps_give_the_same_events_one_frame_at_a_time(body: bytes, tmp_path: Path) -> None:
    recording = read(written(tmp_path / "turn.jsonl", Chunk(12.0, body), BodyEnded(13.0)))
    whole: Sequence[Event] = recording.events()
    player, events, turn = Player(paused=True), list[Event]([recording.started]), turns.begin(recording.started)

    def emit(event: Event) -> None:
        turns.apply(turn, event)
        events.append(event)

    task = asyncio.create_task(player.play(recording, turn, emit))
    while not task.done():
        if not player.steps_left:
            contents = sum(isinstance(event, TextDelta) for event in events)
            player.step()
        await asyncio.sleep(0)
        assert sum(isinstance(event, TextDelta) for event in events) <= contents + 2  # a half of a pair may be released
    assert events == whole[:-1]
