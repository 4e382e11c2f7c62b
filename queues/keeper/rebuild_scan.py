"""The scan of a rebuild: settled topics, then retry, then pending; of each id the highest version decides."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import msgspec

from queues.domain.activity import decode_activity
from queues.domain.errors import MalformedRecord
from queues.domain.priority import Band
from queues.domain.record import Kind, Record, parse_record, record_key
from queues.hot.pack import may_come_twice
from queues.keeper.directory import Directory
from queues.log.consumer import Reader
from queues.log.topics import topic_name
from queues.services.backbone import Backbone, now_ms

logger = logging.getLogger(__name__)
HOUR_MS = 3_600_000
READ_S = 2.0
MOST = 5_000


class First(NamedTuple):
    """A first record without a null; its body is kept while the window may take it."""

    band: str
    partition: int
    offset: int
    body: bytes | None


class Scan:
    """What the log says of one queue."""

    def __init__(self, b: Backbone, queue: str) -> None:
        self._b = b
        self.queue = queue
        self.settled_by_id: dict[str, Record] = {}
        self.retries: dict[str, dict[int, Record]] = {}
        self.firsts: dict[str, First] = {}
        self.buried: list[tuple[str, First]] = []
        self.nulls: set[tuple[str, int, str]] = set()
        """First records, as (topic, partition, id), that should have a null and have none."""
        self.ends: dict[tuple[str, int], int] = {}
        self.settled_from: dict[tuple[str, int], int] = {}
        self.workflows: dict[str, int] = {}
        self.scanned = 0
        self.live = 0

    @property
    def settled(self) -> int:
        """How many settled activities the scan saw."""
        return len(self.settled_by_id)

    def newest_retry(self, activity_id: str) -> Record | None:
        """Return the newest live record in the retry topic, unless the activity is settled since."""
        versions = self.retries.get(activity_id)
        if not versions:
            return None
        newest = versions[max(versions)]
        settled = self.settled_by_id.get(activity_id)
        return None if settled and settled.version > newest.version else newest

    def superfluous(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield topic, partition and key of each record that should have a null and has none."""
        for activity_id, versions in self.retries.items():
            newest = self.newest_retry(activity_id)
            for version, r in versions.items():
                if newest is None or version < newest.version:
                    yield self._topic(Kind.RETRY), r.partition, record_key(activity_id, version)
                # The dead letter that a redrive has overtaken, which may lie further back than the scan began.
                for dead in re.findall(r"\bx\.(\d+)", r.earlier):
                    yield self._topic(Kind.DLQ), r.partition, record_key(activity_id, int(dead))
        for topic, partition, activity_id in self.nulls:
            yield topic, partition, record_key(activity_id, 0)

    def is_live(self, activity_id: str) -> bool:
        """Tell whether the newest record of the activity is one that waits."""
        return self.newest_retry(activity_id) is not None or (
            activity_id in self.firsts and activity_id not in self.settled_by_id
        )

    def records_of(self, activity_id: str) -> str:
        """Return the records of a live activity that have no null, as in ``n.0,r.687``."""
        first, newest = self.firsts.get(activity_id), self.newest_retry(activity_id)
        named = [f"{first.band}.0"] if first else []
        if newest is not None:
            named.append(f"r.{newest.version}")
        return ",".join(named)

    def _topic(self, kind: Kind) -> str:
        return topic_name(self._b.conf, self.queue, kind)

    async def members_in(self, b: Backbone, queue: str, topic: str, partition: int) -> list[tuple[str, str]]:
        """Return (workflow, member) of the ended members of this queue's open workflows that lie in a settled topic."""
        wanted = {f"{self.queue}/{activity_id}" for activity_id in self.workflows}
        # The enqueuer's clock made the instants of workflows, the broker's those of records.
        place, since = (topic, partition), min(self.workflows.values()) - HOUR_MS
        start = (await b.admin.offsets_for_time([place], since)).get(place)
        if start is None:
            return []
        end = (await b.admin.end_offsets([place]))[place]
        kind = Kind.DLQ if topic.endswith(Kind.DLQ) else Kind.COMPLETED
        records = _records(b, queue, kind, Band.NORMAL, {place: start}, {place: end})
        return [(r.workflow, r.id) async for r in records if r.body is not None and r.workflow in wanted]


async def _records(
    b: Backbone,
    queue: str,
    kind: Kind,
    band: Band,
    starts: dict[tuple[str, int], int],
    ends: dict[tuple[str, int], int],
) -> AsyncIterator[Record]:
    """Yield the records, nulls included, of partitions of one topic from ``starts`` to before ``ends``."""
    begins = await b.admin.begin_offsets(list(starts))
    left = {p: ends[p] for p, start in starts.items() if max(start, begins[p]) < ends[p]}
    if not left:
        return
    reader = Reader(b.conf, {p: max(starts[p], begins[p]) for p in left})
    try:
        while left:
            for m in await reader.read(MOST, READ_S):
                p = (m.topic, m.partition)
                if m.offset >= ends[p]:
                    left.pop(p, None)
                    continue
                if m.offset + 1 >= ends[p]:
                    left.pop(p, None)
                try:
                    yield parse_record(
                        queue, kind, band, m.partition, m.offset, m.timestamp_ms, m.key, m.headers, m.value
                    )
                except MalformedRecord as exc:
                    logger.warning("rebuild.malformed %s[%d]@%d: %s", m.topic, m.partition, m.offset, exc)
            for p, at in reader.at_end.items():
                if at >= ends[p]:
                    left.pop(p, None)
    finally:
        await reader.close()


