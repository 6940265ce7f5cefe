"""The only importer of the anthropic SDK and of its HTTP library.

The SDK finds the credentials, builds the request and names HTTP errors; its retries are off (ours are visible) and the
body's bytes go to our own decoder. Importing it takes about a second, so it happens in a thread, after the first paint.
Whatever it or its HTTP library raises leaves this module as a `RequestError`; nothing above knows their classes.

Keys never leave the SDK's client object: they are not logged, not stored and not part of any repr here.
"""

import asyncio
import contextlib
import contextvars
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tui_chat.config import EFFORTS, Config
from tui_chat.errors import Failure, RequestError
from tui_chat.wire import Capture, open_url, without_credentials

if TYPE_CHECKING:
    import anthropic

Progress = Callable[[str, float], None]
_progress: contextvars.ContextVar[Progress | None] = contextvars.ContextVar("progress", default=None)
_capture: contextvars.ContextVar[Capture | None] = contextvars.ContextVar("capture", default=None)
THINKING_TYPES: Final = ("adaptive", "between_tools", "disabled", "enabled")
# A new connection and one from the pool have this step in common: the first byte is about to leave.
_LEAVING: Final = ".send_request_headers.started"
_NO_SUCCESS: Final = 300  # the first HTTP status that the SDK raises for
_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `/v1/models` says of a model; None where the server does not tell.

    `thinking` holds the `thinking.type`s that it accepts, `efforts` the efforts, from low to max.
    """

    id: str
    display_name: str | None = None
    context_window: int | None = None
    max_output: int | None = None
    thinking: frozenset[str] | None = None
    efforts: tuple[str, ...] | None = None


class ByteStream:
    """An open response: its headers, and its body as decoded bytes."""

    __slots__ = ("_response", "content_type", "headers_at", "request_id", "status")

    def __init__(self, response: Any) -> None:
        self._response = response
        self.headers_at = time.monotonic()
        self.status: int = response.status_code
        self.content_type: str = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        self.request_id: str | None = response.headers.get("request-id")

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, any content encoding removed."""
        iterator: AsyncIterator[bytes] = self._response.http_response.aiter_bytes()
        return iterator


