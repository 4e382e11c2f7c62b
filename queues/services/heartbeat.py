"""Renew leases, and learn which are lost."""

import time
from collections.abc import Sequence
from enum import StrEnum

from queues.services.backbone import Backbone
from queues.services.claim import Lease


class Held(StrEnum):
    """What became of a lease."""

    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"


_DIGITS = {"1": Held.HELD, "0": Held.LOST, "2": Held.CANCELLED}


async def renew_leases(b: Backbone, leases: Sequence[Lease], lease_s: float | None = None) -> list[Held]:
    """Extend each lease that is still held; one call a queue; answer in order.

    Raises:
        HotUnavailable: it is not known; the leases run on until their deadline.
    """
    lease_ms = int((lease_s or b.conf.lease_s) * 1000)
    by_queue: dict[str, list[int]] = {}
    for at, lease in enumerate(leases):
        by_queue.setdefault(lease.queue, []).append(at)
    answers = [Held.LOST] * len(leases)
    for queue, places in by_queue.items():
        digits = await b.hot.renew(queue, lease_ms, [(leases[at].id, leases[at].fence) for at in places])
        for at, digit in zip(places, digits, strict=True):
            answers[at] = _DIGITS[digit]
            if digit == "1":
                leases[at].seen_s = time.monotonic()
    return answers
