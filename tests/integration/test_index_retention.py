"""Retention: what is old leaves the index, and every number that pages show stays right."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from queues.conf import Conf
from queues.domain.activity import Activity
from queues.domain.codes import StateCode
from queues.domain.ids import new_id
from queues.domain.states import State
from queues.index import retention
from queues.index.connection import Pool, open_pool
from queues.index.gather import gather
from queues.index.store import IndexStore, PositionMoved
from tests.sample.histories import T0, counts, reference, run_attempt
from tests.sample.indexed import counted, log_of, rows, shown, some_lives, write

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


async def test_retention_removes_what_is_old_and_counters_and_notes_stay_right(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = some_lives(conf, 80)
    await write(store, log)
    expected, _ = reference(log.messages)
    begun = datetime.fromtimestamp(T0 / 1000, UTC)
    mine = [r for r in await retention.rules(pool, conf) if r.queue == log.queue]
    assert {r.state: r.days for r in mine} == {
        StateCode.COMPLETED: 7.0, StateCode.CANCELLED: 30.0, StateCode.DISCARDED: 30.0, StateCode.DEAD: 30.0
    }  # fmt: skip
    for days, gone in ((8, {StateCode.COMPLETED}), (31, set(retention.KEPT))):
        for rule in mine:
            while await retention.prune(pool, rule, begun + timedelta(days=days), most=7):
                pass
        left = {i: row for i, row in expected.items() if row.state not in gone}
        assert await shown(pool, log.queue) == left
        assert await counted(pool, log.queue) == counts(left)
    sql = "SELECT state, count FROM idx.pruned p JOIN idx.name q ON q.id = p.queue_id WHERE q.name = %s"
    remembered = {StateCode(state): n for state, n in await rows(pool, sql, log.queue)}
    assert remembered == {state: n for state, n in counts(expected).items() if state in retention.KEPT}
    sql = "SELECT count(*) FROM idx.transition WHERE activity_id = ANY(%s::text[])"
    assert await rows(pool, sql, [i for i in expected if i not in left]) == [(0,)]


async def test_a_queue_may_keep_longer_than_the_default(conf: Conf, pool: Pool, store: IndexStore):
    log = some_lives(conf, 40)
    await write(store, log)
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO config.queue (name, retention_completed_days, settings, updated_at)"
            " VALUES (%s, 90, '{}', now())",
            [log.queue],
        )
    found = {r.state: r.days for r in await retention.rules(pool, conf) if r.queue == log.queue}
    assert found[StateCode.COMPLETED] == 90
    assert found[StateCode.DEAD] == 30


async def test_a_row_that_retention_takes_while_it_is_replaced_is_folded_anew(
    conf: Conf, pool: Pool, store: IndexStore
):
    log = log_of(conf)
    a = Activity(id=new_id(), queue=log.queue, type="a")
    first = log.enqueue(a)
    run_attempt(log, a, first, "dead")
    await write(store, log)
    a.version, a.reason, a.state, a.dead = log.version(), "redriven", State.AVAILABLE, False
    log.later(a, first)
    newest = log.messages[-1:]
    await store.stand(log.ends)
    real = store._fold

    async def fold_then_lose(connection, gathered):
        batch = await real(connection, gathered)
        store._fold = real
        later = datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(days=31)
        for rule in await retention.rules(pool, conf):
            if rule.queue == log.queue:
                assert await retention.prune(pool, rule, later) == 1
        return batch

    store._fold = fold_then_lose
    with pytest.raises(PositionMoved):
        await store.write(gather(newest, store.dictionary.sources))
    await store.write(gather(newest, store.dictionary.sources))
    assert await counted(pool, log.queue) == {StateCode.AVAILABLE: 1}


async def test_sweeping_gives_up_starts_whose_activity_never_came(conf: Conf, pool: Pool, store: IndexStore):
    log = log_of(conf)
    a = Activity(id=new_id(), queue=log.queue, type="a")
    run_attempt(log, a, log.enqueue(a), "", settle=False)
    await write(store, log, log.messages[1:])
    assert await rows(pool, "SELECT count(*) FROM idx.transition WHERE activity_id = %s", a.id) != [(0,)]
    begun = datetime.fromtimestamp(T0 / 1000, UTC)
    while await retention.sweep(pool, conf, begun + timedelta(days=2)):
        pass
    assert await rows(pool, "SELECT count(*) FROM idx.transition WHERE activity_id = %s", a.id) == [(0,)]
    assert await rows(pool, "SELECT count(*) FROM idx.absent WHERE activity_id = %s", a.id) == [(0,)]
