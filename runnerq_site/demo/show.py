"""One showing of the demo: feeds files, watches over its processes, and tells what goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from queues.conf import get_conf
from queues.domain.codes import StateCode
from queues.domain.errors import QueueError
from queues.index.connection import borrowed
from queues.services.backbone import Backbone
from runnerq_site.demo.feed import Batches, put
from runnerq_site.demo.files import Document, documents
from runnerq_site.demo.household import Household
from runnerq_site.demo.ledger import Ledger
from runnerq_site.demo.screen import Screen

GROUP: Final = 25
GROUP_ONCE: Final = 100
STUCK_S: Final = 180.0
BACKLOG_S: Final = 60
"""Feeding holds while more waits than so many seconds of it."""
_SLOW_S: Final = 20.0
_SLOW_ONCE_S: Final = 3.0
_LOOK_S: Final = 1.0
_COUNTS: Final = "SELECT state, sum(count)::bigint FROM idx.counter GROUP BY state"


class Plan(NamedTuple):
    """What to feed; ``rate`` is files a second, ``limit`` 0 means all."""

    root: Path
    files: list[Path]
    rate: int
    limit: int


class Show:
    """Feeds and watches until done or until ``stop`` is set."""

    def __init__(self, plan: Plan, household: Household, screen: Screen) -> None:
        self._plan = plan
        self._household = household
        self._screen = screen
        self._fed = 0
        self._completed_before = 0
        self._go = asyncio.Event()
        self._go.set()
        self.stop = asyncio.Event()

    async def loop(self) -> None:
        """Feed at the rate, round after round, until told to stop."""
        b = await Backbone.open(get_conf())
        try:
            self._completed_before = (await self._counts(b)).get(StateCode.COMPLETED, 0)
            await self._run(self._feed_for_ever(b), self._attend(), self._tell(b))
        finally:
            await b.close()

    async def once(self) -> Ledger:
        """Feed each file once, as fast as it goes; return when all has ended, nothing ends any more, or on stop."""
        b = await Backbone.open(get_conf())
        ledger = Ledger()
        try:
            await self._run(self._feed_once(b, ledger), self._attend())
        finally:
            await b.close()
        return ledger

    async def _run(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        """Run all until the first one ends or ``stop`` is set; what failed is raised."""
        tasks = [asyncio.ensure_future(each) for each in (*coroutines, self._stopped())]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._screen.status("")
        for task in done:
            task.result()

    async def _stopped(self) -> None:
        await self.stop.wait()

    async def _groups(self, size: int) -> AsyncIterator[list[Document]]:
        """Yield the documents of one round; files are read in a thread."""
        found = documents(self._plan.files)
        if self._plan.limit:
            found = islice(found, self._plan.limit)
        while group := await asyncio.to_thread(lambda: list(islice(found, size))):
            yield group

    async def _feed_for_ever(self, b: Backbone) -> None:
        batches = Batches(self._plan.root, slow_s=_SLOW_S)
        size = min(GROUP, max(1, self._plan.rate // 2))
        due = time.monotonic()
        while True:
            fed_before = self._fed
            async for group in self._groups(size):
                await self._go.wait()
                if await put(b, batches.of(group), self._screen.say):
                    self._fed += len(group)
                # What could not be fed while servers were away is not fed faster afterwards.
                due = max(due + len(group) / self._plan.rate, time.monotonic() - 1)
                await asyncio.sleep(max(due - time.monotonic(), 0))
            if self._fed == fed_before:
                # Files may vanish, or servers be away for a whole round.
                await asyncio.sleep(_LOOK_S)

    async def _feed_once(self, b: Backbone, ledger: Ledger) -> None:
        batches = Batches(self._plan.root, slow_s=_SLOW_ONCE_S)
        async for group in self._groups(GROUP_ONCE):
            batch = batches.of(group)
            ledger.enter(batch.all(), batch.no_text)
            if not await put(b, batch, self._screen.say):
                return
            await self._look(b, ledger)
        progress_at = time.monotonic()
        while ledger.open and time.monotonic() - progress_at < STUCK_S:
            await asyncio.sleep(_LOOK_S / 4)
            if await self._look(b, ledger):
                progress_at = time.monotonic()

    async def _look(self, b: Backbone, ledger: Ledger) -> int:
        ended = 0
        with suppress(QueueError):
            ended = await ledger.look(b)
        self._screen.status(
            f"{_clock()}  {ledger.entered:,} enqueued · {ledger.entered - ledger.open:,} ended"
        )
        return ended

    async def _attend(self) -> None:
        """Keep servers and processes running."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(self._household.revive)

    async def _tell(self, b: Backbone) -> None:
        """Say how things are."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                counts = await self._counts(b)
            except QueueError:
                continue
            n = {code: counts.get(code, 0) for code in StateCode}
            waiting = n[StateCode.AVAILABLE] + n[StateCode.PENDING] + n[StateCode.SCHEDULED]
            if waiting > self._plan.rate * BACKLOG_S:
                self._go.clear()
            else:
                self._go.set()
            self._screen.status(
                f"{_clock()}  {self._fed:,} files fed{'' if self._go.is_set() else ' (holding: workers are behind)'} · "
                f"{n[StateCode.COMPLETED] - self._completed_before:,} activities completed · {waiting:,} waiting · "
                f"{n[StateCode.ACTIVE]:,} running · {n[StateCode.RETRYABLE]:,} to be retried · "
                f"{n[StateCode.DEAD]:,} dead letters"
            )

    async def _counts(self, b: Backbone) -> dict[int, int]:
        async with borrowed(await b.index()) as connection:
            return dict(await (await connection.execute(_COUNTS)).fetchall())


def _clock() -> str:
    return time.strftime("%H:%M:%S")
