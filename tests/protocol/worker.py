"""A worker as small as can be, in a process of its own: ``python -m tests.protocol.worker MARKS QUEUE SETTINGS``.

Each line of the file MARKS is one fact, in the order in which they came to be: ``start ID FENCE`` before the work,
``yes ID FENCE`` after a settle that counts, ``no ID FENCE`` after one that does not.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from queues.conf import build
from queues.domain.errors import LeaseLost, QueueError
from queues.domain.outcomes import completed
from queues.services.backbone import Backbone
from queues.services.claim import Lease, claim
from queues.services.heartbeat import renew_leases
from queues.services.settle import settle

DONE = completed(b'"done"')


class Worker:
    """Runs everything of one queue for ever."""

    def __init__(self, b: Backbone, marks: Path, queue: str) -> None:
        self.b = b
        self.queue = queue
        self.held: dict[int, Lease] = {}
        self._marks = os.open(marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def mark(self, word: str, lease: Lease) -> None:
        os.write(self._marks, f"{word} {lease.id} {lease.fence}\n".encode())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            while True:
                for lease in await self._claimed():
                    self.held[lease.fence] = lease
                    group.create_task(self._one(lease))

    async def _claimed(self) -> list[Lease]:
        try:
            leases = await claim(
                self.b, self.queue, most=max(20 - len(self.held), 0), worker=str(os.getpid())
            )
        except QueueError:
            leases = []
        if not leases:
            await asyncio.sleep(0.05)
        return leases

    async def _one(self, lease: Lease) -> None:
        self.mark("start", lease)
        await asyncio.sleep(0.02)
        while True:
            try:
                await settle(self.b, lease, DONE)
            except LeaseLost:
                self.mark("no", lease)
            except QueueError:
                await asyncio.sleep(0.2)
                continue
            else:
                self.mark("yes", lease)
            del self.held[lease.fence]
            return

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.b.conf.heartbeat_s)
            try:
                await renew_leases(self.b, list(self.held.values()))
            except QueueError:
                continue


async def main(marks: str, queue: str, settings: str) -> None:
    b = await Backbone.open(build(json.loads(settings)))
    print("ready", flush=True)
    await Worker(b, Path(marks), queue).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
