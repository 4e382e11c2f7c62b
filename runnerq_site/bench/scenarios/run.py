"""How fast two worker processes run no-ops that were enqueued beforehand, with the indexer giving way."""

import time
from typing import NamedTuple

from queues.services.queues import ensure_queue
from runnerq_site.bench.activities import noop
from runnerq_site.bench.cpu import Parts, each_us, parts_of, used_s
from runnerq_site.bench.crew import caught_up, crew, loaded, pause, resume, settled
from runnerq_site.bench.figures import Figure
from runnerq_site.bench.lag import Watch
from runnerq_site.bench.ledger import ENDS, account, ends
from runnerq_site.bench.scenario import Bench, Scenario


class Ran(NamedTuple):
    """One run: rates a second, and the index's lag at the end and until it had caught up (s)."""

    enqueue_per_s: float
    run_per_s: float
    lag_s: float
    catch_up_s: float


async def measure(bench: Bench) -> list[Figure]:
    """Run no-ops with an indexer at the lowest priority."""
    figures = [
        Figure("run_per_s", "run, first claim to last settle", "/s", 10_000),
        Figure("run_index_lag_s", "index behind at the end", "s"),
        Figure("run_catch_up_s", "index caught up after", "s"),
    ]
    count = bench.size(10_000, 200_000)
    bench.say(f"run: {count:,} no-ops enqueued first, 2 worker processes, 1 keeper, indexer niced")
    await ensure_queue(bench.b, bench.queue)
    with (
        crew(bench.place, bench.queue, types=["bench.noop"], nice_indexer=True) as found,
        Watch(bench.place) as watch,
    ):
        parts = parts_of(bench.place, found)

        async def run() -> list[float]:
            return list((await run_once(bench, watch, count, parts))[1:])

        await bench.repeat(figures, run)
        bench.say(bench.note)
    return figures


async def run_once(bench: Bench, watch: Watch, count: int, parts: Parts) -> Ran:
    """Return how many a second were enqueued and run, how far behind the index ended and for how long (s)."""
    b = bench.b
    await pause(b, bench.queue)
    since = await ends(b.admin, b.conf, bench.queue, ENDS)
    began = time.perf_counter()
    await bench.enqueue(noop, count)
    enqueued_s = time.perf_counter() - began
    await loaded(b, bench.queue, count)
    await caught_up(b, bench.queue, watch)
    before = used_s(parts)
    await resume(b, bench.queue)
    await settled(b, bench.queue, since, count, 60 + count / 200)
    bench.note = f"Processor time for each activity in the last run, {each_us(before, used_s(parts), count)}."
    ended = time.monotonic()
    await caught_up(b, bench.queue, watch)
    catch_up_s = time.monotonic() - ended
    # Read afterwards: counting costs processor time that the run itself should have.
    found = await account(b.conf, bench.queue, since, await ends(b.admin, b.conf, bench.queue, ENDS))
    found.require(count)
    lag_s = watch.behind_ms(found.appended_ms, found.last_settle_ms) / 1000
    return Ran(count / enqueued_s, count / found.seconds, lag_s, catch_up_s)


SCENARIO = Scenario("run", "2 worker processes run no-ops enqueued beforehand, indexer niced", measure)
