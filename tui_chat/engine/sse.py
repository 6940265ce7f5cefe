"""Bytes to wire frames: the decoder of server-sent events.

Why ours: the SDK's iterators hide pings and comments, drop every event that has no `event:` line, and say nothing when a
stream ends half-way. All of that is what this program is there to show. It knows nothing of the Messages API.

Rules (WHATWG HTML, section 9.2.6): lines end in CR, LF or CRLF; a blank line ends an event; several `data:` lines are
joined with newlines; one space after the colon is dropped; a leading byte order mark is dropped; other fields are ignored.
A line is decoded only when it is whole, so a character split over two chunks is never harmed.

However the body is cut into chunks, the frames are the same. So a frame's size ends before its blank line: whether a LF
follows that line's CR is not known yet when the frame is given out.

Nearly all frames look alike: an `event:` line or none, one `data:` line, LF. One expression takes such a frame whole; every
other is read line by line. Both ways give the same frames.
"""

import re
from typing import Final

from tui_chat.events import WireFrame

_BOM: Final = b"\xef\xbb\xbf"
_USUAL_FRAME: Final = re.compile(rb"(?:event: ?(.*)\n)?data: ?(.*)\n\n")  # where there is no CR; `.` is no LF
_LINE: Final = re.compile(rb"([^\r\n]*)(?:\r\n?|\n)")


class SseDecoder:
    """Feed it chunks as they arrive; it gives the frames they complete."""

    __slots__ = ("_comment", "_data", "_event", "_frame_start", "_line_start", "_pending", "_skip_newline", "_started")

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # the pieces of an unfinished line
        self._data: list[bytes] = []
        self._event: bytes | None = None
        self._comment: bytes | None = None
        self._line_start = 0  # byte offset of the line that is being read
        self._frame_start: int | None = None
        self._skip_newline = False  # the last chunk ended in CR: a LF at the start of the next belongs to it
        self._started = False

    def feed(self, chunk: bytes, at: float) -> list[WireFrame]:
        """The frames that `chunk` completes, stamped with `at` (monotonic seconds)."""
        if not chunk:
            return []
        if not self._started:
            held = b"".join(self._pending) + chunk
            if len(held) < len(_BOM) and _BOM.startswith(held):
                self._pending = [held]
                return []
            self._pending, self._started, chunk = [], True, held
            if chunk.startswith(_BOM):
                chunk, self._line_start = chunk[len(_BOM) :], len(_BOM)
        if self._skip_newline and chunk.startswith(b"\n"):
            chunk, self._line_start = chunk[1:], self._line_start + 1
        self._skip_newline = chunk.endswith(b"\r") if chunk else False
        if self._pending and (b"\n" in chunk or b"\r" in chunk):
            chunk = b"".join(self._pending) + chunk
            self._pending.clear()
        frames: list[WireFrame] = []
        before, place, without_cr = self._line_start, 0, b"\r" not in chunk
        while place < len(chunk):
            start = place
            if without_cr and self._frame_start is None and (usual := _USUAL_FRAME.match(chunk, start)):
                place = usual.end()
                event, data = usual.groups()
                name = None if event is None else event.decode("utf-8", "replace")
                frames.append(WireFrame(at, before + start, place - start - 1, name, data.decode("utf-8", "replace")))
                continue
            line = _LINE.match(chunk, start)
            if line is None:
                self._pending.append(chunk[start:])
                break
            place = line.end()
            frame = self._line(line[1], before + start, at)
            if frame is not None:
                frames.append(frame)
        self._line_start = before + place
        return frames

    def finish(self, at: float) -> WireFrame | None:
        """The frame that the end of the body leaves without its blank line, if there is one.

        The standard drops it; some servers end their last event that way, so the caller decides.
        """
        if self._pending:
            line = b"".join(self._pending)
            self._pending.clear()
            self._line(line, self._line_start, at)
            self._line_start += len(line)
        return self._dispatch(at, self._line_start) if self._data else None

    def _line(self, line: bytes, start: int, at: float) -> WireFrame | None:
        """Take one line, without its end; the frame if it is the blank one."""
        if not line:
            return self._dispatch(at, start)
        if self._frame_start is None:
            self._frame_start = start
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value
        elif not name:
            self._comment = value if self._comment is None else self._comment + b"\n" + value
        return None

    def _dispatch(self, at: float, end: int) -> WireFrame | None:
        start, self._frame_start = self._frame_start, None
        if start is None:
            return None
        data, event, comment = self._data, self._event, self._comment
        self._data, self._event, self._comment = [], None, None
        if not data and event is None and comment is None:
            return None
        joined = data[0] if len(data) == 1 else b"\n".join(data)
        return WireFrame(
            at,
            start,
            end - start,
            None if event is None else event.decode(errors="replace"),
            joined.decode(errors="replace"),
            None if comment is None else comment.decode(errors="replace"),
        )
