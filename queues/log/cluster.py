"""The cluster as one metadata answer shows it: topics, their partitions and leaders."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from queues.conf import Conf
from queues.domain.names import topic_identity
from queues.log.topics import control_topic, parse_topic


class TopicShape(NamedTuple):
    """How a topic is laid out; ``led`` tells whether every partition has a leader."""

    partitions: int
    replication: int
    in_sync: int
    led: bool


class Cluster(NamedTuple):
    """Brokers and topics at one moment (``at_s`` on the monotonic clock)."""

    brokers: int
    controller: int
    topics: Mapping[str, TopicShape]
    at_s: float

    def queues(self, conf: Conf) -> list[str]:
        """Return the queues that have topics here, sorted."""
        found = {parsed[0] for name in self.topics if (parsed := parse_topic(conf, name))}
        return sorted(found)

    def owned(self, conf: Conf) -> list[str]:
        """Return the topics under our prefix, sorted."""
        return sorted(name for name in self.topics if parse_topic(conf, name) or name == control_topic(conf))

    def collision(self, conf: Conf, queue: str) -> str:
        """Return another queue whose topics Kafka could not tell from those of ``queue``, or ``""``."""
        identity = topic_identity(queue)
        return next((q for q in self.queues(conf) if q != queue and topic_identity(q) == identity), "")

    def ready(self, names: Collection[str]) -> bool:
        """Tell whether each of the topics is there and can be written."""
        return all(name in self.topics and self.topics[name].led for name in names)


def cluster_of(metadata: Any, at_s: float) -> Cluster:
    """Return the cluster that librdkafka's metadata answer describes."""
    topics = {
        name: _shape(topic.partitions.values())
        for name, topic in metadata.topics.items()
        if topic.error is None and topic.partitions
    }
    return Cluster(len(metadata.brokers), metadata.controller_id, topics, at_s)


def _shape(partitions: Iterable[Any]) -> TopicShape:
    rows = list(partitions)
    return TopicShape(
        partitions=len(rows),
        replication=min(len(p.replicas) for p in rows),
        in_sync=min(len(p.isrs) for p in rows),
        led=all(p.leader >= 0 for p in rows),
    )
