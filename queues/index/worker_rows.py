"""Workers as pages show them: the last word of each, copied from where they announce themselves."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from queues.index.connection import Pool, borrowed

KEPT: Final = "1 day"
_PUT: Final = """
INSERT INTO idx.worker AS w (id, host, pid, version, queues, types, state, slots, busy, info, started_at, seen_at)
SELECT id, host, pid, coalesce(version, ''), queues, types, coalesce(state, 'running'), slots, coalesce(busy, 0),
    jsonb_strip_nulls(jsonb_build_object('rss_bytes', rss_bytes, 'done', done, 'failed', failed)),
    to_timestamp(nullif(started_ms, 0) / 1000.0), to_timestamp(coalesce(seen_ms, 0) / 1000.0)
FROM jsonb_to_recordset(%s::jsonb) AS r(id text, host text, pid int, version text, queues text[], types text[],
    state text, slots int, busy int, rss_bytes bigint, done bigint, failed bigint, started_ms bigint, seen_ms bigint)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET host = EXCLUDED.host, pid = EXCLUDED.pid, version = EXCLUDED.version,
    queues = EXCLUDED.queues, types = EXCLUDED.types, state = EXCLUDED.state, slots = EXCLUDED.slots,
    busy = EXCLUDED.busy, info = EXCLUDED.info, started_at = EXCLUDED.started_at, seen_at = EXCLUDED.seen_at
WHERE w.seen_at < EXCLUDED.seen_at
"""


async def put_workers(pool: Pool, workers: Sequence[dict[str, Any]]) -> None:
    """Keep each worker's newest announcement, and none for longer than a day.

    Raises:
        IndexUnavailable: PostgreSQL is away; the next copy brings the same.
    """
    text = msgspec.json.encode(workers).decode().replace("\\u0000", "\\ufffd")
    async with borrowed(pool) as connection:
        await connection.execute(_PUT, [text])
        await connection.execute(f"DELETE FROM idx.worker WHERE seen_at < now() - interval '{KEPT}'")  # noqa: S608
