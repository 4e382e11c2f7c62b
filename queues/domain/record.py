"""A record of the log: key, headers, body; the bytes on the wire and the struct, both ways."""

from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from queues.domain.activity import Activity, decode_activity, encode_activity
from queues.domain.errors import MalformedRecord, UnknownSchemaVersion
from queues.domain.priority import Band
from queues.domain.states import TERMINAL, State

SCHEMA_VERSION: Final = 1
EPOCH_SHIFT: Final = 2**36

type Headers = list[tuple[str, bytes]]


class Kind(StrEnum):
    """The topics of a queue, by role."""

    PENDING = "pending"
    RETRY = "retry"
    COMPLETED = "completed"
    DLQ = "dlq"
    PROCESSING = "processing"
    STATE = "state"
    EVENTS = "events"


STAGES: Final = (Kind.PENDING, Kind.RETRY, Kind.COMPLETED, Kind.DLQ)
"""The topics whose records are whole activities."""


class Address(NamedTuple):
    """Where the activity's first record lies: band and offset; the partition is that of every record of it."""

    band: Band
    offset: int

    def text(self) -> str:
        """Return the form kept in headers and Redis, as in ``n:1234``."""
        return f"{self.band}:{self.offset}"


class Record(NamedTuple):
    """One record of a stage topic as a view needs it; ``body`` stays bytes, None is a null.

    ``earlier`` names the records of the activity that had no null when this one was decided, as in ``n.0,r.687``:
    ``r`` for retry or the band's letter for pending, then the version. ``address`` is empty in a first record.
    """

    queue: str
    kind: Kind
    band: Band
    partition: int
    offset: int
    timestamp_ms: int
    id: str
    version: int
    state: State
    type: str
    priority: int
    due_ms: int
    address: str
    earlier: str
    workflow: str
    body: bytes | None


def stage_of(activity: Activity) -> Kind:
    """Return the topic that this version belongs to."""
    if activity.state in TERMINAL:
        return Kind.DLQ if activity.dead else Kind.COMPLETED
    return Kind.RETRY if activity.version else Kind.PENDING


def epoch_of(version: int) -> int:
    """Return the epoch in which ``version`` was drawn; 0 for a first enqueue."""
    return version // EPOCH_SHIFT


def record_key(activity_id: str, version: int) -> bytes:
    """Return the key: one per record, so that compaction never merges two records of one activity."""
    return f"{activity_id}:{version}".encode()


def first_headers(activity: Activity) -> Headers:
    """Return the headers of a first enqueue (version 0)."""
    headers = list(_headers_of(activity.state, activity.type, activity.priority))
    if activity.due_ms:
        headers.append(("d", b"%d" % activity.due_ms))
    if activity.workflow:
        headers.append(("w", activity.workflow.encode()))
    return headers


@lru_cache(maxsize=4096)
def _headers_of(state: State, type_name: str, priority: int) -> tuple[tuple[str, bytes], ...]:
    return (
        ("v", b"0"),
        ("s", state.encode()),
        ("t", type_name.encode()),
        ("p", b"%d" % priority),
        ("e", b"%d" % SCHEMA_VERSION),
    )


def later_headers(activity: Activity, address: str, earlier: str) -> Headers:
    """Return the headers of a later version: those of a first one, with its address and what it supersedes."""
    headers = first_headers(activity)
    headers[0] = ("v", b"%d" % activity.version)
    headers.append(("a", address.encode()))
    if earlier:
        headers.append(("o", earlier.encode()))
    return headers


def split_key(key: bytes | str | None) -> tuple[str, int]:
    """Return id and version.

    Raises:
        MalformedRecord: the key is not ``{id}:{version}``.
    """
    try:
        text = key.decode() if isinstance(key, bytes) else key or ""
        activity_id, _, version = text.rpartition(":")
        return activity_id, int(version)
    except ValueError as exc:
        raise MalformedRecord(f"key {key!r} is not id:version") from exc


def parse_record(
    queue: str,
    kind: Kind,
    band: Band,
    partition: int,
    offset: int,
    timestamp_ms: int,
    key: bytes | str | None,
    headers: list[tuple[str, bytes]] | None,
    body: bytes | None,
) -> Record:
    """Return the record of a stage topic; a null has state ``completed`` and no meaning but its key.

    Raises:
        MalformedRecord: key or headers are not ours.
        UnknownSchemaVersion: a newer release wrote it; a view must stop, never skip.
    """
    activity_id, version = split_key(key)
    if body is None:
        return Record(
            queue, kind, band, partition, offset, timestamp_ms,
            activity_id, version, State.COMPLETED, "", 0, 0, "", "", "", None,
        )  # fmt: skip
    try:
        h = dict(headers or ())
        if h["e"] != b"1":
            _require_schema(int(h["e"]), activity_id)
        return Record(
            queue, kind, band, partition, offset, timestamp_ms, activity_id, version,
            State(h["s"].decode()), h["t"].decode(), int(h["p"]), int(h.get("d", b"0")),
            h.get("a", b"").decode(), h.get("o", b"").decode(), h.get("w", b"").decode(), body,
        )  # fmt: skip
    except (KeyError, ValueError, AttributeError) as exc:
        raise MalformedRecord(f"headers of {activity_id}:{version} are incomplete: {exc!r}") from exc


def _require_schema(found: int, activity_id: str) -> None:
    if found != SCHEMA_VERSION:
        raise UnknownSchemaVersion(
            f"record of activity {activity_id} has schema version {found}, this release reads {SCHEMA_VERSION}:"
            " upgrade this process"
        )


def decode_body(record: Record) -> Activity:
    """Return the activity in ``record``.

    Raises:
        MalformedRecord: the body is a null or not an activity.
    """
    try:
        return decode_activity(record.body or b"")
    except msgspec.DecodeError as exc:
        raise MalformedRecord(f"body of {record.id}:{record.version} is not an activity: {exc}") from exc


def later_record(activity: Activity, address: str, earlier: str) -> tuple[bytes, bytes, Headers]:
    """Return key, body and headers of a later version of ``activity``."""
    return (
        record_key(activity.id, activity.version),
        encode_activity(activity),
        later_headers(activity, address, earlier),
    )
