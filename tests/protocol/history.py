"""A random history: what a system may do and what may befall it, step by step, with what must hold after each."""

import random
from collections.abc import Awaitable, Callable

from queues import failpoints
from queues.domain.activity import Activity, Limit
from queues.domain.errors import QueueError
from queues.domain.outcomes import completed, failed, released
from queues.domain.record import Kind, record_key
from queues.domain.retry import Backoff, RetryPolicy
from queues.domain.states import State
from queues.keeper.reaper import Reaper
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import now_ms
from queues.services.cancel import cancel
from queues.services.claim import Lease
from queues.services.decide import Decision
from queues.services.prioritise import set_priority
from queues.services.redrive import redrive
from queues.services.reschedule import reschedule
from queues.services.settle import _seal_outcome
from tests.protocol.folding import Logged, assert_views_agree, fold
from tests.protocol.system import System, activity, failure

POINTS = (
    "enqueue.appended", "enqueue.island", "claim.leased", "settle.appended", "settle.applied", "decide.held",
    "loader.applied", "loader.nulled", "loader.loaded", "loader.moved", "reaper.sampled", "reaper.decided",
    "rebuild.recorded", "rebuild.dropped", "rebuild.nulled", "rebuild.filled",
)  # fmt: skip
AT_ONCE = RetryPolicy(Backoff.CONSTANT, 0)
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]
TERMINAL_OUTCOMES = (completed(b'"done"'), DEAD)
WHO = {"actor": "a", "reason": "r"}


