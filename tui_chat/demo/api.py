"""The routes of the demo: an HTTP request -> what to answer, and when.

Why it exists: everything the API decides (who may ask, what is legal, which model, which reply) is decided here, in one
go and without waiting; the result is a timeline that the server only has to play.
What it must not know: sockets and time. It remembers one thing, how often each conversation was sent, for `flaky`.
"""

import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs

from tui_chat.demo.connection import HttpRequest
from tui_chat.demo.content import Failure, Fault, Reply, limit
from tui_chat.demo.legal_parameters import is_custom, why_unknown
from tui_chat.demo.legality import why_illegal
from tui_chat.demo.models import MODELS, find_model
from tui_chat.demo.replies import ERROR_TYPES, choose_reply
from tui_chat.demo.schedule import Beat, Pacing, schedule
from tui_chat.demo.tokens import count_request, input_usage
from tui_chat.demo.wire import PING, Envelope, ends_cleanly, error_body, stream_script, to_json, whole_message

PACING_HEADER: Final = "x-demo-pacing"
DEFAULT_PAGE: Final = 20

_JSON: Final = "application/json"
_EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: each part of the body with its offset in seconds from the arrival of the request.

    The headers go out with the first part that is not empty. `clean` False: the connection just closes at the end.
    """

    status: int
    timeline: Iterator[tuple[float, Beat]]
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    clean: bool = True


class _RefusedError(Exception):
    """Carries an error response out of the checks."""

    def __init__(self, status: int, message: str, type: str | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(status, type or ERROR_TYPES[status], message)


class Api:
    """The demo's Messages API. `pacing` holds unless a request has a header of its own; None: each model has its own.

    `refuses` names parameters it pretends not to know, as servers do that speak only a part of the protocol.
    """

    def __init__(self, pacing: Pacing | None, refuses: Collection[str] = ()) -> None:
        self._pacing = pacing
        self._refuses = refuses
        self._attempts: Counter[bytes] = Counter()

    def answer(self, request: HttpRequest, body: Any, request_id: str) -> Answer:
        """The answer to a request, whose JSON body is parsed already (None: there is none, or it is no JSON)."""
        try:
            return self._route(request, body, request_id)
        except _RefusedError as refused:
            return _failure(refused.failure, request_id)
        except RecursionError:
            return _failure(Failure(400, ERROR_TYPES[400], "The request body is nested too deeply"), request_id)

    def _route(self, request: HttpRequest, body: Any, request_id: str) -> Answer:
        _check_key(request.headers)
        path, _, query = request.target.partition("?")
        name = path.removeprefix("/v1/models/")
        routes: dict[str, tuple[str, Callable[[], Answer]]] = {
            "/v1/messages": ("POST", lambda: self._messages(request, body, request_id)),
            "/v1/messages/count_tokens": ("POST", lambda: self._count_tokens(request, body)),
            "/v1/models": ("GET", lambda: _models(parse_qs(query))),
            f"/v1/models/{name}": ("GET", lambda: _model(name)),
        }
        if path not in routes:
            raise _RefusedError(404, "Not found")
        method, handler = routes[path]
        if request.method != method:
            raise _RefusedError(405, "Method Not Allowed", "invalid_request_error")
        return handler()

    def _messages(self, request: HttpRequest, body: Any, request_id: str) -> Answer:
        self._check_body(request, body)
        model = find_model(body["model"])
        assert model is not None  # noqa: S101 - `_check_body` has refused it otherwise
        try:
            pacing = (self._pacing or model.pacing).altered(request.headers.get(PACING_HEADER, ""))
        except ValueError as error:
            raise _RefusedError(400, f"{PACING_HEADER}: {error}") from error
        reply = choose_reply(body["messages"], self._attempt(body["messages"]), _offered(body))
        if isinstance(reply, Failure):
            return _failure(reply, request_id)
        reply = limit(reply, body["max_tokens"], body.get("stop_sequences") or ())
        pacing = replace(
            pacing,
            ttft=pacing.ttft if reply.ttft is None else reply.ttft,
            rate=pacing.rate if reply.rate is None else reply.rate,
        )
        envelope = Envelope("msg_01" + secrets.token_hex(11), request_id, model.id, input_usage(body))
        timeline = schedule(stream_script(reply, envelope, pacing), pacing, PING)
        clean = ends_cleanly(reply)
        if body.get("stream"):
            return Answer(200, timeline, _EVENT_STREAM, {"cache-control": "no-cache"}, clean)
        return _at_once(reply, envelope, timeline)

    def _count_tokens(self, request: HttpRequest, body: Any) -> Answer:
        self._check_body(request, body, counting=True)
        return _document(200, to_json({"input_tokens": count_request(body)}))

    def _check_body(self, request: HttpRequest, body: Any, *, counting: bool = False) -> None:
        if request.body is None:
            raise _RefusedError(413, "Request exceeds the maximum size")
        if body is None:
            raise _RefusedError(400, "The request body is not valid JSON")
        # Before the rest, as in the API: a wrong model is a 404 even when more is wrong.
        name = body.get("model") if isinstance(body, dict) else None
        if isinstance(name, str) and name and find_model(name) is None:
            raise _RefusedError(404, f"model: {name}")
        reason = why_illegal(body, counting=counting) or why_unknown(body, self._refuses)
        if reason is not None:
            raise _RefusedError(400, reason)

    def _attempt(self, messages: list[Any]) -> int:
        """How often this very conversation was sent before."""
        key = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).digest()
        self._attempts[key] += 1
        return self._attempts[key] - 1


def _offered(body: Mapping[str, Any]) -> dict[str, Any]:
    """The tools the client would run, by name; the server's own are none of these."""
    if (body.get("tool_choice") or {}).get("type") == "none":
        return {}
    return {tool["name"]: tool for tool in body.get("tools") or () if is_custom(tool)}


