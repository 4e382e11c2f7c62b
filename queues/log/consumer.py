"""Consumers: one that is told its partitions, one that shares them with its group."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from queues.conf import Conf
from queues.domain.errors import LogUnavailable, QueueError
from queues.log.inbox import Inbox, Partition, RawMessage
from queues.log.settings import consumer_settings, follower_settings

__all__ = ["BEGINNING", "GroupReader", "RawMessage", "Reader"]

logger = logging.getLogger(__name__)

BEGINNING: Final = OFFSET_BEGINNING
GATHER_MS: Final = 100
_RETRY_S: Final = 0.5
_SLICE_S: Final = 0.25
_ASK_S: Final = 10.0
_SUPERSEDED: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._NO_OFFSET,  # noqa: SLF001
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
    }
)


class _Reading:
    """A librdkafka consumer and the one thread that reads it."""

    def __init__(self, settings: Mapping[str, Any], name: str) -> None:
        self._driver = Consumer(dict(settings))
        self._inbox = Inbox()
        self._pool = ThreadPoolExecutor(1, name)
        self._job: asyncio.Future[list[RawMessage]] | None = None
        self._assigned: set[Partition] = set()
        self._closed = False
        self._wishes: deque[Callable[[], None]] = deque()

    @property
    def at_end(self) -> Mapping[Partition, int]:
        """Each partition that was read to its end → the offset that comes next there."""
        return self._inbox.at_end

    async def read(self, most: int, wait_s: float) -> list[RawMessage]:
        """Return up to ``most`` records as soon as there are any, or nothing after ``wait_s`` or at an end.

        A cancelled call loses nothing: what it would have returned comes with the next one.

        Raises:
            PositionLost: a partition does not hold the offset to read from; the others go on.
            Misconfigured: the brokers deny it.
            LogUnavailable: what else makes reading impossible.
        """
        self._inbox.raise_failure()
        if self._job is None:
            loop = asyncio.get_running_loop()
            self._job = loop.run_in_executor(self._pool, self._consume, most, wait_s)
        records = await asyncio.shield(self._job)
        self._job = None
        if not records:
            self._inbox.raise_failure()
        return records

    async def close(self) -> None:
        """Stop reading; a member leaves its group, so that others take over at once."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._pool, self._driver.close)
            self._pool.shutdown(wait=False)

    def pause(self, partitions: Collection[Partition]) -> None:
        """Stop fetching these from the next read on; what was fetched ahead is dropped and comes again."""
        self._wish(lambda: self._driver.pause(_places(partitions)))

    def resume(self, partitions: Collection[Partition]) -> None:
        """Fetch these again from the next read on."""
        self._wish(lambda: self._driver.resume(_places(partitions)))

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on at ``offset`` with the next read, whatever was fetched ahead."""
        self._inbox.forget([partition])
        self._wish(lambda: self._driver.seek(_place(partition, offset)))

    def assignment(self) -> set[Partition]:
        """Return the partitions that are read now."""
        return set(self._assigned)

    def ends_seen(self) -> dict[Partition, int]:
        """Return the end of each assigned partition as of its last fetch: costs no request."""
        ends = {}
        for partition in self.assignment():
            watermarks = self._driver.get_watermark_offsets(TopicPartition(*partition), cached=True)
            if watermarks is not None and watermarks[1] >= 0:
                ends[partition] = watermarks[1]
        return ends

    def _wish(self, wish: Callable[[], None]) -> None:
        # On the loop's own thread the driver would wait for a rebalance, which waits for the loop.
        self._wishes.append(wish)

    def _grant(self) -> None:
        while self._wishes:
            try:
                self._wishes.popleft()()
            except KafkaException as exc:
                logger.debug("kafka.consumer: %s (a partition that is another's now is left alone)", exc)

    def _consume(self, most: int, wait_s: float) -> list[RawMessage]:
        # The driver's own wait lasts until the batch is full, so it waits for the first one only.
        try:
            messages: list[Any] = []
            until = time.monotonic() + wait_s
            while not messages:
                self._grant()
                left = until - time.monotonic()
                messages = self._driver.consume(1, min(max(left, 0), _SLICE_S))
                if left <= _SLICE_S:
                    break
            if messages and most > 1:
                messages += self._driver.consume(most - 1, 0)
        except KafkaException as exc:
            raise LogUnavailable(f"Kafka: {exc.args[0].str()}") from exc
        return self._inbox.sort(messages)


class Reader(_Reading):
    """Reads given partitions from given offsets, in no group: for rebuilds, audits and the control topic."""

    def __init__(self, conf: Conf, positions: Mapping[Partition, int]) -> None:
        super().__init__(consumer_settings(conf, f"{conf.topic_prefix}-reader"), "runnerq-reader")
        self._assigned = set(positions)
        self._driver.assign([_place(*each) for each in positions.items()])

    async def ends(self, timeout_s: float = 10.0) -> dict[Partition, int]:
        """Return the end of each partition, asked of the brokers now.

        Raises:
            LogUnavailable: they did not answer.
        """

        def ask() -> dict[Partition, int]:
            found = {}
            for partition in self.assignment():
                pair = self._driver.get_watermark_offsets(TopicPartition(*partition), timeout=timeout_s)
                if pair is None:
                    raise LogUnavailable(f"Kafka: no end offset of {partition[0]}[{partition[1]}] in time")
                found[partition] = pair[1]
            return found

        try:
            return await asyncio.to_thread(ask)
        except KafkaException as exc:
            raise LogUnavailable(f"Kafka: {exc.args[0].str()}") from exc


type Positions = Callable[[list[Partition]], Awaitable[Mapping[Partition, int]]]
type Revoked = Callable[[list[Partition]], Awaitable[None]]


class GroupReader(_Reading):
    """A member of a consumer group, which only shares out the partitions: where to read from, the view says.

    ``positions`` and ``on_revoke`` are awaited on the loop that made the reader, while it waits in ``read``.
    A member that vanishes loses its partitions to the others after ``session.timeout.ms``.
    """

    def __init__(
        self,
        conf: Conf,
        group: str,
        *,
        positions: Positions,
        on_revoke: Revoked | None = None,
        static_id: str | None = None,
        gather_ms: int = GATHER_MS,
    ) -> None:
        settings = follower_settings(conf, group, gather_ms)
        if static_id:
            settings["group.instance.id"] = static_id
        super().__init__(settings, f"runnerq-{group}")
        self._positions = positions
        self._on_revoke = on_revoke
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()

    def subscribe(self, topics: Collection[str]) -> None:
        """Share these topics with the group from now on; called again, it replaces the list."""
        names = sorted(topics)
        self._wish(lambda: self._driver.subscribe(names, on_assign=self._take, on_revoke=self._give))

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store the offsets in Kafka; nothing happens for a partition that is another's by now.

        Raises:
            LogUnavailable: Kafka did not answer.
        """
        if not offsets:
            return
        places = [TopicPartition(*p, offset) for p, offset in offsets.items()]
        try:
            await asyncio.to_thread(self._driver.commit, offsets=places, asynchronous=False)
        except KafkaException as exc:
            if exc.args[0].code() not in _SUPERSEDED:
                raise LogUnavailable(f"Kafka: committing: {exc.args[0].str()}") from exc

    async def close(self) -> None:
        """Leave the group."""
        self._closing.set()
        await super().close()

    def _take(self, driver: Consumer, places: list[TopicPartition]) -> None:
        partitions = [(tp.topic, tp.partition) for tp in places]
        positions = self._ask(partitions) if partitions else {}
        driver.incremental_assign([_place(p, positions.get(p, BEGINNING)) for p in partitions])
        self._assigned.update(partitions)
        logger.info("kafka.assigned %d partitions", len(partitions))

    def _give(self, _driver: Consumer, places: list[TopicPartition]) -> None:
        partitions = [(tp.topic, tp.partition) for tp in places]
        self._assigned.difference_update(partitions)
        self._inbox.forget(partitions)
        if self._on_revoke is not None and not self._loop.is_closed():
            try:
                self._await(self._on_revoke(partitions))
            except (QueueError, TimeoutError) as exc:
                logger.warning("kafka.revoked %s", exc)

    def _ask(self, partitions: list[Partition]) -> Mapping[Partition, int]:
        # Without positions nothing may be read: the view that holds them must come back first.
        while True:
            try:
                positions: Mapping[Partition, int] = self._await(self._positions(partitions))
                return positions
            except (QueueError, TimeoutError) as exc:
                logger.warning("kafka.positions are not known yet: %s", exc)
                if self._closing.wait(_RETRY_S):
                    return {}

    def _await(self, call: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await call

        asked: Future[Any] = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return asked.result(_ASK_S)
        except TimeoutError:
            asked.cancel()
            raise


def _place(partition: Partition, offset: int) -> TopicPartition:
    # Who stands at 0 has read nothing, and the records at 0 may have expired long ago.
    return TopicPartition(*partition, offset or BEGINNING)


def _places(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*p) for p in partitions]
