"""A worker and a keeper on the test's own loop, with names of its own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from django.conf import settings

from queues import door
from queues.conf import Conf, build
from queues.engine.heartbeat import Heartbeat, Owner
from queues.engine.registry import registry
from queues.engine.wire import Note
from queues.engine.worker import Plan, Worker
from queues.keeper.keeper import run_keeper
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.queues import ensure_queue
from tests.sample import activities  # noqa: F401 -- registers on import


def conf_of(topic_prefix: str, redis_prefix: str, **more: Any) -> Conf:
    """Return settings with these names, and leases short enough for a test."""
    own = {"TOPIC_PREFIX": topic_prefix, "REDIS_PREFIX": redis_prefix, "LEASE_S": 2.0, "HEARTBEAT_S": 0.5}
    return build({**settings.RUNNERQ, **own, **more})


class Here:
    """Renewals by a task of the same loop; what ``runworkers`` does from its parent process."""

    def __init__(self, b: Backbone) -> None:
        self.heartbeat = Heartbeat(b)
        self.owner = Owner(lambda ended: self.worker.ended(ended))  # noqa: PLW0108 -- the worker comes later
        self.heartbeat.owners.append(self.owner)
        self.worker: Worker

    def took(self, leases: Sequence[Lease]) -> None:
        self.owner.took([Note(x.queue, x.id, x.fence, x.activity().timeout_ms) for x in leases], [])

    def gave(self, lease: Lease) -> None:
        self.owner.took([], [(lease.queue, lease.fence)])

    async def beat(self) -> None:
        while True:
            self.owner.heard = time.monotonic()
            await self.heartbeat.step()
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def backbone(conf: Conf) -> AsyncIterator[Backbone]:
    """Give a Backbone that enqueues and handles of this loop use too."""
    b = await Backbone.open(conf)
    door.adopt(b)
    try:
        yield b
    finally:
        door.release()
        await b.close()


@contextlib.asynccontextmanager
async def keeper(
    b: Backbone, roles: Sequence[str] = ("loader", "scheduler", "reaper")
) -> AsyncIterator[None]:
    """Run these roles of a keeper."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_keeper(b, roles, stop))
    try:
        yield
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def worker(b: Backbone, queue: str, **plan: Any) -> AsyncIterator[Worker]:
    """Run a worker with all sample handlers; it is drained at the end."""
    await ensure_queue(b, queue)
    types = tuple(sorted(handler.type for handler in registry if handler.type.startswith("sample.")))
    renewals = Here(b)
    own: dict[str, Any] = {"worker": "test", "slots": 4, "grace_s": 5.0, "types": types} | plan
    renewals.worker = Worker(b, registry, Plan(queues=(queue,), **own), renewals)
    running = asyncio.create_task(renewals.worker.run())
    beating = asyncio.create_task(renewals.beat())
    try:
        yield renewals.worker
    finally:
        renewals.worker.drain()
        await running
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        door.adopt(b)
