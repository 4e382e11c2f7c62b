"""Roll-ups for charts: counts and histograms added up over steps of time."""

# ruff: noqa: S608 -- as in queries.py

from datetime import datetime

from queues.index.queries import Query


def rollup_query(since: datetime, step_s: int, queue_id: int | None = None) -> Query:
    """Return one row a step: its begin, its counts, its merged histograms of wait and run."""
    where = " AND m.queue_id = %(queue)s" if queue_id is not None else ""
    sql = f"""SELECT date_bin(make_interval(secs => %(step)s), m.minute, 'epoch'::timestamptz) AS at,
            sum(m.enqueued)::bigint AS enqueued, sum(m.completed)::bigint AS completed,
            sum(m.failed)::bigint AS failed, sum(m.dead)::bigint AS dead,
            idx.histogram_sum(m.waits) AS waits, idx.histogram_sum(m.runs) AS runs
        FROM idx.minute m WHERE m.minute >= %(since)s{where} GROUP BY 1 ORDER BY 1"""
    return Query(sql, {"since": since, "step": step_s, "queue": queue_id})
