"""Celery on Redis, as its guide on optimizing says for short tasks: a large prefetch, no results, no rate limits."""

from celery import Celery

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("celery", "kombu", "redis")
SETTINGS = (
    "prefork ×2, prefetch multiplier 128, results ignored, no rate limits, no gossip, mingle or heartbeat"
)
WORKERS = [
    ["-m", "celery", "-A", __name__, "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING",
     "--prefetch-multiplier", "128", "--without-gossip", "--without-mingle", "--without-heartbeat"]
]  # fmt: skip

app = Celery("bench", broker=REDIS_URL)
app.conf.update(
    task_ignore_result=True, worker_disable_rate_limits=True, broker_connection_retry_on_startup=True
)


@app.task(name="bench.noop")
def noop() -> None:
    """Do nothing."""
    tick()


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops one by one; there is no call for many."""
    for _ in range(count):
        noop.delay()
