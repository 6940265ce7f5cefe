"""What may be sent again, and when, as a table."""

import pytest

from tui_chat.engine.retry import ATTEMPTS, LONGEST_WAIT, retry_delay
from tui_chat.errors import Failure


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529, 599])
def test_statuses_that_may_pass(status: int) -> None:
    assert retry_delay(Failure("api_error", "", status), 1, 0.0) == 0.5


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 418, 422])
def test_statuses_that_stay(status: int) -> None:
    assert retry_delay(Failure("api_error", "", status), 1, 0.0) is None


@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error", "timeout_error", "connection"])
def test_errors_without_a_status_that_may_pass(kind: str) -> None:
    assert retry_delay(Failure(kind, ""), 1, 0.0) == 0.5


@pytest.mark.parametrize(
    "kind",
    [
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "billing_error",
        "cut_off",
        "timed_out",
        "interrupted",
        "not_a_stream",
        "no_key",
        "bug",
        "something_new",
    ],
)
def test_errors_without_a_status_that_stay(kind: str) -> None:
    assert retry_delay(Failure(kind, ""), 1, 0.0) is None


@pytest.mark.parametrize("status", [200, 204, 307])
def test_an_answer_that_is_no_refusal_is_not_asked_for_again(status: int) -> None:
    assert retry_delay(Failure("connection", "", status), 1, 0.0) is None


def test_the_wait_doubles_and_jitters() -> None:
    overloaded = Failure("overloaded_error", "", 529)
    assert [retry_delay(overloaded, attempt, 0.0) for attempt in (1, 2)] == [0.5, 1.0]
    assert [retry_delay(overloaded, attempt, 1.0) for attempt in (1, 2)] == [0.375, 0.75]


def test_three_attempts_in_all() -> None:
    overloaded = Failure("overloaded_error", "", 529, should_retry=True)
    assert ATTEMPTS == 3
    assert [retry_delay(overloaded, attempt, 0.0) is not None for attempt in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [(0.0, 0.0), (0.2, 0.2), (LONGEST_WAIT, LONGEST_WAIT), (60.1, None), (86400.0, None), (float("inf"), None)],
)
def test_retry_after(retry_after: float, delay: float | None) -> None:
    assert retry_delay(Failure("rate_limit_error", "", 429, retry_after=retry_after), 1, 0.5) == delay


def test_retry_after_does_not_make_a_refusal_pass() -> None:
    assert retry_delay(Failure("invalid_request_error", "", 400, retry_after=1.0), 1, 0.0) is None


@pytest.mark.parametrize(
    ("status", "should_retry", "again"), [(400, True, True), (529, False, False), (400, None, False), (529, None, True)]
)
def test_the_server_has_the_last_word(status: int, should_retry: bool | None, again: bool) -> None:
    failure = Failure("api_error", "", status, should_retry=should_retry)
    assert (retry_delay(failure, 1, 0.0) is not None) is again
