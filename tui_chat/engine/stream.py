"""One request: sent, read to its message_stop or whatever ends it earlier, under three clocks.

*Silence has three clocks.* Until the first byte a server may think for minutes; once bytes come, no bytes at all means a dead
connection. Pings reset the second clock: they are shown, not fatal. The third, off unless asked for, wants content.

It emits through a callback instead of being a generator: a cancelled coroutine unwinds at once and closes the response on
its way, while a generator is closed by whoever happens to hold it. What the bytes mean is `body`'s and `translator`'s.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from tui_chat.config import Timeouts
from tui_chat.engine.body import Body
from tui_chat.engine.client import ApiClient
from tui_chat.engine.translator import Emit
from tui_chat.errors import Failure, RequestError
from tui_chat.events import RequestEnded, RequestProgress
from tui_chat.wire import Capture

LINGER: Final = 0.02  # seconds that the end of a body may come after message_stop


async def stream_request(
    client: ApiClient,
    parameters: Mapping[str, Any],
    timeouts: Timeouts,
    emit: Emit,
    *,
    capture: Capture | None = None,
    streaming: bool = True,
) -> RequestEnded:
    """Send one request and emit all its events but RequestStarted; the last one, RequestEnded, is returned too.

    Not `streaming`, the reply comes as one document, and its events all at once. `capture` keeps what went over the wire.
    It raises nothing but CancelledError, after the connection was closed.
    """
    body = Body(emit)
    failure: Failure | None = None

    def end() -> RequestEnded:
        at = time.monotonic()
        ended = body.translator.ended(at, failure)
        if capture is not None:
            capture.frames = body.frames
            capture.over(at)
        emit(ended)
        return ended

    try:
        failure = await _read(client, parameters, timeouts, body, capture, streaming=streaming)
    except RequestError as error:
        failure = body.translator.failure or error.failure
        if not body.status and capture is not None and capture.headers_at is not None:  # an answer, but no success
            emit(RequestProgress(capture.headers_at, "headers", request_id=error.failure.request_id))
    except BaseException:  # cancelled, or a bug of ours: the request has its end all the same
        end()
        raise
    return end()


async def _read(
    client: ApiClient,
    parameters: Mapping[str, Any],
    timeouts: Timeouts,
    body: Body,
    capture: Capture | None,
    *,
    streaming: bool,
) -> Failure | None:
    loop = asyncio.get_running_loop()
    translator = body.translator
    emit = translator.emit

    def connected(at: float) -> None:
        if capture is not None:
            capture.connected = at
        emit(RequestProgress(at, "connected"))

    idle, content = timeouts.idle or math.inf, timeouts.content or math.inf
    slack = min(idle, content) / 100  # how late the timer may be: to set it anew costs as much as to decode a chunk
    contents = 0
    content_until, timer_at = math.inf, 0.0  # loop time; the timer is not yet ours
    try:
        async with (
            asyncio.timeout(timeouts.first_byte or None) as limit,
            client.stream(parameters, connected, capture, streaming=streaming) as response,
        ):
            body.status, body.content_type = response.status, response.content_type
            body.request_id = response.request_id
            emit(RequestProgress(response.headers_at, "headers", request_id=response.request_id))
            content_until = loop.time() + content
            chunks, is_read = response.chunks(), True
            async for chunk in chunks:
                at = time.monotonic()
                if capture is not None:
                    capture.frames = body.frames
                    capture.chunk(at, chunk)
                if not body.feed(chunk, at):
                    is_read = False
                    break
                now = loop.time()
                if translator.contents > contents:
                    contents, content_until = translator.contents, now + content
                until = min(content_until, now + idle)
                if not until <= timer_at <= until + slack:
                    timer_at = until + slack
                    limit.reschedule(timer_at if timer_at < math.inf else None)
            if translator.complete:
                is_read = await _read_out(chunks, capture)
            at = time.monotonic()
            if capture is not None and is_read:
                capture.body_ended(at)
            return body.finish(at)
    except TimeoutError:
        if body.heard and loop.time() >= content_until:
            return Failure("timed_out", f"no content for {timeouts.content:g} s")
        return Failure("timed_out", f"no data for {timeouts.idle if body.heard else timeouts.first_byte:g} s")


async def _read_out(chunks: AsyncIterator[bytes], capture: Capture | None) -> bool:
    """Read what is left behind message_stop, mostly nothing, for a moment: only a body that was read out leaves its
    connection to the next request, which else pays for a new one, with TLS a fifth of a second of its TTFT.

    Returns whether that was all.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            async for chunk in chunks:
                if capture is not None:
                    capture.chunk(time.monotonic(), chunk)
        return True
    return False
