"""The published feed: one CloudEvents 1.0 JSON document for each transition or note."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec


class EventType(StrEnum):
    """What happened; the wire word is ``io.runnerq.activity.{value}``."""

    ENQUEUED = "enqueued"
    STARTED = "started"
    PROGRESS = "progress"
    LOG = "log"
    COMPLETED = "completed"
    RETRYING = "retrying"
    RELEASED = "released"
    DISCARDED = "discarded"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"
    REQUEUED = "requeued"
    REDRIVEN = "redriven"
    RESCHEDULED = "rescheduled"
    WOKEN = "woken"


PREFIX: Final = "io.runnerq.activity."


class EventData(msgspec.Struct, omit_defaults=True, gc=False):
    """What an event says of its activity; ``fence`` names the attempt, ``version`` the decision."""

    queue: str
    type: str
    state: str
    version: int
    fence: int = 0
    attempt: int = 0
    worker: str = ""
    reason: str = ""
    actor: str = ""
    progress: float | None = None
    message: str = ""
    level: str = ""
    lines: tuple[str, ...] = ()


class Event(msgspec.Struct, omit_defaults=False, gc=False):
    """A CloudEvents envelope; ``subject`` is the activity's id."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: EventData
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Event)


def encode_event(kind: EventType, activity_id: str, at_ms: int, data: EventData, *, tail: Any = "") -> bytes:
    """Return the JSON of an event; ``tail`` tells apart several notes of one version (progress, log)."""
    return _encoder.encode(
        Event(
            id=f"{activity_id}:{data.version or data.fence}:{kind}{tail}",
            source=f"runnerq/{data.queue}",
            type=PREFIX + kind,
            subject=activity_id,
            time=_rfc3339(at_ms),
            data=data,
        )
    )


def decode_event(value: bytes) -> Event:
    """Return the event.

    Raises:
        msgspec.DecodeError: it is not one of ours.
    """
    return _decoder.decode(value)


def event_ms(event: Event) -> int:
    """Return when it happened, in epoch ms."""
    return int(datetime.fromisoformat(event.time).timestamp() * 1000)


@lru_cache(maxsize=64)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def _rfc3339(at_ms: int) -> str:
    at_s, ms = divmod(at_ms, 1000)
    return f"{_second(at_s)}.{ms:03d}Z"
