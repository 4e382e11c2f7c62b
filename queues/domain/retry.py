"""When a failed attempt is tried again."""

import random
from enum import StrEnum
from typing import Final

import msgspec

from queues.domain.errors import InvalidOption

MAX_DELAY_MS: Final = 365 * 24 * 3_600_000


class Backoff(StrEnum):
    """How the delay grows with the number of failed attempts."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    CONSTANT = "constant"
    POLYNOMIAL = "polynomial"


class RetryPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Delay before attempt n + 1: grown from ``initial_ms``, capped at ``max_ms``, jittered.

    ``coefficient`` is the base of an exponential and the exponent of a polynomial backoff.
    """

    backoff: Backoff = Backoff.EXPONENTIAL
    initial_ms: int = 1_000
    coefficient: float = 2.0
    max_ms: int = 3_600_000
    jitter: bool = True

    def __post_init__(self) -> None:
        """Refuse a policy that could never be computed."""
        if not 0 <= self.initial_ms <= MAX_DELAY_MS or not 0 <= self.max_ms <= MAX_DELAY_MS:
            raise InvalidOption("retry: initial_ms and max_ms must lie between 0 and one year")
        if not 0.0 <= self.coefficient <= 100.0:
            raise InvalidOption("retry: coefficient must lie between 0 and 100")

    def delay_ms(self, failed: int, rng: random.Random | None = None) -> int:
        """Return the wait after ``failed`` attempts (1 or more), in ms; with jitter between half and all of it."""
        n = max(failed, 1)
        match self.backoff:
            case Backoff.CONSTANT:
                raw: float = self.initial_ms
            case Backoff.LINEAR:
                raw = self.initial_ms * n
            case Backoff.POLYNOMIAL:
                raw = _bounded_power(n, self.coefficient, self.initial_ms)
            case Backoff.EXPONENTIAL:
                raw = _bounded_power(self.coefficient, n - 1, self.initial_ms)
        delay = min(raw, self.max_ms)
        if self.jitter:
            delay *= 0.5 + (rng or random).random() / 2
        return int(delay)


def _bounded_power(base: float, exponent: float, factor: float) -> float:
    try:
        return float(factor * base**exponent)
    except OverflowError:
        return float(MAX_DELAY_MS)


DEFAULT_RETRY: Final = RetryPolicy()
