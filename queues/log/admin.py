"""The log's administration: a queue's topics come to be, and what the brokers know of them is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from queues.domain.errors import LogUnavailable, Misconfigured, TopicCollision
from queues.domain.names import valid_queue
from queues.domain.priority import Band
from queues.log.plan import Action, Change, drifts, partitions_of_new
from queues.log.session import PAUSE_S, SOON_S, AdminSession, all_answers
from queues.log.topics import control_settings, control_topic, queue_topics, topic_settings

APPLY_HINT: Final = "run `manage.py topics --apply`"
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]

type Partition = tuple[str, int]


class LogAdmin(AdminSession):
    """Questions and changes that concern whole topics; safe to use from several processes at once."""

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has, as of a few seconds ago; 0 when it does not exist."""
        cluster = await self.cluster()
        if topic not in cluster.topics:
            cluster = await self.cluster(SOON_S)
        shape = cluster.topics.get(topic)
        return shape.partitions if shape else 0

    async def list_queues(self) -> list[str]:
        """Return the queues that have topics, sorted."""
        return (await self.cluster(SOON_S)).queues(self.conf)

    async def create_queue_topics(self, queue: str, bands: Iterable[Band] = (Band.NORMAL,)) -> bool:
        """Make the queue's topics exist and be writable; tell whether all of them are new. Idempotent.

        Raises:
            TopicCollision: Kafka could not tell them from another queue's; nothing was made.
            Misconfigured: a topic has settings under which records get lost or refused, or topics are
                missing and this process may not make them.
            LogUnavailable: no broker answered; some may have been made.
        """
        wanted = queue_topics(self.conf, valid_queue(queue), tuple(bands))
        cluster = await self.cluster(0)
        if other := cluster.collision(self.conf, queue):
            raise _collision(queue, other)
        present = [name for name in wanted if name in cluster.topics]
        await self._require_settings({name: topic_settings(self.conf, wanted[name]) for name in present})
        missing = [name for name in wanted if name not in cluster.topics]
        count = partitions_of_new(self.conf, wanted, cluster)
        made = await self._create(
            [Change(Action.CREATE, name, count, topic_settings(self.conf, wanted[name])) for name in missing]
        )
        if not cluster.ready(wanted):
            await self._until_ready(wanted)
        # Made by another since we looked, perhaps not by one of ours.
        others = [name for name in missing if name not in made]
        await self._require_settings({name: topic_settings(self.conf, wanted[name]) for name in others})
        return not present and not others

    async def create_control_topic(self) -> None:
        """Make the control topic exist and be writable. Idempotent; raises as ``create_queue_topics``."""
        name, settings = control_topic(self.conf), control_settings(self.conf)
        if (await self.cluster()).ready([name]):
            return
        if name in (await self.cluster(0)).topics:
            await self._require_settings({name: settings})
        else:
            await self._create([Change(Action.CREATE, name, 1, settings)])
        await self._until_ready([name])

    async def apply(self, changes: Sequence[Change]) -> None:
        """Carry out what ``plan.changes_for`` returned, in its order; return when the brokers show it.

        Raises:
            Misconfigured: the brokers deny or refuse a change; those before it are done.
            LogUnavailable: no broker answered; the same again later does what is left.
        """
        for change in changes:
            match change.action:
                case Action.CREATE:
                    await self._create([change], asked_for=True)
                case Action.GROW:
                    await self._grow(change)
                case Action.ALTER:
                    await self._alter(change)
        await self._until(lambda: self._applied(changes), "the brokers do not show the changes")

    async def settings_of(self, topics: Collection[str]) -> dict[str, dict[str, str]]:
        """Return the effective settings of each topic.

        Raises:
            LogUnavailable: no broker answered.
        """
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        if not resources:
            return {}
        answers = await self.settled(
            lambda: self.client.describe_configs(resources, request_timeout=self.timeout_s)
        )
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
        answers = await self.settled(
            lambda: self.client.list_consumer_group_offsets([request], request_timeout=self.timeout_s)
        )
        return {
            (tp.topic, tp.partition): tp.offset for tp in answers[group].topic_partitions if tp.offset >= 0
        }

    async def _create(self, changes: Collection[Change], *, asked_for: bool = False) -> set[str]:
        """Make the topics; return which of them did not exist."""
        if not changes:
            return set()
        if not (self.conf.create_topics or asked_for):
            names = ", ".join(change.topic for change in changes)
            raise Misconfigured(f"topics are missing and CREATE_TOPICS is off: {names}: {APPLY_HINT}")
        new = [
            NewTopic(
                change.topic,
                num_partitions=change.partitions,
                replication_factor=self.conf.replication,
                config=dict(change.settings),
            )
            for change in changes
        ]
        answers = await all_answers(
            self.client.create_topics(new, operation_timeout=self.timeout_s, request_timeout=self.timeout_s)
        )
        for name, answer in answers.items():
            if isinstance(answer, BaseException) and not _exists(answer):
                raise self._not_created(name, answer) from answer
        return {name for name, answer in answers.items() if not isinstance(answer, BaseException)}

    async def _applied(self, changes: Sequence[Change]) -> bool:
        cluster = await self.cluster(0)
        if not cluster.ready([change.topic for change in changes]):
            return False
        found = await self.settings_of([change.topic for change in changes])
        return not any(
            drifts(found[change.topic], change.settings)
            or cluster.topics[change.topic].partitions < change.partitions
            for change in changes
        )

    async def _grow(self, change: Change) -> None:
        more = [NewPartitions(change.topic, change.partitions)]
        await self.settled(lambda: self.client.create_partitions(more, request_timeout=self.timeout_s))

    async def _alter(self, change: Change) -> None:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in change.settings.items()
        ]
        altered = [ConfigResource(ResourceType.TOPIC, change.topic, incremental_configs=entries)]
        await self.settled(
            lambda: self.client.incremental_alter_configs(altered, request_timeout=self.timeout_s)
        )

    def _not_created(self, name: str, exc: BaseException) -> BaseException:
        if not isinstance(exc, KafkaException):
            return exc
        error = exc.args[0]
        if error.code() == KafkaError.TOPIC_EXCEPTION and "collides" in error.str():
            return _collision(name, error.str())
        return self.translated(error, f"creating topic {name}")

    async def _require_settings(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        try:
            found = await self.settings_of(wanted)
        except Misconfigured:
            # Who may only read and write cannot look: `topics` and `doctor` are for those who can.
            return
        wrong = [
            f"{name}: {drift.key} is {drift.found}, must be {drift.wanted}"
            for name, settings in wanted.items()
            for drift in drifts(found[name], settings)
            if drift.critical
        ]
        if wrong:
            raise Misconfigured(f"{'; '.join(wrong)}: {APPLY_HINT}")

    async def _until_ready(self, names: Collection[str]) -> None:
        async def ready() -> bool:
            return (await self.cluster(0)).ready(names)

        await self._until(ready, f"topics without a leader: {', '.join(names)}")

    async def _until(self, condition: Callable[[], Awaitable[bool]], else_: str) -> None:
        deadline = time.monotonic() + self.timeout_s
        while not await condition():
            if time.monotonic() > deadline:
                raise LogUnavailable(f"after {self.timeout_s:.0f} s: {else_}")
            await asyncio.sleep(PAUSE_S)

    async def _offsets(self, partitions: Collection[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        if not partitions:
            return {}
        asked = {TopicPartition(*p): spec for p in partitions}
        answers = await self.settled(lambda: self.client.list_offsets(asked, request_timeout=self.timeout_s))
        return {(tp.topic, tp.partition): answer.offset for tp, answer in answers.items()}


def _exists(exc: BaseException) -> bool:
    return isinstance(exc, KafkaException) and exc.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS


def _collision(queue: str, other: str) -> TopicCollision:
    return TopicCollision(
        f"queue {queue!r}: its topics cannot be told from those of {other!r}"
        " ('.' counts as '_', and case is ignored): choose another name"
    )
