"""Numbers of names and of partitions: made once, kept in the process, never changed in the table."""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
import psycopg

from queues.conf import Conf
from queues.domain.codes import NameKind, TopicCode, topic_code
from queues.index import statements
from queues.index.gather import SourceRef
from queues.index.reads import kind_of
from queues.log.topics import parse_topic, topic_name

MOST_NAMES: Final = 100_000
type Partition = tuple[str, int]
_encode: Final = msgspec.json.Encoder().encode


class Dictionary:
    """The numbers that one indexer knows; ``forget`` when the tables may have been emptied."""

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self.names: dict[tuple[NameKind, str], int] = {}
        self.sources: dict[Partition, SourceRef] = {}
        self.firsts: dict[tuple[str, TopicCode, int], int] = {}

    def forget(self) -> None:
        """Look everything up again."""
        self.names.clear()
        self.sources.clear()
        self.firsts.clear()

    async def ensure_names(
        self, connection: psycopg.AsyncConnection[Any], wanted: Collection[tuple[NameKind, str]]
    ) -> None:
        """Give each name a number. Commits by itself: a number that is known here is in the table for good."""
        if len(self.names) > MOST_NAMES:
            self.names.clear()
        missing = sorted(name for name in wanted if name not in self.names)
        if not missing:
            return
        given = _encode([{"kind": kind, "name": name} for kind, name in missing]).decode()
        await connection.execute(statements.ADD_NAMES, [given])
        rows = await (await connection.execute(statements.NAMES, [given])).fetchall()
        self.names.update({(NameKind(kind), name): number for kind, name, number in rows})

    async def ensure_sources(
        self, connection: psycopg.AsyncConnection[Any], partitions: Iterable[Partition]
    ) -> dict[Partition, int]:
        """Give each partition a number; return how far the index has read each that it has read at all."""
        wanted = {p: parsed for p in partitions if (parsed := parse_topic(self._conf, p[0]))}
        await self.ensure_names(connection, {(NameKind.QUEUE, queue) for queue, _, _ in wanted.values()})
        given = _encode(
            [
                {
                    "topic": topic,
                    "partition": partition,
                    "queue_id": self.names[NameKind.QUEUE, queue],
                    "code": topic_code(kind, band),
                }
                for (topic, partition), (queue, kind, band) in wanted.items()
            ]
        ).decode()
        await connection.execute(statements.ADD_SOURCES, [given])
        rows = await (await connection.execute(statements.SOURCES, [given])).fetchall()
        stand: dict[Partition, int] = {}
        for topic, partition, number, queue_id, code, next_offset in rows:
            queue = wanted[topic, partition][0]
            self.sources[topic, partition] = SourceRef(number, queue, queue_id, TopicCode(code), partition)
            self.firsts[queue, TopicCode(code), partition] = number
            if next_offset >= 0:
                stand[topic, partition] = next_offset
        return stand

    async def ensure_firsts(
        self, connection: psycopg.AsyncConnection[Any], wanted: Iterable[tuple[str, TopicCode, int]]
    ) -> None:
        """Give each partition that holds a first record a number, whether or not it is read here."""
        missing = [first for first in wanted if first not in self.firsts]
        if missing:
            await self.ensure_sources(connection, [(self._topic(q, code), part) for q, code, part in missing])

    def _topic(self, queue: str, code: TopicCode) -> str:
        kind, band = kind_of(code)
        return topic_name(self._conf, queue, kind, band)
