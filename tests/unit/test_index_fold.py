"""The fold of the index: whatever the order, the repeats and the cuts of what is read, the view is the same."""

import copy
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queues.domain.activity import Activity
from queues.domain.codes import Moment, StateCode, TopicCode
from queues.domain.errors import UnknownSchemaVersion
from queues.domain.ids import new_id
from queues.domain.record import Kind
from queues.domain.states import State
from queues.index.body import Body
from queues.index.fold import Batch, fold
from queues.index.gather import Gathered, gather, source_ref
from queues.index.rows import ACTIVITY, TRANSITION, Absence, Known
from queues.index.shown import Numbers
from queues.log.inbox import RawMessage
from tests.sample.histories import Log, Shown, counts, reference, run_attempt

PREFIX = "t"
CODES = {
    "pending": TopicCode.PENDING, "retry": TopicCode.RETRY, "completed": TopicCode.COMPLETED,
    "dlq": TopicCode.DLQ, "processing": TopicCode.PROCESSING, "events": TopicCode.EVENTS,
}  # fmt: skip
SOURCES = {
    (f"{PREFIX}-q-{kind}", 0): source_ref(number, "q", 1, code, 0)
    for number, (kind, code) in enumerate(CODES.items(), 1)
}
_COLUMNS = [name.strip('"') for name, _ in ACTIVITY]
_ENTRY = [name.strip('"') for name, _ in TRANSITION]


class Numbering(dict):
    """Gives each name the next number."""

    def __missing__(self, key):
        self[key] = len(self) + 1
        return self[key]


