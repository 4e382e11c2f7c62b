"""Group commit: concurrent callers of one process share each step; a lone one waits for nobody."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final

from queues.domain.errors import Overloaded

CROWD: Final = 32
"""So many that wait are worth a second append beside the one under way; fewer go together with the next."""
PATIENCE_S: Final = 0.1
"""A flush under way for longer no longer keeps a few from beginning another."""


class Budget:
    """How much may wait for the log in this process, in records and bytes."""

    def __init__(self, records: int, size: int) -> None:
        self.records = records
        self.size = size
        self._records = 0
        self._size = 0

    def take(self, records: int, size: int) -> None:
        """Count what begins to wait.

        Raises:
            Overloaded: there is no room; nothing was counted. A single request larger than all is let through alone.
        """
        if self._records and (self._records + records > self.records or self._size + size > self.size):
            raise Overloaded(f"{self._records} records wait for Kafka already; try again shortly")
        self._records += records
        self._size += size

    def give(self, records: int, size: int) -> None:
        """Count what waits no longer."""
        self._records -= records
        self._size -= size


class GroupCommit[T, R]:
    """Gather what is submitted while a flush is under way, and hand it to the next one together.

    ``flush`` gets the items in order and returns a result or an exception for each. Up to ``under_way`` run at once: a
    further one begins when ``crowd`` records wait, or for fewer after ``PATIENCE_S``.
    """

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        most: int = 2_000,
        under_way: int = 1,
        crowd: int = 1,
    ) -> None:
        self._flush = flush
        self._most = most
        self._under_way = under_way
        self._crowd = crowd
        self._flying: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[T, int, asyncio.Future[R]]] = deque()
        self._records = 0
        self._nudge: asyncio.TimerHandle | None = None

    async def submit(self, item: T, records: int = 1) -> R:
        """Return the item's own result once its flush has ended; ``records`` is its share of a batch."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, records, future))
        self._records += records
        if not self._flying or (self._records >= self._crowd and len(self._flying) < self._under_way):
            self._start()
        elif self._nudge is None:
            self._nudge = loop.call_later(PATIENCE_S, self._hurry)
        return await future

    def _hurry(self) -> None:
        # A flush that takes so long may be stuck with one partition, and another one would go elsewhere.
        self._nudge = None
        if self._waiting and len(self._flying) < self._under_way:
            self._start()

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._run())
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if self._waiting and len(self._flying) < self._under_way:
            self._start()

    def _batch(self) -> list[tuple[T, int, asyncio.Future[R]]]:
        batch: list[tuple[T, int, asyncio.Future[R]]] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0][1] <= self._most):
            one = self._waiting.popleft()
            batch.append(one)
            size += one[1]
        self._records -= size
        return batch

    async def _run(self) -> None:
        while batch := self._batch():
            try:
                results = await self._flush([item for item, _, _ in batch])
            except Exception as exc:  # noqa: BLE001 -- each caller gets what ended the flush; none may hang
                results = [exc] * len(batch)
            for (_, _, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)


class Groups[K: Hashable, T, R]:
    """A group commit for each key, made on first use."""

    def __init__(
        self,
        flush: Callable[[K, list[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        most: int = 2_000,
        under_way: int = 1,
        crowd: int = 1,
    ) -> None:
        self._flush = flush
        self._most = most
        self._under_way = under_way
        self._crowd = crowd
        self._groups: dict[K, GroupCommit[T, R]] = {}

    async def submit(self, key: K, item: T, records: int = 1) -> R:
        """Submit ``item`` to the group of ``key``."""
        group = self._groups.get(key)
        if group is None:

            async def flush(items: list[T]) -> Sequence[R | BaseException]:
                return await self._flush(key, items)

            group = self._groups[key] = GroupCommit(
                flush, most=self._most, under_way=self._under_way, crowd=self._crowd
            )
        return await group.submit(item, records)
