"""Which queues there are, as a keeper follows them: announced by Redis, looked for in the log every few seconds."""

import asyncio
import time

from queues.domain.record import Kind
from queues.log.topics import control_topic, parse_topic
from queues.services.backbone import Backbone
from queues.services.control import queues_channel

LOOK_S = 3.0


class Directory:
    """Queues and their topics; shared by the loops of a keeper. ``version`` grows when either changes."""

    def __init__(self, b: Backbone) -> None:
        self._b = b
        self.topics: dict[str, tuple[str, Kind, str]] = {}
        """Topic → queue, kind, band letter."""
        self.partitions: dict[str, int] = {}
        self.queues: list[str] = []
        self.version = 0
        self._looked = 0.0
        self._told = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Look again when something was announced or some seconds have passed.

        Raises:
            LogUnavailable: no broker answered; what was known stays.
        """
        if self._listening is None:
            self._listening = asyncio.create_task(
                self._b.hot.client.listen(
                    [queues_channel(self._b)], lambda _channel, _queue: self._told.set()
                )
            )
        if not self._told.is_set() and time.monotonic() - self._looked < LOOK_S:
            return
        async with self._lock:
            self._told.clear()
            cluster = await self._b.admin.cluster(0)
            self._looked = time.monotonic()
            found = {}
            for topic in cluster.topics:
                if topic != control_topic(self._b.conf) and (parsed := parse_topic(self._b.conf, topic)):
                    queue, kind, band = parsed
                    found[topic] = (queue, kind, band.value)
            partitions = {topic: cluster.topics[topic].partitions for topic in found}
            if found != self.topics or partitions != self.partitions:
                self.topics, self.partitions = found, partitions
                self.queues = sorted({queue for queue, _, _ in found.values()})
                self.version += 1

    def of(self, queue: str, *kinds: Kind) -> list[tuple[str, int]]:
        """Return every partition of the queue's topics of these kinds."""
        return [
            (topic, partition)
            for topic, (owner, kind, _) in self.topics.items()
            if owner == queue and kind in kinds
            for partition in range(self.partitions[topic])
        ]

    async def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
