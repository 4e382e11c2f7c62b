"""Retention: what is older than its queue and state allow leaves the index, and the index remembers that it did."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg

from queues.conf import Conf
from queues.domain.codes import StateCode
from queues.index.connection import Pool, borrowed

BATCH: Final = 1_000
KEPT: Final = (StateCode.COMPLETED, StateCode.CANCELLED, StateCode.DISCARDED, StateCode.DEAD)
STRAY_AGE: Final = timedelta(days=1)
"""How long a start may wait for its activity's record before both are given up."""
MINUTES_AGE: Final = timedelta(days=90)

_DUE: Final = """
SELECT c.queue_id, q.name, c.state, f.retention_days, f.retention_completed_days
FROM (SELECT queue_id, state FROM idx.counter WHERE state = ANY(%s::smallint[]) AND count > 0 GROUP BY 1, 2) c
JOIN idx.name q ON q.id = c.queue_id LEFT JOIN config.queue f ON f.name = q.name
ORDER BY 1, 3
"""
# SKIP LOCKED: what the indexer is replacing is not that old any more.
_PRUNE: Final = """
WITH old AS MATERIALIZED (
    SELECT ctid FROM idx.activity WHERE queue_id = %(queue)s AND state = %(state)s AND updated_at < %(before)s
    ORDER BY updated_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM idx.activity a USING old WHERE a.ctid = old.ctid RETURNING a.id, a.type_id
), payloads AS (
    DELETE FROM idx.payload p USING gone WHERE p.activity_id = gone.id
), transitions AS (
    DELETE FROM idx.transition t USING gone WHERE t.activity_id = gone.id
), counted AS (
    UPDATE idx.counter c SET count = c.count - g.n
    FROM (SELECT type_id, count(*) AS n FROM gone GROUP BY 1) g
    WHERE c.queue_id = %(queue)s AND c.state = %(state)s AND c.type_id = g.type_id
)
SELECT count(*) FROM gone
"""
_REMEMBER: Final = """
INSERT INTO idx.pruned AS p (queue_id, state, before, count, at) VALUES (%(queue)s, %(state)s, %(before)s, %(n)s, now())
ON CONFLICT (queue_id, state) DO UPDATE SET before = greatest(p.before, EXCLUDED.before),
    count = p.count + EXCLUDED.count, at = EXCLUDED.at
"""
_STRAYS: Final = """
WITH gone AS (
    DELETE FROM idx.absent WHERE activity_id IN (
        SELECT activity_id FROM idx.absent WHERE at < %(before)s AND (purged_version IS NULL OR at < %(purged)s)
        ORDER BY at LIMIT %(most)s
    ) RETURNING activity_id, purged_version
), transitions AS (
    DELETE FROM idx.transition t USING gone WHERE t.activity_id = gone.activity_id AND gone.purged_version IS NULL
)
SELECT count(*) FROM gone
"""
_MINUTES: Final = """
DELETE FROM idx.minute WHERE ctid = ANY(ARRAY(SELECT ctid FROM idx.minute WHERE minute < %(before)s LIMIT %(most)s))
"""
_QUARANTINE: Final = "DELETE FROM idx.quarantine WHERE at < %(before)s"


class Rule(NamedTuple):
    """How long a queue keeps activities in a state."""

    queue_id: int
    queue: str
    state: StateCode
    days: float


async def rules(pool: Pool, conf: Conf) -> list[Rule]:
    """Return the rule of each queue and state that holds anything.

    Raises:
        IndexUnavailable: PostgreSQL is away.
    """
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(_DUE, [[int(code) for code in KEPT]])).fetchall()
    found = []
    for queue_id, queue, state, days, completed_days in rows:
        if state == StateCode.COMPLETED:
            kept = conf.retention_completed_days if completed_days is None else completed_days
        else:
            kept = conf.retention_days if days is None else days
        found.append(Rule(queue_id, queue, StateCode(state), kept))
    return found


async def prune(pool: Pool, rule: Rule, now: datetime, most: int = BATCH) -> int:
    """Remove up to ``most`` activities that are older than ``rule`` allows; return how many.

    Counters and the note of what was removed change with them. Prunes of the same queue may run side by side.
    """
    before = now - timedelta(days=rule.days)
    given: dict[str, Any] = {"queue": rule.queue_id, "state": rule.state, "before": before, "most": most}
    async with borrowed(pool) as connection, connection.transaction():
        await _without_scans(connection)
        row = await (await connection.execute(_PRUNE, given)).fetchone()
        n = int(row[0]) if row else 0
        if n:
            await connection.execute(_REMEMBER, given | {"n": n})
    return n


async def sweep(pool: Pool, conf: Conf, now: datetime, most: int = BATCH) -> int:
    """Remove what belongs to no activity any more: early starts, notes of purges, old minutes; return how many."""
    purged = now - timedelta(days=conf.retention_days)
    async with borrowed(pool) as connection:
        strays = {"before": now - STRAY_AGE, "purged": purged, "most": most}
        row = await (await connection.execute(_STRAYS, strays)).fetchone()
        minutes = {"before": now - MINUTES_AGE, "most": most}
        gone = (await connection.execute(_MINUTES, minutes)).rowcount
        await connection.execute(_QUARANTINE, {"before": now - MINUTES_AGE})
    return (int(row[0]) if row else 0) + gone


async def _without_scans(connection: psycopg.AsyncConnection[Any]) -> None:
    # A batch is looked up row by row, whatever the planner thinks of a thousand.
    for scan in ("seqscan", "hashjoin", "mergejoin"):
        await connection.execute(f"SET LOCAL enable_{scan} = off")
