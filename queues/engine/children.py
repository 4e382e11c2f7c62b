"""Processes for CPU-bound handlers: one attempt at a time each, killed and replaced singly."""

import asyncio
import logging
import signal
import subprocess
from collections.abc import Callable
from typing import Final

from queues.domain.errors import Unavailable
from queues.domain.outcomes import Outcome, snoozed
from queues.engine import endings, wire
from queues.engine.attempt import Attempt

log = logging.getLogger(__name__)
START_TIMEOUT_S: Final = 120.0
AGAIN_MS: Final = 5_000
REAP_EVERY_S: Final = 0.05
MODULE: Final = "queues.engine.child"


class ChildDied(Unavailable):
    """The process ended without an answer; the text says how."""


class ChildLate(Unavailable):
    """The process was not ready in time: the machine is busy, the attempt has not begun."""


class Child:
    """One spawned process."""

    def __init__(self, link: wire.Link, process: subprocess.Popen[bytes]) -> None:
        self._link = link
        self._process = process

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @classmethod
    async def start(cls) -> "Child":
        """Return a process that is ready for a job.

        Raises:
            ChildDied: it ended, or was silent for a minute.
        """
        process, ours = wire.spawn(MODULE)
        child = cls(await wire.Link.open(ours), process)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await child._greeted()
        except TimeoutError:
            child.kill()
            raise ChildLate(f"no process started within {START_TIMEOUT_S:.0f} s") from None
        except BaseException:
            child.kill()
            raise
        return child

    async def _greeted(self) -> None:
        if await self._link.receive() is None:
            raise ChildDied(f"did not start: it {await self.how()}")

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self.alive:
            self._process.kill()
        self._link.close()
        self._reap()

    def _reap(self) -> None:
        if self.alive:
            asyncio.get_running_loop().call_later(REAP_EVERY_S, self._reap)

    async def run(self, job: wire.Job, attempt: Attempt) -> Outcome:
        """Return the outcome of ``job``; pass on what the handler says meanwhile.

        Raises:
            ChildDied: the process ended first.
        """
        self._link.send(job)
        async for message in self._link:
            match message:
                case wire.Progress():
                    attempt.context.progress(message.fraction, message.message)
                case wire.Line():
                    attempt.context.log(message.text, message.level)
                case wire.Done():
                    return message.outcome
        raise ChildDied(await self.how())

    async def how(self) -> str:
        """Return how the process ended, in words."""
        for _ in range(40):
            code = self._process.poll()
            if code is not None:
                return (
                    f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
                )
            await asyncio.sleep(REAP_EVERY_S)
        return "closed its connection"


class Children:
    """At most ``most`` processes, started when an attempt needs one and kept for the next."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._in_use = 0
        self._idle: list[Child] = []

    @property
    def free(self) -> int:
        """How many attempts more may have a process now."""
        return self.most - self._in_use

    async def run(self, attempt: Attempt, limit: int, begun: Callable[[], None]) -> Outcome:
        """Return what the attempt came to in a process; cancelled: the process is killed."""
        self._in_use += 1
        child = None
        try:
            child = self._take_idle() or await Child.start()
            begun()
            outcome = await child.run(_job(attempt, limit), attempt)
        except ChildLate as exc:
            log.warning("a CPU-bound attempt is put off: %s", exc)
            return snoozed(AGAIN_MS)
        except ChildDied as exc:
            if child is not None:
                child.kill()
            return endings.died(str(exc), attempt.lease.attempt)
        except BaseException:
            if child is not None:
                child.kill()
            raise
        else:
            self._idle.append(child)
            return outcome
        finally:
            self._in_use -= 1

    def _take_idle(self) -> Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            child.kill()
        return None

    def close(self) -> None:
        """End the idle ones."""
        while self._idle:
            self._idle.pop().kill()


def _job(attempt: Attempt, limit: int) -> wire.Job:
    a, context = attempt.lease.activity(), attempt.context
    return wire.Job(
        type=a.type,
        module=attempt.handler.function.__module__,
        args=bytes(a.args),
        kwargs=bytes(a.kwargs),
        id=a.id,
        queue=a.queue,
        attempt=attempt.lease.attempt,
        max_attempts=a.max_attempts,
        fence=attempt.lease.fence,
        meta=a.meta,
        tags=a.tags,
        parent=a.parent,
        root=a.root,
        deadline_ms=context.deadline_ms,
        limit=limit,
    )
