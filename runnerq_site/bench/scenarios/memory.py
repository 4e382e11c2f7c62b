"""What worker and keeper processes hold after many activities, and whether it grows under a steady load."""

import asyncio
import statistics
import time

import psutil

from queues.services.queues import ensure_queue
from runnerq_site.bench.activities import noop
from runnerq_site.bench.children import Child
from runnerq_site.bench.crew import crew, settled
from runnerq_site.bench.figures import BenchError, Figure
from runnerq_site.bench.ledger import ENDS, account, ends
from runnerq_site.bench.scenario import CALL, Bench, Scenario

PER_S = 500
LOOK_S = 5.0
MB = 1e6


async def measure(bench: Bench) -> list[Figure]:
    """Run many, look; then offer 500/s for ten minutes and look every five seconds."""
    count = bench.size(10_000, 200_000)
    seconds = 600.0 if bench.full else 20.0
    bench.say(f"memory: {count:,} no-ops, then {PER_S}/s for {seconds:.0f} s; one run")
    await ensure_queue(bench.b, bench.queue)
    with crew(bench.place, bench.queue, types=["bench.noop"]) as found:
        assert found.workers
        assert found.keeper
        since = await ends(bench.b.admin, bench.b.conf, bench.queue, ENDS)
        done = await _offer(bench, count, None, [])
        await settled(bench.b, bench.queue, since, done, 60 + count / 200)
        processes = {"worker": found.workers.tree()[1:], "supervisor": found.workers.tree()[:1]}
        processes["keeper"] = _own(found.keeper)
        figures = [*_held(processes, "worker", 140), *_held(processes, "keeper", 220)]
        figures += _held(processes, "supervisor", None)
        looks: list[dict[str, float]] = []
        looking = asyncio.create_task(_look(processes, looks))
        done += await _offer(bench, int(PER_S * seconds), PER_S, looks)
        looking.cancel()
        await settled(bench.b, bench.queue, since, done, 60 + count / 200)
    (
        await account(
            bench.b.conf, bench.queue, since, await ends(bench.b.admin, bench.b.conf, bench.queue, ENDS)
        )
    ).require(done)
    return [*figures, _growth(looks, "worker"), _growth(looks, "keeper")]


def _own(child: Child) -> list[psutil.Process]:
    return child.tree()[:1]


def _held(processes: dict[str, list[psutil.Process]], name: str, target: float | None) -> list[Figure]:
    """Return RSS and PSS of the largest process of a kind; the target is for RSS, which is never the smaller."""
    infos = [process.memory_full_info() for process in processes[name]]
    if not infos:
        raise BenchError(f"no {name} process to look at")
    rss = Figure(f"{name}_rss_mb", f"{name} RSS", "MB", target, at_least=False)
    rss.values.append(max(info.rss for info in infos) / MB)
    pss = Figure(f"{name}_pss_mb", f"{name} PSS", "MB")
    pss.values.append(max(getattr(info, "pss", info.rss) for info in infos) / MB)
    return [rss, pss]


def _growth(looks: list[dict[str, float]], name: str) -> Figure:
    """Return by how much the last tenth of the looks exceeds the first, in percent."""
    figure = Figure(f"{name}_growth_percent", f"{name} growth under steady load", "%", 5, at_least=False)
    tenth = max(len(looks) // 10, 1)
    if looks:
        first = statistics.median(look[name] for look in looks[:tenth])
        last = statistics.median(look[name] for look in looks[-tenth:])
        figure.values.append((last / first - 1) * 100)
    return figure


async def _look(processes: dict[str, list[psutil.Process]], looks: list[dict[str, float]]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        looks.append({name: max(p.memory_info().rss for p in each) / MB for name, each in processes.items()})


async def _offer(bench: Bench, count: int, per_s: float | None, looks: list[dict[str, float]]) -> int:
    """Enqueue ``count``, at a rate or as fast as it goes; return how many."""
    done, began, said = 0, time.monotonic(), 0
    while done < count:
        due = CALL if per_s is None else int((time.monotonic() - began) * per_s) - done
        some = min(due, count - done, CALL)
        if some > 0:
            await bench.enqueue(noop, some)
            done += some
        if per_s is not None:
            await asyncio.sleep(0.05)
        if len(looks) >= said + 12:
            said = len(looks)
            now = ", ".join(f"{name} {held:.0f} MB" for name, held in looks[-1].items())
            bench.say(f"  after {time.monotonic() - began:.0f} s: {now}")
    return done


SCENARIO = Scenario("memory", "RSS and PSS of worker and keeper after many activities, and growth", measure)
