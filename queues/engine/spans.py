"""Time as callers write it (seconds, timedelta, datetime) in the ms that the domain keeps."""

import time
from datetime import UTC, datetime, timedelta

from queues.domain.errors import InvalidOption


def now_ms() -> int:
    """Return this machine's clock."""
    return time.time_ns() // 1_000_000


def span_ms(span: float | timedelta, name: str = "span") -> int:
    """Return seconds or a timedelta in ms.

    Raises:
        InvalidOption: it is neither, or negative.
    """
    if isinstance(span, timedelta):
        span = span.total_seconds()
    if isinstance(span, bool) or not isinstance(span, int | float) or not 0 <= span < float("inf"):
        raise InvalidOption(f"{name}={span!r}: give seconds or a timedelta that is not negative")
    return round(span * 1000)


def instant_ms(instant: datetime, name: str) -> int:
    """Return an aware datetime in epoch ms.

    Raises:
        InvalidOption: it is no datetime, or has no time zone.
    """
    if not isinstance(instant, datetime):
        raise InvalidOption(f"{name}={instant!r}: give a datetime")
    if instant.tzinfo is None:
        raise InvalidOption(f"{name}={instant!r}: give it a time zone, as django.utils.timezone.now() does")
    return int(instant.timestamp() * 1000)


def as_datetime(at_ms: int) -> datetime:
    """Return epoch ms as an aware datetime."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
