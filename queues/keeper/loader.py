"""The loader keeps the hot view: it applies what enqueuers and settlers could not, and writes every null."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence

from queues import observe
from queues.domain.errors import PositionLost, QueueError
from queues.domain.priority import Band
from queues.domain.record import STAGES, Kind
from queues.hot import reads
from queues.hot.client import EpochChanged, HotClosed, HotFull
from queues.hot.keys import code_of
from queues.keeper.directory import Directory
from queues.keeper.load_later import load_later
from queues.keeper.load_pending import load_pending
from queues.keeper.loop import Loop
from queues.keeper.stage import Partition, Stage
from queues.log.consumer import BEGINNING, GroupReader, RawMessage
from queues.services.backbone import Backbone

logger = logging.getLogger(__name__)
WAIT_S = 0.2
COMMIT_S = 1.0
LOOK_AT_FULL_S = 0.1
LOOK_AT_CLOSED_S = 0.2
MEMORY_PAUSE_S = 2.0
ROOM_FOR_HUNGRY = 1_000
"""What ``look`` offers at the most when workers want what a full window does not hold."""
SIGN_OF_LIFE_S = 10.0
FIRST_RECORDS = (Kind.PENDING,)
LATER_RECORDS = tuple(kind for kind in STAGES if kind is not Kind.PENDING)


class Loader(Loop):
    """One member of a loaders' group: apply → nulls → what the settle causes → position → commit.

    A keeper runs two, one for ``FIRST_RECORDS`` and one for ``LATER_RECORDS``: beside a backlog of settlements, first
    records would else come up so seldom that workers run out of work.
    """

    name = "loader"
    rest_s = 0.0

    def __init__(
        self,
        b: Backbone,
        directory: Directory,
        kinds: Collection[Kind] = STAGES,
        *,
        group: str = "",
        member: str = "",
    ) -> None:
        self._b = b
        self._directory = directory
        self._kinds = frozenset(kinds)
        tail = "-pending" if self._kinds == frozenset(FIRST_RECORDS) else ""
        self._group = group or f"{b.conf.topic_prefix}-loader{tail}"
        self._member = member or None
        self._reader: GroupReader | None = None
        self._version = -1
        self._epochs: dict[Partition, int] = {}
        """Under which opening each partition's reading stands; one that is missing is read by nobody's leave."""
        self._closed: dict[str, float] = {}
        self._full: dict[Partition, float] = {}
        self._following: dict[Partition, int] = {}
        self._uncommitted: dict[Partition, int] = {}
        self._committed_at = 0.0
        self._alive_at: dict[str, float] = {}

    async def start(self) -> None:
        """Join the group."""
        self._reader = GroupReader(
            self._b.conf,
            self._group,
            positions=self._positions,
            on_revoke=self._revoked,
            static_id=self._member,
        )

    async def step(self) -> int:
        """Load what has come; return how many records."""
        await self._follow_directory()
        assert self._reader is not None
        try:
            messages = await self._reader.read(self._b.conf.load_batch, WAIT_S)
        except PositionLost as exc:
            await self._go_on_without_lost(exc)
            return 0
        batches: dict[Partition, list[RawMessage]] = {}
        for m in messages:
            batches.setdefault((m.topic, m.partition), []).append(m)
        failures = await asyncio.gather(*(self._load(p, batch) for p, batch in batches.items()))
        await self._look_at_closed()
        await self._reach_ends()
        await self._look_at_full()
        await self._commit()
        for failure in failures:
            if failure is not None:
                raise failure
        return len(messages)

    async def close(self) -> None:
        """Leave the group, so that another loader takes over at once."""
        if self._reader is not None:
            await self._reader.close()

    # -- where to read ------------------------------------------------------------------------------------------

    async def _follow_directory(self) -> None:
        await self._directory.refresh()
        if self._version != self._directory.version:
            stages = [t for t, (_, kind, _) in self._directory.topics.items() if kind in self._kinds]
            if stages and self._reader is not None:
                self._reader.subscribe(stages)
            self._version = self._directory.version

    async def _positions(self, partitions: list[Partition]) -> Mapping[Partition, int]:
        """Tell the reader where the hot view stands; a queue that is closed is read from anywhere, and dropped."""
        found: dict[Partition, int] = {}
        for p in partitions:
            self._full.pop(p, None)
        for queue in {self._queue_of(p) for p in partitions}:
            found |= await self._stand(queue, [p for p in partitions if self._queue_of(p) == queue])
        return found

    async def _stand(self, queue: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
        # Only what is sent there stands there: the queue's other partitions may be read from where an older view stood.
        epoch = await reads.epoch(self._b.hot, queue)
        if epoch is None:
            for p in partitions:
                self._epochs.pop(p, None)
            self._closed.setdefault(queue, 0.0)
            return {}
        stored = await reads.positions(self._b.hot, queue)
        stand = {}
        for p in partitions:
            _, kind, band = self._directory.topics[p[0]]
            offset = stored.get(f"{code_of(kind, Band(band))}:{p[1]}", 0)
            self._epochs[p], self._following[p] = epoch, offset
            if offset:
                stand[p] = offset
        return stand

    def _queue_of(self, p: Partition) -> str:
        return self._directory.topics[p[0]][0]

    def _mine(self, queue: str) -> list[Partition]:
        assert self._reader is not None
        topics = self._directory.topics
        return [p for p in self._reader.assignment() if p[0] in topics and self._queue_of(p) == queue]

    async def _revoked(self, partitions: list[Partition]) -> None:
        for p in partitions:
            for known in (self._epochs, self._full, self._following, self._uncommitted):
                known.pop(p, None)

    async def _restand(self, queue: str) -> bool:
        """Go where the newly opened hot view says; tell whether it is open."""
        assert self._reader is not None
        mine = self._mine(queue)
        stand = await self._stand(queue, mine)
        if any(p not in self._epochs for p in mine):
            return False
        for p in mine:
            self._reader.seek(p, stand.get(p, BEGINNING))
            self._full.pop(p, None)
        self._reader.resume(mine)
        self._closed.pop(queue, None)
        logger.info("loader.restand queue=%s partitions=%d", queue, len(mine))
        return True

    def _leave(self, queue: str) -> None:
        """Read nothing more of a queue whose hot view is closed or was opened anew, until it stands again."""
        assert self._reader is not None
        mine = self._mine(queue)
        for p in mine:
            self._epochs.pop(p, None)
        self._reader.pause(mine)
        self._closed.setdefault(queue, 0.0)

    async def _look_at_closed(self) -> None:
        """Stand where a queue says that was closed when it was last looked at."""
        now = time.monotonic()
        for queue, at in list(self._closed.items()):
            if now - at < LOOK_AT_CLOSED_S:
                continue
            self._closed[queue] = now
            try:
                await self._restand(queue)
            except QueueError as exc:
                logger.debug("loader.restand queue=%s %s", queue, exc)

    async def _go_on_without_lost(self, exc: PositionLost) -> None:
        """Move over records that expired before they were loaded; what they settled may run again after a rebuild."""
        assert self._reader is not None
        mine = [p for p in self._reader.assignment() if p in self._epochs]
        begins = await self._b.admin.begin_offsets(mine)
        behind = [p for p in mine if self._following.get(p, 0) < begins[p]]
        if not behind:
            # Not expired, but ahead of a log that was cut: nothing here can tell what is missing.
            raise exc
        for p, begin in begins.items():
            if p in behind and p in self._epochs:
                queue, kind, band = self._directory.topics[p[0]]
                await Stage(self._b, queue, kind, Band(band), p, self._epochs[p]).reach(begin)
                self._reader.seek(p, begin)
                self._note(p, begin)
                logger.error("loader: %s; going on at %d of %s[%d]", exc, begin, *p)

    # -- what was read ------------------------------------------------------------------------------------------

    async def _load(self, p: Partition, batch: list[RawMessage]) -> QueueError | None:
        """Load one partition's batch; whatever goes wrong, it will be read again."""
        assert self._reader is not None
        queue, kind, band = self._directory.topics[p[0]]
        if p not in self._epochs:
            # Read before anybody said from where: it comes again when the queue stands.
            self._leave(queue)
            return None
        stage = Stage(self._b, queue, kind, Band(band), p, self._epochs[p])
        try:
            following = await (load_pending if kind is Kind.PENDING else load_later)(stage, batch)
        except (EpochChanged, HotClosed):
            self._leave(queue)
            return None
        except HotFull as exc:
            # What makes room must not wait for what needs it.
            logger.warning("loader.full queue=%s %s", queue, exc)
            self._stop_at(p, batch[0].offset, MEMORY_PAUSE_S)
            return None
        except QueueError as exc:
            self._reader.seek(p, batch[0].offset)
            return exc
        if following <= batch[-1].offset:
            self._stop_at(p, following)
        self._note(p, following)
        observe.loaded.send(observe.Counted(queue, len(batch)))
        return None

    def _stop_at(self, p: Partition, offset: int, at_least_s: float = 0.0) -> None:
        """Read nothing more of a partition until there is room."""
        assert self._reader is not None
        self._reader.seek(p, offset)
        self._reader.pause([p])
        self._full[p] = time.monotonic() + at_least_s

    def _note(self, p: Partition, following: int) -> None:
        self._following[p] = self._uncommitted[p] = following
        self._alive_at[self._queue_of(p)] = time.monotonic()

    async def _reach_ends(self) -> None:
        """Move positions to ends that hold no record of ours, and show queues where nothing happens a sign of life."""
        assert self._reader is not None
        now = time.monotonic()
        for p in list(self._reader.at_end):
            end = self._reader.at_end.get(p)
            # An end that was met from where an older view stood says nothing of what this one has loaded.
            if end is None or p not in self._epochs or p[0] not in self._directory.topics:
                continue
            queue, kind, band = self._directory.topics[p[0]]
            silent = kind is Kind.PENDING and now - self._alive_at.get(queue, 0.0) > SIGN_OF_LIFE_S
            if end > self._following[p] or silent:
                stage = Stage(self._b, queue, kind, Band(band), p, self._epochs[p])
                try:
                    await stage.reach(end)
                except (EpochChanged, HotClosed):
                    self._leave(queue)
                    continue
                self._note(p, max(end, self._following[p]))

    async def _look_at_full(self) -> None:
        """Read on where the window has room again."""
        assert self._reader is not None
        now = time.monotonic()
        for p, at in list(self._full.items()):
            if now - at < LOOK_AT_FULL_S:
                continue
            if p not in self._epochs:
                continue
            queue, kind, band = self._directory.topics[p[0]]
            stage = Stage(self._b, queue, kind, Band(band), p, self._epochs[p])
            try:
                room = await stage.room()
            except (EpochChanged, HotClosed):
                self._leave(queue)
                continue
            self._full[p] = now
            if room >= min(self._b.conf.load_batch, self._b.conf.hot_window // 2, ROOM_FOR_HUNGRY):
                del self._full[p]
                self._reader.resume([p])

    async def _commit(self) -> None:
        """Tell Kafka's tools how far the hot view is; nothing of ours reads from there but the rebuild's scan."""
        if (
            self._uncommitted
            and time.monotonic() - self._committed_at > COMMIT_S
            and self._reader is not None
        ):
            offsets, self._uncommitted = self._uncommitted, {}
            self._committed_at = time.monotonic()
            await self._reader.commit(offsets)
