"""Keeps worker processes running: starts and replaces them, renews their leases, tells them when to go."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec

from queues.domain.errors import QueueError, Unavailable
from queues.engine import wire
from queues.engine.crew import Member, Phase
from queues.engine.exposition import Exposition
from queues.engine.heartbeat import EVERY_S, Heartbeat
from queues.engine.reload import changed_files, snapshot
from queues.engine.tally import Tally
from queues.services.backbone import Backbone
from queues.services.queues import ensure_queue
from queues.services.workers import announce_worker

log = logging.getLogger(__name__)
ANNOUNCE_EVERY_S: Final = 3.0
KILL_AFTER_S: Final = 10.0
LONG_LIFE_S: Final = 30.0
MOST_DELAY_S: Final = 10.0
RELOAD_GRACE_S: Final = 5.0


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """What ``runworkers`` was asked for."""

    processes: int
    slots: int
    queues: tuple[str, ...]
    types: tuple[str, ...]
    grace_s: float = 30.0
    name: str = ""
    reload: bool = False
    http: tuple[str, int] | None = None

    @property
    def cpu_slots(self) -> int:
        """How many slots of a process may run CPU-bound handlers: no more than there are processors."""
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(min(self.slots, count), 1)


class Supervisor:
    """The parent of the worker processes; runs no handler itself."""

    def __init__(self, b: Backbone, crew: Crew, announce: Callable[[str], None]) -> None:
        self._b = b
        self._crew = crew
        self._say = announce
        self._heartbeat = Heartbeat(b)
        self._host = socket.gethostname()
        self._version = _version()
        self._attending: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._failures = 0
        self._past = Tally()
        self._said_ready = False
        self.members: list[Member] = []
        self.step_at = time.monotonic()

    def stop(self) -> None:
        """Drain and end; a second time: end at once."""
        if self._stop.is_set():
            for member in self.members:
                member.kill()
            os._exit(1)
        self._stop.set()

    async def run(self) -> None:
        """Keep the processes running until ``stop``."""
        for queue in self._crew.queues:
            await self._prepare(queue)
        chores = [asyncio.create_task(self._beat()), asyncio.create_task(self._announce_for_ever())]
        if self._crew.reload:
            chores.append(asyncio.create_task(self._reload_for_ever()))
        exposition = Exposition(self, self._crew.http) if self._crew.http else None
        try:
            if exposition is not None:
                await exposition.start()
            for _ in range(self._crew.processes):
                self._start()
            await self._stop.wait()
            await self._drain()
        finally:
            for chore in (*chores, *self._attending):
                chore.cancel()
            await asyncio.gather(*chores, *self._attending, return_exceptions=True)
            for member in self.members:
                member.kill()
            if exposition is not None:
                await exposition.close()

    @property
    def crew(self) -> Crew:
        """What it was asked for."""
        return self._crew

    @property
    def heartbeat_failures(self) -> int:
        """How many renewals in a row had no answer."""
        return self._heartbeat.failures

    def totals(self) -> Tally:
        """Return what all processes have done, past ones included."""
        total = Tally()
        for tally in (self._past, *(member.tally for member in self.members)):
            total.merge(tally.rows())
        return total

    async def _prepare(self, queue: str) -> None:
        try:
            await ensure_queue(self._b, queue)
        except QueueError as exc:
            log.warning("queue %s is not ready: %s", queue, exc)

    def _start(self, delay_s: float = 0.0) -> None:
        task = asyncio.create_task(self._live(delay_s))
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)

    async def _live(self, delay_s: float) -> None:
        """Start a process, attend it, and see to its successor when it dies unasked."""
        await asyncio.sleep(delay_s)
        if self._stop.is_set():
            return
        member = await Member.start(self._crew.name or self._host, self._setup())
        self.members.append(member)
        self._heartbeat.owners.append(member.owner)
        try:
            how = await member.attend(self._changed)
        finally:
            self._heartbeat.owners.remove(member.owner)
            self.members.remove(member)
            self._past.merge(member.tally.take())
        await self._announce(member)
        if not self._stop.is_set() and not member.successor:
            self._start(self._delay_after(member, how))

    def _setup(self) -> wire.Setup:
        crew = self._crew
        return wire.Setup("", list(crew.queues), list(crew.types), crew.slots, crew.cpu_slots, crew.grace_s)

    def _delay_after(self, member: Member, how: str) -> float:
        lived_s = time.monotonic() - member.born
        self._failures = 0 if lived_s > LONG_LIFE_S else self._failures + 1
        delay_s = 0.0 if not self._failures else min(0.25 * 2**self._failures, MOST_DELAY_S)
        log.error("worker process %d %s: another starts in %.1f s", member.pid, how or "ended", delay_s)
        return delay_s

    def _changed(self, member: Member) -> None:
        if member.worn and not member.successor:
            self._replace(member, self._crew.grace_s)
        if (
            not self._said_ready
            and sum(m.phase is Phase.RUNNING for m in self.members) >= self._crew.processes
        ):
            self._said_ready = True
            self._say(self._ready_line())

    def _ready_line(self) -> str:
        c = self._crew
        processes = f"{c.processes} process{'es' if c.processes != 1 else ''} × {c.slots} slots"
        types = f"{len(c.types)} type{'s' if len(c.types) != 1 else ''}"
        return f"runworkers: ready, {processes}, queues {', '.join(c.queues)}, {types}"

    def _replace(self, member: Member, grace_s: float) -> None:
        member.successor = True
        member.drain(grace_s)
        self._start()

    async def _drain(self) -> None:
        grace_s = self._crew.grace_s
        self._say(f"runworkers: draining, at most {grace_s:g} s")
        for member in self.members:
            member.drain(grace_s)
        if self._attending:
            await asyncio.wait(self._attending, timeout=grace_s + KILL_AFTER_S)
        for member in self.members:
            log.error("worker process %d did not end: killed, its leases run out", member.pid)
            member.kill()
        if self._attending:
            await asyncio.wait(self._attending, timeout=KILL_AFTER_S)
        self._say("runworkers: stopped")

    async def _beat(self) -> None:
        interval_s = min(EVERY_S, self._b.conf.heartbeat_s)
        while True:
            lease_s = self._b.conf.lease_s
            for member in list(self.members):
                if member.phase is not Phase.STARTING and not member.look(lease_s):
                    log.error("worker process %d is stuck: killed", member.pid)
                    member.kill()
            await self._heartbeat.step()
            self.step_at = time.monotonic()
            await asyncio.sleep(interval_s)

    async def _announce_for_ever(self) -> None:
        while True:
            for member in list(self.members):
                await self._announce(member)
            await asyncio.sleep(ANNOUNCE_EVERY_S)

    async def _announce(self, member: Member) -> None:
        if member.phase is not Phase.STARTING:
            with contextlib.suppress(Unavailable):
                await announce_worker(self._b, member.info(self._host, self._version))

    async def _reload_for_ever(self) -> None:
        seen = snapshot()
        while True:
            await asyncio.sleep(1.0)
            changed, seen = changed_files(seen)
            if changed:
                self._said_ready = False
                self._say(f"runworkers: {Path(changed[0]).name} changed, restarting")
                for member in list(self.members):
                    if not member.successor:
                        self._replace(member, min(self._crew.grace_s, RELOAD_GRACE_S))


async def supervise(b: Backbone, crew: Crew, announce: Callable[[str], None]) -> None:
    """Run a supervisor until SIGTERM or Ctrl-C; the second one ends everything at once."""
    supervisor = Supervisor(b, crew, announce)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    try:
        await supervisor.run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _version() -> str:
    try:
        return version("runnerq")
    except PackageNotFoundError:
        return ""
