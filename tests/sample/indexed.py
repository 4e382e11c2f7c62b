"""What the index in PostgreSQL shows, and what it must show."""

import random
from typing import Any

from queues.conf import Conf
from queues.domain.activity import Activity
from queues.domain.codes import StateCode
from queues.domain.ids import new_id
from queues.domain.states import State
from queues.index.connection import Pool
from queues.index.gather import gather
from queues.index.store import IndexStore
from tests.sample.histories import Log, Shown, counts, reference, run_attempt

SUMS = ("enqueued", "started", "completed", "failed", "retried", "discarded", "dead", "cancelled")
ENDINGS = ("completed", "retry", "dead", "discarded", "released", "cancelled")


def log_of(conf: Conf, queue: str = "") -> Log:
    return Log(conf.topic_prefix, queue or f"q{conf.topic_prefix}")


async def write(store: IndexStore, log: Log, messages: list[Any] | None = None) -> None:
    await store.stand(log.ends)
    await store.write(gather(log.messages if messages is None else messages, store.dictionary.sources))


async def rows(pool: Pool, sql: str, *params: Any) -> list[Any]:
    async with pool.connection() as connection:
        return await (await connection.execute(sql, params)).fetchall()


async def shown(pool: Pool, queue: str) -> dict[str, Shown]:
    sql = """SELECT a.id, version, state, attempt, fence FROM idx.activity a JOIN idx.name q ON q.id = a.queue_id
        WHERE q.name = %s"""
    found = await rows(pool, sql, queue)
    return {
        i: Shown(version, StateCode(state), attempt, fence) for i, version, state, attempt, fence in found
    }


async def counted(pool: Pool, queue: str) -> dict[StateCode, int]:
    sql = """SELECT state, sum(count)::int FROM idx.counter c JOIN idx.name q ON q.id = c.queue_id
        WHERE q.name = %s GROUP BY 1 HAVING sum(count) <> 0"""
    return {StateCode(state): n for state, n in await rows(pool, sql, queue)}


async def summed(pool: Pool, queue: str) -> dict[str, int]:
    names = ", ".join(f"coalesce(sum({name}), 0)::int" for name in SUMS)
    sql = f"SELECT {names} FROM idx.minute m JOIN idx.name q ON q.id = m.queue_id WHERE q.name = %s"
    return dict(zip(SUMS, (await rows(pool, sql, queue))[0], strict=True))


async def agrees(pool: Pool, log: Log) -> None:
    expected, sums = reference(log.messages)
    assert await shown(pool, log.queue) == expected
    assert await counted(pool, log.queue) == counts(expected)
    assert await summed(pool, log.queue) == sums


def some_lives(conf: Conf, n: int = 30, seed: int = 1) -> Log:
    log, rng = log_of(conf), random.Random(seed)  # noqa: S311 -- the same lives again
    for _ in range(n):
        a = Activity(id=new_id(), queue=log.queue, type=rng.choice(["a.b", "c.d"]))
        first = log.enqueue(a)
        for _ in range(rng.randrange(4)):
            run_attempt(log, a, first, rng.choice(ENDINGS))
            if a.state in {State.COMPLETED, State.DISCARDED, State.CANCELLED}:
                break
    return log
