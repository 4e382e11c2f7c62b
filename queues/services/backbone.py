"""The clients of one process: every service takes the backbone first."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Hashable
from typing import TYPE_CHECKING, Any, Self

from queues.conf import Conf
from queues.domain.priority import Band
from queues.hot.view import Hot
from queues.log.admin import LogAdmin
from queues.log.producer import Producer
from queues.services.commit import Budget, Groups

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from queues.services.results import Settlements


MOST_BEHIND = 2


def now_ms() -> int:
    """Return this machine's clock, in epoch ms: for what people read, and for when, never for whether."""
    return time.time_ns() // 1_000_000


class Backbone:
    """Log, hot view and index of one event loop; bound to the loop that opened it."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.log = Producer(conf)
        self.admin = LogAdmin(conf)
        self.hot = Hot(conf)
        self.budget = Budget(conf.max_waiting, conf.max_waiting_bytes)
        self.known: dict[tuple[str, Band], int] = {}
        """Queue and band → partitions, of queues whose topics are known to exist."""
        self.full_until: dict[tuple[str, Band], float] = {}
        """Bands whose backlog makes islands pointless for a moment (monotonic s)."""
        self._index: AsyncConnectionPool | None = None
        self._groups: dict[str, Groups[Any, Any, Any]] = {}
        self._settlements: Settlements | None = None
        self._behind: dict[Hashable, set[asyncio.Task[None]]] = {}

    @classmethod
    async def open(cls, conf: Conf) -> Self:
        """Return a backbone whose sessions are open; servers that are away are found when they are back."""
        b = cls(conf)
        await b.log.start()
        return b

    def groups(self, name: str, make: Any) -> Groups[Any, Any, Any]:
        """Return this backbone's group commit ``name``, made by ``make(self)`` on first use."""
        if name not in self._groups:
            self._groups[name] = make(self)
        return self._groups[name]

    async def behind(self, key: Hashable, work: Coroutine[Any, Any, None]) -> None:
        """Let ``work`` go on behind its caller, who waits only while two of the same key are under way."""
        while len(going := self._behind.setdefault(key, set())) >= MOST_BEHIND:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(work)
        going.add(task)
        task.add_done_callback(going.discard)

    @property
    def settlements(self) -> "Settlements":
        """Who waits for what to end, in this process."""
        if self._settlements is None:
            from queues.services.results import Settlements  # noqa: PLC0415 -- results take a backbone

            self._settlements = Settlements(self)
        return self._settlements

    async def index(self) -> "AsyncConnectionPool":
        """Return the pool of index connections, opened on first use.

        Raises:
            IndexUnavailable: PostgreSQL is away.
        """
        if self._index is None:
            from queues.index.connection import open_pool  # noqa: PLC0415 -- workers never need it

            self._index = await open_pool()
        return self._index

    async def close(self) -> None:
        """Flush what is under way and give every connection back."""
        left = [task for going in self._behind.values() for task in going]
        await asyncio.gather(*left, return_exceptions=True)
        if self._settlements is not None:
            await self._settlements.close()
        await self.log.close()
        await self.hot.client.close()
        if self._index is not None:
            with contextlib.suppress(OSError):
                await self._index.close()
        await self.admin.close()
