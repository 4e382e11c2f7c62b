"""The statements of the indexer, one a table and step; parameters are lists or JSON of a whole batch."""

from typing import Final

from queues.index.rows import ACTIVITY, TRANSITION


def _copy(table: str, columns: tuple[tuple[str, str], ...]) -> str:
    return f"COPY {table} ({', '.join(name for name, _ in columns)}) FROM STDIN (FORMAT BINARY)"


COPY_ACTIVITY: Final = _copy("idx.activity", ACTIVITY)
COPY_TRANSITION: Final = _copy("idx.transition", TRANSITION)
# Where rows may be left over from an index that was emptied in part, entries go through a table of the session.
SPARE_TRANSITION: Final = """
CREATE TEMP TABLE IF NOT EXISTS rq_transition (LIKE idx.transition) ON COMMIT DELETE ROWS
"""
COPY_SPARE: Final = _copy("pg_temp.rq_transition", TRANSITION)
PUT_SPARE: Final = "INSERT INTO idx.transition SELECT * FROM pg_temp.rq_transition ON CONFLICT DO NOTHING"
COPY_PAYLOAD: Final = "COPY idx.payload (activity_id, document, search) FROM STDIN"

LOCK_SOURCES: Final = (
    "SELECT id, next_offset FROM idx.source WHERE id = ANY(%s::int[]) ORDER BY id FOR UPDATE"
)
# Topics of one partition number hold the same activities: their writers take turns.
LOCK_PARTITIONS: Final = """
SELECT pg_advisory_xact_lock(1380012625, k) FROM (SELECT k FROM unnest(%s::int[]) AS k ORDER BY k) AS ordered
"""
KNOWN: Final = """
SELECT id, ctid::text, version, fence, state, queue_id, type_id, attempt, created_at, updated_at, due_at, started_at,
    worker_id, progress, first_source_id, first_offset
FROM idx.activity WHERE id = ANY(%s::text[])
"""
ABSENT: Final = """
SELECT activity_id, coalesce(purged_version, -1), first_source_id, first_offset, fence, attempt, started_at, worker_id,
    at
FROM idx.absent WHERE activity_id = ANY(%s::text[])
"""
# The rows were read under the partitions' locks, so they are where they were.
DELETE_ROWS: Final = "DELETE FROM idx.activity WHERE ctid = ANY(%s::tid[])"
DELETE_PAYLOADS: Final = "DELETE FROM idx.payload WHERE activity_id = ANY(%s::text[])"
DELETE_TRANSITIONS: Final = "DELETE FROM idx.transition WHERE activity_id = ANY(%s::text[])"
DELETE_ABSENT: Final = "DELETE FROM idx.absent WHERE activity_id = ANY(%s::text[])"

_INSTANT: Final = "'2000-01-01Z'::timestamptz + interval '1 microsecond' * "

