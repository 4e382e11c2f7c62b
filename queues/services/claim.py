"""Claim: lease activities to a worker."""

import asyncio
import secrets
import time
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from queues import failpoints, observe
from queues.domain.activity import Activity, decode_activity
from queues.domain.record import Kind
from queues.domain.states import State
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone

_encode = msgspec.json.Encoder().encode


class Claimed(msgspec.Struct, gc=False):
    """One lease in a claim note; ``version`` is the settle's to come."""

    id: str
    type: str
    attempt: int
    fence: int
    version: int


class ClaimNote(msgspec.Struct, gc=False):
    """The body of a ``processing`` record: who took what of one partition in one call, and until when."""

    worker: str
    claimed_ms: int
    deadline_ms: int
    leases: list[Claimed]


class Lease:
    """The right to settle one attempt. ``fence`` orders attempts; ``version`` is the settle's to come.

    ``sealed`` keeps the record of a settle under way: after an unknown append only the very same may be repeated.
    ``seen_s`` is when it was last known to be held (monotonic s).
    """

    __slots__ = (
        "_activity", "address", "attempt", "body", "claimed_ms", "deadline_ms", "earlier", "fence", "id", "partition",
        "queue", "sealed", "seen_s", "stale", "token", "type", "version", "worker",
    )  # fmt: skip

    def __init__(
        self, *, id: str, queue: str, fence: int, type: str = "", version: int = 0, token: str = "",  # noqa: A002
        attempt: int = 0, deadline_ms: int = 0, partition: int = 0, address: str = "", earlier: str = "",
        claimed_ms: int = 0, worker: str = "", body: bytes = b"",
    ) -> None:  # fmt: skip
        self.id = id
        self.queue = queue
        self.type = type
        self.fence = fence
        self.version = version
        self.token = token
        self.attempt = attempt
        self.deadline_ms = deadline_ms
        self.partition = partition
        self.address = address
        self.earlier = earlier
        self.claimed_ms = claimed_ms
        self.worker = worker
        self.body = body
        self._activity: Activity | None = None
        self.sealed: Any = None
        self.stale = False
        self.seen_s = time.monotonic()

    def activity(self) -> Activity:
        """Return the activity as claimed: active, with attempt, fence, worker and time of this claim."""
        if self._activity is None:
            a = decode_activity(self.body)
            a.state = State.ACTIVE
            a.attempt, a.fence, a.worker, a.claimed_ms = (
                self.attempt,
                self.fence,
                self.worker,
                self.claimed_ms,
            )
            a.started_ms = a.ended_ms = a.due_ms = 0
            self._activity = a
        return self._activity


async def claim(
    b: Backbone,
    queue: str,
    *,
    most: int,
    worker: str,
    types: Collection[str] | None = None,
    lease_s: float | None = None,
    call: str | None = None,
) -> list[Lease]:
    """Lease up to ``most`` claimable activities in order of band, priority, retries first, time.

    The attempt counts from here. The same ``call`` again, within a lease, gives the same leases.

    Raises:
        HotUnavailable: Redis is away or closed; HotTimeout: repeat with the same ``call``.
    """
    token = call or secrets.token_hex(8)
    lease_ms = int((lease_s or b.conf.lease_s) * 1000)
    claimed_ms, deadline_ms, found = await b.hot.claim(
        queue, token, min(most, b.conf.claim_batch), lease_ms, worker, sorted(types) if types else []
    )
    failpoints.hit("claim.leased")
    if not found:
        return []
    leases = [
        Lease(
            id=c.id, queue=queue, type="", fence=c.fence, version=c.version, token=token, attempt=c.attempt,
            deadline_ms=deadline_ms, partition=c.partition, address=c.address, earlier=c.earlier,
            claimed_ms=claimed_ms, worker=worker, body=c.body,
        )
        for c in found
    ]  # fmt: skip
    for lease in leases:
        lease.type = lease.activity().type
    b.log.post(_notes(b, queue, leases))
    observe.claimed.send(observe.Counted(queue, len(leases)))
    return leases


def _notes(b: Backbone, queue: str, leases: Sequence[Lease]) -> list[Message]:
    # One record a call and partition: one an activity would be a quarter of all that a fast handler appends.
    topic = topic_name(b.conf, queue, Kind.PROCESSING)
    notes: dict[int, ClaimNote] = {}
    for x in leases:
        note = notes.get(x.partition)
        if note is None:
            note = notes[x.partition] = ClaimNote(x.worker, x.claimed_ms, x.deadline_ms, [])
        note.leases.append(Claimed(x.id, x.type, x.attempt, x.fence, x.version))
    key = leases[0].token.encode()
    return [Message(topic, partition, key, _encode(note), None) for partition, note in notes.items()]


class WorkHints:
    """Tells that one of some queues may have work; one subscription for as long as it is open."""

    def __init__(self, b: Backbone, queues: Sequence[str]) -> None:
        self._channels = {b.hot.keys(q).wake: q for q in queues}
        self._client = b.hot.client
        self._event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, timeout_s: float) -> bool:
        """Return True on a hint, False after ``timeout_s``; a hint given since the last wait counts."""
        if self._task is None:
            self._task = asyncio.create_task(
                self._client.listen(list(self._channels), lambda _channel, _text: self._event.set())
            )
        try:
            await asyncio.wait_for(self._event.wait(), timeout_s)
        except TimeoutError:
            return False
        finally:
            self._event.clear()
        return True

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
