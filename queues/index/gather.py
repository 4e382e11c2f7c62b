"""Records of the log, read as far as the index needs them, gathered by activity."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from queues.domain.codes import STATE_CODES, Moment, NameKind, StateCode, TopicCode
from queues.domain.errors import MalformedRecord, UnknownSchemaVersion
from queues.domain.events import PREFIX, EventType
from queues.domain.record import SCHEMA_VERSION
from queues.index.body import UNREADABLE, Body, body_decoder, claim_decoder, note_decoder
from queues.index.text import clean
from queues.log.inbox import RawMessage

HEAD_BYTES: Final = 512
MOST_ID_CHARS: Final = 512
_STATES: Final = {state.value.encode(): code for state, code in STATE_CODES.items()}
_MOMENTS: Final = {
    PREFIX + EventType.STARTED: Moment.STARTED,
    PREFIX + EventType.PROGRESS: Moment.PROGRESS,
    PREFIX + EventType.LOG: Moment.LOG,
}
_BANDS: Final = {
    "n": TopicCode.PENDING,
    "c": TopicCode.PENDING_CRITICAL,
    "h": TopicCode.PENDING_HIGH,
    "l": TopicCode.PENDING_LOW,
}


class SourceRef(NamedTuple):
    """A partition of a topic by its number in the index."""

    id: int
    queue: str
    queue_id: int
    code: TopicCode
    partition: int


class First(NamedTuple):
    """Where an activity's first record lies."""

    code: TopicCode
    offset: int


class StageRecord:
    """One version of an activity; ``body`` None: read no further than its headers."""

    __slots__ = ("at_ms", "body", "due_ms", "first", "offset", "source", "state", "type", "value", "version")

    def __init__(
        self, version: int, source: SourceRef, message: RawMessage, headers: dict[str, bytes]
    ) -> None:
        self.version = version
        self.source = source
        self.offset = message.offset
        self.at_ms = message.timestamp_ms
        state = _STATES[headers["s"]]
        dead = source.code is TopicCode.DLQ and state is StateCode.DISCARDED
        self.state = StateCode.DEAD if dead else state
        self.type = clean(headers["t"].decode())[:255]
        self.due_ms = int(headers["d"]) if "d" in headers else 0
        self.first = _first(headers.get("a"))
        self.value = message.value or b""
        self.body: Body | None = None


class AttemptNote(NamedTuple):
    """What was told of a running attempt: claimed, started, progress, log lines."""

    moment: Moment
    source: SourceRef
    offset: int
    at_ms: int
    fence: int
    attempt: int
    worker: str
    since_ms: int
    progress: float | None
    message: str
    level: str
    lines: tuple[str, ...]


class Entry:
    """What a batch says of one activity; ``records`` by ascending version, ``purged`` the version or -1."""

    __slots__ = ("notes", "purged", "purged_ms", "records", "source")

    def __init__(self, source: SourceRef) -> None:
        self.source = source
        self.records: list[StageRecord] = []
        self.notes: list[AttemptNote] = []
        self.purged = -1
        self.purged_ms = 0


class Bad(NamedTuple):
    """A record that is none of ours, passed over."""

    source: SourceRef
    offset: int
    at_ms: int
    reason: str
    key: bytes | None
    head: bytes | None


@dataclass(slots=True)
class Gathered:
    """A batch by activity; ``names`` and ``firsts`` are what must have a number before it can be written."""

    entries: dict[str, Entry] = field(default_factory=dict)
    bad: list[Bad] = field(default_factory=list)
    names: set[tuple[NameKind, str]] = field(default_factory=set)
    firsts: set[tuple[str, TopicCode, int]] = field(default_factory=set)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Source id → (offset that comes next, time of the last record or 0)."""
    log_ends: dict[int, int] = field(default_factory=dict)
    """Source id → the log's own end, as far as it was seen."""
    records: int = 0


def gather(messages: Iterable[RawMessage], sources: Mapping[tuple[str, int], SourceRef]) -> Gathered:
    """Sort ``messages`` by activity and decode what will be shown.

    Raises:
        UnknownSchemaVersion: a newer release wrote one of them: nothing may be passed over.
    """
    found = Gathered()
    for message in messages:
        source = sources[message.topic, message.partition]
        found.ends[source.id] = (message.offset + 1, message.timestamp_ms)
        found.records += 1
        try:
            _take(found.entries, source, message)
        except UnknownSchemaVersion:
            raise
        except (MalformedRecord, KeyError, ValueError, *UNREADABLE) as exc:
            found.bad.append(
                _bad(source, message.offset, message.timestamp_ms, exc, message.key, message.value)
            )
    for entry in found.entries.values():
        _decode(found, entry)
    return found


