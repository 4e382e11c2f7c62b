"""Records of the log, read as far as the index needs them, gathered by activity."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from queues.domain.codes import STATE_CODES, Moment, StateCode, TopicCode
from queues.domain.errors import MalformedRecord, UnknownSchemaVersion
from queues.domain.events import PREFIX, EventType
from queues.domain.record import SCHEMA_VERSION
from queues.index.body import UNREADABLE, Body, body_decoder, claim_decoder, note_decoder
from queues.index.text import clean
from queues.log.inbox import RawMessage

HEAD_BYTES: Final = 512
MOST_ID_CHARS: Final = 512
MOST_TYPES: Final = 10_000
_STATES: Final = {state.value.encode(): int(code) for state, code in STATE_CODES.items()}
_MOMENTS: Final = {
    PREFIX + EventType.STARTED: Moment.STARTED,
    PREFIX + EventType.PROGRESS: Moment.PROGRESS,
    PREFIX + EventType.LOG: Moment.LOG,
}
_BANDS: Final = {
    b"n": int(TopicCode.PENDING),
    b"c": int(TopicCode.PENDING_CRITICAL),
    b"h": int(TopicCode.PENDING_HIGH),
    b"l": int(TopicCode.PENDING_LOW),
}
# Plain numbers: an enum's member is hashed by a Python function.
_DLQ: Final = int(TopicCode.DLQ)
_DISCARDED: Final = int(StateCode.DISCARDED)
_DEAD: Final = int(StateCode.DEAD)
_types: dict[bytes, str] = {}


class SourceRef(NamedTuple):
    """A partition of a topic by its number in the index."""

    id: int
    queue: str
    queue_id: int
    code: int
    partition: int
    stage: bool


def source_ref(number: int, queue: str, queue_id: int, code: int, partition: int) -> SourceRef:
    """Return the reference; that its records are whole activities is told once, here."""
    return SourceRef(number, queue, queue_id, code, partition, code <= TopicCode.DLQ)


type First = tuple[int, int]
"""Topic code and offset of an activity's first record."""


class StageRecord:
    """One version of an activity; ``body`` None: read no further than its headers."""

    __slots__ = ("at_ms", "body", "due_ms", "first", "offset", "source", "state", "type", "value", "version")

    def __init__(
        self,
        version: int,
        source: SourceRef,
        offset: int,
        at_ms: int,
        headers: dict[str, bytes],
        value: bytes,
    ) -> None:
        if headers["e"] != b"1":
            _require_schema(headers)
        self.version = version
        self.source = source
        self.offset = offset
        self.at_ms = at_ms
        state = _STATES[headers["s"]]
        self.state = _DEAD if state == _DISCARDED and source.code == _DLQ else state
        self.type = _type(headers["t"])
        self.due_ms = int(headers["d"]) if "d" in headers else 0
        self.first = _first(headers.get("a"))
        self.value = value
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
    """A batch by activity; its names and ``firsts`` must have numbers before it is written."""

    entries: dict[str, Entry] = field(default_factory=dict)
    bad: list[Bad] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    workers: set[str] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)
    firsts: set[tuple[str, int, int]] = field(default_factory=set)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Source id → (offset that comes next, time of the last record or 0)."""
    log_ends: dict[int, int] = field(default_factory=dict)
    """Source id → the log's own end, as far as it was seen."""
    records: int = 0


def gather(
    messages: Iterable[RawMessage],
    sources: Mapping[tuple[str, int], SourceRef],
    at: Mapping[int, int] | None = None,
) -> Gathered:
    """Sort ``messages`` by activity and decode what will be shown.

    Args:
        messages: those of one partition in order.
        sources: every partition that they come from.
        at: source id → where the index stands; what lies before it is left out, it was read twice.

    Raises:
        UnknownSchemaVersion: a newer release wrote one of them: nothing may be passed over.
    """
    found = Gathered()
    entries = found.entries
    source: SourceRef | None = None
    place: tuple[str, int] = ("", -1)
    stand = -1
    for message in messages:
        if source is None or place != message[:2]:
            place = message[:2]
            source = sources[place]
            stand = at.get(source.id, -1) if at else -1
        if message[2] < stand:
            continue
        found.ends[source.id] = message[2:4]
        found.records += 1
        try:
            _take(entries, source, message)
        except UnknownSchemaVersion as exc:
            place_text = f"{message.topic}[{message.partition}]@{message.offset}"
            raise UnknownSchemaVersion(f"{place_text}: {exc}") from exc
        except (MalformedRecord, KeyError, ValueError, *UNREADABLE) as exc:
            found.bad.append(
                _bad(source, message.offset, message.timestamp_ms, exc, message.key, message.value)
            )
    found.ends = {source_id: (offset + 1, at_ms) for source_id, (offset, at_ms) in found.ends.items()}
    for entry in entries.values():
        _decode(found, entry)
    return found