def _at_once(reply: Reply, envelope: Envelope, timeline: Iterator[tuple[float, Beat]]) -> Answer:
    """The same reply without `stream`: nothing, and at the moment of the last event all of it."""
    end = max((offset for offset, _ in timeline), default=0.0)
    text = to_json(whole_message(reply, envelope))
    match reply.interruption.fault if reply.interruption else None:
        case Fault.ERROR:
            failed = _failure(Failure(500, "api_error", "Internal server error"), envelope.request_id)
            return replace(failed, timeline=iter([(end, beat) for _, beat in failed.timeline]))
        case Fault.CUT | Fault.EOF:
            return Answer(200, iter([(end, Beat(text[: len(text) // 2]))]), clean=ends_cleanly(reply))
        case Fault.SILENCE | Fault.WAIT | Fault.NO_HEADERS:
            return Answer(200, iter([(end, Beat(""))]), clean=False)
        case _:
            return _document(200, text, end)


def _document(
    status: int, text: str, at: float = 0.0, content_type: str = _JSON, headers: Mapping[str, str] | None = None
) -> Answer:
    length = str(len(text.encode("utf-8", "replace")))
    return Answer(status, iter([(at, Beat(text))]), content_type, {"content-length": length, **(headers or {})})


def _failure(failure: Failure, request_id: str) -> Answer:
    if failure.type is None:
        return _document(failure.status, failure.message, content_type="text/html; charset=utf-8")
    headers = {} if failure.retry_after is None else {"retry-after": str(failure.retry_after)}
    text = to_json(error_body(failure.type, failure.message, request_id))
    return _document(failure.status, text, headers=headers)


def _check_key(headers: Mapping[str, str]) -> None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    key = headers.get("x-api-key", "").strip()
    if not bearer and not key:
        raise _RefusedError(401, "x-api-key header is required")
    if any(word in (key + " " + bearer).lower() for word in ("wrong", "invalid")):
        raise _RefusedError(401, "invalid x-api-key" if key else "Invalid bearer token")


def _models(query: Mapping[str, list[str]]) -> Answer:
    size = re.fullmatch(r"[1-9][0-9]{0,3}", query.get("limit", [""])[-1])
    after = query.get("after_id", [""])[-1]
    names = list(MODELS)
    start = names.index(after) + 1 if after in MODELS else 0
    page = names[start : start + (int(size[0]) if size else DEFAULT_PAGE)]
    content = {
        "data": [MODELS[name].to_json() for name in page],
        "has_more": start + len(page) < len(names),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }
    return _document(200, to_json(content))


def _model(name: str) -> Answer:
    model = find_model(name)
    if model is None:
        raise _RefusedError(404, f"model: {name}")
    return _document(200, to_json(model.to_json()))
