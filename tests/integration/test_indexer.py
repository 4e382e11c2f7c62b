"""The indexer: what is in the log shows in the index, however indexers come, stop and die."""

import asyncio
import contextlib
import dataclasses
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from queues import failpoints
from queues.conf import Conf
from queues.domain.activity import Activity
from queues.domain.codes import StateCode
from queues.domain.errors import IndexUnavailable, UnknownSchemaVersion
from queues.domain.ids import new_id
from queues.domain.record import Kind
from queues.domain.states import State
from queues.index import reads
from queues.keeper.directory import Directory
from queues.keeper.indexer import Indexer
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone
from queues.services.workers import WorkerInfo, announce_worker
from tests.sample import running
from tests.sample.histories import Log, counts, reference, run_attempt
from tests.waiting import reached

pytestmark = pytest.mark.django_db


@pytest.fixture
def conf(services: Any, db: None, topic_prefix: str, redis_prefix: str) -> Conf:
    return running.conf_of(topic_prefix, redis_prefix, PARTITIONS=1)


@pytest.fixture
async def b(conf: Conf) -> AsyncIterator[Backbone]:
    b = await Backbone.open(conf)
    yield b
    await b.close()


@pytest.fixture
async def log(b: Backbone, conf: Conf, queue_name: str) -> Log:
    await b.admin.create_queue_topics(queue_name)
    return Log(conf.topic_prefix, queue_name, now_ms=time.time_ns() // 1_000_000)


async def append(b: Backbone, log: Log) -> None:
    """Bring what the history holds into Kafka; there it gets the very same offsets."""
    messages = [Message(m.topic, m.partition, m.key, m.value, m.headers) for m in log.messages]
    reports = await b.log.append(messages)
    assert not [report for report in reports if report.error]


@contextlib.asynccontextmanager
async def indexer(b: Backbone, **options: Any) -> AsyncIterator[Indexer]:
    directory = Directory(b)
    indexer = Indexer(b, directory, linger_s=0.02, **options)
    await indexer.start()
    try:
        yield indexer
    finally:
        await indexer.close()
        await directory.close()


async def caught_up(b: Backbone, log: Log, *indexers: Indexer) -> None:
    """Step until the index has everything that the history appended."""
    kinds = {f"{log.prefix}-{log.queue}-{kind}" for kind in Kind}

    async def stepped() -> bool:
        await asyncio.gather(*(each.step() for each in indexers))
        positions = await reads.positions(await b.index())
        ends = {p: end for p, end in log.ends.items() if p[0] in kinds}
        return {p: positions.get(p) for p in ends} == ends

    await reached(stepped, 60, "the index has read all")


async def counted(b: Backbone, queue: str) -> dict[StateCode, int]:
    sql = """SELECT state, sum(count)::int FROM idx.counter c JOIN idx.name q ON q.id = c.queue_id
        WHERE q.name = %s GROUP BY 1 HAVING sum(count) <> 0"""
    async with (await b.index()).connection() as connection:
        rows = await (await connection.execute(sql, [queue])).fetchall()
    return {StateCode(state): n for state, n in rows}


async def summed(b: Backbone, queue: str) -> dict[str, int]:
    names = ("enqueued", "started", "completed", "failed", "retried", "discarded", "dead", "cancelled")
    sql = f"""SELECT {", ".join(f"coalesce(sum({name}), 0)::int" for name in names)} FROM idx.minute m
        JOIN idx.name q ON q.id = m.queue_id WHERE q.name = %s"""
    async with (await b.index()).connection() as connection:
        row = await (await connection.execute(sql, [queue])).fetchone()
    return dict(zip(names, row, strict=True))


def lives(log: Log, n: int) -> None:
    for number in range(n):
        a = Activity(id=new_id(), queue=log.queue, type=f"t{number % 3}")
        first = log.enqueue(a)
        for ending in ("retry", "completed") if number % 3 else ("dead",):
            run_attempt(log, a, first, ending)


async def agrees(b: Backbone, log: Log) -> None:
    shown, sums = reference(log.messages)
    assert await counted(b, log.queue) == counts(shown)
    assert await summed(b, log.queue) == sums


async def test_what_is_in_the_log_shows_in_the_index_and_pages_are_told(b: Backbone, log: Log):
    told: list[tuple[dict[Any, int], dict[str, Any]]] = []

    async def on_commit(positions: Any, dirty: Any) -> None:
        told.append((dict(positions), dict(dirty)))

    lives(log, 40)
    await append(b, log)
    async with indexer(b, on_commit=on_commit) as one:
        await caught_up(b, log, one)
        await agrees(b, log)
        await reached(lambda: asyncio.sleep(0, any(dirty for _, dirty in told)))
    positions: dict[Any, int] = {}
    marks: dict[str, Any] = {}
    for moved, dirty in told:
        positions |= moved
        marks |= dirty.get(log.queue, {})
    shown, _ = reference(log.messages)
    assert {p: positions[p] for p in log.ends} == log.ends
    assert {i: (mark.state, mark.version) for i, mark in marks.items()} == {
        i: (row.state.name.lower(), row.version) for i, row in shown.items()
    }


async def test_a_crash_before_the_commit_loses_nothing_and_counts_nothing_twice(b: Backbone, log: Log):
    lives(log, 30)
    await append(b, log)
    for point in ("index.written", "index.committed"):
        failpoints.arm({point: "once:raise"})
        with pytest.raises(failpoints.FailpointError):
            async with indexer(b) as one:
                await caught_up(b, log, one)
    async with indexer(b) as one:
        await caught_up(b, log, one)
    await agrees(b, log)


async def test_two_indexers_that_read_the_same_partitions_are_harmless(b: Backbone, log: Log):
    lives(log, 60)
    await append(b, log)
    async with indexer(b, group=f"{log.prefix}-a") as one, indexer(b, group=f"{log.prefix}-b") as two:
        await caught_up(b, log, one, two)
    await agrees(b, log)


async def test_a_backlog_that_is_read_ahead_is_counted_exactly(b: Backbone, log: Log):
    lives(log, 60)
    await append(b, log)
    b.conf = dataclasses.replace(b.conf, index_batch=25)
    failpoints.arm({"index.written": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        async with indexer(b) as one:
            await caught_up(b, log, one)
    async with indexer(b) as one:
        await caught_up(b, log, one)
    await agrees(b, log)


async def test_a_session_that_postgresql_ended_is_made_anew(b: Backbone, log: Log):
    lives(log, 20)
    await append(b, log)
    async with indexer(b) as one:
        await caught_up(b, log, one)
        known = len(log.messages)
        lives(log, 20)
        await b.log.append(
            [Message(m.topic, m.partition, m.key, m.value, m.headers) for m in log.messages[known:]]
        )
        async with (await b.index()).connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'runnerq-indexer'"
            )

        async def stepped() -> bool:
            with contextlib.suppress(IndexUnavailable):
                await one.step()
            positions = await reads.positions(await b.index())
            return {p: positions.get(p) for p in log.ends} == log.ends

        await reached(stepped, 60)
    await agrees(b, log)


async def test_an_index_that_was_emptied_under_a_running_indexer_is_filled_again(b: Backbone, log: Log):
    lives(log, 20)
    await append(b, log)
    async with indexer(b) as one:
        await caught_up(b, log, one)
        async with (await b.index()).connection() as connection:
            of = "(SELECT id FROM idx.name WHERE name = %s)"
            for table in ("activity", "counter", "minute"):
                await connection.execute(f"DELETE FROM idx.{table} WHERE queue_id = {of}", [log.queue])
            await connection.execute(
                f"DELETE FROM idx.transition WHERE source_id IN (SELECT id FROM idx.source WHERE queue_id = {of})",
                [log.queue],
            )
            await connection.execute(
                "DELETE FROM idx.payload p WHERE NOT EXISTS (SELECT FROM idx.activity a WHERE a.id = p.activity_id)"
            )
            await connection.execute(f"DELETE FROM idx.source WHERE queue_id = {of}", [log.queue])
        a = Activity(id=new_id(), queue=log.queue, type="t0")
        known = len(log.messages)
        log.enqueue(a)
        await b.log.append(
            [Message(m.topic, m.partition, m.key, m.value, m.headers) for m in log.messages[known:]]
        )
        await caught_up(b, log, one)
    await agrees(b, log)


async def test_a_record_of_a_newer_release_stops_the_view_until_it_is_understood(b: Backbone, log: Log):
    lives(log, 3)
    a = Activity(id=new_id(), queue=log.queue, type="t0")
    log.enqueue(a)
    newest = log.messages[-1]
    log.messages[-1] = newest._replace(headers=[(k, b"2" if k == "e" else v) for k, v in newest.headers])
    await append(b, log)
    async with indexer(b) as one:
        with pytest.raises(UnknownSchemaVersion, match=re.escape(f"{newest.topic}[0]@{newest.offset}")):
            await caught_up(b, log, one)
        with pytest.raises(UnknownSchemaVersion, match=re.escape(f"{newest.topic}[0]@{newest.offset}")):
            await one.step()
    assert await reads.find_record(await b.index(), a.id) is None
    position = (await reads.positions(await b.index())).get((newest.topic, newest.partition), 0)
    assert position <= newest.offset


async def test_what_expired_before_it_was_read_is_passed_over_and_said(
    b: Backbone, log: Log, caplog: pytest.LogCaptureFixture
):
    lives(log, 10)
    await append(b, log)
    topic = topic_name(b.conf, log.queue, Kind.COMPLETED)
    async with indexer(b) as one:
        await caught_up(b, log, one)
    known = len(log.messages)
    lives(log, 10)
    await b.log.append(
        [Message(m.topic, m.partition, m.key, m.value, m.headers) for m in log.messages[known:]]
    )
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    client = AdminClient({"bootstrap.servers": b.conf.brokers})
    cut = log.ends[topic, 0] - 1
    for future in client.delete_records([TopicPartition(topic, 0, cut)]).values():
        await asyncio.to_thread(future.result, 10)
    async with indexer(b) as one:
        await caught_up(b, log, one)
    assert "going on with what is left" in caplog.text


async def test_workers_that_announce_themselves_are_listed(b: Backbone, log: Log, unique: str):
    await announce_worker(
        b, WorkerInfo(id=f"w{unique}", host="h", pid=7, queues=(log.queue,), types=("t0",), slots=4, busy=1)
    )

    async def listed() -> Any:
        sql = "SELECT host, pid, queues, slots, busy, state FROM idx.worker WHERE id = %s"
        async with (await b.index()).connection() as connection:
            return await (await connection.execute(sql, [f"w{unique}"])).fetchone()

    async with indexer(b):
        assert await reached(listed) == ("h", 7, [log.queue], 4, 1, "running")


async def test_an_activity_that_is_enqueued_for_real_is_found_by_id(b: Backbone, conf: Conf, queue_name: str):
    from queues.services.enqueue import enqueue_activities

    a = Activity(id=new_id(), queue=queue_name, type="real", created_ms=time.time_ns() // 1_000_000)
    [accepted] = await enqueue_activities(b, [a])
    async with indexer(b) as one:

        async def found() -> Any:
            await one.step()
            return await reads.find_record(await b.index(), a.id)

        record = await reached(found)
    assert (record.state, record.queue, record.offset) == (State.AVAILABLE, queue_name, accepted.offset)