class Tables:
    """The tables in memory: applies batches as the store does."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, object]] = {}
        self.absent: dict[str, Absence] = {}
        self.entries: list[dict[str, object]] = []
        self.counts: dict[StateCode, int] = {}
        self.sums: dict[str, int] = {}
        self.numbers = Numbers(
            Numbering(),
            Numbering(),
            Numbering(),
            {("q", code, 0): SOURCES[f"{PREFIX}-q-{kind}", 0].id for kind, code in CODES.items()},
            16_384,
        )

    def write(self, messages: Sequence[RawMessage]) -> Batch:
        gathered = gather(messages, SOURCES)
        known = {i: self.known(i) for i in gathered.entries if i in self.rows}
        absent = {i: self.absent[i] for i in gathered.entries if i in self.absent and i not in self.rows}
        batch = fold(gathered, known, absent, self.numbers)
        for replaced in batch.replaced:
            del self.rows[replaced.id]
        for activity_id in batch.purged:
            self.entries = [e for e in self.entries if e["activity_id"] != activity_id]
        for activity_id in batch.found:
            del self.absent[activity_id]
        for row in batch.rows:
            shown = dict(zip(_COLUMNS, row, strict=True))
            assert shown["id"] not in self.rows
            self.rows[str(shown["id"])] = shown
        for hint in batch.hints:
            self.rows[hint.id] |= {k: v for k, v in hint._asdict().items() if k != "id"}
        self.absent |= {absence.id: absence for absence in batch.absent}
        self.entries += [dict(zip(_ENTRY, row, strict=True)) for row in batch.transitions]
        for (_, _, state), n in batch.counts.items():
            self.counts[StateCode(state)] = self.counts.get(StateCode(state), 0) + n
        for minute in batch.minutes.values():
            for name in (
                "enqueued",
                "started",
                "completed",
                "failed",
                "retried",
                "discarded",
                "dead",
                "cancelled",
            ):
                self.sums[name] = self.sums.get(name, 0) + getattr(minute, name)
        return batch

    def known(self, activity_id: str) -> Known:
        row = self.rows[activity_id]
        return Known(**{name: row[name] for name in Known._fields if name != "ctid"}, ctid="(0,1)")

    def shown(self) -> dict[str, Shown]:
        return {
            activity_id: Shown(row["version"], StateCode(row["state"]), row["attempt"], row["fence"])
            for activity_id, row in self.rows.items()
        }

    def counted(self) -> dict[StateCode, int]:
        return {state: n for state, n in self.counts.items() if n}


endings = st.sampled_from(["completed", "retry", "dead", "discarded", "released", "cancelled"])


@st.composite
def logs(draw) -> Log:
    log = Log(PREFIX)
    for _ in range(draw(st.integers(1, 4))):
        a = Activity(id=new_id(), queue="q", type=draw(st.sampled_from(["a", "b"])))
        first = log.enqueue(a)
        last = first
        for ending in draw(st.lists(endings, max_size=4)):
            settle = draw(st.integers(0, 5)) > 0
            message = run_attempt(log, copy.deepcopy(a) if not settle else a, first, ending, settle=settle)
            if message is None:
                break
            last = message
            if a.state is State.RETRYABLE and draw(st.booleans()):
                a.version, a.reason, a.state = log.version(), "rescheduled", State.SCHEDULED
                last = log.later(a, first)
            elif a.state is State.DISCARDED or a.state is State.CANCELLED:
                if not draw(st.booleans()):
                    break
                a.version, a.reason, a.state, a.dead = log.version(), "redriven", State.AVAILABLE, False
                last = log.later(a, first)
            elif a.state is State.COMPLETED:
                break
        if last is not first and draw(st.integers(0, 4)) == 0:
            log.purge(last)
    return log


@settings(max_examples=300, deadline=None)
@given(logs(), st.randoms(use_true_random=False), st.integers(1, 12))
def test_any_order_and_any_batches_show_what_the_plain_reading_shows(log: Log, rng: random.Random, size: int):
    shown, sums = reference(log.messages)
    messages = list(log.messages)
    rng.shuffle(messages)
    tables = Tables()
    for start in range(0, len(messages), size):
        tables.write(messages[start : start + size])
    assert tables.shown() == shown
    assert tables.counted() == counts(shown)
    assert tables.sums == sums


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 12))
def test_the_timeline_holds_each_later_version_once_with_its_address(log: Log, size: int):
    tables = Tables()
    for start in range(0, len(log.messages), size):
        tables.write(log.messages[start : start + size])
    later = {
        (m.key.decode().rpartition(":")[0], SOURCES[m.topic, m.partition].id, m.offset)
        for m in log.messages
        if m.value and CODES[m.topic.rpartition("-")[2]] <= TopicCode.DLQ and not m.key.endswith(b":0")
    }
    told = [
        (e["activity_id"], e["source_id"], e["offset"])
        for e in tables.entries
        if e["moment"] == Moment.RECORD
    ]
    assert len(told) == len(set(told))
    assert {t for t in later if t[0] in tables.rows} == {t for t in told if t[0] in tables.rows}


def one(ending: str = "completed") -> tuple[Log, Activity]:
    log = Log(PREFIX)
    a = Activity(id=new_id(), queue="q", type="a")
    run_attempt(log, a, log.enqueue(a), ending)
    return log, a


def test_a_whole_life_in_one_batch_costs_one_row_and_one_entry_that_names_claim_and_start():
    log, a = one()
    batch = Tables().write([m for m in log.messages if b"progress" not in (m.value or b"")])
    assert (len(batch.rows), len(batch.transitions), len(batch.absent)) == (1, 1, 0)
    entry = dict(zip(_ENTRY, batch.transitions[0], strict=True))
    assert (entry["claimed_offset"], entry["started_offset"], entry["version"]) == (0, 0, a.version)


def test_a_first_record_that_a_later_one_supersedes_is_not_even_decoded():
    log, _ = one()
    broken = [m._replace(value=b"{") if m.topic.endswith("pending") else m for m in log.messages]
    assert gather(broken, SOURCES).bad == []


def test_another_copy_of_a_record_is_counted_once():
    log, _ = one()
    copies = [m._replace(offset=m.offset + 100) for m in log.messages if m.value and b":" in (m.key or b"")]
    together, apart = Tables(), Tables()
    together.write([*log.messages, *copies])
    apart.write(log.messages)
    apart.write(copies)
    assert together.sums == apart.sums
    assert together.sums["enqueued"] == together.sums["completed"] == 1


def test_a_start_that_comes_before_its_activity_is_remembered_and_shown_with_it():
    log = Log(PREFIX)
    a = Activity(id=new_id(), queue="q", type="a")
    run_attempt(log, a, log.enqueue(a), "", settle=False)
    tables = Tables()
    tables.write([m for m in log.messages if not m.topic.endswith("pending")])
    assert a.id in tables.absent
    tables.write([m for m in log.messages if m.topic.endswith("pending")])
    assert tables.shown()[a.id].state is StateCode.ACTIVE
    assert a.id not in tables.absent
    assert tables.rows[a.id]["started_at"] is not None


def test_what_was_purged_stays_away_when_older_records_are_read_later():
    log = Log(PREFIX)
    a = Activity(id=new_id(), queue="q", type="a")
    first = log.enqueue(a)
    run_attempt(log, a, first, "retry")
    last = run_attempt(log, a, first, "dead")
    log.purge(last)
    tables = Tables()
    tables.write(log.messages[-1:])
    tables.write(log.messages[:-1])
    assert tables.rows == {}
    assert tables.counted() == {}
    assert tables.absent[a.id].purged_version == a.version


def test_an_id_that_was_purged_may_live_again():
    log = Log(PREFIX)
    a = Activity(id="chosen", queue="q", type="a")
    log.purge(run_attempt(log, a, log.enqueue(a), "completed"))
    tables = Tables()
    tables.write(log.messages)
    known = len(log.messages)
    log.enqueue(Activity(id="chosen", queue="q", type="a"))
    tables.write(log.messages[known:])
    assert tables.shown()["chosen"].state is StateCode.AVAILABLE


def test_a_newer_schema_version_stops_the_view():
    log, _ = one()
    m = log.messages[0]
    headers = [(k, b"2" if k == "e" else v) for k, v in m.headers]
    with pytest.raises(UnknownSchemaVersion, match="upgrade this process"):
        gather([m._replace(headers=headers)], SOURCES)


@pytest.mark.parametrize(
    "change",
    [
        {"key": None},
        {"key": b"no version"},
        {"key": b"\xff:1"},
        {"headers": None},
        {"headers": [("v", b"1"), ("s", b"sleepy"), ("t", b"a"), ("p", b"0"), ("e", b"1")]},
        {"value": b"{"},
        {"value": b'{"priority": 99999}'},
        {"value": b'{"args":' + b"[" * 100_000},
        {"value": b'{"created_ms": 99999999999999999}'},
    ],
)
def test_a_record_that_is_none_of_ours_is_kept_aside_with_its_reason(change):
    log, _ = one()
    completed = next(m for m in log.messages if m.topic.endswith("completed"))
    gathered = gather([completed._replace(**change)], SOURCES)
    assert [bad.offset for bad in gathered.bad] == [completed.offset]
    assert gathered.bad[0].reason
    assert gathered.ends == {SOURCES[completed.topic, 0].id: (1, completed.timestamp_ms)}


def test_what_lies_before_the_position_was_read_twice_and_is_left_out():
    log, a = one()
    at = {SOURCES[place].id: end for place, end in log.ends.items()}
    gathered = gather(log.messages, SOURCES, at)
    assert (gathered.entries, gathered.ends, gathered.records) == ({}, {}, 0)
    at[SOURCES[f"{PREFIX}-q-completed", 0].id] = 0
    assert list(gather(log.messages, SOURCES, at).entries) == [a.id]


def test_the_body_of_the_index_has_the_defaults_of_an_activity():
    a = msgspec.structs.asdict(Activity(id="i", queue="q", type="t"))
    for f in msgspec.structs.fields(Body):
        if f.name not in {"meta", "result"}:
            assert f.default == a[f.name], f.name


def test_names_and_first_places_are_all_asked_for_before_the_fold():
    log, _ = one("dead")
    gathered: Gathered = gather(log.messages, SOURCES)
    assert (gathered.types, gathered.workers, gathered.errors) == ({"a"}, {"w1"}, {"ValueError"})
    assert gathered.firsts == {("q", TopicCode.PENDING, 0)}
    assert Kind.PENDING.value in {topic.rpartition("-")[2] for topic, _ in SOURCES}
