"""The scripts that a rebuild of the hot view runs, under its lock."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from queues.hot.client import translated
from queues.hot.pack import Row
from queues.hot.view import Hot


class HotRebuild:
    """One rebuild of one queue; every call but ``begin`` raises LockLost once another took over."""

    def __init__(self, hot: Hot, queue: str, token: str) -> None:
        self._hot = hot
        self._token = token
        self._keys = hot.keys(queue)

    async def begin(self, *, force: bool = False) -> str:
        """Close the queue and take the lock; returns ``open``, ``busy`` or ``locked``."""
        request = (self._token, 1 if force else 0)
        return str((await self._hot.client.run("rebuild_begin", self._keys.meta, request)).decode())

    async def hold(self) -> None:
        """Extend the lock: a scan may take longer than it lasts."""
        await self._hot.client.run("rebuild_drop", self._keys.meta, (self._token,))

    async def give_up(self) -> None:
        """Give the lock back where it is still held; the queue stays closed."""
        await self._hot.client.run("rebuild_yield", self._keys.meta, (self._token,))

    async def _found(self) -> AsyncIterator[list[bytes]]:
        cursor = 0
        while True:
            with translated():
                # A queue name cannot hold glob characters: the pattern is exact.
                found: Any = await self._hot.client.redis.scan(cursor, f"{self._keys.base}*", 2_000)
            cursor, names = found
            if names:
                yield names
            if cursor == 0:
                return

    async def drop(self) -> int:
        """Drop every key of the queue but its meta; returns how many."""
        dropped = 0
        async for names in self._found():
            request = (self._token, *(name.decode() for name in names))
            dropped += int(await self._hot.client.run("rebuild_drop", self._keys.meta, request))
        return dropped

    async def fill(self, rows: Sequence[Row], records: Sequence[str], bodies: Sequence[bytes]) -> None:
        """Load live activities and stubs; ``records`` are those of each that have no null."""
        stubs = (str(int(self._hot.conf.stub_s * 1000)), str(int(self._hot.conf.once_stub_s * 1000)))
        await self._hot.client.run(
            "rebuild_fill", self._keys.meta, (self._token, rows, records), *stubs, *bodies
        )

    async def open(self, epoch: int, positions: Sequence[tuple[str, int]], *, paused: bool) -> None:
        """Set positions and open the queue under ``epoch``."""
        await self._hot.client.run(
            "rebuild_open", self._keys.meta, (self._token, epoch, positions, 1 if paused else 0)
        )
