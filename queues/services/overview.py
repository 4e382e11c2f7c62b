"""What pages read of the hot view: counts of a queue, and who holds what."""

from typing import NamedTuple

from queues.hot import reads
from queues.services.backbone import Backbone

MOST_LEASES = 1_000


class Active(NamedTuple):
    """One running activity: who holds it, since when, until when unless renewed."""

    id: str
    type: str
    worker: str
    attempt: int
    deadline_ms: int


async def hot_counts(b: Backbone, queue: str) -> reads.Counts:
    """Return how many activities Redis holds of the queue, by where they wait.

    Raises:
        HotUnavailable: Redis is away; the index still answers.
    """
    return await reads.counts(b.hot, queue)


async def active_leases(b: Backbone, queue: str, most: int = MOST_LEASES) -> list[Active]:
    """Return what runs now, the oldest lease first."""
    found: list[Active] = []
    for activity_id, deadline_ms in await reads.leased(b.hot, queue, most):
        record = await reads.find(b.hot, queue, activity_id)
        if record is not None and not record.settled and record.worker:
            found.append(Active(activity_id, record.type, record.worker, record.attempt, deadline_ms))
    return found
