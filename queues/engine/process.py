"""A worker process: one loop, one Backbone, one worker; its parent renews its leases and says when to go."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Final

from queues.conf import get_conf
from queues.door import calm_collector, new_loop
from queues.engine import wire
from queues.engine.attempt import Key
from queues.engine.notes import install_capture
from queues.engine.registry import registry
from queues.engine.worker import Plan, Worker
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.heartbeat import Held

log = logging.getLogger(__name__)
STATUS_EVERY_S: Final = 1.0
GONE_EVERY_S: Final = 0.25


class ToParent:
    """Renewals by the parent process."""

    def __init__(self, channel: wire.Channel) -> None:
        self._channel = channel
        self._gone: list[Key] = []

    def took(self, leases: Sequence[Lease]) -> None:
        """Send them at once: a handler that starts next may keep this process from sending anything."""
        notes = [wire.Note(x.queue, x.id, x.fence, x.activity().timeout_ms) for x in leases]
        gone, self._gone = self._gone, []
        self._channel.send(wire.Took(notes, gone))

    def gave(self, lease: Lease) -> None:
        """Keep it for the next message."""
        self._gone.append((lease.queue, lease.fence))

    def flush(self) -> None:
        """Send what was given up since."""
        if self._gone:
            self.took(())


def main(fd: int) -> None:
    """Be a worker process until told to go, or until the parent is gone."""
    import django  # noqa: PLC0415 -- the first thing this process does

    wire.leave_to_parent(signal.SIGINT)
    channel = wire.Channel(fd)
    setup = channel.receive()
    if setup is None:
        return
    django.setup()
    registry.discover()
    install_capture()
    calm_collector()
    asyncio.Runner(loop_factory=new_loop).run(_serve(channel, setup))
    logging.shutdown()
    sys.stdout.flush()
    # Neither threads nor tasks of handlers that never end may hold the process up.
    os._exit(0)


async def _serve(channel: wire.Channel, setup: wire.Setup) -> None:
    b = await Backbone.open(get_conf())
    try:
        plan = Plan(
            worker=setup.worker,
            queues=tuple(setup.queues),
            types=tuple(setup.types),
            slots=setup.slots,
            grace_s=setup.grace_s,
            cpu_slots=setup.cpu_slots,
        )
        parent = ToParent(channel)
        worker = Worker(b, registry, plan, parent)
        _listen(channel, worker)
        channel.send(wire.Ready(len(plan.types)))
        telling = asyncio.create_task(_tell(channel, worker, parent))
        await worker.run()
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        channel.send(_status(worker))
    finally:
        await b.close()


def _listen(channel: wire.Channel, worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.drain)

    def act(message: Any) -> None:
        match message:
            case wire.Verdicts():
                worker.ended([((queue, fence), Held(word)) for queue, fence, word in message.ended])
            case wire.Drain():
                worker.drain(message.grace_s)
            case None:
                # Nobody renews the leases now: what does not end within one runs again elsewhere.
                log.warning("the parent process is gone: draining")
                worker.drain(get_conf().lease_s / 2)

    def heard(message: Any) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(act, message)

    channel.listen(heard)


async def _tell(channel: wire.Channel, worker: Worker, parent: ToParent) -> None:
    loop = asyncio.get_running_loop()
    status_at, worn = 0.0, False
    while True:
        parent.flush()
        if loop.time() >= status_at:
            channel.send(_status(worker))
            status_at = loop.time() + STATUS_EVERY_S
        if worker.worn.is_set() and not worn:
            worn = True
            channel.send(wire.Worn(worker.executor.lost))
        await asyncio.sleep(GONE_EVERY_S)


def _status(worker: Worker) -> wire.Status:
    executor = worker.executor
    return wire.Status(executor.busy, executor.waiting, executor.tally.take())
