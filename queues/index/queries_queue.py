"""Queues, workers and rates for pages."""

from datetime import datetime

from queues.domain.codes import NameKind, StateCode
from queues.index.queries import Query


def depths_query() -> Query:
    """Return queue, state and count for every queue."""
    sql = """SELECT q.name AS queue, c.state, sum(c.count)::bigint AS count FROM idx.counter c
        JOIN idx.name q ON q.id = c.queue_id GROUP BY q.name, c.state"""
    return Query(sql, {})


def oldest_query() -> Query:
    """Return for each queue since when its longest waiting activity waits."""
    sql = """SELECT q.name AS queue, o.updated_at AS since FROM idx.name q CROSS JOIN LATERAL (
            SELECT a.updated_at FROM idx.activity a WHERE a.queue_id = q.id AND a.state = %(waiting)s
            ORDER BY a.updated_at LIMIT 1) o WHERE q.kind = %(kind)s"""
    return Query(sql, {"waiting": int(StateCode.AVAILABLE), "kind": int(NameKind.QUEUE)})


def settings_query() -> Query:
    """Return what people decided about each queue."""
    sql = (
        "SELECT name, paused, paused_by, paused_reason, paused_at, partitions FROM config.queue ORDER BY name"
    )
    return Query(sql, {})


def minutes_query(since: datetime) -> Query:
    """Return each queue's counts by minute since then."""
    sql = """SELECT q.name AS queue, m.minute, sum(m.enqueued)::bigint AS enqueued,
            sum(m.completed)::bigint AS completed, sum(m.failed)::bigint AS failed,
            sum(m.dead)::bigint AS dead
        FROM idx.minute m JOIN idx.name q ON q.id = m.queue_id
        WHERE m.minute >= %(since)s GROUP BY q.name, m.minute ORDER BY m.minute"""
    return Query(sql, {"since": since})


def workers_query() -> Query:
    """Return every worker that the index knows, the latest seen first."""
    sql = """SELECT id, host, pid, version, queues, types, state, slots, busy, started_at, seen_at,
            (info->>'done')::bigint AS done, (info->>'failed')::bigint AS failed,
            (info->>'rss_bytes')::bigint AS rss_bytes
        FROM idx.worker ORDER BY host, pid, id"""
    return Query(sql, {})


def sources_query() -> Query:
    """Return how far the index has read each partition that is in use."""
    sql = """SELECT s.topic, s.partition, s.next_offset, s.end_offset, s.record_at, s.updated_at, q.name AS queue
        FROM idx.source s
        LEFT JOIN idx.name q ON q.id = s.queue_id ORDER BY s.topic, s.partition"""
    return Query(sql, {})


def types_query(queue_id: int, since: datetime) -> Query:
    """Return a queue's types by how often they ran since then."""
    sql = """SELECT t.name AS type, sum(m.enqueued)::bigint AS enqueued,
            sum(m.completed)::bigint AS completed, sum(m.failed)::bigint AS failed,
            sum(m.dead)::bigint AS dead, sum(m.run_ms)::bigint AS run_ms,
            sum(m.completed + m.failed)::bigint AS ended
        FROM idx.minute m JOIN idx.name t ON t.id = m.type_id
        WHERE m.minute >= %(since)s AND m.queue_id = %(queue)s
        GROUP BY t.name ORDER BY sum(m.completed + m.failed) DESC, t.name LIMIT 20"""
    return Query(sql, {"queue": queue_id, "since": since})
