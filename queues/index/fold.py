"""The fold: what a batch of records makes of the rows that the index holds. Pure; any order gives the same.

The highest version decides the row. A late one fills its own timeline entry and is counted in its own minute.
"""

from collections.abc import Mapping
from typing import Final

from queues.domain.codes import Moment, StateCode
from queues.index.gather import AttemptNote, Bad, Entry, Gathered, StageRecord
from queues.index.marks import Dirty, Mark
from queues.index.minutes import Minute, ends_attempt
from queues.index.rows import Absence, Hint, Known, Row, always, epoch_ms, instant
from queues.index.shown import ACTIVE, First, Numbers, Start, activity_row, note_entry, payload, record_entry
from queues.index.text import args_preview

WORDS: Final = {int(code): code.name.lower() for code in StateCode}
NEVER: Final = Start(0, 0, None, None, 0)


class Batch:
    """Everything that one transaction writes, and what it changed for those who look."""

    def __init__(self) -> None:
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


class _Folding:
    """One activity's part of a batch."""

    __slots__ = ("absence", "batch", "claims", "entry", "id", "known", "numbers", "starts")

    def __init__(
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
        self.id = activity_id
        self.entry = entry
        self.known = known
        self.absence = absence
        self.claims = {note.fence: note for note in entry.notes if note.moment is Moment.CLAIMED}
        self.starts = {note.fence: note for note in entry.notes if note.moment is Moment.STARTED}

    def run(self) -> None:
        entry = self.entry
        if entry.source.queue not in self.batch.dirty:
            self.batch.dirty[entry.source.queue] = {}
        gone = entry.purged if self.absence is None else max(entry.purged, self.absence.purged_version)
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

    def _lives_again(self, record: StageRecord) -> bool:
        """Tell whether this is the first record of a new activity under an id that was purged."""
        old = self.absence or self.known
        if record.version or old is None or old.first_source_id is None or old.first_offset is None:
            return False
        return record.source.id == old.first_source_id and record.offset > old.first_offset

    def _minute(self, record: StageRecord) -> Minute:
        queue_id, type_id = record.source.queue_id, self.numbers.types[record.type]
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

    def _tell(self, record: StageRecord) -> None:
        """Append the record to the timeline, with the claim and the start that it ends."""
        body = record.body
        assert body is not None
        claim = start = None
        if ends_attempt(record):
            claim, start = self.claims.pop(body.fence, None), self.starts.pop(body.fence, None)
        self.batch.transitions.append(record_entry(self.id, record, claim, start, self.numbers))

    def _tell_note(self, note: AttemptNote) -> None:
        """Append what a running attempt told, unless what ends the attempt, or a start its claim, tells it too."""
        claim = start = None
        if note.moment is Moment.CLAIMED:
            claim = self.claims.get(note.fence)
            if claim is not note or note.fence in self.starts:
                return
        elif note.moment is Moment.STARTED:
            start, claim = self.starts.get(note.fence), self.claims.get(note.fence)
            if start is not note:
                return
        self.batch.transitions.append(note_entry(self.id, note, claim, start, self.numbers))

    def _latest_start(self, gone: int, version: int) -> Start:
        """Return the newest start told by this batch, or before it; one that ``version`` ends is of no interest."""
        latest = NEVER
        if self.known is not None:
            k = self.known
            latest = Start(k.fence, k.attempt, k.started_at, k.worker_id, k.updated_at, k.progress)
        elif self.absence is not None and self.absence.fence > gone:
            a = self.absence
            latest = Start(a.fence, a.attempt, a.started_at, a.worker_id, a.at)
        for note in self.entry.notes:
            if note.fence <= version or note.fence <= gone:
                continue
            if note.moment is Moment.STARTED and note.fence > latest.fence:
                worker_id = self.numbers.workers[note.worker] if note.worker else None
                latest = Start(
                    note.fence, note.attempt, instant(note.since_ms), worker_id, always(note.at_ms)
                )
            elif note.moment is Moment.PROGRESS and note.fence == latest.fence:
                latest = latest._replace(progress=note.progress)
        return latest

    def _write(self, kept: list[StageRecord], wait_ms: int | None, gone: int) -> None:
        known = self.known
        shown = kept[-1].version if kept else -1
        start = self._latest_start(gone, shown if known is None else max(shown, known.version))
        if kept and (known is None or shown > known.version):
            self._replace(kept[-1], wait_ms, start)
        elif known is not None:
            self._hint(known, start)
        elif any(note.fence > gone for note in self.entry.notes):
            self._remember(start)

    def _remember(self, start: Start) -> None:
        old = self.absence or Absence(self.id)
        at = always(max(note.at_ms for note in self.entry.notes))
        self.batch.absent.append(
            old._replace(
                fence=start.fence, attempt=start.attempt, started_at=start.started_at, worker_id=start.worker_id,
                at=start.at or at,
            )
        )  # fmt: skip

    def _hint(self, known: Known, start: Start) -> None:
        if start.fence <= known.version or (start.fence == known.fence and start.progress == known.progress):
            return
        self.batch.hints.append(
            Hint(
                self.id, start.fence, ACTIVE, start.attempt, start.started_at, start.worker_id,
                start.progress, start.at,
            )
        )  # fmt: skip
        if known.state != ACTIVE:
            self._move(known.queue_id, known.type_id, known.state, -1)
            self._move(known.queue_id, known.type_id, ACTIVE, 1)
        self._mark(ACTIVE, known.version)

    def _move(self, queue_id: int, type_id: int, state: int, by: int) -> None:
        key = (queue_id, type_id, state)
        self.batch.counts[key] = self.batch.counts.get(key, 0) + by

    def _mark(self, state: int, version: int) -> None:
        self.batch.dirty[self.entry.source.queue][self.id] = Mark(WORDS[state], version)

    def _first(self, record: StageRecord) -> First:
        if not record.version:
            return record.source.id, record.offset
        if record.first is not None:
            key = (record.source.queue, record.first[0], record.source.partition)
            return self.numbers.firsts[key], record.first[1]
        known = self.known
        return (known.first_source_id, known.first_offset) if known else (None, None)

    def _replace(self, record: StageRecord, wait_ms: int | None, start: Start) -> None:
        """Put the row of ``record`` in place of what there was."""
        batch, known, numbers = self.batch, self.known, self.numbers
        running = start if start.fence > record.version else None
        assert record.body is not None
        preview = args_preview(record.body)
        first = self._first(record)
        batch.rows.append(activity_row(self.id, record, first, wait_ms, running, preview, numbers))
        if known is not None:
            batch.replaced.append(known)
            self._move(known.queue_id, known.type_id, known.state, -1)
        elif self.absence is not None:
            batch.found.append(self.id)
        state = record.state if running is None else ACTIVE
        self._move(record.source.queue_id, numbers.types[record.type], state, 1)
        if known is None or record.body.errors:
            found = payload(self.id, record, preview, numbers.payload_bytes)
            if found is not None:
                batch.payloads.append(found)
        self._mark(state, record.version)

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
        self.batch.dirty[self.entry.source.queue][self.id] = Mark("purged", version)

    def _now(self) -> int:
        times = [note.at_ms for note in self.entry.notes] + [record.at_ms for record in self.entry.records]
        return max([*times, self.entry.purged_ms])
