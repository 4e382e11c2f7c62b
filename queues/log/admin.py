"""The log's administration: a queue's topics come to be, and what the brokers know of them is told."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from queues.conf import Conf
from queues.domain.errors import LogUnavailable, Misconfigured, QueueError, TopicCollision
from queues.domain.names import valid_queue
from queues.domain.priority import Band
from queues.domain.record import STAGES, Kind
from queues.log.cluster import Cluster, cluster_of
from queues.log.settings import client_settings
from queues.log.topics import (
    CONTROL,
    CRITICAL_SETTINGS,
    control_settings,
    control_topic,
    queue_topics,
    satisfies,
    topic_settings,
)

FRESH_S: Final = 10.0
APPLY_HINT: Final = "run `manage.py topics --apply`"
_SOON_S: Final = 1.0
_PAUSE_S: Final = 0.05
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]

type Partition = tuple[str, int]


class LogAdmin:
    """Questions and changes that concern whole topics; safe to use from several processes at once."""

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._timeout_s = conf.append_timeout_s
        self._client: AdminClient | None = None
        self._cluster: Cluster | None = None
        self._asking: asyncio.Task[Cluster] | None = None

    async def close(self) -> None:
        """Drop the connection."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.__exit__, None, None, None)

    async def cluster(self, max_age_s: float = FRESH_S) -> Cluster:
        """Return brokers and topics as of at most ``max_age_s`` ago.

        Raises:
            LogUnavailable: no broker answered.
        """
        if self._cluster is not None and time.monotonic() - self._cluster.at_s <= max_age_s:
            return self._cluster
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has, as of a few seconds ago; 0 when it does not exist."""
        cluster = await self.cluster()
        if topic not in cluster.topics:
            cluster = await self.cluster(_SOON_S)
        shape = cluster.topics.get(topic)
        return shape.partitions if shape else 0

    async def list_queues(self) -> list[str]:
        """Return the queues that have topics, sorted."""
        return (await self.cluster(_SOON_S)).queues(self._conf)

    async def create_queue_topics(self, queue: str, bands: Iterable[Band] = (Band.NORMAL,)) -> bool:
        """Make the queue's topics exist and be writable; tell whether all of them are new. Idempotent.

        Raises:
            TopicCollision: Kafka could not tell them from another queue's; nothing was made.
            Misconfigured: a topic has settings under which records get lost or refused, or topics are
                missing and this process may not make them.
            LogUnavailable: no broker answered; some may have been made.
        """
        wanted = queue_topics(self._conf, valid_queue(queue), tuple(bands))
        cluster = await self.cluster(0)
        if other := cluster.collision(self._conf, queue):
            raise _collision(queue, other)
        present = [name for name in wanted if name in cluster.topics]
        if present:
            await self._require_settings({name: topic_settings(self._conf, wanted[name]) for name in present})
        missing = {name: kind for name, kind in wanted.items() if name not in cluster.topics}
        made = 0
        if missing:
            count = self._partitions_of_new(wanted, cluster)
            made = await self._create(
                {name: (count, topic_settings(self._conf, kind)) for name, kind in missing.items()}, queue
            )
            await self._until_ready(wanted)
        return bool(missing) and not present and made == len(missing)

    async def create_control_topic(self) -> None:
        """Make the control topic exist and be writable. Idempotent; raises as ``create_queue_topics``."""
        name, settings = control_topic(self._conf), control_settings(self._conf)
        if name in (await self.cluster()).topics:
            return
        if name in (await self.cluster(0)).topics:
            await self._require_settings({name: settings})
        else:
            await self._create({name: (1, settings)}, CONTROL)
        await self._until_ready([name])

    async def settings_of(self, topics: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the effective settings of each topic.

        Raises:
            LogUnavailable: no broker answered.
        """
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        if not resources:
            return {}
        answers = await _answers(self._admin().describe_configs(resources, request_timeout=self._timeout_s))
        return {
            resource.name: {key: str(entry.value) for key, entry in entries.items()}
            for resource, entries in answers.items()
        }

    async def end_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the offset that each partition's next record gets."""
        return await self._offsets(partitions, _LATEST)

    async def begin_offsets(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return the offset of the oldest record that each partition still has."""
        return await self._offsets(partitions, _EARLIEST)

    async def offsets_for_time(self, partitions: Collection[Partition], at_ms: int) -> dict[Partition, int]:
        """Return the first offset appended at ``at_ms`` or later; a partition without one is left out."""
        found = await self._offsets(partitions, OffsetSpec.for_timestamp(at_ms))
        return {partition: offset for partition, offset in found.items() if offset >= 0}

    async def committed(self, group: str, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Return what the group has committed; a partition without it is left out."""
        if not partitions:
            return {}
        request = ConsumerGroupTopicPartitions(group, [TopicPartition(*p) for p in partitions])
        answers = await self._settled(
            lambda: self._admin().list_consumer_group_offsets([request], request_timeout=self._timeout_s)
        )
        return {
            (tp.topic, tp.partition): tp.offset for tp in answers[group].topic_partitions if tp.offset >= 0
        }

    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(client_settings(self._conf))
        return self._client

    async def _ask(self) -> Cluster:
        client = self._admin()
        began = time.monotonic()
        try:
            metadata = await asyncio.to_thread(client.list_topics, timeout=self._timeout_s)
        except KafkaException as exc:
            raise _translated(exc.args[0], self._conf.brokers) from exc
        self._cluster = cluster_of(metadata, began)
        return self._cluster

    def _partitions_of_new(self, wanted: Mapping[str, Kind], cluster: Cluster) -> int:
        # An activity keeps its partition in every stage: a new band may not have more than those.
        there = [
            cluster.topics[name].partitions
            for name, kind in wanted.items()
            if name in cluster.topics and kind in STAGES and kind is not Kind.PENDING
        ]
        return min(there, default=self._conf.partitions)

    async def _create(self, topics: Mapping[str, tuple[int, dict[str, str]]], queue: str) -> int:
        if not self._conf.create_topics:
            raise Misconfigured(
                f"topics are missing and CREATE_TOPICS is off: {', '.join(topics)}: {APPLY_HINT}"
            )
        new = [
            NewTopic(name, num_partitions=count, replication_factor=self._conf.replication, config=settings)
            for name, (count, settings) in topics.items()
        ]
        futures = self._admin().create_topics(
            new, operation_timeout=self._timeout_s, request_timeout=self._timeout_s
        )
        answers = await asyncio.gather(*map(asyncio.wrap_future, futures.values()), return_exceptions=True)
        for name, answer in zip(futures, answers, strict=True):
            if (
                isinstance(answer, KafkaException)
                and answer.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS
            ):
                raise _not_created(name, queue, answer.args[0], self._conf.brokers) from answer
        return sum(not isinstance(answer, BaseException) for answer in answers)

    async def _require_settings(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        found = await self.settings_of(wanted)
        wrong = [
            f"{name}: {key} is {found[name].get(key)}, must be {settings[key]}"
            for name, settings in wanted.items()
            for key in sorted(CRITICAL_SETTINGS)
            if not satisfies(key, found[name].get(key, ""), settings[key])
        ]
        if wrong:
            raise Misconfigured(f"{'; '.join(wrong)}: {APPLY_HINT}")

    async def _until_ready(self, names: Collection[str]) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not (await self.cluster(0)).ready(names):
            if time.monotonic() > deadline:
                raise LogUnavailable(
                    f"topics without a leader after {self._timeout_s:.0f} s: {', '.join(names)}"
                )
            await asyncio.sleep(_PAUSE_S)

    async def _offsets(self, partitions: Collection[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        if not partitions:
            return {}
        asked = {TopicPartition(*p): spec for p in partitions}
        answers = await self._settled(
            lambda: self._admin().list_offsets(asked, request_timeout=self._timeout_s)
        )
        return {(tp.topic, tp.partition): answer.offset for tp, answer in answers.items()}

    async def _settled(self, ask: Callable[[], Mapping[Any, Future[Any]]]) -> dict[Any, Any]:
        """Return the answers, asked again while leaders or coordinators are on the move."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return await _answers(ask())
            except _Settling as exc:
                if time.monotonic() > deadline:
                    raise LogUnavailable(str(exc)) from exc
                await asyncio.sleep(_PAUSE_S)


class _Settling(LogUnavailable):
    """A partition or group is between two leaders, or so new that its leader does not know it yet."""


async def _answers(futures: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
    # All are awaited before one is raised: a client that is dropped with answers under way can hang the exit.
    found = await asyncio.gather(*map(asyncio.wrap_future, futures.values()), return_exceptions=True)
    for answer in found:
        if isinstance(answer, KafkaException):
            error = answer.args[0]
            raise (
                _Settling(error.str()) if error.retriable() or error.code() in _MOVING else _translated(error)
            )
        if isinstance(answer, BaseException):
            raise answer
    return dict(zip(futures, found, strict=True))


def _collision(queue: str, other: str) -> TopicCollision:
    return TopicCollision(
        f"queue {queue!r}: its topics cannot be told from those of {other!r}"
        " ('.' counts as '_', and case is ignored): choose another name"
    )


def _not_created(name: str, queue: str, error: KafkaError, brokers: str) -> QueueError:
    if error.code() == KafkaError.TOPIC_EXCEPTION and "collides" in error.str():
        return _collision(queue, error.str())
    return _translated(error, brokers, f"creating topic {name}")


_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
_DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
_REFUSED: Final = frozenset(
    {
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.TOPIC_EXCEPTION,
    }
)


def _translated(error: KafkaError, brokers: str = "", doing: str = "") -> QueueError:
    text = f"{doing + ': ' if doing else ''}{error.str()}"
    if error.code() in _DENIED:
        return Misconfigured(
            f"Kafka denies it: {text}: `manage.py topics --plan` lists the rights that are needed"
        )
    if error.code() in _REFUSED:
        return Misconfigured(f"Kafka refuses it: {text}")
    return LogUnavailable(f"Kafka{' at ' + brokers if brokers else ''}: {text}")
