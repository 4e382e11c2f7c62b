"""How fast the indexer works off a backlog that real runs left, and how far it is behind at a steady rate."""

import asyncio
import time

from queues.services.queues import ensure_queue
from runnerq_site.bench.activities import noop
from runnerq_site.bench.crew import INDEXED, caught_up, crew, settled
from runnerq_site.bench.figures import Figure, percentile
from runnerq_site.bench.lag import Watch
from runnerq_site.bench.ledger import ENDS, account, ends, records
from runnerq_site.bench.scenario import CALL, Bench, Scenario

PER_S = 3_000
RECORDS_EACH = 4
"""Enqueued, claimed, completed, and the event that says so."""


async def measure(bench: Bench) -> list[Figure]:
    """Leave a backlog, index it from nothing again and again; then index beside a steady load."""
    backlog = Figure("index_records_per_s", "indexed from a backlog", "records/s", 20_000)
    lag = Figure("index_lag_p99_ms", f"index lag p99 at {PER_S:,} activities/s", "ms", 1_000, at_least=False)
    await ensure_queue(bench.b, bench.queue)
    count = bench.size(5_000, 1_000_000 // RECORDS_EACH)
    bench.say(f"index: {count:,} no-ops run with no indexer, about {count * RECORDS_EACH:,} records")
    await _leave_backlog(bench, count)
    until = await ends(bench.b.admin, bench.b.conf, bench.queue, INDEXED)
    total = sum(until.values())
    bench.say(f"index: {total:,} records wait; from an empty index each time")

    async def work_off() -> list[float]:
        return [await _work_off(bench)]

    await bench.repeat([backlog], work_off)
    seconds = (bench.count / PER_S) if bench.count else (30.0 if bench.full else 5.0)
    bench.say(
        f"index: {PER_S:,} activities/s enqueued and run for {seconds:.0f} s, 1 keeper with the indexer in it"
    )
    with crew(bench.place, bench.queue, types=["bench.noop"]), Watch(bench.place) as watch:
        await caught_up(bench.b, bench.queue, watch)

        async def steady() -> list[float]:
            return [await _steady(bench, watch, seconds)]

        await bench.repeat([lag], steady)
    return [backlog, lag]


async def _leave_backlog(bench: Bench, count: int) -> None:
    b = bench.b
    since = await ends(b.admin, b.conf, bench.queue, ENDS)
    with crew(bench.place, bench.queue, types=["bench.noop"], indexer=False):
        await bench.enqueue(noop, count)
        await settled(b, bench.queue, since, count, 60 + count / 200)
    (await account(b.conf, bench.queue, since, await ends(b.admin, b.conf, bench.queue, ENDS))).require(count)


async def _work_off(bench: Bench) -> float:
    """Return records a second from the first commit seen to the last one."""
    bench.place.empty_index()
    with Watch(bench.place) as watch:
        with crew(bench.place, bench.queue, keeper=False):
            await caught_up(bench.b, bench.queue, watch)
            ended_ms = time.time() * 1000
        began_ms, done = watch.first_moves()
    total = sum((await ends(bench.b.admin, bench.b.conf, bench.queue, INDEXED)).values())
    return (total - sum(done.values())) / max(ended_ms - began_ms, 1) * 1000


async def _steady(bench: Bench, watch: Watch, seconds: float) -> float:
    """Return the lag p99 (ms) of all records of a steady load."""
    b = bench.b
    since = await ends(b.admin, b.conf, bench.queue, INDEXED)
    stage = {
        place: end for place, end in since.items() if place in await ends(b.admin, b.conf, bench.queue, ENDS)
    }
    count, done, began = int(PER_S * seconds), 0, time.monotonic()
    while done < count:
        due = min(int((time.monotonic() - began) * PER_S) - done, count - done, CALL)
        if due > 0:
            await bench.enqueue(noop, due)
            done += due
        await asyncio.sleep(0.01)
    await settled(b, bench.queue, stage, count, 60 + count / 200)
    await caught_up(b, bench.queue, watch)
    (await account(b.conf, bench.queue, stage, await ends(b.admin, b.conf, bench.queue, ENDS))).require(count)
    appended: dict[tuple[str, int], list[tuple[int, int]]] = {}
    async for m in records(b.conf, since, await ends(b.admin, b.conf, bench.queue, INDEXED)):
        appended.setdefault((m.topic, m.partition), []).append((m.offset, m.timestamp_ms))
    return percentile(watch.lags_ms(appended), 0.99)


SCENARIO = Scenario("index", "records/s from a backlog of real runs; lag at 3,000 activities/s", measure)
