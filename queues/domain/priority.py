"""Priority: -100 to 100, in four bands that have a topic each."""

from enum import StrEnum
from typing import Final

from queues.domain.errors import InvalidOption

LOWEST: Final = -100
HIGHEST: Final = 100


class Band(StrEnum):
    """A range of priorities; the value is its letter in addresses and Redis keys."""

    CRITICAL = "c"
    HIGH = "h"
    NORMAL = "n"
    LOW = "l"


BANDS: Final = (Band.CRITICAL, Band.HIGH, Band.NORMAL, Band.LOW)
"""In the order in which they are served."""
_CRITICAL_FROM: Final = 75


def band_of(priority: int) -> Band:
    """Return the band: critical from 75, high from 1, normal 0, low below."""
    if priority == 0:
        return Band.NORMAL
    if priority >= _CRITICAL_FROM:
        return Band.CRITICAL
    return Band.HIGH if priority > 0 else Band.LOW


def valid_priority(priority: object) -> int:
    """Return ``priority`` unchanged.

    Raises:
        InvalidOption: it is not a whole number from -100 to 100.
    """
    if not isinstance(priority, int) or isinstance(priority, bool) or not LOWEST <= priority <= HIGHEST:
        raise InvalidOption(f"priority {priority!r}: use a whole number from {LOWEST} to {HIGHEST}")
    return priority
