"""What a batch adds to the minutes: each record counts once, in the minute in which the log took it."""

from typing import Final

from queues.domain.activity import Reason
from queues.domain.codes import StateCode
from queues.index import histogram
from queues.index.gather import StageRecord

FAILED: Final = frozenset(
    {
        Reason.FAILED.value,
        Reason.TIMEOUT.value,
        Reason.LEASE_LOST.value,
        Reason.NON_RETRYABLE.value,
        Reason.RESULT_TOO_LARGE.value,
        Reason.CRASH_LOOP.value,
    }
)
NOT_ATTEMPTED: Final = frozenset(
    {
        Reason.REDRIVEN.value,
        Reason.RESCHEDULED.value,
        Reason.PRIORITISED.value,
        Reason.WOKEN.value,
        Reason.EXPIRED.value,
        Reason.DUPLICATE.value,
    }
)
"""Reasons of records whose body may still tell of an older attempt."""
_RETRIED: Final = frozenset(map(int, (StateCode.RETRYABLE, StateCode.AVAILABLE, StateCode.SCHEDULED)))
_ACTIVE, _COMPLETED = int(StateCode.ACTIVE), int(StateCode.COMPLETED)
_DEAD, _DISCARDED, _CANCELLED = int(StateCode.DEAD), int(StateCode.DISCARDED), int(StateCode.CANCELLED)


class Minute:
    """The sums of one minute, queue and type; the names are those of the columns."""

    __slots__ = (
        "cancelled", "completed", "dead", "discarded", "enqueued", "failed", "retried", "run_ms", "runs", "started",
        "waits",
    )  # fmt: skip

    def __init__(self) -> None:
        self.enqueued = self.started = self.completed = self.failed = self.retried = 0
        self.discarded = self.dead = self.cancelled = self.run_ms = 0
        self.waits: list[int] = []
        self.runs: list[int] = []

    def count(self, record: StageRecord, wait_ms: int | None) -> None:
        """Add a later version: what it ended, and what became of the activity."""
        body = record.body
        assert body is not None
        state = record.state
        if ends_attempt(record):
            self.started += 1
            if wait_ms is not None:
                histogram.count(self.waits, wait_ms)
            if body.started_ms:
                run_ms = max(body.ended_ms - body.started_ms, 0)
                self.run_ms += run_ms
                histogram.count(self.runs, run_ms)
            if body.reason in FAILED:
                self.failed += 1
                self.retried += state in _RETRIED
        if state == _COMPLETED:
            self.completed += 1
        elif state == _DEAD:
            self.dead += 1
        elif state == _DISCARDED:
            self.discarded += 1
        elif state == _CANCELLED:
            self.cancelled += 1


def ends_attempt(record: StageRecord) -> bool:
    """Tell whether the record is the end of an attempt, rather than a decision about what waits."""
    body = record.body
    return (
        body is not None and body.fence > 0 and body.reason not in NOT_ATTEMPTED and record.state != _ACTIVE
    )
