"""Answers whose oddity is not in the events: how they are sent, how they break off, and bodies that are no stream at all."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.unit import raw_server as raw
from tests.unit.odd_streams import FOLDER

PLAIN: Final = (FOLDER / "plain.sse").read_bytes()
CUT: Final = (FOLDER / "clean-end.sse").read_bytes()
SCRIPTS: Final = (FOLDER / "scripts.sse").read_bytes()
SCRIPTS_TEXT: Final = "Grüße, 日本語 👩‍👩‍👧 a\u2028b e\u0301"
MESSAGE: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [{"type": "text", "text": "Hello, world"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 14, "output_tokens": 9},
}


@dataclass(frozen=True, slots=True)
class OddAnswer:
    """What is expected of one answer. `error` is the failure's type and `words` stand in its sentence.

    `text` None: a broken connection may throw away what was not read yet.
    """

    name: str
    answer: raw.Answer
    text: str | None = "Hello, world"
    error: str | None = None
    words: str = ""

    @property
    def stop_reason(self) -> str | None:
        """As the API would have named it."""
        return None if self.error else "end_turn"


def pieces(parts: list[bytes]) -> raw.Answer:
    """Send each part as a chunk of its own."""

    async def answer(exchange: raw.Exchange) -> None:
        await exchange.send(raw.head(transfer_encoding="chunked"))
        for part in parts:
            await exchange.send(b"%x\r\n%b\r\n" % (len(part), part))
        await exchange.send(b"0\r\n\r\n")

    return answer


def _compressed(body: bytes, window: int) -> bytes:
    compressor = zlib.compressobj(wbits=window)
    return compressor.compress(body) + compressor.flush()


def _sent() -> Iterator[OddAnswer]:
    """The same reply, sent in many ways."""
    events = [event + b"\n\n" for event in SCRIPTS.removesuffix(b"\n\n").split(b"\n\n")]
    yield OddAnswer("an event a chunk", pieces(events), SCRIPTS_TEXT)
    yield OddAnswer("a byte a chunk", pieces([SCRIPTS[at : at + 1] for at in range(len(SCRIPTS))]), SCRIPTS_TEXT)
    yield OddAnswer("a byte a write", raw.stream(SCRIPTS, chunk=1), SCRIPTS_TEXT)
    yield OddAnswer("seven bytes a write", raw.stream(SCRIPTS, chunk=7), SCRIPTS_TEXT)
    for name, encoding, window in (("gzip", "gzip", 31), ("deflate", "deflate", 15), ("raw deflate", "deflate", -15)):
        body = _compressed(PLAIN, window)
        yield OddAnswer(name, raw.stream(body, content_encoding=encoding))
        yield OddAnswer(f"{name}, a byte a write", raw.stream(body, content_encoding=encoding, chunk=1))
    for kind in ("text/event-stream; charset=utf-8", "Text/Event-Stream", "text/plain", "application/octet-stream"):
        yield OddAnswer(f"a stream as {kind}", raw.stream(PLAIN, content_type=kind))
    for kind in ("text/event-stream", "text/plain", "application/json", ""):
        yield OddAnswer(f"left open, {kind or 'no type'}", raw.left_open(PLAIN, content_type=kind))
    megabyte = "é" * 500_000
    long = PLAIN.replace(b"Hello", megabyte.encode())
    yield OddAnswer("a megabyte in one delta", raw.stream(long, chunk=4096), f"{megabyte}, world")
    before, first, after = PLAIN.partition(b"event: content_block_delta")
    tiny = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n'
    yield OddAnswer("50,000 deltas", raw.stream(before + tiny * 50_000 + first + after), "x" * 50_000 + "Hello, world")


def _broken() -> Iterator[OddAnswer]:
    """Connections that break off."""
    broken = {
        "no end of the chunks": raw.chunked(CUT),
        "reset": raw.chunked(CUT, end=lambda exchange: exchange.reset()),
        "shorter than announced": raw.stream(CUT, content_length=str(len(CUT) + 100)),
        "compression cut": raw.stream(zlib.compress(CUT)[:-9], content_encoding="deflate"),
        "chunk cut": raw.stream(b"20000\r\n" + CUT, transfer_encoding="chunked"),
        "a chunk without a size": raw.stream(b"%x\r\n%b\r\nnone\r\n" % (len(CUT), CUT), transfer_encoding="chunked"),
        "compression broken": raw.stream(b"\x1f\x8b\x08" + b"\xff" * 50, content_encoding="gzip"),
    }
    for name, answer in broken.items():
        yield OddAnswer(name, answer, None, "cut_off")


def _documents() -> Iterator[OddAnswer]:
    """Bodies that are no stream."""
    message = json.dumps(MESSAGE).encode()
    yield OddAnswer("a whole message", raw.document(message))
    yield OddAnswer("a whole message as a stream", raw.document(message, content_type="text/event-stream"))
    yield OddAnswer("a whole message, a byte order mark", raw.document(b"\xef\xbb\xbf" + message))
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    yield OddAnswer("an error", raw.document(json.dumps(error).encode()), "", "invalid_request_error", "no")
    no_streams = [
        ("HTML", b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html", "an HTML page"),
        ("HTML as a stream", b"\xef\xbb\xbf \n<html>Sign in</html>", "text/event-stream", "an HTML page"),
        ("other JSON", b'{"models": []}', "application/json", "application/json"),
        ("deep JSON", b"[" * 100_000, "application/json", "application/json"),
        ("text", b"It works!", "text/plain", "text/plain"),
        ("nothing", b"", "text/event-stream", "empty answer (HTTP 200)"),
        ("nothing, no type", b"", "", "empty answer (HTTP 200)"),
        ("blank lines", b"\n\n", "text/event-stream", "empty answer (HTTP 200)"),
        ("a comment", b": ping\n\n", "text/event-stream", "without a message"),
    ]
    for name, body, kind, words in no_streams:
        yield OddAnswer(name, raw.document(body, content_type=kind), "", "not_a_stream", words)
    empty = raw.document(b"", "204 No Content", content_type="")
    yield OddAnswer("no content", empty, "", "not_a_stream", "empty answer (HTTP 204)")


ODD_ANSWERS: Final = (*_sent(), *_broken(), *_documents())
