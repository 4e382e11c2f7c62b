"""Settle: append what an attempt came to, then let it take effect; the answer is what apply said."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Raw

from queues import failpoints, observe
from queues.domain.activity import Activity, Failure, Reason, encode_activity
from queues.domain.errors import HotUnavailable, LeaseLost, LogUnavailable, OutcomeUnknown, QueueError
from queues.domain.events import EventType
from queues.domain.outcomes import Ending, Outcome, failed, settle_version
from queues.domain.record import Headers, Kind, later_headers, record_key, stage_of
from queues.hot import reads
from queues.hot.keys import code_of
from queues.hot.pack import row_of
from queues.hot.view import COUNTED, OLD_EPOCH
from queues.log.producer import Message, Report
from queues.log.topics import topic_name
from queues.services.backbone import Backbone, now_ms
from queues.services.claim import Lease
from queues.services.commit import CROWD, Groups
from queues.services.events import message_of
from queues.services.heartbeat import Held, renew_leases

MOST_RESULT_IN_HOT = 64 * 1024
UNKNOWN_OFFSET = 2**52


class OldEpoch(OutcomeUnknown):
    """Appended, but decided before Redis was opened anew: the log decides it, this process cannot say."""

    code = "old_epoch"


class Sealed(NamedTuple):
    """One decided record: made once, appended and applied until it is answered."""

    activity: Activity
    kind: Kind
    partition: int
    address: str
    earlier: str
    body: bytes
    headers: Headers


def seal(activity: Activity, partition: int, address: str, earlier: str) -> Sealed:
    """Return the record of a later version, in its topic's shape."""
    headers = later_headers(activity, address, earlier)
    return Sealed(
        activity, stage_of(activity), partition, address, earlier, encode_activity(activity), headers
    )


async def settle(b: Backbone, lease: Lease, outcome: Outcome, *, started_ms: int = 0) -> None:
    """Make the end of an attempt durable and let it take effect. Repeat the very same call after a failure.

    Raises:
        LeaseLost: it does not count, another runs or has run it: drop the outcome.
        OutcomeUnknown: appended perhaps, or not known whether it counts; repeat.
        LogUnavailable, HotUnavailable: not done; repeat.
    """
    if lease.stale:
        raise _stale(lease)
    if lease.sealed is None:
        lease.sealed = _seal_outcome(b, lease, outcome, started_ms)
    await _require_memory(b, lease)
    try:
        await b.groups("settle", _groups).submit(lease.queue, lease.sealed)
    except OldEpoch:
        lease.stale = True
        raise


class Ended(NamedTuple):
    """An attempt that has ended, and with what."""

    lease: Lease
    outcome: Outcome
    started_ms: int


async def settle_many(b: Backbone, queue: str, ended: Sequence[Ended]) -> list[BaseException | None]:
    """Settle attempts of one queue in one commit; answer each as ``settle`` would: None, or what it raises."""
    answers: list[BaseException | None] = [None] * len(ended)
    places: list[int] = []
    for at, (lease, outcome, started_ms) in enumerate(ended):
        if lease.stale:
            answers[at] = _stale(lease)
            continue
        if lease.sealed is None:
            lease.sealed = _seal_outcome(b, lease, outcome, started_ms)
        try:
            await _require_memory(b, lease)
        except QueueError as exc:
            answers[at] = exc
            continue
        places.append(at)
    said = await commit_sealed(b, queue, [ended[at].lease.sealed for at in places])
    for at, answer in zip(places, said, strict=True):
        answers[at] = answer
        ended[at].lease.stale = isinstance(answer, OldEpoch)
    return answers


async def _require_memory(b: Backbone, lease: Lease) -> None:
    """Pass while whatever became of a lost lease is certainly remembered in Redis.

    A retry that is appended after the stub of another settlement has been forgotten would be dropped by the hot view
    and yet be the newest record; so one of a lease not seen for long is appended only when the lease is still held.

    Raises:
        LeaseLost: it is not; nothing was appended. HotUnavailable: it cannot be told; repeat.
    """
    length_s = max((lease.deadline_ms - lease.claimed_ms) / 1000, 0.0)
    if lease.sealed.kind is not Kind.RETRY or time.monotonic() - lease.seen_s < length_s + b.conf.stub_s / 2:
        return
    [held] = await renew_leases(b, [lease])
    if held is Held.HELD:
        return
    record = await reads.find(b.hot, lease.queue, lease.id)
    if record is None or record.version != lease.version:
        raise LeaseLost(f"activity {lease.id}: the lease was lost long ago")


def _stale(lease: Lease) -> LeaseLost:
    return LeaseLost(f"activity {lease.id}: claimed before Redis was rebuilt; the log decides")


