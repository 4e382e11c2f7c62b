"""taskiq on a Redis list, its fastest broker (nothing is acknowledged), without results."""

import asyncio

from taskiq_redis import ListQueueBroker

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("taskiq", "taskiq-redis", "redis")
SETTINGS = (
    "ListQueueBroker (a task that was taken is lost with its worker), 2 processes, prefetch 100, --no-parse"
)
WORKERS = [
    ["-m", "taskiq", "worker", f"{__name__}:broker", "--workers", "2", "--log-level", "WARNING", "--no-parse",
     "--max-prefetch", "100"]
]  # fmt: skip
TOGETHER = 50

broker = ListQueueBroker(url=REDIS_URL, queue_name="bench")


@broker.task(task_name="bench.noop")
async def noop() -> None:
    """Do nothing."""
    tick()


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops, fifty calls at a time."""
    asyncio.run(_enqueue(count))


async def _enqueue(count: int) -> None:
    await broker.startup()
    for done in range(0, count, TOGETHER):
        await asyncio.gather(*(noop.kiq() for _ in range(min(TOGETHER, count - done))))
    await broker.shutdown()
