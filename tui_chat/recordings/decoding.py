"""Records to events: what was recorded, happening once more.

The bytes go through the same decoder as when they came, with the stamps they came with; what the bytes do not say was recorded as
it was said. So the events are the same, to the bit. It reads no clock and waits for nobody; the pace is the player's.
"""

import re
from collections.abc import Callable
from typing import Final

from tui_chat.conversation import Turn
from tui_chat.endings import open_calls_ended
from tui_chat.engine.body import Body
from tui_chat.engine.translator import Emit
from tui_chat.errors import Failure
from tui_chat.events import Event, RequestEnded, RequestProgress, RequestStarted
from tui_chat.recordings.format import NO_SUCCESS, BodyEnded, Chunk, Record, RequestLeft, ResponseBegan, Said
from tui_chat.wire import Capture

CUT: Final = "The recording ends before this call was done."
INTERRUPTED: Final = Failure("interrupted", "the recording ends before the reply does")
BeginCapture = Callable[[str, float], Capture]  # of a model and a stamp
_LINE: Final = re.compile(rb"[^\r\n]*[\r\n]?")  # only the end of a line can complete an event


class Decoding:
    """Give it the records of one turn in their order. `begin` makes the capture that keeps what a request's wire carried."""

    def __init__(self, emit: Emit, begin: BeginCapture | None = None) -> None:
        self.said = 0  # events so far
        self._emit, self._begin = emit, begin
        self._body = Body(self._say)
        self._capture: Capture | None = None
        self._open = False  # a request is
        self._success = True  # is what its answer is
        self._wanted = False  # more of its body is

    def take(self, record: Record) -> None:
        """Say what `record` says."""
        capture = self._capture
        match record:
            case Chunk(at=at, data=data):
                if capture is not None:
                    capture.frames = self._body.frames  # as the engine counts while it reads
                    capture.chunk(at, data)
                if self._wanted:
                    self._wanted = self._body.feed(data, at)
            case Said(event=event):
                self._take_event(event)
            case RequestLeft():
                if capture is not None:
                    capture.started_at = record.started_at
                    capture.left(record.method, record.url, record.headers, record.body)
            case ResponseBegan(at=at, status=status, headers=headers):
                self._success = status < NO_SUCCESS
                if capture is not None:
                    capture.responded(at, status, headers)
            case BodyEnded(at=at):
                if capture is not None:
                    capture.body_ended(at)
                self._body.finish(at)

    def take_some(self, chunk: Chunk) -> bytes:
        """Take as much of `chunk` as one more event needs; returns the rest. Without any more it is empty."""
        before, place = self.said, 0
        while place < len(chunk.data) and self.said == before:
            line = _LINE.match(chunk.data, place)
            end = line.end() if line is not None else len(chunk.data)
            self.take(Chunk(chunk.at, chunk.data[place:end]))
            place = end
        return chunk.data[place:]

    def break_off(self, turn: Turn, at: float, error: Failure | None, result: str) -> None:
        """End what is open, at `at`: the request by `error` (None: it was stopped), the calls of `turn` with `result`."""
        if self._open:
            ended = self._body.translator.ended(at, error)
            self._end_request(ended)
        for event in open_calls_ended(turn, at, result):
            self._say(event)

    def _say(self, event: Event) -> None:
        self.said += 1
        self._emit(event)

    def _take_event(self, event: Event) -> None:
        match event:
            case RequestStarted():
                self._say(event)
                self._body, self._open, self._success, self._wanted = Body(self._say), True, True, False
                self._capture = self._begin(event.model, event.at) if self._begin is not None else None
                return
            case RequestProgress(stage="connected", at=at) if self._capture is not None:
                self._capture.connected = at
            case RequestProgress(stage="headers"):
                self._wanted = self._success  # the body of an error is the SDK's to read
            case RequestEnded(at=at) if self._open:
                self._body.translator.ended(at, None)  # says what was held back
                self._end_request(event)
                return
            case _:
                pass
        self._say(event)

    def _end_request(self, ended: RequestEnded) -> None:
        self._open = self._wanted = False
        if self._capture is not None:
            self._capture.frames = self._body.frames
            self._capture.over(ended.at)
        self._say(ended)
