"""How a record is shown: its row in a list, its entry in the timeline, what it is found by. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from queues.domain.codes import Moment, StateCode
from queues.domain.states import TERMINAL
from queues.index.body import Body
from queues.index.gather import AttemptNote, StageRecord
from queues.index.minutes import FAILED, ends_attempt
from queues.index.rows import Row, always, instant
from queues.index.text import MESSAGE_CHARS, clipped, document, raw_preview, search_text

TEXT_CHARS: Final = 1_000
ENDED: Final = frozenset(int(StateCode[state.name]) for state in TERMINAL) | {int(StateCode.DEAD)}
ACTIVE: Final = int(StateCode.ACTIVE)
COMPLETED: Final = int(StateCode.COMPLETED)
_RECORD: Final = int(Moment.RECORD)
_encode: Final = msgspec.json.Encoder().encode


class Numbers(NamedTuple):
    """The numbers of what a batch names, all of them present."""

    types: Mapping[str, int]
    workers: Mapping[str, int]
    errors: Mapping[str, int]
    firsts: Mapping[tuple[str, int, int], int]
    payload_bytes: int


class Start(NamedTuple):
    """The latest attempt known to have begun; instants as columns have them."""

    fence: int
    attempt: int
    started_at: int | None
    worker_id: int | None
    at: int
    progress: float | None = None


type First = tuple[int | None, int | None]


def activity_row(
    activity_id: str,
    record: StageRecord,
    first: First,
    wait_ms: int | None,
    running: Start | None,
    preview: str | None,
    numbers: Numbers,
) -> Row:
    """Return the row of ``record``, in the order of ``rows.ACTIVITY``; ``running``: a start newer than it."""
    b = _body(record)
    ended = ends_attempt(record)
    error = b.errors[-1] if b.errors else None
    if running is None:
        worker_id = numbers.workers[b.worker] if b.worker else None
        fence = b.fence if ended else 0
        running = Start(fence, b.attempt, instant(b.started_ms), worker_id, always(record.at_ms))
        state = record.state
    else:
        state = ACTIVE
    return (
        record.version, running.fence, always(b.created_ms), running.at, instant(b.due_ms), instant(b.expires_ms),
        running.started_at, instant(b.ended_ms) if record.state in ENDED else None, wait_ms,
        max(b.ended_ms - b.started_ms, 0) if ended and b.started_ms else None,
        record.offset, first[1], running.progress, record.source.id, first[0], record.source.queue_id,
        numbers.types[record.type], running.worker_id,
        numbers.errors[error.type] if error else None,
        running.attempt, b.max_attempts, b.generation, b.members, state, b.priority, activity_id,
        clipped(error.message, MESSAGE_CHARS) if error else None, _text(b.reason) if b.reason else None,
        _text(b.note) if b.note else None, _text(b.actor) if b.actor else None, _text(b.key) if b.key else None,
        clipped(b.unique.key, TEXT_CHARS) if b.unique else None,
        [clipped(tag, TEXT_CHARS) for tag in b.tags] if b.tags else None,
        _text(b.parent) if b.parent else None, _text(b.root) if b.root else None,
        _text(b.workflow) if b.workflow else None,
        preview, _result_preview(b) if record.state == COMPLETED else None,
    )  # fmt: skip


def record_entry(
    activity_id: str,
    record: StageRecord,
    claim: AttemptNote | None,
    start: AttemptNote | None,
    numbers: Numbers,
) -> Row:
    """Return the timeline's entry of a later version, in the order of ``rows.TRANSITION``."""
    b = _body(record)
    ended = ends_attempt(record)
    return (
        record.offset, record.version, b.fence if ended else 0, always(record.at_ms),
        instant(b.claimed_ms) if ended else None, instant(b.started_ms) if ended else None, instant(b.due_ms),
        claim and claim.offset, start and start.offset,
        record.source.id, claim and claim.source.id, start and start.source.id,
        numbers.workers[b.worker] if ended and b.worker else None,
        b.attempt, b.generation, _RECORD, record.state, activity_id, _text(b.reason) if b.reason else None,
        _text(b.note) if b.note else None, _text(b.actor) if b.actor else None,
        _detail(record, b, numbers.payload_bytes),
    )  # fmt: skip


def note_entry(
    activity_id: str,
    note: AttemptNote,
    claim: AttemptNote | None,
    start: AttemptNote | None,
    numbers: Numbers,
) -> Row:
    """Return the timeline's entry of a note, with the claim that a start stands for."""
    detail: str | None = None
    match note.moment:
        case Moment.PROGRESS:
            detail = _encode({"progress": note.progress, "message": note.message}).decode()
        case Moment.LOG:
            detail = _encode({"level": note.level, "lines": note.lines}).decode()
    return (
        note.offset, note.fence, note.fence, always(note.at_ms),
        claim and instant(claim.since_ms), start and instant(start.since_ms), None,
        claim and claim.offset, start and start.offset,
        note.source.id, claim and claim.source.id, start and start.source.id,
        numbers.workers[note.worker] if note.worker else None,
        note.attempt, 0, note.moment, ACTIVE, activity_id, None, None, None, detail,
    )  # fmt: skip


def payload(
    activity_id: str, record: StageRecord, preview: str | None, payload_bytes: int
) -> tuple[str, str | None, str | None] | None:
    """Return what the activity is found by: its document and its text; None when there is neither."""
    b = _body(record)
    search = search_text(preview, b)
    found = document(b, payload_bytes)
    return None if found is None and search is None else (activity_id, found, search)


def _text(text: str) -> str | None:
    return clipped(text, TEXT_CHARS)


def _body(record: StageRecord) -> Body:
    assert record.body is not None, "gathering decodes whatever is shown"
    return record.body


def _detail(record: StageRecord, b: Body, most_bytes: int) -> str | None:
    if record.state == COMPLETED:
        result = bytes(b.result)
        if result == b"null":
            return None
        if len(result) <= most_bytes:
            return '{"result":' + result.decode("utf-8", "replace") + "}"
        return _encode({"result_bytes": len(result)}).decode()
    if b.reason in FAILED and b.errors and ends_attempt(record):
        return _encode({"error": b.errors[-1]}).decode()
    return None


def _result_preview(b: Body) -> str | None:
    result = bytes(b.result)
    return raw_preview(result) if result != b"null" else None
