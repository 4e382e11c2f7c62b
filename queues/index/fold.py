"""The fold: what a batch of records makes of the rows that the index holds. Pure; any order gives the same.

The highest version decides the row. A late one fills its own timeline entry and is counted in its own minute.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from queues.domain.codes import Moment, NameKind, StateCode, TopicCode
from queues.domain.states import TERMINAL
from queues.index.body import Body
from queues.index.gather import AttemptNote, Bad, Entry, Gathered, StageRecord
from queues.index.marks import Dirty, Mark
from queues.index.minutes import FAILED, Minute, ends_attempt
from queues.index.rows import Absence, Hint, Known, Row, always, epoch_ms, instant
from queues.index.text import MESSAGE_CHARS, args_preview, clipped, document, raw_preview, search_text

TEXT_CHARS: Final = 1_000
MOST_ENTRIES: Final = 200
_encode: Final = msgspec.json.Encoder().encode
_ENDED: Final = frozenset(StateCode[state.name] for state in TERMINAL) | {StateCode.DEAD}


class Numbers(NamedTuple):
    """The numbers of what a batch names, all of them present."""

    names: Mapping[tuple[NameKind, str], int]
    firsts: Mapping[tuple[str, TopicCode, int], int]
    payload_bytes: int


class Batch:
    """Everything that one transaction writes, and what it changed for those who look."""

    def __init__(self) -> None:  # noqa: D107
        self.rows: list[Row] = []
        self.replaced: list[Known] = []
        self.payloads: list[tuple[str, str | None, str | None]] = []
        self.transitions: list[Row] = []
        self.hints: list[Hint] = []
        self.purged: list[str] = []
        self.absent: list[Absence] = []
        self.found: list[str] = []
        """Ids of absences that a row has taken the place of."""
        self.counts: dict[tuple[int, int, int], int] = {}
        self.minutes: dict[tuple[int, int, int], Minute] = {}
        self.bad: list[Bad] = []
        self.dirty: Dirty = {}
        self.records = 0


def fold(
    gathered: Gathered, known: Mapping[str, Known], absent: Mapping[str, Absence], numbers: Numbers
) -> Batch:
    """Return what the batch writes over ``known`` and ``absent``: all that the index holds of its activities."""
    batch = Batch()
    batch.bad = gathered.bad
    batch.records = gathered.records
    for activity_id, entry in gathered.entries.items():
        _Folding(batch, numbers, activity_id, entry, known.get(activity_id), absent.get(activity_id)).run()
    return batch


class _Start(NamedTuple):
    """The latest attempt known to have begun."""

    fence: int
    attempt: int
    started_at: int | None
    worker_id: int | None
    at: int
    progress: float | None = None


_NEVER: Final = _Start(0, 0, None, None, 0)


class _Folding:
    """One activity's part of a batch."""

    __slots__ = ("absence", "batch", "claims", "entry", "id", "known", "names", "numbers", "starts")

    def __init__(  # noqa: D107
        self,
        batch: Batch,
        numbers: Numbers,
        activity_id: str,
        entry: Entry,
        known: Known | None,
        absence: Absence | None,
    ) -> None:
        self.batch = batch
        self.numbers = numbers
        self.names = numbers.names
        self.id = activity_id
        self.entry = entry
        self.known = known
        self.absence = absence
        self.claims: dict[int, AttemptNote] = {}
        self.starts: dict[int, AttemptNote] = {}

    def run(self) -> None:
        entry = self.entry
        self.batch.dirty.setdefault(entry.source.queue, {})
        for note in entry.notes:
            if note.moment is Moment.CLAIMED:
                self.claims[note.fence] = note
            elif note.moment is Moment.STARTED:
                self.starts[note.fence] = note
        gone = self._purged_version()
        kept = []
        before: StageRecord | None = None
        for record in entry.records:
            wait_ms = self._count(record, before)
            if record.version > gone or self._lives_again(record):
                kept.append(record)
                if record.version:
                    self._tell(record)
            before = record
        for note in entry.notes:
            if note.fence > gone:
                self._tell_note(note)
        if gone >= 0 and not kept and (self.known is None or self.known.version <= gone):
            self._purge(gone)
        else:
            self._write(kept, wait_ms if kept else None, gone)

    def _purged_version(self) -> int:
        before = self.absence.purged_version if self.absence else -1
        return max(before, self.entry.purged)

    def _lives_again(self, record: StageRecord) -> bool:
        """Tell whether this is the first record of a new activity under an id that was purged."""
        old = self.absence or self.known
        if record.version or old is None or old.first_source_id is None or old.first_offset is None:
            return False
        return record.source.id == old.first_source_id and record.offset > old.first_offset

    def _minute(self, record: StageRecord) -> Minute:
        queue_id, type_id = record.source.queue_id, self.names[NameKind.TYPE, record.type]
        key = (record.at_ms // 60_000, queue_id, type_id)
        minute = self.batch.minutes.get(key)
        if minute is None:
            minute = self.batch.minutes[key] = Minute()
        return minute

    def _count(self, record: StageRecord, before: StageRecord | None) -> int | None:
        """Add the record to its minute unless it is another copy of one that was; return how long it waited."""
        if before is not None and before.version == record.version:
            return None
        if not record.version:
            if self._first_copy(record):
                self._minute(record).enqueued += 1
            return None
        wait_ms = self._wait_ms(record, before)
        if self.known is None or self.known.version != record.version:
            self._minute(record).count(record, wait_ms)
        return wait_ms

    def _first_copy(self, record: StageRecord) -> bool:
        known = self.known
        if known is None or known.first_source_id is None:
            return True
        return (known.first_source_id, known.first_offset) == (record.source.id, record.offset)

    def _wait_ms(self, record: StageRecord, before: StageRecord | None) -> int | None:
        """Return how long the attempt that ``record`` ends had been waiting for, as far as that is known."""
        body = record.body
        if body is None or not body.started_ms or not ends_attempt(record):
            return None
        known = self.known
        if before is not None and (known is None or before.version > known.version):
            since = before.due_ms or (before.at_ms if before.version else body.created_ms)
        elif known is not None and known.version < record.version:
            if known.due_at is not None:
                since = epoch_ms(known.due_at)
            elif known.version == 0:
                since = body.created_ms
            elif known.hinted:
                return None
            else:
                since = epoch_ms(known.updated_at)
        elif body.attempt <= 1:
            since = body.created_ms
        else:
            return None
        return max(body.started_ms - since, 0)

    def _name(self, kind: NameKind, name: str) -> int | None:
        return self.names[kind, name] if name else None

    def _tell(self, record: StageRecord) -> None:
        """Append the record to the timeline, with the addresses of the claim and the start that it ends."""
        b = record.body
        assert b is not None
        ended = ends_attempt(record)
        claim = self.claims.pop(b.fence, None) if ended else None
        start = self.starts.pop(b.fence, None) if ended else None
        self.batch.transitions.append(
            (
                record.offset, record.version, b.fence if ended else 0, always(record.at_ms),
                instant(b.claimed_ms) if ended else None, instant(b.started_ms) if ended else None,
                instant(b.due_ms), claim and claim.offset, start and start.offset, record.source.id,
                claim and claim.source.id, start and start.source.id,
                self._name(NameKind.WORKER, b.worker) if ended else None, b.attempt, b.generation,
                Moment.RECORD, record.state, self.id, clipped(b.reason, TEXT_CHARS), clipped(b.note, TEXT_CHARS),
                clipped(b.actor, TEXT_CHARS), self._detail(record, b, ended=ended),
            )
        )  # fmt: skip

    def _detail(self, record: StageRecord, b: Body, *, ended: bool) -> str | None:
        if record.state is StateCode.COMPLETED:
            result = bytes(b.result)
            if result == b"null":
                return None
            if len(result) <= self.numbers.payload_bytes:
                return '{"result":' + result.decode("utf-8", "replace") + "}"
            return _encode({"result_bytes": len(result)}).decode()
        if ended and b.reason in FAILED and b.errors:
            return _encode({"error": b.errors[-1]}).decode()
        return None

    def _tell_note(self, note: AttemptNote) -> None:
        """Append what a running attempt told, unless the record that ends it has told it."""
        start: AttemptNote | None = None
        claim: AttemptNote | None = None
        detail = None
        match note.moment:
            case Moment.CLAIMED:
                if note.fence in self.starts or self.claims.get(note.fence) is not note:
                    return
                claim = note
            case Moment.STARTED:
                if self.starts.get(note.fence) is not note:
                    return
                start, claim = note, self.claims.get(note.fence)
            case Moment.PROGRESS:
                detail = _encode({"progress": note.progress, "message": note.message}).decode()
            case _:
                detail = _encode({"level": note.level, "lines": note.lines}).decode()
        self.batch.transitions.append(
            (
                note.offset, note.fence, note.fence, always(note.at_ms), claim and instant(claim.since_ms),
                start and instant(start.since_ms), None, claim and claim.offset, start and start.offset,
                note.source.id, claim and claim.source.id, start and start.source.id,
                self._name(NameKind.WORKER, note.worker), note.attempt, 0, note.moment, StateCode.ACTIVE, self.id,
                None, None, None, detail,
            )
        )  # fmt: skip

    def _latest_start(self, gone: int) -> _Start:
        """Return the newest start told by this batch, an earlier one, or before there was a row."""
        latest = _NEVER
        if self.known is not None:
            k = self.known
            latest = _Start(k.fence, k.attempt, k.started_at, k.worker_id, k.updated_at, k.progress)
        elif self.absence is not None and self.absence.fence > gone:
            a = self.absence
            latest = _Start(a.fence, a.attempt, a.started_at, a.worker_id, a.at)
        for note in self.entry.notes:
            if note.fence <= gone:
                continue
            if note.moment is Moment.STARTED and note.fence > latest.fence:
                worker_id = self._name(NameKind.WORKER, note.worker)
                latest = _Start(
                    note.fence, note.attempt, instant(note.since_ms), worker_id, always(note.at_ms)
                )
            elif note.moment is Moment.PROGRESS and note.fence == latest.fence:
                latest = latest._replace(progress=note.progress)
        return latest

    def _write(self, kept: list[StageRecord], wait_ms: int | None, gone: int) -> None:
        known = self.known
        start = self._latest_start(gone)
        if kept and (known is None or kept[-1].version > known.version):
            self._replace(kept[-1], wait_ms, start)
        elif known is not None:
            self._hint(known, start)
        elif any(note.fence > gone for note in self.entry.notes):
            self._remember(start)

    def _remember(self, start: _Start) -> None:
        old = self.absence or Absence(self.id)
        at = always(max(note.at_ms for note in self.entry.notes))
        self.batch.absent.append(
            old._replace(
                fence=start.fence, attempt=start.attempt, started_at=start.started_at, worker_id=start.worker_id,
                at=start.at or at,
            )
        )  # fmt: skip

    def _hint(self, known: Known, start: _Start) -> None:
        if start.fence <= known.version or (start.fence == known.fence and start.progress == known.progress):
            return
        self.batch.hints.append(
            Hint(
                self.id, start.fence, StateCode.ACTIVE, start.attempt, start.started_at, start.worker_id,
                start.progress, start.at,
            )
        )  # fmt: skip
        if known.state != StateCode.ACTIVE:
            self._move(known.queue_id, known.type_id, known.state, -1)
            self._move(known.queue_id, known.type_id, StateCode.ACTIVE, 1)
        self._mark(StateCode.ACTIVE, known.version)

    def _move(self, queue_id: int, type_id: int, state: int, by: int) -> None:
        key = (queue_id, type_id, int(state))
        self.batch.counts[key] = self.batch.counts.get(key, 0) + by

    def _mark(self, state: StateCode, version: int) -> None:
        self.batch.dirty[self.entry.source.queue][self.id] = Mark(state.name.lower(), version)

    def _first(self, record: StageRecord) -> tuple[int | None, int | None]:
        if not record.version:
            return record.source.id, record.offset
        if record.first is not None:
            key = (record.source.queue, record.first.code, record.source.partition)
            return self.numbers.firsts[key], record.first.offset
        known = self.known
        return (known.first_source_id, known.first_offset) if known else (None, None)

    def _replace(self, record: StageRecord, wait_ms: int | None, start: _Start) -> None:
        """Put the row of ``record`` in place of what there was."""
        batch, known = self.batch, self.known
        b = record.body
        assert b is not None
        type_id = self.names[NameKind.TYPE, record.type]
        running = start.fence > record.version
        state = StateCode.ACTIVE if running else record.state
        batch.rows.append(self._row(record, b, wait_ms, start if running else None, type_id))
        if known is not None:
            batch.replaced.append(known)
            self._move(known.queue_id, known.type_id, known.state, -1)
        elif self.absence is not None:
            batch.found.append(self.id)
        self._move(record.source.queue_id, type_id, state, 1)
        if known is None or b.errors:
            preview = args_preview(b)
            search = search_text(preview, b)
            found = document(b, self.numbers.payload_bytes)
            if found is not None or search is not None:
                batch.payloads.append((self.id, found, search))
        self._mark(state, record.version)

    def _row(
        self, record: StageRecord, b: Body, wait_ms: int | None, running: _Start | None, type_id: int
    ) -> Row:
        ended = ends_attempt(record)
        first_source, first_offset = self._first(record)
        error = b.errors[-1] if b.errors else None
        terminal = record.state in _ENDED
        if running is not None:
            fence, attempt, started_at, worker_id = (
                running.fence,
                running.attempt,
                running.started_at,
                running.worker_id,
            )
            updated_at, state, progress = running.at, StateCode.ACTIVE, running.progress
        else:
            fence, attempt, started_at = b.fence if ended else 0, b.attempt, instant(b.started_ms)
            worker_id = self._name(NameKind.WORKER, b.worker)
            updated_at, state, progress = always(record.at_ms), record.state, None
        return (
            record.version, fence, always(b.created_ms), updated_at, instant(b.due_ms), instant(b.expires_ms),
            started_at, instant(b.ended_ms) if terminal else None, wait_ms,
            max(b.ended_ms - b.started_ms, 0) if ended and b.started_ms else None, record.offset, first_offset,
            progress, record.source.id, first_source, record.source.queue_id, type_id, worker_id,
            self.names[NameKind.ERROR, error.type] if error else None, attempt, b.max_attempts, b.generation,
            b.members, state, b.priority, self.id, clipped(error.message, MESSAGE_CHARS) if error else None,
            clipped(b.reason, TEXT_CHARS), clipped(b.note, TEXT_CHARS), clipped(b.actor, TEXT_CHARS),
            clipped(b.key, TEXT_CHARS), clipped(b.unique.key, TEXT_CHARS) if b.unique else None,
            [clipped(tag, TEXT_CHARS) for tag in b.tags] or None, clipped(b.parent, TEXT_CHARS),
            clipped(b.root, TEXT_CHARS), clipped(b.workflow, TEXT_CHARS), args_preview(b),
            _result_preview(b) if record.state is StateCode.COMPLETED else None,
        )  # fmt: skip

    def _purge(self, version: int) -> None:
        """Remove the row; remember it, so that older records read later do not bring it back."""
        known, old = self.known, self.absence or Absence(self.id)
        first = (
            (known.first_source_id, known.first_offset) if known else (old.first_source_id, old.first_offset)
        )
        for record in self.entry.records:
            if first[0] is None:
                first = self._first(record)
        self.batch.absent.append(
            old._replace(
                purged_version=version,
                first_source_id=first[0],
                first_offset=first[1],
                at=always(self._now()),
            )
        )
        self.batch.purged.append(self.id)
        if known is not None:
            self.batch.replaced.append(known)
            self._move(known.queue_id, known.type_id, known.state, -1)
        self._mark(StateCode.DEAD, version)
        self.batch.dirty[self.entry.source.queue][self.id] = Mark("purged", version)

    def _now(self) -> int:
        times = [note.at_ms for note in self.entry.notes] + [record.at_ms for record in self.entry.records]
        return max([*times, self.entry.purged_ms])


def _result_preview(b: Body) -> str | None:
    result = bytes(b.result)
    return raw_preview(result) if result != b"null" else None
