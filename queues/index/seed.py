"""Fill an index with activities as real runs leave them, made inside PostgreSQL: for benches and tests.

Rows stand as if each record had been read; sources, counters, minutes and names agree with them.
"""

from collections.abc import Sequence
from typing import Any, Final

import psycopg

CHUNK: Final = 50_000
WORDS: Final = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "report",
    "invoice", "image", "mail",
]  # fmt: skip

_NAMES: Final = """
INSERT INTO idx.name (kind, name)
SELECT 1, unnest(%(queues)s::text[]) UNION ALL SELECT 2, unnest(%(types)s::text[])
UNION ALL SELECT 3, 'seed-worker-' || g FROM generate_series(1, 8) g
UNION ALL SELECT 4, unnest(ARRAY['ValueError', 'TimeoutError', 'UnicodeDecodeError', 'LeaseExpired'])
ON CONFLICT DO NOTHING
"""
_SOURCES: Final = """
INSERT INTO idx.source (topic, partition, queue_id, code, next_offset, end_offset, record_at, updated_at)
SELECT 'seed-' || q.name || '-' || t.word, p, q.id, t.code, %(n)s, %(n)s, now(), now()
FROM idx.name q, (VALUES (1, 'pending'), (5, 'retry'), (6, 'completed'), (7, 'dlq'), (10, 'events')) t(code, word),
    generate_series(0, 3) p
WHERE q.kind = 1 AND q.name = ANY(%(queues)s::text[])
ON CONFLICT DO NOTHING
"""
# Of a hundred: 82 completed, 5 dead, 3 cancelled, 2 discarded, 3 waiting, 2 scheduled, 2 retrying, 1 running.
_ROWS: Final = """
CREATE TEMP TABLE seeded ON COMMIT DROP AS
SELECT g, q.id AS queue_id, t.id AS type_id, w.id AS worker_id, at, state, g %% 4 AS part,
    CASE WHEN state IN (6, 8, 9) THEN e.id END AS error_id,
    format('%%s-%%s-7%%s-8%%s-%%s', substr(hex, 1, 8), substr(hex, 9, 4), substr(md5(g::text), 1, 3),
        substr(md5(g::text), 4, 3), substr(md5(g::text), 7, 12)) AS id,
    (random() * 200)::int AS wait_ms, (exp(random() * 9))::int AS run_ms,
    (%(words)s::text[])[1 + (random() * 15)::int] AS word
FROM (
    SELECT g, now() - (%(span)s::interval * (1 - (g - %(from)s + %(done)s)::float8 / %(n)s)) AS at,
        CASE WHEN k < 82 THEN 5 WHEN k < 87 THEN 9 WHEN k < 90 THEN 7 WHEN k < 92 THEN 8 WHEN k < 95 THEN 2
            WHEN k < 97 THEN 1 WHEN k < 99 THEN 6 ELSE 4 END AS state,
        lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - (%(n)s - g)), 12, '0') AS hex
    FROM (SELECT g, (random() * 100)::int AS k FROM generate_series(%(from)s, %(to)s) g) n
) s
CROSS JOIN LATERAL (SELECT (SELECT array_agg(id ORDER BY name) FROM idx.name WHERE kind = 1
    AND name = ANY(%(queues)s::text[])) AS queues, (SELECT array_agg(id ORDER BY name) FROM idx.name WHERE kind = 2
    AND name = ANY(%(types)s::text[])) AS types) ids
JOIN idx.name q ON q.id = queues[1 + g %% cardinality(queues)]
JOIN idx.name t ON t.id = types[1 + (g / 7) %% cardinality(types)]
JOIN idx.name w ON w.kind = 3 AND w.name = 'seed-worker-' || (1 + g %% 8)
JOIN idx.name e ON e.kind = 4 AND e.name =
    (ARRAY['ValueError', 'TimeoutError', 'UnicodeDecodeError', 'LeaseExpired'])[1 + g %% 4]
"""
_ACTIVITIES: Final = """
INSERT INTO idx.activity (version, fence, created_at, updated_at, due_at, started_at, finished_at, wait_ms, run_ms,
    "offset", first_offset, source_id, first_source_id, queue_id, type_id, worker_id, error_type_id, attempt,
    max_attempts, generation, members, state, priority, id, error_message, reason, preview, result_preview)
SELECT CASE WHEN state IN (1, 2) THEN 0 ELSE 68719476736 + g END, CASE WHEN state IN (1, 2) THEN 0 ELSE 68719476735 + g
    END, at - interval '1 second', at, CASE WHEN state IN (1, 6) THEN now() + random() * interval '1 day' END,
    CASE WHEN state NOT IN (1, 2, 7) THEN at - run_ms * interval '1 millisecond' END,
    CASE WHEN state IN (5, 7, 8, 9) THEN at END, CASE WHEN state NOT IN (1, 2, 7) THEN wait_ms END,
    CASE WHEN state IN (5, 6, 8, 9) THEN run_ms END, g, g, s.id, f.id, r.queue_id, type_id,
    CASE WHEN state NOT IN (1, 2, 7) THEN worker_id END, error_id, CASE state WHEN 9 THEN 3 WHEN 1 THEN 0 WHEN 2 THEN 0
    ELSE 1 END, 3, 0, 0, state, 0, r.id, CASE WHEN error_id IS NOT NULL THEN 'cannot handle ' || word || ' number ' || g
    END, CASE WHEN error_id IS NOT NULL THEN 'failed' WHEN state = 7 THEN 'cancelled' END,
    format('"/srv/%%s/%%s/file_%%s.txt"', word, g %% 977, g),
    CASE WHEN state = 5 THEN format('{"words":%%s,"lines":%%s}', g %% 10000, g %% 500) END
FROM seeded r
JOIN idx.source f ON f.queue_id = r.queue_id AND f.partition = part AND f.code = 1
JOIN idx.source s ON s.queue_id = r.queue_id AND s.partition = part
    AND s.code = CASE WHEN state IN (5, 7, 8) THEN 6 WHEN state = 9 THEN 7 WHEN state = 6 THEN 5 ELSE 1 END
"""
_PAYLOADS: Final = """
INSERT INTO idx.payload (activity_id, document, search)
SELECT id, jsonb_build_object('args', jsonb_build_array(format('/srv/%%s/%%s/file_%%s.txt', word, g %% 977, g)),
    'kwargs', jsonb_build_object('tenant', g %% 50, 'word', word)),
    format('"/srv/%%s/%%s/file_%%s.txt"', word, g %% 977, g)
    || CASE WHEN error_id IS NOT NULL THEN ' cannot handle ' || word || ' number ' || g ELSE '' END
FROM seeded
"""
_TRANSITIONS: Final = """
INSERT INTO idx.transition ("offset", version, fence, at, claimed_at, started_at, source_id, worker_id, attempt,
    generation, moment, state, activity_id, reason)
SELECT g, 68719476736 + g, 68719476735 + g, at, at - (run_ms + 3) * interval '1 millisecond',
    at - run_ms * interval '1 millisecond', f.id, worker_id, 1, 0, 1, state, r.id,
    CASE WHEN error_id IS NOT NULL THEN 'failed' END
FROM seeded r JOIN idx.source f ON f.queue_id = r.queue_id AND f.partition = part AND f.code = 6
WHERE state NOT IN (1, 2, 4)
"""
_COUNTERS: Final = """
INSERT INTO idx.counter AS c (queue_id, type_id, state, count)
SELECT queue_id, type_id, state, count(*) FROM seeded GROUP BY 1, 2, 3
ON CONFLICT (queue_id, type_id, state) DO UPDATE SET count = c.count + EXCLUDED.count
"""
_MINUTES: Final = """
INSERT INTO idx.minute AS m (minute, queue_id, type_id, enqueued, started, completed, failed, retried, discarded, dead,
    cancelled, run_ms, waits, runs)
SELECT date_trunc('minute', at), queue_id, type_id, count(*), count(*) FILTER (WHERE state NOT IN (1, 2, 7)),
    count(*) FILTER (WHERE state = 5), count(error_id), count(*) FILTER (WHERE state = 6),
    count(*) FILTER (WHERE state = 8), count(*) FILTER (WHERE state = 9), count(*) FILTER (WHERE state = 7),
    sum(run_ms), array_fill(0::bigint, ARRAY[40]) || count(*), array_fill(0::bigint, ARRAY[60]) || count(*)
FROM seeded GROUP BY 1, 2, 3
ON CONFLICT (minute, queue_id, type_id) DO UPDATE SET enqueued = m.enqueued + EXCLUDED.enqueued,
    started = m.started + EXCLUDED.started, completed = m.completed + EXCLUDED.completed,
    failed = m.failed + EXCLUDED.failed, dead = m.dead + EXCLUDED.dead,
    waits = idx.histogram_add(m.waits, EXCLUDED.waits), runs = idx.histogram_add(m.runs, EXCLUDED.runs)
"""