class ApiClient:
    """One connection pool to one server. Create it early, `preload` it after the first paint, close it at the end.

    An `offline` one never sends anything: whatever it is asked for is a `RequestError`.
    """

    def __init__(self, config: Config, base_url: str | None = None, *, offline: bool = False) -> None:
        self._config, self.offline = config, offline
        self._base_url = base_url or config.base_url
        self._loading: asyncio.Task[anthropic.AsyncAnthropic] | None = None

    def __repr__(self) -> str:
        return f"ApiClient({self._config.server!r})"

    def preload(self) -> None:
        """Start importing the SDK in a thread; needs a running event loop. Later calls do nothing."""
        if self._loading is None and not self.offline:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
            self._loading.add_done_callback(_retrieved)

    async def ready(self) -> None:
        """Wait until the SDK is loaded, so that its import is no part of any figure; RequestError: no usable credentials."""
        await self._client()

    async def close(self) -> None:
        """Close the pool, if it was ever opened."""
        if self._loading is not None:
            with contextlib.suppress(Exception, asyncio.CancelledError):  # a client that never came up has no pool
                await (await asyncio.shield(self._loading)).close()

    async def _client(self) -> "anthropic.AsyncAnthropic":
        if self.offline:
            raise RequestError(Failure("connection", "this run sends nothing"))
        self.preload()
        assert self._loading is not None  # noqa: S101 - preload has just made it
        try:
            return await asyncio.shield(self._loading)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - profiles fail in many ways, all of them the user's to mend
            self._loading = None
            raise RequestError(Failure("no_key", f"the credentials cannot be used: {error}")) from None

    def _load(self) -> "anthropic.AsyncAnthropic":
        import anthropic  # here, in a thread: a second that the first paint must not wait for

        async def mark_request(request: Any) -> None:
            request.extensions = {**request.extensions, "trace": _trace}
            if (capture := _capture.get()) is not None:
                capture.left(request.method, str(request.url), request.headers.multi_items(), request.content)

        async def keep_error(response: Any) -> None:
            """The SDK reads the body of an error itself, and closes the response before anybody else could."""
            capture = _capture.get()
            if capture is not None and response.status_code >= _NO_SUCCESS:
                capture.responded(time.monotonic(), response.status_code, response.headers.multi_items())
                body = await response.aread()
                at = time.monotonic()
                capture.chunk(at, without_credentials(body, response.request.headers.multi_items()))
                capture.body_ended(at)

        timeouts = self._config.timeouts
        http_client = anthropic.DefaultAsyncHttpxClient(
            # Environment proxies apply to loopback as well, and would break every local server.
            mounts=dict.fromkeys(_LOOPBACK),
            event_hooks={"request": [mark_request], "response": [keep_error]},
            # A redirect would carry the whole conversation to another host.
            follow_redirects=False,
            timeout=anthropic.Timeout(None, connect=timeouts.connect or None),
        )
        return anthropic.AsyncAnthropic(
            api_key=self._config.placeholder_key,
            base_url=self._base_url,
            max_retries=0,
            http_client=http_client,
            timeout=anthropic.Timeout(None, connect=timeouts.connect or None),
        )

    @contextlib.asynccontextmanager
    async def stream(
        self,
        parameters: Mapping[str, Any],
        on_connected: Callable[[float], None],
        capture: Capture | None = None,
        *,
        streaming: bool = True,
    ) -> AsyncIterator[ByteStream]:
        """POST /v1/messages with `stream: true`, or without; leaving the block closes the connection unless the body was read.

        `capture` learns what leaves and what answers; whoever reads the body gives it the chunks.

        Raises:
            RequestError: anything that went wrong before, at or after the headers.

        """
        client = await self._client()
        token = _progress.set(lambda name, at: on_connected(at) if name.endswith(_LEAVING) else None)
        capturing = _capture.set(capture)
        # Without a time-out of its own the SDK refuses to ask for a long reply in one piece; ours stand around it.
        options = {"stream": True} if streaming else {"timeout": client.timeout}
        try:
            async with client.messages.with_streaming_response.create(**parameters, **options) as response:
                answered = ByteStream(response)
                if capture is not None:
                    headers = response.http_response.headers
                    capture.responded(answered.headers_at, answered.status, headers.multi_items())
                yield answered
        except (asyncio.CancelledError, RequestError, TimeoutError):
            raise
        except Exception as error:  # the SDK's, its HTTP library's and json's classes: `_failure` names each
            failure = _failure(error, self._config)
            if failure is None:
                raise
            raise RequestError(failure) from error
        finally:
            with contextlib.suppress(ValueError):  # closed from another context when a generator is collected
                _capture.reset(capturing)
                _progress.reset(token)

    async def models(self, on_step: Progress | None = None) -> list[ModelInfo]:
        """What GET /v1/models lists; RequestError if it cannot be had.

        `on_step` is told the steps of the HTTP library by its names for them (`connection.connect_tcp.started`, ...), and when.
        """
        client = await self._client()
        token = _progress.set(on_step)
        capturing = _capture.set(None)  # whoever asks may be a task that began in the middle of a reply
        try:
            return [_model_info(info) async for info in client.models.list(timeout=10.0) if isinstance(info.id, str)]
        except Exception as error:  # what the SDK raises on a list of another shape is not documented
            failure = _failure(error, self._config)
            unreadable = Failure("not_a_stream", f"{self._config.server} has no list of models that can be read")
            raise RequestError(failure or unreadable) from error
        finally:
            _capture.reset(capturing)
            _progress.reset(token)


def _retrieved(task: "asyncio.Task[anthropic.AsyncAnthropic]") -> None:
    if not task.cancelled():
        task.exception()


async def _trace(name: str, _info: Mapping[str, Any]) -> None:
    if (report := _progress.get()) is not None:
        report(name, time.monotonic())


def _model_info(info: Any) -> ModelInfo:
    """One entry of the list; the SDK checks none of its fields, and servers that are not Anthropic's have few of them."""
    name = _member(info, "display_name")
    capabilities = _member(info, "capabilities")
    return ModelInfo(
        info.id,
        name if isinstance(name, str) else None,
        _count(info, "max_input_tokens"),
        _count(info, "max_tokens"),
        _thinking(_member(capabilities, "thinking")),
        _efforts(_member(capabilities, "effort")),
    )


