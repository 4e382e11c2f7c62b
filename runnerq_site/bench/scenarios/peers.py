"""The same no-ops in other task queues, side by side with ours in one run."""

from queues.services.queues import ensure_queue
from runnerq_site.bench.cpu import parts_of
from runnerq_site.bench.crew import crew
from runnerq_site.bench.figures import Figure, Void, shown
from runnerq_site.bench.lag import Watch
from runnerq_site.bench.scenario import Bench, Scenario
from runnerq_site.bench.scenarios.run import run_once
from runnerq_site.bench.systems import PEERS, describe, measure, require_installed

OURS = "runnerq"


async def compare(bench: Bench) -> list[Figure]:
    """Measure every system once a round, each round beginning with the next one."""
    peers = bench.peers or PEERS
    if problem := require_installed(peers):
        bench.say(f"peers: {problem}")
        return []
    count = bench.size(5_000, 20_000)
    about = {peer: describe(bench.place, peer) for peer in peers}
    systems = [OURS, *peers]
    figures = {
        name: [
            Figure(f"{name}.enqueue_per_s", f"{name}: enqueued", "/s"),
            Figure(f"{name}.run_per_s", f"{name}: run", "/s"),
        ]
        for name in systems
    }
    bench.say(f"peers: {count:,} no-ops queued first, 2 processes each, results off, order rotated")
    await ensure_queue(bench.b, bench.queue)
    for number in range(bench.runs + 1):
        for name in systems[number % len(systems) :] + systems[: number % len(systems)]:
            await _once(bench, name, about, count, figures[name], counts=number > 0)
    bench.note = _note(about, figures)
    bench.say(bench.note)
    return [figure for name in systems for figure in figures[name]]


async def _once(
    bench: Bench,
    name: str,
    about: dict[str, dict[str, str]],
    count: int,
    figures: list[Figure],
    *,
    counts: bool,
) -> None:
    try:
        values = (
            await _ours(bench, count)
            if name == OURS
            else await measure(bench.place, name, about[name]["workers"], count)  # type: ignore[arg-type]
        )
    except Void as exc:
        bench.say(f"  {name}: VOID: {exc}")
        for figure in figures if counts else ():
            figure.void.append(str(exc))
        return
    said = ", ".join(
        f"{shown(value)}/s {word}" for value, word in zip(values, ("enqueued", "run"), strict=True)
    )
    bench.say(f"  {name}: {said}{'' if counts else ' (warm-up)'}")
    for figure, value in zip(figures if counts else (), values, strict=counts):
        figure.values.append(value)


async def _ours(bench: Bench, count: int) -> tuple[float, float]:
    with (
        crew(bench.place, bench.queue, types=["bench.noop"], nice_indexer=True) as found,
        Watch(bench.place) as watch,
    ):
        ran = await run_once(bench, watch, count, parts_of(bench.place, found))
    return ran.enqueue_per_s, ran.run_per_s


def _note(about: dict[str, dict[str, str]], figures: dict[str, list[Figure]]) -> str:
    lines = [
        "- runnerq: 2 worker processes × 16 slots, keeper, indexer at low priority; calls of 1,000; in Kafka"
    ]
    lines += [f"- {name}: {said['versions']}; {said['settings']}" for name, said in about.items()]
    ours = figures[OURS][1].median
    for name in about:
        theirs = figures[name][1].median
        if ours and theirs:
            lines.append(f"- run, runnerq / {name}: {ours / theirs:.1f}×")
    return "\n".join(lines)


SCENARIO = Scenario(
    "peers", "the same no-ops in other task queues, side by side (needs --group bench)", compare
)