UPSERT_PAYLOADS: Final = """
INSERT INTO idx.payload AS p (activity_id, document, search)
SELECT activity_id, document::jsonb, search
FROM jsonb_to_recordset(%s::jsonb) AS r(activity_id text, document text, search text)
ON CONFLICT (activity_id) DO UPDATE SET search = EXCLUDED.search WHERE p.search IS DISTINCT FROM EXCLUDED.search
"""
HINT: Final = f"""
UPDATE idx.activity a SET fence = r.fence, state = r.state, attempt = r.attempt, worker_id = r.worker_id,
    started_at = {_INSTANT} r.started_at, progress = r.progress, updated_at = {_INSTANT} r.updated_at
FROM jsonb_to_recordset(%s::jsonb) AS r(id text, fence bigint, state smallint, attempt int, started_at bigint,
    worker_id int, progress float8, updated_at bigint)
WHERE a.id = r.id
"""  # noqa: S608 -- constants only
UPSERT_ABSENT: Final = f"""
INSERT INTO idx.absent (activity_id, purged_version, first_source_id, first_offset, fence, attempt, started_at,
    worker_id, at)
SELECT id, nullif(purged_version, -1), first_source_id, first_offset, fence, attempt, {_INSTANT} started_at,
    worker_id, {_INSTANT} at
FROM jsonb_to_recordset(%s::jsonb) AS r(id text, purged_version bigint, first_source_id int, first_offset bigint,
    fence bigint, attempt int, started_at bigint, worker_id int, at bigint)
ON CONFLICT (activity_id) DO UPDATE SET purged_version = EXCLUDED.purged_version,
    first_source_id = EXCLUDED.first_source_id, first_offset = EXCLUDED.first_offset, fence = EXCLUDED.fence,
    attempt = EXCLUDED.attempt, started_at = EXCLUDED.started_at, worker_id = EXCLUDED.worker_id, at = EXCLUDED.at
"""  # noqa: S608 -- constants only
COUNT: Final = """
INSERT INTO idx.counter AS c (queue_id, type_id, state, count)
SELECT queue_id, type_id, state, n FROM jsonb_to_recordset(%s::jsonb)
    AS r(queue_id int, type_id int, state smallint, n bigint) ORDER BY 1, 2, 3
ON CONFLICT (queue_id, type_id, state) DO UPDATE SET count = c.count + EXCLUDED.count
"""
_SUMS: Final = (
    "enqueued", "started", "completed", "failed", "retried", "discarded", "dead", "cancelled", "run_ms",
)  # fmt: skip
ADD_MINUTES: Final = f"""
INSERT INTO idx.minute AS m (minute, queue_id, type_id, {", ".join(_SUMS)}, waits, runs)
SELECT to_timestamp(minute * 60), queue_id, type_id, {", ".join(_SUMS)}, waits, runs
FROM jsonb_to_recordset(%s::jsonb) AS r(minute bigint, queue_id int, type_id int,
    {", ".join(f"{name} bigint" for name in _SUMS)}, waits bigint[], runs bigint[]) ORDER BY 1, 2, 3
ON CONFLICT (minute, queue_id, type_id) DO UPDATE SET
    {", ".join(f"{name} = m.{name} + EXCLUDED.{name}" for name in _SUMS)},
    waits = idx.histogram_add(m.waits, EXCLUDED.waits), runs = idx.histogram_add(m.runs, EXCLUDED.runs)
"""  # noqa: S608 -- constants only
MINUTE_FIELDS: Final = (*_SUMS, "waits", "runs")
MOVE: Final = f"""
UPDATE idx.source s SET next_offset = r.next_offset, end_offset = greatest(r.next_offset, r.end_offset),
    record_at = coalesce({_INSTANT} r.record_at, s.record_at), updated_at = now()
FROM jsonb_to_recordset(%s::jsonb) AS r(id int, next_offset bigint, end_offset bigint, record_at bigint)
WHERE s.id = r.id
"""  # noqa: S608 -- constants only
QUARANTINE: Final = f"""
INSERT INTO idx.quarantine (source_id, "offset", reason, key, head, record_at, at)
VALUES (%s, %s, %s, %s, %s, {_INSTANT} %s::bigint, now())
"""  # noqa: S608 -- constants only
ADD_NAMES: Final = """
INSERT INTO idx.name (kind, name)
SELECT kind, name FROM jsonb_to_recordset(%s::jsonb) AS r(kind smallint, name text) ORDER BY 1, 2
ON CONFLICT (kind, name) DO NOTHING
"""
NAMES: Final = """
SELECT n.kind, n.name, n.id FROM idx.name n
JOIN jsonb_to_recordset(%s::jsonb) AS r(kind smallint, name text) ON n.kind = r.kind AND n.name = r.name
"""
ADD_SOURCES: Final = """
INSERT INTO idx.source (topic, partition, queue_id, code, next_offset, end_offset, updated_at)
SELECT topic, partition, queue_id, code, -1, -1, now() FROM jsonb_to_recordset(%s::jsonb)
    AS r(topic text, partition int, queue_id int, code smallint) ORDER BY 1, 2
ON CONFLICT (topic, partition) DO NOTHING
"""
SOURCES: Final = """
SELECT s.topic, s.partition, s.id, s.queue_id, s.code, s.next_offset FROM idx.source s
JOIN jsonb_to_recordset(%s::jsonb) AS r(topic text, partition int) ON s.topic = r.topic AND s.partition = r.partition
"""
REFUSED_DOCUMENTS: Final = """
SELECT activity_id FROM jsonb_to_recordset(%s::jsonb) AS r(activity_id text, document text)
WHERE NOT pg_input_is_valid(document, 'jsonb')
"""
