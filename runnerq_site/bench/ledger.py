"""The account of a run, taken from the log itself: was every activity settled exactly once, and when?"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from queues.conf import Conf
from queues.domain.record import Kind, split_key
from queues.log.admin import LogAdmin
from queues.log.consumer import Reader
from queues.log.inbox import Partition, RawMessage
from queues.log.topics import topic_name
from runnerq_site.bench.figures import BenchError, Void

ENDS = (Kind.COMPLETED, Kind.DLQ)
_BATCH = 10_000
_PATIENCE = 40


class _End(msgspec.Struct):
    claimed_ms: int = 0


_end = msgspec.json.Decoder(_End).decode


@dataclass(slots=True)
class Account:
    """How many terminal records each activity has, and when the log took each (epoch ms, by place)."""

    settled: Counter[str] = field(default_factory=Counter)
    dead: int = 0
    first_claim_ms: int = 0
    last_settle_ms: int = 0
    appended_ms: dict[Partition, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From the first claim to the last settle appended."""
        return max(self.last_settle_ms - self.first_claim_ms, 1) / 1000

    def require(self, enqueued: int) -> None:
        """Pass when ``enqueued`` activities ended, each in exactly one completed record.

        Raises:
            Void: the run does not count; says what is wrong with it.
        """
        faults = []
        twice = sum(1 for count in self.settled.values() if count > 1)
        if len(self.settled) != enqueued:
            faults.append(f"{len(self.settled):,} of {enqueued:,} activities settled")
        if twice:
            faults.append(f"{twice:,} settled more than once")
        if self.dead:
            faults.append(f"{self.dead:,} dead letters")
        if faults:
            raise Void("; ".join(faults))


async def ends(admin: LogAdmin, conf: Conf, queue: str, kinds: tuple[Kind, ...]) -> dict[Partition, int]:
    """Return where the queue's topics end now."""
    partitions = [
        (topic, number)
        for topic in (topic_name(conf, queue, kind) for kind in kinds)
        for number in range(await admin.partitions(topic))
    ]
    return await admin.end_offsets(partitions)


async def account(
    conf: Conf, queue: str, since: Mapping[Partition, int], until: Mapping[Partition, int]
) -> Account:
    """Read the terminal records between two sets of ends."""
    found = Account()
    completed = topic_name(conf, queue, Kind.COMPLETED)
    async for message in records(conf, since, until):
        if message.value is None:
            continue
        found.appended_ms.setdefault((message.topic, message.partition), []).append(
            (message.offset, message.timestamp_ms)
        )
        if message.topic != completed:
            found.dead += 1
            continue
        found.settled[split_key(message.key)[0]] += 1
        found.last_settle_ms = max(found.last_settle_ms, message.timestamp_ms)
        claimed_ms = _end(message.value).claimed_ms
        if claimed_ms and (not found.first_claim_ms or claimed_ms < found.first_claim_ms):
            found.first_claim_ms = claimed_ms
    return found


async def records(
    conf: Conf, since: Mapping[Partition, int], until: Mapping[Partition, int]
) -> AsyncIterator[RawMessage]:
    """Give every record between two sets of ends, in the order of each partition.

    Raises:
        BenchError: the log does not give them.
    """
    wanted = {place: end for place, end in until.items() if end > since.get(place, 0)}
    if not wanted:
        return
    reader = Reader(conf, {place: since.get(place, 0) for place in wanted})
    idle = 0
    try:
        while wanted:
            batch = await reader.read(_BATCH, 0.25)
            idle = 0 if batch else idle + 1
            if idle > _PATIENCE:
                raise BenchError(f"the log does not give what lies before its ends: {wanted}")
            for message in batch:
                place = (message.topic, message.partition)
                end = until[place]
                if message.offset < end:
                    yield message
                if message.offset >= end - 1:
                    wanted.pop(place, None)
            # An end can lie behind a compacted record; then the reader has passed it without one.
            for place, reached in reader.at_end.items():
                if reached >= until.get(place, 0):
                    wanted.pop(place, None)
    finally:
        await reader.close()
