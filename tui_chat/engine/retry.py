"""What may be sent again, and when: a pure function, so that the countdown can be shown and tested without waiting.

Only while nothing was shown. After the first delta a retry would double text and cost; then the partial is kept instead.
"""

from typing import Final

from tui_chat.errors import Failure

ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 60.0  # seconds; beyond it the time is shown and the turn ends
_FIRST_WAIT: Final = 0.5  # seconds, doubled at each attempt
_STATUSES: Final = frozenset({408, 409, 429})
_TYPES: Final = frozenset({"overloaded_error", "rate_limit_error", "api_error", "timeout_error", "connection"})


def retry_delay(failure: Failure, attempt: int, jitter: float) -> float | None:
    """Seconds to wait before sending again after attempt number `attempt` (from 1) failed, or None: do not.

    `jitter` is a random number in [0, 1). A server's `retry-after` is honoured up to 60 s, its `x-should-retry` always.
    """
    if attempt >= ATTEMPTS or failure.should_retry is False:
        return None
    if failure.status is not None and failure.status >= 400:
        retryable = failure.status in _STATUSES or failure.status >= 500
    else:
        retryable = failure.type in _TYPES and failure.status is None
    if not retryable and failure.should_retry is not True:
        return None
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= LONGEST_WAIT else None
    return min(_FIRST_WAIT * 2.0 ** (attempt - 1), 8.0) * (1 - 0.25 * jitter)
