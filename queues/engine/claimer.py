"""Takes work from the queues in fair rotation, as much as slots and their speed allow."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from queues.domain.errors import HotUnavailable
from queues.engine.executor import Executor
from queues.engine.settler import Settler
from queues.services.backbone import Backbone
from queues.services.claim import Lease, WorkHints, claim

log = logging.getLogger(__name__)
LOOK_AGAIN_S: Final = 1.0
EMPTY_S: Final = 0.2
APART_S: Final = 0.006
"""Least time between claims that hints call for: under a stream of single enqueues a claim takes a few at once."""
PREFETCH_S: Final = 0.2
MOST_PREFETCH: Final = 1_000
MOST_UNSETTLED: Final = 4_000


class Pace:
    """How many attempts a second end here, lately."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._at = time.monotonic()
        self._ended = 0

    def look(self, ended: int) -> None:
        """Note the number ended so far."""
        now = time.monotonic()
        span = now - self._at
        if span >= PREFETCH_S / 2:
            self.per_s += ((ended - self._ended) / span - self.per_s) * min(span / PREFETCH_S, 1.0) / 2
            self._at, self._ended = now, ended


class Ask:
    """What is asked of one queue, whether it is worth asking now, and the name of the call under way.

    CPU-bound types are asked for by themselves: they are welcome only when a process is free.
    """

    __slots__ = ("call", "cpu", "queue", "refused", "rest_until", "types")

    def __init__(self, queue: str, types: Sequence[str], *, cpu: bool) -> None:
        self.queue = queue
        self.types = frozenset(types)
        self.cpu = cpu
        self.rest_until = 0.0
        self.call = ""
        self.refused = 0


class Claimer:
    """Claims for one process. ``took`` hears of leases before anything runs under them."""

    def __init__(
        self,
        b: Backbone,
        executor: Executor,
        settler: Settler,
        *,
        worker: str,
        asks: Sequence[Ask],
        took: Callable[[Sequence[Lease]], None],
    ) -> None:
        self._b = b
        self._executor = executor
        self._settler = settler
        self._worker = worker
        self._asks = list(asks)
        self._took = took
        self._hints = WorkHints(b, sorted({ask.queue for ask in asks}))
        self._pace = Pace()
        self._calls = 0
        self._claimed_at = 0.0
        self._stopping = False

    async def run(self) -> None:
        """Claim until ``stop``."""
        try:
            while not self._stopping:
                if await self.step() == 0:
                    await self._rest()
        finally:
            await self._hints.close()

    def stop(self) -> None:
        """Take nothing more; a call under way is still answered."""
        self._stopping = True
        self._executor.changed.set()

    async def step(self) -> int:
        """Ask each queue once, beginning with another one each time; return how many leases were taken."""
        taken = 0
        for ask in list(self._asks):
            if self._stopping:
                break
            room = self._room(ask)
            if room > 0:
                taken += await self._claim(ask, room)
        self._asks.append(self._asks.pop(0))
        return taken

    def _room(self, ask: Ask) -> int:
        if self._settler.failing or self._settler.pending > MOST_UNSETTLED:
            return 0
        self._pace.look(self._executor.tally.ended)
        ahead = min(int(self._pace.per_s * PREFETCH_S), MOST_PREFETCH)
        return self._executor.room(ahead, cpu=ask.cpu)

    async def _claim(self, ask: Ask, room: int) -> int:
        if ask.rest_until > time.monotonic():
            return 0
        if not ask.call:
            self._calls += 1
            ask.call = f"{self._worker}:{self._calls}"
        self._claimed_at = time.monotonic()
        try:
            leases = await claim(
                self._b, ask.queue, most=room, worker=self._worker, types=ask.types, call=ask.call
            )
        except HotUnavailable as exc:
            # The same call again: it may have been carried out, and its leases must not wait for the reaper.
            self._refused(ask, exc)
            return 0
        if ask.refused:
            log.info("claims go on", extra={"queue": ask.queue})
        ask.call, ask.refused = "", 0
        if not leases:
            ask.rest_until = time.monotonic() + EMPTY_S
            return 0
        self._took(leases)
        self._executor.offer(leases)
        return len(leases)

    def _refused(self, ask: Ask, why: HotUnavailable) -> None:
        ask.refused += 1
        ask.rest_until = time.monotonic() + min(0.2 * 2 ** min(ask.refused, 4), 2.0)
        if ask.refused == 3:
            log.warning("claims wait: %s", why, extra={"queue": ask.queue})

    async def _rest(self) -> None:
        """Return when a slot is free and a queue may have work."""
        self._executor.changed.clear()
        if all(self._room(ask) <= 0 for ask in self._asks):
            try:
                await asyncio.wait_for(self._executor.changed.wait(), EMPTY_S)
            except TimeoutError:
                return
            return
        if self._stopping:
            return
        if await self._hints.wait(self._rest_s()):
            await asyncio.sleep(self._claimed_at + APART_S - time.monotonic())
            for ask in self._asks:
                if not ask.refused:
                    ask.rest_until = 0.0

    def _rest_s(self) -> float:
        resting = [ask.rest_until for ask in self._asks if ask.refused]
        return min([LOOK_AGAIN_S, *(max(until - time.monotonic(), 0.01) for until in resting)])
