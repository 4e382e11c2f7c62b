"""How long one enqueue takes to be answered, and to reach its handler's first line, under a steady rate."""

import json

from runnerq_site.bench.children import Child, python, running
from runnerq_site.bench.crew import crew
from runnerq_site.bench.figures import Figure, Void, percentile
from runnerq_site.bench.scenario import Bench, Scenario

PER_S = 500
PROGRAM = "runnerq_site.bench.loads.enqueue_one"


async def measure(bench: Bench) -> list[Figure]:
    """Offer 500 a second with a worker process and a keeper running."""
    figures = [
        Figure("enqueue_p50_ms", "answered, p50", "ms", 3, at_least=False),
        Figure("enqueue_p99_ms", "answered, p99", "ms"),
        Figure("start_p50_ms", "first line after the answer, p50", "ms", 5, at_least=False),
        Figure("start_p99_ms", "first line after the answer, p99", "ms"),
    ]
    count = bench.size(2_500, 30_000)
    bench.say(f"enqueue_one: {PER_S}/s for {count / PER_S:.0f} s, one worker process, one keeper")
    place = bench.place
    arguments = {
        "per_s": PER_S,
        "seconds": count / PER_S,
        "runs": bench.runs + 1,
        "folder": str(place.folder),
        "queue": bench.queue,
    }
    with crew(place, bench.queue, types=["bench.stamp"], processes=1):
        child = Child("load", python("-m", PROGRAM, json.dumps(arguments)), place.environment, place.folder)
        with running(child):

            async def run() -> list[float]:
                found = child.answer(count / PER_S + 60.0)
                answers, starts = found["answers_ms"], found["starts_ms"]
                if len(starts) != count:
                    raise Void(f"{len(starts):,} of {count:,} activities ran")
                return [percentile(series, share) for series in (answers, starts) for share in (0.5, 0.99)]

            await bench.repeat(figures, run)
    return figures


SCENARIO = Scenario("enqueue_one", "one enqueue at a time, 500/s, open loop: answer and start", measure)
