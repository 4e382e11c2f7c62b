"""Enqueue no-ops in calls of many, one call after the other, as one process does."""

import time

from runnerq_site.bench.loads import program

program.set_up()

from runnerq_site.bench.activities import noop  # noqa: E402 -- needs Django's settings


async def measure(count: int, runs: int, call: int, queue: str) -> None:
    """Print the seconds that each run took; what an answered call enqueued is acknowledged by Kafka."""
    one = noop.using(queue=queue)
    await one.enqueue_many([()] * min(call, count))
    for _ in range(runs):
        began = time.perf_counter()
        for done in range(0, count, call):
            await one.enqueue_many([()] * min(call, count - done))
        program.answer(seconds=time.perf_counter() - began)


if __name__ == "__main__":
    program.serve(measure)
