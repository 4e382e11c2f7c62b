"""What follows a commit of the index and must never hold it up: pages are told, Redis forgets, workers are copied."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from queues.domain.errors import QueueError
from queues.domain.priority import Band
from queues.domain.record import STAGES
from queues.hot.keys import code_of
from queues.index.marks import Dirty
from queues.index.worker_rows import put_workers
from queues.keeper.loop import Complaint
from queues.log.topics import parse_topic
from queues.services.backbone import Backbone
from queues.services.workers import list_workers

logger = logging.getLogger(__name__)
TRIM_S = 1.0
TRIM_MOST = 2_000
WORKERS_S = 2.0
MOST_MARKS = 1_000

type Partition = tuple[str, int]
type OnCommit = Callable[[Mapping[Partition, int], Dirty], Awaitable[None]]


class IndexChores:
    """Background work of one indexer. What it is told while busy is merged: each value is absolute."""

    def __init__(self, b: Backbone, on_commit: OnCommit) -> None:
        self._b = b
        self._on_commit = on_commit
        self._wake = asyncio.Event()
        self._positions: dict[Partition, int] = {}
        self._dirty: Dirty = {}
        self._passed: dict[Partition, int] = {}
        self._durable: dict[Partition, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, once."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._tell_pages(), name="indexer-tells"),
                asyncio.create_task(self._every(TRIM_S, "trim", self._trim), name="indexer-trims"),
                asyncio.create_task(
                    self._every(WORKERS_S, "workers", self._copy_workers), name="indexer-copies"
                ),
            ]

    async def close(self) -> None:
        """End."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def committed(self, positions: Mapping[Partition, int], dirty: Dirty) -> None:
        """Note what a transaction has written."""
        self._positions |= positions
        self._passed |= positions
        for queue, marks in dirty.items():
            kept = self._dirty.setdefault(queue, {})
            if len(kept) < MOST_MARKS:
                kept.update(marks)
        self._wake.set()

    async def _tell_pages(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            positions, self._positions = self._positions, {}
            dirty, self._dirty = self._dirty, {}
            await self._on_commit(positions, dirty)

    async def _every(self, seconds: float, name: str, chore: Callable[[], Awaitable[None]]) -> None:
        complaint = Complaint(f"indexer.{name}")
        while True:
            pause_s = seconds
            started = time.monotonic()
            try:
                await chore()
                complaint.worked()
            except (QueueError, TimeoutError) as exc:
                pause_s = max(complaint.failed(exc), seconds)
            await asyncio.sleep(max(pause_s - (time.monotonic() - started), 0.05))

    async def _trim(self) -> None:
        """Let Redis forget what the index has had for a second: by then PostgreSQL has it on disk."""
        durable, self._durable, self._passed = self._durable, self._durable | self._passed, {}
        by_queue: dict[str, dict[str, int]] = {}
        for (topic, partition), offset in durable.items():
            parsed = parse_topic(self._b.conf, topic)
            if parsed is not None and parsed[1] in STAGES:
                queue, kind, band = parsed
                by_queue.setdefault(queue, {})[f"{code_of(kind, Band(band))}:{partition}"] = offset
        for queue, passed in by_queue.items():
            while await self._b.hot.trim(queue, passed, TRIM_MOST) == TRIM_MOST:
                passed = {}

    async def _copy_workers(self) -> None:
        workers = await list_workers(self._b)
        if workers:
            await put_workers(await self._b.index(), [msgspec.to_builtins(info) for info in workers])
