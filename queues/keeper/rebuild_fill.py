"""Fill an emptied hot view from a scan: what is live up to the window, stubs of what is settled, positions."""

import logging
from collections.abc import Iterator, Sequence

import msgspec

from queues.domain.activity import Activity, decode_activity
from queues.domain.priority import Band
from queues.domain.record import Kind, Record
from queues.domain.states import State
from queues.hot.keys import code_of
from queues.hot.pack import Row, row_of, row_of_header
from queues.hot.rebuild import HotRebuild
from queues.keeper.directory import Directory
from queues.keeper.rebuild_scan import First, Scan
from queues.services.backbone import Backbone

logger = logging.getLogger(__name__)
BATCH = 500
ATTEMPT = 19
"""Where a row says how many attempts there were."""
type Entry = tuple[Row, str, bytes]


async def fill_hot(b: Backbone, directory: Directory, work: HotRebuild, scan: Scan) -> list[tuple[str, int]]:
    """Load everything; return the positions to open with, as (field, offset)."""
    chosen, positions = _choose(b, directory, scan)
    # Of a lane, the one that ran comes first: it keeps the lane while it waits for its retry.
    retries = sorted(_retries(scan), key=lambda entry: entry[0][ATTEMPT] == 0)
    entries = [*retries, *_firsts(chosen, scan)]
    scan.live = len(entries)
    stubs = [*_stubs(scan), *_buried(scan, dict(positions))]
    for batch in _batches([*entries, *stubs]):
        await work.fill([e[0] for e in batch], [e[1] for e in batch], [e[2] for e in batch])
    return positions


def _choose(
    b: Backbone, directory: Directory, scan: Scan
) -> tuple[list[tuple[str, First]], list[tuple[str, int]]]:
    """Choose the first records that the window takes, partition by partition, and where each position comes to lie."""
    by_place: dict[str, list[tuple[str, First]]] = {}
    for activity_id, first in scan.firsts.items():
        by_place.setdefault(f"{first.band}:{first.partition}", []).append((activity_id, first))
    chosen: list[tuple[str, First]] = []
    positions: list[tuple[str, int]] = []
    for topic, partition in directory.of(scan.queue, Kind.PENDING):
        band = directory.topics[topic][2]
        share = max(b.conf.hot_window // directory.partitions[topic], 1)
        here = sorted(by_place.get(f"{band}:{partition}", ()), key=lambda one: one[1].offset)
        taken = [one for one in here[:share] if one[1].body is not None]
        chosen += taken
        left = here[len(taken)][1].offset if len(taken) < len(here) else scan.ends[topic, partition]
        positions.append((f"{band}:{partition}", left))
    for topic, partition in directory.of(scan.queue, Kind.RETRY):
        positions.append((f"{code_of(Kind.RETRY)}:{partition}", scan.ends[topic, partition]))
    for kind in (Kind.COMPLETED, Kind.DLQ):
        # Back to what was committed: nulls and consequences behind it are done again.
        for topic, partition in directory.of(scan.queue, kind):
            positions.append((f"{code_of(kind)}:{partition}", scan.settled_from[topic, partition]))
    return chosen, positions


def _retries(scan: Scan) -> Iterator[Entry]:
    for activity_id in scan.retries:
        r = scan.newest_retry(activity_id)
        if r is not None and r.body is not None and (a := _decoded(activity_id, r.body)):
            row = row_of(a, "r", r.partition, r.offset, r.address, r.earlier)
            yield row, scan.records_of(activity_id), r.body


def _firsts(chosen: Sequence[tuple[str, First]], scan: Scan) -> Iterator[Entry]:
    for activity_id, first in chosen:
        body = first.body or b""
        if a := _decoded(activity_id, body):
            row = row_of(a, first.band, first.partition, first.offset)
            yield row, scan.records_of(activity_id), body


def _decoded(activity_id: str, body: bytes) -> Activity | None:
    try:
        return decode_activity(body)
    except msgspec.DecodeError as exc:
        logger.warning("rebuild.malformed body of %s: %s", activity_id, exc)
        return None


def _stubs(scan: Scan) -> Iterator[Entry]:
    for activity_id, r in scan.settled_by_id.items():
        if scan.newest_retry(activity_id) is None and r.address:
            yield row_of_header(r), "", b""


def _buried(scan: Scan, positions: dict[str, int]) -> Iterator[Entry]:
    """Keep out first records behind a position whose nulls lie further on: the loader meets the record first."""
    for activity_id, first in scan.buried:
        settled = scan.settled_by_id.get(activity_id)
        behind = first.offset < positions.get(f"{first.band}:{first.partition}", 0)
        if behind or scan.is_live(activity_id) or (settled is not None and settled.address):
            continue
        version = settled.version if settled is not None else 0
        stub = Record(
            scan.queue, Kind.COMPLETED, Band(first.band), first.partition, 0, 0, activity_id, version,
            State.COMPLETED, "", 0, 0, f"{first.band}:{first.offset}", "", "", b"",
        )  # fmt: skip
        yield row_of_header(stub), "", b""


def _batches(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for at in range(0, len(entries), BATCH):
        yield entries[at : at + BATCH]
