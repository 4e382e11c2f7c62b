"""What an attempt came to, from what its handler returned or raised."""

import asyncio
from datetime import timedelta

import pytest

from queues.domain.activity import Reason
from queues.domain.outcomes import Ending
from queues.engine import endings
from queues.engine.arguments import InvalidArguments
from queues.engine.control import NonRetryable, Retry, Snooze

LIMIT = 100


def test_a_result_completes():
    assert endings.returned(None, 1, LIMIT).result == b"null"
    assert endings.returned({"a": 1}, 1, LIMIT).result == b'{"a":1}'


def test_a_result_that_cannot_be_kept_fails_for_good():
    too_large = endings.returned("x" * 200, 1, LIMIT)
    assert (too_large.ending, too_large.retryable, too_large.reason) == (
        Ending.FAILED,
        False,
        Reason.RESULT_TOO_LARGE,
    )
    no_json = endings.returned(object(), 1, LIMIT)
    assert (no_json.retryable, no_json.reason) == (False, Reason.NON_RETRYABLE)


def test_an_exception_is_retried_by_the_policy():
    outcome = endings.raised(ValueError("no"), 2)
    assert (outcome.ending, outcome.retryable, outcome.delay_ms) == (Ending.FAILED, True, None)
    assert (outcome.failure.type, outcome.failure.message, outcome.failure.attempt) == ("ValueError", "no", 2)


def test_a_handler_steers_its_own_attempt():
    assert endings.raised(Retry(after=timedelta(seconds=2)), 1).delay_ms == 2_000
    assert endings.raised(NonRetryable("no"), 1).retryable is False
    assert endings.raised(InvalidArguments("no"), 1).retryable is False
    snoozed = endings.raised(Snooze(3), 1)
    assert (snoozed.ending, snoozed.delay_ms) == (Ending.SNOOZED, 3_000)


def test_a_handler_that_cancels_itself_has_failed():
    assert endings.raised(asyncio.CancelledError(), 1).failure.type == "CancelledError"


def test_an_exception_whose_text_cannot_be_had_is_named_all_the_same():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("worse")

    failure = endings.raised(Broken(), 1).failure
    assert failure.type.endswith("Broken")
    assert "cannot be had" in failure.message


def test_the_stack_shows_the_handlers_frames_and_causes():
    def handler():
        try:
            raise KeyError("inner")  # noqa: TRY301 -- a cause is what is tested
        except KeyError as exc:
            raise ValueError("outer") from exc

    with pytest.raises(ValueError, match="outer") as caught:
        handler()
    stack = endings.raised(caught.value, 1).failure.stack
    assert "in handler" in stack
    assert "KeyError: 'inner'" in stack
    assert "direct cause" in stack


def test_a_runaway_recursion_has_a_bounded_stack():
    def forever(n):
        return forever(n + 1)

    with pytest.raises(RecursionError) as caught:
        forever(0)
    assert len(endings.raised(caught.value, 1).failure.stack) < 20_000
