"""Brokers that stop, pause and come back: what is answered meanwhile, and what is in the log afterwards."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from queues.conf import Conf
from queues.domain.errors import LogUnavailable
from queues.domain.record import Kind
from queues.log.admin import LogAdmin
from queues.log.consumer import BEGINNING, Reader
from queues.log.producer import Message, Producer
from queues.log.topics import topic_name
from runnerq_site.embedded.kafka import Kafka
from runnerq_site.embedded.stack import disposable_stack
from tests import servers
from tests.waiting import reached, until


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """A broker of one's own, to stop and kill."""
    with disposable_stack(servers.cache) as stack:
        yield stack.kafka


@pytest.fixture
def conf(kafka: Kafka, topic_prefix: str) -> Conf:
    return Conf(
        kafka={"bootstrap.servers": kafka.brokers, "log_level": 0},
        topic_prefix=topic_prefix,
        partitions=1,
        append_timeout_s=2.0,
    )


@pytest.fixture
async def topic(conf: Conf) -> str:
    admin = LogAdmin(conf)
    await admin.create_queue_topics("q")
    await admin.close()
    return topic_name(conf, "q", Kind.PENDING)


@pytest.fixture
async def producer(conf: Conf, topic: str) -> AsyncIterator[Producer]:
    producer = Producer(conf)
    await producer.start()
    await producer.append([Message(topic, 0, b"first", b"", None)])
    yield producer
    await producer.close(1)


async def keys_in_log(conf: Conf, topic: str) -> list[bytes | None]:
    reader = Reader(conf, {(topic, 0): BEGINNING})
    keys = []
    while (topic, 0) not in reader.at_end:
        keys += [message.key for message in await reader.read(1000, 5)]
    await reader.close()
    return keys


async def test_a_paused_broker_gives_an_unknown_outcome_and_the_record_may_land(
    kafka: Kafka, conf: Conf, topic: str, producer: Producer
):
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        reports = await producer.append([Message(topic, 0, b"late:%d" % n, b"x", None) for n in range(5)])
        assert time.monotonic() - began < 2.0 + 2.0
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
    assert all(report.error and not report.certain for report in reports)
    [after] = await producer.append([Message(topic, 0, b"after", b"x", None)])
    assert after.error == ""
    keys = await keys_in_log(conf, topic)
    assert {b"first", b"after"} <= set(keys)
    assert all(keys.count(b"late:%d" % n) <= 1 for n in range(5)), "each at most once"


async def test_a_partition_that_owes_an_answer_gets_no_new_batch(
    kafka: Kafka, topic: str, producer: Producer
):
    os.kill(kafka.pid, signal.SIGSTOP)
    try:
        waiting = asyncio.create_task(producer.append([Message(topic, 0, b"k", b"x", None)]))
        await asyncio.sleep(0.15)
        assert {producer.partition_for_batch(topic, 2) for _ in range(4)} == {1}
    finally:
        os.kill(kafka.pid, signal.SIGCONT)
    await waiting


async def test_a_killed_broker_loses_nothing_acknowledged_and_its_reader_goes_on(
    kafka: Kafka, conf: Conf, topic: str, producer: Producer
):
    # Takes as long as a broker needs to come back: the one wait that cannot be shared.
    acknowledged, unknown, tried = set(), set(), set()

    async def append_on() -> None:
        while True:
            key = b"id%d" % len(tried)
            tried.add(key)
            [report] = await producer.append([Message(topic, 0, key, b"x", None)])
            (unknown if report.error else acknowledged).add(key)

    task = asyncio.create_task(append_on())
    reader = Reader(conf, {(topic, 0): 1})
    await asyncio.to_thread(until, lambda: len(acknowledged) > 50)
    kafka.kill()
    before = len(acknowledged)
    await asyncio.to_thread(kafka.start)
    await asyncio.to_thread(until, lambda: len(acknowledged) > before + 50, 30)
    task.cancel()
    found: list[bytes | None] = []

    async def read_all() -> bool:
        found.extend(message.key for message in await reader.read(1000, 1))
        return acknowledged <= set(found)

    await reached(read_all)
    await reader.close()
    assert len(found) == len(set(found)), "each once, however often the client tried"
    assert set(found) <= tried


async def test_a_broker_that_is_away_is_named(topic_prefix: str):
    away = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
    admin = LogAdmin(Conf(kafka=away, topic_prefix=topic_prefix, append_timeout_s=0.5))
    with pytest.raises(LogUnavailable, match=r"127\.0\.0\.1:1"):
        await admin.partitions("any")
    await admin.close()
