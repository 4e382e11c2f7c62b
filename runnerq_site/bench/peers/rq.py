"""RQ with SimpleWorker, which its notes on performance call the fastest (no fork for each job), results off."""

from redis import Redis
from rq import Queue

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("rq", "redis")
SETTINGS = "2 SimpleWorkers (jobs run in the worker itself), results off, enqueue_many in calls of 1,000"
WORKERS = [
    ["-m", "rq.cli", "worker", "bench", "--url", REDIS_URL, "--worker-class", "rq.worker.SimpleWorker",
     "--quiet", "--disable-job-desc-logging"]
] * 2  # fmt: skip
CALL = 1_000


def noop() -> None:
    """Do nothing."""
    tick()


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops in calls of many."""
    queue = Queue("bench", connection=Redis.from_url(REDIS_URL))
    job = Queue.prepare_data(f"{__name__}.noop", result_ttl=0)
    for done in range(0, count, CALL):
        queue.enqueue_many([job] * min(CALL, count - done))