class History:
    """One queue under random steps; every refusal and every failpoint is part of it."""

    def __init__(self, s: System, seed: int) -> None:
        self.s = s
        self.random = random.Random(seed)  # noqa: S311 -- the same history each time
        self.queue = "q"
        self.accepted: set[str] = set()
        self.ids: list[str] = []
        self.ended: dict[str, str] = {}
        """What was told that it counts: id → how it ended. It must not run again, unless it is redriven."""
        self.leases: list[Lease] = []
        self.reaper = Reaper(s.b, s.directory)
        self.stale: dict[bytes, bytes] | None = None
        self.log: list[str] = []

    async def step(self) -> None:
        """Do or suffer one thing."""
        name, does = self.random.choices(*self._choices())[0]
        if self.random.random() < 0.15:
            failpoints.arm({self.random.choice(POINTS): "once:raise"})
        outcome = "done"
        try:
            await does()
        except QueueError as exc:
            outcome = exc.code
        except failpoints.FailpointError as exc:
            outcome = f"died at {exc}"
            if str(exc).startswith(("loader", "decide")):
                await self.s.crash_loader()
            await self._unlock()
        finally:
            failpoints.arm({})
        self.log.append(f"{name}: {outcome}")

    def _choices(self) -> tuple[list[tuple[str, Callable[[], Awaitable[None]]]], list[int]]:
        table = {
            self._enqueue: 14, self._claim: 14, self._settle: 20, self._append_and_die: 4, self._forget: 3,
            self._cancel: 3, self._redrive: 4, self._reschedule: 2, self._prioritise: 2, self._load: 12,
            self._crash_loader: 2, self._expire: 5, self._reap: 6, self._promote: 4, self._trim: 4, self._lose: 2,
            self._rebuild: 5, self._remember: 1, self._fail_over: 1, self._repeat: 2,
        }  # fmt: skip
        return [(f.__name__, f) for f in table], list(table.values())

    # -- what a system does -------------------------------------------------------------------------------------

    def _new(self) -> Activity:
        r = self.random
        return activity(
            self.queue,
            priority=r.choice([0, 0, 0, 0, 50, 90, -1]),
            key=r.choice(["", "", "", "lane"]),
            limits=r.choice([(), (), (Limit("one", 1),)]),
            delay_ms=r.choice([0, 0, 0, 3_600_000]),
            retry=AT_ONCE,
            max_attempts=None,
            id=r.choice(["", "", f"chosen-{r.randrange(10**9)}"]),
        )

    async def _enqueue(self) -> None:
        new = [self._new() for _ in range(self.random.choice([1, 1, 3]))]
        self.ids += [a.id for a in new]
        self.accepted |= {a.id for a in await self.s.enqueue(*new)}

    async def _claim(self) -> None:
        leases = await self.s.claim(self.queue, self.random.choice([1, 2, 5]))
        for lease in leases:
            assert lease.id not in self.ended, f"{lease.id} runs again after it {self.ended[lease.id]}"
        self.leases += leases

    def _some(self) -> Lease | None:
        return self.leases.pop(self.random.randrange(len(self.leases))) if self.leases else None

    async def _settle(self) -> None:
        if (lease := self._some()) is None:
            return
        outcome = self.random.choice([*TERMINAL_OUTCOMES, TERMINAL_OUTCOMES[0], failure(), released()])
        await self.s.settle(lease, outcome)
        if outcome in TERMINAL_OUTCOMES:
            self.ended[lease.id] = "was settled"

    async def _repeat(self) -> None:
        if (lease := self._some()) is None:
            return
        outcome = self.random.choice(TERMINAL_OUTCOMES)
        for _ in range(2):
            await self.s.settle(lease, outcome)
            self.ended[lease.id] = "was settled twice alike"

    async def _append_and_die(self) -> None:
        if (lease := self._some()) is None:
            return
        # Who was silent for longer than stubs are kept asks before it appends a retry.
        outcomes = TERMINAL_OUTCOMES if lease.seen_s < 0 else (*TERMINAL_OUTCOMES, failure())
        sealed = _seal_outcome(self.s.b, lease, self.random.choice(outcomes), 0)
        topic = topic_name(self.s.b.conf, self.queue, sealed.kind)
        key = record_key(lease.id, sealed.activity.version)
        await self.s.b.log.append([Message(topic, sealed.partition, key, sealed.body, sealed.headers)])

    async def _forget(self) -> None:
        self._some()

    def _any_id(self) -> str:
        return self.random.choice(self.ids) if self.ids else "nobody"

    async def _cancel(self) -> None:
        activity_id = self._any_id()
        await cancel(self.s.b, self.queue, activity_id, **WHO)
        self.ended[activity_id] = "was cancelled"

    async def _redrive(self) -> None:
        activity_id = self.random.choice(list(self.ended)) if self.ended else self._any_id()
        before = self.ended.pop(activity_id, "")
        answer = None
        try:
            answer = await redrive(self.s.b, self.queue, activity_id, **WHO)
        except QueueError as exc:
            if exc.code in {"conflict", "not_found", "hot_closed"} and before:
                self.ended[activity_id] = before
            raise
        assert isinstance(answer, Decision)

    async def _reschedule(self) -> None:
        due_ms = self.random.choice([0, now_ms() + 3_600_000])
        await reschedule(self.s.b, self.queue, self._any_id(), due_ms, **WHO)

    async def _prioritise(self) -> None:
        await set_priority(self.s.b, self.queue, self._any_id(), self.random.choice([0, 90, -5]), **WHO)

    # -- what its keeper does -----------------------------------------------------------------------------------

    async def _load(self) -> None:
        await self.s.load_some(self.queue, self.random.choice([1, 3]))

    async def _crash_loader(self) -> None:
        await self.s.crash_loader()

    async def _expire(self) -> None:
        await self.s.expire_leases(self.queue)

    async def _reap(self) -> None:
        await self.s.reap(self.reaper)

    async def _promote(self) -> None:
        key = self.s.b.hot.keys(self.queue).due
        for member in await self.s.b.hot.client.command("ZRANGE", key, 0, -1):
            await self.s.b.hot.client.command("ZADD", key, "XX", 1, member)
        await self.s.schedule()

    async def _trim(self) -> None:
        """Forget what the index would have by now: a minute passes."""
        for lease in self.leases:
            lease.seen_s = -1e9
        await self.s.look()
        ends = await self.s.b.admin.end_offsets(self.s.directory.of(self.queue, Kind.COMPLETED, Kind.DLQ))
        passed = {
            f"{'d' if topic.endswith('completed') else 'x'}:{partition}": end
            for (topic, partition), end in ends.items()
        }
        stubs = self.s.b.hot.keys(self.queue).stubs
        for member in await self.s.b.hot.client.command("ZRANGE", stubs, 0, -1):
            await self.s.b.hot.client.command("ZADD", stubs, "XX", 1, member)
        await self.s.b.hot.trim(self.queue, passed)

    # -- what befalls it ----------------------------------------------------------------------------------------

    async def _lose(self) -> None:
        await self.s.flush()

    async def _rebuild(self) -> None:
        await self.s.rebuild()

    async def _remember(self) -> None:
        self.stale = await self.s.snapshot()

    async def _fail_over(self) -> None:
        if self.stale is not None:
            await self.s.fail_over_to(self.stale)
            self.stale = None

    async def _unlock(self) -> None:
        """Let the lock of a rebuilder that died have run out."""
        meta = self.s.b.hot.keys(self.queue).meta
        if await self.s.b.hot.client.command("HEXISTS", meta, "locked_until"):
            await self.s.b.hot.client.command("HSET", meta, "locked_until", 1)

    # -- how it ends --------------------------------------------------------------------------------------------

    async def drain(self) -> dict[str, Logged]:
        """Let everything run to its end on sound servers; return what the log says then."""
        failpoints.arm({})
        for _ in range(60):
            await self._unlock()
            await self.s.rebuild()
            await self.s.load_some(self.queue, 2)
            await self._promote()
            await self._reap()
            self.leases = []
            await self._claim()
            for lease in self.leases:
                await self.s.settle(lease, TERMINAL_OUTCOMES[0])
                self.ended[lease.id] = "was settled"
            if not self.leases:
                await self._expire()
                if not any(one.live for one in (await fold(self.s, self.queue)).values()):
                    break
        logged = await assert_views_agree(self.s, self.queue)
        self._check(logged)
        await self.s.flush()
        await self._unlock()
        await self.s.rebuild()
        assert await self.s.claim(self.queue) == [], "a rebuild brings back what has ended"
        await assert_views_agree(self.s, self.queue)
        return logged

    def _check(self, logged: dict[str, Logged]) -> None:
        missing = self.accepted - logged.keys()
        assert not missing, f"accepted, and not in the log: {missing}"
        alive = [i for i, one in logged.items() if one.live]
        assert not alive, f"stuck: {alive}"
        for activity_id, one in logged.items():
            left = [
                (r.kind.value, r.version)
                for r in one.records
                if r.kind in {Kind.PENDING, Kind.RETRY} and not one.nulled(r)
            ]
            assert not left, f"{activity_id}: never got their null: {left}"
            assert one.newest.state in {State.COMPLETED, State.CANCELLED, State.DISCARDED}
