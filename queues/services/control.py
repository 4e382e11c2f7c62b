"""Facts about queues, kept for ever in the control topic: that they exist, and each opening of their hot view."""

import msgspec

from queues.domain.errors import LogUnavailable
from queues.log.consumer import Reader
from queues.log.producer import Message
from queues.log.topics import control_topic
from queues.services.backbone import Backbone, now_ms


class QueueFact(msgspec.Struct):
    """With how many partitions a queue was created: lanes are hashed over this number for ever."""

    queue: str
    partitions: int
    created_ms: int


def queues_channel(b: Backbone) -> str:
    """The Redis channel on which a new queue or band is announced."""
    return f"{b.conf.redis_prefix}:queues"


async def append_fact(b: Backbone, key: str, value: bytes) -> int:
    """Append a fact; return its offset.

    Raises:
        LogUnavailable: it is not certain to be in the log.
    """
    await b.admin.create_control_topic()
    [report] = await b.log.append([Message(control_topic(b.conf), 0, key.encode(), value, None)])
    if report.error or report.offset < 0:
        raise LogUnavailable(
            f"the control topic did not take {key}: {report.error or 'no offset was reported'}"
        )
    return report.offset


async def record_opening(b: Backbone, queue: str) -> int:
    """Record that the hot view of ``queue`` is opened; return the epoch, which no other opening will ever get."""
    fact = msgspec.json.encode({"queue": queue, "at_ms": now_ms()})
    # Offset 0 would be no epoch: versions of a first opening must be above those of first enqueues.
    return await append_fact(b, f"epoch:{queue}", fact) + 1


async def record_queue(b: Backbone, queue: str, partitions: int) -> None:
    """Record that ``queue`` exists, with the number of partitions of its creation."""
    await append_fact(b, f"queue:{queue}", msgspec.json.encode(QueueFact(queue, partitions, now_ms())))


async def read_queue_facts(b: Backbone) -> dict[str, QueueFact]:
    """Return the facts of all queues; the first one recorded counts."""
    topic = control_topic(b.conf)
    if not await b.admin.partitions(topic):
        return {}
    [end] = (await b.admin.end_offsets([(topic, 0)])).values()
    facts: dict[str, QueueFact] = {}
    reader = Reader(b.conf, {(topic, 0): 0})
    try:
        position = 0
        while position < end:
            for m in await reader.read(1_000, 1.0):
                position = m.offset + 1
                if m.key is not None and m.key.startswith(b"queue:") and m.value is not None:
                    fact = msgspec.json.decode(m.value, type=QueueFact)
                    facts.setdefault(fact.queue, fact)
            if (topic, 0) in reader.at_end:
                break
    finally:
        await reader.close()
    return facts
