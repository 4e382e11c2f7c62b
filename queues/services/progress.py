"""What a running attempt tells: started, progress, log lines; published without waiting."""

import itertools
from collections.abc import Sequence

from queues.domain.events import EventData, EventType, encode_event
from queues.domain.record import Kind
from queues.domain.states import State
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone, now_ms
from queues.services.claim import Lease

MOST_LINES = 200
MOST_LINE_CHARS = 2_000
_notes = itertools.count()


def report_started(b: Backbone, leases: Sequence[Lease], at_ms: int) -> None:
    """Publish that handlers began to run."""
    b.log.post([_message(b, lease, EventType.STARTED, at_ms, _data(lease), "") for lease in leases])


def report_progress(b: Backbone, lease: Lease, fraction: float, message: str = "") -> None:
    """Publish how far an attempt is (0 to 1)."""
    data = _data(lease)
    data.progress = min(max(fraction, 0.0), 1.0)
    data.message = message[:MOST_LINE_CHARS]
    b.log.post([_message(b, lease, EventType.PROGRESS, now_ms(), data, f":{next(_notes)}")])


def report_lines(b: Backbone, lease: Lease, lines: Sequence[str], level: str = "info") -> None:
    """Publish log lines of an attempt; long ones are cut, more than 200 in one call are dropped."""
    data = _data(lease)
    data.level = level
    data.lines = tuple(line[:MOST_LINE_CHARS] for line in lines[:MOST_LINES])
    b.log.post([_message(b, lease, EventType.LOG, now_ms(), data, f":{next(_notes)}")])


def _data(lease: Lease) -> EventData:
    return EventData(
        lease.queue,
        lease.type,
        State.ACTIVE.value,
        0,
        fence=lease.fence,
        attempt=lease.attempt,
        worker=lease.worker,
    )


def _message(b: Backbone, lease: Lease, kind: EventType, at_ms: int, data: EventData, tail: str) -> Message:
    topic = topic_name(b.conf, lease.queue, Kind.EVENTS)
    value = encode_event(kind, lease.id, at_ms, data, tail=tail)
    return Message(topic, lease.partition, lease.id.encode(), value, None)
