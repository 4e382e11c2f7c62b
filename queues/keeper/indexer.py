"""The indexer keeps the index view: it folds what the log brings into PostgreSQL, and moves its positions with it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from queues import observe
from queues.domain.errors import PositionLost
from queues.domain.record import Kind
from queues.index.fold import Batch
from queues.index.gather import Gathered, gather
from queues.index.marks import Dirty
from queues.index.store import IndexStore, PositionMoved
from queues.keeper.directory import Directory
from queues.keeper.index_chores import IndexChores
from queues.keeper.loop import Loop
from queues.log.consumer import GroupReader, RawMessage
from queues.services import live
from queues.services.backbone import Backbone

logger = logging.getLogger(__name__)
WAIT_S = 0.2
LINGER_S = 0.2
"""At most so many writes a second: what happens to an activity meanwhile costs one row."""
INDEXED = frozenset(Kind) - {Kind.STATE}

type Partition = tuple[str, int]
type OnCommit = Callable[[Mapping[Partition, int], Dirty], Awaitable[None]]


class Indexer(Loop):
    """One member of the indexers' group: read → fold → write rows and positions → tell."""

    name = "indexer"
    rest_s = 0.0

    def __init__(
        self,
        b: Backbone,
        directory: Directory,
        *,
        group: str = "",
        member: str = "",
        linger_s: float = LINGER_S,
        on_commit: OnCommit | None = None,
    ) -> None:
        self._b = b
        self._directory = directory
        self._group = group or f"{b.conf.topic_prefix}-indexer"
        self._member = member or None
        self._linger_s = linger_s
        self._store = IndexStore(b.conf)
        self._chores = IndexChores(b, on_commit or live.on_commit)
        self._reader: GroupReader | None = None
        self._version = -1
        self._stood: dict[Partition, int] = {}
        """Where the index stands, as far as this indexer knows; -1: nothing was read."""
        self._held: list[RawMessage] = []
        self._ahead: asyncio.Task[list[RawMessage]] | None = None
        self._wrote_at = 0.0

    async def start(self) -> None:
        """Join the group."""
        if self._reader is None:
            self._reader = GroupReader(
                self._b.conf,
                self._group,
                positions=self._stand,
                on_revoke=self._revoked,
                static_id=self._member,
            )
        self._chores.start()

    async def step(self) -> int:
        """Index what has come; return how many records. What fails stays held and is written by the next step."""
        await self._follow_directory()
        try:
            await self._collect()
        except PositionLost as exc:
            await self._go_on_without_lost(exc)
            return 0
        if {m[:2] for m in self._held} - self._store.dictionary.sources.keys():
            await self._stand_anew()
            return 0
        gathered = gather(self._held, self._store.dictionary.sources, self._store.at)
        self._reach_ends(gathered)
        if not gathered.ends:
            self._held = []
            return 0
        try:
            batch = await self._store.write(gathered)
        except PositionMoved:
            await self._stand_anew()
            return 0
        self._held = []
        self._wrote_at = time.monotonic()
        self._tell(gathered, batch)
        return batch.records

    async def close(self) -> None:
        """Leave the group, so that another indexer takes over at once."""
        await self._chores.close()
        await self._leave()
        await self._store.close()

    async def _leave(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        if self._reader is not None:
            await self._reader.close()
        self._reader, self._held, self._stood, self._version = None, [], {}, -1

    async def _stand(self, partitions: list[Partition]) -> Mapping[Partition, int]:
        stood = await self._store.stand(partitions)
        self._stood |= {partition: stood.get(partition, -1) for partition in partitions}
        self._chores.committed(stood, {})
        return stood

    async def _follow_directory(self) -> None:
        await self._directory.refresh()
        reader = self._reader
        assert reader is not None
        if self._version != self._directory.version:
            topics = [topic for topic, (_, kind, _) in self._directory.topics.items() if kind in INDEXED]
            if topics:
                reader.subscribe(topics)
            self._version = self._directory.version

    async def _collect(self) -> None:
        """Hold up to a batch; after a write, give the next records time to gather."""
        reader, most = self._reader, self._b.conf.index_batch
        assert reader is not None
        if self._held:
            return
        ahead, self._ahead = self._ahead, None
        self._held = await (ahead or reader.read(most, WAIT_S))
        left_s = self._wrote_at + self._linger_s - time.monotonic()
        if 0 < len(self._held) < most and left_s > 0:
            await asyncio.sleep(left_s)
            self._held += await reader.read(most - len(self._held), 0)
        elif len(self._held) == most:
            # A backlog: the next batch is read while PostgreSQL works on this one.
            self._ahead = asyncio.create_task(reader.read(most, WAIT_S))

    def _reach_ends(self, gathered: Gathered) -> None:
        """Move positions over ends that hold no record any more (compaction), and note how long the log is."""
        reader, store = self._reader, self._store
        assert reader is not None
        # What was read ahead lies before the ends that its reader has seen.
        for partition, end in reader.at_end.items() if self._ahead is None else ():
            source = store.dictionary.sources.get(partition)
            if source is not None and source.id in store.at:
                following, at_ms = gathered.ends.get(source.id, (store.at[source.id], 0))
                if end > following:
                    gathered.ends[source.id] = (end, at_ms)
        if gathered.ends:
            sources = store.dictionary.sources
            gathered.log_ends = {
                sources[partition].id: end
                for partition, end in reader.ends_seen().items()
                if partition in sources
            }

    async def _stand_anew(self) -> None:
        """Take the index's word for where it is: go on after what another wrote, or back to what was lost."""
        before = dict(self._stood)
        held = {(m.topic, m.partition) for m in self._held}
        await self._stand([*{*before, *held}])
        if any(self._stood[p] < at for p, at in before.items()):
            logger.warning("indexer: the index stands further back than it was: reading again from there")
            await self._rejoin()

    async def _rejoin(self) -> None:
        """Read on from where the index stands, whatever was read ahead."""
        await self._leave()
        await self.start()

    async def _revoked(self, partitions: list[Partition]) -> None:
        gone = set(partitions)
        self._stood = {p: at for p, at in self._stood.items() if p not in gone}
        self._held = [m for m in self._held if (m.topic, m.partition) not in gone]

    async def _go_on_without_lost(self, exc: PositionLost) -> None:
        """Move the index over records that expired before they were read; nothing can bring them back."""
        assert self._reader is not None
        begins = await self._b.admin.begin_offsets(self._reader.assignment())
        skipped = Gathered()
        for partition, begin in begins.items():
            source = self._store.dictionary.sources.get(partition)
            if source is not None and self._store.at.get(source.id, -1) < begin:
                skipped.ends[source.id] = (begin, 0)
        logger.error("indexer: %s; going on with what is left of %d partitions", exc, len(skipped.ends))
        if skipped.ends:
            await self._store.write(skipped)
        await self._rejoin()

    def _tell(self, gathered: Gathered, batch: Batch) -> None:
        sources = {source.id: partition for partition, source in self._store.dictionary.sources.items()}
        positions = {sources[s]: following for s, (following, _) in gathered.ends.items() if s in sources}
        newest_ms = max((at_ms for _, at_ms in gathered.ends.values()), default=0)
        lag_s = max(time.time() - newest_ms / 1000, 0.0) if newest_ms else 0.0
        for queue, marks in batch.dirty.items():
            observe.indexed.send(observe.Counted(queue, len(marks), lag_s))
        self._stood |= positions
        self._chores.committed(positions, batch.dirty)
