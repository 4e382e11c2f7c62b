"""A reader starts where its view stands; a group only shares out the partitions."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from queues.conf import Conf
from queues.domain.errors import HotUnavailable, PositionLost
from queues.domain.record import Kind
from queues.log.admin import LogAdmin
from queues.log.consumer import BEGINNING, GroupReader, RawMessage, Reader
from queues.log.producer import Message, Producer
from queues.log.topics import max_record_bytes, topic_name
from runnerq_site.embedded.stack import Services
from tests.waiting import reached

type Partition = tuple[str, int]

MEMBER = """
import asyncio, sys
from queues.conf import Conf
from queues.log.consumer import GroupReader

async def nothing(partitions):
    return {}

async def main(brokers, prefix, group, topic):
    reader = GroupReader(
        Conf(kafka={"bootstrap.servers": brokers}, topic_prefix=prefix), group, positions=nothing
    )
    reader.subscribe([topic])
    while True:
        await reader.read(10, 0.1)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def conf(services: Services, topic_prefix: str) -> Conf:
    return Conf(kafka={"bootstrap.servers": services.brokers}, topic_prefix=topic_prefix, partitions=2)


@pytest.fixture
async def admin(conf: Conf) -> AsyncIterator[LogAdmin]:
    admin = LogAdmin(conf)
    yield admin
    await admin.close()


@pytest.fixture
async def topic(conf: Conf, admin: LogAdmin) -> str:
    await admin.create_queue_topics("q")
    return topic_name(conf, "q", Kind.PENDING)


@pytest.fixture
async def producer(conf: Conf) -> AsyncIterator[Producer]:
    producer = Producer(conf)
    await producer.start()
    yield producer
    await producer.close()


@pytest.fixture
async def join(conf: Conf, unique: str) -> AsyncIterator[Callable[..., GroupReader]]:
    """Members of one group; ``positions`` is what the view would answer."""
    members = []

    def make(
        topics: Collection[str],
        positions: Mapping[Partition, int] | Callable[..., object] = {},  # noqa: B006 -- never changed
        **options: object,
    ) -> GroupReader:
        async def stand(_: list[Partition]) -> Mapping[Partition, int]:
            return positions() if callable(positions) else positions

        reader = GroupReader(conf, f"g{unique}", positions=stand, **options)
        reader.subscribe(topics)
        members.append(reader)
        return reader

    yield make
    for member in members:
        await member.close()


async def fill(producer: Producer, topic: str, count: int = 10, partitions: int = 2) -> None:
    records = [
        Message(topic, p, b"k%d" % n, b"v", [("v", b"0")]) for p in range(partitions) for n in range(count)
    ]
    assert not any(report.error for report in await producer.append(records))


async def read_to_end(reader: Reader | GroupReader, partitions: int = 2) -> list[RawMessage]:
    found: list[RawMessage] = []

    async def at_end() -> bool:
        found.extend(await reader.read(2000, 0.2))
        return len(reader.at_end) == partitions

    await reached(at_end)
    return found


def offsets(messages: Collection[RawMessage], partition: int) -> list[int]:
    return [message.offset for message in messages if message.partition == partition]


