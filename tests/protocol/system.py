"""One process of the product with its keeper's loops, which the test steps by hand."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from django.conf import settings

from queues.conf import Conf, build
from queues.domain.activity import Activity, Failure
from queues.domain.options import Options, new_activity, require_options
from queues.domain.outcomes import Outcome, failed
from queues.domain.priority import Band
from queues.domain.record import STAGES, Kind
from queues.domain.schedule import Schedule
from queues.hot import reads
from queues.hot.keys import code_of
from queues.keeper.directory import Directory
from queues.keeper.loader import Loader
from queues.keeper.reaper import Reaper
from queues.keeper.rebuilder import Rebuilder
from queues.keeper.scheduler import Scheduler
from queues.log.settings import client_settings
from queues.services.backbone import Backbone, now_ms
from queues.services.claim import Lease, claim
from queues.services.enqueue import Accepted, enqueue_activities
from queues.services.settle import settle
from tests.waiting import reached

DEADLINE_S = 30.0


def conf_of(topic_prefix: str, redis_prefix: str, **more: Any) -> Conf:
    """Return settings with these names, and leases short enough for a test."""
    own = {
        "TOPIC_PREFIX": topic_prefix,
        "REDIS_PREFIX": redis_prefix,
        "LEASE_S": 1.0,
        "HEARTBEAT_S": 0.3,
        "APPEND_TIMEOUT_S": 5.0,
    }
    return build({**settings.RUNNERQ, **own, **more})


def activity(queue: str, **options: Any) -> Activity:
    """Return a new activity of type ``t`` (or ``type=``) with these options."""
    type_name = options.pop("type", "t")
    args = msgspec.Raw(msgspec.json.encode(options.pop("args", [])))
    o = require_options(Options(queue=queue, **options))
    return new_activity(type_name, o, now_ms=now_ms(), args=args)


def failure(text: str = "no luck") -> Outcome:
    """Return a failure that is retried as the activity's policy says."""
    return failed(Failure("ValueError", text, 1, now_ms()))


