"""Enqueue: append first records, then let them take effect ahead of the loader where that is allowed."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from queues import failpoints, observe
from queues.domain.activity import Activity, encode_activity
from queues.domain.errors import (
    EnqueueUnknown,
    HotUnavailable,
    LogUnavailable,
    PayloadTooLarge,
    QueueError,
)
from queues.domain.events import EventType
from queues.domain.priority import Band
from queues.domain.record import Kind, first_headers, record_key
from queues.hot.pack import row_of
from queues.log.producer import Message, Report
from queues.log.topics import topic_name
from queues.services.backbone import Backbone
from queues.services.commit import CROWD, Groups
from queues.services.events import message_of
from queues.services.queues import ensure_queue
from queues.services.reserve import Reserved, confirm, reserve

BACKLOG_PAUSE_S = 0.2
HOT_PAUSE_S = 1.0
AWAITED_MOST = 200
"""Up to so many at once can be read back from the hot view as soon as they are answered."""
type Group = tuple[str, Band, int]
"""Queue, band and the one partition that the records must go to, or -1."""


class Accepted(NamedTuple):
    """An enqueue that is in the log; ``existing``: an earlier one holds the unique key, and its id is given."""

    id: str
    queue: str
    partition: int
    offset: int
    existing: bool = False


async def enqueue_activities(b: Backbone, activities: Sequence[Activity]) -> list[Accepted]:
    """Append new activities, acknowledged by all in-sync replicas; answer in order.

    Validated as a whole before anything is written. Not one transaction: after a failure of Kafka some may be in.

    Raises:
        PayloadTooLarge: arguments over the limit; nothing was written.
        Duplicate: an id or unique key is taken; nothing was written.
        EnqueueUnknown: some may or may not be in the log; names them all. Repeat those, with their ids, only.
        LogUnavailable, Overloaded: certainly none of the named is in the log.
        HotUnavailable, IndexUnavailable: an id or a unique key could not be looked up; nothing was written.
    """
    _require_sizes(b, activities)
    committed = b.groups("enqueue", _groups)
    size = sum(len(a.args) + len(a.kwargs) for a in activities)
    b.budget.take(len(activities), size)
    try:
        # Before anything is reserved: a queue that is not there has no hot view to reserve in.
        for queue, band in {(a.queue, a.band) for a in activities}:
            await ensure_queue(b, queue, band)
        reserved = await reserve(b, activities)
        groups = _grouped(b, [a for a in activities if a.id not in reserved.existing])
        answers = await asyncio.gather(
            *(committed.submit(key, items, len(items)) for key, items in groups.items()),
            return_exceptions=True,
        )
    finally:
        b.budget.give(len(activities), size)
    return await _answer(b, activities, reserved, list(groups.values()), answers)


def _groups(b: Backbone) -> Groups[Group, list[Activity], list[tuple[int, Report]]]:
    async def flush(key: Group, items: list[list[Activity]]) -> list[list[tuple[int, Report]]]:
        return await _flush(b, key, items)

    return Groups(flush, most=b.conf.load_batch, under_way=2, crowd=CROWD)


def _require_sizes(b: Backbone, activities: Sequence[Activity]) -> None:
    limit = b.conf.max_payload_bytes
    for a in activities:
        size = len(a.args) + len(a.kwargs)
        if size > limit:
            raise PayloadTooLarge(
                f"arguments of {a.type} are {size:,} bytes of JSON, the limit is {limit:,} (MAX_PAYLOAD_BYTES):"
                " store the data elsewhere and pass a reference"
            )


def _grouped(b: Backbone, activities: Sequence[Activity]) -> dict[Group, list[Activity]]:
    groups: dict[Group, list[Activity]] = {}
    for a in activities:
        band = a.band
        pinned = -1
        if a.key or a.once:
            # An ordering key keeps its partition for ever: hashed over the partitions the queue was created with.
            pinned = zlib.crc32((a.key or a.id).encode()) % b.known[a.queue, band]
        groups.setdefault((a.queue, band, pinned), []).append(a)
    return groups


async def _flush(b: Backbone, key: Group, items: list[list[Activity]]) -> list[list[tuple[int, Report]]]:
    queue, band, pinned = key
    activities = items[0] if len(items) == 1 else [a for one in items for a in one]
    topic = topic_name(b.conf, queue, Kind.PENDING, band)
    partition = pinned if pinned >= 0 else b.log.partition_for_batch(topic, b.known[queue, band])
    bodies = [encode_activity(a) for a in activities]
    began = time.perf_counter()
    reports = await b.log.append(
        [
            Message(topic, partition, record_key(a.id, 0), body, first_headers(a))
            for a, body in zip(activities, bodies, strict=True)
        ]
    )
    failpoints.hit("enqueue.appended")
    observe.enqueued.send(observe.Counted(queue, len(activities), time.perf_counter() - began))
    if b.conf.events_enqueued:
        b.log.post(
            [
                message_of(b, a, EventType.ENQUEUED, partition)
                for a, report in zip(activities, reports, strict=True)
                if not report.error
            ]
        )
    work = _let_in(b, queue, band, partition, activities, bodies, reports)
    if len(activities) <= AWAITED_MOST:
        await work
    else:
        # Already accepted: a caller of many waits for Redis only when two such batches are behind.
        await b.behind((queue, band), work)
    answers, at = [], 0
    for one in items:
        answers.append([(partition, report) for report in reports[at : at + len(one)]])
        at += len(one)
    return answers


async def _let_in(
    b: Backbone,
    queue: str,
    band: Band,
    partition: int,
    activities: Sequence[Activity],
    bodies: Sequence[bytes],
    reports: Sequence[Report],
) -> None:
    """Apply own records as islands; whatever is refused or fails is left to the loader."""
    until = b.full_until.get((queue, band))
    if until is not None and time.monotonic() < until:
        return
    runs: list[tuple[int, list[tuple[object, ...]]]] = []
    sent: list[bytes] = []
    following = -2
    for a, body, report in zip(activities, bodies, reports, strict=True):
        # A record acknowledged without an offset is left to the loader: its place in the log is not known.
        if report.error or report.offset < 0:
            continue
        if report.offset != following:
            runs.append((report.offset, []))
        runs[-1][1].append(row_of(a, band.value, partition, report.offset))
        sent.append(body)
        following = report.offset + 1
    if not runs:
        return
    try:
        answers = await b.hot.island(queue, band.value, partition, runs, sent)
    except HotUnavailable:
        b.full_until[queue, band] = time.monotonic() + HOT_PAUSE_S
        return
    failpoints.hit("enqueue.island")
    if "2" in answers:
        b.full_until[queue, band] = time.monotonic() + BACKLOG_PAUSE_S


async def _answer(
    b: Backbone,
    activities: Sequence[Activity],
    reserved: Reserved,
    groups: Sequence[list[Activity]],
    answers: Sequence[list[tuple[int, Report]] | BaseException],
) -> list[Accepted]:
    accepted: dict[str, Accepted] = {}
    unknown: list[str] = []
    refused: QueueError | None = None
    why = ""
    for items, answer in zip(groups, answers, strict=True):
        if isinstance(answer, BaseException):
            if not isinstance(answer, QueueError):
                raise answer
            refused = answer
            continue
        for a, (partition, report) in zip(items, answer, strict=True):
            if not report.error:
                accepted[a.id] = Accepted(a.id, a.queue, partition, report.offset)
            elif report.certain:
                refused = LogUnavailable(f"Kafka did not take the record: {report.error}")
            else:
                unknown.append(a.id)
                why = report.error
    # What is in the log must not be refused for this: a key that is not confirmed is confirmed by its admission.
    with contextlib.suppress(HotUnavailable):
        await confirm(b, reserved, kept=accepted.keys() | set(unknown))
    if refused is not None and accepted:
        answered = accepted.keys() | reserved.existing.keys()
        unknown, why = [a.id for a in activities if a.id not in answered], str(refused)
    if unknown:
        for a in activities:
            # From now on there may be two records of it: looked up before each further one.
            a.once = a.once or a.id in unknown
        raise EnqueueUnknown(tuple(unknown), why)
    if refused is not None:
        raise refused
    return [
        accepted.get(a.id) or Accepted(reserved.existing[a.id], a.queue, -1, -1, True) for a in activities
    ]
