"""How fast one process enqueues in calls of a thousand, each acknowledged by Kafka."""

import json

from queues.domain.record import Kind
from queues.services.queues import ensure_queue
from runnerq_site.bench.children import Child, python, running
from runnerq_site.bench.crew import crew
from runnerq_site.bench.figures import Figure
from runnerq_site.bench.ledger import ends
from runnerq_site.bench.scenario import CALL, Bench, Scenario

PROGRAM = "runnerq_site.bench.loads.enqueue_many"


async def measure(bench: Bench) -> list[Figure]:
    """Enqueue with nothing else running, then beside a keeper that loads and indexes."""
    alone = Figure("enqueue_per_s", "enqueued in calls of 1,000", "/s", 40_000)
    await _measure(bench, alone, bench.queue)
    if not bench.full:
        return [alone]
    beside = Figure("enqueue_beside_keeper_per_s", "the same beside a keeper at work", "/s")
    queue = f"{bench.queue}-beside"
    with crew(bench.place, queue):
        await _measure(bench, beside, queue)
    return [alone, beside]


async def _measure(bench: Bench, figure: Figure, queue: str) -> None:
    count = bench.size(20_000, 200_000)
    await ensure_queue(bench.b, queue)
    arguments = json.dumps({"count": count, "runs": bench.runs + 1, "call": CALL, "queue": queue})
    place = bench.place
    child = Child("enqueuer", python("-m", PROGRAM, arguments), place.environment, place.folder)
    bench.say(f"enqueue_many: {count:,} no-ops in calls of {CALL:,}, one process")
    with running(child):

        async def run() -> list[float]:
            seconds = child.answer(300.0)["seconds"]
            return [count / seconds]

        before = sum((await ends(bench.b.admin, bench.b.conf, queue, (Kind.PENDING,))).values())
        await bench.repeat([figure], run)
    after = sum((await ends(bench.b.admin, bench.b.conf, queue, (Kind.PENDING,))).values())
    expected = count * (bench.runs + 1) + min(CALL, count)
    if after - before != expected:
        figure.void.append(f"{after - before:,} of {expected:,} records are in the log")
        figure.values.clear()


SCENARIO = Scenario("enqueue_many", "one process enqueues in calls of 1,000, acknowledged by Kafka", measure)
