"""What topics should be and are not, and the changes that mend it: decided here, carried out by LogAdmin."""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from queues.conf import Conf
from queues.domain.errors import TopicCollision
from queues.domain.priority import BANDS, Band
from queues.domain.record import STAGES, Kind
from queues.log.cluster import Cluster
from queues.log.topics import (
    CRITICAL_SETTINGS,
    control_settings,
    control_topic,
    parse_topic,
    queue_topics,
    satisfies,
    topic_settings,
)


class Action(StrEnum):
    """What a change does to a topic."""

    CREATE = "create"
    GROW = "grow"
    ALTER = "alter"


class Change(NamedTuple):
    """One change: CREATE with partitions and settings, GROW to ``partitions``, ALTER to ``settings``."""

    action: Action
    topic: str
    partitions: int
    settings: Mapping[str, str]

    def text(self) -> str:
        """Say it in a line."""
        settings = " ".join(f"{key}={value}" for key, value in self.settings.items())
        match self.action:
            case Action.CREATE:
                return f"create {self.topic} with {self.partitions} partitions: {settings}"
            case Action.GROW:
                return f"grow {self.topic} to {self.partitions} partitions"
            case Action.ALTER:
                return f"alter {self.topic}: {settings}"


class Drift(NamedTuple):
    """A setting that is not as wanted; a critical one loses or refuses records."""

    key: str
    found: str
    wanted: str
    critical: bool


_AT_LEAST: Final = frozenset({"retention.ms", "min.insync.replicas"})


def drifts(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[Drift]:
    """Return what differs; more retention and more replicas in sync than wanted are fine."""
    return [
        Drift(key, found.get(key, ""), value, key in CRITICAL_SETTINGS)
        for key, value in wanted.items()
        if not (
            _enough(found.get(key, ""), value)
            if key in _AT_LEAST
            else satisfies(key, found.get(key, ""), value)
        )
    ]


def _enough(found: str, wanted: str) -> bool:
    return found == "-1" or (found.isdigit() and int(found) >= int(wanted))


def settings_wanted(conf: Conf, topic: str) -> dict[str, str]:
    """Return what the settings of one of our topics should be."""
    parsed = parse_topic(conf, topic)
    return topic_settings(conf, parsed[1]) if parsed else control_settings(conf)


def partitions_of_new(conf: Conf, wanted: Mapping[str, Kind], cluster: Cluster) -> int:
    """Return with how many partitions a queue's missing topics are made.

    An activity keeps its partition in every stage: a new band may not have more than the settled topics.
    """
    there = [
        cluster.topics[name].partitions
        for name, kind in wanted.items()
        if name in cluster.topics and kind in STAGES and kind is not Kind.PENDING
    ]
    return min(there, default=conf.partitions)


def changes_for(
    conf: Conf,
    cluster: Cluster,
    settings: Mapping[str, Mapping[str, str]],
    queues: Collection[str],
    bands: Iterable[Band] = (Band.NORMAL,),
    partitions: int = 0,
) -> list[Change]:
    """Return what makes the control topic and these queues' topics as they should be, in a safe order.

    Args:
        conf: settings.
        cluster: what is there.
        settings: topic → effective settings, of what is there.
        queues: whose topics.
        bands: pending topics that must exist; those that exist anyway are looked after too.
        partitions: grow the queues' stage topics to so many; 0 leaves them.

    Raises:
        TopicCollision: two of the queues have topics that Kafka could not tell apart.
    """
    changes = _creation(conf, cluster, {control_topic(conf): Kind.STATE}, 1)
    changes += _alteration(conf, cluster, settings, [control_topic(conf)])
    for queue in queues:
        if other := cluster.collision(conf, queue):
            raise TopicCollision(f"queue {queue!r}: its topics cannot be told from those of {other!r}")
        changes += _changes_of_queue(conf, cluster, settings, queue, set(bands), partitions)
    return changes


def _changes_of_queue(
    conf: Conf,
    cluster: Cluster,
    settings: Mapping[str, Mapping[str, str]],
    queue: str,
    bands: set[Band],
    partitions: int,
) -> list[Change]:
    every = queue_topics(conf, queue, BANDS)
    asked = queue_topics(conf, queue, tuple(bands))
    wanted = {name: kind for name, kind in every.items() if name in asked or name in cluster.topics}
    least = max(
        [partitions]
        + [
            cluster.topics[n].partitions
            for n, kind in wanted.items()
            if n in cluster.topics and kind is Kind.PENDING
        ]
    )
    grow = [
        Change(Action.GROW, name, least, {})
        for name, kind in wanted.items()
        if name in cluster.topics
        and cluster.topics[name].partitions < (least if kind is not Kind.PENDING else partitions)
    ]
    # Growing comes first: what is made then may have as many partitions as the settled topics will.
    count = max(least, partitions_of_new(conf, wanted, cluster))
    return grow + _creation(conf, cluster, wanted, count) + _alteration(conf, cluster, settings, wanted)


def _creation(conf: Conf, cluster: Cluster, wanted: Mapping[str, Kind], count: int) -> list[Change]:
    return [
        Change(Action.CREATE, name, count, topic_settings(conf, kind))
        for name, kind in wanted.items()
        if name not in cluster.topics
    ]


def _alteration(
    conf: Conf, cluster: Cluster, settings: Mapping[str, Mapping[str, str]], names: Iterable[str]
) -> list[Change]:
    found = {
        name: drifts(settings.get(name, {}), settings_wanted(conf, name))
        for name in names
        if name in cluster.topics
    }
    return [
        Change(Action.ALTER, name, 0, {drift.key: drift.wanted for drift in drifted})
        for name, drifted in found.items()
        if drifted
    ]
