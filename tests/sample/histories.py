"""Histories of activities as the log would hold them, and the plain way to read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from queues.domain.activity import Activity, Failure, encode_activity
from queues.domain.codes import StateCode, state_code
from queues.domain.events import EventData, EventType, encode_event
from queues.domain.record import (
    EPOCH_SHIFT,
    Kind,
    first_headers,
    later_headers,
    record_key,
    stage_of,
)
from queues.domain.states import State
from queues.log.inbox import RawMessage

T0 = 1_790_000_000_000
"""When histories begin: a full minute of the log's clock is 60,000 of these."""


@dataclass
class Log:
    """A log in memory: what was appended gets the next offset of its partition."""

    prefix: str
    queue: str = "q"
    partition: int = 0
    now_ms: int = T0
    messages: list[RawMessage] = field(default_factory=list)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    versions: int = EPOCH_SHIFT

    def version(self) -> int:
        self.versions += 1
        return self.versions

    def append(self, kind: str, key: bytes, value: bytes | None, headers: Any = None) -> RawMessage:
        place = (f"{self.prefix}-{self.queue}-{kind}", self.partition)
        offset = self.ends.get(place, 0)
        self.ends[place] = offset + 1
        self.now_ms += 7
        message = RawMessage(*place, offset, self.now_ms, key, value, headers)
        self.messages.append(message)
        return message

    def enqueue(self, a: Activity) -> RawMessage:
        a.created_ms = a.created_ms or self.now_ms
        return self.append("pending", record_key(a.id, 0), encode_activity(a), first_headers(a))

    def later(self, a: Activity, first: RawMessage) -> RawMessage:
        headers = later_headers(a, f"n:{first.offset}", "")
        return self.append(stage_of(a).value, record_key(a.id, a.version), encode_activity(a), headers)

    def claim(self, a: Activity, fence: int, settle: int) -> None:
        lease = {"id": a.id, "type": a.type, "attempt": a.attempt, "fence": fence, "version": settle}
        body = {
            "worker": "w1", "claimed_ms": self.now_ms, "deadline_ms": self.now_ms + 15_000, "leases": [lease],
        }  # fmt: skip
        self.append("processing", b"w1:1", msgspec.json.encode(body))

    def event(self, a: Activity, kind: EventType, **data: Any) -> None:
        told = EventData(
            a.queue, a.type, "active", data.pop("version", 0), attempt=a.attempt, worker="w1", **data
        )
        value = encode_event(kind, a.id, self.now_ms, told)
        self.append("events", a.id.encode(), value)

    def purge(self, message: RawMessage) -> None:
        kind = message.topic.rpartition("-")[2]
        assert message.key is not None
        self.append(kind, message.key, None, [("s", b"purged")])


def run_attempt(
    log: Log, a: Activity, first: RawMessage, ending: str, *, settle: bool = True
) -> RawMessage | None:
    """Append one attempt's records: completed, retry, dead, discarded, released or cancelled."""
    a.attempt += 1
    fence, version = log.version(), log.version()
    claimed = log.now_ms
    log.claim(a, fence, version)
    log.event(a, EventType.STARTED, fence=fence)
    started = log.now_ms
    if a.attempt % 2:
        log.event(a, EventType.PROGRESS, fence=fence, progress=0.5, message="half")
    if not settle:
        return None
    a.version, a.fence, a.worker = version, fence, "w1"
    a.claimed_ms, a.started_ms, a.ended_ms = claimed, started, log.now_ms + 3
    a.due_ms, a.reason = 0, ""
    if ending in {"retry", "dead", "discarded"}:
        failure = Failure("ValueError", f"no {a.attempt}", a.attempt, log.now_ms, worker="w1")
        a.errors, a.reason = (*a.errors, failure), "failed"
    match ending:
        case "completed":
            a.state, a.result = State.COMPLETED, msgspec.Raw(b'{"ok":true}')
        case "retry":
            a.state, a.due_ms = State.RETRYABLE, log.now_ms + 1_000
        case "released":
            a.state, a.reason = State.AVAILABLE, "released"
        case "cancelled":
            a.state, a.reason = State.CANCELLED, "cancelled"
        case _:
            a.state, a.dead = State.DISCARDED, ending == "dead"
    message = log.later(a, first)
    log.event(a, EventType.COMPLETED, fence=fence, version=version)
    return message


@dataclass
class Shown:
    """What a list must show of one activity."""

    version: int
    state: StateCode
    attempt: int
    fence: int


def reference(messages: Iterable[RawMessage]) -> tuple[dict[str, Shown], dict[str, int]]:
    """Return what the index must show, read in the plainest way, and the sums of all minutes."""
    records: dict[str, dict[int, tuple[Activity, RawMessage]]] = {}
    starts: dict[str, list[tuple[int, int]]] = {}
    purged: dict[str, int] = {}
    sums = dict.fromkeys(
        ("enqueued", "started", "completed", "failed", "retried", "discarded", "dead", "cancelled"), 0
    )
    for m in {(m.topic, m.partition, m.offset): m for m in messages}.values():
        kind = m.topic.rpartition("-")[2]
        assert m.key is not None
        if kind == "events":
            event = msgspec.json.decode(m.value or b"")
            if event["type"].endswith(".started"):
                starts.setdefault(event["subject"], []).append(
                    (event["data"]["fence"], event["data"]["attempt"])
                )
        elif kind != Kind.PROCESSING.value:
            activity_id, _, version = m.key.decode().rpartition(":")
            if m.value is None:
                purged[activity_id] = max(purged.get(activity_id, -1), int(version))
            else:
                a = msgspec.json.decode(m.value, type=Activity)
                records.setdefault(activity_id, {})[int(version)] = (a, m)
    for versions in records.values():
        for a, _ in versions.values():
            _add(sums, a)
    shown = {}
    for activity_id, versions in records.items():
        alive = [v for v in versions if v > purged.get(activity_id, -1)]
        if alive:
            a = versions[max(alive)][0]
            shown[activity_id] = _shown(a, max(starts.get(activity_id, [(0, 0)])))
    return shown, sums


def _shown(a: Activity, latest: tuple[int, int]) -> Shown:
    fence, attempt = latest
    if fence > a.version:
        return Shown(a.version, StateCode.ACTIVE, attempt, fence)
    return Shown(a.version, state_code(a.state, dead=a.dead), a.attempt, a.fence if _ended(a) else 0)


def _ended(a: Activity) -> bool:
    return a.fence > 0 and a.reason not in {
        "redriven",
        "rescheduled",
        "prioritised",
        "woken",
        "expired",
        "duplicate",
    }


def _add(sums: dict[str, int], a: Activity) -> None:
    if not a.version:
        sums["enqueued"] += 1
        return
    failed = _ended(a) and a.reason == "failed"
    sums["started"] += _ended(a)
    sums["failed"] += failed
    sums["retried"] += failed and a.state in {State.RETRYABLE, State.AVAILABLE}
    sums["completed"] += a.state is State.COMPLETED
    sums["cancelled"] += a.state is State.CANCELLED
    sums["dead"] += a.state is State.DISCARDED and a.dead
    sums["discarded"] += a.state is State.DISCARDED and not a.dead


def counts(shown: Mapping[str, Shown]) -> dict[StateCode, int]:
    """Return how many activities are in each state."""
    found: dict[StateCode, int] = {}
    for row in shown.values():
        found[row.state] = found.get(row.state, 0) + 1
    return found
