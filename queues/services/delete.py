"""Delete: remove settled activities, from the log and from both views."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from queues.domain.errors import Conflict, LogUnavailable, NotFound, OutcomeUnknown, QueueError
from queues.domain.record import Kind, record_key
from queues.domain.states import TERMINAL
from queues.hot import reads
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone

CHUNK = 1_000


class Settled(NamedTuple):
    """The terminal record that a deletion removes."""

    id: str
    kind: str
    partition: int
    version: int


async def delete(b: Backbone, queue: str, activity_id: str, *, actor: str, reason: str) -> None:
    """Remove one settled activity: its record becomes a null that says so, and the index drops its row.

    Raises:
        Conflict: it is live. NotFound: neither view knows it. OutcomeUnknown, LogUnavailable: repeat.
    """
    from queues.index.reads import find_record  # noqa: PLC0415 -- the index knows the record's address

    row = await find_record(await b.index(), activity_id)
    if row is None or row.queue != queue:
        raise NotFound(f"activity {activity_id} is not known in queue {queue}")
    if row.state not in TERMINAL:
        raise Conflict(f"activity {activity_id} is {row.state}: cancel it first")
    [refusal] = await _purge(
        b, queue, [Settled(activity_id, row.kind, row.partition, row.version)], actor, reason
    )
    if refusal is not None:
        raise refusal


async def purge_dead_letters(
    b: Backbone, queue: str, *, actor: str, reason: str, ids: Sequence[str] | None = None
) -> int:
    """Delete the dead letters of ``queue``, or those of ``ids``; return how many. What was redriven is left alone."""
    from queues.index.reads import dead_letters  # noqa: PLC0415 -- the index knows which they are

    purged, after = 0, ""
    while True:
        rows = await dead_letters(await b.index(), queue, after=after, most=CHUNK, ids=ids)
        if not rows:
            return purged
        refusals = await _purge(b, queue, [Settled(*row) for row in rows], actor, reason)
        for refusal in refusals:
            if refusal is not None and not isinstance(refusal, Conflict):
                raise refusal
        purged += sum(refusal is None for refusal in refusals)
        after = rows[-1][0]


def _passed(hot: reads.HotRecord, positions: Mapping[str, int]) -> bool:
    # Its null before the loader's of its earlier records: a rebuild would find those alone, and run it again.
    code, _, offset = hot.record.partition(":")
    return positions.get(f"{code}:{hot.partition}", 0) > int(offset)


async def _purge(
    b: Backbone, queue: str, rows: Sequence[Settled], actor: str, reason: str
) -> list[QueueError | None]:
    answers: list[QueueError | None] = []
    messages: list[Message] = []
    positions = await reads.positions(b.hot, queue)
    for row in rows:
        hot = await reads.find(b.hot, queue, row.id)
        if hot is not None and not hot.settled:
            answers.append(Conflict(f"activity {row.id} is {hot.state} again"))
            continue
        if hot is not None and not _passed(hot, positions):
            answers.append(Conflict(f"activity {row.id} has only just ended: try again in a moment"))
            continue
        answers.append(None)
        headers = [("s", b"purged"), ("by", actor.encode()), ("why", reason.encode()[:1_000])]
        topic = topic_name(b.conf, queue, Kind(row.kind))
        messages.append(Message(topic, row.partition, record_key(row.id, row.version), None, headers))
    reports = iter(await b.log.append(messages))
    for at, row in enumerate(rows):
        if answers[at] is None and (report := next(reports)).error:
            failed = LogUnavailable(report.error) if report.certain else OutcomeUnknown(row.id, report.error)
            answers[at] = failed
    return answers
