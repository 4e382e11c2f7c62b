"""One worker process at work: claims, runs, settles, and drains when told to."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from queues import door
from queues.domain.outcomes import Outcome
from queues.engine.attempt import Attempt, Key, Stop
from queues.engine.children import Children
from queues.engine.claimer import Ask, Claimer
from queues.engine.executor import Executor
from queues.engine.handler import Runs
from queues.engine.registry import Registry
from queues.engine.settler import Settler
from queues.engine.spans import now_ms
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.heartbeat import Held
from queues.services.progress import report_started

log = logging.getLogger(__name__)
STARTED_EVERY_S: Final = 0.05
TIDY_EVERY_S: Final = 1.0
HAND_BACK_S: Final = 5.0
LAST_SETTLES_S: Final = 5.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker serves; of its slots at most ``cpu_slots`` run CPU-bound handlers, in a process each."""

    worker: str
    queues: tuple[str, ...]
    types: tuple[str, ...]
    slots: int = 16
    grace_s: float = 30.0
    cpu_slots: int = 2


class Renewals(Protocol):
    """Who keeps the leases alive."""

    def took(self, leases: Sequence[Lease]) -> None:
        """Renew these; on the way before this returns."""

    def gave(self, lease: Lease) -> None:
        """Renew this one no longer."""


def _asks(registry: Registry, plan: Plan) -> list[Ask]:
    kinds = {
        cpu: [t for t in plan.types if (registry.get(t).runs is Runs.PROCESS) is cpu] for cpu in (False, True)
    }
    return [Ask(queue, types, cpu=cpu) for queue in plan.queues for cpu, types in kinds.items() if types]


class Worker:
    """Runs until ``drain``; ``worn`` tells that half of its slots are lost, so that it should be replaced."""

    def __init__(self, b: Backbone, registry: Registry, plan: Plan, renewals: Renewals) -> None:
        self._b = b
        self.plan = plan
        self._renewals = renewals
        self._draining = asyncio.Event()
        self._grace_s = plan.grace_s
        self.settler = Settler(b, renewals.gave)
        self.executor = Executor(
            b, registry, slots=plan.slots, children=Children(plan.cpu_slots), settle=self._settle
        )
        self.claimer = Claimer(
            b, self.executor, self.settler,
            worker=plan.worker, asks=_asks(registry, plan), took=renewals.took,
        )  # fmt: skip
        self.worn = asyncio.Event()

    def drain(self, grace_s: float | None = None) -> None:
        """Take nothing more, finish what runs within ``grace_s``, give back the rest uncounted."""
        if grace_s is not None:
            self._grace_s = min(self._grace_s, grace_s)
        self._draining.set()

    @property
    def draining(self) -> bool:
        """Whether it takes nothing more."""
        return self._draining.is_set()

    def ended(self, keys: Sequence[tuple[Key, Held]]) -> None:
        """Hear of leases that are no longer held: their handlers are told, their outcomes dropped."""
        for key, held in keys:
            # A lease that was settled a moment ago is "lost" too: nothing runs under it any more.
            if self.executor.stop(key, Stop.CANCELLED if held is Held.CANCELLED else Stop.LOST):
                log.info("attempt ended from outside: %s", held, extra={"queue": key[0], "fence": key[1]})

    async def run(self) -> None:
        """Work until drained."""
        door.adopt(self._b)
        claiming = asyncio.create_task(self.claimer.run())
        chores = [asyncio.create_task(self._report()), asyncio.create_task(self._tidy())]
        draining = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait({claiming, draining}, return_when=asyncio.FIRST_COMPLETED)
            await self._finish(claiming)
        finally:
            for task in (claiming, draining, *chores):
                task.cancel()
            await asyncio.gather(claiming, draining, *chores, return_exceptions=True)
            self.executor.close()
            door.release()
        if not claiming.cancelled() and (exc := claiming.exception()) is not None:
            raise exc

    async def _finish(self, claiming: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._grace_s
        self.claimer.stop()
        # A claim under way may bring leases: cut off, they would wait for the reaper.
        await asyncio.wait({claiming}, timeout=LAST_SETTLES_S)
        self.executor.take_waiting()
        while self.executor.attempts and (left := until - loop.time()) > 0:
            self.executor.changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.executor.changed.wait(), min(left, 1.0))
        self.executor.stop_all()
        while self.executor.attempts:
            self.executor.changed.clear()
            await self.executor.changed.wait()
        given_up = await self.settler.close(max(until - loop.time(), LAST_SETTLES_S))
        if given_up:
            log.error("%d outcomes were not acknowledged in time: those activities run again", given_up)

    def _settle(self, attempt: Attempt, outcome: Outcome | None) -> None:
        self.settler.put(attempt.lease, outcome, attempt.started_ms)

    async def _report(self) -> None:
        """Tell of attempts that began; those that have ended by then say it in their settlement."""
        while True:
            await asyncio.sleep(STARTED_EVERY_S)
            begun, self.executor.begun = self.executor.begun, []
            leases = [attempt.lease for attempt in begun if not attempt.handed]
            if leases:
                report_started(self._b, leases, now_ms())

    async def _tidy(self) -> None:
        """Give back what waits behind long handlers; notice when too many slots are lost."""
        while True:
            await asyncio.sleep(TIDY_EVERY_S)
            self.executor.take_waiting(HAND_BACK_S)
            if self.executor.worn and not self.worn.is_set():
                log.error(
                    "%d of %d slots are lost to handlers that do not end", self.executor.lost, self.plan.slots
                )
                self.worn.set()
