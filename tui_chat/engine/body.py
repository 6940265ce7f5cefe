"""The body of one response: bytes, stamped as they came, to events; a body that is no event stream is named, or used.

*The end is `message_stop`.* Nothing else completes a reply. A body that ends politely half-way is `cut_off`, one that never was a
stream is `not_a_stream`, an `error` event is the failure it names. And a reply that saw its message_stop is complete at that moment:
what a server sends or leaves open afterwards no longer matters.

It reads no clock: the same bytes with the same stamps give the same events, live or from a recording.
"""

from typing import Final

from tui_chat.engine.sse import SseDecoder
from tui_chat.engine.translator import Emit, Translator, failure_of
from tui_chat.errors import Failure
from tui_chat.json_text import decode

LARGEST_DOCUMENT: Final = 32 * 1024 * 1024  # bytes: the API's own limit for a message
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, and space
_DOCUMENT: Final = b"{[<"  # how JSON and HTML begin, and no event stream does


class Body:
    """Give it the chunks as long as it wants more, then `finish`. `status` (0: no headers yet) and `content_type` are the response's."""

    def __init__(self, emit: Emit) -> None:
        self.translator = Translator(emit)
        self.status = 0
        self.content_type = ""
        self.request_id: str | None = None
        self.heard = False  # whether anything but space has come
        self.frames = 0
        self._decoder = SseDecoder()
        self._document: bytearray | None = None

    def feed(self, chunk: bytes, at: float) -> bool:
        """Emit what `chunk` brings; returns whether more of the body is wanted."""
        if not self.heard and (opening := chunk.lstrip(_BLANK)):
            # The content type is no guide: some servers send their streams as plain text.
            self.heard, self._document = True, bytearray() if opening[0] in _DOCUMENT else None
        if self._document is not None:
            self._document += chunk
            return len(self._document) <= LARGEST_DOCUMENT
        translator = self.translator
        frames = self._decoder.feed(chunk, at)
        self.frames += len(frames)
        for frame in frames:
            translator.translate(frame)
            if translator.complete or translator.failure:
                return False
        return True

    def finish(self, at: float) -> Failure | None:
        """The body is at its end, or as much of it as is wanted; returns what was wrong with it."""
        translator = self.translator
        if translator.complete or translator.failure:
            return translator.failure
        if self._document is not None:
            return self._whole_document(bytes(self._document), at)
        last = self._decoder.finish(at)
        if last is not None:
            self.frames += 1
            translator.translate(last, whole=False)
        if translator.complete or translator.failure:
            return translator.failure
        if not translator.started:
            return self._nothing()
        return Failure("cut_off", "the connection closed before the reply ended")

    def _whole_document(self, body: bytes, at: float) -> Failure | None:
        """A complete Message as JSON is used, an error is named, as is anything else."""
        text = body.decode("utf-8-sig", errors="replace")
        try:
            message = decode(text)
        except ValueError:
            message = None
        if isinstance(message, dict) and message.get("type") == "message":
            self.translator.whole_message(message, at)
            return None
        if isinstance(message, dict) and message.get("error"):
            return failure_of(message, self.request_id)
        is_html = "html" in self.content_type or "<html" in text[:500].lower()
        return self._not_a_stream("an HTML page" if is_html else self.content_type or "something else")

    def _nothing(self) -> Failure:
        """No message began."""
        if not self.heard:
            return Failure("not_a_stream", f"the server sent an empty answer (HTTP {self.status})", self.status)
        if self.content_type == "text/event-stream":
            return Failure("not_a_stream", "the server sent an event stream without a message", self.status)
        return self._not_a_stream(self.content_type or "something else")

    def _not_a_stream(self, what: str) -> Failure:
        return Failure("not_a_stream", f"the server sent {what} instead of an event stream", self.status)
