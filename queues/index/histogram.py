"""Latency histograms that add up: percentiles of any span from the sum of its minutes."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

PER_DOUBLING: Final = 8
"""Buckets for each doubling: a percentile read from a bucket is off by at most 4.5 %."""
_TABLE_MS: Final = 8192
MAX_BUCKET: Final = 40 * PER_DOUBLING
"""2⁴⁰ ms are 34 years; whatever took longer is counted there."""


def _bucket(ms: int) -> int:
    return min(1 + int(math.log2(ms) * PER_DOUBLING + 1e-9), MAX_BUCKET)


_SMALL: Final = tuple(0 if ms < 1 else _bucket(ms) for ms in range(_TABLE_MS))


def bucket_of(ms: int) -> int:
    """Return the bucket of a span; 0 is below one millisecond (clocks that disagree land there too)."""
    if ms < _TABLE_MS:
        return _SMALL[ms] if ms > 0 else 0
    return _bucket(ms)


def bounds(bucket: int) -> tuple[float, float]:
    """Return where a bucket begins and ends, in ms."""
    if bucket == 0:
        return 0.0, 1.0
    return 2 ** ((bucket - 1) / PER_DOUBLING), 2 ** (bucket / PER_DOUBLING)


def count(histogram: list[int], ms: int) -> None:
    """Add one span."""
    bucket = bucket_of(ms)
    if bucket >= len(histogram):
        histogram.extend([0] * (bucket + 1 - len(histogram)))
    histogram[bucket] += 1


def merged(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Return the sum."""
    total: list[int] = []
    for histogram in histograms:
        if len(histogram) > len(total):
            total.extend([0] * (len(histogram) - len(total)))
        for bucket, n in enumerate(histogram):
            if n:
                total[bucket] += n
    return total


def percentile(histogram: Sequence[int], fraction: float) -> float | None:
    """Return the span, in ms, that ``fraction`` of those counted do not exceed; None when none was.

    Within a bucket its spans are taken as spread evenly.
    """
    total = sum(histogram)
    if not total:
        return None
    rank = max(fraction, 0.0) * total
    for bucket, n in enumerate(histogram):
        if n and rank <= n:
            low, high = bounds(bucket)
            return low + (high - low) * rank / n
        rank -= n
    return bounds(len(histogram) - 1)[1]
