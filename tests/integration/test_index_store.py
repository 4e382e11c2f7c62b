"""The index in PostgreSQL: rows, sums and positions move together, whoever writes and whatever is written."""

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from queues import failpoints
from queues.conf import Conf
from queues.domain.activity import Activity, Failure, Unique
from queues.domain.ids import new_id
from queues.domain.states import State
from queues.index import reads
from queues.index.connection import Pool, open_pool
from queues.index.gather import gather
from queues.index.store import IndexStore, PositionMoved
from tests.sample.histories import T0, run_attempt
from tests.sample.indexed import agrees, log_of, rows, shown, some_lives, write

pytestmark = pytest.mark.django_db


@pytest.fixture
async def pool(db: None) -> AsyncIterator[Pool]:
    pool = await open_pool()
    yield pool
    await pool.close()


@pytest.fixture
def conf(topic_prefix: str) -> Conf:
    return Conf(topic_prefix=topic_prefix)


@pytest.fixture
async def store(conf: Conf, pool: Pool) -> AsyncIterator[IndexStore]:
    store = IndexStore(conf)
    yield store
    await store.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(1, 60))
async def test_any_order_shows_in_sql_what_the_plain_reading_shows(
    conf: Conf, pool: Pool, rng: random.Random, size: int
):
    log = some_lives(Conf(topic_prefix=f"{conf.topic_prefix}{new_id()}"), 8, rng.randrange(10_000))
    store = IndexStore(Conf(topic_prefix=log.prefix))
    try:
        await store.stand(log.ends)
        messages = list(log.messages)
        rng.shuffle(messages)
        for start in range(0, len(messages), size):
            await store.write(gather(messages[start : start + size], store.dictionary.sources))
        await agrees(pool, log)
    finally:
        await store.close()


