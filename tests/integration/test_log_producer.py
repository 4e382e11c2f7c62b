"""An append: each record is answered by its own report, and a report says only what is sure."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from queues.conf import Conf
from queues.domain.record import Kind
from queues.log.admin import LogAdmin
from queues.log.consumer import BEGINNING, RawMessage, Reader
from queues.log.producer import Message, Producer
from queues.log.topics import topic_name
from runnerq_site.embedded.stack import Services

HEADERS = [("v", b"0"), ("s", b"available"), ("t", b"mail.send")]


@pytest.fixture
def conf(services: Services, topic_prefix: str) -> Conf:
    return Conf(kafka={"bootstrap.servers": services.brokers}, topic_prefix=topic_prefix, partitions=2)


@pytest.fixture
async def topic(conf: Conf) -> str:
    admin = LogAdmin(conf)
    await admin.create_queue_topics("q")
    await admin.close()
    return topic_name(conf, "q", Kind.PENDING)


@pytest.fixture
async def producer(conf: Conf) -> AsyncIterator[Producer]:
    producer = Producer(conf)
    await producer.start()
    yield producer
    await producer.close()


def record(topic: str, number: int, partition: int = 0, value: bytes = b"body") -> Message:
    return Message(topic, partition, b"id%d:0" % number, value, HEADERS)


async def read_all(conf: Conf, topic: str, partitions: int = 2) -> list[RawMessage]:
    reader = Reader(conf, {(topic, partition): BEGINNING for partition in range(partitions)})
    found = []
    while len(reader.at_end) < partitions:
        found += await reader.read(1000, 5)
    await reader.close()
    return found


async def test_an_append_answers_each_record_by_its_own_report(conf: Conf, topic: str, producer: Producer):
    messages = [record(topic, n, n % 2) for n in range(500)]
    reports = await producer.append(messages)
    assert all(report.error == "" and report.certain for report in reports)
    lying = {(m.partition, m.offset): m.key for m in await read_all(conf, topic)}
    assert [lying[report.partition, report.offset] for report in reports] == [m.key for m in messages]


async def test_a_record_comes_back_as_it_was_sent(conf: Conf, topic: str, producer: Producer):
    await producer.append([record(topic, 1), Message(topic, 0, b"id1:0", None, None)])
    [first, null] = await read_all(conf, topic)
    assert (first.key, first.value, first.headers) == (b"id1:0", b"body", HEADERS)
    assert first.timestamp_ms > 0
    assert (null.key, null.value, null.headers) == (b"id1:0", None, None)


async def test_appends_under_way_at_once_are_answered_each_for_itself(topic: str, producer: Producer):
    answers = await asyncio.gather(
        *(producer.append([record(topic, n, n % 2), record(topic, n + 1000, 0)]) for n in range(200))
    )
    addresses = [(report.partition, report.offset) for reports in answers for report in reports]
    assert len(set(addresses)) == len(addresses) == 400
    assert producer.pending == 0


async def test_nothing_to_append_is_answered_by_nothing(topic: str, producer: Producer):
    assert await producer.append([]) == []


async def test_a_record_beyond_the_limit_is_refused_alone(topic: str, producer: Producer):
    huge = record(topic, 2, value=bytes(4_000_000))
    reports = await producer.append([record(topic, 1), huge, record(topic, 3)])
    assert [report.error == "" for report in reports] == [True, False, True]
    assert "too large" in reports[1].error
    assert reports[1].certain


async def test_neighbours_of_a_record_that_the_broker_refuses_are_appended(topic: str, producer: Producer):
    # A compacted topic refuses a record without a key, and with it all that lie in the same batch.
    messages = [
        record(topic, 1),
        Message(topic, 0, None, b"no key", None),
        *(record(topic, n) for n in range(9)),
    ]
    reports = await producer.append(messages)
    assert [report.error == "" for report in reports] == [True, False, *[True] * 9]
    assert reports[1].certain


async def test_neighbours_in_other_calls_are_appended_too(topic: str, producer: Producer):
    bad = Message(topic, 0, None, b"no key", None)
    calls = [producer.append([bad if n % 7 == 3 else record(topic, n)]) for n in range(50)]
    answers = await asyncio.gather(*calls)
    assert [reports[0].error == "" for reports in answers] == [n % 7 != 3 for n in range(50)]


async def test_a_partition_that_does_not_exist_is_certainly_not_written(topic: str, producer: Producer):
    await producer.append([record(topic, 1)])
    [report] = await producer.append([record(topic, 1, partition=77)])
    assert "Unknown partition" in report.error
    assert report.certain


async def test_a_topic_that_does_not_exist_is_told_within_seconds(conf: Conf, producer: Producer):
    [report] = await asyncio.wait_for(producer.append([record(f"{conf.topic_prefix}-none", 1)]), 9)
    assert "UNKNOWN_TOPIC" in report.error


async def test_batches_go_to_each_partition_in_turn(topic: str, producer: Producer):
    turns = [producer.partition_for_batch(topic, 3) for _ in range(6)]
    assert sorted(turns[:3]) == [0, 1, 2]
    assert turns[:3] == turns[3:]


async def test_posted_records_arrive_without_being_awaited(conf: Conf, topic: str, producer: Producer):
    assert producer.post([record(topic, n) for n in range(100)]) == 0
    await producer.close()
    assert len(await read_all(conf, topic)) == 100


async def test_what_does_not_fit_is_dropped_and_counted(topic: str, producer: Producer):
    many = [record(topic, n) for n in range(30_000)]
    assert producer.post(many) == 0
    assert producer.post(many) == len(many)


async def test_a_session_that_failed_for_good_is_replaced_and_still_answers(topic: str, producer: Producer):
    under_way = asyncio.create_task(producer.append([record(topic, n) for n in range(200)]))
    await asyncio.sleep(0)
    first = producer._handle
    first._on_error(KafkaError(KafkaError._FATAL, "out of order", fatal=True))
    [later] = await producer.append([record(topic, 900)])
    assert later.error == ""
    assert producer._handle is not first
    assert all(report.error == "" for report in await under_way)


async def test_a_closed_producer_leaves_no_call_waiting(conf: Conf, topic: str):
    producer = Producer(conf)
    await producer.start()
    waiting = asyncio.create_task(producer.append([record(topic, n) for n in range(1000)]))
    await asyncio.sleep(0)
    await producer.close()
    assert all(report.error == "" for report in await waiting)


@pytest.fixture
def a_busy_loop() -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
    async def busy() -> None:
        while True:
            sum(range(20_000))
            await asyncio.sleep(0)

    return busy


async def test_a_busy_loop_still_gets_a_thousand_reports_within_a_second(
    topic: str, producer: Producer, a_busy_loop: Callable[[], Coroutine[Any, Any, None]]
):
    # With a thread that polls beside such a loop, this took from three to six seconds.
    await producer.append([record(topic, 0)])
    burning = asyncio.create_task(a_busy_loop())
    reports = await asyncio.wait_for(producer.append([record(topic, n) for n in range(1000)]), 1.0)
    burning.cancel()
    assert all(report.error == "" for report in reports)