async def seed(
    connection: psycopg.AsyncConnection[Any],
    n: int,
    *,
    queues: Sequence[str] = ("mail", "reports", "images", "default"),
    types: Sequence[str] = ("mail.send", "report.build", "image.resize", "document.analyze", "invoice.print"),
    span: str = "24 hours",
    start: int = 0,
) -> None:
    """Add ``n`` activities, spread evenly over the last ``span``; then analyse the tables.

    Args:
        connection: in autocommit mode; each chunk is a transaction.
        n: how many.
        queues: their names; made when missing.
        types: as ``queues``.
        span: how far back the oldest lies.
        start: number of the first one; ids follow from the number, so a second seed begins after the first.
    """
    given: dict[str, Any] = {
        "queues": list(queues),
        "types": list(types),
        "n": n,
        "words": WORDS,
        "span": span,
    }
    # Values are written into the text: generate_series could not tell the type of a parameter.
    cursor = psycopg.AsyncClientCursor(connection)
    await cursor.execute(_NAMES, given)
    await cursor.execute(_SOURCES, given)
    for done in range(0, n, CHUNK):
        part = {"from": start + done, "to": start + min(done + CHUNK, n) - 1, "done": done}
        async with connection.transaction():
            for sql in (_ROWS, _ACTIVITIES, _PAYLOADS, _TRANSITIONS, _COUNTERS, _MINUTES):
                await cursor.execute(sql, given | part)
    for table in ("activity", "payload", "transition", "counter", "minute", "name", "source"):
        await cursor.execute(f"VACUUM (ANALYZE) idx.{table}")
