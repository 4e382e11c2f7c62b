"""Roll-ups for charts: counts and histograms added up over steps of time."""

# ruff: noqa: S608 -- as in queries.py

from datetime import datetime
from typing import Final

from queues.index.queries import Query

_STEP: Final = "date_bin(make_interval(secs => %(step)s), m.minute, 'epoch'::timestamptz)"


def counts_query(since: datetime, step_s: int, queue_id: int | None = None) -> Query:
    """Return one row a step: its begin, and what was counted in it."""
    sql = f"""SELECT {_STEP} AS at, sum(m.enqueued)::bigint AS enqueued, sum(m.completed)::bigint AS completed,
            sum(m.failed)::bigint AS failed, sum(m.dead)::bigint AS dead
        FROM idx.minute m WHERE m.minute >= %(since)s{_of(queue_id)} GROUP BY 1"""
    return Query(sql, {"since": since, "step": step_s, "queue": queue_id})


def histograms_query(column: str, since: datetime, step_s: int, queue_id: int | None = None) -> Query:
    """Return a row for each filled bucket of each step: ``at``, ``bucket`` (from 0), ``count``.

    ``column`` is ``waits`` or ``runs``. Bucket by bucket this is many times faster than adding arrays.
    """
    assert column in {"waits", "runs"}
    sql = f"""SELECT {_STEP} AS at, (h.n - 1)::int AS bucket, sum(h.v)::bigint AS count
        FROM idx.minute m, unnest(m.{column}) WITH ORDINALITY h(v, n)
        WHERE m.minute >= %(since)s AND h.v > 0{_of(queue_id)} GROUP BY 1, 2"""
    return Query(sql, {"since": since, "step": step_s, "queue": queue_id})


def _of(queue_id: int | None) -> str:
    return "" if queue_id is None else " AND m.queue_id = %(queue)s"