async def scan_later(b: Backbone, directory: Directory, queue: str) -> Scan:
    """Read the settled topics from an hour before what the loader committed, then all of retry."""
    scan = Scan(b, queue)
    for kind in (Kind.COMPLETED, Kind.DLQ):
        places = directory.of(queue, kind)
        starts = await _starts(b, scan, places)
        scan.ends |= (ends := await b.admin.end_offsets(places))
        async for r in _records(b, queue, kind, Band.NORMAL, starts, ends):
            scan.scanned += 1
            _settled(scan, r)
    places = directory.of(queue, Kind.RETRY)
    scan.ends |= (ends := await b.admin.end_offsets(places))
    async for r in _records(b, queue, Kind.RETRY, Band.NORMAL, dict.fromkeys(places, 0), ends):
        scan.scanned += 1
        versions = scan.retries.setdefault(r.id, {})
        if r.body is None:
            versions.pop(r.version, None)
        else:
            versions[r.version] = r
    return scan


async def _starts(b: Backbone, scan: Scan, places: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Return where to begin: an hour before the committed offset, longer than any append can be under way."""
    committed = await b.admin.committed(f"{b.conf.topic_prefix}-loader", places)
    begins, ends = await b.admin.begin_offsets(places), await b.admin.end_offsets(places)
    starts = dict.fromkeys(places, 0)
    for p in places:
        # What has expired since it was committed cannot be read again: the view would stop there.
        scan.settled_from[p] = max(min(committed.get(p, 0), ends[p]), begins[p])
        if scan.settled_from[p] == 0:
            continue
        at_ms = await _appended_at(b, p, scan.settled_from[p], ends[p])
        earlier = await b.admin.offsets_for_time([p], at_ms - HOUR_MS)
        starts[p] = min(earlier.get(p, scan.settled_from[p]), scan.settled_from[p])
    return starts


async def _appended_at(b: Backbone, p: tuple[str, int], offset: int, end: int) -> int:
    if offset >= end:
        return now_ms()
    reader = Reader(b.conf, {p: offset})
    try:
        found = await reader.read(1, READ_S)
    finally:
        await reader.close()
    return found[0].timestamp_ms if found else now_ms()


def _settled(scan: Scan, r: Record) -> None:
    """Note a settlement, or its null: what was purged or redriven was settled all the same."""
    known = scan.settled_by_id.get(r.id)
    if known is None or r.version > known.version:
        scan.settled_by_id[r.id] = r._replace(body=may_come_twice(r))


async def scan_pending(b: Backbone, directory: Directory, queue: str, scan: Scan) -> None:
    """Read every band of pending: what has no null and is not superseded is live."""
    for topic, partition in directory.of(queue, Kind.PENDING):
        band = Band(directory.topics[topic][2])
        place = (topic, partition)
        scan.ends |= (ends := await b.admin.end_offsets([place]))
        kept = 0
        async for r in _records(b, queue, Kind.PENDING, band, {place: 0}, ends):
            scan.scanned += 1
            kept += _first(scan, topic, r, keep=kept < b.conf.hot_window + MOST)
    for activity_id in scan.retries:
        newest = scan.newest_retry(activity_id)
        if newest is not None:
            _note_workflow(scan, newest.body or b"")


def _first(scan: Scan, topic: str, r: Record, *, keep: bool) -> bool:
    """Note a first record or its null; tell whether its body is kept."""
    place, known = (topic, r.partition, r.id), scan.firsts.get(r.id)
    elsewhere = known is not None and (known.band, known.partition) != (r.band.value, r.partition)
    first = First(r.band.value, r.partition, r.offset, r.body if keep else None)
    if r.body is None:
        scan.nulls.discard(place)
        if known is not None and not elsewhere:
            del scan.firsts[r.id]
            scan.workflows.pop(r.id, None)
            scan.buried.append((r.id, known))
        return False
    settled = scan.settled_by_id.get(r.id)
    if settled is not None or scan.newest_retry(r.id) is not None or elsewhere:
        # Elsewhere: two records of one enqueue, each under a key of its own; one stays.
        scan.nulls.add(place)
        if settled is not None and not settled.address:
            scan.buried.append((r.id, first))
        return False
    scan.firsts[r.id] = first
    _note_workflow(scan, r.body)
    return keep


def _note_workflow(scan: Scan, body: bytes) -> None:
    """Note a live activity that waits for members, and since when."""
    if b'"members":' not in body:
        return
    try:
        a = decode_activity(body)
    except msgspec.DecodeError:
        return
    if a.members:
        scan.workflows[a.id] = a.created_ms
