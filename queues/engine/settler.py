"""Makes outcomes durable: each is offered again, unchanged, until it counts or is known not to."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from queues import observe
from queues.domain.errors import LeaseLost, OutcomeUnknown, Unavailable
from queues.domain.outcomes import Outcome
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.settle import settle

log = logging.getLogger(__name__)
FIRST_DELAY_S: Final = 0.1
LAST_DELAY_S: Final = 5.0


class Settler:
    """Settles under way; concurrent ones share a commit. ``gone`` is told of each that ended."""

    def __init__(self, b: Backbone, gone: Callable[[Lease], None]) -> None:
        self._b = b
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.failing = 0
        self.lost = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def pending(self) -> int:
        """How many outcomes are not acknowledged yet."""
        return len(self._tasks)

    def put(self, lease: Lease, outcome: Outcome | None, started_ms: int = 0) -> None:
        """Begin to settle; None: the outcome does not count and the lease is simply let go."""
        if outcome is None:
            self._gone(lease)
            return
        run = self._settle(lease, outcome, started_ms)
        task = asyncio.Task(run, loop=self._loop, eager_start=True)
        if task.done():
            self._ended(task)
        else:
            self._tasks.add(task)
            self.idle.clear()
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self.idle.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            # Nothing renews the lease any more: the reaper passes the activity on.
            log.error("an outcome could not be settled and is given up", exc_info=exc)

    async def _settle(self, lease: Lease, outcome: Outcome, started_ms: int) -> None:
        try:
            await settle(self._b, lease, outcome, started_ms=started_ms)
        except (Unavailable, OutcomeUnknown) as exc:
            await self._insist(lease, outcome, started_ms, exc)
        except LeaseLost:
            self._drop(lease)
        finally:
            self._gone(lease)

    async def _insist(self, lease: Lease, outcome: Outcome, started_ms: int, why: Exception) -> None:
        if not self.failing:
            log.warning("settles wait: %s", why)
        self.failing += 1
        delay_s = FIRST_DELAY_S
        try:
            while True:
                await asyncio.sleep(delay_s * (0.5 + random.random() / 2))  # noqa: S311 -- spreads load
                delay_s = min(delay_s * 2, LAST_DELAY_S)
                try:
                    await settle(self._b, lease, outcome, started_ms=started_ms)
                except (Unavailable, OutcomeUnknown):
                    continue
                except LeaseLost:
                    self._drop(lease)
                return
        finally:
            self.failing -= 1
            if not self.failing:
                log.warning("settles go on")

    def _drop(self, lease: Lease) -> None:
        self.lost += 1
        observe.lease_lost.send(observe.Counted(lease.queue, 1))
        log.warning(
            "outcome dropped: the lease was lost",
            extra={"activity": lease.id, "queue": lease.queue, "fence": lease.fence},
        )

    async def close(self, timeout_s: float) -> int:
        """Wait for what is under way; return how many outcomes were given up (their leases run out)."""
        try:
            await asyncio.wait_for(self.idle.wait(), timeout_s)
        except TimeoutError:
            left = list(self._tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            return len(left)
        return 0
