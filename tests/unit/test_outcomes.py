"""How an attempt ends follows from its outcome and the activity alone."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.activity import (
    MAX_ERROR_BYTES,
    MAX_ERRORS,
    Activity,
    Failure,
    OnExhaustion,
    Reason,
    decode_activity,
    encode_activity,
    keep_error,
)
from queues.domain.outcomes import completed, failed, lease_lost, released, settle_version, snoozed
from queues.domain.record import Kind, stage_of
from queues.domain.retry import Backoff, RetryPolicy
from queues.domain.states import EDGES, Cause, Edge, State

NOW = 1_700_000_000_000
hostile = st.text(st.characters(), max_size=200) | st.sampled_from(
    ["\x00" * 100_000, "\udc00" * 50_000, "😀" * 90_000, "x" * 200_000]
)
failures = st.builds(Failure, st.text(max_size=300), hostile, st.integers(1, 9), st.just(NOW), hostile)
outcomes = st.one_of(
    st.builds(completed, st.just(b'{"a":1}')),
    st.builds(
        failed,
        failures,
        retryable=st.booleans(),
        delay_ms=st.none() | st.integers(0, 10**9),
        reason=st.sampled_from([Reason.FAILED, Reason.TIMEOUT]),
    ),
    st.builds(released),
    st.builds(snoozed, st.integers(0, 10**9)),
)


def active(attempt: int, most: int | None, exhausted: OnExhaustion = OnExhaustion.DEAD_LETTER) -> Activity:
    return Activity(
        id="i", queue="q", type="t", state=State.ACTIVE, attempt=attempt, max_attempts=most,
        on_exhaustion=exhausted, fence=7, worker="w", claimed_ms=NOW,
    )  # fmt: skip


CAUSES = (Cause.COMPLETE, Cause.RETRY, Cause.EXHAUST, Cause.RELEASE, Cause.SLEEP)


@given(outcomes, st.integers(1, 5), st.none() | st.integers(1, 5), st.sampled_from(OnExhaustion))
def test_every_outcome_leads_along_an_edge_into_a_topic_and_a_record_of_bounded_size(
    outcome, attempt, most, exhausted
):
    a = settle_version(active(attempt, most, exhausted), outcome, 99, NOW)
    assert any(Edge(State.ACTIVE, cause, a.state) in EDGES for cause in CAUSES)
    assert a.version == 99
    assert stage_of(a) is {
        State.COMPLETED: Kind.COMPLETED,
        State.DISCARDED: Kind.DLQ if exhausted is OnExhaustion.DEAD_LETTER else Kind.COMPLETED,
    }.get(a.state, Kind.RETRY)
    assert a.dead == (stage_of(a) is Kind.DLQ)
    assert (a.due_ms > NOW) == (a.state in {State.RETRYABLE, State.SCHEDULED})
    body = encode_activity(a)
    assert len(body) < MAX_ERROR_BYTES + 8_192
    assert decode_activity(body) == a


@given(st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_a_failure_is_retried_while_attempts_are_left_and_it_is_retryable(attempt, most, retryable):
    failure = Failure("E", "m", attempt, NOW)
    a = settle_version(active(attempt, most), failed(failure, retryable=retryable), 1, NOW)
    again = retryable and attempt < most
    assert (a.state in {State.RETRYABLE, State.AVAILABLE}) == again
    assert a.errors == (failure,)
    if not retryable:
        assert a.reason == Reason.NON_RETRYABLE


def test_a_delay_given_with_the_failure_overrides_the_policy_and_none_means_at_once():
    def state(delay_ms: int | None, policy: RetryPolicy) -> tuple[State, int]:
        a = active(1, 3)
        a.retry = policy
        settle_version(a, failed(Failure("E", "m", 1, NOW), delay_ms=delay_ms), 1, NOW)
        return a.state, a.due_ms

    later = RetryPolicy(Backoff.CONSTANT, 5_000, jitter=False)
    assert state(0, later) == (State.AVAILABLE, 0)
    assert state(10, later) == (State.RETRYABLE, NOW + 10)
    assert state(None, later) == (State.RETRYABLE, NOW + 5_000)
    assert state(None, RetryPolicy(Backoff.CONSTANT, 0)) == (State.AVAILABLE, 0)


@given(st.integers(1, 5))
def test_released_and_snoozed_attempts_are_not_counted(attempt):
    assert settle_version(active(attempt, 3), released(), 1, NOW).attempt == attempt - 1
    a = settle_version(active(attempt, 3), snoozed(0), 1, NOW)
    assert (a.attempt, a.state) == (attempt - 1, State.SCHEDULED)
    assert a.due_ms > NOW


def test_a_lost_lease_is_an_attempt_and_a_second_one_at_the_end_is_a_crash_loop():
    first = lease_lost(active(1, 2), 1, NOW)
    assert (first.state, first.reason, first.errors[0].type) == (
        State.AVAILABLE,
        "lease_lost",
        "LeaseExpired",
    )
    first.attempt = 2
    second = lease_lost(first, 2, NOW)
    assert (second.state, second.dead, second.reason) == (State.DISCARDED, True, "crash_loop")
    assert lease_lost(active(9, None), 1, NOW).state is State.AVAILABLE


@given(st.lists(failures, min_size=1, max_size=20))
def test_errors_are_the_newest_ones_and_stay_within_their_bytes(all_of_them):
    kept: tuple[Failure, ...] = ()
    for failure in all_of_them:
        kept = keep_error(kept, failure)
    assert 1 <= len(kept) <= MAX_ERRORS
    assert [f.attempt for f in kept] == [f.attempt for f in all_of_them[-len(kept) :]]
    assert len(msgspec.json.encode(kept)) <= MAX_ERROR_BYTES + 16_384