def _groups(b: Backbone) -> Groups[str, Sealed, None]:
    async def flush(queue: str, items: list[Sealed]) -> Sequence[BaseException | None]:
        return await commit_sealed(b, queue, items)

    return Groups(flush, most=b.conf.load_batch, under_way=2, crowd=CROWD)


def _seal_outcome(b: Backbone, lease: Lease, outcome: Outcome, started_ms: int) -> Sealed:
    now = now_ms()
    a = lease.activity()
    a.started_ms = started_ms
    limit = b.conf.max_payload_bytes
    if outcome.ending is Ending.COMPLETED and len(outcome.result) > limit:
        why = (
            f"the result is {len(outcome.result):,} bytes of JSON, the limit is {limit:,} (MAX_PAYLOAD_BYTES)"
        )
        failure = Failure("ResultTooLarge", why, lease.attempt, now, worker=lease.worker)
        outcome = failed(failure, retryable=False, reason=Reason.RESULT_TOO_LARGE)
    return seal(settle_version(a, outcome, lease.version, now), lease.partition, lease.address, lease.earlier)


async def commit_sealed(b: Backbone, queue: str, items: Sequence[Sealed]) -> list[BaseException | None]:
    """Append, apply and publish decided records of one queue; answer each: None when it counts."""
    topics = {kind: topic_name(b.conf, queue, kind) for kind in (Kind.COMPLETED, Kind.DLQ, Kind.RETRY)}
    reports = await b.log.append(
        [
            Message(
                topics[s.kind], s.partition, record_key(s.activity.id, s.activity.version), s.body, s.headers
            )
            for s in items
        ]
    )
    failpoints.hit("settle.appended")
    answers: list[BaseException | None] = [_append_failure(s, r) for s, r in zip(items, reports, strict=True)]
    landed = [at for at, answer in enumerate(answers) if answer is None]
    if landed:
        await _apply(b, queue, items, reports, landed, answers)
    failpoints.hit("settle.applied")
    counted = [items[at] for at in landed if answers[at] is None]
    if counted:
        b.log.post([message_of(b, s.activity, _event(s), s.partition) for s in counted])
        observe.settled.send(observe.Counted(queue, len(counted)))
    return answers


async def _apply(
    b: Backbone,
    queue: str,
    items: Sequence[Sealed],
    reports: Sequence[Report],
    landed: Sequence[int],
    answers: list[BaseException | None],
) -> None:
    rows, bodies = [], []
    for at in landed:
        s = items[at]
        # Acknowledged without an offset: a stub at the end of all offsets stays until the loader corrects it.
        offset = reports[at].offset if reports[at].offset >= 0 else UNKNOWN_OFFSET
        rows.append(row_of(s.activity, code_of(s.kind), s.partition, offset, s.address, s.earlier))
        bodies.append(_hot_body(s))
    try:
        said = await b.hot.apply(queue, rows, bodies)
    except HotUnavailable as exc:
        for at in landed:
            answers[at] = OutcomeUnknown(
                items[at].activity.id, f"appended, but Redis could not be asked: {exc}"
            )
        return
    for at, (verdict, _) in zip(landed, said, strict=True):
        if verdict == OLD_EPOCH:
            answers[at] = OldEpoch(items[at].activity.id)
        elif verdict != COUNTED:
            answers[at] = LeaseLost(f"activity {items[at].activity.id}: the lease is another's by now")


def _hot_body(s: Sealed) -> bytes:
    if s.kind is Kind.RETRY:
        return s.body
    result = s.activity.result
    return bytes(result) if isinstance(result, Raw) and len(result) <= MOST_RESULT_IN_HOT else b""


def _append_failure(s: Sealed, report: Report) -> BaseException | None:
    if not report.error:
        return None
    if report.certain:
        return LogUnavailable(f"Kafka did not take the record: {report.error}")
    return OutcomeUnknown(s.activity.id, f"Kafka did not answer in time: {report.error}")


_RETRY_EVENTS = {
    Reason.LEASE_LOST: EventType.REQUEUED,
    Reason.RELEASED: EventType.RELEASED,
    Reason.RETRY_AFTER: EventType.RELEASED,
    Reason.REDRIVEN: EventType.REDRIVEN,
    Reason.RESCHEDULED: EventType.RESCHEDULED,
    Reason.PRIORITISED: EventType.RESCHEDULED,
    Reason.WOKEN: EventType.WOKEN,
}


def _event(s: Sealed) -> EventType:
    if s.kind is Kind.DLQ:
        return EventType.DEAD_LETTERED
    if s.kind is Kind.RETRY:
        return _RETRY_EVENTS.get(Reason(s.activity.reason), EventType.RETRYING)
    return EventType(s.activity.state.value)
