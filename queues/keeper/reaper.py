"""The reaper gives back what nobody renews: to be run again, or to the dead letters when its attempts are spent."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from queues import failpoints, observe
from queues.domain.activity import Activity, Reason
from queues.domain.errors import HotUnavailable, QueueError
from queues.domain.outcomes import lease_lost
from queues.domain.record import Kind
from queues.domain.states import TERMINAL, State
from queues.hot import reads
from queues.hot.client import HotClosed
from queues.hot.keys import code_of
from queues.hot.view import Held
from queues.keeper.directory import Directory
from queues.keeper.loop import Loop
from queues.services.backbone import Backbone
from queues.services.decide import LEASED_PLACES, Verb, decide

MOST = 500
SETTLING = (Kind.RETRY, Kind.COMPLETED, Kind.DLQ)


def restore(a: Activity, held: Held) -> Activity:
    """Return the next version of an activity whose holder is gone; one that was not running goes back as it was."""
    now_ms = a.ended_ms
    if held.state == State.ACTIVE:
        a.worker, a.claimed_ms = held.worker, held.claimed_ms
        return lease_lost(a, held.version, now_ms)
    if a.state in TERMINAL or held.state in TERMINAL:
        # Who redrove it died before the append: it is redriven all the same.
        a.state, a.due_ms, a.attempt, a.dead, a.result = State.AVAILABLE, 0, 0, False, UNSET
        a.generation += 1
        a.reason = Reason.REDRIVEN.value
        return a
    a.state, a.reason = State(held.state), Reason.RESCHEDULED.value
    a.actor, a.note = "keeper", "an operator's change was not completed"
    return a


class Sample(NamedTuple):
    """Expired leases, as (id, version), and the ends of the settling topics when they were seen to be expired."""

    leases: list[tuple[str, int]]
    ends: dict[tuple[str, int], int]


REAP = Verb("reap", None, (*LEASED_PLACES, "expired"), restore)


class Reaper(Loop):
    """Of any expired lease: wait until the loader has passed what may have been appended for it, then decide."""

    name = "reaper"
    rest_s = 0.5

    def __init__(self, b: Backbone, directory: Directory) -> None:
        self._b = b
        self._directory = directory
        self._sampled: dict[str, Sample] = {}
        self.reaped = 0

    async def step(self) -> int:
        """Look at every queue once; return how many activities were given back."""
        await self._directory.refresh()
        done = 0
        for queue in self._directory.queues:
            try:
                done += await self.reap(queue)
            except HotClosed:
                self._sampled.pop(queue, None)
        self.reaped += done
        return done

    async def reap(self, queue: str) -> int:
        """Give back expired leases whose sampled ends the loader has passed; the others wait for a later step."""
        if queue not in self._sampled:
            leases, _ = await self._b.hot.overdue(queue, MOST)
            if not leases:
                return 0
            # The wait only saves second runs: an append may still land behind the sample, and versions decide.
            ends = await self._b.admin.end_offsets(self._directory.of(queue, *SETTLING))
            self._sampled[queue] = Sample([(x[0], x[1]) for x in leases], ends)
            failpoints.hit("reaper.sampled")
        if not await self._passed(queue):
            return 0
        # A lease that has changed since is refused by its version, or because it has not run out.
        answers = await decide(self._b, queue, REAP, self._sampled.pop(queue).leases)
        failpoints.hit("reaper.decided")
        return self._count(queue, answers)

    def _count(self, queue: str, answers: Sequence[object]) -> int:
        for answer in answers:
            if isinstance(answer, HotUnavailable):
                raise answer
        done = sum(not isinstance(answer, QueueError) for answer in answers)
        if done:
            observe.reaped.send(observe.Counted(queue, done))
        return done

    async def _passed(self, queue: str) -> bool:
        positions = await reads.positions(self._b.hot, queue)
        for (topic, partition), end in self._sampled[queue].ends.items():
            _, kind, _ = self._directory.topics[topic]
            if end > 0 and positions.get(f"{code_of(kind)}:{partition}", 0) < end:
                return False
        return True
