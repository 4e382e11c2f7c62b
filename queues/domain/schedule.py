"""Schedules defined in code: every so often one activity, whose id follows from the entry and the tick."""

import re
from typing import Final

import msgspec

from queues.domain.activity import Activity
from queues.domain.errors import InvalidOption
from queues.domain.ids import derived_id

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN: Final = re.compile(r"(\d+)([smhd])")
MIN_EVERY_MS: Final = 1_000
MAX_EVERY_MS: Final = 366 * 86_400_000


class Schedule(msgspec.Struct, frozen=True):
    """Enqueue a copy of ``template`` at each instant that is a multiple of ``every_ms`` since the epoch."""

    entry: str
    every_ms: int
    template: Activity


def parse_span(text: str) -> int:
    """Return the ms of a span such as ``30s``, ``5m``, ``1h30m`` or ``2d``.

    Raises:
        InvalidOption: it is no such span, or not between one second and a year.
    """
    squeezed = text.strip().lower().replace(" ", "")
    if not re.fullmatch(f"(?:{_SPAN.pattern})+", squeezed):
        raise InvalidOption(
            f"every={text!r}: use whole numbers with s, m, h or d, as in '30s', '5m' or '1h30m'"
        )
    span_ms = sum(int(number) * _UNITS_MS[unit] for number, unit in _SPAN.findall(squeezed))
    if not MIN_EVERY_MS <= span_ms <= MAX_EVERY_MS:
        raise InvalidOption(f"every={text!r}: must lie between one second and a year")
    return span_ms


def tick_at(now_ms: int, every_ms: int) -> int:
    """Return the latest tick that is not after ``now_ms``."""
    return now_ms - now_ms % every_ms


def next_tick(now_ms: int, every_ms: int) -> int:
    """Return the first tick after ``now_ms``."""
    return tick_at(now_ms, every_ms) + every_ms


def tick_id(entry: str, tick_ms: int) -> str:
    """Return the id of the activity of one tick, the same whoever computes it."""
    return derived_id("schedule", entry, str(tick_ms))


def tick_activity(schedule: Schedule, tick_ms: int, now_ms: int) -> Activity:
    """Return the activity of the tick at ``tick_ms``; two schedulers make the very same id, so it runs once."""
    return msgspec.structs.replace(
        schedule.template,
        id=tick_id(schedule.entry, tick_ms),
        created_ms=now_ms,
        once=True,
        meta={**schedule.template.meta, "schedule": schedule.entry, "tick_ms": str(tick_ms)},
    )
