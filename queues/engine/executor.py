"""Runs attempts in a bounded number of slots: take → decode → run → conclude → hand over."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context as Variables
from contextvars import copy_context
from functools import partial
from typing import Any, Final

import msgspec

from queues.domain.outcomes import Ending, Outcome, released
from queues.engine import endings
from queues.engine.arguments import InvalidArguments
from queues.engine.attempt import Attempt, Key, Stop
from queues.engine.children import Children
from queues.engine.context import Context, running
from queues.engine.handler import Runs
from queues.engine.notes import Notes
from queues.engine.registry import Registry
from queues.engine.spans import now_ms
from queues.engine.tally import Tally
from queues.engine.threads import Threads
from queues.services.backbone import Backbone
from queues.services.claim import Lease

SLICE_S: Final = 0.01
CANCEL_GRACE_S: Final = 1.0
type Settle = Callable[[Attempt, Outcome | None], None]


class HandlerExit(Exception):
    """A handler called ``sys.exit`` or raised KeyboardInterrupt: that ends its attempt, not the worker."""


class Executor:
    """Slots for attempts. ``settle`` gets each attempt once, with its outcome; None: it does not count.

    An async handler that never waits is run through within one call and never becomes a scheduled task.
    """

    def __init__(
        self, b: Backbone, registry: Registry, *, slots: int, children: Children, settle: Settle
    ) -> None:
        self.slots = slots
        self.busy = 0
        self.lost = 0
        self.attempts: dict[Key, Attempt] = {}
        self.tally = Tally()
        self.notes = Notes(b, self.attempts)
        self.begun: list[Attempt] = []
        self.changed = asyncio.Event()
        self._limit = b.conf.max_payload_bytes
        self._registry = registry
        self._children = children
        self._settle = settle
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(self._loop)
        self._ready: deque[Attempt] = deque()
        self._ready_cpu: deque[Attempt] = deque()
        self._pumping = False

    @property
    def waiting(self) -> int:
        """How many leases wait for a slot."""
        return len(self._ready) + len(self._ready_cpu)

    @property
    def worn(self) -> bool:
        """Whether half of the slots are lost to handlers that do not end."""
        return self.lost * 2 >= self.slots

    def room(self, ahead: int, *, cpu: bool) -> int:
        """Return how many more leases are welcome: ``ahead`` of slots, CPU-bound ones for free processes."""
        if cpu:
            return self._children.free - len(self._ready_cpu)
        return self.slots + ahead - self.busy - self.waiting

    def offer(self, leases: Sequence[Lease]) -> None:
        """Take leases and start what has a slot."""
        for lease in leases:
            attempt = self._attempt_of(lease)
            self.attempts[attempt.key] = attempt
            (self._ready_cpu if attempt.handler.runs is Runs.PROCESS else self._ready).append(attempt)
        self._pump()

    def stop(self, key: Key, why: Stop) -> bool:
        """End an attempt that is lost or cancelled; its outcome is dropped. False: it has ended already."""
        attempt = self.attempts.get(key)
        if attempt is None or attempt.stop is not None:
            return False
        attempt.context.cancel()
        if attempt.started_ms:
            self._interrupt(attempt, why)
        else:
            self._unqueue(attempt)
            self._hand_over(attempt, None)
        return True

    def take_waiting(self, longer_than_s: float = 0.0) -> list[Attempt]:
        """Take back what has waited for a slot so long, to be released."""
        before = time.monotonic() - longer_than_s
        taken = [a for a in (*self._ready, *self._ready_cpu) if a.since <= before]
        for attempt in taken:
            self._unqueue(attempt)
            self._hand_over(attempt, released())
        return taken

    def stop_all(self) -> None:
        """End what still runs, to be released uncounted; a thread cannot be ended and is left behind."""
        for attempt in list(self.attempts.values()):
            if attempt.stop is None:
                attempt.context.cancel()
                self._interrupt(attempt, Stop.DRAIN)

    def close(self) -> None:
        """Give up idle threads and children."""
        self._threads.close()
        self._children.close()

    def _attempt_of(self, lease: Lease) -> Attempt:
        a = lease.activity()
        handler = self._registry.get(a.type)
        context = Context(
            id=a.id, queue=a.queue, type=a.type, attempt=lease.attempt, max_attempts=a.max_attempts,
            fence=lease.fence, meta=a.meta, tags=a.tags, parent=a.parent, root=a.root,
            deadline_ms=0, listener=self.notes,
        )  # fmt: skip
        attempt = Attempt(lease, handler, context)
        attempt.timeout_ms = a.timeout_ms
        return attempt

    def _unqueue(self, attempt: Attempt) -> None:
        (self._ready_cpu if attempt.handler.runs is Runs.PROCESS else self._ready).remove(attempt)

    def _pump(self) -> None:
        # In slices: a stream of handlers that never wait would keep heartbeats and settles from their turn.
        until = time.perf_counter() + SLICE_S
        while self.busy < self.slots:
            if self._ready_cpu and self._children.free:
                self._start(self._ready_cpu.popleft())
            elif self._ready:
                self._start(self._ready.popleft())
            else:
                break
            if time.perf_counter() > until:
                self._pump_soon()
                break
        self.changed.set()

    def _pump_soon(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump_again)

    def _pump_again(self) -> None:
        self._pumping = False
        self._pump()

    def _start(self, attempt: Attempt) -> None:
        self.busy += 1
        attempt.started_ms = now_ms()
        if attempt.handler.runs is Runs.PROCESS:
            self._start_in_process(attempt)
            return
        attempt.context.deadline_ms = attempt.started_ms + attempt.timeout_ms
        activity = attempt.lease.activity()
        try:
            attempt.args, attempt.kwargs = attempt.handler.arguments.decode(activity.args, activity.kwargs)
        except InvalidArguments as exc:
            self._ended(attempt, endings.raised(exc, attempt.lease.attempt))
            return
        variables = copy_context()
        variables.run(running.set, attempt.context)
        if attempt.handler.runs is Runs.LOOP:
            self._start_on_loop(attempt, variables)
        else:
            self._threads.submit(partial(variables.run, self._call, attempt), partial(self._ended, attempt))
            self._watch(attempt)

    def _start_on_loop(self, attempt: Attempt, variables: Variables) -> None:
        task = asyncio.Task(_awaited(attempt), loop=self._loop, context=variables, eager_start=True)
        attempt.task = task
        if task.done():
            self._task_ended(attempt, task)
        else:
            task.add_done_callback(partial(self._task_ended, attempt))
            self._watch(attempt)

    def _start_in_process(self, attempt: Attempt) -> None:
        # The child's start-up is not the handler's time: the clock runs from when it has the job.
        run = self._children.run(attempt, self._limit, partial(self._begin_in_process, attempt))
        attempt.task = self._loop.create_task(run)
        attempt.task.add_done_callback(partial(self._task_ended, attempt))

    def _begin_in_process(self, attempt: Attempt) -> None:
        attempt.started_ms = now_ms()
        attempt.context.deadline_ms = attempt.started_ms + attempt.timeout_ms
        self._watch(attempt)

    def _watch(self, attempt: Attempt) -> None:
        attempt.timer = self._loop.call_later(attempt.timeout_ms / 1000, self._timed_out, attempt)
        self.begun.append(attempt)

    def _call(self, attempt: Attempt) -> Outcome:
        """Run a plain handler; in its thread."""
        try:
            value = attempt.handler.function(*attempt.args, **attempt.kwargs)
            return endings.returned(value, attempt.lease.attempt, self._limit)
        except BaseException as exc:  # noqa: BLE001 -- user code
            return endings.raised(exc, attempt.lease.attempt)

    def _task_ended(self, attempt: Attempt, task: asyncio.Task[Any]) -> None:
        number = attempt.lease.attempt
        if task.cancelled():
            outcome = endings.raised(asyncio.CancelledError(), number)
        elif (exc := task.exception()) is not None:
            outcome = endings.raised(exc, number)
        elif attempt.handler.runs is Runs.PROCESS:
            outcome = task.result()
        else:
            outcome = endings.returned(task.result(), number, self._limit)
        self._ended(attempt, outcome)

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        self.busy -= 1
        if attempt.lost:
            self.lost -= 1
        if not attempt.handed:
            self._hand_over(attempt, _judged(attempt, outcome))
        attempt.task = None
        self._pump_soon()

    def _hand_over(self, attempt: Attempt, outcome: Outcome | None) -> None:
        attempt.handed = True
        if attempt.timer is not None:
            attempt.timer.cancel()
        self.notes.flush(attempt)
        self.attempts.pop(attempt.key, None)
        if outcome is not None and outcome.failure is not None:
            failure = msgspec.structs.replace(outcome.failure, worker=attempt.lease.worker)
            outcome = msgspec.structs.replace(outcome, failure=failure)
        self._settle(attempt, outcome)
        if attempt.started_ms:
            seconds = max(now_ms() - attempt.started_ms, 0) / 1000
            self.tally.add(
                attempt.lease.queue, attempt.lease.type, outcome.ending if outcome else "dropped", seconds
            )

    def _timed_out(self, attempt: Attempt) -> None:
        if attempt.stop is None:
            attempt.context.cancel()
            self._interrupt(attempt, Stop.TIMEOUT)

    def _interrupt(self, attempt: Attempt, why: Stop) -> None:
        attempt.stop = why
        if attempt.task is not None:
            attempt.task.cancel()
            self._loop.call_later(CANCEL_GRACE_S, self._give_up, attempt)
        else:
            self._give_up(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        """Decide without the handler, which goes on and keeps its slot until it ends."""
        if attempt.handed:
            return
        attempt.lost = True
        self.lost += 1
        self._hand_over(attempt, _judged(attempt, None))
        self.changed.set()


def _judged(attempt: Attempt, outcome: Outcome | None) -> Outcome | None:
    """Return what counts of ``outcome``; None: nothing does."""
    match attempt.stop:
        case None:
            return outcome
        case Stop.TIMEOUT:
            return endings.timed_out(attempt.timeout_ms, attempt.lease.attempt)
        case Stop.DRAIN:
            done = outcome is not None and outcome.ending is Ending.COMPLETED
            return outcome if done else released()
        case Stop.LOST | Stop.CANCELLED:
            return None


async def _awaited(attempt: Attempt) -> Any:
    try:
        return await attempt.handler.function(*attempt.args, **attempt.kwargs)
    except (SystemExit, KeyboardInterrupt) as exc:
        # asyncio would let these out of the loop, and the worker would end with the handler.
        raise HandlerExit(f"the handler raised {type(exc).__name__}: {exc}") from exc
