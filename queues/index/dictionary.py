"""Numbers of names and of partitions: made once, kept in the process, never changed in the table."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
import psycopg

from queues.conf import Conf
from queues.domain.codes import NameKind, topic_code
from queues.index import statements
from queues.index.gather import Gathered, SourceRef, source_ref
from queues.index.reads import kind_of
from queues.log.topics import parse_topic, topic_name

MOST_NAMES: Final = 100_000
type Partition = tuple[str, int]
_encode: Final = msgspec.json.Encoder().encode


class Dictionary:
    """The numbers that one indexer knows; ``forget`` when the tables may have been emptied."""

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self.queues: dict[str, int] = {}
        self.types: dict[str, int] = {}
        self.workers: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.sources: dict[Partition, SourceRef] = {}
        self.firsts: dict[tuple[str, int, int], int] = {}
        """(queue, topic code, partition) → number of the source."""

    def forget(self) -> None:
        """Look everything up again."""
        for known in (self.queues, self.types, self.workers, self.errors, self.sources, self.firsts):
            known.clear()

    async def ensure(self, connection: psycopg.AsyncConnection[Any], gathered: Gathered) -> None:
        """Give a number to all that a batch names. Commits by itself: what is known here is there for good."""
        await self._ensure_names(connection, NameKind.TYPE, self.types, gathered.types)
        await self._ensure_names(connection, NameKind.WORKER, self.workers, gathered.workers)
        await self._ensure_names(connection, NameKind.ERROR, self.errors, gathered.errors)
        missing = gathered.firsts - self.firsts.keys()
        if missing:
            await self.ensure_sources(connection, [(self._topic(q, code), part) for q, code, part in missing])

    async def _ensure_names(
        self,
        connection: psycopg.AsyncConnection[Any],
        kind: NameKind,
        known: dict[str, int],
        wanted: AbstractSet[str],
    ) -> None:
        missing = wanted - known.keys()
        if not missing:
            return
        if len(known) > MOST_NAMES:
            known.clear()
            missing = set(wanted)
        given = _encode([{"kind": kind, "name": name} for name in sorted(missing)]).decode()
        await connection.execute(statements.ADD_NAMES, [given])
        rows = await (await connection.execute(statements.NAMES, [given])).fetchall()
        known.update({name: number for _, name, number in rows})

    async def ensure_sources(
        self, connection: psycopg.AsyncConnection[Any], partitions: Iterable[Partition]
    ) -> dict[Partition, int]:
        """Give each partition a number; return how far the index has read each that it has read at all."""
        wanted = {p: parsed for p in partitions if (parsed := parse_topic(self._conf, p[0]))}
        queues = {queue for queue, _, _ in wanted.values()}
        await self._ensure_names(connection, NameKind.QUEUE, self.queues, queues)
        given = _encode(
            [
                {
                    "topic": topic,
                    "partition": partition,
                    "queue_id": self.queues[queue],
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
            self.sources[topic, partition] = source_ref(number, queue, queue_id, code, partition)
            self.firsts[queue, code, partition] = number
            if next_offset >= 0:
                stand[topic, partition] = next_offset
        return stand

    def _topic(self, queue: str, code: int) -> str:
        kind, band = kind_of(code)
        return topic_name(self._conf, queue, kind, band)
