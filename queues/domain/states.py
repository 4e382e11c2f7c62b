"""The state machine: eight states of Open Job Spec and each edge between them, by name."""

from enum import StrEnum
from typing import Final, NamedTuple

from queues.domain.errors import IllegalTransition


class State(StrEnum):
    """Where an activity is in its life; the value is the wire word."""

    SCHEDULED = "scheduled"
    AVAILABLE = "available"
    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    RETRYABLE = "retryable"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


class Cause(StrEnum):
    """Why an activity changes its state."""

    ENQUEUE = "enqueue"
    DUE = "due"
    WAKE = "wake"
    CLAIM = "claim"
    CHECKPOINT = "checkpoint"
    COMPLETE = "complete"
    RETRY = "retry"
    EXHAUST = "exhaust"
    RELEASE = "release"
    REAP = "reap"
    SLEEP = "sleep"
    WAIT = "wait"
    EXPIRE = "expire"
    DUPLICATE = "duplicate"
    CANCEL = "cancel"
    REDRIVE = "redrive"
    RESCHEDULE = "reschedule"
    PRIORITISE = "prioritise"


class Edge(NamedTuple):
    """One allowed step; ``source`` is None before the first record."""

    source: State | None
    cause: Cause
    target: State


TERMINAL: Final = frozenset({State.COMPLETED, State.CANCELLED, State.DISCARDED})
LIVE: Final = frozenset(State) - TERMINAL
WAITING: Final = frozenset({State.SCHEDULED, State.AVAILABLE, State.RETRYABLE, State.PENDING})
"""Live and held by nobody."""


def _edges() -> frozenset[Edge]:
    s, c = State, Cause
    edges = {
        Edge(None, c.ENQUEUE, s.SCHEDULED),
        Edge(None, c.ENQUEUE, s.AVAILABLE),
        Edge(None, c.ENQUEUE, s.PENDING),
        Edge(s.SCHEDULED, c.DUE, s.AVAILABLE),
        Edge(s.RETRYABLE, c.DUE, s.AVAILABLE),
        Edge(s.PENDING, c.WAKE, s.AVAILABLE),
        Edge(s.AVAILABLE, c.CLAIM, s.ACTIVE),
        Edge(s.ACTIVE, c.CHECKPOINT, s.ACTIVE),
        Edge(s.ACTIVE, c.COMPLETE, s.COMPLETED),
        Edge(s.ACTIVE, c.RETRY, s.RETRYABLE),
        Edge(s.ACTIVE, c.RETRY, s.AVAILABLE),
        Edge(s.ACTIVE, c.EXHAUST, s.DISCARDED),
        Edge(s.ACTIVE, c.RELEASE, s.AVAILABLE),
        Edge(s.ACTIVE, c.REAP, s.AVAILABLE),
        Edge(s.ACTIVE, c.REAP, s.DISCARDED),
        Edge(s.ACTIVE, c.SLEEP, s.SCHEDULED),
        Edge(s.ACTIVE, c.WAIT, s.PENDING),
        Edge(s.ACTIVE, c.CANCEL, s.CANCELLED),
        Edge(s.DISCARDED, c.REDRIVE, s.AVAILABLE),
        Edge(s.CANCELLED, c.REDRIVE, s.AVAILABLE),
    }
    for waiting in WAITING:
        edges |= {Edge(waiting, c.CANCEL, s.CANCELLED), Edge(waiting, c.PRIORITISE, waiting)}
    for waiting in WAITING:
        edges |= {Edge(waiting, c.EXPIRE, s.DISCARDED), Edge(waiting, c.DUPLICATE, s.DISCARDED)}
    for waiting in (s.SCHEDULED, s.AVAILABLE, s.RETRYABLE):
        edges |= {Edge(waiting, c.RESCHEDULE, s.SCHEDULED), Edge(waiting, c.RESCHEDULE, s.AVAILABLE)}
    return frozenset(edges)


EDGES: Final = _edges()
_TARGETS: Final = {
    (source, cause): frozenset(e.target for e in EDGES if (e.source, e.cause) == (source, cause))
    for source, cause, _ in EDGES
}


def targets(source: State | None, cause: Cause) -> frozenset[State]:
    """Return the states that ``cause`` may lead to; empty when it may not happen there."""
    return _TARGETS.get((source, cause), frozenset())


def require_edge(source: State | None, cause: Cause, target: State) -> None:
    """Pass when the edge exists.

    Raises:
        IllegalTransition: it does not; nothing has changed.
    """
    if target not in targets(source, cause):
        raise IllegalTransition(source, cause, target)


def may(source: State, cause: Cause) -> bool:
    """Tell whether ``cause`` is allowed in ``source`` (which buttons a page offers)."""
    return (source, cause) in _TARGETS
