"""A server that sends exactly the bytes a test wants, over real TCP: whatever a server may do wrong, it does.

It understands just enough HTTP to know where a request ends. What a connection does after that is an `Answer`, a
coroutine that writes to it; when it returns the connection is closed.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[["Exchange"], Awaitable[None]]


@dataclass(slots=True)
class Exchange:
    """One request and the connection that is to be answered."""

    path: str
    headers: Mapping[str, str]
    body: Any
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, data: bytes) -> None:
        """Write `data` and let it go."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_left(self) -> None:
        """Return when the client closes the connection; `left` is then set."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.left.set()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class RawServer:
    """Answers the n-th request with the n-th answer, later ones with the last. `exchanges` are all requests so far."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self.exchanges: list[Exchange] = []
        self.port = 0

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one answer."""
        try:
            exchange = await _read_request(reader, writer)
            self.exchanges.append(exchange)
            await self._answers[min(len(self.exchanges), len(self._answers)) - 1](exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went first
        finally:
            writer.close()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Exchange(request_line.split(" ")[1], headers, json.loads(body) if body else None, reader, writer)


@asynccontextmanager
async def raw_server(*answers: Answer) -> AsyncIterator[RawServer]:
    """A running server with `answers`; leaving the block breaks off what still runs."""
    server = RawServer(answers)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(server.serve(reader, writer)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


def head(status: str = "200 OK", **headers: str) -> bytes:
    """Status line and headers of an answer whose body ends with the connection; underscores stand for dashes."""
    fields = {"content_type": "text/event-stream", "connection": "close"} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def stream(body: bytes, *, chunk: int = 0, **headers: str) -> Answer:
    """Send `body` as an event stream, `chunk` bytes at a time, and close politely."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head(request_id="req_1", **headers))
        for start in range(0, len(body), chunk or max(1, len(body))):
            await exchange.send(body[start : start + (chunk or len(body))])

    return answer


def document(body: bytes, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> Answer:
    """Send `body` whole, with its length."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head(status, content_type=content_type, content_length=str(len(body)), **headers) + body)

    return answer


def error(status: str, kind: str, message: str = "no", **headers: str) -> Answer:
    """Refuse as the API does."""
    content = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return document(json.dumps(content).encode(), status, **headers)


def chunked(body: bytes, *, end: Callable[[Exchange], None] | None = None) -> Answer:
    """Send `body` in chunked encoding, without its end; then close, or do `end`."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head(transfer_encoding="chunked") + f"{len(body):x}\r\n".encode() + body + b"\r\n")
        if end is not None:
            end(exchange)

    return answer


def left_open(body: bytes, **headers: str) -> Answer:
    """Send `body` and then nothing, until the client leaves."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head(**headers) + body)
        await exchange.until_left()

    return answer


async def silent(exchange: Exchange) -> None:
    """Answer nothing at all, until the client leaves."""
    await exchange.until_left()
