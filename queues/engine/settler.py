"""Makes outcomes durable: each is offered again, unchanged, until it counts or is known not to."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from queues import observe
from queues.domain.errors import LeaseLost, OutcomeUnknown, Unavailable
from queues.domain.outcomes import Outcome
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.commit import CROWD, PATIENCE_S
from queues.services.settle import Ended, settle, settle_many

log = logging.getLogger(__name__)
FIRST_DELAY_S: Final = 0.1
LAST_DELAY_S: Final = 5.0
MOST_COMMITS: Final = 4
MOST_AT_ONCE: Final = 1_000


class Settler:
    """Settles under way: what ends while commits are under way shares the next one. ``gone`` is told of each."""

    def __init__(self, b: Backbone, gone: Callable[[Lease], None]) -> None:
        self._b = b
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Ended] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._commits = 0
        self._soon = False
        self._nudge: asyncio.TimerHandle | None = None
        self.pending = 0
        self.failing = 0
        self.lost = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def put(self, lease: Lease, outcome: Outcome | None, started_ms: int = 0) -> None:
        """Begin to settle; None: the outcome does not count and the lease is simply let go."""
        if outcome is None:
            self._gone(lease)
            return
        self._waiting.append(Ended(lease, outcome, started_ms))
        self.pending += 1
        self.idle.clear()
        if not self._soon and self._room():
            self._soon = True
            self._loop.call_soon(self._commit_soon)
        elif self._nudge is None:
            self._nudge = self._loop.call_later(PATIENCE_S, self._hurry)

    def _room(self, least: int = CROWD) -> bool:
        return not self._commits or (self._commits < MOST_COMMITS and len(self._waiting) >= least)

    def _hurry(self) -> None:
        # A commit that takes so long may be stuck with one partition, and others would go elsewhere.
        self._nudge = None
        self._commit_soon(1)

    def _commit_soon(self, least: int = CROWD) -> None:
        self._soon = False
        while self._waiting and self._room(least):
            queue = self._waiting[0].lease.queue
            batch: list[Ended] = []
            while self._waiting and self._waiting[0].lease.queue == queue and len(batch) < MOST_AT_ONCE:
                batch.append(self._waiting.popleft())
            self._commits += 1
            self._begin(self._commit(queue, batch))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _commit(self, queue: str, batch: list[Ended]) -> None:
        try:
            answers = await settle_many(self._b, queue, batch)
        finally:
            self._commits -= 1
            if self._waiting:
                self._commit_soon()
        for ended, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Unavailable | OutcomeUnknown):
                self._begin(self._again(ended, answer))
                continue
            if isinstance(answer, LeaseLost):
                self._drop(ended.lease)
            elif answer is not None:
                log.error("an outcome could not be settled and is given up", exc_info=answer)
            self._done(ended.lease)

    def _done(self, lease: Lease) -> None:
        self.pending -= 1
        self._gone(lease)
        if not self.pending:
            self.idle.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            # Nothing renews the lease any more: the reaper passes the activity on.
            log.error("outcomes could not be settled and are given up", exc_info=exc)

    async def _again(self, ended: Ended, why: BaseException) -> None:
        try:
            await self._insist(*ended, why)
        finally:
            self._done(ended.lease)

    async def _insist(self, lease: Lease, outcome: Outcome, started_ms: int, why: BaseException) -> None:
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
            left = self.pending
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            return left
        return 0
