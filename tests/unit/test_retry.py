"""Delays grow as the policy says, within its bounds."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.errors import InvalidOption
from queues.domain.retry import MAX_DELAY_MS, Backoff, RetryPolicy

policies = st.builds(
    RetryPolicy,
    st.sampled_from(Backoff),
    st.integers(0, MAX_DELAY_MS),
    st.floats(0, 100),
    st.integers(0, MAX_DELAY_MS),
    st.booleans(),
)


@given(policies, st.integers(-1, 10**6))
def test_a_delay_lies_between_nothing_and_the_longest(policy: RetryPolicy, failed: int):
    delay = policy.delay_ms(failed)
    assert isinstance(delay, int)
    assert 0 <= delay <= policy.max_ms


@given(policies, st.integers(1, 50), st.integers(0, 2**32))
def test_jitter_takes_away_at_most_half(policy: RetryPolicy, failed: int, seed: int):
    plain = RetryPolicy(policy.backoff, policy.initial_ms, policy.coefficient, policy.max_ms, jitter=False)
    jittered = RetryPolicy(policy.backoff, policy.initial_ms, policy.coefficient, policy.max_ms)
    whole = plain.delay_ms(failed)
    assert whole // 2 - 1 <= jittered.delay_ms(failed, random.Random(seed)) <= whole  # noqa: S311 -- not a secret


@pytest.mark.parametrize(
    ("backoff", "coefficient", "delays"),
    [
        (Backoff.CONSTANT, 2.0, [100, 100, 100]),
        (Backoff.LINEAR, 2.0, [100, 200, 300]),
        (Backoff.EXPONENTIAL, 2.0, [100, 200, 400]),
        (Backoff.EXPONENTIAL, 3.0, [100, 300, 900]),
        (Backoff.POLYNOMIAL, 2.0, [100, 400, 900]),
    ],
)
def test_each_backoff_grows_its_own_way(backoff: Backoff, coefficient: float, delays: list[int]):
    policy = RetryPolicy(backoff, 100, coefficient, 10_000, jitter=False)
    assert [policy.delay_ms(n) for n in (1, 2, 3)] == delays
    assert policy.delay_ms(10**6) <= 10_000


@pytest.mark.parametrize(
    "options",
    [
        {"initial_ms": -1},
        {"max_ms": MAX_DELAY_MS + 1},
        {"coefficient": -0.1},
        {"coefficient": 101.0},
        {"coefficient": float("nan")},
    ],
)
def test_a_policy_that_could_not_be_computed_is_refused(options: dict[str, float]):
    with pytest.raises(InvalidOption):
        RetryPolicy(**options)  # type: ignore[arg-type]