async def test_a_member_starts_where_the_view_stands_and_else_at_the_beginning(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    await fill(producer, topic)
    reader = join([topic], {(topic, 0): 7})
    found = await read_to_end(reader)
    assert offsets(found, 0) == [7, 8, 9]
    assert offsets(found, 1) == list(range(10))
    assert reader.at_end == {(topic, 0): 10, (topic, 1): 10}
    assert reader.ends_seen() == {(topic, 0): 10, (topic, 1): 10}


async def test_what_the_group_has_committed_does_not_move_the_start(
    topic: str, admin: LogAdmin, producer: Producer, join: Callable[..., GroupReader], unique: str
):
    await fill(producer, topic)
    first = join([topic])
    await read_to_end(first)
    await first.commit({(topic, 0): 9, (topic, 1): 9})
    assert await admin.committed(f"g{unique}", [(topic, 0), (topic, 1)]) == {(topic, 0): 9, (topic, 1): 9}
    await first.close()
    assert offsets(await read_to_end(join([topic], {(topic, 0): 4})), 0) == [4, 5, 6, 7, 8, 9]


async def test_nothing_is_read_before_the_view_knows_its_positions(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    await fill(producer, topic)
    asked = []

    def away_at_first() -> Mapping[Partition, int]:
        asked.append(1)
        if len(asked) < 2:
            raise HotUnavailable("Redis is away")
        return {(topic, 0): 8, (topic, 1): 8}

    found = await read_to_end(join([topic], away_at_first))
    assert [message.offset for message in found] == [8, 9, 8, 9]


async def test_one_more_topic_takes_effect_within_two_seconds(
    conf: Conf, topic: str, admin: LogAdmin, producer: Producer, join: Callable[..., GroupReader]
):
    reader = join([topic])
    await read_to_end(reader)
    await admin.create_queue_topics("later")
    later = topic_name(conf, "later", Kind.PENDING)
    await fill(producer, later, 1)
    reader.subscribe([topic, later])
    began = time.monotonic()

    async def arrived() -> bool:
        return any(message.topic == later for message in await reader.read(10, 0.5))

    await reached(arrived)
    assert time.monotonic() - began < 2.0


async def test_a_topic_subscribed_before_it_exists_is_read_once_it_does(
    conf: Conf, admin: LogAdmin, producer: Producer, join: Callable[..., GroupReader]
):
    early = topic_name(conf, "early", Kind.PENDING)
    reader = join([early])
    assert await reader.read(10, 0.2) == []
    await admin.create_queue_topics("early")
    await fill(producer, early, 1)

    async def arrived() -> bool:
        return bool(await reader.read(10, 0.5))

    await reached(arrived)


async def test_a_record_is_read_within_moments_of_its_append(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    reader = join([topic])
    await read_to_end(reader)
    waiting = asyncio.create_task(reader.read(100, 10))
    await fill(producer, topic, 1, 1)
    began = time.monotonic()
    assert offsets(await waiting, 0) == [0]
    assert time.monotonic() - began < 1.0, "a batch that is not full is not waited for"


async def test_a_cancelled_read_loses_nothing(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    reader = join([topic])
    await read_to_end(reader)
    waiting = asyncio.create_task(reader.read(100, 5))
    await asyncio.sleep(0)
    waiting.cancel()
    await fill(producer, topic, 3, 1)
    assert offsets(await read_to_end(reader), 0) == [0, 1, 2]


async def test_a_seek_goes_back_whatever_was_fetched_ahead(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    await fill(producer, topic, 50)
    reader = join([topic])
    await read_to_end(reader)
    reader.seek((topic, 0), 45)
    assert (topic, 0) not in reader.at_end
    assert offsets(await read_to_end(reader), 0) == [45, 46, 47, 48, 49]


async def test_a_paused_partition_goes_on_where_it_was_told_to(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    await fill(producer, topic, 20)
    reader = join([topic])
    await read_to_end(reader)
    reader.seek((topic, 0), 15)
    reader.pause([(topic, 0)])
    assert await reader.read(100, 0.3) == []
    reader.resume([(topic, 0)])
    assert offsets(await read_to_end(reader), 0) == [15, 16, 17, 18, 19]


async def test_members_share_partitions_and_one_that_leaves_gives_them_up_at_once(
    topic: str, join: Callable[..., GroupReader]
):
    given_up: list[Partition] = []

    async def revoked(partitions: list[Partition]) -> None:
        given_up.extend(partitions)

    one, other = join([topic], on_revoke=revoked), join([topic])

    async def shared() -> bool:
        await asyncio.gather(one.read(10, 0.1), other.read(10, 0.1))
        return len(one.assignment()) == len(other.assignment()) == 1

    await reached(shared)
    mine = one.assignment()
    await one.close()
    assert mine <= set(given_up)

    async def taken_over() -> bool:
        await other.read(10, 0.1)
        return len(other.assignment()) == 2

    await reached(taken_over, 5)


async def test_a_member_that_is_killed_loses_its_partitions_to_the_other(
    conf: Conf, services: Services, topic: str, unique: str, join: Callable[..., GroupReader]
):
    # Takes the session timeout of 8 s, after which a vanished member is given up.
    arguments = ["-c", MEMBER, services.brokers, conf.topic_prefix, f"g{unique}", topic]
    member = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    reader = join([topic])

    async def shared() -> bool:
        await reader.read(10, 0.1)
        return len(reader.assignment()) == 1

    try:
        await reached(shared)
    finally:
        member.kill()
        await member.wait()

    async def taken_over() -> bool:
        await reader.read(10, 0.1)
        return len(reader.assignment()) == 2

    await reached(taken_over, 15)


async def test_a_position_that_the_log_does_not_have_stops_the_view_and_names_the_partition(
    topic: str, producer: Producer, join: Callable[..., GroupReader]
):
    await fill(producer, topic)
    reader = join([topic], {(topic, 0): 1000})

    async def never() -> bool:
        await reader.read(100, 0.5)
        return False

    with pytest.raises(PositionLost, match=rf"{topic}\[0\]"):
        await reached(never)


async def test_a_reader_takes_the_partitions_it_is_given(conf: Conf, topic: str, producer: Producer):
    await fill(producer, topic)
    reader = Reader(conf, {(topic, 1): 5})
    assert await reader.ends() == {(topic, 1): 10}
    found = await read_to_end(reader, 1)
    assert [(message.partition, message.offset) for message in found] == [(1, n) for n in range(5, 10)]
    assert found[0].timestamp_ms > 0
    await reader.close()


async def test_records_at_the_limit_are_read_beside_small_ones(conf: Conf, topic: str, producer: Producer):
    sizes = [1, max_record_bytes(conf) - 1000, 1, max_record_bytes(conf) - 1000]
    for size in sizes:
        [report] = await producer.append([Message(topic, 0, b"k", b"x" * size, None)])
        assert report.error == ""
    reader = Reader(conf, {(topic, 0): BEGINNING})
    assert [len(message.value or b"") for message in await read_to_end(reader, 1)] == sizes
    await reader.close()


async def test_a_view_that_has_read_nothing_begins_with_what_is_left(
    conf: Conf, admin: LogAdmin, producer: Producer
):
    await admin.create_queue_topics("aged")
    events = topic_name(conf, "aged", Kind.EVENTS)
    await fill(producer, events, 10)
    kafka = AdminClient(conf.kafka)
    for future in kafka.delete_records([TopicPartition(events, 0, 4)]).values():
        await asyncio.to_thread(future.result, 10)
    reader = Reader(conf, {(events, 0): 0})
    assert offsets(await read_to_end(reader, 1), 0) == [4, 5, 6, 7, 8, 9]
    await reader.close()


async def test_a_large_batch_is_returned_in_the_order_of_each_partition(
    conf: Conf, topic: str, producer: Producer
):
    await fill(producer, topic, 3000)
    reader = Reader(conf, {(topic, 0): BEGINNING, (topic, 1): BEGINNING})
    found = await read_to_end(reader)
    assert offsets(found, 0) == offsets(found, 1) == list(range(3000))
    await reader.close()
