"""How long the server takes for a list page on many indexed activities, for every tab and filter."""

import json
import time

import psycopg

from queues.index.seed import seed
from runnerq_site.bench.children import Child, python, running
from runnerq_site.bench.figures import Figure
from runnerq_site.bench.scenario import Bench, Scenario

PROGRAM = "runnerq_site.bench.loads.listing"
QUICK_TIMES, FULL_TIMES = 5, 20
WORST = 8


async def measure(bench: Bench) -> list[Figure]:
    """Seed, warm up, ask for every page several times a run; the slowest page is the figure."""
    worst = Figure("list_p95_ms", "list page p95, the slowest tab and filter", "ms", 100, at_least=False)
    middle = Figure("list_median_p95_ms", "list page p95, the middle one", "ms")
    count = bench.size(100_000, 1_000_000)
    bench.say(f"list: seeding {count:,} activities")
    place = bench.place
    place.empty_index()
    began = time.monotonic()
    async with await psycopg.AsyncConnection.connect(**place.database, autocommit=True) as connection:
        await seed(connection, count)
    bench.say(f"list: seeded and analysed in {time.monotonic() - began:.0f} s")
    arguments = json.dumps({"times": FULL_TIMES if bench.full else QUICK_TIMES, "runs": bench.runs + 1})
    slowest: dict[str, float] = {}
    with running(Child("pages", python("-m", PROGRAM, arguments), place.environment, place.folder)) as child:

        async def run() -> list[float]:
            found = child.answer(900.0)["p95_ms"]
            slowest.update({name: max(ms, slowest.get(name, 0.0)) for name, ms in found.items()})
            ranked = sorted(found.values())
            return [ranked[-1], ranked[len(ranked) // 2]]

        await bench.repeat([worst, middle], run)
    ranked = sorted(slowest.items(), key=lambda item: -item[1])[:WORST]
    bench.note = f"{len(slowest)} pages; the slowest, by their worst p95 of all runs:\n\n" + "\n".join(
        f"- {name}: {ms:.1f} ms" for name, ms in ranked
    )
    bench.say(bench.note)
    place.empty_index()
    return [worst, middle]


SCENARIO = Scenario("list", "server time of list pages on many activities, every tab and filter", measure)