async def test_a_crash_between_writing_and_committing_changes_nothing_and_repeats_exactly(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = some_lives(conf)
    failpoints.arm({"index.written": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await write(store, log)
    assert await shown(pool, log.queue) == {}
    assert await store.stand(log.ends) == {}
    await write(store, log)
    await agrees(pool, log)


async def test_a_commit_whose_answer_was_lost_is_not_repeated(conf: Conf, pool: Pool, store: IndexStore):
    log = some_lives(conf)
    failpoints.arm({"index.committed": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await write(store, log)
    with pytest.raises(PositionMoved):
        await store.write(gather(log.messages, store.dictionary.sources))
    assert await store.stand(log.ends) == log.ends
    await agrees(pool, log)


async def test_two_indexers_on_the_same_partitions_write_each_record_once(conf: Conf, pool: Pool):
    log = some_lives(conf, 60)
    stores = [IndexStore(conf), IndexStore(conf)]

    async def index(store: IndexStore) -> None:
        stand = await store.stand(log.ends)
        while True:
            left = [m for m in log.messages if m.offset >= stand.get((m.topic, m.partition), 0)]
            if not left:
                return
            try:
                await store.write(gather(left[:25], store.dictionary.sources))
            except PositionMoved:
                await asyncio.sleep(0)
            stand = await store.stand(log.ends)

    await asyncio.gather(*(index(store) for store in stores))
    await agrees(pool, log)
    for store in stores:
        await store.close()


async def test_indexers_that_share_an_activity_between_topics_agree(conf: Conf, pool: Pool):
    log = some_lives(conf, 60)
    stores = [IndexStore(conf), IndexStore(conf)]

    async def index(store: IndexStore, kinds: set[str]) -> None:
        await store.stand(log.ends)
        mine = [m for m in log.messages if m.topic.rpartition("-")[2] in kinds]
        for start in range(0, len(mine), 20):
            await store.write(gather(mine[start : start + 20], store.dictionary.sources))

    await asyncio.gather(
        index(stores[0], {"pending", "processing", "dlq"}), index(stores[1], {"completed", "retry", "events"})
    )
    await agrees(pool, log)
    for store in stores:
        await store.close()


async def test_an_index_that_was_emptied_is_rebuilt_the_same(conf: Conf, pool: Pool, store: IndexStore):
    log = some_lives(conf)
    await write(store, log)
    before = await shown(pool, log.queue)
    sql = 'SELECT activity_id, "offset", version FROM idx.transition t JOIN idx.source s ON s.id = t.source_id WHERE topic LIKE %s'  # noqa: E501
    told = sorted(await rows(pool, sql, f"{log.prefix}-%"))
    number = (await rows(pool, "SELECT id FROM idx.name WHERE name = %s", log.queue))[0][0]
    async with pool.connection() as connection:
        for table in ("activity", "counter", "minute"):
            await connection.execute(f"DELETE FROM idx.{table} WHERE queue_id = %s", [number])
        of = "(SELECT id FROM idx.source WHERE queue_id = %s)"
        await connection.execute(f"DELETE FROM idx.transition WHERE source_id IN {of}", [number])
        await connection.execute(
            "DELETE FROM idx.payload p WHERE NOT EXISTS (SELECT FROM idx.activity a WHERE a.id = p.activity_id)"
        )
        await connection.execute("UPDATE idx.source SET next_offset = -1 WHERE queue_id = %s", [number])
    with pytest.raises(PositionMoved):
        await store.write(gather(log.messages, store.dictionary.sources))
    await write(store, log)
    assert await shown(pool, log.queue) == before
    assert sorted(await rows(pool, sql, f"{log.prefix}-%")) == told
    await agrees(pool, log)


HOSTILE = "x\x00y'\"\\;--<script>\u202e\U0001f600{},\n"


async def test_hostile_texts_are_shown_harmless_and_stop_nothing(conf: Conf, pool: Pool, store: IndexStore):
    log = log_of(conf)
    a = Activity(
        id="a\"b\\c,d'{}", queue=log.queue, type="a", tags=(HOSTILE,), key=HOSTILE, meta={HOSTILE: HOSTILE},
        args=msgspec.Raw(b'["\\u0000", "\\ud83d\\ude00", 1e400, "\xff", 12345678901234567890123]'),
        kwargs=msgspec.Raw(msgspec.json.encode({HOSTILE: [HOSTILE]})),
    )  # fmt: skip
    first = log.enqueue(a)
    a.errors = (Failure(HOSTILE, HOSTILE * 200, 1, T0, stack=HOSTILE),)
    run_attempt(log, a, first, "dead")
    await write(store, log)
    found = await rows(pool, "SELECT id, tags, error_message, preview FROM idx.activity WHERE id = %s", a.id)
    assert found[0][1] == [HOSTILE.replace("\x00", "\ufffd")]
    assert len(found[0][3].encode()) <= 203
    await agrees(pool, log)


async def test_a_document_that_jsonb_refuses_costs_only_its_own_search(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = log_of(conf)
    bad = Activity(id=new_id(), queue=log.queue, type="a", args=msgspec.Raw(b"[1e999999]"))
    good = Activity(id=new_id(), queue=log.queue, type="a", args=msgspec.Raw(b'[{"user": 5}]'))
    log.enqueue(bad)
    log.enqueue(good)
    await write(store, log)
    sql = "SELECT activity_id FROM idx.payload WHERE activity_id = ANY(%s::text[]) AND document IS NOT NULL"
    assert await rows(pool, sql, [bad.id, good.id]) == [(good.id,)]
    assert set(await shown(pool, log.queue)) == {bad.id, good.id}


async def test_arguments_are_found_by_path_and_text_up_to_the_limit(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = log_of(conf)
    small = Activity(
        id=new_id(), queue=log.queue, type="a", kwargs=msgspec.Raw(b'{"user":{"id":5}}'), tags=("red",)
    )
    large = Activity(id=new_id(), queue=log.queue, type="a", args=msgspec.Raw(b'["' + b"x" * 20_000 + b'"]'))
    log.enqueue(small)
    log.enqueue(large)
    await write(store, log)
    by_path = """SELECT activity_id FROM idx.payload WHERE document @> '{"kwargs":{"user":{"id":5}}}'
        AND activity_id = ANY(%s::text[])"""
    assert await rows(pool, by_path, [small.id, large.id]) == [(small.id,)]
    by_text = (
        "SELECT activity_id FROM idx.payload WHERE search ILIKE '%%XXXXX%%' AND activity_id = ANY(%s::text[])"
    )
    assert await rows(pool, by_text, [small.id, large.id]) == [(large.id,)]
    by_tag = (
        "SELECT activity_id FROM idx.payload WHERE search ILIKE '%%red%%' AND activity_id = ANY(%s::text[])"
    )
    assert await rows(pool, by_tag, [small.id, large.id]) == [(small.id,)]


async def test_a_malformed_record_is_kept_with_its_address_and_the_rest_goes_on(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = some_lives(conf, 3)
    bad = log.append("completed", b"not ours", b"\x00{", None)
    await write(store, log)
    sql = """SELECT "offset", reason, key, head FROM idx.quarantine c JOIN idx.source s ON s.id = c.source_id
        WHERE topic = %s"""
    [(offset, reason, key, head)] = await rows(pool, sql, bad.topic)
    assert (offset, bytes(key), bytes(head)) == (bad.offset, b"not ours", b"\x00{")
    assert reason
    log.messages.remove(bad)
    await agrees(pool, log)


async def test_reads_find_the_record_in_effect_and_who_holds_a_key(conf: Conf, pool: Pool, store: IndexStore):
    log = log_of(conf)
    a = Activity(id=new_id(), queue=log.queue, type="a", unique=Unique("k1"))
    first = log.enqueue(a)
    await write(store, log)
    assert await reads.unique_holders(pool, log.queue, ["k1", "k2"]) == {"k1": a.id}
    known = len(log.messages)
    message = run_attempt(log, a, first, "dead")
    await write(store, log, log.messages[known:])
    found = await reads.find_record(pool, a.id)
    assert (found.state, found.dead, found.version) == (State.DISCARDED, True, a.version)
    assert (found.kind.value, found.partition, found.offset) == ("dlq", 0, message.offset)
    assert await reads.unique_holders(pool, log.queue, ["k1"]) == {}
    assert [letter.id for letter in await reads.dead_letters(pool, log.queue)] == [a.id]
    assert await reads.dead_letters(pool, log.queue, after=a.id) == []
    assert await reads.existing(pool, [a.id, "no"]) == {a.id: State.DISCARDED}
    assert await reads.find_record(pool, "no") is None
    positions = await reads.positions(pool)
    assert {p: offset for p, offset in positions.items() if p in log.ends} == log.ends


async def test_what_an_index_emptied_in_part_has_left_over_does_not_stop_it(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = some_lives(conf)
    await write(store, log)
    number = (await rows(pool, "SELECT id FROM idx.name WHERE name = %s", log.queue))[0][0]
    async with pool.connection() as connection:
        for table in ("activity", "counter", "minute"):
            await connection.execute(f"DELETE FROM idx.{table} WHERE queue_id = %s", [number])
        await connection.execute("UPDATE idx.source SET next_offset = -1 WHERE queue_id = %s", [number])
    await write(store, log)
    await agrees(pool, log)


def test_migrations_are_complete(db: None):
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", "queues", verbosity=0)
