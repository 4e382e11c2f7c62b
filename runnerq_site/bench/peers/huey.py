"""huey on Redis: two worker processes, results off, blocking pops."""

from huey import RedisHuey

from runnerq_site.bench.peers.marks import REDIS_URL, tick

PACKAGES = ("huey", "redis")
SETTINGS = "2 worker processes, results off, blocking pops (a task that was taken is lost with its worker)"
WORKERS = [
    ["-m", "huey.bin.huey_consumer", f"{__name__}.queue", "-w", "2", "-k", "process", "-n", "-q", "-C"]
]

queue = RedisHuey("bench", url=REDIS_URL, results=False, immediate=False)


@queue.task(name="bench_noop")
def noop() -> None:
    """Do nothing."""
    tick()


def enqueue(count: int) -> None:
    """Queue ``count`` no-ops one by one; there is no call for many."""
    for _ in range(count):
        noop()
