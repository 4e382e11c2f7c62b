"""The feed: transitions and notes, published without waiting for Kafka."""

from queues.domain.activity import Activity
from queues.domain.events import EventData, EventType, encode_event
from queues.domain.record import Kind
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone, now_ms


def message_of(b: Backbone, a: Activity, kind: EventType, partition: int) -> Message:
    """Return the event of a transition to the present version of ``a``."""
    data = EventData(
        a.queue,
        a.type,
        a.state.value,
        a.version,
        a.fence,
        a.attempt,
        a.worker,
        a.reason,
        a.actor,
        message=a.note,
    )
    topic = topic_name(b.conf, a.queue, Kind.EVENTS)
    return Message(
        topic, partition, a.id.encode(), encode_event(kind, a.id, a.ended_ms or now_ms(), data), None
    )
