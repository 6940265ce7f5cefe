"""The demo server: accepts connections on 127.0.0.1 and plays each answer's timeline against its clock.

Why it exists: the one place with sockets, tasks and threads. It runs in an asyncio program (`async with`), in a thread
of its own beside another program (`start_in_thread`), or alone (`main` in `cli.py`).
What it must not know: what a request means (`api`), how HTTP is spelt (`connection`).

Every answer runs beside a watch on the connection: the client's leaving ends the answer at once, whether it was writing,
waiting for its next delta, or had not answered at all.
"""

import asyncio
import json
import logging
import secrets
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tui_chat.demo.api import Answer, Api
from tui_chat.demo.clock import Clock, MonotonicClock
from tui_chat.demo.connection import BadRequestError, HttpConnection, HttpRequest
from tui_chat.demo.records import Ended, Recorder, RequestRecord, hide_secrets
from tui_chat.demo.schedule import Pacing

HOST: Final = "127.0.0.1"
_FLUSH_SIZE: Final = 64 * 1024  # characters written in one go when many deltas are due

_log = logging.getLogger(__name__)


class DemoServer:
    """A Messages API on 127.0.0.1. `port` 0 takes any free one; `log` is appended to, as JSON lines.

    Without a `pacing` each model has its own.

    `refuses` names parameters that it pretends not to know, such as "cache_control" or "output_config.effort".

    A server is started once, either in the running event loop or in a thread. Starting raises OSError if the port is
    taken or the log cannot be written.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        pacing: Pacing | None = None,
        clock: Clock | None = None,
        log: Path | None = None,
        refuses: Collection[str] = (),
    ) -> None:
        self._port = port
        self._clock = clock or MonotonicClock()
        self._log_path = log
        self._api = Api(pacing, refuses)
        self._recorder = Recorder()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._stop_thread: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    @property
    def base_url(self) -> str:
        """What to set as base URL in a client, without `/v1`."""
        return f"http://{HOST}:{self._port}"

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, in the order they came. Treat it as read-only."""
        return self._recorder.requests

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        """Return once `predicate` holds; it is asked again whenever a record changes. Works from any event loop."""
        await self._recorder.wait_for(predicate)

    async def start(self) -> None:
        """Listen, in the running event loop. Raises OSError."""
        if self._log_path is not None:
            self._recorder.open_log(self._log_path)
        try:
            self._server = await asyncio.start_server(self._accept, HOST, self._port)
        except OSError:
            self._recorder.close()
            raise
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and break off what is running."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        self._recorder.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def start_in_thread(self) -> Self:
        """Serve from a daemon thread with an event loop of its own; returns when it listens. Raises OSError."""
        started = threading.Event()
        failures: list[OSError] = []

        async def serve() -> None:
            stopping = asyncio.Event()
            loop = asyncio.get_running_loop()
            try:
                await self.start()
            except OSError as error:
                failures.append(error)
                return
            else:
                self._stop_thread = (loop, stopping)
            finally:
                started.set()
            await stopping.wait()
            await self.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="tui-chat-demo", daemon=True)
        self._thread.start()
        started.wait()
        if failures:
            self._thread.join()
            raise failures[0]
        return self

    def stop(self) -> None:
        """Stop a server that runs in a thread, and wait for its end. Does nothing the second time."""
        if self._stop_thread is not None and self._thread is not None:
            loop, stopping = self._stop_thread
            loop.call_soon_threadsafe(stopping.set)
            self._thread.join()
            self._stop_thread = self._thread = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(HttpConnection(reader, writer)))
        self._connections.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("The demo server failed", exc_info=error)

    async def _serve(self, connection: HttpConnection) -> None:
        try:
            while (request := await connection.read_request()) is not None:
                if not await self._handle(connection, request):
                    await connection.close()
                    break
        except BadRequestError as error:
            headers = {"content-type": "text/plain", "connection": "close"}
            await connection.start_response(400, headers, f"{error}\n".encode())
            await connection.finish()
            await connection.close()
        except ConnectionError:
            return  # a reset between two requests; one within an answer is on its record
        finally:
            connection.abort()

    async def _handle(self, connection: HttpConnection, request: HttpRequest) -> bool:
        """Answer one request. True if the connection takes another one."""
        arrived = self._clock.now()  # before anything is done about it: the schedule counts from here
        record = RequestRecord(
            number=len(self.requests) + 1,
            method=request.method,
            path=request.target,
            headers=hide_secrets(request.headers),
            body=_parse(request.body),
            arrived=arrived,
            request_id="req_011" + secrets.token_hex(10),
        )
        self._recorder.arrived(record)
        ended: Ended = "failed"
        playing = asyncio.ensure_future(self._answer(connection, request, record))
        leaving = asyncio.ensure_future(connection.closed_by_client())
        try:
            await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                ended = "client_closed"
                return False
            try:
                reusable = playing.result()
            except ConnectionError:
                ended = "client_closed"
                return False
            ended = "completed"
            return reusable
        finally:
            self._recorder.closed(record, ended, self._clock.now())
            playing.cancel()
            leaving.cancel()
            await asyncio.gather(playing, leaving, return_exceptions=True)

    async def _answer(self, connection: HttpConnection, request: HttpRequest, record: RequestRecord) -> bool:
        answer = self._api.answer(request, record.body, record.request_id)
        record.status = answer.status
        return await _Player(connection, answer, record, self._recorder, self._clock).play()


