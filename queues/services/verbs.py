"""What each operator's verb makes of an activity; pure."""

from msgspec import UNSET

from queues.domain.activity import Activity, Reason
from queues.domain.states import Cause, State, require_edge
from queues.hot.view import Held
from queues.services.decide import WAITING_PLACES, Verb


def _signed(a: Activity, reason: Reason, actor: str, note: str) -> Activity:
    a.reason, a.actor, a.note = reason.value, actor, note
    return a


def cancelling(actor: str, note: str) -> Verb:
    """Cancel what is live; a running attempt is told at its next heartbeat and its outcome dropped."""

    def change(a: Activity, held: Held) -> Activity:
        require_edge(State(held.state), Cause.CANCEL, State.CANCELLED)
        a.state, a.due_ms = State.CANCELLED, 0
        a.worker = held.worker
        return _signed(a, Reason.CANCELLED, actor, note)

    return Verb("cancel", Cause.CANCEL, (*WAITING_PLACES, "leased"), change)


def redriving(actor: str, note: str) -> Verb:
    """Run a failed, dead or cancelled activity again, from its first attempt."""

    def change(a: Activity, held: Held) -> Activity:
        require_edge(State(held.state), Cause.REDRIVE, State.AVAILABLE)
        a.state, a.due_ms, a.attempt, a.dead = State.AVAILABLE, 0, 0, False
        a.generation += 1
        a.result = UNSET
        a.expires_ms = 0
        return _signed(a, Reason.REDRIVEN, actor, note)

    return Verb("redrive", Cause.REDRIVE, ("gone",), change)


def rescheduling(due_ms: int, now_ms: int, actor: str, note: str) -> Verb:
    """Let a waiting activity become claimable at ``due_ms``, or at once when that is past."""

    def change(a: Activity, held: Held) -> Activity:
        target = State.SCHEDULED if due_ms > now_ms else State.AVAILABLE
        require_edge(State(held.state), Cause.RESCHEDULE, target)
        a.state, a.due_ms = target, due_ms if due_ms > now_ms else 0
        return _signed(a, Reason.RESCHEDULED, actor, note)

    return Verb("reschedule", Cause.RESCHEDULE, ("ready", "due", "lane", "limit"), change)


def prioritising(priority: int, actor: str, note: str) -> Verb:
    """Give a waiting activity another priority."""

    def change(a: Activity, held: Held) -> Activity:
        require_edge(State(held.state), Cause.PRIORITISE, State(held.state))
        a.state, a.priority = State(held.state), priority
        return _signed(a, Reason.PRIORITISED, actor, note)

    return Verb("prioritise", Cause.PRIORITISE, ("ready", "due", "pend", "lane", "limit"), change)


def discarding(reason: Reason) -> Verb:
    """Discard what has waited past its expiry, or what another live activity's unique key excludes."""

    def change(a: Activity, held: Held) -> Activity:
        cause = Cause.EXPIRE if a.expires_ms else Cause.DUPLICATE
        require_edge(State(held.state), cause, State.DISCARDED)
        a.state, a.due_ms, a.dead = State.DISCARDED, 0, False
        return _signed(a, reason, "keeper", "")

    cause = Cause.DUPLICATE if reason is Reason.DUPLICATE else Cause.EXPIRE
    return Verb("discard", cause, WAITING_PLACES, change)


def waking() -> Verb:
    """Make a blocked activity claimable: what it waited for has happened."""

    def change(a: Activity, held: Held) -> Activity:
        require_edge(State(held.state), Cause.WAKE, State.AVAILABLE)
        a.state, a.due_ms = State.AVAILABLE, 0
        return _signed(a, Reason.WOKEN, "keeper", "")

    return Verb("wake", Cause.WAKE, ("pend",), change)
