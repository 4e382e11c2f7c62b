"""How an attempt ends: each outcome is a named constructor, and the next version follows from it alone."""

from enum import StrEnum

import msgspec

from queues.domain.activity import Activity, Failure, OnExhaustion, Reason, keep_error
from queues.domain.states import Cause, State, require_edge


class Ending(StrEnum):
    """The ways in which a lease is given back."""

    COMPLETED = "completed"
    FAILED = "failed"
    RELEASED = "released"
    SNOOZED = "snoozed"


class Outcome(msgspec.Struct, frozen=True):
    """What a handler's attempt came to; made by the functions below."""

    ending: Ending
    result: bytes = b"null"
    failure: Failure | None = None
    reason: Reason = Reason.FAILED
    retryable: bool = True
    delay_ms: int | None = None


def completed(result: bytes = b"null") -> Outcome:
    """The handler returned; ``result`` is JSON."""
    return Outcome(Ending.COMPLETED, result=result)


def failed(
    failure: Failure,
    *,
    retryable: bool = True,
    reason: Reason = Reason.FAILED,
    delay_ms: int | None = None,
) -> Outcome:
    """The handler raised, timed out or died; ``delay_ms`` overrides the retry policy."""
    return Outcome(Ending.FAILED, failure=failure, retryable=retryable, reason=reason, delay_ms=delay_ms)


def released(reason: Reason = Reason.RELEASED) -> Outcome:
    """The worker gives the activity back without counting the attempt."""
    return Outcome(Ending.RELEASED, reason=reason)


def snoozed(delay_ms: int) -> Outcome:
    """The handler asked to be run again later; the attempt is not counted."""
    return Outcome(Ending.SNOOZED, reason=Reason.RETRY_AFTER, delay_ms=delay_ms)


def settle_version(activity: Activity, outcome: Outcome, version: int, now_ms: int) -> Activity:
    """Turn ``activity`` (active, as claimed) into what ``outcome`` makes of it, at ``version``; return it.

    Changes its argument: a settle owns the decoded body. ``fence``, ``worker``, ``claimed_ms`` and ``started_ms``
    are those of the ending attempt.
    """
    activity.version = version
    activity.ended_ms = now_ms
    activity.due_ms = 0
    activity.actor = activity.note = ""
    match outcome.ending:
        case Ending.COMPLETED:
            target, cause, reason = State.COMPLETED, Cause.COMPLETE, ""
            activity.result = msgspec.Raw(outcome.result)
        case Ending.RELEASED:
            target, cause, reason = State.AVAILABLE, Cause.RELEASE, outcome.reason.value
            activity.attempt = max(activity.attempt - 1, 0)
        case Ending.SNOOZED:
            target, cause, reason = State.SCHEDULED, Cause.SLEEP, outcome.reason.value
            activity.attempt = max(activity.attempt - 1, 0)
            activity.due_ms = now_ms + max(outcome.delay_ms or 0, 1)
        case Ending.FAILED:
            target, cause, reason = _after_failure(activity, outcome, now_ms)
    require_edge(State.ACTIVE, cause, target)
    activity.state, activity.reason = target, reason
    return activity


def _after_failure(activity: Activity, outcome: Outcome, now_ms: int) -> tuple[State, Cause, str]:
    if outcome.failure is not None:
        activity.errors = keep_error(activity.errors, outcome.failure)
    if not outcome.retryable or not activity.attempts_left:
        activity.dead = activity.on_exhaustion is OnExhaustion.DEAD_LETTER
        reason = (
            outcome.reason
            if outcome.retryable or outcome.reason is not Reason.FAILED
            else Reason.NON_RETRYABLE
        )
        return State.DISCARDED, Cause.EXHAUST, reason.value
    delay = outcome.delay_ms if outcome.delay_ms is not None else activity.retry.delay_ms(activity.attempt)
    if delay <= 0:
        return State.AVAILABLE, Cause.RETRY, outcome.reason.value
    activity.due_ms = now_ms + delay
    return State.RETRYABLE, Cause.RETRY, outcome.reason.value


def lease_lost(activity: Activity, version: int, now_ms: int) -> Activity:
    """Turn ``activity``, whose lease ran out, into a requeue, or a dead letter when its attempts are spent."""
    activity.version = version
    activity.ended_ms = now_ms
    activity.due_ms = 0
    failure = Failure(
        type="LeaseExpired",
        message=f"worker {activity.worker or 'unknown'} stopped renewing its lease (killed, stopped or cut off)",
        attempt=activity.attempt,
        at_ms=now_ms,
        worker=activity.worker,
    )
    activity.errors = keep_error(activity.errors, failure)
    if activity.attempts_left:
        activity.state, activity.reason = State.AVAILABLE, Reason.LEASE_LOST.value
    else:
        activity.state = State.DISCARDED
        activity.dead = activity.on_exhaustion is OnExhaustion.DEAD_LETTER
        crashes = sum(f.type == "LeaseExpired" for f in activity.errors)
        activity.reason = (Reason.CRASH_LOOP if crashes > 1 else Reason.LEASE_LOST).value
    return activity