def _take(entries: dict[str, Entry], source: SourceRef, message: RawMessage) -> None:
    key = message.key
    if key is None:
        raise MalformedRecord("no key")
    code = source.code
    if code <= TopicCode.DLQ:
        activity_id, _, version = key.decode().rpartition(":")
        _require_id(activity_id)
        if message.value is None:
            _take_null(entries, source, message, activity_id, int(version))
            return
        headers = dict(message.headers or ())
        if headers["e"] != b"1":
            _require_schema(headers["e"], activity_id)
        record = StageRecord(int(version), source, message, headers)
        if not 0 <= record.version < 2**62:
            raise MalformedRecord(f"version {record.version}")
        _entry(entries, activity_id, source).records.append(record)
    elif message.value is not None and code is not TopicCode.STATE:
        activity_id = key.decode()
        _require_id(activity_id)
        note = _claim(source, message) if code is TopicCode.PROCESSING else _note(source, message)
        if note is not None:
            _entry(entries, activity_id, source).notes.append(note)


def _take_null(
    entries: dict[str, Entry], source: SourceRef, message: RawMessage, activity_id: str, version: int
) -> None:
    if ("s", b"purged") in (message.headers or ()):
        entry = _entry(entries, activity_id, source)
        entry.purged = max(entry.purged, version)
        entry.purged_ms = max(entry.purged_ms, message.timestamp_ms)


def _entry(entries: dict[str, Entry], activity_id: str, source: SourceRef) -> Entry:
    entry = entries.get(activity_id)
    if entry is None:
        entry = entries[activity_id] = Entry(source)
    return entry


def _require_id(activity_id: str) -> None:
    if not activity_id or len(activity_id) > MOST_ID_CHARS or "\x00" in activity_id:
        raise MalformedRecord("the key names no activity")


def _require_schema(found: bytes, activity_id: str) -> None:
    if int(found) != SCHEMA_VERSION:
        raise UnknownSchemaVersion(
            f"record of activity {activity_id} has schema version {int(found)}, this release reads"
            f" {SCHEMA_VERSION}: upgrade this process"
        )


def _first(address: bytes | None) -> First | None:
    if not address:
        return None
    band, _, offset = address.decode().partition(":")
    return First(_BANDS[band], int(offset))


def _claim(source: SourceRef, message: RawMessage) -> AttemptNote:
    c = claim_decoder.decode(message.value or b"")
    return AttemptNote(
        Moment.CLAIMED, source, message.offset, message.timestamp_ms, c.fence, c.attempt, clean(c.worker)[:255],
        c.claimed_ms or message.timestamp_ms, None, "", "", (),
    )  # fmt: skip


def _note(source: SourceRef, message: RawMessage) -> AttemptNote | None:
    n = note_decoder.decode(message.value or b"")
    moment = _MOMENTS.get(n.type)
    if moment is None:
        return None
    d = n.data
    return AttemptNote(
        moment, source, message.offset, message.timestamp_ms, d.fence, d.attempt, clean(d.worker)[:255],
        int(n.time.timestamp() * 1000), d.progress, d.message, d.level, d.lines,
    )  # fmt: skip


def _decode(found: Gathered, entry: Entry) -> None:
    """Decode each version but a first one that a later one of the batch supersedes: nobody will see that."""
    records = entry.records
    if len(records) > 1:
        records.sort(key=lambda r: (r.version, r.source.id, r.offset))
    kept: list[StageRecord] = []
    for record in reversed(records):
        if record.version or not kept:
            try:
                record.body = body_decoder.decode(record.value)
            except UNREADABLE as exc:
                found.bad.append(_bad(record.source, record.offset, record.at_ms, exc, None, record.value))
                continue
            _note_names(found, record, record.body)
        kept.append(record)
    kept.reverse()
    entry.records = kept
    for note in entry.notes:
        if note.worker:
            found.names.add((NameKind.WORKER, note.worker))


def _note_names(found: Gathered, record: StageRecord, body: Body) -> None:
    names = found.names
    names.add((NameKind.TYPE, record.type))
    if body.worker:
        body.worker = clean(body.worker)[:255]
        names.add((NameKind.WORKER, body.worker))
    if body.errors:
        last = body.errors[-1]
        last.type = clean(last.type)[:255]
        names.add((NameKind.ERROR, last.type))
    if record.first is not None:
        source = record.source
        found.firsts.add((source.queue, record.first.code, source.partition))


def _bad(
    source: SourceRef, offset: int, at_ms: int, why: Exception, key: bytes | None, value: bytes | None
) -> Bad:
    reason = clean(f"{type(why).__name__}: {why}")[:1000]
    return Bad(source, offset, at_ms, reason, key and key[:HEAD_BYTES], value and value[:HEAD_BYTES])
