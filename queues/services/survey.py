"""The survey: each topic as it is and should be, each partition with how far both views have read it."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from queues.domain.errors import HotUnavailable, IndexUnavailable
from queues.domain.record import STAGES
from queues.hot import reads as hot_reads
from queues.hot.keys import code_of
from queues.log.plan import Drift, drifts, settings_wanted
from queues.log.topics import control_topic, parse_topic
from queues.services.backbone import Backbone

type Partition = tuple[str, int]
type Positions = Mapping[Partition, int]


class PartitionRow(NamedTuple):
    """A partition: its records lie from ``begin`` up to ``end``; a view that has read nothing has no position."""

    partition: int
    begin: int
    end: int
    hot_at: int | None
    index_at: int | None

    def lag(self, position: int | None) -> int:
        """Return how many offsets a view that stands at ``position`` has before it."""
        return max(self.end - max(position or 0, self.begin), 0)


class TopicRow(NamedTuple):
    """A topic of ours; ``queue`` is empty for the control topic, which no view reads."""

    name: str
    queue: str
    kind: str
    replication: int
    in_sync: int
    cleanup: str
    settings: Mapping[str, str]
    drift: tuple[Drift, ...]
    partitions: tuple[PartitionRow, ...]
    in_hot: bool
    in_index: bool

    @property
    def hot_lag(self) -> int | None:
        """How far the hot view is behind; None when it does not read this topic."""
        return sum(row.lag(row.hot_at) for row in self.partitions) if self.in_hot else None

    @property
    def index_lag(self) -> int | None:
        """How far the index is behind; None when it does not read this topic."""
        return sum(row.lag(row.index_at) for row in self.partitions) if self.in_index else None


class Survey(NamedTuple):
    """Every topic of ours, and why a view's positions are missing, if they are."""

    brokers: int
    topics: tuple[TopicRow, ...]
    hot_error: str
    index_error: str


async def survey_topics(b: Backbone, queues: Collection[str] = ()) -> Survey:
    """Return the topics of ``queues`` (none named: of all), and the control topic.

    Raises:
        LogUnavailable: no broker answered; a view that is away is told in the answer.
    """
    cluster = await b.admin.cluster(0)
    names = [name for name in cluster.owned(b.conf) if _wanted(b, name, queues)]
    settings = await b.admin.settings_of(names)
    partitions = [(name, p) for name in names for p in range(cluster.topics[name].partitions)]
    begin, end = await b.admin.begin_offsets(partitions), await b.admin.end_offsets(partitions)
    hot, hot_error = await _hot_positions(b, names)
    index, index_error = await _index_positions(b)
    topics = []
    for name in names:
        parsed, shape = parse_topic(b.conf, name), cluster.topics[name]
        rows = [
            PartitionRow(p, begin[name, p], end[name, p], hot.get((name, p)), index.get((name, p)))
            for p in range(shape.partitions)
        ]
        found = settings[name]
        topics.append(
            TopicRow(
                name=name,
                queue=parsed[0] if parsed else "",
                kind=parsed[1].value if parsed else "control",
                replication=shape.replication,
                in_sync=shape.in_sync,
                cleanup=found.get("cleanup.policy", ""),
                settings=found,
                drift=tuple(drifts(found, settings_wanted(b.conf, name))),
                partitions=tuple(rows),
                in_hot=not hot_error and parsed is not None and parsed[1] in STAGES,
                in_index=not index_error and any((name, row.partition) in index for row in rows),
            )
        )
    return Survey(cluster.brokers, tuple(topics), hot_error, index_error)


def _wanted(b: Backbone, name: str, queues: Collection[str]) -> bool:
    if not queues or name == control_topic(b.conf):
        return True
    parsed = parse_topic(b.conf, name)
    return parsed is not None and parsed[0] in queues


async def _hot_positions(b: Backbone, names: Collection[str]) -> tuple[Positions, str]:
    staged = {name: parsed for name in names if (parsed := parse_topic(b.conf, name)) and parsed[1] in STAGES}
    found: dict[Partition, int] = {}
    try:
        stood = {queue: await hot_reads.positions(b.hot, queue) for queue, _, _ in set(staged.values())}
    except HotUnavailable as exc:
        return {}, str(exc)
    for name, (queue, kind, band) in staged.items():
        code = code_of(kind, band)
        for field, offset in stood[queue].items():
            letter, _, partition = field.partition(":")
            if letter == code:
                found[name, int(partition)] = offset
    return found, ""


async def _index_positions(b: Backbone) -> tuple[Positions, str]:
    from queues.index.reads import positions  # noqa: PLC0415 -- only who looks at the index needs PostgreSQL

    try:
        return await positions(await b.index()), ""
    except IndexUnavailable as exc:
        return {}, str(exc)