def _take(entries: dict[str, Entry], source: SourceRef, message: RawMessage) -> None:
    _, _, offset, at_ms, key, value, headers = message
    if key is None:
        raise MalformedRecord("no key")
    if source.stage:
        activity_id, _, text = key.decode().rpartition(":")
        version = int(text)
        if not 0 <= version < 2**62:
            raise MalformedRecord(f"version {version}")
        if value is None:
            if ("s", b"purged") in (headers or ()):
                entry = _entry(entries, activity_id, source)
                entry.purged, entry.purged_ms = max(entry.purged, version), max(entry.purged_ms, at_ms)
            return
        record = StageRecord(version, source, offset, at_ms, dict(headers or ()), value)
        _entry(entries, activity_id, source).records.append(record)
    elif value is not None:
        for note_id, note in _READ_NOTES[source.code](source, message):
            _entry(entries, note_id, source).notes.append(note)


def _entry(entries: dict[str, Entry], activity_id: str, source: SourceRef) -> Entry:
    entry = entries.get(activity_id)
    if entry is None:
        if not activity_id or len(activity_id) > MOST_ID_CHARS or "\x00" in activity_id:
            raise MalformedRecord("the key names no activity")
        entry = entries[activity_id] = Entry(source)
    return entry


def _require_schema(headers: Mapping[str, bytes]) -> None:
    found = int(headers["e"])
    if found != SCHEMA_VERSION:
        raise UnknownSchemaVersion(
            f"the record has schema version {found}, this release reads {SCHEMA_VERSION}: upgrade this process"
        )


def _type(name: bytes) -> str:
    found = _types.get(name)
    if found is None:
        if len(_types) > MOST_TYPES:
            _types.clear()
        found = _types[name] = clean(name.decode())[:255]
    return found


def _first(address: bytes | None) -> First | None:
    if not address:
        return None
    band, _, offset = address.partition(b":")
    return _BANDS[band], int(offset)


def _claim(source: SourceRef, message: RawMessage) -> Iterable[tuple[str, AttemptNote]]:
    c = claim_decoder.decode(message.value or b"")
    worker, since_ms = clean(c.worker)[:255], c.claimed_ms or message.timestamp_ms
    for x in c.leases:
        yield x.id, AttemptNote(
            Moment.CLAIMED, source, message.offset, message.timestamp_ms, x.fence, x.attempt, worker, since_ms,
            None, "", "", (),
        )  # fmt: skip


def _event(source: SourceRef, message: RawMessage) -> Iterable[tuple[str, AttemptNote]]:
    value = message.value or b""
    # Most events repeat what a record of a stage tells: a look is cheaper than reading them.
    if _STARTED not in value and _PROGRESS not in value and _LOG not in value:
        return ()
    n = note_decoder.decode(value)
    moment = _MOMENTS.get(n.type)
    if moment is None:
        return ()
    d = n.data
    note = AttemptNote(
        moment, source, message.offset, message.timestamp_ms, d.fence, d.attempt, clean(d.worker)[:255],
        int(n.time.timestamp() * 1000), d.progress, d.message, d.level, d.lines,
    )  # fmt: skip
    return (((message.key or b"").decode(), note),)


def _nothing(_source: SourceRef, _message: RawMessage) -> Iterable[tuple[str, AttemptNote]]:
    """Pass over what durable execution remembers: no page shows it."""
    return ()


_STARTED, _PROGRESS, _LOG = (f'{kind}"'.encode() for kind in _MOMENTS)
_READ_NOTES: Final[dict[int, Callable[[SourceRef, RawMessage], Iterable[tuple[str, AttemptNote]]]]] = {
    int(TopicCode.PROCESSING): _claim,
    int(TopicCode.EVENTS): _event,
    int(TopicCode.STATE): _nothing,
}


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
            found.workers.add(note.worker)


def _note_names(found: Gathered, record: StageRecord, body: Body) -> None:
    found.types.add(record.type)
    if body.worker:
        body.worker = clean(body.worker)[:255]
        found.workers.add(body.worker)
    if body.errors:
        last = body.errors[-1]
        last.type = clean(last.type)[:255]
        found.errors.add(last.type)
    if record.first is not None:
        source = record.source
        found.firsts.add((source.queue, record.first[0], source.partition))


def _bad(
    source: SourceRef, offset: int, at_ms: int, why: Exception, key: bytes | None, value: bytes | None
) -> Bad:
    reason = clean(f"{type(why).__name__}: {why}")[:1000]
    return Bad(source, offset, at_ms, reason, key and key[:HEAD_BYTES], value and value[:HEAD_BYTES])
