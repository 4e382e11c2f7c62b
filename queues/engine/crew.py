"""One worker process as its supervisor knows it: its end of the line, its leases, what it has done."""

import asyncio
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import psutil

from queues.domain.outcomes import Ending
from queues.engine import wire
from queues.engine.attempt import Key
from queues.engine.heartbeat import Owner
from queues.engine.spans import now_ms
from queues.engine.tally import Tally
from queues.services.heartbeat import Held
from queues.services.workers import WorkerInfo

MODULE: Final = "queues.engine.process"
SILENT_S: Final = 3.0


class Phase(StrEnum):
    """Where a worker process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class Member:
    """One worker process; ``attend`` lives as long as it does."""

    def __init__(self, process: subprocess.Popen[bytes], link: wire.Link, setup: wire.Setup) -> None:
        self._process = process
        self._link = link
        self.setup = setup
        self.owner = Owner(self._tell)
        self.phase = Phase.STARTING
        self.ready = asyncio.Event()
        self.worn = False
        self.successor = False
        """Whether another was started in its place, so that its end calls for none."""
        self.busy = 0
        self.waiting = 0
        self.tally = Tally()
        self.started_ms = now_ms()
        self.born = time.monotonic()

    @classmethod
    async def start(cls, name: str, setup: wire.Setup) -> "Member":
        """Return a process that has been told what to do; ``ready`` is set once it does it."""
        process, ours = wire.spawn(MODULE)
        # A process id comes back one day; the tail keeps two workers apart for good.
        setup.worker = f"{name}:{process.pid}:{secrets.token_hex(2)}"
        member = cls(process, await wire.Link.open(ours), setup)
        member._link.send(setup)
        return member

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def attend(self, changed: Callable[["Member"], None]) -> str:
        """Hear it out until it is gone; return how it ended, ``""`` for well."""
        async for message in self._link:
            self.owner.heard = time.monotonic()
            self.owner.stopped = False
            match message:
                case wire.Ready():
                    self.phase = Phase.RUNNING
                    self.ready.set()
                    changed(self)
                case wire.Took():
                    self.owner.took(message.notes, message.gone)
                case wire.Status():
                    self.busy, self.waiting = message.busy, message.waiting
                    self.tally.merge(message.tally)
                case wire.Worn():
                    self.worn = True
                    changed(self)
        self._link.close()
        return await self._ending()

    async def _ending(self) -> str:
        code = await self._ended()
        self.phase = Phase.STOPPED
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"exited with code {code}" if code else ""

    async def _ended(self) -> int:
        while True:
            code = self._process.poll()
            if code is not None:
                return code
            await asyncio.sleep(0.02)

    def drain(self, grace_s: float) -> None:
        """Tell it to go."""
        if self.phase is not Phase.STOPPED:
            self.phase = Phase.DRAINING
            self._link.send(wire.Drain(grace_s))

    def kill(self) -> None:
        """End it at once; its leases run out."""
        if self._process.poll() is None:
            self._process.kill()

    def look(self, lease_s: float) -> bool:
        """Notice whether it is stopped; return False when nothing can be hoped of it any more."""
        if self.owner.silent_s() < SILENT_S:
            return True
        try:
            self.owner.stopped = psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return True
        # A stopped process may be continued by whoever stopped it; its leases are not renewed meanwhile.
        return self.owner.stopped or not self.owner.hopeless(lease_s)

    def info(self, host: str, version: str) -> WorkerInfo:
        """Return what others may know of it."""
        counts = {Ending.COMPLETED.value: 0, Ending.FAILED.value: 0}
        for _, _, ending, count, _ in self.tally.rows():
            counts[ending] = counts.get(ending, 0) + count
        return WorkerInfo(
            id=self.setup.worker,
            host=host,
            pid=self.pid,
            queues=tuple(self.setup.queues),
            types=tuple(self.setup.types),
            slots=self.setup.slots,
            busy=self.busy,
            version=version,
            state=self.phase.value,
            started_ms=self.started_ms,
            rss_bytes=self._rss(),
            done=counts[Ending.COMPLETED.value],
            failed=counts[Ending.FAILED.value],
        )

    def _rss(self) -> int:
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _tell(self, ended: Sequence[tuple[Key, Held]]) -> None:
        self._link.send(wire.Verdicts([(key[0], key[1], held.value) for key, held in ended]))
