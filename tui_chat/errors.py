"""The error tree, and what a turn's failure is.

    TuiChatError                 one sentence: what happened; `advice`: what the user can do
    ├── UsageError               bad arguments or configuration: exit code 2
    ├── RequestError             a request went wrong; carries the `Failure` that the turn ends with
    ├── ToolError                a tool call cannot be answered (engine/tools); the text goes to the model
    └── StoreError               conversations cannot be read or written
        ├── StoreUnavailableError  locked, disk full, read-only: may work again later
        ├── StoreCorruptError      not a database, or a damaged one
        └── StoreTooNewError       written by a newer version; left untouched

Exceptions stay inside their layer: the engine turns every `RequestError` into a turn that ends as failed, and the screen
shows a `Failure`, never a traceback.
"""

from dataclasses import dataclass
from typing import Final


class TuiChatError(Exception):
    """The root: `str(error)` says what happened, `advice` what to do about it (may be empty)."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    @property
    def sentence(self) -> str:
        """Message and advice as one line."""
        return f"{self}: {self.advice}" if self.advice else str(self)


class UsageError(TuiChatError):
    """Arguments or configuration that cannot be used; the program exits with 2."""


class StoreError(TuiChatError):
    """Conversations cannot be read or written."""


class StoreUnavailableError(StoreError):
    """The database is locked, full or read-only; trying again later may work."""


class StoreCorruptError(StoreError):
    """The file is not a usable database."""


class StoreTooNewError(StoreError):
    """The database was written by a newer version of the program and is left untouched."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request or a turn failed: a value that is stored, shown and printed.

    `type` is the API's error type verbatim, or one of ours: cut_off, timed_out, interrupted, not_a_stream, connection,
    no_key, bug. `message` is text from outside: sanitise it before showing. `retry_after` is in seconds.
    """

    type: str
    message: str
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    attempts: int = 1

    @property
    def sentence(self) -> str:
        """What happened and what to do, in one line."""
        what = _WHAT.get(self.type, "")
        message = self.message.strip().removesuffix(".")
        happened = what.format(message=message) if what else (message or self.type)
        facts = [str(self.status)] if self.status and self.status >= 400 else []
        facts += [f"{self.attempts} attempts"] if self.attempts > 1 else []
        if self.retry_after is not None and self.retry_after > 60:
            facts.append(f"the server asks to wait {_duration(self.retry_after)}")
        if facts:
            happened += f" ({', '.join(facts)})"
        advice = self.advice
        return f"{happened}; {advice}" if advice else happened

    @property
    def advice(self) -> str:
        """What the user can do, or ''."""
        return _ADVICE.get(self.type, "")


class RequestError(TuiChatError):
    """A request went wrong; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


_WHAT: Final = {
    "overloaded_error": "the API is overloaded",
    "rate_limit_error": "rate limit reached: {message}",
    "authentication_error": "the key was not accepted",
    "not_found_error": "not found: {message}",
    "permission_error": "not allowed: {message}",
    "billing_error": "billing: {message}",
    "invalid_request_error": "the request was refused: {message}",
    "request_too_large": "the conversation is too large for one request",
    "api_error": "the server reported an error: {message}",
    "timeout_error": "the server gave up: {message}",
    "no_key": "no API key was found for this server",
    "interrupted": "the program ended before the reply did",
}
_ADVICE: Final = {
    "overloaded_error": "try again in a moment",
    "rate_limit_error": "wait a little, then send again",
    "authentication_error": "check ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) and start again",
    "not_found_error": "choose another model (/model, --model)",
    "permission_error": "check what this key may use",
    "billing_error": "check the account's billing",
    "invalid_request_error": "edit the prompt, or start a new chat",
    "request_too_large": "start a new chat, or shorten the prompt",
    "api_error": "send again",
    "timeout_error": "send again",
    "no_key": "set ANTHROPIC_API_KEY, or start with --demo",
    "connection": "check the network and the base URL",
    "cut_off": "send again",
    "timed_out": "send again",
    "not_a_stream": "check that the base URL is a Messages API",
    "interrupted": "send again",
    "bug": "please report it; the log file has the details",
}
