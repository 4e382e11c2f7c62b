"""The scheduler makes due what is due, discards what has expired, and enqueues the ticks of schedules."""

import contextlib
import time
from collections.abc import Sequence

from queues import observe
from queues.domain.activity import Reason
from queues.domain.errors import Duplicate, QueueError
from queues.domain.schedule import Schedule, tick_activity, tick_at
from queues.hot import reads
from queues.hot.client import HotClosed
from queues.keeper.directory import Directory
from queues.keeper.loop import Loop
from queues.services.backbone import Backbone, now_ms
from queues.services.decide import decide
from queues.services.enqueue import enqueue_activities
from queues.services.verbs import discarding
from queues.services.workflows import wake_complete

MOST = 2_000
SWEEP_S = 1.0


class Scheduler(Loop):
    """Each step is one conditional call a queue, so that two schedulers are harmless."""

    name = "scheduler"
    rest_s = 0.1

    def __init__(self, b: Backbone, directory: Directory, schedules: Sequence[Schedule] = ()) -> None:
        self._b = b
        self._directory = directory
        self._schedules = schedules
        self._ticked: dict[str, int] = {}
        self._swept_at = 0.0

    async def step(self) -> int:
        """Look at every queue and schedule once; return how much was done."""
        await self._directory.refresh()
        done = 0
        sweep = time.monotonic() - self._swept_at > SWEEP_S
        for queue in self._directory.queues:
            with contextlib.suppress(HotClosed):
                done += await self._promote(queue) + await self._expire(queue)
                if sweep:
                    done += await wake_complete(self._b, queue)
                    await self._bound_recent(queue)
        if sweep:
            self._swept_at = time.monotonic()
        # Last: a tick needs the index, and nothing that is due may wait for that.
        return done + await self._tick()

    async def _bound_recent(self, queue: str) -> None:
        """Forget the oldest settled activities beyond HOT_RECENT; with PostgreSQL away the indexer forgets none."""
        counts = await reads.counts(self._b.hot, queue)
        if counts.recent > self._b.conf.hot_recent:
            await self._b.hot.trim(queue, {})

    async def _promote(self, queue: str) -> int:
        moved, _ = await self._b.hot.promote(queue, MOST)
        if moved:
            observe.promoted.send(observe.Counted(queue, moved))
        return moved

    async def _expire(self, queue: str) -> int:
        _, waiting = await self._b.hot.overdue(queue, MOST)
        if not waiting:
            return 0
        done = 0
        for reason in {Reason(why) for _, _, why in waiting}:
            items = [(activity_id, version) for activity_id, version, why in waiting if why == reason]
            answers = await decide(self._b, queue, discarding(reason), items)
            done += sum(not isinstance(answer, QueueError) for answer in answers)
        return done

    async def _tick(self) -> int:
        """Enqueue the newest tick of each schedule that is due; its id follows from schedule and tick."""
        done, now = 0, now_ms()
        failure: QueueError | None = None
        for schedule in self._schedules:
            tick_ms = tick_at(now, schedule.every_ms)
            if self._ticked.get(schedule.entry) == tick_ms:
                continue
            try:
                await enqueue_activities(self._b, [tick_activity(schedule, tick_ms, now)])
                done += 1
            except Duplicate:
                # Another scheduler, or this one before a restart, was first.
                pass
            except QueueError as exc:
                failure = exc
                continue
            self._ticked[schedule.entry] = tick_ms
        if failure is not None:
            raise failure
        return done
