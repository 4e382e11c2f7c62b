"""Configuration in PostgreSQL: written there first, and put back into the hot view by a keeper."""

from typing import Final

from queues.index.connection import Pool, borrowed

_SET_PAUSED: Final = """
INSERT INTO config.queue AS q (name, partitions, paused, paused_by, paused_reason, paused_at, settings, updated_at)
VALUES (%(queue)s, 0, %(paused)s, %(actor)s, %(reason)s, CASE WHEN %(paused)s THEN now() END, '{}', now())
ON CONFLICT (name) DO UPDATE SET paused = EXCLUDED.paused, paused_by = EXCLUDED.paused_by,
    paused_reason = EXCLUDED.paused_reason, paused_at = EXCLUDED.paused_at, updated_at = now()
"""


async def set_paused(pool: Pool, queue: str, *, paused: bool, actor: str, reason: str) -> None:
    """Keep whether ``queue`` is paused, by whom and why.

    Raises:
        IndexUnavailable: PostgreSQL is away; nothing has changed.
    """
    async with borrowed(pool) as connection:
        await connection.execute(
            _SET_PAUSED, {"queue": queue, "paused": paused, "actor": actor[:255], "reason": reason}
        )


async def paused_queues(pool: Pool) -> dict[str, bool]:
    """Return whether each configured queue is paused.

    Raises:
        IndexUnavailable: PostgreSQL is away.
    """
    async with borrowed(pool) as connection:
        rows = await (await connection.execute("SELECT name, paused FROM config.queue")).fetchall()
    return dict(rows)
