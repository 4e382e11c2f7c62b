"""arq: two processes of a hundred jobs at once, results off, polling often."""

import asyncio
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("arq", "redis")
SETTINGS = "2 processes, max_jobs 100, poll_delay 10 ms, keep_result 0"
WORKERS = [["-m", "arq", f"{__name__}.WorkerSettings"]] * 2
TOGETHER = 50


async def noop(_context: dict[str, Any]) -> None:
    """Do nothing."""
    tick()


class WorkerSettings:
    """What arq reads."""

    functions = (noop,)
    redis_settings = RedisSettings.from_dsn(REDIS_URL or "redis://localhost")
    max_jobs = 100
    poll_delay = 0.01
    keep_result = 0
    handle_signals = True


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops, fifty calls at a time."""
    asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for done in range(0, count, TOGETHER):
        await asyncio.gather(*(pool.enqueue_job("noop") for _ in range(min(TOGETHER, count - done))))
    await pool.aclose()
