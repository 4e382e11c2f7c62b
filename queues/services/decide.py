"""Decide another outcome for activities that nobody is settling: draw, append, apply; a batch in three steps."""

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from queues import failpoints
from queues.domain.activity import Activity, decode_activity
from queues.domain.errors import Conflict, NotFound, QueueError
from queues.domain.record import Kind
from queues.domain.states import Cause, State, may
from queues.hot.view import Held
from queues.log.topics import topic_name
from queues.services.backbone import Backbone, now_ms
from queues.services.fetch import Cold, fetch_cold
from queues.services.settle import Sealed, commit_sealed, seal

WAITING_PLACES = ("ready", "due", "pend", "lane", "limit", "dup")
LEASED_PLACES = ("leased", "settling")


class Decision(NamedTuple):
    """A version that counts: what the activity is now, and where its record lies (topic, partition)."""

    id: str
    version: int
    state: str
    topic: str
    partition: int


class Verb(NamedTuple):
    """An operator's or agent's verb: where and in which states it is allowed, and the next version that it makes.

    No ``cause``: in any state.
    """

    name: str
    cause: Cause | None
    places: tuple[str, ...]
    change: Callable[[Activity, Held], Activity]

    @property
    def states(self) -> tuple[State, ...]:
        """The states from which there is an edge."""
        return tuple(s for s in State if self.cause is None or may(s, self.cause))


async def decide(
    b: Backbone,
    queue: str,
    verb: Verb,
    items: Sequence[tuple[str, int]],
    *,
    colds: Sequence[Cold | None] | None = None,
) -> list[Decision | QueueError]:
    """Carry out ``verb`` on each (id, expected version or -1); answer each by its decision or its refusal.

    A process that dies between the draw and the append leaves a lease behind, and the reaper restores the activity.

    Raises:
        HotUnavailable: nothing was decided.
    """
    known = colds or [None] * len(items)
    asked = [(*item, cold.row() if cold else False) for item, cold in zip(items, known, strict=True)]
    bodies = [cold.body if cold else b"" for cold in known]
    held = await b.hot.decide(
        queue,
        verb.name,
        verb.places,
        verb.states,
        asked,
        lease_ms=int(max(b.conf.lease_s, b.conf.append_timeout_s + 5) * 1000),
        holder=secrets.token_hex(8),
        bodies=bodies,
    )
    failpoints.hit("decide.held")
    answers: list[Decision | QueueError] = [_refusal(h) if h.why else Conflict("") for h in held]
    sealed: dict[int, Sealed] = {}
    for at, h in enumerate(held):
        if not h.why:
            try:
                sealed[at] = _sealed(verb, h)
            except QueueError as exc:
                # It stays held until the reaper puts it back; the others of the batch must not wait for that.
                answers[at] = exc
    failures = await commit_sealed(b, queue, list(sealed.values())) if sealed else []
    for (at, s), failure in zip(sealed.items(), failures, strict=True):
        answers[at] = failure if isinstance(failure, QueueError) else _decision(b, s)
    return answers


def _sealed(verb: Verb, h: Held) -> Sealed:
    a = decode_activity(h.body)
    a.version = h.version
    a.attempt = h.attempt
    a.ended_ms = now_ms()
    a.worker, a.claimed_ms, a.started_ms, a.fence = "", 0, 0, 0
    return seal(verb.change(a, h), h.partition, h.address, h.earlier)


def _decision(b: Backbone, s: Sealed) -> Decision:
    a = s.activity
    topic = topic_name(b.conf, a.queue, Kind(s.kind))
    return Decision(a.id, a.version, a.state.value, topic, s.partition)


def _refusal(h: Held) -> QueueError:
    if h.why == "missing":
        return NotFound(f"activity {h.id} is not in the hot view")
    if h.why == "busy":
        return Conflict(f"activity {h.id} is being settled this moment; look again")
    return Conflict(f"activity {h.id} is {h.why.partition(':')[2]}: this is not possible now")


async def decide_one(b: Backbone, queue: str, verb: Verb, activity_id: str) -> Decision:
    """Carry out ``verb`` on one activity, fetched from the index and the log when the hot view does not know it.

    Raises:
        NotFound: nobody knows it, or its body is gone from the log.
        Conflict: its state does not allow the verb; nothing has changed.
        OutcomeUnknown, LogUnavailable, HotUnavailable: as ``settle``.
    """
    [answer] = await decide(b, queue, verb, [(activity_id, -1)])
    retry_cold = isinstance(answer, NotFound) or (isinstance(answer, Conflict) and "gone" in verb.places)
    if retry_cold:
        cold = await fetch_cold(b, queue, activity_id)
        if cold is None and isinstance(answer, Conflict):
            raise answer
        if cold is None:
            raise NotFound(f"activity {activity_id} is not known in queue {queue}")
        if cold.settled and "gone" not in verb.places:
            raise Conflict(f"activity {activity_id} is {cold.state}: this is not possible now")
        [answer] = await decide(b, queue, verb, [(activity_id, -1)], colds=[cold])
    if isinstance(answer, QueueError):
        raise answer
    return answer