def _member(value: Any, name: str) -> Any:
    """A field of a part of the list, which the SDK has made an object of where it knows its shape; else None."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _count(info: Any, name: str) -> int | None:
    value = _member(info, name)
    return value if isinstance(value, int) and value > 0 else None


def _supported(value: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if _member(_member(value, name), "supported") is True)


def _thinking(capability: Any) -> frozenset[str] | None:
    # Each type on its own: `supported` may be false while `disabled` is accepted.
    types = _member(capability, "types")
    return None if types is None else frozenset(_supported(types, THINKING_TYPES))


def _efforts(capability: Any) -> tuple[str, ...] | None:
    levels = _supported(capability, EFFORTS)
    return levels if levels or _member(capability, "supported") is False else None


_BY_STATUS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _failure(error: Exception, config: Config) -> Failure | None:
    """The failure that `error` is, or None if it is a bug of ours."""
    import anthropic  # loaded already: the error came from it
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _status_failure(error)
    if isinstance(error, httpx2.ConnectTimeout) or isinstance(error.__cause__, httpx2.ConnectTimeout):
        return Failure("connection", f"cannot reach {config.server}: no connection in {config.timeouts.connect:g} s")
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return Failure("timed_out", f"no answer from {config.server} in time")
    if isinstance(error, anthropic.APIConnectionError):
        cause = error.__cause__
        if isinstance(cause, httpx2.LocalProtocolError):
            return Failure("authentication_error", "the key holds characters that no header may hold")
        return Failure("connection", f"cannot reach {config.server}{_reason(cause)}")
    if isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError | httpx2.CloseError):
        return Failure("cut_off", "the connection closed before the reply ended")
    if isinstance(error, httpx2.DecodingError):
        return Failure("cut_off", "the reply's compression is broken")
    if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
        return Failure("connection", f"the connection to {config.server} failed{_reason(error)}")
    if isinstance(error, anthropic.AnthropicError) or (isinstance(error, TypeError) and "authentication" in str(error)):
        return _credentials_failure(error, config)
    return None


def _credentials_failure(error: Exception, config: Config) -> Failure:
    if isinstance(error, TypeError):
        return Failure("no_key", f"no API key was found for {config.server}")
    return Failure("no_key", f"the credentials cannot be used: {error}")


def _status_failure(error: "anthropic.APIStatusError") -> Failure:
    headers = error.response.headers
    status = error.status_code
    if 300 <= status < 400:
        target = open_url(headers.get("location", "")) or "another address"
        return Failure("connection", f"the server redirects to {target}, which was not followed", status)
    body = error.body
    message = getattr(error, "api_message", None) or _message_in(body)
    if not message and status == 404:  # a server, but not one that knows this address
        url = error.request.url
        place = open_url(f"{url.scheme}://{url.netloc.decode()}{url.path}")
        return Failure("not_a_stream", f"there is no Messages API at {place}", status)
    if not message:
        text = body if isinstance(body, str) else ""
        message = f"HTTP {status}" if not text or "<" in text[:200] else text[:300]
    return Failure(
        type=str(error.type or _BY_STATUS.get(status) or ("api_error" if status >= 500 else "invalid_request_error")),
        message=str(message),
        status=status,
        request_id=error.request_id or _request_id_in(body),
        retry_after=_retry_after(headers),
        should_retry={"true": True, "false": False}.get(headers.get("x-should-retry", "").lower()),
    )


def _message_in(body: object) -> str | None:
    """The message of an error body: the API's shape, OpenAI's, or `{"detail": ...}`, where FastAPI puts a list."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error", body)
    if isinstance(inner, Mapping):
        inner = inner.get("message") or inner.get("detail")
    if isinstance(inner, list):
        inner = "; ".join(_detail(each) for each in inner[:10] if isinstance(each, Mapping)) or None
    return inner if isinstance(inner, str) else None


def _detail(entry: Mapping[str, Any]) -> str:
    """`thinking.type: Extra inputs are not permitted`; `input`, which would be the request itself, is left out."""
    where = entry.get("loc")
    path = ".".join(str(part) for part in where if part != "body") if isinstance(where, list) else ""
    return f"{path}: {entry.get('msg')}" if path else str(entry.get("msg"))


def _request_id_in(body: object) -> str | None:
    value = body.get("request_id") if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (seconds or a date); None if absent or no number."""
    from email.utils import parsedate_to_datetime

    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) * scale)
        except ValueError:
            with contextlib.suppress(ValueError, TypeError):
                return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _reason(error: BaseException | None) -> str:
    """The innermost reason in words, as ': Connection refused', or ''."""
    text = ""
    while error is not None:
        if isinstance(error, BaseExceptionGroup):  # one for each address of the host
            error = error.exceptions[0]
        if isinstance(error, OSError) and error.errno:
            text = os.strerror(error.errno) if isinstance(error, ConnectionError) else error.strerror or str(error)
            break
        text = str(error).strip() or text
        error = error.__cause__ or error.__context__
    return f": {text}" if text else ""
