"""The highest rate at which no-ops run while the index stays within a second of the log."""

from queues.services.queues import ensure_queue
from runnerq_site.bench.activities import paced
from runnerq_site.bench.crew import caught_up, crew, loaded, pause, resume, settled
from runnerq_site.bench.figures import Figure, percentile
from runnerq_site.bench.lag import Watch
from runnerq_site.bench.ledger import ENDS, account, ends
from runnerq_site.bench.scenario import Bench, Scenario

FIRST, STEP, LEAST = 5_000, 1_000, 1_000
MOST_LAG_MS = 1_000
KEPT = 0.95
"""A rate is sustained when the run reaches this share of it."""
PROCESSES, SLOTS = 2, 200


async def measure(bench: Bench) -> list[Figure]:
    """Search for the rate in steps of 1,000/s, from 5,000/s up or down."""
    figures = [
        Figure("run_indexed_per_s", "run with the index within 1 s", "/s", 5_000),
        Figure("run_indexed_lag_p99_ms", "index lag p99 at that rate", "ms", MOST_LAG_MS, at_least=False),
    ]
    seconds = max(bench.count / FIRST, 2.0) if bench.count else (10.0 if bench.full else 4.0)
    bench.say(
        f"run_indexed: {seconds:.0f} s at each rate, 2 worker processes, 1 keeper with the indexer in it"
    )
    await ensure_queue(bench.b, bench.queue)
    with (
        crew(bench.place, bench.queue, types=["bench.paced"], processes=PROCESSES, concurrency=SLOTS),
        Watch(bench.place) as watch,
    ):

        async def run() -> list[float]:
            return await _search(bench, watch, seconds)

        await bench.repeat(figures, run)
    return figures


async def _search(bench: Bench, watch: Watch, seconds: float) -> list[float]:
    """Return the highest rate sustained and its lag; 0 and the last lag seen when not even the least one is."""
    rate, best = FIRST, [0.0, 0.0]
    while rate >= LEAST:
        reached, lag_ms = await _at(bench, watch, rate, int(rate * seconds))
        if lag_ms <= MOST_LAG_MS and reached >= rate * KEPT:
            best = [reached, lag_ms]
            if rate < FIRST:
                break
            rate += STEP
        elif best[0]:
            break
        else:
            best[1] = lag_ms
            rate -= STEP
    return best


async def _at(bench: Bench, watch: Watch, rate: int, count: int) -> tuple[float, float]:
    """Return the rate reached and the lag p99 (ms) of the settlements."""
    b = bench.b
    await pause(b, bench.queue)
    since = await ends(b.admin, b.conf, bench.queue, ENDS)
    await bench.enqueue(paced, count, rate / PROCESSES)
    await loaded(b, bench.queue, count)
    await caught_up(b, bench.queue, watch)
    await resume(b, bench.queue)
    await settled(b, bench.queue, since, count, 60 + count / 200)
    await caught_up(b, bench.queue, watch)
    found = await account(b.conf, bench.queue, since, await ends(b.admin, b.conf, bench.queue, ENDS))
    found.require(count)
    reached, lag_ms = count / found.seconds, percentile(watch.lags_ms(found.appended_ms), 0.99)
    bench.say(f"    at {rate:,}/s: {reached:,.0f}/s reached, index lag p99 {lag_ms:,.0f} ms")
    return reached, lag_ms


SCENARIO = Scenario("run_indexed", "the rate that runs with the index within a second of the log", measure)
