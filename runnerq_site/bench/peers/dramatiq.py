"""Dramatiq on Redis, as it comes: two processes of eight threads, no result backend."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("dramatiq", "redis")
SETTINGS = "2 processes × 8 threads, no result backend"
WORKERS = [["-m", "dramatiq", __name__, "--processes", "2", "--threads", "8"]]

broker = RedisBroker(url=REDIS_URL)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="bench_noop")
def noop() -> None:
    """Do nothing."""
    tick()


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops one by one; a group does the same."""
    for _ in range(count):
        noop.send()
