"""One HTTP/1.1 connection of the demo server: requests in, responses out, the client's departure noticed at once.

Why it exists: h11 knows the protocol and asyncio's streams carry the bytes; this is the thin layer where they meet.
What it must not know: the Messages API, pacing, records.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import h11

MAX_BODY: Final = 64 * 1024 * 1024  # bytes
_READ_SIZE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came. Header names are lower case. `body` is None if it was larger than `MAX_BODY`."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


class BadRequestError(Exception):
    """The client does not speak HTTP/1.1."""


class HttpConnection:
    """Reads requests from, and writes responses to, one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._bodiless = False

    async def read_request(self) -> HttpRequest | None:
        """The next request, or None when the client has gone. Raises BadRequestError."""
        head: h11.Request | None = None
        body = bytearray()
        size = 0
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                if self._reader.at_eof():
                    return None
                raise BadRequestError(str(error)) from error
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                self._http.receive_data(await self._reader.read(_READ_SIZE))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size <= MAX_BODY:
                    body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in head.headers}
                method = head.method.decode("ascii")
                self._bodiless = method == "HEAD"
                return HttpRequest(
                    method, head.target.decode("ascii"), headers, bytes(body) if size <= MAX_BODY else None
                )
            else:  # ConnectionClosed
                return None

    async def closed_by_client(self) -> None:
        """Return when the client closes or resets the connection, which it may do at any moment of an answer.

        Bytes that arrive meanwhile belong to the next request and are kept for it.
        """
        kept = 0
        try:
            while (data := await self._reader.read(_READ_SIZE)) and kept <= MAX_BODY:
                kept += len(data)
                self._http.receive_data(data)
        except ConnectionError:
            return

    async def start_response(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        """Send status and headers, and with them the first bytes of the body."""
        dated = [("date", formatdate(usegmt=True)), *headers.items()]
        response = h11.Response(status_code=status, headers=dated)
        await self._write((self._http.send(response) or b"") + self._body(data))

    async def send(self, data: bytes) -> None:
        """Send more of the body; waits while the client does not read."""
        await self._write(self._body(data))

    async def finish(self, data: bytes = b"") -> bool:
        """Send the last bytes of the body and end it. True if the connection takes another request."""
        await self._write(self._body(data) + (self._http.send(h11.EndOfMessage()) or b""))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def close(self) -> None:
        """Send what is still buffered, then close, in whatever state the response is."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    def abort(self) -> None:
        """Close at once and drop what is buffered."""
        self._writer.transport.abort()

    def _body(self, data: bytes) -> bytes:
        if not data or self._bodiless:
            return b""
        return self._http.send(h11.Data(data=data)) or b""

    async def _write(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()
