"""The producer: appends records to the log and answers each by its own report."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Sequence
from typing import Final

from queues.conf import Conf
from queues.log.delivery import Batch, Message, Report, refused
from queues.log.handle import Handle
from queues.log.settings import POST_ROOM, poster_settings, producer_settings

logger = logging.getLogger(__name__)

SLOW_S: Final = 0.1
"""After so long without an answer, a partition gets no new batches as long as there is another."""
_ALONE: Final = 3
"""Tries of a record that was refused with its neighbours: a new call may put a bad one beside it again."""

__all__ = ["Message", "Producer", "Report"]


class Producer:
    """The one writer of a process: acks=all, idempotent, no linger (the group commit has batched already).

    A second session carries what nobody waits for, so that it never takes room or time from what is awaited.
    """

    def __init__(self, conf: Conf, *, client_id: str = "") -> None:
        self._conf = conf
        self._client_id = client_id or f"runnerq-{os.getpid()}"
        self._handle: Handle | None = None
        self._poster: Handle | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._open: dict[Batch, None] = {}
        self._turns: dict[str, int] = {}
        self._aside = asyncio.Lock()

    async def start(self) -> None:
        """Open the sessions; brokers that are away are found later."""
        self._handle = self._handle or self._session()
        self._poster = self._poster or self._posting()

    async def close(self, timeout_s: float = 10.0) -> None:
        """Wait at most ``timeout_s`` for what is under way; what is still unanswered then is unknown."""
        handles = [handle for handle in (self._handle, self._poster) if handle is not None]
        self._handle = self._poster = None
        await asyncio.gather(*(handle.close(timeout_s) for handle in handles), *self._retiring)

    @property
    def pending(self) -> int:
        """How many records wait for their report."""
        return sum(batch.left for batch in self._open)

    async def append(self, messages: Sequence[Message]) -> list[Report]:
        """Return the report of each record, in order, once all are known; raises for no failure of a broker.

        A record whose neighbour was refused is appended again.
        """
        batch = await self._round(messages)
        for index in batch.suspects:
            batch.reports[index] = await self._alone(messages[index])
        return batch.reports  # type: ignore[return-value]  # a finished batch has them all

    def post(self, messages: Sequence[Message]) -> int:
        """Append without waiting; return how many were dropped because too many wait already."""
        if self._poster is None:
            return len(messages)
        if self._poster.fatal:
            self._retire(self._poster)
            self._poster = self._posting()
        return self._poster.post(messages, POST_ROOM)

    def partition_for_batch(self, topic: str, partitions: int) -> int:
        """Return where the next batch goes: each in turn, leaving out those that owe an answer for 100 ms."""
        turn = self._turns.get(topic)
        turn = random.randrange(partitions) if turn is None else (turn + 1) % partitions  # noqa: S311 -- spreads load
        if self._open:
            slow = self._slow()
            for step in range(partitions if slow else 0):
                if (topic, (turn + step) % partitions) not in slow:
                    turn = (turn + step) % partitions
                    break
        self._turns[topic] = turn
        return turn

    async def _alone(self, message: Message) -> Report | None:
        # One at a time, of all calls: together, the guilty one would take its neighbours down again.
        async with self._aside:
            for _ in range(_ALONE):
                batch = await self._round([message])
                if not batch.suspects:
                    break
            return batch.reports[0]

    async def _round(self, messages: Sequence[Message]) -> Batch:
        batch = Batch(messages, asyncio.get_running_loop().create_future())
        if not messages:
            return batch
        if self._handle is None:
            raise RuntimeError("the producer is not started, or closed")
        self._open[batch] = None
        try:
            if not self._handle.produce(batch) and not self._replaced().produce(batch):
                for index, message in enumerate(messages):
                    batch.settle(index, refused(message.partition, "the session with Kafka failed twice"))
            await batch.future
        finally:
            self._open.pop(batch, None)
        return batch

    def _slow(self) -> set[tuple[str, int]]:
        slow: set[tuple[str, int]] = set()
        late = time.monotonic() - SLOW_S
        for batch in self._open:
            if batch.since > late:
                break
            slow |= batch.unanswered()
        return slow

    def _session(self) -> Handle:
        settings = producer_settings(self._conf, self._client_id)
        return Handle(settings, asyncio.get_running_loop(), first_s=0.000_7)

    def _posting(self) -> Handle:
        settings = poster_settings(self._conf, f"{self._client_id}-post")
        return Handle(settings, asyncio.get_running_loop(), first_s=0.05)

    def _replaced(self) -> Handle:
        if self._handle is not None:
            self._retire(self._handle)
        self._handle = self._session()
        return self._handle

    def _retire(self, handle: Handle) -> None:
        # It still owes reports, so it is polled until it has given them.
        logger.error("kafka.producer is replaced: %s", handle.fatal)
        task = asyncio.create_task(handle.close(self._conf.append_timeout_s))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