class _Player:
    """Writes one answer, each part when it is due; parts that are due together are written together."""

    def __init__(
        self, connection: HttpConnection, answer: Answer, record: RequestRecord, recorder: Recorder, clock: Clock
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._record = record
        self._recorder = recorder
        self._clock = clock
        self._due: list[str] = []
        self._due_size = 0
        self._due_deltas = 0
        self._started = False

    async def play(self) -> bool:
        """Play the timeline to its end. True if the connection takes another request. Raises ConnectionError."""
        arrived, now, due, record = self._record.arrived, self._clock.now, self._due, self._record
        for offset, (event, weight) in self._answer.timeline:
            if arrived + offset > now():
                await self._flush()
                await self._clock.sleep_until(arrived + offset)
            if event:
                due.append(event)
                self._due_size += len(event)
            if weight:
                self._due_deltas += 1
            # The first delta leaves alone: its stamp must not wait for others that are due with it.
            if (weight and record.first_delta_sent is None) or self._due_size >= _FLUSH_SIZE:
                await self._flush()
        if not self._answer.clean:
            await self._flush()
            return False
        return await self._finish()

    async def _flush(self) -> None:
        data = self._take()
        if not data:
            return
        if self._started:
            await self._connection.send(data)
        else:
            await self._start(data)
        self._stamp()
        await asyncio.sleep(0)  # a write that need not wait gives nobody else a turn

    async def _finish(self) -> bool:
        data = self._take()
        if not self._started:
            await self._start(b"")
        reusable = await self._connection.finish(data)
        self._stamp()
        return reusable

    async def _start(self, data: bytes) -> None:
        self._started = True
        headers = {
            "content-type": self._answer.content_type,
            "request-id": self._record.request_id,
            **self._answer.headers,
        }
        await self._connection.start_response(self._answer.status, headers, data)

    def _take(self) -> bytes:
        data = "".join(self._due).encode("utf-8", "replace")
        self._due.clear()
        self._due_size = 0
        return data

    def _stamp(self) -> None:
        if self._due_deltas:
            self._record.deltas += self._due_deltas
            self._due_deltas = 0
            self._recorder.delta_sent(self._record, self._clock.now())


def _parse(body: bytes | None) -> Any:
    """The JSON of a body, or None if it is none."""
    if not body:
        return None
    try:
        return json.loads(body.decode())  # given bytes, it would let surrogates through
    except (ValueError, RecursionError):
        return None