class System:
    """A backbone and loops made on demand; nothing runs unless the test steps it."""

    def __init__(self, b: Backbone) -> None:
        self.b = b
        self.directory = Directory(b)
        self._loaders: list[Loader] = []
        self.loader: Loader | None = None

    # -- faces --------------------------------------------------------------------------------------------------

    async def enqueue(self, *activities: Activity) -> list[Accepted]:
        return await enqueue_activities(self.b, activities)

    async def add(self, queue: str, **options: Any) -> str:
        """Enqueue one; return its id."""
        [accepted] = await self.enqueue(activity(queue, **options))
        return accepted.id

    async def claim(self, queue: str, most: int = 100, **more: Any) -> list[Lease]:
        more.setdefault("worker", "w")
        return await claim(self.b, queue, most=most, **more)

    async def claim_one(self, queue: str, **more: Any) -> Lease:
        [lease] = await self.claim(queue, 1, **more)
        return lease

    async def settle(self, lease: Lease, outcome: Outcome) -> None:
        await settle(self.b, lease, outcome)

    async def run_all(self, queue: str, outcome: Outcome) -> list[str]:
        """Claim and settle until nothing is claimable; return the ids in the order of their claims."""
        ran: list[str] = []
        while leases := await self.claim(queue):
            for lease in leases:
                await self.settle(lease, outcome)
                ran.append(lease.id)
        return ran

    async def hot(self, queue: str, activity_id: str) -> reads.HotRecord | None:
        return await reads.find(self.b.hot, queue, activity_id)

    # -- loops --------------------------------------------------------------------------------------------------

    async def make_loader(self, group: str = "") -> Loader:
        """Return one more loader, started; another ``group`` reads what the first one reads."""
        loader = Loader(self.b, self.directory, group=group)
        await loader.start()
        self._loaders.append(loader)
        return loader

    async def crash_loader(self) -> None:
        """Forget the loader as it is; the next ``load`` makes another."""
        if self.loader is not None:
            self._loaders.remove(self.loader)
            await self.loader.close()
            self.loader = None

    async def load(self, queue: str) -> None:
        """Step the loader until it has passed what is in the queue's stage topics now."""
        await self.look()
        places = self.directory.of(queue, *STAGES)
        ends = await self.b.admin.end_offsets(places)
        deadline = time.monotonic() + DEADLINE_S
        while behind := await self.behind(queue, ends):
            assert time.monotonic() < deadline, f"the loader does not pass {behind}"
            if self.loader is None:
                self.loader = await self.make_loader()
            await self.loader.step()

    async def load_some(self, queue: str, steps: int) -> None:
        """Step the loader so often."""
        await self.look()
        if self.loader is None:
            self.loader = await self.make_loader()
        for _ in range(steps):
            await self.loader.step()

    async def forget_settled(self, queue: str) -> None:
        """Remove all settlements up to now from the log, as if they had expired."""
        await self.look()
        ends = await self.b.admin.end_offsets(self.directory.of(queue, Kind.COMPLETED))
        asked = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        admin = self._admin()
        for future in admin.delete_records(asked).values():
            await asyncio.wrap_future(future)

    async def add_partitions(self, topics: Sequence[str], count: int) -> None:
        """Let these topics have so many partitions, one after the other."""
        admin = self._admin()
        for topic in topics:
            for future in admin.create_partitions([NewPartitions(topic, count)]).values():
                await asyncio.wrap_future(future)

        async def known() -> bool:
            await self.look()
            return all(self.directory.partitions[topic] == count for topic in topics)

        await reached(known, what="the broker tells of new partitions")

    def _admin(self) -> AdminClient:
        return AdminClient(client_settings(self.b.conf))

    async def behind(self, queue: str, ends: dict[tuple[str, int], int]) -> dict[str, tuple[int, int]]:
        """Return position and end of each partition that the hot view has not passed."""
        positions = await reads.positions(self.b.hot, queue)
        found = {}
        for (topic, partition), end in ends.items():
            _, kind, band = self.directory.topics[topic]
            at = positions.get(f"{code_of(kind, Band(band))}:{partition}", 0)
            if at < end:
                found[topic] = (at, end)
        return found

    async def look(self) -> None:
        """Let the directory see what there is now."""
        self.directory._looked = 0.0
        await self.directory.refresh()

    async def schedule(self, schedules: Sequence[Schedule] = ()) -> int:
        await self.look()
        return await Scheduler(self.b, self.directory, schedules).step()

    async def reap(self, reaper: Reaper | None = None) -> int:
        await self.look()
        return await (reaper or Reaper(self.b, self.directory)).step()

    async def rebuild(self) -> int:
        """Open what is closed; return how many queues were."""
        await self.look()
        return await Rebuilder(self.b, self.directory).step()

    async def expire_leases(self, queue: str) -> None:
        """Let every lease of the queue have run out a moment ago."""
        key = self.b.hot.keys(queue).leases
        for member in await self.b.hot.client.command("ZRANGE", key, 0, -1):
            await self.b.hot.client.command("ZADD", key, "XX", 1, member)

    # -- disasters ----------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Empty Redis."""
        await self.b.hot.client.command("FLUSHALL")

    async def snapshot(self) -> dict[bytes, bytes]:
        """Return all keys of this system, as a replica may have them later."""
        command = self.b.hot.client.command
        names = await command("KEYS", f"{self.b.conf.redis_prefix}:*")
        return {name: await command("DUMP", name) for name in names}

    async def fail_over_to(self, snapshot: dict[bytes, bytes]) -> None:
        """Let Redis be what it was, under another server's name."""
        await self.flush()
        command = self.b.hot.client.command
        for name, dump in snapshot.items():
            await command("RESTORE", name, 0, dump)
            if name.endswith(b":meta"):
                await command("HSET", name, "run", secrets.token_hex(20))

    async def close(self) -> None:
        for loader in self._loaders:
            await loader.close()
        await self.directory.close()


@contextlib.asynccontextmanager
async def system(conf: Conf) -> AsyncIterator[System]:
    """Give a system; its sessions end with it."""
    b = await Backbone.open(conf)
    own = System(b)
    try:
        yield own
    finally:
        await own.close()
        await b.close()
