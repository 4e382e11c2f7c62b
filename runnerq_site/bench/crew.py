"""The product at work for a scenario: keeper, indexer and workers as processes, and the queue's gate."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from queues.domain.record import Kind
from queues.hot import reads
from queues.log.inbox import Partition
from queues.services.backbone import Backbone
from queues.services.queues import put_paused
from runnerq_site.bench.children import Child, manage, running
from runnerq_site.bench.figures import BenchError, Void
from runnerq_site.bench.lag import Watch
from runnerq_site.bench.ledger import ENDS, ends
from runnerq_site.bench.place import Place

WITHOUT_INDEXER = "loader,scheduler,reaper,rebuilder"
INDEXED = (Kind.PENDING, Kind.RETRY, Kind.COMPLETED, Kind.DLQ, Kind.PROCESSING, Kind.EVENTS)
LOWEST = 19
CATCH_UP_S = 600.0
_LOOK_S = 0.05


@dataclass(slots=True)
class Crew:
    """Processes that run; what is not asked for is None."""

    keeper: Child | None = None
    indexer: Child | None = None
    workers: Child | None = None
    all: list[Child] = field(default_factory=list)


@contextmanager
def crew(
    place: Place,
    queue: str,
    *,
    types: Sequence[str] = (),
    processes: int = 2,
    concurrency: int = 16,
    keeper: bool = True,
    indexer: bool = True,
    nice_indexer: bool = False,
) -> Iterator[Crew]:
    """Start processes and give them once they are ready. ``nice_indexer``: one of its own, at low priority."""
    found = Crew()
    with ExitStack() as stack:

        def start(title: str, command: list[str], ready: str, nice: int = 0) -> Child:
            child = Child(title, command, place.environment, place.folder, nice)
            stack.enter_context(running(child, ready))
            found.all.append(child)
            return child

        if keeper:
            whole = (
                ["runkeeper"] if indexer and not nice_indexer else ["runkeeper", "--roles", WITHOUT_INDEXER]
            )
            found.keeper = start("keeper", manage(*whole), "runkeeper: ready")
        if indexer and (nice_indexer or not keeper):
            nice = LOWEST if nice_indexer else 0
            found.indexer = start("indexer", manage("runindexer"), "runindexer: ready", nice)
        if types:
            arguments = ["--processes", str(processes), "--concurrency", str(concurrency)]
            command = manage("runworkers", "--queues", queue, "--types", ",".join(types), *arguments)
            found.workers = start("workers", command, "runworkers: ready")
        yield found


async def pause(b: Backbone, queue: str) -> None:
    """Let nothing be claimed."""
    await put_paused(b, queue, paused=True)


async def resume(b: Backbone, queue: str) -> None:
    """Let workers begin."""
    await put_paused(b, queue, paused=False)


async def loaded(b: Backbone, queue: str, count: int, seconds: float = 60.0) -> None:
    """Return once what workers will take first is in Redis."""
    wanted = min(count, b.conf.hot_window * 9 // 10)
    deadline = time.monotonic() + seconds
    while (await reads.counts(b.hot, queue)).ready < wanted:
        if time.monotonic() > deadline:
            raise BenchError(f"the keeper did not load {wanted:,} activities within {seconds:.0f} s")
        await asyncio.sleep(_LOOK_S)


async def settled(
    b: Backbone, queue: str, since: dict[Partition, int], count: int, seconds: float
) -> dict[Partition, int]:
    """Return the ends of the settled topics once ``count`` records more are in them.

    Raises:
        Void: nothing has come for half a minute, or not all within ``seconds``.
    """
    before = sum(since.values())
    deadline = time.monotonic() + seconds
    last, moved = 0, time.monotonic()
    while True:
        now = await ends(b.admin, b.conf, queue, ENDS)
        done = sum(now.values()) - before
        if done >= count:
            return now
        if done > last:
            last, moved = done, time.monotonic()
        if time.monotonic() > deadline or time.monotonic() - moved > 30:
            raise Void(f"{done:,} of {count:,} activities settled, and it goes no further")
        await asyncio.sleep(_LOOK_S)


async def caught_up(b: Backbone, queue: str, watch: Watch) -> None:
    """Return once the index has passed where the queue's topics end now.

    Raises:
        BenchError: it does not.
    """
    if not await watch.reached(await ends(b.admin, b.conf, queue, INDEXED), CATCH_UP_S):
        raise BenchError(f"the index is behind even after {CATCH_UP_S:.0f} s")
